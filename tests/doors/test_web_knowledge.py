"""The knowledge base over HTTP: a real store below, both databases; agents, units, reviewers, citizens, files."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from controller import imports
from controller.apart import GaveUp, apart
from controller.knowledge import KnowledgeDesk
from controller.knowledge_plan import KnowledgePlan
from controller.records import Records
from controller.writer import Store
from knowledge.entry import KnowledgeRules
from knowledge.index import stamp_of
from knowledge.moves import Editor
from knowledge.moves import Role as EditorRole
from knowledge.rank import RankRules
from knowledge.sheet import Format
from knowledge.sql import Policy
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from tests.ticket_story import WANG
from tickets.given import Move
from tickets.moves import Actor, Role, TicketInput
from tickets.organisations import Organisation, OrganisationTree, OrgKind
from tickets.ticket import TicketChange, TicketPolicy
from tickets.units import HandlingUnit, UnitRegister
from web.errors import MESSAGES, ApiError
from web.knowledge_backend import Imported
from web.rate import RateLimit, RateRules

pytestmark = pytest.mark.doors

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC).timestamp()  # a Monday, 12:00 in Shanghai
UNIT = {"by": "zhang", "by_role": "unit", "by_unit": "police"}
REVIEWER = {"by": "li", "by_role": "reviewer"}
AGENT = {"by": "1001", "by_role": "agent"}
EDITOR = {"by": "zhao", "by_role": "editor"}
ENTRY = {"question": "身份证丢了怎么补办?", "answer": "到派出所补领。", "unit": "police", "source": "公安局"}
BASE = "/api/knowledge"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tickets() -> TicketPolicy:
    units = [HandlingUnit(name, name, "领导", "处室", "经办") for name in ("police", "water")]
    return TicketPolicy(units=UnitRegister(units))


@pytest.fixture
def desk(store: Store, clock: Clock, tickets: TicketPolicy) -> KnowledgeDesk:
    plan = KnowledgePlan(Policy(replace(KnowledgeRules(), import_rows=50)))
    return KnowledgeDesk(store, plan, tickets, clock)


@pytest.fixture
async def hotline(desk: KnowledgeDesk) -> AsyncIterator[Site]:
    async with site(knowledge_desk=desk, public_rate=RateRules(burst=5, per_minute=0.001)) as running:
        yield running


async def publish(hotline: Site, **values: object) -> str:
    _, made = await hotline.json("POST", f"{BASE}/entries", ENTRY | UNIT | values)
    await hotline.json("POST", f"{BASE}/entries/{made['id']}/submit", UNIT)
    status, done = await hotline.json("POST", f"{BASE}/entries/{made['id']}/publish", REVIEWER)
    assert (status, done["state"], done["published"]) == (200, "published", 1), done
    return str(done["id"])


async def publicly(hotline: Site, query: str) -> tuple[int, Any]:
    async with hotline.session.get(hotline.url(f"/api/public/knowledge?{query}")) as found:
        return found.status, await found.json()


async def test_from_a_draft_to_what_a_citizen_finds(hotline: Site) -> None:
    status, made = await hotline.json("POST", f"{BASE}/entries", ENTRY | UNIT | {"valid_to": "2026-12-31"})
    assert (status, made["state"], made["version"], made["valid_to"]) == (201, "draft", 1, "2026-12-31")
    path = f"{BASE}/entries/{made['id']}"
    status, wrote = await hotline.json("PATCH", path, {"basis": "《居民身份证法》", "revision": 1} | UNIT)
    assert (status, wrote["basis"], wrote["revision"]) == (200, "《居民身份证法》", 2)
    status, late = await hotline.json("PATCH", path, {"basis": "x", "revision": 1} | UNIT)
    assert (status, late["error"], late["present"]["basis"]) == (409, "knowledge_conflict", "《居民身份证法》")
    assert set(late["message"]) == {"zh", "en"}
    status, own = await hotline.json("POST", f"{path}/publish", REVIEWER)
    assert (status, own["error"]) == (409, "knowledge_not_now")
    await hotline.json("POST", f"{path}/submit", UNIT)
    status, own = await hotline.json("POST", f"{path}/publish", REVIEWER | {"by": "zhang"})
    assert (status, own["error"]) == (403, "own_entry")
    assert await publicly(hotline, "q=身份证补办") == (200, {"entries": []})
    status, _ = await hotline.json("POST", f"{path}/publish", REVIEWER)
    assert status == 200
    status, found = await publicly(hotline, "q=身份证丢了怎么办")
    assert status == 200
    (entry,) = found["entries"]
    assert entry["answer"] == "到派出所补领。"
    assert not {"written_by", "decided_by", "revision", "ticket", "keywords"} & set(entry), "nobody's name"
    status, agent = await hotline.json("GET", f"{BASE}/search?q=身份证&region=320706&limit=3")
    assert (status, [one["id"] for one in agent["entries"]]) == (200, [made["id"]])
    _, whole = await hotline.json("GET", path)
    assert [move["cause"] for move in whole["moves"]] == ["begin", "write", "submit", "publish"]
    assert [one["version"] for one in whole["versions"]] == [1]


async def test_citizens_never_see_what_is_not_public_or_not_valid(
    hotline: Site, clock: Clock, desk: KnowledgeDesk
) -> None:
    await publish(hotline, question="停车 内部口径", public=False)
    ending = await publish(hotline, question="停车 临时政策", valid_to="2026-11-23")
    _, found = await publicly(hotline, "q=停车")
    assert [one["id"] for one in found["entries"]] == [ending]
    clock.now += 86400
    assert (await publicly(hotline, "q=停车"))[1] == {"entries": []}
    _, listed = await hotline.json("GET", f"{BASE}/entries?state=published")
    assert len(listed["entries"]) == 2, "not ended yet by the keeper"
    await desk.begin_day()
    _, listed = await hotline.json("GET", f"{BASE}/entries?state=expired")
    assert [one["id"] for one in listed["entries"]] == [ending]


async def test_the_public_search_is_limited_and_says_when_to_come_again(hotline: Site) -> None:
    for _ in range(5):
        assert (await publicly(hotline, "q=水"))[0] == 200
    async with hotline.session.get(hotline.url("/api/public/knowledge?q=水")) as refused:
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) > 1
        assert (await refused.json())["error"] == "too_many_requests"
    assert (await hotline.json("GET", f"{BASE}/search?q=水"))[0] == 200, "agents are not citizens"


def test_buckets_fill_again_and_one_address_does_not_stop_another() -> None:
    now = 0.0
    limit = RateLimit(RateRules(burst=2, per_minute=60.0, all_per_s=3.0, most_addresses=2), lambda: now)
    assert [limit.take("a") for _ in range(3)] == [0, 0, 1.0]
    assert limit.take("b") == 0
    assert limit.take("b") == pytest.approx(1 / 3), "all together were too many"
    now = 1.0
    assert [limit.take("a"), limit.take("b"), limit.take("b")] == [0, 0, 0]
    limit.take("c")
    limit.take("d")
    assert len(limit._left) == 2, "memory is bounded"
    assert ApiError(429, "too_many_requests").status == 429


WRONG: list[tuple[str, str, object, int, str]] = [
    ("GET", "/search?q=a&q=b", None, 400, "bad_request"),
    ("GET", "/search?q=a&limit=51", None, 400, "bad_request"),
    ("GET", "/search?q=a&limit=x", None, 400, "bad_request"),
    ("GET", "/search?bad=1", None, 400, "bad_request"),
    ("GET", "/entries?state=old", None, 400, "bad_request"),
    ("GET", "/entries/K999999", None, 404, "unknown_entry"),
    ("GET", "/tasks/Q999999", None, 404, "unknown_task"),
    ("GET", "/tasks?state=x", None, 400, "bad_request"),
    ("GET", "/export?format=pdf", None, 400, "bad_request"),
    ("POST", "/entries", ENTRY, 400, "bad_request"),
    ("POST", "/entries", ENTRY | {"by": "zhang"}, 400, "bad_request"),
    ("POST", "/entries", ENTRY | UNIT | {"by_role": "system"}, 422, "unknown_role"),
    ("POST", "/entries", ENTRY | UNIT | {"by_role": "king"}, 422, "unknown_role"),
    ("POST", "/entries", ENTRY | UNIT | {"valid_to": "2026-02-30"}, 422, "bad_request"),
    ("POST", "/entries", ENTRY | UNIT | {"language": "fr"}, 422, "unknown_language"),
    ("POST", "/entries", ENTRY | UNIT | {"unit": "water"}, 403, "not_your_unit"),
    ("POST", "/entries", ENTRY | EDITOR | {"unit": "gone"}, 422, "unknown_unit"),
    ("POST", "/tasks", {"question": "问", "unit": "gone"} | AGENT, 422, "unknown_unit"),
    ("POST", "/entries", ENTRY | AGENT, 403, "not_allowed"),
    ("POST", "/entries", ENTRY | UNIT | {"answer": "答" * 10_001}, 400, "bad_request"),
    ("POST", "/entries/K999999/submit", UNIT, 404, "unknown_entry"),
    ("POST", "/from-ticket", {"ticket": "1"} | UNIT, 404, "unknown_ticket"),
    ("POST", "/import?format=csv", None, 400, "bad_request"),
    ("POST", "/import?by=a&by_role=editor&submit=2", None, 400, "bad_request"),
]


async def test_what_is_wrong_is_told(hotline: Site) -> None:
    for method, path, body, status, code in WRONG:
        found, told = await hotline.json(method, BASE + path, body)
        assert (found, told["error"]) == (status, code), (path, told)
        assert set(told["message"]) == {"zh", "en"}


async def test_what_was_not_found_becomes_the_units_task_and_then_an_entry(hotline: Site) -> None:
    asked = {"question": "共享单车能进公园吗", "unit": "police", "ticket": "2026112300001"}
    status, task = await hotline.json("POST", f"{BASE}/tasks", asked | AGENT)
    assert (status, task["state"], task["times"]) == (201, "open", 1)
    assert task["due_at"] == datetime(2026, 11, 26, 10, tzinfo=UTC).timestamp(), "three working days, to 18:00"
    status, again = await hotline.json("POST", f"{BASE}/tasks", asked | AGENT)
    assert (again["id"], again["times"]) == (task["id"], 2)
    path = f"{BASE}/tasks/{task['id']}"
    status, told = await hotline.json("POST", f"{path}/dismiss", UNIT | {"reason": "x"})
    assert (status, told["error"]) == (403, "not_allowed")
    status, both = await hotline.json("POST", f"{path}/answer", UNIT | {"answer": "不能。", "source": "园林局"})
    assert (status, both["task"]["state"], both["entry"]["state"]) == (201, "answered", "draft")
    status, told = await hotline.json("POST", f"{path}/answer", UNIT | {"answer": "不能。", "revision": 1})
    assert (status, told["error"], told["present"]["state"]) == (409, "knowledge_conflict", "answered")
    entry = f"{BASE}/entries/{both['entry']['id']}"
    await hotline.json("POST", f"{entry}/submit", UNIT)
    await hotline.json("POST", f"{entry}/publish", REVIEWER)
    _, done = await hotline.json("GET", path)
    assert (done["state"], [move["cause"] for move in done["moves"]]) == (
        "done", ["ask", "ask_again", "answer", "published"]
    )  # fmt: skip
    status, other = await hotline.json("POST", f"{BASE}/tasks", asked | AGENT | {"question": "另问"})
    status, given = await hotline.json(
        "POST", f"{BASE}/tasks/{other['id']}/assign", UNIT | {"unit": "water", "reason": "不属我局"}
    )
    assert (status, given["unit"]) == (200, "water")
    _, listed = await hotline.json("GET", f"{BASE}/tasks?unit=water&state=open")
    assert [one["id"] for one in listed["tasks"]] == [other["id"]]


async def test_a_closed_inquiry_becomes_a_draft_once(hotline: Site, records: Records) -> None:
    number = await records.open_ticket(
        OpenTicket(CallId("c"), "13800001111", "12345", "zh", "general", AgentId("1001"), NOON)
    )
    wish = {"ticket": number, "unit": "police"} | EDITOR
    status, told = await hotline.json("POST", f"{BASE}/from-ticket", wish | UNIT)
    assert (status, told["error"]) == (404, "unknown_ticket"), "another's ticket, or nobody's"
    status, told = await hotline.json("POST", f"{BASE}/from-ticket", wish)
    assert (status, told["error"]) == (409, "not_an_inquiry")
    change = TicketChange(type="inquiry", title="夜市几点收摊", text="来电人询问。")
    await records.change_ticket(number, change, actor=WANG, at=NOON)
    assert (await hotline.json("POST", f"{BASE}/from-ticket", wish))[1]["error"] == "ticket_not_closed"
    answer = Move(TicketInput.ANSWER, text="23点收摊。")
    await records.move_ticket(number, answer, WANG, at=NOON)
    status, made = await hotline.json("POST", f"{BASE}/from-ticket", wish)
    assert (status, made["state"], made["question"], made["answer"], made["ticket"]) == (
        201, "draft", "夜市几点收摊", "23点收摊。", number
    )  # fmt: skip
    assert "13800001111" not in str(made), "nothing of the caller goes into the draft by itself"
    assert (await hotline.json("POST", f"{BASE}/from-ticket", wish))[1]["error"] == "taken_already"


def beside(tickets: TicketPolicy) -> MemoryBackend:
    """The rest of a hotline, with the same units."""
    backend = MemoryBackend()
    backend.desk.policy = tickets
    return backend


class Bearers:
    """Access tokens of a unit's clerk, a dispatcher, a supervisor and an agent."""

    async def find(self, token: str) -> Actor | None:
        return {
            "clerk-of-the-police-123456": Actor("zhang", Role.UNIT, "police"),
            "a-dispatcher-token-1234567": Actor("zhao", Role.DISPATCHER),
            "a-supervisor-token-1234567": Actor("li", Role.SUPERVISOR),
            "the-token-of-an-agent-1234": Actor("1001", Role.AGENT),
        }.get(token)


