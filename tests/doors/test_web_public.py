"""A citizen asks for his ticket by the web, over a real store: what he sees, and what nobody learns by asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.public_desk import HotlinePublic
from controller.records import Operations, Records
from controller.ticket_desk import HotlineDesk
from pbx.commands import QueryTicket
from pbx.ids import AgentId, CallId
from tests.doors.test_web_tickets import People, ask
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tests.ticket_story import POLICY
from tickets.files import AttachmentFiles
from tickets.query_guard import QueryRules
from web.public_desk import TooManyQueries

pytestmark = pytest.mark.doors

KEY = "a-key-for-tests-0123456789"
PHONE = "13800001111"


@dataclass
class Town:
    """A site over a real store, and the desk behind it."""

    site: Site
    public: HotlinePublic

    async def take(self, **fields: object) -> str:
        body = {"type": "help", "title": "停水", "text": "家里停水了", "caller": PHONE, **fields}
        status, ticket = await ask(self.site, "wang", "POST", "/api/tickets", body)
        assert status == 201, ticket
        return str(ticket["number"])

    async def query(self, number: object, proof: object, **headers: str) -> tuple[int, Any]:
        """What somebody without any token is answered."""
        url = self.site.url("/api/public/tickets/query")
        wish = {"number": number, "proof": proof}
        async with self.site.session.post(url, json=wish, headers=headers) as answer:
            return answer.status, await answer.json()


@pytest.fixture
def operations() -> Operations:
    """With the units of the tests."""
    return Operations(POLICY)


@pytest.fixture
def rules() -> QueryRules:
    return QueryRules(tries=50, wrong=5, answer_s=0.0)


@pytest.fixture
async def town(records: Records, rules: QueryRules, tmp_path: Path) -> AsyncIterator[Town]:
    backend = MemoryBackend()
    backend.desk = HotlineDesk(records, POLICY, {AgentId("1001")}, backend.clock, AttachmentFiles(tmp_path))  # type: ignore[assignment]
    backend.public = public = HotlinePublic(records, KEY, POLICY, backend.clock, rules)
    async with site(backend, holders=People(), proxies=("127.0.0.1",)) as running:
        yield Town(running, public)


async def test_he_sees_problem_progress_and_result(town: Town) -> None:
    number = await town.take()
    status, weak = await town.query(number, PHONE[-4:])
    assert (status, weak["status"], weak["title"], weak["text"]) == (200, "accepted", "", "")
    _, code = await ask(town.site, "wang", "GET", f"/api/tickets/{number}/code")
    assert (await ask(town.site, "water", "GET", f"/api/tickets/{number}/code"))[0] == 403
    status, seen = await town.query(number, code["code"])
    assert (status, seen["title"], seen["text"]) == (200, "停水", "家里停水了")
    assert [step["zh"] for step in seen["steps"]] == ["受理", "登记"]
    assert PHONE not in str(seen)
    move = {"move": "answer", "version": 1, "text": "请检查入户阀门"}
    assert (await ask(town.site, "wang", "POST", f"/api/tickets/{number}/moves", move))[0] == 200
    _, seen = await town.query(number, PHONE[-4:])
    assert (seen["status"], seen["zh"], seen["reply"]) == ("resolved", "已办结", "请检查入户阀门")


async def test_who_was_merged_into_another_ticket_learns_its_result(town: Town) -> None:
    """并单 by two steps: his own number tells how the ticket that goes on stands; the other one's words are not his."""
    other = "13800002222"
    his, second = await town.take(text="我家停水"), await town.take(caller=other, text="别家停水", title="别家")
    main = await town.take(caller=other, text="整栋楼停水", title="整栋楼")
    for number, into in ((his, second), (second, main)):
        merge = {"move": "merge", "version": 1, "into": into}
        assert (await ask(town.site, "desk", "POST", f"/api/tickets/{number}/moves", merge))[0] == 200
    _, seen = await town.query(his, PHONE[-4:])
    assert (seen["status"], seen["reply"]) == ("accepted", "")
    assert seen["zh"].startswith("已与相同事项的工单合并办理; 已受理")
    move = {"move": "answer", "version": 1, "text": "主管道已修复"}
    assert (await ask(town.site, "wang", "POST", f"/api/tickets/{main}/moves", move))[0] == 200
    _, seen = await town.query(his, town.public.code(his))  # type: ignore[arg-type]
    assert (seen["number"], seen["status"], seen["reply"]) == (his, "resolved", "主管道已修复")
    assert [step["zh"] for step in seen["steps"]] == ["受理", "登记", "并单", "答复办结"]
    assert "整栋楼" not in str(seen)
    assert main not in str(seen)
    asked = QueryTicket(CallId("c-1"), his, PHONE[-4:], PHONE, 1)
    assert (await town.public.by_phone(asked)).status == "resolved"


