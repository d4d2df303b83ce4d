"""Who sits at which phone: nobody at two, no two at one, and rules that never notice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.moves import AgentState
from controller.seats import VACANT, Seats
from pbx import events as event
from pbx.commands import AddParty, MarkAgent, NetMembership, Offer, Reply
from pbx.events import PhoneUse, Role
from pbx.ids import AgentId, CallId, ChannelName, RequestId
from tests.builders import A1, A2, A3, ONE, Hall, caller_channel, leg_of, none, only, row

pytestmark = pytest.mark.core

SEAT, OTHER = AgentId("8001"), AgentId("8002")
ROVER = AgentId("1009")


def seats() -> Seats:
    return Seats({A1: A1, A2: A2}, (SEAT, OTHER))


def test_everybody_sits_at_his_own_phone_until_he_signs_in_elsewhere() -> None:
    here = seats()
    assert (here.phone_of(A1), here.agent_at(A1), here.away(A1)) == (A1, A1, None)
    assert (here.phone_of(ROVER), here.agent_at(SEAT)) == (None, None)
    here.sit(A1, SEAT)
    assert (here.phone_of(A1), here.agent_at(SEAT), here.agent_at(A1), here.away(A1)) == (SEAT, A1, None, SEAT)
    assert here.leave(A1) == SEAT
    assert (here.phone_of(A1), here.agent_at(SEAT)) == (A1, None)


def test_who_sits_at_anothers_phone_has_it_and_its_owner_has_none() -> None:
    here = seats()
    here.sit(A2, A1)
    assert (here.agent_at(A1), here.phone_of(A1), here.agent_at(A2)) == (A2, None, None)
    with pytest.raises(ValueError, match="somebody else"):
        here.sit(A1, A1)
    with pytest.raises(KeyError):
        here.sit(A1, AgentId("7777"))


AGENTS, PHONES = (A1, A2, A3, ROVER), (A1, A2, A3, SEAT, OTHER)


@given(st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from((*PHONES, None))), max_size=30))
def test_nobody_is_at_two_phones_and_no_phone_has_two(moves: list[tuple[AgentId, AgentId | None]]) -> None:
    here = Seats({A1: A1, A2: A2, A3: A3}, (SEAT, OTHER))
    for agent, phone in moves:
        if phone is None:
            here.leave(agent)
        else:
            try:
                here.sit(agent, phone)
            except ValueError:
                assert here.agent_at(phone) not in (None, agent)
        at = {agent: here.phone_of(agent) for agent in AGENTS}
        taken = [phone for phone in at.values() if phone is not None]
        assert len(taken) == len(set(taken)), "two agents at one phone"
        assert {here.agent_at(phone): phone for phone in PHONES if here.agent_at(phone)} == {
            agent: phone for agent, phone in at.items() if phone
        }


def test_what_the_exchange_says_of_a_phone_is_told_of_who_sits_there() -> None:
    here = seats()
    here.sit(A1, SEAT)
    leg = ChannelName("PJSIP/8001-1")
    assert here.inward(event.LegStarted(ONE, 1, SEAT, leg, 0.0)) == event.LegStarted(ONE, 1, A1, leg, 0.0)
    joined = event.PartyJoined(ONE, leg, Role.AGENT, SEAT, 0.0)
    assert here.inward(joined) == event.PartyJoined(ONE, leg, Role.AGENT, A1, 0.0)
    own = event.PartyLeft(ONE, leg, Role.AGENT, A1, 0.0)
    assert here.inward(own) == event.PartyLeft(ONE, leg, Role.AGENT, None, 0.0), "his own phone is not him now"
    failed = event.OfferFailed(ONE, 1, A1, "BUSY", 17, 0.0)
    assert here.inward(failed) == event.OfferFailed(ONE, 1, AgentId(VACANT + A1), "BUSY", 17, 0.0)
    department = event.PartyJoined(ONE, leg, Role.THIRD, AgentId("2001"), 0.0)
    assert here.inward(department) == department
    net = event.NetTalkEnded(ONE, A1, 0.0)
    assert here.inward(net) == net, "the net names its member by the agent's id"


def test_what_is_ordered_for_an_agent_rings_the_phone_where_he_sits() -> None:
    here = seats()
    here.sit(A1, SEAT)
    offer = Offer(ONE, caller_channel(ONE), 1, A1, 6, "default", "")
    assert here.outward(offer) == Offer(ONE, caller_channel(ONE), 1, SEAT, 6, "default", "")
    party = AddParty(ONE, caller_channel(ONE), A1, 20)
    assert here.outward(party) == AddParty(ONE, caller_channel(ONE), SEAT, 20)
    assert here.outward(Reply(RequestId("r"), True)) == Reply(RequestId("r"), True)


# ---------------------------------------------------------------- with the rules


def hall(**changes: object) -> Hall:
    found = Hall(connected=False, seats=frozenset({SEAT, OTHER}), phoneless=frozenset({A3}), **changes)
    found.connected(phones=(A1, A2, SEAT, OTHER))
    return found


def test_a_call_at_a_seat_from_offer_to_wrap_up() -> None:
    here = hall()
    marks = [one for one in here.sign_in(A1, SEAT) if isinstance(one, MarkAgent)]
    assert (marks[-1].net, marks[-1].phone, marks[-1].mark.endswith(f"|{SEAT}")) == (NetMembership.PAUSED, SEAT, True)
    here.ready(A1)
    offer = only(here.queued(), Offer)
    assert offer.agent == SEAT
    here.started()
    here.leg_started(SEAT)
    assert here.where(A1) is AgentState.RINGING
    here.joined(SEAT)
    here.joined(None)
    assert (here.where(A1), here.saved().agent) == (AgentState.TALKING, A1)
    here.later(30)
    here.left(SEAT)
    here.leg_ended(SEAT)
    assert here.where(A1) is AgentState.WRAP_UP
    assert here.saved().offers[-1].agent == A1


def test_an_agent_without_a_phone_needs_a_seat() -> None:
    here = hall()
    assert only(here.sign_in(A3), Reply).code == "no_seat"
    assert only(here.ready(A3), Reply).code == "no_seat"
    assert only(here.sign_in(A3, AgentId("7777")), Reply).code == "unknown_seat"
    assert only(here.sign_in(A3, SEAT), Reply).ok
    assert only(here.ready(A3), Reply).ok


def test_a_second_sign_in_elsewhere_takes_over_and_frees_the_first_seat() -> None:
    here = hall()
    here.sign_in(A1, SEAT)
    here.ready(A1)
    commands = here.sign_in(A1, OTHER)
    assert only(commands, Reply).ok
    assert (here.where(A1), here.agent().reason) == (AgentState.NOT_READY, "signed_in")
    assert (here.house.seats.phone_of(A1), here.house.seats.agent_at(SEAT)) == (OTHER, None)
    gone = [one for one in commands if isinstance(one, MarkAgent) and one.net is NetMembership.ABSENT]
    assert SEAT in {one.phone for one in gone}, "the net rings the first seat no more"
    assert [(one.what, one.agent, one.detail) for one in here.house.notices] == [("moved", A1, OTHER)]


def test_a_sign_in_at_a_taken_seat_signs_its_agent_out() -> None:
    here = hall()
    here.sign_in(A1, SEAT)
    assert only(here.sign_in(A2, SEAT), Reply).ok
    assert (here.where(A1), here.where(A2)) == (AgentState.OFFLINE, AgentState.NOT_READY)
    assert (here.house.seats.phone_of(A1), here.house.seats.agent_at(SEAT)) == (A1, A2)
    assert here.house.notices[-1].what == "seat_taken"
    here.sign_in(A3, A2)  # at the phone of somebody who sits elsewhere
    assert (here.where(A2), here.house.seats.agent_at(A2)) == (AgentState.NOT_READY, A3)


def test_a_call_is_never_taken_from_anybody_by_a_sign_in() -> None:
    here = hall()
    here.sign_in(A1, SEAT)
    here.talking()  # offered at the seat; the leg's agent is the phone
    here.leg_started(SEAT)
    here.joined(SEAT)
    here.joined(None)
    assert here.where(A1) is AgentState.TALKING
    assert only(here.sign_in(A1, OTHER), Reply).code == "agent_in_call"
    assert only(here.sign_in(A2, SEAT), Reply).code == "seat_in_call"
    assert here.where(A1) is AgentState.TALKING


def test_signing_out_in_a_talk_frees_the_seat_when_it_is_over() -> None:
    here = hall()
    here.sign_in(A3, SEAT)
    here.ready(A3)
    here.queued()
    here.leg_started(SEAT)
    here.joined(SEAT)
    here.joined(None)
    here.sign_out(A3)
    assert here.house.seats.agent_at(SEAT) == A3
    here.hung_up()
    here.leg_ended(SEAT)
    here.ready(A1)
    assert here.house.seats.agent_at(SEAT) == A3, "he writes the call up"
    (wake,) = [one for one in here.said if getattr(one, "key", "") == A3][-1:]
    here.time_is_up(wake)  # type: ignore[arg-type]
    assert (here.where(A3), here.house.seats.agent_at(SEAT)) == (AgentState.OFFLINE, None)


def test_a_restarted_controller_finds_who_sits_where_and_who_talks_there() -> None:
    before = hall()
    before.sign_in(A1, SEAT)
    before.ready(A1)
    before.sign_in(A2, OTHER)
    marks = {one.agent: one.mark for one in before.said if isinstance(one, MarkAgent)}
    after = Hall(connected=False, seats=frozenset({SEAT, OTHER}), phoneless=frozenset({A3}))
    up = event.LiveChannel(leg_of(SEAT), ONE, Role.AGENT, SEAT, "from-agent", 0, True, "", "")
    after.connected(row(context="p-dial", bridged=True), up, phones=(A1, A2, SEAT, OTHER), marks=marks)
    assert (after.where(A1), after.agent(A1).call, after.where(A2)) == (AgentState.TALKING, ONE, AgentState.NOT_READY)
    assert (after.house.seats.phone_of(A1), after.house.seats.phone_of(A2)) == (SEAT, OTHER)


DEEDS = st.one_of(
    st.tuples(st.just("sign_in"), st.sampled_from((A1, A2, A3)), st.sampled_from((None, A1, A2, SEAT, OTHER))),
    st.tuples(
        st.sampled_from(("sign_out", "ready", "not_ready", "call", "answer", "end")), st.sampled_from((A1, A2, A3))
    ),
    st.tuples(st.just("phone"), st.sampled_from((A1, A2, SEAT, OTHER)), st.booleans()),
    st.tuples(st.just("used"), st.sampled_from((A1, A2, SEAT, OTHER)), st.sampled_from(PhoneUse)),
)


@given(st.lists(DEEDS, max_size=25))
def test_whatever_agents_and_phones_do_each_agent_is_at_one_phone_and_knows_it(deeds: list[tuple[Any, ...]]) -> None:
    here = hall()
    for number, (deed, who, *more) in enumerate(deeds):
        call = CallId(f"{number}.1")
        if deed in ("sign_in", "phone", "used", "ready", "sign_out", "not_ready"):
            getattr(here, deed)(who, *more)
        elif deed == "call":
            here.queued(call)
        else:
            known = here.agent(who)
            seat = here.house.seats.phone_of(who)
            if known.call in here.house.calls and seat is not None and known.call is not None:
                if deed == "answer":
                    here.leg_started(seat, known.call)
                    here.joined(seat, known.call)
                    here.joined(None, known.call)
                else:
                    here.hung_up(known.call)
                    here.leg_ended(seat, known.call)
        at = here.house.seats
        phones = [phone for one in here.house.roster.agents() if (phone := at.phone_of(one.id)) is not None]
        assert len(phones) == len(set(phones)), "two agents at one phone"
        for one in here.house.roster.agents():
            assert (one.phone, one.use) == at.facts(one.id), "what he knows of his phone is what the exchange said"
            assert one.call is None or at.phone_of(one.id) is not None, "a call was taken from him"
            assert one.state is not AgentState.OFFLINE or at.away(one.id) is None, "signed out, he keeps a seat"
        for command in here.steps[-1][2]:
            if isinstance(command, Offer):
                holder = at.agent_at(command.agent)
                assert holder is not None
                assert here.agent(holder).call == command.call


def test_what_the_dialplan_noted_of_a_talk_is_told_of_the_agent_at_the_seat() -> None:
    here = seats()
    talk = event.TalkSeen(5.0, 9.0, SEAT)
    gone = event.CallGone(CallId("3.3"), caller_channel(CallId("3.3")), "", "", 9.0, talk)
    caller = replace(row(context="p-survey"), talk=talk)
    found = here.snapshot(event.ExchangeConnected((caller,), (SEAT,), (), 10.0, (gone,)), {A1: SEAT})
    assert [one.talk.agent for one in (*found.channels, *found.gone) if one.talk is not None] == [A1, A1]


def test_a_seat_that_the_configuration_has_no_more_is_forgotten() -> None:
    before = hall()
    before.sign_in(A3, SEAT)
    marks = {one.agent: one.mark for one in before.said if isinstance(one, MarkAgent)}
    after = Hall(connected=False, phoneless=frozenset({A3}))
    after.connected(phones=(A1, A2), marks=marks)
    assert not after.agent(A3).phone
    assert after.house.seats.phone_of(A3) is None


def test_two_marks_that_claim_one_seat_leave_one_agent_there() -> None:
    here = Hall(connected=False, seats=frozenset({SEAT}))
    mark = f"ready|5.000||0.000|||{SEAT}"
    here.connected(phones=(A1, A2, SEAT), marks={A1: mark, A2: mark})
    assert here.house.seats.agent_at(SEAT) == A1
    assert here.house.seats.phone_of(A2) == A2


# ---------------------------------------------------------------- what the phone itself does


def test_a_private_call_is_no_change_of_state_and_no_call_is_offered_meanwhile() -> None:
    here = Hall()
    here.ready(A1)
    since = here.agent().since
    here.used(A1, PhoneUse.IN_USE)
    assert none(here.queued(), Offer)
    assert (here.where(), here.agent().since) == (AgentState.READY, since)
    offer = only(here.used(A1, PhoneUse.IDLE), Offer)
    assert offer.agent == A1, "back at once"


@pytest.mark.parametrize("use", [PhoneUse.RINGING, PhoneUse.IN_USE, PhoneUse.BUSY])
def test_what_our_own_call_does_to_the_phone_means_nothing_until_it_is_over(use: PhoneUse) -> None:
    here = Hall()
    here.ringing()
    here.used(A1, use)
    assert here.where() is AgentState.RINGING
    here.joined(A1)
    here.joined(None)
    here.hung_up()
    here.leg_ended()
    here.ready(A1)
    assert none(here.queued(CallId("2.2")), Offer), "the phone is still in a call, of whatever kind"
    assert only(here.used(A1, PhoneUse.IDLE), Offer).agent == A1


def test_a_snapshot_finds_a_private_call() -> None:
    here = Hall()
    here.ready(A1)
    here.lost_exchange()
    private = event.LiveChannel(leg_of(A1), CallId(""), Role.AGENT, A1, "from-agent", 0, True, "", "")
    here.connected(private)
    assert none(here.queued(), Offer)
    assert only(here.used(A1, PhoneUse.IDLE), Offer).agent == A1
