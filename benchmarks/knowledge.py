"""``hotline bench knowledge``: 20 000 published entries searched; how often the top three answer.

Speed: entries of the labelled set's subjects in many places, each with further matter from other subjects, some 400
characters long, through the store: on SQLite, and on PostgreSQL where this machine has its programs. Every
question of the set is asked in many places, one after the other and four at a time; times are those of the whole search
from the loop's side, filters and reading of the found entries included.

Hits: the labelled set alone, each question once; a hit is an entry that answers it among the first three. The figure is
that of the questions that nobody looked at while weights and synonyms were chosen. Beside it SQLite's own FTS5 with the
same pairs of characters and titles weighted alike, and with its trigrams; both without our words.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text, update

from benchmarks.knowledge_set import Question, Specimen, questions, specimens
from benchmarks.live import spread
from benchmarks.report import Report
from controller.database import database_url, make_engine
from controller.knowledge import KnowledgeDesk
from controller.knowledge_plan import KnowledgePlan
from controller.schema import upgrade
from controller.spool import Operation
from controller.writer import Store
from knowledge import index, sql
from knowledge.entry import Content
from knowledge.find import Filter, find
from knowledge.moves import Editor, KnowledgeInput, KnowledgeState, Role
from knowledge.sheet import Format, written
from knowledge.version import Entry
from knowledge.words import Vocabulary, standard_vocabulary
from pbx.terms import normalised, terms
from tickets.ticket import TicketPolicy
from web.knowledge_backend import Wanted

ENTRIES, SEARCHES = 20_000, 1_000
TODAY = date(2026, 11, 22)
WRITER, REVIEWER = Editor("bench", Role.EDITOR), Editor("judge", Role.REVIEWER)
PLACES = tuple(
    f"{first}{second}" for first in "海赣东灌云连沭新泉清淮金宝丰沛睢邳铜贾鼓" for second in ("州区", "榆县", "城市")
)
"""Sixty made-up places."""


def corpus(count: int) -> list[Content]:
    """`count` entries, the same in every run: every specimen in many places, with matter of others in its answer."""
    draw = random.Random(12345)
    own = specimens()
    made = []
    for number in range(count):
        one = own[number % len(own)]
        place = PLACES[number // len(own) % len(PLACES)]
        others = [other.content.answer for other in draw.sample(own, 12)]
        made.append(
            replace(
                one.content,
                question=f"{place}{one.content.question}",
                answer="\n".join([one.content.answer, f"{place}各街道和乡镇按此办理。", *others[:9]]),
                process="\n".join(others[9:]),
                region=f"{320000 + number // len(own):06d}",
            )
        )
    return made


def fill(connection: Connection, contents: Sequence[Content]) -> None:
    """Publish entries at once: kept, marked as published, and the index made from them."""
    policy = KnowledgePlan().policy
    for start in range(0, len(contents), 2000):
        sql.begin_many(connection, contents[start : start + 2000], WRITER, 1.0, policy)
    state = {"state": KnowledgeState.PUBLISHED.value, "decided_at": 1.0}
    connection.execute(update(sql.versions).values(state))
    connection.execute(update(sql.entries).values(published=1))
    sql.rebuild(connection, policy)


# ---------------------------------------------------------------- hits


def rates(search: Callable[[str], Sequence[Specimen]], tune: bool) -> dict[str, float]:
    """The share of questions answered by the first and by the first three, and of those whose subject is there."""
    asked = [one for one in questions() if one.tune is tune]
    found = {one: list(search(one.text))[:3] for one in asked}

    def share(good: Callable[[Question, list[Specimen]], bool]) -> float:
        return sum(good(one, three) for one, three in found.items()) / len(asked)

    return {
        "top1": share(lambda one, three: any(one.answered_by(hit) for hit in three[:1])),
        "top3": share(lambda one, three: any(one.answered_by(hit) for hit in three)),
        "subject_top3": share(lambda one, three: any(hit.subject == one.subject for hit in three)),
        "questions": len(asked),
    }


def ours(url: str, vocabulary: Vocabulary) -> Callable[[str], list[Specimen]]:
    """The hotline's own search over the specimens in a database."""
    own = specimens()
    upgrade(url)
    engine = make_engine(database_url(url))
    with engine.begin() as connection:
        fill(connection, [one.content for one in own])

    def search(asked: str) -> list[Specimen]:
        with engine.begin() as connection:
            return [own[one.no - 1] for one in find(connection, asked, Filter(TODAY), vocabulary, 3)]

    return search


