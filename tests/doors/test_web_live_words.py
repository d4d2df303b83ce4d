"""Who may read words while people talk, and what the stream tells: the web over a desk in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from agents.rights import Action, Actor, Right, role_may
from pbx.ids import ActorId, AgentId, CallId, QueueId
from recordings.live import LiveTurn
from recordings.transcript import Transcript
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from tickets.moves import Actor as Holder
from tickets.moves import Role
from web.live import LiveRules
from web.live_words_desk import (
    Speaking,
    SuggestedClass,
    SuggestedEntry,
    SuggestedType,
    Suggestions,
    Talkers,
    WordsView,
)

pytestmark = pytest.mark.doors

CALL = CallId("h12345-1.1")
SAID = Suggestions(
    (SuggestedEntry("K000001", "路灯不亮怎么反映?", "请提供灯杆编号。", "chengguan"),),
    (SuggestedType("help", "求助", ("坏了",)),),
    (SuggestedClass("CITY-LIGHT", "路灯照明", "Street lighting", ("路灯",)),),
)
VIEW = WordsView(
    CALL, 3, "live", "zh", "vosk", (LiveTurn("citizen", "", 1.0, 2.0, "路灯坏了"),),
    (Speaking("agent", "1001", "您好"),), SAID,
)  # fmt: skip


class Desk:
    """The live words of one call, in memory."""

    def __init__(self) -> None:
        self.now: WordsView | None = VIEW
        self.whose = Talkers(frozenset({AgentId("1001")}), QueueId("general"))
        self._news = asyncio.Event()

    def change(self, view: WordsView | None) -> None:
        self.now = view
        self.wake()

    def wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def view(self, call: CallId) -> WordsView | None:
        return self.now if call == CALL else None

    def talkers(self, call: CallId) -> Talkers:
        return self.whose if call == CALL else Talkers(frozenset(), None)

    async def changed(self, call: CallId, version: int) -> None:
        while self.now is not None and self.now.version == version:
            await self._news.wait()

    def forget(self, call: CallId) -> None:
        self.change(None)


class People:
    """Whose the access tokens are: a token is its bearer's id, padded."""

    async def find(self, token: str) -> Holder | None:
        role, _, id = token.strip("-").partition("/")
        return Holder(id, Role(role)) if id else None


