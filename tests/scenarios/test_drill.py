"""The drill in a small form, as the operator runs it: a few faults under load, and nobody is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.asterisk_tree import find_asterisk

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(240)]

HOME = Path(__file__).resolve().parents[2]
VAR = Path(os.environ.get("HOTLINE_VAR", HOME / "var"))
MEANT_FOR_NOISE = {"talks_with_a_gap", "silent_too_long"}
"""Counts in seconds of sound: on a machine that runs other tests beside it they measure the machine."""


@pytest.mark.parametrize(("fault", "rounds"), [("kill", 3)])
def test_nobody_is_lost(tmp_path: Path, fault: str, rounds: int) -> None:
    if find_asterisk(VAR) is None:
        pytest.skip("no Asterisk: run ./hotline asterisk prepare")
    (tmp_path / "asterisk").symlink_to((VAR / "asterisk").resolve())
    tmp_path.chmod(0o755)
    summary = tmp_path / "drill.json"
    words = ["drill", "kill", "-n", str(rounds), "--seed", "5", "--citizens", "8", "--json", str(summary)]
    done = subprocess.run(
        [sys.executable, "-m", "controller", *words, *(() if fault == "kill" else ("--fault", fault))],
        cwd=HOME,
        env=os.environ | {"HOTLINE_HOME": str(HOME), "HOTLINE_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=230,
    )
    told = json.loads(summary.read_text())
    wrong = {name: calls for name, calls in told["must_be_none"].items() if calls and name not in MEANT_FOR_NOISE}
    assert not wrong, (wrong, done.stdout[-3000:])
    assert told["seed"] == 5
    assert told["told"]["faults"] >= rounds
    assert told["told"]["talks"] > 5
    if fault == "kill":
        assert told["told"]["talks_across_a_fault"] > 0
    assert done.returncode == (0 if told["ok"] else 1)
    assert "Traceback" not in done.stdout + done.stderr
