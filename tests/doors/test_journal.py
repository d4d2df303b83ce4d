"""The journal: every word comes back exactly, a crash costs at most the torn end, damage is named, replay agrees."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.codec import (
    CodecError,
    as_object,
    decode_command,
    decode_event,
    encode_command,
    encode_event,
)
from controller.database import StoreError
from controller.journal import JournalError, JournalRules, JournalWriter
from controller.journal_file import (
    Entry,
    Header,
    JournalDamaged,
    fresher,
    is_torn,
    newest_records,
    parts,
    read,
    read_all,
    read_header,
)
from controller.records import Operations, Records
from controller.replay import replay
from controller.schema import upgrade
from controller.writer import Store
from pbx.commands import Command, Hold, OpenTicket, Reply
from pbx.events import CallArrived, CallEnded, CallerIdle, Event, KeysPressed, KeyStatus
from pbx.ids import AgentId, CallId, ChannelName, RequestId, TicketNumber
from tickets.ticket import TicketPolicy

pytestmark = pytest.mark.doors

SRC = Path(__file__).resolve().parents[2]
NOON = 1_795_320_000.0  # 2026-11-22 12:00 in Shanghai
MIDNIGHT = NOON + 12 * 3600

st.register_type_strategy(str, st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
events: st.SearchStrategy[Event] = st.one_of([st.from_type(word) for word in get_args(Event)])
commands: st.SearchStrategy[Command] = st.one_of([st.from_type(word) for word in get_args(Command)])


def arrived(number: int = 0, at: float = NOON) -> CallArrived:
    return CallArrived(CallId(f"c-{number}"), ChannelName("PJSIP/trunk-1"), "12345", "13800001111", at)


def hold(number: int = 0) -> Hold:
    return Hold(CallId(f"c-{number}"), ChannelName("PJSIP/trunk-1"), 1, "default", "12345|zh|1.000||||0.000")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalWriter]:
    made = JournalWriter(tmp_path / "journal", configuration="abc123", rules=JournalRules(window_s=0.002, retry_s=0.02))
    made.start(NOON)
    yield made
    made.stop()


def only_file(journal: JournalWriter) -> Path:
    file = journal.status().file
    assert file is not None
    return file


# ---------------------------------------------------------------- the words


@settings(max_examples=300, deadline=None)
@given(events)
def test_every_event_comes_back_exactly(event: Event) -> None:
    encoded = encode_event(event)
    assert b"\n" not in encoded
    again = decode_event(as_object(encoded))
    assert again == event
    assert encode_event(again) == encoded


@settings(max_examples=300, deadline=None)
@given(commands)
def test_every_command_comes_back_exactly(command: Command) -> None:
    encoded = encode_command(command)
    assert b"\n" not in encoded
    again = decode_command(as_object(encoded))
    assert again == command
    assert encode_command(again) == encoded


def test_no_word_has_a_field_that_the_form_uses_itself() -> None:
    for word in (*get_args(Event), *get_args(Command)):
        assert "is" not in word.__dataclass_fields__


def test_what_is_no_word_is_refused_without_its_content() -> None:
    with pytest.raises(CodecError, match="str is not one of the words"):
        encode_event("13800001111")  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="CallArrived cannot be written"):
        encode_event(CallArrived(CallId("\ud800"), ChannelName(""), "", "13800001111", 1.0))
    with pytest.raises(CodecError, match="'Nothing' is not one of the words"):
        decode_event({"is": "Nothing"})
    with pytest.raises(CodecError) as error:
        decode_event({"is": "CallArrived", "caller": "13800001111", "at": "soon"})
    assert "13800001111" not in str(error.value)


# ---------------------------------------------------------------- writing and reading


def test_steps_come_back_as_they_were(journal: JournalWriter) -> None:
    steps: list[tuple[Event, float, list[Command]]] = [
        (arrived(1), NOON + 0.1, [hold(1), Reply(RequestId("r"), False, "no")]),
        (KeysPressed(CallId("c-1"), 1, "1#😀", KeyStatus.AHEAD, 0.1 + 0.2), NOON + 0.30000000000000004, []),
        (CallerIdle(CallId("c-1"), 2, 1e-9), NOON + 1e-6, []),
    ]
    assert [journal.append(event, now, decided) for event, now, decided in steps] == [0, 1, 2]
    assert journal.append(CallEnded(CallId("c-1"), 16, 2.0), NOON, [], error="KeyError") == 3
    assert journal.flush()
    path = only_file(journal)
    found = list(read(path))
    assert [(entry.event, entry.now, list(entry.commands)) for entry in found[:3]] == steps
    assert [entry.seq for entry in found] == [0, 1, 2, 3]
    assert [entry.line for entry in found] == [2, 3, 4, 5]
    assert [entry.error for entry in found] == ["", "", "", "KeyError"]
    header = read_header(path)
    assert (header.configuration, header.first, header.part, header.day) == ("abc123", 0, 0, "20261122")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    status = journal.status()
    assert (status.appended, status.written, status.dropped, status.waiting_bytes, status.up) == (4, 4, 0, 0, True)


def test_many_steps_need_few_syncs(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, configuration="x")
    journal.start(NOON)
    for number in range(5000):
        journal.append(arrived(number), NOON, [hold(number)])
    assert journal.flush(30)
    assert journal.status().syncs <= 100
    path = only_file(journal)
    journal.stop()
    assert [entry.seq for entry in read(path)] == list(range(5000))


def test_a_new_day_begins_a_new_part_and_is_read_on(journal: JournalWriter) -> None:
    for number, at in enumerate((NOON, MIDNIGHT - 0.001, MIDNIGHT, MIDNIGHT + 1, MIDNIGHT + 86400.5)):
        journal.append(arrived(number, at), at, [])
    assert journal.flush()
    last = only_file(journal)
    files = parts(last)
    assert [read_header(file).day for file in files] == ["20261122", "20261123", "20261124"]
    assert [[entry.seq for entry in read(file)] for file in files] == [[0, 1], [2, 3], [4]]
    assert [entry.event for entry in read_all(last)] == [
        arrived(number, at)
        for number, at in enumerate((NOON, MIDNIGHT - 0.001, MIDNIGHT, MIDNIGHT + 1, MIDNIGHT + 86400.5))
    ]
    assert [entry.seq for entry in read_all(files[1])] == [0, 1, 2, 3]
    files[1].unlink()
    with pytest.raises(JournalDamaged, match="steps 2 to 3 are missing"):
        list(read_all(last))


def test_each_start_has_its_own_files(tmp_path: Path) -> None:
    names = []
    for start in (NOON, NOON + 0.5):
        journal = JournalWriter(tmp_path, configuration="x")
        journal.start(start)
        journal.append(arrived(), start, [])
        journal.stop()
        names.append(only_file(journal))
    assert names[0] != names[1]
    assert parts(names[1]) == [names[1]]
    assert len(list(read_all(names[1]))) == 1


def test_a_torn_end_is_forgiven_at_every_cut(journal: JournalWriter, tmp_path: Path) -> None:
    for number in range(3):
        journal.append(arrived(number), NOON, [])
    assert journal.flush()
    whole = only_file(journal).read_bytes()
    lines = whole.splitlines(keepends=True)
    torn = tmp_path / "torn.jsonl"
    start = len(whole) - len(lines[-1])
    for cut in range(start, len(whole)):
        torn.write_bytes(whole[:cut])
        assert [entry.seq for entry in read(torn)] == [0, 1]
        assert is_torn(torn) is (cut > start)
    torn.write_bytes(whole + b"\0" * 512)
    assert [entry.seq for entry in read(torn)] == [0, 1, 2]
    assert is_torn(torn)


@pytest.mark.parametrize(
    ("damage", "line", "text"),
    [
        (lambda lines: [lines[0], lines[1][:20] + b"\n", *lines[2:]], 2, "damaged"),
        (lambda lines: [lines[0], b"\xff\xfe" + lines[1], *lines[2:]], 2, "damaged"),
        (lambda lines: [lines[0], lines[1], *lines[3:]], 3, "steps 1 to 1 are missing"),
        (lambda lines: [lines[0], lines[1].replace(b"CallArrived", b"CallDeparted"), *lines[2:]], 2, "CallDeparted"),
        (lambda lines: [lines[0], b'{"seq":0}\n', *lines[2:]], 2, "no step"),
        (lambda lines: lines[1:], 1, "not a journal"),
        (lambda lines: [lines[0].replace(b'"journal": 1', b'"journal": 2'), *lines[1:]], 1, "form 2"),
        (lambda lines: [b'{"journal": 1}\n', *lines[1:]], 1, "incomplete"),
        (lambda lines: [], 1, "not a journal"),
    ],
)
def test_damage_is_named_by_file_and_line(
    journal: JournalWriter, damage: Callable[[list[bytes]], list[bytes]], line: int, text: str
) -> None:
    for number in range(4):
        journal.append(arrived(number), NOON, [])
    assert journal.flush()
    path = only_file(journal)
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(JournalDamaged) as error:
        list(read(path))
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert text in str(error.value)
    assert "13800001111" not in str(error.value)


def test_a_step_that_cannot_be_written_is_marked_not_left_out(journal: JournalWriter) -> None:
    journal.append(arrived(0), NOON, [])
    journal.append(CallArrived(CallId("\udc80"), ChannelName("x"), "12345", "1", NOON), NOON, [])
    assert journal.flush()
    assert journal.status().undecodable == 1
    with pytest.raises(JournalDamaged, match=r":3: step 1 \(CallArrived\) could not be written"):
        list(read(only_file(journal)))


async def test_the_journal_is_durable_before_the_promise(
    database_url: str, tmp_path: Path, journal: JournalWriter
) -> None:
    """The writer's commit comes after the sync of every line that was appended before the operation."""
    await asyncio.to_thread(upgrade, database_url)
    operations = Operations(TicketPolicy())
    order: list[str] = []

    def before_commit() -> None:
        assert journal.flush()
        order.append(f"durable {journal.status().written}")

    store = Store(database_url, spool=tmp_path / "s", operations=operations.spoolable(), before_commit=before_commit)
    await store.start()
    command = OpenTicket(CallId("c-1"), "1", "12345", "zh", "general", AgentId("1001"), NOON)
    for number in range(10):
        journal.append(arrived(number), NOON, [command])
    await Records(store, operations).open_ticket(command)
    assert order == ["durable 10"]
    assert len(list(read(only_file(journal)))) == 10
    await store.stop()


