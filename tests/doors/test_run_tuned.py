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
