"""Replay: the same inputs into a fresh switchboard must give the same decisions (`architecture.md` rule 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

from controller.codec import encode_command
from controller.journal_file import Entry, Header, parts, read_all, read_header
from pbx.commands import Command
from pbx.events import Event


class Stepper(Protocol):
    """What replay needs of a switchboard."""

    def step(self, event: Event, now: float) -> Sequence[Command]:
        """One event in, the commands that follow from it out."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first decision that came out otherwise: `index` of the command in its step, None where one side has none.

    `text` says what differs by the names of classes and fields, without values.
    """

    file: Path
    line: int
    seq: int
    event: str
    index: int
    recorded: Command | None
    replayed: Command | None
    text: str

    def __str__(self) -> str:
        """One sentence; without callers' data."""
        return f"{self.file}:{self.line}: step {self.seq} ({self.event}): {self.text}"


def replay(
    path: Path, make_switchboard: Callable[[Header], Stepper], *, on_step: Callable[[Entry], None] | None = None
) -> Difference | None:
    """Put every input of a journal, from its start on, into a fresh switchboard; the first difference, or None.

    `path` may be any part of a start; the parts before it are replayed too. `on_step` is called with each entry that
    came out the same. Raises `JournalDamaged`, OSError, and what `make_switchboard` raises.
    """
    switchboard = make_switchboard(read_header(parts(path)[0]))
    for entry in read_all(path):
        error, decided = "", tuple[Command, ...]()
        try:
            decided = tuple(switchboard.step(entry.event, entry.now))
        except Exception as raised:
            error = type(raised).__name__
        difference = _compare(entry, decided, error)
        if difference is not None:
            return difference
        if on_step is not None:
            on_step(entry)
    return None


def _compare(entry: Entry, decided: Sequence[Command], error: str) -> Difference | None:
    if error != entry.error:
        text = f"it raised {error or 'nothing'}, recorded is {entry.error or 'nothing'}"
        return _difference(entry, 0, None, None, text)
    for index in range(max(len(entry.commands), len(decided))):
        recorded = entry.commands[index] if index < len(entry.commands) else None
        replayed = decided[index] if index < len(decided) else None
        if recorded is None or replayed is None:
            text = f"command {index} is {_name(replayed)}, recorded is {_name(recorded)}"
            return _difference(entry, index, recorded, replayed, text)
        if encode_command(recorded) != encode_command(replayed):
            return _difference(entry, index, recorded, replayed, _otherwise(index, recorded, replayed))
    return None


def _otherwise(index: int, recorded: Command, replayed: Command) -> str:
    if type(recorded) is not type(replayed):
        return f"command {index} is {_name(replayed)}, recorded is {_name(recorded)}"
    names = [field.name for field in fields(recorded) if getattr(recorded, field.name) != getattr(replayed, field.name)]
    return f"command {index}, {_name(recorded)}, differs in {', '.join(names) or 'its form'}"


def _difference(entry: Entry, index: int, recorded: Command | None, replayed: Command | None, text: str) -> Difference:
    name = type(entry.event).__name__
    return Difference(entry.file, entry.line, entry.seq, name, index, recorded, replayed, text)


def _name(command: Command | None) -> str:
    return type(command).__name__ if command is not None else "none"
