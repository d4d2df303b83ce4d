"""`hotline run`: serve until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from pathlib import Path

from controller.build import Hotline
from controller.commands.check import servable
from controller.config import Settings
from controller.start_errors import StartError

GC_THRESHOLDS = (10_000, 20, 50)
"""New objects before a look for cycles among the youngest, and how many looks before one at the older ones."""

PRIORITY = -5
"""Of our threads once everything runs, as nice(1) counts; a recogniser is 10 more, Asterisk stays at 0."""

SWITCH_S = 0.0005
"""How long a thread may run Python before another gets its turn."""


def main(arguments: argparse.Namespace) -> int:
    """0 after an orderly stop, 2 for a wrong configuration, 1 when it could not start or go on."""
    settings = servable(arguments.config)
    if settings is None:
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return asyncio.run(serve(settings, arguments))


async def serve(settings: Settings, arguments: argparse.Namespace) -> int:
    """Start, say where, wait for the end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, stop.set)
    hotline = Hotline(
        settings, arguments.var, progress, leave_asterisk=arguments.leave_asterisk, standby=arguments.standby
    )
    starting = asyncio.ensure_future(hotline.start())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return 130
        starting.result()
        _tune()
        progress(f"serving; pages at {hotline.url}")
        ended = asyncio.ensure_future(hotline.ended())
        await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            print(f"hotline: {ended.result()}", file=sys.stderr)
            return 1
        ended.cancel()
        progress("stopping")
        return 0
    except StartError as error:
        print(f"hotline: {error}", file=sys.stderr)
        return 1
    finally:
        stopping.cancel()
        await hotline.stop()


def _tune() -> None:
    """Keep the loop's stalls short: what the start has made is never looked at again by the collector of cycles, which
    else stops the loop for tens of milliseconds; the writers' threads hand the interpreter back sooner than the 5 ms
    that Python gives them (`hotline bench controller`); and where the system lets us, our few threads go before the
    hundreds of Asterisk, beside which a fair share is too little on a full machine (`hotline bench queue`, 200 agents).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_S)
    with contextlib.suppress(OSError):  # an ordinary user without LimitNICE; no Linux
        for thread in Path("/proc/self/task").iterdir():  # each has a priority of its own, and they share one lock
            os.setpriority(os.PRIO_PROCESS, int(thread.name), PRIORITY)


def progress(text: str) -> None:
    """Say what is being done; operators watch the start."""
    print(f"hotline: {text}", file=sys.stderr, flush=True)
