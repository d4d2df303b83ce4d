"""The citizens' page of the knowledge base in a real Chromium that runs no script: ask, read the answer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from playwright.async_api import expect

from knowledge.entry import Content
from knowledge.moves import KnowledgeState
from knowledge.version import Entry
from tests.browser.chromium import chromium, chromium_path
from tests.fakes.website import site
from web.knowledge_backend import Wanted

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium_path() is None and "CI" not in os.environ, reason="no Chromium (Debian's package chromium)"
    ),
]


class OneAnswer:
    """Answers every question with one entry; of a knowledge base the page asks nothing else."""

    async def search(self, wanted: Wanted) -> Sequence[Entry]:
        assert wanted.public
        content = Content(wanted.text, "到派出所补领。", materials="户口簿", unit="water")
        return [Entry(1, 1, KnowledgeState.PUBLISHED, content, 1, 1, 1, "zhang", 0.0)]


async def test_a_citizen_asks_and_reads_without_a_script() -> None:
    desk: Any = OneAnswer()
    async with site(knowledge_desk=desk) as running, chromium() as browser:
        page = await browser.new_page(locale="zh-CN", java_script_enabled=False)
        page.set_default_timeout(10_000)
        await page.goto(running.url("/knowledge"))
        await page.fill("#q", "身份证<丢了>怎么办")
        await page.click("button")
        article = page.locator("article")
        await expect(article.locator("h2")).to_have_text("身份证<丢了>怎么办")
        await expect(article).to_contain_text("户口簿")
        await expect(article).to_contain_text("水务局")
        await expect(page.locator("#q")).to_have_value("身份证<丢了>怎么办")
