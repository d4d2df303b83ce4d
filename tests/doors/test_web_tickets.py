"""Tickets by the interface: lists, taking down, moves, conflicts, who sees what, and what is refused."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pbx.ids import AgentId, TicketNumber
from tests.fakes.website import TOKEN, Site, site
from tickets.files import AttachmentFiles, Incoming
from tickets.given import GIVEN
from tickets.moves import RIGHTS, Actor, Role, TicketInput
from web.backend import Unavailable
from web.errors import MESSAGES

pytestmark = pytest.mark.doors

PEOPLE = {
    "wang": Actor("1001", Role.AGENT),
    "li": Actor("1002", Role.AGENT),
    "desk": Actor("desk", Role.DISPATCHER),
    "water": Actor("water-1", Role.UNIT, "water"),
    "roads": Actor("roads-1", Role.UNIT, "roads"),
    "boss": Actor("boss", Role.SUPERVISOR),
    "quality": Actor("quality", Role.INSPECTOR),
    "leader": Actor("leader", Role.LEADER),
    "system": Actor("timer", Role.SYSTEM),
}


class People:
    """Each one's token is his name, made long."""

    async def find(self, token: str) -> Actor | None:
        return PEOPLE.get(token.removesuffix("-token-0123456789"))


@pytest.fixture
async def hotline() -> AsyncIterator[Site]:
    async with site(holders=People()) as running:
        yield running


