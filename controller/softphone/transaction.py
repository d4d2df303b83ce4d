"""SIP transactions over UDP (RFC 3261 section 17, with the Accepted state of RFC 6026), without sockets.

Time and bytes come and go through two small protocols, so that the same code runs on the event loop and, in tests,
on a clock that jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from .sip import Headers, MalformedMessage, Request, Response, Via, parse_message, split_commas

__all__ = ["Address", "ClientTransaction", "Scheduler", "ServerTransaction", "Timers", "TransactionLayer"]

Address = tuple[str, int]


class Handle(Protocol):
    """Something that can be called off."""

    def cancel(self) -> None:
        """Call it off."""


class Scheduler(Protocol):
    """The part of an event loop that is needed here; asyncio's loop fits."""

    def time(self) -> float:
        """Seconds on a clock that never jumps back."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Handle:
        """Call back once after `delay` seconds."""


@dataclass(frozen=True, slots=True)
class Timers:
    """RFC 3261 section 17.1.1.1, seconds.  The give-up times are 64 * t1."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def give_up(self) -> float:
        """Timers B, D, F, H, J, L, M."""
        return 64 * self.t1


class State(Enum):
    """States of both kinds of transactions."""

    CALLING = auto()  # also the non-INVITE client's Trying
    PROCEEDING = auto()  # also the non-INVITE server's Trying
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


class _Transaction:
    def __init__(self, layer: TransactionLayer, request: Request, peer: Address) -> None:
        self.layer, self.request, self.peer = layer, request, peer
        self.is_invite = request.method == "INVITE"
        self.state = State.CALLING
        self._timers: dict[str, Handle] = {}

    def _after(self, name: str, delay: float, callback: Callable[[], object]) -> None:
        self._stop(name)
        self._timers[name] = self.layer.scheduler.call_later(delay, callback)

    def _stop(self, *names: str) -> None:
        for name in names or tuple(self._timers):
            timer = self._timers.pop(name, None)
            if timer is not None:
                timer.cancel()

    def terminate(self) -> None:
        """End without a word: all timers stop and the layer forgets the transaction."""
        self._stop()
        self.state = State.TERMINATED
        self._forget()

    def _forget(self) -> None:
        raise NotImplementedError


class ClientTransaction(_Transaction):
    """A request that we sent.  `on_response` gets every response that is new to the user; 2xx of INVITE also again."""

    def __init__(
        self,
        layer: TransactionLayer,
        request: Request,
        peer: Address,
        on_response: Callable[[Response], object],
        on_timeout: Callable[[], object],
    ) -> None:
        super().__init__(layer, request, peer)
        self.on_response, self.on_timeout = on_response, on_timeout
        self.key = (request.via.branch, request.method)
        self._data = request.encode()
        self._interval = layer.timers.t1
        self._ack: bytes | None = None
        self._after("give up", layer.timers.give_up, self._timed_out)
        self._after("again", self._interval, self._again)
        layer.send(self._data, peer)

    def _again(self) -> None:
        timers = self.layer.timers
        self._interval *= 2
        if not self.is_invite:
            self._interval = timers.t2 if self.state is State.PROCEEDING else min(self._interval, timers.t2)
        self._after("again", self._interval, self._again)
        self.layer.retransmitted += 1
        self.layer.send(self._data, self.peer)

    def _timed_out(self) -> None:
        self.terminate()
        self.on_timeout()

    def receive(self, response: Response) -> None:
        """A response whose branch and method are ours (figures 5 and 6)."""
        if self.state is State.TERMINATED:
            return
        if response.status < 200:
            if self.state in (State.CALLING, State.PROCEEDING):
                self.state = State.PROCEEDING
                if self.is_invite:
                    self._stop("again", "give up")
                self.on_response(response)
        elif self.is_invite and response.status < 300:
            if self.state in (State.CALLING, State.PROCEEDING):
                self._stop()
                self.state = State.ACCEPTED
                self._after("end", self.layer.timers.give_up, self.terminate)  # timer M
            if self.state is State.ACCEPTED:
                self.on_response(response)
        elif self.state in (State.CALLING, State.PROCEEDING):
            self._stop()
            self.state = State.COMPLETED
            timers = self.layer.timers
            if self.is_invite:
                self._ack = self._make_ack(response).encode()
                self.layer.send(self._ack, self.peer)
            self._after("end", timers.give_up if self.is_invite else timers.t4, self.terminate)  # D, K
            self.on_response(response)
        elif self.state is State.COMPLETED and self._ack is not None:
            self.layer.send(self._ack, self.peer)

    def _make_ack(self, response: Response) -> Request:
        """The ACK of a refusal belongs to the transaction: same branch, same URI (section 17.1.1.3)."""
        return _same_transaction(self.request, "ACK", response.required("To"))

    def make_cancel(self) -> Request:
        """The CANCEL of this INVITE (section 9.1)."""
        return _same_transaction(self.request, "CANCEL", self.request.required("To"))

    def _forget(self) -> None:
        self.layer.clients.pop(self.key, None)


