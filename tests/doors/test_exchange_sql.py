"""The exchange on disk, on both databases: counted once, in order, sent in order, and each retry at its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from controller.database import database_url as where
from controller.database import make_engine
from pbx.ids import TicketNumber
from tests.city_story import CZ_DESK, ORGANISATIONS
from tests.ticket_story import MONDAY
from tickets.exchange.inbox import Arrival, Receipt, give_back, history, receive
from tickets.exchange.messages import Kind, Message, MessageRefused, decode
from tickets.exchange.outbox import (
    acknowledged,
    due,
    failed,
    former_tickets,
    name_ticket,
    next_due,
    standing,
    thread_of,
)
from tickets.exchange.signing import NotTrusted
from tickets.exchange.tables import former
from tickets.flow import Intake
from tickets.given import Move
from tickets.moves import ADMIN, TicketInput, TicketState
from tickets.organisations import OrganisationTree
from tickets.sql import get_ticket, list_moves, move_ticket, take_ticket
from tickets.texts import TicketRefused
from tickets.ticket import Channel, TicketChange, TicketPolicy

pytestmark = pytest.mark.doors

TREE = OrganisationTree([replace(one, peer="js" if one.id == "js" else "") for one in ORGANISATIONS])
POLICY = TicketPolicy(units=TREE.register(), organisations=TREE, installation="cz")
OFFER = Message(
    "js", "cz", "js/20261123001", 1, 1, Kind.OFFER, MONDAY, {"part": "lead", "text": "漏水", "type": "help"}
)
REMIND = replace(OFFER, seq=2, kind=Kind.PROGRESS, body={"step": "reminded"})
CANCEL = replace(OFFER, seq=3, kind=Kind.CANCEL, body={"reason": "诉求人撤回"})


@pytest.fixture
def engine(shaped_url: str) -> Iterator[Engine]:
    made = make_engine(where(shaped_url))
    yield made
    made.dispose()


class Post:
    """What the peer's messages do; each request has a nonce of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.count = engine, 0

    def __call__(self, message: Message, nonce: str = "", at: float = MONDAY) -> Receipt:
        self.count += 1
        arrival = Arrival(message, "k", nonce or f"nonce-{self.count}", at + 600.0, at)
        with self.engine.begin() as connection:
            return receive(connection, arrival, POLICY)


def test_a_talk_that_leaves_a_ticket_twice_is_remembered_as_it_left_it_last(engine: Engine) -> None:
    """An error here would stand in the way of every message behind it, however often it is sent."""
    (number,) = Post(engine)(OFFER).tickets
    with engine.begin() as connection:
        talk = thread_of(connection, "js", OFFER.thread)
        assert talk is not None
        other = TicketNumber("202611230009")
        for said in (1, 2):
            name_ticket(connection, replace(talk, said=said), other, "", "lead")
            name_ticket(connection, replace(talk, said=said), number, "", "lead")
        assert former_tickets(connection, "js", talk.id) == [number, other]
        kept = connection.execute(select(former.c.said).where(former.c.ticket == number)).scalars().all()
    assert kept == [2]


def test_messages_count_once_and_in_order(engine: Engine) -> None:
    post = Post(engine)
    assert post(CANCEL) == Receipt(3, 0, False), "it waits"
    assert post(REMIND) == Receipt(2, 0, False)
    assert post(CANCEL) == Receipt(3, 0, True)
    receipt = post(OFFER)
    assert (receipt.seq, receipt.heard, receipt.doubled) == (1, 3, False)
    (number,) = receipt.tickets
    for message in (OFFER, REMIND, CANCEL):
        again = post(message)
        assert (again.heard, again.doubled, again.tickets) == (3, True, ())
    with engine.begin() as connection:
        ticket = get_ticket(connection, number)
        (talk,) = history(connection, number)
    assert ticket is not None
    assert (ticket.state, ticket.remind_count) == (TicketState.RESOLVED, 1)
    assert [(one["kind"], one["outcome"]) for one in talk["messages"]] == [
        ("offer", "applied"),
        ("progress", "applied"),
        ("cancel", "applied"),
    ]


HIDE = replace(OFFER, kind=Kind.PROGRESS, body={"step": "amended", "anonymous": True})


def test_a_mark_hides_the_caller_of_a_ticket_that_was_taken_back_and_counts_once(engine: Engine) -> None:
    post = Post(engine)
    body = {"part": "lead", "text": "漏水", "type": "help", "caller": "13800001111"}
    (number,) = post(replace(OFFER, body=body)).tickets
    hide = replace(HIDE, seq=3)
    assert post(hide).heard == 1, "it waits for what was said before it"
    post(replace(CANCEL, seq=2))
    assert post(hide).doubled
    with engine.begin() as connection:
        ticket, moves = get_ticket(connection, number), list_moves(connection, number)
        (talk,) = history(connection, number)
    assert ticket is not None
    assert (ticket.state, ticket.anonymous, ticket.version) == (TicketState.RESOLVED, True, len(moves) - 1)
    assert [one.cause for one in moves][-2:] == ["withdraw", "conceal"]
    assert [(one["kind"], one["outcome"], one["note"]) for one in talk["messages"]][-1] == (
        "progress",
        "applied",
        "closed",
    )


