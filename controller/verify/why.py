"""The story of one call: each decision about it, why it was made, and why not otherwise. Pure; read from a journal.

The scene (`scene.py`) tells who else waited and who else was idle at that instant; the reason itself is the one that
the decision carried. Nothing here names a caller's number or a key that he pressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from controller.verify.checker import Checker, Place
from controller.verify.facts import Facts, score
from controller.verify.scene import Agent, Caller, Scene, Word

MOST_OTHERS = 30
"""So many other agents are told of by name; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Other:
    """An agent who was not chosen, and why: in Chinese and in English."""

    agent: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to the call. `ahead` counts the callers who stood before him, of his queue and of all
    (None while he does not wait); `reason` is the decision's own; `others` are agents who were not chosen.
    """

    at: float
    file: str
    line: int
    seq: int
    zh: str
    en: str
    agent: str = ""
    queue: str = ""
    waited_s: float | None = None
    ahead: tuple[int, int] | None = None
    reason: str = ""
    rules: tuple[str, ...] = ()
    others: tuple[Other, ...] = ()
    others_more: int = 0

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


@dataclass(slots=True)
class Story:
    """Follows a journal and keeps what concerns one call."""

    call: str
    facts: Facts
    moments: list[Moment] = field(default_factory=list)
    _checker: Checker = field(init=False)
    _step: int = 0  #: of the relaxation that was told last
    _since: float | None = None  #: when he joined the line
    _ended: bool = False  #: his end has been told

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        self._checker = Checker(self.facts)

    def begin(self) -> None:
        """Another start of the controller."""
        known = self.call in self._checker.scene.callers
        self._checker.begin()
        if known:
            at = self.moments[-1]
            text = "控制器结束, 由下一个接管", "the controller ended; the next one takes over"
            self.moments.append(Moment(at.at, at.file, at.line, at.seq, *text))

    def take(self, place: Place, now: float, event: Word, commands: Sequence[Word], error: str = "") -> None:
        """One step of the journal."""
        self._checker.take(place, now, event, commands, error)
        mine = [command for command in commands if _of(command) == self.call]
        if event.get("call", event.get("key")) != self.call and not mine:
            return
        caller = self._checker.scene.callers.get(self.call)
        for moment in (*self._happened(place, now, event, caller), *self._decided(place, now, event, mine, caller)):
            self.moments.append(moment)

    # ---------------------------------------------------------------- what the exchange and the clocks said

    def _happened(self, place: Place, now: float, event: Word, caller: Caller | None) -> Iterator[Moment]:
        word = event["is"]
        told = _HAPPENED.get(word)
        if told is not None and event.get("call") == self.call:
            agent = str(event.get("agent") or "")
            more = f" ({event['status']}, Q.850 {event['cause']})" if word == "OfferFailed" else ""
            zh, en = (text.format(agent=agent) + more for text in told)
            if word not in ("PartyJoined", "PartyLeft") or event["role"] != "caller":
                yield Moment(now, place.file, place.line, place.seq, zh, en, agent)
        elif word == "TimeIsUp" and event["key"] == self.call and caller is not None and caller.stage == "line":
            yield from self._clock(place, now, event["kind"], caller)

    def _clock(self, place: Place, now: float, kind: str, caller: Caller) -> Iterator[Moment]:
        if kind == "retry_offer":
            zh, en = "未接听的坐席现在可以再振铃", "agents who did not answer may be rung again"
        elif kind == "kept":
            zh, en = "不再为上次的坐席保留", "he is kept for his last agent no longer"
        elif kind == "relax" and caller.kind is not None and caller.kind.index != self._step:
            self._step = caller.kind.index
            zh, en = f"放宽第 {self._step} 级: {_wanted(caller)}", f"step {self._step} of relaxing: {_wanted(caller)}"
        else:
            return
        yield self._waiting(place, now, zh, en, caller)

    # ---------------------------------------------------------------- what was decided

    def _decided(
        self, place: Place, now: float, event: Word, mine: Sequence[Word], caller: Caller | None
    ) -> Iterator[Moment]:
        record: Word | None = None
        for command in mine:
            word = command["is"]
            if word == "SaveCall":
                record = command["record"]
                if self._since is None and record["queued_at"] is not None:
                    self._since = record["queued_at"]
                    yield self._joined(place, now, record)
                if record["ended_at"] is not None and not (self._ended and command.get("unless_ended")):
                    self._ended = True
                    zh, en = f"结束: {record['outcome']}", f"ended: {record['outcome']}"
                    yield Moment(now, place.file, place.line, place.seq, zh, en, queue=record["queue"] or "")
            elif word == "Offer" and caller is not None:
                yield self._offered(place, now, command, record, caller)
            elif word == "Hold" and caller is not None and caller.stage == "line":
                yield self._waiting(place, now, "等候, 没有合适的空闲坐席", "waits: nobody idle fits him", caller)
        told_to_hold = any(command["is"] == "Hold" for command in mine)
        if event["is"] == "OfferFailed" and caller is not None and caller.stage == "line" and not told_to_hold:
            zh, en = "回到原位等候, 没有合适的空闲坐席", "waits at his place again: nobody idle fits him"
            yield self._waiting(place, now, zh, en, caller)

    def _joined(self, place: Place, now: float, record: Word) -> Moment:
        rules = tuple(record.get("favours") or ())
        by = f" ({', '.join(rules)})" if rules else ""
        queue = record["queue"] or ""
        zh, en = f"进入队列 {queue}{by}", f"joins the line of {queue}{by}"
        return Moment(now, place.file, place.line, place.seq, zh, en, queue=queue, rules=rules)

    def _offered(self, place: Place, now: float, command: Word, record: Word | None, caller: Caller) -> Moment:
        scene = self._checker.scene
        agent = scene.named(command["agent"])
        offers = record["offers"] if record is not None else ()
        reason = str(offers[-1]["reason"]) if offers and offers[-1]["agent"] == agent else ""
        others, more = self._others(now, caller, agent)
        return Moment(
            now, place.file, place.line, place.seq, f"派给坐席 {agent}", f"offered to agent {agent}", agent,
            caller.queue, self._waited(now, caller), self._ahead(now, caller), reason, tuple(sorted(caller.favours)),
            others, more,
        )  # fmt: skip

    def _waiting(self, place: Place, now: float, zh: str, en: str, caller: Caller) -> Moment:
        others, more = self._others(now, caller, "")
        return Moment(
            now, place.file, place.line, place.seq, zh, en, "", caller.queue, self._waited(now, caller),
            self._ahead(now, caller), "", tuple(sorted(caller.favours)), others, more,
        )  # fmt: skip

    # ---------------------------------------------------------------- who else there was

    @staticmethod
    def _waited(now: float, caller: Caller) -> float:
        return round(max(now - caller.queued_at, 0.0), 3)

    def _ahead(self, now: float, caller: Caller) -> tuple[int, int]:
        """How many stand before him: of his queue, and of all."""
        scene = self._checker.scene

        def claim(one: Caller) -> tuple[float, float]:
            ageing = one.kind.queue.ageing_s if one.kind is not None else 0.0
            return (-score(one.turn, one.place_at, ageing, now), one.place_at)

        mine = claim(caller)
        before = [one for one in scene.callers.values() if one.stage == "line" and one is not caller]
        before = [one for one in before if claim(one) < mine]
        return sum(one.queue == caller.queue for one in before), len(before)

    def _others(self, now: float, caller: Caller, chosen: str) -> tuple[tuple[Other, ...], int]:
        """The agents who were not chosen: those who were idle first, then those who would have fitted."""
        scene = self._checker.scene
        found = []
        for agent in scene.agents.values():
            if agent.name == chosen or agent.profile is None or agent.name.startswith("@"):
                continue
            lacking = _lacking(caller, agent)
            if agent.idle or not lacking:
                found.append((not agent.idle, agent.name, *_why_not(scene, caller, agent, lacking, now)))
        found.sort()
        return tuple(Other(name, zh, en) for _, name, zh, en in found[:MOST_OTHERS]), max(len(found) - MOST_OTHERS, 0)


_HAPPENED: dict[str, tuple[str, str]] = {
    "CallArrived": ("来电接入", "the call arrives"),
    "LegStarted": ("坐席 {agent} 的话机振铃", "agent {agent}'s phone rings"),
    "OfferFailed": ("坐席 {agent} 没有接起", "agent {agent} did not take it"),
    "PartyJoined": ("{agent} 加入通话", "{agent} joins the talk"),
    "PartyLeft": ("{agent} 离开通话", "{agent} leaves the talk"),
    "TalkEnded": ("通话结束", "the talk is over"),
    "NetTalkEnded": ("通话结束(安全网接起)", "the talk is over (the safety net had joined it)"),
    "StepLost": ("命令未得到交换机确认", "a command was not confirmed by the exchange"),
    "FellBack": ("控制器失联, 转入安全网", "went to the safety net: the controller was missing"),
    "TicketOpened": ("工单已建立", "a ticket is opened"),
    "CallEnded": ("来电挂断", "the caller's channel is gone"),
}


def _of(command: Word) -> str:
    if command["is"] == "SaveCall":
        return str(command["record"]["call"])
    return str(command.get("call", ""))


def _wanted(caller: Caller) -> str:
    """What the caller's queue asks for now, as people write it."""
    assert caller.kind is not None
    parts = [
        ", ".join(f"{skill}>={least}" for skill, least in part.needs) or "any skill"
        for part in caller.kind.wanted.parts
    ]
    return " or ".join(parts)


