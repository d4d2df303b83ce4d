"""Who may hear the call of a ticket and read what was said: who judges it, and the agent who took it; all is noted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.records import Operations, Records
from controller.ticket_desk import HotlineDesk
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId
from recordings.transcript import Transcript, Turn
from tests.city_story import CZ_AGENT, CZ_DESK, CZ_WATER, TREE
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tickets.classes import load_classes
from tickets.files import AttachmentFiles
from tickets.moves import Actor, Role
from tickets.ticket import TicketPolicy
from web.transcript_jobs_desk import TranscriptLine, TranscriptState

pytestmark = pytest.mark.doors

POLICY = TicketPolicy(units=TREE.register(), organisations=TREE, classes=load_classes(), numbers={"051912345": "cz"})
QUALITY = Actor("cz-quality", Role.INSPECTOR, "cz")
BOSS = Actor("cz-boss", Role.SUPERVISOR, "cz")
OTHER = Actor("zj-quality", Role.INSPECTOR, "zj")
COLLEAGUE = Actor("1002", Role.AGENT, "cz")
WHO = {one.id: one for one in (CZ_AGENT, COLLEAGUE, CZ_DESK, CZ_WATER, QUALITY, BOSS, OTHER)}
CALL = CallId("1795310400.17")


class People:
    async def find(self, token: str) -> Actor | None:
        return WHO.get(token.removesuffix("-token-0123456789"))


def bearer(who: Actor) -> dict[str, str]:
    return {"Authorization": f"Bearer {who.id}-token-0123456789"}


@pytest.fixture
def operations() -> Operations:
    """With the organisations of two cities."""
    return Operations(POLICY)


class AskedAgain:
    """Every call's transcript waits."""

    async def state(self, call: CallId) -> TranscriptState:
        return TranscriptState(call, "waiting", "zh")

    async def again(self, call: CallId) -> TranscriptState:
        return await self.state(call)

    async def line(self, state: str, limit: int) -> TranscriptLine:
        raise NotImplementedError

    async def all_again(self, cause: str) -> int:
        raise NotImplementedError


@pytest.fixture
async def town(records: Records, tmp_path: Path) -> AsyncIterator[Site]:
    backend = MemoryBackend()
    desk = HotlineDesk(records, POLICY, {AgentId("1001")}, backend.clock, AttachmentFiles(tmp_path))
    backend.desk = desk  # type: ignore[assignment]
    sound = tmp_path / "one.wav"
    sound.write_bytes(bytes(range(256)) * 8)
    backend.recordings[CALL] = sound
    backend.transcripts[CALL] = Transcript((Turn("citizen", 1.0, 2.5, "家里停水"),), "zh", "vosk", None, 9.0)
    async with site(backend, holders=People(), transcript_jobs_desk=AskedAgain()) as running:
        yield running


async def test_only_who_judges_it_hears_a_call_and_every_hearing_is_in_the_audit_trail(
    town: Site, records: Records
) -> None:
    now = town.backend.clock()
    opening = OpenTicket(CALL, "13800001111", "051912345", "zh", "general", AgentId("1001"), now)
    number = await records.open_ticket(opening)
    path = f"/api/tickets/{number}"
    for who, status in ((CZ_DESK, 403), (COLLEAGUE, 403), (CZ_WATER, 404), (OTHER, 404)):
        for what in ("recording", "transcript", "transcript-state"):
            assert (await town.json("GET", f"{path}/{what}", headers=bearer(who)))[0] == status, (who, what)
        assert (await town.json("POST", f"{path}/transcript", {}, headers=bearer(who)))[0] == status, who
    assert (await town.json("GET", path, headers=bearer(CZ_DESK)))[1]["transcript"] is False
    assert town.backend.noted == {}
    for who in (QUALITY, BOSS, CZ_AGENT):
        for part in ("bytes=0-9", "bytes=10-19"):
            headers = {**bearer(who), "Range": part}
            async with town.session.get(town.url(f"{path}/recording"), headers=headers) as answer:
                assert (answer.status, len(await answer.read())) == (206, 10)
        status, told = await town.json("GET", f"{path}/transcript", headers=bearer(who))
        assert (status, told["turns"][0]["text"]) == (200, "家里停水")
        for asked in (("POST", f"{path}/transcript", {}), ("GET", f"{path}/transcript-state")):
            status, told = await town.json(*asked, headers=bearer(who))
            assert (status, told["call"], told["state"]) == (200, CALL, "waiting")
    lines = [(one.actor, one.role, one.action, one.call) for one in town.backend.noted.values()]
    assert lines == [
        (who.id, who.role.value, action, CALL)
        for who in (QUALITY, BOSS, CZ_AGENT)
        for action in ("play_recording", "read_transcript", "ask_transcript")
    ], "one line for each listener, not for each request of his player"


async def test_nothing_is_played_that_cannot_be_noted(town: Site, records: Records) -> None:
    opening = OpenTicket(CALL, "13800001111", "051912345", "zh", "general", AgentId("1001"), town.backend.clock())
    number = await records.open_ticket(opening)
    town.backend.store_up = False
    status, told = await town.json("GET", f"/api/tickets/{number}/recording", headers=bearer(BOSS))
    assert (status, told["error"]) == (503, "store_unavailable")


async def test_what_a_ticket_may_name_is_listed(town: Site) -> None:
    _, told = await town.json("GET", "/api/classes", headers=bearer(CZ_AGENT))
    codes = [one["code"] for one in told["classes"]]
    assert codes == [one.code for one in POLICY.classes]
    assert "UTIL-WATER" in codes
    _, told = await town.json("GET", "/api/organisations", headers=bearer(CZ_WATER))
    units = {one["id"]: (one["kind"], one["parent"]) for one in told["organisations"]}
    assert units["cz-water"] == ("unit", "cz")
    assert units["cz"] == ("city", "js")
    assert len(units) == len(TREE)
