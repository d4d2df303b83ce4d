"""The knowledge base over the store: implements `web.knowledge_backend.KnowledgeBackend`, and ends what has expired."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from controller import import_rows
from controller.apart import GaveUp, apart
from controller.database import StoreError
from controller.import_rows import Import
from controller.imports import id_of, in_pieces
from controller.knowledge_plan import KnowledgePlan
from controller.spool import Operation
from controller.writer import Store
from knowledge import sheet, sql, taking, tasks_sql
from knowledge.completeness import Completeness, Served, completeness, warnings
from knowledge.entry import Content, KnowledgeRefused, changed, regions_of
from knowledge.find import Filter, find
from knowledge.moves import Editor, KnowledgeInput, KnowledgeMove, KnowledgeState, Role
from knowledge.sheet import Format
from knowledge.tasks import Task, TaskMove, TaskState
from knowledge.version import Entry
from pbx.ids import TicketNumber
from tickets import sql as ticket_rows
from tickets.deadlines import Limit, Unit, due
from tickets.moves import TicketState
from tickets.organisations import OrgKind
from tickets.sight import part_of
from tickets.ticket import Ticket, TicketPolicy, TicketType
from web.backend import NotFound, Unavailable
from web.knowledge_backend import Ending, Imported, Wanted

log = logging.getLogger(__name__)

R = TypeVar("R")

_WORK: Operation[Callable[[Connection], Any], Any] = Operation("knowledge", lambda connection, work: work(connection))
"""A person waits for every write and is told when it fails: nothing to keep for later."""

REBUILT_AT_ONCE = 100
"""Entries that are put into a new index in one transaction."""

IMPORT = "knowledge"
"""The kind of our files among all that are taken in."""

MOST_IMPORTS = 20

EXPIRED_AT_ONCE = 20
"""Entries that end in one transaction."""

MOST_LISTED = 100_000
"""Entries of one export."""


class KnowledgeDesk:
    """See `web.knowledge_backend.KnowledgeBackend` for the meaning of each method."""

    def __init__(
        self,
        store: Store,
        settings: KnowledgePlan,
        tickets: TicketPolicy,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._policy = settings.policy
        self._vocabulary = settings.vocabulary
        self._tickets = tickets
        self._clock = clock
        self._zone = ZoneInfo(tickets.hours.zone)

    def today(self) -> date:
        """The day on the hotline's wall."""
        return datetime.fromtimestamp(self._clock(), self._zone).date()

    # ---------------------------------------------------------------- by itself

    async def keep(self) -> None:
        """Begin the day now, and at every midnight."""
        while True:
            try:
                await self.begin_day()
            except Unavailable:
                log.warning("the knowledge base could not be looked through; it is tried again",
                            extra={"action": "knowledge.keep"})  # fmt: skip
                await asyncio.sleep(60.0)
                continue
            now = datetime.fromtimestamp(self._clock(), self._zone)
            midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), self._zone)
            await asyncio.sleep(max(1.0, midnight.timestamp() - self._clock()))

    async def begin_day(self) -> None:
        """Make the index anew where its rules have changed, and end what has expired."""
        if await self._read(sql.needs_rebuild, self._policy):
            await self._rebuild()
        today, now = self.today(), self._clock()
        ended, last = 0, EXPIRED_AT_ONCE
        while last == EXPIRED_AT_ONCE:
            last = await self._do(lambda connection: sql.expire(connection, today, now, self._policy, EXPIRED_AT_ONCE))
            ended += last
        if ended:
            log.info("%d entries of the knowledge base have ended", ended, extra={"action": "knowledge.expired"})

    async def _rebuild(self) -> None:
        """Make the index anew, some entries at a time: whoever waits for a ticket's number waits for one of them."""
        log.info("the search index is made anew by other rules", extra={"action": "knowledge.index"})
        numbers = await self._do(sql.rebuild_begin)
        for start in range(0, len(numbers), REBUILT_AT_ONCE):
            some = numbers[start : start + REBUILT_AT_ONCE]
            await self._do(partial(sql.rebuild_some, numbers=some, policy=self._policy))
        await self._do(lambda connection: sql.rebuild_end(connection, self._policy))
        log.info("the search index holds %d entries", len(numbers), extra={"action": "knowledge.index"})

    # ---------------------------------------------------------------- entries

    def served_by(self, org: str) -> frozenset[str] | None:
        """The units of a hotline."""
        tree = self._tickets.organisations
        if not org or not len(tree):
            return None
        found = tree.get(org)
        if found is None or found.kind is not OrgKind.UNIT:
            return tree.served(org)
        above = tree.hotline(org)
        return tree.served(above) if above is not None else None

    def registered(self) -> frozenset[str] | None:
        """The units of the register."""
        return frozenset(unit.id for unit in self._tickets.units) if len(self._tickets.organisations) else None

    async def search(self, wanted: Wanted) -> Sequence[Entry]:
        """The best entries."""
        regions = regions_of(wanted.region) if wanted.region else ()
        allowed = Filter(self.today(), wanted.public, regions, wanted.unit, wanted.language)
        return await self._read(find, wanted.text, allowed, self._vocabulary, wanted.limit)

    async def entries(
        self, states: Sequence[KnowledgeState], unit: str, after: int, limit: int, served: frozenset[str] | None = None
    ) -> Sequence[Entry]:
        """Entries by number."""
        return await self._read(sql.list_entries, states=states, unit=unit, after=after, limit=limit,
                                served=served, registered=self._also(served))  # fmt: skip

    def _also(self, served: frozenset[str] | None) -> frozenset[str] | None:
        """`registered`, for who answers for any unit: what units have left behind is his to give to another."""
        return self.registered() if served else None

    async def entry(self, no: int) -> tuple[Sequence[Entry], Sequence[KnowledgeMove]]:
        """One entry, whole."""

        def both(connection: Connection) -> tuple[list[Entry], list[KnowledgeMove]]:
            return sql.all_versions(connection, no), sql.list_moves(connection, no)

        versions, moves = await self._read(both)
        if not versions:
            raise NotFound("entry")
        return versions, moves

    async def begin(self, content: Content, actor: Editor) -> Entry:
        """A new draft."""
        self._known(content.unit)
        at = self._clock()
        return await self._do(lambda connection: sql.begin(connection, content, actor, at, self._policy))

    async def write(self, no: int, wanted: Mapping[str, Any], actor: Editor, seen: int | None) -> Entry:
        """Write fields."""
        self._known(wanted.get("unit", ""))
        at = self._clock()
        return await self._do(lambda connection: sql.write(connection, no, wanted, actor, at, self._policy, seen=seen))

    async def revise(self, no: int, wanted: Mapping[str, Any], actor: Editor, seen: int | None, reason: str) -> Entry:
        """The next version."""
        self._known(wanted.get("unit", ""))
        at = self._clock()
        return await self._do(
            lambda connection: sql.revise(connection, no, wanted, actor, at, self._policy, seen=seen, reason=reason)
        )

    async def move(
        self, no: int, cause: KnowledgeInput, actor: Editor, reason: str, seen: int | None, version: int | None
    ) -> Entry:
        """A move; a question whose answer this is follows it."""
        at, today = self._clock(), self.today()

        def work(connection: Connection) -> Entry:
            after = sql.move(connection, no, cause, actor, at, self._policy, reason=reason, seen=seen,
                             version=version, today=today)  # fmt: skip
            tasks_sql.follow(connection, after, at)
            return after

        return await self._do(work)

    async def from_ticket(self, number: TicketNumber, wanted: Mapping[str, Any], actor: Editor) -> Entry:
        """A closed inquiry's answer as a draft."""
        self._known(wanted.get("unit", ""))
        at = self._clock()

        def work(connection: Connection) -> Entry:
            ticket = ticket_rows.get_ticket(connection, number)
            if ticket is None:
                raise NotFound("ticket")
            if actor.role is Role.UNIT and ticket.lead_unit != actor.unit:
                raise NotFound("ticket")  # a unit is told nothing of tickets that are not its own
            if actor.served is not None and not self._sees(actor.unit, ticket):
                raise NotFound("ticket")
            if ticket.type is not TicketType.INQUIRY:
                raise KnowledgeRefused("not_an_inquiry", "Only the answers to inquiries become entries.")
            if ticket.state not in (TicketState.RESOLVED, TicketState.ARCHIVED):
                raise KnowledgeRefused("ticket_not_closed", "The inquiry is not closed yet.")
            if sql.made_of(connection, number) is not None:
                raise KnowledgeRefused("taken_already", "There is an entry from this inquiry already.")
            said = Content(ticket.title, ticket.reply, unit=ticket.lead_unit or "", source=f"工单 {number}")
            return sql.begin(connection, changed(said, wanted), actor, at, self._policy, ticket=number)

        return await self._do(work)

    def _sees(self, org: str, ticket: Ticket) -> bool:
        return part_of(org, ticket, self._tickets) is not None

    # ---------------------------------------------------------------- figures

    async def ending(self, unit: str) -> Sequence[Ending]:
        """What its unit must look at."""
        rules, today = self._policy.rules, self.today()
        found = []
        for one in await self._read(sql.served_entries, unit):
            told = warnings(self._served(one), today, rules)
            if told:
                found.append(Ending(one, tuple(told)))
        return sorted(found, key=lambda one: (one.entry.content.valid_to or date.max, one.entry.no))

    async def completeness(self) -> Sequence[Completeness]:
        """Every unit's figures."""
        rules, today, now = self._policy.rules, self.today(), self._clock()
        units = [unit.id for unit in self._tickets.units]

        def work(connection: Connection) -> list[Completeness]:
            served = [self._served(one) for one in sql.served_entries(connection)]
            states, tasks = sql.count_states(connection), tasks_sql.list_tasks(connection, limit=MOST_LISTED)
            return completeness(units, served, states, tasks, today, now, rules)

        return await self._read(work)

    def _served(self, one: Entry) -> Served:
        looked_at = datetime.fromtimestamp(one.decided_at or one.written_at, self._zone).date()
        return Served(one.no, one.content, looked_at)

    # ---------------------------------------------------------------- questions without answer

    async def tasks(
        self, unit: str, state: TaskState | None, after: int, limit: int, served: frozenset[str] | None = None
    ) -> Sequence[Task]:
        """Questions by number."""
        return await self._read(tasks_sql.list_tasks, unit=unit, state=state, after=after, limit=limit,
                                served=served, registered=self._also(served))  # fmt: skip

    async def task(self, no: int) -> tuple[Task, Sequence[TaskMove]]:
        """One question, whole."""

        def both(connection: Connection) -> tuple[Task | None, list[TaskMove]]:
            return tasks_sql.get_task(connection, no), tasks_sql.list_task_moves(connection, no)

        task, moves = await self._read(both)
        if task is None:
            raise NotFound("task")
        return task, moves

    async def ask(self, question: Content, actor: Editor, ticket: str) -> Task:
        """Nothing was found."""
        self._known(question.unit)
        at, due_at = self._clock(), self._due()
        return await self._do(
            lambda connection: tasks_sql.ask(connection, question, actor, at, due_at, self._policy, ticket=ticket)
        )

    async def assign(self, no: int, unit: str, actor: Editor, reason: str, seen: int | None) -> Task:
        """It is another unit's."""
        self._known(unit)
        at, due_at = self._clock(), self._due()
        return await self._do(
            lambda connection: tasks_sql.assign(connection, no, unit, actor, at, due_at, reason, seen)
        )

    async def dismiss(self, no: int, actor: Editor, reason: str, seen: int | None) -> Task:
        """It is not to be answered."""
        at = self._clock()
        return await self._do(lambda connection: tasks_sql.dismiss(connection, no, actor, at, reason, seen))

    async def answer(self, no: int, wanted: Mapping[str, Any], actor: Editor, seen: int | None) -> tuple[Task, Entry]:
        """The answer becomes a draft."""
        self._known(wanted.get("unit", ""))
        at = self._clock()
        return await self._do(
            lambda connection: tasks_sql.answer(connection, no, wanted, actor, at, self._policy, seen)
        )

    def _due(self) -> float:
        limit = Limit(self._policy.rules.answer_days, Unit.WORKING_DAYS, "[knowledge]")
        return due(self._clock(), limit, self._tickets.hours, self._tickets.calendar)

    # ---------------------------------------------------------------- files

    async def export(
        self, format: Format, states: Sequence[KnowledgeState], unit: str, served: frozenset[str] | None = None
    ) -> bytes:
        """Entries as a file."""
        wanted = states or (KnowledgeState.PUBLISHED,)
        found = await self._read(sql.list_entries, states=wanted, unit=unit, limit=MOST_LISTED,
                                 served=served, registered=self._also(served))  # fmt: skip
        return await _converted(format, sheet.written, found, format)

    async def take_in(self, format: Format, data: bytes, actor: Editor, submit: bool, anew: bool) -> Imported:
        """A file's good rows."""
        rows, faults = await _converted(format, sheet.read, data, format, self._policy.rules)
        gone = [sheet.Fault(row.line, "unit", "unknown_unit") for row in rows if not self._has(row.content.unit)]
        rows, faults = [row for row in rows if self._has(row.content.unit)], [*faults, *gone]
        at = self._clock()
        id = id_of(data, IMPORT, format.value, str(submit), actor.id, actor.unit)

        def work(connection: Connection, some: Sequence[sheet.Row]) -> Mapping[str, Any]:
            made, revised, same, more = taking.take(connection, some, actor, at, self._policy, submit=submit)
            return {
                "made": made,
                "revised": revised,
                "unchanged": same,
                "faults": [[one.line, one.field, one.code] for one in more],
            }

        numbered = [(row.line, row) for row in rows]
        anew = anew or all(
            row.no is not None for row in rows
        )  # such a file makes nothing twice, however often it comes
        wanted = Import(id, IMPORT, actor.id, at, len(rows))
        done = await _plainly(in_pieces(self._store, wanted, numbered, work, self._clock, anew=anew))
        made, revised, same = (sum(one[name] for one in done.results) for name in ("made", "revised", "unchanged"))
        faults = [*faults, *(sheet.Fault(*one) for piece in done.results for one in piece["faults"])]
        return Imported(id, made, revised, same, tuple(sorted(faults, key=lambda fault: fault.line)), done.before)

    async def imports(self) -> Sequence[Import]:
        """The latest files."""
        return await self._read(import_rows.latest, IMPORT, MOST_IMPORTS)

    # ---------------------------------------------------------------- the store

    def _has(self, unit: str) -> bool:
        """Whether an entry may name the unit: it is in the register, where the hotline has one."""
        return not unit or not len(self._tickets.units) or unit in self._tickets.units

    def _known(self, unit: str) -> None:
        if not self._has(unit):
            raise KnowledgeRefused("unknown_unit", "There is no such unit in the register.", "unit")

    async def _do(self, work: Callable[[Connection], R]) -> R:
        return await _plainly(self._store.submit(_WORK, work))

    async def _read(self, query: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        return await _plainly(self._store.read(query, *args, **kwargs))


async def _converted(format: Format, work: Callable[..., R], *args: Any) -> R:
    """CSV is quick; a workbook takes seconds, and what is packed in it may be anything."""
    try:
        return await (apart(work, *args) if format is Format.EXCEL else asyncio.to_thread(work, *args))
    except GaveUp:
        raise KnowledgeRefused("bad_file", "The file takes more time or memory than it may.") from None


async def _plainly(work: Awaitable[R]) -> R:
    try:
        return await work
    except StoreError:
        raise Unavailable("store") from None
