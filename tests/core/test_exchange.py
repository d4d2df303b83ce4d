"""The exchange, pure: form, signatures, and a talk over a line that loses, doubles, reorders and delays."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickets.exchange.messages import LONGEST, Kind, Message, MessageRefused, decode, encode
from tickets.exchange.signing import KEY, NONCE, SIGNATURE, TIME, Key, NotTrusted, is_answer, sign, sign_answer, verify
from tickets.exchange.threads import (
    AHEAD,
    LIVE,
    THREAD_MOVES,
    Outcome,
    Retry,
    Thread,
    ThreadState,
    arrive,
    hear,
    may_say,
    say,
)

pytestmark = pytest.mark.core

THREAD = "cz/2026112300001"
OFFER = Message("cz", "js", THREAD, 1, 1, Kind.OFFER, 1_795_395_600.0, {"part": "lead", "text": "沿江路漏水 🚰"})
CZ_KEY = Key("cz-js-1", "cz", b"s" * 32)
KEYS = {CZ_KEY.id: CZ_KEY}
NOW = 1_795_395_600.0
WINDOW = 300.0


# ---------------------------------------------------------------- the form


def test_a_message_travels_as_it_is() -> None:
    assert decode(encode(OFFER)) == OFFER
    assert encode(decode(encode(OFFER))) == encode(OFFER)


def wrong(**changes: object) -> bytes:
    return json.dumps({**json.loads(encode(OFFER)), **changes}).encode()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "not_a_message"),
        (b"\xff", "not_a_message"),
        (b"[]", "not_a_message"),
        (b"[" * 60_000, "not_a_message"),
        (b" " * (LONGEST + 1), "too_large"),
        (wrong(version=2), "wrong_version"),
        (wrong(kind="sell"), "unknown_kind"),
        (wrong(seq=0), "not_a_message"),
        (wrong(seq=True), "not_a_message"),
        (wrong(seq=10**400), "not_a_message"),
        (wrong(at="now"), "not_a_message"),
        (wrong(at=10**400), "not_a_message"),
        (wrong(thread="other/1"), "not_a_message"),
        (wrong(thread="cz/1; DROP"), "not_a_message"),
        (wrong(body=[]), "not_a_message"),
        (wrong(body={"part": "lead"}), "bad_body"),
        (wrong(body={"part": "lead", "text": 5}), "bad_body"),
        (wrong(body={"part": "lead", "text": "x" * 20_001}), "bad_body"),
        (wrong(body={"part": "lead", "text": "x", "lat": "1"}), "bad_body"),
        (wrong(body={"part": "lead", "text": "\ud83d"}), "bad_body"),
        (wrong(kind="progress", body={"step": "attached", "file_sha256": "../../etc/passwd"}), "bad_body"),
        (wrong(kind="progress", body={"step": "attached", "file_sha256": "A" * 64}), "bad_body"),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(MessageRefused) as refused:
        decode(raw)
    assert refused.value.code == code


def test_a_field_that_nobody_knows_yet_is_passed_over() -> None:
    assert decode(wrong(body={"part": "lead", "text": "x", "new": 1})).body == {"part": "lead", "text": "x"}


# ---------------------------------------------------------------- signatures

BODY = encode(OFFER)
HEADERS = sign(CZ_KEY, BODY, NOW, "n" * 16)


def test_a_signed_message_is_known() -> None:
    signed = verify(KEYS, HEADERS, BODY, NOW + WINDOW, WINDOW)
    assert (signed.key.peer, signed.nonce) == ("cz", "n" * 16)


@pytest.mark.parametrize(
    ("headers", "body", "now", "code"),
    [
        ({}, BODY, NOW, "unsigned"),
        ({**HEADERS, NONCE: "short"}, BODY, NOW, "unsigned"),
        ({**HEADERS, TIME: "１７９５"}, BODY, NOW, "unsigned"),
        ({**HEADERS, KEY: "other"}, BODY, NOW, "unknown_key"),
        ({**HEADERS, NONCE: "m" * 16}, BODY, NOW, "wrong_signature"),
        ({**HEADERS, TIME: str(int(NOW) + 1)}, BODY, NOW, "wrong_signature"),
        ({**HEADERS, SIGNATURE: "ü"}, BODY, NOW, "wrong_signature"),
        (HEADERS, BODY + b" ", NOW, "wrong_signature"),
        (sign(Key("cz-js-1", "cz", b"t" * 32), BODY, NOW, "n" * 16), BODY, NOW, "wrong_signature"),
        (HEADERS, BODY, NOW + WINDOW + 1, "out_of_time"),
        (HEADERS, BODY, NOW - WINDOW - 1, "out_of_time"),
    ],
)
def test_what_is_not_well_signed_is_not_trusted(headers: dict[str, str], body: bytes, now: float, code: str) -> None:
    with pytest.raises(NotTrusted) as refused:
        verify(KEYS, headers, body, now, WINDOW)
    assert refused.value.code == code


def test_an_answer_belongs_to_its_message() -> None:
    given_ = sign_answer(CZ_KEY, 200, b"{}", "n" * 16)
    assert is_answer(CZ_KEY, 200, b"{}", "n" * 16, given_)
    assert not is_answer(CZ_KEY, 200, b"{}", "m" * 16, given_)
    assert not is_answer(CZ_KEY, 409, b"{}", "n" * 16, given_)
    assert not is_answer(CZ_KEY, 200, b"{ }", "n" * 16, given_)
    assert HEADERS[SIGNATURE] != sign_answer(CZ_KEY, int(NOW), BODY, "n" * 16), "a message is no answer"


def test_a_key_is_long_and_does_not_show_itself() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        Key("k", "cz", b"short")
    assert "sss" not in repr(CZ_KEY)


# ---------------------------------------------------------------- a talk


def test_every_cell_of_the_table_is_decided() -> None:
    assert len(THREAD_MOVES) == (len(ThreadState) + 1) * len(Kind)
    over = [state for state in ThreadState if state not in LIVE]
    for state in over:
        left = {kind for kind in Kind if THREAD_MOVES[state, kind] is not None}
        assert left == {Kind.OFFER}, "what is over can only be begun anew"
    assert all(THREAD_MOVES[None, kind] is None for kind in Kind if kind is not Kind.OFFER)


def test_only_the_sides_own_words_count() -> None:
    taker = Thread("cz", THREAD, mine=False)
    (_, _, taker) = arrive(taker, {}, OFFER)[1][0]
    forged = replace(OFFER, seq=2, kind=Kind.REPLY, body={"text": "x"})
    ((heard, outcome, after),) = arrive(taker, {}, forged)[1]
    assert (heard, outcome) == (forged, Outcome.REFUSED)
    assert (after.state, after.heard) == (ThreadState.OFFERED, 2)


def test_that_a_caller_is_hidden_is_said_and_heard_when_the_talk_is_over() -> None:
    """As a `progress`, which every peer knows; nothing else is said then, and by the taker not even this."""
    hide = {"step": "amended", "anonymous": True}
    for over in (ThreadState.CLOSED, ThreadState.CANCELLED):
        ours, theirs = (Thread("js", THREAD, mine, over, 1, 3, 3) for mine in (True, False))
        assert say(ours, Kind.PROGRESS, hide) == replace(ours, said=4)
        message = replace(OFFER, seq=4, kind=Kind.PROGRESS, body=hide)
        assert hear(theirs, message) == (replace(theirs, heard=4), Outcome.APPLIED)
        assert hear(ours, message)[1] is Outcome.LATE
        assert not may_say(theirs, Kind.PROGRESS, hide)
        for other in ({"step": "amended", "anonymous": False}, {"step": "reminded", "anonymous": True}):
            assert not may_say(ours, Kind.PROGRESS, other)
            assert hear(theirs, replace(message, body=other))[1] is Outcome.LATE


def test_one_too_far_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="too far"):
        arrive(Thread("cz", THREAD, mine=False), {}, replace(OFFER, seq=AHEAD + 1))


def test_tries_are_further_and_further_apart_up_to_a_limit() -> None:
    retry = Retry(1.0, 300.0)
    assert [retry.after(tries, 0.5) for tries in (1, 2, 3, 9, 10, 1000)] == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
    assert retry.after(1, 0.0) < retry.after(1, 0.99)


class Side:
    """One installation: its half of the thread, what it said, what it heard, and what waits."""

    def __init__(self, name: str, peer: str, *, mine: bool) -> None:
        self.name, self.peer = name, peer
        self.thread = Thread(peer, THREAD, mine=mine)
        self.said: list[Message] = []
        self.waiting: dict[int, Message] = {}
        self.heard: list[tuple[Message, Outcome]] = []
        self.acknowledged: set[int] = set()

    def say(self, kind: Kind) -> None:
        self.thread = say(self.thread, kind)
        body = {Kind.OFFER: {"part": "lead", "text": "x"}, Kind.PROGRESS: {"step": "handled"}}.get(kind, {})
        self.said.append(
            Message(self.name, self.peer, THREAD, self.thread.said, self.thread.turn, kind, NOW, dict(body))
        )

    def hear(self, message: Message) -> None:
        self.waiting, done = arrive(self.thread, self.waiting, message)
        for heard, outcome, self.thread in done:
            self.heard.append((heard, outcome))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_over_a_bad_line_both_sides_come_to_the_same_state_and_nothing_is_lost_or_doubled(data: st.DataObject) -> None:
    """Whatever is said when, and whatever the line does to it: lost, doubled, late, in another order."""
    one, other = Side("cz", "js", mine=True), Side("js", "cz", mine=False)
    sides = {"cz": one, "js": other}
    line: list[Message] = []  # what is under way; any of it may arrive next, or never
    for _ in range(data.draw(st.integers(1, 40))):
        what = data.draw(st.sampled_from(("say", "say", "send", "arrive", "arrive", "lose", "double")))
        side = data.draw(st.sampled_from((one, other)))
        if what == "say":
            allowed = [kind for kind in Kind if may_say(side.thread, kind)]
            if allowed:
                side.say(data.draw(st.sampled_from(allowed)))
        elif what == "send" and side.said:
            line.append(data.draw(st.sampled_from(side.said)))  # the first time or again
        elif line:
            at = data.draw(st.integers(0, len(line) - 1))
            if what != "double":
                message = line.pop(at)
            else:
                message = line[at]
                line.append(message)
            if what == "arrive":
                sides[message.receiver].hear(message)
    for side, peer in ((one, other), (other, one)):  # the line is whole again: everything is sent until acknowledged
        for message in data.draw(st.permutations(side.said)):
            peer.hear(message)
    for side, peer in ((one, other), (other, one)):
        assert [message for message, _ in peer.heard] == side.said, "each once, in order"
        assert not peer.waiting
        assert Outcome.REFUSED not in {outcome for _, outcome in peer.heard}
    assert one.thread.state is other.thread.state
    assert one.thread.turn == other.thread.turn
