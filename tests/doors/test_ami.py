# ruff: noqa: F811 - fixtures are imported by name
"""The AMI door against an exchange that behaves, and misbehaves: login, snapshot, heartbeat, bad input."""

from __future__ import annotations

import asyncio
import logging

import pytest

from pbx import commands as order
from pbx import events as event
from pbx.ami import AmiDoor, AmiError, AmiLimits, LoginRefused, NotAsterisk, Superseded
from pbx.ids import CallId, ChannelName
from tests.fakes.ami_door import (  # noqa: F401
    CALLER,
    QUICK,
    Inbox,
    Make,
    ask,
    door,
    fake,
    hold,
    inbox,
    make,
    offer,
    redirects,
    running,
    talk,
    unconnected,
)
from tests.fakes.ami_session import Headers, Session
from tests.fakes.exchange import FakeExchange

pytestmark = pytest.mark.doors


# ---------------------------------------------------------------- login


async def test_after_login_the_heartbeat_comes_first_and_the_snapshot_last(door: AmiDoor, fake: FakeExchange) -> None:
    names = [(a["Action"], a.get("Variable", a.get("Command", ""))) for a in fake.actions]
    positions = [
        names.index(("Challenge", "")),
        names.index(("Login", "")),
        names.index(("Setvar", "HB")),
        names.index(("Filter", "")),
        names.index(("Events", "")),
        names.index(("Command", "manager show connected")),
        names.index(("CoreShowChannels", "")),
        names.index(("Getvar", "AG_1001")),
    ]
    assert positions == sorted(positions)
    assert next(a for a in fake.actions if a["Action"] == "Login")["Events"] == "off"
    assert door.version == "11.0.0"


async def test_the_secret_is_not_on_the_wire(door: AmiDoor, fake: FakeExchange) -> None:
    assert all(fake.secret not in action.values() for action in fake.actions)


