"""RFC 3261's transaction timers on a clock that jumps, over a line that loses what the test says."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import pytest

from controller.softphone.sip import Headers, Request, Response, parse_message
from controller.softphone.transaction import (
    Address,
    ClientTransaction,
    ServerTransaction,
    State,
    Timers,
    TransactionLayer,
)

pytestmark = pytest.mark.core

A: Address = ("192.0.2.1", 5060)
B: Address = ("192.0.2.2", 5070)


class Timer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Clock:
    """A scheduler whose time stands still until `run`."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._heap, (self.now + delay, next(self._order), timer))
        return timer

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._heap)
            if timer.callback is not None:
                timer.callback()
        self.now = end

    @property
    def pending(self) -> int:
        return sum(1 for _, _, timer in self._heap if timer.callback is not None)


class Side:
    """One layer; what it sends is logged as (time, first word or status) and carried over unless `lose` says so."""

    def __init__(self, clock: Clock, own: Address) -> None:
        self.clock, self.own = clock, own
        self.sent: list[tuple[float, str]] = []
        self.requests: list[tuple[Request, ServerTransaction | None]] = []
        self.peer: Side | None = None
        self.lose: Callable[[str, int], bool] = lambda what, number: False
        self.layer = TransactionLayer(clock, self._send, lambda r, t: self.requests.append((r, t)))

    def _send(self, data: bytes, peer: Address) -> None:
        message = parse_message(data)
        what = message.method if isinstance(message, Request) else str(message.status)
        number = sum(1 for _, w in self.sent if w == what)
        self.sent.append((round(self.clock.now, 3), what))
        other = self.peer
        if other is not None and not self.lose(what, number):
            self.clock.call_later(0.001, lambda: other.layer.receive(data, self.own))

    def times(self, what: str) -> list[float]:
        return [at for at, w in self.sent if w == what]

    @property
    def transaction(self) -> ServerTransaction:
        found = self.requests[0][1]
        assert found is not None
        return found


class Client:
    """Outcome of one client transaction."""

    def __init__(self, side: Side, method: str, branch: str = "z9hG4bKone", peer: Address = B) -> None:
        self.responses: list[int] = []
        self.timed_out_at: float | None = None
        headers = Headers(
            [
                ("Via", f"SIP/2.0/UDP {side.own[0]}:{side.own[1]};rport;branch={branch}"),
                ("Route", "<sip:p.example.com;lr>"),
                ("From", "<sip:a@example.com>;tag=a"),
                ("To", "<sip:b@example.com>"),
                ("Call-ID", "c"),
                ("CSeq", f"7 {method}"),
            ]
        )
        self.side = side
        self.transaction: ClientTransaction = side.layer.request(
            Request(headers, b"", method, "sip:b@example.com"),
            peer,
            lambda r: self.responses.append(r.status),
            self._timeout,
        )

    def _timeout(self) -> None:
        self.timed_out_at = round(self.side.clock.now, 3)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pair(clock: Clock) -> tuple[Side, Side]:
    a, b = Side(clock, A), Side(clock, B)
    a.peer, b.peer = b, a
    return a, b


