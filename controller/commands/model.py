"""`hotline model fetch zh|en`: a speech model by Vosk's own list, where there is internet."""

from __future__ import annotations

import argparse
import sys

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from recordings.models import ModelError, fetch_model, model_catalogue


def main(arguments: argparse.Namespace) -> int:
    """0 when the model is there."""
    try:
        if arguments.action == "list":
            for entry in model_catalogue():
                print(entry)
            return 0
        if not arguments.language:
            print("which language? `./hotline model fetch zh` or `./hotline model fetch en`", file=sys.stderr)
            return 2
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, transient=True) as bar:
            task = bar.add_task(f"model {arguments.language}", total=None)

            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total or None)

            model = fetch_model(arguments.language, arguments.var / "models", progress=progress)
    except ModelError as error:
        print(f"model: {error}", file=sys.stderr)
        return 1
    print(model.describe())
    return 0
