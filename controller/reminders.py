"""Drives the schedule of reminders and escalations: one timer, the moves into the store, the news to a sink.

At the start the schedule is built from the store; from then on every ticket that changes is planned anew when its
change is committed. A step's move and its key are one transaction (`tickets/steps_sql.py`): it is made once, however
often the hotline ends in between. What was made is handed to the sink and then marked told; a hotline that ends between
the two hands it over again after the restart, under the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from controller.database import StoreError
from controller.spool import Operation
from controller.writer import Store
from pbx.ids import TicketNumber
from tickets.calendars import CalendarError
from tickets.deadlines import ClockKind
from tickets.given import Move
from tickets.moves import OVER, SYSTEM, TicketInput
from tickets.schedule import Made, Schedule, Step
from tickets.sql import get_ticket, move_ticket
from tickets.steps_sql import make_step, plan_page, told, untold
from tickets.texts import TicketRefused
from tickets.ticket import Ticket, TicketPolicy
from tickets.times import steps_of

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 3600.0
"""The timer runs by the loop's clock and the steps by the wall's: so long the two may drift apart unnoticed."""

RETRY_S = 5.0
"""After the database was away."""

AT_ONCE = 200
"""Steps handed to the store together; at the end of a working day thousands may be due in one instant."""

PAGE = 500
"""Tickets read together at the start."""

Sink = Callable[[Made], Awaitable[None]]
"""Tells somebody, without delay. After a crash it may get a ticket's `key` twice, and never two keys for one step."""


async def to_log(made: Made) -> None:
    """The sink of a hotline that has no other: a line for operators, without the ticket."""
    log.info(
        "%s %s for %s",
        made.act.value,
        made.rule,
        ", ".join(made.to) or "nobody",
        extra={"action": f"ticket.{made.act.value}"},
    )


@dataclass(frozen=True, slots=True)
class _Make:
    step: Step
    at: float


@dataclass(frozen=True, slots=True)
class _Told:
    ticket: str
    key: str
    at: float


@dataclass(frozen=True, slots=True)
class _Recount:
    ticket: TicketNumber
    at: float


def _limits_dispatch(policy: TicketPolicy) -> bool:
    """Whether anything limits the time until a ticket is dispatched, here or in one of the cities."""
    return any(
        rules.dispatch is not None or any(one.clock is ClockKind.DISPATCH for one in rules.limits)
        for rules in (policy.deadlines, *(city.deadlines for city in policy.local.values()))
    )