async def test_an_agent_reads_what_is_published_and_no_draft(desk: KnowledgeDesk, tickets: TicketPolicy) -> None:
    """Nobody may read out to a citizen what nobody has approved, also while the next version is written."""
    async with site(beside(tickets), knowledge_desk=desk, holders=Bearers()) as running:
        agent = {"Authorization": "Bearer the-token-of-an-agent-1234"}

        async def seen(path: str) -> tuple[int, Any]:
            return await running.json("GET", f"{BASE}/{path}", headers=agent)

        _, draft = await running.json("POST", f"{BASE}/entries", ENTRY | UNIT | {"question": "草稿里的问题"})
        served = await publish(running)
        _, next_one = await running.json("POST", f"{BASE}/entries/{served}/revise", UNIT | {"answer": "未经审核的答复"})
        assert next_one["state"] == "draft"
        for path in ("", "?state=draft", "?state=draft,published", "?unit=police", "?unit=police&state=draft"):
            status, told = await seen(f"entries{path}")
            ids = [(one["id"], one["version"], one["answer"]) for one in told["entries"]]
            assert status == 200
            assert ids == ([] if path.endswith("=draft") else [(served, 1, ENTRY["answer"])]), path
        assert (await seen(f"entries/{draft['id']}"))[1]["error"] == "unknown_entry"
        status, whole = await seen(f"entries/{served}")
        assert (status, whole["answer"], whole["version"]) == (200, ENTRY["answer"], 1)
        assert not {"versions", "moves", "written_by"} & set(whole)
        for state in ("", "draft"):
            address = running.url(f"{BASE}/export?format=csv&state={state}")
            async with running.session.get(address, headers=agent) as answer:
                text = await answer.text()
                assert ("未经审核" in text, "草稿里" in text) == (False, False)
        for token in ("a-dispatcher-token-1234567", "a-supervisor-token-1234567"):  # who writes, and who decides
            headers = {"Authorization": f"Bearer {token}"}
            _, told = await running.json("GET", f"{BASE}/entries?state=draft", headers=headers)
            assert {one["id"] for one in told["entries"]} == {draft["id"], served}


