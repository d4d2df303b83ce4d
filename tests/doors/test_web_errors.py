"""Every address of the interface against what is sent wrongly: who may, how much, and how it is refused.

Over the table of routes, so that an address of tomorrow is among them.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from pbx.ids import ActorId, AgentId
from tests.doors.test_openapi import filled, routes_of, town
from tests.doors.test_web_tickets import PEOPLE, People
from tests.fakes.website import TOKEN, Site, site
from web.auth import Access
from web.openapi import DOCUMENT, Route

pytestmark = pytest.mark.doors

ADMIN = {"Authorization": f"Bearer {TOKEN}"}
JSON = {**ADMIN, "Content-Type": "application/json"}
SUPERVISOR_TOKEN = "a-supervisors-token-0123456789"

OPEN = {
    ("GET", "/"),
    ("GET", "/static/{name}"),
    ("GET", "/healthz"),
    ("GET", "/api/openapi.json"),
    ("GET", "/query"),
    ("GET", "/tickets"),
    ("GET", "/knowledge"),
    ("POST", "/api/public/tickets/query"),
    ("GET", "/api/public/knowledge"),
}
"""Addresses that need no token, each named here on purpose."""

OWN_KEYS = ("/open311/", "/api/exchange/messages", "/api/exchange/files/")
"""Addresses with keys of their own: of Open311, of another installation."""


@pytest.fixture
async def hotline() -> AsyncIterator[Site]:
    async with site(holders=People(), supervisors={ActorId("lin"): SUPERVISOR_TOKEN}) as running:
        yield running


def taking_json(running: Site) -> Iterator[Route]:
    """The routes that take JSON and refuse in the one format."""
    for route in routes_of(running):
        it = route.described
        if it.body is not None and "application/json" in it.takes and not it.own_errors:
            yield route


async def refused(answer: aiohttp.ClientResponse) -> str:
    """The code of a refusal; AssertionError unless it has the one format, in both languages."""
    told = await answer.json()
    assert set(told) <= {"error", "message", "problems", "detail", "ticket", "present"}
    for words in (told["message"], *(one["message"] for one in told.get("problems", []))):
        assert set(words) == {"zh", "en"}
        assert any("\u4e00" <= letter <= "\u9fff" for letter in words["zh"])
        assert words["en"].isascii()
    return str(told["error"])


async def test_who_may_reach_an_address_is_said_of_each(hotline: Site) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    bearers = {"unit": "water-token-0123456789", "supervisor": SUPERVISOR_TOKEN, "stranger": "x" * 40}
    bearers["program"] = "system-token-0123456789"
    closed_to = {
        Access.SUPERVISOR: {"unit": 403, "stranger": 401},
        Access.TOKEN: {"unit": 403, "supervisor": 403, "stranger": 401},
        Access.INTAKE: {"supervisor": 403, "stranger": 401},
        Access.TICKETS: {"supervisor": 403, "program": 403, "stranger": 401},
        Access.TALK: {"program": 403, "stranger": 401},
        Access.VIEW: {"stranger": 401},
    }
    assert {(one.method, one.canonical) for one in routes_of(hotline) if one.access is Access.OPEN} == OPEN
    for route in routes_of(hotline):
        if route.access is Access.KEY:
            assert route.canonical.startswith(OWN_KEYS)
        for who, status in closed_to.get(route.access, {}).items():
            headers = {"Authorization": f"Bearer {bearers[who]}", **forwarded}
            url = hotline.url(filled(route.canonical))
            async with hotline.session.request(route.method, url, headers=headers) as answer:
                assert answer.status == status, (who, route.method, route.canonical)
                assert await refused(answer) == ("not_allowed" if status == 403 else "unauthorized")


async def test_no_address_and_no_method_is_told_in_the_one_format(hotline: Site) -> None:
    served: dict[str, set[str]] = {}
    for route in routes_of(hotline):
        served.setdefault(route.canonical, set()).add(route.method)
    for path, methods in served.items():
        for method in {"DELETE", "GET", "PATCH", "POST", "PUT", "OPTIONS", "TRACE"} - methods:
            url = hotline.url(filled(path))
            async with hotline.session.request(method, url, headers=ADMIN) as answer:
                code = await refused(answer)
                if answer.status != 404:  # another address of this form, with another name at its end
                    assert (answer.status, code) == (405, "method_not_allowed"), (method, path)
                    assert methods <= set(answer.headers["Allow"].split(","))
    odd = ("/nope", "/api/nope", "/api/tickets/abc", "/api/tickets/%00", "/static/%2e%2e%2fapp.py", "//", "/%ff%fe")
    for path in odd:
        async with hotline.session.get(URL(hotline.url(path), encoded=True), headers=ADMIN) as answer:
            assert (answer.status, await refused(answer)) == (404, "not_found"), path


BROKEN = {
    "open": b"{",
    "list": b"[]",
    "text": b'"x"',
    "null": b"null",
    "deep": b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "long number": b'{"version": ' + b"9" * 5_000 + b"}",
    "not utf-8": b'{"a": "\xff"}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "half a pair in a name": b'{"\\ud800": 1}',
    "nul in a name": b'{"\\u0000": 1}',
    "twice": b'{"a": 1, "a": 2}',
}


async def test_a_body_that_is_no_json_or_too_large_or_of_another_kind(hotline: Site) -> None:
    limit = hotline.server.runner.app[DOCUMENT]._limits.body_bytes  # type: ignore[union-attr]
    await hotline.json("POST", "/api/tickets", {"type": "help", "text": "家里停水了"})
    for route in taking_json(hotline):
        if route.access is Access.KEY:
            continue  # its signature comes before its form: see test_exchange.py
        url, where = hotline.url(filled(route.canonical)), f"{route.method} {route.canonical}"

        async def ask(body: bytes, **headers: str) -> tuple[int, str]:
            given = {**JSON, **headers}
            async with hotline.session.request(route.method, url, data=body, headers=given) as answer:  # noqa: B023
                return answer.status, await refused(answer)

        for name, body in BROKEN.items():
            status, code = await ask(body)
            assert (status, code in ("not_json", "bad_request")) == (400, True), (where, name)
        assert await ask(b'{"text": "' + b"a" * limit + b'"}') == (413, "body_too_large"), where
        packed = gzip.compress(b'{"text": "' + b"a" * 200_000 + b'"}')
        assert await ask(packed, **{"Content-Encoding": "gzip"}) == (413, "body_too_large"), where
        assert await ask(b"{}", **{"Content-Encoding": "gzip"}) == (400, "bad_encoding"), where
        assert await ask(b"{}", **{"Content-Type": "text/plain"}) == (415, "not_json"), where


async def test_every_address_that_writes_says_what_it_takes_and_files_have_limits_too(hotline: Site) -> None:
    for route in routes_of(hotline):
        if route.method in ("POST", "PUT", "PATCH"):
            assert route.described.body is not None, route.canonical
    _, ticket = await hotline.json("POST", "/api/tickets", {"type": "help", "text": "家里停水了"})

    queries = {
        f"/api/tickets/{ticket['number']}/attachments": "name=a.png&version=1",
        "/api/tickets/import": "format=csv",
        "/api/notices/sounds": "language=zh",
    }
    for path, query in queries.items():
        assert await sent(hotline, f"{path}?{query}", "image/png", bytes(21_000_000)) == (413, "body_too_large"), path


async def sent(hotline: Site, path: str, kind: str, body: bytes) -> tuple[int, str]:
    """Status and code of the answer to a body that is sent to its end, whatever is answered meanwhile."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hotline.server.port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n"
    writer.write(f"{head}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    head, _, told = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert all(json.loads(told)["message"].values())
    return int(head.split(" ")[1]), json.loads(told)["error"]


async def test_ten_megabytes_of_a_citizens_words_are_refused_and_ten_thousand_letters_are_taken(hotline: Site) -> None:
    much = json.dumps({"type": "help", "text": "x" * 10_000_000}).encode()
    assert await sent(hotline, "/api/tickets", "application/json", much) == (413, "body_too_large")
    status, told = await hotline.json("POST", "/api/tickets", {"type": "help", "text": "水" * 10_000})
    assert status == 201


async def test_no_token_is_refused_a_field_that_the_document_demands_of_everybody(hotline: Site) -> None:
    """What only the hotline's own token may give is optional in the document, and says so."""
    limits = hotline.server.runner.app[DOCUMENT]._limits  # type: ignore[union-attr]
    told = []
    for route in routes_of(hotline):
        if route.access not in (Access.INTAKE, Access.TICKETS, Access.TALK):
            continue
        body = route.described.fields(limits)
        demanded = {name for name, field in body.items() if field.required}
        asked = {name: "x" for name, field in route.described.query.items() if field.required}
        for person in PEOPLE:
            headers = {"Authorization": f"Bearer {person}-token-0123456789"}
            more = {"json": dict.fromkeys(demanded, 0)} if "application/json" in route.described.takes else {}
            url = hotline.url(filled(route.canonical))
            async with hotline.session.request(route.method, url, params=asked, headers=headers, **more) as answer:
                if answer.status == 400:
                    problems = (await answer.json()).get("problems", [])
                    wrong = {one["field"] for one in problems if one["code"] == "unknown_field"}
                    assert not wrong & (demanded | set(asked)), (person, route.method, route.canonical)
        fields = {**body, **route.described.query}
        spoken_for = {"by", "by_role", "by_unit"} & set(fields) if "by_role" in fields else set()
        for name in spoken_for | ({"agent"} & set(body) if route.canonical == "/api/tickets/{number}" else set()):
            assert "may not give it" in fields[name].schema()["description"], (name, route.canonical)
            told.append(route.canonical)
    assert {"/api/tickets/{number}", "/api/knowledge/entries", "/api/knowledge/import"} <= set(told)


async def test_who_bears_the_hotlines_own_token_acts_for_it_or_for_whom_he_names(hotline: Site) -> None:
    await hotline.backend.ready(AgentId("1001"))
    _, made = await hotline.json("POST", "/api/tickets", {"type": "help", "text": "家里停水了", "agent": "1001"})
    path = f"/api/tickets/{made['number']}"
    for body in ({"title": "停水"}, {"title": "停水了", "agent": "1001"}):
        assert (await hotline.json("PATCH", path, body))[0] == 200
    _, told = await hotline.json("GET", f"{path}/moves")
    by = [(one["actor"], one["role"]) for one in told["moves"] if one["cause"] == "amend"]
    assert by == [("admin", "admin"), ("1001", "agent")]


STRANGE = ("\ud800", "a\x00b", 10**30, {"a": [{}]}, ["x\x00"])


async def test_no_field_and_no_query_takes_what_cannot_be_kept(tmp_path: Path) -> None:
    """Half pairs, NUL, numbers without end, other kinds: refused by name, or fit to be kept; never a fault of ours."""
    async with town(tmp_path) as (running, ids):

        async def ask(route: Route, query: str = "", **more: object) -> None:
            path = filled(route.canonical)
            number = next((id for begin, id in ids.items() if route.canonical.startswith(begin)), "")
            if number and "{" in route.canonical:
                path = path.replace("2026112200001", number).replace("i1", number)
            url = URL(running.url(path) + query, encoded=True)
            async with running.session.request(route.method, url, **more) as answer:  # type: ignore[arg-type]
                assert answer.status < 500, (route.method, path, query, more)
                if answer.status >= 400 and not route.described.own_errors:
                    await refused(answer)

        limits = running.server.runner.app[DOCUMENT]._limits  # type: ignore[union-attr]
        for route in taking_json(running):
            for name in route.described.fields(limits):
                for value in STRANGE:
                    await ask(route, data=json.dumps({name: value}).encode(), headers=JSON)
        for route in routes_of(running):
            for name in route.described.query:
                for value in ("%00", "%ED%A0%80", "9" * 400, "1e999"):
                    await ask(route, f"?{name}={value}", headers=ADMIN)


NO_HTTP = {
    "no method": b"BLA\r\n\r\n",
    "a line too long": b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a negative length": b"POST /api/tickets HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "no host": b"GET /13800001111 HTTP/1.1\r\n\r\n",
    "a bad chunk": b"POST /api/tickets HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


async def test_what_is_no_http_is_refused_in_the_one_format_and_stands_in_no_log(
    hotline: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name, sent in NO_HTTP.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", hotline.server.port)
        writer.write(sent)
        await writer.drain()
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert b" 400 " in head.splitlines()[0] or b" 401 " in head.splitlines()[0], name
        told = json.loads(body)
        assert set(told) == {"error", "message"}, name
        assert set(told["message"]) == {"zh", "en"}
    assert "aaaa" not in caplog.text
    assert "13800001111" not in caplog.text
    assert "Traceback" not in caplog.text
