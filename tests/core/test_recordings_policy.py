"""When a call is recorded, and for how long the recording is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from recordings.policy import (
    Milestone,
    PauseCause,
    PauseEnd,
    PausePolicy,
    RecordingPolicy,
    Standing,
    StartAt,
    erase_on,
    may_pause,
    pause_over,
    recording_due,
    transcript_erase_on,
)

pytestmark = pytest.mark.core

A, HEARD, CUT, TALK = (
    Milestone.ARRIVED,
    Milestone.CONSENT_HEARD,
    Milestone.CONSENT_CUT,
    Milestone.TALK_BEGAN,
)
ASKED = RecordingPolicy()
OFFERED = RecordingPolicy(consent_required=False)
AT_ONCE = RecordingPolicy(consent_required=False, start=StartAt.ANSWER)
NEVER = RecordingPolicy(record=False)


@pytest.mark.parametrize(
    ("policy", "milestones", "due"),
    [
        (ASKED, {A}, False),
        (ASKED, {A, HEARD}, True),
        (ASKED, {A, CUT}, True),
        (ASKED, {A, TALK}, False),
        (ASKED, {A, TALK, HEARD}, True),
        (ASKED, {HEARD}, False),
        (OFFERED, {A}, False),
        (OFFERED, {A, CUT}, True),
        (OFFERED, {A, TALK}, True),
        (OFFERED, {TALK}, False),
        (AT_ONCE, set(), False),
        (AT_ONCE, {A}, True),
        (NEVER, {A, HEARD, CUT, TALK}, False),
    ],
)
def test_due(policy: RecordingPolicy, milestones: set[Milestone], due: bool) -> None:
    assert recording_due(policy, milestones) is due


@pytest.mark.parametrize("policy", [ASKED, OFFERED, AT_ONCE, NEVER])
def test_a_recording_once_due_stays_due(policy: RecordingPolicy) -> None:
    every = [set(c) for n in range(5) for c in combinations(Milestone, n)]
    for small in every:
        for big in every:
            if small <= big and recording_due(policy, small):
                assert recording_due(policy, big)


def test_recording_before_the_notice_contradicts_required_consent() -> None:
    with pytest.raises(ValueError, match="consent_required = false"):
        RecordingPolicy(start=StartAt.ANSWER)
    RecordingPolicy(record=False, start=StartAt.ANSWER)


def test_start_is_taken_as_written_in_the_configuration() -> None:
    policy = RecordingPolicy(consent_required=False, start="answer")  # type: ignore[arg-type]
    assert policy.start is StartAt.ANSWER
    with pytest.raises(ValueError, match="sometimes"):
        RecordingPolicy(start="sometimes")  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["keep_days", "transcript_keep_days"])
def test_nothing_is_kept_for_less_than_a_day(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        RecordingPolicy(**{field: 0})


def test_retention_counts_from_the_start_each_for_itself() -> None:
    policy = RecordingPolicy(keep_days=90, transcript_keep_days=400)
    begun = datetime(2026, 11, 22, 1, tzinfo=UTC)
    assert erase_on(policy, begun) - begun == timedelta(days=90)
    assert transcript_erase_on(policy, begun) - begun == timedelta(days=400)
    assert RecordingPolicy().keep_days == 3 * 365


NOTHING = Standing()
ASKED_NOW = Standing(private_question=True)
HIS = Standing(talkers=frozenset({"1001"}))
ANOTHERS = Standing(talkers=frozenset({"1002"}))


@pytest.mark.parametrize(
    ("cause", "standing", "after_s", "over"),
    [
        (PauseCause.KEYS, ASKED_NOW, 5, None),
        (PauseCause.KEYS, NOTHING, 5, PauseEnd.ANSWERED),
        (PauseCause.KEYS, HIS, 5, PauseEnd.ANSWERED),
        (PauseCause.KEYS, ASKED_NOW, 60, PauseEnd.LONGEST),
        (PauseCause.AGENT, HIS, 5, None),
        (PauseCause.AGENT, ANOTHERS, 5, PauseEnd.LEFT),
        (PauseCause.AGENT, NOTHING, 5, PauseEnd.LEFT),
        (PauseCause.AGENT, HIS, 60, PauseEnd.LONGEST),
        (PauseCause.SUPERVISOR, HIS, 59.9, None),
        (PauseCause.SUPERVISOR, ANOTHERS, 5, PauseEnd.LEFT),
        (PauseCause.SUPERVISOR, HIS, 60, PauseEnd.LONGEST),
    ],
)
def test_a_pause_lives_as_long_as_what_it_was_for_and_never_longer_than_the_longest(
    cause: PauseCause, standing: Standing, after_s: float, over: PauseEnd | None
) -> None:
    assert pause_over(PausePolicy(longest_s=60.0), cause, "1001", 1000.0, standing, 1000.0 + after_s) is over


def test_who_may_pause() -> None:
    usual, strict = PausePolicy(), PausePolicy(private_keys=False, agents=False)
    assert all(may_pause(usual, cause) for cause in PauseCause)
    assert [cause for cause in PauseCause if may_pause(strict, cause)] == [PauseCause.SUPERVISOR]
    for longest_s in (0.0, 3600.5):
        with pytest.raises(ValueError, match="longest_s"):
            PausePolicy(longest_s=longest_s)
