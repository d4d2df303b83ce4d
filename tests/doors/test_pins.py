"""PINs: kept as hashes in a file of mode 0600, checked beside the loop, locked after too many wrong ones."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from controller.pins import TRIES, BadPin, PinFile, PinRules, SignInDesk, Throttle, TryFile, accepted, hashed, matches
from pbx.events import CodeDialled, Event, PhoneCode, PinVerdict
from pbx.ids import AgentId, ChannelName
from pbx.translate import DialledCode

pytestmark = pytest.mark.doors

A1, A2, SEAT, OTHER = AgentId("1001"), AgentId("1002"), AgentId("8001"), AgentId("8002")
PIN = "73061948"


@pytest.mark.parametrize("pin", ["", "123", "0000", "1234", "98765", "1001", "12a4", "１２４９", "7306194825001"])
def test_a_pin_that_is_none_or_is_guessed_at_once_is_refused_and_not_repeated(pin: str) -> None:
    with pytest.raises(BadPin) as refused:
        accepted(A1, pin)
    assert not pin or pin not in str(refused.value)


def test_a_hash_has_its_own_salt_and_knows_its_pin() -> None:
    one, two = hashed(PIN), hashed(PIN)
    assert one != two
    assert PIN not in one
    assert matches(PIN, one)
    assert not matches(PIN + "1", one)
    for foreign in ("", "scrypt$", "scrypt$?$x", "md5$aa$bb", one[:-2]):
        assert not matches(PIN, foreign)


def test_the_file_is_its_owners_alone_and_keeps_the_others(tmp_path: Path) -> None:
    pins = PinFile(tmp_path / "pins.json")
    assert pins.read() == {}
    pins.put(A1, PIN)
    pins.put(A2, "4915")
    assert pins.file.stat().st_mode & 0o777 == 0o600
    assert PIN not in pins.file.read_text()
    pins.put(A2, None)
    assert set(pins.read()) == {A1}
    pins.file.write_text("[]")
    with pytest.raises(ValueError, match="no file of PINs"):
        pins.read()


def test_wrong_tries_in_a_row_lock_for_a_while_and_a_right_one_forgives() -> None:
    throttle = Throttle(PinRules(tries=3, lock_s=60.0))
    assert [throttle.wrong("a", 0.0) for _ in range(2)] == [False, False]
    throttle.right("a")
    assert [throttle.wrong("a", 1.0) for _ in range(3)] == [False, False, True]
    assert throttle.locked("a", 60.9)
    assert not throttle.locked("a", 61.0)
    assert not throttle.locked("b", 2.0)
    assert [throttle.wrong("a", 70.0) for _ in range(3)] == [False, False, True], (
        "afterwards he has all his tries again"
    )


class Desk:
    """A sign-in desk, its clock and what it has posted."""

    def __init__(self, folder: Path, tries: int = 3, now: float = 0.0) -> None:
        self.now = now
        self.posted: asyncio.Queue[Event] = asyncio.Queue()
        self.pins = PinFile(folder / "pins.json")
        self.pins.put(A1, PIN)
        rules = PinRules(tries=tries, lock_s=60.0)
        self.desk = SignInDesk(self.pins, (A1, A2), self.posted.put_nowait, lambda: self.now, rules)

    async def dial(self, agent: str, pin: str, phone: AgentId = SEAT) -> CodeDialled:
        channel = ChannelName(f"PJSIP/{phone}-1")
        self.desk.take(DialledCode(phone, channel, PhoneCode.SIGN_IN, agent, "", 5.0, pin))
        found = await asyncio.wait_for(self.posted.get(), 10)
        assert isinstance(found, CodeDialled)
        return found


async def test_the_event_says_whether_the_pin_was_right_and_nothing_else(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    right = await desk.dial("1001", PIN)
    assert right == CodeDialled(SEAT, ChannelName("PJSIP/8001-1"), PhoneCode.SIGN_IN, A1, "", PinVerdict.RIGHT, 5.0)
    assert (await desk.dial("1001", "4915")).pin is PinVerdict.WRONG
    assert (await desk.dial("1002", PIN)).pin is PinVerdict.WRONG, "he has no PIN"
    typed_too_early = await desk.dial(PIN, "1001")
    assert (typed_too_early.agent, typed_too_early.pin) == (None, PinVerdict.LOCKED), "three wrong ones at one phone"
    desk.pins.put(A2, "4915")
    assert (await desk.dial("1002", "4915", OTHER)).pin is PinVerdict.RIGHT, "a new PIN counts at once"


async def test_an_agent_is_locked_at_every_phone_and_a_phone_for_every_agent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path)
    with caplog.at_level(logging.DEBUG):
        verdicts = [(await desk.dial("1001", "4915", phone)).pin for phone in (SEAT, OTHER, SEAT)]
    assert verdicts == [PinVerdict.WRONG, PinVerdict.WRONG, PinVerdict.LOCKED]
    assert (await desk.dial("1001", PIN, AgentId("8003"))).pin is PinVerdict.LOCKED
    assert "4915" not in caplog.text
    desk.now = 61.0
    assert (await desk.dial("1001", PIN)).pin is PinVerdict.RIGHT


async def test_neither_a_lock_nor_the_tries_before_it_are_escaped_by_a_restart(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.pins.put(A2, "4915")
    assert (await desk.dial("1001", "4915")).pin is PinVerdict.WRONG
    assert (await desk.dial("1001", "4915", OTHER)).pin is PinVerdict.WRONG
    tries = tmp_path / TRIES
    assert tries.stat().st_mode & 0o777 == 0o600
    assert "4915" not in tries.read_text()
    desk = Desk(tmp_path)
    assert (await desk.dial("1001", "4916", AgentId("8003"))).pin is PinVerdict.LOCKED, "the third, whoever counted"
    desk = Desk(tmp_path, now=59.0)
    assert (await desk.dial("1001", PIN)).pin is PinVerdict.LOCKED
    assert (await desk.dial("1002", "4915")).pin is PinVerdict.RIGHT, "the phone had one wrong try, now forgiven"
    desk = Desk(tmp_path, now=61.0)
    assert (await desk.dial("1001", PIN)).pin is PinVerdict.RIGHT
    desk = Desk(tmp_path, now=62.0)
    verdicts = [(await desk.dial("1001", "4915")).pin for _ in range(3)]
    assert verdicts == [PinVerdict.WRONG, PinVerdict.WRONG, PinVerdict.LOCKED], "a right one was kept as well"


def test_a_clock_that_was_set_back_makes_no_lock_longer_than_the_rules(tmp_path: Path) -> None:
    throttle, file = Throttle(PinRules(tries=1, lock_s=60.0)), TryFile(tmp_path / TRIES)
    throttle.wrong("phone 8001", 10_000.0)
    file.keep(throttle)
    again = Throttle(PinRules(tries=1, lock_s=60.0))
    file.load(again, 100.0)
    assert (again.locked("phone 8001", 159.9), again.locked("phone 8001", 160.0)) == (True, False)


@pytest.mark.parametrize("content", ["{", "[]", '{"wrong": 1}', '{"wrong": {"a": "x"}, "until": {}}'])
async def test_a_damaged_file_of_tries_is_said_and_nothing_more(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / TRIES).write_text(content)
    desk = Desk(tmp_path)
    assert "cannot be read" in caplog.text
    assert (await desk.dial("1001", "4915")).pin is PinVerdict.WRONG
    assert "wrong" in (tmp_path / TRIES).read_text()


async def test_a_disk_that_refuses_the_tries_lets_the_lock_hold_in_this_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path)
    (tmp_path / f".{TRIES}.part").mkdir()
    verdicts = [(await desk.dial("1001", "4915")).pin for _ in range(3)]
    assert verdicts[-1] is PinVerdict.LOCKED
    assert "cannot be kept" in caplog.text


async def test_a_flood_is_turned_away_without_a_hash(tmp_path: Path) -> None:
    desk = Desk(tmp_path, tries=100)
    for number in range(200):
        channel = ChannelName(f"PJSIP/8001-{number}")
        desk.desk.take(DialledCode(SEAT, channel, PhoneCode.SIGN_IN, "1001", "", 5.0, "4915"))
    assert desk.posted.qsize() == 184
    await desk.desk.close()


async def test_other_codes_need_no_pin(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.desk.take(DialledCode(SEAT, ChannelName("PJSIP/8001-1"), PhoneCode.NOT_READY, "", "2", 5.0))
    found = desk.posted.get_nowait()
    assert isinstance(found, CodeDialled)
    assert (found.agent, found.digit, found.pin) == (None, "2", PinVerdict.NONE)


async def test_a_file_that_cannot_be_read_lets_nobody_in(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.pins.file.write_text("{")
    assert (await desk.dial("1001", PIN)).pin is PinVerdict.WRONG
