"""kill -9 before each single step of archiving and of erasing: nothing is lost, nothing is doubled."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.doors


def test_a_kill_at_any_step_loses_and_doubles_nothing() -> None:
    """In memory where there is some, as a killed process loses no page of the system's: some hundred flushes less."""
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        command = [sys.executable, "-m", "tests.recording_crash", folder]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    archived, erased = map(int, done.stdout.split())
    assert (archived >= 12, erased >= 4) == (True, True), "there were not so many steps: is anything killed at all?"
