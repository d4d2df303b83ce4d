"""The words of incident notices (突发事件通知): what all who wait are told, and who wants to be told the end.

They are part of the unions in `pbx/events.py`, `pbx/commands.py` and `pbx/supervision.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx.ids import ActorId, CallId, QueueId, RequestId


@dataclass(frozen=True, slots=True)
class Incident:
    """A notice: `kind` and `area` name prompts (``notice-KIND``, ``area-AREA``; no area = it is not said).

    It is for the callers of `queue` (None = of every queue) who dialled `number` (None = any). `until`: epoch seconds,
    said to them, and the end of the notice; None = until somebody ends it. `press`: they may press 1 to be told when it
    is over. `ended_by` is empty while it holds. `of`: the mass incident of tickets with which it ends, or none.
    """

    id: str
    kind: str
    area: str
    queue: QueueId | None
    number: str | None
    until: float | None
    press: bool
    by: ActorId
    given_at: float
    ended_at: float | None = None
    ended_by: str = ""
    sounds: tuple[tuple[str, str], ...] = ()  #: the hotline's own words, by language; they are said instead of prompts
    of: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """A caller who wants to be told when the incident is over. Caller data: his number."""

    notice: str
    number: str
    language: str
    queue: QueueId
    call: CallId
    at: float


@dataclass(frozen=True, slots=True)
class NoticeGiven:
    """A supervisor wants a notice said at once; the fields as in `Incident`."""

    kind: str
    area: str
    queue: QueueId | None
    number: str | None
    until: float | None
    press: bool
    by: ActorId
    request: RequestId
    at: float
    sounds: tuple[tuple[str, str], ...] = ()
    of: str = ""


@dataclass(frozen=True, slots=True)
class NoticeEnded:
    """A supervisor says that the incident is over."""

    id: str
    by: ActorId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class IncidentOver:
    """The mass incident `of` is closed: every notice about it ends, and whoever registered is told."""

    of: str
    at: float


@dataclass(frozen=True, slots=True)
class NoticeRegistered:
    """The store has committed the registration that `call` asked for: it may be promised."""

    notice: str
    call: CallId
    at: float


@dataclass(frozen=True, slots=True)
class NoticesRestored:
    """Notices that hold, and who wants to hear of their end, as the store knew them; before `ExchangeConnected`."""

    notices: tuple[Incident, ...]
    registered: tuple[Registration, ...]
    at: float


@dataclass(frozen=True, slots=True)
class SaveNotice:
    """Keep a notice as it is now."""

    notice: Incident


@dataclass(frozen=True, slots=True)
class SaveRegistration:
    """Keep who wants to be told; `NoticeRegistered` follows after the commit."""

    registration: Registration