async def test_what_a_unit_that_is_gone_has_left_behind_a_city_gives_to_another(store: Store, clock: Clock) -> None:
    city, unit = OrgKind.CITY, OrgKind.UNIT
    kept = [org("nj", city, None), org("nj-new", unit, "nj"), org("cz", city, None), org("cz-water", unit, "cz")]

    def hotline(*more: Organisation) -> tuple[MemoryBackend, KnowledgeDesk]:
        tree = OrganisationTree([*kept, *more])
        policy = TicketPolicy(units=tree.register(), organisations=tree)
        return beside(policy), KnowledgeDesk(store, KnowledgePlan(), policy, clock)

    nj, judge, cz = (
        {"headers": {"Authorization": f"Bearer {who}......................."}}
        for who in ("njd.dispatcher.nj", "njs.supervisor.nj", "czd.dispatcher.cz")
    )
    backend, desk = hotline(org("nj-old", unit, "nj"))
    async with site(backend, knowledge_desk=desk, holders=TwoCities()) as running:
        old = ENTRY | {"unit": "nj-old"}
        _, draft = await running.json("POST", f"{BASE}/entries", old, **nj)
        _, open_one = await running.json("POST", f"{BASE}/entries", old | {"question": "怎么办证"}, **nj)
        path = f"{BASE}/entries/{open_one['id']}"
        assert (await running.json("POST", f"{path}/submit", {}, **nj))[0] == 200
        assert (await running.json("POST", f"{path}/publish", {}, **judge))[0] == 200
        _, task = await running.json("POST", f"{BASE}/tasks", {"question": "问", "unit": "nj-old"}, **nj)
        assert (await running.json("GET", f"{BASE}/entries/{draft['id']}", **cz))[0] == 404
    backend, desk = hotline()
    async with site(backend, knowledge_desk=desk, holders=TwoCities()) as running:
        _, told = await running.json("GET", f"{BASE}/entries?state=draft", **nj)
        assert [one["id"] for one in told["entries"]] == [draft["id"]]
        _, told = await running.json("GET", f"{BASE}/tasks", **nj)
        assert [one["id"] for one in told["tasks"]] == [task["id"]]
        status, seen = await running.json("GET", f"{BASE}/entries/{draft['id']}", **nj)
        assert (status, len(seen["versions"])) == (200, 1)
        given = {"unit": "nj-new", "revision": seen["revision"]}
        status, told = await running.json("PATCH", f"{BASE}/entries/{draft['id']}", given, **nj)
        assert (status, told["unit"]) == (200, "nj-new")
        status, told = await running.json("POST", f"{path}/revise", {"unit": "nj-new"}, **nj)
        assert (status, told["unit"], told["version"]) == (201, "nj-new", 2)
        assert (await running.json("POST", f"{path}/submit", {}, **nj))[0] == 200
        assert (await running.json("POST", f"{path}/publish", {}, **judge))[0] == 200
        wish = {"unit": "nj-new", "reason": "单位已撤并"}
        status, told = await running.json("POST", f"{BASE}/tasks/{task['id']}/assign", wish, **nj)
        assert (status, told["unit"]) == (200, "nj-new")
        for address in (f"{BASE}/entries/{draft['id']}", f"{BASE}/tasks/{task['id']}"):
            assert (await running.json("GET", address, **cz))[0] == 404, "it is theirs again, and nobody else's"
        status, told = await running.json("PATCH", f"{BASE}/entries/{draft['id']}", {"unit": "cz-water"}, **cz)
        assert (status, told["error"]) == (403, "not_your_unit")


