"""Call-backs as the journal shows them: who waits to be called, which agent is kept for it, which calls were placed.

A request stands in the line like a caller. An attempt keeps an agent before its number is called and has its own call;
it ends in the step in which that call ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.verify.scene import Caller, Held, Scene, Word

NEAR_S = 0.003
MINUTE_S = 60.0
COMMIT_S = 10.0
"""So long at most between the decision to call somebody and the call: the store commits it in between."""

OPEN = ("waiting", "dialling")
FOLLOW_UP = "voice_follow_up"
AGENTLESS = ("notice", FOLLOW_UP)
"""Kinds for which no agent is kept, and which stand in no line."""
FOLLOWED = frozenset({"CallbacksRestored", "CallbackStored", "TimeIsUp", "ExchangeConnected"})
"""The events that move a request."""
_FAILED = ("OutboundFailed", "CallbackFailed")
"""The second is of journals from before call-backs and agents' calls had one command."""
Finder = Callable[[str, str, str, str, str], None]
"""Takes a finding: the promise, the call, the agent, what was found, what was expected."""


@dataclass(slots=True)
class Request:
    """One request as it was saved last. `caller` stands for it in the line; `placed`: its calls that have begun."""

    data: Word
    caller: Caller
    placed: set[str] = field(default_factory=set)

    @property
    def call(self) -> str:
        """The call that is being placed for it; empty = none."""
        return str(self.data["attempts"][-1]["call"]) if self.data["state"] == "dialling" else ""

    @property
    def agent(self) -> str:
        """The agent of the newest attempt."""
        return str(self.data["attempts"][-1]["agent"] or "") if self.data["attempts"] else ""


