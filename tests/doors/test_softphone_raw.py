"""A scripted phone and a raw socket that says what no well-behaved phone would: odd requests, lost ACKs, challenges."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.softphone import AnswerPolicy, Call, CallFailed, CallState, Phone, RegistrationFailed
from controller.softphone.digest import Challenge, digest_response
from controller.softphone.sip import Headers, Request, Response, parse_message

pytestmark = pytest.mark.doors

SECONDS = 5.0
"""Deadline of whatever must happen; nothing here takes that long."""


@pytest.fixture
async def alice() -> AsyncIterator[Phone]:
    async with Phone("alice") as phone:
        yield phone


@pytest.fixture
async def bob() -> AsyncIterator[Phone]:
    async with Phone("bob") as phone:
        yield phone


# -- a raw peer: what no well-behaved phone would send -------------------------------------------------------------


class Raw(asyncio.DatagramProtocol):
    """A socket that says exactly what a test wants."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Request | Response] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.DatagramTransport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.inbox.put_nowait(parse_message(data))

    def send(self, phone: Phone, data: bytes) -> None:
        self.transport.sendto(data, phone.address)

    async def get(self, what: str | int) -> Any:
        """The next message that is this method or status; others are passed over."""
        async with asyncio.timeout(SECONDS):
            while True:
                message = await self.inbox.get()
                if what in (getattr(message, "status", None), getattr(message, "method", None)):
                    return message

    def request(self, method: str, number: int = 1, body: bytes = b"", **more: str) -> bytes:
        headers = Headers(
            [
                ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{method}{number}"),
                ("From", "<sip:raw@127.0.0.1>;tag=raw"),
                ("To", "<sip:bob@127.0.0.1>"),
                ("Call-ID", "raw-call"),
                ("CSeq", f"{number} {method}"),
                ("Contact", f"<sip:raw@127.0.0.1:{self.port}>"),
            ]
        )
        for name, value in more.items():
            headers.set(name.replace("_", "-"), value)
        if body:
            headers.set("Content-Type", more.get("Content_Type", "application/sdp"))
        return Request(headers, body, method, "sip:bob@127.0.0.1").encode()

    def sdp(self, port: int, direction: str = "sendrecv", formats: str = "8 101") -> bytes:
        return (
            f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        ).encode()


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Raw, local_addr=("127.0.0.1", 0))
    yield protocol
    transport.close()


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        ("OPTIONS", {}, 200),
        ("NOTIFY", {}, 200),
        ("BYE", {"To": "<sip:b@127.0.0.1>;tag=unknown"}, 481),
        ("INFO", {}, 481),
        ("CANCEL", {}, 481),
        ("INVITE", {"To": "<sip:b@127.0.0.1>;tag=unknown"}, 481),
        ("REGISTER", {}, 405),
        ("SUBSCRIBE", {}, 405),
        ("MESSAGE", {}, 405),
        ("REFER", {}, 405),
        ("PRACK", {}, 405),
        ("DANCE", {}, 501),
        ("INVITE", {"Require": "100rel, timer"}, 420),
        ("INVITE", {"Content_Type": "text/plain"}, 415),
        ("INVITE", {"Contact": "*"}, 400),
    ],
)
async def test_requests_out_of_any_call(bob: Phone, raw: Raw, method: str, more: dict[str, str], status: int) -> None:
    body = b"v=0\r\n" if "Content_Type" in more else b""
    raw.send(bob, raw.request(method, 1, body, **more))
    response = await raw.get(status)
    if status in (405, 501):
        assert "INVITE" in response.headers.get("Allow")
    if status == 420:
        assert response.headers.values("Unsupported") == ["100rel", "timer"]
    assert bob.calls == []


async def test_an_offer_without_a_law_is_not_acceptable(bob: Phone, raw: Raw) -> None:
    raw.send(bob, raw.request("INVITE", body=raw.sdp(4000, formats="0 101")))
    await raw.get(488)
    assert bob.calls == []


