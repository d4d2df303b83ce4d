"""The HTTP application, put together.

Routes and what each asks of its client, headers, access log, and a server.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from metrics.prometheus import HotlineMetrics
from metrics.servicelevel import DEFINITIONS, Definition
from pbx.ids import ActorId
from tickets.georeport import Open311
from web import (
    agents,
    alerts,
    attachments,
    calendar,
    callbacks,
    callers,
    calls,
    campaign,
    exchange,
    figures,
    follow_ups,
    holds,
    inspections,
    knowledge,
    knowledge_page,
    live,
    live_words,
    notices,
    open311,
    openapi,
    ownership,
    public,
    recording_pauses,
    recordings,
    registers,
    reminders,
    repeats,
    scrape,
    staffing,
    static,
    streams,
    supervise,
    ticket_files,
    ticket_query,
    tickets,
    transcript_jobs,
    transcripts,
    voice_messages,
)
from web.alerts_desk import AlertsDesk
from web.auth import ACCESS, GUARD, HOLDERS, Access, Guard, Holders, NoHolders, ViewFrom, auth_middleware
from web.backend import Backend
from web.described import described
from web.errors import Handler, errors_middleware
from web.figures_desk import FiguresDesk
from web.gone import gone_middleware
from web.inspection_desk import InspectionDesk
from web.inspection_guard import INSPECTIONS
from web.keys import BACKEND, CLOCK, KNOWLEDGE, LIMITS, PROXIES, WebLimits
from web.knowledge_backend import KnowledgeBackend
from web.live_words_desk import LiveWordsDesk
from web.rate import RateLimit, RateRules
from web.shape import answer
from web.staffing_desk import StaffingDesk
from web.transcript_jobs_desk import TranscriptJobsDesk
from web.wire import Runner

_CALL = "/api/calls/{call:[A-Za-z0-9][A-Za-z0-9._-]{0,63}}"
_AGENT = "/api/agents/{agent:[A-Za-z0-9][A-Za-z0-9_-]{0,31}}"
_QUEUE = "/api/queues/{queue:[a-z0-9][a-z0-9-]{0,31}}"
_INCIDENT = "/api/incidents/{id:i[0-9]{1,20}}"
_TURN = "{n:[0-9]{1,6}}"
_TICKET = "/api/tickets/{number:[0-9]{1,32}}"
_HOLD = "holds/{hold:h-[0-9a-f]{16}}"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: only our own files, no inline script, nobody may frame the pages."""


@described(gives={"ok": bool, "exchange": bool, "recording": bool, "archive": str})
async def show_health(request: web.Request) -> web.Response:
    """GET /healthz: this process serves.

    Whether the exchange is connected, whether live recordings are being written, and whether their archive answers
    (``off``, ``there``, ``away``), is told, and is no reason to kill it.
    """
    backend = request.app[BACKEND]
    figures = backend.recordings.state()
    archive = ("away" if figures["away"] else "there") if figures["on"] else "off"
    connected, written = backend.overview().connected, backend.capture.healthy
    return answer({"ok": True, "exchange": connected, "recording": written, "archive": archive})


