"""The audit trail's sentences: what was ordered, in words that an agent's union can read, Chinese and English. Pure.

No caller's number, no key he pressed, no word he said: a call is named by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from agents.rights import Action
from pbx.ids import SkillId
from pbx.supervision import SpyMode

Sentence = tuple[str, str]
"""Chinese, English."""

_DONE: dict[str, Sentence] = {
    Action.FORCE_READY.value: ("强制话务员{agent}示闲{effect}", "forced agent {agent} ready{effect}"),
    Action.FORCE_NOT_READY.value: (
        "强制话务员{agent}示忙, 原因: {reason}{effect}",
        "forced agent {agent} not ready, reason: {reason}{effect}",
    ),
    Action.FORCE_SIGN_OUT.value: ("强制话务员{agent}签出{effect}", "forced agent {agent} to sign out{effect}"),
    Action.RELEASE_CALL.value: ("强拆通话{call}", "released the call {call}"),
    Action.MOVE_CALLER.value: ("将排队中的通话{call}{where}", "moved the waiting call {call}{where}"),
    Action.CHANGE_SKILLS.value: (
        "将话务员{agent}的技能改为: {skills}{until}",
        "changed the skills of agent {agent}: {skills}{until}",
    ),
    Action.CHANGE_QUEUE.value: ("将队列{queue}改为: {change}{until}", "changed the queue {queue}: {change}{until}"),
    Action.LISTEN.value: ("监听话务员{agent}的通话{call}", "listened to agent {agent}, call {call}"),
    Action.WHISPER.value: (
        "对话务员{agent}密语, 通话{call}(市民听不到)",
        "whispered to agent {agent}, call {call} (the citizen does not hear it)",
    ),
    Action.BARGE.value: (
        "强插话务员{agent}的通话{call}",
        "joined the talk of agent {agent}, call {call}, heard by both",
    ),
    Action.GIVE_NOTICE.value: (
        "向{scope}发布突发事件通知{notice}: {what}{until}",
        "told {scope} of an incident ({notice}): {what}{until}",
    ),
    Action.END_NOTICE.value: ("结束突发事件通知{notice}{told}", "ended the notice {notice}{told}"),
    Action.PAUSE_FOLLOW_UPS.value: ("暂停自动语音回访", "paused the automatic voice follow-up"),
    Action.RESUME_FOLLOW_UPS.value: ("继续自动语音回访", "let the automatic voice follow-up go on"),
    Action.PAUSE_RECORDING.value: ("暂停通话{call}的录音", "paused the recording of the call {call}"),
    Action.RESUME_RECORDING.value: ("恢复通话{call}的录音", "let the recording of the call {call} go on"),
    Action.STOP_LISTENING.value: ("停止监听{ended}", "stopped listening{ended}"),
}

_EFFECTS: dict[str, Sentence] = {
    "at_once": ("", ""),
    "after_offer": (", 在当前振铃结束后生效", ", to take effect after the call that rings now"),
    "after_talk": (", 在当前通话结束后生效", ", to take effect after his present talk"),
    "after_wrap_up": (", 在话后整理结束后生效", ", to take effect after his wrap-up"),
}


_FORCED: dict[str, Sentence] = {
    Action.FORCE_READY.value: ("示闲", "ready"),
    Action.FORCE_NOT_READY.value: ("示忙", "not ready"),
    Action.FORCE_SIGN_OUT.value: ("签出", "sign out"),
}
"""What was forced upon an agent, of whom the sentence speaks already."""


def sentence(action: Action, **parts: Sentence | str) -> Sentence:
    """The sentence of an action without its actor; `parts` fill it, a pair where the languages differ."""
    found = _DONE[action.value]
    filled = [
        text.format(**{name: part if isinstance(part, str) else part[index] for name, part in parts.items()})
        for index, text in enumerate(found)
    ]
    return filled[0], filled[1]


def refused(said: Sentence, detail: Mapping[str, str]) -> Sentence:
    """The sentence of an order that was refused, with the `detail` of the answer."""
    zh, en = said
    if "ordered" in detail:
        by, ago = detail["by"], detail["seconds_ago"]
        first, second = _FORCED.get(detail["ordered"], (detail["ordered"], detail["ordered"]))
        return f"{zh}; {ago}秒前{by}已下令: {first}", f"{en}; {ago} s before, {by} had ordered: {second}"
    if "allowed" in detail:
        return f"{zh}; 可用: {detail['allowed']}", f"{en}; allowed: {detail['allowed']}"
    if "call" in detail:
        agent, call = detail["agent"], detail["call"]
        return f"{zh}; 正在监听话务员{agent}的通话{call}", f"{en}; he listened to agent {agent}, call {call}"
    return said


def effect(code: str) -> Sentence:
    """When an order takes effect."""
    return _EFFECTS.get(code, ("", ""))


def until(at: float | None, zone: ZoneInfo) -> Sentence:
    """Until when a change holds."""
    if at is None:
        return ", 直至再次更改", ", until it is changed again"
    shown = datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S")
    return f", 至{shown}", f", until {shown}"


def skills(changes: Sequence[tuple[SkillId, int | None]], *, back: bool = False) -> Sentence:
    """Skills with their levels."""
    if back:
        return "恢复为配置", "back to the configuration"
    return (
        ", ".join(f"{skill} {'无' if level is None else level}" for skill, level in changes),
        ", ".join(f"{skill} {'none' if level is None else level}" for skill, level in changes),
    )


def queue_change(needs: Sequence[tuple[SkillId, int]] | None, priority: int | None, *, back: bool = False) -> Sentence:
    """What a queue asks for and its callers' priority."""
    if back:
        return "恢复为配置", "back to the configuration"
    zh, en = [], []
    if needs is not None:
        listed = ", ".join(f"{skill}>={least}" for skill, least in needs)
        zh.append(f"要求技能 {listed or '不限'}")
        en.append(f"asks for {listed or 'any skill'}")
    if priority is not None:
        zh.append(f"来电优先级 {priority}")
        en.append(f"priority of its callers {priority}")
    return "; ".join(zh), "; ".join(en)


