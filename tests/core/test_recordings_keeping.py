"""How long recordings are kept: the longest rule counts, an open ticket and a person's word keep longer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.keeping import DAY_S, Due, KeepPolicy, KeepRule, Kept, NotYet, decide, erasable_from, unknown_types

pytestmark = pytest.mark.core

POLICY = KeepPolicy(
    365,
    (KeepRule("complaints", frozenset({"complaint", "report"}), 1825), KeepRule("short", frozenset({"inquiry"}), 90)),
)
BEGUN = 1_700_000_000.0


def test_the_longest_rule_that_applies_counts_and_the_general_one_only_where_none_does() -> None:
    for types, days, rule in (
        (set(), 365, "general"),
        ({"help"}, 365, "general"),
        ({"inquiry"}, 90, "short"),
        ({"inquiry", "complaint"}, 1825, "complaints"),
    ):
        kept = Kept(BEGUN, frozenset(types))
        over = BEGUN + days * DAY_S
        assert decide(POLICY, kept, over - 1) == NotYet("young", over)
        assert decide(POLICY, kept, over) == Due(rule, over)


def test_what_is_held_or_still_handled_is_never_erased() -> None:
    late = BEGUN + 10_000 * DAY_S
    assert decide(POLICY, Kept(BEGUN, ticket_open=True), late) == NotYet("open_ticket", None)
    assert decide(POLICY, Kept(BEGUN, holds=["法院调取"]), late) == NotYet("held", None)


TYPES = st.frozensets(st.sampled_from(["inquiry", "help", "complaint", "report", "praise"]))


@given(types=TYPES, age=st.floats(0, 4000), ticket_open=st.booleans(), held=st.booleans(), more=TYPES)
def test_nothing_is_erased_earlier_than_the_shortest_rule_and_another_type_may_only_keep_longer(
    types: frozenset[str], age: float, ticket_open: bool, held: bool, more: frozenset[str]
) -> None:
    now = BEGUN + age * DAY_S
    kept = Kept(BEGUN, types, ticket_open, ["x"] if held else [])
    decision = decide(POLICY, kept, now)
    if isinstance(decision, Due):
        assert age >= min([POLICY.general_days, *(rule.keep_days for rule in POLICY.rules)])
        assert not ticket_open
        assert not held
        assert decision.since <= now
    ruled = any(rule.types & types for rule in POLICY.rules)
    if ruled and isinstance(decision, NotYet):
        assert isinstance(decide(POLICY, Kept(BEGUN, types | more, ticket_open, kept.holds), now), NotYet)


@given(types=TYPES, ticket_open=st.booleans(), held=st.booleans())
def test_the_instant_of_erasure_is_the_one_at_which_the_decision_turns(
    types: frozenset[str], ticket_open: bool, held: bool
) -> None:
    kept = Kept(BEGUN, types, ticket_open, ["x"] if held else [])
    instant = erasable_from(POLICY, kept)
    assert (instant is None) is (ticket_open or held)
    if instant is not None:
        assert isinstance(decide(POLICY, kept, instant), Due)
        assert isinstance(decide(POLICY, kept, instant - 1), NotYet)


def test_other_rules_have_another_name_and_the_same_ones_the_same() -> None:
    rule = POLICY.rules[0]
    again = KeepPolicy(365, (KeepRule(rule.name, frozenset(sorted(rule.types, reverse=True)), 1825), POLICY.rules[1]))
    assert POLICY.version == again.version
    others = [KeepPolicy(366, POLICY.rules), KeepPolicy(365), KeepPolicy(365, (KeepRule("a", rule.types, 1825),))]
    assert len({POLICY.version, *(one.version for one in others)}) == 4


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="no type"):
        KeepRule("nothing", frozenset(), 10)
    with pytest.raises(ValueError, match="less than a day"):
        KeepRule("at once", frozenset({"help"}), 0)
    assert unknown_types(POLICY, {"inquiry", "report"}) == ["complaint"]


def test_transcripts_are_kept_by_the_same_rules_with_days_of_their_own() -> None:
    rules = (KeepRule("complaints", frozenset({"complaint"}), 1825, 3650), KeepRule("help", frozenset({"help"}), 400))
    assert KeepPolicy(365, rules).of_transcripts == KeepPolicy(
        365, (KeepRule("complaints", frozenset({"complaint"}), 3650, 3650), rules[1])
    )
    shorter = KeepPolicy(365, rules, 90).of_transcripts
    assert (shorter.general_days, [one.keep_days for one in shorter.rules]) == (90, [3650, 400])
    assert POLICY.of_transcripts.version == POLICY.version
    with pytest.raises(ValueError, match="less than a day"):
        KeepRule("at once", frozenset({"help"}), 10, 0)
