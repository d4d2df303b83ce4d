"""The shape of the database: brings it to this program's revision, and refuses one that a newer program has shaped."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, text

from controller.database import StoreError, database_url, make_engine, plainly, prepare_place, shown

MIGRATIONS = Path(__file__).parent / "migrations"

_UPGRADE_LOCK = 12345_0001
"""Key of PostgreSQL's advisory lock under which a schema is changed: two controllers that start together take turns."""


def _config(connection: Connection | None = None) -> Config:
    config = Config(output_buffer=None)
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The revision that this program was written for."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise AssertionError("the program has no migrations")
    return revision


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
                command.upgrade(_config(connection), "head")
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
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(found: str | None, url: URL) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            "newer",
            f"The database {shown(url)} was made by a newer program (revision {found}); install that program again, or "
            "bring back the backup from before its upgrade.",
        )
