"""DOOR to a speech model's folder: what it is, what is wrong with it in one sentence, and how fast it is here.

Vosk's models have no file that tells their language, rate or words in one place: the rate stands in `conf/mfcc.conf`,
the words in `graph/words.txt` or in the symbol table inside `Gr.fst` (OpenFst's format), and the language is seen by
the script of the words. Everything blocks, but `measure`.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recordings import files
from recordings.models import FoundModel, is_model, is_whisper
from recordings.recogniser import VOSK, WHISPER
from recordings.transcriber import TranscriptWorker, WorkerLimits
from recordings.vocabulary import BadModel, lines, symbols

__all__ = ["BadModel", "ModelFacts", "ModelSpeed", "facts", "language_fault", "measure", "peak_mb"]

TELEPHONE_HZ = files.RATE
KALDI_HZ = 16_000
"""What Kaldi takes for the rate when `mfcc.conf` does not name one."""
FST_MAGIC = b"\xd6\xfd\xb2\x7e"
LOOKED_AT = 20_000
"""Words by whose script the language is told."""
SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7a3]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("latin", re.compile(r"[A-Za-z\u00c0-\u024f]")),
)
ENGLISH = ("the", "and", "you", "that", "with")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as its files tell it.

    `language`: ISO 639-1, "multilingual", "latin" for a language in that script which is not English, or empty where
    the words do not tell. `rate_hz`: of the speech that it was made from. `grammar`: whether a closed vocabulary can be
    set. `words`: of its vocabulary; None = it is not told.
    """

    path: Path
    kind: str
    language: str
    size_bytes: int
    rate_hz: int
    grammar: bool
    words: int | None


@dataclass(frozen=True, slots=True)
class ModelSpeed:
    """A model on this machine, one recording at a time. `rtf`: seconds of a core for a second of one leg's sound."""

    load_s: float
    memory_mb: float
    audio_s: float
    cpu_s: float
    rtf: float
    text: str


def facts(path: Path) -> ModelFacts:
    """What a folder holds. BadModel if it is not there, is a file, is no model, is truncated or of a wrong rate."""
    if not path.exists():
        raise BadModel(f"{path} does not exist")
    if path.is_file():
        packed = path.suffix in (".zip", ".gz", ".tgz", ".tar")
        more = "unpack it and name the folder" if packed else "a model is a folder"
        raise BadModel(f"{path} is a file; {more}")
    if is_whisper(path):
        return _whisper(path)
    if not is_model(path):
        inner = [one.name for one in path.iterdir() if one.is_dir() and (is_model(one) or is_whisper(one))]
        if inner:
            raise BadModel(f"{path} holds a model in its folder {inner[0]}; name that one")
        raise BadModel(
            f"no model in {path}: Vosk's has am/final.mdl and conf/, Whisper's has model.bin, config.json, "
            "tokenizer.json and vocabulary.json"
        )
    return _vosk(path)


def language_fault(found: ModelFacts, wanted: str) -> str:
    """One sentence if a model is surely not of the language that it is wanted for; empty otherwise."""
    if found.language in ("", "multilingual", wanted):
        return ""
    return (
        f"{found.path} is a model of another language: its words are {_NAMES.get(found.language, found.language)}, "
        f"wanted is {_NAMES.get(wanted, wanted)}"
    )


_NAMES = {
    "zh": "Chinese (zh)",
    "en": "English (en)",
    "ko": "Korean (ko)",
    "ja": "Japanese (ja)",
    "ru": "Cyrillic (ru or another)",
    "ar": "Arabic (ar)",
    "latin": "in Latin script, and not English",
}


# ---------------------------------------------------------------- Vosk


def _vosk(path: Path) -> ModelFacts:
    graph = path / "graph"
    dynamic = (graph / "HCLr.fst").is_file() and (graph / "Gr.fst").is_file()
    static = graph / "HCLG.fst"
    if not dynamic and not static.is_file():
        raise BadModel(f"{path} is incomplete: its graph/ has neither HCLr.fst with Gr.fst nor HCLG.fst")
    for fst in (graph / "HCLr.fst", graph / "Gr.fst") if dynamic else (static,):
        with fst.open("rb") as file:
            if file.read(4) != FST_MAGIC:
                raise BadModel(f"{path} is damaged: graph/{fst.name} is no transducer of OpenFst")
    if not (path / "am" / "final.mdl").stat().st_size:
        raise BadModel(f"{path} is truncated: am/final.mdl is empty")
    rate = _rate(path / "conf" / "mfcc.conf")
    words: Counter[str] | None = None
    language = ""
    if (graph / "words.txt").is_file():
        words = _scripts(line.split(" ", 1)[0] for line in lines(graph / "words.txt"))
    elif dynamic:
        words = _scripts(symbols(graph / "Gr.fst"))
    if words is not None:
        language = _language(words)
    count = None if words is None else words["words"]
    return ModelFacts(path, VOSK, language, _size(path), rate, dynamic, count)