def fts5(tokenizer: str, divided: Callable[[str], list[str]]) -> Callable[[str], list[Specimen]]:
    """SQLite's FTS5 over the specimens, title and keywords weighted as ours."""
    own = specimens()
    base = sqlite3.connect(":memory:")
    base.execute(f"CREATE VIRTUAL TABLE entries USING fts5(question, keywords, answer, tokenize='{tokenizer}')")
    for one in own:
        said = (one.content.question, one.content.keywords, one.content.answer)
        row = said if tokenizer == "trigram" else tuple(" ".join(divided(part)) for part in said)
        base.execute("INSERT INTO entries VALUES (?, ?, ?)", row)

    def search(asked: str) -> list[Specimen]:
        wanted = " OR ".join(f'"{part}"' for part in dict.fromkeys(divided(asked)))
        if not wanted:
            return []
        query = "SELECT rowid FROM entries WHERE entries MATCH ? ORDER BY bm25(entries, 4.0, 3.0, 1.0), rowid LIMIT 3"
        return [own[row[0] - 1] for row in base.execute(query, (wanted,))]

    return search


def _pairs(said: str) -> list[str]:
    return list(terms(normalised(said)).elements())


def _trigrams(said: str) -> list[str]:
    plain = normalised(said)
    return [plain[at : at + 3] for at in range(len(plain) - 2)]


# ---------------------------------------------------------------- speed


async def speed(url: str, folder: Path, count: int, searches: int) -> dict[str, Any]:
    """Fill a database and search it through the store, as the controller does."""
    began = time.perf_counter()
    await asyncio.to_thread(upgrade, url)
    contents = corpus(count)
    engine = make_engine(database_url(url))

    def make() -> tuple[float, int, int]:
        begun = time.perf_counter()
        with engine.begin() as connection:
            fill(connection, contents)
        spent = time.perf_counter() - begun
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                for table in index.metadata.tables:
                    connection.execute(text(f"ANALYZE {table}"))
                size = int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
                held = int(connection.execute(text("SELECT pg_total_relation_size('knowledge_postings')")).scalar_one())
            else:
                connection.execute(text("ANALYZE"))
                pages = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
                size = int(connection.execute(text(pages)).scalar_one())
                held = int(connection.execute(text("SELECT sum(length(entries) + 12) FROM knowledge_postings"))
                           .scalar_one())  # fmt: skip
        return spent, size, held

    filled, size, held = await asyncio.to_thread(make)
    store = Store(url, spool=folder / "spool.jsonl")
    await store.start()
    desk = KnowledgeDesk(store, KnowledgePlan(), TicketPolicy(), lambda: 1_795_309_200.0)
    try:
        asked = _asked(searches)
        for one in asked[:20]:
            await desk.search(one)
        alone = [await _timed(desk, one) for one in asked]
        together = await _four(desk, asked)
        publish = [await _published(desk, number) for number in range(50)]
        took, waits = await _file(desk, store)
    finally:
        await store.stop()
        engine.dispose()
    lengths = [len(one.answer) + len(one.question) + len(one.process) for one in contents]
    return {
        "search_s": spread(alone),
        "search_four_at_a_time_s": spread(together),
        "publish_s": spread(publish),
        "import_5000_csv_s": took,
        "write_during_import_s": {**spread(waits), "max": max(waits)},
        "fill_s": filled,
        "bytes_an_entry": size / count,
        "index_bytes_an_entry": held / count,
        "characters_an_entry": sum(lengths) / count,
        "whole_s": time.perf_counter() - began,
    }


def _asked(searches: int) -> list[Wanted]:
    """Questions with and without a place, every fifth as a citizen of a region asks it."""
    draw = random.Random(54321)
    own = questions()
    found = []
    for number in range(searches):
        one = own[number % len(own)]
        said = one.text if number % 3 else f"{draw.choice(PLACES)}{one.text}"
        region = f"{320000 + draw.randrange(50):06d}" if number % 5 == 0 else ""
        found.append(Wanted(said, region, public=number % 5 == 0))
    return found


async def _timed(desk: KnowledgeDesk, wanted: Wanted) -> float:
    begun = time.perf_counter()
    found = await desk.search(wanted)
    spent = time.perf_counter() - begun
    if not found and not wanted.region:
        raise RuntimeError("a question of the set found nothing among all entries")
    return spent


async def _four(desk: KnowledgeDesk, asked: Sequence[Wanted]) -> list[float]:
    left = iter(asked)

    async def one() -> list[float]:
        return [await _timed(desk, wanted) for wanted in left]

    return [spent for part in await asyncio.gather(*(one() for _ in range(4))) for spent in part]


async def _published(desk: KnowledgeDesk, number: int) -> float:
    """From the reviewer's click to the commit, the index included."""
    content = replace(corpus(number + 1)[-1], question=f"新政策{number}怎么办理?")
    made = await desk.begin(content, WRITER)
    await desk.move(made.no, KnowledgeInput.SUBMIT, WRITER, "", None, None)
    begun = time.perf_counter()
    await desk.move(made.no, KnowledgeInput.PUBLISH, REVIEWER, "", None, None)
    return time.perf_counter() - begun


