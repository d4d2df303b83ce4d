"""Work on a file from outside in a process of its own: bounded in time and memory, no load on the loop."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

CPU_S = 60
"""A file that keeps a processor busy for longer is given up."""

MEMORY_BYTES = 2 * 1024**3
"""The process's address space: a workbook that unpacks to more ends the process, not the hotline."""


class GaveUp(Exception):
    """The work took too much time or memory, or its process died."""


def _calm() -> None:
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


async def apart(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of `work` done in another process, whatever it raises, or `GaveUp`. Everything must be picklable."""
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_calm)
    try:
        return await asyncio.wrap_future(pool.submit(work, *args, **kwargs))
    except (BrokenProcessPool, MemoryError):
        raise GaveUp from None
    finally:
        await asyncio.shield(asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True))
