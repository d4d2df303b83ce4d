"""How long the results of quality inspection of a year take to be read from the sums that are kept, and to be kept.

On SQLite, and on PostgreSQL where this machine has its programs. The year is one of 10,000 calls a day: 200 agents, of
whom 150 work on a day, each in two of ten queues, with 25 figures of each; and 100 scores a day. The sums are made as
rows, not by inspecting 3,650,000 calls; that they are what the findings add up to is shown by
`tests/doors/test_inspection_days.py`.
"""

from __future__ import annotations

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
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))  # a year at once is more than a hotline asks
    kinds = {
        "t_days": ("day text, seq integer", [{"a": str(FIRST + timedelta(days=n)), "b": n} for n in range(days)]),
        "t_agents": ("agent text, seq integer", [{"a": str(1000 + n), "b": n} for n in range(AGENTS)]),
        "t_queues": ("queue text, seq integer", [{"a": f"queue-{n}", "b": n} for n in range(QUEUES)]),
        "t_names": ("name text, seq integer", [{"a": _name(n), "b": n} for n in range(FIGURES)]),
    }
    for table, (columns, rows) in kinds.items():
        connection.execute(text(f"CREATE TEMPORARY TABLE {table} ({columns})"))
        connection.execute(text(f"INSERT INTO {table} VALUES (:a, :b)"), rows)  # noqa: S608 - our own names
    made = "INSERT INTO inspection_sums (grain, span, city, agent, queue, name, calls, total, above) SELECT "
    connection.execute(
        text(
            f"{made}'day', day, 'cz', agent, queue, name, 30, 30 * (n.seq + a.seq % 7 + 0.5), 10"
            " FROM t_days d CROSS JOIN t_agents a CROSS JOIN t_queues q CROSS JOIN t_names n"
            f" WHERE (a.seq + d.seq) % {AGENTS} < {ON_DUTY} AND (q.seq + {QUEUES} - a.seq % {QUEUES}) % {QUEUES} < 2"
        )
    )
    coarser = (
        ("agent-day", "span", "agent", "''", "day", "span, city, agent, name"),
        ("agent-month", "substr(span, 1, 7)", "agent", "''", "day", "substr(span, 1, 7), city, agent, name"),
        ("queue-day", "span", "''", "queue", "day", "span, city, queue, name"),
    )
    for grain, span, agent, queue, of, by in coarser:
        connection.execute(
            text(
                f"{made}'{grain}', {span}, city, {agent}, {queue}, name, sum(calls), sum(total), sum(above)"
                f" FROM inspection_sums WHERE grain = '{of}' GROUP BY {by}"
            )
        )
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
    connection.execute(insert(review_sql.scores), scores)
    return int(connection.execute(text("SELECT count(*) FROM inspection_sums")).scalar_one())


def _name(n: int) -> str:
    fixed = (days_sql.ALL, days_sql.SOUND, days_sql.WORDS, days_sql.WRONG_TYPE, "talk_s", "agent_share")
    return fixed[n] if n < len(fixed) else f"list-{n}"


def results(connection: Connection, first: int, days: int, by: str, agent: str) -> int:
    """What `GET /api/inspection/results` does; how many lines."""
    begin, end = str(FIRST + timedelta(days=first)), str(FIRST + timedelta(days=first + days - 1))
    sums = days_sql.kept(connection, begin, end, "agent" if by == "team" else by, agent)
    scores = review_sql.score_sums(connection, begin, end, agent)
    teams = {str(1000 + n): f"team-{n // 10}" for n in range(AGENTS)}
    return len(lines_of(sums, scores, by, teams))


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
    folded = [days_sql.refold(connection, one, false()) for one in days_sql.due(connection, 10)]
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
