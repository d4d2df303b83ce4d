"""``hotline bench spoken``: choices that are said. What is heard rightly and wrongly, how soon; does a key notice it?

* The model that is given (``--model FOLDER``, else the one of `hotline model fetch zh`, else the package's Korean one)
  hears a closed list through the code that serves calls (`recordings.live_recogniser`): each of its words by espeak-ng
  at three speeds and three pitches through A-law; then what is none of them, the hotline's own prompts in two languages
  and noise. Synthetic voices: it says that the machinery works and what it lets through, not how people fare.
* Two hotlines side by side: one is asked by keys alone (A), one listens (B). From a key to the next prompt, A-B-A-B
  (`benchmarks.prompt`).
* In B: from the end of a word to the first packet of the question whether it was heard rightly.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from rich.console import Console

from benchmarks.live import CONFIGURATION, MENU, begins, facts, load, opening, spread, stage
from benchmarks.prompt import Measured, measure
from benchmarks.report import Report
from benchmarks.speech import the_model
from controller.debian import PrepareError
from controller.demo.stage import Stage, StageError
from controller.softphone import CallFailed, RegistrationFailed
from ivr.audio import RATE, alaw_table
from ivr.spoken import chosen
from recordings.closed import ClosedList
from recordings.live_recogniser import StreamingVosk, _Leg
from recordings.model_check import BadModel
from recordings.model_check import facts as model_facts
from recordings.recogniser import RecogniserError, RecogniserSpec

HOME = Path(__file__).resolve().parents[1]
CHOICES = {
    "ko": ("민원", "허가", "네", "아니요"),
    "zh": ("综合服务", "查询工单", "英语", "人工服务", "对", "不对"),
    "en": ("general service", "my ticket", "agent", "yes", "no"),
}
VOICES = {"ko": "ko", "zh": "cmn-latn-pinyin", "en": "en-us"}
SPEEDS, PITCHES = (120, 140, 160), (35, 50, 65)
THRESHOLDS = (0.0, 0.6, 0.9, 0.98)
FILLERS = (0, 100)
ROUNDS, KEYS, WORDS = 3, 24, 20
HEARD_S = 5.0
READY_S = 180.0


def said(text: str, language: str, speed: int = 140, pitch: int = 50) -> np.ndarray[Any, np.dtype[np.int16]]:
    """A word by espeak-ng at 8 kHz, as a telephone hears it. OSError without espeak-ng."""
    import soundfile

    command = ["espeak-ng", "-v", VOICES[language], "-s", str(speed), "-p", str(pitch), "--stdout", "--", text]
    data = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 - our own words
    pcm, rate = soundfile.read(BytesIO(data), dtype="float64")
    count = len(pcm) * RATE // rate
    narrow = np.fft.irfft(np.fft.rfft(pcm)[: count // 2 + 1], count) * (count / len(pcm))
    narrow = narrow * (8000 / max(1.0, float(np.abs(narrow).max() * 32768))) * 32768
    table = alaw_table()
    order = np.argsort(table)
    codes = order[np.clip(np.searchsorted(table[order], narrow.astype(np.int16)), 0, 255)]
    heard: np.ndarray[Any, np.dtype[np.int16]] = table[codes]
    return heard


def heard(vosk: StreamingVosk, closed: ClosedList, pcm: np.ndarray[Any, Any]) -> Iterator[tuple[float, str, float]]:
    """The choices that would be taken of this sound: when after its beginning, which, how sure."""
    leg = _Leg(1, vosk, RATE, closed)
    sound = np.concatenate([np.zeros(RATE // 2, np.int16), pcm, np.zeros(2 * RATE, np.int16)]).astype("<i2").tobytes()
    phrases = tuple((phrase, phrase) for phrase in closed.phrases)
    for begin in range(0, len(sound), 800):
        for news in leg.take(sound[begin : begin + 800]):
            words = news.get("final")
            found = chosen([(w[2], w[3]) for w in words], phrases) if isinstance(words, list) else None
            if found is not None:
                yield (begin + 800) / 2 / RATE - 0.5, found.key, found.conf


def _others(count: int) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """What is no choice: every `count`-th prompt in both languages, and noise."""
    table = alaw_table()
    for language in ("zh", "en"):
        for file in sorted((HOME / "ivr/sounds" / language).glob("*.alaw"))[::count]:
            yield language, table[np.frombuffer(file.read_bytes(), np.uint8)]
    draw = np.random.default_rng(2026)
    for level in (100, 1000, 4000):
        for _ in range(5):
            yield "noise", draw.normal(0, level, 5 * RATE).clip(-32768, 32767).astype(np.int16)


def recognition(model: Path, language: str) -> dict[str, Any]:
    """What the model hears of right and wrong words."""
    vosk = StreamingVosk(RecogniserSpec(str(model), model.name, language))
    vosk.prepare_closed(model)
    found: dict[str, Any] = {"model": model.resolve().parent.name + "/" + model.resolve().name, "language": language}
    ways = [(speed, pitch) for speed in SPEEDS for pitch in PITCHES]
    right = [(word, said(word, language, *way)) for word in CHOICES[language] for way in ways]
    others = list(_others(3))
    for fillers in FILLERS:
        closed = ClosedList(CHOICES[language], fillers=fillers)
        cpu, sound = time.process_time(), 0.0
        first: list[tuple[str, str, float]] = []
        after: list[float] = []
        for word, pcm in right:
            sound += len(pcm) / RATE + 2.5
            taken = next(heard(vosk, closed, pcm), (0.0, "", -1.0))
            first.append((word, taken[1], taken[2]))
            if taken[1] == word:
                after.append(taken[0] - int(np.flatnonzero(np.abs(pcm) > 300)[-1]) / RATE)
        false: dict[str, list[float]] = {}
        for kind, pcm in others:
            sound += len(pcm) / RATE + 2.5
            false.setdefault(kind, []).append(max((conf for _, _, conf in heard(vosk, closed, pcm)), default=-1.0))
        found[f"fillers {fillers}"] = {
            "words": len(right),
            "right": {f"{at:g}": sum(word == key and conf >= at for word, key, conf in first) for at in THRESHOLDS},
            "another": {f"{at:g}": sum(key not in ("", word) and conf >= at for word, key, conf in first)
                        for at in THRESHOLDS},
            "none_of_them": {kind: {"of": len(confs)} | {f"{at:g}": sum(conf >= at for conf in confs)
                             for at in THRESHOLDS} for kind, confs in false.items()},
            "word_end_to_choice_s": spread(after),
            "real_time_factor": (time.process_time() - cpu) / sound,
        }  # fmt: skip
    return found


# ---------------------------------------------------------------- calls


def configured(folder: Path, model: Path, language: str, cores: float) -> Path:
    """The benchmarks' hotline with a menu whose words this model knows."""
    (folder / "menus").mkdir(exist_ok=True)
    menu = (HOME / "ivr/menus/main.toml").read_text("utf-8")
    for key, word in zip("12390", CHOICES[language], strict=False):
        menu = re.sub(rf"(?m)^{key} = {{ words = \[[^]]*\]", f'{key} = {{ words = ["{word}"]', menu)
    (folder / "menus/main.toml").write_text(menu, "utf-8")
    (folder / "menus/direct.toml").write_text((HOME / "ivr/menus/direct.toml").read_text("utf-8"), "utf-8")
    text = re.sub(r"^\[speech\][^\[]*", "", CONFIGURATION.read_text("utf-8"), flags=re.MULTILINE)
    text = text.replace("[hotline]\n", f'[hotline]\nmenus = "{folder / "menus"}"\n', 1)
    yes_no = json.dumps(list(CHOICES[language][-2:-1])), json.dumps(list(CHOICES[language][-1:]))
    file = folder / f"spoken-{cores:g}.toml"
    file.write_text(
        f'{text}\n[speech]\ntranscribe = false\n[[speech.models]]\nlanguage = "zh"\npath = "{model.resolve()}"\n'
        f"[speech.menus]\ncores = {cores:.1f}\n"
        f"yes = {{ zh = {yes_no[0]} }}\nno = {{ zh = {yes_no[1]} }}\n",
        "utf-8",
    )
    return file


