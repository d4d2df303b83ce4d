"""Supervisors' orders: force an agent's state, end a call, move a waiting caller, change skills. Pure rules.

Every order is checked for the right to it (`agents/rights.py`), answered, and written into the audit trail, the refused
ones too. Two supervisors who order contrary things within a short time are told of each other; the second may confirm.
What is changed for a time (`SkillsChanged`, `QueueChanged`) ends by a timer and survives a restart in the store.
Listening is `listen.py`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from zoneinfo import ZoneInfo

from acd.line import HIGHEST_PRIORITY
from acd.relax import RelaxStep, requirement_at
from acd.skills import HIGHEST_LEVEL, LOWEST_LEVEL, fits
from agents.agent import Agent
from agents.moves import AgentInput, AgentState
from agents.rights import SYSTEM, Action, Actor, refusal
from controller import callbacks, desk, offers
from controller import supervise_words as words
from controller.house import House, LiveCall
from controller.plan import QueuePlan
from controller.supervision import Forced, Ordered
from pbx.call import CallState
from pbx.commands import HangUp, Reply, Wake
from pbx.events import TimeIsUp, TimerKind
from pbx.ids import ActorId, AgentId, QueueId, SkillId
from pbx.supervision import (
    Audit,
    AuditEntry,
    MoveAsked,
    NotReadyForced,
    OverridesRestored,
    QueueChanged,
    QueueOverride,
    ReadyForced,
    ReleaseAsked,
    SaveOverrides,
    SignOutForced,
    SkillOverride,
    SkillsChanged,
    SupervisorRequest,
)

Detail = tuple[tuple[str, str], ...]

MOVED = "supervisor"
"""Name of the rule by which a moved caller stands where he stands (`CallRecord.favours`)."""


# ---------------------------------------------------------------- answering, and writing it down


def answer(
    house: House,
    event: SupervisorRequest,
    action: Action,
    code: str,
    said: words.Sentence,
    *,
    agent: str = "",
    call: str = "",
    queue: str = "",
    detail: Detail = (),
) -> None:
    """Reply to the request and write it into the audit trail; an empty `code` = done.

    The trail of a refusal has its `detail` in words: who reads it later has no other answer than this line.
    """
    house.emit(Reply(event.request, not code, code, detail))
    if code:
        said = words.refused(said, dict(detail))
    record(house, event.by, action, code, said, key=event.request, agent=agent, call=call, queue=queue)


def record(
    house: House,
    by: ActorId,
    action: Action,
    code: str,
    said: words.Sentence,
    *,
    key: str,
    agent: str = "",
    call: str = "",
    queue: str = "",
    id: str = "",
) -> None:
    """Write one line into the audit trail. `id` for what may be told twice and shall be one line."""
    actor = house.plan.actor(by)
    role = actor.role if actor is not None else ("system" if by == SYSTEM else "unknown")
    entry = AuditEntry(
        id or f"{house.now:.6f}/{key}", house.now, by, role, action.value, agent, call, queue, *said, code or "ok"
    )
    house.emit(Audit(entry))


def ordered_otherwise(house: House, subject: tuple[str, str], by: ActorId, what: str, *, confirm: bool) -> Detail:
    """What another supervisor has just ordered about the subject, if it was something else; empty when he may go on."""
    last = house.supervision.ordered.get(subject)
    if last is None or confirm or last.by == by or last.what == what:
        return ()
    ago = house.now - last.at
    if ago >= house.plan.supervision.conflict_s:
        return ()
    return (("by", last.by), ("ordered", last.what), ("seconds_ago", f"{max(ago, 0.0):.0f}"))


def note_order(house: House, subject: tuple[str, str], by: ActorId, what: str) -> None:
    """Remember an order that was carried out; those that no longer matter are forgotten."""
    ordered = house.supervision.ordered
    oldest = house.now - house.plan.supervision.conflict_s
    for stale in [one for one, last in ordered.items() if last.at < oldest]:
        del ordered[stale]
    ordered[subject] = Ordered(by, what, house.now)


def queues_of(house: House, agent: AgentId) -> list[QueueId]:
    """The queues that an agent serves, as he is configured or as he is now."""
    configured, now = house.plan.agents.get(agent), house.roster.profile(agent)
    return [
        queue
        for queue in house.plan.queues
        if fits(now.skills, house.queue(queue).requirement)
        or (configured is not None and fits(configured.skills, house.plan.queues[queue].requirement))
    ]


def queue_of(live: LiveCall) -> list[QueueId]:
    """The queue in which a call is, as the scope of a right."""
    return [live.record.queue] if live.record.queue is not None else []


def actor(house: House, by: ActorId) -> Actor | None:
    """Who orders; None for somebody whom the configuration does not know."""
    return house.plan.actor(by)


def agent_refusal(house: House, by: ActorId, action: Action, agent: AgentId) -> str:
    """Why an actor may not order this about an agent; the right is asked before whether there is such an agent."""
    code = refusal(actor(house, by), action)
    if code:
        return code
    if agent not in house.roster:
        return "unknown_agent"
    return refusal(actor(house, by), action, queues_of(house, agent))


# ---------------------------------------------------------------- an agent's state


def ready_forced(house: House, event: ReadyForced, now: float) -> None:
    """强制示闲. He must have signed in himself: nobody can be made to be there."""
    _force(house, event, Action.FORCE_READY, AgentInput.GO_READY, now)


def not_ready_forced(house: House, event: NotReadyForced, now: float) -> None:
    """强制示忙."""
    _force(house, event, Action.FORCE_NOT_READY, AgentInput.GO_NOT_READY, now, reason=event.reason)


def sign_out_forced(house: House, event: SignOutForced, now: float) -> None:
    """强制签出."""
    _force(house, event, Action.FORCE_SIGN_OUT, AgentInput.SIGN_OUT, now)


def _force(
    house: House,
    event: ReadyForced | NotReadyForced | SignOutForced,
    action: Action,
    cause: AgentInput,
    now: float,
    *,
    reason: str = "",
) -> None:
    subject = ("agent", str(event.agent))
    detail: Detail = ()
    code = agent_refusal(house, event.by, action, event.agent)
    if not code:
        detail = ordered_otherwise(house, subject, event.by, action.value, confirm=event.confirm)
        code = "ordered_otherwise" if detail else ""
    if not code and house.roster.get(event.agent).state is AgentState.OFFLINE:
        code = "not_signed_in"
    if not code:
        code = desk.ask(house, event.agent, cause, now, reason=reason)
        detail = desk.reasons_told(house, code)
    effect = ""
    if not code:
        note_order(house, subject, event.by, action.value)
        house.supervision.forced[event.agent] = Forced(event.by, action, now)
        effect = _effect(house.roster.get(event.agent))
        detail = (("effect", effect),)
    said = words.sentence(action, agent=event.agent, reason=reason, effect=words.effect(effect))
    answer(house, event, action, code, said, agent=event.agent, detail=detail)


def _effect(agent: Agent) -> str:
    """When a forced state comes about: at once, or after what the agent is doing."""
    if agent.state in (AgentState.OFFLINE, AgentState.NOT_READY, AgentState.READY):
        return "at_once"
    waits = {
        AgentState.RESERVED: "after_offer",
        AgentState.RINGING: "after_offer",
        AgentState.WRAP_UP: "after_wrap_up",
    }
    return waits.get(agent.state, "after_talk")


def agent_acted(house: House, agent: AgentId) -> None:
    """The agent has chosen his state himself: what a supervisor had forced holds no longer."""
    house.supervision.forced.pop(agent, None)


# ---------------------------------------------------------------- calls


def release_asked(house: House, event: ReleaseAsked, now: float) -> None:
    """强拆: the caller is released, and with him everybody who talks with him or is rung for him."""
    live = house.calls.get(event.call)
    code = refusal(actor(house, event.by), Action.RELEASE_CALL)
    if not code and live is None:
        code = "unknown_call"
    if not code and live is not None:
        code = refusal(actor(house, event.by), Action.RELEASE_CALL, queue_of(live))
    if not code and not house.connected:
        code = "exchange_unavailable"
    if not code and live is not None:
        house.emit(HangUp(live.call, live.channel))
    said = words.sentence(Action.RELEASE_CALL, call=event.call)
    agent, queue = (str(live.record.agent or ""), str(live.record.queue or "")) if live is not None else ("", "")
    answer(house, event, Action.RELEASE_CALL, code, said, agent=agent, call=event.call, queue=queue)


def move_asked(house: House, event: MoveAsked, now: float) -> None:
    """Move a waiting caller. He keeps the instant since which he waits, so nothing of his waiting is forgotten."""
    live = house.calls.get(event.call)
    subject = ("call", str(event.call))
    detail: Detail = ()
    where = words.where(event.queue, event.priority, event.head, event.agent)
    what = where[1].strip()
    code = _move_refusal(house, event, live)
    if not code:
        detail = ordered_otherwise(house, subject, event.by, what, confirm=event.confirm)
        code = "ordered_otherwise" if detail else ""
    if not code and live is not None:
        code = _move(house, event, live, now)
    if not code:
        note_order(house, subject, event.by, what)
    said = words.sentence(
        Action.MOVE_CALLER,
        call=event.call,
        where=where,
    )
    queue = event.queue or (live.record.queue if live is not None else None) or ""
    answer(
        house, event, Action.MOVE_CALLER, code, said, agent=event.agent or "", call=event.call, queue=queue,
        detail=detail,
    )  # fmt: skip


def _move_refusal(house: House, event: MoveAsked, live: LiveCall | None) -> str:
    by = actor(house, event.by)
    if code := refusal(by, Action.MOVE_CALLER):
        return code
    if live is None:
        return "unknown_call"
    if code := refusal(by, Action.MOVE_CALLER, queue_of(live)):
        return code
    if event.queue is not None:
        if event.queue not in house.plan.queues:
            return "unknown_queue"
        if code := refusal(by, Action.MOVE_CALLER, [event.queue]):
            return code
    if event.agent is not None:
        if event.agent not in house.roster:
            return "unknown_agent"
        if code := refusal(by, Action.MOVE_CALLER, queues_of(house, event.agent)):
            return code
    if event.priority is not None and not 0 <= event.priority <= HIGHEST_PRIORITY:
        return "priority_out_of_range"
    if (event.queue, event.priority, event.agent) == (None, None, None) and not event.head:
        return "nothing_to_change"
    if live.state is CallState.OFFERED:
        return "being_offered"
    if live.state is not CallState.WAITING or live.call not in house.line:
        return "not_waiting"
    if not house.connected:
        return "exchange_unavailable"
    return ""


def _move(house: House, event: MoveAsked, live: LiveCall, now: float) -> str:
    if event.agent is not None and not house.roster.get(event.agent).available:
        return "agent_not_available"
    offers.leave_line(house, live)
    live.only = None if event.agent is not None else live.only
    changes: dict[str, object] = {"favours": (*(one for one in live.record.favours if one != MOVED), MOVED)}
    if event.queue is not None and event.queue != live.record.queue:
        changes["queue"] = event.queue
        live.only = None  # he was kept for somebody of another queue
        live.refused = frozenset()  # whoever left the phone unanswered did so for another queue
    if event.priority is not None:
        live.priority = event.priority
    house.note(live, **changes)
    if event.head:
        _to_the_head(house, live)
    offers.stand_in_line(house, live)
    if event.agent is not None:
        if offers.offer(house, live, event.agent, f"moved to him by supervisor {event.by}", now):
            return ""
        offers.hold_or_offer(house, live)
        return "agent_not_available"
    offers.hold_or_offer(house, live)  # a new command carries his new mark, so that a restart finds him there
    return ""


def _to_the_head(house: House, live: LiveCall) -> None:
    """Before everybody who waits in his queue now, by the place that the line orders by; his waiting time stays."""
    queue = live.record.queue or QueueId("")
    others = [entry for entry in house.line.ordered(house.now) if entry.queue == queue]
    if not others:
        return
    first = others[0]
    live.priority = max(live.priority, first.priority)
    house.note(live, place_at=min(first.queued_at, live.record.queued_at or live.record.arrived_at) - 0.001)


# ---------------------------------------------------------------- skills and needs, for a time


def known_skills(house: House) -> set[SkillId]:
    """Every skill that the configuration names."""
    found = {skill for profile in house.plan.agents.values() for skill in profile.skills}
    for queue in house.plan.queues.values():
        for wanted in (queue.requirement, *(step.requirement for step in queue.relax)):
            found |= {skill for part in (wanted, *wanted.others) for skill, _ in (*part.needs, *part.prefers)}
    return found


def _levels_refusal(house: House, levels: Iterable[tuple[SkillId, int | None]]) -> str:
    known, given = known_skills(house), list(levels)
    if any(skill not in known for skill, _ in given):
        return "unknown_skill"
    if any(level is not None and not LOWEST_LEVEL <= level <= HIGHEST_LEVEL for _, level in given):
        return "level_out_of_range"
    if len({skill for skill, _ in given}) < len(given):
        return "skill_twice"
    return ""


def skills_changed(house: House, event: SkillsChanged, now: float) -> None:
    """Change an agent's skills, for a time or until somebody changes them again. What he is doing goes on."""
    detail: Detail = ()
    code = agent_refusal(house, event.by, Action.CHANGE_SKILLS, event.agent)
    code = code or _levels_refusal(house, event.skills)
    if not code and not event.skills and not event.back:
        code = "nothing_to_change"
    if not code and event.until is not None and event.until <= now:
        code = "until_past"
    changes = {str(skill): str(level) for skill, level in event.skills}
    if event.back and not code:
        changes = {skill: "configured" for skill in house.supervision.skills.get(event.agent, {})}
    for skill, level in changes.items() if not code else ():
        subject = (f"skills of {event.agent}", skill)
        detail = detail or ordered_otherwise(house, subject, event.by, f"{skill} {level}", confirm=event.confirm)
    if detail:
        code = "ordered_otherwise"
    if not code:
        for skill, level in changes.items():
            note_order(house, (f"skills of {event.agent}", skill), event.by, f"{skill} {level}")
        mine = house.supervision.skills.pop(event.agent, {}) if not event.back else {}
        for skill_id, wanted in event.skills:
            mine[skill_id] = SkillOverride(event.agent, skill_id, wanted, event.until, event.by, now)
        _put_skills(house, event.agent, mine)
        detail = _nobody_left(house)
    said = words.sentence(
        Action.CHANGE_SKILLS,
        agent=event.agent,
        skills=words.skills(event.skills, back=event.back),
        until=words.until(event.until, _zone(house)) if not event.back else ("", ""),
    )
    answer(house, event, Action.CHANGE_SKILLS, code, said, agent=event.agent, detail=detail)


