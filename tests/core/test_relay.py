"""Which moves of a ticket travel to another installation, and as what: every input, from both sides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ticket_story import DAY, MONDAY, NUMBER, POLICY, Story, wish
from tickets.approvals import ASKS, DECIDES
from tickets.exchange.effect import moves_for, refused_file
from tickets.exchange.messages import Kind, Message, checked_body
from tickets.exchange.relay import TRAVELS, Say, Talk, told
from tickets.exchange.threads import Thread, ThreadState, say
from tickets.flow import apply
from tickets.given import Move
from tickets.moves import ADMIN, OVER, TICKET_MOVES, Actor, Role, TicketInput, TicketState
from tickets.organisations import Organisation, OrganisationTree, OrgKind
from tickets.texts import TicketRefused
from tickets.ticket import Attachment, Ticket, TicketChange, TicketMove, TicketPolicy

pytestmark = pytest.mark.core

I, S, T = TicketInput, TicketState, ThreadState  # noqa: E741
UNITS = ("water", "roads", "heat")


def tree(peers: bool) -> OrganisationTree:
    """The units of the stories; with `peers`, each behind an installation of its own."""
    return OrganisationTree(
        Organisation(one, one, OrgKind.UNIT, "张三", "办公室", "李四", peer=one if peers else "") for one in UNITS
    )


def policy(peers: bool) -> TicketPolicy:
    return replace(POLICY, organisations=tree(peers), installation="us")


def asked(story: Story, what: TicketInput) -> None:
    """Bring the ticket to where `what` has something to decide."""
    if what in DECIDES:
        kind, _ = DECIDES[what]
        asks = next(one for one, other in ASKS.items() if other is kind)
        story.do(Actor("unit", Role.UNIT, "water"), asks)


def ready(state: TicketState, what: TicketInput) -> Story | None:
    """A ticket in `state` to which `what` can be done; None where there is none."""
    if TICKET_MOVES[state, what] is None:
        return None
    story = Story(POLICY)
    try:
        story.to(state)
        asked(story, what)
        if what in (I.LEAVE, I.SETTLE):
            story.do(ADMIN, I.JOIN)
        if what is I.RESUME:
            asked(story, I.GRANT_PAUSE)
            story.do(ADMIN, I.GRANT_PAUSE)
    except TicketRefused:
        return None
    return story


def done(what: TicketInput, *, offerer: bool) -> set[str]:
    """Everything that is said when `what` is done, in whichever state that can be, with the talk as it is then."""
    said: set[str] = set()
    rules = policy(offerer)
    for state in TicketState:
        story = ready(state, what)
        if story is None:
            continue
        before = story.ticket
        try:
            after, move = apply(before, wish(what, before), ADMIN, story.at + 1, POLICY)
        except TicketRefused:
            continue  # wish has no such move in this state
        talks = [one for one in talks_of(before, offerer=offerer)]
        said |= {word(one) for one in told(before, after, move, talks, rules.organisations)}
    return said


def talks_of(ticket: Ticket, *, offerer: bool) -> list[Talk]:
    if not offerer:
        return [Talk(Thread("them", f"them/{NUMBER}", False, T.OFFERED, 1), "water", "lead")]
    if ticket.lead_unit is None:
        return []
    returned = any(
        one.kind.value in ("return", "objection") and one.outcome.value == "asked" for one in ticket.approvals
    )
    state = {S.REPLIED: T.REPLIED, S.RESOLVED: T.CLOSED, S.ARCHIVED: T.CLOSED}.get(ticket.state, T.OFFERED)
    state = T.RETURNED if returned else state
    return [Talk(Thread(ticket.lead_unit, f"us/{NUMBER}", True, state, 1), ticket.lead_unit, "lead")]


def word(one: Say) -> str:
    return str(one.body["step"]) if one.kind is Kind.PROGRESS else one.kind.value


@pytest.mark.parametrize("what", list(TicketInput))
def test_every_move_travels_as_the_table_says(what: TicketInput) -> None:
    assert set(TRAVELS) == set(TicketInput), "the table is whole"
    for offerer in (True, False):
        expected = TRAVELS[what][0 if offerer else 1]
        said = done(what, offerer=offerer)
        if expected:
            assert expected in said
        also = {I.REDISPATCH: "cancel", I.SETTLE: "close", I.WITHDRAW: "close"} if offerer else {}
        assert said <= {expected, also.get(what, "")} - {""}, "and as nothing else"


# ---------------------------------------------------------------- what a message does

THEM = Thread("them", f"them/{NUMBER}", False, T.OFFERED, 1)
OURS = Thread("water", f"us/{NUMBER}", True, T.OFFERED, 1)


def arrived(
    body: dict[str, object], ticket: Ticket, *, mine: bool = False, at: float = MONDAY
) -> list[tuple[Ticket, TicketMove]]:
    """What a step of the other side makes of our ticket: the first of each ways that our rules allow."""
    sender, thread = ("water", OURS) if mine else ("them", THEM)
    message = Message(sender, "us", thread.id, 1, 1, Kind.PROGRESS, at, checked_body(Kind.PROGRESS, body))
    found = []
    for ways in moves_for(message, ticket, Talk(thread, "water", "lead"), at, POLICY):
        for move, actor in ways:
            try:
                ticket, kept = apply(ticket, move, actor, at, POLICY)
            except TicketRefused:
                continue
            found.append((ticket, kept))
            break
    return found


def test_a_supervision_arrives_as_one_with_its_reason_and_deadline() -> None:
    story = Story()
    ticket, at = story.to(S.SIGNED), story.at + 60
    ((after, move),) = arrived({"step": "supervised", "text": "领导批示", "until": at + 7200.0}, ticket, at=at)
    assert (move.cause, move.reason, after.supervised_at) == ("supervise", "领导批示", at)
    assert (after.ordered_until, after.handle_due, after.remind_count) == (at + 7200.0, at + 7200.0, 0)
    ((late, move),) = arrived({"step": "supervised", "text": "领导批示", "until": at - 60.0}, ticket, at=at)
    assert (late.supervised_at, late.ordered_until) == (at, None), "under way too long: supervised all the same"
    assert move.reason.startswith("领导批示 [时限已过")


def test_what_the_citizen_says_later_reaches_who_works_on_it() -> None:
    story = Story(replace(POLICY, organisations=tree(True)))
    before = story.to(S.SIGNED)
    change = TicketChange(text="还漏到了楼下", urgency="urgent", caller_name="王女士", address="沿江路2号")
    after, move = apply(before, Move(I.AMEND, change=change), ADMIN, story.at, POLICY)
    (said,) = told(before, after, move, talks_of(before, offerer=True), tree(True))
    told_ = {"content": "还漏到了楼下", "urgency": "urgent", "caller_name": "王女士", "address": "沿江路2号"}
    assert said.body == {"step": "amended", **told_}
    ((there, _),) = arrived(said.body, replace(before, agent=before.agent), at=story.at)
    assert (there.text, there.urgency.value, there.caller_name) == ("还漏到了楼下", "urgent", "王女士")


def test_a_mark_that_comes_later_hides_there_too_and_no_caller_goes_with_it() -> None:
    story = Story()
    before = story.to(S.SIGNED)
    change = TicketChange(confidential=True, caller_name="王女士")
    after, move = apply(before, Move(I.AMEND, change=change), ADMIN, story.at, POLICY)
    (said,) = told(before, after, move, talks_of(before, offerer=True), tree(True))
    assert said.body == {"step": "amended", "confidential": True}
    ((there, _),) = arrived(said.body, before, at=story.at)
    assert there.confidential
    lifted, move = apply(after, Move(I.AMEND, change=TicketChange(confidential=False)), ADMIN, story.at, POLICY)
    for one in told(after, lifted, move, talks_of(after, offerer=True), tree(True)):
        assert all(now.confidential for now, _ in arrived(one.body, there, at=story.at)), "no message unhides a caller"


@pytest.mark.parametrize("state", list(T))
def test_a_mark_travels_at_once_however_far_the_talk_is(state: ThreadState) -> None:
    """The taker still has the caller's name when he has answered, given it back, or had it taken from him."""
    talk = Talk(Thread("water", OURS.id, True, state, 1), "water", "lead")
    here = {T.OFFERED: S.SIGNED, T.RETURNED: S.SIGNED, T.REPLIED: S.REPLIED}.get(state, S.RESOLVED)
    before = Story().to(here)
    change = TicketChange(anonymous=True)
    cause = I.CONCEAL if here is S.RESOLVED else I.AMEND
    after, move = apply(before, Move(cause, change=change), ADMIN, MONDAY + DAY, POLICY)
    said = told(before, after, move, [talk], tree(True))
    bodies = [one.body for one in said if one.kind is Kind.PROGRESS]
    assert bodies == [{"step": "amended", "anonymous": True}]
    assert say(talk.thread, Kind.PROGRESS, bodies[0]).state is state
    again, move = apply(before, Move(I.CONCEAL), ADMIN, MONDAY + DAY, POLICY)
    (said_,) = [one for one in told(before, again, move, [talk], tree(True)) if one.kind is Kind.PROGRESS]
    assert said_.body == bodies[0], "without saying which, it is the anonymous mark"
    echoed = replace(move, actor="exchange:water")
    assert not [one for one in told(before, again, echoed, [talk], tree(True)) if one.kind is Kind.PROGRESS]


