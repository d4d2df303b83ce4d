"""``hotline bench transcripts``: searching what was said in 200 000 calls, on SQLite and PostgreSQL.

The calls are of two years, 200 agents and eight queues, each with some forty turns by two speakers, every fourth with a
telephone number in it. Transcripts are made of a stock of 2 000 talks, and each has a turn of its own besides, so that
there are words that every call has, some that one in two hundred has, and some that only one has. They are put in as
they lie on disk, not through a recogniser.

Searches: the newest 20 calls with their turns, spans and seconds, through the store's readers, as over HTTP; by one
without the right to personal data, so that hiding is part of it. A figure is the slowest search's p95.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from sqlalchemy.engine import make_url

from benchmarks.report import Report
from benchmarks.tickets import ROADS, TOLD, WORDS, postgresql, size
from controller.commands.run import GC_THRESHOLDS
from controller.records import Operations
from controller.schema import upgrade
from controller.transcript_desk import HotlineTranscripts
from controller.writer import Store
from metrics.sql import calls
from recordings import words_sql
from recordings.corrections import Kept, read
from recordings.search import INDEX, Wanted, keys_of, looked_for
from recordings.sql import transcripts
from recordings.transcript import Transcript, Turn, Word, join_words
from tickets.log import plain
from tickets.moves import Actor, Role
from tickets.tables import tickets
from tickets.ticket import Ticket, TicketPolicy, number_of

MANY, STOCK, AGENTS, QUEUES, DAYS, SEARCHES = 200_000, 2000, 200, 8, 730, 40
BEGIN = 1_732_233_600.0
TURNS = 40
RARE = "幼儿园门口红绿灯 水表走得快 公厕没有灯 老旧小区加装电梯 共享单车堆满 校车不来 暖气不热 露天烧烤".split()  # noqa: SIM905
FILLING = (  # noqa: SIM905 - a list of so many would be a page
    "您好 请问 有什么 可以 帮您 我想 反映 一下 情况 就是 我们 小区 那个 地方 现在 还是 没有 人 处理 好的 我 记录 "
    "下来 转 给 相关 部门 大概 什么 时候 能 有 结果 五个 工作日 之内 会 回复 谢谢 再见 不客气 还有 别的 问题 吗 "
    "具体 位置 在 哪里"
).split()
INSPECTOR = Actor("q", Role.INSPECTOR)


def run(json_path: Path | None = None, *, quick: bool = False) -> int:
    """Measure, print the table, write the file."""
    console, report = Console(), Report("transcripts")
    many = 20_000 if quick else MANY
    with tempfile.TemporaryDirectory(prefix="hotline-bench-") as folder:
        found = {"sqlite": asyncio.run(_measured(f"sqlite:///{folder}/t.db", Path(folder), many, console))}
        with postgresql(console) as url:
            if url is not None:
                found["postgresql"] = asyncio.run(_measured(url, Path(folder), many, console))
    for name, one in found.items():
        if not quick:  # fewer say nothing of so many
            report.figure(f"transcripts.search_200k.p95.{name}", one["search_p95_s"])
        report.figure(f"transcripts.words_bytes.{name}", one["words_bytes"])
    report.figure("transcripts.index_one.p95", found["sqlite"]["index_p95_s"])
    report.details = {"transcripts": many, "databases": found}
    return report.finish(json_path)


async def _measured(url: str, folder: Path, many: int, console: Console) -> dict[str, Any]:
    kind = make_url(url).get_backend_name()
    await asyncio.to_thread(upgrade, url)
    policy = TicketPolicy()
    store = Store(url, spool=folder / f"{kind}.jsonl", operations=Operations(policy).spoolable())
    await store.start()
    try:
        begun = time.perf_counter()
        without = await asyncio.to_thread(_fill, url, many)
        found: dict[str, Any] = {"fill_s": time.perf_counter() - begun}
        found["words_bytes"] = (await asyncio.to_thread(size, url) - without) / many
        desk = HotlineTranscripts(store, policy, time.time)
        with _as_served():
            found["searches"] = await _searches(desk, many)
        found["search_p95_s"] = max(one["p95"] for one in found["searches"].values())
        found["index_p95_s"] = await _indexing(desk, many)
    finally:
        await store.stop()
    for name, one in found["searches"].items():
        console.print(
            f"{kind}, {many:,} transcripts: {name} p50 {one['p50'] * 1000:.1f} ms, p95 {one['p95'] * 1000:.1f} ms, "
            f"{one['calls_a_page']:.1f} calls"
        )
    return found


@contextmanager
def _as_served() -> Iterator[None]:
    """With the collector of cycles as a hotline that serves has it: by default its stops are the slowest searches."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


# ---------------------------------------------------------------- what was said


