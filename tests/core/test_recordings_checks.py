"""What is said of a sealed recording."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from recordings.checks import (
    Check,
    CheckRule,
    Expected,
    Finding,
    Leg,
    Span,
    check,
    length,
    looked_at,
    not_there,
    without,
)

pytestmark = pytest.mark.core

RULE = CheckRule(tolerance_s=1.0, least_talk_s=5.0)
TALK = (110.0, 170.0)


def call(**changes: object) -> Expected:
    given: dict[str, object] = {"started_at": 100.0, "ended_at": 180.0, "talks": (TALK,), **changes}
    return Expected(**given)  # type: ignore[arg-type]


def judged(found_s: float = 79.97, citizen_s: float = 20.0, heard_s: float = 20.0, **changes: object) -> Check:
    """Each talk has so much sound as far as it is looked at."""

    def audible(leg: int, spans: Iterable[Span]) -> float:
        return min(length(spans), heard_s if leg else citizen_s)

    return check(RULE, call(**changes), found_s, audible)


def test_a_whole_recording_with_both_legs_has_no_finding() -> None:
    found = judged()
    assert (found.findings, found.citizen, found.heard) == ((), Leg.AUDIBLE, Leg.AUDIBLE)
    assert found.missing_s == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("found_s", "findings"),
    [(79.01, ()), (78.9, (Finding.TRUNCATED,)), (80.99, ()), (81.1, (Finding.TOO_LONG,)), (0.02, (Finding.TRUNCATED,))],
)
def test_its_length_against_the_call(found_s: float, findings: tuple[Finding, ...]) -> None:
    assert judged(found_s).findings == findings


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"talks": ()}, Leg.NEVER_JOINED),
        ({"talks": ((110.0, 113.0),)}, Leg.TOO_SHORT),
        ({"holds": ((111.0, 169.0),)}, Leg.ON_HOLD),
        ({"pauses": ((109.0, 171.0),)}, Leg.PAUSED),
        ({"holds": ((110.0, 140.0),), "pauses": ((140.0, 168.0),)}, Leg.PAUSED),
        ({}, Leg.SILENT),
        ({"holds": ((120.0, 160.0),)}, Leg.SILENT),
    ],
)
def test_why_a_leg_is_not_heard(changes: dict[str, object], word: Leg) -> None:
    found = judged(citizen_s=0.1, heard_s=0.0, **changes)
    assert (found.citizen, found.heard) == (word, word)
    silent = (Finding.CALLER_SILENT, Finding.AGENT_SILENT) if word is Leg.SILENT else ()
    assert found.findings == silent


def test_a_muted_agent_is_no_dead_phone_and_the_citizen_is_looked_at_all_the_same() -> None:
    found = judged(citizen_s=0.0, heard_s=0.0, muted=((112.0, 169.0),))
    assert (found.citizen, found.heard) == (Leg.SILENT, Leg.MUTED)
    assert found.findings == (Finding.CALLER_SILENT,)


def test_one_leg_alone_is_named() -> None:
    assert judged(heard_s=0.0).findings == (Finding.AGENT_SILENT,)
    assert judged(citizen_s=0.0).findings == (Finding.CALLER_SILENT,)


def test_a_voice_message_has_one_leg() -> None:
    found = judged(talks=(), message=(120.0, 140.0), heard_s=0.0)
    assert (found.citizen, found.heard, found.findings) == (Leg.AUDIBLE, Leg.NEVER_JOINED, ())
    assert judged(talks=(), message=(120.0, 140.0), citizen_s=0.0).findings == (Finding.CALLER_SILENT,)


def test_a_second_talk_in_which_nobody_is_heard_is_found() -> None:
    """As after a transfer on an Asterisk that leaves the second agent out."""

    def audible(leg: int, spans: Iterable[Span]) -> float:
        return length(span for span in spans if leg == 0 or span[0] < 20.0)

    found = check(RULE, call(talks=((110.0, 120.0), (130.0, 170.0))), 80.0, audible)
    assert (found.citizen, found.heard, found.findings) == (Leg.AUDIBLE, Leg.SILENT, (Finding.AGENT_SILENT,))


def test_what_is_looked_at_counts_from_the_start_of_the_recording() -> None:
    citizen, agent = looked_at(call(holds=((120.0, 130.0),), muted=((150.0, 160.0),), pauses=((165.0, 200.0),)))
    assert citizen == (((10.0, 20.0), (30.0, 65.0)),)
    assert agent == (((10.0, 20.0), (30.0, 50.0), (60.0, 65.0)),)


def test_spans() -> None:
    assert without([(0.0, 10.0)], [(2.0, 3.0), (9.0, 12.0)]) == ((0.0, 2.0), (3.0, 9.0))
    assert without([(0.0, 1.0)], [(0.0, 1.0)]) == ()
    assert length([(0.0, 1.0), (2.0, 4.0)]) == 3.0


def test_what_is_not_there_is_named_unless_there_was_nothing_to_record() -> None:
    for finding in (Finding.MISSING, Finding.EMPTY, Finding.UNSEALED):
        assert not_there(call(), finding, RULE).findings == (finding,)
    assert not_there(call(ended_at=100.3, talks=()), Finding.EMPTY, RULE).findings == ()
    assert not_there(call(ended_at=100.3, talks=()), Finding.MISSING, RULE).findings == (Finding.MISSING,)