@pytest.mark.parametrize("state", list(TicketState))
def test_a_mark_that_arrives_hides_the_caller_in_every_state(state: TicketState) -> None:
    ticket = Story().to(state)
    ((there, move),) = arrived({"step": "amended", "anonymous": True}, ticket)
    assert (there.anonymous, there.state, there.handle_due) == (True, state, ticket.handle_due)
    assert move.cause == ("conceal" if state in OVER else "amend")
    assert arrived({"step": "amended", "anonymous": True}, there) == [], "said again, it changes nothing"
    assert arrived({"step": "amended", "anonymous": False}, there) == [], "no message unhides a caller"
    found = arrived({"step": "amended", "address": "别处", "anonymous": True}, ticket)
    assert found[0][0].anonymous, "with more that a closed ticket does not take"
    assert (found[0][0].address == "别处") is (state not in OVER)


def test_the_mark_hides_and_does_nothing_else() -> None:
    for change in (TicketChange(title="改"), TicketChange(anonymous=True, caller_name="王女士")):
        with pytest.raises(TicketRefused, match="nothing else"):
            apply(Story().to(S.ARCHIVED), Move(I.CONCEAL, change=change), ADMIN, MONDAY + DAY, POLICY)
    hidden = replace(Story().to(S.ARCHIVED), anonymous=True)
    with pytest.raises(TicketRefused) as refused:
        apply(hidden, Move(I.CONCEAL, change=TicketChange(anonymous=False)), ADMIN, MONDAY + DAY, POLICY)
    assert refused.value.code == "nothing_to_change"
    both, _ = apply(hidden, Move(I.CONCEAL, change=TicketChange(confidential=True)), ADMIN, MONDAY + DAY, POLICY)
    assert both.anonymous
    assert both.confidential