def _routes() -> list[tuple[str, str, Handler, Access]]:
    return [
        ("GET", "/", static.show_first_page, Access.OPEN),
        ("GET", "/static/{name:[a-z0-9_-]+[.][a-z]+}", static.show_file, Access.OPEN),
        ("GET", "/healthz", show_health, Access.OPEN),
        ("GET", "/api/openapi.json", openapi.show_document, Access.OPEN),
        ("GET", "/metrics", scrape.show_metrics, Access.VIEW),
        ("GET", "/api/overview", live.show_overview, Access.VIEW),
        ("GET", "/api/live", live.show_live, Access.VIEW),
        ("POST", f"{_AGENT}/sign-in", agents.sign_in, Access.TOKEN),
        ("POST", f"{_AGENT}/ready", agents.ready, Access.TOKEN),
        ("POST", f"{_AGENT}/not-ready", agents.not_ready, Access.TOKEN),
        ("POST", f"{_AGENT}/wrap-up", agents.wrap_up, Access.TOKEN),
        ("POST", f"{_AGENT}/sign-out", agents.sign_out, Access.TOKEN),
        ("POST", f"{_AGENT}/third-party", agents.third_party, Access.TOKEN),
        ("POST", f"{_AGENT}/hold", agents.hold, Access.TOKEN),
        ("POST", f"{_AGENT}/resume", agents.resume, Access.TOKEN),
        ("POST", f"{_AGENT}/cancel", agents.resume, Access.TOKEN),
        ("POST", f"{_AGENT}/transfer", agents.transfer, Access.TOKEN),
        ("POST", f"{_AGENT}/consult", agents.consult, Access.TOKEN),
        ("POST", f"{_AGENT}/complete", agents.complete, Access.TOKEN),
        ("POST", f"{_AGENT}/drop", agents.drop, Access.TOKEN),
        ("POST", f"{_AGENT}/hand-over", agents.hand_over, Access.TOKEN),
        ("POST", f"{_AGENT}/dial", agents.dial, Access.TOKEN),
        ("POST", f"{_AGENT}/digits", agents.digits, Access.TOKEN),
        ("POST", f"{_AGENT}/mute", agents.mute, Access.TOKEN),
        ("POST", f"{_AGENT}/unmute", agents.unmute, Access.TOKEN),
        ("GET", "/api/caller-list", callers.show_list, Access.TOKEN),
        ("POST", "/api/caller-list", callers.put_caller, Access.TOKEN),
        ("DELETE", "/api/caller-list", callers.drop_caller, Access.TOKEN),
        ("POST", f"{_AGENT}/force-ready", supervise.force_ready, Access.SUPERVISOR),
        ("POST", f"{_AGENT}/force-not-ready", supervise.force_not_ready, Access.SUPERVISOR),
        ("POST", f"{_AGENT}/force-sign-out", supervise.force_sign_out, Access.SUPERVISOR),
        ("PUT", f"{_AGENT}/skills", supervise.put_skills, Access.SUPERVISOR),
        ("DELETE", f"{_AGENT}/skills", supervise.drop_skills, Access.SUPERVISOR),
        ("POST", f"{_AGENT}/listen", supervise.listen_to_agent, Access.SUPERVISOR),
        ("POST", f"{_CALL}/listen", supervise.listen_to_call, Access.SUPERVISOR),
        ("POST", f"{_CALL}/release", supervise.release_call, Access.SUPERVISOR),
        ("POST", f"{_CALL}/move", supervise.move_caller, Access.SUPERVISOR),
        ("PUT", _QUEUE, supervise.put_queue, Access.SUPERVISOR),
        ("DELETE", _QUEUE, supervise.drop_queue, Access.SUPERVISOR),
        ("POST", "/api/supervision/stop-listening", supervise.stop_listening, Access.SUPERVISOR),
        ("GET", "/api/supervision", supervise.show_supervision, Access.SUPERVISOR),
        ("GET", "/api/audit", supervise.show_audit, Access.SUPERVISOR),
        ("GET", "/api/notices", notices.list_notices, Access.SUPERVISOR),
        ("POST", "/api/notices", notices.give_notice, Access.SUPERVISOR),
        ("POST", "/api/notices/sounds", notices.keep_sound, Access.SUPERVISOR),
        ("GET", "/api/notices/{id:n[0-9]{1,20}}", notices.show_notice, Access.TOKEN),
        ("POST", "/api/notices/{id:n[0-9]{1,20}}/end", notices.end_notice, Access.SUPERVISOR),
        ("GET", "/api/missed", callbacks.list_missed, Access.TOKEN),
        ("GET", "/api/voice-messages", voice_messages.list_voice_messages, Access.TOKEN),
        ("GET", "/api/callbacks", callbacks.list_callbacks, Access.TOKEN),
        ("POST", "/api/callbacks", callbacks.ask_callback, Access.TOKEN),
        ("POST", "/api/callbacks/{id:cb[0-9]{1,20}}/cancel", callbacks.cancel_callback, Access.TOKEN),
        ("GET", "/api/calls", calls.list_calls, Access.TOKEN),
        ("GET", _CALL, calls.show_call, Access.TOKEN),
        ("GET", f"{_CALL}/why", calls.show_why, Access.TOKEN),
        ("GET", f"{_CALL}/recording", recordings.show_recording, Access.TOKEN),
        ("GET", f"{_CALL}/peaks", recordings.show_peaks, Access.TOKEN),
        ("GET", f"{_CALL}/export", recordings.export_recording, Access.TOKEN),
        ("GET", f"{_CALL}/holds", holds.list_holds, Access.TOKEN),
        ("POST", f"{_CALL}/holds", holds.place_hold, Access.TOKEN),
        ("DELETE", f"{_CALL}/{_HOLD}", holds.end_hold, Access.TOKEN),
        ("GET", "/api/recordings/holds", holds.list_all_holds, Access.TOKEN),
        ("GET", f"{_CALL}/recording/facts", recording_pauses.show_facts, Access.TOKEN),
        ("POST", f"{_CALL}/recording/pause", recording_pauses.pause_recording, Access.TALK),
        ("POST", f"{_CALL}/recording/resume", recording_pauses.resume_recording, Access.TALK),
        ("GET", f"{_CALL}/words", live_words.show_words, Access.TALK),
        ("GET", f"{_CALL}/words/live", live_words.show_live_words, Access.TALK),
        ("GET", f"{_CALL}/transcript", transcripts.show_transcript, Access.TICKETS),
        ("GET", f"{_CALL}/transcript/turns/{_TURN}", transcripts.show_turn, Access.TICKETS),
        ("PUT", f"{_CALL}/transcript/turns/{_TURN}", transcripts.correct_turn, Access.TICKETS),
        ("GET", "/api/transcripts", transcripts.search_transcripts, Access.TICKETS),
        ("GET", f"{_TICKET}/transcript", transcripts.show_ticket_transcript, Access.TICKETS),
        ("POST", f"{_CALL}/transcript", transcript_jobs.make_again, Access.TOKEN),
        ("GET", f"{_CALL}/transcript-state", transcript_jobs.show_state, Access.TOKEN),
        ("GET", "/api/transcript-jobs", transcript_jobs.show_line, Access.TOKEN),
        ("POST", "/api/transcript-jobs/again", transcript_jobs.make_all_again, Access.TOKEN),
        ("GET", f"{_TICKET}/recording", recordings.show_ticket_recording, Access.TICKETS),
        ("GET", f"{_TICKET}/peaks", recordings.show_ticket_peaks, Access.TICKETS),
        ("GET", f"{_TICKET}/export", recordings.export_ticket_recording, Access.TICKETS),
        ("GET", f"{_TICKET}/holds", holds.list_ticket_holds, Access.TICKETS),
        ("POST", f"{_TICKET}/holds", holds.place_ticket_hold, Access.TICKETS),
        ("DELETE", f"{_TICKET}/{_HOLD}", holds.end_ticket_hold, Access.TICKETS),
        ("POST", f"{_TICKET}/transcript", transcript_jobs.make_ticket_again, Access.TICKETS),
        ("GET", f"{_TICKET}/transcript-state", transcript_jobs.show_ticket_state, Access.TICKETS),
        ("GET", "/api/classes", registers.list_classes, Access.TICKETS),
        ("GET", "/api/organisations", registers.list_organisations, Access.TICKETS),
        ("GET", "/api/tickets", tickets.list_tickets, Access.TICKETS),
        ("POST", "/api/tickets", tickets.take_ticket, Access.INTAKE),
        ("GET", "/api/tickets/export", ticket_files.export_tickets, Access.TICKETS),
        ("POST", "/api/tickets/import", ticket_files.import_tickets, Access.TICKETS),
        ("GET", "/api/reports/tickets", ticket_files.month_report, Access.TICKETS),
        ("GET", "/tickets", reminders.show_page, Access.OPEN),
        ("GET", "/api/reminders", reminders.list_reminders, Access.TICKETS),
        ("GET", "/api/reminders/live", reminders.show_live, Access.TICKETS),
        ("GET", "/api/calendar", calendar.show_calendar, Access.TICKETS),
        ("GET", "/api/tickets/accuracy", tickets.show_accuracy, Access.TICKETS),
        ("GET", _TICKET, tickets.show_ticket, Access.TICKETS),
        ("PATCH", _TICKET, tickets.change_ticket, Access.TICKETS),
        ("GET", f"{_TICKET}/moves", tickets.show_moves, Access.TICKETS),
        ("POST", f"{_TICKET}/moves", tickets.move_ticket, Access.TICKETS),
        *((method, path, handler, Access.KEY) for method, path, handler in open311.ROUTES),
        ("POST", f"{_TICKET}/attachments", attachments.attach_file, Access.TICKETS),
        ("GET", f"{_TICKET}/attachments/{{place:[0-9]{{1,3}}}}", attachments.show_file, Access.TICKETS),
        ("GET", "/query", ticket_query.show_page, Access.OPEN),
        ("POST", "/api/public/tickets/query", ticket_query.query_ticket, Access.OPEN),
        ("GET", f"{_TICKET}/code", ticket_query.show_code, Access.TICKETS),
        ("GET", f"{_TICKET}/repeats", repeats.show_repeats, Access.TICKETS),
        ("POST", f"{_TICKET}/repeats", repeats.find_repeats, Access.TICKETS),
        ("POST", f"{_TICKET}/join", repeats.join, Access.TICKETS),
        ("GET", "/api/follow-ups", follow_ups.list_follow_ups, Access.TICKETS),
        ("GET", "/api/follow-ups/campaign", campaign.show_campaign, Access.SUPERVISOR),
        ("POST", "/api/follow-ups/campaign/pause", campaign.pause, Access.SUPERVISOR),
        ("POST", "/api/follow-ups/campaign/resume", campaign.resume, Access.SUPERVISOR),
        ("POST", f"{_TICKET}/follow-up-call", follow_ups.call, Access.TICKETS),
        ("GET", "/api/incidents", repeats.list_incidents, Access.TICKETS),
        ("POST", "/api/incidents", repeats.open_incident, Access.TICKETS),
        ("GET", _INCIDENT, repeats.show_incident, Access.TICKETS),
        ("POST", f"{_INCIDENT}/close", repeats.close_incident, Access.TICKETS),
        ("GET", f"{_TICKET}/units", ownership.suggest_for_ticket, Access.TICKETS),
        ("GET", f"{_TICKET}/exchange", exchange.show_talks, Access.TICKETS),
        ("POST", f"{_TICKET}/give-back", exchange.give_back, Access.TICKETS),
        ("GET", "/api/ownership", ownership.list_rows, Access.TICKETS),
        ("POST", "/api/ownership", ownership.add_row, Access.TICKETS),
        ("GET", "/api/ownership/suggest", ownership.suggest_unit, Access.TICKETS),
        ("GET", "/api/ownership/hit-rate", ownership.show_rate, Access.TICKETS),
        ("PUT", "/api/ownership/{id:[1-9][0-9]{0,9}}", ownership.change_row, Access.TICKETS),
        ("DELETE", "/api/ownership/{id:[1-9][0-9]{0,9}}", ownership.drop_row, Access.TICKETS),
        ("GET", "/api/exchange", exchange.show_exchange, Access.TICKETS),
        ("POST", "/api/exchange/messages", exchange.take_message, Access.KEY),  # signed: see `tickets.exchange`
        ("GET", "/knowledge", knowledge_page.show_page, Access.OPEN),
        ("PUT", "/api/exchange/files/{digest:[0-9a-f]{64}}", exchange.take_piece, Access.KEY),  # so is this
        ("GET", "/api/public/knowledge", public.search_publicly, Access.OPEN),
        *((*row, Access.TICKETS) for row in figures.ROUTES),
        *alerts.ROUTES,
        *((*row, Access.TICKETS) for row in inspections.ROUTES),
        *((*row, Access.SUPERVISOR) for row in staffing.ROUTES),
        *((method, path, knowledge.conflicts(handler), Access.TICKETS) for method, path, handler in _knowledge()),
    ]


