"""One call inspected: legs, record and words to figures and findings. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recordings.inspection import talk
from recordings.inspection.activity import FRAME_S, speech_of
from recordings.inspection.findings import JUDGED, MOST_EVIDENCE, NOT_JUDGED, NOT_SAID, SAID, Finding, Inspection
from recordings.inspection.rules import ListKind, Rules, SaidType, plain
from recordings.inspection.thresholds import Span
from recordings.inspection.words import Finder, Hit, Line, Reading, lines_of, within
from recordings.transcript import Transcript

LEAST_SPEECH_S = 0.5
"""A leg on which less was spoken in the whole talk held nobody's voice."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the call's record says, in seconds from the recording's start: when citizen and agent were joined
    (`talks`), and when the caller was on hold."""

    talks: tuple[Span, ...]
    holds: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Legs:
    """Spans of speech on both legs of a recording of `duration_s`."""

    citizen: tuple[Span, ...]
    agent: tuple[Span, ...]
    duration_s: float


def legs_of(levels: npt.NDArray[np.float32], rules: Rules) -> Legs:
    """The speech of both legs, given the levels of their frames."""
    citizen, agent = (speech_of(levels[:, leg], rules.activity) for leg in (0, 1))
    return Legs(citizen, agent, len(levels) * FRAME_S)


def inspect(
    legs: Legs | None, facts: CallFacts, transcript: Transcript | None, rules: Rules, reading: Reading | None = None
) -> Inspection:
    """What is found; `legs` None: the recording cannot be read. `reading` None: words are found as written alone."""
    duration = legs.duration_s if legs is not None else max((end for _, end in facts.talks), default=0.0)
    windows = talk.without([(max(0.0, a), min(b, duration)) for a, b in facts.talks], facts.holds)
    sound = _sound_state(legs, windows)
    found = _Found()
    for begin, end in facts.holds:
        if end - begin >= rules.talk.long_hold_s:
            found.put(Finding("long-hold", begin, end, how="record"))
    found.judged("long-hold")
    if windows:
        found.figures["hold_s"] = talk.length(talk.tidy(facts.holds))
    if legs is not None and sound == JUDGED:
        _measure(legs, windows, rules, found)
    spoken = talk.length(talk.common(legs.agent, windows)) if legs is not None else None
    words = _words_state(transcript, windows, spoken, rules)
    if transcript is not None and words == JUDGED:
        _hear(lines_of(transcript, reading), windows, spoken, rules, reading, found)
    else:
        found.said |= {one.id: NOT_JUDGED for one in rules.lists if one.kind in (ListKind.OPENING, ListKind.CLOSING)}
    return found.inspection(rules.version, sound, words)


class _Found:
    """What has been found so far."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.figures: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        self.suspected: Counter[str] = Counter()
        self.said: dict[str, str] = {}
        self.said_type = ""
        self._kept: Counter[tuple[str, str]] = Counter()

    def judged(self, *rules: str) -> None:
        """These were looked for: none found is 0, and not unknown."""
        for rule in rules:
            self.counts[rule] += 0

    def put(self, finding: Finding) -> None:
        (self.suspected if finding.how == "by_sound" else self.counts)[finding.rule] += 1
        self._kept[finding.rule, finding.how] += 1
        if self._kept[finding.rule, finding.how] <= MOST_EVIDENCE:
            self.findings.append(finding)

    def inspection(self, version: str, sound: str, words: str) -> Inspection:
        findings = tuple(sorted(self.findings, key=lambda one: (one.at_s, one.rule)))
        figures = {name: round(value, 3) for name, value in self.figures.items()}
        return Inspection(
            version, sound, words, figures, dict(self.counts), dict(self.suspected), self.said, self.said_type, findings
        )


# ---------------------------------------------------------------- the sound


def _sound_state(legs: Legs | None, windows: list[Span]) -> str:
    """``judged``, or why the sound cannot be: one leg alone gives no silence and no share that is true."""
    if legs is None:
        return "unreadable"
    if not legs.duration_s:
        return "empty"
    if not windows:
        return "no_talk"
    citizen, agent = (talk.length(talk.common(leg, windows)) >= LEAST_SPEECH_S for leg in (legs.citizen, legs.agent))
    if citizen and agent:
        return JUDGED
    if not citizen and not agent:
        return "no_speech"
    return "silent_agent" if citizen else "silent_citizen"