async def test_a_reply_to_one_who_is_not_to_be_known_is_not_told_to_another(town: Town) -> None:
    his, main = await town.take(), await town.take(caller="13800002222", anonymous=True)
    merge = {"move": "merge", "version": 1, "into": main}
    assert (await ask(town.site, "desk", "POST", f"/api/tickets/{his}/moves", merge))[0] == 200
    move = {"move": "answer", "version": 1, "text": "您单独反映的情况属实"}
    assert (await ask(town.site, "wang", "POST", f"/api/tickets/{main}/moves", move))[0] == 200
    _, seen = await town.query(his, PHONE[-4:])
    assert (seen["status"], seen["reply"]) == ("resolved", "")


async def test_a_wrong_number_and_wrong_digits_are_answered_alike(town: Town) -> None:
    number = await town.take()
    hidden = await town.take(confidential=True)
    unknown = f"{number[:8]}99999"
    answers = [
        await town.query(*asked)
        for asked in ((unknown, PHONE[-4:]), (number, "0000"), (hidden, PHONE[-4:]), ("1", "1111"))
    ]
    assert len({str(one) for one in answers}) == 1
    assert (answers[0][0], answers[0][1]["error"]) == (404, "no_match")
    _, code = await ask(town.site, "wang", "GET", f"/api/tickets/{hidden}/code")
    assert (await town.query(hidden, code["code"]))[0] == 200


@pytest.mark.parametrize("rules", [QueryRules(tries=50, wrong=50, answer_s=0.2)])
async def test_a_wrong_number_and_wrong_digits_take_the_same_time(town: Town) -> None:
    number = await town.take()
    loop = asyncio.get_running_loop()
    spent: dict[str, list[float]] = {"unknown": [], "wrong": [], "right": []}
    for _ in range(3):
        for kind, (asked, proof) in {
            "unknown": (f"{number[:8]}99999", "1111"), "wrong": (number, "0000"), "right": (number, "1111")
        }.items():  # fmt: skip
            began = loop.time()
            await town.public.query(asked, proof, "a")
            spent[kind].append(loop.time() - began)
    assert all(times >= 0.2 for kind in spent.values() for times in kind)
    assert max(min(times) for times in spent.values()) - min(min(times) for times in spent.values()) < 0.05


async def test_who_asks_too_often_is_told_so_and_the_number_is_guarded_from_everywhere(town: Town) -> None:
    number = await town.take()
    unknown = f"{number[:8]}99999"
    for asked in (number, unknown):  # guarded alike, though there is no such ticket
        answers = [(await town.query(asked, f"{n:04d}", **{"X-Forwarded-For": f"203.0.113.{n}"}))[0] for n in range(7)]
        assert answers == [404] * 5 + [429] * 2
    assert (await town.query(number, PHONE[-4:], **{"X-Forwarded-For": "203.0.113.99"}))[0] == 429
    assert (await town.query(number, town.public.code(number)))[0] == 200  # type: ignore[arg-type]
    at_once = await asyncio.gather(*(town.query("5" * 13, f"{n:04d}") for n in range(20)))
    assert sum(status == 404 for status, _ in at_once) == 5


