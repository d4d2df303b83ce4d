"""[speech.live] of the configuration: words while people talk, and what they may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from controller.config_base import Section
from recordings.budget import Cores
from tickets.classes import ClassTree
from tickets.likely import SAMPLE, load_cues


class LiveSection(Section):
    """[speech.live]: off unless it is given cores. See `controller.live_words.LiveRules`."""

    cores: Annotated[float, Field(ge=0, le=256)] = 0.0  # of the processor; 0 = nobody is heard while he talks
    call_cores: Annotated[float, Field(gt=0, le=4)] = 0.4  # reckoned for one call: one of two legs talks at a time
    longest_behind_s: Annotated[float, Field(ge=0.5, le=30)] = 3.0  # so far behind, the newest call gives way
    rest_s: Annotated[float, Field(ge=0, le=3600)] = 30.0  # after that nobody is begun to be heard for so long
    suggest: bool = True  # entries of the knowledge base, and the likely type, from the words so far
    suggest_every_s: Annotated[float, Field(ge=0.2, le=60)] = 2.0  # at most so often for one call
    suggest_most: Annotated[int, Field(ge=1, le=10)] = 3
    cues: str | None = None  # file of words that point at types and classes; default: `tickets/likely.toml`


def cores_of(live: LiveSection, after: float) -> Cores:
    """The budget: the live share, and beside it `after` cores that transcripts after the call use."""
    return Cores(live.cores + after, live.cores)


def cues_file(live: LiveSection, folder: Path) -> Path:
    """Where the words that point at types and classes stand; `folder`: of the configuration file."""
    return SAMPLE if live.cues is None else folder / live.cues


def live_fault(live: LiveSection, folder: Path, *, transcribe: bool) -> tuple[str, str]:
    """What is wrong with which option; two empty texts where nothing is. Reads the file of `cues`."""
    if live.cues is not None:
        try:
            load_cues(ClassTree(), folder / live.cues)
        except OSError as error:
            return "cues", f"{folder / live.cues} cannot be read: {error.strerror}"
        except ValueError as error:
            return "cues", f"{folder / live.cues} is wrong: {error}"
    if live.cores > 0 and not transcribe:
        return "cores", "needs [speech] transcribe = true: live words are replaced by the transcript after the call"
    if 0 < live.cores < live.call_cores:
        return "cores", f"is less than call_cores ({live.call_cores:g}): there is never room for one call"
    return "", ""