def _talk(random: Random) -> Transcript:
    subject, place = random.choice(WORDS), f"{random.choice(ROADS)}"
    turns: list[Turn] = []
    at = 0.0
    for n in range(TURNS):
        words = random.choices(FILLING, k=random.randint(3, 14))
        if n % 7 == 1:
            words.insert(0, subject)
        if n == 5:
            words = ["在", place, str(random.randrange(900)), "号"]
        if n == 9:
            words += [random.choice(TOLD)]
        if n == 11 and random.random() < 0.25:
            words = ["电话", "一三八", *("".join(random.choices("零一二三四五六七八九", k=4)) for _ in range(2))]
        turns.append(_turn("citizen" if n % 2 else "agent", at, words))
        at = turns[-1].end_s + 0.4
    return Transcript(tuple(turns), "zh", "vosk-model-cn", None, at)


def _turn(speaker: Any, at: float, words: list[str]) -> Turn:
    said = tuple(Word(round(at + n * 0.35, 2), round(at + n * 0.35 + 0.3, 2), one, 0.93) for n, one in enumerate(words))
    return Turn(speaker, at, said[-1].end, join_words(words), said)


def _rows(many: int) -> Iterator[dict[str, Any]]:
    """Every call with its transcript, its keys and its ticket."""
    random = Random(1)
    stock = [_talk(random) for _ in range(STOCK)]
    bodies = [one.to_json() for one in stock]
    bare = [keys_of(read(Kept(one))) for one in stock]
    said_keys = [words_sql.said(keys) for keys in bare]
    step = DAYS * 86_400.0 / many
    day, sequence = "", 0
    for n in range(many):
        at = BEGIN + n * step
        which = random.randrange(STOCK)
        said = random.choice(RARE) if random.random() < 0.04 else "那就这样"
        own = _turn("citizen", stock[which].duration_s, [said, f"编号{n}"])
        agent, queue = f"{1000 + random.randrange(AGENTS)}", f"q{random.randrange(QUEUES)}"
        mine = Transcript((own,), "zh", "vosk-model-cn", None, 0.0)
        own_keys = keys_of(read(Kept(mine)), agent, queue, agent) - bare[which]
        tail = mine.to_json().partition('"turns": [')[2]
        today = time.strftime("%Y%m%d", time.gmtime(at + 8 * 3600))
        day, sequence = (day, sequence + 1) if today == day else (today, 1)
        yield {
            "call": f"{at:.0f}.{n}",
            "at": at,
            "agent": agent,
            "queue": queue,
            "body": f"{bodies[which][:-2]}, {tail}",
            "keys": bare[which] | own_keys,
            "said": f"{said_keys[which]} {words_sql.said(own_keys)}",
            "number": number_of(day, sequence),
        }


# ---------------------------------------------------------------- on disk


def _fill(url: str, many: int) -> int:
    """Put everything in but the words, and then these; bytes of the database before them. Blocks for minutes."""
    call_columns = {"channel": "PJSIP/x", "dialled": "12345", "caller": "138", "language": "zh", "menu_path": "[]",
                    "in_net": False, "details": "{}"}  # fmt: skip
    blank = Ticket(number_of("20000101", 1), None, "", "", "zh", "", "", 0.0, 0.0, 0.0)  # type: ignore[arg-type]
    template = {column.name: plain(getattr(blank, column.name, 0)) for column in tickets.c}
    template |= dict.fromkeys(("co_units", "pauses", "attachments"), "[]")

    def of(row: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        about = {"call": row["call"], "agent": row["agent"], "queue": row["queue"]}
        return (
            {**call_columns, **about, "arrived_at": row["at"], "ended_at": row["at"] + 200},
            {**template, **about, "number": row["number"], "opened_at": row["at"]},
            {"call": row["call"], "language": "zh", "recogniser": "vosk", "made_at": row["at"], "body": row["body"],
             "base": 1},
        )  # fmt: skip

    tables = (calls, tickets, transcripts)
    place = words_sql.place_of
    if url.startswith("sqlite"):
        import sqlite3

        session = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)
        session.execute("PRAGMA synchronous=OFF")
        for some in _pieces(_rows(many)):
            for table, rows in zip(tables, zip(*map(of, some), strict=True), strict=True):
                names = list(rows[0])
                marks, columns = ",".join("?" * len(names)), ",".join(f'"{name}"' for name in names)
                values = [tuple(row[name] for name in names) for row in rows]
                session.executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", values)  # noqa: S608
            session.commit()
        session.close()
        before = size(url)
        session = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)
        session.execute("PRAGMA synchronous=OFF")
        for some in _pieces(_rows(many)):
            found = [(one["call"], place(one["at"]), INDEX, words_sql.packed(one["keys"])) for one in some]
            session.executemany("INSERT INTO transcript_places (call, place, rules, keys) VALUES (?, ?, ?, ?)", found)
            said = [(place(one["at"]), one["said"]) for one in some]
            session.executemany(f"INSERT INTO {words_sql.NAME} (rowid, keys) VALUES (?, ?)", said)  # noqa: S608
            session.commit()
        session.execute("ANALYZE")
        session.commit()
        session.close()
        return before
    import psycopg

    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as session_pg:
        for some in _pieces(_rows(many)):
            for table, rows in zip(tables, zip(*map(of, some), strict=True), strict=True):
                columns = ",".join(f'"{name}"' for name in rows[0])
                with session_pg.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(list(row.values()))
            session_pg.commit()
    before = size(url)
    with psycopg.connect(address) as session_pg:
        session_pg.execute("DROP INDEX ix_transcript_words_keys")
        for some in _pieces(_rows(many)):
            with session_pg.cursor() as cursor:
                with cursor.copy("COPY transcript_places (call, place, rules, keys) FROM STDIN") as copy:
                    for one in some:
                        copy.write_row((one["call"], place(one["at"]), INDEX, b""))
                with cursor.copy("COPY transcript_words (place, keys) FROM STDIN") as copy:
                    for one in some:
                        copy.write_row((place(one["at"]), sorted(one["keys"])))
            session_pg.commit()
        session_pg.execute("SET maintenance_work_mem = '512MB'")
        session_pg.execute("CREATE INDEX ix_transcript_words_keys ON transcript_words USING gin (keys)")
        session_pg.execute("ANALYZE")
        session_pg.commit()
    return before


