"""The loop of a simulated day: virtual time, the controller's inbox, door and store, and how they break.

A discrete-event model. The door's lanes are the real `pbx.outbox.Outbox`; events arrive late but in order, some twice,
some `StepStarted` never; what is on its way when the connection breaks is gone; the controller may die. The store
commits call-backs in order, a moment after they were to be saved. Chance comes from one seed.
"""

from __future__ import annotations

import heapq
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Self

from controller.plan import Plan
from controller.switchboard import Switchboard
from pbx import commands as order
from pbx import events as event
from pbx.call import CallRecord
from pbx.callback import OPEN, CallbackRequest
from pbx.commands import Command
from pbx.events import Event, LiveChannel, Role
from pbx.ids import AgentId, CallId, TicketNumber
from pbx.outbox import NOT_CONNECTED, TALKING, Outbox, deliberate
from tests.builders import A1, A2, A3, plan
from tests.virtual_time import START

HB_MAX, STEP_S, COMMIT_S = 5.0, 1.5, 0.2
AGENTS = (A1, A2, A3)


@dataclass(frozen=True)
class Weather:
    """How bad the day is: chances from 0 to 1 of each mishap, and seconds."""

    delay_s: float = 0.05
    doubled: float = 0.0
    started_lost: float = 0.0
    redirect_lost: float = 0.0
    answers: float = 0.8
    short_talk: float = 0.1
    impatient: float = 0.3
    outages: int = 0
    restarts: int = 0
    outage_s: float = 2.0

    @property
    def clear(self) -> bool:
        """Whether what the exchange confirms arrives before the door gives it up: nothing is commanded twice then."""
        return self.delay_s <= 0.5 and not self.started_lost and not self.outages and not self.restarts


