"""One call of a scripted phone: how it is made and taken (RFC 3261 sections 9, 13), and what a script does with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

from . import audio, rtp, sdp
from .dialog import Dialog, Exchange
from .heard import Recording
from .leg import SDP, CallFailed, CallState, Ended, Leg, q850_cause
from .media import Playback, Sound
from .sip import Headers, Request, Response
from .transaction import ClientTransaction, ServerTransaction
from .watch import Event

__all__ = ["Call", "CallFailed", "CallState", "Ended"]


class Call(Leg):
    """One call.  Made by Phone.call() or by an incoming INVITE; all methods belong to the event loop's thread."""

    # -- what can be seen ------------------------------------------------------------------------------------

    @property
    def call_id(self) -> str:
        """SIP's Call-ID."""
        return self.dialog.call_id

    @property
    def remote_number(self) -> str:
        """The other side's number (user part of its From or To)."""
        return self.dialog.remote.uri.number

    @property
    def remote_display(self) -> str:
        """The other side's display name."""
        return self.dialog.remote.display

    @property
    def heard(self) -> Recording:
        """Everything heard so far."""
        return self._stream.heard

    @property
    def frames_sent(self) -> int:
        """RTP packets sent."""
        return self._stream.frames_sent

    @property
    def events(self) -> list[Event]:
        """All events in their order."""
        return self._watch.events

    def is_invited_by(self, invite: ServerTransaction) -> bool:
        """Whether this is the INVITE that made the call."""
        return self._invite_in is invite

    def is_merged(self, invite: Request) -> bool:
        """Whether an INVITE is ours come by a second way (section 8.2.2.2)."""
        mine = self._invite_in.request if self._invite_in is not None else None
        return (
            mine is not None
            and mine.call_id == invite.call_id
            and mine.cseq == invite.cseq
            and mine.from_.tag == invite.from_.tag
        )

    def header(self, name: str) -> str | None:
        """A header of the INVITE received (or of the 200 to ours), None if absent."""
        return self.headers.get(name)

    def time_of(self, kind: str) -> float | None:
        """Instant of the first event of a kind, None if there was none yet."""
        return self._watch.time_of(kind)

    async def event(self, kind: str, timeout: float) -> Event:
        """The first event of a kind, past or to come.  Raises TimeoutError, also when the call ended without it."""
        return await self._watch.event(kind, timeout)

    async def answered(self, timeout: float) -> float:
        """Instant of the 200.  Raises CallFailed if the call ended before, TimeoutError."""
        async with asyncio.timeout(timeout):
            at = await asyncio.shield(self._answered)
        if at is None:
            end = self._ended.result()
            raise CallFailed(end.status, end.reason)
        return at

    async def ended(self, timeout: float) -> Ended:
        """How the call ended.  Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._ended)

    # -- sound -----------------------------------------------------------------------------------------------

    def play(self, sound: Sound, loop: bool = False) -> Playback:
        """Play a tone, samples or a file, in place of what was playing; see media.Sound."""
        return self._stream.play(sound, loop)

    async def press(self, keys: str, method: Literal["rtp", "info"] = "rtp", ms: int = 120, gap_ms: int = 80) -> float:
        """Press keys one after the other; the instant when the last was released.

        Raises ValueError for unknown keys, RuntimeError if the other side takes no telephone-event (rtp),
        CallFailed if an INFO is refused.
        """
        if method == "rtp":
            if not self._stream.sends_keys:
                raise RuntimeError("the other side takes no telephone-event")
            return await asyncio.shield(self._stream.press(keys, ms, gap_ms))
        sent = self._loop.time()
        for key in keys:
            next(rtp.key_payloads(key, ms))  # the same keys and durations are legal
            body = f"Signal={key}\r\nDuration={ms}\r\n".encode()
            sent = self._loop.time()
            await self._transact("INFO", body, "application/dtmf-relay")
        return sent

    async def hear_tone(
        self, hz: float, timeout: float, frames: int = 5, share: float = 0.6, level: float = -45.0
    ) -> float:
        """Arrival of the first of `frames` packets in a row that are mostly this tone.  Raises TimeoutError."""

        def fits(pcm: audio.Pcm) -> bool:
            return audio.level_dbfs(pcm) > level and audio.tone_share(pcm, hz) >= share

        return await self._watch.hear(fits, frames, timeout, f"{hz:g} Hz")

    async def hear_sound(self, timeout: float, level: float = -40.0, frames: int = 1) -> float:
        """Arrival of the first packet louder than `level` dBFS from now on.  Raises TimeoutError."""
        return await self._watch.hear(lambda pcm: audio.level_dbfs(pcm) > level, frames, timeout, "sound")

    async def hear_silence(self, seconds: float, timeout: float, level: float = -40.0) -> float:
        """Wait for a pause of `seconds` without packets louder than `level`; its beginning.  TimeoutError."""
        return await self._watch.hear_silence(seconds, timeout, level)

    def listen(self, hears: Callable[[float, bytes], object]) -> Callable[[], None]:
        """Have `hears` called with each packet's arrival (loop's clock) and A-law payload; what is returned ends it."""
        self._stream.listeners.append(hears)

        def deaf() -> None:
            if hears in self._stream.listeners:
                self._stream.listeners.remove(hears)

        return deaf

    # -- what a person does ----------------------------------------------------------------------------------

    def ring(self, status: int = 180) -> None:
        """Say 180 Ringing (or another 1xx) to an incoming call; ignored once it is answered or over."""
        if self._invite_in is None or self.state not in (CallState.CALLING, CallState.RINGING):
            return
        self.state = CallState.RINGING
        self._respond_invite(self._invite_in.request.respond(status))

    def answer(self) -> None:
        """Say 200 OK to an incoming call and begin to talk; ignored once it is answered or over."""
        transaction = self._invite_in
        if transaction is None or self.state not in (CallState.CALLING, CallState.RINGING):
            return
        self.state = CallState.CONFIRMED
        self._unconfirmed = transaction
        self._invite_idle.clear()
        self._respond_with_media(transaction)
        self._answered.set_result(self.time_of("sent 200"))

    def reject(self, status: int = 486) -> None:
        """Refuse an incoming call with 3xx-6xx; ignored once it is answered or over."""
        if not 300 <= status < 700:
            raise ValueError("a refusal is 300 to 699")
        if self._invite_in is None or self.state not in (CallState.CALLING, CallState.RINGING):
            return
        response = self._invite_in.request.respond(status)
        self._respond_invite(response)
        self._finish("local", status, response.reason, None)

    async def hangup(self) -> Ended:
        """End the call by CANCEL, 603 or BYE, whatever fits its state; returns when it is over."""
        self.begin_hangup()
        return await asyncio.shield(self._ended)

    def begin_hangup(self) -> None:
        """The same without waiting for the other side's agreement."""
        if self.state in (CallState.ENDING, CallState.ENDED):
            return
        if self.state is CallState.CONFIRMED:
            self.state = CallState.ENDING
            if self._unconfirmed is not None and self._unconfirmed is self._invite_in:
                self._bye_wanted = True  # section 15: the callee waits for the ACK
            else:
                self._send_bye()
        elif self.direction == "in":
            self.reject(603)
        else:
            said_something = self.time_of("recv 100") is not None or self.state is CallState.RINGING
            self.state = CallState.ENDING
            self._cancel_wanted = True
            if self._invite_out is not None:
                self._invite_out.abandon()
            if said_something:  # section 9.1: no CANCEL before a provisional response
                self._send_cancel()

    async def hold(self) -> None:
        """Put the other side on hold (re-INVITE, sendonly).  Raises CallFailed."""
        await self._change_direction(held=True)

    async def resume(self) -> None:
        """Take the other side off hold (re-INVITE, sendrecv).  Raises CallFailed."""
        await self._change_direction(held=False)

    # -- making a call ---------------------------------------------------------------------------------------

    def start(self, uri: str, extra: Mapping[str, str]) -> None:
        """Send the INVITE (called by Phone.call)."""

        def build() -> Request:
            request = self.dialog.request("INVITE")
            request.uri = uri
            self._decorate(request, extra)
            request.headers.set("Content-Type", SDP)
            request.body = self._local.encode()
            return request

        self._offer = self._local
        self._invite_idle.clear()
        self._invite_out = Exchange(self.phone, self._hop, build, self._invite_response, self._invite_timeout)
        self._watch.note("sent INVITE")

    def _invite_timeout(self) -> None:
        self._finish("timeout", 408, "Request Timeout", None)

    def _invite_response(self, response: Response, transaction: ClientTransaction) -> None:
        if self.state is CallState.ENDED:
            return
        if response.status < 200:
            self._provisional(response)
        elif response.status < 300:
            self._accepted(response, transaction)
        else:
            self._watch.note(f"recv {response.status}")
            self._invite_idle.set()
            by: Literal["local", "remote"] = "local" if self._cancel_wanted else "remote"
            self._finish(by, response.status, response.reason, q850_cause(response.headers))

    def _provisional(self, response: Response) -> None:
        self._watch.note(f"recv {response.status}")
        if self._cancel_wanted:
            self._send_cancel()
            return
        if response.status > 100:
            self.state = CallState.RINGING
            if response.to.tag:
                self.dialog.established_by(response)
            if response.content_type == SDP and response.body:
                self._take_media(response.body)

    def _accepted(self, response: Response, transaction: ClientTransaction) -> None:
        again = self._answered.done() or self._ack is not None
        if again and response.to.tag != self.dialog.remote.tag:
            self._drop_fork(response, transaction)
            return
        if not again:
            self.dialog.established_by(response)
            self._hop = self.dialog.next_hop(self._hop)
            self.headers = response.headers
            self._watch.note("recv 200")
        self._send_ack(transaction)
        if again:
            return
        self._invite_idle.set()
        if self._cancel_wanted:  # our CANCEL crossed the 200
            self._send_bye()
        elif not self._take_media(response.body):
            self.state = CallState.ENDING
            self._send_bye()
        else:
            self.state = CallState.CONFIRMED
            self._answered.set_result(self.time_of("recv 200"))

    def _drop_fork(self, response: Response, transaction: ClientTransaction) -> None:
        """A second phone answered the same INVITE: take the call and end it (section 13.2.2.4)."""
        fork = Dialog(self.dialog.call_id, self.dialog.local, self.dialog.remote, self.dialog.target)
        fork.local_seq = transaction.request.cseq.number
        fork.established_by(response)
        hop = fork.next_hop(self._hop)
        ack = fork.request("ACK", fork.local_seq)
        ack.headers = Headers([("Via", self.phone.new_via()), *ack.headers])
        self.phone.layer.send(ack.encode(), hop)
        Exchange(self.phone, hop, lambda: fork.request("BYE"), lambda *_: None, lambda: None)

    def _send_cancel(self) -> None:
        if self._cancel_sent or self._invite_out is None:
            return
        self._cancel_sent = True
        transaction = self._invite_out.transaction
        self.phone.layer.request(transaction.make_cancel(), transaction.peer, lambda _: None, lambda: None)
        self._watch.note("sent CANCEL")
        # Section 9.1: an INVITE whose CANCEL brings no final response is over after 64 * T1.
        self._loop.call_later(self.phone.layer.timers.give_up, self._cancel_unheard, transaction)

    def _cancel_unheard(self, transaction: ClientTransaction) -> None:
        if self.state is CallState.ENDING and self._ack is None:
            transaction.terminate()
            self._finish("local", 487, "Request Terminated", None)

    # -- taking a call ---------------------------------------------------------------------------------------

    def arrive(self, transaction: ServerTransaction, remote: sdp.Media | None) -> None:
        """An INVITE for us (called by the phone); `remote` is None if it made no offer."""
        self._invite_in = transaction
        self.headers = transaction.request.headers
        self._remote = remote
        self._watch.note("recv INVITE")
        self._respond_invite(transaction.request.respond(100))

    def on_cancel(self, cancel: Request) -> None:
        """The caller gave up: 487 to the INVITE, unless it is answered already (section 9.2)."""
        self._watch.note("recv CANCEL")
        if self._invite_in is None or self._invite_in.answered:
            return
        self._respond_invite(self._invite_in.request.respond(487))
        self._finish("remote", 487, cancel.headers.get("Reason") or "Request Terminated", q850_cause(cancel.headers))