def _pieces(rows: Iterator[dict[str, Any]], size: int = 5000) -> Iterator[list[dict[str, Any]]]:
    while some := list(islice(rows, size)):
        yield some


# ---------------------------------------------------------------- asked


async def _searches(desk: HotlineTranscripts, many: int) -> dict[str, dict[str, float]]:
    random, end = Random(2), BEGIN + DAYS * 86_400.0

    def sought(said: str, **more: Any) -> tuple[Wanted, Actor]:
        viewer = more.pop("viewer", INSPECTOR)
        return Wanted(looked_for(said), **more), viewer

    def agent() -> str:
        return f"{1000 + random.randrange(AGENTS)}"

    def month() -> dict[str, float]:
        at = BEGIN + random.randrange(DAYS - 30) * 86_400.0
        return {"since": at, "until": at + 30 * 86_400.0}

    asked: dict[str, Any] = {
        "a word that every call has": lambda: sought("请问"),
        "a word that every fifteenth has": lambda: sought(random.choice(WORDS)),
        "the same, the oldest first": lambda: sought(random.choice(WORDS), newest=False),
        "the same, by the agent": lambda: sought(random.choice(WORDS), speaker="agent"),
        "two words": lambda: sought(f"{random.choice(WORDS)} {random.choice(ROADS)}"),
        "a word that one in two hundred has": lambda: sought(random.choice(RARE)),
        "a word that one call has": lambda: sought(f"编号{random.randrange(many)}"),
        "words that nobody said": lambda: sought(f"{random.choice(WORDS)}海啸"),
        "a word in a month": lambda: sought(random.choice(WORDS), **month()),
        "a word in an agent's calls": lambda: sought(random.choice(WORDS), agent=agent()),
        "a word in a queue's calls": lambda: sought(random.choice(WORDS), queue=f"q{random.randrange(QUEUES)}"),
        "an agent's own": lambda: sought("请问", viewer=Actor(agent(), Role.AGENT)),
    }
    found: dict[str, dict[str, float]] = {}
    for name, made in asked.items():
        took, pages = [], 0
        for _ in range(SEARCHES):
            wanted, viewer = made()
            wanted = replace(wanted, until=min(wanted.until, end + 1))
            at = time.perf_counter()
            page = await desk.search(wanted, viewer)
            took.append(time.perf_counter() - at)
            pages += len(page.hits)
        p95 = sorted(took)[int(len(took) * 0.95)]
        found[name] = {
            "p50": statistics.median(took), "p95": p95, "max": max(took), "calls_a_page": pages / SEARCHES
        }  # fmt: skip
    return found


async def _indexing(desk: HotlineTranscripts, many: int) -> float:
    """How long the words of one transcript take, written again among all the others: p95."""
    random, took, step = Random(3), [], DAYS * 86_400.0 / many
    for _ in range(60):
        n = random.randrange(many)
        at = time.perf_counter()
        done = await desk.index_one(f"{BEGIN + n * step:.0f}.{n}")  # type: ignore[arg-type]
        assert done
        took.append(time.perf_counter() - at)
    return sorted(took)[int(len(took) * 0.95)]