def _measure(legs: Legs, windows: list[Span], rules: Rules, found: _Found) -> None:
    times = talk.times_of(legs.citizen, legs.agent, windows)
    found.figures |= {
        "talk_s": times.talk_s,
        "citizen_s": times.citizen_s,
        "agent_s": times.agent_s,
        "both_s": times.both_s,
        "silence_s": times.silence_s,
        "longest_silence_s": max(
            (end - begin for begin, end in talk.without(windows, [*legs.citizen, *legs.agent])), default=0.0
        ),
    }
    if times.agent_share is not None:
        found.figures["agent_share"] = times.agent_share
    found.judged("dead-air", "overtalk", "cut-by-agent", "cut-by-citizen")
    for begin, end in talk.silences(legs.citizen, legs.agent, windows, rules.talk):
        found.put(Finding("dead-air", begin, end))
    for begin, end in talk.overtalks(legs.citizen, legs.agent, windows, rules.talk):
        found.put(Finding("overtalk", begin, end))
    for cut in talk.interruptions(legs.citizen, legs.agent, windows, rules.talk):
        found.put(Finding(f"cut-by-{cut.by}", cut.at_s, cut.until_s, cut.by))


# ---------------------------------------------------------------- the words


def _words_state(transcript: Transcript | None, windows: list[Span], spoken: float | None, rules: Rules) -> str:
    """``judged``, or why the words cannot be: then nothing is said of them at all."""
    if transcript is None:
        return "no_transcript"
    if not windows:
        return "no_talk"
    if transcript.language not in rules.words.languages:
        return "other_language"
    if transcript.grammar is not None:
        return "closed_grammar"  # the recogniser could choose from a list: what is not on it cannot have been heard
    if transcript.doubts:
        return f"doubtful_{transcript.doubts[0]}"  # by the rules of `recordings.doubt`
    letters = [plain(turn.text) for turn in transcript.turns]
    whole = sum(map(len, letters))
    if not whole:
        return "empty_transcript"
    # Counted by turns, so that one long talk is no loop: the same words again and again are.
    again = Counter(one for one in letters if len(one) >= 4)
    if again and len(letters) >= 4:
        most, times = again.most_common(1)[0]
        if times > 2 and len(most) * times > rules.words.doubt_repeats * whole:
            return "doubtful_loop"
    if spoken is not None and spoken >= rules.words.doubt_after_s:
        agents = sum(len(plain(turn.text)) for turn in transcript.turns if turn.speaker == "agent")
        pace = agents / spoken * 60
        if pace < rules.words.doubt_least_per_minute:
            return "doubtful_sparse"
        if pace > rules.words.doubt_most_per_minute:
            return "doubtful_dense"
    return JUDGED


def _hear(
    lines: Sequence[Line],
    windows: list[Span],
    spoken: float | None,
    rules: Rules,
    reading: Reading | None,
    found: _Found,
) -> None:
    finder = Finder(rules.words, reading)
    begin, end = windows[0][0], windows[-1][1]
    _pace(lines, windows, spoken, rules, found)
    for wanted in rules.lists:
        hits = finder.hits(lines, wanted, wanted.speaker)
        if wanted.kind is ListKind.OPENING:
            _must(wanted.id, within(hits, begin - 1.0, begin + rules.words.opening_s), found)
        elif wanted.kind is ListKind.CLOSING:
            _must(wanted.id, within(hits, end - rules.words.closing_s, end + 1.0), found)
        else:
            found.judged(wanted.id)
            for hit in hits:
                found.put(_finding(wanted.id, hit))
    _type(finder, lines, rules.types, found)


def _pace(lines: Sequence[Line], windows: list[Span], spoken: float | None, rules: Rules, found: _Found) -> None:
    """Characters of the agent for each minute in which his voice was heard."""
    if spoken is None or spoken < rules.words.pace_after_s:
        return
    pace = sum(len(line.text) for line in lines if line.speaker == "agent") / spoken * 60
    found.figures["agent_pace"] = pace
    found.judged("fast", "slow")
    if pace > rules.words.fast_per_minute:
        found.put(Finding("fast", windows[0][0], windows[-1][1], "agent"))
    if pace < rules.words.slow_per_minute:
        found.put(Finding("slow", windows[0][0], windows[-1][1], "agent"))


def _must(id: str, hits: list[Hit], found: _Found) -> None:
    """Something that must be said: heard by its sound is heard."""
    found.said[id] = SAID if hits else NOT_SAID
    if hits:
        first = _finding(id, hits[0])
        found.findings.append(first)


def _finding(id: str, hit: Hit) -> Finding:
    how = "exact" if hit.how == "exact" else "by_sound"
    return Finding(id, round(hit.at_s, 2), round(hit.end_s, 2), hit.speaker, hit.word, hit.said, how)


def _type(finder: Finder, lines: Sequence[Line], types: Sequence[SaidType], found: _Found) -> None:
    """The type that the caller names first; exact words go before what only sounds like them."""
    named: list[tuple[bool, float, str, Hit]] = []
    for one in types:
        named += [(hit.how == "sound", hit.at_s, one.type, hit) for hit in finder.hits(lines, one, "citizen")]
    if named:
        _, _, found.said_type, hit = min(named, key=lambda one: one[:3])
        found.findings.append(_finding(f"said-{found.said_type}", hit))
