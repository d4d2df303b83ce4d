"""`hotline replay FILE`: repeat a journal with the same configuration and report the first differing decision."""

from __future__ import annotations

import argparse
import sys

from controller.commands.check import checked
from controller.database import StoreError
from controller.journal_file import Header, JournalDamaged
from controller.replay import replay
from controller.switchboard import Switchboard


def main(arguments: argparse.Namespace) -> int:
    """0 when every decision was the same, 1 when one differs, 2 when the journal cannot be replayed."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    other: list[str] = []

    def switchboard(header: Header) -> Switchboard:
        if header.configuration != settings.plan.version:
            other.append(header.configuration)
        return Switchboard(settings.plan)

    try:
        difference = replay(arguments.file, switchboard)
    except (JournalDamaged, StoreError, OSError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    if other:
        print(
            f"replay: the journal was written under configuration {other[0]}, {arguments.config} is "
            f"{settings.plan.version}; decisions may differ for that reason",
            file=sys.stderr,
        )
    if difference is not None:
        print(difference)
        return 1
    print(f"{arguments.file}: every decision is the same")
    return 0