async def ask(hotline: Site, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """A request with the token of `who`; ``admin`` has the hotline's own."""
    headers = {} if who == "admin" else {"Authorization": f"Bearer {who}-token-0123456789"}
    return await hotline.json(method, path, body, headers=headers)


async def take(hotline: Site, who: str = "wang", **fields: object) -> dict[str, Any]:
    body = {"type": "help", "title": "停水", "text": "家中停水两天", "caller": "13800001111", **fields}
    status, ticket = await ask(hotline, who, "POST", "/api/tickets", body)
    assert status == 201, ticket
    return dict(ticket)


async def move(hotline: Site, who: str, ticket: dict[str, Any], what: str, **given: object) -> tuple[int, Any]:
    body = {"move": what, "version": ticket["version"], **given}
    return await ask(hotline, who, "POST", f"/api/tickets/{ticket['number']}/moves", body)


async def done(hotline: Site, who: str, ticket: dict[str, Any], what: str, **given: object) -> dict[str, Any]:
    status, after = await move(hotline, who, ticket, what, **given)
    assert status == 200, after
    return dict(after)


async def test_from_the_web_to_the_archive_each_with_his_own_token(hotline: Site) -> None:
    ticket = await take(
        hotline, channel="web", urgency="urgent", lat=31.2, lon=121.5, event_at="2026-11-22T08:00+08:00"
    )
    assert (ticket["state"], ticket["channel"], ticket["agent"], ticket["version"]) == ("registered", "web", "1001", 1)
    assert "refer" not in ticket["may"]
    assert "answer" in ticket["may"]
    ticket = await done(hotline, "desk", ticket, "refer", unit="water", co_units=["roads"])
    ticket = await done(hotline, "water", ticket, "sign")
    until = ticket["handle_due"] + 3600
    ticket = await done(hotline, "water", ticket, "ask_extension", reason="需协调", until=until)
    ticket = await done(hotline, "boss", ticket, "grant_extension")
    assert ticket["handle_due"] == until
    ticket = await done(hotline, "roads", ticket, "handle", text="已开挖")
    ticket = await done(hotline, "water", ticket, "reply", text="已修复 💧")
    ticket = await done(hotline, "desk", ticket, "accept_reply")
    ticket = await done(hotline, "li", ticket, "follow_up", contacted=True, solved=True, satisfied=True)
    ticket = await done(hotline, "quality", ticket, "judge", approval=1, right=True)
    ticket = await done(hotline, "boss", ticket, "archive")
    assert (ticket["state"], ticket["reply"]) == ("archived", "已修复 💧")
    status, answer = await ask(hotline, "admin", "GET", f"/api/tickets/{ticket['number']}/moves")
    assert status == 200
    assert [(one["cause"], one["actor"], one["role"]) for one in answer["moves"]] == [
        ("open", "1001", "agent"),
        ("register", "1001", "agent"),
        ("refer", "desk", "dispatcher"),
        ("sign", "water-1", "unit"),
        ("ask_extension", "water-1", "unit"),
        ("grant_extension", "boss", "supervisor"),
        ("handle", "roads-1", "unit"),
        ("reply", "water-1", "unit"),
        ("accept_reply", "desk", "dispatcher"),
        ("follow_up", "1002", "agent"),
        ("judge", "quality", "inspector"),
        ("archive", "boss", "supervisor"),
    ]
    status, answer = await ask(hotline, "leader", "GET", "/api/tickets/accuracy")
    extension = next(one for one in answer["accuracy"] if one["kind"] == "extension")
    assert (extension["value"], extension["target"], extension["met"]) == (1.0, 1.0, True)
    assert extension["right"] == [[ticket["number"], 1]]
    assert (await ask(hotline, "desk", "GET", "/api/tickets/accuracy"))[0] == 403


async def test_the_second_of_two_gets_the_conflict_and_the_ticket_as_it_is(hotline: Site) -> None:
    ticket = await take(hotline)
    after = await done(hotline, "desk", ticket, "refer", unit="water")
    status, answer = await move(hotline, "boss", ticket, "refer", unit="roads")
    assert (status, answer["error"]) == (409, "conflict")
    assert answer["message"] == {"zh": MESSAGES["conflict"][0], "en": MESSAGES["conflict"][1]}
    assert (answer["ticket"]["lead_unit"], answer["ticket"]["version"]) == ("water", after["version"])
    path = f"/api/tickets/{ticket['number']}"
    status, answer = await ask(hotline, "wang", "PATCH", path, {"title": "断水", "version": ticket["version"]})
    assert (status, answer["error"], answer["ticket"]["title"]) == (409, "conflict", "停水")
    status, answer = await ask(hotline, "wang", "PATCH", path, {"title": "断水", "version": after["version"]})
    assert (status, answer["title"]) == (200, "断水")


@pytest.mark.parametrize("who", sorted(PEOPLE))
async def test_what_is_no_right_of_a_role_is_forbidden(hotline: Site, who: str) -> None:
    ticket = await take(hotline)
    ticket = await done(hotline, "desk", ticket, "refer", unit="water", co_units=["roads"])
    ticket = await done(hotline, "water", ticket, "sign")
    for what in TicketInput:
        if what in RIGHTS[PEOPLE[who].role]:
            continue
        status, answer = await move(hotline, who, ticket, what.value)
        assert (status, answer["error"]) == (403, "not_allowed"), what
    status, now = await ask(hotline, "admin", "GET", f"/api/tickets/{ticket['number']}")
    assert now["version"] == ticket["version"]


async def test_only_the_hotline_takes_tickets_down(hotline: Site) -> None:
    for who, person in PEOPLE.items():
        status, _ = await ask(hotline, who, "POST", "/api/tickets", {"text": "x"})
        assert status == (201 if person.role.value in ("agent", "dispatcher", "supervisor", "system") else 403)


async def test_a_unit_sees_its_own_tickets_and_no_others(hotline: Site) -> None:
    mine = await done(hotline, "desk", await take(hotline), "refer", unit="water")
    theirs = await done(hotline, "desk", await take(hotline), "refer", unit="roads")
    for who, sees, not_sees in (("water", mine, theirs), ("roads", theirs, mine)):
        _, answer = await ask(hotline, who, "GET", "/api/tickets")
        assert [one["number"] for one in answer["tickets"]] == [sees["number"]]
        for path in ("", "/moves"):
            assert (await ask(hotline, who, "GET", f"/api/tickets/{sees['number']}{path}"))[0] == 200
            status, answer = await ask(hotline, who, "GET", f"/api/tickets/{not_sees['number']}{path}")
            assert (status, answer["error"]) == (404, "unknown_ticket")
        status, answer = await move(hotline, who, not_sees, "sign")
        assert (status, answer["error"]) == (404, "unknown_ticket")
        _, answer = await ask(hotline, who, "GET", f"/api/tickets?unit={'roads' if who == 'water' else 'water'}")
        assert answer["tickets"] == []
    await done(hotline, "boss", mine, "redispatch", unit="roads", reason="属地不符")
    assert (await ask(hotline, "water", "GET", f"/api/tickets/{mine['number']}"))[0] == 404


async def test_a_hidden_caller_is_nowhere_for_those_without_the_right(hotline: Site) -> None:
    ticket = await take(hotline, caller_name="王先生", caller_region="城东", confidential=True)
    ticket = await done(hotline, "desk", ticket, "refer", unit="water")
    number = ticket["number"]
    for who in ("water", "desk", "li"):
        for path in ("/api/tickets", f"/api/tickets/{number}", f"/api/tickets/{number}/moves"):
            async with hotline.session.get(
                hotline.url(path), headers={"Authorization": f"Bearer {who}-token-0123456789"}
            ) as answer:
                text = await answer.text()
                assert answer.status == 200
            assert number in text
            for private in ("13800001111", "王先生", "城东"):
                assert private not in text
        _, seen = await ask(hotline, who, "GET", f"/api/tickets/{number}")
        assert (seen["caller"], seen["caller_hidden"]) == (None, True)
    stale = {**ticket, "version": 0}
    _, answer = await move(hotline, "water", stale, "sign")
    assert (answer["error"], answer["ticket"]["caller"]) == ("conflict", None)
    for who in ("wang", "boss", "leader", "quality", "admin"):
        _, seen = await ask(hotline, who, "GET", f"/api/tickets/{number}")
        assert (seen["caller"], seen["caller_name"], seen["caller_hidden"]) == ("13800001111", "王先生", False)


async def test_the_hotlines_own_token_speaks_for_whom_it_names(hotline: Site) -> None:
    status, ticket = await ask(hotline, "admin", "POST", "/api/tickets", {"type": "help", "text": "x", "agent": "1001"})
    assert (status, ticket["agent"]) == (201, "1001")
    water = {"by": "w-7", "by_role": "unit", "by_unit": "water"}
    ticket = await done(hotline, "admin", ticket, "refer", unit="water", by="d-1", by_role="dispatcher")
    status, answer = await move(hotline, "admin", ticket, "grant_return", **water)
    assert (status, answer["error"]) == (403, "not_allowed")
    ticket = await done(hotline, "admin", ticket, "sign", **water)
    ticket = await done(hotline, "admin", ticket, "reply", text="好", **water)
    ticket = await done(hotline, "admin", ticket, "accept_reply")
    _, answer = await ask(hotline, "admin", "GET", f"/api/tickets/{ticket['number']}/moves")
    assert [(one["actor"], one["role"], one["unit"]) for one in answer["moves"][-3:]] == [
        ("w-7", "unit", "water"),
        ("w-7", "unit", "water"),
        ("admin", "admin", ""),
    ]
    for wrong, status, code in (
        ({"by": "x", "by_role": "king"}, 400, "unknown_role"),
        ({"by": "x", "by_role": "admin"}, 400, "missing"),
        ({"by_role": "unit", "by_unit": "water"}, 400, "missing"),
        ({"by": "7777", "by_role": "agent"}, 404, None),
    ):
        got, answer = await move(hotline, "admin", ticket, "archive", **wrong)
        assert got == status, answer
        assert code is None or answer["problems"][0]["code"] == code
    got, answer = await move(hotline, "desk", ticket, "archive", by="boss", by_role="supervisor")
    assert (got, {one["code"] for one in answer["problems"]}) == (400, {"unknown_field"})


async def test_lists_are_filtered_and_come_in_pages(hotline: Site) -> None:
    tickets = [await take(hotline, type="complaint" if turn % 2 else "inquiry") for turn in range(5)]
    sent = await done(hotline, "desk", tickets[0], "refer", unit="water")
    asked = await done(hotline, "water", sent, "ask_return", reason="不属本单位职责")
    await done(hotline, "leader", asked, "supervise", reason="久拖不决")
    numbers = [one["number"] for one in tickets]
    for query, expected in (
        ("", numbers),
        ("state=open", numbers),
        ("state=dispatched", numbers[:1]),
        ("state=resolved,archived", []),
        ("type=complaint", numbers[1::2]),
        ("unit=water", numbers[:1]),
        ("asked=return", numbers[:1]),
        ("asked=extension", []),
        ("supervised=true", numbers[:1]),
        ("supervised=false", numbers[1:]),
        ("channel=api&agent=1001", numbers),
        ("channel=phone", []),
    ):
        status, answer = await ask(hotline, "desk", "GET", f"/api/tickets?{query}")
        assert (status, [one["number"] for one in answer["tickets"]]) == (200, expected), query
        assert answer["next"] is None
    desk, first = hotline.backend.desk, hotline.backend.desk.tickets[TicketNumber(numbers[0])]
    desk.tickets[first.number] = dataclasses.replace(first, opened_at=first.opened_at - 300 * 86_400)
    for query, expected in (("", numbers[1:]), ("state=open", numbers), ("asked=return", numbers[:1])):
        _, answer = await ask(hotline, "desk", "GET", f"/api/tickets?{query}")
        assert [one["number"] for one in answer["tickets"]] == expected, "what is to be done has no date"
    desk.tickets[first.number] = first
    found: list[str] = []
    after = ""
    while True:
        _, answer = await ask(hotline, "desk", "GET", f"/api/tickets?limit=2{after}")
        found += [one["number"] for one in answer["tickets"]]
        if answer["next"] is None:
            break
        after = f"&after={answer['next']}"
    assert found == numbers
    for query, field, code in (
        ("state=lost", "state", "unknown_word"),
        ("type=gossip", "type", "unknown_word"),
        ("limit=0", "limit", "out_of_range"),
        ("limit=501", "limit", "out_of_range"),
        ("limit=%C2%B2", "limit", "out_of_range"),
        ("supervised=1", "supervised", "not_true_or_false"),
        ("after=x", "after", "bad_characters"),
        ("order=asc", "order", "unknown_word"),
        ("sort=asc", "sort", "unknown_field"),
        ("q=x&q=y", "q", "doubled_field"),
        ("unit=a&unit=b", "unit", "doubled_field"),
    ):
        status, answer = await ask(hotline, "desk", "GET", f"/api/tickets?{query}")
        assert (status, [(one["field"], one["code"]) for one in answer["problems"]]) == (400, [(field, code)]), query
    status, answer = await ask(hotline, "desk", "GET", "/api/tickets?after=1")
    assert (status, answer["error"]) == (422, "unknown_target")


@pytest.mark.parametrize(
    "text", ["停水 💧🏚️", "👨‍👩‍👧‍👦", "שלום מים", "\u202eabc", "=HYPERLINK(1)", "e\u0301", "'; DROP TABLE tickets; --"]
)
async def test_whatever_people_write_comes_back_as_it_is(hotline: Site, text: str) -> None:
    ticket = await take(hotline, text=text, title=text)
    _, seen = await ask(hotline, "wang", "GET", f"/api/tickets/{ticket['number']}")
    assert (seen["text"], seen["title"]) == (text, text)


async def test_a_description_of_ten_megabytes_is_refused_and_nothing_is_written(hotline: Site) -> None:
    body = json.dumps({"text": "水" * 3_500_000}, ensure_ascii=False).encode()
    assert len(body) > 10_000_000
    reader, writer = await asyncio.open_connection("127.0.0.1", hotline.server.port)
    head = f"POST /api/tickets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)  # all of it, as a client does that does not listen meanwhile
    answer_bytes = await reader.read()
    writer.close()
    assert answer_bytes.startswith(b"HTTP/1.1 413")
    assert json.loads(answer_bytes.partition(b"\r\n\r\n")[2])["error"] == "body_too_large"
    status, answer = await ask(hotline, "wang", "POST", "/api/tickets", {"text": "水" * 10_001})
    assert (status, answer["problems"][0]["code"]) == (400, "too_long")
    assert hotline.backend.desk.tickets == {}


@pytest.mark.parametrize(
    ("body", "status", "field", "code"),
    [
        ({"channel": "phone"}, 400, "channel", "unknown_channel"),
        ({"channel": "exchange"}, 400, "channel", "unknown_channel"),
        ({"channel": "fax"}, 400, "channel", "unknown_channel"),
        ({"type": "gossip", "text": "x"}, 422, "type", "unknown_type"),
        ({"urgency": "soon"}, 422, "urgency", "unknown_urgency"),
        ({"lat": 91, "lon": 0}, 400, "lat", "out_of_range"),
        ({"lat": 31}, 422, "lat", "bad_place"),
        ({"proposed_unit": "fire"}, 422, "proposed_unit", "unknown_unit"),
        ({"title": "a\nb"}, 422, "title", "bad_title"),
        ({"text": "\ud83d"}, 400, "text", "bad_characters"),
        ({"event_at": "yesterday"}, 400, "event_at", "not_an_instant"),
        ({"event_at": "0001-01-01T00:00:00+14:00"}, 400, "event_at", "not_an_instant"),
        ({"event_at": "9999-12-31T23:59:59Z"}, 400, "event_at", "not_an_instant"),
        ({"anonymous": "yes"}, 400, "anonymous", "not_true_or_false"),
        ({"class_code": "a b"}, 422, "class_code", "bad_class_code"),
        ({"version": 1}, 400, "version", "unknown_field"),
    ],
)
async def test_what_cannot_be_taken_down(
    hotline: Site, body: dict[str, object], status: int, field: str, code: str
) -> None:
    got, answer = await ask(hotline, "wang", "POST", "/api/tickets", body)
    assert (got, [(one["field"], one["code"]) for one in answer["problems"]]) == (status, [(field, code)])
    assert hotline.backend.desk.tickets == {}


async def test_what_is_wrong_with_a_move(hotline: Site) -> None:
    ticket = await done(hotline, "desk", await take(hotline), "refer", unit="water")
    for who, what, given, status, code in (
        ("desk", "explode", {}, 400, "bad_request"),
        ("desk", "redispatch", {"reason": "x"}, 422, "missing"),
        ("desk", "redispatch", {"reason": "x", "unit": "moon"}, 422, "unknown_unit"),
        ("desk", "redispatch", {"reason": "x", "unit": "water"}, 422, "same_unit"),
        ("desk", "redispatch", {"reason": "x", "unit": "roads", "co_units": ["moon"]}, 422, "unknown_unit"),
        ("desk", "redispatch", {"reason": "x", "unit": "roads", "co_units": "moon"}, 400, "bad_request"),
        ("desk", "remind", {"contacted": True}, 422, "unknown_field"),
        ("desk", "accept_reply", {}, 409, "not_signed"),
        ("desk", "grant_return", {}, 409, "nothing_asked"),
        ("desk", "merge", {"into": "abc"}, 400, "bad_request"),
        ("desk", "amend", {}, 422, "missing"),
        ("water", "reply", {"text": "x"}, 409, "not_signed"),
        ("water", "ask_extension", {"reason": "x", "until": "soon"}, 400, "bad_request"),
    ):
        got, answer = await move(hotline, who, ticket, what, **given)
        assert (got, answer["error"]) == (status, code), (what, given)
        assert set(answer["message"]) == {"zh", "en"}
    got, answer = await ask(hotline, "desk", "POST", f"/api/tickets/{ticket['number']}/moves", {"move": "remind"})
    assert (got, answer["problems"]) == (
        400,
        [
            {
                "field": "version",
                "code": "missing",
                "message": {"zh": MESSAGES["missing"][0], "en": MESSAGES["missing"][1]},
            }
        ],
    )
    got, answer = await ask(hotline, "desk", "POST", "/api/tickets/1/moves", {"move": "remind", "version": 0})
    assert (got, answer["error"]) == (404, "unknown_ticket")


async def test_a_call_s_ticket_goes_the_same_way(hotline: Site) -> None:
    backend = hotline.backend
    await backend.ready(AgentId("1001"))
    call = backend.arrive(1)
    backend.enqueue(call)
    backend.offer(call, "1001")
    backend.join(call, "1001")
    _, answer = await ask(hotline, "wang", "GET", "/api/tickets?channel=phone")
    (ticket,) = answer["tickets"]
    assert (ticket["call"], ticket["agent"], ticket["state"]) == (call, "1001", "opened")
    status, ticket = await ask(
        hotline, "wang", "PATCH", f"/api/tickets/{ticket['number']}", {"type": "help", "text": "x"}
    )
    assert (status, ticket["state"]) == (200, "registered")
    await done(hotline, "wang", ticket, "answer", text="已告知办理流程")


async def send(
    hotline: Site, who: str, ticket: dict[str, Any], data: bytes, query: str = "", kind: str = "image/jpeg"
) -> tuple[int, Any]:
    """A file for a ticket."""
    path = f"/api/tickets/{ticket['number']}/attachments?version={ticket['version']}{query or '&name=a.jpg'}"
    headers = {"Authorization": f"Bearer {who}-token-0123456789", "Content-Type": kind}
    async with hotline.session.post(hotline.url(path), data=io.BytesIO(data), headers=headers) as answer:
        return answer.status, await answer.json()


async def test_files_of_a_ticket_are_kept_and_given_back_to_who_may_look_at_it(hotline: Site, tmp_path: Path) -> None:
    hotline.backend.desk.files = AttachmentFiles(tmp_path / "attachments")
    ticket = await done(hotline, "desk", await take(hotline), "refer", unit="water")
    picture = bytes(range(256)) * 1200
    status, after = await send(hotline, "water", ticket, picture, "&name=现场%20💧.jpg")
    assert status == 201
    (one,) = after["attachments"]
    assert one == {
        "name": "现场 💧.jpg",
        "kind": "image/jpeg",
        "size": len(picture),
        "sha256": hashlib.sha256(picture).hexdigest(),
    }
    status, again = await send(hotline, "wang", after, picture)
    assert (status, len(again["attachments"])) == (201, 2)
    files = [file for file in (tmp_path / "attachments").rglob("*") if file.is_file()]
    assert [(file.stat().st_mode & 0o777, file.read_bytes()) for file in files] == [(0o600, picture)]
    url = hotline.url(f"/api/tickets/{ticket['number']}/attachments/1")
    for who, expected in (("water", 200), ("desk", 200), ("roads", 404)):
        async with hotline.session.get(url, headers={"Authorization": f"Bearer {who}-token-0123456789"}) as answer:
            assert answer.status == expected
            if expected == 200:
                assert await answer.read() == picture
                told = answer.headers["Content-Disposition"]
                assert told == "attachment; filename=\"__ _.jpg\"; filename*=UTF-8''" + quote("现场 💧.jpg")
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for place in ("0", "3"):
        status, answer = await ask(hotline, "desk", "GET", f"/api/tickets/{ticket['number']}/attachments/{place}")
        assert (status, answer["error"]) == (404, "unknown_attachment")


async def test_files_that_are_not_taken(hotline: Site, tmp_path: Path) -> None:
    desk = hotline.backend.desk
    desk.files = AttachmentFiles(tmp_path)
    desk.policy = dataclasses.replace(desk.policy, attachment_bytes=1000)
    ticket = await done(hotline, "desk", await take(hotline), "refer", unit="water")
    for who, data, query, kind, status, code in (
        ("water", b"x", "", "text/html", 415, "bad_kind"),
        ("water", b"x", "&name=a/b.jpg", "image/jpeg", 422, "bad_name"),
        ("water", b"x", "&name=%0A", "image/jpeg", 400, "bad_request"),
        ("water", b"x", "&colour=red", "image/jpeg", 400, "bad_request"),
        ("water", b"x" * 1001, "", "image/jpeg", 413, "body_too_large"),
        ("water", b"", "", "image/jpeg", 400, "bad_request"),
        ("roads", b"x", "", "image/jpeg", 404, "unknown_ticket"),
        ("quality", b"x", "", "image/jpeg", 403, "not_allowed"),
    ):
        got, answer = await send(hotline, who, ticket, data, query, kind)
        assert (got, answer["error"]) == (status, code)
    got, answer = await send(hotline, "water", {**ticket, "version": 0}, b"x")
    assert (got, answer["error"], answer["ticket"]["version"]) == (409, "conflict", ticket["version"])
    _, now = await ask(hotline, "desk", "GET", f"/api/tickets/{ticket['number']}")
    assert now["attachments"] == []
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [], "what is refused does not stay"


async def test_an_upload_that_breaks_off_leaves_nothing_and_is_counted_not_told_as_a_fault(
    hotline: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, counted, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()
    metrics, files = hotline.backend.metrics, AttachmentFiles(tmp_path)
    count, begin = metrics.request_broken_off, files.begin

    def on_begin() -> Incoming:
        incoming = begin()
        loop.call_soon_threadsafe(begun.set)
        return incoming

    def on_count() -> None:
        count()
        counted.set()

    monkeypatch.setattr(files, "begin", on_begin)
    monkeypatch.setattr(metrics, "request_broken_off", on_count)
    hotline.backend.desk.files = files
    ticket = await done(hotline, "desk", await take(hotline), "refer", unit="water")
    path = f"/api/tickets/{ticket['number']}/attachments?version={ticket['version']}&name=a.jpg"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer water-token-0123456789\r\n"
    for ending in ("Content-Length: 1000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n64\r\n"):
        begun.clear()
        counted.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", hotline.server.port)
        writer.write(f"{head}Content-Type: image/jpeg\r\n{ending}".encode() + bytes(100))
        async with asyncio.timeout(10.0):
            await begun.wait()
            writer.transport.abort()
            await counted.wait()
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    assert not [one for one in caplog.records if one.exc_info or one.levelno > logging.INFO]
    assert b"hotline_requests_broken_off_total 2.0" in metrics.render()
    _, now = await ask(hotline, "desk", "GET", f"/api/tickets/{ticket['number']}")
    assert (now["attachments"], now["version"]) == ([], ticket["version"])
    status, after = await send(hotline, "water", ticket, b"whole")
    assert (status, len(after["attachments"])) == (201, 1), "and the same file is sent again"


async def test_a_refused_file_stays_only_where_another_ticket_has_it(hotline: Site, tmp_path: Path) -> None:
    desk = hotline.backend.desk
    desk.files = AttachmentFiles(tmp_path)
    ticket = await done(hotline, "desk", await take(hotline), "refer", unit="water")
    status, after = await send(hotline, "water", ticket, b"one")
    assert status == 201
    for data in (b"one", b"two"):
        assert (await send(hotline, "water", ticket, data))[0] == 409
    assert [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()] == [b"one"]

    async def away(*_: object) -> None:
        raise Unavailable("store")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk, "move", away)
        for data in (b"one", b"two"):
            assert (await send(hotline, "water", after, data))[0] == 503
    # Whether the store has taken them is not known: they stand there until the next start asks.
    anew = AttachmentFiles(tmp_path)
    (tmp_path / ".part-cut").write_bytes(b"half of a fi")
    left = anew.left()
    assert len(left) == 2
    racing = anew.begin()  # the same file again, while that is found out
    racing.write(b"two")
    racing.keep()
    for part, digest in left:
        anew.settle(part, digest, named=digest == hashlib.sha256(b"one").hexdigest())
    assert {file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == {b"one", b"two"}
    racing.drop()
    assert [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()] == [b"one"]


def test_every_code_that_a_ticket_can_be_refused_with_has_its_words() -> None:
    root = Path(__file__).resolve().parents[2] / "tickets"
    codes = set()
    for name in ("flow", "effects", "given", "ticket", "sql", "list_sql", "moves"):
        text = (root / f"{name}.py").read_text(encoding="utf-8")
        codes |= set(re.findall(r'TicketRefused\(\s*"(\w+)"', text))
    codes |= set(re.findall(r'^        _\w: \("(\w+)"', (root / "moves.py").read_text(encoding="utf-8"), re.MULTILINE))
    assert len(codes) > 40
    assert codes - set(MESSAGES) == set()
    assert set(GIVEN) == set(TicketInput)
