"""Tickets between running installations: two or three web servers with databases of their own, and bad lines between.

Nothing is lost and nothing doubled, whatever the line does; what is not rightly signed, or was said before, counts not.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pbx.ids import TicketNumber
from tests.city_story import ORGANISATIONS
from tests.fakes.installations import Installation, Line, empty_database, key_of, until
from tickets.exchange.messages import Kind, Message, encode
from tickets.exchange.signing import Key, sign
from tickets.moves import Actor, Role
from tickets.organisations import Organisation
from tickets.ticket import TicketChange

pytestmark = pytest.mark.doors

ALL = [one for one in ORGANISATIONS if one.id != "ah"]


def seen_from(own: str) -> list[Organisation]:
    """The tree as one installation has it: the other two hotlines are behind peers of their names."""
    peers = {"cz": {"js": "js"}, "js": {"cz": "cz", "zj": "zj"}, "zj": {"js": "js"}}[own]
    found = [replace(one, peer=peers.get(one.id, "")) for one in ALL]
    if own != "js":  # everything else is reached through the province
        found = [one for one in found if one.id == "js" or one.id.startswith(own)]
    return found


class Province:
    """A province and two cities, each an installation of its own, with a line for each direction."""

    def __init__(self, folder: Path, empty: Path) -> None:
        self.lines = {way: Line() for way in ("cz-js", "js-cz", "js-zj", "zj-js")}
        self._folder, self._empty = folder, empty

    async def start(self) -> None:
        urls = {way: await line.start() for way, line in self.lines.items()}
        self.cz = Installation("cz", self._folder, self._empty, seen_from("cz"), {"js": urls["cz-js"]})
        self.js = Installation(
            "js", self._folder, self._empty, seen_from("js"), {"cz": urls["js-cz"], "zj": urls["js-zj"]}
        )
        self.zj = Installation("zj", self._folder, self._empty, seen_from("zj"), {"js": urls["zj-js"]})
        for one in (self.cz, self.js, self.zj):
            port = await one.start()
            for way, line in self.lines.items():
                if way.endswith(f"-{one.name}"):
                    line.target = port

    async def stop(self) -> None:
        for line in self.lines.values():
            line.plan = lambda: "lose"
        for one in (self.cz, self.js, self.zj):
            await one.stop()
        for line in self.lines.values():
            await line.close()

    async def until(self, check: Any) -> None:
        await until(tuple(self.lines.values()), check)

    async def quiet(self) -> None:
        """Wait until everything that was said has been acknowledged."""

        async def nothing_waits() -> bool:
            for one in (self.cz, self.js, self.zj):
                _, answer = await one.ask("GET", "/api/exchange")
                if any(peer["waiting"] for peer in answer["peers"]):
                    return False
            return True

        await self.until(nothing_waits)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_database(tmp_path_factory.mktemp("empty"))


@pytest.fixture
async def province(tmp_path: Path, empty: Path) -> AsyncIterator[Province]:
    found = Province(tmp_path, empty)
    await found.start()
    yield found
    await found.stop()


async def arrived(here: Installation, count: int = 1) -> list[dict[str, Any]]:
    """The tickets that came from elsewhere, oldest first."""
    return [one for one in await here.tickets() if one["channel"] == "exchange"][:count]


async def handled(here: Installation, number: str, unit: str) -> None:
    """The whole work of a unit, to the reviewed answer."""
    now = await here.ticket(number)
    move = "refer" if now["state"] == "registered" else "redispatch"
    await here.do(number, move, unit=unit, reason="属该单位")
    await here.do(number, "sign", by_unit=unit)
    await here.do(number, "handle", by_unit=unit, text="已派人到现场")
    await here.do(number, "reply", by_unit=unit, text="管道已修复")
    await here.do(number, "accept_reply")


async def test_a_ticket_goes_up_to_the_province_and_its_answer_comes_back(province: Province) -> None:
    cz, js = province.cz, province.js
    number = await cz.take(region="cz", caller="13800001111", title="省道塌方", class_code="TRAFFIC-ROAD")
    await cz.do(number, "refer", unit="js", reason="属省道")
    await province.quiet()
    (theirs,) = await arrived(js)
    assert (theirs["title"], theirs["caller"], theirs["state"]) == ("省道塌方", "13800001111", "registered")
    await handled(js, theirs["number"], "js-transport")
    await province.quiet()
    mine = await cz.ticket(number)
    assert (mine["state"], mine["reply"]) == ("replied", "管道已修复"), "the city reviews the answer itself"
    await cz.do(number, "accept_reply")
    await province.quiet()
    assert (await js.ticket(theirs["number"]))["state"] == "archived"
    (talk,) = await cz.talks(number)
    said = [(one["kind"], one["said"]) for one in talk["messages"]]
    assert said == [("offer", True), *[("progress", False)] * 3, ("reply", False), ("close", True)]
    _, moves = await cz.ask("GET", f"/api/tickets/{number}/moves")
    told = [one["details"].get("text", "") for one in moves["moves"] if one["cause"] == "handle"]
    assert told == ["[dispatched] 省交通运输厅 属该单位", "[handled] 省交通运输厅 已派人到现场"]


async def test_a_city_s_own_unit_is_no_business_of_the_province(province: Province) -> None:
    cz, js = province.cz, province.js
    number = await cz.take(region="cz")
    await handled(cz, number, "cz-water")
    await province.quiet()
    assert (await cz.talks(number), await js.tickets()) == ([], [])


async def test_across_cities_the_province_relays_and_tracks(province: Province) -> None:
    cz, js, zj = province.cz, province.js, province.zj
    number = await cz.take(region="cz")
    await cz.do(number, "refer", unit="js", reason="跨市域")
    await province.quiet()
    (between,) = await arrived(js)
    await js.do(between["number"], "refer", unit="zj", reason="在镇江境内")
    await province.quiet()
    (there,) = await arrived(zj)
    await handled(zj, there["number"], "zj-water")
    await province.quiet()
    assert (await js.ticket(between["number"]))["state"] == "replied", "the province follows it up to the end"
    await js.do(between["number"], "accept_reply")
    await province.quiet()
    assert (await cz.ticket(number))["reply"] == "管道已修复"
    assert (await zj.ticket(there["number"]))["state"] == "archived"
    _, moves = await cz.ask("GET", f"/api/tickets/{number}/moves")
    assert "[handled]" in str(moves), "the first city sees the steps of the other one"


async def test_a_rejected_answer_goes_back_and_a_withdrawal_ends_it(province: Province) -> None:
    cz, js = province.cz, province.js
    number = await cz.take(region="cz")
    await cz.do(number, "refer", unit="js")
    await province.quiet()
    (theirs,) = await arrived(js)
    await handled(js, theirs["number"], "js-transport")
    await province.quiet()
    said = TicketChange(text="改为新北区停水", anonymous=True)  # he calls once more
    await cz.records.change_ticket(TicketNumber(number), said, Actor("1001", Role.AGENT), at=time.time())
    await cz.do(number, "reject_reply", reason="未答复诉求人")
    await province.quiet()
    again = await js.ticket(theirs["number"])
    assert (again["state"], again["redo_count"]) == ("dispatched", 1)
    assert (again["text"], again["anonymous"]) == ("改为新北区停水", True), "what has changed meanwhile has come too"
    assert len(await js.tickets()) == 1, "the same ticket is handled again"
    await cz.do(number, "withdraw", reason="诉求人撤回")
    await province.quiet()
    assert (await js.ticket(theirs["number"]))["state"] == "resolved"


async def test_a_redo_goes_on_as_a_new_ticket_and_the_old_one_keeps_its_talk(province: Province) -> None:
    cz, js = province.cz, province.js
    number = await cz.take(region="cz", caller="13800001111")
    await cz.do(number, "refer", unit="js", reason="属省级")
    await province.quiet()
    (old,) = await arrived(js)
    await handled(js, old["number"], "js-transport")
    await province.quiet()
    await cz.do(number, "accept_reply")
    await province.quiet()
    _, before = await js.ask("GET", f"/api/tickets/{old['number']}/exchange")
    (talk,) = before["threads"]
    assert (talk["state"], (await js.ticket(old["number"]))["state"]) == ("closed", "archived")
    await cz.do(number, "redo", reason="又漏了")
    await province.quiet()
    new = (await arrived(js, 2))[1]
    assert new["number"] != old["number"]
    _, after = await js.ask("GET", f"/api/tickets/{old['number']}/exchange")
    assert after == before, "what was said about it is said about it"
    _, goes_on = await js.ask("GET", f"/api/tickets/{new['number']}/exchange")
    (talk,) = goes_on["threads"]
    assert talk["state"] == "offered"
    assert [one["kind"] for one in talk["messages"]].count("offer") == 2
    await cz.do(number, "conceal")
    await province.quiet()
    for one in (old, new):
        assert (await js.ticket(one["number"]))["anonymous"], "hidden in both: both name the caller"


async def test_a_mark_that_comes_when_it_is_over_hides_the_caller_at_all_who_had_it(province: Province) -> None:
    """匿名 after the answer, with the line cut: it arrives when the line is there again, and counts once."""
    cz, js, zj, line = province.cz, province.js, province.zj, province.lines["cz-js"]
    number = await cz.take(region="cz", caller="13800001111")
    await cz.do(number, "refer", unit="js", reason="属省级")
    await province.quiet()
    (above,) = await arrived(js)
    await js.do(above["number"], "refer", unit="zj")
    await province.quiet()
    (across,) = await arrived(zj)
    assert across["caller"] == "13800001111"
    await handled(zj, across["number"], "zj-water")
    await province.quiet()
    await js.do(above["number"], "accept_reply")
    await province.quiet()
    plans = iter(("lose", "hold", "double"))
    line.plan = lambda: next(plans, "pass")
    await cz.do(number, "conceal", reason="诉求人来电要求匿名")
    await province.quiet()
    for there, ours in ((js, above), (zj, across)):
        _, moves = await there.ask("GET", f"/api/tickets/{ours['number']}/moves")
        assert [one["cause"] for one in moves["moves"]].count("conceal") == 1
        assert (await there.ticket(ours["number"]))["anonymous"]
    assert line.faults["lose"] == 1


async def test_what_is_not_its_matter_is_given_back(province: Province) -> None:
    cz, js = province.cz, province.js
    number = await cz.take(region="cz")
    await cz.do(number, "refer", unit="js")
    await province.quiet()
    (theirs,) = await arrived(js)
    status, _ = await js.ask("POST", f"/api/tickets/{theirs['number']}/give-back", {"reason": "属市级事权"})
    assert status == 200
    await province.quiet()
    mine = await cz.ticket(number)
    (asked,) = mine["approvals"]
    assert (asked["kind"], asked["reason"], asked["outcome"]) == ("return", "属市级事权", "asked")
    await cz.do(number, "refuse_return", reason="省道由省厅管养")
    await province.quiet()
    both = await js.tickets()
    assert [one["state"] for one in both] == ["resolved", "registered"], "it is offered again, as a new ticket"
    assert "省道由省厅管养" in both[1]["text"]
    status, answer = await js.ask("POST", f"/api/tickets/{theirs['number']}/give-back", {"reason": "x"})
    assert (status, answer["error"]) == (409, "not_offered")
    assert (await js.ask("POST", "/api/tickets/1/give-back", {"reason": "x"}))[0] == 404


async def test_two_cities_co_handle_one_ticket_of_the_province(province: Province) -> None:
    js, cz, zj = province.js, province.cz, province.zj
    number = await js.take(region="js", caller="13800001111")
    await js.do(number, "refer", unit="cz", co_units=["zj"])
    await province.quiet()
    (lead,), (co,) = await arrived(cz), await arrived(zj)
    assert (lead["caller"], co["caller"]) == ("13800001111", ""), "who co-handles does not learn who called"
    await handled(zj, co["number"], "zj-water")
    await province.quiet()
    _, moves = await js.ask("GET", f"/api/tickets/{number}/moves")
    told = [one["details"]["text"] for one in moves["moves"] if one["cause"] == "handle"]
    assert told[-1].endswith("管道已修复"), "who co-handles has answered, before the lead has even signed"
    await handled(cz, lead["number"], "cz-water")
    await province.quiet()
    mine = await js.ticket(number)
    assert (mine["state"], mine["lead_unit"]) == ("replied", "cz")
    await js.do(number, "accept_reply")
    await province.quiet()
    assert {(await one.ticket(ours["number"]))["state"] for one, ours in ((cz, lead), (zj, co))} == {"archived"}


async def test_over_a_cut_line_nothing_is_lost_and_a_restart_forgets_nothing(province: Province) -> None:
    cz, js, line = province.cz, province.js, province.lines["cz-js"]
    line.plan = lambda: "lose"
    number = await cz.take(region="cz")
    await cz.do(number, "refer", unit="js")

    async def tried() -> bool:
        _, answer = await cz.ask("GET", "/api/exchange")
        return bool(answer["peers"][0]["error"])

    await province.until(tried)
    _, answer = await cz.ask("GET", "/api/exchange")
    (peer,) = answer["peers"]
    assert (peer["peer"], peer["waiting"], peer["error"]) == ("js", 1, "no_connection")
    assert await js.tickets() == []
    await cz.stop()
    province.lines["js-cz"].target = await cz.start()
    line.plan = lambda: "pass"
    await province.quiet()
    assert len(await js.tickets()) == 1


async def test_five_tickets_over_lines_that_lose_double_hold_back_and_cut(province: Province) -> None:
    cz, js = province.cz, province.js
    dice = random.Random(12345)
    kinds = ("pass", "pass", "lose", "swallow", "double", "hold")
    for way in ("cz-js", "js-cz"):
        province.lines[way].plan = lambda: dice.choice(kinds)
    numbers = [await cz.take(region="cz", title=f"第{one}件") for one in range(5)]
    await asyncio.gather(*(cz.do(number, "refer", unit="js") for number in numbers))

    async def all_there() -> bool:
        return len(await js.tickets()) >= 5

    await province.until(all_there)
    theirs = await js.tickets()
    await asyncio.gather(*(handled(js, one["number"], "js-transport") for one in theirs))
    await province.quiet()
    for number in numbers:
        assert (await cz.ticket(number))["reply"] == "管道已修复"
        await cz.do(number, "accept_reply")
    await province.quiet()
    theirs = await js.tickets()
    assert sorted(one["title"] for one in theirs) == sorted(f"第{one}件" for one in range(5)), "each one once"
    assert {one["state"] for one in theirs} == {"archived"}
    for number in numbers:
        (talk,) = await cz.talks(number)
        heard = [one for one in talk["messages"] if not one["said"]]
        assert [one["kind"] for one in heard] == ["progress"] * 3 + ["reply"], "each message once, in order"
        assert {(one["outcome"], one["note"]) for one in heard} == {("applied", "")}
    for way in ("cz-js", "js-cz"):
        assert set(province.lines[way].faults) == set(kinds), "the line really was bad"
    replays = [await province.lines["cz-js"].deliver(one) for one in list(province.lines["cz-js"].passed)]
    assert all(b" 409 " in one and b'"replayed"' in one for one in replays), "nothing recorded can be said again"
    assert len(await js.tickets()) == 5


async def test_what_is_forged_or_malformed_is_refused_and_leaves_no_trace(province: Province) -> None:
    cz, js = province.cz, province.js
    key = key_of("cz", "js")
    body = encode(Message("cz", "js", "cz/1", 1, 1, Kind.OFFER, time.time(), {"part": "lead", "text": "x"}))
    forged = Key(key.id, "cz", b"x" * 32)
    other = encode(Message("zj", "js", "zj/1", 1, 1, Kind.OFFER, time.time(), {"part": "lead", "text": "x"}))
    late = encode(Message("cz", "js", "js/20260101", 1, 1, Kind.REPLY, time.time(), {"text": "x"}))
    now, nonce = time.time(), "n" * 16
    cases = [
        ({}, body, 401, "unsigned"),
        (sign(forged, body, now, nonce), body, 401, "wrong_signature"),
        (sign(key, body, now, nonce), body + b" ", 401, "wrong_signature"),
        (sign(key, body, now - 10_000, nonce), body, 401, "out_of_time"),
        (sign(Key("other", "cz", key.secret), body, now, nonce), body, 401, "unknown_key"),
        (sign(key, b"{}", now, nonce), b"{}", 400, "wrong_version"),
        (sign(key, other, now, nonce), other, 403, "wrong_parties"),
        (sign(key, late, now, nonce), late, 409, "unknown_thread"),
    ]
    assert js.server is not None
    async with aiohttp.ClientSession(js.server.url) as client:
        for headers, sent, status, code in cases:
            async with client.post("/api/exchange/messages", data=sent, headers=headers) as response:
                answer = await response.json()
                assert (response.status, answer["error"]) == (status, code)
                assert set(answer["message"]) == {"zh", "en"}
        assert await js.tickets() == []
        headers = sign(key, body, now, nonce)
        async with client.post("/api/exchange/messages", data=body, headers=headers) as response:
            assert response.status == 200, "a nonce of what was refused is not used up"
        async with client.post("/api/exchange/messages", data=body, headers=headers) as response:
            assert (response.status, (await response.json())["error"]) == (409, "replayed")
        async with client.post("/api/exchange/messages", data=body, headers=sign(key, body, now, "m" * 16)) as response:
            assert (await response.json())["doubled"] is True, "sent again, signed again: known"
    assert len(await js.tickets()) == 1
    number = await cz.take(region="cz")
    status, answer = await cz.ask("POST", f"/api/tickets/{number}/moves", {"move": "refer", "version": 1, "unit": "zj"})
    assert (status, answer["error"]) == (422, "unknown_unit"), "the other city is reached through the province"
