"""Callers and answering agents as plain SIP over UDP, hundreds of them on two sockets, for `bench queue`.

Made to be cheap, so that the processor is left to what is measured: it reads only what it needs, sends no sound and
throws away what it is sent (a third socket that nobody reads); only one packet of sound leaves each caller, for which
the exchange waits when it answers. Callers come through the trunk (RFC 3261 without
authentication, known by a header), agents register with digest. Requests are repeated after 0.5 s, as UDP demands;
times are of the event loop that reads the sockets, the same for whatever exchange is on the other side.

What is measured at an agent's socket: from his own BYE to the next INVITE for him, if at the BYE somebody had been
waiting for at least `STEADY_S` who was not being rung for already.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.softphone.digest import Challenge, answer

T1_S = 0.5
"""First repetition of a request (RFC 3261, 17.1.1.2)."""
STEADY_S = 0.2
"""A caller counts as waiting when his call has been up for so long."""
LOST_AFTER = 7
"""A request repeated so often without an answer is given up."""
BUFFER = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Habits:
    """What callers and agents do; seconds. An agent talks for `talk_s`, evenly spread between the two."""

    ring_s: float = 0.1
    talk_s: tuple[float, float] = (2.0, 3.0)
    score: str = ""  #: the key that a caller gives in the survey (SIP INFO); empty: he hangs up when his agent has
    score_after_s: float = 0.5  #: from the agent's BYE


@dataclass(slots=True, eq=False)
class Caller:
    """One call of a citizen."""

    number: str
    dialled: str
    call_id: str
    invite: bytes
    began: float
    cseq: int = 1
    to: str = ""
    up_at: float | None = None  #: 200 OK from the exchange
    rung_at: float | None = None  #: an agent's phone is rung for him
    talked: bool = False
    over: bool = False
    over_with: str = ""  #: what ended it
    sound_port: int = 0  #: where the exchange wants to hear him


@dataclass(slots=True, eq=False)
class Agent:
    """One agent's phone."""

    number: str
    password: str = field(repr=False)
    busy: str = ""  #: Call-ID of the call that rings or talks
    ring_s: float | None = None  #: of his own; `math.inf`: he does not answer
    talk_s: float | None = None  #: of his own; `math.inf`: he does not hang up
    free_since: float | None = None  #: his last BYE, if somebody waited then


@dataclass(slots=True, eq=False)
class Leg:
    """A call at an agent's phone."""

    agent: Agent
    call_id: str
    caller: str
    headers: dict[str, str]
    tag: str
    came: float = 0.0
    response: bytes = b""
    answered: bool = False
    over: bool = False


