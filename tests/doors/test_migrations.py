"""The shape of the database: made from nothing, equal to the tables in the code, never touched when it is newer."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from controller.database import METADATAS, StoreError, make_engine
from controller.database import database_url as where
from controller.schema import current, head, require_head, upgrade

pytestmark = pytest.mark.doors


def test_an_empty_database_becomes_what_the_code_says(database_url: str) -> None:
    assert current(database_url) is None
    assert upgrade(database_url) == head()
    assert current(database_url) == head()
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": METADATAS})
        differences = compare_metadata(context, list(METADATAS))  # type: ignore[arg-type]
        tables = set(inspect(connection).get_table_names())
    engine.dispose()
    assert differences == []
    assert tables == {name for metadata in METADATAS for name in metadata.tables} | {"alembic_version"}


def test_constraints_of_the_migration_are_those_of_the_code(database_url: str) -> None:
    upgrade(database_url)
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        seen = inspect(connection)
        for metadata in METADATAS:
            for table in metadata.sorted_tables:
                assert seen.get_pk_constraint(table.name)["constrained_columns"] == [
                    column.name for column in table.primary_key
                ]
                assert seen.get_pk_constraint(table.name)["name"] == table.primary_key.name
                assert {key["name"] for key in seen.get_foreign_keys(table.name)} == {
                    key.name for key in table.foreign_key_constraints
                }
    engine.dispose()


def test_upgrade_again_changes_nothing(database_url: str) -> None:
    upgrade(database_url)
    _execute(database_url, "INSERT INTO ticket_days (day, last) VALUES ('20261122', 7)")
    assert upgrade(database_url) == head()
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        assert connection.execute(text("SELECT last FROM ticket_days")).scalar_one() == 7
    engine.dispose()


def test_two_controllers_that_start_together_take_turns(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(upgrade, [database_url] * 4)) == [head()] * 4


def test_a_newer_database_is_refused_and_untouched(database_url: str) -> None:
    upgrade(database_url)
    _execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError) as refused:
        upgrade(database_url)
    assert refused.value.code == "newer"
    assert "newer program" in str(refused.value)
    assert current(database_url) == "9999"
    engine = make_engine(where(database_url))
    with engine.begin() as connection, pytest.raises(StoreError) as again:
        require_head(connection, where(database_url))
    engine.dispose()
    assert again.value.code == "newer"


def test_a_revision_that_fails_half_way_leaves_nothing(database_url: str) -> None:
    """`tickets` is in the way of the first revision, which by then has made other tables."""
    if database_url.startswith("sqlite"):
        Path(where(database_url).database or "").touch()
    _execute(database_url, "CREATE TABLE tickets (number TEXT)")
    with pytest.raises(StoreError) as refused:
        upgrade(database_url)
    assert refused.value.code == "failed"
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == ["tickets"]
    engine.dispose()


def test_a_sqlite_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "deep" / "hotline.db"
    old = os.umask(0o022)
    try:
        upgrade(f"sqlite:///{path}")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _execute(url: str, statement: str) -> None:
    engine = make_engine(where(url))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