async def listens(made: Stage) -> None:
    """Returns when the recogniser has its model loaded."""
    async with asyncio.timeout(READY_S), aiohttp.ClientSession() as session:
        while True:
            async with session.get(made.url + "metrics") as answer:
                if "hotline_spoken_recognisers_ready 1.0" in await answer.text():
                    return
            await asyncio.sleep(0.2)  # nobody is told


async def words(made: Stage, word: str, language: str, count: int) -> tuple[list[float], int]:
    """Seconds from the end of a word to the first packet of the question about it; how many were not heard."""
    pcm, table = said(word, language), alaw_table()
    order = np.argsort(table)
    sound = order[np.clip(np.searchsorted(table[order], pcm), 0, 255)].astype(np.uint8).tobytes()
    ends = int(np.flatnonzero(np.abs(pcm) > 300)[-1]) / RATE
    sounds = HOME / "ivr/sounds/zh"
    first, asked = (opening((sounds / f"{name}.alaw").read_bytes()) for name in ("welcome", "spoken-heard"))
    found: list[float] = []
    lost = 0
    for number in range(count):
        phone = await made.citizen(f"1370000{number:04d}")
        call = await phone.call(MENU)
        try:
            await call.answered(timeout=10)
            async with asyncio.timeout(10):
                while begins(call.heard.packets, 0, first) is None:
                    await call.hear_sound(timeout=10, level=-100.0)
            await asyncio.sleep(0.5 + 0.013 * number)  # a person listens first; at another moment each time
            before = len(call.heard.packets)
            call.play(sound)
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(HEARD_S):
                while (packet := begins(call.heard.packets, before, asked)) is None:
                    await call.hear_sound(timeout=HEARD_S, level=-100.0)
            found.append(packet.arrival - began - ends)
        except (CallFailed, TimeoutError):
            lost += 1
        finally:
            with contextlib.suppress(CallFailed):
                await call.hangup()
            made.citizens.remove(phone)
            await phone.stop()
    return found, lost


