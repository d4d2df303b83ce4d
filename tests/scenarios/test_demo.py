"""The demonstration as a test: every story on the real Asterisk, its summary, and its journals replayed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.__main__ import main
from controller.asterisk_tree import find_asterisk
from controller.config import load
from controller.journal_file import read_header
from controller.replay import replay
from controller.switchboard import Switchboard
from controller.verify.lines import starts
from controller.verify.run import check

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(480)]

HOME = Path(__file__).resolve().parents[2]
VAR = Path(os.environ.get("HOTLINE_VAR", HOME / "var"))
FIELDS = {
    "story", "title", "call_id", "menu_path", "language", "queue", "outcome", "wait_s", "agent", "recording",
    "transcript", "ticket", "satisfaction", "expected", "passed", "problems",
}  # fmt: skip


def environment(var: Path) -> dict[str, str]:
    """The demonstration's surroundings: the prepared Asterisk, and a folder of its own."""
    if find_asterisk(VAR) is None:
        pytest.skip("no Asterisk: run ./hotline asterisk prepare")
    (var / "asterisk").symlink_to((VAR / "asterisk").resolve())
    return os.environ | {"HOTLINE_HOME": str(HOME), "HOTLINE_VAR": str(var)}


def processes_in(folder: Path) -> list[str]:
    """Command lines of running processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in words:
                found.append(words)
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, str]:
    """All stories, once: the summary, the demonstration's folder, and what it printed."""
    var = tmp_path_factory.mktemp("demo")
    summary = var / "summary.json"
    done = subprocess.run(
        [sys.executable, "-m", "controller", "demo", "--json", str(summary)],
        cwd=HOME,
        env=environment(var),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert summary.exists(), done.stdout + done.stderr
    told = json.loads(summary.read_text(encoding="utf-8"))
    told["status"] = done.returncode
    return told, var / "demo", done.stdout + done.stderr


def test_every_story_ends_as_it_should(played: tuple[dict[str, Any], Path, str]) -> None:
    told, _, _ = played
    problems = {f"{call['story']} {call['title']}": call["problems"] for call in told["calls"] if not call["passed"]}
    assert problems == {}
    assert told["ok"] is True
    assert told["status"] == 0
    assert {call["story"] for call in told["calls"]} == set("abcdefghi")


def test_the_summary_has_its_documented_form(played: tuple[dict[str, Any], Path, str]) -> None:
    told, _, _ = played
    assert set(told["asterisk"]) == {"version", "source"}
    assert told["asterisk"]["source"] in ("system", "prepared")
    assert all(set(call) == FIELDS for call in told["calls"])
    level = told["service_level_15s"]
    assert set(level) == {"definition", "formula", "numerator", "denominator", "value"}
    assert level["value"] == pytest.approx(level["numerator"] / level["denominator"])
    offered = [call for call in told["calls"] if call["outcome"] in ("answered", "abandoned")]
    assert level["denominator"] == len(offered)


def test_its_journals_replay_to_the_same_decisions(played: tuple[dict[str, Any], Path, str]) -> None:
    """One journal per start of the controller: two of them were ended by kill -9."""
    _, folder, _ = played
    plan = load(folder / "hotline.toml").plan
    journals = sorted((folder / "data" / "journal").glob("*.jsonl"))
    assert len(journals) == 3
    for journal in journals:
        assert read_header(journal).configuration == plan.version
        assert replay(journal, lambda header: Switchboard(plan)) is None


def test_its_journals_keep_every_promise(played: tuple[dict[str, Any], Path, str]) -> None:
    """By rules that are not the switchboard's own; over the two restarts, with replay."""
    told, folder, _ = played
    found = check(load(folder / "hotline.toml").plan, starts(folder / "data" / "journal"))
    assert not found.damaged
    assert not found.report.broken(strict=True), "\n".join(map(str, found.report.findings))
    assert found.report.starts == len(list((folder / "data" / "journal").glob("*.jsonl")))
    assert found.report.calls == found.report.ended >= len(told["calls"])
    assert found.replayed == found.report.steps


def test_a_script_of_its_own_finds_the_same_figures(
    played: tuple[dict[str, Any], Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """From the journals of real calls, over the two restarts, to the last call; and each agent's work at each call."""
    _, folder, _ = played
    journals, config = folder / "data" / "journal", str(folder / "hotline.toml")
    compared = 0
    for day in sorted({read_header(file).day for file in journals.glob("*.jsonl")}):  # two, should midnight have passed
        date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        script = [sys.executable, "-I", str(HOME / "tests" / "recompute_figures.py"), str(journals), date]
        theirs = json.loads(subprocess.run(script, check=True, capture_output=True).stdout)
        for name in ("sl15.offered.v1", "sl15.from_arrival.v1", "connect.v1", "loss.v1", "wait.v1"):
            assert main(["kpi", name, "--config", config, "--day", date, "--calls", "--json"]) == 0
            ours = json.loads(capsys.readouterr().out)
            assert ours["denominator_ids"] == theirs[name]["below"], name
            assert ours["numerator_ids"] == theirs[name]["above"], name
            compared += len(theirs[name]["below"])
    assert compared >= 25
    with sqlite3.connect(folder / "data" / "hotline.db") as store:
        rows = store.execute("SELECT DISTINCT call, state FROM agent_intervals WHERE call IS NOT NULL").fetchall()
        talked = store.execute("SELECT call FROM calls WHERE joined_at IS NOT NULL AND in_net = 0").fetchall()
    store.close()
    assert {call for (call,) in talked} <= {call for call, state in rows if state == "talking"}
    assert {"ringing", "talking"} <= {state for _, state in rows}


def test_its_log_names_no_caller_and_nothing_is_left_behind(played: tuple[dict[str, Any], Path, str]) -> None:
    _, folder, _ = played
    log = (folder / "controller.log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert "13800" not in log  # every citizen of the demonstration calls from such a number
    assert processes_in(folder) == []


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    """Interrupted in the middle of a story, with a call up: status 130, and no process of it is left."""
    running = subprocess.Popen(
        [sys.executable, "-u", "-m", "controller", "demo", "--story", "e", "--story", "c"],
        cwd=HOME,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout is not None
    said = ""
    for line in running.stdout:
        said += line
        if "as it should" in line:  # story c is told before e is played, or the other way round
            break
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=60)
    assert running.returncode == 130, said + rest
    assert processes_in(tmp_path / "demo") == []
