"""The citizen's page in a real Chromium: what he reads of his ticket, by day and by night, and on a telephone."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, expect

from tests.browser.chromium import chromium, chromium_path
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import site
from tests.ticket_story import DESK, NUMBER, POLICY, WATER, I, S, Story
from tickets.organisations import Organisation, OrganisationTree, OrgKind
from tickets.public import PublicTicket, proved, public_view

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium_path() is None and "CI" not in os.environ, reason="no Chromium (Debian's package chromium)"
    ),
]

KEY, DIGITS = "a-key-of-the-hotline", "1111"
WATER_BUREAU = Organisation("water", "水务局", OrgKind.UNIT, "张三", "办公室", "李四", name_en="Water Bureau")
TREE = OrganisationTree([WATER_BUREAU])
RULES = replace(POLICY, organisations=TREE, units=TREE.register())


class Citizens:
    """One ticket that can be queried by the digits of its telephone."""

    def __init__(self) -> None:
        self.story = Story()

    async def query(self, number: str, proof: str, source: str) -> PublicTicket | None:
        ticket = self.story.ticket if number == NUMBER else None
        shown = proved(ticket, number, proof, KEY)
        return public_view(self.story.ticket, self.story.moves, shown, RULES) if shown else None


@asynccontextmanager
async def page_of(citizens: Citizens, **options: Any) -> AsyncIterator[Page]:
    """The page, opened in New York; at the end it must have had nothing to complain about but refused queries."""
    backend = MemoryBackend()
    backend.public = citizens  # type: ignore[assignment]
    async with site(backend) as running, chromium() as browser:
        context = await browser.new_context(**{"locale": "zh-CN", "timezone_id": "America/New_York", **options})
        page, complaints = await context.new_page(), list[str]()

        def complain(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and "404" not in message.text:
                complaints.append(message.text)

        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{running.server.url.rstrip('/')}/query")
        yield page
        assert complaints == []


async def ask(page: Page, number: str, proof: str) -> None:
    await page.locator("#number").fill(number)
    await page.locator("#proof").fill(proof)
    await page.locator("#proof").press("Enter")


def luminance(colour: str) -> float:
    """Of ``rgb(r, g, b)`` as the browser computes it (WCAG 2.2, relative luminance)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_button_can_be_read_by_day_and_by_night(scheme: str) -> None:
    async with page_of(Citizens(), color_scheme=scheme) as page:
        style = "element => [getComputedStyle(element).color, getComputedStyle(element).backgroundColor]"
        button = page.get_by_role("button", name="查询", exact=True)
        light, dark = sorted(map(luminance, await button.evaluate(style)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
        assert "rgba" not in (await button.evaluate(style))[1], "it has a ground of its own"


async def test_he_reads_how_his_ticket_stands_in_the_hotline_s_time_and_in_his_language() -> None:
    citizens = Citizens()
    citizens.story.to(S.SIGNED)
    async with page_of(citizens) as page:
        ticket = page.locator("#ticket")
        await ask(page, NUMBER, "0000")
        await expect(page.get_by_role("status")).to_contain_text("没有找到相符的工单")
        await expect(ticket).to_be_hidden()
        await ask(page, " 2026-1123 00001", "１１１１")  # as people paste it
        await expect(ticket).to_be_visible()
        await expect(page.get_by_role("status")).to_be_empty()
        await expect(page.locator("#status")).to_have_text("办理中")
        await expect(page.locator("#stages [aria-current]")).to_have_text("办理")
        await expect(page.locator("#unit")).to_have_text("水务局")
        await expect(page.locator("#opened")).to_contain_text("09:00")
        await expect(page.locator("#zone")).to_contain_text("中国标准时间")
        await expect(page.locator("#steps")).to_contain_text("转办水务局")
        await expect(page.locator("#reply")).to_be_hidden()
        await page.get_by_role("button", name="English").click()
        await expect(page.locator("#unit")).to_have_text("Water Bureau")
        await expect(page.get_by_role("heading", level=1)).to_have_text("12345 Track your ticket")
        assert not re.search("[\u4e00-\u9fff]", await page.locator("main").inner_text())
        citizens.story.do(WATER, I.REPLY, text="管道已修复")
        citizens.story.do(DESK, I.ACCEPT_REPLY)
        await page.get_by_role("button", name="Check status").click()
        await expect(page.locator("#status")).to_have_text("Closed")
        await expect(page.locator("#reply")).to_have_text("管道已修复")
        await expect(page.locator("#due")).to_be_hidden()


async def test_it_fits_a_telephone() -> None:
    citizens = Citizens()
    citizens.story.to(S.SIGNED)
    async with page_of(citizens, locale="en-GB", viewport={"width": 390, "height": 800}) as page:
        await ask(page, NUMBER, DIGITS)
        await expect(page.locator("#ticket")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