def _put_skills(house: House, agent: AgentId, mine: dict[SkillId, SkillOverride], *, save: bool = True) -> None:
    """An agent's skills are the configured ones with `mine` over them."""
    house.supervision.skills.pop(agent, None)
    if mine:
        house.supervision.skills[agent] = mine
    configured = house.plan.agents[agent]
    skills = {skill: level for skill, level in configured.skills.items() if skill not in mine}
    skills |= {skill: one.level for skill, one in mine.items() if one.level is not None}
    house.roster.put_profile(replace(configured, skills=skills))
    house.dirty = True
    if save:
        house.emit(SaveOverrides(agent, None, tuple(mine.values())))
    _wake(house, f"agent:{agent}", [one.until for one in mine.values()])


def _nobody_left(house: House) -> Detail:
    """Queues that nobody of the hotline could serve now: said at once to whoever has brought it about."""
    profiles = [house.roster.profile(agent) for agent in house.plan.agents]
    left = [
        queue for queue in house.plan.queues if not any(house.queue(queue).served_by(profile) for profile in profiles)
    ]
    return (("queues_without_agents", ",".join(left)),) if left else ()


def queue_changed(house: House, event: QueueChanged, now: float) -> None:
    """Change what a queue asks for, or its callers' priority. Who waits in it keeps his place."""
    subject = ("queue", str(event.queue))
    detail: Detail = ()
    code = refusal(actor(house, event.by), Action.CHANGE_QUEUE)
    if not code and event.queue not in house.plan.queues:
        code = "unknown_queue"
    code = code or refusal(actor(house, event.by), Action.CHANGE_QUEUE, [event.queue])
    code = code or _levels_refusal(house, event.needs or ())
    if not code and event.priority is not None and not 0 <= event.priority <= HIGHEST_PRIORITY:
        code = "priority_out_of_range"
    if not code and event.needs is None and event.priority is None and not event.back:
        code = "nothing_to_change"
    if not code and event.until is not None and event.until <= now:
        code = "until_past"
    change_told = words.queue_change(event.needs, event.priority, back=event.back)
    what = change_told[1]
    if not code:
        detail = ordered_otherwise(house, subject, event.by, what, confirm=event.confirm)
        code = "ordered_otherwise" if detail else ""
    if not code:
        note_order(house, subject, event.by, what)
        change = QueueOverride(event.queue, event.needs, event.priority, event.until, event.by, now)
        _put_queue(house, event.queue, None if event.back else change)
        detail = _nobody_left(house)
    said = words.sentence(
        Action.CHANGE_QUEUE,
        queue=event.queue,
        change=change_told,
        until=words.until(event.until, _zone(house)) if not event.back else ("", ""),
    )
    answer(house, event, Action.CHANGE_QUEUE, code, said, queue=event.queue, detail=detail)


