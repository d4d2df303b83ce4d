"""A hotline as its operator has it: a process, its last words, its exit status, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
VAR = Path(os.environ.get("HOTLINE_VAR", ROOT / "var"))

NUMBERS = """
[[numbers]]
dialled = "12345"
direct = "general"

[[queues]]
id = "general"
name_zh = "综合服务"
name_en = "General service"
ring_s = 6
retry_s = 1.0

[[agents]]
id = "1001"
name = "王敏"

[call]
survey = false
read_ticket = false

[agent_rules]
wrap_up_s = 0.0

[recording]
consent_required = false
start = "answer"
"""
"""The smallest hotline: one number, straight to one agent."""


def configuration(folder: Path, sections: Mapping[str, Mapping[str, object]], *, rest: str = NUMBERS) -> Path:
    """Write `folder`/hotline.toml with these sections before `rest`; the data go to `folder`/data.

    Call-backs are made at every hour: a test is run at any time of the day.
    """
    wanted: dict[str, dict[str, object]] = {"hotline": {"data": "data"}, "web": {"port": 0}}
    for name, values in sections.items():
        wanted.setdefault(name, {}).update(values)
    wanted.setdefault("speech", {"transcribe": False})
    text = ""
    for name, values in wanted.items():
        text += f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    if "callback" in wanted:
        text += '[callback.hours]\nmon-sun = ["00:00-24:00"]\n'
    file = folder / "hotline.toml"
    file.write_text(text + rest, encoding="utf-8")
    return file


def children(pid: int) -> set[int]:
    """The living descendants of a process, by /proc."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (place / "stat").read_text().rsplit(")", 1)[1].split()[:2]
                if state not in ("Z", "X"):
                    parents.setdefault(int(parent), []).append(int(place.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), ()):
            found.add(child)
            waiting.append(child)
    return found


def naming(text: str) -> dict[int, str]:
    """The processes (but this one) whose command line names `text`, such as a folder that only they use."""
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and int(place.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if text in words:
                    found[int(place.name)] = words
    return found


class Served:
    """`python -m controller …` as a process; its words are read line by line. Use as ``async with``."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None, var: Path = VAR) -> None:
        self.arguments = arguments
        self.lines: list[str] = []
        self._environment = os.environ | {"HOTLINE_VAR": str(var), "PYTHONPATH": str(ROOT)} | (environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "controller",
            *self.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.process.returncode is None:
                self.process.terminate()
        try:
            await self.ended(30)
        except (TimeoutError, AssertionError):
            self.process.kill()
            await self.process.wait()
            raise

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def text(self) -> str:
        """All that it has said."""
        return "\n".join(self.lines)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())
            self._news.set()
            self._news = asyncio.Event()
        self._news.set()

    async def said(self, words: str, *, within: float = 30.0, after: int = 0) -> str:
        """The first line, from number `after` on, that holds `words`."""
        try:
            async with asyncio.timeout(within):
                while True:
                    news = self._news
                    for line in self.lines[after:]:
                        if words in line:
                            return line
                    if self._reader is not None and self._reader.done():
                        break
                    await news.wait()
        except TimeoutError:
            pass
        raise AssertionError(f"it never said {words!r}; it said:\n{self.text}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, within: float = 30.0) -> int:
        """Wait for its end; the exit status."""
        async with asyncio.timeout(within):
            status = await self.process.wait()
            assert self._reader is not None
            await self._reader
        return status


class Api:
    """The HTTP API of the hotline that serves from a data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    async def get(self, path: str) -> Any:
        return await asyncio.to_thread(self._call, "GET", path, None)

    async def post(self, path: str, body: object = None) -> Any:
        return await asyncio.to_thread(self._call, "POST", path, body or {})

    async def patch(self, path: str, body: object) -> Any:
        return await asyncio.to_thread(self._call, "PATCH", path, body)

    def _call(self, method: str, path: str, body: object) -> Any:
        url = (self.data / "web-address").read_text().strip().rstrip("/") + path
        token = (self.data / "api-token").read_text().strip()
        request = urllib.request.Request(
            url,
            data=body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None,
            method=method,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)

    async def until(self, path: str, holds: Callable[[Any], bool], *, within: float = 15.0) -> Any:
        """What `path` answers once it holds; AssertionError with the last answer otherwise."""
        answer: Any = None
        try:
            async with asyncio.timeout(within):
                while True:
                    with contextlib.suppress(OSError):
                        answer = await self.get(path)
                        if holds(answer):
                            return answer
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{path} within {within:g} s; it was {answer}") from None


def last(lines: Sequence[str]) -> str:
    """The last line that is not empty."""
    return next((line for line in reversed(lines) if line.strip()), "")
