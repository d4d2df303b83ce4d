"""Whether a sealed recording is what the call says it should be: its length, and both legs heard, or why not. Pure.

Only what was said in a talk proves a leg: prompts and music are on the citizen's right ear in every call. So a leg is
looked at while caller and agent were joined, not on hold, and the recording not paused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

Span = tuple[float, float]


class Finding(StrEnum):
    """What is wrong with a recording; each is counted and told."""

    MISSING = "missing"
    """There should be one, and there is no file."""
    EMPTY = "empty"
    """The file held not one sample of a call that went on."""
    UNSEALED = "unsealed"
    """It could not be sealed (disk full, still written to, another file in its place); the raw file is kept."""
    TRUNCATED = "truncated"
    """It is shorter than the call."""
    TOO_LONG = "too_long"
    """It is longer than the call: a clock jumped, or it was stopped late."""
    CALLER_SILENT = "caller_silent"
    """The citizen is not heard in one of the talks."""
    AGENT_SILENT = "agent_silent"
    """Nobody is heard by the citizen in one of the talks."""


class Leg(StrEnum):
    """What is to be said of a leg."""

    AUDIBLE = "audible"
    NEVER_JOINED = "never_joined"
    """The citizen never talked with anybody."""
    ON_HOLD = "on_hold"
    """He was on hold for all of the talk."""
    PAUSED = "paused"
    """The recording was paused for all of the talk that was not on hold."""
    MUTED = "muted"
    """The agent had switched off his microphone for all of the rest."""
    TOO_SHORT = "too_short"
    """What is left of the talk is too short to tell."""
    SILENT = "silent"
    """There was a talk, and nothing is heard: a dead phone, a muted headset, one-way sound."""


@dataclass(frozen=True, slots=True)
class CheckRule:
    """`tolerance_s`: so much may the length differ from the call's. On a real Asterisk it was 0.01-0.07 s shorter
    (docs/recordings.md); orders wait at a busy moment, so the default allows a second. `least_talk_s`: in less than
    that nobody need have spoken. `audible_s`: so long must a leg be heard (`recordings.levels.LevelRule`).
    """

    tolerance_s: float = 1.0
    least_talk_s: float = 5.0
    audible_s: float = 0.2


@dataclass(frozen=True, slots=True)
class Expected:
    """The call as its record has it; epoch seconds. `talks` without a voice message, which is `message`."""

    started_at: float
    ended_at: float
    talks: tuple[Span, ...] = ()
    holds: tuple[Span, ...] = ()
    pauses: tuple[Span, ...] = ()
    muted: tuple[Span, ...] = ()
    message: Span | None = None

    @property
    def length_s(self) -> float:
        """How long the recording should be."""
        return max(0.0, self.ended_at - self.started_at)


@dataclass(frozen=True, slots=True)
class Check:
    """What was found. `audible_s` of a leg: in the part of the talk that was looked at, `looked_at_s` long."""

    expected_s: float
    found_s: float
    findings: tuple[Finding, ...]
    citizen: Leg
    heard: Leg
    looked_at_s: float = 0.0
    citizen_audible_s: float = 0.0
    heard_audible_s: float = 0.0

    @property
    def missing_s(self) -> float:
        """So much of the call is not in the recording."""
        return max(0.0, self.expected_s - self.found_s)


def without(spans: Iterable[Span], taken: Iterable[Span]) -> tuple[Span, ...]:
    """What is left of `spans` where none of `taken` is."""
    left = [span for span in spans if span[1] > span[0]]
    for begin, end in taken:
        left = [
            piece
            for first, last in left
            for piece in ((first, min(last, begin)), (max(first, end), last))
            if piece[1] > piece[0]
        ]
    return tuple(left)


def length(spans: Iterable[Span]) -> float:
    """Seconds of all spans together."""
    return sum(end - begin for begin, end in spans)


def looked_at(call: Expected) -> tuple[tuple[tuple[Span, ...], ...], tuple[tuple[Span, ...], ...]]:
    """For each talk the spans in which the citizen, and in which the agent should be heard, who may have been muted;
    seconds from the recording's start. A voice message is a talk of the citizen's.
    """

    def parts(spans: Iterable[Span], taken: tuple[Span, ...]) -> tuple[tuple[Span, ...], ...]:
        return tuple(
            tuple((max(0.0, a - call.started_at), b - call.started_at) for a, b in without((span,), taken))
            for span in spans
        )

    silent = (*call.holds, *call.pauses)
    spoken = call.talks if call.message is None else (*call.talks, call.message)
    return parts(spoken, silent), parts(call.talks, (*silent, *call.muted))


def check(rule: CheckRule, call: Expected, found_s: float, audible_s: Callable[[int, Iterable[Span]], float]) -> Check:
    """Judge a sealed recording of `found_s` seconds.

    `audible_s(leg, spans)` tells for how long the citizen (0) or what he hears (1) is audible within spans. Each talk
    is looked at by itself: after a transfer it is the second agent who may be missing.
    """
    findings = []
    if found_s < call.length_s - rule.tolerance_s:
        findings.append(Finding.TRUNCATED)
    elif found_s > call.length_s + rule.tolerance_s:
        findings.append(Finding.TOO_LONG)
    citizen_parts, agent_parts = looked_at(call)
    citizen_s = [audible_s(0, part) for part in citizen_parts]
    heard_s = [audible_s(1, part) for part in agent_parts]
    citizen = _leg(rule, call, citizen_parts, citizen_s)
    heard = _leg(rule, call, agent_parts, heard_s)
    if citizen is Leg.SILENT:
        findings.append(Finding.CALLER_SILENT)
    if heard is Leg.SILENT:
        findings.append(Finding.AGENT_SILENT)
    looked = sum(map(length, citizen_parts))
    return Check(call.length_s, found_s, tuple(findings), citizen, heard, looked, sum(citizen_s), sum(heard_s))


def not_there(call: Expected, finding: Finding, rule: CheckRule) -> Check:
    """The verdict on a recording that could not be looked at; an empty one of a call without length is no finding."""
    none = finding is Finding.EMPTY and call.length_s <= rule.tolerance_s
    leg = Leg.SILENT if call.talks else Leg.NEVER_JOINED
    return Check(call.length_s, 0.0, () if none else (finding,), leg, leg)


def _leg(rule: CheckRule, call: Expected, parts: tuple[tuple[Span, ...], ...], audible_s: Sequence[float]) -> Leg:
    if not parts:
        return Leg.NEVER_JOINED
    long_enough = [one for part, one in zip(parts, audible_s, strict=True) if length(part) >= rule.least_talk_s]
    if any(one < rule.audible_s for one in long_enough):
        return Leg.SILENT
    if sum(audible_s) >= rule.audible_s:
        return Leg.AUDIBLE
    if length(call.talks) < rule.least_talk_s:
        return Leg.TOO_SHORT
    unheld = without(call.talks, call.holds)
    if length(unheld) < rule.least_talk_s:
        return Leg.ON_HOLD
    if length(without(unheld, call.pauses)) < rule.least_talk_s:
        return Leg.PAUSED
    return Leg.MUTED if call.muted else Leg.TOO_SHORT
