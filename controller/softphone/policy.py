"""What a scripted phone does by itself with an incoming call, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AnswerPolicy", "PhoneStats"]


@dataclass(frozen=True, slots=True)
class AnswerPolicy:
    """What a phone does with an incoming call by itself.  Times in seconds after the INVITE.

    `answer_after` or `reject_after` None: never; `ring`: say 180 at once.
    """

    ring: bool = True
    answer_after: float | None = None
    reject_after: float | None = None
    status: int = 486

    @classmethod
    def manual(cls) -> AnswerPolicy:
        """Ring and wait for the script."""
        return cls()

    @classmethod
    def auto(cls, after_s: float = 0.0, ring: bool = True) -> AnswerPolicy:
        """Answer after so many seconds, after a 180 or without."""
        return cls(ring, answer_after=after_s)

    @classmethod
    def no_answer(cls) -> AnswerPolicy:
        """Ring for ever."""
        return cls()

    @classmethod
    def silent(cls) -> AnswerPolicy:
        """Say 100 Trying and nothing more."""
        return cls(ring=False)

    @classmethod
    def reject(cls, status: int, after_s: float = 0.0) -> AnswerPolicy:
        """Refuse with a status; after ringing, if `after_s` is more than nothing."""
        return cls(after_s > 0, reject_after=after_s, status=status)

    @classmethod
    def busy(cls) -> AnswerPolicy:
        """486 Busy Here."""
        return cls.reject(486)

    @classmethod
    def decline(cls) -> AnswerPolicy:
        """603 Decline."""
        return cls.reject(603)


@dataclass(frozen=True, slots=True)
class PhoneStats:
    """Counts since the start."""

    malformed: int
    """SIP datagrams dropped because they cannot be read."""
    stray: int
    """SIP responses to nothing that we asked."""
    retransmitted: int
    """SIP messages that we had to send again."""
    malformed_rtp: int
    foreign_rtp: int
    """RTP packets that came from another port than agreed."""
    unsent_rtp: int
    skipped_frames: int
    """20 ms frames left out by the clock shared by all phones of the loop, because the process was late."""
