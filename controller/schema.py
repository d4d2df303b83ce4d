"""The shape of the database: brings it to this program's revision, and refuses one that a newer program has shaped."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import URL, Connection, inspect, text

from controller.database import StoreError, database_url, make_engine, plainly, prepare_place, shown

MIGRATIONS = Path(__file__).parent / "migrations"

_UPGRADE_LOCK = 12345_0001
"""Key of PostgreSQL's advisory lock under which a schema is changed: two controllers that start together take turns."""


_REVISION = re.compile(r'^(revision|down_revision) = "([^"]+)"', re.MULTILINE)


def _known() -> tuple[set[str], set[str]]:
    """The revisions of this program, and those that another one follows.

    Read from the files themselves: whoever finds his database at the head, as every restarted controller does with
    callers waiting, need not load Alembic for it.
    """
    found: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for file in (MIGRATIONS / "versions").glob("*.py"):
        for name, value in _REVISION.findall(file.read_text(encoding="utf-8")):
            found[name].add(value)
    return found["revision"], found["down_revision"]


def head() -> str:
    """The revision that this program was written for."""
    known, followed = _known()
    (revision,) = known - followed
    return revision


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(output_buffer=None)
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def upgrade(url: str) -> str:
    """Make the database if it is not there, bring it to `head()` and return that; all of it or nothing. Blocks.

    Raises `StoreError`: wrong_url, unreachable, locked, disk_full, read_only, damaged, newer.
    """
    where = database_url(url)
    prepare_place(where)
    engine = make_engine(where)
    try:
        with plainly(where), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
            found = _revision(connection)
            _refuse_newer(found, where)
            if found != head():
                _migrate(connection)
        return head()
    finally:
        engine.dispose()


def current(url: str) -> str | None:
    """The revision that the database is at; None if it is empty. Blocks; makes nothing. Raises `StoreError`."""
    where = database_url(url)
    if where.get_backend_name() == "sqlite" and not Path(where.database or "").exists():
        return None
    engine = make_engine(where)
    try:
        with plainly(where), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def require_head(connection: Connection, url: URL) -> None:
    """Raise `StoreError` (newer, older) unless the database is at this program's revision."""
    found = _revision(connection)
    _refuse_newer(found, url)
    if found != head():
        raise StoreError(
            "older", f"The database {shown(url)} is of an older program; run the hotline once so that it upgrades it."
        )


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _refuse_newer(found: str | None, url: URL) -> None:
    if found is not None and found not in _known()[0]:
        raise StoreError(
            "newer",
            f"The database {shown(url)} was made by a newer program (revision {found}); install that program again, or "
            "bring back the backup from before its upgrade.",
        )
