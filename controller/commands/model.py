"""`hotline model fetch|list|check`: speech models, by Vosk's own list where there is internet, or in a folder."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from recordings.model_check import BadModel, ModelFacts, facts, language_fault, measure
from recordings.models import LIST_LANGUAGE, ModelError, fetch_model, model_catalogue
from recordings.recogniser import RecogniserError

PROMPTS = ("welcome", "recording-notice", "emergency-hint", "menu-main", "notice-water", "notice-power", "goodbye")
"""What the model hears while it is measured: the hotline's own voice, as a call has it."""


def main(arguments: argparse.Namespace) -> int:
    """0 when the model is there, or is usable; 1 when not, 2 for a wrong request."""
    try:
        if arguments.action == "list":
            for entry in model_catalogue():
                print(entry)
            return 0
        if arguments.action == "check":
            return _check(arguments)
        if arguments.what not in LIST_LANGUAGE:
            print("which language? `./hotline model fetch zh` or `./hotline model fetch en`", file=sys.stderr)
            return 2
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, transient=True) as bar:
            task = bar.add_task(f"model {arguments.what}", total=None)

            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total or None)

            model = fetch_model(arguments.what, arguments.var / "models", progress=progress)
    except ModelError as error:
        print(f"model: {error}", file=sys.stderr)
        return 1
    print(model.describe())
    return 0


def _check(arguments: argparse.Namespace) -> int:
    if not arguments.what:
        print("which folder? e.g. `./hotline model check var/models/zh`", file=sys.stderr)
        return 2
    try:
        found = facts(Path(arguments.what))
        fault = language_fault(found, arguments.language) if arguments.language else ""
        if fault:
            raise BadModel(fault)
        print(_described(found))
        language = arguments.language or (found.language if found.language in LIST_LANGUAGE else "zh")
        with tempfile.TemporaryDirectory() as folder:
            wav, seconds = spoken(arguments.home / "ivr" / "sounds", language, Path(folder))
            speed = asyncio.run(measure(found, language, wav, seconds))
    except (BadModel, RecogniserError) as error:
        print(f"model: {error}", file=sys.stderr)
        return 1
    print(
        f"loads in {speed.load_s:.1f} s, {speed.memory_mb:.0f} MB; real-time factor {speed.rtf:.2f} "
        f"({speed.cpu_s:.1f} s of one core for {speed.audio_s:.0f} s of our own prompts, {language}): "
        f"{1 / speed.rtf:.1f} talking legs per core"
    )
    if arguments.verbose:
        print(speed.text)
    return 0


def _described(found: ModelFacts) -> str:
    grammar = "a closed grammar can be set" if found.grammar else "no closed grammar"
    words = f"{found.words} words" if found.words is not None else "number of words not told"
    what = "tokens" if found.kind == "whisper" else ""
    return (
        f"{found.path.resolve().name}: {found.kind}, language {found.language or 'not told by its words'}, "
        f"{found.size_bytes / 1e6:.0f} MB, {found.rate_hz} Hz, {grammar}, {words.replace('words', what or 'words')}"
    )


def spoken(sounds: Path, language: str, folder: Path) -> tuple[Path, float]:
    """A finished recording of the hotline's own prompts on the citizen's leg, and how many seconds of it sound."""
    import numpy as np

    from ivr.audio import RATE, alaw_table
    from recordings.files import finish

    codes = b"".join((sounds / language / f"{name}.alaw").read_bytes() for name in PROMPTS)
    leg = alaw_table()[np.frombuffer(codes, np.uint8)]
    legs = np.stack([leg, np.zeros_like(leg)], axis=1)
    raw = folder / "prompts.raw"
    raw.write_bytes(legs.astype("<i2").tobytes())
    wav = finish(raw, folder / "prompts.wav", started_at=datetime.now(UTC)).path
    return wav, len(leg) / RATE
