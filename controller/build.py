"""The composition root: every object of a serving hotline, made by hand, top to bottom, and taken down in reverse.

Nothing is half-started: a part that cannot start raises `StartError` with one clear sentence, and what was started
before it is stopped again.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from controller.alert_rows import NOTE as NOTE_ALERT
from controller.asterisk import ExchangeError
from controller.backend import HotlineBackend
from controller.build_alerts import AlertsPart, hooks_to_tell
from controller.build_exchange import DRAIN_S, ExchangePart
from controller.build_figures import FiguresPart
from controller.build_recordings import recording_part
from controller.build_speech import SpeechPart
from controller.campaign_runner import CampaignRunner, told_both
from controller.config import Settings
from controller.database import StoreError
from controller.debian import PrepareError
from controller.engine import Engine, WallClock, cancelled, tell_fault
from controller.event_desk import HotlineEvents
from controller.favours import remember_s, remembered
from controller.gone_units import tell
from controller.inspection_desk import HotlineInspections
from controller.journal import JournalWriter
from controller.journal_file import fresher, latest_ended, newest_records
from controller.lease import DatabaseLease, FileLease, LeaseLost, write_text
from controller.lessons import CALLS_READ, lessons
from controller.live_part import LivePart
from controller.open311 import open311_of
from controller.own_sounds import FOLDER as OWN_SOUNDS
from controller.own_sounds import OwnSounds
from controller.performer import Performer
from controller.pins import PINS, PinFile, PinRules, SignInDesk
from controller.public_desk import HotlinePublic
from controller.query_tries import QUERY_TRIES
from controller.recorded import recorded_now
from controller.recording_check import SAVE_CHECK, Inspector
from controller.recording_left import seal_left
from controller.recording_watch import RecordingWatch
from controller.records import Operations, Records
from controller.reminder_desk import HotlineReminders
from controller.reminders import Reminders
from controller.schema import upgrade
from controller.staffing_desk import StaffingProcess
from controller.start_errors import StartError, plain, reason
from controller.switchboard import Switchboard
from controller.ticket_desk import HotlineDesk
from controller.ticket_office import HotlineOffice
from controller.tokens import ACCESS, AccessFile, Holders
from controller.transcript_desk import HotlineTranscripts
from controller.transcripts import SPOOLABLE
from controller.voices import Voices
from controller.writer import Store
from metrics.prometheus import HotlineMetrics, watch_loop
from metrics.recordings import RecordingMetrics
from metrics.servicelevel import Tally
from pbx.ami import AmiError
from pbx.call import CallRecord
from pbx.events import CallbacksRestored, CallsRestored, Event
from pbx.ids import CallId
from pbx.memory import DeskNoticesRestored
from pbx.notice import IncidentOver, NoticesRestored
from pbx.supervision import OverridesRestored
from recordings.budget import AfterShare
from recordings.checks import Finding
from tickets.files import AttachmentFiles
from web.token import TokenError, load_or_make_token

if TYPE_CHECKING:
    from controller.peers import PeerExchange

log = logging.getLogger(__name__)

LOCK_FILE = "lock"
"""In the data folder: held, and naming the process, as long as a hotline serves from it."""

LOGIN_S = 30.0
"""How long Asterisk may take to accept the manager login."""


class Hotline:
    """A serving hotline: `start`, then `ended` tells when it cannot go on, then `stop`."""

    def __init__(
        self,
        settings: Settings,
        var: Path,
        progress: Callable[[str], None],
        *,
        leave_asterisk: bool = False,
        standby: bool = False,
    ) -> None:
        """`standby`: when another one serves, wait until it has ended, and take over."""
        self.settings = settings
        self.standby = standby
        self.var = var
        self.progress = progress
        self.clock = WallClock()
        self.url = ""
        self._stack = contextlib.AsyncExitStack()
        self._tasks: set[asyncio.Task[object]] = set()
        self._failed: asyncio.Future[str] | None = None
        self.asterisk = ExchangePart(
            settings, var, progress, self.clock, run=self._run, stack=self._stack, leave=leave_asterisk
        )

    # ---------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Start everything, or nothing. Raises `StartError`.

        An Asterisk that ran already (its calls go on without a controller) runs on when the start fails; it ends only
        when somebody wanted the end.
        """
        self._failed = asyncio.get_running_loop().create_future()
        try:
            await self._start()
        except asyncio.CancelledError:
            await self.stop()
            raise
        except Exception as error:
            if self.asterisk.exchange is not None and self.asterisk.exchange.adopted:
                self.asterisk.leave = True
            await self.stop()
            if isinstance(error, StoreError | PrepareError | ExchangeError | AmiError | TokenError):
                raise StartError(str(error)) from error
            if isinstance(error, OSError):
                raise StartError(plain(error)) from error
            raise

    async def ended(self) -> str:
        """Wait until the hotline cannot go on; the reason, one sentence."""
        assert self._failed is not None
        return await self._failed

    async def stop(self) -> None:
        """Stop everything that was started, in reverse order."""
        await self._stack.aclose()

    async def _start(self) -> None:
        settings, plan = self.settings, self.settings.plan
        data = settings.data
        await self._lease(data)
        self._check_web_port()
        token = load_or_make_token(data / "api-token")
        supervisors = {one: load_or_make_token(data / "tokens" / one) for one in plan.supervisors}

        self.progress("database")
        await asyncio.to_thread(upgrade, settings.database_url)
        newest = await asyncio.to_thread(newest_records, data / "journal")
        journal = JournalWriter(data / "journal", configuration=plan.version, zone=plan.timezone)
        journal.start()
        self._stack.push_async_callback(asyncio.to_thread, journal.stop)
        operations = Operations(settings.tickets)
        store = Store(
            settings.database_url,
            spool=data / "spool.jsonl",
            operations=(*operations.spoolable(), *SPOOLABLE, SAVE_CHECK, FiguresPart.operation, NOTE_ALERT),
            before_commit=journal.flush,
        )
        await store.start()
        self._stack.push_async_callback(store.stop)
        records = Records(store, operations)
        reminded = HotlineReminders(store)
        reminders = Reminders(store, settings.tickets, self.clock, reminded.tell)
        campaign = CampaignRunner(
            store, settings.raw.citizens.follow_up, settings.campaign, self.clock, lambda event: engine.post(event)
        )

        records.on_ticket, records.on_opened = told_both(reminders.note, campaign.note), reminders.opened
        records.on_changed = told_both(reminders.look_at, campaign.look_at)
        self._run(tell(settings, store, self.clock))

        exchange = await self.asterisk.open()
        switchboard = Switchboard(plan)
        metrics = HotlineMetrics(tuple(plan.queues))
        tally = Tally()
        performer = Performer(
            exchange=exchange.door,
            records=records,
            metrics=metrics,
            tally=tally,
            spool=exchange.recordings,
            recordings=data / "recordings",
            timezone=plan.timezone,
            clock=self.clock,
        )
        live_words = LivePart(
            settings,
            self.var,
            switchboard.house,
            perform=exchange.door.perform,
            post=lambda event: engine.post(event),
            clock=self.clock,
            metrics=metrics,
        )
        speech = SpeechPart(settings, self.var, data / "recordings", store, records, self.clock)
        transcripts = await speech.open(metrics, AfterShare(live_words.budget))
        performer.sealed = transcripts.sealed
        ours = self.asterisk.exchange
        sounds = ours.settings.instance / "data/sounds" if ours is not None else None
        own_sounds = OwnSounds(data / OWN_SOUNDS, sounds)
        await asyncio.to_thread(own_sounds.publish)
        citizens = settings.raw.citizens
        queries = HotlinePublic(
            records,
            load_or_make_token(data / "query-key"),
            settings.tickets,
            self.clock,
            citizens.queries,
            data / QUERY_TRIES,
        )
        performer.look_up = queries.by_phone
        figures = RecordingMetrics(metrics.registry, Finding)
        house = switchboard.house
        watch = RecordingWatch(exchange.recordings, lambda: recorded_now(house), figures, self.clock)
        performer.inspector = Inspector(
            store, records, figures, self.clock, healthy=lambda: watch.healthy, gaps=watch.gaps
        )
        events = HotlineEvents(
            store,
            settings.tickets,
            self.clock,
            lambda id: engine.post(IncidentOver(id, self.clock())),
            citizens.repeats,
            citizens.follow_up,
            changed=records.changed,
        )
        files = AttachmentFiles(data / "attachments")
        peers = await self._peers(records, files)
        tickets = HotlineDesk(records, settings.tickets, plan.agents, self.clock, files)
        if left := await asyncio.to_thread(files.left):
            self._run(tickets.settle_files(left))
        kept = await recording_part(settings, store, performer, transcripts, self.clock)
        words = HotlineTranscripts(store, settings.tickets, self.clock)
        records.on_transcript = words.saved
        backend = HotlineBackend(
            house=switchboard.house,
            records=records,
            performer=performer,
            tally=tally,
            door=exchange.door,
            recordings=kept.desk,
            desk=tickets,
            events=events,
            public=queries,
            office=HotlineOffice(records, peers, self.clock),
            reminders=reminded,
            words=words,
            clock=self.clock,
            own_sounds=own_sounds,
        )
        measured = await FiguresPart.open(settings, store, house, self.clock)
        watched = AlertsPart(settings, store, house, self.clock, transcripts.backlog, exchange.door)
        watched.feed(performer, measured.shifts, backend)
        observers = [backend.stepped, live_words.stepped, lambda _: measured.stepped()]
        if settings.raw.recording.voices:
            observers.append(Voices(house, exchange.door.perform, self.clock).stepped)

        engine = Engine(switchboard, journal, performer.perform, self.clock, *observers)
        performer.post = engine.post

        def from_exchange(event: Event) -> None:
            metrics.event_lag(max(0.0, self.clock() - event.at))
            engine.post(event)

        exchange.post = from_exchange
        codes = settings.raw.phone_codes
        pins = SignInDesk(
            PinFile(data / PINS),
            plan.agents,
            engine.post,
            self.clock,
            PinRules(codes.pin_tries, codes.pin_lock_s),
        )
        exchange.codes = pins.take
        self._stack.push_async_callback(pins.close)
        performer.on_ended = backend.ended
        backend.capture = performer.inspector
        backend.engine = engine

        today = datetime.fromtimestamp(self.clock(), ZoneInfo(plan.timezone)).replace(hour=0, minute=0, second=0)
        todays = await records.calls(today.timestamp(), self.clock() + 1.0)
        backend.restore(todays)
        earlier = await records.calls(self.clock() - remember_s(plan), self.clock() + 1.0)
        engine.post(remembered(earlier, await records.listings(), self.clock()))
        opened = {record.call: record for record in await records.open_calls()}
        newer: list[CallRecord] = []
        if newest:
            since = min(record.arrived_at for record in newest.values())
            newer = fresher(newest, await records.calls(since, self.clock() + 1.0))
            for record in newer:
                opened[record.call] = record
                records.save_call(record)
        engine.post(DeskNoticesRestored(await records.desk_notices(), self.clock()))
        live_then = tuple(record for record in opened.values() if record.ended_at is None)
        engine.post(await campaign.restore())
        engine.post(CallbacksRestored(tuple(await records.open_callbacks()), self.clock()))
        engine.post(CallsRestored(live_then, self.clock(), latest_ended([*todays, *newest.values()])))
        skills, queues = await records.overrides()
        if skills or queues:
            engine.post(OverridesRestored(skills, queues, self.clock()))

        held, registered = await records.open_notices()
        if held:
            engine.post(NoticesRestored(held, registered, self.clock()))

        inspections = HotlineInspections.of(settings, store, self.clock, kept.archive, metrics.registry)
        self._run(inspections.run())
        # Taken down in reverse: calls end, the engine takes what came of that, their recordings are sealed. What waits
        # for its transcript then stands in the store.
        self._run(transcripts.run())
        self._run(live_words.run())
        self._stack.push_async_callback(performer.close, DRAIN_S)
        self._stack.callback(measured.close)
        self._run(engine.run(), fatal=True)
        self._run(reminders.run())
        self.progress("exchange: log in")
        self._run(exchange.door.run(), fatal=True)
        if not await exchange.door.wait_ready(LOGIN_S):
            raise StartError(f"no Asterisk let us log in within {LOGIN_S:.0f} s at {exchange.advice}")
        self._run(events.go_on([one.of for one in held if one.of]))
        live = switchboard.house.calls
        performer.recover(lambda call: CallId(call) in live)
        self._run(seal_left(store, performer, exchange.recordings, self.clock))
        # Not before: callers are served without it, and it makes only their estimates better.
        engine.post(lessons(await records.lessons(CALLS_READ), newer, plan, self.clock()))
        self._run(kept.archivist.run())
        self._run(measured.run())
        self._run(watch_loop(metrics))
        self._run(watch.run())
        if plan.campaign.on:
            self._run(campaign.run())
        hooks = hooks_to_tell(settings)
        self._run(watched.keeper.run())
        self._run(watched.send(hooks))
        if hooks:
            told = await asyncio.to_thread(importlib.import_module, "controller.webhooks")
            self._run(told.Webhooks(hooks, records, self.clock).run())
        self._stack.push_async_callback(self.asterisk.end_calls, exchange.door, engine)

        self.progress("web")
        # Only now: its libraries take longer to load than all else, and until here callers waited for us.
        pages = await asyncio.to_thread(importlib.import_module, "web.app")
        desk = await asyncio.to_thread(importlib.import_module, "controller.knowledge")
        knowledge = desk.KnowledgeDesk(store, settings.knowledge, settings.tickets, self.clock)
        self._run(knowledge.keep())
        await live_words.suggest_with(knowledge.search)
        self._run(words.keep())
        searching = settings.raw.knowledge
        app = pages.create_app(
            backend,
            token=token,
            metrics=metrics,
            clock=self.clock,
            supervisors=supervisors,
            holders=Holders(AccessFile(data / ACCESS)),
            geo=open311_of(settings.raw.open311),
            proxies=settings.raw.web.proxies,
            knowledge_desk=knowledge,
            inspection_desk=inspections,
            live_words_desk=live_words if live_words.on else None,
            transcript_jobs_desk=speech.desk(transcripts),
            figures_desk=measured.desk(),
            alerts_desk=watched.keeper,
            staffing_desk=StaffingProcess(settings),
            public_rate=pages.RateRules(
                searching.public_burst, searching.public_per_minute, searching.public_all_per_s
            ),
        )
        web = settings.raw.web
        try:
            server = await pages.serve(app, web.host, web.port)
        except OSError as error:
            raise self._web_port_taken(error) from error
        self._stack.push_async_callback(server.close)
        self.url = server.url
        for queue in backend.overview().queues:
            if queue.unserved:
                log.warning(
                    "nobody is signed in for %s (%s): its callers wait until somebody is",
                    queue.queue,
                    queue.name_zh,
                    extra={"action": "queue.unserved"},
                )
        self._stack.callback((data / "web-address").unlink, missing_ok=True)
        write_text(data / "web-address", server.url + "\n")

    async def _lease(self, data: Path) -> None:
        """Make the data folder and take it, and a shared database, for this process alone, until it ends in any way.

        Two controllers on one folder would write each other's files and fight over one Asterisk.
        """
        data.mkdir(mode=0o755, parents=True, exist_ok=True)  # noqa: ASYNC240 - before anything else is served
        lease = FileLease(data / LOCK_FILE)
        self._stack.callback(lease.close)
        if not lease.take():
            holder = lease.holder or "unknown"
            if not self.standby:
                raise StartError(
                    f"another hotline (process {holder}) serves from {data}; "
                    "end it first, name another folder as [hotline] data, or stand by for it with --standby"
                )
            await asyncio.to_thread(importlib.import_module, "web.app")  # be warm when the time comes
            self.progress(f"standing by; process {holder} serves")
            await lease.wait()
            self.progress("taking over")
        self._run(lease.keep())
        (data / "web-address").unlink(missing_ok=True)  # of a process that was killed
        if not DatabaseLease.fits(self.settings.database_url):
            return
        shared = DatabaseLease(self.settings.database_url)
        self._stack.push_async_callback(asyncio.to_thread, shared.close)
        if not await asyncio.to_thread(shared.take):
            if not self.standby:
                raise StartError(
                    "another hotline serves from this database; end it first, or stand by for it with --standby"
                )
            self.progress("standing by; another machine serves")
            await shared.wait()
            self.progress("taking over")
        self._run(shared.keep(), fatal=True)

    def _check_web_port(self) -> None:
        """Notice a taken port before anything is started; `serve` is the one that gets it, or not, in the end."""
        web = self.settings.raw.web
        try:
            found = socket.getaddrinfo(web.host, web.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in found:
                with socket.socket(family, kind, protocol) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(address)
        except OSError as error:
            raise self._web_port_taken(error) from error

    def _web_port_taken(self, error: OSError) -> StartError:
        web = self.settings.raw.web
        return StartError(
            f"the web port {web.host}:{web.port} cannot be used ({reason(error)}); "
            "stop the other program, or set [web] host and port"
        )

    def _run(self, work: object, *, fatal: bool = False) -> asyncio.Task[object]:
        """Run a task until `stop`; a `fatal` one that ends by itself ends the hotline, another's fault is logged."""
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._over if fatal else tell_fault)

        async def end() -> None:
            self._tasks.discard(task)
            if task.done():
                return  # what became of it was told
            with contextlib.suppress(AmiError, LeaseLost):
                await cancelled(task)

        self._stack.push_async_callback(end)
        return task

    def _over(self, task: asyncio.Task[object]) -> None:
        if not task.cancelled() and self._failed is not None and not self._failed.done():
            error = task.exception()
            # Another error's own words may hold a caller's data.
            told = str(error) if isinstance(error, AmiError | LeaseLost) else f"a fault of ours: {type(error).__name__}"
            self._failed.set_result(told if error else "the connection to Asterisk has ended")

    # ---------------------------------------------------------------- parts

    async def _peers(self, records: Records, files: AttachmentFiles) -> PeerExchange | None:
        """The exchange with other installations, where there is one."""
        section = self.settings.raw.exchange
        if section.name is None or not section.peers:
            return None
        # Only where there are peers: its libraries take long to load, and callers wait for this start.
        others = await asyncio.to_thread(importlib.import_module, "controller.peers")
        try:
            peers, rules = await asyncio.to_thread(others.peers_of, section, self.settings.file.parent)
        except ValueError as error:
            raise StartError(str(error)) from None
        taken = others.FileDesk(files, self.settings.tickets)
        exchange: PeerExchange = others.PeerExchange(section.name, peers, records, self.clock, taken, rules)
        await exchange.start()
        self._stack.push_async_callback(exchange.stop)
        return exchange