def bearer(role: Role, id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {role.value}/{id}".ljust(40, "-")}


WANG, LIN, NO_EARS = "supervisor-wang-0123456789", "supervisor-lin-01234567890", "supervisor-deaf-0123456789"
SUPERVISORS = {ActorId("wang"): WANG, ActorId("lin"): LIN, ActorId("deaf"): NO_EARS}
ACTORS = {
    "wang": Actor(ActorId("wang"), "王", frozenset({Right.LISTEN}), frozenset({"general"})),
    "lin": Actor(ActorId("lin"), "林", frozenset({Right.LISTEN}), frozenset({"english"})),
    "deaf": Actor(ActorId("deaf"), "无", frozenset({Right.AUDIT}), frozenset({"*"})),
}


class Backend(MemoryBackend):
    def actor(self, by: ActorId) -> Actor | None:
        return ACTORS.get(by) or super().actor(by)


@asynccontextmanager
async def serving(desk: Desk | None) -> AsyncIterator[Site]:
    rules = LiveRules(interval_s=0.0, heartbeat_s=0.05)
    async with site(
        Backend(), live_words_desk=desk, holders=People(), supervisors=SUPERVISORS, live_rules=rules
    ) as running:
        yield running


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def hotline(desk: Desk) -> AsyncIterator[Site]:
    async with serving(desk) as running:
        yield running


PATH = f"/api/calls/{CALL}/words"


async def test_the_words_their_speakers_and_what_they_point_at(hotline: Site) -> None:
    status, answer = await hotline.json("GET", PATH)
    assert status == 200
    assert answer["turns"] == [
        {"speaker": "citizen", "who": "", "start_s": 1.0, "end_s": 2.0, "text": "路灯坏了"},
    ]
    assert answer["now"] == [{"speaker": "agent", "who": "1001", "text": "您好"}]
    assert answer["suggestions"]["entries"][0]["id"] == "K000001"
    assert answer["suggestions"]["types"] == [{"type": "help", "zh": "求助", "because": ["坏了"]}]
    assert answer["suggestions"]["classes"][0]["code"] == "CITY-LIGHT"


@pytest.mark.parametrize("path", [PATH, f"{PATH}/live"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer somebody"}, 401),
        (bearer(Role.AGENT, "1001"), 200),
        (bearer(Role.AGENT, "1002"), 403),
        (bearer(Role.SUPERVISOR, "s1"), 200),
        (bearer(Role.INSPECTOR, "i1"), 403),
        (bearer(Role.UNIT, "u1"), 403),
        (bearer(Role.DISPATCHER, "d1"), 403),
        ({"Authorization": f"Bearer {WANG}"}, 200),
        ({"Authorization": f"Bearer {LIN}"}, 403),
        ({"Authorization": f"Bearer {NO_EARS}"}, 403),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
    ],
    ids=[
        "nobody", "a wrong token", "the call's agent", "another agent", "supervisor", "inspector", "unit", "dispatcher",
        "班长 of the queue", "班长 of another queue", "班长 without the right to listen", "administrator",
    ],
)  # fmt: skip
async def test_whose_talk_it_is(hotline: Site, desk: Desk, path: str, headers: dict[str, str], status: int) -> None:
    if status == 200:
        desk.now = replace(VIEW, state="over")  # a stream ends with it
    async with hotline.session.get(hotline.url(path), headers=headers) as answer:
        assert answer.status == status
        text = await answer.text()
    assert ("路灯" in text) == (status == 200)


async def test_an_unknown_call_tells_a_stranger_no_more_than_a_known_one(hotline: Site) -> None:
    assert (await hotline.json("GET", "/api/calls/none/words"))[0] == 404
    headers = bearer(Role.AGENT, "1001")
    async with hotline.session.get(hotline.url("/api/calls/none/words"), headers=headers) as answer:
        assert answer.status == 403


async def test_where_nobody_is_heard_there_is_nothing() -> None:
    async with serving(None) as hotline:
        assert (await hotline.json("GET", PATH))[0] == 404


async def test_who_reads_anothers_talk_stands_in_the_audit_trail(hotline: Site) -> None:
    for headers in (bearer(Role.AGENT, "1001"), {"Authorization": f"Bearer {WANG}"}, bearer(Role.SUPERVISOR, "s1")):
        async with hotline.session.get(hotline.url(PATH), headers=headers) as answer:
            assert answer.status == 200
    lines = [(one.actor, one.role, one.action, one.call) for one in hotline.backend.noted.values()]
    assert lines == [("wang", "supervisor", "read_live_words", CALL), ("s1", "supervisor", "read_live_words", CALL)]


async def test_the_transcript_takes_their_place(hotline: Site, desk: Desk) -> None:
    desk.now = replace(VIEW, state="over")
    assert (await hotline.json("GET", PATH))[1]["state"] == "over"
    hotline.backend.transcripts[CALL] = Transcript((), "zh", "vosk", None, 9.0)
    status, answer = await hotline.json("GET", PATH)
    assert (status, answer["state"], answer["turns"]) == (200, "replaced", [])
    assert (await hotline.json("GET", PATH))[0] == 404


async def test_numbers_are_shown_to_the_calls_agent_and_by_right_only(hotline: Site, desk: Desk) -> None:
    """Also of a number that is being said: nobody knows yet what it will be."""
    told = "我的电话是一三八零零一三八零零零"
    now = (Speaking("citizen", "", "身份证三二零"), Speaking("agent", "1001", "二十元"))
    desk.now = replace(VIEW, turns=(LiveTurn("citizen", "", 1.0, 4.0, told),), now=now)
    seen = {}
    for who, headers in {
        "agent": bearer(Role.AGENT, "1001"),
        "supervisor": bearer(Role.SUPERVISOR, "s1"),
        "wang": {"Authorization": f"Bearer {WANG}"},
        "admin": {"Authorization": f"Bearer {TOKEN}"},
    }.items():
        async with hotline.session.get(hotline.url(PATH), headers=headers) as answer:
            found = await answer.json()
            seen[who] = [found["turns"][0]["text"], *(one["text"] for one in found["now"])]
    whole, stars = [told, "身份证三二零", "二十元"], ["我的电话是" + "*" * 11, "身份证***", "二十元"]
    assert seen["agent"] == seen["admin"] == whole
    assert seen["wang"] == stars
    assert seen["supervisor"] == (whole if role_may("supervisor", Action.READ_PERSONAL) else stars)
    desk.now = replace(desk.now, state="over")
    async with hotline.session.get(hotline.url(f"{PATH}/live"), headers={"Authorization": f"Bearer {WANG}"}) as answer:
        assert "一三八" not in await answer.text()


# ---------------------------------------------------------------- the stream


async def events(answer: Any) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])
        elif line.startswith(":"):
            yield "heartbeat", None


async def test_the_stream_tells_each_change_until_the_call_is_over(hotline: Site, desk: Desk) -> None:
    headers = bearer(Role.AGENT, "1001")
    async with hotline.session.get(hotline.url(f"{PATH}/live"), headers=headers) as answer:
        told = events(answer)
        assert (await anext(told))[1]["version"] == 3
        assert (await anext(told))[0] == "heartbeat"
        desk.change(replace(VIEW, version=4, state="gave_way"))
        found = [one async for one in told if one[0] == "words" or desk.change(replace(VIEW, version=5, state="over"))]
        assert [(name, view["version"], view["state"]) for name, view in found] == [
            ("words", 4, "gave_way"), ("words", 5, "over"),
        ]  # fmt: skip


async def test_an_agent_who_has_handed_the_call_on_reads_no_further(hotline: Site, desk: Desk) -> None:
    async with hotline.session.get(hotline.url(f"{PATH}/live"), headers=bearer(Role.AGENT, "1001")) as answer:
        told = events(answer)
        await anext(told)
        desk.whose = Talkers(frozenset({AgentId("1002")}), QueueId("general"))
        desk.change(replace(VIEW, version=4))
        assert [name async for name, _ in told if name != "heartbeat"] == ["gone"]