def where(queue: str | None, priority: int | None, head: bool, agent: str | None) -> Sentence:
    """Where a waiting caller was moved."""
    zh, en = [], []
    if queue is not None:
        zh.append(f"移至队列{queue}")
        en.append(f" to the queue {queue}")
    if priority is not None:
        zh.append(f"优先级改为{priority}")
        en.append(f" to priority {priority}")
    if head:
        zh.append("移至队首")
        en.append(" to the head of the line")
    if agent is not None:
        zh.append(f"转给话务员{agent}")
        en.append(f" to agent {agent}")
    return "、".join(zh), ",".join(en)


def ended(since: float, until: float, zone: ZoneInfo, agent: str, call: str) -> Sentence:
    """How listening ended: how long the agent was heard, and from when to when on the hotline's wall."""
    begin, end = (datetime.fromtimestamp(at, zone) for at in (since, until))
    shown = f"{end:%H:%M:%S}" if end.date() == begin.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    seconds = until - since
    return (
        f": 话务员{agent}, 通话{call}, 共{seconds:.0f}秒({begin:%Y-%m-%d %H:%M:%S}至{shown})",
        f": agent {agent}, call {call}, after {seconds:.0f} seconds ({begin:%Y-%m-%d %H:%M:%S} to {shown})",
    )


def unheard(agent: str, call: str, *, answered: bool) -> Sentence:
    """Listening that ended before anything was heard; whether the supervisor's phone was answered."""
    zh, en = ("未听到声音", "he heard nothing") if answered else ("话机未接听", "his phone was not answered")
    return f": {zh}, 话务员{agent}, 通话{call}", f": {en}; agent {agent}, call {call}"


def notice_scope(queue: str | None, number: str | None) -> Sentence:
    """Whose callers a notice is for."""
    zh = [*([f"拨打{number}"] if number else []), *([f"队列{queue}"] if queue else [])]
    en = [*([f"of the queue {queue}"] if queue else []), *([f"of the number {number}"] if number else [])]
    return ("、".join(zh) or "全部") + "的排队来电者", "the waiting callers " + (" and ".join(en) or "of every queue")


def notice_told(count: int, calling: bool) -> Sentence:
    """How many wanted to be told that an incident is over, and whether they are called."""
    if not calling:
        return f", {count}人待通知(未配置外呼)", f"; {count} want to be told, and the hotline cannot call them"
    return f", 将通知{count}人", f"; {count} are being told"


def mode_action(mode: SpyMode) -> Action:
    """The action that a mode is."""
    return {SpyMode.LISTEN: Action.LISTEN, SpyMode.WHISPER: Action.WHISPER, SpyMode.BARGE: Action.BARGE}[mode]