def _same_transaction(invite: Request, method: str, to: str) -> Request:
    headers = Headers([("Via", split_commas(invite.required("Via"))[0]), ("Max-Forwards", "70")])
    for route in invite.headers.get_all("Route"):
        headers.add("Route", route)
    headers.add("From", invite.required("From"))
    headers.add("To", to)
    headers.add("Call-ID", invite.call_id)
    headers.add("CSeq", f"{invite.cseq.number} {method}")
    return Request(headers, b"", method, invite.uri)


class ServerTransaction(_Transaction):
    """A request that we received.  A 2xx to an INVITE is repeated until `confirm` (section 13.3.1.4)."""

    def __init__(self, layer: TransactionLayer, request: Request, peer: Address) -> None:
        super().__init__(layer, request, peer)
        self.state = State.PROCEEDING
        self.key = _server_key(request)
        self._last: bytes | None = None
        self._interval = layer.timers.t1
        self._on_no_ack: Callable[[], object] | None = None
        self.on_ack: Callable[[], object] | None = None

    @property
    def answered(self) -> bool:
        """A final response has been sent."""
        return self.state is not State.PROCEEDING

    def respond(self, response: Response, on_no_ack: Callable[[], object] | None = None) -> None:
        """Send a response; ignored after a final one.  `on_no_ack` is called if no ACK comes in 64 * t1."""
        if self.state is not State.PROCEEDING:
            return
        timers = self.layer.timers
        self._last = response.encode()
        self.layer.send(self._last, self.peer)
        if response.status < 200:
            return
        if not self.is_invite:
            self.state = State.COMPLETED
            self._after("end", timers.give_up, self.terminate)  # timer J
            return
        self._on_no_ack = on_no_ack
        self.state = State.ACCEPTED if response.status < 300 else State.COMPLETED
        self._after("again", timers.t1, self._again)  # timer G, or section 13.3.1.4
        self._after("give up", timers.give_up, self._no_ack)  # timers H and L

    def _again(self) -> None:
        self._interval = min(self._interval * 2, self.layer.timers.t2)
        self._after("again", self._interval, self._again)
        self._repeat()

    def _repeat(self) -> None:
        if self._last is not None:
            self.layer.retransmitted += 1
            self.layer.send(self._last, self.peer)

    def _no_ack(self) -> None:
        waited_for_ack = "again" in self._timers
        self.terminate()
        if waited_for_ack and self._on_no_ack is not None:
            self._on_no_ack()

    def repeated(self) -> None:
        """The request came again."""
        if self.state in (State.PROCEEDING, State.COMPLETED):
            self._repeat()

    def confirm(self) -> None:
        """The ACK came: of a refusal by the transaction's own matching, of a 2xx by the dialog."""
        self._stop("again")
        if self.state is State.COMPLETED:
            self.state = State.CONFIRMED
            self._stop("give up")
            self._after("end", self.layer.timers.t4, self.terminate)  # timer I
            if self.on_ack is not None:
                self.on_ack()

    def _forget(self) -> None:
        self.layer.servers.pop(self.key, None)


