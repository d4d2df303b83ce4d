"""From when on something is noted: the numbers of the rules, with their defaults and where these are from. Pure."""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[float, float]
"""From when to when, in seconds from the recording's start."""


@dataclass(frozen=True, slots=True)
class ActivityRule:
    """What counts as speech. Defaults: measured on this project's voices with noise (`docs/inspection.md`).

    A frame is active when it is `margin_db` above the leg's noise and at least `least_dbfs`. Noise is the
    `noise_percentile`-th percentile of the frames of `around_s`, never taken above `noise_most_dbfs`. Gaps up to
    `close_s` are closed (consonants, plosives), runs below `shortest_s` dropped (clicks). A run of `steady_s` whose
    level varies by less than `steady_db` (standard deviation) is a hum, a tone or a fan: speech varies by 6 dB and
    more.
    """

    margin_db: float = 6.0
    least_dbfs: float = -50.0
    noise_percentile: float = 10.0
    noise_most_dbfs: float = -30.0
    around_s: float = 60.0
    close_s: float = 0.25
    shortest_s: float = 0.1
    steady_s: float = 1.0
    steady_db: float = 2.0


@dataclass(frozen=True, slots=True)
class TalkRule:
    """From when on something is noted; seconds. The defaults are this project's, after contact-centre practice.

    `dead_air_s`: neither speaks (8 s: shared/speech.md section 6). `overtalk_s`: both speak; pieces less than
    `merge_gap_s` apart are one, since pauses within words split it. An interruption: somebody begins
    `interrupt_after_s` or more after the other has begun, both speak for `interrupt_overlap_s`, the other ends first,
    within `interrupt_gives_way_s`, and the one who began goes on for `interrupt_goes_on_s` in all (a short "嗯" is
    none). `utterance_gap_s`: pauses within what is one utterance. `long_hold_s`: the caller on hold.
    """

    dead_air_s: float = 8.0
    overtalk_s: float = 0.6
    merge_gap_s: float = 1.0
    utterance_gap_s: float = 0.6
    interrupt_after_s: float = 0.5
    interrupt_overlap_s: float = 0.3
    interrupt_gives_way_s: float = 2.0
    interrupt_goes_on_s: float = 1.0
    long_hold_s: float = 60.0


@dataclass(frozen=True, slots=True)
class WordRule:
    """How words are judged.

    `opening_s`, `closing_s`: where greeting and farewell must stand. `fast_per_minute`, `slow_per_minute`: characters
    of the agent in a minute of his speech. A transcript is doubtful, and words are then not judged, where the agent
    spoke at least `doubt_after_s` by the sound and the text has fewer than `doubt_least_per_minute` or more than
    `doubt_most_per_minute` characters for each minute of it (a recogniser that heard nothing, or ran in circles), or
    where one piece of text makes up `doubt_repeats` of all. `languages`: transcripts of others are not judged.
    `sound_syllables`: words of fewer are not looked for by sound; `tone_up_to`: words of so few must agree in their
    tones too (`docs/measurements.md` has precision and recall of both).
    """

    opening_s: float = 15.0
    closing_s: float = 20.0
    fast_per_minute: float = 320.0
    slow_per_minute: float = 120.0
    pace_after_s: float = 10.0
    doubt_after_s: float = 5.0
    doubt_least_per_minute: float = 60.0
    doubt_most_per_minute: float = 600.0
    doubt_repeats: float = 0.5
    sound_syllables: int = 2
    tone_up_to: int = 2
    languages: tuple[str, ...] = ("zh",)
