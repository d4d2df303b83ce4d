"""Steps of a switchboard, as the checker reads them from a journal: through JSON, so that it sees what is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller.codec import as_object, encode_command, encode_event
from controller.plan import Plan
from controller.verify.checker import Bounds, Checker, Place
from controller.verify.facts import facts_of
from controller.verify.report import Report
from controller.verify.scene import Word
from pbx.commands import Command
from pbx.events import Event

Steps = Iterable[tuple[Event, float, Sequence[Command]]]
Written = list[tuple[Word, float, list[Word]]]
"""Steps as they stand in a journal."""


def written(steps: Steps) -> Written:
    """Steps as the journal has them."""
    return [
        (as_object(encode_event(found)), now, [as_object(encode_command(command)) for command in commands])
        for found, now, commands in steps
    ]


def verified(plan: Plan, *starts: Steps, bounds: Bounds | None = None) -> Report:
    """What the checker says of the journals of these starts of the controller."""
    return read(plan, *map(written, starts), bounds=bounds)


def read(plan: Plan, *starts: Written, bounds: Bounds | None = None) -> Report:
    """The same for steps that are written already."""
    checker = Checker(facts_of(plan), bounds)
    for number, steps in enumerate(starts):
        checker.begin()
        for seq, (found, now, commands) in enumerate(steps):
            checker.take(Place(f"start-{number}", seq + 2, seq), now, found, commands)
    return checker.finish()