async def test_who_bears_an_access_token_acts_as_himself_and_a_unit_sees_its_own(
    desk: KnowledgeDesk, tickets: TicketPolicy
) -> None:
    async with site(beside(tickets), knowledge_desk=desk, holders=Bearers()) as running:

        async def asked(token: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
            bearer = {"headers": {"Authorization": f"Bearer {token}"}}
            return await running.json(method, f"{BASE}/{path}", body, **bearer)

        clerk, dispatcher, supervisor = (
            "clerk-of-the-police-123456", "a-dispatcher-token-1234567", "a-supervisor-token-1234567"
        )  # fmt: skip
        status, told = await asked(clerk, "POST", "entries", ENTRY | UNIT)
        assert (status, {one["code"] for one in told["problems"]}) == (400, {"unknown_field"}), "no speaking for others"
        status, mine = await asked(clerk, "POST", "entries", ENTRY)
        assert (status, mine["written_by"]) == (201, "zhang")
        status, told = await asked(clerk, "POST", "entries", ENTRY | {"unit": "water"})
        assert (status, told["error"]) == (403, "not_your_unit")
        status, theirs = await asked(dispatcher, "POST", "entries", ENTRY | {"unit": "water"})
        assert status == 201, "an editor writes for every unit"
        assert (await asked(clerk, "GET", f"entries/{theirs['id']}"))[0] == 404
        _, listed = await asked(clerk, "GET", "entries?unit=water")
        assert [one["id"] for one in listed["entries"]] == [mine["id"]]
        for one, token in ((mine, clerk), (theirs, dispatcher)):
            await asked(token, "POST", f"entries/{one['id']}/submit", {})
            assert (await asked(token, "POST", f"entries/{one['id']}/publish", {}))[0] == 403
            assert (await asked(supervisor, "POST", f"entries/{one['id']}/publish", {}))[0] == 200
        status, shown = await asked(clerk, "GET", f"entries/{theirs['id']}")
        assert (status, shown["answer"], "moves" in shown, "written_by" in shown) == (
            200,
            ENTRY["answer"],
            False,
            False,
        )
        _, task = await asked(dispatcher, "POST", "tasks", {"question": "问", "unit": "water"})
        assert (await asked(clerk, "GET", f"tasks/{task['id']}"))[0] == 404
        assert (await asked(clerk, "GET", "tasks"))[1] == {"tasks": []}
        _, told = await asked(clerk, "GET", "completeness")
        assert [one["unit"] for one in told["units"]] == ["police"]
        bearer = {"Authorization": f"Bearer {clerk}"}
        async with running.session.get(running.url(f"{BASE}/export"), headers=bearer) as found:
            assert (await found.text()).count("K0000") == 1
        async with running.session.post(
            running.url(f"{BASE}/import?submit=1"),
            data="问题,答复口径,责任单位,来源\n问,答,police,局\n".encode(),
            headers=bearer,
        ) as found:
            assert (found.status, (await found.json())["made"]) == (200, 1)


def org(id: str, kind: OrgKind, parent: str | None) -> Organisation:
    return Organisation(id, id, kind, "领导", "处室", "经办", parent)


class TwoCities:
    """Tokens of two cities' dispatchers, a supervisor of the one, a unit of each."""

    async def find(self, token: str) -> Actor | None:
        name, role, unit = token.split(".")[:3]
        return Actor(name, Role(role), unit)


async def test_each_city_works_on_its_own_entries_and_all_read_what_is_published(
    store: Store, clock: Clock, records: Records
) -> None:
    city, unit = OrgKind.CITY, OrgKind.UNIT
    tree = OrganisationTree(
        [org("nj", city, None), org("nj-water", unit, "nj"), org("cz", city, None), org("cz-water", unit, "cz")]
    )
    policy = TicketPolicy(units=tree.register(), organisations=tree)
    desk = KnowledgeDesk(store, KnowledgePlan(), policy, clock)
    mine, other = "njd.dispatcher.nj.......................", "czd.dispatcher.cz......................."
    judge, clerk = "njs.supervisor.nj.......................", "czu.unit.cz-water......................."
    async with site(beside(policy), knowledge_desk=desk, holders=TwoCities()) as running:

        async def asked(token: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
            bearer = {"headers": {"Authorization": f"Bearer {token}"}}
            return await running.json(method, f"{BASE}/{path}", body, **bearer)

        async def refused(token: str, method: str, path: str, body: object) -> None:
            status, told = await asked(token, method, path, body)
            assert (status, told["error"], "present" in told) == (403, "not_your_unit", False), (path, told)

        entry = ENTRY | {"unit": "nj-water", "answer": "未公布"}
        assert (await asked(mine, "POST", "entries", ENTRY | {"unit": "cz-water"}))[0] == 403
        status, draft = await asked(mine, "POST", "entries", entry)
        assert status == 201
        path = f"entries/{draft['id']}"
        for token in (other, clerk):
            assert (await asked(token, "GET", path))[0] == 404
            assert (await asked(token, "GET", "entries"))[1] == {"entries": []}
            for revision in (1, 99):  # as it is, and as somebody who has not seen it guesses: no word of it either way
                await refused(token, "PATCH", path, {"answer": "x", "revision": revision})
                await refused(token, "POST", f"{path}/submit", {"revision": revision})
                await refused(token, "POST", f"{path}/revise", {"revision": revision})
                await refused(token, "POST", f"{path}/withdraw", {"revision": revision, "reason": "x"})
        assert (await asked(mine, "PATCH", path, {"answer": "x", "revision": 99}))[1]["present"]["answer"] == "未公布"
        sheet = f"编号,问题,答复口径,责任单位,来源\n{draft['id']},问,答,cz-water,局\n"
        bearer = {"Authorization": f"Bearer {other}"}
        async with running.session.post(running.url(f"{BASE}/import"), data=sheet.encode(), headers=bearer) as found:
            assert [one["code"] for one in (await found.json())["faults"]] == ["not_your_unit"]
        assert [one["begun_by"] for one in (await asked(other, "GET", "imports"))[1]["imports"]] == ["czd"]
        assert (await asked(mine, "GET", "imports"))[1] == {"imports": []}
        async with running.session.get(running.url(f"{BASE}/export?state=draft"), headers=bearer) as found:
            assert draft["id"] not in await found.text()

        _, task = await asked(mine, "POST", "tasks", {"question": "问", "unit": "nj-water"})
        assert (await asked(other, "GET", f"tasks/{task['id']}"))[0] == 404
        assert (await asked(other, "GET", "tasks"))[1] == {"tasks": []}
        assert [one["unit"] for one in (await asked(other, "GET", "completeness"))[1]["units"]] == ["cz", "cz-water"]
        for move in ("answer", "dismiss", "assign"):
            extra = {
                "answer": {"answer": "答"},
                "dismiss": {"reason": "x"},
                "assign": {"unit": "cz-water", "reason": "x"},
            }
            await refused(other, "POST", f"tasks/{task['id']}/{move}", extra[move] | {"revision": 99})
        await refused(mine, "POST", f"tasks/{task['id']}/assign", {"unit": "cz-water", "reason": "x"})

        call = OpenTicket(CallId("c"), "13800001111", "12345", "zh", "general", AgentId("1001"), NOON)
        number = await records.open_ticket(call)
        change = TicketChange(type="inquiry", title="南京的事", text="问。", region="nj")
        await records.change_ticket(number, change, actor=WANG, at=NOON)
        await records.move_ticket(number, Move(TicketInput.ANSWER, text="答。"), WANG, at=NOON)
        assert (await asked(other, "POST", "from-ticket", {"ticket": number, "unit": "cz-water"}))[0] == 404
        assert (await asked(mine, "POST", "from-ticket", {"ticket": number, "unit": "nj-water"}))[0] == 201

        assert (await asked(mine, "POST", f"{path}/submit", {}))[0] == 200
        await refused("czs.supervisor.cz.......................", "POST", f"{path}/publish", {})
        assert (await asked(judge, "POST", f"{path}/publish", {}))[0] == 200
        for token in (other, clerk):
            status, shown = await asked(token, "GET", path)
            assert (status, shown["answer"], "written_by" in shown) == (200, "未公布", False)
            assert [one["id"] for one in (await asked(token, "GET", "search?q=身份证"))[1]["entries"]] == [draft["id"]]
        await refused(other, "POST", f"{path}/withdraw", {"reason": "x"})


async def test_units_see_what_ends_and_what_they_lack(hotline: Site) -> None:
    soon = await publish(hotline, valid_to="2026-12-01", basis="法")
    await publish(hotline, valid_to="2027-12-01")
    await hotline.json("POST", f"{BASE}/tasks", {"question": "问", "unit": "police"} | AGENT)
    _, ending = await hotline.json("GET", f"{BASE}/expiring?unit=police")
    assert [(one["id"], one["warnings"]) for one in ending["entries"]] == [(soon, ["ends_soon"])]
    _, told = await hotline.json("GET", f"{BASE}/completeness")
    police, water = told["units"]
    assert (police["unit"], police["published"], police["fields"], police["fields_expected"]) == ("police", 2, 3, 10)
    assert (police["warned"], police["asked"], police["coverage"], police["filled"]) == (1, 1, 0.0, 0.3)
    assert (water["unit"], water["published"], water["filled"]) == ("water", 0, None)


# ---------------------------------------------------------------- files


CSV = """问题,答复口径,责任单位,来源,失效日期,公开
医保怎么交?,到社区。,police,医保局,2027年1月31日,是
,没有问题,police,局,,
落户条件,"有房
或有工作",police,公安局,,否
过期写法,答,police,局,明年,也许
别家的,答,water,局,,
没有的单位,答,gone,局,,
"""


async def sent(hotline: Site, format: str, data: bytes, **more: str) -> tuple[int, Any]:
    query = "&".join(f"{name}={value}" for name, value in {"format": format, **UNIT, **more}.items())
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
    async with hotline.session.post(hotline.url(f"{BASE}/import?{query}"), data=data, headers=headers) as found:
        return found.status, await found.json()


async def fetched(hotline: Site, query: str) -> bytes:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with hotline.session.get(hotline.url(f"{BASE}/export?{query}"), headers=headers) as found:
        assert found.status == 200, await found.text()
        assert "attachment" in found.headers["Content-Disposition"]
        return await found.read()


async def test_good_rows_are_taken_and_bad_ones_named_by_line(hotline: Site) -> None:
    status, done = await sent(hotline, "csv", CSV.encode("gb18030"))
    assert (status, done["made"], done["revised"], done["unchanged"]) == (200, 2, 0, 0), done
    assert [(fault["line"], fault["field"], fault["code"]) for fault in done["faults"]] == [
        (3, "question", "missing"), (6, "valid_to", "not_a_day"), (6, "public", "not_true_or_false"),
        (7, "unit", "not_your_unit"), (8, "unit", "unknown_unit"),
    ]  # fmt: skip
    assert set(done["faults"][0]["message"]) == {"zh", "en"}
    _, listed = await hotline.json("GET", f"{BASE}/entries")
    assert [(one["question"], one["state"], one["public"], one["valid_to"]) for one in listed["entries"]] == [
        ("医保怎么交?", "draft", True, "2027-01-31"), ("落户条件", "draft", False, None)
    ]  # fmt: skip


@pytest.mark.parametrize("format", ["csv", "xlsx"])
async def test_what_is_exported_comes_back_and_nothing_in_it_is_a_formula(hotline: Site, format: str) -> None:
    risky = ["=1+1", "+86 12345", "-5", "@SUM(A1)", "'=quoted", "\tx", "普通 👨‍👩‍👧 \u202b"]
    for text in risky:
        await publish(hotline, question=f"问{text}".replace("\t", " "), answer=text + "。", keywords=text.strip())
    data = await fetched(hotline, f"format={format}")
    if format == "csv":
        body = data.decode("utf-8-sig")
        assert ",=1+1" not in body
        assert ",'=1+1。" in body
    else:
        sheet = load_workbook(io.BytesIO(data)).worksheets[0]
        cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row if isinstance(cell.value, str)]
        assert "f" not in {cell.data_type for cell in cells}
        assert {cell.value for cell in cells} >= {"=1+1。", "+86 12345。"}
        assert next(cell for cell in cells if cell.value == "=1+1。").quotePrefix
    status, done = await sent(hotline, format, data)
    assert (status, done.pop("before"), len(done.pop("import"))) == (200, False, 32)
    assert done == {"made": 0, "revised": 0, "unchanged": len(risky), "faults": []}
    assert (await sent(hotline, format, data))[1]["before"] is False, (
        "it is looked through again: it makes nothing twice"
    )


async def test_a_row_with_a_number_is_the_next_version_and_may_go_to_review(hotline: Site) -> None:
    served = await publish(hotline)
    _, draft = await hotline.json("POST", f"{BASE}/entries", ENTRY | UNIT | {"question": "草稿"})
    _, judged = await hotline.json("POST", f"{BASE}/entries", ENTRY | UNIT | {"question": "在审"})
    await hotline.json("POST", f"{BASE}/entries/{judged['id']}/submit", UNIT)
    rows = [
        ["id", "question", "answer", "unit", "source"],
        [served, "身份证丢了怎么补办?", "新的答复。", "police", "公安局"],
        [draft["id"], "草稿改", "答", "police", "局"],
        [judged["id"], "在审改", "答", "police", "局"],
        ["K999999", "没有", "答", "police", "局"],
        ["乱", "没有", "答", "police", "局"],
        [served, "再来一次", "答", "police", "局"],
        ["", "没有来源", "答", "police", ""],
        ["", "新的", "答", "police", "局"],
    ]
    book = Workbook()
    for row in rows:
        book.active.append(row)
    data = io.BytesIO()
    book.save(data)
    status, done = await sent(hotline, "xlsx", data.getvalue(), submit="1")
    assert (status, done["made"], done["revised"]) == (200, 1, 2), done
    assert [(fault["line"], fault["field"], fault["code"]) for fault in done["faults"]] == [
        (4, "id", "knowledge_not_now"), (5, "id", "unknown_entry"), (6, "id", "unknown_entry"),
        (7, "id", "stands_twice"), (8, "source", "missing"),
    ]  # fmt: skip
    _, whole = await hotline.json("GET", f"{BASE}/entries/{served}")
    assert [(one["version"], one["state"]) for one in whole["versions"]] == [(1, "published"), (2, "in_review")]
    assert [move["seq"] for move in whole["moves"]] == list(range(1, 6))
    assert (await publicly(hotline, "q=身份证"))[1]["entries"][0]["answer"] == "到派出所补领。"
    _, listed = await hotline.json("GET", f"{BASE}/entries?state=in_review")
    assert {one["question"] for one in listed["entries"]} == {"身份证丢了怎么补办?", "草稿改", "在审", "新的"}


async def test_a_file_that_is_sent_again_makes_nothing_twice(hotline: Site) -> None:
    _, first = await sent(hotline, "csv", CSV.encode())
    _, again = await sent(hotline, "csv", CSV.encode())
    assert again == {**first, "before": True}
    assert (await sent(hotline, "csv", CSV.encode(), submit="1"))[1]["made"] == 2, "that is another wish"
    assert len((await hotline.json("GET", f"{BASE}/entries"))[1]["entries"]) == 4
    _, anew = await sent(hotline, "csv", CSV.encode(), anew="1")
    assert (anew["made"], anew["before"], anew["import"]) == (2, False, first["import"])
    _, told = await hotline.json("GET", f"{BASE}/imports")
    assert [(one["rows"], one["done"], one["begun_by"]) for one in told["imports"]] == [(3, 3, "zhang")] * 2
    assert all(one["ended_at"] is not None for one in told["imports"])


async def begun(desk: KnowledgeDesk, rows: int) -> tuple[asyncio.Task[Imported], bytes]:
    """A file of new entries that is being taken in, its first pieces written."""
    data = ("问题,答复口径,责任单位,来源\n" + "".join(f"问题{n},答{n},police,局\n" for n in range(rows))).encode()
    task = asyncio.create_task(desk.take_in(Format.CSV, data, Editor("zhao", EditorRole.EDITOR), False, False))
    while not (seen := await desk.imports()) or seen[0].done == 0:
        await asyncio.sleep(0)
        assert not task.done()
    return task, data


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "FIRST_ROWS", 5)
    monkeypatch.setattr(imports, "MOST_ROWS", 5)