def _put_queue(house: House, queue: QueueId, change: QueueOverride | None, *, save: bool = True) -> None:
    """A queue is as configured with `change` over it; its waiting callers are measured anew, at their places."""
    house.supervision.queues.pop(queue, None)
    house.changed_queues.pop(queue, None)
    configured = house.plan.queues[queue]
    if change is not None:
        house.supervision.queues[queue] = change
        if change.needs is not None:
            house.changed_queues[queue] = with_needs(configured, change.needs)
    now_so = house.queue(queue)
    for entry in [one for one in house.line.ordered(house.now) if one.queue == queue]:
        request = house.callbacks.get(entry.call)
        if request is not None:
            callbacks.stand(house, request, house.now)
            continue
        live = house.calls[entry.call]
        waited_s = house.now - (live.record.queued_at or live.record.arrived_at)
        wanted = requirement_at(now_so.requirement, now_so.relax, waited_s)
        house.line.replace(replace(entry, requirement=wanted, priority=house.priority(live)))
    house.dirty = True
    if save:
        house.emit(SaveOverrides(None, queue, (), change))
    _wake(house, f"queue:{queue}", [change.until if change is not None else None])


def with_needs(queue: QueuePlan, needs: tuple[tuple[SkillId, int], ...]) -> QueuePlan:
    """The queue with other needs. Its steps relax them as they relaxed the configured ones: a level as low as the
    step's, a skill dropped that the step drops; who joins by a step joins still.
    """
    first = replace(queue.requirement, needs=needs)
    asked = dict(queue.requirement.needs)
    steps = []
    for step in queue.relax:
        left = dict(step.requirement.needs)
        relaxed = tuple(
            (skill, min(least, left.get(skill, least))) for skill, least in needs if skill in left or skill not in asked
        )
        steps.append(RelaxStep(step.after_s, replace(step.requirement, needs=relaxed or needs)))
    return replace(queue, requirement=first, relax=tuple(steps))