async def test_garbage_is_counted_and_the_phone_goes_on(bob: Phone, raw: Raw) -> None:
    for data in (b"\xff" * 40, b"INVITE sip:x SIP/2.0\r\n\r\n", raw.request("OPTIONS").replace(b"CSeq", b"XSeq")):
        raw.send(bob, data)
    raw.send(bob, b"\r\n\r\n")
    raw.send(bob, raw.request("OPTIONS"))
    await raw.get(200)
    assert bob.stats.malformed == 3


async def test_200_comes_again_until_the_ack_and_the_ack_again_for_each_200(raw: Raw) -> None:
    async with Phone("bob", t1=0.05, policy=AnswerPolicy.auto(ring=False)) as bob:
        raw.send(bob, raw.request("INVITE", body=raw.sdp(4000)))
        first = await raw.get(200)
        again = await raw.get(200)
        assert again.encode() == first.encode()
        inc = await bob.incoming(SECONDS)
        raw.send(bob, raw.request("ACK", To=first.headers.get("To")))
        await inc.event("recv ACK", SECONDS)
        repeated = bob.stats.retransmitted
        await inc.hear_silence(0.3, SECONDS)
        assert bob.stats.retransmitted == repeated
        raw.send(bob, raw.request("BYE", 2, To=first.headers.get("To"), Reason="Q.850;cause=16"))
        end = await inc.ended(SECONDS)
        assert (end.by, end.q850) == ("remote", 16)


async def test_a_200_that_is_never_acked_ends_in_a_bye(raw: Raw) -> None:
    async with Phone("bob", t1=0.01, policy=AnswerPolicy.auto()) as bob:
        raw.send(bob, raw.request("INVITE", body=raw.sdp(4000)))
        bye = await raw.get("BYE")
        raw.send(bob, bye.respond(200).encode())
        inc = await bob.incoming(SECONDS)
        assert (await inc.ended(SECONDS)).by == "local"


async def test_an_invite_by_two_ways_is_one_call(bob: Phone, raw: Raw) -> None:
    """Section 8.2.2.2."""
    raw.send(bob, raw.request("INVITE", body=raw.sdp(4000)))
    await raw.get(180)
    other = raw.request("INVITE", body=raw.sdp(4000)).replace(b"z9hG4bKINVITE1", b"z9hG4bKotherway")
    raw.send(bob, other)
    await raw.get(482)
    assert len(bob.calls) == 1


async def established(bob: Phone, raw: Raw, body: bytes) -> tuple[Call, str]:
    """A call from the raw peer, confirmed; our To with bob's tag."""
    bob.policy = AnswerPolicy.auto(ring=False)
    raw.send(bob, raw.request("INVITE", body=body))
    ok = await raw.get(200)
    to = str(ok.headers.get("To"))
    inc = await bob.incoming(SECONDS)
    raw.send(bob, raw.request("ACK", To=to, body=b"" if body else raw.sdp(4000)))
    await inc.event("recv ACK", SECONDS)
    return inc, to


async def end(bob: Phone, raw: Raw, inc: Call) -> None:
    """Bob hangs up and the raw peer agrees."""
    inc.begin_hangup()
    bye = await raw.get("BYE")
    raw.send(bob, bye.respond(200).encode())
    await inc.ended(SECONDS)


async def test_offer_in_the_200_and_answer_in_the_ack(bob: Phone, raw: Raw) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(("127.0.0.1", 0))
        media.setblocking(False)
        bob.policy = AnswerPolicy.auto(ring=False)
        raw.send(bob, raw.request("INVITE"))
        ok = await raw.get(200)
        assert b"m=audio" in ok.body
        body = raw.sdp(media.getsockname()[1])
        raw.send(bob, raw.request("ACK", body=body, To=ok.headers.get("To")))
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(media, 2048), SECONDS)
        assert len(data) == 172
        await end(bob, raw, await bob.incoming(SECONDS))


