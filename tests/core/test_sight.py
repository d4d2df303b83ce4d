"""One ticket between cities: the way that it may take, whose clocks run, and what each organisation sees of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from tests.city_story import (
    CZ_AGENT,
    CZ_DESK,
    CZ_ROADS,
    CZ_WATER,
    JS_DESK,
    ORGANISATIONS,
    TREE,
    ZJ_DESK,
    ZJ_WATER,
)
from tests.ticket_story import HOUR, MONDAY
from tickets.classes import load_classes
from tickets.deadlines import DeadlineRules, Limit, Unit
from tickets.flow import Intake, apply, may, opened
from tickets.given import Move
from tickets.log import replayed
from tickets.moves import ADMIN, Actor, Role, TicketInput, TicketState
from tickets.organisations import OrganisationTree, OrgKind
from tickets.shown import view
from tickets.sight import Part, part_of
from tickets.texts import TicketRefused
from tickets.ticket import PRIVATE, Channel, TicketChange, TicketPolicy

pytestmark = pytest.mark.core

I = TicketInput  # noqa: E741
NUMBERS = {"0519-12345": "cz", "0511-12345": "zj"}
POLICY = TicketPolicy(units=TREE.register(), organisations=TREE, classes=load_classes(), numbers=NUMBERS)


class Between:
    """A ticket that a caller of Changzhou's number opened."""

    def __init__(self, policy: TicketPolicy = POLICY) -> None:
        call = OpenTicket(CallId("c-1"), "13800001111", "0519-12345", "zh", "general", AgentId("1001"), MONDAY)
        self.policy, self.at = policy, MONDAY
        self.ticket, first = opened(TicketNumber("2026112300001"), call, CZ_AGENT, policy)
        self.moves = [first]
        self.do(
            CZ_AGENT,
            Move(I.REGISTER, change=TicketChange(type="help", title="漏水", text="沿江路漏水", caller_name="王五")),
        )

    def do(self, actor: Actor, move: Move) -> None:
        self.at += HOUR
        self.ticket, kept = apply(self.ticket, move, actor, self.at, self.policy)
        self.moves.append(kept)

    def sees(self, actor: Actor) -> Part | None:
        return part_of(actor.unit, self.ticket, POLICY)


def test_a_ticket_belongs_to_the_city_whose_number_was_dialled() -> None:
    assert Between().ticket.region == "cz"


@pytest.mark.parametrize(
    ("dialled", "queue", "city"),
    [
        ("0519-12345", "english", "cz"),
        ("12345", "zj-general", "zj"),
        ("0519-12345", "zj-general", "zj"),  # a shared menu gave him to the other city
        ("95001", "english", "js"),  # a number that stands nowhere is taken like the default one
    ],
)
def test_a_call_s_ticket_is_the_city_s_in_whose_queue_he_waited(dialled: str, queue: str, city: str) -> None:
    policy = replace(POLICY, numbers={**NUMBERS, "12345": "js"}, queues={"zj-general": "zj"}, city="js")
    call = OpenTicket(CallId("c-1"), "13800001111", dialled, "zh", queue, AgentId("1001"), MONDAY)
    ticket, _ = opened(TicketNumber("2026112300001"), call, CZ_AGENT, policy)
    assert ticket.region == city
    assert part_of(city, ticket, policy) is Part.WHOLE


def test_what_no_call_opens_is_the_city_s_whose_people_take_it_down() -> None:
    policy = replace(POLICY, city="js")
    for actor, city in ((CZ_DESK, "cz"), (Actor("portal", Role.SYSTEM), "js")):
        ticket, _ = opened(TicketNumber("2026112300001"), Intake(Channel.WEB, MONDAY), actor, policy)
        assert ticket.region == city


def test_a_city_cannot_reach_over_the_province() -> None:
    one = Between()
    for unit in ("zj-water", "zj", "js-transport"):
        with pytest.raises(TicketRefused) as refused:
            one.do(CZ_DESK, Move(I.REFER, unit=unit))
        assert refused.value.code == "through_another"
        assert "(js)" in str(refused.value)
    with pytest.raises(TicketRefused) as refused:
        one.do(CZ_DESK, Move(I.REFER, unit="ah"))
    assert refused.value.code == "no_way"
    with pytest.raises(TicketRefused) as refused:
        one.do(CZ_DESK, Move(I.REFER, unit="cz-water", co_units=("zj-water",)))
    assert refused.value.code == "through_another"


