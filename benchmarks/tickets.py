"""``hotline bench tickets``: moves through the store, and lists over a million tickets, on SQLite and PostgreSQL.

Moves: so many people at a time each take a ticket from its opening to its closing (登记, 转办, 签收, 答复,
审核通过), and every move waits for its commit, as over HTTP. What a ticket takes on the disk is what the database has
grown by, divided by these tickets: with its moves, indexes and units, after a checkpoint.

Lists: a million tickets of two years are put in (not by moves: nobody waits an hour for a benchmark), then the lists
that people ask for, page by page as over HTTP: a day's, a unit's, a class's, an incident's, all that are open. Some
units have much and most have little: the first of 500 has 4 % of all. A figure is the time of `page_of_tickets` through
the store's readers, tickets made whole.

Searches: words in what was said (one that every fifteenth ticket has, two of which few have both), a place, both, words
in a unit's own and in a class, and the caller's number; each over all of the million, the newest first.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from benchmarks.report import Report
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.writer import Store
from tickets import word_rows
from tickets.flow import Intake
from tickets.given import Move
from tickets.log import plain
from tickets.moves import ADMIN, Actor, Role, TicketInput, TicketState
from tickets.search import TicketFilter
from tickets.tables import tickets, units
from tickets.ticket import Channel, Ticket, TicketChange, TicketPolicy, TicketType, number_of
from tickets.units import HandlingUnit, UnitRegister
from tickets.words import keys_of_texts, place_in_order

MANY = 1_000_000
FLOWS = 600
PEOPLE = 50
LISTS = 60
"""Lists of each kind."""

PAGE = 50
UNITS = 500
DAYS = 730
BEGIN = 1_732_233_600.0
"""2024-11-22 in Shanghai: so the newest tickets are of today."""

OPEN = frozenset({TicketState.DISPATCHED, TicketState.SIGNED})
ROADS = tuple(f"{a}{b}路" for a in "解放人民建设和平中山海棠朝阳幸福" for b in "东西南北一二三")
TOLD = ("请处理", "多次反映无人管", "影响出行", "夜里更严重", "已经三天了", "老人孩子受不了", "要求答复", "何时能好")
WORDS = tuple("路灯 井盖 供水 停电 噪音 违停 物业 公交 燃气 供暖".split() + "积水 垃圾 围挡 施工 社保".split())  # noqa: SIM905


def run(json_path: Path | None = None, *, quick: bool = False) -> int:
    """Measure, print the table, write the file."""
    console, report = Console(), Report("tickets")
    many, flows = (100_000, 150) if quick else (MANY, FLOWS)
    with tempfile.TemporaryDirectory(prefix="hotline-bench-") as folder:
        found = {"sqlite": asyncio.run(_measured(f"sqlite:///{folder}/t.db", Path(folder), many, flows, console))}
        with postgresql(console) as url:
            if url is not None:
                found["postgresql"] = asyncio.run(_measured(url, Path(folder), many, flows, console))
    for name, one in found.items():
        report.figure(f"tickets.moves_per_s.{name}", one["moves_per_s"])
        report.figure(f"tickets.bytes_per_ticket.{name}", one["bytes_per_ticket"])
        if not quick:  # a smaller table says nothing of a million
            report.figure(f"tickets.list_1m.p95.{name}", one["list_p95_s"])
            report.figure(f"tickets.search_1m.p95{'' if name == 'sqlite' else f'.{name}'}", one["search_p95_s"])
    report.details = {"tickets": many, "databases": found}
    return report.finish(json_path)


@contextmanager
def postgresql(console: Console) -> Iterator[str | None]:
    """The address of an empty database of a server of our own; None, with the reason told, where there can be none."""
    from tests.doors.postgres_server import NoPostgres, PostgresServer, find_postgres

    try:
        server = PostgresServer(*find_postgres())
        server.start()
    except NoPostgres as reason:
        console.print(f"[yellow]PostgreSQL is left out:[/yellow] {reason}")
        yield None
        return
    try:
        yield server.url(server.new_database())
    finally:
        server.remove()


def _policy() -> TicketPolicy:
    return TicketPolicy(
        units=UnitRegister(HandlingUnit(f"u{n}", f"单位{n}", "张三", "办公室", "李四") for n in range(UNITS))
    )


async def _measured(url: str, folder: Path, many: int, flows: int, console: Console) -> dict[str, Any]:
    kind = make_url(url).get_backend_name()
    await asyncio.to_thread(upgrade, url)
    policy = _policy()
    operations = Operations(policy)
    store = Store(url, spool=folder / f"{kind}.jsonl", operations=operations.spoolable())
    await store.start()
    try:
        records = Records(store, operations)
        before = await asyncio.to_thread(size, url)
        found = await _moves(records, flows)
        found["bytes_per_ticket"] = (await asyncio.to_thread(size, url) - before) / flows
        console.print(
            f"{kind}: {found['moves_per_s']:,.0f} moves/s, {found['cpu_per_move_s'] * 1000:.2f} ms CPU each, p95 of the"
            f" wait {found['move_p95_s'] * 1000:.0f} ms; {found['bytes_per_ticket']:,.0f} bytes a ticket with its moves"
        )
        begun = time.perf_counter()
        await asyncio.to_thread(_fill, url, many, policy)
        found["fill_s"] = time.perf_counter() - begun
        found["words_bytes_per_ticket"] = await asyncio.to_thread(_words_size, url) / many
        found |= await _lists(records, many)
        found |= await _searches(records, many)
    finally:
        await store.stop()
    for name, one in (found["lists"] | found["searches"]).items():
        console.print(
            f"{kind}, {many:,} tickets: {name} p50 {one['p50'] * 1000:.1f} ms, p95 {one['p95'] * 1000:.1f} ms"
        )
    return found


def size(url: str) -> int:
    """Bytes of the database, with nothing left in a log beside it."""
    engine = create_engine(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if engine.dialect.name == "sqlite":
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
                pages = connection.execute(text("PRAGMA page_count")).scalar_one()
                return int(pages) * int(connection.execute(text("PRAGMA page_size")).scalar_one())
            connection.execute(text("CHECKPOINT"))
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    finally:
        engine.dispose()


def _words_size(url: str) -> int:
    """Bytes of what the search keeps of the tickets."""
    engine = create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            found = connection.execute(text("SELECT sum(length(block)) FROM ticket_words_data")).scalar_one()
        else:
            found = connection.execute(text("SELECT pg_total_relation_size('ticket_words')")).scalar_one()
    engine.dispose()
    return int(found)


def _caller(n: int) -> str:
    """The number that called for the n-th ticket; every third ticket is of somebody who has called before."""
    return f"139{(n % 3 and n or n // 7) * 7919 % 10**8:08d}"


def _road(random: Random) -> str:
    return ROADS[int(len(ROADS) * random.random() ** 2)]


async def _moves(records: Records, flows: int) -> dict[str, Any]:
    waits: list[float] = []
    begun, cpu = time.perf_counter(), time.process_time()
    numbers = iter(range(flows))

    async def timed(work: Any) -> Any:
        at = time.perf_counter()
        done = await work
        waits.append(time.perf_counter() - at)
        return done

    async def person() -> None:
        for n in numbers:  # each takes the next one: an iterator that all share
            unit, at = f"u{n % UNITS}", time.time()
            change = TicketChange(
                type="help", title=f"{WORDS[n % len(WORDS)]}问题", text=f"{WORDS[n % len(WORDS)]}问题, 请处理。" * 6
            )
            ticket = await timed(records.take_ticket(Intake(Channel.WEB, at), change, ADMIN))
            actor = Actor(f"{unit}-1", Role.UNIT, unit)
            for move, who in (
                (Move(TicketInput.REFER, unit=unit), ADMIN),
                (Move(TicketInput.SIGN), actor),
                (Move(TicketInput.REPLY, text="已派员处理, 现已恢复, 感谢您的反映。" * 3), actor),
                (Move(TicketInput.ACCEPT_REPLY), ADMIN),
            ):
                await timed(records.move_ticket(ticket.number, move, who, at=at))

    await asyncio.gather(*(person() for _ in range(PEOPLE)))
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    waits.sort()
    return {
        "moves_per_s": flows * 6 / took,  # taking it down with type and text is two: the opening and 登记
        "cpu_per_move_s": cpu / (flows * 6),  # ours alone: what PostgreSQL's processes take is not in it
        "move_p95_s": waits[int(len(waits) * 0.95)],
    }


def _fill(url: str, many: int, policy: TicketPolicy) -> None:
    """Put the tickets in, a day after the other; blocks for a minute."""
    names = [column.name for column in tickets.c]
    json_columns = {"co_units", "pauses", "attachments"}
    random, step = Random(1), DAYS * 86_400.0 / many
    over = [TicketState.ARCHIVED] * 90 + [TicketState.RESOLVED] * 6
    states = over + [TicketState.SIGNED] * 3 + [TicketState.DISPATCHED]
    kinds = list(TicketType)
    blank = Ticket(number_of("20000101", 1), None, "", "", "zh", "", "", 0.0, 0.0, 0.0)  # type: ignore[arg-type]
    template = {name: plain(getattr(blank, name, 0)) for name in names} | dict.fromkeys(json_columns, "[]")

    def rows() -> Iterator[tuple[dict[str, Any], str, tuple[int, frozenset[int]]]]:
        day, sequence = "", 0
        for n in range(many):
            at = BEGIN + n * step
            today = time.strftime("%Y%m%d", time.gmtime(at + 8 * 3600))
            day, sequence = (day, sequence + 1) if today == day else (today, 1)
            unit, word = f"u{int(UNITS * random.random() ** 2)}", random.choice(WORDS)
            place = f"{_road(random)}{random.randrange(900)}号"
            # Old ones are over; of the last tenth a few are open.
            state = random.choice(over if n < many * 0.9 else states)
            row = template | {
                "number": number_of(day, 50_000 + sequence),
                "opened_at": at,
                "sign_due": at + 14_400,
                "handle_due": at + 432_000,
                "state": state.value,
                "version": 5,
                "channel": "phone",
                "caller": _caller(n),
                "type": kinds[random.randrange(6)].value,
                "class_code": f"{random.randrange(1, 175):04d}",
                "title": f"{word}问题",
                "text": f"{word}问题, {random.choice(TOLD)}。地点在{place}附近, 已有三天。",
                "address": place,
                "lead_unit": unit,
                "incident_id": f"i{random.randrange(many // 100)}" if random.random() < 0.02 else None,
                "dispatched_at": at + 600,
                "reply": "已处理。" if state in (TicketState.ARCHIVED, TicketState.RESOLVED) else "",
            }
            said = (row[name] for name in ("title", "text", "address", "class_code", "type", "region"))
            yield row, unit, (place_in_order(row["number"]), keys_of_texts(*said))

    made = rows()
    if url.startswith("sqlite"):
        import sqlite3

        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
        marks = ",".join("?" * len(names))
        columns = ",".join(f'"{name}"' for name in names)
        while chunk := list(islice(made, 20_000)):
            values = [tuple(row[name] for name in names) for row, _, _ in chunk]
            connection.executemany(f"INSERT INTO tickets ({columns}) VALUES ({marks})", values)  # noqa: S608
            pairs = [(unit, row["number"], row["opened_at"]) for row, unit, _ in chunk]
            connection.executemany(f"INSERT INTO {units.name} (unit, ticket, opened_at) VALUES (?, ?, ?)", pairs)  # noqa: S608
            words = [(place, word_rows.said(keys)) for _, _, (place, keys) in chunk]
            connection.executemany(f"INSERT INTO {word_rows.NAME} (rowid, keys) VALUES (?, ?)", words)  # noqa: S608
            connection.commit()
        connection.execute("ANALYZE")
        connection.commit()
        connection.close()
        return
    import psycopg

    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as session:
        session.execute("DROP INDEX ix_ticket_words_keys")  # made when the rows are there, as the migration does
        columns = ",".join(f'"{name}"' for name in names)
        while chunk := list(islice(made, 50_000)):
            with session.cursor() as cursor:
                with cursor.copy(f"COPY tickets ({columns}) FROM STDIN") as copy:
                    for row, _, _ in chunk:
                        copy.write_row([row[name] for name in names])
                with cursor.copy(f"COPY {units.name} (unit, ticket, opened_at) FROM STDIN") as copy:
                    for row, unit, _ in chunk:
                        copy.write_row((unit, row["number"], row["opened_at"]))
                with cursor.copy(f"COPY {word_rows.NAME} (place, keys) FROM STDIN") as copy:
                    for _, _, (place, keys) in chunk:
                        copy.write_row((place, sorted(keys)))
            session.commit()
        session.execute("CREATE INDEX ix_ticket_words_keys ON ticket_words USING gin (keys)")
        session.execute("ANALYZE")
        session.commit()


async def _lists(records: Records, many: int) -> dict[str, Any]:
    random, end = Random(2), BEGIN + DAYS * 86_400.0

    def day() -> float:
        return BEGIN + random.randrange(DAYS) * 86_400.0

    def unit() -> frozenset[str]:
        return frozenset({f"u{random.randrange(UNITS)}"})

    year = end - 365 * 86_400.0
    asked: dict[str, Any] = {
        "a day": lambda: TicketFilter(at := day(), at + 86_400.0, limit=PAGE),
        "a day of a unit": lambda: TicketFilter(at := day(), at + 86_400.0, units=unit(), limit=PAGE),
        "a unit's open ones": lambda: TicketFilter(BEGIN, end, OPEN, units=unit(), limit=PAGE),
        "a unit's last year": lambda: TicketFilter(year, end, units=unit(), limit=PAGE),
        "a class's last year": lambda: TicketFilter(
            year, end, class_code=f"{random.randrange(1, 175):04d}", limit=PAGE
        ),
        "an incident": lambda: TicketFilter(BEGIN, end, incident=f"i{random.randrange(many // 100)}", limit=PAGE),
        "all that are open": lambda: TicketFilter(BEGIN, end, OPEN, limit=PAGE),
    }
    lists = await _timed(records, asked)
    return {"lists": lists, "list_p95_s": max(one["p95"] for one in lists.values())}


async def _searches(records: Records, many: int) -> dict[str, Any]:
    random, end = Random(3), BEGIN + DAYS * 86_400.0

    def word() -> str:
        return random.choice(WORDS)

    def place() -> str:
        return f"{_road(random)}{random.randrange(900)}号"

    def sought(**wanted: Any) -> TicketFilter:
        return TicketFilter(BEGIN, end, newest=True, limit=PAGE, **wanted)

    asked: dict[str, Any] = {
        "a word": lambda: sought(said=word()),
        "a word that few say": lambda: sought(said=f"{word()} {random.randrange(900)}"),
        "words that nobody says": lambda: sought(said=f"{word()}海啸"),
        "a word and what is told of it": lambda: sought(said=f"{word()} {random.choice(TOLD)}"),
        "a road": lambda: sought(place=_road(random)),
        "a place": lambda: sought(place=place()),
        "a word at a place": lambda: sought(said=word(), place=place()),
        "a word in a unit's own": lambda: sought(said=word(), units=frozenset({f"u{random.randrange(UNITS)}"})),
        "a word in the busiest unit's own": lambda: sought(said=word(), units=frozenset({"u0"})),
        "a word in a class": lambda: sought(said=word(), class_code=f"{random.randrange(1, 175):04d}"),
        "a word among the open ones": lambda: sought(said=word(), states=OPEN),
        "a caller's number": lambda: sought(caller=_caller(random.randrange(many))),
    }
    searches = await _timed(records, asked)
    return {"searches": searches, "search_p95_s": max(one["p95"] for one in searches.values())}


async def _timed(records: Records, asked: dict[str, Any]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, made in asked.items():
        took, pages = [], 0
        for _ in range(LISTS):
            wanted = made()
            at = time.perf_counter()
            page = await records.page_of_tickets(wanted)
            took.append(time.perf_counter() - at)
            pages += len(page.tickets)
        found[name] = {**_spread(took), "tickets_a_page": pages / LISTS}
    return found


def _spread(took: Sequence[float]) -> dict[str, float]:
    return {"p50": statistics.median(took), "p95": sorted(took)[int(len(took) * 0.95)], "max": max(took)}
