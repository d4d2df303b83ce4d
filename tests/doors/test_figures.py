"""Figures from the store and the journal of a simulated day: `hotline kpi`, the script beside it, closed days."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from controller import day_rows
from controller.__main__ import main
from controller.commands import day as day_command
from controller.commands import kpi as kpi_command
from controller.config import Settings, load
from controller.database import database_url, make_engine
from controller.journal import JournalWriter
from controller.schema import upgrade
from controller.shifts import standing
from metrics.definitions.catalogue import catalogue
from metrics.intervals import AgentInterval, Shifts
from metrics.intervals_sql import list_intervals, of_call, save_intervals
from metrics.sql import get_call, save_calls
from pbx.call import CallRecord
from pbx.ids import CallId, TicketNumber
from tests.fakes.town_busy import BusyTown, busy_day, wishful
from tests.fakes.town_loop import Weather
from tests.serving import NUMBERS, configuration
from tests.virtual_time import START

pytestmark = pytest.mark.doors

ENGLISH = '[[queues]]\nid = "english"\nname_zh = "英语"\nname_en = "English"\n'
SCRIPT = Path(__file__).parents[1] / "recompute_figures.py"
NOW = START + 40 * 3600.0
FAIR = Weather(delay_s=0.05, doubled=0.02, short_talk=0.1, impatient=0.4, outages=1, restarts=2)


@dataclass(frozen=True)
class Written:
    """A busy day in a hotline's data folder: its journals, its store, and when it was."""

    config: Path
    settings: Settings
    day: str
    calls: int


def written(folder: Path, seed: int = 7) -> Written:
    """A day on which everything is asked for, with restarts of the controller; as a hotline leaves it."""
    config = configuration(folder, {}, rest=NUMBERS + ENGLISH)
    settings = load(config)
    upgrade(settings.database_url)
    town = BusyTown(seed, FAIR, wishful(), 8)
    shifts, kept, settled = Shifts(), dict[object, AgentInterval](), list[object]()

    def watch(one: BusyTown, found: object) -> None:
        house = one.board.house
        if not house.connected or not (moved := house.roster.moved()):
            return
        fold = shifts.put if house in settled else partial(shifts.restored, alive_until=one.now - 5.0)
        settled[:] = [house]
        for interval in (interval for known in moved for interval in fold(standing(known), one.now)):
            kept[interval.agent, interval.began_at, interval.state] = interval

    town.check = watch  # type: ignore[assignment]
    for second in range(40):
        town.at(5.0 * second, town.arrive)
    busy_day(town)
    starts = [*town.past, town.journal]
    for steps in starts:
        journal = JournalWriter(settings.data / "journal", configuration=settings.plan.version)
        journal.start(steps[0][1] if steps else START)
        for found, now, commands in steps:
            journal.append(found, now, commands)
        assert journal.flush()
        journal.stop()
    engine = make_engine(database_url(settings.database_url))
    with engine.begin() as connection:
        save_calls(connection, list(town.records.values()))
        save_intervals(connection, list(kept.values()))
    engine.dispose()
    return Written(config, settings, "2026-11-23", len(town.records))


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Of which nothing is changed."""
    return written(tmp_path_factory.mktemp("busy"))


@pytest.fixture
def mine(busy: Written, tmp_path: Path) -> Written:
    """A copy in which something may be changed."""
    shutil.copytree(busy.config.parent, tmp_path / "copy")
    config = tmp_path / "copy" / "hotline.toml"
    return replace(busy, config=config, settings=load(config))


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the day after."""
    monkeypatch.setattr(kpi_command, "clock", lambda: NOW)
    monkeypatch.setattr(day_command, "clock", lambda: NOW)


