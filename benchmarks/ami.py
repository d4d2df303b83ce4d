"""``hotline bench ami``: our AMI parser and panoramisk 1.4 on the same recorded stream, in one interleaved run.

Each side gets the bytes in the same segments and delivers every event to a handler. Ours does what the
product does: split, decode, translate into the project's words. panoramisk only builds its messages and calls
one ``*`` handler, which does nothing, so it has less to do. Also stated: ours when every header of every
message is parsed into a dictionary, which is panoramisk's own work. Time is the process's CPU time: other
programs of the machine do not count.

The stream is a whole call on a real Asterisk without filters (`tests/fixtures/ami/all.txt`), again and again;
the ratio on the stream that the product really receives (filtered) is in the details.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from pbx.translate import translate
from pbx.wire import Wire

TRANSCRIPTS = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "ami"
SEGMENT = 16 * 1024  #: bytes of one read
ROUNDS = 7
EVENTS = 12_000  #: of one run, at least
_END = b"\r\n\r\n"

Player = Callable[[list[bytes]], int]


def recorded(name: str) -> tuple[bytes, list[bytes]]:
    """The banner line and the messages (without their ends) of a transcript."""
    banner, _, rest = (TRANSCRIPTS / name).read_bytes().partition(b"\r\n")
    return banner + b"\r\n", [part for part in rest.split(_END) if part]


def events_of(name: str) -> tuple[bytes, list[bytes]]:
    """The same with the events only: answers to actions depend on who asked."""
    banner, messages = recorded(name)
    # Rows of lists carry the ActionID of the session that asked; for another one they are no events.
    return banner, [part for part in messages if part.startswith(b"Event: ") and b"\r\nActionID: " not in part]


def segments(name: str, events: int) -> tuple[list[bytes], int]:
    """At least `events` recorded events in segments as TCP brings them, and how many they are."""
    banner, once = events_of(name)
    times = -(-events // len(once))
    stream = banner + b"".join(part + _END for part in once) * times
    return [stream[at : at + SEGMENT] for at in range(0, len(stream), SEGMENT)], len(once) * times


def ours_in_words(pieces: list[bytes]) -> int:
    """Split, decode, translate: what `pbx/ami.py` does with each event."""
    wire, delivered = Wire(), 0
    for piece in pieces:
        for message in wire.receive(piece):
            translate(message, 0.0)
            delivered += 1
    return delivered


def ours_all_headers(pieces: list[bytes]) -> int:
    """Split, decode, and a dictionary of every header of every message."""
    wire, delivered = Wire(), 0
    for piece in pieces:
        for message in wire.receive(piece):
            delivered += bool(message.headers)
    return delivered


class Peer:
    """panoramisk's protocol and manager without a socket; messages that it delivers are kept or counted."""

    def __init__(self, handler: Callable[[Any, Any], None]) -> None:
        from panoramisk import Manager  # a development dependency, only needed here
        from panoramisk.ami_protocol import AMIProtocol

        manager = Manager(encoding="utf8", log=logging.getLogger("panoramisk.bench"))
        manager.register_event("*", handler)
        self.protocol = AMIProtocol()
        self.protocol.connection_made(None)
        self.protocol.factory = manager
        self.protocol.encoding = "utf8"  # what Manager sets after a connect
        self.receive: Callable[[bytes], None] = self.protocol.data_received


def panoramisk(pieces: list[bytes]) -> int:
    """panoramisk with one handler that does nothing but count."""
    delivered = 0

    def handler(_: Any, __: Any) -> None:
        nonlocal delivered
        delivered += 1

    peer = Peer(handler)
    for piece in pieces:
        peer.receive(piece)
    return delivered


def _rate(player: Player, pieces: list[bytes], expected: int) -> float:
    gc.collect()
    began = time.process_time()
    delivered = player(pieces)
    spent = time.process_time() - began
    if delivered != expected:
        raise RuntimeError(f"{player.__name__} delivered {delivered} of {expected} events")
    return expected / spent


