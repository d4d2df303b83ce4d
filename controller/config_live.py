"""[speech.live] of the configuration: words while people talk, and what they may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.config_base import Section
from recordings.budget import Cores

AFTER_CORES = 1.0
"""What the recogniser of finished recordings uses: one process, one thread."""


class LiveSection(Section):
    """[speech.live]: off unless it is given cores. See `controller.live_words.LiveRules`."""

    cores: Annotated[float, Field(ge=0, le=256)] = 0.0  # of the processor; 0 = nobody is heard while he talks
    call_cores: Annotated[float, Field(gt=0, le=4)] = 0.4  # reckoned for one call: one of two legs talks at a time
    longest_behind_s: Annotated[float, Field(ge=0.5, le=30)] = 3.0  # so far behind, the newest call gives way
    rest_s: Annotated[float, Field(ge=0, le=3600)] = 30.0  # after that nobody is begun to be heard for so long
    suggest: bool = True  # entries of the knowledge base, and the likely type, from the words so far
    suggest_every_s: Annotated[float, Field(ge=0.2, le=60)] = 2.0  # at most so often for one call
    suggest_most: Annotated[int, Field(ge=1, le=10)] = 3


def cores_of(live: LiveSection) -> Cores:
    """The budget: the live share, and beside it what transcripts after the call use."""
    return Cores(live.cores + AFTER_CORES, live.cores)


def live_fault(live: LiveSection, *, transcribe: bool) -> str:
    """Why words could never come while people talk, though cores were given; empty where nothing is wrong."""
    if live.cores <= 0:
        return ""
    if not transcribe:
        return "needs [speech] transcribe = true: live words are replaced by the transcript after the call"
    if live.call_cores > live.cores:
        return f"is less than call_cores ({live.call_cores:g}): there is never room for one call"
    return ""
