"""DOOR: the process that inspects, one recording after another. `process.py` speaks to it.

A question is a line of JSON on standard input, its answer a line on standard output. It gives way to calls (niceness)
and ends with its input. Rules are told once, before the first question.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from recordings.archive.form import FormError, blocks
from recordings.files import CHANNELS, RATE, RecordingError, duration_of
from recordings.inspection.activity import LegLevels
from recordings.inspection.inspect import CallFacts, Legs, inspect, legs_of
from recordings.inspection.pinyin import reading
from recordings.inspection.rules import Rules, rules_of
from recordings.transcript import Transcript

NICENESS = 10


def read_legs(sound: Path, rules: Rules) -> Legs | None:
    """The speech of both legs of a finished or archived recording; None if it cannot be read."""
    levels = LegLevels(CHANNELS, RATE)
    try:
        if sound.suffix == ".wav":
            duration_of(sound)  # a WAV that was cut would be read as far as it goes
        for block in blocks(sound):
            levels.feed(block)
    except (RecordingError, FormError):
        return None
    return legs_of(levels.levels(), rules)


def answer(question: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """What is found in the recording of a question."""
    words = question["transcript"]
    try:
        transcript = Transcript.from_json(words) if words is not None else None
    except ValueError:
        transcript = None  # of another program: as if there were none
    facts = CallFacts(tuple(map(tuple, question["talks"])), tuple(map(tuple, question["holds"])))
    sound = question["sound"]
    legs = read_legs(Path(sound), rules) if sound is not None else None
    return {"job": question["job"], "found": inspect(legs, facts, transcript, rules, reading()).to_json()}


def main() -> None:
    """Read the rules, then answer until the input ends."""
    with suppress(OSError):
        os.nice(NICENESS)
    rules = rules_of(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), rules)), flush=True)


if __name__ == "__main__":
    main()