def test_invite_into_the_void(clock: Clock) -> None:
    """Timers A and B: 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s, given up at 32 s."""
    side = Side(clock, A)
    client = Client(side, "INVITE")
    clock.run(100)
    assert side.times("INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert client.timed_out_at == 32
    assert not side.layer.clients
    assert clock.pending == 0


def test_other_request_into_the_void(clock: Clock) -> None:
    """Timers E and F: doubling up to T2 = 4 s, given up at 32 s."""
    side = Side(clock, A)
    client = Client(side, "OPTIONS")
    clock.run(100)
    assert side.times("OPTIONS") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert client.timed_out_at == 32


def test_t1_scales_everything(clock: Clock) -> None:
    side = Side(clock, A)
    side.layer.timers = Timers(t1=0.05)
    client = Client(side, "INVITE")
    clock.run(100)
    assert side.times("INVITE") == [0, 0.05, 0.15, 0.35, 0.75, 1.55, 3.15]
    assert client.timed_out_at == 3.2


def test_a_provisional_response_stops_the_invite_but_only_slows_others(clock: Clock, pair: tuple[Side, Side]) -> None:
    a, b = pair
    invite = Client(a, "INVITE")
    other = Client(a, "OPTIONS", "z9hG4bKtwo")
    clock.run(0.01)
    for request, transaction in b.requests:
        assert transaction is not None
        transaction.respond(request.respond(100))
    clock.run(40)
    assert a.times("INVITE") == [0]
    assert invite.timed_out_at is None
    assert a.times("OPTIONS")[:4] == [0, 0.5, 4.5, 8.5]
    assert other.timed_out_at == 32


def test_a_refusal_is_acked_by_the_transaction_with_the_same_branch_and_route(
    clock: Clock, pair: tuple[Side, Side]
) -> None:
    a, b = pair
    client = Client(a, "INVITE")
    clock.run(0.01)
    request, transaction = b.requests[0]
    b.transaction.respond(request.respond(486, to_tag="b"))
    clock.run(0.01)
    assert client.responses == [486]
    assert a.times("ACK") != []
    assert b.transaction.state is State.CONFIRMED
    assert len(b.requests) == 1  # the ACK is the transaction's, not the user's
    ack = client.transaction._make_ack(request.respond(486, to_tag="b"))
    assert (ack.via.branch, ack.uri, ack.to.tag, ack.cseq.number) == ("z9hG4bKone", "sip:b@example.com", "b", 7)
    assert ack.headers.get_all("Route") == ["<sip:p.example.com;lr>"]
    clock.run(100)
    assert b.times("486") == [0.01]
    assert not a.layer.clients
    assert not b.layer.servers
    assert clock.pending == 0


def test_a_lost_ack_makes_the_refusal_come_again_and_each_is_acked(clock: Clock, pair: tuple[Side, Side]) -> None:
    """Timer G: T1 doubling up to T2."""
    a, b = pair
    a.lose = lambda what, number: what == "ACK" and number < 3
    client = Client(a, "INVITE")
    clock.run(0.01)
    b.transaction.respond(b.requests[0][0].respond(486))
    clock.run(100)
    assert b.times("486") == [0.01, 0.51, 1.51, 3.51]
    assert len(a.times("ACK")) == 4
    assert client.responses == [486]


def test_no_ack_at_all_ends_the_refusal_at_64_t1(clock: Clock, pair: tuple[Side, Side]) -> None:
    a, b = pair
    a.lose = lambda what, number: what == "ACK"
    Client(a, "INVITE")
    clock.run(0.01)
    b.transaction.respond(b.requests[0][0].respond(603))
    clock.run(100)
    assert b.times("603") == [0.01, 0.51, 1.51, 3.51, 7.51, 11.51, 15.51, 19.51, 23.51, 27.51, 31.51]
    assert not b.layer.servers


def test_a_200_is_repeated_until_confirmed_and_each_is_shown(clock: Clock, pair: tuple[Side, Side]) -> None:
    """Section 13.3.1.4; the client's user must see each 200 to repeat its ACK (RFC 6026)."""
    a, b = pair
    client = Client(a, "INVITE")
    clock.run(0.01)
    gave_up: list[float] = []
    b.transaction.respond(b.requests[0][0].respond(200), lambda: gave_up.append(clock.now))
    clock.run(5)
    assert b.times("200") == [0.01, 0.51, 1.51, 3.51]
    assert client.responses == [200] * 4
    assert a.times("ACK") == []
    b.transaction.confirm()
    clock.run(100)
    assert len(b.times("200")) == 4
    assert gave_up == []
    assert not b.layer.servers


def test_a_200_that_nobody_confirms_is_reported(clock: Clock, pair: tuple[Side, Side]) -> None:
    a, b = pair
    Client(a, "INVITE")
    clock.run(0.01)
    gave_up: list[float] = []
    b.transaction.respond(b.requests[0][0].respond(200), lambda: gave_up.append(round(clock.now, 3)))
    clock.run(100)
    assert gave_up == [32.01]


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_repeated_request_brings_the_last_response_again_and_no_new_request(
    clock: Clock, pair: tuple[Side, Side], method: str
) -> None:
    a, b = pair
    b.lose = lambda what, number: number == 0  # the first response is lost: the client sends again
    client = Client(a, method)
    clock.run(0.01)
    b.transaction.respond(b.requests[0][0].respond(180 if method == "INVITE" else 200))
    clock.run(1)
    assert len(a.times(method)) == 2
    assert len(b.requests) == 1
    assert client.responses == [180 if method == "INVITE" else 200]


def test_cancel_finds_the_invite_and_is_a_transaction_of_its_own(clock: Clock, pair: tuple[Side, Side]) -> None:
    a, b = pair
    client = Client(a, "INVITE")
    clock.run(0.01)
    a.layer.request(client.transaction.make_cancel(), B, lambda r: None, lambda: None)
    clock.run(0.01)
    cancel, _ = b.requests[1]
    assert (cancel.method, cancel.cseq.number) == ("CANCEL", 7)
    assert b.layer.invite_of(cancel) is b.transaction
    assert set(b.layer.servers) == {
        ("z9hG4bKone", "192.0.2.1:5060", "INVITE"),
        ("z9hG4bKone", "192.0.2.1:5060", "CANCEL"),
    }


def test_old_branches_are_told_apart_by_call_and_number(clock: Clock, pair: tuple[Side, Side]) -> None:
    """RFC 2543 clients send branches without the cookie, or an empty one after it (RFC 4475 3.1.2.18)."""
    a, b = pair
    for branch in ("1", "z9hG4bK"):
        Client(a, "OPTIONS", branch)
    clock.run(0.01)
    assert len(b.requests) == 2
    assert len(b.layer.servers) == 2


def test_responses_to_nothing_and_broken_datagrams_are_counted(clock: Clock) -> None:
    side = Side(clock, A)
    stray = Response(Headers(Client(side, "OPTIONS").transaction.request.headers), status=200, reason="OK")
    stray.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKother")
    side.layer.receive(stray.encode(), B)
    for data in (b"garbage", b"INVITE\r\n\r\n", b"\x00\xff" * 50):
        side.layer.receive(data, B)
    for keep_alive in (b"", b"\r\n\r\n", b"\0\0\0\0"):
        side.layer.receive(keep_alive, B)
    assert (side.layer.stray, side.layer.malformed, side.requests) == (1, 3, [])


@pytest.mark.parametrize(
    ("via", "answered_to"),
    [
        ("SIP/2.0/UDP 10.9.9.9:6000;rport;branch=z9hG4bKx", ("192.0.2.9", 7777)),
        ("SIP/2.0/UDP 10.9.9.9:6000;branch=z9hG4bKx", ("192.0.2.9", 6000)),
        ("SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKx", ("192.0.2.9", 5060)),
    ],
)
def test_where_answers_go(clock: Clock, via: str, answered_to: Address) -> None:
    """RFC 3581 section 4, RFC 3261 section 18.2.2."""
    went: list[Address] = []
    requests: list[ServerTransaction] = []

    def on_request(request: Request, transaction: ServerTransaction | None) -> None:
        assert transaction is not None
        requests.append(transaction)

    layer = TransactionLayer(clock, lambda data, peer: went.append(peer), on_request)
    data = (
        f"OPTIONS sip:b@example.com SIP/2.0\r\nVia: {via}, SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKy\r\n"
        "From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
    )
    layer.receive(data.encode(), ("192.0.2.9", 7777))
    response = requests[0].request.respond(200)
    requests[0].respond(response)
    assert went == [answered_to]
    assert response.via.param("received") == "192.0.2.9"
    assert [v.rpartition("=")[2] for v in response.headers.values("Via")][1:] == ["z9hG4bKy"]


def test_close_leaves_no_timer(clock: Clock, pair: tuple[Side, Side]) -> None:
    a, b = pair
    Client(a, "INVITE")
    Client(a, "OPTIONS", "z9hG4bKtwo")
    clock.run(0.01)
    a.layer.close()
    b.layer.close()
    assert clock.pending == 0