@pytest.mark.parametrize("rules", [QueryRules(tries=3, wrong=50, answer_s=0.0)])
async def test_a_source_is_an_address_or_a_household_of_ipv6(town: Town) -> None:
    async def tries(*addresses: str) -> list[int]:
        return [(await town.query("1", "1111", **{"X-Forwarded-For": one}))[0] for one in addresses]

    assert await tries(*["198.51.100.1"] * 4) == [404, 404, 404, 429]
    assert await tries("198.51.100.2") == [404]
    assert await tries("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4") == [404, 404, 404, 429]
    assert await tries("1.2.3.4, 198.51.100.1") == [429]  # what the asker writes himself does not count


async def test_bad_questions_are_refused(town: Town) -> None:
    for number, proof in (("", "1111"), ("abc", "1111"), ("1" * 33, "1111"), ("1", "111"), ("1", "12345"), (1, "1111")):
        assert (await town.query(number, proof))[0] == 400
    assert (await town.query("１２３", "1111"))[0] == 400
    async with town.site.session.get(town.site.url("/query")) as page:
        assert page.status == 200
        assert "/static/query.js" in await page.text()


@pytest.mark.parametrize("rules", [QueryRules(tries=4, wrong=50, answer_s=0.0)])
async def test_a_caller_asks_by_keys(town: Town) -> None:
    number = await town.take()

    async def asked(proof: str, serial: int = 1) -> tuple[str, str, int | None]:
        found = await town.public.by_phone(QueryTicket(CallId("c-1"), number, proof, PHONE, serial))
        assert (found.call, found.serial) == ("c-1", serial)
        return found.outcome, found.status, found.days

    assert await asked("1111") == ("found", "accepted", None)
    assert await asked("0000", 2) == ("none", "", None)
    await ask(
        town.site, "desk", "POST", f"/api/tickets/{number}/moves", {"move": "refer", "version": 1, "unit": "water"}
    )
    outcome, status, days = await asked("1111")
    assert (outcome, status) == ("found", "dispatched")
    assert days is not None
    assert 1 <= days <= 15
    assert (await asked("1111"))[0] == "found"
    assert (await asked("1111"))[0] == "limit"


async def test_a_restart_gives_nobody_new_tries(records: Records, tmp_path: Path, caplog: Any) -> None:
    """The file is there before an answer is, holds neither address nor number, and a cut line costs that line alone."""
    file, number = tmp_path / "query-tries.jsonl", "2026112200001"
    few, now = QueryRules(tries=3, wrong=2, answer_s=0.0), MemoryBackend().clock

    def desk() -> HotlinePublic:
        return HotlinePublic(records, KEY, POLICY, now, few, file)

    await desk().query(number, "0000", "192.0.2.1")
    await desk().query(number, "0001", "192.0.2.7")
    with pytest.raises(TooManyQueries):
        await desk().query(number, "0002", "192.0.2.8")
    for n in range(2):
        await desk().query(f"202611220000{n}", "12345678", "192.0.2.7")
    with pytest.raises(TooManyQueries):
        await desk().query("2026112200009", "12345678", "192.0.2.7")
    text = file.read_text()
    assert number not in text
    assert "192.0.2" not in text
    assert file.stat().st_mode & 0o777 == 0o600
    assert caplog.text == ""
    file.write_text(text + '["source", "cut')
    with pytest.raises(TooManyQueries):
        await desk().query(number, "0002", "192.0.2.8")
    assert "1 lines of the tries of queries cannot be read" in caplog.text
    await desk().query("2026112200005", "12345678", "192.0.2.9")
    assert file.read_text().count("\n") == text.count("\n") + 2


async def test_the_file_of_tries_does_not_grow_without_end(records: Records, tmp_path: Path) -> None:
    file = tmp_path / "query-tries.jsonl"
    file.write_text('["source", "aa", 0.0, 1]\n' * 5000)
    desk = HotlinePublic(records, KEY, POLICY, lambda: 0.0, QueryRules(tries=10**6, answer_s=0.0), file)
    await desk.query("2026112200005", "12345678", "192.0.2.9")
    assert len(file.read_text().splitlines()) == 2