async def test_requests_within_a_call(bob: Phone, raw: Raw) -> None:
    inc, to = await established(bob, raw, raw.sdp(4000))
    raw.send(bob, raw.request("UPDATE", 2, To=to))
    assert (await raw.get(200)).body == b""
    raw.send(bob, raw.request("UPDATE", 3, To=to, body=raw.sdp(4000, "sendonly")))
    assert b"a=recvonly" in (await raw.get(200)).body
    assert inc.held_by_remote
    raw.send(bob, raw.request("INVITE", 4, To=to, body=raw.sdp(4002, "inactive")))
    assert b"a=inactive" in (await raw.get(200)).body
    raw.send(bob, raw.request("ACK", 4, To=to))
    raw.send(bob, raw.request("INVITE", 5, To=to))  # without an offer: the phone makes one
    assert b"a=sendrecv" in (await raw.get(200)).body
    raw.send(bob, raw.request("ACK", 5, To=to, body=raw.sdp(4004)))
    await inc.event("resume", SECONDS)
    raw.send(bob, raw.request("INVITE", 6, To=to, body=raw.sdp(4004, formats="0")))
    await raw.get(488)
    raw.send(bob, raw.request("OPTIONS", 7, To=to))
    await raw.get(200)
    relay = b"Signal=7\r\nDuration=160\r\n"
    raw.send(bob, raw.request("INFO", 8, To=to, body=relay, Content_Type="application/dtmf-relay"))
    await raw.get(200)
    raw.send(bob, raw.request("INFO", 9, To=to, body=b"8", Content_Type="application/dtmf"))
    await raw.get(200)
    assert inc.digits == "78"
    raw.send(bob, raw.request("INFO", 3, To=to))
    assert (await raw.get(500)).reason == "CSeq out of order"
    raw.send(bob, raw.request("DANCE", 10, To=to))
    await raw.get(501)
    raw.send(bob, raw.request("BYE", 11, To=to, From="<sip:raw@127.0.0.1>;tag=stranger"))
    await raw.get(481)
    assert inc.state is CallState.CONFIRMED
    await end(bob, raw, inc)


async def test_a_second_phone_that_answers_too_is_thanked_and_dismissed(alice: Phone, raw: Raw) -> None:
    """Section 13.2.2.4: forked INVITE, two 200s with different tags."""
    out = await alice.call(f"sip:bob@127.0.0.1:{raw.port}")
    invite = await raw.get("INVITE")
    for tag in ("one", "two"):
        response = invite.respond(200, to_tag=tag)
        response.headers.set("Contact", f"<sip:{tag}@127.0.0.1:{raw.port}>")
        response.headers.set("Content-Type", "application/sdp")
        response.body = raw.sdp(4000)
        raw.send(alice, response.encode())
        ack = await raw.get("ACK")
        assert (ack.to.tag, ack.uri) == (tag, f"sip:{tag}@127.0.0.1:{raw.port}")
    bye = await raw.get("BYE")
    assert bye.to.tag == "two"
    raw.send(alice, bye.respond(200).encode())
    assert out.state is CallState.CONFIRMED
    out.begin_hangup()
    bye = await raw.get("BYE")
    assert bye.to.tag == "one"
    raw.send(alice, bye.respond(200).encode())
    await out.ended(SECONDS)


async def test_an_answer_that_cannot_be_used_ends_the_call(alice: Phone, raw: Raw) -> None:
    out = await alice.call(f"sip:bob@127.0.0.1:{raw.port}")
    invite = await raw.get("INVITE")
    raw.send(alice, invite.respond(200, to_tag="x").encode())
    await raw.get("ACK")
    bye = await raw.get("BYE")
    raw.send(alice, bye.respond(200).encode())
    with pytest.raises(CallFailed):
        await out.answered(SECONDS)


# -- registration ---------------------------------------------------------------------------------------------------


def challenge(request: Request, nonce: str, *, stale: bool = False, status: int = 401) -> bytes:
    response = request.respond(status, to_tag="srv")
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    flag = ", stale=true" if stale else ""
    response.headers.set(name, f'Digest realm="hotline", nonce="{nonce}", algorithm=MD5, qop="auth"{flag}')
    return response.encode()


def is_right(request: Request, password: str, header: str = "Authorization") -> bool:
    """Check an answer as a registrar does."""
    pairs = dict(re.findall(r'(\w+)="?([^",]*)"?', request.headers.get(header) or ""))
    expected = digest_response(
        Challenge("hotline", pairs["nonce"]), pairs["username"], password, request.method, pairs["uri"],
        pairs["cnonce"], pairs["nc"], "auth",
    )  # fmt: skip
    return bool(pairs["response"] == expected) and pairs["uri"] == request.uri