def test_a_file_is_named_to_the_other_side_and_not_by_a_hidden_caller() -> None:
    story = Story()
    before = story.to(S.SIGNED)
    after, move = apply(before, wish(I.ATTACH, before), ADMIN, story.at, POLICY)
    (said,) = told(before, after, move, talks_of(before, offerer=True), tree(True))
    file = {"file_name": "现场.jpg", "file_kind": "image/jpeg", "file_size": 5, "file_sha256": "0" * 64}
    assert said.body == {"step": "attached", **file}
    ((there, _),) = arrived(said.body, before, at=story.at)
    assert there.attachments == after.attachments
    assert arrived(said.body, there, at=story.at) == [], "offered again, it is there already"
    hidden = replace(after, confidential=True, attachments=(replace(after.attachments[0], name="王小明身份证.jpg"),))
    (said,) = told(replace(before, confidential=True), hidden, move, talks_of(before, offerer=True), tree(True))
    assert said.body["file_name"] == "附件1.jpg"
    echoed = replace(move, actor="exchange:water")
    assert told(before, after, echoed, talks_of(before, offerer=True), tree(True)) == [], (
        "not back to where it came from"
    )


@pytest.mark.parametrize(
    ("kind", "size", "code"),
    [("image/jpeg", 5, ""), ("text/html", 5, "bad_kind"), ("image/jpeg", 20_000_001, "body_too_large"),
     ("image/jpeg", 0, "body_too_large")],
)  # fmt: skip
def test_a_file_that_is_not_taken_is_said_in_the_ticket(kind: str, size: int, code: str) -> None:
    assert refused_file(Attachment("a", kind, size, "0" * 64), POLICY) == code
    body = {
        "step": "attached",
        "file_name": "a/../b.html",
        "file_kind": kind,
        "file_size": size,
        "file_sha256": "0" * 64,
    }
    ticket = Story().to(S.SIGNED)
    ((here, move),) = arrived(body, ticket)
    ((there, told_),) = arrived(body, ticket, mine=True)
    if code:
        assert "附件未收" in here.text
        assert "a/../b.html" in here.text
        assert (move.cause, told_.cause) == ("amend", "handle")
    else:
        assert here.attachments[0].name == there.attachments[0].name == "a_.._b.html"


