"""Watches live recordings on the disk: a full disk stops no call, so nobody would notice it but here.

Asterisk writes a recording in lumps of 32 KiB (a second) and says nothing when it cannot. A file that stays behind its
call is named in the log, once when it stops and once when it goes on; how many do so now, and how much space is left,
stand in `/metrics`, and `/healthz` says that recording is not well. What is missing in the end is the check's finding
(`recordings.checks`); from when to when nothing was written stands beside it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from metrics.recordings import RecordingMetrics
from pbx.ids import CallId

log = logging.getLogger(__name__)

EVERY_S = 5.0
BEHIND_S = 6.0
"""So much may a file be behind its call: lumps of a second, and citizens whose phones send nothing for a moment."""
FRAME_BYTES_S = 32_000
"""Two legs of 16 bit at 8 kHz."""
LOW_BYTES = 256 * 1024 * 1024
"""About two hours of one recording; below that somebody should look."""

Live = Mapping[CallId, tuple[str, float]]
"""The raw file's name and the instant from which it is recorded, by call."""


GAPS_KEPT = 1000
"""Calls whose gaps are kept until they are asked for."""


@dataclass(slots=True)
class _Gap:
    began_at: float
    size: int  #: bytes that lay there
    ended_at: float = math.inf


class RecordingWatch:
    """One for the whole hotline."""

    def __init__(
        self, spool: Path, live: Callable[[], Live], metrics: RecordingMetrics, clock: Callable[[], float]
    ) -> None:
        self._spool, self._live, self._metrics, self._clock = spool, live, metrics, clock
        self._behind: dict[CallId, float] = {}  #: by how much each was, when it was looked at last
        self._stopped: set[CallId] = set()
        self._low = False
        self._gaps: OrderedDict[CallId, list[_Gap]] = OrderedDict()

    def gaps(self, call: CallId) -> tuple[tuple[float, float], ...]:
        """From when to when nothing was written of a call's recording, in epoch seconds, to about a second; one that
        has not ended goes on for ever. Told once, when the call is over.
        """
        return tuple((one.began_at, one.ended_at) for one in self._gaps.pop(call, []))

    @property
    def healthy(self) -> bool:
        """Whether every live recording grows, and there is space."""
        return not self._low and not self._stopped

    async def run(self, every_s: float = EVERY_S) -> None:
        """Look, again and again."""
        while True:
            live = dict(self._live())
            seen = await asyncio.to_thread(self._look, live)
            if seen is not None:
                self.judge(live, *seen)
            await asyncio.sleep(every_s)

    def _look(self, live: Live) -> tuple[int, dict[CallId, int]] | None:
        """Free bytes and each file's size; None where the spool is not on this machine."""
        try:
            disk = os.statvfs(self._spool)
        except OSError:
            return None
        sizes = {}
        for call, (name, _) in live.items():
            try:
                sizes[call] = (self._spool / name).stat().st_size
            except OSError:
                sizes[call] = 0
        return disk.f_bavail * disk.f_frsize, sizes

    def judge(self, live: Live, free: int, sizes: Mapping[CallId, int]) -> None:
        """Compare what lies there with how long each has been recorded; tell what is new."""
        now = self._clock()
        low, self._low = self._low, free < LOW_BYTES
        self._metrics.free(free)
        if self._low and not low:
            log.error("space for recordings runs out: %d bytes left", free, extra={"action": "recording.disk_low"})
        behind = {call: now - since - sizes.get(call, 0) / FRAME_BYTES_S for call, (_, since) in live.items()}
        for call, seconds in behind.items():
            stopped = seconds > BEHIND_S and seconds > self._behind.get(call, 0.0)
            if stopped and call not in self._stopped:
                self._stopped.add(call)
                self._gap_begins(call, now - seconds, sizes.get(call, 0))
                words = "call %s: its recording stands still, %.0f s behind; %d bytes are free"
                log.error(words, call, seconds, free, extra={"action": "recording.stopped"})
            elif not stopped and call in self._stopped and seconds <= self._behind.get(call, 0.0):
                self._stopped.discard(call)
                gap = self._gaps.get(call, [_Gap(now, 0)])[-1]
                gap.ended_at = max(gap.began_at, now - (sizes.get(call, 0) - gap.size) / FRAME_BYTES_S)
                words = "call %s: its recording goes on, %.0f s of it are missing"
                log.warning(words, call, seconds, extra={"action": "recording.goes_on"})
        self._stopped &= set(behind)
        self._behind = behind
        self._metrics.stopped(len(self._stopped))

    def _gap_begins(self, call: CallId, heard_until: float, size: int) -> None:
        """`heard_until`: the instant to which it is written, were there no earlier gap."""
        known = self._gaps.setdefault(call, [])
        known.append(_Gap(heard_until + sum(one.ended_at - one.began_at for one in known), size))
        if len(self._gaps) > GAPS_KEPT:
            self._gaps.popitem(last=False)
