"""What a serving controller does for a loop that does not stand still; in a process of its own, as it stays so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.doors

SCRIPT = """
import gc, json, os, sys, threading
from controller.commands import run
end = threading.Event()
thread = threading.Thread(target=end.wait)
thread.start()
run._tune()
nice = [os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir("/proc/self/task")]
end.set()
print(json.dumps([gc.get_freeze_count(), gc.get_threshold(), sys.getswitchinterval(), nice]))
"""


def test_the_start_is_frozen_threads_take_short_turns_and_go_first_where_they_may() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, check=True)
    frozen, thresholds, switch, nice = json.loads(done.stdout)
    assert frozen > 10_000
    assert thresholds[0] > 700, "Python's own"
    assert switch < 0.005, "Python's own"
    assert len(nice) == 2
    assert set(nice) == ({-5} if os.geteuid() == 0 else {os.getpriority(os.PRIO_PROCESS, 0)})


def test_nothing_is_loaded_for_which_callers_need_not_wait() -> None:
    """Pages, peers, sounds and sheets load their libraries when they are wanted: a start after a crash has no time."""
    root = Path(__file__).resolve().parents[2]
    script = (
        "import sys, controller.commands.run; print(*{'aiohttp', 'numpy', 'openpyxl', 'alembic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
