"""A day in a small town: citizens who call, agents who work, and an exchange between them, for property tests.

A discrete-event model in virtual time. The exchange reacts to every command as asterisk-config's dialplan does (fence,
p-ask, p-play, p-hold, p-dial, survey, the net), the door's lanes are the real `pbx.outbox.Outbox`, events arrive late
but in order, some twice, some `StepStarted` never, and connection and controller may die. Chance comes from one seed.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from controller.plan import Plan
from controller.switchboard import Switchboard
from pbx import commands as order
from pbx import events as event
from pbx.call import CallRecord
from pbx.commands import Command
from pbx.events import Event, KeyStatus, LiveChannel, Role
from pbx.ids import AgentId, CallId, ChannelName, RequestId, TicketNumber
from pbx.outbox import NOT_CONNECTED, TALKING, Outbox
from tests.builders import A1, A2, A3, DEPARTMENT, DIRECT, MENU, caller_channel, plan
from tests.virtual_time import START

HB_MAX, IDLE_MAX, STEP_S = 5.0, 30.0, 1.5
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


@dataclass
class Leg:
    agent: AgentId
    name: ChannelName
    role: Role = Role.AGENT
    up: bool = False


@dataclass
class Citizen:
    """A caller's channel."""

    id: CallId
    dialled: str
    mark: str
    context: str = "p-idle"
    step: int = 0
    turn: int = 0  # grows with each primitive: what was planned in an older one is void
    bridged: bool = False
    idle_since: float = 0.0
    arguments: dict[int, order.StepCommand] = field(default_factory=dict)
    legs: list[Leg] = field(default_factory=list)


