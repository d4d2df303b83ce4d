"""`hotline prompts build|check`: the spoken prompts, built ahead from their texts, and whether they are fresh."""

from __future__ import annotations

import argparse
import sys

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ivr.manifest import Manifest
from ivr.voice import Built, VoiceError, build, check, read_manifest


def main(arguments: argparse.Namespace) -> int:
    """0 when every prompt has a fresh sound in both languages."""
    try:
        manifest = read_manifest()
        if arguments.action == "build":
            return _build(arguments, manifest)
        complaints = check(manifest)
    except VoiceError as error:
        print(f"prompts: {error}", file=sys.stderr)
        return 1
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print("Every prompt is fresh." if not complaints else "Build them with `./hotline prompts build`.")
    return 1 if complaints else 0


def _build(arguments: argparse.Namespace, manifest: Manifest) -> int:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    warnings: list[str] = []
    with Progress(*columns) as bar:
        task = bar.add_task("prompts", total=None)

        def progress(done: int, total: int, built: Built) -> None:
            bar.update(task, completed=done, total=total, description=built.name)
            if built.warning:
                warnings.append(f"{built.name}: {built.warning}")

        sounds = build(
            manifest,
            only=arguments.only,
            engine=arguments.engine,
            studio=arguments.studio,
            cache=arguments.var / "voices",
            progress=progress,
        )
    for warning in warnings:
        print(warning, file=sys.stderr)
    print(f"{len(sounds)} sounds built.")
    return 0