def _knowledge() -> list[tuple[str, str, Handler]]:
    entry = "/api/knowledge/entries/{id:K[0-9]{6,9}}"
    task = "/api/knowledge/tasks/{id:Q[0-9]{6,9}}"
    return [
        ("GET", "/api/knowledge/search", knowledge.search),
        ("GET", "/api/knowledge/entries", knowledge.list_entries),
        ("POST", "/api/knowledge/entries", knowledge.begin_entry),
        ("GET", entry, knowledge.show_entry),
        ("PATCH", entry, knowledge.write_entry),
        ("POST", f"{entry}/revise", knowledge.revise_entry),
        ("POST", f"{entry}/{{move:{knowledge.MOVES}}}", knowledge.move_entry),
        ("POST", "/api/knowledge/from-ticket", knowledge.take_inquiry),
        ("GET", "/api/knowledge/expiring", knowledge.list_ending),
        ("GET", "/api/knowledge/completeness", knowledge.show_completeness),
        ("GET", "/api/knowledge/tasks", knowledge.list_tasks),
        ("POST", "/api/knowledge/tasks", knowledge.ask),
        ("GET", task, knowledge.show_task),
        ("POST", f"{task}/answer", knowledge.answer_task),
        ("POST", f"{task}/assign", knowledge.assign_task),
        ("POST", f"{task}/dismiss", knowledge.dismiss_task),
        ("GET", "/api/knowledge/export", knowledge.export),
        ("POST", "/api/knowledge/import", knowledge.take_in),
        ("GET", "/api/knowledge/imports", knowledge.list_imports),
    ]


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", POLICY)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Server"] = "hotline"
    headers.setdefault("Cache-Control", "no-store")


