"""The API document against the running application: nothing undocumented, nothing promised that is not kept."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode

from controller.event_desk import HotlineEvents
from controller.inspection_desk import HotlineInspections
from controller.knowledge import KnowledgeDesk
from controller.knowledge_plan import KnowledgePlan
from controller.public_desk import HotlinePublic
from controller.records import Operations, Records
from controller.reminder_desk import HotlineReminders
from controller.schema import upgrade
from controller.spool import Operation
from controller.ticket_desk import HotlineDesk
from controller.ticket_office import HotlineOffice
from controller.writer import Store
from pbx.ids import AgentId, CallId
from recordings.inspection import review_sql, sql
from recordings.inspection.findings import Inspection
from recordings.transcript import Transcript, Turn
from tests.city_story import TREE
from tests.doors.test_inspection import PLAN
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from tickets.classes import load_classes
from tickets.files import AttachmentFiles
from tickets.georeport import Open311
from tickets.ticket import TicketPolicy
from web.auth import ACCESS, Access
from web.described import description_of
from web.openapi import DOCUMENT, Route, statuses
from web.rate import RateRules

pytestmark = pytest.mark.doors

EXAMPLES = 60 if os.environ.get("HOTLINE_EXAMPLES") == "new" else 2
"""Requests for each route and way of making them: what is in every run takes seconds (60 take minutes)."""

ENDLESS = {"/api/live", "/api/reminders/live", "/api/calls/{call}/words/live"}

POLICY = TicketPolicy(units=TREE.register(), organisations=TREE, classes=load_classes())


async def furnished() -> MemoryBackend:
    """A hotline in which something has happened."""
    backend = MemoryBackend()
    await backend.ready(AgentId("1001"))
    call = backend.arrive(1)
    backend.enqueue(call)
    backend.offer(call, "1001")
    backend.join(call, "1001")
    backend.transcripts[call] = Transcript((Turn("caller", 0.0, 1.0, "你好", ()),), "zh", "vosk", None, 9.0)
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
    bare = {route.canonical for route in routes_of(hotline) if description_of(route.handler) is None}
    assert not bare, "say with @described (web/described.py) what these routes take and give"
    rooms = "acd|agents|controller|ivr|knowledge|metrics|pbx|recordings|tickets|web"
    ours = re.compile(rf"\b(?:{rooms})\.(?!md)[a-z_]+|\b[A-Z][a-z]\w*\.[a-z]")
    rows = [row for path in told["paths"].values() for row in path.values()]
    said = {row["summary"] + " " + row.get("description", "") for row in rows}
    assert not {found[0] for text in said if (found := ours.search(text))}, "names of the program mean nothing outside"
    names = [row["operationId"] for path in told["paths"].values() for row in path.values()]
    assert len(names) == len(set(names))


IDS = {
    "/api/notices/": "n1",
    "/api/alerts/": "a1",
    "/api/callbacks/": "cb1",
    "/api/incidents/": "i1",
    "/api/ownership/": "1",
    "/api/knowledge/entries/": "K000001",
    "/api/knowledge/tasks/": "Q000001",
    "/api/inspection/": "0" * 20,
}
"""An `id` for the addresses that begin so."""


def filled(path: str) -> str:
    """A path with values that name nothing, or something that is there."""
    values = {
        "digest": "0" * 64,
        "agent": "1001",
        "call": "hotline-1763744400.1",
        "queue": "general",
        "number": "2026112200001",
        "hold": "h-0123456789abcdef",
    }
    values |= {"place": "1", "n": "0", "move": "close" if path.startswith("/api/inspection/") else "submit"}
    values["id"] = next((id for begin, id in IDS.items() if path.startswith(begin)), "x1")
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
        if it.body is None or it.own_errors or "application/json" not in it.takes or route.access is Access.KEY:
            continue  # whoever asks with a key is told nothing before it is known
        path = filled(route.canonical)
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
        assert status == 400, (route.path, told)
        assert told["problems"][0]["code"] == "unknown_field", route.path
        for name in it.query:
            async with hotline.session.get(f"{path}?{name}=1", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
                codes = (
                    [one["code"] for one in (await answer.json()).get("problems", [])] if answer.status == 400 else []
                )
                assert "unknown_field" not in codes, (route.path, name)


async def test_a_site_of_the_tests_says_what_answer_was_not_documented() -> None:
    backend = MemoryBackend()
    backend.connected = "yes"  # type: ignore[assignment]
    with pytest.raises(AssertionError, match=r"GET /healthz 200: exchange"):
        async with site(backend) as running:
            await running.session.get(running.url("/healthz"))


# ---------------------------------------------------------------- schemathesis


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[tuple[Site, dict[str, str]]]:
    """A site over a real store in which there is one of everything, and its ids by the beginning of the address."""
    url = f"sqlite:///{folder / 'hotline.db'}"
    await asyncio.to_thread(upgrade, url)
    operations = Operations(POLICY)
    store = Store(url, spool=folder / "spool.jsonl", operations=operations.spoolable())
    await store.start()
    records, backend = Records(store, operations), await furnished()
    clock = backend.clock
    backend.desk = HotlineDesk(records, POLICY, backend.names, clock, AttachmentFiles(folder / "files"))  # type: ignore[assignment]
    backend.recordings.files[CallId("hotline-1763744400.1")] = folder / "recording.wav"
    (folder / "recording.wav").write_bytes(b"RIFF")
    backend.events = HotlineEvents(store, POLICY, clock, lambda id: None)
    backend.public = HotlinePublic(records, "a-key-for-tests", POLICY, clock)
    backend.office = HotlineOffice(records, None, clock)  # type: ignore[assignment]
    backend.reminders = HotlineReminders(store)
    knowledge = KnowledgeDesk(store, KnowledgePlan(), POLICY, clock)
    many = RateRules(burst=10**6, per_minute=1e6, all_per_s=1e6)
    try:
        async with site(
            backend,
            geo=Open311(enabled=True, public=True),
            knowledge_desk=knowledge,
            public_rate=many,
            inspection_desk=await inspected(store, clock()),
        ) as running:
            yield running, await peopled(running)
    finally:
        await store.stop()


async def inspected(store: Store, at: float) -> HotlineInspections:
    """Quality inspection with one call, and the card that comes with the program."""
    found = Inspection(PLAN.rules.version, "judged", "no_transcript", {"talk_s": 9.0}, {"dead-air": 1})
    one = sql.InspectedCall("hotline-1763744400.1", at, None, "ab", "1001", "general", at, "2026-11-22", found)
    await store.submit(Operation("inspected", sql.save_inspection), one)
    await store.submit(Operation("card", lambda c, card: review_sql.save_card(c, card, "system", at)), PLAN.card)
    return HotlineInspections(store, PLAN, {AgentId("1001"): ()}, lambda: at)


async def peopled(running: Site) -> dict[str, str]:
    """One of everything, made as people make it."""

    async def ask(method: str, path: str, body: object = None) -> Any:
        status, told = await running.json(method, path, body)
        assert status in (200, 201), (path, told)
        return told

    taken = {"type": "help", "text": "家里停水了"}
    numbers = [(await ask("POST", "/api/tickets", taken | {"caller": f"1380000000{n}"}))["number"] for n in range(3)]
    incident = await ask("POST", "/api/incidents", {"title": "停水", "tickets": numbers[:2]})
    row = await ask("POST", "/api/ownership", {"unit": "cz-water", "basis": "三定方案"})
    unit, reviewer = {"by": "zhang", "by_role": "unit", "by_unit": "cz-water"}, {"by": "li", "by_role": "reviewer"}
    content = {"question": "停水找谁?", "answer": "水务局", "unit": "cz-water", "source": "水务局"}
    entry = await ask("POST", "/api/knowledge/entries", content | unit)
    await ask("POST", f"/api/knowledge/entries/{entry['id']}/submit", unit)
    await ask("POST", f"/api/knowledge/entries/{entry['id']}/publish", reviewer)
    agent = {"by": "1001", "by_role": "agent"}
    task = await ask("POST", "/api/knowledge/tasks", {"question": "水价多少?", "unit": "cz-water"} | agent)
    answers = {item.id: 1.0 for item in PLAN.card.items} if PLAN.card is not None else {}
    score = {"call": "hotline-1763744400.1", "card": "standard", "answers": answers}
    score = await ask("POST", "/api/inspection/scores", score)
    note = await ask("POST", "/api/inspection/coaching", {"agent": "1001", "text": "先复述再登记"})
    path = f"/api/tickets/{numbers[2]}/attachments?name=a.png&version=1"
    async with running.session.post(
        running.url(path), data=b"png", headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "image/png"}
    ) as answer:
        assert answer.status == 201
    return {
        "/api/tickets/": numbers[2],
        "/api/incidents/": incident["id"],
        "/api/ownership/": str(row["id"]),
        "/api/knowledge/entries/": entry["id"],
        "/api/knowledge/tasks/": task["id"],
        "/api/inspection/scores/": score["id"],
        "/api/inspection/coaching/": note["id"],
    }


def here_in(path: str, ids: dict[str, str]) -> dict[str, str]:
    """For the parts of this path what there is."""
    here = next((id for begin, id in ids.items() if path.startswith(begin)), None)
    found = {"agent": "1001", "call": "hotline-1763744400.1", "queue": "general", "place": "1"}
    return found | ({"id": here, "number": here} if here is not None else {})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A site that serves from a thread of its own, for schemathesis asks synchronously; and what is there."""
    ready: list[tuple[str, dict[str, str]]] = []
    started, over = threading.Event(), threading.Event()
    folder = tmp_path_factory.mktemp("town")

    async def serve() -> None:
        async with town(folder) as (running, ids):
            ready.append((running.server.url, ids))
            started.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="site")
    thread.start()
    assert started.wait(30)
    yield ready[0]
    over.set()
    thread.join(30)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.timeout(120 if EXAMPLES == 2 else 7200)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_schemathesis_finds_no_answer_that_the_document_does_not_tell(
    address: tuple[str, dict[str, str]], mode: GenerationMode
) -> None:
    """No 500, no status, media type or body that is not documented; what the document forbids is refused.

    Every second request is about something that is there, and so is every wrong one.
    """
    url, ids = address
    schema = schemathesis.openapi.from_url(f"{url}api/openapi.json")
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
        asked += asked_of(operation, mode, checks, here_in(operation.path, ids))
    assert asked > 50