def across(one: Between) -> Between:
    one.do(CZ_DESK, Move(I.REFER, unit="js"))
    one.do(JS_DESK, Move(I.REDISPATCH, unit="zj", reason="跨市域"))
    one.do(ZJ_DESK, Move(I.REDISPATCH, unit="zj-water", reason="属水务局"))
    return one


def test_through_the_province_it_comes_to_another_city_and_nobody_wins_time_by_it() -> None:
    one = Between()
    one.do(CZ_DESK, Move(I.REFER, unit="js"))
    due = one.ticket.handle_due
    one.do(JS_DESK, Move(I.REDISPATCH, unit="zj", reason="跨市域"))
    one.do(ZJ_DESK, Move(I.REDISPATCH, unit="zj-water", reason="属水务局"))
    assert (one.ticket.lead_unit, one.ticket.handle_due, one.ticket.dispatch_count) == ("zj-water", due, 1)
    assert replayed(one.moves) == one.ticket
    one.do(ZJ_DESK, Move(I.REDISPATCH, unit="zj", reason="收回"))
    assert one.ticket.dispatch_count == 2, "taken from a handling unit it is a dispatch again"


def test_the_hotline_whose_ticket_it_is_reviews_the_reply_not_the_city_that_handles_it() -> None:
    for reviewer in (CZ_DESK, JS_DESK):
        one = across(Between())
        one.do(ZJ_WATER, Move(I.SIGN))
        one.do(ZJ_WATER, Move(I.REPLY, text="已修复"))
        for move in (Move(I.ACCEPT_REPLY), Move(I.REJECT_REPLY, reason="未修")):
            with pytest.raises(TicketRefused) as refused:
                one.do(ZJ_DESK, move)
            assert refused.value.code == "not_your_review"
        assert I.ACCEPT_REPLY not in may(one.ticket, ZJ_DESK, one.policy)
        one.do(reviewer, Move(I.ACCEPT_REPLY))
        assert one.ticket.state is TicketState.RESOLVED


def refusal(one: Between, actor: Actor, move: Move) -> str:
    with pytest.raises(TicketRefused) as refused:
        one.do(actor, move)
    return refused.value.code


def test_a_city_that_was_given_another_s_ticket_hands_it_on_and_decides_nothing() -> None:
    """It neither ends the ticket nor takes it, and no deadline of the other city moves (`domain.md` D10)."""
    zj_boss, cz_boss = Actor("zj-boss", Role.SUPERVISOR, "zj"), Actor("cz-boss", Role.SUPERVISOR, "cz")
    one = across(Between())
    one.do(ZJ_WATER, Move(I.SIGN))
    due = one.ticket.handle_due
    one.do(ZJ_WATER, Move(I.ASK_EXTENSION, reason="要开挖", until=due + 86_400.0))
    one.do(ZJ_WATER, Move(I.ASK_RETURN, reason="属住建局"))
    for move in (
        Move(I.WITHDRAW, reason="不办了"),
        Move(I.MERGE, into="2026112300009", reason="重复"),
        Move(I.JOIN, incident="E1"),
        Move(I.AMEND, change=TicketChange(region="zj")),
        Move(I.GRANT_EXTENSION, until=due + 86_400.0),
        Move(I.GRANT_RETURN, reason="属实"),
        Move(I.REFUSE_RETURN, reason="不属实"),
        Move(I.SUPERVISE, reason="限期办结", until=due + 7 * 86_400.0),
    ):
        assert refusal(one, zj_boss, move) == "another_hotlines", move.input
        assert move.input is I.SUPERVISE or move.input not in may(one.ticket, zj_boss, one.policy)
    one.do(zj_boss, Move(I.SUPERVISE, reason="催促下级"))
    assert one.ticket.handle_due == due
    assert I.REDISPATCH in may(one.ticket, zj_boss, one.policy)
    one.do(cz_boss, Move(I.GRANT_EXTENSION, until=due + 86_400.0))
    assert one.ticket.handle_due == due + 86_400.0
    one.do(zj_boss, Move(I.REDISPATCH, unit="zj", reason="另派"))
    assert one.ticket.lead_unit == "zj"


def test_a_region_does_not_carry_a_ticket_past_the_province() -> None:
    for actor in (CZ_AGENT, CZ_DESK, Actor("boss", Role.SUPERVISOR, "cz")):
        assert refusal(Between(), actor, Move(I.AMEND, change=TicketChange(region="zj"))) == "through_another"
    central = Between()
    central.do(Actor("desk", Role.DISPATCHER), Move(I.AMEND, change=TicketChange(region="zj")))
    assert central.ticket.region == "zj", "who acts for the whole installation says whose it is"


