"""What the phones saw, call by call: facts only. Times are epoch seconds; None = has not happened."""

from __future__ import annotations

from dataclasses import dataclass, field

MENU, DIRECT = "12345", "12328"
"""The drill's two numbers: with a menu, and straight to a queue."""


@dataclass(slots=True)
class Ring:
    """One INVITE that an agent's phone got, and what became of it."""

    agent: str
    number: str  #: the caller's number, by which a call is found
    invited_at: float
    call: str = ""  #: the exchange's id of the call
    answered_at: float | None = None  #: the phone said 200
    heard_at: float | None = None  #: he heard the caller: they talk
    hung_up_at: float | None = None  #: the agent himself ended it
    ended_at: float | None = None
    declined: bool = False  #: he refused, or let it ring: the next agent is right to be asked

    @property
    def talked(self) -> bool:
        """Whether there was a talk."""
        return self.heard_at is not None


@dataclass(slots=True)
class Placed:
    """One call as its caller saw it."""

    number: str
    dialled: str
    placed_at: float
    answered_at: float | None = None  #: by the exchange
    keyed_at: float | None = None  #: the last key of his menu
    hung_up_at: float | None = None  #: he himself ended it
    ended_at: float | None = None
    failed: str = ""  #: why he was not even answered
    silence_s: float = 0.0  #: longest time without a sound while he waited
    gap_s: float = 0.0  #: longest time without a packet while he talked

    @property
    def direct(self) -> bool:
        """Whether he dialled the number without a menu: he hears music from the beginning."""
        return self.dialled == DIRECT


@dataclass(slots=True)
class Outage:
    """A time in which the hotline was hurt."""

    kind: str
    begin: float
    end: float | None = None  #: it serves again
    owned_s: float | None = None  #: from the new process's start until it owned every live call
    seen_s: float | None = None  #: from the new process's start until its API showed every live call in its place
    unowned: list[str] = field(default_factory=list)  #: numbers of live calls that it did not know
    live: int = 0  #: calls that lived when it came back


@dataclass(frozen=True, slots=True)
class Kept:
    """One call as the hotline's own records have it."""

    number: str
    call: str
    dialled: str
    queue: str | None
    arrived_at: float
    queued_at: float | None
    joined_at: float | None
    released_at: float | None
    ended_at: float | None
    outcome: str | None
    agent: str | None
    in_net: bool


@dataclass(slots=True)
class Ledger:
    """Everything of one drill."""

    placed: list[Placed] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    never_back: bool = False  #: after a fault it served no more
    signed_out: list[tuple[float, str, str]] = field(default_factory=list)  #: agents found away who had not left
