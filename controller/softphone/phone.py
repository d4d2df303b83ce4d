"""A scripted phone: a SIP user agent over UDP that registers, calls, answers and measures (RFC 3261).

It is a tool for the demo, the tests and the benchmarks: one codec (G.711 A-law), IPv4, no TCP, no names to look up,
one event loop.  The name of the user that authenticates and the number shown to others are independent, as on a
carrier's trunk.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from types import TracebackType

from . import sdp
from .call import Call
from .dialog import Credentials, Dialog, Exchange
from .leg import Leg
from .media import Pacer
from .policy import AnswerPolicy, PhoneStats
from .sip import Headers, MalformedMessage, NameAddr, Request, Response, Uri
from .transaction import Address, ClientTransaction, ServerTransaction, Timers, TransactionLayer

__all__ = ["AnswerPolicy", "Phone", "PhoneStats", "RegistrationFailed"]

log = logging.getLogger(__name__)

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY"
KNOWN_BUT_REFUSED = frozenset({"REGISTER", "SUBSCRIBE", "PUBLISH", "MESSAGE", "REFER", "PRACK"})
SUPPORTED: frozenset[str] = frozenset()
"""Extensions that a caller may require of us (option tags): none."""


class RegistrationFailed(Exception):
    """The registrar refused, or did not answer (408)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status, self.reason = status, reason


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, Address], object]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._receive(data, (str(addr[0]), int(addr[1])))