class Requests:
    """The open requests."""

    def __init__(self, scene: Scene, add: Finder) -> None:
        self._scene = scene
        self._add = add
        self._open: dict[str, Request] = {}
        self._asked: list[float] = []  #: when people were called by voice in the last minute

    def begin(self) -> None:
        """Another start of the controller."""
        self._open.clear()
        self._asked.clear()
        self._scene.requests.clear()

    def place_of(self, request: str) -> float | None:
        """The instant that gives a request its place; None for one that is not known."""
        known = self._open.get(request)
        return known.data["place_at"] if known is not None else None

    def of_call(self, call: str) -> Request | None:
        """The request for which a call is being placed."""
        known = self._open.get(call.rpartition("-")[0])
        return known if known is not None and known.call == call else None

    # ---------------------------------------------------------------- events

    def follow(self, event: Word, now: float) -> None:
        """What an event changes; before the commands of its step."""
        word = event["is"]
        if word == "CallbacksRestored":
            for data in event["requests"]:
                if data["id"] not in self._open:
                    restored = self._know(data)
                    restored.placed |= {restored.call} - {""}
        elif word == "CallbackStored":
            known = self._open.get(event["id"])
            same = known is not None and (len(known.data["attempts"]), known.data["state"]) == (
                event["attempts"], event["state"],
            )  # fmt: skip
            if known is not None and same:
                self._stand(known, now)
            elif known is not None and event["state"] == "cancelled" and not known.placed & {known.call}:
                self._forget(known)  # its ticket had moved on: the store has not let it be called
        elif word == "TimeIsUp" and event["kind"] == "callback" and event["key"] in self._open:
            self._stand(self._open[event["key"]], now)
        elif word == "ExchangeConnected":
            there = {row["call"] for row in event["channels"]}
            for one in self._open.values():
                if one.call in there:
                    self._kept(one)
                elif not one.call:
                    self._stand(one, now)

    def _kept(self, known: Request) -> None:
        """The call rings still, or its citizen hears who calls: his agent is kept for him again, if he is free."""
        caller = self._scene.callers.get(known.call)
        agent = self._scene.agents.get(known.agent)
        if agent is not None and agent.idle and (caller is None or not caller.queue):
            self._scene.hold(agent.name, Held(known.call))

    def _know(self, data: Word) -> Request:
        caller = Caller(data["id"], stage="away", queue=data["queue"], priority=data["priority"])
        caller.queued_at = caller.place_at = data["place_at"]
        known = self._open[data["id"]] = Request(data, caller)
        self._scene.requests[data["id"]] = caller
        return known

    def _stand(self, known: Request, now: float) -> None:
        """It takes its place in the line, if it waits and its time has come."""
        data, facts = known.data, self._scene.facts
        if data["state"] != "waiting" or data["kind"] in AGENTLESS:
            return
        if data["next_at"] > now or (facts is not None and not facts.calls_back(now)):
            self._scene.leave(known.caller)
            known.caller.stage = "away"
        else:
            self._scene.wait(known.caller, now)

    # ---------------------------------------------------------------- commands

    def saved(self, data: Word) -> tuple[Request, bool]:
        """A request is saved as it is now; True when an agent is kept for it from this step on."""
        known = self._open.get(data["id"])
        if known is None:
            known = self._know(data)
        before, agent = known.call, known.agent
        if abs(data["place_at"] - known.data["place_at"]) > NEAR_S:
            found = f"the request stands as of {data['place_at']:.3f}"
            self._add("place", data["id"], "", found, f"as of {known.data['place_at']:.3f}, for as long as it is open")
        known.data = data
        if before and before != known.call:
            self._let_go(before, agent)
        if data["state"] not in OPEN:
            self._forget(known)
            return known, False
        if known.call and known.call != before:
            if before:
                self._add("callback-once", known.call, known.agent, f"dialled while {before} is", "one call at a time")
            return known, True
        if not known.call and before:  # it waits again, when the store has it
            self._scene.leave(known.caller)
            known.caller.stage = "away"
        return known, False

    def _forget(self, known: Request) -> None:
        """It is over."""
        self._scene.leave(known.caller)
        self._scene.requests.pop(known.data["id"], None)
        del self._open[known.data["id"]]
        self._scene.dirty = True

    def _let_go(self, call: str, agent: str) -> None:
        held = self._scene.agents[agent].held if agent in self._scene.agents else None
        if held is not None and held.call == call and not held.talking and not held.leg:
            self._scene.release(agent, call)

    def any_will_do(self, call: str) -> None:
        """His call has come into a line without his agent: nobody is kept for it any more."""
        known = self.of_call(call)
        if known is not None:
            self._let_go(call, known.agent)

    def dialled(self, known: Request) -> None:
        """An agent is kept for the call that is about to be placed."""
        scene, call, name = self._scene, known.call, known.agent
        scene.leave(known.caller)
        known.caller.stage = "offered"
        if known.data["kind"] in AGENTLESS:
            return
        agent = scene.agents.get(name)
        if agent is None or not agent.ready:
            found = "a call-back for which no agent is kept" if agent is None else "kept for it, though he is not ready"
            self._add("callback-agent", call, name, found, "a free agent for each call-back that is dialled")
        if agent is not None:
            scene.hold(name, Held(call))

    def placed(self, command: Word, now: float) -> None:
        """A number is called."""
        call = command["call"]
        known = self._open.get(call.rpartition("-")[0])
        if known is None or known.call != call:
            self._add("callback-once", call, "", "called, though no request is being dialled", "one call per attempt")
            return
        if call in known.placed:
            self._add("callback-once", call, known.agent, "called a second time", "each attempt is called once")
        known.placed.add(call)
        if known.data["kind"] == FOLLOW_UP:
            self._pace(call, now)
        if known.data["kind"] in AGENTLESS:
            return
        agent = self._scene.agents.get(known.agent)
        if agent is None or agent.held is None or agent.held.call != call:
            found = "called while no agent is kept for it"
            self._add("callback-agent", call, known.agent, found, "never more call-backs than agents kept for them")

    def _pace(self, call: str, now: float) -> None:
        """The hotline calls somebody by itself: in its hours, and not more than it may."""
        facts = self._scene.facts
        if facts is None:
            return
        if not facts.follows_up(now) and not facts.follows_up(now - COMMIT_S):
            self._add("follow-up-pace", call, "", "called outside the hours", "called in the hours of the campaign")
        at_once, a_minute = facts.follow_ups
        calling = sum(bool(one.placed & {one.call}) and one.data["kind"] == FOLLOW_UP for one in self._open.values())
        if at_once and calling > at_once:
            self._add("follow-up-pace", call, "", f"{calling} at once", f"at most {at_once}")
        self._asked = [at for at in self._asked if now - at < MINUTE_S - NEAR_S] + [now]
        if a_minute and len(self._asked) > a_minute:
            self._add("follow-up-pace", call, "", f"{len(self._asked)} in a minute", f"at most {a_minute}")

    # ---------------------------------------------------------------- ends

    def ends(self, event: Word) -> str:
        """The call whose attempt must have an end when this step is over; empty = none."""
        word = event["is"]
        if word not in (*_FAILED, "CallEnded"):
            return ""
        call = str(event["call"])
        over = word == "CallEnded" and call in self._scene.callers
        failed = word in _FAILED and call not in self._scene.callers
        return call if (over or failed) and self.of_call(call) is not None else ""

    def ended(self, call: str) -> None:
        """The step is over."""
        known = self.of_call(call)
        if known is not None:
            found = "its call is over, and the attempt is not"
            self._add("callback-end", call, known.agent, found, "an end of the attempt in the same step")
            self._let_go(call, known.agent)

    def forgotten(self, now: float) -> None:
        """The journals have ended: whoever should have been given up long ago."""
        facts = self._scene.facts
        for known in self._open.values():
            if known.data["kind"] == FOLLOW_UP:
                continue  # it waits for its hours, and for as long as a supervisor has paused it
            age = now - known.data["asked_at"]
            if facts is not None and age > facts.callback_keep_s + 3600.0:
                found = f"open for {age / 3600:.1f} hours, {known.data['state']}"
                self._add("callback-end", known.data["id"], "", found, "served or given up within the rule's time")
