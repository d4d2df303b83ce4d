"""When a call is recorded and for how long the recording is kept.

Rules of law behind the defaults: a citizen must be told before he is recorded and what for (个人信息保护法
art. 17), and personal information is kept for the shortest time its purpose needs (art. 19). The purpose
here is evidence of what was asked and promised, so the default is the general limitation period of three
years (民法典 art. 188). A hotline with another rule changes the configuration, not the code.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

THREE_YEARS_DAYS = 1095
LONGEST_PAUSE_S = 120.0
"""Long enough to read out a card's number twice and its holder's name; a choice of this project."""


class StartAt(StrEnum):
    """The moment from which a call is recorded."""

    ANSWER = "answer"
    """From the hotline's answer on, the recording notice itself included."""
    AFTER_CONSENT = "after_consent"
    """From the end of the recording notice on."""


class Milestone(StrEnum):
    """What has happened on a call so far, as far as recording is concerned."""

    ARRIVED = "arrived"
    """The hotline has answered the call."""
    CONSENT_HEARD = "consent_heard"
    """The recording notice was played to its end."""
    CONSENT_CUT = "consent_cut"
    """The caller pressed a key during the notice: he was told, and went on."""
    TALK_BEGAN = "talk_began"
    """Caller and agent were joined."""


@dataclass(frozen=True, slots=True)
class RecordingPolicy:
    """A hotline's rule for recording.

    `record`: whether calls are recorded at all. `consent_required`: a call whose caller was not given the
    notice is not recorded. `start`: from when. `keep_days`, `transcript_keep_days`: whole days from the
    recording's start until it may be erased.

    Raises ValueError if it contradicts itself: recording from the answer begins before any notice, so it
    cannot be joined with `consent_required`.
    """

    record: bool = True
    consent_required: bool = True
    start: StartAt = StartAt.AFTER_CONSENT
    keep_days: int = THREE_YEARS_DAYS
    transcript_keep_days: int = THREE_YEARS_DAYS

    def __post_init__(self) -> None:
        """Refuse a rule that cannot be obeyed."""
        object.__setattr__(self, "start", StartAt(self.start))
        if self.record and self.consent_required and self.start is StartAt.ANSWER:
            raise ValueError('start = "answer" records before the notice: it needs consent_required = false')
        for name in ("keep_days", "transcript_keep_days"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1 day")


_TOLD = frozenset({Milestone.CONSENT_HEARD, Milestone.CONSENT_CUT})


def recording_due(policy: RecordingPolicy, milestones: AbstractSet[Milestone]) -> bool:
    """Whether a call that has reached these milestones is to be recorded from now on.

    Ask after each new milestone until recording has begun; the answer never goes back from True to False.
    Where the notice is not required, a call that skipped it (direct mode) is recorded from the talk on.
    """
    if not policy.record or Milestone.ARRIVED not in milestones:
        return False
    if policy.start is StartAt.ANSWER:
        return True
    if _TOLD & milestones:
        return True
    return not policy.consent_required and Milestone.TALK_BEGAN in milestones


class PauseCause(StrEnum):
    """Why a recording is paused: digital silence is written, and the time line goes on."""

    AGENT = "agent"
    """The agent who has the call asked for it."""
    SUPERVISOR = "supervisor"
    """A supervisor asked for it."""
    KEYS = "keys"
    """The caller is asked for keys that are nobody else's business: a card, an identity document, a proof."""


class PauseEnd(StrEnum):
    """Why a paused recording goes on."""

    ASKED = "asked"
    """Somebody asked for it."""
    ANSWERED = "answered"
    """The private question was answered, or the caller is asked or told something else."""
    LEFT = "left"
    """The agent during whose talk it was paused has the call no more: hung up, transferred, back to the line."""
    LONGEST = "longest"
    """It was paused for as long as may be."""
    CALL_ENDED = "call_ended"
    """The caller hung up."""
    UNSEEN = "unseen"
    """It went on while no controller saw it."""


@dataclass(frozen=True, slots=True)
class PausePolicy:
    """A hotline's rule for pauses. What need not be known for the purpose must not be kept (个人信息保护法 art. 6), and
    card and identity numbers are sensitive (art. 28); a recording that somebody can silence at will is no evidence.

    `private_keys`: pause while private keys are asked for. `agents`: agents may pause. `longest_s`: seconds after which
    a pause ends by itself. Raises ValueError for a longest pause that is none.
    """

    private_keys: bool = True
    agents: bool = True
    longest_s: float = LONGEST_PAUSE_S

    def __post_init__(self) -> None:
        """Refuse a pause that would never begin, or never end."""
        if not 1.0 <= self.longest_s <= 3600.0:
            raise ValueError("longest_s must be between 1 and 3600 seconds")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a call stands, as far as pauses are concerned.

    `private_question`: the newest thing that the caller was told is a question for private keys, and he has not
    answered. `talkers`: the agents who have the call, talking or with the caller on hold.
    """

    private_question: bool = False
    talkers: frozenset[str] = frozenset()


def may_pause(policy: PausePolicy, cause: PauseCause) -> bool:
    """Whether the hotline lets this cause pause a recording."""
    return {PauseCause.AGENT: policy.agents, PauseCause.KEYS: policy.private_keys}.get(cause, True)


def pause_over(
    policy: PausePolicy, cause: PauseCause, agent: str, began_at: float, standing: Standing, now: float
) -> PauseEnd | None:
    """Why a pause that began at `began_at` is over at `now` (epoch seconds); None while it goes on.

    It lives only as long as what it was for, so that nothing has to remember to end it: a private question until it is
    answered or another step is commanded, a person's until `agent`, in whose talk it began, has the call no more.
    """
    if now >= began_at + policy.longest_s:
        return PauseEnd.LONGEST
    if cause is PauseCause.KEYS:
        return None if standing.private_question else PauseEnd.ANSWERED
    return None if agent in standing.talkers else PauseEnd.LEFT


def erase_on(policy: RecordingPolicy, started_at: datetime) -> datetime:
    """The instant from which the recording of a call begun at `started_at` may be erased."""
    return started_at + timedelta(days=policy.keep_days)


def transcript_erase_on(policy: RecordingPolicy, started_at: datetime) -> datetime:
    """The instant from which the transcript of a call recorded at `started_at` may be erased."""
    return started_at + timedelta(days=policy.transcript_keep_days)
