"""Alerts from the switchboard's state to the wallboard, a mail server and a webhook, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_bytes
from email import policy as email_policy
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from controller import alert_rows as rows
from controller.alert_keeper import AlertKeeper
from controller.alert_sender import BACK_OFF_S, AlertSender, Words
from controller.config_alerts import AlertsPlan, MailSection, Receiver, shipped_rules
from controller.house import House
from controller.live_board import LiveBoard
from controller.records import Records
from controller.writer import Store
from metrics.alerts import Reading, Rule, rule_of
from metrics.definitions.catalogue import measure
from metrics.live import DEFAULT_DEFINITIONS, WHOLE, Group
from pbx.call import CallRecord, Outcome
from pbx.ids import ActorId, AgentId, CallId, ChannelName, QueueId
from tests.builders import GENERAL, plan
from tests.city_story import TREE
from tests.doors.test_webhooks import SECRET, Clock, receiving
from tests.fakes.alerts_desk import MemoryAlerts
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import site
from tickets.moves import Actor, Role
from tickets.ticket import TicketPolicy
from tickets.webhook import Hook

pytestmark = pytest.mark.doors

ZONE = ZoneInfo("Asia/Shanghai")
DOWN = rule_of({"name": "down", "measure": "exchange_down", "above": 0.0, "severity": "critical", "zh": "交换中断"})
RATE = rule_of({"name": "rate", "measure": "connect.v1", "of": "city", "window": "15m", "below": 0.9, "least": 2})


class Mailbox:
    """What a mail server has taken; it refuses while `full`."""

    def __init__(self) -> None:
        self.full = False
        self.mails: list[Any] = []
        self.refused = 0
        self.port = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if self.full:
            self.refused += 1
            return "452 4.3.1 Insufficient system storage"
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=email_policy.default)
        self.mails.append((tuple(envelope.rcpt_tos), mail))
        return "250 OK"


@asynccontextmanager
async def mailing(port: int = 0) -> AsyncIterator[Mailbox]:
    """A real SMTP server on a free loopback port."""
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(box, hostname="mail.test", enable_SMTPUTF8=True), "127.0.0.1", port
    )
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


class Office:
    """A keeper over a store and a house whose exchange is there, or not."""

    def __init__(self, store: Store, clock: Clock, *rules: Rule, receivers: tuple[Receiver, ...] = ()) -> None:
        self.store, self.clock = store, clock
        self.house = House(plan())
        self.house.connected = True
        self.policy = TicketPolicy(queues={"general": "nanjing", "english": "suzhou"})
        self.plan = AlertsPlan(rules=rules, receivers=receivers, teams={"1001": ("早班",)})
        measures = [measure(name) for name in DEFAULT_DEFINITIONS]
        self.board = LiveBoard(measures, ZONE, (0, 8 * 3600), self.policy.city_of, self.plan.teams)
        self.keeper = AlertKeeper(self.plan, self.board, self.house, self.policy, store, clock)

    def sender(self, port: int, hooks: dict[str, Hook]) -> AlertSender:
        keeper = self.keeper
        words = Words(keeper.said, keeper.city, {one.name: one for one in self.plan.rules}, ZONE)
        mail = MailSection(host="127.0.0.1", port=port, sender="hotline@example.gov.cn", timeout_s=5.0)
        receivers = {one.id: one for one in self.plan.receivers}
        return AlertSender(receivers, hooks, mail, "", self.store, words, self.clock, away_s=0.05)

    async def look(self, after_s: float = 1.0) -> list[str]:
        """One look later on; the rules whose alerts stand then, as the database has them too."""
        self.clock.now += after_s
        await self.keeper.look()
        await self.store.submit(
            rows.FORGET, [(one.id, way) for one in self.plan.receivers for way in ("mail", "webhook")]
        )
        standing = [one.rule for one in self.keeper.standing()]
        assert sorted(one.rule for one in await self.store.read(rows.standing)) == sorted(standing)
        return standing


async def test_an_alert_reaches_mail_and_webhook_once_each_and_so_does_its_end(store: Store) -> None:
    clock = Clock()
    both = Receiver("duty", ("duty@example.gov.cn", "head@example.gov.cn"), "portal")
    other = Receiver("suzhou", ("sz@example.gov.cn",), cities=frozenset({"suzhou"}))
    office = Office(store, clock, DOWN, receivers=(both, other))
    async with receiving() as hook, mailing() as box:
        sender = office.sender(box.port, {"portal": Hook("portal", hook.url, SECRET)})
        assert await office.look() == []
        office.house.connected = False
        assert await office.look() == ["down"]
        await sender.round()
        await sender.round()
        assert await office.look() == ["down"]
        office.house.connected = True
        assert await office.look() == []
        await sender.round()
        sender.close()
    assert [to for to, _ in box.mails] == [("duty@example.gov.cn", "head@example.gov.cn")] * 2  # and nobody of Suzhou
    raised, cleared = (mail for _, mail in box.mails)
    assert raised["Subject"] == "[12345] 告警 (严重): 交换中断"
    assert "交换中断: 全部, 1, 高于 0" in raised.get_content()
    assert "alert (critical)" in raised.get_content()
    assert cleared["Subject"] == "[12345] 告警解除 (严重): 交换中断"
    assert raised["Message-ID"] != cleared["Message-ID"]
    assert raised["Auto-Submitted"] == "auto-generated"
    assert [body["type"] for body in hook.bodies] == ["alert.raised", "alert.cleared"]
    assert hook.bodies[0]["data"]["measure"] == "exchange_down"
    assert hook.bodies[0]["data"]["message"]["zh"].startswith("交换中断")


async def test_a_mail_server_that_is_away_delays_nothing_and_gets_it_later(store: Store) -> None:
    clock = Clock()
    receivers = (Receiver("a", ("a@example.gov.cn",)), Receiver("b", webhook="portal"))
    office = Office(store, clock, DOWN, receivers=receivers)
    async with mailing() as gone:
        port = gone.port
    async with receiving() as hook:
        sender = office.sender(port, {"portal": Hook("portal", hook.url, SECRET)})
        office.house.connected = False
        assert await office.look() == ["down"]
        await sender.round()
        assert len(hook.bodies) == 1
        assert sender.figures.failed == 1
        office.house.connected = True
        await office.look()
        await sender.round()  # its turn is in five seconds: nothing of it is tried, and the end waits behind the begin
        assert len(hook.bodies) == 2
        assert sender.figures.failed == 1
        async with mailing(port) as box:
            await sender.round()
            assert box.mails == [], "its end does not overtake it"
            clock.now += BACK_OFF_S[0]
            box.full = True
            await sender.round()
            assert (box.refused, box.mails) == (1, [])
            box.full = False
            clock.now += BACK_OFF_S[1]
            await sender.round()
        assert [mail["Subject"][8:12] for _, mail in box.mails] == ["告警 (", "告警解除"]
        sender.close()


async def test_tries_are_bounded(store: Store) -> None:
    clock = Clock()
    office = Office(store, clock, DOWN, receivers=(Receiver("a", ("a@example.gov.cn",)),))
    async with mailing() as gone:
        port = gone.port
    sender = office.sender(port, {})
    office.house.connected = False
    await office.look()
    for wait in (0.0, *BACK_OFF_S, 100_000.0):
        clock.now += wait
        await sender.round()
    assert (sender.figures.failed, sender.figures.given_up) == (len(BACK_OFF_S) + 1, 1)
    assert await store.read(rows.next_due, "a", "mail") is None
    sender.close()


async def test_it_is_sent_at_once_when_it_is_written(store: Store) -> None:
    """`run` waits for the commit, not for a time."""
    office = Office(store, Clock(), DOWN, receivers=(Receiver("b", webhook="portal"),))
    async with receiving() as hook:
        sender = office.sender(1, {"portal": Hook("portal", hook.url, SECRET)})
        task = asyncio.create_task(sender.run())
        office.house.connected = False
        await office.keeper.look()
        async with asyncio.timeout(30), hook.news:
            await hook.news.wait_for(lambda: hook.taken)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert hook.taken[0].endswith(".raised")


async def test_a_restart_neither_repeats_nor_loses_a_standing_alert(store: Store) -> None:
    clock = Clock()
    receivers = (Receiver("b", webhook="portal"),)
    before = Office(store, clock, DOWN, receivers=receivers)
    before.house.connected = False
    assert await before.look() == ["down"]
    (one,) = before.keeper.standing()
    await before.keeper.acknowledge(one.id, "lin")
    after = Office(store, clock, DOWN, receivers=receivers)
    after.house.connected = False
    assert await after.look() == ["down"]
    (still,) = after.keeper.standing()
    assert (still.id, still.acknowledged_by) == (one.id, "lin")
    after.house.connected = True
    assert await after.look() == []
    async with receiving() as hook:
        sender = after.sender(25, {"portal": Hook("portal", hook.url, SECRET)})
        await sender.round()
        sender.close()
    assert [body["type"] for body in hook.bodies] == ["alert.raised", "alert.acknowledged", "alert.cleared"]
    (kept,) = await store.read(rows.between, 0.0, clock.now + 1)
    assert (kept.cleared_at, kept.why_cleared) == (clock.now, "good")


def call(name: str, at: float, *, queue: QueueId = GENERAL, lost: bool = False) -> CallRecord:
    """A call that is over."""
    return CallRecord(
        CallId(name), ChannelName(f"PJSIP/carrier-{name}"), "12345", "02510000000", at, queue=queue, queued_at=at,
        joined_at=None if lost else at + 5, released_at=None if lost else at + 50, ended_at=at + 60,
        agent=None if lost else AgentId("1001"), outcome=Outcome.ABANDONED if lost else Outcome.ANSWERED,
    )  # fmt: skip


async def test_figures_by_city_raise_an_alert_of_the_city_and_come_back_after_a_restart(
    store: Store, records: Records
) -> None:
    clock = Clock()
    office = Office(store, clock, RATE)
    await office.look()
    for n in range(4):
        record = call(f"h-{n}", clock.now - 100 + n, lost=n < 2)
        records.save_call(record)
        office.board.record(record)
    other = call("h-9", clock.now - 50, queue=QueueId("english"), lost=True)
    records.save_call(other)
    office.board.record(other)
    assert await office.look() == ["rate"]  # Nanjing: 2 of 4; of Suzhou's one call nothing can be said
    (one,) = office.keeper.standing()
    assert (one.group, one.value) == (Group("city", "nanjing"), 0.5)
    assert office.keeper.said(one)[0] == "rate: 分中心 nanjing, 最近15分钟 50.0 %, 低于 90.0 %"
    team = office.board.figures.value(Group("team", "早班"), "1h", "connect.v1", clock.now)
    assert team.denominator == 2

    restarted = Office(store, clock, RATE)
    assert not restarted.keeper.ready
    assert await restarted.look() == ["rate"]
    assert restarted.keeper.ready
    for group in office.keeper.groups():
        assert restarted.keeper.values(group) == office.keeper.values(group)
    clock.now -= 8 * 86_400  # the clock goes back by more than is held: the store is asked again
    await restarted.keeper.look()
    assert restarted.board.figures.value(WHOLE, "24h", "connect.v1", clock.now).denominator == 0
    clock.now += 8 * 86_400
    await restarted.keeper.look()
    assert restarted.keeper.values(WHOLE) == office.keeper.values(WHOLE)


async def test_nobody_with_the_skill_and_callers_whom_nobody_serves(store: Store) -> None:
    office = Office(store, Clock(), *(one for one in shipped_rules() if one.name == "no-agent"))
    await office.look()
    assert await office.look(60.0) == []
    assert await office.look(60.0) == ["no-agent"] * 3
    assert {one.group.name for one in office.keeper.standing()} == {"general", "english", "approvals"}
    roster = office.house.roster
    agent = roster.get(AgentId("1003"))
    roster.put(replace(agent, state=type(agent.state).READY))
    await office.look()
    assert await office.look(20.0) == ["no-agent"] * 2
    assert {one.group.name for one in office.keeper.standing()} == {"english", "approvals"}


async def test_the_web_shows_them_and_who_may_acknowledges(store: Store) -> None:
    clock = Clock()
    queue = rule_of({"name": "idle", "measure": "agents_fitting", "of": "queue", "below": 1.0, "only": ["general"]})
    office = Office(store, clock, DOWN, queue)
    await office.look()
    async with site(
        alerts_desk=office.keeper, supervisors={ActorId("lin"): "a-supervisors-token-0123456789"}
    ) as running:
        status, told = await running.json("GET", "/api/alerts")
        assert status == 200
        (one,) = told["alerts"]
        assert (one["rule"], one["of"], one["name"], one["city"]) == ("idle", "queue", "general", "nanjing")
        assert one["message"]["zh"] == "具备技能的签入坐席: 技能组 综合, 0, 低于 1"
        overview = (await running.json("GET", "/api/overview"))[1]
        assert overview["alerts"] == told["alerts"]
        assert {row["window"] for row in overview["windows"]} == {"15m", "1h", "shift", "day", "24h"}
        path = f"/api/alerts/{one['id']}/acknowledge"
        lin = {"Authorization": "Bearer a-supervisors-token-0123456789"}
        status, refused = await running.json("POST", path, {}, headers=lin)
        assert (status, refused["error"]) == (403, "not_your_queue")  # the configuration gives him none
        status, seen = await running.json("POST", path, {})
        assert (status, seen["acknowledged_by"]) == (200, "admin")
        assert (await running.json("POST", path, {}))[1] == seen
        assert [entry.action for entry in running.backend.noted.values()].count("acknowledge_alert") == 1
        status, refused = await running.json("POST", "/api/alerts/a1/acknowledge", {})
        assert (status, refused["error"]) == (404, "unknown_alert")
        status, past = await running.json("GET", f"/api/alerts?since={clock.now - 60}&until={clock.now + 60}")
        assert [(row["id"], row["acknowledged_by"]) for row in past["alerts"]] == [(one["id"], "admin")]
        status, figures = await running.json("GET", "/api/live/figures?of=whole")
        assert (status, figures["ready"]) == (200, True)
        assert len(figures["figures"]) == 5 * len(DEFAULT_DEFINITIONS)


class CityPeople:
    """Each token is the name of one of these, made long."""

    people: ClassVar[dict[str, Actor]] = {
        "cz-head": Actor("cz-head", Role.LEADER, "cz"),
        "cz-desk": Actor("cz-desk", Role.DISPATCHER, "cz"),
        "js-head": Actor("js-head", Role.SUPERVISOR, "js"),
    }

    async def find(self, token: str) -> Actor | None:
        return self.people.get(token.removesuffix("-token-0123456789"))


async def test_a_city_s_head_sees_and_acknowledges_his_city_s_alerts_alone() -> None:
    backend = MemoryBackend()
    backend.desk.policy = replace(backend.desk.policy, organisations=TREE)
    slow = rule_of({"name": "slow", "measure": "longest_wait_s", "of": "city", "above": 60.0})
    alerts = MemoryAlerts(backend.clock, slow)
    alerts.rules.look(backend.clock(), {"slow": {Group("city", city): Reading(90.0) for city in ("cz", "zj")}})
    async with site(backend, alerts_desk=alerts, holders=CityPeople()) as running:

        async def ask(who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
            headers = {"Authorization": f"Bearer {who}-token-0123456789"}
            return await running.json(method, path, body, headers=headers)

        _, seen = await ask("cz-head", "GET", "/api/alerts")
        assert [one["city"] for one in seen["alerts"]] == ["cz"]
        _, every = await running.json("GET", "/api/alerts")
        ids = {one["city"]: one["id"] for one in every["alerts"]}
        assert set(ids) == {"cz", "zj"}
        status, told = await ask("cz-head", "POST", f"/api/alerts/{ids['zj']}/acknowledge", {})
        assert (status, told["error"]) == (403, "not_allowed")
        status, told = await ask("cz-desk", "POST", f"/api/alerts/{ids['cz']}/acknowledge", {})
        assert (status, told["error"]) == (403, "not_allowed")  # a dispatcher answers for no figures
        status, told = await ask("cz-head", "POST", f"/api/alerts/{ids['cz']}/acknowledge", {})
        assert (status, told["acknowledged_by"]) == (200, "cz-head")
        (line,) = (one for one in backend.noted.values() if one.action == "acknowledge_alert")
        assert (line.actor, line.role, line.outcome) == ("cz-head", "leader", "ok")
        _, figures = await ask("cz-head", "GET", "/api/live/figures")
        assert figures["figures"] == []  # of the whole province he is told nothing
