"""The automatic voice follow-up as it is shown: what it does now, its figures, its tickets. No telephone number."""

from __future__ import annotations

from dataclasses import dataclass

from acd.campaign import Figures
from pbx.callback import Attempt
from pbx.ids import QueueId


@dataclass(frozen=True, slots=True)
class AskedTicket:
    """One ticket that is asked about. Times are epoch seconds; `state`, `answer` and attempts as `CallbackRequest`."""

    ticket: str
    round: int
    why: str
    queue: QueueId
    state: str
    answer: str
    asked_at: float
    next_at: float | None
    ended_at: float | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class CampaignView:
    """`on`: the hotline has one. `paused_by` empty = nobody has. `open`: within hours; `opens_at`: when next."""

    on: bool
    paused_by: str
    paused_at: float | None
    open: bool
    opens_at: float
    figures: Figures
    tickets: tuple[AskedTicket, ...]
