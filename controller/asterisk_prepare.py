"""Prepares the private Asterisk in a process of its own.

It takes minutes on a slow line, most of them in apt-get. A thread that waits for it could not be ended: Ctrl-C during
the first start would wait for the download. The process and all that it started form one group, which ends together.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from controller.asterisk_tree import AsteriskBinary, find_asterisk
from controller.debian import PrepareError

HOME = Path(__file__).resolve().parent.parent

CLEAN_UP_S = 10.0
"""How long an interrupted preparation may take to erase what it has half-done."""

PREFIX = "asterisk: "
"""What `hotline asterisk prepare` writes before its sentences: progress to stdout, why it failed to stderr."""


async def prepare(var: Path, progress: Callable[[str], None]) -> AsteriskBinary:
    """What `prepare_asterisk` does; cancelling it ends it, with everything that it started. Raises PrepareError."""
    environment = os.environ | {"HOTLINE_VAR": str(var), "PYTHONUTF8": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HOME), os.environ.get("PYTHONPATH", ""))))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "controller",
        "asterisk",
        "prepare",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    problem = asyncio.ensure_future(process.stderr.read())
    try:
        async for line in process.stdout:
            progress(_sentence(line))
        said = (await problem).splitlines()
        status = await process.wait()
    except BaseException:
        problem.cancel()
        await asyncio.shield(_end(process))
        await asyncio.gather(problem, return_exceptions=True)
        raise
    if status != 0:
        reason = _sentence(said[-1]) if said else f"the preparation of Asterisk ended with status {status}; try again"
        raise PrepareError(reason)
    binary = await asyncio.to_thread(find_asterisk, var)
    if binary is None:
        raise PrepareError(f"the Asterisk below {var} is not complete; remove that folder and try again")
    return binary


def _sentence(line: bytes) -> str:
    return line.decode(errors="replace").strip().removeprefix(PREFIX)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEAN_UP_S):
                await process.wait()
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
