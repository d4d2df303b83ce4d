"""Builds the demo's speech from manifest.json: `python controller/demo/audio/build.py [--only FILE ...]`.

For developers; the finished sounds are committed and the product needs none of this. Korean words need the program
espeak-ng, Mandarin and English the packages of requirements-voice.in (ivr/kokoro.py says what is missing).
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

from ivr.audio import RATE, Samples, alaw_encode, resample, set_level, trim
from ivr.kokoro import RATE as KOKORO_RATE
from ivr.kokoro import Kokoro
from ivr.manifest import Spoken

HERE = Path(__file__).resolve().parent
ACTIVE_DBFS, PEAK_DBFS = -21.0, -3.0
LEAD_MS, TAIL_MS = 60, 120


def espeak(entry: dict[str, Any]) -> Samples:
    """One entry spoken by espeak-ng, at 8 kHz."""
    command = ["espeak-ng", "-v", entry["voice"], "-s", str(entry["speed"]), "-p", str(entry["pitch"])]
    spoken = subprocess.run([*command, "--stdout", entry["text"]], check=True, capture_output=True).stdout
    # espeak-ng writes to a pipe, so the lengths in its header are not the real ones: read what is there.
    with wave.open(io.BytesIO(spoken)) as header:
        rate = header.getframerate()
    samples = (np.frombuffer(spoken[44 : len(spoken) // 2 * 2], "<i2") / 32768).astype(np.float32)
    return resample(samples, rate, RATE)


def kokoro(voice: Kokoro, entry: dict[str, Any]) -> Samples:
    """One entry spoken by Kokoro, at 8 kHz."""
    text = entry["text"]
    said = voice.speak(Spoken(text, text, entry["language"], entry["voice"], entry["speed"]))
    return resample(said, KOKORO_RATE, RATE)


def main() -> int:
    """Build all entries, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=None, metavar="FILE", help="entries by file name")
    parser.add_argument("--voices", type=Path, default=Path("var/voices"), help="where Kokoro's voices are kept")
    options = parser.parse_args()
    manifest = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    voice: Kokoro | None = None
    for entry in manifest["utterances"]:
        if options.only is not None and entry["file"] not in options.only:
            continue
        if entry["engine"] == "espeak-ng":
            samples = espeak(entry)
        else:
            voice = voice or Kokoro(options.voices)
            samples = kokoro(voice, entry)
        samples = trim(set_level(samples, ACTIVE_DBFS, PEAK_DBFS), LEAD_MS, TAIL_MS)
        target = HERE / entry["file"]
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(alaw_encode(samples))
        print(f"{entry['file']:32} {len(samples) / RATE:5.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