@pytest.mark.usefixtures("small_pieces")
async def test_while_a_file_is_taken_in_calls_are_saved_between_its_pieces(store: Store, records: Records) -> None:
    plan = KnowledgePlan(Policy(replace(KnowledgeRules(), import_rows=1000)))
    desk = KnowledgeDesk(store, plan, TicketPolicy(), lambda: NOON)
    task, _ = await begun(desk, 300)
    for n in range(3):
        opening = OpenTicket(CallId(f"c{n}"), "13800001111", "12345", "zh", "general", AgentId("1001"), NOON)
        await records.open_ticket(opening)
        assert not task.done(), "whoever waits for his number does not wait for the file"
        (seen,) = await desk.imports()
        assert seen.done < 300
        assert seen.ended_at is None
    done = await task
    assert (done.made, done.faults, (await desk.imports())[0].done) == (300, (), 300)


@pytest.mark.usefixtures("small_pieces")
async def test_a_file_that_was_cut_goes_on_where_it_was(store: Store) -> None:
    plan = KnowledgePlan(Policy(replace(KnowledgeRules(), import_rows=1000)))
    desk = KnowledgeDesk(store, plan, TicketPolicy(), lambda: NOON)
    task, data = await begun(desk, 100)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    cut = (await desk.imports())[0]
    assert (cut.ended_at, cut.done < 100) == (None, True)
    both = await asyncio.gather(
        *(desk.take_in(Format.CSV, data, Editor("zhao", EditorRole.EDITOR), False, False) for _ in range(2))
    )
    assert [one.made for one in both] == [100, 100], "what was made before the cut is told too"
    assert len(await desk.entries((), "", 0, 500)) == 100


