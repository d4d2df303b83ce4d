"""One dialog with its sound: offers and answers, requests within it, its end (RFC 3261 sections 12, 14, 15).

What both sides of a call have in common; call.py adds how a call is made and taken, and what a script does with it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from . import rtp, sdp
from .dialog import Dialog, Exchange
from .media import AudioStream
from .sdp import Direction
from .sip import Headers, Request, Response
from .transaction import Address, ClientTransaction, ServerTransaction
from .watch import Watch

if TYPE_CHECKING:
    from .phone import Phone

__all__ = ["CallFailed", "CallState", "Ended", "Leg", "q850_cause"]

SDP = "application/sdp"
_GLARE_TRIES = 3


class CallState(StrEnum):
    """Where a call stands, seen from this phone."""

    CALLING = "calling"
    """Our INVITE is out, or one has come and nothing but 100 was said."""
    RINGING = "ringing"
    """180 or 183 was heard or sent."""
    CONFIRMED = "confirmed"
    """200 was heard or sent: talking (or held)."""
    ENDING = "ending"
    """We hung up and wait for the other side to agree."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended.

    `by`: who ended it ("timeout": the other side stopped answering, or the phone was switched off); `status`: 200
    for a talk ended by BYE, else the INVITE's final status; `q850`: cause of a Reason header (RFC 3326).
    """

    by: Literal["local", "remote", "timeout"]
    status: int
    reason: str
    q850: int | None
    at: float


class CallFailed(Exception):
    """The other side refused: a call that was not answered, or a re-INVITE or INFO that was not accepted."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status, self.reason = status, reason


def q850_cause(headers: Headers) -> int | None:
    """The Q.850 cause of a Reason header (RFC 3326), None without one."""
    for value in headers.values("Reason"):
        match = re.match(r"Q\.850\s*;.*?cause\s*=\s*(\d+)", value, re.IGNORECASE)
        if match:
            return int(match.group(1))
    return None


