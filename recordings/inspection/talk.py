"""A talk of two as spans: shares, silence, overtalk, who cut whom. Pure; the spans are those of `activity`.

All of it is asked only within `windows`, the stretches in which citizen and agent were joined: outside them the
caller's ear holds prompts and music.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recordings.inspection.thresholds import Span, TalkRule
from recordings.transcript import Speaker

Spans = Sequence[Span]


@dataclass(frozen=True, slots=True)
class TalkTimes:
    """Seconds of a talk: the four parts add up to `talk_s`."""

    talk_s: float
    citizen_s: float  #: the citizen alone
    agent_s: float  #: the agent alone
    both_s: float
    silence_s: float

    @property
    def agent_share(self) -> float | None:
        """The agent's part of all speech, 0..1; None when nobody spoke."""
        spoken = self.citizen_s + self.agent_s + 2 * self.both_s
        return (self.agent_s + self.both_s) / spoken if spoken else None


def tidy(spans: Iterable[Span], gap: float = 0.0) -> list[Span]:
    """In order, none empty, those that touch or are at most `gap` apart joined."""
    found: list[Span] = []
    for begin, end in sorted(span for span in spans if span[1] > span[0]):
        if found and begin - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def common(one: Spans, other: Spans) -> list[Span]:
    """Where both are."""
    one, other = tidy(one), tidy(other)
    found, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        begin, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if begin < end:
            found.append((begin, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(whole: Spans, taken: Spans) -> list[Span]:
    """What of `whole` is left when `taken` is cut out."""
    found, cuts = [], tidy(taken)
    for begin, end in tidy(whole):
        at = begin
        for cut_begin, cut_end in cuts:
            if cut_end <= at or cut_begin >= end:
                continue
            if cut_begin > at:
                found.append((at, cut_begin))
            at = max(at, cut_end)
        if at < end:
            found.append((at, end))
    return found


def length(spans: Iterable[Span]) -> float:
    """Seconds in all; the spans must be apart."""
    return sum(end - begin for begin, end in spans)


def times_of(citizen: Spans, agent: Spans, windows: Spans) -> TalkTimes:
    """How long who spoke within the windows."""
    window = tidy(windows)
    one, other = common(citizen, window), common(agent, window)
    both = length(common(one, other))
    spoken = length(tidy([*one, *other]))
    whole = length(window)
    return TalkTimes(whole, length(one) - both, length(other) - both, both, whole - spoken)


def silences(citizen: Spans, agent: Spans, windows: Spans, rule: TalkRule) -> list[Span]:
    """Dead air (静默): where within a window neither speaks for long."""
    quiet = without(windows, [*citizen, *agent])
    return [span for span in quiet if span[1] - span[0] >= rule.dead_air_s]


def overtalks(citizen: Spans, agent: Spans, windows: Spans, rule: TalkRule) -> list[Span]:
    """Overtalk (抢话): where both speak; the same for both."""
    found = []
    for window in tidy(windows):  # what lies in two windows is two
        pieces = common(common(citizen, agent), [window])
        found += [span for span in tidy(pieces, rule.merge_gap_s) if length(common(pieces, [span])) >= rule.overtalk_s]
    return found


@dataclass(frozen=True, slots=True)
class Interruption:
    """`by` began at `at_s` while the other spoke, who gave way at `until_s`."""

    by: Speaker
    at_s: float
    until_s: float


def interruptions(citizen: Spans, agent: Spans, windows: Spans, rule: TalkRule) -> list[Interruption]:
    """Who cut whom (打断), in order."""
    window = tidy(windows)
    said: dict[Speaker, list[Span]] = {
        "citizen": tidy(common(citizen, window), rule.utterance_gap_s),
        "agent": tidy(common(agent, window), rule.utterance_gap_s),
    }
    found = [*_cuts("citizen", said["citizen"], said["agent"], rule)]
    found += _cuts("agent", said["agent"], said["citizen"], rule)
    return sorted(found, key=lambda one: (one.at_s, one.by))


def _cuts(by: Speaker, mine: Spans, theirs: Spans, rule: TalkRule) -> list[Interruption]:
    found, first = [], 0
    for begin, end in mine:
        if end - begin < rule.interrupt_goes_on_s:
            continue
        while first < len(theirs) and theirs[first][1] <= begin:
            first += 1
        if first == len(theirs):
            break
        his_begin, his_end = theirs[first]
        if (
            his_begin + rule.interrupt_after_s <= begin
            and rule.interrupt_overlap_s <= his_end - begin <= rule.interrupt_gives_way_s
            and his_end < end
        ):
            found.append(Interruption(by, begin, his_end))
    return found
