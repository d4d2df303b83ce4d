"""The drill's judge: a good day has no fault, and each fault put into it is found by its own count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.drill.judge import Bounds, judge
from controller.drill.ledger import DIRECT, Kept, Ledger, Outage, Placed, Ring

pytestmark = pytest.mark.core

T = 1_700_000_000.0
FIRST, SECOND = "13800000001", "13800000002"


def day() -> Ledger:
    """Two callers, one after the other with the same agent, and a kill in the first talk."""
    ledger = Ledger()
    for index, number in enumerate((FIRST, SECOND)):
        came, rung = T + 2 * index, T + 3 + 10 * index
        ledger.placed.append(Placed(number, DIRECT, came, came + 0.1, ended_at=rung + 7, silence_s=0.5, gap_s=0.1))
        ledger.rings.append(Ring("1001", number, rung, f"c{index}", rung + 1, rung + 1.02, rung + 5, rung + 5.01))
        ledger.kept.append(
            Kept(number, f"c{index}", DIRECT, "general", came + 0.1, came + 0.1, rung + 1, rung + 5, rung + 7,
                 "answered", "1001", False)
        )  # fmt: skip
    ledger.outages.append(Outage("kill", T + 5, T + 6, 0.8, 1.0, live=2))
    return ledger


def test_a_good_day_has_no_fault() -> None:
    verdict = judge(day(), Bounds())
    assert verdict.ok, verdict.must_be_none
    assert (verdict.told["calls"], verdict.told["talks"], verdict.told["talks_across_a_fault"]) == (2, 2, 1)
    assert verdict.told["owned_s.max"] == 0.8


def cut(ledger: Ledger) -> None:
    ledger.rings[0].hung_up_at = None


def gap(ledger: Ledger) -> None:
    ledger.placed[0].gap_s = 0.8


def lost(ledger: Ledger) -> None:
    del ledger.rings[1]
    ledger.kept[1] = replace(ledger.kept[1], joined_at=None, released_at=None)


def twice(ledger: Ledger) -> None:
    ledger.rings.append(replace(ledger.rings[0], agent="1002", invited_at=T + 8.5, heard_at=T + 9, ended_at=T + 9.5))


def agent_twice(ledger: Ledger) -> None:
    ledger.rings.append(Ring("1001", SECOND, T + 4, ended_at=T + 4.5, declined=True))


def offered_twice(ledger: Ledger) -> None:
    ledger.rings.append(Ring("1002", FIRST, T + 3.5, ended_at=T + 3.8, declined=True))


def overtaken(ledger: Ledger) -> None:
    ledger.rings[0].invited_at, ledger.rings[1].invited_at = T + 20, T + 13
    ledger.rings[0].ended_at = T + 26


def silent(ledger: Ledger) -> None:
    ledger.placed[0].silence_s = 3.5


def unowned(ledger: Ledger) -> None:
    ledger.outages[0].unowned = [FIRST]


def never_back(ledger: Ledger) -> None:
    ledger.never_back = True


def signed_out(ledger: Ledger) -> None:
    ledger.signed_out.append((T + 6, "1001", "offline"))


def wrong(ledger: Ledger) -> None:
    ledger.kept[1] = replace(ledger.kept[1], released_at=T + 30)


def unrecorded(ledger: Ledger) -> None:
    del ledger.kept[1]


def endless(ledger: Ledger) -> None:
    ledger.kept[1] = replace(ledger.kept[1], ended_at=None)


@pytest.mark.parametrize(
    ("fault", "count"),
    [
        (cut, "talks_cut"), (gap, "talks_with_a_gap"), (lost, "callers_lost"), (twice, "served_twice"),
        (agent_twice, "agents_rung_twice"), (offered_twice, "offered_twice"), (overtaken, "places_lost"),
        (silent, "silent_too_long"), (unowned, "not_owned_again"), (signed_out, "agents_signed_out"),
        (never_back, "never_back"),
        (wrong, "instants_disagree"), (unrecorded, "no_record"), (endless, "no_end"),
    ],
)  # fmt: skip
def test_each_fault_is_found(fault: Callable[[Ledger], None], count: str) -> None:
    ledger = day()
    fault(ledger)
    verdict = judge(ledger, Bounds())
    assert verdict.must_be_none[count], verdict.must_be_none
    assert not verdict.ok


def test_every_count_has_a_fault_that_proves_it() -> None:
    proved = {"talks_cut", "talks_with_a_gap", "callers_lost", "served_twice", "agents_rung_twice", "offered_twice",
              "places_lost", "silent_too_long", "not_owned_again", "agents_signed_out", "instants_disagree",
              "never_back", "no_record", "no_end"}  # fmt: skip
    assert set(judge(day(), Bounds()).must_be_none) == proved


def test_who_hangs_up_himself_is_not_lost() -> None:
    ledger = day()
    lost(ledger)
    ledger.placed[1].hung_up_at = ledger.placed[1].ended_at
    assert judge(ledger, Bounds()).ok


def test_who_hangs_up_as_he_is_answered_has_talked_by_the_record_alone() -> None:
    """Seen on the real exchange: bridged, and 1 ms later the citizen's BYE, which he had sent before."""
    ledger = day()
    joined = ledger.kept[1].joined_at
    assert joined is not None
    del ledger.rings[1]
    ledger.placed[1].hung_up_at = ledger.placed[1].ended_at = joined
    ledger.kept[1] = replace(ledger.kept[1], released_at=joined, ended_at=joined)
    assert judge(ledger, Bounds()).ok
    ledger.placed[1].hung_up_at = joined + 3
    assert judge(ledger, Bounds()).must_be_none["instants_disagree"]


def test_a_named_rule_may_overtake() -> None:
    ledger = day()
    overtaken(ledger)
    ledger.rings.insert(0, Ring("1001", FIRST, T + 12, ended_at=T + 12.5, declined=True))
    verdict = judge(ledger, Bounds())
    assert not verdict.must_be_none["places_lost"]
    assert verdict.told["overtaken_by_a_named_rule"] == 1


def test_an_instant_that_nobody_could_see_is_blurred_and_not_wrong() -> None:
    ledger = day()
    ledger.outages[0] = Outage("kill", T + 7.5, T + 12)
    ledger.kept[0] = replace(ledger.kept[0], released_at=T + 11)
    verdict = judge(ledger, Bounds())
    assert verdict.ok, verdict.must_be_none
    assert verdict.told["instants_blurred"] == 1


def test_calls_that_died_with_the_exchange_are_not_the_controllers() -> None:
    ledger = day()
    cut(ledger)
    ledger.outages[0].kind = "asterisk"
    assert not judge(ledger, Bounds()).ok
    verdict = judge(ledger, Bounds(), calls_may_be_cut=True)
    assert verdict.ok, verdict.must_be_none
    assert verdict.told["cut_with_the_exchange"] == 2
