"""One AMI connection by itself: answers to actions, handlers that raise, time limits."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from pbx.ami_link import AmiCounters, AmiError, Link
from pbx.translate import Action
from pbx.wire import BadHeader, Message
from tests.fakes.ami_session import MemoryTransport

pytestmark = pytest.mark.doors


class Server(asyncio.Protocol):
    """Keeps what it gets and says what the test lets it say."""

    def __init__(self) -> None:
        self.got = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(b"Asterisk Call Manager/11.0.0\r\n")

    def data_received(self, data: bytes) -> None:
        self.got += data

    def say(self, text: str) -> None:
        self.transport.write(text.replace("\n", "\r\n").encode() + b"\r\n\r\n")


class Pair:
    """A link and its server; events are kept, and those named ``Bad`` raise."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.counters = AmiCounters()
        self.link = Link(self.take, self.counters, prefix="t", answer_s=0.1)
        self.server = Server()
        MemoryTransport.connect(self.link, self.server)

    def take(self, message: Message) -> None:
        self.events.append(message.event)
        if message.event == "Bad":
            raise RuntimeError("13800001111 is in the text of this mistake")


@pytest.fixture
async def pair() -> Pair:
    found = Pair()
    await found.link.banner
    return found


async def settle() -> None:
    """Let what was written be read, both ways."""
    for _ in range(4):
        await asyncio.sleep(0)


async def test_a_handler_that_raises_is_counted_and_the_next_event_is_given(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.server.say("Event: Bad\n\nEvent: Good")
    pair.server.say("Event: Late")
    await settle()
    assert pair.events == ["Bad", "Good", "Late"]
    assert pair.counters.handler_errors == 1
    assert not pair.link.ended.done()
    assert "RuntimeError" in caplog.text
    assert "13800001111" not in caplog.text  # what a mistake says may hold caller data: only its kind and place


async def test_an_answer_whose_handler_raises_does_not_stop_the_others(pair: Pair) -> None:
    answered: list[str] = []

    def handler(action: Action, answer: Message | None) -> None:
        answered.append(action.name)
        raise RuntimeError

    pair.link.send([Action("One"), Action("Two")], handler)
    pair.server.say("Response: Success\nActionID: t-1\n\nResponse: Success\nActionID: t-2")
    await settle()
    assert answered == ["One", "Two"]
    assert pair.counters.handler_errors == 2


async def test_actions_go_in_one_piece_with_their_ids_first(pair: Pair) -> None:
    pair.link.send([Action("Setvar", (("Variable", "A"), ("Value", "1"))), Action("Ping")])
    await settle()
    assert pair.server.got == (
        b"Action: Setvar\r\nActionID: t-1\r\nVariable: A\r\nValue: 1\r\n\r\nAction: Ping\r\nActionID: t-2\r\n\r\n"
    )


async def test_if_one_action_cannot_be_written_none_is(pair: Pair) -> None:
    with pytest.raises(BadHeader):
        pair.link.send([Action("Ping"), Action("Setvar", (("Value", "a\r\nb"),))])
    await settle()
    assert pair.server.got == b""
    assert pair.counters.actions == 0
    await asyncio.sleep(0.11)
    assert pair.link.expire() == 0


async def test_answers_in_any_order_find_their_actions(pair: Pair) -> None:
    asking = asyncio.create_task(pair.link.request([Action("A")]))
    other = asyncio.create_task(pair.link.request([Action("B")]))
    await settle()
    pair.server.say("Response: Error\nActionID: t-2\nMessage: no\n\nResponse: Success\nActionID: t-1")
    assert (await asking)[0].response == "Success"
    assert (await other)[0].failed
    assert pair.counters.action_errors == 1


async def test_a_list_ends_at_complete_and_keeps_other_events_out(pair: Pair) -> None:
    listing = asyncio.create_task(pair.link.listing(Action("CoreShowChannels")))
    await settle()
    pair.server.say("Response: Success\nActionID: t-1\nEventList: start")
    pair.server.say("Event: CoreShowChannel\nActionID: t-1\nChannel: c")
    pair.server.say("Event: Hangup\nChannel: d")
    pair.server.say("Event: CoreShowChannelsComplete\nActionID: t-1\nEventList: Complete")
    assert [row.get("Channel") for row in await listing] == ["c"]
    assert pair.events == ["Hangup"]


async def test_a_list_without_rows_may_be_an_error(pair: Pair) -> None:
    listing = asyncio.create_task(pair.link.listing(Action("PJSIPShowContacts")))
    await settle()
    pair.server.say("Response: Error\nActionID: t-1\nMessage: No Contacts found")
    assert await listing == []
    assert pair.counters.action_errors == 0


async def test_an_originate_s_outcome_is_an_event_although_it_carries_the_id(pair: Pair) -> None:
    pair.link.send([Action("Originate")])
    pair.server.say("Event: OriginateResponse\nActionID: t-1\nResponse: Failure")
    await settle()
    assert pair.events == ["OriginateResponse"]


async def test_no_answer_in_time_is_a_time_out_and_a_late_one_is_counted(pair: Pair) -> None:
    with pytest.raises(TimeoutError):
        await pair.link.request([Action("Ping")])
    with pytest.raises(TimeoutError):
        await pair.link.listing(Action("CoreShowChannels"))
    pair.server.say("Response: Success\nActionID: t-1")
    await settle()
    assert (pair.counters.timeouts, pair.counters.late_answers) == (2, 1)


async def test_answers_that_nobody_awaits_expire_too(pair: Pair) -> None:
    answers: list[Message | None] = []
    pair.link.send([Action("Ping")], lambda _, answer: answers.append(answer))
    assert pair.link.expire() == 0
    await asyncio.sleep(0.11)
    assert pair.link.expire() == 1
    assert answers == [None]


async def test_the_end_of_the_connection_is_told_to_whoever_waits(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asking = asyncio.create_task(pair.link.request([Action("A"), Action("B")]))
    await settle()
    pair.server.say("Response: Success\nActionID: t-1")
    await settle()
    pair.server.transport.abort()
    with pytest.raises(AmiError, match="gone"):
        await asking
    with pytest.raises(AmiError, match="gone"):
        await pair.link.request([Action("C")])
    assert await pair.link.ended == "closed by the exchange"
    await pair.link.close()