class Town:
    """Everything outside the switchboard, and the loop around it."""

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
        self.calls: dict[CallId, Citizen] = {}
        self.connected = False
        self.beat = START  #: the controller's last heartbeat
        self.inbox: deque[Event] = deque()
        self.check: Callable[[Town, Event], None] = lambda town, found: None
        self.calm = False
        self.thirds: set[AgentId] = set()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count(1)
        self._outbox = Outbox()
        self._timers: dict[tuple[str, str], int] = {}
        self._delivered = START
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
            case order.Reply() | order.FinishRecording():
                pass
            case order.MarkAgent():
                if self.connected:
                    self.marks[command.agent] = command.mark
            case order.Ask() | order.Play() | order.Hold() | order.Offer():
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
                    self.at(self._lag(), lambda: self._other(command))

    def _ring(self, key: tuple[str, str], serial: int, up: event.TimeIsUp, board: Switchboard) -> None:
        if self._timers.get(key) == serial and board is self.board:
            self.post(replace(up, at=self.now))

    def _write(self, command: order.StepCommand) -> None:
        if self._outbox.is_bridged(command.call):
            self._lost(command.call, command.step, TALKING)
            return
        session = self._session
        if self.random.random() >= self._chance(self.weather.redirect_lost):
            self.at(self._lag(), lambda: self._redirect(command) if session == self._session else None)
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
        rows: list[LiveChannel] = []
        for one in self.calls.values():
            channel = caller_channel(one.id)
            rows.append(
                LiveChannel(channel, one.id, Role.CALLER, None, one.context, one.step, one.bridged, one.mark, "138")
            )
            for leg in one.legs:
                rows.append(LiveChannel(leg.name, one.id, leg.role, leg.agent, "from-agent", 0, leg.up, "", ""))
            self._outbox.bridged(one.id, one.bridged)
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
        self.post(event.CallsRestored(opened, self.now))
        if not self.connected:
            self.connect()

    def beats(self) -> None:
        """The heartbeat, while somebody is connected."""
        if self.connected:
            self.beat = self.now
        self.at(1.0, self.beats)

    @property
    def _missed(self) -> bool:
        return self.now - self.beat > HB_MAX

    # ------------------------------------------------------------ the exchange: callers

    def arrive(self) -> None:
        """A citizen calls."""
        number = next(self._serial)
        dialled = self.random.choice([MENU, MENU, DIRECT, "000"])
        one = Citizen(CallId(f"town-{number}.0"), dialled, f"{dialled}|zh|{self.now:.3f}|||0|0")
        self.calls[one.id] = one
        caller = f"138{self._numbers.randrange(self._citizens):08d}" if self._citizens else "138"
        self.tell(event.CallArrived(one.id, caller_channel(one.id), dialled, caller, self.now))
        self._idle(one)
        if self.random.random() < self.weather.impatient:
            self.at(self.random.expovariate(1 / 20), lambda: self.hang_up(one))

    def hang_up(self, one: Citizen) -> None:
        """The caller is gone, and with him the legs of his Dial; third parties stay until they are told."""
        if self.calls.pop(one.id, None) is None:
            return
        one.turn += 1
        if one.bridged:
            self.tell(event.PartyLeft(one.id, caller_channel(one.id), Role.CALLER, None, self.now))
        first = self.random.random() < 0.5
        if first:
            self.tell(event.CallEnded(one.id, 16, self.now))
        for leg in list(one.legs):
            self._end_leg(one, leg)
        if not first:
            self.tell(event.CallEnded(one.id, 16, self.now))
        self.tell(event.RecordingStopped(one.id, self.now))

    def _enter(self, one: Citizen, context: str) -> int:
        one.turn += 1
        one.context = context
        return one.turn

    def _then(self, one: Citizen, seconds: float, what: Callable[[], None]) -> None:
        turn = one.turn
        self.at(seconds, lambda: what() if one.id in self.calls and one.turn == turn else None)

    def _redirect(self, command: order.StepCommand) -> None:
        one = self.calls.get(command.call)
        if one is None:
            return
        one.arguments[command.step] = command
        one.mark = command.mark
        if one.bridged:
            self.tell(event.PartyLeft(one.id, caller_channel(one.id), Role.CALLER, None, self.now))
            one.bridged = False
        for leg in list(one.legs):
            self._end_leg(one, leg)
        if command.step <= one.step:
            self.tell(event.StepRefused(one.id, command.step, one.step, self.now))
        else:
            one.step = command.step
            if self.random.random() >= self._chance(self.weather.started_lost):
                self.tell(event.StepStarted(one.id, one.step, self.now))
        self._primitive(one, one.arguments[one.step])

    def _primitive(self, one: Citizen, command: order.StepCommand) -> None:
        match command:
            case order.Ask():
                self._enter(one, "p-ask")
                self._then(one, self.random.random() * 3, lambda: self._answered(one))
            case order.Play():
                self._enter(one, "p-play")
                self._then(one, self.random.random() * 3, lambda: self._played(one))
            case order.Hold():
                self._hold(one)
            case order.Offer():
                self._dial(one, command)

    def _answered(self, one: Citizen) -> None:
        keys = self.random.choice(["0", "1", "9", "2", "7", "*", ""])
        status = KeyStatus.OK if keys else KeyStatus.TIMEOUT
        self.tell(event.KeysPressed(one.id, one.step, keys, status, self.now))
        self._idle(one)

    def _played(self, one: Citizen) -> None:
        self.tell(event.PromptPlayed(one.id, one.step, self.now))
        self._idle(one)

    def _idle(self, one: Citizen) -> None:
        one.idle_since = self.now
        self._enter(one, "p-idle")
        self._then(one, 0.5, lambda: self._stand(one))

    def _stand(self, one: Citizen) -> None:
        if self._missed or self.now - one.idle_since > IDLE_MAX:
            self._fall_back(one)
            return
        self.tell(event.CallerIdle(one.id, one.step, self.now))
        self._then(one, 0.5, lambda: self._stand(one))

    def _hold(self, one: Citizen) -> None:
        self._enter(one, "p-hold")
        self._wait(one)

    def _wait(self, one: Citizen) -> None:
        if self._missed:
            self._fall_back(one)
        else:
            self._then(one, 1.0, lambda: self._wait(one))

    def _survey(self, one: Citizen) -> None:
        self._enter(one, "p-survey")
        if self.random.random() < 0.5:
            self._then(one, 2.0, lambda: self.tell(event.CallScored(one.id, self.random.choice([None, 5]), self.now)))
        self._then(one, 3.0, lambda: self.hang_up(one))

    # ------------------------------------------------------------ the exchange: offers, talk, net

    def _busy(self, agent: AgentId) -> bool:
        return any(leg.agent == agent for one in self.calls.values() for leg in one.legs)

    def _leg(self, one: Citizen, agent: AgentId, role: Role = Role.AGENT) -> Leg:
        leg = Leg(agent, ChannelName(f"PJSIP/{agent}-{next(self._serial):08x}"), role)
        one.legs.append(leg)
        return leg

    def _end_leg(self, one: Citizen, leg: Leg) -> None:
        one.legs.remove(leg)
        if leg.up:
            self.tell(event.PartyLeft(one.id, leg.name, leg.role, leg.agent, self.now))
        self.tell(event.LegEnded(one.id, leg.name, leg.role, leg.agent, 16, self.now))

    def _dial(self, one: Citizen, offer: order.Offer) -> None:
        self._enter(one, "p-dial")
        agent = offer.agent
        if agent not in self.phones or self._busy(agent):
            status, cause = ("CHANUNAVAIL", 3) if agent not in self.phones else ("BUSY", 17)
            self._no_agent(one, agent, status, cause)
            return
        leg = self._leg(one, agent)
        self.tell(event.LegStarted(one.id, one.step, agent, leg.name, self.now))
        luck = self.random.random()
        if luck < self.weather.answers or self.calm:
            self._then(one, self.random.random() * 4, lambda: self._pick_up(one, leg, net=False))
        elif luck < 0.9:
            self._then(one, float(offer.ring_s), lambda: self._unanswered(one, leg, "NOANSWER", 0))
        else:
            self._then(one, self.random.random() * 2, lambda: self._unanswered(one, leg, "BUSY", 17))

    def _unanswered(self, one: Citizen, leg: Leg, status: str, cause: int) -> None:
        early = self.random.random() < 0.5
        if early:
            self._end_leg(one, leg)
        self._no_agent(one, leg.agent, status, cause)
        if not early:
            self._end_leg(one, leg)

    def _no_agent(self, one: Citizen, agent: AgentId, status: str, cause: int) -> None:
        self.tell(event.OfferFailed(one.id, one.step, agent, status, cause, self.now))
        self._hold(one)

    def _pick_up(self, one: Citizen, leg: Leg, *, net: bool) -> None:
        leg.up = one.bridged = True
        joins = [
            event.PartyJoined(one.id, leg.name, leg.role, leg.agent, self.now),
            event.PartyJoined(one.id, caller_channel(one.id), Role.CALLER, None, self.now),
        ]
        self.random.shuffle(joins)
        for join in joins:
            self.tell(join)
        if not net and self.random.random() < self._chance(self.weather.short_talk):
            self._then(one, 0.3, lambda: self._gone_at_once(one, leg))
        else:
            self._then(one, 1 + self.random.expovariate(1 / 15), lambda: self._leaves(one, leg, net=net))

    def _gone_at_once(self, one: Citizen, leg: Leg) -> None:
        if leg not in one.legs:
            return
        self._end_leg(one, leg)
        self._caller_leaves(one)
        self._no_agent(one, leg.agent, "ANSWER", 16)

    def _caller_leaves(self, one: Citizen) -> None:
        one.bridged = False
        self.tell(event.PartyLeft(one.id, caller_channel(one.id), Role.CALLER, None, self.now))

    def _leaves(self, one: Citizen, leg: Leg, *, net: bool) -> None:
        if leg not in one.legs or one.id not in self.calls:
            return
        self._end_leg(one, leg)
        if any(other.up for other in one.legs):
            return
        self._caller_leaves(one)
        if net:
            self.tell(event.NetTalkEnded(one.id, leg.agent, self.now))
        else:
            self.tell(event.TalkEnded(one.id, one.step, leg.agent, 3.0, self.now))
        self._survey(one)

    def _fall_back(self, one: Citizen) -> None:
        self._enter(one, "fallback")
        self.tell(event.FellBack(one.id, caller_channel(one.id), one.step, self.now))
        self._then(one, 1.0, lambda: self._net(one))

    def _net(self, one: Citizen) -> None:
        free = [agent for agent in sorted(self.phones) if not self._busy(agent)]
        if not free:
            self._then(one, 1.0, lambda: self._net(one))
            return
        leg = self._leg(one, self.random.choice(free))
        if self.random.random() < 0.5:
            self._then(one, self.random.random() * 3, lambda: self._pick_up(one, leg, net=True))
        else:
            self._then(one, 3.0, lambda: self._net_unanswered(one, leg))

    def _net_unanswered(self, one: Citizen, leg: Leg) -> None:
        self._end_leg(one, leg)
        self._then(one, 1.0, lambda: self._net(one))

    def _other(self, command: Command) -> None:
        match command:
            case order.HangUp(call=call) if call in self.calls:
                self.hang_up(self.calls[call])
            case order.AddParty(call=call, endpoint=endpoint):
                self._add(call, endpoint)
            case order.ToSurvey(call=call) if call in self.calls and not self.calls[call].bridged:
                self._survey(self.calls[call])
            case _:
                pass

    def _add(self, call: CallId, endpoint: AgentId) -> None:
        one = self.calls.get(call)
        if one is None or not one.bridged or (endpoint not in self.phones and endpoint != DEPARTMENT):
            name = ChannelName(f"PJSIP/{endpoint}")
            self.tell(event.LegEnded(call, name, Role.THIRD, endpoint, 0, self.now))
            return
        leg = self._leg(one, endpoint, Role.THIRD)
        self.at(self.random.random() * 5, lambda: self._third(one, leg))

    def _third(self, one: Citizen, leg: Leg) -> None:
        if leg not in one.legs:
            return
        if not one.bridged or self.random.random() < 0.3:
            self._end_leg(one, leg)
            return
        leg.up = True
        self.tell(event.PartyJoined(one.id, leg.name, leg.role, leg.agent, self.now))
        self.at(1 + self.random.random() * 20, lambda: self._leaves(one, leg, net=one.context == "fallback"))

    # ------------------------------------------------------------ people

    def agents_begin(self) -> None:
        for agent in AGENTS:
            self.post(event.AgentWentReady(agent, RequestId("r"), self.now))

    def somebody_does_something(self) -> None:
        """A click, or a phone's registration."""
        agent, request = self.random.choice(AGENTS), RequestId("r")
        other = self.random.choice([*AGENTS, DEPARTMENT])
        choice = self.random.randrange(8)
        if choice in (0, 1, 2):
            self.post(event.AgentWentReady(agent, request, self.now))
        elif choice == 3:
            self.post(event.AgentWentNotReady(agent, "break", request, self.now))
        elif choice == 4:
            self.post(event.AgentSignedOut(agent, request, self.now))
        elif choice in (5, 6):
            self.post(event.ThirdPartyAsked(agent, other, request, self.now))
        else:
            (self.phones.discard if agent in self.phones else self.phones.add)(agent)
            self.tell(event.PhoneChanged(agent, agent in self.phones, self.now))

    def third_pending(self, agent: AgentId) -> bool:
        """Whether a third party is on its way to this agent, or the news of its end to us."""
        return agent in self.thirds

    def evening(self) -> None:
        """The mishaps are over: everybody is connected, ready and answers."""
        self.calm = True
        if not self.connected:
            self.connect()
        self._work_on()

    def _work_on(self) -> None:
        for agent in AGENTS:
            if agent not in self.phones:
                self.phones.add(agent)
                self.tell(event.PhoneChanged(agent, True, self.now))
            self.post(event.AgentWentReady(agent, RequestId("r"), self.now))
        self.at(30.0, self._work_on)