def create_app(
    backend: Backend,
    *,
    token: str,
    metrics: HotlineMetrics,
    view_from: ViewFrom = ViewFrom.LOOPBACK,
    limits: WebLimits | None = None,
    live_rules: live.LiveRules | None = None,
    definitions: Mapping[str, Definition] = DEFINITIONS,
    clock: Callable[[], float] = time.time,
    supervisors: Mapping[ActorId, str] | None = None,
    holders: Holders | None = None,
    geo: Open311 | None = None,
    proxies: Collection[str] = (),
    knowledge_desk: KnowledgeBackend | None = None,
    live_words_desk: LiveWordsDesk | None = None,
    public_rate: RateRules | None = None,
    inspection_desk: InspectionDesk | None = None,
    transcript_jobs_desk: TranscriptJobsDesk | None = None,
    figures_desk: FiguresDesk | None = None,
    alerts_desk: AlertsDesk | None = None,
    staffing_desk: StaffingDesk | None = None,
) -> web.Application:
    """The application over `backend`; `token` is the administrator's, `supervisors` has each one's own,
    `holders` those of the people who work on tickets.

    Blocking for a moment: it reads the pages. ValueError for a token too short.
    """
    limits = limits or WebLimits()
    app = web.Application(
        middlewares=[errors_middleware, gone_middleware, auth_middleware], client_max_size=limits.body_bytes
    )
    app[BACKEND] = backend
    app[LIMITS] = limits
    app[CLOCK] = clock
    app[PROXIES] = frozenset(proxies)
    app[KNOWLEDGE] = knowledge_desk
    app[INSPECTIONS] = inspection_desk
    app[live_words.LIVE_WORDS] = live_words_desk
    app[figures.FIGURES] = figures_desk
    app[alerts.ALERTS] = alerts_desk
    app[transcript_jobs.TRANSCRIPT_JOBS] = transcript_jobs_desk
    app[staffing.STAFFING] = staffing_desk
    app[public.PUBLIC_RATE] = RateLimit(public_rate or RateRules(), time.monotonic)
    app[GUARD] = Guard(token, view_from, supervisors)
    app[HOLDERS] = holders or NoHolders()
    app[open311.OPEN311] = geo or Open311()
    app[scrape.METRICS] = metrics
    app[static.PAGE_FILES] = static.load_pages()
    app[live.BROADCASTER] = live.Broadcaster(
        backend, live_rules or live.LiveRules(), definitions, alerts.wallboard_of(alerts_desk)
    )
    access: dict[tuple[str, str], Access] = {}
    for method, path, handler, asked in _routes():
        route = app.router.add_get(path, handler) if method == "GET" else app.router.add_route(method, path, handler)
        if route.resource is not None:
            access[method, route.resource.canonical] = asked
    app[ACCESS] = access
    app[openapi.DOCUMENT] = openapi.Document([openapi.Route(*row) for row in _routes()], limits)
    app.on_response_prepare.append(_add_headers)
    app[streams.STREAMS] = streams.Streams()
    app.on_shutdown.append(live.end_streams)
    app.on_shutdown.append(streams.end_streams)
    app.cleanup_ctx.append(live.broadcasting)
    return app


