"""How long the results of quality inspection of a year take to be read from the sums that are kept, and to be kept.

On SQLite, and on PostgreSQL where this machine has its programs. The year is one of 10,000 calls a day: 200 agents, of
whom 150 work on a day, each in two of ten queues, with 25 figures of each; and 100 scores a day. The sums are made as
rows, not by inspecting 3,650,000 calls; that they are what the findings add up to is shown by
`tests/doors/test_inspection_days.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date, timedelta

from sqlalchemy import Connection, false, insert, text

from controller.database import database_url, make_engine
from controller.schema import upgrade
from recordings.inspection import days_sql, review_sql, sql
from recordings.inspection.findings import Inspection
from recordings.inspection.results import lines_of
from recordings.inspection.review import ScoreState
from recordings.inspection.tables import day_sums
from recordings.inspection.tables import scores as score_rows

FIRST = date(2026, 1, 1)
AGENTS, ON_DUTY, QUEUES, FIGURES, SCORES = 200, 150, 10, 25, 100
CALLS_OF_AGENT = 67

ASKED: dict[str, tuple[int, int, str, str]] = {
    "a year by agent": (0, 365, "agent", ""),
    "all but its first and last day, by agent": (1, 363, "agent", ""),
    "a year by team": (0, 365, "team", ""),
    "a year by queue": (0, 365, "queue", ""),
    "a year by day": (0, 365, "day", ""),
    "a year of one agent by day": (0, 365, "day", "1007"),
    "a year of one agent by queue": (0, 365, "queue", "1007"),
    "a month by agent": (31, 28, "agent", ""),
}
"""First day, how many, by what, of whom."""


def fill(connection: Connection, days: int) -> int:
    """A year of sums; how many rows."""
    bodies = [_body(seed) for seed in range(7)]
    rows: list[dict[str, str]] = []
    count = 0

    def made(grain: str, span: str, agent: str, queue: str, seed: int) -> None:
        body = bodies[seed % len(bodies)]
        rows.append({"grain": grain, "span": span, "agent": agent, "queue": queue, "city": "cz", "body": body})

    for place in range(days):
        day = FIRST + timedelta(days=place)
        for agent in range(AGENTS):
            if (agent + place) % AGENTS < ON_DUTY:
                made(days_sql.AGENT_DAY, str(day), str(1000 + agent), "", agent + place)
                for queue in (agent, agent + 1):
                    made(days_sql.DAY, str(day), str(1000 + agent), f"queue-{queue % QUEUES}", agent + queue)
            if day.day == 1:
                made(days_sql.AGENT_MONTH, str(day)[:7], str(1000 + agent), "", agent)
        for queue in range(QUEUES):
            made(days_sql.QUEUE_DAY, str(day), "", f"queue-{queue}", queue + place)
        connection.execute(insert(day_sums), rows)
        count += len(rows)
        rows.clear()
    scores = [
        review_sql._score_row(
            review_sql.Score(
                f"{day}-{n}", f"c-{day}-{n}", "standard", 1, "wu", 1, str(1000 + n % AGENTS), f"queue-{n % QUEUES}",
                str(FIRST + timedelta(days=day)), 0.0, ScoreState.SCORED, 80.0 + n % 20, True, {}, "", "cz",
            )
        )
        for day in range(days)
        for n in range(SCORES)
    ]  # fmt: skip
    for begin in range(0, len(scores), 1000):
        connection.execute(insert(score_rows), scores[begin : begin + 1000])
    return count


def _body(seed: int) -> str:
    sums = {_name(n): [30 + seed, (30 + seed) * (n + 0.123), 10 + n % 3] for n in range(FIGURES)}
    return json.dumps(sums, separators=(",", ":"))


def _name(n: int) -> str:
    fixed = (days_sql.ALL, days_sql.SOUND, days_sql.WORDS, days_sql.WRONG_TYPE, "talk_s", "agent_share")
    return fixed[n] if n < len(fixed) else f"list-{n}"


def results(connection: Connection, first: int, days: int, by: str, agent: str) -> int:
    """What `GET /api/inspection/results` does; how many lines."""
    begin, end = str(FIRST + timedelta(days=first)), str(FIRST + timedelta(days=first + days - 1))
    key = "agent" if by == "team" else by
    sums = days_sql.kept(connection, begin, end, key, agent)
    given = review_sql.score_sums(connection, begin, end, key, agent)
    teams = {str(1000 + n): f"team-{n // 10}" for n in range(AGENTS)}
    return len(lines_of(sums, given, by, teams))


def keeping(connection: Connection) -> tuple[float, float]:
    """How long ten agents' days take to be folded, and then to be kept, which the one writer does: seconds."""
    counts = {_name(n): n % 3 for n in range(6, FIGURES)}
    for agent in range(10):
        for n in range(CALLS_OF_AGENT):
            found = Inspection("r", "judged", "judged", {"talk_s": 60.0, "agent_share": 0.5}, counts)
            one = sql.InspectedCall(
                f"f-{agent}-{n}", 0.0, None, "ab", str(1000 + agent), f"queue-{n % 2}", 1.0, str(FIRST), found, "cz"
            )
            sql.save_inspection(connection, one)
    began = time.perf_counter()
    folded = days_sql.refold(connection, days_sql.due(connection, 10), false())
    between = time.perf_counter()
    days_sql.put(connection, folded)
    return between - began, time.perf_counter() - between


def timed(url: str, days: int, note: Callable[[str], None] = lambda text: None) -> dict[str, float]:
    """Seconds of each question, the median of five; of folding and keeping ten agents' days. Beside each question
    ``, CPU``: of that the CPU of this process, which on SQLite is all that there is."""
    upgrade(url)
    engine = make_engine(database_url(url))
    found: dict[str, float] = {}
    try:
        with engine.begin() as connection:
            note(f"{fill(connection, days):,} rows of sums")
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE"))  # as its autovacuum does by itself
        for name, asked in ASKED.items():
            took, used = [], []
            for _ in range(5):
                with engine.begin() as connection:
                    began, before = time.perf_counter(), time.process_time()
                    results(connection, *asked)
                    took.append(time.perf_counter() - began)
                    used.append(time.process_time() - before)
            found[name], found[f"{name}, CPU"] = sorted(took)[2], sorted(used)[2]
        with engine.begin() as connection:
            found["fold ten agents' days"], found["keep ten agents' days"] = keeping(connection)
    finally:
        engine.dispose()
    return found