# ---------------------------------------------------------------- when the disk refuses


FULL = """
import resource, signal, sys
from pathlib import Path
from controller.journal import JournalRules, JournalWriter
from pbx.events import CallerIdle

journal = JournalWriter(Path(sys.argv[1]), configuration="x", rules=JournalRules(0.001, 20000, 0.01))
journal.start(1795320000.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
for number in range(40):
    journal.append(CallerIdle("c-1", number, 1.0), 1795320000.0, [])
assert not journal.flush(5), "the disk is full"
status = journal.status()
assert not status.up and status.errors and not status.dropped, status
for number in range(40, 400):
    assert journal.append(CallerIdle("c-1", number, 1.0), 1795320000.0, []) == number
status = journal.status()
assert status.dropped > 0 and status.waiting_bytes <= 20000, status
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for _ in range(1000):
    if journal.status().up and journal.flush(5):
        break
    signal.sigtimedwait([], 0.01)
status = journal.status()
assert status.up and status.written + status.dropped == 400, status
journal.append(CallerIdle("c-1", 400, 1.0), 1795320000.0, [])
journal.stop()
print(journal.status().written, journal.status().file)
"""


def test_a_full_disk_stops_no_call_and_leaves_no_half_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        cwd=SRC,
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "is full; make room on it. Calls go on" in done.stderr
    written, path = done.stdout.split()
    lines = Path(path).read_bytes().splitlines()
    assert len(lines) == int(written) + 1
    seen = [json.loads(line)["seq"] for line in lines[1:]]
    assert seen == sorted(set(seen)), "whole lines, in order"
    with pytest.raises(JournalDamaged, match="are missing"):
        list(read(Path(path)))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError) as error:
        JournalWriter(tmp_path / "file" / "journal", configuration="x").start(NOON)
    assert isinstance(error.value, StoreError)
    assert "cannot be written" in str(error.value)


