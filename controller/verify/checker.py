"""The checker: takes a journal step by step and reports every broken promise. Pure; it knows neither files nor `acd`.

Each step is followed in the scene first (`follow.py`), then its commands are held against what was promised. What
cannot be decided from the journal alone (who fits whom) needs the facts of the configuration that was in force.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.verify import parted
from controller.verify.callbacks import FOLLOWED, Requests
from controller.verify.facts import Facts, Rank, score
from controller.verify.follow import AGENTS_CALL, EVENTS, begins, of_agents
from controller.verify.report import Finding, Report, Rule
from controller.verify.scene import SOMEBODY, Caller, Held, Kind, Profile, Scene, Word, mark_of

NEAR_S = 0.003
"""Instants that differ by less are the same: marks carry milliseconds."""

OVER_KEPT = 20_000
"""So many calls that have ended are remembered, lest a late word about one counts it again."""

STUCK_S = 120.0
"""An agent may be kept so long for a caller who is gone: his phone, or a third party's, has to stop ringing first."""

_STEP_COMMANDS = frozenset({"Ask", "Play", "Record", "Hold", "Offer", "HoldTalk", "Join"})
_ENDINGS = frozenset({"CallEnded", "OutboundFailed", "CallbackFailed", "CallsRestored", "ExchangeConnected"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is allowed. `idle_s`: so long (engine time) a fitting agent and a waiting caller may stand beside each
    other. `call_s`: a call that is older when the journals end has been forgotten.
    """

    idle_s: float = 0.020
    call_s: float = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the journals something stands."""

    file: str
    line: int
    seq: int


@dataclass(slots=True)
class _Made:
    """An offer of the step that is looked at."""

    caller: Caller
    kind: Kind | None
    agent: str
    since: float
    profile: Profile | None
    reason: str
    refused: bool


class Checker:
    """Holds journals against the promises. Call `begin` for each start of a controller, `take` for each step, `finish`
    at the end; `only_from_now` forgets what was found so far, when a start began before the day that is asked for.
    """

    def __init__(self, facts: Facts | None, bounds: Bounds | None = None) -> None:
        self.scene = Scene(facts)
        self.report = Report()
        self._bounds = bounds or Bounds()
        self._at = Place("", 0, 0)
        self._now = 0.0
        self._pair: tuple[str, str] | None = None
        self._pair_since = 0.0
        self._told: tuple[str, str] | None = None
        self._kept: deque[tuple[float, str, str]] = deque()
        self._over: dict[str, None] = {}  #: calls that have ended not long ago, oldest first
        self._carried: dict[str, Caller] = {}
        self._restored: dict[str, None] = {}
        self._fresh = False
        self._saved: dict[str, Word] = {}
        self._idle_anew: dict[str, None] = {}
        self._requests = Requests(self.scene, self._add)

    # ---------------------------------------------------------------- steps

    def begin(self) -> None:
        """Another start of the controller: it knows nothing but what the store and the exchange tell it."""
        self._carried |= self.scene.begin()
        self.scene.as_configured()
        self._restored, self._fresh = {}, True
        self._pair = self._told = None
        self._kept.clear()
        self._requests.begin()
        self.report.starts += 1

    def take(self, at: Place, now: float, event: Word, commands: Sequence[Word], error: str = "") -> None:
        """One step, as the journal has it."""
        scene = self.scene
        self._at, self._now, scene.now = at, now, now
        self.report.steps += 1
        self._time_passes(now)
        if error:
            self._add("rule-raised", "", "", f"{error} while it took {event['is']}", "no rule raises")
        word = event["is"]
        if word == "ExchangeConnected":  # agents' wishes of the time without a connection are told only now
            for command in commands:
                if command["is"] == "MarkAgent":
                    self._marked(command, before=True)
        event = of_agents(scene, event)
        gone: list[str] = []
        attempt = ""
        if word in _ENDINGS:
            gone, attempt = self._expected_ends(event), self._requests.ends(event)
        if begins(event) and event["call"] not in scene.callers:
            self.report.calls += 1
        follow = EVENTS.get(word)
        if follow is not None:
            follow(scene, event, now)
        if word in FOLLOWED:
            self._requests.follow(event, now)
        self._saved = {}
        made: list[_Made] = []
        for command in commands:
            self._command(event, command, made)
        if word in ("StepLost", "StepRefused"):
            self._not_fetched(event, commands)
        if scene.settled:
            self._on_hold()
        if attempt:
            self._requests.ended(attempt)
        if self._idle_anew:
            self._idle_since(also_kept=word == "ExchangeConnected")
        for one in made:
            self._fair(one, made)
        if gone:
            self._ended(gone)
        if word == "ExchangeConnected":
            self._fresh = False
        if scene.dirty:
            scene.dirty = False
            self._look_for_pairs(now)

    def only_from_now(self) -> None:
        """What was found so far is nobody's question; who waits and who is kept stays known."""
        before, self.report = self.report, Report()
        self.report.starts = before.starts
        self.report.calls = len(self.scene.callers)

    def finish(self) -> Report:
        """The journals have ended; the report."""
        self._requests.forgotten(self._now)
        for caller in [*self._carried.values(), *self.scene.callers.values()]:
            if self._now - caller.arrived_at > self._bounds.call_s:
                age = (self._now - caller.arrived_at) / 3600
                self._add("call-end", caller.name, "", f"open for {age:.1f} hours, in {caller.stage}", "an end")
        self.report.open = len(self.scene.callers) + len(self._carried)
        return self.report

    def _add(self, invariant: str, call: str, agent: str, found: str, expected: str) -> None:
        at = self._at
        self.report.add(Finding(invariant, at.file, at.line, at.seq, self._now, call, agent, found, expected))

    # ---------------------------------------------------------------- what stands still too long

    def _time_passes(self, now: float) -> None:
        pair, waited = self._pair, now - self._pair_since
        if pair is not None:
            self.report.longest_idle_s = max(self.report.longest_idle_s, waited)
            if waited > self._bounds.idle_s and pair != self._told:
                self._told = pair
                agent, call = pair
                self._add(
                    "idle-while-waiting", call, agent, f"idle beside a caller whom he could serve for {waited:.3f} s",
                    f"an offer within {self._bounds.idle_s * 1000:.0f} ms",
                )  # fmt: skip
        kept = self._kept
        while kept and kept[0][0] <= now:
            _, name, call = kept.popleft()
            agent_held = self.scene.agents[name].held
            if agent_held is not None and agent_held.call == call and call not in self.scene.callers:
                self._add("stuck-agent", call, name, f"kept {STUCK_S:.0f} s after the caller has gone", "he is free")

    def _look_for_pairs(self, now: float) -> None:
        scene, pair = self.scene, self._pair
        if not scene.connected:
            self._pair = None
            return
        if pair is not None and scene.is_pair(*pair):
            return
        self._pair = next(scene.pairs(), None)
        self._pair_since = now

    # ---------------------------------------------------------------- ends

    def _expected_ends(self, event: Word) -> list[str]:
        """The calls that must have an end when this step is over."""
        scene, word = self.scene, event["is"]
        if word in ("CallEnded", "OutboundFailed") and event["call"] in scene.callers:
            self._keep_in_mind(event["call"])
            return [event["call"]]
        if word == "CallsRestored":
            self._restored = {record["call"]: None for record in event["records"] if record["ended_at"] is None}
        if word != "ExchangeConnected":
            return []
        present = {row["call"] for row in event["channels"] if row["role"] == "caller"}
        unseen = {one["call"] for one in event.get("gone", ())}
        for call in present | unseen:
            if call not in scene.callers and call not in self._carried and call not in self._over:
                self.report.calls += 1
        gone = [call for call in (*scene.callers, *self._restored) if call not in present]
        if self._fresh:
            gone += [call for call in self._carried if call in unseen]
            for call in self._carried:
                if call not in present and call not in self._restored and call not in unseen:
                    expected = "it is among the open calls of the store, or lives in the exchange"
                    self._add("lost-with-controller", call, "", "nobody knows it after the start", expected)
                    self.report.ended += 1
            self._carried = {}
        self._restored = {}
        for call in gone:
            self._keep_in_mind(call)
        return gone

    def _keep_in_mind(self, call: str) -> None:
        for agent in self.scene.keepers(call):
            self._kept.append((self._now + STUCK_S, agent.name, call))

    def _ended(self, gone: Sequence[str]) -> None:
        for call in dict.fromkeys(gone):
            self.report.ended += 1
            self._over[call] = None  # the exchange may name it once more: its note was not erased in time
            if len(self._over) > OVER_KEPT:
                del self._over[next(iter(self._over))]
            record = self._saved.get(call)
            if record is None or record.get("ended_at") is None or record.get("outcome") is None:
                found = (
                    "the channel is gone, the record has no end" if record else "the channel is gone, nothing is stored"
                )
                self._add("call-end", call, "", found, "a record with its end and its outcome, in the same step")
                continue
            for promise, agent, what in unended(record):
                self._add(promise, call, agent, f"the call has ended, the {what} has not", f"every {what} has an end")

    def _not_fetched(self, event: Word, commands: Sequence[Word]) -> None:
        """A command for a caller on hold was lost: he is fetched again in this step, or not at all."""
        caller = self.scene.callers.get(event["call"])
        if caller is None or caller.stage != "held" or not caller.hold_begun or not caller.joining:
            return
        if not any(one["is"] == "Join" and one["call"] == caller.name for one in commands):
            parted.not_fetched(self.scene, caller, self._now)

    def _on_hold(self) -> None:
        """Whose agent is gone stands in the line again in the same step: his time on hold has ended."""
        for call in self.scene.settled:
            record = self._saved.get(call)
            if record is None or any(one["ended_at"] is None for one in record.get("holds", ())):
                found = "his agent is gone, and he is on hold still"
                self._add("hold-agent", call, "", found, "he stands in the line again, in the same step")
        self.scene.settled.clear()

    # ---------------------------------------------------------------- commands

    def _command(self, event: Word, command: Word, made: list[_Made]) -> None:
        scene, word = self.scene, command["is"]
        if word == "MarkAgent":
            self._marked(command)
        elif word == "SaveOverrides":
            if command["agent"] is not None:
                scene.override(command["agent"], command["skills"])
            if command["queue"] is not None:
                scene.override_queue(command["queue"], command["change"])
        elif word == "SaveCall":
            self._saves(event, command["record"])
        elif word == "Wake":
            caller = scene.callers.get(command["key"])
            if caller is not None:
                self._wakes(caller, command["kind"])
        elif word == "SaveCallback":
            self._calls_back(command["callback"], made)
        elif word in ("AddParty", "Consult"):
            self._asks(command["call"], command["endpoint"], asked=word == "Consult")
        elif word == "RingAgent":
            self._asks(command["call"], command["agent"])
        elif word == "PlaceCall" and command["call"].startswith(AGENTS_CALL):
            self.report.calls += 1
            scene.callers[command["call"]] = Caller(command["call"], arrived_at=self._now)
        elif word in ("PlaceCall", "CallBack"):  # journals of before call-backs and agents' calls had one command
            self._requests.placed(command, self._now)
        elif word in _STEP_COMMANDS:
            caller = scene.callers.get(command["call"])
            if caller is None:
                return
            if command["step"] <= caller.step:
                found = f"{word} {command['step']} after step {caller.step}"
                self._add("step-order", caller.name, "", found, "a higher number")
            caller.step = caller.oldest_news = command["step"]
            caller.commanded_at = self._now
            if word == "HoldTalk":
                parted.holds(scene, caller, command)
                if command.get("endpoint"):
                    self._asks(caller.name, command["endpoint"], asked=True)
            elif word == "Join":
                parted.joins(scene, caller, command)
            elif word in ("Ask", "Play", "Record"):
                if caller.stage == "line":  # a key in the line: he is asked something, at his place
                    scene.leave(caller)
                    caller.stage = "menu"
                    scene.dirty = True
            elif word == "Hold":
                self._holds(event, caller, command)
            elif word == "Offer":
                made.append(self._offers(event, caller, command))

    def _marked(self, command: Word, *, before: bool = False) -> None:
        """The exchange is told of an agent; `before` = what it says itself in this step is still to be followed."""
        scene, name = self.scene, command["agent"]
        scene.sits(name, command.get("phone", ""))
        scene.marked(name, command["mark"], command["net"])
        if not before:
            self._idle_anew[name] = None

    def _idle_since(self, *, also_kept: bool) -> None:
        """Those whose marks were written in this step: an idle time does not begin before the end of a talk.

        `also_kept`: of those too who were offered somebody in this very step, for their idle time has just been used.
        """
        for name in self._idle_anew:
            agent = self.scene.agents[name]
            if (agent.idle or (also_kept and agent.ready)) and agent.since < agent.talked_at - NEAR_S:
                found = f"idle as of {agent.since:.3f}, though he talked until {agent.talked_at:.3f}"
                self._add("best-agent", "", name, found, "his idle time begins after his work")
        self._idle_anew.clear()

    def _asks(self, call: str, endpoint: str, *, asked: bool = False) -> None:
        """Somebody is rung beside the caller: a third party, a colleague who is asked, who calls out."""
        name = self.scene.named(endpoint)
        if self.scene.is_agent(name):
            self._free_for(call, name)
            self.scene.hold(name, Held(call, third=True, asked=asked))

    def _calls_back(self, data: Word, made: list[_Made]) -> None:
        """A request is saved; with a new attempt an agent is kept for it, by the rules by which one is offered."""
        request, begins = self._requests.saved(data)
        if not begins:
            return
        name, caller = request.agent, request.caller
        if name:
            self._free_for(request.call, name)
            agent = self.scene.agent(name)
            made.append(_Made(caller, caller.kind, name, agent.since, agent.profile, "", False))
        self._requests.dialled(request)

    def _wakes(self, caller: Caller, kind: str) -> None:
        """A clock was set that says how a caller waits: who is not to be rung for him now."""
        if kind == "retry_offer" and caller.last_agent:
            caller.refused.add(caller.last_agent)
        elif kind == "kept":
            caller.only = SOMEBODY
        else:
            return
        if caller.stage == "line":
            self.scene.again(caller)

    def _saves(self, event: Word, record: Word) -> None:
        """A record is stored: it has the caller's place, and the rules that gave it to him."""
        self._saved[record["call"]] = record
        caller = self.scene.callers.get(record["call"])
        queue, queued_at = record.get("queue"), record.get("queued_at")
        if caller is not None and queue is None and caller.queue:  # he has left the line of his own will
            caller.left, caller.queue = (caller.queue, caller.place_at), ""
            caller.refused.clear()
        if caller is None or queue is None or queued_at is None:
            return
        if record.get("callback") and not caller.queue and event["is"] != "PromptPlayed":
            self._requests.any_will_do(caller.name)
        place_at, favours = record.get("place_at") or queued_at, frozenset(record.get("favours") or ())
        before = (caller.queue, caller.place_at)
        if caller.queue and (queue != caller.queue or abs(place_at - caller.place_at) > NEAR_S):
            if not _may_move(event) and favours <= caller.favours:
                found = f"he stands in {queue} as of {place_at:.3f}"
                self._add("place", caller.name, "", found, f"{before[0]}, as of {before[1]:.3f}, or a named rule")
        elif not caller.queue and not favours and event["is"] != "ExchangeConnected":
            joined = event.get("at", place_at)
            if record.get("callback"):
                joined = self._requests.place_of(record["callback"]) or place_at
            again = caller.left[0] == queue and abs(place_at - caller.left[1]) <= NEAR_S
            instants = [joined, self._now]
            if record.get("in_net"):  # no menu there: whom nobody had met before has stood in the line since he came
                instants.append(record["arrived_at"])
            if min(abs(place_at - one) for one in instants) > NEAR_S and not again:
                found = f"he joined at {joined:.3f} and stands as of {place_at:.3f}"
                self._add("place", caller.name, "", found, "the instant at which he joined, or a named rule")
        caller.favours, caller.queued_at = favours, queued_at
        transfers = record.get("transfers", ())
        into_lines = 0
        if transfers:
            caller.given = any(one["way"] == "blind" and one["outcome"] == "asked" and _named(one) for one in transfers)
            into_lines = sum(one["way"] == "blind" and not _named(one) for one in transfers)
        if (before[0] and queue != before[0]) or into_lines > caller.into_lines:
            caller.refused.clear()  # whoever left the phone unanswered did so for another queue
        caller.into_lines = into_lines
        if before != (queue, place_at):
            caller.queue, caller.place_at = queue, place_at
            if caller.stage == "line":
                self.scene.wait(caller, self._now)

    def _placed(self, event: Word, caller: Caller, command: Word) -> bool:
        """Take over what a command's mark says of the caller's place; True when it is another than before."""
        place = mark_of(command["mark"])
        if place is None:
            return False
        queue, priority, queued_at, place_at = place
        if caller.kind is not None and priority != caller.priority and not _may_move(event):
            found = f"priority {priority}"
            self._add("place", caller.name, "", found, f"priority {caller.priority}, or a person's request")
        same = (queue, priority) == (caller.queue, caller.priority)
        caller.priority = priority
        if queue != caller.queue:  # no record of it was seen
            caller.queue, caller.queued_at, caller.place_at = queue, queued_at, place_at
        return not same

    def _holds(self, event: Word, caller: Caller, command: Word) -> None:
        moved = self._placed(event, caller, command)
        if caller.agent:
            self._add(
                "one-agent-per-caller", caller.name, caller.agent, "told to wait while he is offered", "one of both"
            )
            self.scene.take_back(caller, self._now)
        elif moved or caller.stage != "line" or caller.kind is None:
            self._given_away(caller, command)
            self.scene.wait(caller, self._now)

    def _given_away(self, caller: Caller, command: Word) -> None:
        """He is taken out of his talk, or from hold; whoever was to be asked meanwhile is not."""
        if command.get("from_talk"):
            parted.gives_away(caller, command)
        if caller.stage == "held":
            parted.nobody_asked(self.scene, caller.name)

    def _offers(self, event: Word, caller: Caller, command: Word) -> _Made:
        scene, name = self.scene, self.scene.named(command["agent"])
        self.report.offers += 1
        if caller.agent and caller.agent != name:
            found = f"offered to {name} while {caller.agent} is rung for him"
            self._add("one-agent-per-caller", caller.name, name, found, "the end of the first offer before the second")
            scene.take_back(caller, self._now)
        elif caller.stage == "talk" and not command.get("from_talk"):
            self._add("one-agent-per-caller", caller.name, name, "offered while he talks", "one agent at a time")
        self._free_for(caller.name, name)
        self._given_away(caller, command)
        if self._placed(event, caller, command) or caller.stage != "line" or caller.kind is None:
            scene.wait(caller, self._now)
        agent = scene.agent(name)
        one = _Made(
            caller, caller.kind, name, agent.since, agent.profile, self._reason(caller, name), name in caller.refused
        )
        scene.leave(caller)
        caller.stage = "offered"
        if not caller.leaving:
            caller.legs.clear()
            caller.in_bridge = False
        scene.ring(caller, name, command["step"], "")
        scene.hold(name, Held(caller.name, command["step"]))
        return one

    def _free_for(self, call: str, name: str) -> None:
        held = self.scene.agent(name).held
        if held is not None and held.call != call:
            what = "talks with" if held.talking else "is kept for"
            self._add("one-call-per-agent", call, name, f"offered while he {what} call {held.call}", "a free agent")

    def _reason(self, caller: Caller, agent: str) -> str:
        record = self._saved.get(caller.name)
        offers = record["offers"] if record is not None else ()
        reason = str(offers[-1].get("reason", "")) if offers and offers[-1]["agent"] == agent else ""
        if not reason:
            self._add("reason", caller.name, agent, "an offer without its reason", "why this agent, why this caller")
        self.report.rules[_rule(reason)] += 1
        return reason

    # ---------------------------------------------------------------- fairness

    def _fair(self, one: _Made, made: Sequence[_Made]) -> None:
        """Who was passed over by this offer: callers ahead, and better agents."""
        if one.kind is None or one.profile is None or self.scene.facts is None:
            return
        if one.caller.given or one.reason.startswith("returned:"):
            self.report.overtakings[Rule.TRANSFER] += 1
            return
        if one.reason.startswith("call-back"):  # his agent was chosen before he was called
            self.report.overtakings[Rule.CALLBACK] += 1
            return
        if one.reason.startswith("moved to him by supervisor"):
            self.report.overtakings[Rule.SUPERVISOR] += 1
            if "supervisor" not in one.caller.favours:
                self._add("reason", one.caller.name, one.agent, "given by no rule", "the rule supervisor")
            return
        self._overtaken(one)
        if one.reason.startswith("his last agent"):
            if "last-agent" not in one.caller.favours:
                self._add("reason", one.caller.name, one.agent, "kept for an agent by no rule", "the rule last-agent")
        else:
            self._best(one, made[made.index(one) + 1 :])

    def _overtaken(self, one: _Made) -> None:
        scene, caller, kind = self.scene, one.caller, one.kind
        assert kind is not None
        assert one.profile is not None
        mine = score(caller.turn, caller.place_at, kind.queue.ageing_s, self._now)
        for other in scene.kinds.values():
            if not other.plain and not other.picky:
                continue
            fits = any(scene.lent(other, part) for part, _ in other.ranks(one.profile))
            if fits:
                for ahead in scene.ahead(other, one.agent):
                    if self._before(ahead, other, caller, kind, mine):
                        waits = self._now - ahead.place_at
                        self._add(
                            "overtaken", ahead.name, one.agent,
                            f"call {caller.name} was served first; he has waited {waits:.1f} s with priority "
                            f"{ahead.priority}, the other {self._now - caller.place_at:.1f} s with {caller.priority}",
                            "the agent, whom he fits, is offered to him first",
                        )  # fmt: skip
                        break
            self._count_overtaking(one, other, fits=fits)

    def _before(self, ahead: Caller, other: Kind, caller: Caller, kind: Kind, mine: float) -> bool:
        ages, ageing = other.queue.ageing_s, kind.queue.ageing_s
        theirs = score(ahead.turn, ahead.place_at, ages, self._now)
        slack = max(NEAR_S / age if age > 0 else 0.0 for age in (ages, ageing))
        if ages <= 0 and ageing <= 0 and theirs == mine:
            return ahead.place_at < caller.place_at - NEAR_S
        return theirs > mine + slack

    def _count_overtaking(self, one: _Made, other: Kind, *, fits: bool) -> None:
        """One who came first and waits on, though by a rule that has a name."""
        caller = one.caller
        first = other.first_come.first()
        if caller.favours and first is not None and caller.place_at < caller.queued_at - NEAR_S:
            ahead = self.scene.waiter(first)
            if caller.place_at < ahead.place_at and ahead.queued_at < caller.queued_at:
                self.report.overtakings[_place_by(caller)] += 1
        if first is not None and self.scene.waiter(first).place_at < caller.place_at - NEAR_S:
            if not fits:
                self.report.overtakings[Rule.LENT if other.ranks(one.profile) else Rule.SKILLS] += 1  # type: ignore[arg-type]
            else:
                higher = caller.turn > self.scene.waiter(first).turn
                self.report.overtakings[Rule.PRIORITY if higher else Rule.AGEING] += 1
        for call in other.picky:
            special = self.scene.waiter(call)
            if fits and special.place_at < caller.place_at - NEAR_S:
                if one.agent in special.refused:
                    self.report.overtakings[Rule.REFUSED] += 1
                elif special.only:
                    self.report.overtakings[Rule.KEPT] += 1

    def _best(self, one: _Made, later: Sequence[_Made]) -> None:
        scene, kind = self.scene, one.kind
        assert kind is not None
        assert one.profile is not None
        chosen = self._value(kind, one.profile)
        if one.refused:
            found = f"{one.agent} has left his phone unanswered for this caller, and the pause is not over"
            self._add("best-agent", one.caller.name, one.agent, found, "another agent, or nobody for now")
            return
        if chosen is None:
            found = f"{one.agent} has not the skills that call {one.caller.name} asks for"
            self._add("best-agent", one.caller.name, one.agent, found, "an agent who fits")
            return
        for profile in scene.profiles.values():
            rank = self._value(kind, profile) if profile.idle else None
            if rank is None:
                continue
            if not one.caller.refused:
                name = profile.longest.first()
            else:
                name = min(
                    (agent for agent in profile.idle if agent not in one.caller.refused),
                    key=lambda agent: scene.agents[agent].since,
                    default=None,
                )
            if name is not None and self._passed_over(one, chosen, name, rank, profile, scene.agents[name].since):
                return
        for other in later:
            rank = self._value(kind, other.profile) if other.profile is not None else None
            if rank is None or other.agent in one.caller.refused or other.profile is None:
                continue
            if self._passed_over(one, chosen, other.agent, rank, other.profile, other.since):
                return

    def _value(self, kind: Kind, profile: Profile) -> tuple[Rank, bool] | None:
        """How good somebody is for a kind of caller, and whether the policy is one that is known here."""
        fits, rank = self.scene.rank(kind, profile)
        if not fits and any(kind.wanted.parts[part].keep for part, _ in kind.ranks(profile)):
            fits, rank = True, next(iter(kind.ranks(profile)))[1]  # the last one who was lent
        return ((rank or (), rank is not None)) if fits else None

    def _passed_over(
        self, one: _Made, chosen: tuple[Rank, bool], name: str, rank: tuple[Rank, bool], profile: Profile, since: float
    ) -> bool:
        alike = rank == chosen if rank[1] else profile is one.profile
        if rank[1] and rank[0] > chosen[0]:
            found = f"{one.agent} was rung though {name}, idle too, is better by the queue's policy"
        elif alike and since < one.since - NEAR_S:
            mine, theirs = self._now - one.since, self._now - since
            found = f"{one.agent}, idle for {mine:.1f} s, was rung before {name}, as good and idle for {theirs:.1f} s"
        else:
            return False
        self._add("best-agent", one.caller.name, one.agent, found, f"agent {name}")
        return True


_GIVE_A_PLACE = (Rule.SUPERVISOR, Rule.DROPPED, Rule.RETURNING)
"""The rules by which a caller may stand before those who came earlier; the last word first."""


def _place_by(caller: Caller) -> str:
    """By which of the rules that the caller's record names he stands where he stands; others give him no place."""
    return next((rule for rule in _GIVE_A_PLACE if rule in caller.favours), min(caller.favours))


def _may_move(event: Word) -> bool:
    """Whether a caller's place may change by this event: somebody asked for it, he chose anew in the menu, or the
    exchange says where he is.
    """
    return "request" in event or event["is"] in ("ExchangeConnected", "KeysPressed", "PromptPlayed", "HoldKeyPressed")


def _named(transfer: Word) -> bool:
    """Whether somebody was named who should take the caller; else he was given into a line."""
    return not str(transfer["target"]).startswith("queue:")


def unended(record: Word) -> Iterator[tuple[str, str, str]]:
    """What has no end in the record of a call that has ended: the promise, the agent, and its name."""
    for offer in record["offers"]:
        if offer["ended_at"] is None:
            yield "offer-end", offer["agent"], "offer"
    for hold in record.get("holds", ()):
        if hold["ended_at"] is None:
            yield "hold-end", hold["agent"], "hold"
    for transfer in record.get("transfers", ()):
        if transfer["outcome"] == "asked" or transfer["ended_at"] is None:
            yield "transfer-end", transfer["by"], "transfer"
    message = record.get("message")
    if message is not None and message["ended_at"] is None:
        yield "message-end", "", "voice message"


def _rule(reason: str) -> str:
    """The first words of a reason: the policy, or the rule that took its place."""
    return reason.split(":", 1)[0].strip()[:60] or "none"
