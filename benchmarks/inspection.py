"""``hotline bench inspection``: what quality inspection costs, and how well it finds what is there.

Who spoke when: legs made of this project's own prompts with pauses, at two levels, with noise of three strengths; the
truth is which frames the prompt without noise fills. Beside ours stands webrtcvad (`webrtcvad-wheels`), where it is
installed. Words by sound: the labelled lines of `benchmarks/inspection_set/words.toml`, as written, by their sound, and
by their sound with tones for short words. All of it is about this audio and these lines and nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import resource
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.inspection_year import ASKED, timed
from benchmarks.knowledge import postgresql
from benchmarks.report import Report
from controller.config_plan import HOME
from ivr.audio import alaw_decode
from recordings.inspection.activity import FRAME_S, LegLevels, speech_of
from recordings.inspection.inspect import CallFacts, inspect, legs_of
from recordings.inspection.pinyin import reading
from recordings.inspection.rules import ListKind, Rules, WordList
from recordings.inspection.standard import standard_rules
from recordings.inspection.thresholds import ActivityRule, Span, WordRule
from recordings.inspection.words import Finder, Reading, lines_of
from recordings.transcript import Transcript, Turn

RATE = 8000
SET = Path(__file__).with_name("inspection_set") / "words.toml"
LEVELS_DBFS = (-22.0, -34.0)
SNR_DB = (40.0, 20.0, 10.0)
HOURS = 4

Pcm = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rates:
    """What was found of what is there."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Of what was found, the part that is there."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Of what is there, the part that was found."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


# ---------------------------------------------------------------- who spoke when


