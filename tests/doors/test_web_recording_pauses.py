"""Pausing a recording over HTTP: who is taken for whom; whether he may is the switchboard's."""

from __future__ import annotations

import pytest

from agents.rights import ADMIN
from pbx.ids import ActorId
from pbx.supervision import RecordingPauseAsked
from tests.fakes.website import TOKEN, site
from tickets.moves import Actor, Role
from web.backend import RequestResult

pytestmark = pytest.mark.doors

LIN, AGENT, DESK = "a-supervisor-s-token-0123456789", "an-agent-s-token-0123456789", "a-dispatcher-s-0123456789"
ONE = "/api/calls/hotline-1.1/recording"


class People:
    async def find(self, token: str) -> Actor | None:
        return {AGENT: Actor("1001", Role.AGENT), DESK: Actor("desk", Role.DISPATCHER)}.get(token)


@pytest.mark.parametrize(
    ("token", "named", "by", "agent"),
    [
        (TOKEN, None, ADMIN, None),
        (TOKEN, "1002", "1002", "1002"),
        (LIN, None, "lin", None),
        (AGENT, None, "1001", "1001"),
        (AGENT, "1001", "1001", "1001"),
        (AGENT, "1002", None, None),
        (LIN, "1001", None, None),
        (DESK, None, None, None),
    ],
)
@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_who_asks(token: str, named: str | None, by: str | None, agent: str | None, verb: str) -> None:
    async with site(supervisors={ActorId("lin"): LIN}, holders=People()) as running:
        body = {"agent": named} if named is not None else {}
        headers = {"Authorization": f"Bearer {token}"}
        async with running.session.post(running.url(f"{ONE}/{verb}"), json=body, headers=headers) as answer:
            got = await answer.json()
        if by is None:
            assert (answer.status, got["error"]) == (403, "not_allowed")
            assert running.backend.orders == []
            return
        assert (answer.status, got) == (200, {"ok": True, "recording": "paused" if verb == "pause" else "on"})
        (order,) = running.backend.orders
        assert isinstance(order, RecordingPauseAsked)
        assert (order.call, order.on, order.by, order.agent) == ("hotline-1.1", verb == "pause", by, agent)


@pytest.mark.parametrize(("code", "status"), [("not_recorded", 409), ("unknown_call", 404), ("not_your_queue", 403)])
async def test_a_refusal_is_told_in_both_languages(monkeypatch: pytest.MonkeyPatch, code: str, status: int) -> None:
    async with site() as running:

        async def refused(make: object) -> RequestResult:
            return RequestResult(False, code)

        monkeypatch.setattr(running.backend, "supervise", refused)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with running.session.post(running.url(f"{ONE}/pause"), json={}, headers=headers) as answer:
            got = await answer.json()
        assert (answer.status, got["error"]) == (status, code)
        assert all(got["message"].values())
