"""The story of one call: what happened to it, each decision about it, and why not otherwise. Pure; read from a journal.

What happened is told by the call's record as it was stored step by step (`metrics.story`), so that it reads the same
here and in `GET /api/calls/{id}/why`. The scene (`scene.py`) adds who else waited and who else was idle at that
instant; the reason itself is the one that the decision carried. Nothing here names a number or a key that somebody
pressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from controller.codec import CodecError, decode_command
from controller.verify.checker import Checker, Place
from controller.verify.facts import Facts, score
from controller.verify.scene import Agent, Caller, Scene, Word
from metrics.story import FIRST, GIVEN, LEFT_ON_HOLD, OFFER_OVER, Chapter, asked_by_the_line, chapters, party
from pbx.call import CallRecord
from pbx.commands import SaveCall

MOST_OTHERS = 30
"""So many other agents are told of by name; the rest are counted."""


_WAITS = ("line", "offered", "net")
"""Stages of the scene in which a caller waits."""

_NAMED = ("call-back", "moved to him by supervisor")
"""How reasons begin by which the agent was not chosen from those who were idle."""


@dataclass(frozen=True, slots=True)
class Other:
    """An agent who was not chosen, and why: in Chinese and in English."""

    agent: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to the call. `ahead` counts the callers who stood before him, of his queue and of all
    (None where nobody was chosen from a line); `reason` is the decision's own; `others` are agents who were not chosen.
    `waited_s` is how long he has waited, without talk and hold. `agent` was asked, or talks.
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
    _record: CallRecord | None = None  #: as it was stored last
    _told: set[tuple[str, str]] = field(default_factory=set)  #: chapters, by kind and key
    _stage: str = ""  #: where he was after the last step
    _waits_since: float | None = None
    _waited_s: float = 0.0  #: in turns of waiting that are over
    _consulted: set[str] = field(default_factory=set)  #: legs of those who were asked and have answered
    _survey: bool = False  #: he will be asked how it was
    _last: tuple[Place, float] = (Place("", 0, 0), 0.0)  #: the newest line of the journal

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        self._checker = Checker(self.facts)

    def begin(self) -> None:
        """Another start of the controller."""
        self._checker.begin()
        if self.moments and not self._over:
            place, at = self._last
            text = "控制器结束, 由下一个接管", "the controller ended; the next one takes over"
            self.moments.append(Moment(at, place.file, place.line, place.seq, *text))

    @property
    def _over(self) -> bool:
        return ("ended", "") in self._told

    def take(self, place: Place, now: float, event: Word, commands: Sequence[Word], error: str = "") -> None:
        """One step of the journal."""
        scene = self._checker.scene
        before = scene.callers.get(self.call)
        legs = dict(before.legs) if before is not None else {}
        fetching = (before.joining, before.hold_leg) if before is not None else ("", "")
        self._checker.take(place, now, event, commands, error)
        self._last = (place, now)
        for command in commands:
            if command["is"] == "PrepareEnd" and command["call"] == self.call:
                self._survey = bool(command["survey"])
        caller, stage = scene.callers.get(self.call), self._stage
        mine = [command for command in commands if _of(command) == self.call]
        if caller is not None:
            self._follow_wait(caller, now)
            self._stage = "talk" if caller.leaving else caller.stage
        if event.get("call", event.get("key")) != self.call and not mine:
            return
        records = [one for one in map(_read, mine) if one is not None]
        self._tell(place, now, self._happened(now, event, caller, stage, legs, fetching))
        self._tell(place, now, self._put_back(now, event, records, stage))
        self._tell(place, now, self._recorded(now, event, records, caller))
        self._tell(place, now, self._left_waiting(now, mine, caller, stage))

    def _tell(self, place: Place, now: float, found: Iterator[Moment]) -> None:
        for moment in found:
            self.moments.append(replace(moment, file=place.file, line=place.line, seq=place.seq))

    def _follow_wait(self, caller: Caller, now: float) -> None:
        waits = caller.stage in _WAITS and not caller.leaving
        if waits and self._waits_since is None:
            self._waits_since = now
        elif not waits and self._waits_since is not None:
            self._waited_s += max(now - self._waits_since, 0.0)
            self._waits_since = None

    # ---------------------------------------------------------------- what the exchange and the clocks said

    def _happened(
        self,
        now: float,
        event: Word,
        caller: Caller | None,
        stage: str,
        legs: dict[str, str],
        fetching: tuple[str, str],
    ) -> Iterator[Moment]:
        word = event["is"]
        if word == "TimeIsUp":
            if event["key"] == self.call and caller is not None and caller.stage == "line":
                yield from self._clock(now, event["kind"], caller)
            return
        if event.get("call") != self.call or self._over:
            return
        zh, en, agent = self._name(event["agent"]) if event.get("agent") else ("", "", "")
        if word == "LegStarted":
            yield _moment(now, f"{zh} 的话机振铃", f"{en}'s phone rings" if agent else f"{en} is rung", agent)
        elif word == "OfferFailed" and stage == "talk" and caller is not None and caller.stage != "talk":
            yield _moment(now, f"{zh} 接起后立即挂断", f"{en} hung up as soon as he had answered", agent)
        elif word == "OfferFailed":
            yield from self._not_taken(now, event, zh, en, agent)
        elif word == "PartyJoined" and event["role"] != "caller" and caller is not None and caller.stage == "held":
            if event["channel"] not in (*fetching, *self._consulted):
                self._consulted.add(event["channel"])
                yield _moment(now, f"{zh} 接受咨询", f"{en} answers: he is consulted", agent)
        elif word == "PartyLeft" and event["role"] != "caller" and event["channel"] in legs and caller is not None:
            if caller.stage == "talk" and caller.in_bridge and caller.legs and not caller.leaving:
                yield _moment(now, f"{zh} 离开, 其余各方继续通话", f"{en} leaves; the others talk on", agent)
        elif word == "CallScored" and event["score"] is None:
            yield _moment(now, "未作满意度评价", "survey: no answer")
        elif word in _HAPPENED and self.moments:
            yield _moment(now, *_HAPPENED[word])

    def _not_taken(self, now: float, event: Word, zh: str, en: str, agent: str) -> Iterator[Moment]:
        """An offer has failed; what became of a transfer is told of the transfer."""
        offer = self._record.offers[-1] if self._record is not None and self._record.offers else None
        if offer is None or offer.ended_at is not None or offer.agent != agent or offer.reason.startswith(GIVEN):
            return
        self._told.add(("offer_over", f"{offer.offered_at} {offer.agent}"))
        why_zh, why_en = OFFER_OVER.get(event["status"].lower(), (event["status"], event["status"]))
        more = f"({event['status']}, Q.850 {event['cause']})"
        yield _moment(now, f"{zh} 没有接起: {why_zh} {more}", f"{en} did not take it: {why_en} {more}", agent)

    def _name(self, phone: str) -> tuple[str, str, str]:
        """Whose phone that is, in Chinese and in English; and the agent, where it is one's."""
        name = self._checker.scene.named(phone)
        if name in self.facts.skills:
            return f"坐席 {name}", f"agent {name}", name
        if phone in self.facts.extensions:
            return f"分机 {phone}", f"extension {phone}", ""
        handed = self._record.transfers if self._record is not None else ()
        outside = [one.target for one in handed if not one.target.startswith(("agent:", "queue:", "extension:"))]
        return (*party(outside[-1] if outside else "number:"), "")

    def _clock(self, now: float, kind: str, caller: Caller) -> Iterator[Moment]:
        if kind == "retry_offer":
            zh, en = "未接听的坐席现在可以再振铃", "agents who did not answer may be rung again"
        elif kind == "kept":
            zh, en = "不再为上次的坐席保留", "he is kept for his last agent no longer"
        elif kind == "relax" and caller.kind is not None and caller.kind.index != self._step:
            self._step = caller.kind.index
            zh, en = f"放宽第 {self._step} 级: {_wanted(caller)}", f"step {self._step} of relaxing: {_wanted(caller)}"
        else:
            return
        yield self._waiting(now, zh, en, caller)

    # ---------------------------------------------------------------- what was decided, and put down

    def _put_back(self, now: float, event: Word, records: Sequence[CallRecord], stage: str) -> Iterator[Moment]:
        """He waits again, though nobody has given him into a line."""
        if self._stage not in ("line", "offered"):
            return
        if stage == "net" or (event["is"] == "FellBack" and event["call"] == self.call):
            yield _moment(now, *_TAKEN_BACK)
        elif stage == "talk" and not _given_away(records[-1] if records else self._record):
            yield _moment(now, "回到队列原位", "stands in the line again, at his place")

    def _recorded(
        self, now: float, event: Word, records: Sequence[CallRecord], caller: Caller | None
    ) -> Iterator[Moment]:
        """What the record of this step says for the first time; unseen things have the instants that it gives them."""
        unseen = event["is"] == "ExchangeConnected"
        if event["is"] == "FellBack":
            self._told.add(("net", ""))
        if records and not self._over:
            earlier, self._record = self._record, records[-1]
            yield from self._new(now, records[-1], caller, unseen=unseen)
            if earlier is not None and _stands_otherwise(earlier, records[-1]):
                yield _stands(now, records[-1])
        talked = event["is"] in ("TalkEnded", "JoinEnded", "NetTalkEnded") and event["call"] == self.call
        if talked and self._survey and self._stage == "survey" and ("survey", "") not in self._told:
            self._told.add(("survey", ""))
            yield _moment(now, "转入满意度评价", "he is asked how it was: the survey")

    def _new(self, now: float, record: CallRecord, caller: Caller | None, *, unseen: bool) -> Iterator[Moment]:
        new = [one for one in chapters(record) if (one.kind, one.key) not in self._told]
        talked = any(kind == "talk" for kind, _ in self._told)
        self._told |= {(one.kind, one.key) for one in new}
        for chapter in new:
            if chapter.kind == "talk" and chapter.key == FIRST and talked:
                continue  # the store did not know yet how it began
            if chapter.kind == "line":  # whoever has talked already is put into it now, whatever his record says
                since = now if talked else min(now, chapter.at)
                self._waited_s, self._waits_since = 0.0, since if self._waits_since is not None else None
            at = now
            if unseen and chapter.kind not in ("offer", "ticket", "score"):
                at = min(max(chapter.at, self.moments[-1].at if self.moments else chapter.at), now)
            yield self._chapter(at, chapter, record, caller)
            if chapter.kind == "net" and caller is not None and caller.stage in ("line", "offered"):
                yield _moment(now, *_TAKEN_BACK)

    def _chapter(self, at: float, chapter: Chapter, record: CallRecord, caller: Caller | None) -> Moment:
        moment = _moment(at, chapter.zh, chapter.en, chapter.agent, chapter.queue)
        if chapter.kind == "hold_over" and chapter.agent and caller is not None and caller.stage in _WAITS:
            return _moment(at, *LEFT_ON_HOLD)
        if chapter.kind != "offer" or caller is None:
            return moment
        offer = next(one for one in record.offers if f"{one.offered_at} {one.agent}" == chapter.key)
        if not asked_by_the_line(offer) or offer.ended_at is not None:
            return moment
        others, more = self._others(at, caller, offer.agent) if not offer.reason.startswith(_NAMED) else ((), 0)
        return replace(
            moment, waited_s=self._waited(at), ahead=self._ahead(at, caller), reason=offer.reason,
            rules=tuple(sorted(caller.favours)), others=others, others_more=more,
        )  # fmt: skip

    def _left_waiting(self, now: float, mine: Sequence[Word], caller: Caller | None, stage: str) -> Iterator[Moment]:
        """Nobody idle fits him now."""
        if caller is None or caller.stage != "line":
            return
        if any(command["is"] == "Hold" for command in mine):
            yield self._waiting(now, "等候, 没有合适的空闲坐席", "waits: nobody idle fits him", caller)
        elif stage in ("offered", "talk", "held", "net"):  # he hears music already
            zh, en = "回到原位等候, 没有合适的空闲坐席", "waits at his place again: nobody idle fits him"
            yield self._waiting(now, zh, en, caller)

    def _waiting(self, now: float, zh: str, en: str, caller: Caller) -> Moment:
        others, more = self._others(now, caller, "")
        return replace(
            _moment(now, zh, en, "", caller.queue), waited_s=self._waited(now), ahead=self._ahead(now, caller),
            rules=tuple(sorted(caller.favours)), others=others, others_more=more,
        )  # fmt: skip

    # ---------------------------------------------------------------- who else there was

    def _waited(self, now: float) -> float:
        turn = max(now - self._waits_since, 0.0) if self._waits_since is not None else 0.0
        return round(self._waited_s + turn, 3)

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
    "OutboundAnswered": ("市民接起", "the citizen answers"),
    "StepLost": ("命令未得到交换机确认", "a command was not confirmed by the exchange"),
    "FellBack": ("控制器失联, 转入安全网", "went to the safety net: the controller was missing"),
}


