"""A recogniser for tests, behind the same protocol and in the same worker process: hears numbers, not speech.

It is chosen by configuration: ``recogniser = "tests.fakes.recogniser:NumberRecogniser"``. Every stretch of one constant
sample value is a "word": its value. `DIE` ends the process there, `HANG` never ends, `REFUSE` is an error.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recordings.recogniser import Hearing, RecogniserError, RecogniserSpec
from recordings.transcript import Word

KIND = "tests.fakes.recogniser:NumberRecogniser"
DIE, HANG, REFUSE, NONSENSE = 30001, 30002, 30003, 30004
BROKEN = "broken"
"""A file of this name in the model's folder: it cannot be loaded."""


class NumberRecogniser:
    """See the module."""

    def __init__(self, spec: RecogniserSpec) -> None:
        self.name, self.language = spec.name, spec.language
        if Path(spec.path, BROKEN).exists():
            raise RecogniserError(f"{spec.name} is broken")

    def hear(self, pcm: Iterable[bytes], rate: int) -> Hearing:
        words: list[Word] = []
        at, left_out = 0, 0.0
        for chunk in pcm:
            samples = np.frombuffer(chunk, "<i2")
            for value in dict.fromkeys(int(one) for one in samples[:: rate // 100] if abs(int(one)) > 100):
                match value:
                    case 30001:
                        os._exit(1)
                    case 30002:
                        time.sleep(3600)
                    case 30003:
                        raise RecogniserError("this cannot be heard")
                    case 30004:
                        left_out += len(samples) / rate
                        continue
                start, end = at / rate, (at + len(samples)) / rate
                if words and words[-1].text == str(value) and words[-1].end >= start - 0.001:
                    words[-1] = Word(words[-1].start, end, str(value), 1.0)
                else:
                    words.append(Word(start, end, str(value), 1.0))
            at += len(samples)
        return Hearing(words, left_out)