def run(at: Written, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main([words[0], "--config", str(at.config), *words[1:]])
    told = capsys.readouterr()
    return status, told.out, told.err


def figure(at: Written, capsys: pytest.CaptureFixture[str], name: str, *more: str) -> dict[str, Any]:
    status, out, err = run(at, capsys, "kpi", name, "--day", at.day, "--calls", "--json", *more)
    assert status == 0, err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


# ---------------------------------------------------------------- the script beside it


def test_a_script_that_shares_no_code_agrees_to_the_last_call(
    busy: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-I", str(SCRIPT), str(busy.settings.data / "journal"), busy.day]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert len(found) == 10
    for name, theirs in found.items():
        ours = figure(busy, capsys, name)
        assert ours["value"] == pytest.approx(theirs["value"], abs=1e-9), name
        if "below" in theirs:
            assert ours["denominator_ids"] == theirs["below"], name
            assert ours["numerator_ids"] == theirs["above"], name
    assert len(found["connect.v1"]["below"]) > 30
    assert 0 < found["sl15.offered.v1"]["value"] < 1


def test_the_script_imports_nothing_of_the_product() -> None:
    text = SCRIPT.read_text("utf-8")
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= {"__future__", "json", "sys", "datetime", "pathlib", "zoneinfo"}


# ---------------------------------------------------------------- hotline kpi


def test_the_list_has_every_definition(busy: Written, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(busy, capsys, "kpi", "--json")
    assert status == 0
    assert [one["name"] for one in json.loads(out)] == list(catalogue())
    status, out, _ = run(busy, capsys, "kpi")
    assert "sl15.offered.v1" in out
    assert "15秒接通率" in out


def test_a_figure_is_told_with_its_calls(busy: Written, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(busy, capsys, "kpi", "connect.v1", "--day", busy.day, "--calls")
    assert status == 0
    assert "呼叫接通率 / connect rate" in out
    assert "2026-11-23 00:00:00" in out
    lines = [line for line in out.splitlines() if line.startswith(("+ ", "- "))]
    whole = figure(busy, capsys, "connect.v1")
    assert len(lines) == whole["denominator"]
    assert sum(line.startswith("+") for line in lines) == whole["numerator"]
    english = figure(busy, capsys, "connect.v1", "--queue", "english")
    assert 0 < english["denominator"] < whole["denominator"]
    assert set(english["denominator_ids"]) < set(whole["denominator_ids"])


def test_agents_time_and_handling_come_from_their_intervals(busy: Written, capsys: pytest.CaptureFixture[str]) -> None:
    occupancy = figure(busy, capsys, "occupancy.v1")
    assert 0 < occupancy["value"] < 1
    assert set(occupancy["numerator_ids"]) < set(occupancy["denominator_ids"])
    handling, talk = (figure(busy, capsys, name) for name in ("handling.v1", "talk.v1"))
    assert handling["denominator"] > 10
    assert set(handling["denominator_ids"]) <= set(talk["denominator_ids"])
    assert figure(busy, capsys, "adherence.v1")["value"] is None
    engine = make_engine(database_url(busy.settings.database_url), read_only=True)
    with engine.begin() as connection:
        states = {one.state for one in of_call(connection, CallId(handling["denominator_ids"][0]))}
        assert {"ringing", "talking", "wrap_up"} <= states
        inside = list_intervals(connection, START + 600, START + 700)
        assert inside
        assert all(one.seconds(START + 600, START + 700) > 0 for one in inside)
    engine.dispose()


def test_where_two_differ_is_told_call_by_call(busy: Written, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("sl15.offered.v1", "sl15.answered.v1")
    status, out, _ = run(busy, capsys, "kpi", "diff", *names, "--day", busy.day, "--json")
    assert status == 0
    told = json.loads(out)
    a, b = (figure(busy, capsys, name) for name in names)
    assert {one["id"] for one in told["differences"]} == set(a["denominator_ids"]) ^ set(b["denominator_ids"])
    assert (told["a"]["value"], told["b"]["value"]) == (a["value"], b["value"])
    status, out, _ = run(busy, capsys, "kpi", "diff", *names, "--day", busy.day)
    assert f"{len(told['differences'])} 条不同" in out
    assert told["differences"]
    assert "hung up after" in out


@pytest.mark.parametrize(
    ("words", "zh", "en"),
    [
        (("kpi", "sl15.offred.v1", "--day", "today"), "没有指标", "nearest: sl15.offered.v1"),
        (("kpi", "connect.v1"), "请给出 day", "give a day"),
        (("kpi", "connect.v1", "--day", "2026-02-30"), "不是日期", "no day"),
        (("kpi", "connect.v1", "--day", "2027-01-01"), "尚未开始", "has not begun"),
        (("kpi", "connect.v1", "--from", "2026-11-23", "--to", "2026-11-22"), "终点须晚于起点", "end after it begins"),
        (("kpi", "connect.v1", "--day", "today", "--queue", "nowhere"), "没有队列", "there is no queue"),
        (("kpi", "diff", "connect.v1", "wait.v1", "--day", "today"), "不能逐条比较", "over different things"),
        (("kpi", "diff", "connect.v1", "--day", "today"), "需要两个指标", "takes two"),
        (("kpi", "connect.v1", "loss.v1", "--day", "today"), "一次一个指标", "one definition at a time"),
        (("day", "close", "2026-11-25"), "尚未结束", "is not over yet"),
        (("day", "close"), "请给出日期", "a day is needed"),
        (("day", "verify", "2026-11-21"), "未封存", "is not closed"),
    ],
)
def test_what_cannot_be_had_is_said_in_both_languages(
    busy: Written, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], zh: str, en: str
) -> None:
    status, out, err = run(busy, capsys, *words)
    assert (status, out) == (2, "")
    assert zh in err
    assert en in err


def test_a_day_without_calls_has_no_figure_and_says_why(busy: Written, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(busy, capsys, "kpi", "sl15.offered.v1", "--day", "2026-11-20")
    assert status == 0
    assert "无数字: 该时段没有计入分母的来电 / no figure" in out


def test_targets_of_the_configuration_are_checked_and_used(mine: Written, capsys: pytest.CaptureFixture[str]) -> None:
    text = mine.config.read_text("utf-8")
    wrong = '[figures]\nclose_at = "25:00"\ntargets = { "sl15.offered.v1" = "101 %", "sl15.offred.v1" = 0.9 }\n'
    mine.config.write_text(wrong + text, "utf-8")
    status, _, err = run(mine, capsys, "kpi")
    assert status == 2
    for told in ("at most 100 %", "不超过 100 %", "nearest: sl15.offered.v1", "figures.close_at"):
        assert told in err
    mine.config.write_text('[figures]\ntargets = { "connect.v1" = "100 %" }\n' + text, "utf-8")
    found = figure(mine, capsys, "connect.v1")
    assert (found["definition"]["target"], found["met"]) == (1.0, False)


# ---------------------------------------------------------------- closed days


def closed(at: Written, capsys: pytest.CaptureFixture[str]) -> str:
    status, out, err = run(at, capsys, "day", "close", at.day)
    assert status == 0, err
    return out.split()[-1]


def findings(at: Written, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str, str]]:
    status, out, err = run(at, capsys, "day", "verify", at.day, "--json")
    found = [(one["what"], one["id"], one["en"]) for one in json.loads(out)["findings"]]
    assert status == (1 if found else 0), err
    return found


def journal_of(at: Written) -> Path:
    """The day's longest file."""
    return max((at.settings.data / "journal").glob("*.jsonl"), key=lambda file: file.stat().st_size)


def execute(at: Written, text: str, *values: object) -> None:
    """What somebody does to the database beside the hotline."""
    with sqlite3.connect(at.settings.data / "hotline.db") as connection:
        connection.execute(text, values)
    connection.close()


def test_a_day_is_closed_once_and_is_as_it_was(mine: Written, capsys: pytest.CaptureFixture[str]) -> None:
    seal = closed(mine, capsys)
    assert findings(mine, capsys) == []
    status, out, _ = run(mine, capsys, "day", "verify", mine.day)
    assert (status, seal in out) == (0, True)
    assert run(mine, capsys, "day", "close", mine.day)[0] == 2
    status, out, _ = run(mine, capsys, "day", "list", "--json")
    (kept,) = json.loads(out)
    assert (kept["day"], kept["calls"], kept["seal"]) == (mine.day, mine.calls, seal)
    engine = make_engine(database_url(mine.settings.database_url), read_only=True)
    with engine.begin() as connection:
        (row,) = day_rows.list_closings(connection)
        assert isinstance(row.row, day_rows.Closing)
        assert set(row.row.figures) == set(catalogue())
        assert row.row.figures["connect.v1"]["value"] == figure(mine, capsys, "connect.v1")["value"]
    engine.dispose()


@pytest.mark.parametrize("what", ["changed", "removed", "inserted"])
def test_a_changed_removed_or_inserted_line_of_the_journal_is_named(
    mine: Written, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    closed(mine, capsys)
    file = journal_of(mine)
    lines = file.read_bytes().splitlines(keepends=True)
    if what == "changed":
        lines[40] = lines[40].replace(b'"now":1795', b'"now":1796')
    elif what == "removed":
        del lines[40]
    else:
        lines.insert(40, lines[12])
    file.write_bytes(b"".join(lines))
    ((kind, id, en),) = findings(mine, capsys)
    assert (kind, id) == ("journal", f"{file.name}:41")
    assert what in en
    status, out, _ = run(mine, capsys, "verify", mine.day, "--no-replay", "--any-configuration")
    assert status == 1
    assert f"{file.name}:41" in out


def test_a_journal_file_that_is_gone_or_came_later_is_named(mine: Written, capsys: pytest.CaptureFixture[str]) -> None:
    closed(mine, capsys)
    file = journal_of(mine)
    later = file.with_name(file.name.replace("-0000-", "-0009-"))
    later.write_bytes(file.read_bytes())
    file.unlink()
    assert {(id, en.split(" (")[0]) for _, id, en in findings(mine, capsys)} == {
        (file.name, "the file is missing"),
        (later.name, "a file that came after the closing"),
    }


def test_a_journal_that_was_compressed_since_is_as_it_was(mine: Written, capsys: pytest.CaptureFixture[str]) -> None:
    closed(mine, capsys)
    file = journal_of(mine)
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    assert findings(mine, capsys) == []


def test_a_changed_removed_or_inserted_call_is_named(mine: Written, capsys: pytest.CaptureFixture[str]) -> None:
    closed(mine, capsys)
    ids = figure(mine, capsys, "connect.v1")["denominator_ids"]
    execute(mine, "UPDATE calls SET joined_at = joined_at - 5 WHERE call = ?", ids[0])
    execute(mine, "UPDATE calls SET joined_at = 1795400000, outcome = 'answered' WHERE call = ?", ids[1])
    execute(mine, "UPDATE call_offers SET offered_at = offered_at - 1 WHERE call = ?", ids[4])
    execute(mine, "DELETE FROM call_offers WHERE call = ?", ids[2])
    execute(mine, "DELETE FROM calls WHERE call = ?", ids[2])
    execute(mine, "UPDATE calls SET call = 'made-up' WHERE call = ?", ids[3])
    execute(mine, "UPDATE agent_intervals SET ended_at = ended_at + 60 WHERE rowid = 3")
    found = findings(mine, capsys)
    assert {(kind, id, en) for kind, id, en in found if kind == "call"} >= {
        ("call", ids[1], "was changed"),
        ("call", ids[2], "was removed"),
        ("call", ids[3], "was removed"),
        ("call", "made-up", "was inserted"),
    }
    assert sum(kind == "interval" for kind, _, _ in found) == 1


def test_who_changes_the_digests_or_the_closing_is_found_too(mine: Written, capsys: pytest.CaptureFixture[str]) -> None:
    closed(mine, capsys)
    digests = mine.settings.data / "closed" / f"{mine.day}.digests"
    kept = digests.read_text()
    digests.write_text(kept.replace("\ncall ", "\ncall x", 1))
    assert ("closing", mine.day, "its file of digests was changed") in findings(mine, capsys)
    digests.write_text(kept)
    execute(mine, """UPDATE day_closings SET figures = replace(figures, '"value": 0', '"value": 1')""")
    assert findings(mine, capsys) == [("closing", f"1 ({mine.day})", "is not as it was written")]


def test_what_comes_to_be_known_later_is_a_correction_and_no_silent_change(
    mine: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    closed(mine, capsys)
    call = CallId(figure(mine, capsys, "connect.v1")["numerator_ids"][0])
    engine = make_engine(database_url(mine.settings.database_url))
    with engine.begin() as connection:
        record = get_call(connection, call)
        assert record is not None
        day_rows.save_call(connection, record)  # as it was: nothing to be said
        day_rows.save_call(connection, replace(record, score=3, ticket=None))
        day_rows.name_ticket(connection, call, TicketNumber("2026112399999"))
        late = CallRecord(CallId("late.0"), record.channel, "12345", "138", record.arrived_at + 1.0)
        day_rows.save_calls(connection, [late])
    engine.dispose()
    assert findings(mine, capsys) == []
    status, out, _ = run(mine, capsys, "day", "verify", mine.day)
    assert status == 0
    assert out.count("更正 / corrected:") == 3
    assert "save_call (score" in out
    assert "name_ticket (ticket)" in out
    execute(mine, "UPDATE calls SET score = 5 WHERE call = ?", call)
    assert findings(mine, capsys) == [("call", str(call), "was changed")]
    execute(mine, "UPDATE calls SET score = 3 WHERE call = ?", call)
    execute(mine, "DELETE FROM day_corrections WHERE seq = 2")
    assert ("correction", "3 (2026-11-23)", "rows 2 to 2 before it are missing") in findings(mine, capsys)