DYING = """
import sys
from pathlib import Path
from controller.journal import JournalWriter
from pbx.events import CallerIdle

journal = JournalWriter(Path(sys.argv[1]), configuration="x")
journal.start(1795320000.0)
number = 0
while True:
    for _ in range(10):
        number = journal.append(CallerIdle("c-1", number, 1.0), 1795320000.0, [])
    assert journal.flush()
    print(number, flush=True)
"""


def test_what_was_flushed_survives_kill_9(tmp_path: Path) -> None:
    dying = subprocess.Popen(
        [sys.executable, "-c", DYING, str(tmp_path)],
        cwd=SRC,
        env={**os.environ, "PYTHONPATH": str(SRC)},
        stdout=subprocess.PIPE,
    )
    assert dying.stdout is not None
    promised = [int(dying.stdout.readline()) for _ in range(20)]
    dying.send_signal(signal.SIGKILL)
    promised += [int(line) for line in dying.stdout.read().split()]
    dying.wait()
    dying.stdout.close()
    (path,) = tmp_path.glob("*.jsonl")
    kept = [entry.seq for entry in read(path)]
    assert kept == list(range(len(kept)))
    assert kept[-1] >= promised[-1]


def test_append_does_not_wait_for_the_disk(journal: JournalWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs in fdatasync holds the journal's thread alone."""
    released = threading.Event()
    hangs = threading.Event()

    def hang(handle: int) -> None:
        hangs.set()
        released.wait(30)

    monkeypatch.setattr("controller.journal.os.fdatasync", hang)
    journal.append(arrived(0), NOON, [])
    assert hangs.wait(10)
    for number in range(1, 100):
        journal.append(arrived(number), NOON, [])
    assert not journal.flush(timeout=0.05)
    assert journal.status().written == 0
    released.set()
    assert journal.flush(10)
    assert journal.status().written == 100


# ---------------------------------------------------------------- replay


class Counting:
    """A switchboard of one rule: the n-th arriving call is held as number n; key 9 is its bug."""

    def __init__(self, first: int = 0) -> None:
        self._count = first

    def step(self, event: Event, now: float) -> list[Command]:
        if isinstance(event, KeysPressed):
            return [{"9": hold}[event.keys](9)]
        if not isinstance(event, CallArrived):
            return []
        self._count += 1
        return [hold(self._count), Reply(RequestId(str(now)), True)]


def record(journal: JournalWriter, steps: int = 20) -> Path:
    """What the engine does, with `Counting`."""
    live = Counting()
    for number in range(steps):
        event: Event = arrived(number, NOON + number / 7)
        if number % 5 == 4:
            event = KeysPressed(CallId("c"), 1, "9" if number % 2 else "1", KeyStatus.OK, NOON)
        error, decided = "", list[Command]()
        try:
            decided = live.step(event, NOON + number / 7)
        except KeyError as raised:
            error = type(raised).__name__
        journal.append(event, NOON + number / 7, decided, error)
    assert journal.flush()
    return only_file(journal)


def test_the_same_switchboard_decides_the_same(journal: JournalWriter) -> None:
    path = record(journal)
    seen: list[Entry] = []
    assert any(entry.error == "KeyError" for entry in read(path)), "a step that raised is part of the past"
    assert replay(path, lambda header: Counting(), on_step=seen.append) is None
    assert len(seen) == 20


def test_the_first_other_decision_is_found(journal: JournalWriter) -> None:
    path = record(journal)
    difference = replay(path, lambda header: Counting(first=1))
    assert difference is not None
    assert (difference.seq, difference.index) == (0, 0)
    assert difference.recorded == hold(1)
    assert difference.replayed == hold(2)
    assert str(difference) == f"{path}:2: step 0 (CallArrived): command 0, Hold, differs in call"


def test_an_edited_line_is_where_replay_stops(journal: JournalWriter) -> None:
    path = record(journal)
    lines = path.read_text().splitlines(keepends=True)
    lines[8] = lines[8].replace('"is":"Hold","call":"c-', '"is":"Hold","call":"C-')
    path.write_text("".join(lines))
    difference = replay(path, lambda header: Counting())
    assert difference is not None
    assert (difference.line, difference.seq) == (9, 7)


def test_more_fewer_other_and_raising_decisions_differ(journal: JournalWriter) -> None:
    path = record(journal, 3)

    class Silent:
        def step(self, event: Event, now: float) -> list[Command]:
            return []

    class Wordy(Counting):
        def step(self, event: Event, now: float) -> list[Command]:
            return [*super().step(event, now), hold(0)]

    class Other(Counting):
        def step(self, event: Event, now: float) -> list[Command]:
            return super().step(event, now)[::-1]

    class Raising:
        def step(self, event: Event, now: float) -> list[Command]:
            raise OSError("13800001111")

    texts = [str(replay(path, lambda header, kind=kind: kind())) for kind in (Silent, Wordy, Other, Raising)]  # type: ignore[misc]
    assert [text.split(": ", 3)[-1] for text in texts] == [
        "command 0 is none, recorded is Hold",
        "command 2 is Hold, recorded is none",
        "command 0 is Reply, recorded is Hold",
        "it raised OSError, recorded is nothing",
    ]


def test_the_switchboard_is_made_for_the_recorded_configuration(journal: JournalWriter) -> None:
    path = record(journal, 1)
    seen: list[str] = []

    def make(header: Header) -> Counting:
        seen.append(header.configuration)
        return Counting()

    assert replay(path, make) is None
    assert seen == ["abc123"]


KILLED = """
import os, signal, sys
from pathlib import Path
from controller.journal import JournalRules, JournalWriter
from pbx.call import CallRecord
from pbx.commands import SaveCall
from pbx.events import CallerIdle

folder = Path(sys.argv[1])
journal = JournalWriter(folder, configuration="x", rules=JournalRules(window_s=3600.0))
journal.start()
record = CallRecord("c-1", "PJSIP/1", "12345", "13800001111", 1.0)
for number in range(3):
    journal.append(CallerIdle("c-1", number, 1.0), 2.0, [SaveCall(record)])
    record = CallRecord("c-1", "PJSIP/1", "12345", "13800001111", 1.0, menu_path=("9", str(number)))
journal.append(CallerIdle("c-1", 3, 1.0), 2.0, [SaveCall(record)])
size = 0
while (found := sum(file.stat().st_size for file in folder.iterdir())) < 1000 or found != size:
    size = found
    signal.sigtimedwait([], 0.02)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_end_of_the_process_loses_no_line_though_no_sync_was_due(tmp_path: Path) -> None:
    """The newest records are read from the journal's end at the next start; the database need not have had them."""
    folder = tmp_path / "journal"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)], cwd=SRC, env={**os.environ, "PYTHONPATH": str(SRC)}, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    (file,) = folder.iterdir()
    assert [entry.seq for entry in read(file)] == [0, 1, 2, 3]
    with file.open("ab") as torn:
        torn.write(b'{"seq":4,"now":3.0,"event"')
    found = newest_records(folder)
    assert [(call, record.menu_path) for call, record in found.items()] == [("c-1", ("9", "2"))]
    assert newest_records(tmp_path / "none") == {}
    (mine,) = found.values()
    assert fresher(found, []) == [mine]
    assert fresher(found, [replace(mine, menu_path=())]) == [mine], "the store has it, but as it was before"
    ended = replace(mine, ended_at=9.0, ticket=TicketNumber("20261122000001"))
    assert fresher(found, [ended]) == [], "its ticket came after its end, and stands in the store alone"
