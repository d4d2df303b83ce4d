"""Who may see what: default deny, the token, this machine, and the token's file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pbx.ids import ActorId
from tests.fakes.backend import CALLER
from tests.fakes.website import TOKEN, Site, site
from tickets.moves import Actor, Role
from web.app import create_app
from web.auth import ACCESS, Access, ViewFrom
from web.token import TokenError, load_or_make_token

pytestmark = pytest.mark.doors

CALL = "/api/calls/hotline-1763744400.1"
ID = "0123456789abcdef0123"
PROTECTED = [
    ("GET", "/api/caller-list"),
    ("POST", "/api/caller-list"),
    ("DELETE", "/api/caller-list"),
    ("GET", "/api/calls"),
    ("GET", CALL),
    ("GET", f"{CALL}/why"),
    ("GET", f"{CALL}/recording"),
    ("GET", f"{CALL}/peaks"),
    ("GET", f"{CALL}/export"),
    ("GET", f"{CALL}/holds"),
    ("POST", f"{CALL}/holds"),
    ("DELETE", f"{CALL}/holds/h-0123456789abcdef"),
    ("GET", "/api/recordings/holds"),
    ("POST", f"{CALL}/transcript"),
    ("GET", f"{CALL}/transcript-state"),
    ("GET", "/api/transcript-jobs"),
    ("POST", "/api/transcript-jobs/again"),
    ("POST", "/api/agents/1001/sign-in"),
    ("POST", "/api/agents/1001/ready"),
    ("POST", "/api/agents/1001/not-ready"),
    ("POST", "/api/agents/1001/sign-out"),
    ("POST", "/api/agents/1001/third-party"),
    ("POST", "/api/agents/1001/wrap-up"),
    *(
        ("POST", f"/api/agents/1001/{deed}")
        for deed in (
            "hold",
            "resume",
            "cancel",
            "transfer",
            "consult",
            "complete",
            "drop",
            "hand-over",
            "dial",
            "digits",
        )
    ),
    ("POST", "/api/agents/1001/mute"),
    ("POST", "/api/agents/1001/unmute"),
    ("GET", "/api/missed"),
    ("GET", "/api/voice-messages"),
    ("GET", "/api/callbacks"),
    ("POST", "/api/callbacks"),
    ("POST", "/api/callbacks/cb1/cancel"),
    ("GET", "/api/notices/n1"),
    ("GET", f"{CALL}/recording/facts"),
]
TICKETS = [
    ("GET", "/api/tickets"),
    ("POST", "/api/tickets"),
    ("GET", "/api/tickets/accuracy"),
    ("GET", "/api/tickets/2026112200001"),
    ("GET", "/api/tickets/2026112200001/recording"),
    ("GET", "/api/tickets/2026112200001/transcript"),
    ("GET", "/api/tickets/2026112200001/peaks"),
    ("GET", "/api/tickets/2026112200001/export"),
    ("GET", "/api/tickets/2026112200001/holds"),
    ("POST", "/api/tickets/2026112200001/holds"),
    ("DELETE", "/api/tickets/2026112200001/holds/h-0123456789abcdef"),
    ("GET", f"{CALL}/transcript"),
    ("GET", f"{CALL}/transcript/turns/1"),
    ("PUT", f"{CALL}/transcript/turns/1"),
    ("GET", "/api/transcripts"),
    ("POST", "/api/tickets/2026112200001/transcript"),
    ("GET", "/api/tickets/2026112200001/transcript-state"),
    *(
        (method, f"/api/inspection/{path}")
        for method, path in (
            ("GET", "rules"),
            ("POST", "recompute"),
            ("GET", "calls"),
            ("GET", "calls/hotline-1763744400.1"),
            ("GET", "results"),
            ("GET", "results/export"),
            ("GET", "cards"),
            ("POST", "cards"),
            ("GET", "plans"),
            ("POST", "plans"),
            ("GET", "tasks"),
            ("GET", "scores"),
            ("POST", "scores"),
            ("GET", f"scores/{ID}"),
            ("POST", f"scores/{ID}/appeal"),
            ("GET", "agreement"),
            ("GET", "coaching"),
            ("POST", "coaching"),
            ("POST", f"coaching/{ID}/seen"),
        )
    ),
    ("GET", "/api/classes"),
    ("GET", "/api/organisations"),
    ("PATCH", "/api/tickets/2026112200001"),
    ("GET", "/api/tickets/2026112200001/moves"),
    ("POST", "/api/tickets/2026112200001/moves"),
    ("POST", "/api/tickets/2026112200001/attachments"),
    ("GET", "/api/tickets/2026112200001/attachments/1"),
    ("GET", "/api/calendar"),
    ("GET", "/api/reminders"),
    ("GET", "/api/knowledge/imports"),
    ("GET", "/api/reminders/live"),
    ("GET", "/api/tickets/2026112200001/code"),
    ("GET", "/api/tickets/2026112200001/repeats"),
    ("POST", "/api/tickets/2026112200001/repeats"),
    ("POST", "/api/tickets/2026112200001/join"),
    ("POST", "/api/tickets/2026112200001/follow-up-call"),
    ("GET", "/api/follow-ups"),
    ("GET", "/api/incidents"),
    ("POST", "/api/incidents"),
    ("GET", "/api/incidents/i1"),
    ("POST", "/api/incidents/i1/close"),
    *(
        (method, f"/api/knowledge/{path}")
        for method, path in (
            ("GET", "search"),
            ("GET", "entries"),
            ("POST", "entries"),
            ("GET", "entries/K000001"),
            ("PATCH", "entries/K000001"),
            ("POST", "entries/K000001/revise"),
            ("POST", "entries/K000001/submit"),
            ("POST", "from-ticket"),
            ("GET", "expiring"),
            ("GET", "completeness"),
            ("GET", "tasks"),
            ("POST", "tasks"),
            ("GET", "tasks/Q000001"),
            ("POST", "tasks/Q000001/answer"),
            ("POST", "tasks/Q000001/assign"),
            ("POST", "tasks/Q000001/dismiss"),
            ("GET", "export"),
            ("POST", "import"),
        )
    ),
    ("GET", "/api/tickets/export"),
    ("POST", "/api/tickets/import"),
    ("GET", "/api/reports/tickets"),
    ("GET", "/api/tickets/2026112200001/units"),
    ("GET", "/api/tickets/2026112200001/exchange"),
    ("POST", "/api/tickets/2026112200001/give-back"),
    ("GET", "/api/kpi"),
    ("GET", "/api/kpi/diff"),
    ("GET", "/api/kpi/connect.v1"),
    ("GET", "/api/ownership"),
    ("POST", "/api/ownership"),
    ("GET", "/api/ownership/suggest"),
    ("GET", "/api/ownership/hit-rate"),
    ("PUT", "/api/ownership/77"),
    ("DELETE", "/api/ownership/77"),
    ("GET", "/api/exchange"),
]
SUPERVISION = [
    ("GET", "/api/follow-ups/campaign"),
    ("POST", "/api/follow-ups/campaign/pause"),
    ("POST", "/api/follow-ups/campaign/resume"),
    ("POST", "/api/agents/1001/force-ready"),
    ("POST", "/api/agents/1001/force-not-ready"),
    ("POST", "/api/agents/1001/force-sign-out"),
    ("PUT", "/api/agents/1001/skills"),
    ("DELETE", "/api/agents/1001/skills"),
    ("POST", "/api/agents/1001/listen"),
    ("POST", f"{CALL}/listen"),
    ("POST", f"{CALL}/release"),
    ("POST", f"{CALL}/move"),
    ("PUT", "/api/queues/general"),
    ("DELETE", "/api/queues/general"),
    ("POST", "/api/supervision/stop-listening"),
    ("GET", "/api/staffing/forecast"),
    ("GET", "/api/staffing/required"),
    ("GET", "/api/staffing/plan"),
    ("GET", "/api/supervision"),
    ("GET", "/api/audit"),
    ("GET", "/api/notices"),
    ("POST", "/api/notices"),
    ("POST", "/api/notices/sounds"),
    ("POST", "/api/notices/n1/end"),
]
PAUSES = [
    ("POST", f"{CALL}/recording/pause"),
    ("POST", f"{CALL}/recording/resume"),
]
TALKS = [
    ("GET", "/api/calls/hotline-1/words"),
    ("GET", "/api/calls/hotline-1/words/live"),
    ("POST", "/api/alerts/a1/acknowledge"),
    *PAUSES,
]
"""Of a talk: who may, the handler asks. Words of one that nobody hears are told to nobody: test_web_live_words.py."""
VIEWS = ["/api/overview", "/metrics"]


@pytest.fixture
async def hotline() -> AsyncIterator[Site]:
    """A site with one call."""
    async with site() as running:
        running.backend.arrive(1)
        yield running


async def status(hotline: Site, method: str, path: str, headers: dict[str, str] | None = None) -> int:
    """The status of a request with just these headers."""
    async with hotline.session.request(method, hotline.url(path), headers=headers or {}) as answer:
        return answer.status


@pytest.mark.parametrize(("method", "path"), PROTECTED + TICKETS + SUPERVISION + TALKS)
async def test_what_changes_or_shows_a_caller_s_data_needs_the_token(hotline: Site, method: str, path: str) -> None:
    for wrong in (
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer \u00e9"},
    ):
        async with hotline.session.request(method, hotline.url(path), headers=wrong) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert (await answer.json())["error"] == "unauthorized"
    assert hotline.backend.requests == []
    assert await status(hotline, method, path, {"Authorization": f"bearer {TOKEN}"}) != 401


def test_every_route_is_named_in_this_test_or_open(hotline: Site) -> None:
    app = create_app(hotline.backend, token=TOKEN, metrics=hotline.backend.metrics)
    patterns = {(route.method, route.resource) for route in app.router.routes() if route.method != "HEAD"}
    views = {"/api/overview", "/api/live", "/metrics", "/api/live/figures", "/api/alerts"}
    anybody = {"/", "/healthz", "/static/{name}", "/api/public/knowledge", "/api/openapi.json"}
    anybody |= {"/query", "/api/public/tickets/query"}  # of citizens: a number and a code, rate-limited
    anybody |= {"/knowledge", "/tickets"}  # what is public, rate-limited; a page that asks for a token
    named = {Access.TOKEN: PROTECTED, Access.TICKETS: TICKETS, Access.SUPERVISOR: SUPERVISION, Access.TALK: TALKS}
    found: dict[Access, set[tuple[str, str]]] = {asked: set() for asked in named}
    for method, resource in patterns:
        assert resource is not None
        asked = app[ACCESS].get((method, resource.canonical))
        if resource.canonical in anybody:
            assert asked is Access.OPEN
        elif resource.canonical in views:
            assert asked is Access.VIEW
        elif resource.canonical.startswith(("/open311/", "/api/exchange/messages", "/api/exchange/files")):
            assert asked is Access.KEY  # keys: test_open311.py; each message of a peer is signed
        elif asked is Access.INTAKE:
            assert (method, resource.canonical) == ("POST", "/api/tickets")
            found[Access.TICKETS].add((method, resource.canonical))
        else:
            assert asked in found
            found[asked].add((method, re.sub(r"\{[a-z]+\}", "*", resource.canonical)))
    for asked, paths in named.items():
        ids = r"/(hotline-[^/]+|1001|cb1|n1|i1|a1|2026112200001|general|77|K000001|Q000001|submit|appeal|h-[0-9a-f]+"
        ids += r"|[0-9a-f]{20}|1$|connect\.v1)"
        assert found[asked] == {(method, re.sub(ids, "/*", path)) for method, path in paths}


SUPERVISOR_TOKEN = "a-supervisor-s-token-0123456789"


@pytest.mark.parametrize(("method", "path"), PROTECTED + TICKETS)
async def test_a_supervisor_s_token_opens_no_caller_s_data(method: str, path: str) -> None:
    async with site(supervisors={ActorId("lin"): SUPERVISOR_TOKEN}) as running:
        bearer = {"Authorization": f"Bearer {SUPERVISOR_TOKEN}"}
        async with running.session.request(method, running.url(path), headers=bearer) as answer:
            assert (answer.status, (await answer.json())["error"]) == (403, "not_allowed")
        assert running.backend.requests == []


class OneHolder:
    """A dispatcher has a token."""

    async def find(self, token: str) -> Actor | None:
        return Actor("desk", Role.DISPATCHER) if token == "an-access-token-0123456789" else None


@pytest.mark.parametrize(("method", "path"), PROTECTED + SUPERVISION + PAUSES)
async def test_an_access_token_opens_tickets_and_views_and_nothing_else(method: str, path: str) -> None:
    async with site(holders=OneHolder()) as running:
        bearer = {"Authorization": "Bearer an-access-token-0123456789"}
        async with running.session.request(method, running.url(path), headers=bearer) as answer:
            assert (answer.status, (await answer.json())["error"]) == (403, "not_allowed")
        assert running.backend.requests == []
        foreign = {**bearer, "Host": "hotline.example.org"}
        assert await status(running, "GET", "/api/overview", foreign) == 200
        assert await status(running, "GET", "/api/tickets", bearer) == 200


def test_two_bearers_never_share_a_token(hotline: Site) -> None:
    with pytest.raises(ValueError, match="same token"):
        create_app(hotline.backend, token=TOKEN, metrics=hotline.backend.metrics, supervisors={ActorId("lin"): TOKEN})


@pytest.mark.parametrize("path", VIEWS)
async def test_views_are_open_to_this_machine_only(hotline: Site, path: str) -> None:
    assert await status(hotline, "GET", path) == 200
    assert await status(hotline, "GET", path, {"Host": f"localhost:{hotline.server.port}"}) == 200
    for foreign in (
        {"Host": "hotline.example.org"},
        {"Host": "127.0.0.1.example.org"},
        {"X-Forwarded-For": "192.0.2.7"},
        {"Forwarded": "for=192.0.2.7"},
    ):
        assert await status(hotline, "GET", path, foreign) == 401
        assert await status(hotline, "GET", path, {**foreign, "Authorization": f"Bearer {TOKEN}"}) == 200


@pytest.mark.parametrize(("view_from", "expected"), [(ViewFrom.ANYWHERE, 200), (ViewFrom.NOWHERE, 401)])
async def test_where_views_are_open_is_configuration(view_from: ViewFrom, expected: int) -> None:
    async with site(view_from=view_from) as running:
        foreign = {"Host": "hotline.example.org"}
        assert await status(running, "GET", "/api/overview", foreign) == expected
        assert await status(running, "GET", "/api/overview") == (401 if view_from is ViewFrom.NOWHERE else 200)
        assert await status(running, "GET", "/", foreign) == 200


async def test_what_is_open_shows_nothing_of_a_caller(hotline: Site) -> None:
    call = hotline.backend.arrive(2, caller="13912345678")
    hotline.backend.press(call, "1")
    hotline.backend.enqueue(call)
    for path in ("/", "/api/overview", "/metrics", "/healthz"):
        async with hotline.session.get(hotline.url(path)) as answer:
            text = await answer.text()
        assert answer.status == 200
        assert "13912345678" not in text
        assert not re.search(r"(?<![\d.])\d*5678(?![\d.e])", text)  # nor its end; instants and figures have their own
        assert CALLER not in text


def test_a_token_too_short_is_refused(hotline: Site) -> None:
    with pytest.raises(ValueError, match="at least 16"):
        create_app(hotline.backend, token="short", metrics=hotline.backend.metrics)


def test_the_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    old = os.umask(0)
    try:
        token = load_or_make_token(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token) >= 43
    assert load_or_make_token(path) == token
    assert load_or_make_token(tmp_path / "other") != token
    assert [entry.name for entry in path.parent.iterdir()] == ["token"]


def test_a_token_s_file_that_others_may_read_or_that_is_broken_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    load_or_make_token(path)
    path.chmod(0o644)
    with pytest.raises(TokenError, match="0644"):
        load_or_make_token(path)
    for broken in (b"", b"short\n", b"two words in the file, and more\n", b"\xff" * 50):
        path.write_bytes(broken)
        path.chmod(0o600)
        with pytest.raises(TokenError, match="no usable token"):
            load_or_make_token(path)
