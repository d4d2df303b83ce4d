"""Staffing from a serving hotline: on a real Asterisk, with four weeks of calls in its database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from controller.asterisk_tree import AsteriskBinary
from controller.config import load
from tests.doors.test_staffing import SHIFTS, ZONE, calls_of, fill
from tests.serving import NUMBERS, Api, Served, configuration, naming

pytestmark = pytest.mark.asterisk


@pytest.fixture
def folder(binary: AsteriskBinary) -> Iterator[Path]:
    """A folder that Asterisk's user may enter; nothing may run in it afterwards."""
    made = Path(tempfile.mkdtemp(prefix="hotline-test-"))
    made.chmod(0o755)
    yield made
    left = naming(str(made))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(made)
    assert not left


async def test_a_serving_hotline_tells_its_staffing(folder: Path) -> None:
    """Over its own token, its own database and a process of its own that reads them while it serves."""
    file = configuration(folder, {}, rest=NUMBERS + SHIFTS)
    today = datetime.now(ZONE).date()
    (folder / "data").mkdir()
    await asyncio.to_thread(fill, load(file).database_url, calls_of(today - timedelta(days=29), 29))
    async with Served("run", "--config", str(file)) as hotline:
        await hotline.said("serving; pages at")
        api = Api(folder / "data")
        # A slow machine may take longer than one request waits: what was worked out is kept for the next.
        told = await api.until("/api/staffing/forecast?queue=general", lambda answer: answer["queues"], within=100)
        (one,) = told["queues"][0]["forecast"]
        assert date.fromisoformat(one["day"]) >= today
        assert 10 < one["calls"] < 120
        plan = await api.until("/api/staffing/plan?queue=general", lambda answer: answer["roster"], within=100)
        assert plan["uncovered"] == 0
        assert plan["hours_paid"] >= plan["hours_needed"] > 0
