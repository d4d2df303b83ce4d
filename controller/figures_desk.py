"""Figures as the web asks for them: implements `web.figures_desk.FiguresDesk`.

A period of a few hundred calls is folded in the reader's thread; a larger one in a process of its own that gives way,
since a fold of seconds in a thread would take the interpreter's lock from the loop, and so time from calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from controller.apart import GaveUp, apart
from controller.config import Settings
from controller.database import database_url, make_engine, plainly
from controller.figure_facts import Scope
from controller.figures import Asked, Figures, apart_from_calls
from controller.ticket_desk import from_store
from controller.writer import Store
from metrics.definitions.catalogue import catalogue
from metrics.definitions.fold import Difference, differences, evaluate
from metrics.definitions.measure import Measure, Value
from metrics.instants_sql import count_calls
from web.backend import Unavailable
from web.figures_desk import Wanted

IN_THREAD = 500
"""So many calls are folded beside the loop; about 20 ms of computing, in slices of 5 ms."""

T = TypeVar("T")

Query = Callable[[Connection, Figures, Asked], T]


class HotlineFigures:
    """See `web.figures_desk.FiguresDesk`."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float]) -> None:
        self._store = store
        self._url = settings.database_url
        self._queues = tuple(settings.plan.queues)
        self._figures = Figures.of(settings)
        self._clock = clock

    @property
    def zone(self) -> ZoneInfo:
        """In which days are meant."""
        return ZoneInfo(self._figures.timezone)

    def queues(self) -> Sequence[str]:
        """The queues that there are."""
        return self._queues

    def measures(self) -> Sequence[Measure]:
        """Every definition."""
        return [self._figures.measure(name) for name in catalogue()]

    def measure(self, name: str) -> Measure:
        """One definition. Raises `UnknownMeasure`."""
        return self._figures.measure(name)

    async def value(self, name: str, wanted: Wanted) -> Value:
        """A figure."""
        return await self._made(_value, self._asked((name,), wanted))

    async def differences(self, a: str, b: str, wanted: Wanted) -> tuple[Value, Value, Sequence[Difference]]:
        """Two figures and where they differ."""
        return await self._made(_differences, self._asked((a, b), wanted))

    def _asked(self, names: tuple[str, ...], wanted: Wanted) -> Asked:
        scope = Scope(queue=wanted.queue, city=wanted.city, regions=wanted.regions)
        return Asked(names, wanted.period, scope, self._clock())

    async def _made(self, query: Query[T], asked: Asked) -> T:
        count = await from_store(self._store.read(count_calls, asked.period.since, asked.period.until))
        if count <= IN_THREAD:
            return await from_store(self._store.read(query, self._figures, asked))
        try:
            return await from_store(apart(elsewhere, self._url, query, self._figures, asked))
        except GaveUp:
            raise Unavailable("store") from None


def _value(connection: Connection, figures: Figures, asked: Asked) -> Value:
    return figures.values(connection, asked)[0]


def _differences(connection: Connection, figures: Figures, asked: Asked) -> tuple[Value, Value, list[Difference]]:
    facts = figures.facts(connection, asked)
    one, other = (figures.measure(name) for name in asked.names)
    return evaluate(one, facts), evaluate(other, facts), differences(one, other, facts)


def elsewhere(url: str, query: Query[T], figures: Figures, asked: Asked) -> T:
    """In a process of its own: read and fold. Raises `StoreError`."""
    where = database_url(url)
    engine = make_engine(where, read_only=True)
    try:
        with apart_from_calls(), plainly(where), engine.begin() as connection:
            return query(connection, figures, asked)
    finally:
        engine.dispose()
