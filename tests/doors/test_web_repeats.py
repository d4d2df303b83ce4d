"""Repeats and incidents by the interface, over a real store: from the second call to one reply and the notice's end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.event_desk import HotlineEvents
from controller.records import Records
from controller.ticket_desk import HotlineDesk
from controller.writer import Store
from pbx.ids import AgentId
from pbx.notice import NoticeGiven
from tests.doors.test_web_tickets import People, ask
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tests.ticket_story import POLICY
from tickets.files import AttachmentFiles

pytestmark = pytest.mark.doors


@dataclass
class Town:
    """A site over a real store; `over` are the incidents whose end the switchboard was told of."""

    site: Site
    over: list[str] = field(default_factory=list)

    async def ask(self, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return await ask(self.site, who, method, path, body)

    async def take(self, caller: str, **fields: object) -> str:
        body = {"type": "help", "text": "家里停水了", "address": "海州区幸福小区3号楼", "caller": caller, **fields}
        status, ticket = await self.ask("wang", "POST", "/api/tickets", body)
        assert status == 201, ticket
        return str(ticket["number"])


@pytest.fixture
async def town(store: Store, records: Records, tmp_path: Path) -> AsyncIterator[Town]:
    backend = MemoryBackend()
    over: list[str] = []
    backend.desk = HotlineDesk(records, POLICY, {AgentId("1001")}, backend.clock, AttachmentFiles(tmp_path))  # type: ignore[assignment]
    backend.events = HotlineEvents(store, POLICY, backend.clock, over.append)
    async with site(backend, holders=People()) as running:
        yield Town(running, over)


async def test_from_the_second_call_to_the_one_reply(town: Town) -> None:
    numbers = [await town.take(f"1380000{n:04d}") for n in range(1, 4)]
    status, found = await town.ask("wang", "GET", f"/api/tickets/{numbers[2]}/repeats")
    assert status == 200
    assert [one["number"] for one in found["repeats"]] == sorted(numbers[:2])
    assert all(one["same_event"] and not one["same_caller"] for one in found["repeats"])
    assert (found["incident"], found["members"]) == (None, sorted(numbers[:2]))
    assert "13800000001" not in str(found)
    status, incident = await town.ask("wang", "POST", "/api/incidents", {"title": "幸福小区停水", "tickets": numbers})
    assert status == 201
    fourth = await town.take("13900000004", text="没有水", address="幸福小区东门")
    _, found = await town.ask("li", "GET", f"/api/tickets/{fourth}/repeats")
    assert found["incident"] == incident["id"]
    status, joined = await town.ask("li", "POST", f"/api/tickets/{fourth}/join", {"with": numbers[0]})
    assert (status, joined["id"]) == (200, incident["id"])
    status, shown = await town.ask("desk", "GET", f"/api/incidents/{incident['id']}")
    assert (status, shown["tickets"], shown["states"]) == (200, 4, {"registered": 4})
    status, page = await town.ask("desk", "GET", f"/api/tickets?incident={incident['id']}")
    assert len(page["tickets"]) == 4
    close = f"/api/incidents/{incident['id']}/close"
    assert (await town.ask("wang", "POST", close, {"text": "已修复"}))[0] == 403
    status, closed = await town.ask("leader", "POST", close, {"text": "主管道已修复, 17 时恢复供水"})
    assert (status, closed["settled"], closed["closed_by"]) == (200, True, "leader")
    assert town.over == [incident["id"]]
    for number in (*numbers, fourth):
        _, ticket = await town.ask("wang", "GET", f"/api/tickets/{number}")
        assert (ticket["state"], ticket["reply"]) == ("resolved", "主管道已修复, 17 时恢复供水")
    status, again = await town.ask("leader", "POST", close, {"text": "x"})
    assert (status, again["error"]) == (422, "incident_closed")
    _, listed = await town.ask("leader", "GET", "/api/incidents")
    assert [one["id"] for one in listed["incidents"]] == [incident["id"]]


async def test_what_is_typed_is_compared_before_it_is_stored(town: Town) -> None:
    first = await town.take("13800000001")
    status, empty = await town.ask("wang", "POST", "/api/tickets", {"caller": "13900000002"})
    path = f"/api/tickets/{empty['number']}/repeats"
    assert (await town.ask("wang", "GET", path))[1]["repeats"] == []
    typed = {"text": "水龙头一滴水都没有", "address": "幸福小区"}
    status, found = await town.ask("wang", "POST", path, typed)
    assert [one["number"] for one in found["repeats"]] == [first]
    _, found = await town.ask("wang", "POST", path, {**typed, "address": "幸福家园"})
    assert found["repeats"] == []
    for wrong in ({"lat": 91}, {"caller": "1"}, {"text": "x" * 10_001}, {"text": 5}):
        assert (await town.ask("wang", "POST", path, wrong))[0] == 400
    odd = {"text": "\U0001f469\u200d\U0001f467\u202e" * 20, "address": "=cmd|' /C calc'!A0"}
    assert (await town.ask("wang", "POST", path, odd))[0] == 200


async def test_who_may_look_and_who_may_join(town: Town) -> None:
    one, two = await town.take("13800000001"), await town.take("13800000002")
    for path in (f"/api/tickets/{one}/repeats", "/api/incidents", "/api/incidents/i1"):
        assert (await town.ask("water", "GET", path))[0] == 403
        assert (await town.ask("nobody", "GET", path))[0] == 401
    assert (await town.ask("water", "POST", f"/api/tickets/{one}/join", {"with": two}))[0] == 403
    assert (await town.ask("wang", "POST", f"/api/tickets/{one}/join", {"with": one}))[0] == 422
    assert (await town.ask("wang", "POST", f"/api/tickets/{one}/join", {"with": "1"}))[0] == 404
    assert (await town.ask("wang", "GET", "/api/tickets/1/repeats"))[0] == 404
    assert (await town.ask("wang", "GET", "/api/incidents/i1"))[0] == 404
    status, made = await town.ask(
        "admin", "POST", f"/api/tickets/{one}/join", {"with": two, "by": "1001", "by_role": "agent"}
    )
    assert (status, made["opened_by"]) == (200, "1001")


async def test_a_notice_is_given_of_an_incident_that_goes_on(town: Town) -> None:
    one, two = await town.take("13800000001"), await town.take("13800000002")
    _, incident = await town.ask("wang", "POST", f"/api/tickets/{one}/join", {"with": two})
    wish = {"kind": "water", "area": "haizhou", "incident": incident["id"]}
    assert (await town.site.json("POST", "/api/notices", wish))[0] == 200
    (order,) = town.site.backend.orders
    assert isinstance(order, NoticeGiven)
    assert (order.kind, order.of) == ("water", incident["id"])
    assert (await town.site.json("POST", "/api/notices", {**wish, "incident": "i5"}))[0] == 404
    await town.ask("boss", "POST", f"/api/incidents/{incident['id']}/close", {"text": "已修复"})
    status, refused = await town.site.json("POST", "/api/notices", wish)
    assert (status, refused["error"]) == (409, "incident_closed")
    assert len(town.site.backend.orders) == 1


async def test_after_a_crash_what_was_closed_is_finished(town: Town, store: Store, records: Records) -> None:
    one, two = await town.take("13800000001"), await town.take("13800000002")
    _, incident = await town.ask("wang", "POST", f"/api/tickets/{one}/join", {"with": two})
    await town.ask("boss", "POST", f"/api/incidents/{incident['id']}/close", {"text": "已修复"})
    told: list[str] = []
    new = HotlineEvents(store, POLICY, town.site.backend.clock, told.append)
    await new.go_on([incident["id"], "i5"])
    assert told == [incident["id"]]
