"""The shape of the database: made from nothing, equal to the tables in the code, never touched when it is newer."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from controller.database import METADATAS, StoreError, make_engine, plainly, prepare_place
from controller.database import database_url as where
from controller.schema import MIGRATIONS, current, head, require_head, upgrade
from recordings import words_sql
from tests.ticket_story import WANG
from tickets import word_rows
from tickets.moves import TicketState
from tickets.sql import change_ticket, list_moves, list_tickets
from tickets.ticket import Channel, TicketChange, TicketPolicy

pytestmark = pytest.mark.doors


def test_an_empty_database_becomes_what_the_code_says(database_url: str) -> None:
    assert current(database_url) is None
    assert upgrade(database_url) == head()
    assert current(database_url) == head()
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": METADATAS})
        postgres = connection.dialect.name == "postgresql"
        shapes = [*METADATAS, *((word_rows.metadata, words_sql.of_postgresql) if postgres else ())]
        differences = compare_metadata(context, shapes)  # type: ignore[arg-type]
        tables = set(inspect(connection).get_table_names())
    engine.dispose()
    ours = (word_rows.NAME, words_sql.NAME)  # FTS5 has tables of its own, named after these
    index = set() if postgres else {name for name in tables if name.startswith(ours)}
    assert [one for one in differences if one[0] != "remove_table" or one[1].name not in index] == []
    assert tables - index == {name for metadata in shapes for name in metadata.tables} | {"alembic_version"}
    assert postgres or set(ours) <= index


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


def test_tickets_of_before_the_flow_are_kept(database_url: str) -> None:
    """0008 makes the table anew: a closed ticket is a resolved one, with its moves, its call and its version."""
    upgrade_to(database_url, "0007")
    for statement in (
        "INSERT INTO tickets (number, call, caller, dialled, language, queue, agent, opened_at, sign_due, handle_due, "
        "state, type, title, text, unit, transcript) VALUES ('2026112200001', 'c-1', '138', '12345', 'zh', 'general', "
        "'1001', 1, 2, 3, 'closed', 'help', 't', 'x', 'water', true), ('2026112200002', 'c-2', '139', '12345', 'zh', "
        "'general', '1001', 2, 3, 4, 'opened', NULL, '', '', NULL, false)",
        "INSERT INTO ticket_moves (ticket, seq, before, after, cause, actor, at, reason) VALUES "
        "('2026112200001', 0, NULL, 'opened', 'open', '1001', 1, ''), "
        "('2026112200001', 1, 'opened', 'registered', 'register', '1001', 5, 'type,text'), "
        "('2026112200001', 2, 'registered', 'closed', 'close', '1002', 9, 'done'), "
        "('2026112200002', 0, NULL, 'opened', 'open', '1001', 2, '')",
    ):
        _execute(database_url, statement)
    upgrade(database_url)
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        closed, opened = list_tickets(connection, 0.0, 10.0)
        moves = list_moves(connection, closed.number)
        after = change_ticket(connection, opened.number, TicketChange(type="help", text="x"), WANG, 7.0, TicketPolicy())
    engine.dispose()
    assert (closed.state, closed.version, closed.resolved_at, closed.proposed_unit) == (
        TicketState.RESOLVED,
        2,
        9.0,
        "water",
    )
    assert (closed.call, closed.transcript, closed.channel, closed.co_units) == ("c-1", True, Channel.PHONE, ())
    assert [(one.cause, one.before, one.after, one.role) for one in moves] == [
        ("open", None, TicketState.OPENED, None),
        ("register", TicketState.OPENED, TicketState.REGISTERED, None),
        ("close", TicketState.REGISTERED, TicketState.RESOLVED, None),
    ]
    assert (after.version, after.state) == (1, TicketState.REGISTERED)


def test_tickets_that_were_withdrawn_before_say_so(database_url: str) -> None:
    """0024 finds them by the move that ended them last: one that was handled again and answered is not among them."""
    upgrade_to(database_url, "0023")
    back = (("signed", "resolved", "withdraw"), ("resolved", "dispatched", "redo"))
    ways = {
        "1": back[:1],
        "2": (("replied", "resolved", "accept_reply"),),
        "3": (*back[:1], ("resolved", "resolved", "escalate")),
        "4": (*back, ("replied", "resolved", "settle")),
        "5": back,
        "6": (("opened", "resolved", "withdraw"), ("resolved", "archived", "archive")),
    }
    texts = "caller dialled language queue agent caller_name caller_region class_code title text address region reply"
    row = dict.fromkeys((*texts.split(), "answered_by"), "''") | {"channel": "'web'", "urgency": "'normal'"}
    row |= dict.fromkeys(("co_units", "pauses", "attachments"), "'[]'")
    row |= dict.fromkeys(("anonymous", "confidential", "designated", "provisional", "hard_case", "transcript"), "false")
    row |= dict.fromkeys(("dispatch_count", "return_count", "remind_count", "escalation", "redo_count"), "0")
    row |= dict.fromkeys(("opened_at", "sign_due", "handle_due", "version", "requests"), "1") | {"resolved_at": "9"}
    for number, moves in ways.items():
        values = {**row, "number": f"'{number}'", "state": f"'{moves[-1][1]}'"}
        _execute(database_url, f"INSERT INTO tickets ({', '.join(values)}) VALUES ({', '.join(values.values())})")
        for seq, (before, after, cause) in enumerate(moves, start=1):
            _execute(
                database_url,
                "INSERT INTO ticket_moves (ticket, seq, before, after, cause, actor, at, reason, unit, details) VALUES "
                f"('{number}', {seq}, '{before}', '{after}', '{cause}', 'boss', 9, '', '', '{{}}')",
            )
    upgrade(database_url)
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        found = {str(one.number): one.withdrawn_at for one in list_tickets(connection, 0.0, 10.0)}
    engine.dispose()
    assert found == {"1": 9.0, "2": None, "3": 9.0, "4": None, "5": None, "6": 9.0}


def upgrade_to(url: str, revision: str) -> None:
    """Bring an empty database to an older revision."""
    prepare_place(where(url))
    engine = make_engine(where(url))
    config = Config(output_buffer=None)
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_two_controllers_that_start_together_take_turns(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(upgrade, [database_url] * 4)) == [head()] * 4


def test_the_write_ahead_log_waits_for_whoever_writes_and_not_for_ever(tmp_path: Path) -> None:
    """SQLite itself gives up at once here: its busy timeout is not for the change of the log."""
    url = f"sqlite:///{tmp_path}/hotline.db"
    with contextlib.closing(sqlite3.connect(tmp_path / "hotline.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        impatient = make_engine(where(url), busy_s=0.1)
        with pytest.raises(StoreError) as refused, plainly(where(url)), impatient.connect():
            pass
        impatient.dispose()
        assert refused.value.code == "locked"
        with ThreadPoolExecutor(1) as pool:
            upgraded = pool.submit(upgrade, url)
            with pytest.raises(TimeoutError):
                upgraded.result(0.3)
            other.execute("COMMIT")
            assert upgraded.result(10) == head()


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