async def test_what_ends_is_ended_some_at_a_time(
    hotline: Site, desk: KnowledgeDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.knowledge.EXPIRED_AT_ONCE", 2)
    for _ in range(5):
        await publish(hotline, valid_to="2026-11-30")
    clock.now += 10 * 86_400
    await desk.begin_day()
    _, listed = await hotline.json("GET", f"{BASE}/entries?state=expired")
    assert len(listed["entries"]) == 5


async def test_a_file_that_cannot_be_read_leaves_nothing(hotline: Site) -> None:
    for format, data, code in (("csv", b"", "missing_column"), ("xlsx", b"PK\x03\x04 no workbook", "bad_file")):
        status, told = await sent(hotline, format, data)
        assert (status, told["error"]) == (422, code), data
    assert (await hotline.json("GET", f"{BASE}/entries"))[1] == {"entries": []}


def _greedy() -> int:
    return len(bytearray(8 * 1024**3))


async def test_a_file_that_takes_all_memory_ends_its_own_process_only() -> None:
    with pytest.raises(GaveUp):
        await apart(_greedy)


async def test_other_rank_rules_make_the_index_anew_at_the_start(
    hotline: Site, store: Store, clock: Clock, tickets: TicketPolicy
) -> None:
    await publish(hotline)
    other = KnowledgeDesk(store, KnowledgePlan(Policy(rank=RankRules(question=9.0))), tickets, clock)
    assert await store.read(stamp_of) == RankRules().stamp
    await other.begin_day()
    assert await store.read(stamp_of) == RankRules(question=9.0).stamp
    assert len((await publicly(hotline, "q=身份证"))[1]["entries"]) == 1


async def test_the_citizens_page_is_whole_without_a_script_and_shows_what_is_public(hotline: Site) -> None:
    police = HandlingUnit("police", "市公安局", "领导", "处室", "经办")
    hotline.backend.desk.policy = replace(hotline.backend.desk.policy, units=UnitRegister([police]))
    words = {"answer": "<script>alert(1)</script> 到派出所补领。", "basis": "居民身份证法", "materials": "户口簿"}
    await publish(hotline, **words, process="申请、照相、领取", valid_from="2026-01-01", valid_to="2027-12-31")
    await publish(hotline, question="身份证内部口径?", public=False)

    async def page(query: str) -> tuple[int, str, str]:
        async with hotline.session.get(hotline.url(f"/knowledge{query}")) as answer:
            assert answer.content_type == "text/html"
            return answer.status, answer.headers["Content-Security-Policy"], await answer.text()

    status, policy, text = await page("?q=身份证")
    assert status == 200
    assert "script-src" not in policy
    assert "form-action 'self'" in policy
    assert "<script" not in text
    shown = ("身份证丢了怎么补办?", "&lt;script&gt;", "居民身份证法", "户口簿", "照相", "2027-12-31", "市公安局")
    assert all(one in text for one in (*shown, "what to bring"))
    assert "内部口径" not in text
    assert "没有找到答案" in (await page("?q=量子纠缠"))[2]
    assert (await page(""))[0] == 200
    assert 'value="&#34;&gt;&lt;b&gt;"' in (await page("?q=%22%3E%3Cb%3E"))[2].replace("&quot;", "&#34;")
    assert (await page("?q=%00"))[0] == 400
    for _ in range(5):
        status, _, text = await page("?q=身份证")
    assert status == 429
    assert MESSAGES["too_many_requests"][0] in text