class Phone:
    """One phone with one SIP address on one UDP port.

    `user`, `password`: for digest challenges and the address of record; `server`: registrar and proxy (None: only
    direct calls); `from_number`: number shown to others (default: user); `lines`: calls at a time, more get 486
    (None: no limit); `local_port`: of SIP (0: a free one); `record`: keep what is heard; `t1`: RFC 3261's timer base
    in seconds.
    """

    def __init__(
        self,
        user: str,
        password: str = "",
        server: Address | None = None,
        *,
        from_number: str | None = None,
        display: str | None = None,
        local_ip: str = "127.0.0.1",
        local_port: int = 0,
        policy: AnswerPolicy | None = None,
        lines: int | None = None,
        record: bool = True,
        t1: float = 0.5,
        user_agent: str = "hotline-softphone",
    ) -> None:
        self.user, self.server, self.local_ip = user, server, local_ip
        self.from_number, self.display = from_number or user, display or ""
        self.policy = policy or AnswerPolicy.manual()
        self._local_port = local_port
        self.lines, self.record, self.user_agent = lines, record, user_agent
        self.on_call: Callable[[Call], object] | None = None
        self.credentials = Credentials(user, password)
        self.registered = False
        self._timers = Timers(t1=t1)
        self._calls: dict[tuple[str, str], Call] = {}
        self._incoming: asyncio.Queue[Call] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None
        self._registration: Dialog | None = None
        self._refresh: asyncio.TimerHandle | None = None
        self._malformed_rtp = self._foreign_rtp = self._unsent_rtp = 0

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the SIP port.  Raises OSError."""
        if self._transport is not None:
            return
        self._loop = asyncio.get_running_loop()
        self.layer = TransactionLayer(self._loop, self._send, self._on_request, self._timers)
        self._transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Datagrams(self.layer.receive), local_addr=(self.local_ip, self._local_port)
        )
        name = self._transport.get_extra_info("sockname")
        self.address: Address = (str(name[0]), int(name[1]))

    async def stop(self, graceful: bool = True, timeout: float = 3.0) -> None:
        """Hang up, unregister, close; `graceful=False` is a power cut: no word to anyone."""
        if self._transport is None:
            return
        if graceful:
            try:
                async with asyncio.timeout(timeout):
                    await asyncio.gather(*(call.hangup() for call in self.calls))
                    if self.registered:
                        await self.unregister()
            except (TimeoutError, RegistrationFailed):
                log.info("a phone left without its peer's answer", extra={"action": "softphone.stop"})
        if self._refresh is not None:
            self._refresh.cancel()
        for call in self.calls:
            call.cut()
        self.layer.close()
        self._transport.close()
        self._transport = None
        self.registered = False

    async def __aenter__(self) -> Phone:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def calls(self) -> list[Call]:
        """The calls that are not over."""
        return list(self._calls.values())

    @property
    def contact(self) -> Uri:
        """Where this phone can be reached directly."""
        return Uri.of(self.user, *self.address)

    @property
    def stats(self) -> PhoneStats:
        """Counts since the start (RTP: of the calls that are over)."""
        layer = self.layer
        return PhoneStats(
            layer.malformed,
            layer.stray,
            layer.retransmitted,
            self._malformed_rtp,
            self._foreign_rtp,
            self._unsent_rtp,
            Pacer.shared().skipped_frames,
        )

    def _send(self, data: bytes, peer: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, peer)

    # -- for calls and exchanges -----------------------------------------------------------------------------

    def new_via(self) -> str:
        """A Via with a fresh branch (RFC 3261 section 8.1.1.7)."""
        host, port = self.address
        return f"SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{secrets.token_hex(12)}"

    def describe(self, headers: Headers) -> None:
        """Add who we are and what we can."""
        headers.set("Allow", ALLOW)
        headers.set("User-Agent", self.user_agent)

    def forget(self, call: Leg) -> None:
        """A call is over (called by it)."""
        self._calls.pop(call.dialog.key, None)
        malformed, foreign, unsent = call.rtp_trouble
        self._malformed_rtp += malformed
        self._foreign_rtp += foreign
        self._unsent_rtp += unsent

    # -- registration ----------------------------------------------------------------------------------------

    async def register(self, expires: int = 300, retry_after: float = 5.0) -> None:
        """Register for `expires` seconds; refreshed at 80 % of what the registrar grants, for ever.

        A refresh that fails is tried again after `retry_after` seconds, and `registered` is False meanwhile.
        Raises RegistrationFailed if the first one is refused or not answered.
        """
        status, reason = await self._register(expires, retry_after)
        if status >= 300:
            raise RegistrationFailed(status, reason)

    async def unregister(self) -> None:
        """Take the registration back.  Raises RegistrationFailed."""
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None
        status, reason = await self._register(0, 0)
        if status >= 300:
            raise RegistrationFailed(status, reason)

    async def _register(self, expires: int, retry_after: float) -> tuple[int, str]:
        future: asyncio.Future[tuple[int, str]] = self._loop.create_future()

        def done(status: int, reason: str) -> None:
            if not future.done():
                future.set_result((status, reason))

        self._send_register(expires, retry_after, done)
        return await future

    def _send_register(
        self, expires: int, retry_after: float, done: Callable[[int, str], object], tries: int = 2
    ) -> None:
        if self.server is None:
            raise RegistrationFailed(0, "this phone has no server")
        server = self.server
        if self._registration is None:  # all registrations share Call-ID and tag, CSeq grows (section 10.2)
            own = NameAddr(Uri.of(self.user, *server), self.display)
            registrar = str(Uri("sip", None, *server))
            self._registration = Dialog(secrets.token_hex(12), own.with_tag(secrets.token_hex(6)), own, registrar)
        dialog = self._registration

        def build() -> Request:
            request = dialog.request("REGISTER")
            request.headers.set("Contact", f"<{self.contact}>")
            request.headers.set("Expires", str(expires))
            self.describe(request.headers)
            return request

        def refresh_in(seconds: float) -> None:
            if expires and self._transport is not None:
                self._refresh = self._loop.call_later(
                    seconds, lambda: self._send_register(expires, retry_after, lambda *_: None)
                )

        def on_response(response: Response, _: ClientTransaction) -> None:
            if response.status < 200:
                return
            if response.status < 300:
                self.registered = expires > 0
                refresh_in(0.8 * self._granted(response, expires))
            elif response.status == 423 and tries > 1 and (response.headers.get("Min-Expires") or "").isdigit():
                longer = int(response.headers.get("Min-Expires") or 0)
                self._send_register(longer, retry_after, done, tries - 1)
                return
            else:
                failed()
            done(response.status, response.reason)

        def failed() -> None:
            was_registered, self.registered = self.registered, False
            if was_registered:
                log.warning("a phone lost its registration", extra={"action": "softphone.unregistered"})
                refresh_in(retry_after)

        def on_timeout() -> None:
            failed()
            done(408, "Request Timeout")

        Exchange(self, server, build, on_response, on_timeout)

    def _granted(self, response: Response, asked: int) -> float:
        """Seconds granted: our own Contact's expires, else Expires, else what we asked for (section 10.2.4)."""
        for value in response.headers.values("Contact"):
            if value == "*":
                continue
            contact = NameAddr.parse(value)
            if (contact.uri.host, contact.uri.port) == self.address:
                text = contact.param("expires") or ""
                if text.isascii() and text.isdigit():
                    return float(text)
        text = response.headers.get("Expires") or ""
        return float(text) if text.isascii() and text.isdigit() else float(asked)

    # -- calling ---------------------------------------------------------------------------------------------

    async def call(
        self,
        number: str,
        from_number: str | None = None,
        headers: Mapping[str, str] | None = None,
        display: str | None = None,
    ) -> Call:
        """Dial a number at the server, or a sip: URI with a literal address directly; the INVITE is sent on return.

        Raises MalformedMessage for a broken URI or header, OSError without free ports.
        """
        if number.startswith(("sip:", "sips:")):
            uri = Uri.parse(number)
            hop = (uri.host, uri.port or 5060)
        elif self.server is not None:
            uri, hop = Uri.of(number, *self.server), self.server
        else:
            raise ValueError("a phone without a server dials sip: addresses only")
        home = self.server or self.address
        own = NameAddr(Uri.of(from_number or self.from_number, *home), display or self.display)
        dialog = Dialog(secrets.token_hex(12), own.with_tag(secrets.token_hex(6)), NameAddr(uri), str(uri))
        call = Call(self, dialog, "out", hop)
        call.dialled = uri.number
        self._calls[dialog.key] = call
        call.start(str(uri), headers or {})
        return call

    async def incoming(self, timeout: float) -> Call:
        """The next incoming call, in the order of their coming.  Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await self._incoming.get()

    # -- what comes in ---------------------------------------------------------------------------------------

    def _on_request(self, request: Request, transaction: ServerTransaction | None) -> None:
        to_tag = request.to.tag
        call = self._calls.get((request.call_id, to_tag)) if to_tag else None
        if transaction is None:
            if call is not None:
                call.on_ack(request)
            return
        required = request.headers.values("Require")
        if request.method == "CANCEL":
            self._on_cancel(request, transaction)
        elif any(tag not in SUPPORTED for tag in required):
            response = request.respond(420)
            response.headers.set("Unsupported", ", ".join(t for t in required if t not in SUPPORTED))
            transaction.respond(response)
        elif call is not None:
            call.on_request(request, transaction)
        elif request.method == "INVITE" and to_tag is None:
            self._on_invite(request, transaction)
        elif to_tag is not None and request.method not in ("OPTIONS", "NOTIFY"):
            transaction.respond(request.respond(481))
        else:
            self.answer_outside(request, transaction)

    def answer_outside(self, request: Request, transaction: ServerTransaction) -> None:
        """Requests that need no call: OPTIONS and NOTIFY are agreed to, others refused by name (section 8.2.1)."""
        if request.method in ("OPTIONS", "NOTIFY"):
            response = request.respond(200, to_tag=secrets.token_hex(6))
            self.describe(response.headers)
            response.headers.set("Accept", "application/sdp, application/dtmf-relay")
        elif request.method in ("BYE", "INFO", "UPDATE"):
            response = request.respond(481, to_tag=secrets.token_hex(6))
        else:
            known = request.method in KNOWN_BUT_REFUSED
            response = request.respond(405 if known else 501, to_tag=secrets.token_hex(6))
            response.headers.set("Allow", ALLOW)
        transaction.respond(response)

    def _on_cancel(self, request: Request, transaction: ServerTransaction) -> None:
        invite = self.layer.invite_of(request)
        if invite is None:
            transaction.respond(request.respond(481))
            return
        call = next((c for c in self.calls if c.is_invited_by(invite)), None)
        tag = call.dialog.local.tag if call is not None else None
        transaction.respond(request.respond(200, to_tag=tag))
        if call is not None:
            call.on_cancel(request)

    def _on_invite(self, request: Request, transaction: ServerTransaction) -> None:
        def refuse(status: int) -> None:
            response = request.respond(status, to_tag=secrets.token_hex(6))
            self.describe(response.headers)
            transaction.respond(response)

        if not request.uri.lower().startswith("sip:"):
            refuse(416)
            return
        if any(c.is_merged(request) for c in self.calls):
            refuse(482)
            return
        offer: sdp.Media | None = None
        try:
            dialog = Dialog.incoming(request, secrets.token_hex(6))
            number = Uri.parse(request.uri).number
        except MalformedMessage:
            refuse(400)
            return
        if request.body:
            if request.content_type != "application/sdp":
                refuse(415)
                return
            try:
                offer = sdp.parse(request.body)
            except sdp.NotAcceptable:
                refuse(488)
                return
        if self.lines is not None and len(self._calls) >= self.lines:
            refuse(486)
            return
        try:
            call = Call(self, dialog, "in", dialog.next_hop(transaction.peer))
        except OSError:
            refuse(503)
            return
        call.dialled = number
        self._calls[dialog.key] = call
        call.arrive(transaction, offer)
        if self.on_call is not None:
            self.on_call(call)
        self._incoming.put_nowait(call)
        self._act(call, self.policy)

    def _act(self, call: Call, policy: AnswerPolicy) -> None:
        if policy.ring:
            call.ring()
        if policy.reject_after is not None:
            self._later(policy.reject_after, lambda: call.reject(policy.status))
        if policy.answer_after is not None:
            self._later(policy.answer_after, call.answer)

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        if seconds <= 0:
            action()
        else:
            self._loop.call_later(seconds, action)  # ignored by the call if it has been decided meanwhile