def _rate(conf: Path) -> int:
    """The model's rate; BadModel where telephone speech does not fit it."""
    try:
        text = conf.read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise BadModel(f"{conf.parent.parent} is incomplete: conf/mfcc.conf cannot be read") from None
    named = re.search(r"^--sample-frequency=([0-9.]+)", text, re.MULTILINE)
    rate = round(float(named[1])) if named else KALDI_HZ
    if rate > TELEPHONE_HZ and not re.search(r"^--allow-upsample=true", text, re.MULTILINE):
        raise BadModel(
            f"{conf.parent.parent} is for {rate} Hz and does not take telephone speech of {TELEPHONE_HZ} Hz: add "
            "--allow-upsample=true to its conf/mfcc.conf"
        )
    if rate < TELEPHONE_HZ:
        raise BadModel(f"{conf.parent.parent} is for {rate} Hz; telephone speech has {TELEPHONE_HZ} Hz")
    return rate


def _scripts(words: Iterator[str]) -> Counter[str]:
    """How many of the first words are of each script, how many of `ENGLISH` there are, and the number of words."""
    found: Counter[str] = Counter()
    for word in words:
        if not word or word[0] in "<#!$[" or word.startswith("@"):
            continue  # marks of the toolkit
        found["words"] += 1
        if word.lower() in ENGLISH:
            found["english"] += 1
        if found["words"] <= LOOKED_AT or found["words"] % 16 == 0:
            for language, script in SCRIPTS:
                if script.search(word):
                    found[language] += 1
                    break
    return found


def _language(found: Counter[str]) -> str:
    seen = {language: found[language] for language, _ in SCRIPTS if found[language]}
    if not seen:
        return ""
    best = max(seen, key=lambda one: seen[one])
    if best == "zh" and 20 * found["ja"] > found["zh"]:
        return "ja"
    if best == "latin":
        return "en" if found["english"] == len(ENGLISH) else "latin"
    return best


# ---------------------------------------------------------------- Whisper


def _whisper(path: Path) -> ModelFacts:
    try:
        vocabulary = (path / "vocabulary.json").read_bytes()
        count = len(json.loads(vocabulary))
        tokens = (path / "tokenizer.json").read_text(encoding="utf-8")
        json.loads((path / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise BadModel(f"{path} is damaged: its JSON files cannot be read ({type(error).__name__})") from None
    if (path / "model.bin").stat().st_size < 10_000_000:
        raise BadModel(f"{path} is truncated: model.bin has less than 10 MB, the smallest Whisper has 75")
    language = "multilingual" if "<|zh|>" in tokens else "en"
    return ModelFacts(path, WHISPER, language, _size(path), 16_000, False, count)


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


# ---------------------------------------------------------------- measured


async def measure(found: ModelFacts, language: str, wav: Path, sound_s: float) -> ModelSpeed:
    """Load the model in a worker as for calls, and let it hear a finished recording of which `sound_s` sound.

    Raises RecogniserError: what is truncated or damaged and does not look it ends the worker while it loads.
    """
    model = FoundModel(found.path, found.path.resolve().name, language, "configured", kind=found.kind)
    worker = TranscriptWorker(model, limits=WorkerLimits(niceness=0))
    begun = time.monotonic()
    await worker.start()
    try:
        load_s = time.monotonic() - begun
        pid = worker.pid or 0
        before = _cpu_s(pid)
        heard = await worker.transcribe(wav, call_language=language)
        cpu_s, memory_mb = _cpu_s(pid) - before, peak_mb(pid)
    finally:
        await worker.stop()
    return ModelSpeed(load_s, memory_mb, sound_s, cpu_s, cpu_s / sound_s, heard.to_text())


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """The greatest resident memory of a process so far, in 10^6 bytes (proc(5): VmHWM)."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
