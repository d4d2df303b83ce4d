"""Live figures and alerts as a part of a serving hotline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from zoneinfo import ZoneInfo

from controller.alert_keeper import AlertKeeper
from controller.backend import HotlineBackend
from controller.config import Settings
from controller.config_alerts import mail_password
from controller.config_webhooks import hooks_of
from controller.house import House
from controller.live_board import LiveBoard
from controller.performer import Performer
from controller.shifts import ShiftKeeper
from controller.start_errors import StartError
from controller.writer import Store
from pbx.ami import AmiDoor, AmiError
from pbx.wire import WireError
from tickets.webhook import Hook


def hooks_to_tell(settings: Settings) -> dict[str, Hook]:
    """The webhooks of the configuration, for moves of tickets and for alerts. Raises `StartError`. Blocks."""
    try:
        return hooks_of(settings.raw.webhooks, settings.file.parent)
    except OSError as error:
        raise StartError(f"[[webhooks]] secret_file cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"[[webhooks]] {error}") from error


def unreachable(lines: Iterable[str]) -> bool | None:
    """What Asterisk says of the carrier's contact (``Avail``, ``Unavail``); None while it has not asked it yet."""
    for words in (line.split() for line in lines):
        if len(words) > 3 and words[0] == "Contact:" and words[1].startswith("carrier/"):
            return {"Unavail": True, "Avail": False}.get(words[3])
    return None


class AlertsPart:
    """`board` is told of calls and intervals from the first on; `keeper` and `sender` run once people are served."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        house: House,
        clock: Callable[[], float],
        transcripts: Callable[[], Awaitable[tuple[int, float | None]]],
        door: AmiDoor,
    ) -> None:
        from metrics.definitions.catalogue import measure

        plan, policy = settings.alerts, settings.tickets
        self._door = door
        self._settings, self._store, self._clock = settings, store, clock
        self._zone = ZoneInfo(settings.plan.timezone)
        measures = [measure(name) for name in plan.definitions]
        self.board = LiveBoard(measures, self._zone, plan.shifts, policy.city_of, plan.teams)
        self.keeper = AlertKeeper(
            plan, self.board, house, policy, store, clock,
            transcripts=transcripts if settings.raw.speech.transcribe else None,
            trunk_down=self._trunk_down if settings.raw.trunk is not None and settings.raw.trunk.qualify_s else None,
        )  # fmt: skip

    async def _trunk_down(self) -> bool | None:
        """Whether the carrier leaves OPTIONS unanswered; None = not known just now."""
        try:
            lines = await self._door.command("pjsip show aor carrier")
        except (AmiError, TimeoutError, WireError):
            return None
        return unreachable(lines)

    def feed(self, performer: Performer, shifts: ShiftKeeper, backend: HotlineBackend) -> None:
        """Be told of calls and intervals from now on, and tell the pages. Raises `StartError`."""
        performer.on_record, shifts.on_interval = self.board.record, self.board.interval
        self.keeper.on_change = backend.touch
        self._password()

    async def send(self, hooks: Mapping[str, Hook]) -> None:
        """Tell the receivers until cancelled."""
        plan, section = self._settings.alerts, self._settings.raw.alerts.mail
        if not plan.receivers:
            return
        # Only where somebody is told: its libraries take long to load.
        from controller.alert_sender import AlertSender, Words

        password = await asyncio.to_thread(self._password)
        keeper = self.keeper
        words = Words(keeper.said, keeper.city, {one.name: one for one in plan.rules}, self._zone)
        receivers = {one.id: one for one in plan.receivers}
        await AlertSender(receivers, hooks, section, password, self._store, words, self._clock).run()

    def _password(self) -> str:
        """The mail server's. Raises `StartError`."""
        section = self._settings.raw.alerts.mail
        if section is None:
            return ""
        try:
            return mail_password(section, self._settings.file.parent)
        except OSError as error:
            raise StartError(f"[alerts.mail] password_file cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise StartError(f"[alerts.mail] {error}") from error