class Loop(ABC):
    """Time, the controller and its connection; what the exchange does stands in `town_exchange.Exchange`."""

    def __init__(self, seed: int, weather: Weather, hotline: Plan | None = None, citizens: int = 0) -> None:
        """`citizens`: so many different numbers call; 0 = all from the same."""
        self.random = Random(seed)
        self.weather = weather
        self.now = START
        self.plan = hotline or plan()
        self._numbers = Random(seed + 1)
        self._citizens = citizens
        self.board = Switchboard(self.plan)
        self.journal: list[tuple[Event, float, list[Command]]] = []  #: of this start of the controller
        self.past: list[list[tuple[Event, float, list[Command]]]] = []  #: of those before it
        self.records: dict[CallId, CallRecord] = {}
        self.steps: dict[CallId, int] = {}
        self.marks: dict[AgentId, str] = {}
        self.phones: set[AgentId] = set(AGENTS)
        self.connected = False
        self.beat = START  #: the controller's last heartbeat
        self.inbox: deque[Event] = deque()
        self.check: Callable[[Self, Event], None] = lambda town, found: None
        self.calm = False
        self.requests: dict[str, CallbackRequest] = {}  #: as the store has them
        self.thirds: set[AgentId] = set()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count(1)
        self._outbox = Outbox()
        self._timers: dict[tuple[str, str], int] = {}
        self._delivered = self._sent = self._committed = START
        self._session = 0
        self._dead = False

    # ------------------------------------------------------------ time

    def at(self, seconds: float, what: Callable[[], None]) -> int:
        """In `seconds`."""
        serial = next(self._serial)
        heapq.heappush(self._heap, (self.now + max(0.0, seconds), serial, what))
        return serial

    def run(self, until: float) -> None:
        """Let it happen until that instant (seconds since the start)."""
        while self._heap and self._heap[0][0] <= START + until:
            self.now, _, what = heapq.heappop(self._heap)
            what()
        self.now = START + until

    # ------------------------------------------------------------ controller: door, inbox, engine

    def post(self, found: Event) -> None:
        """Into the inbox; taken a moment later, in order."""
        self.inbox.append(found)
        self.at(self.random.random() * 0.01, self._take)

    def _take(self) -> None:
        if not self.inbox:
            return
        found = self.inbox.popleft()
        if isinstance(found, event.LegEnded) and found.role is Role.THIRD and found.agent is not None:
            self.thirds.discard(found.agent)
        commands = list(self.board.step(found, self.now))
        self.journal.append((found, self.now, commands))
        for command in commands:
            self._perform(command)
        self.check(self, found)

    def _perform(self, command: Command) -> None:
        match command:
            case order.Wake():
                key = (command.kind.value, command.key)
                up = event.TimeIsUp(command.kind, command.key, command.generation, command.at)
                board, serial = self.board, next(self._serial)
                self._timers[key] = serial
                self.at(command.at - self.now, lambda: self._ring(key, serial, up, board))
            case order.SaveCall(record=record):
                self.records[record.call] = record
            case order.OpenTicket(call=call):
                number = TicketNumber(f"{len(self.records):08d}")
                self.at(self.random.random(), lambda: self.post(event.TicketOpened(call, number, self.now)))
            case order.HandOverTicket(opening=asked):
                given = event.TicketHandedOver(
                    asked.call, command.destination, asked.agent, TicketNumber("1"), "", command.request, self.now
                )
                self.at(0.05, lambda: self.post(given))
            case order.SaveCallback(callback=request):
                self._committed = max(self._committed, self.now + self.random.random() * COMMIT_S)
                board = self.board
                self.at(self._committed - self.now, lambda: self._commit(request, board))
            case order.Reply() | order.FinishRecording():
                pass
            case order.MarkAgent():
                if self.connected:
                    self.marks[command.agent] = command.mark
            case _ if isinstance(command, order.StepCommand):
                assert command.step > self.steps.get(command.call, 0), "a step's number must grow"
                self.steps[command.call] = command.step
                if not self.connected:
                    self._lost(command.call, command.step, NOT_CONNECTED)
                elif (first := self._outbox.put(command)) is not None:
                    self._write(first)
            case _:
                if isinstance(command, order.AddParty):
                    self.thirds.add(command.endpoint)
                if self.connected:
                    self._send(lambda: self.other(command))

    def _commit(self, request: CallbackRequest, board: Switchboard) -> None:
        """The store has it, unless the controller has died before."""
        if board is self.board:
            self.requests[request.id] = request
            found = event.CallbackStored(request.id, len(request.attempts), request.state.value, self.now)
            self.post(found)

    def _send(self, what: Callable[[], None]) -> None:
        """Over the connection: late, in order; gone with it."""
        session = self._session
        self._sent = max(self._sent, self.now + self._lag())
        self.at(self._sent - self.now, lambda: what() if session == self._session else None)

    def _ring(self, key: tuple[str, str], serial: int, up: event.TimeIsUp, board: Switchboard) -> None:
        if self._timers.get(key) == serial and board is self.board:
            self.post(replace(up, at=self.now))

    def _write(self, command: order.StepCommand) -> None:
        if self._outbox.is_bridged(command.call) and not deliberate(command):
            self._lost(command.call, command.step, TALKING)
            return
        session = self._session
        if self.random.random() >= self._chance(self.weather.redirect_lost):
            self._send(lambda: self.redirect(command))
        self.at(STEP_S, lambda: self._overdue(command.call, command.step, session))

    def _overdue(self, call: CallId, step: int, session: int) -> None:
        if session == self._session and self._outbox.is_under_way(call, step):
            self._lost(call, step, "timeout")

    def _lost(self, call: CallId, step: int, reason: str) -> None:
        self._outbox.lost(call)
        self.post(event.StepLost(call, step, reason, self.now))

    def _lag(self) -> float:
        return self.random.random() * self.weather.delay_s

    def _chance(self, of: float) -> float:
        return 0.0 if self.calm else of

    def tell(self, found: Event) -> None:
        """An event leaves the exchange: late, in order, perhaps twice; nobody hears it while nobody is connected."""
        session = self._session
        times = 2 if self.random.random() < self._chance(self.weather.doubled) else 1
        for _ in range(times):
            self._delivered = max(self._delivered, self.now + self._lag())
            self.at(self._delivered - self.now, lambda: self._hear(found, session))

    def _hear(self, found: Event, session: int) -> None:
        if not self.connected or session != self._session:
            return
        match found:
            case event.PartyJoined(call=call, role=Role.CALLER):
                self._outbox.bridged(call, True)
            case event.PartyLeft(call=call, role=Role.CALLER):
                self._outbox.bridged(call, False)
            case event.CallEnded(call=call):
                self._outbox.ended(call)
        self.post(found)
        if isinstance(found, event.StepStarted | event.StepRefused):
            step = found.step if isinstance(found, event.StepStarted) else found.got
            following = self._outbox.settled(found.call, step)
            if following is not None:
                self._write(following)

    # ------------------------------------------------------------ outages

    def connect(self) -> None:
        """Log in, read the snapshot."""
        self._session += 1
        self._outbox.clear()
        self.connected = True
        rows = self.channels()
        for row in rows:
            if row.role is Role.CALLER:
                self._outbox.bridged(row.call, row.bridged)
        marks = tuple(sorted(self.marks.items()))
        self.post(event.ExchangeConnected(tuple(rows), tuple(sorted(self.phones)), marks, self.now))

    def disconnect(self) -> None:
        """The connection breaks; whatever is on its way either way is gone."""
        if self.connected:
            self.connected = False
            self._session += 1
            self.post(event.ExchangeLost(self.now))

    def outage(self) -> None:
        self.disconnect()
        self.at(self.random.random() * self.weather.outage_s + 0.01, self._again)

    def _again(self) -> None:
        if not self.connected and not self._dead:
            self.connect()

    def restart(self) -> None:
        """The controller dies and comes again, knowing what the store and the exchange know."""
        self.connected = False
        self._dead = True
        self._session += 1
        self.inbox.clear()
        self._timers.clear()
        self._outbox = Outbox()
        self.board = Switchboard(self.plan)
        self.past.append(self.journal)
        self.journal = []
        self.steps.clear()  # what was commanded and never ran is numbered again
        self.at(self.random.random() * self.weather.outage_s, self._begin)

    def _begin(self) -> None:
        opened = tuple(record for record in self.records.values() if record.ended_at is None)
        if self.random.random() < 0.3:  # the store was behind
            opened, forgotten = opened[: len(opened) // 2], opened[len(opened) // 2 :]
            for record in forgotten:
                del self.records[record.call]
        self._dead = False
        wanted = tuple(request for request in self.requests.values() if request.state in OPEN)
        if wanted:
            self.post(event.CallbacksRestored(wanted, self.now))
        self.post(event.CallsRestored(opened, self.now))
        if not self.connected:
            self.connect()

    def beats(self) -> None:
        """The heartbeat, while somebody is connected."""
        if self.connected:
            self.beat = self.now
        self.at(1.0, self.beats)

    @property
    def missed(self) -> bool:
        """Whether the exchange misses the controller."""
        return self.now - self.beat > HB_MAX

    # ------------------------------------------------------------ what the exchange does with it

    @abstractmethod
    def channels(self) -> list[LiveChannel]:
        """Everybody who is in the exchange, as a snapshot shows him."""

    @abstractmethod
    def redirect(self, command: order.StepCommand) -> None:
        """A step reaches the exchange."""

    @abstractmethod
    def other(self, command: Command) -> None:
        """Another command reaches the exchange."""