_TAKEN_BACK = ("由控制器从安全网接回, 位置不变", "taken back from the safety net, to his place")


def _moment(at: float, zh: str, en: str, agent: str = "", queue: str = "") -> Moment:
    """A moment of a step whose place in the journal is put in later."""
    return Moment(at, "", 0, 0, zh, en, agent, queue)


def _read(command: Word) -> CallRecord | None:
    """The record that a command stores; None where it stores none, or one of a program that this one does not know."""
    if command["is"] != "SaveCall":
        return None
    try:
        saved = decode_command(command)
    except CodecError:
        return None
    return saved.record if isinstance(saved, SaveCall) else None


def _stands_otherwise(before: CallRecord, after: CallRecord) -> bool:
    """Whether he waits elsewhere than before, though he has neither joined a line nor been given into one."""
    if (
        before.queued_at is None
        or after.queued_at not in (None, before.queued_at)
        or len(before.transfers) != len(after.transfers)
    ):
        return False
    return (before.queue, before.place_at, before.favours) != (after.queue, after.place_at, after.favours)


def _stands(now: float, record: CallRecord) -> Moment:
    """Where he stands now, by whose rule."""
    if record.queue is None:
        return _moment(now, "离开队列, 重新选择", "leaves the line, to choose anew")
    by = f" ({', '.join(record.favours)})" if record.favours else ""
    zh, en = f"改在队列 {record.queue} 等候{by}", f"stands otherwise: the line of {record.queue}{by}"
    return _moment(now, zh, en, queue=str(record.queue))


def _given_away(record: CallRecord | None) -> bool:
    """Whether the newest thing that his agent did was to give him away, and nobody has taken him yet."""
    if record is None or not record.transfers or record.transfers[-1].way != "blind":
        return False
    given = record.transfers[-1]
    if given.outcome == "asked":
        return True
    return given.target.startswith("queue:") and all(one.offered_at <= given.asked_at for one in record.offers)


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