def test_a_bureau_does_not_judge_its_own_sub_units() -> None:
    parts = [*ORGANISATIONS, replace(TREE.get("cz-water") or ORGANISATIONS[0], id="cz-water-pipe", parent="cz-water")]
    tree = OrganisationTree(parts)
    one = Between(replace(POLICY, organisations=tree, units=tree.register()))
    pipe, bureau = Actor("pipe", Role.UNIT, "cz-water-pipe"), Actor("bureau", Role.SUPERVISOR, "cz-water")
    one.do(CZ_DESK, Move(I.REFER, unit="cz-water-pipe"))
    one.do(pipe, Move(I.SIGN))
    one.do(pipe, Move(I.ASK_RETURN, reason="不属我处"))
    for move in (Move(I.GRANT_RETURN, reason="是"), Move(I.WITHDRAW, reason="算了")):
        assert refusal(one, bureau, move) == "own_ticket"
    one.do(pipe, Move(I.REPLY, text="已修复"))
    assert refusal(one, bureau, Move(I.ACCEPT_REPLY)) == "own_ticket"
    one.do(CZ_DESK, Move(I.ACCEPT_REPLY))


@pytest.mark.parametrize("role", [Role.DISPATCHER, Role.SUPERVISOR, Role.LEADER])
@pytest.mark.parametrize(("kind", "above"), [(OrgKind.UNIT, "cz-water"), (OrgKind.COUNTY, "cz-county")])
def test_a_bureau_or_county_gives_a_ticket_only_to_who_is_below_it(role: Role, kind: OrgKind, above: str) -> None:
    """To anybody else it is a return, which somebody authorises (退单)."""
    some = TREE.get("cz-water") or ORGANISATIONS[0]
    parts = [*ORGANISATIONS, replace(some, id="cz-below", parent=above)]
    if kind is OrgKind.COUNTY:
        parts.append(replace(some, id=above, kind=kind, sort="", parent="cz"))
    tree = OrganisationTree(parts)
    policy = replace(POLICY, organisations=tree, units=tree.register())
    bureau = Actor("bureau", role, above)
    one = Between(policy)
    one.do(CZ_DESK, Move(I.REFER, unit=above))
    for move in (
        Move(I.REDISPATCH, unit="cz-roads", reason="不属我局"),
        Move(I.REDISPATCH, unit="cz-below", co_units=("cz-roads",), reason="交下属"),
        Move(I.ADD_UNIT, unit="cz-roads"),
    ):
        assert refusal(one, bureau, move) == "through_another"
    one.do(CZ_DESK, Move(I.ADD_UNIT, unit="cz-roads"))
    assert refusal(one, bureau, Move(I.REDISPATCH, unit="cz-roads", reason="协办的来主办")) == "through_another"
    one.do(bureau, Move(I.REDISPATCH, unit="cz-below", reason="交下属"))
    assert one.ticket.lead_unit == "cz-below"


def test_the_home_city_and_the_province_see_the_whole_the_others_their_part() -> None:
    one = Between()
    assert [one.sees(who) for who in (CZ_DESK, JS_DESK, ZJ_DESK, CZ_WATER)] == [Part.WHOLE, None, None, None]
    across(one)
    assert [one.sees(who) for who in (CZ_DESK, JS_DESK)] == [Part.WHOLE, Part.WHOLE], "the province tracks"
    assert [one.sees(who) for who in (ZJ_DESK, ZJ_WATER, CZ_WATER)] == [Part.LEAD, Part.LEAD, None]
    assert one.sees(ADMIN) is Part.WHOLE
    assert part_of("abolished", one.ticket, POLICY) is None