async def test_registration_is_challenged_granted_refreshed_and_taken_back(raw: Raw) -> None:
    async with Phone("1001", "secret", ("127.0.0.1", raw.port)) as phone:
        task = asyncio.create_task(phone.register(expires=300))
        first = await raw.get("REGISTER")
        assert "Authorization" not in first.headers
        raw.send(phone, challenge(first, "n1"))
        second = await raw.get("REGISTER")
        assert is_right(second, "secret")
        assert (second.call_id, second.from_.tag) == (first.call_id, first.from_.tag)
        assert second.cseq.number == first.cseq.number + 1
        assert second.from_.uri == second.to.uri
        raw.send(phone, challenge(second, "n2", stale=True))
        third = await raw.get("REGISTER")
        assert is_right(third, "secret")
        granted = third.respond(200, to_tag="srv")
        granted.headers.add("Contact", "<sip:1001@10.0.0.1:1>;expires=3000")
        granted.headers.add("Contact", f"<{third.contact}>;expires=1")
        raw.send(phone, granted.encode())
        await task
        assert phone.registered
        refresh = await raw.get("REGISTER")  # comes after 0.8 s
        raw.send(phone, refresh.respond(200).encode())
        task = asyncio.create_task(phone.unregister())
        last = await raw.get("REGISTER")
        assert last.headers.get("Expires") == "0"
        raw.send(phone, last.respond(200).encode())
        await task
        assert not phone.registered


async def test_registration_refused_too_brief_and_unanswered(raw: Raw) -> None:
    async with Phone("1001", "wrong", ("127.0.0.1", raw.port), t1=0.01) as phone:
        task = asyncio.create_task(phone.register())
        for nonce in ("n1", "n2"):
            raw.send(phone, challenge(await raw.get("REGISTER"), nonce))
        with pytest.raises(RegistrationFailed, match="401"):
            await task
        task = asyncio.create_task(phone.register(expires=10))
        brief = (await raw.get("REGISTER")).respond(423)
        brief.headers.set("Min-Expires", "60")
        raw.send(phone, brief.encode())
        longer = await raw.get("REGISTER")
        assert longer.headers.get("Expires") == "60"
        raw.send(phone, longer.respond(403).encode())
        with pytest.raises(RegistrationFailed, match="403"):
            await task
        with pytest.raises(RegistrationFailed, match="408"):
            await phone.register()
        assert not phone.registered


async def test_a_call_through_a_trunk_authenticates_as_one_and_shows_another(raw: Raw) -> None:
    async with Phone("carrier", "secret", ("127.0.0.1", raw.port), from_number="13800001111") as phone:
        out = await phone.call("12345")
        invite = await raw.get("INVITE")
        assert (invite.from_.uri.number, invite.uri) == ("13800001111", f"sip:12345@127.0.0.1:{raw.port}")
        raw.send(phone, challenge(invite, "n1", status=407))
        assert (await raw.get("ACK")).via.branch == invite.via.branch
        second = await raw.get("INVITE")
        assert is_right(second, "secret", "Proxy-Authorization")
        assert 'username="carrier"' in second.headers.get("Proxy-Authorization")
        assert second.via.branch != invite.via.branch
        assert second.cseq.number == invite.cseq.number + 1
        raw.send(phone, second.respond(100).encode())
        await out.event("recv 100", SECONDS)
        out.begin_hangup()
        cancel = await raw.get("CANCEL")
        assert (cancel.via.branch, cancel.cseq.number) == (second.via.branch, second.cseq.number)
        raw.send(phone, cancel.respond(200).encode())
        raw.send(phone, second.respond(487, to_tag="x").encode())
        assert (await out.ended(SECONDS)).status == 487


async def test_hanging_up_before_the_challenge_sends_no_second_invite(raw: Raw) -> None:
    async with Phone("carrier", "secret", ("127.0.0.1", raw.port)) as phone:
        out = await phone.call("12345")
        invite = await raw.get("INVITE")
        out.begin_hangup()
        raw.send(phone, challenge(invite, "n1"))
        end = await out.ended(SECONDS)
        assert (end.by, end.status) == ("local", 401)
        await raw.get("ACK")
        assert raw.inbox.empty()
