"""`hotline audit`: the trail in words, as JSON, of a day or an agent, and whether it is whole."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from controller import audit_rows
from controller.__main__ import main
from controller.audit_rows import AuditRow
from controller.commands.audit import day_window, line
from controller.config import load
from controller.database import database_url as where
from controller.database import make_engine
from controller.schema import upgrade
from pbx.ids import ActorId
from pbx.supervision import AuditEntry
from tests.serving import NUMBERS, configuration

pytestmark = pytest.mark.doors

SUPERVISOR = '\n[[supervisors]]\nid = "lin"\nname = "林班长"\nrights = ["force"]\n'
ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 22, 12, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()


@pytest.fixture
def hotline(tmp_path: Path) -> Path:
    """A configuration whose database has three lines of two days."""
    file = configuration(tmp_path, {}, rest=NUMBERS + SUPERVISOR)
    (tmp_path / "data").mkdir()
    url = f"sqlite:///{tmp_path / 'data' / 'hotline.db'}"
    upgrade(url)
    engine = make_engine(where(url))
    lines = ((NOON, "1001", "ok"), (NOON + 60, "1002", "not_allowed"), (NOON + 86400, "1001", "ok"))
    with engine.begin() as connection:
        for number, (at, agent, outcome) in enumerate(lines):
            said = (f"强制话务员{agent}示闲", f"forced agent {agent} ready")
            audit_rows.append(
                connection,
                AuditEntry(str(number), at, ActorId("lin"), "supervisor", "force_ready", agent, "", "", *said, outcome),
            )
    engine.dispose()
    return file


def harm(file: Path, words: str) -> None:
    engine = make_engine(where(f"sqlite:///{file.parent / 'data' / 'hotline.db'}"))
    with engine.begin() as connection:
        connection.execute(text(words))
    engine.dispose()


def test_the_trail_reads_like_sentences(hotline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--config", str(hotline), "--day", "2026-11-22"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "     1  2026-11-22 12:00:00  lin (林班长)  强制话务员1001示闲 / forced agent 1001 ready",
        "     2  2026-11-22 12:01:00  lin (林班长)  强制话务员1002示闲 [未执行: 没有此权限]"
        " / forced agent 1002 ready [not done: this right is not yours]",
        "2 lines",
    ]


def test_of_one_agent_as_json(hotline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--config", str(hotline), "--agent", "1001", "--json"]) == 0
    assert [(row["seq"], row["agent"]) for row in json.loads(capsys.readouterr().out)] == [(1, "1001"), (3, "1001")]


def test_a_day_is_the_hotline_s_day() -> None:
    first, last = day_window("2026-11-22", "Asia/Shanghai")
    assert (first, last) == (NOON - 12 * 3600, NOON + 12 * 3600)
    assert day_window("20261122", "Asia/Shanghai") == (first, last), "as every command takes a day"
    assert day_window(None, "Asia/Shanghai")[0] == 0.0
    today, tomorrow = day_window("today", "Asia/Shanghai")
    assert day_window("yesterday", "Asia/Shanghai")[1] in (today, tomorrow), "midnight may have come between the two"
    for wrong in ("2026-13-01", "tomorrow", "", "11-22"):
        with pytest.raises(ValueError, match="no day"):
            day_window(wrong, "Asia/Shanghai")


def test_the_trail_does_not_send_to_a_detail_that_it_has_not() -> None:
    """What the answer told in its detail is in the sentence."""
    at, zone = NOON, ZoneInfo("Asia/Shanghai")
    entry = AuditEntry(
        "1", at, ActorId("lin"), "supervisor", "force_ready", "1", "", "", "示闲", "ready", "ordered_otherwise"
    )
    told = line(AuditRow(1, entry, ""), load(ROOT / "hotline.toml"), zone)
    assert "another supervisor had just ordered otherwise" in told
    assert "detail" not in told


def test_a_whole_trail_gives_its_seal_and_a_changed_one_its_fault(
    hotline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = ["audit", "--config", str(hotline), "--check"]
    assert main(check) == 0
    said = capsys.readouterr().out
    assert "whole: 3 lines" in said
    seal = said.split()[-1]
    assert main([*check, "--seal", seal]) == 0
    assert main([*check, "--seal", "0" * 63 + "1"]) == 1
    harm(hotline, "UPDATE audit SET agent = '1003' WHERE seq = 2")
    capsys.readouterr()
    assert main(check) == 1
    assert "row 2 is not as it was written" in capsys.readouterr().err
    harm(hotline, "DELETE FROM audit WHERE seq = 2")
    assert main(check) == 1
    assert "rows 2 to 2 are missing" in capsys.readouterr().err


def test_without_a_trail_and_with_a_wrong_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = configuration(tmp_path, {}, rest=NUMBERS)
    assert main(["audit", "--config", str(file)]) == 0
    assert main(["audit", "--config", str(file), "--check"]) == 0
    assert main(["audit", "--config", str(file), "--day", "2026-22-11"]) == 2
    assert "is no day; such as 20261122, today, yesterday" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
