"""The story of one call-back request: asked for, attempted, and what became of it; read from a journal. Pure.

Nothing here names a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from controller.codec import CodecError, decode_command, decode_event
from controller.verify.checker import Place
from controller.verify.scene import Word
from controller.verify.why import Moment
from pbx.callback import Attempt, CallbackKind, CallbackRequest, CallbackState
from pbx.commands import SaveCallback
from pbx.events import CallbacksRestored

_ID = re.compile(r"((?:cb|fu)[^-]*)(?:-[0-9]+)?")

KINDS = {
    CallbackKind.ASKED: ("市民预约回拨", "the caller asks to be called back"),
    CallbackKind.MISSED: ("登记回拨未接来电", "a missed caller shall be called"),
    CallbackKind.NOTICE: ("登记事件结束通知", "he shall be told when the incident is over"),
    CallbackKind.FOLLOW_UP: ("登记自动语音回访", "the hotline shall ask about a ticket by itself"),
}
"""How a request begins."""

OUTCOMES = {
    "answered": ("接通", "it is answered"),
    "busy": ("占线", "busy"),
    "no_answer": ("无人接听", "no answer"),
    "failed": ("无法呼出", "the call could not be placed"),
    "hung_up": ("接起后在坐席之前挂机", "he answered and was gone before an agent talked with him"),
    "in_doubt": ("结果未知", "nobody knows what became of it"),
    "silent": ("接起后没有按键", "it was answered, and no key was pressed"),
}
"""What became of an attempt (`pbx.callback.Attempt`)."""

ENDS = {
    CallbackState.DONE: ("已完成", "the request is done"),
    CallbackState.GIVEN_UP: ("已放弃", "the request is given up"),
    CallbackState.CANCELLED: ("已取消", "the request is cancelled"),
}
"""How a request ends."""


def request_of(asked: str) -> str:
    """The id of the request that `asked` names, itself or one of its attempts; empty where it is none."""
    found = _ID.fullmatch(asked)
    return found[1] if found else ""


@dataclass(slots=True)
class RequestStory:
    """Follows a journal and keeps what concerns one request."""

    request: str
    moments: list[Moment] = field(default_factory=list)
    _known: CallbackRequest | None = None

    def take(self, place: Place, now: float, event: Word, commands: Sequence[Word]) -> None:
        """One step of the journal."""
        if self._known is None and event["is"] == "CallbacksRestored":
            self._known = next((one for one in _restored(event) if one.id == self.request), None)
        for command in commands:
            saved = _saved(command)
            if saved is not None and saved.id == self.request:
                for zh, en, agent in self._new(saved):
                    queue = str(saved.queue)
                    self.moments.append(Moment(now, place.file, place.line, place.seq, zh, en, agent, queue))
                self._known = saved

    def _new(self, now_is: CallbackRequest) -> Iterator[tuple[str, str, str]]:
        """What the request says for the first time; each with the agent whom it concerns."""
        before = self._known
        if before is None:
            zh, en = KINDS[now_is.kind]
            by = (f" (由 {now_is.by})", f" (by {now_is.by})") if now_is.by else ("", "")
            yield f"{zh}: 队列 {now_is.queue}{by[0]}", f"{en}: the line of {now_is.queue}{by[1]}", ""
        known = before.attempts if before is not None else ()
        if len(now_is.attempts) < len(known):
            yield f"未呼出, {_wait(now_is, 'zh')}", f"was not called: {_wait(now_is, 'en')}", ""
        for index, attempt in enumerate(now_is.attempts):
            earlier = known[index] if index < len(known) else None
            yield from _attempt(index + 1, attempt, earlier)
        if now_is.state in ENDS and (before is None or before.state is not now_is.state):
            yield *ENDS[now_is.state], ""
        elif (
            before is not None
            and (before.state, now_is.state) == (CallbackState.DIALLING, CallbackState.WAITING)
            and len(now_is.attempts) == len(known) > 0
        ):
            yield _wait(now_is, "zh"), _wait(now_is, "en"), ""


def _attempt(number: int, attempt: Attempt, earlier: Attempt | None) -> Iterator[tuple[str, str, str]]:
    agent = str(attempt.agent or "")
    if earlier is None:
        kept = (f", 为其保留坐席 {agent}", f"; agent {agent} is kept for him") if agent else ("", "")
        yield f"第 {number} 次呼叫 {attempt.call}{kept[0]}", f"attempt {number}, call {attempt.call}{kept[1]}", agent
    if attempt.outcome != "dialling" and (earlier is None or earlier.outcome != attempt.outcome):
        zh, en = OUTCOMES.get(attempt.outcome, (attempt.outcome, attempt.outcome))
        yield f"第 {number} 次呼叫: {zh}", f"attempt {number}: {en}", agent


def _wait(request: CallbackRequest, language: str) -> str:
    """That he is tried again, and when at the soonest."""
    last = request.attempts[-1].ended_at if request.attempts else None
    pause = max(request.next_at - last, 0.0) if last is not None else 0.0
    if language == "zh":
        return f"{pause:.0f} 秒后再试" if pause else "稍后再试"
    return f"tried again after {pause:.0f} s" if pause else "tried again later"


def _restored(event: Word) -> tuple[CallbackRequest, ...]:
    try:
        found = decode_event(event)
    except CodecError:
        return ()
    return found.requests if isinstance(found, CallbacksRestored) else ()


def _saved(command: Word) -> CallbackRequest | None:
    """The request that a command stores; None where it stores none, or one of a program that this one does not know."""
    if command["is"] != "SaveCallback":
        return None
    try:
        found = decode_command(command)
    except CodecError:
        return None
    return found.callback if isinstance(found, SaveCallback) else None