def wrong_inside(operation: Any, case: Any) -> bool:
    """Whether the body or the query is what was made wrong: path and token are ours."""
    body, query = (case.meta.components.get(place) for place in (ParameterLocation.BODY, ParameterLocation.QUERY))
    if body is not None and body.mode.is_negative:
        return True
    return query is not None and query.mode.is_negative and query_is_wrong(operation, case)


def query_is_wrong(operation: Any, case: Any) -> bool:
    """Whether the query is wrong as it is sent: an empty list that was put into it is not sent at all."""
    params = case.as_transport_kwargs(base_url="http://127.0.0.1")["params"]
    url = requests.Request("GET", "http://127.0.0.1/", params=params).prepare().url
    sent = parse_qsl(urlsplit(str(url)).query, keep_blank_values=True)
    known = {one["name"]: one for one in operation.definition.raw.get("parameters", ()) if one["in"] == "query"}
    names = [name for name, _ in sent]
    if len(set(names)) < len(names) or not set(names) <= set(known):
        return True
    if any(one.get("required") and name not in names for name, one in known.items()):
        return True
    return any(not fits(known[name]["schema"], value) for name, value in sent)


def fits(schema: Any, text: str) -> bool:
    """Whether a text of the query can be read as what the schema asks for."""
    readings: list[object] = [text]
    for read in (int, float):
        with suppress(ValueError):
            readings.append(read(text))
    return any(jsonschema_rs.is_valid(schema, one) for one in readings)


def asked_of(operation: Any, mode: GenerationMode, checks: list[Any], there: dict[str, str]) -> int:
    """Ask one route; how often."""
    asked = 0

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
        assume(mode is GenerationMode.POSITIVE or wrong_inside(operation, case))
        asked += 1
        if mode is GenerationMode.NEGATIVE or asked % 2:
            case.path_parameters |= {name: there[name] for name in case.path_parameters if name in there}
        # A workbook is made in a process of its own, which takes seconds to begin on a busy machine.
        case.call_and_validate(checks=checks, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)

    ask()
    return asked
