"""Transcripts as people use them, over both databases: found by their words, corrected, hidden, erased; the wall."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

import controller.transcript_query as query
from controller.records import Operations, Records
from controller.spool import Operation
from controller.ticket_desk import HotlineDesk
from controller.transcript_desk import HotlineTranscripts
from controller.writer import Store
from pbx.call import CallRecord
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, ChannelName, QueueId
from pbx.terms import key_of
from recordings import words_sql
from recordings.archive.sql import Erasure, record_erasure
from recordings.transcript import Transcript, Turn, Word, join_words
from recordings.words_due_sql import forget_words
from tests.city_story import CZ_AGENT, CZ_DESK, CZ_WATER, TREE
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tickets.classes import load_classes
from tickets.files import AttachmentFiles
from tickets.given import Move
from tickets.heard_sql import heard_by
from tickets.moves import ADMIN, Actor, Role, TicketInput
from tickets.shown import hears
from tickets.sql import whole
from tickets.tables import tickets
from tickets.texts import TicketRefused
from tickets.ticket import TicketChange, TicketPolicy

pytestmark = pytest.mark.doors

POLICY = TicketPolicy(
    units=TREE.register(), organisations=TREE, classes=load_classes(), numbers={"051912345": "cz", "051112345": "zj"}
)
BOSS, QUALITY = Actor("cz-boss", Role.SUPERVISOR, "cz"), Actor("cz-quality", Role.INSPECTOR, "cz")
OTHER, ALL = Actor("zj-boss", Role.SUPERVISOR, "zj"), Actor("all-boss", Role.LEADER)
COLLEAGUE = Actor("1002", Role.AGENT, "cz")
WHO = {one.id: one for one in (CZ_AGENT, COLLEAGUE, CZ_DESK, CZ_WATER, QUALITY, BOSS, OTHER, ALL)}
AT = 1_795_309_200.0
DAY = 86_400.0


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What is the same on both databases is looked at once."""


class People:
    async def find(self, token: str) -> Actor | None:
        return WHO.get(token.removesuffix("-token-0123456789"))


def turn(speaker: Any, at: float, *words: str) -> Turn:
    said = tuple(Word(at + n / 2, at + n / 2 + 0.4, word, 0.9) for n, word in enumerate(words))
    return Turn(speaker, at, at + len(words) / 2, join_words(words), said)


def talk(*turns: Turn) -> Transcript:
    return Transcript(turns, "zh", "vosk", None, 60.0)


LAMP = talk(
    turn("agent", 0.0, "您好", "请", "讲"),
    turn("citizen", 2.0, "解放", "路", "路灯", "坏", "了"),
    turn("citizen", 5.0, "电话", "一三八", "零零零零"),
    turn("agent", 8.0, "路灯", "好", "的"),
    turn("citizen", 9.0, "一二三四"),
)


@pytest.fixture
def operations() -> Operations:
    """With the organisations of two cities."""
    return Operations(POLICY)


class Room:
    """The desk over a store, and calls that are made in it."""

    def __init__(self, store: Store, records: Records) -> None:
        self.store, self.records = store, records
        self.now = AT + 30 * DAY
        self.desk = HotlineTranscripts(store, POLICY, lambda: self.now)

    async def call(
        self, n: int, said: Transcript, *, dialled: str = "051912345", agent: str = "1001", queue: str = "general",
        at: float | None = None, ticket: bool = True,
    ) -> CallId:  # fmt: skip
        call, at = CallId(f"{1795309200 + n}.{n}"), AT + n * DAY if at is None else at
        record = CallRecord(
            call, ChannelName("PJSIP/c-1"), dialled, "13900002222", at, queue=QueueId(queue), agent=AgentId(agent)
        )
        self.records.save_call(record)
        if ticket:
            opening = OpenTicket(call, "13900002222", dialled, "zh", QueueId(queue), AgentId(agent), at)
            await self.records.open_ticket(opening)
        await self.heard(call, said)
        return call

    async def heard(self, call: CallId, said: Transcript) -> None:
        await self.records.save_transcript(call, said, self.now)
        await self.desk.index_one(call)


@pytest.fixture
async def room(store: Store, records: Records) -> Room:
    return Room(store, records)


@pytest.fixture
async def town(room: Room, tmp_path: Path) -> AsyncIterator[Site]:
    backend = MemoryBackend(clock=lambda: room.now)
    files = AttachmentFiles(tmp_path)
    backend.desk = HotlineDesk(room.records, POLICY, {AgentId("1001")}, backend.clock, files)  # type: ignore[assignment]
    backend.words = room.desk
    async with site(backend, holders=People()) as running:
        yield running