async def test_only_wanted_events_are_sent(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    messages = door.counters.messages
    fake.emit("Newexten", Channel="PJSIP/1001-01")
    fake.emit("VarSet", Variable="X")
    fake.emit("UserEvent", UserEvent="Idle", CallId="c", Step="1")
    await inbox.next(event.CallerIdle)
    beats = len(fake.actions)  # answers to heartbeats may have come meanwhile
    assert door.counters.messages - messages - 1 <= beats
    assert door.counters.ignored == 0


async def test_an_older_asterisk_is_asked_by_regular_expression(fake: FakeExchange, make: Make, inbox: Inbox) -> None:
    fake.fault.old_filters = True
    door = await make()
    fake.emit("Newexten", Channel="PJSIP/1001-01")
    fake.emit("UserEvent", UserEvent="Idle", CallId="c", Step="1")
    await inbox.next(event.CallerIdle)
    assert door.counters.ignored == 0


async def test_a_refused_login_says_what_to_do(fake: FakeExchange, inbox: Inbox) -> None:
    door = unconnected(fake, inbox, secret="wrong")
    async with running(door) as task:
        with pytest.raises(LoginRefused, match=r"manager\.conf.*manager reload"):
            await door.wait_ready(5)
        with pytest.raises(LoginRefused) as refused:
            await task
    assert "wrong" not in str(refused.value)
    assert inbox.events == []


async def test_what_is_no_asterisk_is_named(fake: FakeExchange, inbox: Inbox) -> None:
    fake.banner = b"SSH-2.0-OpenSSH_9.2\r\n"
    with pytest.raises(NotAsterisk, match="no Asterisk manager"):
        await unconnected(fake, inbox).run()


async def test_an_asterisk_that_shuts_down_is_tried_again(fake: FakeExchange, inbox: Inbox) -> None:
    fake.fault.shutting_down = True
    door = unconnected(fake, inbox)
    async with running(door):
        await fake.saw("Login")
        await fake.saw("Login", after=len(fake.actions))
        fake.fault.shutting_down = False
        assert await door.wait_ready(5)


async def test_nothing_answers_and_then_it_does(fake: FakeExchange, inbox: Inbox) -> None:
    port, fake.port = fake.port, 1  # nobody listens there
    door = unconnected(fake, inbox)
    async with running(door):
        assert not await door.wait_ready(0.1)
        assert not door.connected
        door._port = port
        assert await door.wait_ready(5)


async def test_a_slow_start_is_waited_for(fake: FakeExchange, inbox: Inbox) -> None:
    fake.booted = False
    door = unconnected(fake, inbox)
    async with running(door):
        await fake.saw("Command", Command="core waitfullybooted")
        assert not await door.wait_ready(QUICK.answer_s * 2)  # longer than any other answer may take
        assert fake.globals["HB"]  # callers are kept meanwhile
        fake.boot()
        assert await door.wait_ready(5)
    assert door.counters.connects == 1


# ---------------------------------------------------------------- snapshot and resync


async def test_the_snapshot_tells_callers_legs_marks_and_phones(fake: FakeExchange, make: Make, inbox: Inbox) -> None:
    fake.globals |= {"HB": "1", "AG_1002": "ready|1.5||"}
    fake.register("1001")
    fake.register("trunk")
    waiting, ringing = fake.arrive(), fake.arrive()
    waiting.context, waiting.step = "p-hold", 4
    waiting.variables["Q"] = "12345|zh|1.000|main|general|0|2.000"
    fake._ring(ringing, "1001", "agent")
    await make()
    snapshot = inbox.events[0]
    assert isinstance(snapshot, event.ExchangeConnected)
    assert [(c.channel, c.role, c.agent, c.step, c.bridged, c.mark) for c in snapshot.channels] == [
        (waiting.channel, event.Role.CALLER, None, 4, False, "12345|zh|1.000|main|general|0|2.000"),
        (ringing.channel, event.Role.CALLER, None, 0, False, ringing.variables["Q"]),
        (ringing.legs[0].channel, event.Role.AGENT, "1001", 0, False, ""),
    ]
    assert snapshot.phones == ("1001",)
    assert snapshot.marks == (("1002", "ready|1.5||"),)


class Busy(FakeExchange):
    """Things happen while the snapshot is taken."""

    def _do_coreshowchannels(self, session: Session, action: Headers) -> None:
        self.before()
        super()._do_coreshowchannels(session, action)
        self.after()

    def before(self) -> None:
        self.globals["HB"] = "1"
        self.known = self.arrive()

    def after(self) -> None:
        self.late = self.arrive()
        self.hang_up(self.known)


async def test_events_during_the_snapshot_come_after_it_and_arrivals_are_told_once(inbox: Inbox) -> None:
    async with Busy() as fake, running(door := unconnected(fake, inbox)):
        assert await door.wait_ready(5)
        assert inbox.kinds() == ["ExchangeConnected", "CallArrived", "CallEnded"]
        assert [channel.call for channel in inbox.events[0].channels] == [fake.known.id]
        assert inbox.events[1].call == fake.late.id
        assert inbox.events[2].call == fake.known.id


async def test_too_many_events_during_the_snapshot_end_in_a_new_one(inbox: Inbox) -> None:
    class Flooded(Busy):
        rounds = 0

        def before(self) -> None:
            self.rounds += 1
            for _ in range(30 if self.rounds == 1 else 3):
                self.emit("UserEvent", UserEvent="Idle", CallId="c", Step="1")

        def after(self) -> None: ...

    limits = AmiLimits(max_buffered=10, backoff_first_s=0.01)
    async with Flooded() as fake, running(door := unconnected(fake, inbox, limits=limits)):
        assert await door.wait_ready(5)
        assert fake.rounds == 2
        assert inbox.kinds() == ["ExchangeConnected", *["CallerIdle"] * 3]


async def test_a_lost_connection_is_told_once_and_everything_is_learnt_anew(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox
) -> None:
    call = fake.arrive()
    await inbox.next(event.CallArrived)
    fake.drop()
    await inbox.next(event.ExchangeLost)
    snapshot = await inbox.next(event.ExchangeConnected, after=2)
    assert [channel.call for channel in snapshot.channels] == [call.id]
    assert inbox.kinds() == ["ExchangeConnected", "CallArrived", "ExchangeLost", "ExchangeConnected"]
    assert (door.counters.connects, door.counters.losses) == (2, 1)
    filters = [action for action in fake.actions if action["Action"] == "Filter"]
    assert len(filters) == 2 * len({action["MatchCriteria"] for action in filters})  # filters live in the session


async def test_a_restarted_asterisk_is_learnt_anew(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    fake.arrive()
    fake.restart()
    snapshot = await inbox.next(event.ExchangeConnected, after=1)
    assert snapshot.channels == ()
    assert fake.globals["HB"]


async def test_fully_booted_in_the_middle_means_a_new_snapshot(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    fake.emit("FullyBooted", Status="Fully Booted")
    await inbox.next(event.ExchangeLost)
    await inbox.next(event.ExchangeConnected, after=1)


async def test_a_successor_ends_the_older_session_which_never_comes_back(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox
) -> None:
    second = unconnected(fake, successor := Inbox())
    async with running(second):
        assert await second.wait_ready(5)
        await inbox.next(event.ExchangeLost)
        with pytest.raises(Superseded, match="taken over"):
            await door.wait_ready(5)
        await asyncio.sleep(QUICK.backoff_max_s * 3)  # time in which the older one could have fought back
        assert second.connected
        assert successor.kinds() == ["ExchangeConnected"]
        assert len(fake.sessions) == 1


# ---------------------------------------------------------------- heartbeat, half-open, standstill


async def test_the_heartbeat_is_a_global_variable_in_epoch_seconds(door: AmiDoor, fake: FakeExchange) -> None:
    seen = len(fake.actions)
    beat = await fake.saw("Setvar", after=seen, Variable="HB")
    assert abs(int(beat["Value"]) - fake.clock()) <= 2
    assert "Channel" not in beat
    await fake.saw("Setvar", after=len(fake.actions), Variable="HB")
    assert door.counters.beat_rtt_s > 0


async def test_a_half_open_connection_is_found_by_the_unanswered_heartbeat(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox
) -> None:
    fake.fault.stall = True
    await inbox.next(event.ExchangeLost)
    assert not door.connected
    fake.fault.stall = False
    await inbox.next(event.ExchangeConnected, after=1)
    assert door.counters.timeouts >= 1


class Clock:
    """A monotonic clock that can jump, as after SIGSTOP."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


async def test_after_an_own_standstill_nothing_is_commanded_before_a_new_snapshot(
    fake: FakeExchange, make: Make, inbox: Inbox
) -> None:
    clock = Clock()
    door = await make(monotonic=clock)
    call = fake.arrive()
    await inbox.next(event.CallArrived)
    clock.ahead = QUICK.stall_s + 1
    door.perform(hold(call, 1))
    door.perform(order.HangUp(CallId(call.id), ChannelName(call.channel)))
    assert inbox.of(event.StepLost) == [event.StepLost(CallId(call.id), 1, "stalled", inbox.events[-1].at)]
    await inbox.next(event.ExchangeConnected, after=2)
    assert redirects(fake) == []
    assert call.id in fake.calls
    assert (door.counters.stalls, door.counters.dropped) == (1, 1)
    door.perform(hold(call, 2))
    await inbox.next(event.StepStarted, step=2)


async def test_a_standstill_is_found_by_the_next_beat_too(fake: FakeExchange, make: Make, inbox: Inbox) -> None:
    clock = Clock()
    await make(monotonic=clock)
    clock.ahead = QUICK.stall_s + 1
    await inbox.next(event.ExchangeLost)
    await inbox.next(event.ExchangeConnected, after=1)


# ---------------------------------------------------------------- bad input


async def test_garbage_is_counted_and_the_line_goes_on(
    door: AmiDoor, fake: FakeExchange, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.garbage(b"\x00\xff\xfe no ami \r\n\r\n: \r\n\r\n")
    fake.garbage(f"Event: UserEvent\r\nUserEvent: Started\r\nCallId: c\r\nStep: {CALLER}x\r\n\r\n".encode())
    fake.garbage(
        "Event: UserEvent\r\nUserEvent: Played\r\nCallerIDName: 市民\r\nCallId: c\r\nStep: 1\r\n\r\n".encode("gbk")
    )
    fake.garbage(b"Response: Success\r\nActionID: never-asked\r\n\r\n")
    fake.emit("UserEvent", UserEvent="Idle", CallId="c", Step="1")
    await inbox.next(event.CallerIdle)
    await inbox.next(event.PromptPlayed)
    assert door.connected
    counters = door.counters
    assert (counters.garbage, counters.damaged_text, counters.late_answers) == (3, 2, 1)
    assert "Step is no number" in caplog.text
    assert CALLER not in caplog.text


async def test_a_handler_that_raises_does_not_cost_the_connection(
    fake: FakeExchange, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()

    def failing(found: event.Event) -> None:
        inbox(found)
        if isinstance(found, event.CallerIdle) and found.step == 1:
            raise RuntimeError("a mistake in the switchboard")

    door = unconnected(fake, failing)
    async with running(door):
        assert await door.wait_ready(5)
        fake.emit("UserEvent", UserEvent="Idle", CallId="c", Step="1")
        fake.emit("UserEvent", UserEvent="Idle", CallId="c", Step="2")
        await inbox.next(event.CallerIdle, step=2)
        assert door.connected
        assert door.counters.handler_errors == 1
        assert "inbox for CallerIdle failed: RuntimeError at" in caplog.text


async def test_every_byte_may_come_alone(fake: FakeExchange, make: Make, inbox: Inbox) -> None:
    fake.fault.chop = 1
    door = await make()
    call = await talk(fake, door, inbox)
    fake.leave("1001")
    await inbox.next(event.TalkEnded)
    fake.score(call, 5)
    await inbox.next(event.CallEnded)
    assert (door.counters.garbage, door.counters.damaged_text) == (0, 0)


async def test_no_caller_data_in_the_log(
    fake: FakeExchange, make: Make, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    door = await make()
    call = await talk(fake, door, inbox)
    fake.leave("1001")
    fake.drop()
    await inbox.next(event.ExchangeConnected, after=len(inbox.events))
    fake.fault.refuse_redirect = "Permission denied"
    door.perform(hold(call, 5))
    await inbox.next(event.StepLost)
    for secret in (CALLER, fake.secret, call.channel):
        assert all(secret not in record.getMessage() for record in caplog.records if record.name.startswith("pbx"))


# ---------------------------------------------------------------- actions of tools, time limits, the end


async def test_every_action_has_a_time_limit(door: AmiDoor, fake: FakeExchange) -> None:
    fake.fault.stall = True
    with pytest.raises((TimeoutError, AmiError)):
        await door.action("Ping")
    with pytest.raises((TimeoutError, AmiError)):
        await door.listing("CoreShowChannels")


async def test_whoever_waits_for_an_answer_learns_of_the_loss(door: AmiDoor, fake: FakeExchange) -> None:
    fake.fault.stall = True
    waiting = asyncio.create_task(door.action("Ping"))
    listing = asyncio.create_task(door.listing("CoreShowChannels"))
    await asyncio.sleep(0)
    fake.drop()
    for task in (waiting, listing):
        with pytest.raises(AmiError):
            await task


async def test_tools_can_ask_anything(door: AmiDoor, fake: FakeExchange) -> None:
    call = fake.arrive()
    assert (await door.action("Getvar", [("Variable", "HB")])).get("Value")
    assert [row.get("Uniqueid") for row in await door.listing("CoreShowChannels")] == [call.id]
    assert (await door.command("manager show connected"))[-1] == "1 users connected."
    assert (await door.action("Nonsense")).failed


async def test_draining_waits_for_the_steps_under_way(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    call = fake.arrive()
    door.perform(hold(call, 1))
    door.perform(hold(call, 2))
    assert await door.drain(5)
    assert redirects(fake) == ["1", "2"]
    fake.fault.swallow_started = True
    door.perform(hold(call, 3))
    assert not await door.drain(QUICK.step_s / 4)


async def test_the_door_ends_cleanly_at_any_moment(fake: FakeExchange, inbox: Inbox) -> None:
    for pause in (0, 0.001, 0.003, 0.01, 0.05):
        door = unconnected(fake, inbox)
        async with running(door):
            await asyncio.sleep(pause)
        assert not door.connected
    async with asyncio.timeout(5):
        await fake.quiet()


async def test_a_connection_in_memory_behaves_the_same(inbox: Inbox) -> None:
    fake = FakeExchange()
    door = unconnected(fake, inbox, connector=fake.connector)
    async with running(door):
        assert await door.wait_ready(5)
        await talk(fake, door, inbox)
        fake.drop()
        await inbox.next(event.ExchangeConnected, after=len(inbox.events))


async def test_the_counters_say_how_late_events_are_read(door: AmiDoor, fake: FakeExchange, inbox: Inbox) -> None:
    now = fake.clock
    fake.clock = lambda: now() - 2.0
    fake.emit("UserEvent", UserEvent="Idle", CallId="c", Step="1")
    await inbox.next(event.CallerIdle)
    assert 2.0 <= door.counters.lag_last_s < 3.0
    assert door.counters.lag_max_s >= door.counters.lag_last_s