class Leg:
    """The protocol half of a call; use Call."""

    def __init__(self, phone: Phone, dialog: Dialog, direction: Literal["in", "out"], hop: Address) -> None:
        self.phone, self.dialog, self.direction = phone, dialog, direction
        self.state = CallState.CALLING
        self.headers = Headers()
        """Headers of the INVITE received (incoming calls), or of the 200 (outgoing ones)."""
        self.dialled = ""
        self.held_by_remote = False
        self.held = False
        self.digits = ""
        self._loop = asyncio.get_running_loop()
        self._hop = hop
        self._stream = AudioStream(
            phone.local_ip, record=phone.record, on_first=self._first_packet, on_key=self._key_heard
        )
        self._watch = Watch(self._stream)
        self._answered: asyncio.Future[float | None] = self._loop.create_future()
        self._ended: asyncio.Future[Ended] = self._loop.create_future()
        self._local = sdp.offer(phone.local_ip, self._stream.port, secrets.randbelow(1 << 31) + 1)
        self._remote: sdp.Media | None = None
        self._offer: sdp.Media | None = None
        self._invite_in: ServerTransaction | None = None
        self._unconfirmed: ServerTransaction | None = None
        self._invite_out: Exchange | None = None
        self._reinvite: Exchange | None = None
        self._ack: Request | None = None
        self._cancel_sent = False
        self._cancel_wanted = False
        self._bye_wanted = False
        self._pending: set[asyncio.Future[Response | None]] = set()
        self._invite_idle = asyncio.Event()
        self._invite_idle.set()

    @property
    def rtp_trouble(self) -> tuple[int, int, int]:
        """RTP packets malformed, from a foreign port, and not sent."""
        return self._stream.malformed, self._stream.foreign, self._stream.unsent

    def _send_ack(self, transaction: ClientTransaction) -> None:
        """The ACK of a 2xx is our own affair, and sent again for each repetition of it (section 13.2.2.4)."""
        number = transaction.request.cseq.number
        if self._ack is None or self._ack.cseq.number != number:
            ack = self.dialog.request("ACK", number)
            exchange = self._reinvite or self._invite_out
            authorization = exchange.authorization if exchange is not None else []
            ack.headers = Headers([("Via", self.phone.new_via()), *ack.headers, *authorization])
            self._ack = ack
            self._watch.note("sent ACK")
        self.phone.layer.send(self._ack.encode(), self._hop)

    def _decorate(self, request: Request, extra: Mapping[str, str] | None = None) -> None:
        request.headers.set("Contact", f"<{self.phone.contact}>")
        self.phone.describe(request.headers)
        for name, value in (extra or {}).items():
            request.headers.add(name, value)

    def _respond_invite(self, response: Response) -> None:
        assert self._invite_in is not None  # noqa: S101  callers have looked
        self._send_response(self._invite_in, response)
        self._watch.note(f"sent {response.status}")

    def _send_response(self, transaction: ServerTransaction, response: Response) -> None:
        if response.status > 100:
            response.headers.set("To", str(response.to.with_tag(self.dialog.local.tag or "")))
            if response.status < 400:
                response.headers.set("Contact", f"<{self.phone.contact}>")
        self.phone.describe(response.headers)
        no_ack = self._no_ack if response.status < 300 and transaction.is_invite else None
        transaction.respond(response, no_ack)

    def _respond_with_media(self, transaction: ServerTransaction) -> None:
        """200 with our answer, or with our offer if the INVITE made none; then the sound flows."""
        response = transaction.request.respond(200)
        wish = Direction.SENDONLY if self.held else Direction.SENDRECV
        offered = bool(transaction.request.body)
        if offered and self._remote is not None:
            self._local = sdp.answer_for(self._remote, self._next_version(), wish)
        else:
            self._local = replace(self._next_version(), direction=wish, event_type=sdp.TELEPHONE_EVENT, skipped=())
            self._offer = self._local
        response.headers.set("Content-Type", SDP)
        response.body = self._local.encode()
        self._send_response(transaction, response)
        if transaction is self._invite_in:
            self._watch.note("sent 200")
        if offered:
            self._connect()

    def _next_version(self) -> sdp.Media:
        return replace(self._local, version=self._local.version + 1)

    def _no_ack(self) -> None:
        """Nobody confirmed our 200 (section 13.3.1.4): end the call."""
        if self.state in (CallState.CONFIRMED, CallState.ENDING):
            self._unconfirmed = None
            self.state = CallState.ENDING
            self._send_bye()

    def on_ack(self, ack: Request) -> None:
        """The ACK of a 200 of ours."""
        transaction = self._unconfirmed
        if transaction is None or ack.cseq.number != transaction.request.cseq.number:
            return
        self._unconfirmed = None
        transaction.confirm()
        self._watch.note("recv ACK")
        self._invite_idle.set()
        if not transaction.request.body and not self._take_media(ack.body):
            self._bye_wanted = True
        if self._bye_wanted:
            self._bye_wanted = False
            self.state = CallState.ENDING
            self._send_bye()

    # -- requests within the dialog --------------------------------------------------------------------------

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:
        """A request of the other side within this dialog."""
        if request.from_.tag != self.dialog.remote.tag and self.dialog.remote.tag is not None:
            transaction.respond(request.respond(481))
            return
        if not self.dialog.takes(request):
            transaction.respond(request.respond(500, "CSeq out of order"))
            return
        if request.method == "BYE":
            self._on_bye(request, transaction)
        elif request.method in ("INVITE", "UPDATE"):
            self._on_offer(request, transaction)
        elif request.method == "INFO":
            self._watch.note("recv INFO")
            self._send_response(transaction, request.respond(200))
            self._info_key(request)
        else:
            self.phone.answer_outside(request, transaction)

    def _on_bye(self, request: Request, transaction: ServerTransaction) -> None:
        self._watch.note("recv BYE")
        transaction.respond(request.respond(200))
        if self._invite_in is not None and not self._invite_in.answered:
            self._respond_invite(self._invite_in.request.respond(487))
        by: Literal["local", "remote"] = "local" if self.state is CallState.ENDING else "remote"
        self._finish(by, 200, "BYE", q850_cause(request.headers))

    def _on_offer(self, request: Request, transaction: ServerTransaction) -> None:
        """re-INVITE or UPDATE (sections 14.2; RFC 3311 5.2): glare, new address, hold, or just a refresh."""
        is_invite = request.method == "INVITE"
        self._watch.note("recv re-INVITE" if is_invite else "recv UPDATE")
        if self._reinvite is not None and (is_invite or request.body):
            transaction.respond(request.respond(491))
            return
        if self.state is not CallState.CONFIRMED and is_invite:
            transaction.respond(request.respond(481 if self.state is CallState.ENDING else 491))
            return
        if request.contact is not None:  # both are target refresh requests
            self.dialog.target = str(request.contact)
        if request.body:
            try:
                remote = sdp.parse(request.body)
            except sdp.NotAcceptable:
                transaction.respond(request.respond(488))
                return
            self._remote = remote
        elif not is_invite:
            self._send_response(transaction, request.respond(200))
            return
        if is_invite:
            self._unconfirmed = transaction
            self._invite_idle.clear()
        self._respond_with_media(transaction)

    def _info_key(self, request: Request) -> None:
        text = request.body.decode("ascii", "replace")
        match = re.search(r"^\s*Signal\s*=\s*([0-9*#A-Da-d])", text, re.MULTILINE)
        if request.content_type == "application/dtmf" and re.fullmatch(r"\s*[0-9*#A-Da-d]\s*", text):
            self._key_heard(rtp.HeardKey(text.strip().upper(), False), self._loop.time())
        elif request.content_type == "application/dtmf-relay" and match:
            self._key_heard(rtp.HeardKey(match.group(1).upper(), False), self._loop.time())

    async def _transact(self, method: str, body: bytes, content_type: str) -> None:
        """One request within the dialog to its final response.  Raises CallFailed (408 for no answer)."""
        if self.state is not CallState.CONFIRMED:
            raise CallFailed(481, "no call")
        future: asyncio.Future[Response | None] = self._loop.create_future()

        def build() -> Request:
            request = self.dialog.request(method)
            request.headers.set("Content-Type", content_type)
            request.body = body
            return request

        def on_response(response: Response, _: ClientTransaction) -> None:
            if response.status >= 200 and not future.done():
                future.set_result(response)

        def on_timeout() -> None:
            if not future.done():
                future.set_result(None)

        Exchange(self.phone, self._hop, build, on_response, on_timeout)
        self._watch.note(f"sent {method}")
        response = await self._final(future)
        if response.status >= 300:
            raise CallFailed(response.status, response.reason)

    async def _final(self, future: asyncio.Future[Response | None]) -> Response:
        """A final response, or a 408 made here if there is none or the call ends meanwhile."""
        self._pending.add(future)
        try:
            response = await future
        finally:
            self._pending.discard(future)
        return response or Response(status=408, reason="Request Timeout")

    def _send_bye(self) -> None:
        def final(response: Response, _: ClientTransaction) -> None:
            if response.status >= 200:
                self._finish("local", 200, "BYE", None)

        Exchange(
            self.phone,
            self._hop,
            lambda: self.dialog.request("BYE"),
            final,
            lambda: self._finish("timeout", 200, "BYE unanswered", None),
        )
        self._watch.note("sent BYE")
        self._stream.mute()

    # -- hold ------------------------------------------------------------------------------------------------

    async def _change_direction(self, *, held: bool) -> None:
        for _ in range(_GLARE_TRIES):
            # Section 14.1: no re-INVITE while another INVITE is going on in either direction.
            while not self._invite_idle.is_set():
                await self._invite_idle.wait()
            if self.state is not CallState.CONFIRMED:
                raise CallFailed(481, "no call")
            response = await self._send_reinvite(held)
            if response.status < 300:
                self.held = held
                return
            if response.status != 491:
                raise CallFailed(response.status, response.reason)
            # Section 14.1: whoever made the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in units of 10 ms.
            mine = self.direction == "out"
            await asyncio.sleep((210 + secrets.randbelow(191)) / 100 if mine else secrets.randbelow(201) / 100)
        raise CallFailed(491, "Request Pending")

    async def _send_reinvite(self, held: bool) -> Response:
        future: asyncio.Future[Response | None] = self._loop.create_future()
        wish = Direction.SENDONLY if held else Direction.SENDRECV
        fresh = replace(self._next_version(), direction=wish, event_type=sdp.TELEPHONE_EVENT, skipped=())
        before = self._local

        def build() -> Request:
            request = self.dialog.request("INVITE")
            self._decorate(request)
            request.headers.set("Content-Type", SDP)
            request.body = fresh.encode()
            return request

        def on_response(response: Response, transaction: ClientTransaction) -> None:
            if response.status < 200:
                return
            if response.status < 300:
                if response.contact is not None:
                    self.dialog.target = str(response.contact)
                self._send_ack(transaction)
                if future.done():
                    return  # the 200 came again
                self._local = fresh
                if not self._take_media(response.body):
                    self._local = before
            done(response)

        def done(response: Response) -> None:
            if not future.done():
                future.set_result(response)
                self._reinvite = None
                self._invite_idle.set()

        self._invite_idle.clear()
        self._reinvite = Exchange(
            self.phone,
            self._hop,
            build,
            on_response,
            lambda: done(Response(status=408, reason="Request Timeout")),
        )
        self._watch.note("sent re-INVITE")
        return await self._final(future)

    # -- sound of the other side -----------------------------------------------------------------------------

    def _take_media(self, body: bytes) -> bool:
        """Take the other side's description; False if we cannot talk by it."""
        try:
            self._remote = sdp.parse(body)
        except sdp.NotAcceptable:
            return False
        self._connect()
        return True

    def _connect(self) -> None:
        remote = self._remote
        if remote is None or self.state is CallState.ENDED:
            return
        held = not remote.direction.receives
        if held != self.held_by_remote:
            self.held_by_remote = held
            self._watch.note("hold" if held else "resume")
        self._stream.connect(
            remote.host,
            remote.port,
            send=self._local.direction.sends and remote.direction.receives,
            event_type=remote.event_type,
            local_event_type=self._local.event_type,
        )

    def _first_packet(self, kind: str, at: float) -> None:
        self._watch.note(kind, at=at)

    def _key_heard(self, key: rtp.HeardKey, at: float) -> None:
        if key.ended:
            self._watch.note("dtmf end", key.key, at)
        else:
            self.digits += key.key
            self._watch.note("dtmf", key.key, at)

    # -- the end ---------------------------------------------------------------------------------------------

    def _finish(self, by: Literal["local", "remote", "timeout"], status: int, reason: str, q850: int | None) -> None:
        if self.state is CallState.ENDED:
            return
        self.state = CallState.ENDED
        if self._unconfirmed is not None:
            self._unconfirmed.confirm()  # nobody is left to confirm the 200: stop repeating it
        self._stream.close()
        event = self._watch.note("ended", f"{by} {status}")
        self._ended.set_result(Ended(by, status, reason, q850, event.at))
        if not self._answered.done():
            self._answered.set_result(None)
        for future in self._pending:
            if not future.done():
                future.set_result(None)
        self._invite_idle.set()
        self._watch.close()
        self.phone.forget(self)

    def cut(self) -> None:
        """The phone loses its power: nothing more is sent, the call is over for this side."""
        self._finish("timeout", 503, "switched off", None)
