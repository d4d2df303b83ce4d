"""The API document against the running application: nothing undocumented, nothing promised that is not kept."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode

from pbx.ids import AgentId
from recordings.transcript import Transcript, Turn
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from tickets.georeport import Open311
from web.auth import ACCESS, Access
from web.described import description_of
from web.openapi import DOCUMENT, Route, statuses

pytestmark = pytest.mark.doors

EXAMPLES = 60 if os.environ.get("HOTLINE_EXAMPLES") == "new" else 2
"""Requests for each route and way of making them: what is in every run takes seconds (60 take minutes)."""

ENDLESS = {"/api/live"}

NOT_YET = (
    "/api/knowledge/",
    "/api/public/",
    "/api/calendar",
    *(f"/api/tickets/{{number}}/{word}" for word in ("attachments", "code", "repeats", "join", "follow-up-call")),
    *(f"/api/tickets/{{number}}/{word}" for word in ("units", "exchange", "give-back")),
    "/query",
    "/api/follow-ups",
    "/api/incidents",
    "/api/ownership",
    "/api/exchange",
    "/api/notices/sounds",
)
"""Addresses of which only rights and words are told so far; a new one belongs here only while it is being built."""


async def furnished() -> MemoryBackend:
    """A hotline in which something has happened."""
    backend = MemoryBackend()
    await backend.ready(AgentId("1001"))
    call = backend.arrive(1)
    backend.enqueue(call)
    backend.offer(call, "1001")
    backend.join(call, "1001")
    backend.transcripts[call] = Transcript((Turn("caller", 0.0, 1.0, "你好", 0.9),), "zh", "vosk", None, 9.0)
    return backend


@pytest.fixture
async def hotline() -> AsyncIterator[Site]:
    async with site(await furnished()) as running:
        yield running


def routes_of(running: Site) -> list[Route]:
    app = running.server.runner.app
    assert app is not None
    return list(app[DOCUMENT].routes)


async def test_every_route_is_documented_with_its_rights_and_every_handler_is_described(hotline: Site) -> None:
    async with hotline.session.get(hotline.url("/api/openapi.json")) as answer:
        assert answer.status == 200
        told = await answer.json()
    app = hotline.server.runner.app
    assert app is not None
    served = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    served = {(method, path) for method, path in served if method != "HEAD"}
    documented = {(method.upper(), path) for path, row in told["paths"].items() for method in row}
    assert documented == served
    for method, path in served:
        row = told["paths"][path][method.lower()]
        assert row["x-access"] == app[ACCESS][method, path].value
        assert (row["security"] == [{}]) is (app[ACCESS][method, path] in (Access.OPEN, Access.KEY))
        assert row["summary"]
    bare = {
        route.canonical
        for route in routes_of(hotline)
        if description_of(route.handler) is None and not route.canonical.startswith(NOT_YET)
    }
    assert not bare, "say with @described (web/described.py) what these routes take and give"
    rooms = "acd|agents|controller|ivr|knowledge|metrics|pbx|recordings|tickets|web"
    ours = re.compile(rf"\b(?:{rooms})\.(?!md)[a-z_]+|\b[A-Z][a-z]\w*\.[a-z]")
    rows = [row for path in told["paths"].values() for row in path.values()]
    said = {row["summary"] + " " + row.get("description", "") for row in rows}
    assert not {found[0] for text in said if (found := ours.search(text))}, "names of the program mean nothing outside"
    names = [row["operationId"] for path in told["paths"].values() for row in path.values()]
    assert len(names) == len(set(names))


def filled(path: str) -> str:
    """A path with values that name nothing, or something that is there."""
    values = {"agent": "1001", "call": "hotline-1763744400.1", "queue": "general", "number": "2026112200001"}
    return re.sub(r"{([a-z_]+)}", lambda found: values.get(found[1], "x1"), path)


async def test_no_route_but_the_open_ones_answers_without_a_token(hotline: Site) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.7"}  # not from this machine: views are closed too
    for route in routes_of(hotline):
        async with hotline.session.request(
            route.method, hotline.url(filled(route.canonical)), headers=forwarded
        ) as answer:
            if route.access is Access.KEY:
                continue  # it has keys of its own kind: test_open311.py, the tests of the exchange
            if route.access is Access.OPEN:
                assert answer.status != 401, route.path
            elif answer.status != 404 or (await answer.json())["error"] != "not_found":  # a pattern that x1 is not of
                assert answer.status == 401, route.path
                assert (await answer.json())["error"] == "unauthorized"


async def test_what_is_documented_of_bodies_is_what_is_checked(hotline: Site) -> None:
    """An unknown field is refused on every route that takes a body, and every needed field is asked for by name."""
    limits = hotline.server.runner.app[DOCUMENT]._limits  # type: ignore[union-attr]
    for route in routes_of(hotline):
        it = route.described
        if it.body is None or it.own_errors or "application/json" not in it.takes:
            continue
        path = re.sub(r"/x1\b", "/n1" if "notices" in route.path else "/cb1", filled(route.canonical))
        status, told = await hotline.json(route.method, path, {"no_such_field": 1})
        assert status == 400, route.path
        problems = {(one["field"], one["code"]) for one in told["problems"]}
        missing = {(name, "missing") for name, field in it.fields(limits).items() if field.required}
        assert problems == {("no_such_field", "unknown_field")} | missing, route.path
        assert 400 in statuses(route)


async def test_what_is_documented_of_queries_is_what_is_checked(hotline: Site) -> None:
    for route in routes_of(hotline):
        it = route.described
        if not it.query or it.own_errors:
            continue
        path = hotline.url(filled(route.canonical))
        status, told = await hotline.json(route.method, filled(route.canonical) + "?no_such=1")
        assert (status, told["problems"][0]["code"]) == (400, "unknown_field"), route.path
        for name in it.query:
            async with hotline.session.get(f"{path}?{name}=1", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
                codes = (
                    [one["code"] for one in (await answer.json()).get("problems", [])] if answer.status == 400 else []
                )
                assert "unknown_field" not in codes, (route.path, name)


# ---------------------------------------------------------------- schemathesis


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A site that serves from a thread of its own: schemathesis asks synchronously."""
    ready: list[str] = []
    started, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with site(await furnished(), geo=Open311(enabled=True, public=True)) as running:
            ready.append(running.server.url)
            started.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="site")
    thread.start()
    assert started.wait(30)
    yield ready[0]
    over.set()
    thread.join(30)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_schemathesis_finds_no_answer_that_the_document_does_not_tell(address: str, mode: GenerationMode) -> None:
    """No 500, no status, media type or body that is not documented; what the document forbids is refused."""
    schema = schemathesis.openapi.from_url(f"{address}api/openapi.json")
    checks = [
        getattr(schemathesis.checks, name)
        for name in (
            "not_a_server_error",
            "status_code_conformance",
            "content_type_conformance",
            "response_schema_conformance",
            "negative_data_rejection",
        )
    ]
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in ENDLESS:
            continue
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
            continue  # nothing to be wrong with; a path that fits no pattern is no route
        if mode is GenerationMode.NEGATIVE and operation.path.startswith(NOT_YET):
            continue  # nothing was said of what they take, so nothing is forbidden

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=checks, headers={"Authorization": f"Bearer {TOKEN}"})

        ask()
    assert asked > 50
