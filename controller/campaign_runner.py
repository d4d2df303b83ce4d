"""Finds the tickets that have come to be followed up by voice, and tells the switchboard of them.

One look over the list at the start; from then on only at tickets whose time has come since the last look, when the
first of them has. Whom the switchboard knows already it leaves as he is (`controller.campaign.wanted`), so a look too
many does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TypeVar

from controller import campaign_rows
from controller.callbacks import NEVER
from controller.database import StoreError
from controller.writer import Store
from pbx.campaign import CampaignRestored, FollowUpsWanted
from pbx.events import Event
from pbx.ids import TicketNumber
from tickets.campaign import CampaignRules
from tickets.follow_up import FollowUpRules
from tickets.moves import TicketState
from tickets.ticket import Ticket

log = logging.getLogger(__name__)

LOOK_S = 300.0
"""So often is looked at least: a ticket may have been closed by another program that shares the database."""

RETRY_S = 5.0
"""After the database was away."""

OVERLAP_S = 60.0
"""A ticket is in the store a little later than the instant of its closing."""

AT_ONCE = 200
"""Tickets told to the switchboard in one step."""

MINUTE_S = 60.0


class CampaignRunner:
    """`note` is for whoever has moved a ticket, `look_at` for who knows its number alone; `run` until cancelled."""

    def __init__(
        self,
        store: Store,
        follow_up: FollowUpRules,
        rules: CampaignRules,
        clock: Callable[[], float],
        post: Callable[[Event], None],
    ) -> None:
        self._store, self._follow_up, self._rules = store, follow_up, rules
        self._clock, self._post = clock, post
        self._since = 0.0
        self._next = 0.0  #: when to look next, epoch seconds
        self._asked: set[TicketNumber] = set()  #: may be closed, and nobody has looked yet
        self._changed = asyncio.Event()

    def note(self, ticket: Ticket) -> None:
        """A ticket has been moved, and that is committed: closed now, it is looked at when its time has come."""
        if ticket.state is TicketState.RESOLVED and ticket.resolved_at is not None and ticket.followed_up_at is None:
            self._next = min(self._next, ticket.resolved_at + self._follow_up.delay_s)
            self._changed.set()

    def look_at(self, number: TicketNumber) -> None:
        """A ticket may have been closed with many others (an incident), or by a peer's message; that is committed."""
        self._asked.add(number)
        self._changed.set()

    async def restore(self) -> CampaignRestored:
        """What the switchboard must know at the start. Raises `StoreError`."""
        now = self._clock()
        rest = await self._store.read(campaign_rows.read_rest)
        placed = await self._store.read(campaign_rows.placed_since, now - MINUTE_S)
        return CampaignRestored(rest, tuple(placed), now)

    async def run(self) -> None:
        """Look whenever something may have come, until cancelled."""
        while True:
            try:
                await self._ask()
                if self._clock() >= self._next:
                    await self._look()
                if self._asked:
                    continue  # said meanwhile
            except StoreError as error:
                log.warning("the voice follow-up waits for the database: %s", error, extra={"action": "campaign.wait"})
                self._next = self._clock() + RETRY_S
            except Exception:  # a fault of ours must not end the follow-ups of the day
                log.exception("the voice follow-up stumbled", extra={"action": "campaign.fault"})
                self._next = self._clock() + RETRY_S
            await self._wait()

    async def _ask(self) -> None:
        """When those of which only the number is known have their time."""
        while self._asked:
            some = [self._asked.pop() for _ in range(min(len(self._asked), AT_ONCE))]
            try:
                at = await self._store.read(campaign_rows.first_closed, some)
            except StoreError:
                self._asked.update(some)
                raise
            if at is not None:
                self._next = min(self._next, at + self._follow_up.delay_s)

    async def _look(self) -> None:
        now = self._clock()
        self._next = now + LOOK_S
        found = await self._store.read(
            campaign_rows.candidates, now, self._follow_up, self._rules, self._since - OVERLAP_S
        )
        wanted = [one for one in found if one.number not in NEVER]
        for first in range(0, len(wanted), AT_ONCE):
            self._post(FollowUpsWanted(tuple(wanted[first : first + AT_ONCE]), self._clock()))
        self._since = now - self._follow_up.delay_s

    async def _wait(self) -> None:
        while (left := self._next - self._clock()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):  # not wait_for: it may swallow the end of this task
                    await self._changed.wait()
            if self._asked:
                return


Told = TypeVar("Told")


def told_both(one: Callable[[Told], None], other: Callable[[Told], None]) -> Callable[[Told], None]:
    """What tells two who want to hear of the same."""

    def tell(what: Told) -> None:
        one(what)
        other(what)

    return tell
