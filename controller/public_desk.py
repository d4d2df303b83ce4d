"""The public query of tickets, by web and by telephone: implements `web.public_desk.PublicDesk` over the records."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path

from controller.query_tries import QueryTries
from controller.records import Records
from controller.ticket_desk import from_store
from pbx.commands import QueryTicket
from pbx.events import TicketQueried
from pbx.ids import TicketNumber
from tickets.public import CODE_DIGITS, PublicTicket, code_of, proved, public_view
from tickets.query_guard import QueryGuard, QueryRules
from tickets.ticket import Ticket, TicketPolicy
from web.backend import Unavailable
from web.public_desk import TooManyQueries


class HotlinePublic:
    """See `web.public_desk.PublicDesk`. `key` makes the codes; one guard counts the tries of every way of asking."""

    def __init__(
        self,
        records: Records,
        key: str,
        policy: TicketPolicy,
        clock: Callable[[], float],
        rules: QueryRules | None = None,
        tries: Path | None = None,
    ) -> None:
        """`tries`: the file that keeps the counts for after a restart. Blocks while it is read."""
        self._records, self._key, self._policy, self._clock = records, key, policy, clock
        self._guard = QueryGuard(rules)
        self._tries = QueryTries(self._guard, tries, key, clock)

    def code(self, number: TicketNumber) -> str:
        """The code that is given with a ticket."""
        return code_of(self._key, number)

    async def query(self, number: str, proof: str, source: str) -> PublicTicket | None:
        """The ticket as its citizen sees it."""
        loop = asyncio.get_running_loop()
        ready = loop.time() + self._guard.rules.answer_s
        ticket, shown = await self._find(number, proof, source)
        found = None
        if ticket is not None:
            moves = await from_store(self._records.ticket_moves(ticket.number))
            main = await self._main(ticket)
            main_moves = await from_store(self._records.ticket_moves(main.number)) if main is not None else ()
            found = public_view(ticket, moves, shown, self._policy, main, main_moves)
        # Whether there is such a ticket is not to be told by how soon the answer comes.
        await asyncio.sleep(max(0.0, ready - loop.time()))
        return found

    async def by_phone(self, asked: QueryTicket) -> TicketQueried:
        """The answer to a caller who queries a ticket by keys."""
        now = self._clock()
        outcome, status, days = "none", "", None
        try:
            ticket, shown = await self._find(asked.number, asked.proof, f"tel:{asked.caller}")
            if ticket is not None:
                found = public_view(ticket, (), shown, self._policy, await self._main(ticket))
                outcome, status, days = "found", found.status, self._days(found.due, now)
        except TooManyQueries:
            outcome = "limit"
        except Unavailable:
            outcome = "away"
        return TicketQueried(asked.call, asked.serial, outcome, status, days, self._clock())

    def _days(self, due: float | None, now: float) -> int | None:
        """Days until it is due, by the hotline's calendar; None for none, or one that is past."""
        if due is None or due < now:
            return None
        hours = self._policy.hours
        return (hours.local_day(due) - hours.local_day(now)).days

    async def _main(self, ticket: Ticket) -> Ticket | None:
        """The ticket that goes on for one that was merged, by however many steps; None for one that was not."""
        main, passed = None, {ticket.number}
        of = ticket.repeat_of
        while of is not None and of not in passed:
            passed.add(of)
            found = await from_store(self._records.ticket(of))
            if found is None:
                break
            main, of = found, found.repeat_of
        return main

    async def _find(self, number: str, proof: str, source: str) -> tuple[Ticket | None, str]:
        now = self._clock()
        guessable = len(proof) != CODE_DIGITS
        who, what = self._tries.name(source), self._tries.name(number)
        if not self._guard.admit(who, what, now, guessable=guessable):
            raise TooManyQueries(math.ceil(self._guard.rules.tries_in_s))
        await self._tries.keep(*self._guard.counts_of(who, what))
        ticket = await from_store(self._records.ticket(TicketNumber(number)))
        shown = proved(ticket, number, proof, self._key)
        if not shown:
            return None, ""
        if guessable:
            self._guard.fitted(what)
            await self._tries.keep(*self._guard.counts_of(who, what))
        return ticket, shown