class Reminders:
    """The runner. `note` and `look_at` are for whoever has changed a ticket; `run` until cancelled."""

    def __init__(
        self,
        store: Store,
        policy: TicketPolicy,
        clock: Callable[[], float],
        sink: Sink = to_log,
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._store, self._policy, self._clock, self._sink, self._retry_s = store, policy, clock, sink, retry_s
        self._schedule = Schedule()
        self._made: dict[str, set[str]] = {}
        self._changed = asyncio.Event()
        self._opened: list[TicketNumber] = []
        self._aside: set[TicketNumber] = set()  #: of these it was said that they cannot be read
        self._limits_dispatch = _limits_dispatch(policy)
        self._noted: dict[str, Ticket] | None = {}  #: changes that came before the schedule was built; None = it is

        def make(connection: Connection, wish: _Make) -> tuple[Ticket, Made | None]:
            return make_step(connection, wish.step, wish.at, policy)

        def tell(connection: Connection, wish: _Told) -> None:
            told(connection, wish.ticket, wish.key, wish.at)

        def recount(connection: Connection, wish: _Recount) -> Ticket:
            return move_ticket(connection, wish.ticket, Move(TicketInput.RECOUNT), SYSTEM, wish.at, policy)

        self._recount: Operation[_Recount, Ticket] = Operation("recount_ticket", recount, posts=True)
        self._make: Operation[_Make, tuple[Ticket, Made | None]] = Operation("make_step", make, posts=True)
        self._tell: Operation[_Told, None] = Operation("step_told", tell)

    def note(self, ticket: Ticket) -> None:
        """A ticket has changed, and its change is committed."""
        if self._noted is not None:
            self._noted[ticket.number] = ticket
        else:
            self._plan(ticket)
        self._changed.set()

    def opened(self, number: TicketNumber) -> None:
        """A call has opened a ticket: it is looked at if anything limits the time until it is dispatched."""
        if self._limits_dispatch:
            self.look_at(number)

    def look_at(self, number: TicketNumber) -> None:
        """A ticket may have changed, and whoever says so does not know how it is now."""
        self._opened.append(number)
        self._changed.set()

    @property
    def planned(self) -> int:
        """Tickets about which something is still to be said."""
        return len(self._schedule)

    def next_at(self) -> float | None:
        """When something is due next, epoch seconds; None = nothing is planned."""
        return self._schedule.next_at()

    async def run(self) -> None:
        """Make every step when it is due, until cancelled."""
        await self._patiently(self._build)
        while True:
            self._changed.clear()
            if self._opened:
                await self._patiently(self._look_at_opened)
            at = self._schedule.next_at()
            wait = LONGEST_WAIT_S if at is None else min(at - self._clock(), LONGEST_WAIT_S)
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):  # not wait_for: it may swallow the end of this task
                        await self._changed.wait()
                continue
            await self._patiently(self._make_due)

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it, and again while the database is away."""
        while True:
            try:
                return await work()
            except StoreError as error:
                log.warning("reminders wait for the database: %s", error, extra={"action": "reminders.wait"})
            except Exception:  # a fault of ours must not end all reminders of the day
                log.exception("a reminder failed", extra={"action": "reminders.fault"})
            await asyncio.sleep(self._retry_s)

    async def _build(self) -> None:
        after = ""
        while page := await self._store.read(plan_page, after, PAGE, self._policy):  # worked out in a reader's thread
            for one in page:
                self._made[one.ticket] = set(one.made)
                self._schedule.plan(one.ticket, one.steps)
                if one.fault:
                    self._set_aside(one.ticket, one.fault)
            for one in page:
                if one.known:
                    await self._recounted(one.ticket)
            after = page[-1].ticket
        noted, self._noted = self._noted or {}, None
        for ticket in noted.values():
            self._plan(ticket)
        for made in await self._store.read(untold):
            await self._hand_over(made)
        log.info("reminders: %d tickets are planned", len(self._schedule), extra={"action": "reminders.built"})

    async def _recounted(self, number: TicketNumber) -> None:
        """A ticket whose deadlines rested on a year without a holiday notice, which has come."""
        log.info("a provisional deadline is counted anew", extra={"action": "ticket.recount"})
        with contextlib.suppress(TicketRefused):  # it has moved on since it was read
            self._plan(await self._store.submit(self._recount, _Recount(number, self._clock())))

    async def _look_at_opened(self) -> None:
        while self._opened:
            number = self._opened[0]
            try:
                ticket = await self._store.read(get_ticket, number)
                if ticket is not None:
                    self._plan(ticket)
            except StoreError:
                raise
            except Exception as fault:  # the ticket's, and it would be the same next time: the others go on
                self._set_aside(number, type(fault).__name__)
            else:
                self._aside.discard(number)
            del self._opened[0]

    def _set_aside(self, number: TicketNumber, fault: str) -> None:
        """Nothing is said about a ticket that cannot be read, until it changes; that is said once."""
        if number not in self._aside:
            self._aside.add(number)
            log.error(
                "ticket %s cannot be read (%s): no reminders about it until it changes",
                number,
                fault,
                extra={"action": "reminders.aside"},
            )

    def _plan(self, ticket: Ticket) -> None:
        if ticket.state in OVER:
            self._made.pop(ticket.number, None)
        try:
            planned = steps_of(ticket, self._policy, self._made.get(ticket.number, ()))
        except CalendarError as error:
            log.error("no reminders for a ticket: %s", error, extra={"action": "reminders.calendar"})
            planned = ()
        self._schedule.plan(ticket.number, planned)

    async def _make_due(self) -> None:
        """Make what is due; what the database does not take is planned again as it was."""
        now = self._clock()
        due: list[Step] = []
        for step in self._schedule.take(now):
            due.append(step)
            if len(due) == AT_ONCE:
                break
        futures = [self._store.submit(self._make, _Make(step, now)) for step in due]
        results = await asyncio.gather(*futures, return_exceptions=True)
        lost: list[Step] = []
        done: dict[str, Ticket] = {}
        news: list[Made] = []
        for step, result in zip(due, results, strict=True):
            if isinstance(result, StoreError):
                lost.append(step)
            elif isinstance(result, BaseException):
                log.error("a step was not made: %s", type(result).__name__, extra={"action": "reminders.fault"})
            else:
                done[step.ticket], made = result
                self._made.setdefault(step.ticket, set()).add(step.key)
                news += [made] if made is not None else []
        for ticket in done.values():
            self._plan(ticket)
        for step in lost:
            self._schedule.put_back(step)
        for made in news:
            await self._hand_over(made)
        if lost:
            raise StoreError("lost", "The database is away; the reminders wait.")

    async def _hand_over(self, made: Made) -> None:
        """To the sink; one that fails gets it again after the next start."""
        try:
            await self._sink(made)
        except Exception:
            log.exception("the sink of reminders failed", extra={"action": "reminders.sink"})
            return
        self._store.put(self._tell, _Told(made.ticket, made.key, self._clock()))
