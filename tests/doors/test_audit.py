"""The audit trail and what is changed for a time, on SQLite and on PostgreSQL: nothing is lost, nothing unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from controller import audit_rows
from controller.audit_rows import FIRST_SEAL, check, read, seal_of
from controller.database import database_url as where
from controller.database import make_engine
from controller.records import Records
from controller.writer import Store
from pbx.ids import ActorId, AgentId, QueueId, SkillId
from pbx.supervision import AuditEntry, QueueOverride, SaveOverrides, SkillOverride

pytestmark = pytest.mark.doors

LIN = ActorId("lin")


def entry(number: int, agent: str = "1001") -> AuditEntry:
    return AuditEntry(
        f"{number}",
        1000.1 + number,
        LIN,
        "supervisor",
        "force_ready",
        agent,
        "",
        "",
        '强制示闲, "引号"',
        "forced",
        "ok",
    )


@pytest.fixture
def engine(shaped_url: str) -> Iterator[Engine]:
    made = make_engine(where(shaped_url))
    yield made
    made.dispose()


@pytest.fixture
def written(engine: Engine) -> Engine:
    """A trail of five rows."""
    with engine.begin() as connection:
        for number in range(5):
            assert audit_rows.append(connection, entry(number, "1001" if number % 2 else "1002")) == number + 1
    return engine


def test_rows_are_chained_and_read_back_as_they_were(written: Engine) -> None:
    with written.connect() as connection:
        rows = read(connection, 0, 9e9)
        assert [row.entry for row in rows] == [entry(n, "1001" if n % 2 else "1002") for n in range(5)]
        assert [row.entry.id for row in read(connection, 0, 9e9, "1001")] == ["1", "3"]
        assert [row.entry.id for row in read(connection, 1001.1, 1003.1)] == ["1", "2"]
        before = FIRST_SEAL
        for row in rows:
            assert row.seal == seal_of(before, row.seq, row.entry)
            before = row.seal
        verdict = check(connection)
        assert (verdict.rows, verdict.seal, verdict.faults) == (5, before, ())
        assert check(connection, rows[2].seal).faults == ()


def test_an_entry_that_is_written_again_is_kept_once(written: Engine) -> None:
    with written.begin() as connection:
        assert audit_rows.append(connection, entry(2, "1002")) == 3
        assert audit_rows.append(connection, entry(9)) == 6
        assert check(connection).faults == ()


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        ("UPDATE audit SET en = 'nothing' WHERE seq = 3", "row 3 is not as it was written"),
        ("UPDATE audit SET at = at + 0.0001 WHERE seq = 5", "row 5 is not as it was written"),
        ("UPDATE audit SET outcome = 'not_allowed' WHERE seq = 1", "row 1 is not as it was written"),
        ("DELETE FROM audit WHERE seq = 2", "rows 2 to 2 are missing"),
        ("DELETE FROM audit WHERE seq IN (2, 3)", "rows 2 to 3 are missing"),
        ("DELETE FROM audit WHERE seq = 1", "rows 1 to 1 are missing"),
        ("DELETE FROM audit WHERE seq >= 4", "rows 4 to 5 are missing at the end"),
        ("DELETE FROM audit", "rows 1 to 5 are missing at the end"),
        ("DELETE FROM audit_end", "the end of the trail is not recorded any more"),
    ],
)
def test_a_changed_or_missing_row_is_found(written: Engine, harm: str, fault: str) -> None:
    with written.begin() as connection:
        connection.execute(text(harm))
        assert check(connection).faults == (fault,)


def test_rows_that_were_put_in_the_place_of_others_are_found(written: Engine) -> None:
    """Somebody removes row 4, gives its number to row 5, and mends the seal of that row, but not the recorded end."""
    with written.begin() as connection:
        third = read(connection, 0, 9e9)[2]
        connection.execute(text("DELETE FROM audit WHERE seq = 4"))
        seal = seal_of(third.seal, 4, entry(4, "1002"))
        connection.execute(text("UPDATE audit SET seq = 4, seal = :seal WHERE seq = 5"), {"seal": seal})
        assert check(connection).faults == ("rows 5 to 5 are missing at the end",)


def test_a_trail_that_was_written_anew_is_found_by_a_seal_noted_before(written: Engine) -> None:
    with written.begin() as connection:
        noted = check(connection).seal
        connection.execute(text("DELETE FROM audit"))
        connection.execute(text("DELETE FROM audit_end"))
        for number in range(3):
            audit_rows.append(connection, entry(number))
        assert check(connection).faults == ()
        assert check(connection, noted).faults == ("the seal that was noted earlier is not in the trail any more",)


def test_an_empty_trail_is_whole(engine: Engine) -> None:
    with engine.connect() as connection:
        assert check(connection) == audit_rows.Verdict(0, FIRST_SEAL, ())


async def test_the_store_writes_them_in_order(records: Records, store: Store) -> None:
    for number in range(30):
        records.append_audit(replace(entry(number), at=float(number)))
    await store.submit(records._do.append_audit, replace(entry(30), at=30.0))
    found = await records.audit(0, 100)
    assert [row.entry.id for row in found] == [str(number) for number in range(31)]
    assert [row.seq for row in found] == list(range(1, 32))
    assert (await store.read(check)).faults == ()


async def test_what_is_changed_for_a_time_is_kept_until_it_is_changed_again(records: Records, store: Store) -> None:
    agent, queue, english = AgentId("1001"), QueueId("english"), SkillId("english")
    first = SkillOverride(agent, english, None, None, LIN, 1.25)
    second = SkillOverride(agent, SkillId("mandarin"), 3, 99.5, LIN, 1.25)
    change = QueueOverride(queue, ((english, 2),), 4, 99.5, LIN, 2.0)
    records.save_overrides(SaveOverrides(agent, None, (first, second)))
    records.save_overrides(SaveOverrides(AgentId("1002"), None, (replace(first, agent=AgentId("1002")),)))
    records.save_overrides(SaveOverrides(None, queue, (), change))
    await store.submit(records._do.save_overrides, SaveOverrides(AgentId("1002"), None))
    assert await records.overrides() == ((first, second), (change,))
    await store.submit(records._do.save_overrides, SaveOverrides(None, queue))
    await store.submit(records._do.save_overrides, SaveOverrides(agent, None, (second,)))
    assert await records.overrides() == ((second,), ())