def bearer(who: Actor | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {who.id}-token-0123456789"} if who is not None else {}


async def search(town: Site, q: str, who: Actor | None = ALL, **more: object) -> Any:
    """The answer of a search; who None = the hotline's own token."""
    params = {"q": q, **{name.rstrip("_"): str(value) for name, value in more.items()}}
    status, told = await town.json("GET", "/api/transcripts", params=params, headers=bearer(who))
    assert status == 200, told
    return told


async def calls(town: Site, q: str, who: Actor | None = ALL, **more: object) -> list[str]:
    return [hit["call"] for hit in (await search(town, q, who, **more))["hits"]]


# ---------------------------------------------------------------- searching


async def test_a_search_shows_the_words_and_the_second_in_the_sound(room: Room, town: Site) -> None:
    call = await room.call(0, LAMP)
    await room.call(1, talk(turn("citizen", 0.0, "家里", "停水", "😀", "wi-fi", "也", "断", "了")), agent="1002")
    (hit,) = (await search(town, "路灯"))["hits"]
    assert (hit["call"], hit["began_at"], hit["agent"], hit["queue"]) == (call, AT, "1001", "general")
    assert hit["ticket"] is not None
    assert [(one["n"], one["speaker"], one["at_s"], one["spans"]) for one in hit["turns"]] == [
        (1, "citizen", 3.0, [[3, 5]]), (3, "agent", 8.0, [[0, 2]])
    ]  # fmt: skip
    assert hit["turns"][0]["text"][3:5] == "路灯"
    assert len(await calls(town, "停水")) == 1
    assert len(await calls(town, "ＷＩ-Fi 断了")) == 1
    assert await calls(town, "路灯 停水") == []
    assert await calls(town, "路灯", speaker="agent") == [call]
    assert await calls(town, "坏了", speaker="agent") == []
    assert await calls(town, "路灯", agent="1002") == []
    assert await calls(town, "路灯", agent="1001", queue="general") == [call]
    assert await calls(town, "路灯", queue="english") == []
    assert await calls(town, "路灯", from_=AT, to=AT + 1) == [call]
    assert await calls(town, "路灯", from_=AT + 1) == []
    assert await calls(town, "路灯", to="2026-11-01T00:00:00+08:00") == []
    assert await calls(town, '路灯" OR * NEAR(') == [], "nothing of it is a command"


async def test_pages_follow_each_other_in_both_orders(room: Room, town: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "WALKED", 3)
    made = [await room.call(n, talk(turn("citizen", 0.0, "路灯", f"第{n}次"))) for n in range(7)]
    await room.call(9, talk(turn("citizen", 0.0, "停水")))
    for order, wanted in (("newest", made[::-1]), ("oldest", made)):
        seen: list[str] = []
        more: dict[str, object] = {"order": order, "limit": 2}
        while True:
            told = await search(town, "路灯", **more)
            seen += [hit["call"] for hit in told["hits"]]
            if told["next"] is None:
                break
            more["after"] = told["next"]
        assert seen == wanted
    at_once = [await room.call(20 + n, talk(turn("citizen", 0.0, "井盖")), at=AT) for n in range(3)]
    assert await calls(town, "井盖", order="oldest") == at_once, "calls of the same instant have places of their own"


@on_sqlite
async def test_words_whose_characters_do_not_follow_each_other_come_to_an_end(
    room: Room, town: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        await room.call(n, talk(turn("citizen", 0.0, "灯坏", "坏路")))
    call = await room.call(7, talk(turn("citizen", 0.0, "灯坏路")), at=AT - DAY)
    assert await calls(town, "灯坏路") == [call]
    monkeypatch.setattr(query, "MOST_READ", 4)
    told = await search(town, "灯坏路")
    assert (told["hits"], told["next"] is None) == ([], False)
    assert [one["call"] for one in (await search(town, "灯坏路", after=told["next"]))["hits"]] == [call]


async def test_a_search_knows_only_calls_that_one_may_hear(room: Room, town: Site) -> None:
    mine = await room.call(0, LAMP)
    theirs = await room.call(1, LAMP, dialled="051112345", agent="1002")
    none = await room.call(2, LAMP, ticket=False)
    for who, found in ((BOSS, [mine]), (QUALITY, [mine]), (OTHER, [theirs]), (ALL, [theirs, mine]),
                       (CZ_AGENT, [mine]), (COLLEAGUE, [theirs]), (None, [none, theirs, mine])):  # fmt: skip
        told = await search(town, "路灯", who, limit=len(found))
        assert ([one["call"] for one in told["hits"]], told["next"]) == (found, None), who
    for who in (CZ_DESK, CZ_WATER):
        status, told = await town.json("GET", "/api/transcripts?q=路灯", headers=bearer(who))
        assert (status, told["error"]) == (403, "not_allowed")
    for who, call, status in ((BOSS, mine, 200), (BOSS, theirs, 404), (BOSS, none, 404), (OTHER, mine, 404),
                              (CZ_DESK, mine, 404), (CZ_AGENT, mine, 200), (COLLEAGUE, mine, 404)):  # fmt: skip
        for path in (f"/api/calls/{call}/transcript", f"/api/calls/{call}/transcript/turns/1"):
            assert (await town.json("GET", path, headers=bearer(who)))[0] == status, (who, path)
        body = {"text": "别的", "version": 1 if status == 200 else 7}
        asked = await town.json("PUT", f"/api/calls/{call}/transcript/turns/3", body, headers=bearer(who))
        assert asked[0] in ((200, 409) if status == 200 else (404,)), (who, call)


async def test_the_wall_in_the_query_is_the_one_of_the_rule(room: Room, store: Store) -> None:
    n = 0
    for dialled in ("051912345", "051112345", "12345"):
        for region in ("", "cz", "zj", "js"):
            for unit in ("", "cz-water"):
                opening = OpenTicket(
                    CallId(f"c-{n}"), "139", dialled, "zh", QueueId("general"), AgentId(f"100{n % 3}"), AT
                )
                number = await room.records.open_ticket(opening)
                change = TicketChange(type="help", text="灯", region=region or None, anonymous=n % 2 == 0)
                await room.records.change_ticket(number, change, ADMIN, at=AT)
                if unit:
                    with suppress(TicketRefused):  # not every city may give it to another one's unit
                        await room.records.move_ticket(number, Move(TicketInput.REFER, unit=unit), ADMIN, at=AT)
                n += 1
    viewers = [Actor(id, role, org) for role in Role for org in ("", "cz", "zj", "js", "cz-water", "gone")
               for id in ("1001", "")]  # fmt: skip

    def both(connection: Any) -> list[tuple[Actor, set[str], set[str]]]:
        every = whole(connection, connection.execute(select(tickets)).all())
        number = select(tickets.c.number)
        return [
            (
                viewer,
                set(connection.execute(number.where(heard_by(viewer, POLICY))).scalars()),
                {one.number for one in every if hears(one, viewer, POLICY)},
            )
            for viewer in viewers
        ]

    seen = await store.read(both)
    for viewer, through, heard in seen:
        assert heard <= through, viewer
        assert heard == through or viewer.unit == "js", viewer
    assert {len(heard) for *_, heard in seen} >= {0, n}, "some hear all, some nothing"
    assert any(0 < len(heard) < n for *_, heard in seen)


# ---------------------------------------------------------------- personal data


@on_sqlite
async def test_who_has_no_right_to_personal_data_reads_and_finds_none(room: Room, town: Site) -> None:
    call = await room.call(0, LAMP)
    ticket = await room.records.ticket_of_call(call)
    assert ticket is not None
    for who, text_, words in ((BOSS, "电话一三八零零零零", ["电话", "一三八", "零零零零"]),
                              (QUALITY, "电话*******", ["电话", "***", "****"]),
                              (CZ_AGENT, "电话*******", ["电话", "***", "****"])):  # fmt: skip
        for path in (f"/api/calls/{call}/transcript", f"/api/tickets/{ticket.number}/transcript"):
            status, told = await town.json("GET", path, headers=bearer(who))
            third = told["turns"][2]
            assert (status, third["text"], [word[2] for word in third["words"]]) == (200, text_, words)
            assert [word[:2] for word in third["words"]] == [[5.0, 5.4], [5.5, 5.9], [6.0, 6.4]]
            assert third["personal"] == [{"kind": "mobile", "start": 2, "end": 9}]
            assert told["masked"] is (who is not BOSS)
            assert ("一二三四" in json.dumps(told, ensure_ascii=False)) is (who is BOSS)
    for q in ("13800001234", "零零零零", "一二三四"):
        assert await calls(town, q, BOSS) == [call]
        assert await calls(town, q, QUALITY) == []
    (hit,) = (await search(town, "电话", QUALITY))["hits"]
    assert hit["turns"][0]["text"] == "电话*******"


@on_sqlite
async def test_a_correction_by_somebody_who_sees_stars_keeps_what_they_hide(room: Room, town: Site) -> None:
    call = await room.call(0, LAMP)
    path = f"/api/calls/{call}/transcript/turns/2"
    status, told = await town.json("PUT", path, {"text": "没有了", "version": 1}, headers=bearer(QUALITY))
    assert (status, told["error"], told["problems"][0]["field"]) == (422, "masked_changed", "text")
    status, told = await town.json("PUT", path, {"text": "手机*******", "version": 1}, headers=bearer(QUALITY))
    assert (status, told["turn"]["text"]) == (200, "手机*******")
    assert told["turn"]["corrected"]["original"] == "电话*******"
    assert [(one["was"], one["text"]) for one in told["history"]] == [("电话*******", "手机*******")]
    _, told = await town.json("GET", path, headers=bearer(BOSS))
    assert told["turn"]["text"] == "手机一三八零零零零"
    assert await calls(town, "13800001234", BOSS) == [call]


# ---------------------------------------------------------------- corrections


@on_sqlite
async def test_a_correction_stands_beside_the_original_and_is_what_is_found(room: Room, town: Site) -> None:
    call = await room.call(0, LAMP)
    path = f"/api/calls/{call}/transcript/turns/1"
    body = {"text": "解放北路的井盖坏了\u202e", "version": 1}
    status, told = await town.json("PUT", path, body, headers=bearer(BOSS))
    assert (status, told["turn"]["text"], told["turn"]["version"]) == (200, "解放北路的井盖坏了", 2)
    by = {"by": "cz-boss", "role": "supervisor", "at": room.now, "original": "解放路路灯坏了"}
    assert {name: told["turn"]["corrected"][name] for name in by} == by
    assert await calls(town, "井盖") == [call]
    assert [one["n"] for one in (await search(town, "路灯"))["hits"][0]["turns"]] == [3]
    assert (await search(town, "井盖"))["hits"][0]["turns"][0]["corrected"] is True
    status, told = await town.json("PUT", path, {"text": "路牌", "version": 1}, headers=bearer(CZ_AGENT))
    assert (status, told["error"]) == (409, "turn_conflict")
    assert (told["present"]["turn"]["text"], told["present"]["turn"]["version"]) == ("解放北路的井盖坏了", 2)
    status, _ = await town.json("PUT", path, {"text": "路牌", "version": 2}, headers=bearer(CZ_AGENT))
    assert status == 200
    other = await town.json("PUT", f"{path[:-1]}3", {"text": "", "version": 1}, headers=bearer(QUALITY))
    assert (other[0], other[1]["turn"]["text"]) == (200, ""), "what somebody wrote elsewhere is no conflict"
    _, told = await town.json("GET", path, headers=bearer(BOSS))
    assert [(one["version"], one["by"], one["text"]) for one in told["history"]] == [
        (2, "cz-boss", "解放北路的井盖坏了"), (3, "1001", "路牌")
    ]  # fmt: skip
    rows = await room.records.audit(0.0, 9e9)
    assert [(one.entry.actor, one.entry.action, one.entry.call) for one in rows] == [
        ("cz-boss", "correct_transcript", call), ("1001", "correct_transcript", call),
        ("cz-quality", "correct_transcript", call),
    ]  # fmt: skip
    assert "井盖" not in str(rows)


async def test_of_two_at_once_one_is_told_what_the_other_wrote(room: Room, town: Site) -> None:
    call = await room.call(0, LAMP)
    path = f"/api/calls/{call}/transcript/turns/1"
    told = await asyncio.gather(
        *(town.json("PUT", path, {"text": f"第{n}", "version": 1}, headers=bearer(BOSS)) for n in range(5))
    )
    assert sorted(status for status, _ in told) == [200, 409, 409, 409, 409]
    (won,) = [one["turn"]["text"] for status, one in told if status == 200]
    assert {one["present"]["turn"]["text"] for status, one in told if status == 409} == {won}


async def test_corrections_survive_a_new_transcription(room: Room, town: Site) -> None:
    call = await room.call(0, LAMP)
    path = f"/api/calls/{call}/transcript"
    for n, said in ((1, "解放北路井盖坏了"), (3, "水管")):
        assert (await town.json("PUT", f"{path}/turns/{n}", {"text": said, "version": 1}))[0] == 200
    await room.heard(call, LAMP)
    _, told = await town.json("GET", path)
    assert (told["version"], told["turns"][3]["text"]) == (3, "水管"), "the same again changes nothing"
    await room.heard(call, talk(turn("citizen", 2.2, "解放", "路", "路登", "坏", "了"), turn("citizen", 30.0, "喂")))
    _, told = await town.json("GET", path)
    assert [one["text"] for one in told["turns"]] == ["解放北路井盖坏了", "喂"]
    assert told["turns"][0]["corrected"]["original"] == "解放路路登坏了"
    assert [(one["was"], one["text"], one["by"]) for one in told["unfitting"]] == [("路灯好的", "水管", "admin")]
    assert (told["version"], told["turns"][0]["version"]) == (4, 4)
    status, _ = await town.json("PUT", f"{path}/turns/0", {"text": "x", "version": 2})
    assert status == 409, "he saw another transcription"
    assert await calls(town, "井盖") == [call]
    assert await calls(town, "水管") == []
    assert await calls(town, "您好") == []


# ---------------------------------------------------------------- what is kept, and for how long


async def test_words_corrections_and_all_go_with_the_recording(room: Room, town: Site, store: Store) -> None:
    call, other = await room.call(0, LAMP), await room.call(1, LAMP)
    await town.json("PUT", f"/api/calls/{call}/transcript/turns/1", {"text": "井盖", "version": 1})
    gone = Erasure(call, room.now, "keep_days", AT, 60.0, "ab", "")

    def both(connection: Any, erasure: Erasure) -> None:
        record_erasure(connection, erasure)
        forget_words(connection, erasure.call)

    erase: Operation[Erasure, None] = Operation("erase", both)
    await store.submit(erase, gone)
    await store.submit(erase, gone)
    assert await calls(town, "井盖") == []
    assert await calls(town, "路灯") == [other]
    assert (await town.json("GET", f"/api/calls/{call}/transcript"))[0] == 404

    def left(connection: Any) -> list[int]:
        tables = ("transcripts", "transcript_corrections", "transcript_places")
        found = [connection.execute(text(f"SELECT count(*) FROM {name} WHERE call = '{call}'")).scalar_one()
                 for name in tables]  # fmt: skip
        if connection.dialect.name == "postgresql":
            found.append(connection.execute(text("SELECT count(*) - 1 FROM transcript_words")).scalar_one())
        else:
            match = text("SELECT count(*) - 1 FROM transcript_words WHERE transcript_words MATCH :said")
            asked = words_sql.matching([(key_of("路灯"),)])
            found.append(connection.execute(match, {"said": asked}).scalar_one())
        return found

    assert await store.read(left) == [0, 0, 0, 0]


@on_sqlite
async def test_words_of_older_transcripts_are_made_beside_everything_else(room: Room, town: Site) -> None:
    for n in range(5):
        await room.records.save_transcript(CallId(f"c-{n}"), LAMP, AT + n)
    assert await calls(town, "路灯", None) == []
    broken: Operation[None, None] = Operation(
        "break", lambda connection, _: connection.execute(text("UPDATE transcripts SET body = '{}' WHERE call = 'c-2'"))
    )  # type: ignore[arg-type]
    await room.store.submit(broken, None)
    room.records.on_transcript = room.desk.saved
    keeping = asyncio.create_task(room.desk.keep())
    try:
        await room.records.save_transcript(CallId("c-9"), talk(turn("citizen", 0.0, "路灯")), AT + 9)
        async with asyncio.timeout(20):
            while len(await calls(town, "路灯", None)) < 5:  # noqa: ASYNC110 - as a person would look again
                await asyncio.sleep(0.02)
        assert await calls(town, "路灯", None) == ["c-9", "c-4", "c-3", "c-1", "c-0"], "a broken one is no stop"
        assert await room.desk.index_all() == 0
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


@on_sqlite
async def test_every_search_and_reading_is_in_the_audit_trail_without_the_words(room: Room, town: Site) -> None:
    call = await room.call(0, LAMP)
    await search(town, "路灯", BOSS)
    await search(town, "路灯", BOSS)
    await town.json("GET", f"/api/calls/{call}/transcript", headers=bearer(BOSS))
    lines = [(one.actor, one.action, one.call) for one in town.backend.noted.values()]
    assert lines == [("cz-boss", "search_transcripts", "")] * 2 + [("cz-boss", "read_transcript", call)]
    assert "路灯" not in str(town.backend.noted)


# ---------------------------------------------------------------- bad input


WRONG = (
    ("", 400, "missing"),
    ("q=", 400, "empty"),
    ("q=灯", 422, "too_few_words"),
    ("q=😀", 422, "too_few_words"),
    ("q=%E2%80%8B%E2%80%AE", 422, "too_few_words"),
    (f"q={'灯' * 201}", 400, "too_long"),
    ("q=路灯&speaker=neighbour", 400, "not_one_of"),
    ("q=路灯&order=best", 400, "not_one_of"),
    ("q=路灯&limit=0", 400, "out_of_range"),
    ("q=路灯&limit=999", 400, "out_of_range"),
    ("q=路灯&after=x", 400, "bad_characters"),
    ("q=路灯&from=yesterday", 400, "not_an_instant"),
    ("q=路灯&from=20&to=10", 400, "until_before_since"),
    ("q=路灯&q=井盖", 400, "doubled_field"),
)


async def test_wrong_questions_are_told_what_is_wrong() -> None:
    async with site(MemoryBackend()) as running:
        for asked, status, code in WRONG:
            got, told = await running.json("GET", f"/api/transcripts?{asked}")
            assert (got, [one["code"] for one in told["problems"]]) == (status, [code]), asked


@on_sqlite
async def test_wrong_corrections_write_nothing(room: Room, town: Site) -> None:
    call = await room.call(0, LAMP)
    path = f"/api/calls/{call}/transcript/turns"
    for body, problem in (
        ({}, "missing"),
        ({"text": 7, "version": 1}, "not_text"),
        ({"text": "x" * 4001, "version": 1}, "too_long"),
        ({"text": "a\u0000b", "version": 1}, "bad_characters"),
        ({"text": "好", "version": "1"}, "not_a_whole_number"),
        ({"text": "好", "version": 1, "by_role": "king"}, "unknown_role"),
    ):
        status, told = await town.json("PUT", f"{path}/1", body)
        assert (status, told["problems"][0]["code"]) == (400, problem), body
    async with town.session.put(
        town.url(f"{path}/1"), data=b"{not json", headers={"Authorization": "Bearer a-token-for-tests-0123456789",
                                                           "Content-Type": "application/json"}
    ) as answer:  # fmt: skip
        assert (answer.status, (await answer.json())["error"]) == (400, "not_json")
    assert (await town.json("PUT", f"{path}/77", {"text": "好", "version": 1}))[1]["error"] == "unknown_turn"
    assert (await town.json("GET", f"{path}/5"))[0] == 404
    assert (await town.json("GET", "/api/calls/none.1/transcript/turns/0"))[1]["error"] == "unknown_transcript"
    _, told = await town.json("GET", f"/api/calls/{call}/transcript")
    assert (told["version"], told["turns"][1]["text"]) == (1, "解放路路灯坏了")


@on_sqlite
async def test_a_call_of_four_hours_is_read_page_by_page(room: Room, town: Site) -> None:
    whole_day = talk(*(turn("citizen" if n % 2 else "agent", n * 6.0, "第", str(n), "句") for n in range(2400)))
    call = await room.call(0, whole_day)
    seen: list[int] = []
    after = ""
    while True:
        _, told = await town.json("GET", f"/api/calls/{call}/transcript?limit=1500{after}")
        seen += [one["n"] for one in told["turns"]]
        if told["next"] is None:
            break
        after = f"&after={told['next']}"
    assert seen == list(range(2400))
    _, told = await town.json("GET", f"/api/calls/{call}/transcript")
    assert (len(told["turns"]), told["next"]) == (500, 499)
    (hit,) = (await search(town, "2377"))["hits"]
    assert [(one["n"], one["at_s"]) for one in hit["turns"]] == [(2377, 14262.5)]
    strange = "👩‍👩‍👧 \u202eابجد\u202c 路灯"
    _, told = await town.json("PUT", f"/api/calls/{call}/transcript/turns/2377", {"text": strange, "version": 1})
    assert told["turn"]["text"] == "👩‍👩‍👧 ابجد 路灯"
    (hit,) = (await search(town, "路灯"))["hits"]
    (one,) = hit["turns"]
    assert [one["text"][start:end] for start, end in one["spans"]] == ["路灯"]
