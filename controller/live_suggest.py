"""What the words so far point at: entries of the knowledge base, a likely type and class. Off the calls' path.

For each call at most one search is under way and one more is due, `every_s` after the one before; all calls together
have `AT_ONCE` searches. However fast people talk, the store is asked no more often, and what nobody has asked for yet
is forgotten when newer words come.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from knowledge.version import Entry
from pbx.ids import CallId
from tickets.classes import ClassTree
from tickets.likely import Cues
from tickets.ticket import TicketType
from web.backend import Unavailable
from web.knowledge_backend import Wanted
from web.live_words_desk import SuggestedClass, SuggestedEntry, SuggestedType, Suggestions

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Searches at the same time, of all calls."""

LONGEST = 200
"""Characters of the citizen's latest words that are looked at; the search takes no more."""

ANSWER = 300
"""Characters of an answer that are shown beside the talk; the entry itself has the rest."""

SHORTEST = 4
"""Characters below which there is nothing to look for yet."""


@dataclass(slots=True)
class _Asking:
    """One call's next search."""

    said: str
    due: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None
    asked: str = ""
    last: float = -1e9


class Suggester:
    """See the module."""

    def __init__(
        self,
        search: Callable[[Wanted], Awaitable[Sequence[Entry]]],
        cues: Cues,
        tree: ClassTree,
        tell: Callable[[CallId, Suggestions], None],
        *,
        every_s: float = 2.0,
        most: int = 3,
    ) -> None:
        """`search` looks into the knowledge base; `tell` gets what was found, from the loop."""
        self._search, self._cues, self._tree, self._tell = search, cues, tree, tell
        self._every_s, self._most = every_s, most
        self._calls: dict[CallId, _Asking] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self.searches = 0
        self.failed = 0

    def heard(self, call: CallId, said: str) -> None:
        """The citizen of a call has said so much by now. Never waits."""
        asking = self._calls.setdefault(call, _Asking(said))
        asking.said = said
        if asking.due is None and asking.task is None and len(said) >= SHORTEST and said != asking.asked:
            loop = asyncio.get_running_loop()
            asking.due = loop.call_at(max(loop.time(), asking.last + self._every_s), self._begin, call)

    def over(self, call: CallId) -> None:
        """The call has ended."""
        asking = self._calls.pop(call, None)
        if asking is not None:
            if asking.due is not None:
                asking.due.cancel()
            if asking.task is not None:
                asking.task.cancel()

    def close(self) -> None:
        """Nothing more is looked for."""
        for call in list(self._calls):
            self.over(call)

    def _begin(self, call: CallId) -> None:
        asking = self._calls.get(call)
        if asking is not None:
            asking.due = None
            asking.task = asyncio.get_running_loop().create_task(self._ask(call, asking), name="live.suggest")

    async def _ask(self, call: CallId, asking: _Asking) -> None:
        try:
            async with self._room:
                asking.asked = said = asking.said  # what came while it waited counts too
                self.searches += 1
                self._tell(call, await self.suggestions(said))
        except Unavailable:
            self.failed += 1
        except Exception as error:  # it is a help on a desk, and no call may end for it
            self.failed += 1
            log.error("no suggestions: %s", type(error).__name__, extra={"action": "live.suggest_failed"})
        finally:
            asking.task = None
            asking.last = asyncio.get_running_loop().time()
        if self._calls.get(call) is asking:
            self.heard(call, asking.said)

    async def suggestions(self, said: str) -> Suggestions:
        """What these words of a citizen point at. Raises `Unavailable`."""
        latest = said[-LONGEST:]
        entries = await self._search(Wanted(latest, limit=self._most))
        return Suggestions(
            tuple(
                SuggestedEntry(one.id, one.content.question, one.content.answer[:ANSWER], one.content.unit)
                for one in entries
            ),
            tuple(
                SuggestedType(one.code, TicketType(one.code).chinese, one.because)
                for one in self._cues.types_of(latest)
            ),
            tuple(
                SuggestedClass(one.code, found.zh, found.en, one.because)
                for one in self._cues.classes_of(latest)
                if (found := self._tree.get(one.code)) is not None
            ),
        )
