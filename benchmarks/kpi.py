"""`hotline bench kpi`: a province's day folded into every figure, and what figures cost while a call goes on.

The day is generated: 150,000 calls with menu, waits, offers, holds, wrap-up, and the agents' intervals, written into
SQLite as the hotline writes them. It is read and folded by a process of its own that has read nothing before, by all
definitions at once. Live: everything that is done for figures in the course of one call, on the loop.
"""

from __future__ import annotations

import random
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from controller.database import database_url, make_engine
from controller.figure_facts import Cities, collect, values
from controller.figures import apart_from_calls
from controller.schema import upgrade
from metrics.definitions.catalogue import catalogue
from metrics.definitions.rows import CallRow
from metrics.instants import instants_of
from metrics.intervals import AgentInterval, Shifts, Standing
from metrics.intervals_sql import save_intervals
from metrics.servicelevel import Tally
from metrics.sql import save_calls
from pbx.call import CallRecord, Consent, Estimate, HoldSpan, Interval, OfferRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName, QueueId

DAY = 1_795_276_800.0
AGENTS = 700
QUEUES = ("general", "english", "enterprise", "approvals")


def made(number: int, at: float, pick: random.Random) -> tuple[CallRecord, list[AgentInterval]]:
    """One call as it is when it has ended, and what its agent did at it."""
    call = CallId(f"hotline-{at:.0f}.{number}")
    caller = f"138{pick.randrange(10**8):08d}"
    record = CallRecord(call, ChannelName(f"PJSIP/trunk-{number:08x}"), "12345", caller, at, menu_path=("1", "2"))
    menu = at + pick.uniform(4.0, 25.0)
    consent = Consent("recording-notice", "zh", "heard", at + 3.0)
    record = replace(record, consent=consent, menu_done_at=menu, queue=QueueId(pick.choice(QUEUES)), queued_at=menu)
    wait = pick.expovariate(1 / 9.0)
    if wait > 30.0:
        told = (Estimate(menu + 1, Interval(1, 2), 3.0, 20, 150.0),)
        record = replace(record, estimates=told)
    if pick.random() < 0.05:
        return replace(record, ended_at=menu + wait, outcome=Outcome.ABANDONED), []
    agent, joined = AgentId(str(1000 + pick.randrange(AGENTS))), menu + wait
    talk = pick.lognormvariate(4.8, 0.6)
    offers = [OfferRecord(agent, joined - 4.0, "longest idle | first in line", "answered", joined)]
    if pick.random() < 0.15:
        missed = OfferRecord(AgentId("1999"), joined - 19.0, "longest idle | first in line", "noanswer", joined - 4)
        offers.insert(0, missed)
    holds = (HoldSpan(agent, joined + 10, joined + 25),) if pick.random() < 0.1 else ()
    released = joined + talk
    record = replace(
        record, offers=tuple(offers), agent=agent, joined_at=joined, released_at=released, holds=holds,
        score=pick.choice([None, None, 4, 5, 5, 3]), ended_at=released + 9.0, outcome=Outcome.ANSWERED,
    )  # fmt: skip
    states = (("reserved", -4.0), ("ringing", -3.8), ("talking", 0.0), ("wrap_up", talk), ("ready", talk + 20.0))
    times = [joined + offset for _, offset in states] + [joined + talk + 60.0]
    work = [
        AgentInterval(agent, times[n], state, "", None if state == "ready" else call, times[n + 1])
        for n, (state, _) in enumerate(states)
    ]
    return record, work


def write_day(url: str, calls: int, seed: int = 1) -> None:
    """A day's calls and intervals into an empty database."""
    upgrade(url)
    pick = random.Random(seed)
    engine = make_engine(database_url(url))
    times = sorted(DAY + min(86_399.0, abs(pick.gauss(43_200.0, 14_000.0))) for _ in range(calls))
    for begin in range(0, calls, 5000):
        batch = [made(begin + n, at, pick) for n, at in enumerate(times[begin : begin + 5000])]
        with engine.begin() as connection:
            save_calls(connection, [record for record, _ in batch])
            save_intervals(connection, [one for _, work in batch for one in work])
    engine.dispose()


def fold(url: str) -> dict[str, float]:
    """Everything from the store, in this process: seconds of the clock and of the processor, and two figures."""
    began, used = time.perf_counter(), time.process_time()
    engine = make_engine(database_url(url), read_only=True)
    measures = list(catalogue().values())
    with apart_from_calls():
        with engine.begin() as connection:
            facts = collect(connection, measures, DAY, DAY + 86_400.0, cities=Cities(), now=DAY + 90_000.0)
        read = time.perf_counter() - began
        found = values(facts, measures)
    engine.dispose()
    whole = time.perf_counter() - began
    rate = found["sl15.offered.v1"].value
    told = {"seconds": whole, "read": read, "cpu": time.process_time() - used, "calls": float(len(facts.calls))}
    return told | {"sl15": rate if rate is not None else -1.0}


def live_cost(calls: int = 3000) -> float:
    """Seconds of the processor for figures in the course of one call: its record at each stage, the intervals."""
    pick = random.Random(2)
    tally, shifts = Tally(), Shifts()
    day = [made(number, DAY + number, pick) for number in range(calls)]
    began = time.process_time()
    for record, work in day:
        for stage in (
            replace(record, menu_done_at=None, queued_at=None, offers=(), joined_at=None, ended_at=None, outcome=None),
            replace(record, offers=(), joined_at=None, ended_at=None, outcome=None),
            replace(record, ended_at=None, outcome=None),
            record,
        ):
            tally.put(stage)
        for one in work:
            shifts.put(Standing(one.agent, one.state, one.began_at, one.reason, one.call), one.began_at)
        CallRow(instants_of(record, work))
    return (time.process_time() - began) / calls


def run(json_path: Path | None, quick: bool = False) -> int:
    """Print the table; `quick`: a tenth of the day."""
    calls = 15_000 if quick else 150_000
    report = Report("kpi")
    with tempfile.TemporaryDirectory(prefix="hotline-kpi-") as folder:
        url = f"sqlite:///{folder}/hotline.db"
        write_day(url, calls)
        size = Path(folder, "hotline.db").stat().st_size
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            told: dict[str, Any] = pool.submit(fold, url).result()
    assert told["calls"] == calls
    report.figure("kpi.fold_150k_calls", told["seconds"] * 150_000 / calls)
    report.figure("kpi.fold_150k_calls.cpu", told["cpu"] * 150_000 / calls)
    report.figure("kpi.fold_150k_calls.read", told["read"] * 150_000 / calls)
    report.figure("kpi.live_cpu_per_call", live_cost())
    report.details |= {"definitions": len(catalogue()), "calls": calls, "database_bytes": size, "sl15": told["sl15"]}
    return report.finish(json_path)