def test_a_mark_hides_the_caller_of_the_ticket_that_was_merged_not_only_where_it_goes_on(engine: Engine) -> None:
    post = Post(engine)
    (number,) = post(replace(OFFER, body={"part": "lead", "text": "漏水", "type": "help", "caller": "1"})).tickets
    with engine.begin() as connection:
        change = TicketChange(type="help", text="漏水", region="cz", caller="13900002222")
        main = take_ticket(connection, Intake(Channel.WEB, MONDAY), change, ADMIN, POLICY).number
        move_ticket(connection, number, Move(TicketInput.MERGE, into=main), ADMIN, MONDAY, POLICY)
    post(replace(HIDE, seq=2))
    with engine.begin() as connection:
        merged = get_ticket(connection, number)
    assert merged is not None
    assert (merged.state, merged.anonymous) == (TicketState.MERGED, True)


def test_a_nonce_counts_once_in_its_time(engine: Engine) -> None:
    post = Post(engine)
    post(OFFER, "nonce")
    with pytest.raises(NotTrusted, match="replayed"):
        post(OFFER, "nonce")
    assert post(OFFER, "nonce", MONDAY + 700.0).doubled, "after that its time alone refuses it"


def test_what_is_about_nothing_of_ours_is_refused(engine: Engine) -> None:
    post = Post(engine)
    with pytest.raises(MessageRefused, match="unknown_thread"):
        post(replace(OFFER, thread="cz/1", kind=Kind.REPLY, body={"text": "x"}))
    with pytest.raises(MessageRefused, match="too_far_ahead"):
        post(replace(CANCEL, seq=5000))


def test_an_offer_that_our_rules_do_not_take_is_returned_at_once(engine: Engine) -> None:
    post = Post(engine)
    post(replace(OFFER, body={"part": "lead", "text": "x" * 10_001}))
    with engine.begin() as connection:
        (answer,) = due(connection, "js", MONDAY)
    message = decode(answer.message.encode())
    assert (message.kind, message.body["reason"]) == (Kind.RETURN, "text_too_long")


def test_what_is_said_waits_until_it_is_acknowledged(engine: Engine) -> None:
    with engine.begin() as connection:
        change = TicketChange(type="help", text="塌方", region="cz")
        number = take_ticket(connection, Intake(Channel.WEB, MONDAY), change, ADMIN, POLICY).number
        assert next_due(connection, "js") is None
        move_ticket(connection, number, Move(TicketInput.REFER, unit="js"), CZ_DESK, MONDAY, POLICY)
        move_ticket(connection, number, Move(TicketInput.REMIND), CZ_DESK, MONDAY + 1.0, POLICY)
    with engine.begin() as connection:
        (first,) = due(connection, "js", MONDAY + 2.0)
        assert (first.seq, decode(first.message.encode()).kind) == (1, Kind.OFFER), "the second waits for the first"
        failed(connection, "js", first.thread, 1, MONDAY + 60.0, "timeout")
        assert due(connection, "js", MONDAY + 59.0) == []
        assert next_due(connection, "js") == MONDAY + 60.0
        (peer,) = standing(connection)
        assert (peer.peer, peer.waiting, peer.since, peer.error) == ("js", 2, MONDAY, "timeout")
        (first,) = due(connection, "js", MONDAY + 60.0)
        assert first.tries == 1
        acknowledged(connection, "js", first.thread, 1, MONDAY + 61.0)
        (second,) = due(connection, "js", MONDAY + 61.0)
        assert decode(second.message.encode()).body["step"] == "reminded"
        acknowledged(connection, "js", second.thread, 2, MONDAY + 62.0)
        assert next_due(connection, "js") is None
        with pytest.raises(TicketRefused) as refused:
            give_back(connection, number, "不属我市", CZ_DESK, MONDAY, POLICY)
        assert refused.value.code == "not_offered"


def test_a_peer_who_is_there_again_gets_at_once_what_waited_because_it_was_away(engine: Engine) -> None:
    """Tries get minutes apart while it is away; what it does not take for another cause keeps its own time."""
    with engine.begin() as connection:
        for _ in range(3):
            change = TicketChange(type="help", text="塌方", region="cz")
            number = take_ticket(connection, Intake(Channel.WEB, MONDAY), change, ADMIN, POLICY).number
            move_ticket(connection, number, Move(TicketInput.REFER, unit="js"), CZ_DESK, MONDAY, POLICY)
        first, second, third = due(connection, "js", MONDAY)
        for one, error in ((first, "no_connection"), (second, "timeout"), (third, "wrong_signature")):
            failed(connection, "js", one.thread, 1, MONDAY + 300.0, error)
        assert due(connection, "js", MONDAY + 10.0) == []
        move_ticket(connection, number, Move(TicketInput.REMIND), CZ_DESK, MONDAY + 1.0, POLICY)
        acknowledged(connection, "js", first.thread, 1, MONDAY + 10.0)
        assert [one.thread for one in due(connection, "js", MONDAY + 10.0)] == [second.thread]
        assert next_due(connection, "js") == MONDAY + 10.0
