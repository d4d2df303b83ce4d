"""A headless Chromium for the tests of the pages: Debian's, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

ARGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""No talk with the outside: on a closed network each attempt costs time (`softphones.md` 2.5)."""


def chromium_path() -> str | None:
    """Where Chromium is: ``HOTLINE_CHROMIUM``, or what Debian's package chromium (or a chrome) puts on the path."""
    configured = os.environ.get("HOTLINE_CHROMIUM")
    return configured or shutil.which("chromium") or shutil.which("google-chrome")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser, closed again. RuntimeError when there is none."""
    path = chromium_path()
    if path is None:
        raise RuntimeError("no Chromium: install Debian's package chromium, or set HOTLINE_CHROMIUM to one")
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium's sandbox refuses root
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=[*ARGS, *sandbox])
        try:
            yield browser
        finally:
            await browser.close()