@dataclass(slots=True)
class Counts:
    """What has happened since the last `Load.begin`; times in seconds."""

    started: int = 0
    talked: int = 0  #: talks that an agent ended
    refused: int = 0  #: calls that the exchange refused, or ended before anybody talked
    unanswered: int = 0  #: requests given up
    second_legs: int = 0  #: INVITEs to an agent who rang or talked already
    legs: list[tuple[str, float, float]] = field(default_factory=list)  #: X-CallId, INVITE and 200 OK, epoch seconds
    free_to_invite: list[float] = field(default_factory=list)
    arrive_to_invite: list[float] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Pending:
    """A request of ours without its answer."""

    data: bytes
    socket: _Socket
    due: float
    tries: int = 1
    over: Callable[[], None] | None = None


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received
        self.transport: asyncio.DatagramTransport | None = None
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # create_datagram_endpoint gives a DatagramTransport
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.port = own.getsockname()[1]

    def datagram_received(self, data: bytes, addr: object) -> None:
        if len(data) > 4:  # else a keep-alive
            self._received(data)

    def send(self, data: bytes) -> None:
        """To the exchange."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data)


class Load:
    """Everybody who telephones. ``async with``; then `register`, `begin`, `call`."""

    def __init__(self, host: str, port: int, trunk_secret: str, habits: Habits | None = None, seed: int = 1) -> None:
        self.habits = habits or Habits()
        self.counts = Counts()
        self.callers: dict[str, Caller] = {}  #: live ones, by Call-ID
        self.agents: dict[str, Agent] = {}
        self.on_ring: dict[str, Callable[[], object]] = {}  #: by agent: his phone begins to ring
        self.closed_loop: str | None = None  #: a caller who is gone is followed by a new one to this number
        self._server = (host, port)
        self._trunk_secret = trunk_secret
        self._random = random.Random(seed)
        self._by_number: dict[str, Caller] = {}
        self._legs: dict[str, Leg] = {}
        self._pending: dict[str, _Pending] = {}
        self._registrations: dict[str, asyncio.Future[str]] = {}
        self._serial = 0
        self._tag = secrets.token_hex(3)
        self._citizens = _Socket(self._to_citizens)
        self._phones = _Socket(self._to_agents)
        self._sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._repeater: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Load:
        loop = asyncio.get_running_loop()
        for one in (self._citizens, self._phones):
            await loop.create_datagram_endpoint(
                lambda one=one: one,  # type: ignore[misc]  # bound now
                local_addr=(self._server[0], 0),
                remote_addr=self._server,
            )
        self._sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._sink.bind((self._server[0], 0))
        self._sdp = self._offer(self._sink.getsockname()[1])
        self._repeater = loop.create_task(self._repeat())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._repeater is not None:
            self._repeater.cancel()
            await asyncio.gather(self._repeater, return_exceptions=True)
        for one in (self._citizens, self._phones):
            if one.transport is not None:
                one.transport.close()
        self._sink.close()
        await asyncio.sleep(0)

    def _offer(self, port: int) -> str:
        host = self._server[0]
        return (
            f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n"
            "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
        )

    # ---------------------------------------------------------------- agents' registration

    async def register(self, number: str, password: str, timeout: float = 10.0) -> None:
        """Register an agent's phone for an hour. Raises TimeoutError, ValueError (refused)."""
        agent = self.agents.setdefault(number, Agent(number, password))
        challenge = await self._ask(agent, "", 1, timeout)
        if challenge and await self._ask(agent, challenge, 2, timeout):
            raise ValueError(f"the exchange refuses the phone {number}")

    async def _ask(self, agent: Agent, challenge: str, cseq: int, timeout: float) -> str:
        """One REGISTER; the challenge of a 401, empty when it is accepted."""
        uri = f"sip:{self._server[0]}:{self._server[1]}"
        call_id = f"reg-{agent.number}-{self._tag}"
        proof = ""
        if challenge:
            given = answer(Challenge.parse(challenge), agent.number, agent.password, "REGISTER", uri, self._tag)
            proof = f"Authorization: {given}\r\n"
        address = f"<sip:{agent.number}@{self._server[0]}>"
        key = f"{call_id} {cseq} REGISTER"
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._registrations[key] = found
        data = (
            f"REGISTER {uri} SIP/2.0\r\n{self._via(self._phones)}From: {address};tag={self._tag}\r\nTo: {address}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nContact: {self._contact(agent.number, self._phones)}\r\n"
            f"Max-Forwards: 70\r\nExpires: 3600\r\n{proof}Content-Length: 0\r\n\r\n"
        ).encode()
        self._request(key, data, self._phones)
        async with asyncio.timeout(timeout):
            return await found

    # ---------------------------------------------------------------- callers

    def begin(self) -> None:
        """Count anew from here."""
        self.counts = Counts()

    def call(self, dialled: str) -> Caller:
        """A citizen dials."""
        self._serial += 1
        number = f"13{self._serial:09d}"
        call_id = f"c{self._serial}-{self._tag}"
        host, port = self._server
        invite = (
            f"INVITE sip:{dialled}@{host}:{port} SIP/2.0\r\n{self._via(self._citizens)}"
            f"From: <sip:{number}@{host}>;tag={self._tag}\r\nTo: <sip:{dialled}@{host}>\r\nCall-ID: {call_id}\r\n"
            f"CSeq: 1 INVITE\r\nContact: {self._contact(number, self._citizens)}\r\nMax-Forwards: 70\r\n"
            f"X-Trunk: {self._trunk_secret}\r\nContent-Type: application/sdp\r\n"
            f"Content-Length: {len(self._sdp)}\r\n\r\n{self._sdp}"
        ).encode()
        caller = Caller(number, dialled, call_id, invite, self._now())
        self.callers[call_id] = self._by_number[number] = caller
        self.counts.started += 1
        self._request(f"{call_id} 1 INVITE", invite, self._citizens, lambda: self._given_up(caller))
        return caller

    def waiting(self, steady_s: float = 0.0) -> int:
        """Callers who are up and for whom nobody is rung, for at least so long."""
        limit = self._now() - steady_s
        return sum(
            1
            for one in self.callers.values()
            if one.up_at is not None and one.up_at <= limit and one.rung_at is None and not one.over
        )

    async def go_home(self, timeout: float = 10.0) -> int:
        """Nobody calls any more and everybody hangs up; how many calls were still there after `timeout`."""
        self.closed_loop = None
        for caller in list(self.callers.values()):
            self.hang_up(caller)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.callers or any(not leg.over for leg in self._legs.values()):  # noqa: ASYNC110 - at the end only
                    await asyncio.sleep(0.05)
        left = len(self.callers) + sum(not leg.over for leg in self._legs.values())
        self.callers.clear()
        self._by_number.clear()
        self._legs.clear()
        self._pending.clear()
        for agent in self.agents.values():
            agent.busy, agent.free_since = "", None
        return left

    def _given_up(self, caller: Caller) -> None:
        self.counts.unanswered += 1
        self._caller_over(caller, "no answer")

    def hang_up(self, caller: Caller) -> None:
        """BYE, or CANCEL while the exchange has not answered."""
        if caller.over:
            return
        if caller.up_at is None:
            self._cancel(caller)
            return
        caller.cseq += 1
        caller.over, caller.over_with = True, "ours"
        key = f"{caller.call_id} {caller.cseq} BYE"
        data = self._in_dialog("BYE", caller)
        self._request(key, data, self._citizens, lambda: self._caller_gone(caller))

    def _cancel(self, caller: Caller) -> None:
        head, _, _ = caller.invite.partition(b"\r\n\r\n")
        lines = [
            line for line in head.decode().split("\r\n")[1:] if line.startswith(("Via", "From", "To", "Call-ID", "Max"))
        ]
        uri = caller.invite.split(b" ", 2)[1].decode()
        text = "\r\n".join([f"CANCEL {uri} SIP/2.0", *lines, "CSeq: 1 CANCEL", "Content-Length: 0", "", ""])
        self._pending.pop(f"{caller.call_id} 1 INVITE", None)
        self._request(f"{caller.call_id} 1 CANCEL", text.encode(), self._citizens)

    def _in_dialog(self, method: str, caller: Caller) -> bytes:
        host, port = self._server
        return (
            f"{method} sip:{caller.dialled}@{host}:{port} SIP/2.0\r\n{self._via(self._citizens)}"
            f"From: <sip:{caller.number}@{host}>;tag={self._tag}\r\nTo: {caller.to}\r\nCall-ID: {caller.call_id}\r\n"
            f"CSeq: {caller.cseq} {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    def _to_citizens(self, data: bytes) -> None:
        first, headers = _read(data)
        caller = self.callers.get(headers.get("call-id", ""))
        if not first.startswith("SIP/2.0 "):
            method = first.partition(" ")[0]
            if method != "ACK":
                self._citizens.send(_reply(headers, 200, "OK"))
            if method == "BYE" and caller is not None:
                caller.over_with = "the exchange's"
                self._caller_over(caller, "BYE before anybody talked")
            return
        status, cseq = int(first[8:11]), headers.get("cseq", "")
        if status < 200:
            pending = self._pending.get(f"{headers.get('call-id')} {cseq}")
            if pending is not None:
                pending.due = float("inf")  # it has arrived
            return
        self._pending.pop(f"{headers.get('call-id')} {cseq}", None)
        if caller is None:
            return
        if cseq.endswith("INVITE"):
            caller.to = headers.get("to", "")
            self._citizens.send(self._in_dialog("ACK", caller) if status < 300 else self._refused(caller))
            if status >= 300:
                self._caller_over(caller, str(status))
            elif caller.up_at is None:
                caller.up_at = self._now()
                caller.sound_port = int(data.partition(b"m=audio ")[2].partition(b" ")[0] or 0)
                self.speak(caller)  # Answer() waits up to 0.5 s for the first sound of who called
        elif cseq.endswith("BYE"):
            self._caller_gone(caller)

    def _refused(self, caller: Caller) -> bytes:
        """The ACK of a final error belongs to the INVITE's own transaction."""
        via = caller.invite.split(b"\r\n", 2)[1].decode() + "\r\n"
        return self._in_dialog("ACK", caller).decode().replace(self._last_via, via).encode()

    def _caller_over(self, caller: Caller, why: str) -> None:
        """A call has ended, by whomever; before anybody talked it is a loss."""
        if not caller.talked:
            self.counts.refused += 1
            self.counts.refusals[why] = self.counts.refusals.get(why, 0) + 1
        caller.over = True
        self._caller_gone(caller)

    def _caller_gone(self, caller: Caller) -> None:
        if self.callers.pop(caller.call_id, None) is not None:
            self._by_number.pop(caller.number, None)
            if self.closed_loop is not None:
                self.call(self.closed_loop)

    # ---------------------------------------------------------------- agents

    def _to_agents(self, data: bytes) -> None:
        now = self._now()
        first, headers = _read(data)
        call_id = headers.get("call-id", "")
        if first.startswith("SIP/2.0 "):
            self._answered(int(first[8:11]), headers)
            return
        method = first.partition(" ")[0]
        leg = self._legs.get(call_id)
        if method == "INVITE":
            if leg is not None:
                if leg.response:
                    self._phones.send(leg.response)
            else:
                self._ring(first, headers, now)
        elif method == "ACK":
            if leg is not None:
                self._pending.pop(f"{call_id} 200", None)
                self._pending.pop(f"{call_id} 487", None)
                if leg.answered and not leg.over:
                    self._talk(leg)
        elif method == "CANCEL":
            self._phones.send(_reply(headers, 200, "OK"))
            if leg is not None and not leg.answered and not leg.over:
                self._phones.send(_reply(leg.headers, 487, "Request Terminated", leg.tag))
                self._leg_over(leg, None)
        else:
            self._phones.send(_reply(headers, 200, "OK"))
            if method == "BYE" and leg is not None:
                self._leg_over(leg, None)

    def _ring(self, first: str, headers: dict[str, str], now: float) -> None:
        agent = self.agents.get(_user(first.split(" ", 2)[1]))
        if agent is None:
            self._phones.send(_reply(headers, 404, "Not Found", "x"))
            return
        number = _user(headers.get("from", ""))
        if agent.busy:
            self.counts.second_legs += 1
            self._phones.send(_reply(headers, 486, "Busy Here", "x"))
            return
        leg = Leg(agent, headers["call-id"], number, headers, secrets.token_hex(4), now)
        self._legs[leg.call_id] = leg
        agent.busy = leg.call_id
        if agent.free_since is not None:
            self.counts.free_to_invite.append(now - agent.free_since)
            agent.free_since = None
        caller = self._by_number.get(number)
        if caller is not None and caller.rung_at is None:
            caller.rung_at = now
            self.counts.arrive_to_invite.append(now - caller.began)
        leg.response = _reply(headers, 180, "Ringing", leg.tag, self._contact(agent.number, self._phones))
        self._phones.send(leg.response)
        ring_s = self.habits.ring_s if agent.ring_s is None else agent.ring_s
        if ring_s < math.inf:
            asyncio.get_running_loop().call_later(ring_s, self._pick_up, leg)
        if agent.number in self.on_ring:
            self.on_ring[agent.number]()

    def _pick_up(self, leg: Leg) -> None:
        if leg.over:
            return
        leg.answered = True
        ago = self._now() - leg.came
        self.counts.legs.append((leg.headers.get("x-callid", ""), time.time() - ago, time.time()))
        contact = self._contact(leg.agent.number, self._phones)
        leg.response = _reply(leg.headers, 200, "OK", leg.tag, contact, self._sdp)
        self._request(f"{leg.call_id} 200", leg.response, self._phones, lambda: self._leg_over(leg, None))

    def _talk(self, leg: Leg) -> None:
        if leg.response:
            leg.response = b""  # the ACK has come: talk once
            caller = self._by_number.get(leg.caller)
            if caller is not None:
                caller.talked = True
            talk = leg.agent.talk_s
            if talk is None:
                talk = self._random.uniform(*self.habits.talk_s)
            if talk < math.inf:
                asyncio.get_running_loop().call_later(talk, self._end_talk, leg)

    def release(self, agent: Agent) -> bool:
        """The agent hangs up, and nobody else by that; False if he is in no talk."""
        leg = self._legs.get(agent.busy)
        if leg is None or not leg.answered or leg.over:
            return False
        self._bye(leg)
        self._leg_over(leg, None)
        return True

    def speak(self, caller: Caller) -> None:
        """One packet of sound from a caller (20 ms of A-law silence; sequence and time are those of the loop)."""
        count = int(self._now() * 50)
        head = struct.pack("!BBHII", 0x80, 8, count & 0xFFFF, (count * 160) & 0xFFFFFFFF, 1)
        if caller.sound_port and not caller.over:
            self._sink.sendto(head + b"\xd5" * 160, (self._server[0], caller.sound_port))

    def _end_talk(self, leg: Leg) -> None:
        """The agent hangs up; so does his caller, if he gives no score."""
        if leg.over:
            return
        self.counts.talked += 1
        steady = self.waiting(STEADY_S) > 0
        self._bye(leg)
        self._leg_over(leg, self._now() if steady else None)
        caller = self._by_number.get(leg.caller)
        if caller is not None and self.habits.score and self.closed_loop is not None:
            asyncio.get_running_loop().call_later(self.habits.score_after_s, self._score, caller)
        elif caller is not None:
            self.hang_up(caller)

    def _bye(self, leg: Leg) -> None:
        host, port = self._server
        headers = leg.headers
        target = headers.get("contact", f"<sip:{host}:{port}>").partition("<")[2].partition(">")[0]
        to = headers["to"] if "tag=" in headers["to"] else f"{headers['to']};tag={leg.tag}"
        data = (
            f"BYE {target} SIP/2.0\r\n{self._via(self._phones)}From: {to}\r\nTo: {headers['from']}\r\n"
            f"Call-ID: {leg.call_id}\r\nCSeq: 100 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        self._request(f"{leg.call_id} 100 BYE", data, self._phones)

    def _score(self, caller: Caller) -> None:
        """He gives his key; the exchange says thank you and ends the call."""
        if caller.over:
            return
        caller.cseq += 1
        body = f"Signal={self.habits.score}\r\nDuration=160\r\n"
        head, _, _ = self._in_dialog("INFO", caller).decode().partition("Content-Length")
        data = f"{head}Content-Type: application/dtmf-relay\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        self._request(f"{caller.call_id} {caller.cseq} INFO", data, self._citizens)

    def _leg_over(self, leg: Leg, free_since: float | None) -> None:
        leg.over = True
        self._pending.pop(f"{leg.call_id} 200", None)
        if leg.agent.busy == leg.call_id:
            leg.agent.busy = ""
            leg.agent.free_since = free_since
        asyncio.get_running_loop().call_later(8.0, self._legs.pop, leg.call_id, None)  # repetitions still come

    def _answered(self, status: int, headers: dict[str, str]) -> None:
        key = f"{headers.get('call-id')} {headers.get('cseq')}"
        if status >= 200:
            self._pending.pop(key, None)
        asked = self._registrations.pop(key, None) if status >= 200 else None
        if asked is not None and not asked.done():
            accepted = status < 300
            asked.set_result("" if accepted else headers.get("www-authenticate", "refused"))

    # ---------------------------------------------------------------- requests

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _via(self, own: _Socket) -> str:
        self._serial += 1
        host = self._server[0]
        self._last_via = f"Via: SIP/2.0/UDP {host}:{own.port};branch=z9hG4bK{self._tag}{self._serial};rport\r\n"
        return self._last_via

    def _contact(self, user: str, own: _Socket) -> str:
        return f"<sip:{user}@{self._server[0]}:{own.port}>"

    def _request(self, key: str, data: bytes, own: _Socket, over: Callable[[], None] | None = None) -> None:
        self._pending[key] = _Pending(data, own, self._now() + T1_S, over=over)
        own.send(data)

    async def _repeat(self) -> None:
        """Send again what was not answered; a clock of its own, as no event tells of a lost packet."""
        while True:
            await asyncio.sleep(T1_S / 2)
            now = self._now()
            for key, one in list(self._pending.items()):
                if one.due > now:
                    continue
                if one.tries >= LOST_AFTER:
                    self._pending.pop(key, None)
                    if one.over is not None:
                        one.over()
                    continue
                one.tries += 1
                one.due = now + T1_S * min(2 ** (one.tries - 1), 8)
                one.socket.send(one.data)


def _read(data: bytes) -> tuple[str, dict[str, str]]:
    """First line and headers, names in lower case; several Via are kept as one, lines in order."""
    head, _, _ = data.partition(b"\r\n\r\n")
    first, *lines = head.decode(errors="replace").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        if name == "via" and "via" in headers:
            headers["via"] += "\r\nVia: " + value.strip()
        elif name not in headers:
            headers[name] = value.strip()
    return first, headers


def _user(uri: str) -> str:
    """The user part of the first SIP address in a header."""
    return uri.partition("sip:")[2].partition("@")[0]


def _reply(headers: dict[str, str], status: int, words: str, tag: str = "", contact: str = "", sdp: str = "") -> bytes:
    to = headers.get("to", "")
    if tag and "tag=" not in to:
        to += f";tag={tag}"
    lines = [
        f"SIP/2.0 {status} {words}",
        f"Via: {headers.get('via', '')}",
        f"From: {headers.get('from', '')}",
        f"To: {to}",
        f"Call-ID: {headers.get('call-id', '')}",
        f"CSeq: {headers.get('cseq', '')}",
    ]
    if contact:
        lines.append(f"Contact: {contact}")
    if sdp:
        lines.append("Content-Type: application/sdp")
    return "\r\n".join([*lines, f"Content-Length: {len(sdp)}", "", sdp]).encode()
