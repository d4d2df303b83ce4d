"""A ticket queried by keys: what the caller is asked and told; what a citizen is shown; how often he may ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ivr.menu import QUERY_PROMPTS
from ivr.prompts import say_number
from pbx import events as event
from pbx.call import CallState
from pbx.commands import Ask, Command, HangUp, Play, QueryTicket
from pbx.events import KeyStatus, TicketQueried
from tests.builders import ONE, Hall, none, only, row
from tests.ticket_story import BOSS, DESK, POLICY, WATER, I, S, Story
from tickets.georeport import TYPES_AS_SERVICES, request_of
from tickets.organisations import Organisation, OrganisationTree, OrgKind
from tickets.public import STATUS, WITHDRAWN, WORDS, code_of, proved, public_view
from tickets.query_guard import QueryGuard, QueryRules
from tickets.units import UnitRegister

pytestmark = pytest.mark.core

NUMBER, KEY = "2026112300001", "a-key-of-the-hotline"


def zh(*prompts: str) -> tuple[str, ...]:
    return tuple(f"hotline/zh/{prompt}" for prompt in prompts)


def asked() -> Hall:
    """A caller in the main menu who has pressed 3."""
    hall = Hall()
    hall.arrive()
    question = only(hall.press("3"), Ask)
    assert (question.prompts, question.max_digits) == (zh("query-number"), 20)
    return hall


def queried(hall: Hall, outcome: str, status: str = "", days: int | None = None, serial: int = 1) -> list[Command]:
    return hall.step(TicketQueried(ONE, serial, outcome, status, days, hall.now))


def proof(hall: Hall, digits: str = "1111") -> QueryTicket:
    assert only(hall.press(NUMBER), Ask).prompts == zh("query-digits")
    return only(hall.press(digits), QueryTicket)


def test_he_is_asked_for_the_number_then_for_the_digits_and_told_how_it_stands() -> None:
    hall = asked()
    query = proof(hall)
    assert (query.number, query.proof, query.caller, query.serial) == (NUMBER, "1111", "13800001111", 1)
    told = only(queried(hall, "found", "handling", 3), Play)
    assert told.prompts == zh("query-handling", "query-due", *say_number(3, "zh", counting=True), "query-days")
    again = only(hall.played(), Ask)
    assert again.prompts == zh("menu-main", "query-offer")
    assert hall.call().record.menu_path == ("3", "queried")
    assert only(hall.press(""), Play).prompts == zh("goodbye")
    assert only(hall.played(), HangUp)


@pytest.mark.parametrize(("days", "said"), [(0, ("query-due-today",)), (None, ()), (-1, ()), (400, ())])
def test_when_it_is_due_is_told_where_that_makes_sense(days: int | None, said: tuple[str, ...]) -> None:
    hall = asked()
    proof(hall)
    assert only(queried(hall, "found", "dispatched", days), Play).prompts == zh("query-dispatched", *said)


def test_nothing_found_is_said_alike_and_after_three_times_he_is_back() -> None:
    hall = asked()
    for serial in (1, 2):
        assert proof(hall).serial == serial
        assert only(queried(hall, "none", serial=serial), Ask).prompts == zh("query-none", "query-number")
    proof(hall)
    assert only(queried(hall, "none", serial=3), Play).prompts == zh("query-none")
    assert only(hall.played(), Ask).prompts == zh("menu-main", "query-offer")
    assert hall.call().record.menu_path == ("3", "unfound")


@pytest.mark.parametrize(("outcome", "said"), [("limit", "query-limit"), ("away", "system-error")])
def test_who_asks_too_often_or_when_the_store_is_away_hears_so(outcome: str, said: str) -> None:
    hall = asked()
    proof(hall)
    assert only(queried(hall, outcome), Play).prompts == zh(said)


@pytest.mark.parametrize("keys", ["", "*", "12*4"])
def test_silence_or_a_star_leads_back(keys: str) -> None:
    assert only(asked().press(keys), Ask).prompts == zh("menu-main", "query-offer")


def test_keys_typed_ahead_are_put_before_those_that_follow() -> None:
    hall = asked()
    rest = only(hall.press(NUMBER[:8], status=KeyStatus.AHEAD), Ask)
    assert (rest.prompts, rest.max_digits) == (zh("pause"), 12)
    assert only(hall.press(NUMBER[8:]), Ask).prompts == zh("query-digits")
    assert only(hall.press("1111"), QueryTicket).number == NUMBER


@pytest.mark.parametrize("end", ["#", ""])
def test_the_hash_after_eight_digits_belongs_to_them_and_cuts_nothing(end: str) -> None:
    hall = asked()
    hall.press(NUMBER)
    hash_ = only(hall.press("12345678"), Ask)  # as many as there may be: the exchange has not waited for the hash
    assert (hash_.prompts, hash_.max_digits) == (zh("pause"), 1)
    assert 0 < hash_.wait_s < 8
    lost = only(hall.step(event.StepLost(ONE, hall.call().step, "x", hall.now)), Ask)
    assert (lost.prompts, lost.max_digits) == (zh("pause"), 1)
    assert only(hall.press(end), QueryTicket).proof == "12345678"


def test_eight_digits_typed_ahead_wait_for_their_hash_too_and_a_ninth_makes_them_wrong() -> None:
    hall = asked()
    hall.press(NUMBER)
    assert only(hall.press("12345678", status=KeyStatus.AHEAD), Ask).max_digits == 1
    assert only(hall.press("9"), QueryTicket).proof == "123456789"


def test_he_stands_still_while_the_store_is_asked_and_a_store_that_is_silent_is_away() -> None:
    hall = asked()
    proof(hall)
    assert none(hall.idle(), Ask, Play)
    assert none(hall.press("5"), Ask, Play, QueryTicket)
    hall.later(6)
    assert only(hall.idle(), Play).prompts == zh("system-error")
    assert none(queried(hall, "found", "handling"), Play)  # too late


def test_a_late_answer_to_an_earlier_query_is_none() -> None:
    hall = asked()
    proof(hall)
    queried(hall, "none")
    assert none(queried(hall, "found", "handling"), Play, Ask)
    proof(hall)
    assert none(queried(hall, "found", "handling", serial=1), Play)
    assert only(queried(hall, "found", "handling", serial=2), Play)


def test_a_lost_command_is_given_again_and_a_restart_asks_anew() -> None:
    hall = asked()
    hall.press(NUMBER)
    assert only(hall.step(event.StepLost(ONE, hall.call().step, "x", hall.now)), Ask).prompts == zh("query-digits")
    mark = hall.call().mark()
    new = Hall(connected=False)
    new.connected(row(context="p-idle", step=5, mark=mark))
    assert new.state(ONE) is CallState.ASKING
    assert only(new.said, Ask).prompts == zh("query-number")


# ---------------------------------------------------------------- what a citizen is shown


def test_every_state_has_a_word_in_both_languages() -> None:
    assert set(STATUS) == set(S)
    assert {*STATUS.values(), WITHDRAWN} == set(WORDS)
    assert {f"query-{word}" for word in WORDS} <= set(QUERY_PROMPTS), "each can be said by telephone"


@pytest.mark.parametrize("state", [S.OPENED, S.REGISTERED, S.DISPATCHED, S.SIGNED, S.REPLIED])
def test_a_withdrawn_ticket_is_shown_as_that_and_never_as_one_that_was_answered(state: S) -> None:
    story = Story()
    story.to(state)
    ticket = story.do(BOSS, I.WITHDRAW, reason="诉求人来电撤回")
    for archived in (False, True):
        if archived:
            ticket = story.do(DESK, I.ARCHIVE)
        seen = public_view(ticket, story.moves, "code", POLICY)
        assert (seen.status, seen.zh, seen.reply, seen.due) == ("withdrawn", "已撤回，不再办理", "", None), state
        assert [one.zh for one in seen.steps][-1 - archived] == "撤回"
        assert "办结" not in seen.zh + "".join(one.zh for one in seen.steps)
        assert story.moves[-1 - archived].reason not in repr(seen), "why is between hotline and caller"
        told = request_of(ticket, TYPES_AS_SERVICES, POLICY.units)
        assert (told["status"], told["service_notice"]) == ("closed", None)
        assert "撤回" in str(told["status_notes"])


def test_one_that_is_handled_again_after_a_withdrawal_is_withdrawn_no_more() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(BOSS, I.WITHDRAW, reason="诉求人来电撤回")
    again = story.do(BOSS, I.REDO, reason="诉求人又来电")
    assert again.withdrawn_at is None
    assert public_view(again, story.moves, "code", POLICY).status == "dispatched"
    story.do(WATER, I.SIGN)
    story.do(WATER, I.REPLY)
    seen = public_view(story.do(DESK, I.ACCEPT_REPLY), story.moves, "code", POLICY)
    assert (seen.status, seen.reply) == ("resolved", "已修复")


def test_two_proofs_and_what_hides_him() -> None:
    ticket = Story().to(S.SIGNED)
    code = code_of(KEY, NUMBER)
    assert len(code) == 8
    assert code != code_of("another key of another hotline", NUMBER)
    assert code != code_of(KEY, "2026112300002")
    assert proved(ticket, NUMBER, "1111", KEY) == "phone"
    assert proved(ticket, NUMBER, code, KEY) == "code"
    for hidden in (replace(ticket, anonymous=True), replace(ticket, confidential=True)):
        assert proved(hidden, NUMBER, "1111", KEY) == ""
        assert proved(hidden, NUMBER, code, KEY) == "code"
    for wrong in ("1112", "0000", "----", "", "11112222", "13800001111"):
        assert proved(ticket, NUMBER, wrong, KEY) == ""
    assert proved(None, NUMBER, code, KEY) == proved(None, NUMBER, "1111", KEY) == ""
    for caller in ("", "1111", "anonymous"):
        assert proved(replace(ticket, caller=caller), NUMBER, "1111", KEY) == ""
        assert proved(replace(ticket, caller=caller), NUMBER, "----", KEY) == ""


def test_problem_progress_and_result_and_no_word_of_what_is_the_hotlines_own() -> None:
    story = Story()
    story.to(S.SIGNED)
    story.do(WATER, I.ASK_EXTENSION)
    story.do(BOSS, I.GRANT_EXTENSION)
    story.do(WATER, I.REPLY, text="尚未公布的答复")
    view = public_view(story.ticket, story.moves, "code", POLICY)
    assert (view.status, view.reply, view.title) == ("replied", "", "停水")
    assert [step.zh for step in view.steps] == ["受理", "登记", "转办", "签收", "延期"]
    assert (view.steps[2].unit_zh, view.steps[2].unit_en, view.unit_zh) == ("水务局", "水务局", "水务局")
    assert view.timezone == "Asia/Shanghai"
    assert view.due == story.ticket.handle_due
    weak = public_view(story.ticket, story.moves, "phone", POLICY)
    assert (weak.title, weak.text) == ("", "")
    story.do(DESK, I.REJECT_REPLY)
    story.do(WATER, I.REPLY, text="已修复")
    story.do(DESK, I.ACCEPT_REPLY)
    view = public_view(story.ticket, story.moves, "phone", POLICY)
    assert (view.status, view.reply, view.due) == ("resolved", "已修复", None)
    shown = str(view)
    assert "尚未公布的答复" not in shown
    assert "13800001111" not in shown


def test_he_is_told_names_and_no_ids_of_units() -> None:
    """In his language where there is one; nothing of a unit that is no longer there."""
    story = Story()
    story.to(S.DISPATCHED)
    water = Organisation("water", "水务局", OrgKind.UNIT, "张三", "办公室", "李四", name_en="Water Bureau")
    tree = OrganisationTree([water])
    view = public_view(story.ticket, story.moves, "phone", replace(POLICY, organisations=tree, units=tree.register()))
    assert [(one.unit_zh, one.unit_en) for one in view.steps][-1] == ("水务局", "Water Bureau")
    assert (view.unit_zh, view.unit_en) == ("水务局", "Water Bureau")
    gone = public_view(story.ticket, story.moves, "phone", replace(POLICY, units=UnitRegister()))
    assert (gone.unit_zh, gone.steps[-1].unit_en) == ("", "")
    assert "water" not in str(gone)


# ---------------------------------------------------------------- how often


def test_a_source_and_a_number_are_guarded_and_the_code_is_not_kept_out() -> None:
    guard = QueryGuard(QueryRules(tries=5, tries_in_s=60.0, wrong=3, wrong_in_s=1000.0))
    assert [guard.admit("a", str(n), 0.0, guessable=True) for n in range(6)] == [True] * 5 + [False]
    assert guard.admit("a", "9", 60.0, guessable=True)
    for n in range(3):  # from three addresses
        assert guard.admit(f"s{n}", NUMBER, 100.0, guessable=True)
    assert not guard.admit("s9", NUMBER, 100.0, guessable=True)
    assert guard.admit("s9", NUMBER, 100.0, guessable=False)
    assert guard.admit("s9", NUMBER, 1100.0, guessable=True)


def test_the_right_digits_are_no_wrong_try() -> None:
    guard = QueryGuard(QueryRules(tries=100, wrong=2))
    for _ in range(20):
        assert guard.admit("a", NUMBER, 0.0, guessable=True)
        guard.fitted(NUMBER)


def test_what_is_remembered_is_bounded() -> None:
    guard = QueryGuard(QueryRules(remembered=100))
    for n in range(1000):
        guard.admit(f"s{n}", f"{n}", float(n), guessable=True)
    assert len(guard._sources) == len(guard._wrong) == 100


def test_what_was_counted_goes_on_after_a_restart() -> None:
    rules = QueryRules(tries=3, tries_in_s=60.0, wrong=2, wrong_in_s=1000.0)
    before = QueryGuard(rules)
    for n in range(3):
        assert before.admit("a", str(n), 100.0, guessable=n == 0)
    assert before.admit("b", "0", 100.0, guessable=True)
    after = QueryGuard(rules)
    after.restore(before.kept(), 120.0)
    assert after.kept() == before.kept()
    assert not after.admit("a", "9", 120.0, guessable=False)
    assert not after.admit("c", "0", 120.0, guessable=True)
    late = QueryGuard(rules)
    late.restore(before.kept(), 170.0)
    assert late.admit("a", "9", 170.0, guessable=False)
    assert not late.admit("c", "0", 170.0, guessable=True)


def test_a_clock_that_was_set_back_locks_nobody_out_for_longer() -> None:
    guard = QueryGuard(QueryRules(tries=1, tries_in_s=60.0))
    guard.restore([("source", "a", 5000.0, 1)], 100.0)
    assert not guard.admit("a", "1", 159.0, guessable=False)
    assert guard.admit("a", "1", 160.0, guessable=False)