def _lacking(caller: Caller, agent: Agent) -> str:
    """Which skill keeps an agent from a caller, such as ``english 2 < 3``; empty when he fits."""
    if caller.kind is None or agent.profile is None or caller.kind.ranks(agent.profile):
        return ""
    skills = agent.profile.skills
    return ", ".join(
        f"{skill} {skills.get(skill, 0)} < {least}"
        for skill, least in caller.kind.wanted.parts[0].needs
        if skills.get(skill, 0) < least
    )


def _why_not(scene: Scene, caller: Caller, agent: Agent, lacking: str, now: float) -> tuple[str, str]:
    """Why this agent was not the one."""
    if lacking:
        return f"空闲, 技能不符: {lacking}", f"idle, but does not fit: {lacking}"
    if agent.held is not None:
        if agent.held.talking:
            return f"正在通话 {agent.held.call}", f"talks with call {agent.held.call}"
        return f"已为来电 {agent.held.call} 保留", f"is kept for call {agent.held.call}"
    if not agent.ready:
        return "未就绪", "is not ready"
    if agent.in_use:
        return "话机正在使用", "his phone is in use"
    if agent.name in caller.refused:
        return "空闲, 但刚才未接此来电", "idle, but has just left his phone unanswered for this call"
    if caller.only:
        return "空闲, 但此来电为上次的坐席保留", "idle, but the caller is kept for his last agent"
    if caller.kind is not None and agent.profile is not None and not scene.rank(caller.kind, agent.profile)[0]:
        return "空闲, 但所在队列保留其不外借", "idle, but the queue that lends him keeps him"
    return (
        f"空闲 {now - agent.since:.0f} 秒, 按策略排在后面",
        f"idle for {now - agent.since:.0f} s, comes later by the queue's policy",
    )
