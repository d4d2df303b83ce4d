"""The first page in a real Chromium, over a hotline that behaves.

What a person sees while calls come and go.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, Page, expect

from agents.agent import AgentRules
from metrics.alerts import rule_of
from metrics.live import Group
from pbx.events import PhoneUse
from pbx.ids import AgentId
from tests.browser.chromium import chromium, chromium_path
from tests.fakes.alerts_desk import MemoryAlerts
from tests.fakes.backend import APPROVALS, ENGLISH, GENERAL, MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from web.app import create_app, serve
from web.auth import ViewFrom
from web.backend import IncidentView, NoticeView
from web.live import LiveRules

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium_path() is None and "CI" not in os.environ, reason="no Chromium (Debian's package chromium)"
    ),
]

DEADLINE_MS = 10_000
QUICK = LiveRules(interval_s=0.05, heartbeat_s=0.2)


@dataclass
class Desk:
    """The page, and everything it complained about."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)


@asynccontextmanager
async def desk(url: str, *, locale: str = "zh-CN", width: int = 1280, height: int = 900) -> AsyncIterator[Desk]:
    """The first page, opened; at the end it must have had nothing to complain about but lost connections."""
    async with chromium() as browser:
        context = await browser.new_context(
            locale=locale, timezone_id="Asia/Shanghai", viewport={"width": width, "height": height}
        )
        opened = Desk(await context.new_page(), context)
        opened.page.set_default_timeout(DEADLINE_MS)

        def complain(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and "net::ERR" not in message.text:
                opened.complaints.append(message.text)

        opened.page.on("console", complain)
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        await opened.page.goto(url)
        yield opened
        assert opened.complaints == []


@pytest.fixture(autouse=True)
def patience() -> None:
    """How long the page may take to show something."""
    expect.set_options(timeout=DEADLINE_MS)


async def shown_at_once(running: Site, opened: Desk) -> None:
    """The first snapshot has arrived."""
    await expect(opened.page.locator("#main")).to_have_attribute("aria-busy", "false")


async def test_a_call_appears_waits_is_answered_and_ends_without_a_reload() -> None:
    async with site(live_rules=QUICK) as running, desk(running.server.url) as opened:
        page, backend = opened.page, running.backend
        await shown_at_once(running, opened)
        await page.evaluate("window.untouched = true")
        await expect(page).to_have_title("12345 政务服务便民热线")
        await expect(page.locator("#waiting")).to_have_text("0")
        await expect(page.locator("#rate")).to_have_text("–")
        await expect(page.locator("#calls tbody")).to_have_text("暂无")

        await backend.ready(AgentId("1001"))
        await expect(page.locator("#agents tr[data-key='1001']")).to_contain_text("示闲")
        await expect(page.locator("#tile-ready")).to_contain_text("1 / 1")

        call = backend.arrive(7)
        backend.press(call, "1")
        row = page.locator(f"#calls tr[data-key='{call}']")
        await expect(row).to_contain_text("语音导航")
        await expect(row.locator("th")).to_have_text("4400.7")
        backend.enqueue(call)
        await expect(page.locator("#waiting")).to_have_text("1")
        await expect(row).to_contain_text("综合服务")
        await expect(row).to_contain_text("排队")
        await expect(page.locator("#queues tr[data-key='general'] td").first).to_have_text("1")
        # The clocks go on between events: nothing is sent meanwhile.
        await expect(page.locator("#longest")).to_have_text(re.compile("00:0[1-9]"))

        backend.offer(call, "1001")
        await expect(row).to_contain_text("话务员振铃")
        await expect(page.locator("#agents tr[data-key='1001']")).to_contain_text("振铃")
        backend.join(call, "1001")
        await expect(page.locator("#talking")).to_have_text("1")
        await expect(page.locator("#waiting")).to_have_text("0")
        await expect(page.locator("#longest")).to_have_text("00:00")
        await expect(row).to_contain_text("1001")
        await expect(page.locator("#rate")).to_have_text("100.0 %")
        await expect(page.locator("#rate-name")).to_have_text("sl15.offered.v1")
        await expect(page.locator("#rate-formula")).to_contain_text("÷")
        backend.agent_leaves(call)
        await expect(row).to_contain_text("满意度评价")
        await expect(page.locator("#agents tr[data-key='1001']")).to_contain_text("话后整理")
        backend.hang_up(call, score=5)
        await expect(row).to_contain_text("已接听")
        await expect(page.locator("#talking")).to_have_text("0")
        assert await page.evaluate("window.untouched") is True


async def test_what_a_phone_does_is_told_beside_the_agents_state() -> None:
    backend = MemoryBackend()
    backend.rules = AgentRules(limits_s={"break": 1.0})
    backend.unserved = {ENGLISH}
    async with site(backend, live_rules=QUICK) as running, desk(running.server.url) as opened:
        page = opened.page
        await shown_at_once(running, opened)
        await expect(page.locator("#queues tr[data-key='english'] .late")).to_have_text("英语专席 · 无人值守")
        await expect(page.locator("#news")).to_be_hidden()

        await backend.ready(AgentId("1001"))
        row = page.locator("#agents tr[data-key='1001']")
        await expect(row).to_contain_text("示闲")
        backend.seats[AgentId("1001")] = AgentId("8001")
        backend.use("1001", PhoneUse.IN_USE)
        await expect(row).to_contain_text("示闲 · 话机占用")
        await expect(row.locator("th")).to_have_text("1001 @ 8001")
        await expect(page.locator("#tile-ready")).to_contain_text("0 / 1")

        await backend.not_ready(AgentId("1001"), "break")
        await expect(row.locator(".late")).to_have_text(re.compile("00:0[1-9]"))  # by the page's own clock
        backend.notices.append(NoticeView(backend.clock(), "overrun", AgentId("1001"), "break"))
        backend.signal.bump()
        await expect(row).to_contain_text("示忙 · 小休 · 超时")
        await expect(page.locator("#notice-list li")).to_have_text(re.compile("1001 示忙超时: 小休"))
        await page.locator("#language").click()
        await expect(row).to_contain_text("Not ready · break · overrun")
        await expect(page.locator("#notice-list li")).to_have_text(
            re.compile("1001 is not ready for longer than allowed")
        )


async def test_an_incident_notice_that_holds_is_shown_in_both_languages() -> None:
    async with site(live_rules=QUICK) as running, desk(running.server.url) as opened:
        page, backend = opened.page, running.backend
        shown = page.locator("#incidents li")
        await expect(page.locator("#incidents")).to_be_hidden()
        backend.incidents.append(IncidentView("n1", "water", "haizhou", ENGLISH, None, None, backend.clock(), 3))
        backend.signal.bump()
        await expect(shown).to_have_text("突发事件通知: 供水 (haizhou · english), 至 –, 待通知 3 人")
        await page.locator("#language").click()
        await expect(shown).to_have_text("Incident notice: water (haizhou · english), until –, 3 want to be told")
        backend.incidents.clear()
        backend.signal.bump()
        await expect(page.locator("#incidents")).to_be_hidden()


async def test_alerts_that_stand_and_the_windows_are_shown_in_both_languages() -> None:
    backend = MemoryBackend()
    given = {"name": "wait", "measure": "longest_wait_s", "of": "queue", "above": 120.0, "zh": "有来电久等"}
    alerts = MemoryAlerts(backend.clock, rule_of({**given, "en": "somebody waits", "clears_at": 60.0}))
    async with site(backend, live_rules=QUICK, alerts_desk=alerts) as running, desk(running.server.url) as opened:
        page, shown = opened.page, opened.page.locator("#alerts li")
        await expect(page.locator("#alerts")).to_be_hidden()
        alerts.read("wait", Group("queue", "general"), 150.0)
        backend.signal.bump()
        await expect(shown).to_have_text(re.compile("警告 · 有来电久等 general · 未确认"))
        await alerts.acknowledge(alerts.standing()[0].id, "lin")
        backend.signal.bump()
        await expect(shown).to_have_text(re.compile("已由 lin 确认"))
        await expect(page.locator("#windows tbody tr")).to_have_count(4)
        await expect(page.locator("#windows tr[data-key='15m']")).to_contain_text("最近15分钟")
        await page.locator("#language").click()
        await expect(shown).to_have_text(re.compile("warning · somebody waits general · acknowledged by lin"))
        alerts.read("wait", Group("queue", "general"), 0.0)
        backend.signal.bump()
        await expect(page.locator("#alerts")).to_be_hidden()


async def test_the_language_is_switched_at_once_and_remembered() -> None:
    async with site(live_rules=QUICK) as running, desk(running.server.url) as opened:
        page, backend = opened.page, running.backend
        call = backend.arrive(1)
        backend.enqueue(call, ENGLISH)
        row = page.locator(f"#calls tr[data-key='{call}']")
        await expect(row).to_contain_text("英语专席")
        html = page.locator("html")
        await expect(html).to_have_attribute("lang", "zh-Hans")
        button = page.get_by_role("button", name="English")
        await expect(button).to_have_attribute("lang", "en")
        await button.click()
        await expect(html).to_have_attribute("lang", "en")
        await expect(page.get_by_role("heading", level=1)).to_have_text("12345 Government Service Hotline")
        await expect(row).to_contain_text("English desk")
        await expect(row).to_contain_text("Waiting")
        await expect(page.get_by_role("columnheader", name="Menu path")).to_be_visible()
        await page.reload()
        await expect(row).to_contain_text("English desk")
        await page.get_by_role("button", name="简体中文").click()
        await expect(row).to_contain_text("英语专席")
        # No word of the page is left in the other language but names and the definition's code.
        await page.get_by_role("button", name="English").click()
        await expect(html).to_have_attribute("lang", "en")
        visible = await page.locator("main").inner_text()
        for name in backend.names.values():
            visible = visible.replace(name, "")
        assert not re.search("[\u4e00-\u9fff]", visible)


async def test_the_citizens_page_is_reached_from_the_first_one() -> None:
    async with site(live_rules=QUICK) as running, desk(running.server.url, locale="en-US") as opened:
        await opened.page.get_by_role("link", name="A citizen asks how his ticket stands").click()
        await expect(opened.page).to_have_url(re.compile("/query$"))
        await expect(opened.page.locator("input").first).to_be_visible()


async def test_a_browser_that_speaks_english_gets_english() -> None:
    async with site(live_rules=QUICK) as running, desk(running.server.url, locale="en-US") as opened:
        await expect(opened.page.locator("html")).to_have_attribute("lang", "en")
        await expect(opened.page.locator("#agents")).to_contain_text("Signed out")


async def test_a_lost_connection_is_said_and_the_page_recovers_by_itself() -> None:
    backend = MemoryBackend()
    async with site(backend, live_rules=QUICK) as running, desk(running.server.url) as opened:
        page = opened.page
        lost = page.locator("#lost")
        call = backend.arrive(1)
        backend.enqueue(call)
        await expect(page.locator("#waiting")).to_have_text("1")
        await expect(lost).to_be_hidden()
        port = running.server.port
        await running.server.close()
        await expect(lost).to_be_visible()
        await expect(lost).to_contain_text("连接已断开")
        assert await page.get_by_role("status").locator("#lost").count() == 1
        await expect(page.locator("#main")).to_have_attribute("aria-busy", "true")
        frozen = await page.locator("#longest").inner_text()
        backend.hang_up(call)
        # Longer than a tick of the page's clocks: what is not known any more must not go on counting.
        await page.wait_for_timeout(1500)
        assert await page.locator("#longest").inner_text() == frozen
        again = await serve(create_app(backend, token=TOKEN, metrics=backend.metrics, live_rules=QUICK), port=port)
        try:
            await expect(lost).to_be_hidden()
            await expect(page.locator("#waiting")).to_have_text("0")
            await expect(page.locator(f"#calls tr[data-key='{call}']")).to_contain_text("放弃")
        finally:
            await again.close()


async def test_a_silent_connection_counts_as_lost() -> None:
    """A half-open connection gives the browser no error; the missing heartbeat tells."""

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes everything on while `passing` is set, else nothing, and keeps the connection."""
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", running.server.port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                await passing.wait()
                sink.write(data)
                await sink.drain()
                if b"event: beat" in data:
                    beaten.set()

        pumps = [
            asyncio.create_task(pump(reader, upstream_writer)),
            asyncio.create_task(pump(upstream_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.close()
            upstream_writer.close()

    passing, beaten = asyncio.Event(), asyncio.Event()
    passing.set()
    async with site(live_rules=QUICK) as running:
        proxy = await asyncio.start_server(deaf, "127.0.0.1", 0)
        try:
            port = proxy.sockets[0].getsockname()[1]
            async with desk(f"http://127.0.0.1:{port}/") as opened:
                await shown_at_once(running, opened)
                await asyncio.wait_for(beaten.wait(), 10)  # from here on it knows when the next one is due
                await expect(opened.page.locator("#lost")).to_be_hidden()
                passing.clear()
                await expect(opened.page.locator("#lost")).to_be_visible()
                passing.set()
                await expect(opened.page.locator("#lost")).to_be_hidden()
        finally:
            passing.set()
            proxy.close()
            await proxy.wait_closed()


async def test_a_wait_longer_than_the_definition_s_is_marked() -> None:
    now = time.time()
    backend = MemoryBackend(clock=lambda: now)
    late = backend.arrive(1)
    backend.enqueue(late)
    now += 16
    early = backend.arrive(2)
    backend.enqueue(early)
    backend.hang_up(early)
    async with site(backend, live_rules=QUICK) as running, desk(running.server.url) as opened:
        marked = opened.page.locator(f"#calls tr[data-key='{late}'] .late")
        await expect(marked).to_have_text(re.compile("00:1[6-9]"))
        await expect(opened.page.locator("#longest.late")).to_have_count(1)
        await expect(opened.page.locator(f"#calls tr[data-key='{early}'] .late")).to_have_count(0)


async def test_a_lost_exchange_is_said() -> None:
    async with site(live_rules=QUICK) as running, desk(running.server.url) as opened:
        await shown_at_once(running, opened)
        notice = opened.page.locator("#exchange")
        await expect(notice).to_be_hidden()
        running.backend.connect(False)
        await expect(notice).to_contain_text("交换机未连接")
        running.backend.connect(True)
        await expect(notice).to_be_hidden()


async def test_a_page_that_may_not_see_the_figures_says_why() -> None:
    async with site(view_from=ViewFrom.NOWHERE) as running, desk(running.server.url) as opened:
        await expect(opened.page.locator("#lost")).to_contain_text("需要有效的访问令牌")
        opened.complaints = [text for text in opened.complaints if "401" not in text]


async def test_the_table_of_queues_shows_every_column_in_english() -> None:
    backend = MemoryBackend()
    backend.unserved = {GENERAL, APPROVALS, ENGLISH}
    async with site(backend, live_rules=QUICK) as running, desk(running.server.url, locale="en-GB") as opened:
        await expect(opened.page.locator("#queues .late")).to_have_count(3)
        for width in (1360, 1160, 1040):
            await opened.page.set_viewport_size({"width": width, "height": 900})
            hidden = "table => table.scrollWidth - table.parentElement.clientWidth"
            assert await opened.page.locator("#queues").evaluate(hidden) <= 0, width


async def test_the_page_fits_a_phone() -> None:
    async with site(live_rules=QUICK) as running, desk(running.server.url, width=390, height=800) as opened:
        page, backend = opened.page, running.backend
        for number in range(1, 4):
            call = backend.arrive(number)
            backend.press(call, "1")
            backend.enqueue(call)
        await expect(page.locator("#waiting")).to_have_text("3")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        button = await page.get_by_role("button").bounding_box()
        assert button is not None
        assert button["x"] + button["width"] <= 390


@pytest.mark.parametrize("width", [1360, 1024, 390])
async def test_every_column_of_a_table_is_in_its_card_in_both_languages(width: int) -> None:
    backend = MemoryBackend()
    backend.unserved = {ENGLISH}
    async with site(backend, live_rules=QUICK) as running, desk(running.server.url, width=width) as opened:
        page = opened.page
        await backend.ready(AgentId("1001"))
        call = backend.arrive(1)
        backend.enqueue(call, ENGLISH)
        backend.offer(call, "1001")
        backend.join(call, "1001")
        await expect(page.locator("#queues tr[data-key='english'] td").last).to_have_text("100.0 %")
        for language in ("zh-Hans", "en"):
            await expect(page.locator("html")).to_have_attribute("lang", language)
            for table in ("queues", "agents", "calls"):
                wider = await page.locator(f"#{table}").evaluate(
                    "table => table.parentElement.scrollWidth - table.parentElement.clientWidth"
                )
                assert wider <= 0, (language, table)
            await page.locator("#language").click()


async def test_tables_and_states_can_be_read_without_seeing_colours() -> None:
    async with site(live_rules=QUICK) as running, desk(running.server.url) as opened:
        page = opened.page
        await shown_at_once(running, opened)
        for table in ("queues", "agents"):
            assert await page.locator(f"#{table} thead th:not([scope=col])").count() == 0
            assert await page.locator(f"#{table} tbody tr").count() == 3
            assert await page.locator(f"#{table} tbody tr > th[scope=row]").count() == 3
        assert await page.locator(".state").count() == await page.locator(".state", has_text=re.compile(".+")).count()
        for region in ("技能组", "话务员", "来电", "关键指标"):
            await expect(page.get_by_role("region", name=region)).to_be_visible()