def made_leg(prompts: Sequence[Pcm], level: float, snr: float, seed: int) -> tuple[Pcm, Mask]:
    """Speech with pauses of 0.3 to 4 s and white noise; and which frames of 20 ms hold speech."""
    dice = np.random.default_rng(seed)
    parts = []
    for index in dice.permutation(len(prompts)):
        parts += [prompts[index].astype(np.float32), np.zeros(round(dice.uniform(0.3, 4.0) * RATE), np.float32)]
    clean = np.concatenate(parts)
    clean = clean[: len(clean) // 160 * 160]
    frames = np.sqrt(np.mean(np.square(clean.reshape(-1, 160)), axis=1))
    loud = frames > 10 ** ((-45 + 90.3) / 20)  # what nobody doubts: the prompts are at about -20 dBFS
    truth = np.zeros(len(loud), bool)
    for begin, end in _closed(loud):
        truth[begin:end] = True
    voiced = np.sqrt(np.mean(np.square(frames[loud])))
    gain = 32768 * 10 ** (level / 20) / voiced
    noise = dice.normal(0, voiced * 10 ** (-snr / 20), len(clean))
    return ((clean + noise) * gain).clip(-32768, 32767).astype(np.int16), truth


def _closed(loud: Mask, gap: int = 12) -> list[tuple[int, int]]:
    """Runs of speech with the short gaps within words closed (0.24 s)."""
    found: list[tuple[int, int]] = []
    for at in np.flatnonzero(loud).tolist():
        if found and at - found[-1][1] <= gap:
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return found


def ours(leg: Pcm) -> Mask:
    """Our rule's answer, frame by frame."""
    levels = LegLevels(1, RATE)
    levels.feed(leg[:, None])
    return _mask(speech_of(levels.levels()[:, 0], ActivityRule()), len(leg) // 160)


def _mask(spans: Sequence[Span], frames: int) -> Mask:
    mask = np.zeros(frames, bool)
    for begin, end in spans:
        mask[round(begin / FRAME_S) : round(end / FRAME_S)] = True
    return mask


def webrtc() -> Callable[[Pcm], Mask] | None:
    """The same question to webrtcvad (aggressiveness 2), its gaps closed as ours are; None where it is not there."""
    if importlib.util.find_spec("webrtcvad") is None:
        return None
    module: Any = importlib.import_module("webrtcvad")

    def answer(leg: Pcm) -> Mask:
        vad = module.Vad(2)
        raw = np.array([vad.is_speech(leg[at : at + 160].tobytes(), RATE) for at in range(0, len(leg) - 159, 160)])
        mask = np.zeros(len(raw), bool)
        for begin, end in _closed(raw):
            mask[begin:end] = True
        return mask

    return answer


def _agreement(detect: Callable[[Pcm], Mask], legs: Sequence[tuple[Pcm, Mask]]) -> tuple[float, float]:
    """Mean agreement over the legs, frame by frame, and how many times faster than the talk."""
    began = time.process_time()
    same = [float(np.mean(detect(leg)[: len(truth)] == truth)) for leg, truth in legs]
    took = time.process_time() - began
    return float(np.mean(same)), sum(len(leg) for leg, _ in legs) / RATE / took


# ---------------------------------------------------------------- words


def words_found(read: Reading | None, rule: WordRule) -> Rates:
    """The labelled lines searched for the labelled words."""
    table = tomllib.loads(SET.read_text("utf-8"))
    wanted = WordList("set", ListKind.NOTE, "集", "set", tuple(table["words"]), by_sound=read is not None)
    right = wrong = missed = 0
    finder = Finder(rule, read)
    for line in table["line"]:
        turn = Turn("citizen", 0.0, 5.0, line["heard"])
        lines = lines_of(Transcript((turn,), "zh", "set", None, 5.0), read)
        found = {word for one in wanted.words for word in [one] if _hit(finder, lines, replace(wanted, words=(one,)))}
        said = set(line.get("said", ()))
        right, wrong, missed = right + len(found & said), wrong + len(found - said), missed + len(said - found)
    return Rates(right, wrong, missed)


def _hit(finder: Finder, lines: Sequence[Any], wanted: WordList) -> bool:
    return bool(finder.hits(lines, wanted, None))


# ---------------------------------------------------------------- a whole call


def long_call(prompts: Sequence[Pcm], hours: float) -> tuple[Callable[[], LegLevels], float]:
    """A call of so many hours, both legs; made block by block, so that the maker needs no memory for it."""
    leg, _ = made_leg(prompts, -24, 30, 3)
    block = np.stack([leg, np.roll(leg, len(leg) // 2)], axis=1)
    times = int(hours * 3600 * RATE / len(block)) + 1

    def read() -> LegLevels:
        levels = LegLevels(2, RATE)
        for _ in range(times):
            for at in range(0, len(block), RATE * 10):
                levels.feed(block[at : at + RATE * 10])
        return levels

    return read, times * len(block) / RATE


def run(json_file: Path | None = None, *, quick: bool = False) -> int:
    """Measure and print; 0."""
    report = Report("inspection")
    console = Console()
    files = sorted((HOME / "ivr" / "sounds" / "zh").glob("*.alaw"), key=lambda file: -file.stat().st_size)
    prompts = [(alaw_decode(file.read_bytes()) * 32768).astype(np.int16) for file in files[: 10 if quick else 40]]
    table = Table("speech / noise", "ours", "webrtcvad", title="agreement with the truth, frames of 20 ms")
    other = webrtc()
    every, made = [], []
    for seed, (level, snr) in enumerate(itertools.product(LEVELS_DBFS, SNR_DB)):
        legs = [made_leg(prompts, level, snr, 10 * seed + one) for one in range(1 if quick else 3)]
        every += legs
        mine, _ = _agreement(ours, legs)
        theirs = f"{_agreement(other, legs)[0]:.3f}" if other is not None else "not installed"
        table.add_row(f"{level:.0f} dBFS, {snr:.0f} dB above", f"{mine:.3f}", theirs)
        made.append(mine)
    console.print(table)
    agreement, speed = _agreement(ours, every)
    peer = _agreement(other, every) if other is not None else None
    report.figure("inspection.activity.agreement", agreement, peer=peer[0] if peer else None)
    report.figure("inspection.activity.times_real_time", speed, peer=peer[1] if peer else None)
    report.details["activity"] = {"frames": sum(len(truth) for _, truth in every), "legs": len(every)}

    ways = Table("way", "precision", "recall", "right", "wrong", "missed", title="words of the labelled lines")
    read = reading()
    found = {"as written": words_found(None, WordRule())}
    if read is not None:
        found["by sound, no tones"] = words_found(read, WordRule(tone_up_to=0))
        found["by sound, tones of short words"] = words_found(read, WordRule())
        found["by sound, tones of all"] = words_found(read, WordRule(tone_up_to=99))
        report.figure("inspection.words_by_sound.precision", found["by sound, tones of short words"].precision)
        report.figure("inspection.words_by_sound.recall", found["by sound, tones of short words"].recall)
    for name, rates in found.items():
        ways.add_row(name, f"{rates.precision:.3f}", f"{rates.recall:.3f}", *map(str, _counts(rates)))
    console.print(ways)
    report.details["words"] = {name: _counts(rates) for name, rates in found.items()}
    report.figure("inspection.words_as_written.recall", found["as written"].recall)

    rules: Rules = standard_rules()
    make, seconds = long_call(prompts, 0.25 if quick else HOURS)
    began = time.process_time()
    spoken = legs_of(make().levels(), rules)
    inspect(spoken, CallFacts(((0.0, seconds),)), None, rules, read)
    report.figure("inspection.cpu_per_hour", (time.process_time() - began) / seconds * 3600)
    year = {"sqlite": _year(None, quick)}
    if not quick:
        with postgresql() as url:
            if url is not None:
                year["postgresql"] = _year(url, quick)
        for where, took in year.items():
            report.figure(f"inspection.year_results.{where}", max(took[name] for name in ASKED))
    report.details["year"] = year
    for where, took in year.items():
        console.print(where, {name: f"{seconds * 1000:.0f} ms" for name, seconds in took.items()})
    report.details["memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return report.finish(json_file)


def _year(url: str | None, quick: bool) -> dict[str, float]:
    """The results of a year; on SQLite where there is no `url`."""
    days = 60 if quick else 365
    with tempfile.TemporaryDirectory() as folder:
        return timed(url or f"sqlite:///{folder}/year.db", days, print)


def _counts(rates: Rates) -> list[int]:
    return [rates.right, rates.wrong, rates.missed]