def _server_key(request: Request) -> tuple[str, str, str]:
    """Section 17.2.3; a branch without the magic cookie is told apart by Call-ID and CSeq as well."""
    via = request.via
    branch = via.branch
    if not branch.startswith("z9hG4bK") or branch == "z9hG4bK":
        branch = f"{branch}|{request.call_id}|{request.cseq.number}|{request.from_.tag}"
    return branch, f"{via.host.lower()}:{via.port or 5060}", "INVITE" if request.method == "ACK" else request.method


class TransactionLayer:
    """Matches what comes from the network to transactions; new requests go to `on_request`.

    `on_request(request, transaction)`: the transaction is None for the ACK of a 2xx.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        send: Callable[[bytes, Address], object],
        on_request: Callable[[Request, ServerTransaction | None], object],
        timers: Timers | None = None,
    ) -> None:
        self.scheduler, self.send, self.on_request = scheduler, send, on_request
        self.timers = timers or Timers()
        self.clients: dict[tuple[str, str], ClientTransaction] = {}
        self.servers: dict[tuple[str, str, str], ServerTransaction] = {}
        self.malformed = 0
        self.stray = 0
        self.retransmitted = 0

    def receive(self, data: bytes, peer: Address) -> None:
        """One datagram.  Broken ones are counted and dropped; empty ones are keep-alives."""
        if not data.strip(b"\r\n\0"):
            return
        try:
            message = parse_message(data)
            if isinstance(message, Response):
                self._response(message)
            else:
                self._request(message, peer)
        except MalformedMessage:
            self.malformed += 1

    def _response(self, response: Response) -> None:
        client = self.clients.get((response.via.branch, response.cseq.method))
        if client is None:
            self.stray += 1  # a second answer after the transaction's end; nothing may be done (section 18.1.2)
            return
        client.receive(response)

    def _request(self, request: Request, peer: Address) -> None:
        key = _server_key(request)
        server = self.servers.get(key)
        if request.method == "ACK":
            if server is not None and server.state in (State.COMPLETED, State.CONFIRMED):
                server.confirm()
            else:
                self.on_request(request, None)
            return
        if server is not None:
            server.repeated()
            return
        values = split_commas(request.required("Via"))
        top = Via.parse(values[0]).seen_from(*peer)
        self._write_via(request, str(top), values[1:])
        target = peer
        if top.param("rport") is None:  # section 18.2.2: without rport the answer goes to the sent-by port
            target = (peer[0], top.port or 5060)
        server = ServerTransaction(self, request, target)
        self.servers[key] = server
        self.on_request(request, server)

    @staticmethod
    def _write_via(request: Request, top: str, same_line: list[str]) -> None:
        rest = request.headers.get_all("Via")[1:]
        replaced = iter([", ".join([top, *same_line]), *rest])
        request.headers = Headers((n, next(replaced) if n.lower() == "via" else v) for n, v in request.headers)

    def request(
        self,
        request: Request,
        peer: Address,
        on_response: Callable[[Response], object],
        on_timeout: Callable[[], object],
    ) -> ClientTransaction:
        """Send a request (its top Via with a fresh branch) and watch over it."""
        client = ClientTransaction(self, request, peer, on_response, on_timeout)
        self.clients[client.key] = client
        return client

    def invite_of(self, cancel: Request) -> ServerTransaction | None:
        """The INVITE transaction that a CANCEL means (section 9.2)."""
        branch, sent_by, _ = _server_key(cancel)
        return self.servers.get((branch, sent_by, "INVITE"))

    def close(self) -> None:
        """Stop every timer and forget every transaction."""
        for transaction in (*self.clients.values(), *self.servers.values()):
            transaction.terminate()
