"""[[webhooks]] of the configuration: who is told of which moves, and their secrets."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from controller.config_sections import WebhookSection
from controller.toml_lines import Path as TomlPath
from tickets.flow import OPENED
from tickets.moves import TicketInput
from tickets.schedule import REMINDERS
from tickets.webhook import Hook, secret_of

Wrong = Callable[[TomlPath, str], None]

CAUSES = frozenset({OPENED, *(one.value for one in TicketInput)}) | REMINDERS
"""Every cause that a move can have, and every kind of reminder."""


def listeners(raw: Sequence[WebhookSection], wrong: Wrong) -> Callable[[str], tuple[str, ...]]:
    """Who is told of a move with a given cause, by ids. Notes what is wrong: a doubled id, a move that there is not."""
    ids = [one.id for one in raw]
    for index, one in enumerate(raw):
        if one.id in ids[:index]:
            wrong(("webhooks", index, "id"), f"{one.id} stands twice")
        for place, cause in enumerate(one.moves):
            if cause not in CAUSES:
                wrong(("webhooks", index, "moves", place), f"{cause!r} is no move; docs/states.md has them all")
    table = {cause: tuple(one.id for one in raw if not one.moves or cause in one.moves) for cause in sorted(CAUSES)}

    def told(cause: str) -> tuple[str, ...]:
        return table.get(cause, ())

    return told


def hooks_of(raw: Sequence[WebhookSection], folder: Path) -> dict[str, Hook]:
    """The hooks by id, with their secrets, whose paths are relative to `folder`. Blocks.

    Raises OSError for a file that cannot be read, ValueError for one that others may read, or that holds no secret.
    """
    found = {}
    for one in raw:
        file = folder / one.secret_file
        with file.open(encoding="utf-8") as opened:
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                raise ValueError(f"{file} may be read by others; chmod 600 it")
            try:
                secret = secret_of(opened.read(500))
            except ValueError as error:
                raise ValueError(f"{file}: {error}") from None
        found[one.id] = Hook(one.id, one.url, secret, frozenset(one.moves))
    return found
