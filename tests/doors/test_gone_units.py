"""An organisation that is not in the configuration any more: what names it still is told, by check and at the start."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path

import pytest

from controller.__main__ import main as hotline
from controller.config import Settings, load
from controller.gone_units import left_behind, notes, tell
from controller.knowledge import KnowledgeDesk
from controller.knowledge_plan import KnowledgePlan
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.tokens import ACCESS, AccessFile
from controller.writer import Store
from knowledge.entry import Content
from knowledge.moves import Editor
from knowledge.moves import Role as EditorRole
from tests.doors.test_config_tickets import configured
from tests.ticket_story import BOSS, DESK, MONDAY, POLICY
from tickets.flow import Intake
from tickets.given import Move
from tickets.moves import Role, TicketInput
from tickets.ticket import Channel, TicketChange

pytestmark = pytest.mark.doors

ZHAO = Editor("zhao", EditorRole.EDITOR)
HEAT = """
[[organisations]]
id = "heat"
name = "热力公司"
kind = "unit"
leader = "张三"
office = "办公室"
handler = "李四"
"""


@pytest.fixture
def operations() -> Operations:
    return Operations(POLICY)


async def furnish(records: Records, store: Store) -> None:
    """Two open tickets led by water, one of which roads helps with; one over; an entry and a question of water's."""
    for n in range(3):
        wanted = TicketChange(type="help", text=f"停水 {n}")
        made = await records.take_ticket(Intake(Channel.WEB, MONDAY), wanted, DESK)
        helping = ("roads",) if n == 0 else None
        move = Move(TicketInput.REFER, made.version, unit="water", co_units=helping)
        made = await records.move_ticket(made.number, move, DESK, at=MONDAY + 1)
    over = Move(TicketInput.WITHDRAW, made.version, reason="诉求人撤回")
    await records.move_ticket(made.number, over, BOSS, at=MONDAY + 2)
    desk = KnowledgeDesk(store, KnowledgePlan(), POLICY, lambda: MONDAY)
    await desk.begin(Content("停水找谁", "水务局", unit="water", source="水务局"), ZHAO)
    await desk.ask(Content("水价多少", unit="water"), Editor("1001", EditorRole.AGENT), "")


async def test_what_names_an_organisation_is_counted(records: Records, store: Store) -> None:
    await furnish(records, store)
    assert await store.read(left_behind) == {
        "open tickets (lead)": Counter(water=2),
        "open tickets (co-handling)": Counter(roads=1),
        "knowledge entries": Counter(water=1),
        "questions without answer": Counter(water=1),
    }


def test_only_what_is_gone_is_told_each_once_with_all_that_names_it() -> None:
    left = {"open tickets (lead)": Counter(water=2, old=3), "knowledge entries": Counter(old=1, heat=4)}
    told = notes(POLICY, {"a": "old", "b": "water", "c": "", "d": "older", "e": "old"}, left)
    assert [one.split(" is not in")[0] for one in told] == ["the organisation old", "the organisation older"]
    assert "3 open tickets (lead); 1 knowledge entries; the access tokens of a, e." in told[0]
    assert "by the access tokens of d." in told[1]
    assert notes(POLICY, {"b": "water", "c": ""}, {"knowledge entries": Counter(heat=4)}) == []


def with_heat(folder: Path) -> Settings:
    """The sample with one handling unit."""
    settings = configured(folder, "")
    settings.file.write_text(settings.file.read_text("utf-8") + HEAT, "utf-8")
    return load(settings.file)


def test_check_tells_tokens_tickets_and_entries_and_makes_no_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = with_heat(tmp_path)
    check = ["check", "--config", str(settings.file)]
    AccessFile(settings.data / ACCESS).add("clerk-7", Role.UNIT, "water", made_at=MONDAY)
    assert hotline(check) == 0
    shown = capsys.readouterr().out
    assert "the organisation water is not in the configuration, and named by the access tokens of clerk-7." in shown
    assert not list(tmp_path.rglob("*.db")), "a check makes nothing"
    upgrade(settings.database_url)
    operations = Operations(POLICY)

    async def filled() -> None:
        spool = tmp_path / "spool.jsonl"
        store = Store(settings.database_url, spool=spool, operations=operations.spoolable())
        await store.start()
        await furnish(Records(store, operations), store)
        caplog.set_level(logging.WARNING)
        await tell(settings, store, lambda: MONDAY)
        await store.stop()

    asyncio.run(filled())
    parts = "2 open tickets (lead); 1 knowledge entries; 1 questions without answer; the access tokens of clerk-7."
    (logged,) = [one.getMessage() for one in caplog.records if "the organisation water" in one.getMessage()]
    assert parts in logged
    assert hotline(check) == 0
    shown = capsys.readouterr().out
    assert parts in shown
    assert "the organisation roads is not in the configuration, and named by 1 open tickets (co-handling)." in shown
    assert "organisation heat" not in shown
