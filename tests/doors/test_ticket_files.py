"""Tickets as files over HTTP: what is exported, what is imported, whose fault a line is, and the month's report."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from tests.fakes.backend import MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from tests.ticket_story import BOSS, DAY, POLICY, Story
from tickets.flow import Intake
from tickets.given import Move
from tickets.moves import ADMIN, Actor, Role, TicketInput, TicketState
from tickets.ticket import Channel, TicketChange
from web.ticket_rows import HEADS, row_of

pytestmark = pytest.mark.doors

NOW = 1763794800.0  # 2025-11-22 15:00 in Shanghai, a Saturday
HOLDERS = {
    "agent-token-000000000000": Actor("1001", Role.AGENT),
    "other-token-000000000000": Actor("1002", Role.AGENT),
    "water-token-000000000000": Actor("w", Role.UNIT, "water"),
}


class Holders:
    async def find(self, token: str) -> Actor | None:
        return HOLDERS.get(token)


@pytest.fixture
async def desk() -> AsyncIterator[Site]:
    async with site(MemoryBackend(clock=lambda: NOW), clock=lambda: NOW, holders=Holders()) as running:
        yield running


async def get(running: Site, path: str, token: str = TOKEN) -> tuple[int, bytes, str]:
    headers = {"Authorization": f"Bearer {token}"}
    async with running.session.get(running.url(path), headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers.get("Content-Disposition", "")


async def send(running: Site, data: bytes, query: str, token: str = TOKEN) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    url = running.url(f"/api/tickets/import?{query}")
    async with running.session.post(url, data=io.BytesIO(data), headers=headers) as answer:
        return answer.status, await answer.json()


def csv(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


HEAD = "类型,标题,内容,联系电话,紧急程度,匿名,发生时间,状态"


async def test_a_file_becomes_tickets_and_comes_out_again(desk: Site) -> None:
    status, told = await send(
        desk,
        csv(
            HEAD,
            "求助,路灯不亮,😀 解放路路灯\u200d不亮,13800001111,紧急,否,2025-11-21 20:00,",
            'help,,"\'=1+1 两行\n内容",,,是,,办结',
        ),
        "format=csv",
    )
    assert status == 200
    assert told["faults"] == []
    assert [row["line"] for row in told["taken"]] == [2, 3]
    first, second = [desk.backend.desk.tickets[row["number"]] for row in told["taken"]]
    assert (first.text, first.caller, first.urgency.value) == ("😀 解放路路灯\u200d不亮", "13800001111", "urgent")
    assert (first.event_at, first.state.value, first.channel.value) == (1763726400.0, "registered", "api")
    assert (second.text, second.anonymous, second.state.value) == ("=1+1 两行\n内容", True, "registered")
    status, data, name = await get(desk, "/api/tickets/export?format=csv")
    assert (status, name) == (200, 'attachment; filename="tickets.csv"')
    text = data.decode("utf-8-sig")
    assert "😀 解放路路灯\u200d不亮" in text
    assert "'=1+1" in text
    assert ",=1" not in text
    assert ",否," in text.splitlines()[1]
    assert "False" not in text
    status, data, _ = await get(desk, "/api/tickets/export?format=xlsx")
    page = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    rows = list(page.iter_rows(values_only=True))
    assert len(rows) == 3
    assert [row[rows[0].index("匿名")] for row in rows[1:]] == ["否", "是"]
    assert "False" not in text
    assert dict(zip(rows[0], rows[2], strict=True))["内容"] == "=1+1 两行\n内容"
    status, again = await send(desk, data, "format=xlsx&check=1")  # what comes out goes in again
    assert (status, again["rows"], again["faults"], again["taken"]) == (200, 2, [], [])


async def test_faults_are_told_by_line_and_nothing_is_taken_until_there_are_none(desk: Site) -> None:
    data = csv(
        HEAD + ",随便",
        "求助,,好,,,,,",
        "寻人,,好,,,,,",
        "求助,," + "长" * 20_000 + ",,,,,",
        "求助,,,,,,,",
        "求助,,好,,,可能,昨天,",
        "",
        'help,,"两\n行",,急,,,',
    )
    status, told = await send(desk, data, "format=csv")
    assert (status, told["rows"], told["taken"]) == (200, 6, [])
    assert [(one["line"], one["field"], one["code"]) for one in told["faults"]] == [
        (1, "随便", "unknown_column"),
        (3, "type", "unknown_type"),
        (4, "text", "text_too_long"),
        (5, "text", "missing"),
        (6, "anonymous", "not_true_or_false"),
        (6, "event_at", "not_an_instant"),
        (8, "urgency", "unknown_urgency"),
    ]
    assert not desk.backend.desk.tickets
    status, told = await send(desk, data, "format=csv&good=1")
    assert [row["line"] for row in told["taken"]] == [2]


async def test_ten_megabytes_in_one_cell_are_that_row_s_fault(desk: Site) -> None:
    data = csv(HEAD, "求助,," + "好" * 3_500_000 + ",,,,,", "求助,,好,,,,,")
    assert len(data) > 10_000_000
    status, told = await send(desk, data, "format=csv&good=1")
    assert (status, [(one["line"], one["code"]) for one in told["faults"]]) == (200, [(2, "text_too_long")])
    assert [row["line"] for row in told["taken"]] == [3]
    status, told = await send(desk, b"x" * (21 * 1024 * 1024), "format=csv")
    assert (status, told["error"]) == (413, "body_too_large")


async def test_files_and_queries_that_are_refused(desk: Site) -> None:
    for data, query, status, code in (
        (b"nothing", "format=xlsx", 400, "bad_file"),
        (csv("类型,标题", "求助,x"), "format=csv", 400, "missing_columns"),
        (csv("类型,内容,内容", "求助,x,x"), "format=csv", 400, "doubled_column"),
        (csv("类型,内容"), "format=csv", 400, "no_rows"),
        (b"", "format=csv", 400, "missing_columns"),
        (csv("类型,内容"), "format=pdf", 400, "bad_request"),
        (csv("类型,内容"), "colour=red", 400, "bad_request"),
        (csv("类型,内容", *["求助,x"] * 5001), "format=csv", 400, "too_many_rows"),
    ):
        got, told = await send(desk, data, query)
        assert (got, told["error"]) == (status, code)
    assert (await send(desk, csv(HEAD), "format=csv", "water-token-000000000000"))[0] == 403
    assert (await get(desk, "/api/tickets/export?format=doc"))[0] == 400


async def test_a_file_shows_no_more_than_the_screen(desk: Site) -> None:
    for text, hidden, unit in (("甲", True, None), ("乙", False, "water")):
        ticket = await desk.backend.desk.take(
            Intake(Channel.WEB, NOW), TicketChange(type="help", text=text, caller="139", confidential=hidden), ADMIN
        )
        if unit:
            await desk.backend.desk.move(ticket.number, Move(TicketInput.REFER, unit=unit, co_units=("roads",)), ADMIN)

    async def rows(token: str) -> list[dict[str, Any]]:
        _, data, _ = await get(desk, "/api/tickets/export", token)
        found = list(openpyxl.load_workbook(io.BytesIO(data)).worksheets[0].iter_rows(values_only=True))
        return [dict(zip(found[0], row, strict=True)) for row in found[1:]]

    assert [(row["内容"], row["联系电话"]) for row in await rows(TOKEN)] == [("甲", "139"), ("乙", "139")]
    assert [(row["内容"], row["联系电话"]) for row in await rows("other-token-000000000000")] == [
        ("甲", None),
        ("乙", "139"),
    ]
    (mine,) = await rows("water-token-000000000000")
    assert (mine["内容"], mine["主办单位"], mine["协办单位"]) == ("乙", "水务局", "交通局")


@pytest.mark.parametrize(("last", "light"), [(TicketInput.ACCEPT_REPLY, "绿灯"), (TicketInput.WITHDRAW, None)])
def test_a_row_shows_the_lamp_that_the_ticket_shows(last: TicketInput, light: str | None) -> None:
    story = Story()
    story.to(TicketState.REPLIED)
    ticket = story.do(BOSS, last, after=30 * DAY, reason="原因")
    row = dict(zip(HEADS, row_of(ticket, ADMIN, story.at, POLICY, ZoneInfo("Asia/Shanghai")), strict=True))
    assert (row["亮灯"], row["状态"], row["撤回时间"] is None) == (light, "办结", light is not None)


async def test_the_report_of_a_month_opens_and_its_figures_are_those_of_its_tickets(desk: Site) -> None:
    memory = desk.backend.desk
    water = Actor("w", Role.UNIT, "water")
    for index in range(5):
        ticket = await memory.take(Intake(Channel.WEB, NOW), TicketChange(type="help", text="没水"), ADMIN)
        if index == 0:
            await memory.move(ticket.number, Move(TicketInput.ANSWER, text="已答复"), ADMIN)
        else:
            await memory.move(ticket.number, Move(TicketInput.REFER, unit="water"), ADMIN)
        if index in (1, 2):
            await memory.move(ticket.number, Move(TicketInput.SIGN), water)
        if index == 2:
            await memory.move(ticket.number, Move(TicketInput.REPLY, text="已修复"), water)
        if index == 4:
            await memory.move(ticket.number, Move(TicketInput.WITHDRAW, reason="诉求人撤回"), ADMIN)
    status, data, name = await get(desk, "/api/reports/tickets?month=2025-11")
    assert (status, name) == (200, 'attachment; filename="tickets-2025-11.xlsx"')
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert book.sheetnames == ["概况", "按类型", "按单位", "按日", "来源"]
    head, row = book["概况"].iter_rows(values_only=True)
    told = dict(zip(head, row, strict=True))
    assert (told["受理"], told["派单"], told["办结"], told["撤回"]) == (5, 4, 1, 1)
    assert (told["按时签收率(%)"], told["一次解决率(%)"], told["绿灯"], told["按时办结率(%)"]) == (100, 100, 1, 100)
    assert [row[0] for row in book["按单位"].iter_rows(values_only=True)][1:] == ["水务局"]
    assert list(book["来源"].iter_rows(values_only=True))[1:] == [("网站", 5)]
    assert [row[0] for row in book["按日"].iter_rows(values_only=True)][1:] == ["2025-11-22"]
    _, empty, _ = await get(desk, "/api/reports/tickets?month=2024-02")
    assert openpyxl.load_workbook(io.BytesIO(empty))["概况"]["B2"].value == 0
    for wrong in ("2025-13", "x", ""):
        assert (await get(desk, f"/api/reports/tickets?month={wrong}"))[0] == 400
    assert (await get(desk, "/api/reports/tickets?month=2025-11", "water-token-000000000000"))[0] == 403
