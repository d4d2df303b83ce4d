"""`hotline recordings new-key | status | trace FILE`: keys for the archive, what is in it, whose copy a file is.

None of them needs a serving hotline.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from controller.audit_rows import audit
from controller.commands.check import checked
from controller.config import Settings
from controller.config_archive import ArchiveFault, ArchivePlan, archive_of
from controller.database import StoreError, database_url, make_engine, plainly
from controller.schema import current, require_head
from recordings.archive.keys import new_key
from recordings.archive.shelf import ShelfError
from recordings.archive.sql import Census, census
from recordings.keeping import KeepPolicy

T = TypeVar("T")


def main(arguments: argparse.Namespace) -> int:
    """0 when it was done; 1 when the archive does not answer, or the copy is nobody's; 2 for a wrong request."""
    if arguments.action == "new-key":
        print(new_key())
        print(
            "Keep it in a file of mode 0600, and a copy elsewhere: without it the recordings are lost.", file=sys.stderr
        )
        return 0
    settings = checked(arguments.config)
    if settings is None:
        return 2
    try:
        return _status(settings) if arguments.action == "status" else _trace(settings, arguments.file)
    except StoreError as error:
        print(f"recordings: {error}", file=sys.stderr)
        return 2


def _read(settings: Settings, work: Callable[[Connection], T]) -> T | None:
    """What `work` reads from the store; None when there is none yet."""
    if current(settings.database_url) is None:
        return None
    where = database_url(settings.database_url)
    engine = make_engine(where)
    try:
        with plainly(where), engine.connect() as connection:
            require_head(connection, where)
            return work(connection)
    finally:
        engine.dispose()


# ---------------------------------------------------------------- status


def _status(settings: Settings) -> int:
    found = _read(settings, census) or Census(0, None, (), 0, 0, 0)
    for form, count, size in found.archived:
        print(f"archived, {form}: {count} ({size / 1e9:.2f} GB)")
    print(f"on this disk: {found.waiting}{_since(settings, found.oldest_waiting)}")
    print(f"held: {found.held}; being erased: {found.being_erased}; erased until now: {found.erased}")
    print(f"kept: {_rules(settings.keeping)}")
    if settings.keeping.of_transcripts != settings.keeping:
        print(f"transcripts kept: {_rules(settings.keeping.of_transcripts)}")
    return _ask(settings.archive)


def _rules(policy: KeepPolicy) -> str:
    rules = [f"{', '.join(sorted(one.types))}: {one.keep_days} days ({one.name})" for one in policy.rules]
    return "; ".join([f"{policy.general_days} days", *rules])


def _since(settings: Settings, oldest: float | None) -> str:
    if oldest is None:
        return ""
    began = datetime.fromtimestamp(oldest, ZoneInfo(settings.plan.timezone))
    return f", the oldest of {began:%Y-%m-%d %H:%M}"


def _ask(plan: ArchivePlan | None) -> int:
    if plan is None:
        print("archive: none; recordings stay on this disk ([recording.archive])")
        return 0
    store, folder = plan.section.store, plan.folder
    where = f"{store.endpoint}, bucket {store.bucket}" if store is not None else str(folder)
    try:
        archive_of(plan).ask()
    except (ArchiveFault, ShelfError) as error:
        print(f"archive: {where}: {error}", file=sys.stderr)
        return 1
    print(f"archive: {where}: it answers; {plan.section.form}, {'sealed' if plan.section.sealed else 'not sealed'}")
    return 0


# ---------------------------------------------------------------- trace


def _exports(connection: Connection) -> dict[str, str]:
    """What the audit trail says of each export, by its id."""
    query = select(audit.c.id, audit.c.at, audit.c.actor, audit.c.zh, audit.c.en).order_by(audit.c.seq)
    found = connection.execute(query.where(audit.c.action == "export_recording"))
    return {row.id.removeprefix("export-"): f"{row.actor}: {row.zh} / {row.en}" for row in found}


def _trace(settings: Settings, file: Path | None) -> int:
    if file is None:
        print("which file? e.g. `./hotline recordings trace copy.wav`", file=sys.stderr)
        return 2
    from recordings.archive.form import FormError
    from recordings.archive.watermark import Tracer, sound_of

    exports = _read(settings, _exports) or {}
    tracer = Tracer()
    try:
        tracer.feed(sound_of(file))
    except (FormError, OSError) as error:
        print(f"recordings: {error}", file=sys.stderr)
        return 2
    for id, certainty in tracer.traced(list(exports)):
        print(f"{id}  ({certainty:.0f} standard deviations)  {exports[id]}")
        return 0
    print(f"none of {len(exports)} exports is known in it", file=sys.stderr)
    return 1