class AccessLog(AbstractAccessLogger):
    """One line per request.

    Method, route (not its values), status, size, time. No address, query or agent's name.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line."""
        route = "?"
        with suppress(AssertionError):  # of what was no HTTP no address is known
            resource = request.match_info.route.resource if isinstance(request, web.Request) else None
            route = resource.canonical if resource is not None else "?"
        self.logger.info(
            "%s %s %d %d B %.1f ms",
            request.method,
            route,
            response.status,
            response.body_length,
            time * 1000,
            extra={"action": "web.request"},
        )


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `port` is the one it really has."""

    host: str
    port: int
    runner: web.AppRunner

    @property
    def url(self) -> str:
        """Where the first page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    async def close(self) -> None:
        """End the live streams, let running requests finish for a moment, and stop."""
        await self.runner.cleanup()


async def serve(app: web.Application, host: str = "127.0.0.1", port: int = 0, *, drain_s: float = 3.0) -> Server:
    """Start serving `app`; port 0 takes a free one.

    OSError when the address cannot be had; nothing is left then.
    """
    options: dict[str, Any] = {"access_log_class": AccessLog, "access_log": logging.getLogger("web.access")}
    runner = Runner(app, handle_signals=False, shutdown_timeout=drain_s, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except BaseException:
        await runner.cleanup()
        raise
    return Server(host, runner.addresses[0][1], runner)