def compare(name: str, rounds: int = ROUNDS, events: int = EVENTS) -> dict[str, Any]:
    """Events per CPU second of each side on transcript `name`, A-B-A-B; ratios are medians of the rounds'
    own.
    """
    pieces, count = segments(name, events)
    sides: dict[str, Player] = {
        "words": ours_in_words,
        "panoramisk": panoramisk,
        "all_headers": ours_all_headers,
    }
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for player in sides.values():
        player(pieces[:4])  # warm up
    for _ in range(rounds):
        for side, player in sides.items():
            rates[side].append(_rate(player, pieces, count))
    peer = rates["panoramisk"]

    def ratios(side: str) -> list[float]:
        return [ours / theirs for ours, theirs in zip(rates[side], peer, strict=True)]

    return {
        "transcript": name,
        "events": count,
        "bytes_per_event": round(sum(map(len, pieces)) / count),
        "rounds": rounds,
        "events_per_s": {side: round(statistics.median(found)) for side, found in rates.items()},
        "ratio_words": round(statistics.median(ratios("words")), 2),
        "ratio_words_min_max": [round(edge(ratios("words")), 2) for edge in (min, max)],
        "ratio_all_headers": round(statistics.median(ratios("all_headers")), 2),
    }


def corrupted_ours(name: str) -> tuple[int, int]:
    """Messages that differ, are missing or too many over every single cut of the transcript; and the number of cuts.

    A cut can only touch the message that it is in and its neighbours, so just these three are fed for each
    cut.
    """
    banner, messages = recorded(name)

    def played(*pieces: bytes) -> list[str]:
        wire = Wire()
        return [message.text for piece in pieces for message in wire.receive(piece)]

    return _over_every_cut(banner, messages, played)


def corrupted_panoramisk(name: str) -> tuple[int, int]:
    """The same for panoramisk, on events only. Text is compared by what it keeps of the headers with a value."""
    banner, messages = events_of(name)

    def played(*pieces: bytes) -> list[str]:
        found: list[str] = []
        peer = Peer(lambda _, event: found.append(repr(sorted(event.items(), key=str))))
        for piece in pieces:
            peer.receive(piece)
        return found

    return _over_every_cut(banner, messages, played)


def _over_every_cut(banner: bytes, messages: list[bytes], played: Callable[..., list[str]]) -> tuple[int, int]:
    corrupted = cuts = 0
    for at in range(len(messages)):
        before = banner + b"".join(part + _END for part in messages[max(0, at - 1) : at])
        own = messages[at] + _END
        after = b"".join(part + _END for part in messages[at + 1 : at + 2])
        expected = played(before + own + after)
        for cut in range(len(own) + 1):
            found = played(before + own[:cut], own[cut:] + after)
            cuts += 1
            if found != expected:
                corrupted += max(1, len(set(expected) ^ set(found)) // 2)
    return corrupted, cuts


def run(json_path: Path | None = None, rounds: int = ROUNDS, events: int = EVENTS) -> int:
    """Measure, print the table, write the file."""
    asyncio.set_event_loop(asyncio.new_event_loop())  # panoramisk makes futures without a running loop
    report = Report("ami")
    everything = compare("all.txt", rounds, events)
    filtered = compare("door.txt", rounds, events)
    rate = everything["events_per_s"]
    report.figure("ami.events_per_s", rate["words"], peer=rate["panoramisk"], ratio=everything["ratio_words"])
    report.figure("ami.events_per_s.ratio_panoramisk", everything["ratio_words"])
    ours = [corrupted_ours(path.name) for path in sorted(TRANSCRIPTS.glob("*.txt"))]
    theirs = corrupted_panoramisk("door.txt")
    report.figure("ami.corrupted_messages", sum(bad for bad, _ in ours), peer=theirs[0])
    report.details = {
        "streams": [everything, filtered],
        "cuts": {"ours": sum(cuts for _, cuts in ours), "panoramisk": theirs[1]},
    }
    status = report.finish(json_path)
    for found in (everything, filtered):
        print(
            f"{found['transcript']}: {found['ratio_words']}x panoramisk in our words,"
            f" {found['ratio_all_headers']}x when every header is parsed ({found['events']} events,"
            f" {found['bytes_per_event']} bytes each, {found['rounds']} rounds A-B-A-B)"
        )
    return status
