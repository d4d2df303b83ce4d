"""What the web needs of the public query: one protocol, implemented by `controller/public_desk.py`."""

from __future__ import annotations

from typing import Protocol

from pbx.ids import TicketNumber
from tickets.public import PublicTicket


class TooManyQueries(Exception):
    """The source asks too often, or the number was asked wrongly too often; `retry_s`: in so many seconds again."""

    def __init__(self, retry_s: float) -> None:
        super().__init__()
        self.retry_s = retry_s


class PublicDesk(Protocol):
    """Tickets as citizens see their own."""

    async def query(self, number: str, proof: str, source: str) -> PublicTicket | None:
        """The ticket, None where there is none or the proof does not fit. Raises `TooManyQueries`, `Unavailable`.

        Every answer but `TooManyQueries` takes the same time.
        """
        ...

    def code(self, number: TicketNumber) -> str:
        """The code that is given to the citizen with his ticket."""
        ...
