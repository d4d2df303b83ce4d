"""Takes a picture of a live first page: ``python -m tests.browser.picture URL FILE [--language zh|en] …``.

For the picture in the README: run it while a demo runs with ``--keep`` (a Chinese font must be there, for
instance Debian's fonts-wqy-zenhei).
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from tests.browser.chromium import chromium


async def picture(
    url: str, file: Path, *, language: str = "zh", width: int = 1360, height: int = 0, dark: bool = False
) -> None:
    """Saves the page at `url` as it is once its first snapshot is shown.

    `height` 0 = as high as the page is.
    """
    async with chromium() as browser:
        context = await browser.new_context(
            viewport={"width": width, "height": height or 800},
            locale="en-GB" if language == "en" else "zh-CN",
            timezone_id="Asia/Shanghai",
            color_scheme="dark" if dark else "light",
            device_scale_factor=2 if width < 600 else 1,
        )
        page = await context.new_page()
        await page.goto(url)
        await page.wait_for_selector("#main[aria-busy=false]")
        file.parent.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=file, full_page=height == 0)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Takes a picture of a live first page.")
    parser.add_argument("url")
    parser.add_argument("file", type=Path)
    parser.add_argument("--language", choices=("zh", "en"), default="zh")
    parser.add_argument("--width", type=int, default=1360)
    parser.add_argument("--height", type=int, default=0, help="0 = the whole page")
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    asyncio.run(
        picture(
            given.url,
            given.file,
            language=given.language,
            width=given.width,
            height=given.height,
            dark=given.dark,
        )
    )


if __name__ == "__main__":
    main()