def test_two_cities_co_handle_one_ticket_and_each_sees_its_part() -> None:
    one = Between()
    one.do(CZ_DESK, Move(I.REFER, unit="js"))
    one.do(JS_DESK, Move(I.REDISPATCH, unit="cz", co_units=("zj",), reason="两市共同协办"))
    one.do(CZ_DESK, Move(I.REDISPATCH, unit="cz-water", reason="属水务局"))
    assert one.ticket.units == {"cz-water", "zj"}
    one.do(CZ_WATER, Move(I.SIGN))
    one.do(CZ_WATER, Move(I.HANDLE, text="我方管道已查"))
    one.do(CZ_WATER, Move(I.ASK_HARD_CASE, reason="权属不清"))
    with pytest.raises(TicketRefused):
        one.do(ZJ_DESK, Move(I.ADD_UNIT, unit="cz-roads"))
    one.do(ZJ_DESK, Move(I.ADD_UNIT, unit="zj-water"))
    one.do(ZJ_WATER, Move(I.HANDLE, text="我市段已修"))
    assert one.sees(ZJ_WATER) is one.sees(ZJ_DESK) is Part.CO
    theirs = view(one.ticket, one.moves, ZJ_WATER, one.policy)
    assert theirs is not None
    assert theirs.part is Part.CO
    assert (theirs.ticket.caller, theirs.ticket.caller_name, theirs.ticket.text) == ("", "", "沿江路漏水")
    assert theirs.ticket.approvals == (), "what the other city asks its hotline is not told"
    told = repr(theirs)
    assert "我市段已修" in told
    assert "我方管道已查" not in told
    assert "权属不清" not in told
    assert "13800001111" not in told
    assert "王五" not in told
    mine = view(one.ticket, one.moves, CZ_WATER, one.policy)
    assert mine is not None and mine.part is Part.WHOLE or mine is not None and mine.part is Part.LEAD
    assert mine.ticket.caller == "13800001111"
    assert mine.ticket.approvals
    assert "我市段已修" not in repr(mine)
    all_of_it = view(one.ticket, one.moves, JS_DESK, one.policy)
    assert all_of_it is not None
    assert all_of_it.moves == tuple(one.moves)
    assert all_of_it.ticket == one.ticket
    assert view(one.ticket, one.moves, CZ_ROADS, one.policy) is None


def test_a_hidden_caller_is_hidden_in_the_moves_too() -> None:
    one = Between()
    boss = Actor("boss", Role.SUPERVISOR, "cz")
    one.do(boss, Move(I.AMEND, change=TicketChange(anonymous=True)))
    one.do(CZ_DESK, Move(I.REFER, unit="cz-water"))
    for viewer in (CZ_DESK, CZ_WATER):
        seen = view(one.ticket, one.moves, viewer, one.policy)
        assert seen is not None
        assert "13800001111" not in repr(seen)
        assert "王五" not in repr(seen)
        assert not any(getattr(seen.ticket, name) for name in PRIVATE)
    seen = view(one.ticket, one.moves, boss, one.policy)
    assert seen is not None
    assert seen.ticket.caller == "13800001111"


def test_a_city_has_its_own_limits() -> None:
    slow = DeadlineRules(handle_other=Limit(10, Unit.WORKING_DAYS, "test"))
    usual, own = Between(), Between(replace(POLICY, local={"cz": replace(POLICY, deadlines=slow)}))
    for one in (usual, own):
        one.do(CZ_DESK, Move(I.REFER, unit="cz-water"))
    assert own.ticket.handle_due - usual.ticket.handle_due == 7 * 86_400.0, "ten working days are two weeks"
    assert own.policy.of("zj", "0519-12345") is own.policy, "the region says whose ticket it is, not the number"


def test_a_ticket_has_a_class_and_a_region_of_the_trees() -> None:
    one = Between()
    for change, code in (
        (TicketChange(class_code="99"), "unknown_class"),
        (TicketChange(region="cz-water"), "unknown_region"),
    ):
        with pytest.raises(TicketRefused) as refused:
            one.do(CZ_AGENT, Move(I.AMEND, change=change))
        assert refused.value.code == code
    one.do(CZ_AGENT, Move(I.AMEND, change=TicketChange(class_code="UTIL-WATER-PIPE", region="cz-wj")))
    assert (one.ticket.class_code, one.ticket.region) == ("UTIL-WATER-PIPE", "cz-wj")
    assert one.sees(CZ_DESK) is Part.WHOLE


def test_an_installation_of_one_hotline_sees_and_gives_as_ever() -> None:
    tree = OrganisationTree([replace(one, parent=None) for one in ORGANISATIONS if one.id in ("cz-water", "cz-roads")])
    policy = TicketPolicy(units=tree.register(), organisations=tree)
    one = Between(policy)
    one.do(Actor("desk", Role.DISPATCHER), Move(I.REFER, unit="cz-water"))
    assert part_of("cz-water", one.ticket, policy) is Part.LEAD
    assert part_of("cz-roads", one.ticket, policy) is None
