"""When a call is recorded, and for how long the recording is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from recordings.policy import (
    Milestone,
    RecordingPolicy,
    StartAt,
    erase_on,
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
