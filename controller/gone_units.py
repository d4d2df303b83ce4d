"""What still names an organisation that the configuration has no more: told by `hotline check` and at the start.

Its people are told `unit_gone` whatever they ask for, its tickets wait for nobody, and its knowledge entries have
nobody who looks after them; until somebody is told, nobody does anything about it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection, func, select

from controller.config import Settings
from controller.config_tickets import calendar_notes
from controller.database import StoreError, database_url, make_engine, plainly
from controller.schema import require_head
from controller.tokens import ACCESS, AccessFile
from controller.writer import Store
from knowledge.moves import KnowledgeState
from knowledge.sql import versions
from knowledge.tasks import TaskState
from knowledge.tasks_sql import tasks
from tickets.moves import OVER, TicketState
from tickets.sight import gone
from tickets.tables import tickets
from tickets.ticket import TicketPolicy

log = logging.getLogger(__name__)

_OPEN = [state.value for state in TicketState if state not in OVER]
_IN_USE = [
    state.value
    for state in (KnowledgeState.DRAFT, KnowledgeState.IN_REVIEW, KnowledgeState.REFUSED, KnowledgeState.PUBLISHED)
]
_UNANSWERED = [state.value for state in (TaskState.OPEN, TaskState.ANSWERED)]

Left = Mapping[str, Counter[str]]
"""How many rows name each organisation, by what they are."""


def left_behind(connection: Connection) -> Left:
    """The organisations that open tickets, knowledge entries in use and open questions name, and how often each."""
    lead, entry, task = tickets.c.lead_unit, versions.c.unit, tasks.c.unit
    open_tickets = tickets.c.state.in_(_OPEN)
    found = {
        "open tickets (lead)": select(lead, func.count()).where(open_tickets, lead.is_not(None)).group_by(lead),
        "knowledge entries": select(entry, func.count(versions.c.entry.distinct()))
        .where(versions.c.state.in_(_IN_USE), entry != "")
        .group_by(entry),
        "questions without answer": select(task, func.count())
        .where(tasks.c.state.in_(_UNANSWERED), task != "")
        .group_by(task),
    }
    left = {what: Counter({str(unit): int(count) for unit, count in connection.execute(query)})
            for what, query in found.items()}  # fmt: skip
    helping: Counter[str] = Counter()
    for units in connection.execute(select(tickets.c.co_units).where(open_tickets)).scalars():
        helping.update(units)
    return {**left, "open tickets (co-handling)": helping}


def notes(policy: TicketPolicy, tokens: Mapping[str, str], left: Left) -> list[str]:
    """A sentence for each organisation that is gone; `tokens`: for whom each token acts, by its bearer's id."""
    named = {unit for unit in tokens.values() if unit}.union(*left.values())
    found = []
    for unit in sorted(one for one in named if gone(one, policy)):
        bearers = [id for id, acts_for in sorted(tokens.items()) if acts_for == unit]
        parts = [f"{counted[unit]} {what}" for what, counted in left.items() if counted[unit]]
        parts += [f"the access tokens of {', '.join(bearers)}"] if bearers else []
        found.append(
            f"the organisation {unit} is not in the configuration, and named by {'; '.join(parts)}. Give its tickets "
            "(redispatch) and entries to another, take its tokens away (hotline token remove), or put it back. "
            f"单位 {unit} 已不在名录中, 其工单、知识条目和令牌须处理。"
        )
    return found


def tokens_of(data: Path) -> dict[str, str]:
    """For whom each access token acts. Blocks. A file that cannot be read has none: who bears one is told then."""
    try:
        return {id: one.unit for id, one in AccessFile(data / ACCESS).read().items()}
    except (OSError, ValueError):
        return {}


def check_notes(settings: Settings) -> list[str]:
    """The same for `hotline check`, which may come before there is a database, or beside a hotline that serves.

    Blocks; writes nothing. A database that cannot be asked is one note.
    """
    tokens = tokens_of(settings.data)
    try:
        return notes(settings.tickets, tokens, _asked(settings.database_url))
    except StoreError as error:
        return [*notes(settings.tickets, tokens, {}), f"what the database names could not be looked at: {error}"]


def _asked(url: str) -> Left:
    where = database_url(url)
    if where.get_backend_name() == "sqlite" and not Path(where.database or "").exists():
        return {}
    engine = make_engine(where, read_only=True)
    try:
        with plainly(where), engine.connect() as connection:
            require_head(connection, where)
            return left_behind(connection)
    finally:
        engine.dispose()


async def tell(settings: Settings, store: Store, clock: Callable[[], float]) -> None:
    """Write into the log, at the start, what somebody who runs the hotline must do about calendar and organisations."""
    for note in calendar_notes(settings.tickets, clock()):
        log.warning("%s", note, extra={"action": "calendar.unknown"})
    try:
        left = await store.read(left_behind)
    except StoreError:
        left = {}  # it is told by whoever needs the store
    tokens = await asyncio.to_thread(tokens_of, settings.data)
    for note in notes(settings.tickets, tokens, left):
        log.warning("%s", note, extra={"action": "unit.gone"})
