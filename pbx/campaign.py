"""The words of the automatic voice follow-up (自动语音回访): whom to call, and that it rests.

They are part of the unions in `pbx/events.py`, `pbx/commands.py` and `pbx/supervision.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx.callback import FOLLOW_UP_IDS
from pbx.ids import ActorId, QueueId, RequestId


def request_id(ticket: str, round_: int) -> str:
    """The id of the one request about a ticket in a round of its handling."""
    return f"{FOLLOW_UP_IDS}{ticket}r{round_}"


@dataclass(frozen=True, slots=True)
class FollowUpWanted:
    """A closed ticket about which a citizen is to be called. Caller data: his number.

    `round`: how often it had been handled again; one ticket is asked about once a round. `why`: of the list
    (`tickets.follow_up.Why`).
    """

    ticket: str
    number: str
    language: str
    queue: QueueId
    round: int
    why: str


@dataclass(frozen=True, slots=True)
class FollowUpsWanted:
    """Tickets that have come to be followed up by voice; those that are known already mean nothing."""

    wanted: tuple[FollowUpWanted, ...]
    at: float


@dataclass(frozen=True, slots=True)
class CampaignPaused:
    """A supervisor wants that nobody is called for now (`on`), or that it goes on; calls in progress go on."""

    on: bool
    by: ActorId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class CampaignRest:
    """Who has paused the campaign, and since when; `by` empty = it goes on."""

    by: ActorId
    at: float


@dataclass(frozen=True, slots=True)
class CampaignRestored:
    """As the store knew it when the controller started; before `ExchangeConnected`.

    `placed`: when calls of it were placed in the last minute before, so that the pace holds over a restart.
    """

    rest: CampaignRest
    placed: tuple[float, ...]
    at: float


@dataclass(frozen=True, slots=True)
class SaveCampaign:
    """Keep who has paused it."""

    rest: CampaignRest
