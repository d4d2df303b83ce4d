"""``python -m benchmarks.probed FILE run …``: the controller as it is, with a fine probe of its event loop's stalls.

The probe sleeps `INTERVAL_S` and writes how much later it was woken, with the instant, to FILE: two little-endian
doubles for each sample, seconds of the machine's monotonic clock and seconds late. It costs about one per cent of a
core; the benchmark takes that off with the idle cost.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from pathlib import Path

import controller.build
from controller.__main__ import main
from metrics.prometheus import HotlineMetrics, watch_loop

INTERVAL_S = 0.005
SAMPLE = struct.Struct("<dd")


async def probe(file: Path) -> None:
    """Measure until cancelled; what was measured is written once a second and at the end."""
    loop = asyncio.get_running_loop()
    with file.open("ab") as out:
        while True:
            found = bytearray()
            until = loop.time() + 1.0
            try:
                while (now := loop.time()) < until:
                    await asyncio.sleep(INTERVAL_S)
                    found += SAMPLE.pack(time.monotonic(), max(0.0, loop.time() - now - INTERVAL_S))
            finally:
                out.write(found)
                out.flush()


def read(file: Path, since: float, until: float) -> list[float]:
    """The samples taken between two instants of ``time.monotonic``, seconds late each."""
    return [late for at, late in SAMPLE.iter_unpack(_whole(file.read_bytes())) if since <= at < until]


def _whole(data: bytes) -> bytes:
    return data[: len(data) - len(data) % SAMPLE.size]


def install(file: Path) -> None:
    """Have the composition root start the probe beside its own measurement of the loop."""

    async def both(metrics: HotlineMetrics, interval_s: float = 0.5) -> None:
        await asyncio.gather(watch_loop(metrics, interval_s), probe(file))

    vars(controller.build)["watch_loop"] = both


if __name__ == "__main__":
    install(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