async def _file(desk: KnowledgeDesk, store: Store) -> tuple[float, list[float]]:
    """A file of 5 000 new entries taken in, from its bytes to the commit; and what others' writes waited meanwhile."""
    rows = [Entry(0, 1, KnowledgeState.DRAFT, content, 1, 1, None, "bench", 0.0) for content in corpus(5_000)]
    data = written(rows, Format.CSV).replace(b"K000000", b"")
    over, waits = asyncio.Event(), []

    async def others() -> None:
        while not over.is_set():
            begun = time.perf_counter()
            await store.submit(_SMALL, None)
            waits.append(time.perf_counter() - begun)
            await asyncio.sleep(0.02)

    beside = asyncio.create_task(others())
    begun = time.perf_counter()
    done = await desk.take_in(Format.CSV, data, WRITER, submit=False, anew=False)
    took = time.perf_counter() - begun
    over.set()
    await beside
    if done.made != len(rows):
        raise RuntimeError(f"only {done.made} rows were taken")
    return took, waits


def _nothing(connection: Connection, _: None) -> None:
    connection.execute(text("SELECT 1"))


_SMALL: Operation[None, None] = Operation("small", _nothing)


@contextmanager
def postgresql() -> Iterator[str | None]:
    """The URL of a PostgreSQL of our own for a while; None where this machine has none."""
    from tests.doors.postgres_server import NoPostgres, PostgresServer, find_postgres

    try:
        server = PostgresServer(*find_postgres())
        server.start()
    except NoPostgres as reason:
        print(f"no PostgreSQL: {reason}")
        yield None
        return
    try:
        yield server.url(server.new_database())
    finally:
        server.remove()


def run(json_path: Path | None = None, quick: bool = False) -> int:
    """Measure, print the table, write the file. `quick`: a tenth of the entries, SQLite only."""
    report = Report("knowledge")
    count, searches = (ENTRIES // 10, SEARCHES // 10) if quick else (ENTRIES, SEARCHES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = standard_vocabulary()
        search = ours(f"sqlite:///{folder}/set.db", words)
        plain = ours(f"sqlite:///{folder}/plain.db", Vocabulary(empty=words.empty))
        peers = {"fts5_pairs": fts5("unicode61", _pairs), "fts5_trigram": fts5("trigram", _trigrams)}
        found = {"ours": search, "ours_without_synonyms": plain, **peers}
        hits = {who: {"tune": rates(how, True), "hold": rates(how, False)} for who, how in found.items()}
        report.figure("knowledge.top3_hit_rate", hits["ours"]["hold"]["top3"], peer=hits["fts5_pairs"]["hold"]["top3"])
        report.details = {"hits": hits, "entries": count, "searches": searches}
        timed = {"sqlite": asyncio.run(speed(f"sqlite:///{folder}/hotline.db", folder, count, searches))}
        if not quick:
            with postgresql() as url:
                if url is not None:
                    (folder / "pg").mkdir()
                    timed["postgresql"] = asyncio.run(speed(url, folder / "pg", count, searches))
    report.details["speed"] = timed
    if not quick:
        report.figure("knowledge.search_20k.p95", timed["sqlite"]["search_s"]["p95"])
        report.figure("knowledge.import.write_wait_p95", timed["sqlite"]["write_during_import_s"]["p95"])
        if "postgresql" in timed:
            report.figure("knowledge.search_20k.p95.postgresql", timed["postgresql"]["search_s"]["p95"])
    status = report.finish(json_path)
    for who, sets in hits.items():
        print(f"{who}: " + "; ".join(
            f"{part}: first {one['top1']:.1%}, first three {one['top3']:.1%}, subject {one['subject_top3']:.1%}"
            for part, one in sets.items()
        ))  # fmt: skip
    for where, one in timed.items():
        alone, four, beside = one["search_s"], one["search_four_at_a_time_s"], one["write_during_import_s"]
        print(
            f"{where}: search p50 {alone['p50'] * 1e3:.1f}, p95 {alone['p95'] * 1e3:.1f} ms, four at a time p95 "
            f"{four['p95'] * 1e3:.1f} ms; publish p50 {one['publish_s']['p50'] * 1e3:.0f} ms; 5 000 rows in "
            f"{one['import_5000_csv_s']:.1f} s, others' writes meanwhile p95 {beside['p95'] * 1e3:.0f} ms, at most "
            f"{beside['max'] * 1e3:.0f}; {one['bytes_an_entry'] / 1e3:.1f} kB an entry of "
            f"{one['characters_an_entry']:.0f} characters, {one['index_bytes_an_entry'] / 1e3:.1f} kB of them the index"
        )
    return status