async def _calls(folder: Path, model: Path, language: str, console: Console) -> dict[str, Any]:
    keys: dict[str, list[list[float]]] = {"A": [], "B": []}
    lost = 0
    files = {"A": configured(folder, model, language, 0.0), "B": configured(folder, model, language, 0.5)}
    async with (
        stage("spoken-off", console, configuration=files["A"]) as off,
        stage("spoken-on", console, configuration=files["B"]) as on,
    ):
        details: dict[str, Any] = facts(on)
        await listens(on)
        took, unheard = await words(on, CHOICES[language][0], language, WORDS)
        for _ in range(ROUNDS):
            for side, made in (("A", off), ("B", on)):
                found: Measured = await measure(made, KEYS, console)
                lost += found.not_heard + found.failed_calls
                keys[side].append([*found.keys["rtp"], *found.keys["info"]])
    return details | {
        "load_after": load(),
        "keys": {side: [spread(block) for block in blocks] for side, blocks in keys.items()},
        "key_s": {side: spread([one for block in blocks for one in block]) for side, blocks in keys.items()},
        "lost_keys": lost,
        "word_end_to_prompt_s": spread(took),
        "words": {"said": WORDS, "not_heard": unheard},
    }


def run(json_path: Path | None = None, *, model: Path | None = None, quick: bool = False) -> int:
    """Measure, print the table, write the file; `quick`: without calls."""
    console, report = Console(), Report("spoken")
    try:
        path = the_model(model)
        language = model_facts(path).language
        if language not in CHOICES:
            raise BadModel(f"{path} is of a language for which there are no words here: {language or 'not told'}")
        with console.status("listening"):
            report.details = {"recognition": recognition(path, language)}
        if not quick:
            with tempfile.TemporaryDirectory() as name:
                report.details |= asyncio.run(_calls(Path(name), path, language, console))
    except (BadModel, RecogniserError, StageError, PrepareError, RegistrationFailed, TimeoutError, OSError) as error:
        console.print(f"[red]The benchmark could not start:[/red] {error}")
        return 2
    default = report.details["recognition"][f"fillers {FILLERS[-1]}"]
    none = default["none_of_them"].values()
    report.figure("spoken.right", default["right"]["0.9"] / default["words"])
    report.figure("spoken.false_accepts", sum(one["0.9"] for one in none) / sum(one["of"] for one in none))
    report.figure("spoken.real_time_factor", default["real_time_factor"])
    if not quick:
        for rank in ("p50", "p95"):
            report.figure(f"spoken.word_to_prompt.{rank}", report.details["word_end_to_prompt_s"].get(rank, HEARD_S))
            a, b = (report.details["key_s"][side][rank] for side in "AB")
            report.figure(f"spoken.added_key_latency.{rank}", b - a)
    status = report.finish(json_path)
    console.print_json(json.dumps(report.details, ensure_ascii=False))
    return status