def _wake(house: House, key: str, untils: Collection[float | None]) -> None:
    ends = [until for until in untils if until is not None]
    if ends:
        house.emit(Wake(TimerKind.OVERRIDE, key, 0, min(ends)))


def override_over(house: House, event: TimeIsUp, now: float) -> None:
    """What was changed for a time is over: as configured again. A stale timer finds nothing to end."""
    kind, _, name = event.key.partition(":")
    if kind == "agent":
        agent = AgentId(name)
        mine = house.supervision.skills.get(agent, {})
        over = [one for one in mine.values() if one.until is not None and one.until <= now]
        if over:
            _put_skills(house, agent, {skill: one for skill, one in mine.items() if one not in over})
            said = words.sentence(
                Action.CHANGE_SKILLS,
                agent=agent,
                skills=(
                    f"时间已到, 恢复为配置: {', '.join(one.skill for one in over)}",
                    f"time is up, back to the configuration: {', '.join(one.skill for one in over)}",
                ),
                until=("", ""),
            )
            record(house, SYSTEM, Action.CHANGE_SKILLS, "", said, key=event.key, agent=agent)
        elif mine:
            _wake(house, event.key, [one.until for one in mine.values()])
        return
    queue = QueueId(name)
    change = house.supervision.queues.get(queue)
    if change is None or change.until is None:
        return
    if change.until > now:
        _wake(house, event.key, [change.until])
        return
    _put_queue(house, queue, None)
    back = ("时间已到, 恢复为配置", "time is up, back to the configuration")
    said = words.sentence(Action.CHANGE_QUEUE, queue=queue, change=back, until=("", ""))
    record(house, SYSTEM, Action.CHANGE_QUEUE, "", said, key=event.key, queue=queue)


def overrides_restored(house: House, event: OverridesRestored, now: float) -> None:
    """What an earlier controller had changed for a time goes on; what is over, or not of this hotline, ends here."""
    skills: dict[AgentId, dict[SkillId, SkillOverride]] = {}
    for one in event.skills:
        if one.agent in house.plan.agents and one.skill in known_skills(house):
            skills.setdefault(one.agent, {})[one.skill] = one
    for agent, mine in skills.items():
        _put_skills(house, agent, mine, save=False)
        override_over(house, TimeIsUp(TimerKind.OVERRIDE, f"agent:{agent}", 0, now), now)
    for change in event.queues:
        if change.queue in house.plan.queues and not _levels_refusal(house, change.needs or ()):
            _put_queue(house, change.queue, change, save=False)
            override_over(house, TimeIsUp(TimerKind.OVERRIDE, f"queue:{change.queue}", 0, now), now)


def _zone(house: House) -> ZoneInfo:
    return ZoneInfo(house.plan.timezone)