def test_what_a_taker_grants_is_a_request_at_the_offerer() -> None:
    story = Story()
    ticket, at = story.to(S.SIGNED), story.at + 1
    until = ticket.handle_due + 3600
    for body, cause in (
        ({"step": "extended", "text": "等配件", "until": until}, "ask_extension"),
        (
            {"step": "extended", "text": "等配件", "until": until + 1e8},
            "handle",
        ),  # further than may be: said, not asked
        ({"step": "hard_case", "text": "涉及多家"}, "ask_hard_case"),
        ({"step": "paused", "text": "鉴定", "pause": "appraisal"}, "ask_pause"),
        ({"step": "paused", "text": "鉴定", "pause": "moon"}, "handle"),
        ({"step": "resumed"}, "handle"),
        ({"step": "returned", "text": "非职责"}, "handle"),
    ):
        ((after, move),) = arrived(body, ticket, mine=True, at=at)
        assert move.cause == cause, body
        assert after.handle_due == ticket.handle_due, "the offerer's deadline is the offerer's"


def test_who_was_designated_objects() -> None:
    ticket = replace(Story().to(S.SIGNED), designated=True)
    body = checked_body(Kind.RETURN, {"reason": "非我职责"})
    message = Message("water", "us", OURS.id, 1, 1, Kind.RETURN, MONDAY, body)
    (((move, _), *_),) = moves_for(message, ticket, Talk(OURS, "water", "lead"), MONDAY, POLICY)
    assert move.input is I.OBJECT


def test_a_new_offer_that_our_rules_do_not_take_whole_is_still_an_offer() -> None:
    """A text longer than ours may be: handled again all the same, and the line behind it goes on."""
    ticket = Story().to(S.RESOLVED)
    for text, moves in (
        (ticket.text, ["redo"]),
        ("改为新北区停水", ["redo", "amend"]),
        ("长" * 15_000, ["redo", "amend"]),
    ):
        body = checked_body(Kind.OFFER, {"part": "lead", "unit": "water", "text": text})
        message = Message("them", "us", THEM.id, 2, 1, Kind.OFFER, MONDAY, body)
        found = moves_for(message, ticket, Talk(THEM, "water", "lead"), MONDAY + 1, POLICY)
        assert [ways[0][0].input.value for ways in found] == moves, text[:9]
