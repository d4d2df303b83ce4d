"""Makes the tone before a voice message: `python asterisk-config/tones/make_beep.py` writes beep.alaw beside this file.

Half a second of 1000 Hz, faded in and out so that it does not click; 8 kHz A-law.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

RATE, HZ, SECONDS, FADE_S, PEAK = 8000, 1000.0, 0.5, 0.02, 0.25


def synthesise() -> list[float]:
    """The tone, as samples of -1 to 1."""
    length = int(SECONDS * RATE)
    fade = FADE_S * RATE
    return [
        PEAK * min(1.0, n / fade, (length - n) / fade) * math.sin(2.0 * math.pi * HZ * n / RATE) for n in range(length)
    ]


def main() -> None:
    """Write beep.alaw beside this file."""
    here = Path(__file__).resolve()
    sys.path.insert(0, str(here.parents[1] / "moh"))
    from make_music import a_law

    here.with_name("beep.alaw").write_bytes(bytes(a_law(sample) for sample in synthesise()))


if __name__ == "__main__":
    main()
