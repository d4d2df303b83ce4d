"""The list of call-backs and the one click, over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.event_desk import HotlineEvents
from controller.records import Operations, Records
from controller.ticket_desk import HotlineDesk
from controller.writer import Store
from pbx.ids import AgentId
from tests.doors.test_web_tickets import People, ask
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tests.ticket_story import DAY, MONDAY, POLICY
from tickets.files import AttachmentFiles
from tickets.follow_up import FollowUpRules
from web.backend import RequestResult

pytestmark = pytest.mark.doors


@pytest.fixture
def operations() -> Operations:
    """With the units of the tests."""
    return Operations(POLICY)


class Desk(MemoryBackend):
    """A hotline whose agents can always dial."""

    async def dial(self, agent: AgentId, number: str, purpose: str, queue: str) -> RequestResult:
        self.requests.append(("dial", agent, number, purpose, queue))
        return RequestResult(True)


class Clock:
    now = MONDAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def hotline(store: Store, records: Records, clock: Clock, tmp_path: Path) -> AsyncIterator[Site]:
    backend = Desk(clock=clock)
    backend.desk = HotlineDesk(records, POLICY, {AgentId("1001")}, clock, AttachmentFiles(tmp_path))  # type: ignore[assignment]
    backend.events = HotlineEvents(store, POLICY, clock, lambda id: None, follow_up=FollowUpRules(sample=0.0))
    async with site(backend, holders=People(), clock=clock) as running:
        yield running


async def closed(hotline: Site, clock: Clock, **fields: object) -> dict[str, Any]:
    body = {"type": "help", "title": "停水", "text": "停水", "caller": "13800001111", **fields}
    _, ticket = await ask(hotline, "wang", "POST", "/api/tickets", body)
    for who, what, given in (
        ("desk", "refer", {"unit": "water"}),
        ("water", "sign", {}),
        ("water", "reply", {"text": "已修复"}),
        ("desk", "accept_reply", {}),
    ):
        if what == "reply":
            clock.now += 30 * DAY  # late
        path = f"/api/tickets/{ticket['number']}/moves"
        status, ticket = await ask(hotline, who, "POST", path, {"move": what, "version": ticket["version"], **given})
        assert status == 200, ticket
    return dict(ticket)


async def test_from_the_list_by_one_click_to_the_result(hotline: Site, clock: Clock) -> None:
    ticket = await closed(hotline, clock)
    hidden = await closed(hotline, clock, confidential=True)
    assert (await ask(hotline, "wang", "GET", "/api/follow-ups"))[1]["follow_ups"] == []  # the next day
    clock.now += DAY + 1
    status, listed = await ask(hotline, "li", "GET", "/api/follow-ups")
    assert status == 200
    found = [(one["number"], one["why"], one["caller_hidden"]) for one in listed["follow_ups"]]
    assert (hidden["number"], "late", True) in found
    assert "13800001111" not in str(listed)
    path = f"/api/tickets/{ticket['number']}/follow-up-call"
    assert (await ask(hotline, "water", "GET", "/api/follow-ups"))[0] == 403
    assert (await ask(hotline, "water", "POST", path))[0] == 403
    assert (await ask(hotline, "nobody", "POST", path))[0] == 401
    status, _ = await ask(hotline, "wang", "POST", path)
    assert status == 200
    assert hotline.backend.requests[-1][:4] == ("dial", "1001", "13800001111", "follow_up")
    result = {"move": "follow_up", "version": ticket["version"], "contacted": True, "solved": True, "satisfied": False}
    moves = f"/api/tickets/{ticket['number']}/moves"
    status, after = await ask(hotline, "wang", "POST", moves, {**result, "reason": "水压仍低"})
    assert (status, after["solved"], after["satisfied"]) == (200, True, False)
    _, listed = await ask(hotline, "li", "GET", "/api/follow-ups")
    assert ticket["number"] not in str(listed)


async def test_what_cannot_be_called(hotline: Site, clock: Clock) -> None:
    _, opened = await ask(
        hotline, "wang", "POST", "/api/tickets", {"type": "help", "text": "停水", "caller": "1380000"}
    )
    status, refused = await ask(hotline, "wang", "POST", f"/api/tickets/{opened['number']}/follow-up-call")
    assert (status, refused["error"]) == (409, "not_closed")
    nobody = await closed(hotline, clock, caller="")
    status, refused = await ask(hotline, "wang", "POST", f"/api/tickets/{nobody['number']}/follow-up-call")
    assert (status, refused["error"]) == (409, "no_caller")
    assert (await ask(hotline, "wang", "POST", "/api/tickets/1/follow-up-call"))[0] == 404
    path = f"/api/tickets/{nobody['number']}/follow-up-call"
    assert (await ask(hotline, "boss", "POST", path, {"agent": "9999"}))[0] == 404
    assert (await ask(hotline, "boss", "POST", path))[0] == 400
