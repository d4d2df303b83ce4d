"""What the stories are made of: dialling, talking, filling in a ticket, comparing with what was expected."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.demo.stage import Stage
from controller.softphone import Call

IN_TIME_S = 15.0
"""The 15-second answer rate's threshold."""

CITIZEN_HZ, AGENT_HZ, THIRD_HZ = 700.0, 950.0, 1250.0
"""Tones that the music on hold does not contain, so that music is never taken for a party."""


@dataclass(slots=True)
class Told:
    """One call of a story: what was expected of it and what happened."""

    story: str
    title: str
    expected: str
    caller: str
    problems: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    ticket: dict[str, Any] = field(default_factory=dict)
    transcript: str | None = None
    recording: str | None = None
    done: bool = False

    @property
    def passed(self) -> bool:
        """Whether the call ended as it should."""
        return self.done and not self.problems

    def check(self, holds: object, expected: str, happened: object = "it did not") -> None:
        """Note a failed expectation, in words."""
        if not holds:
            self.problems.append(f"expected: {expected}; happened: {happened}")


@dataclass(slots=True)
class Scene:
    """One story being played: the stage, and what is told of its calls."""

    stage: Stage
    tales: list[Told]

    def sounds(self, story: str) -> tuple[list[str], list[str], bool]:
        """What citizen and agent say in a story: files, and whether the transcript can be checked word by word."""
        manifest = MANIFEST.read(self.stage.home)
        language = self.stage.model.language if self.stage.model else "zh"
        files = manifest["stories"][story]
        names = files.get(language) or files.get("zh") or next(iter(files.values()))
        citizens = [name for name in names if "/citizen" in name]
        agents = [name for name in names if "/agent" in name]
        return citizens, agents, self.stage.model is not None and self.stage.model.grammar is not None


class _Manifest:
    """The words of the demonstration's people, read once."""

    def __init__(self) -> None:
        self._data: dict[str, Any] = {}

    def read(self, home: Path) -> dict[str, Any]:
        if not self._data:
            self._data = json.loads((home / "controller/demo/audio/manifest.json").read_text(encoding="utf-8"))
        return self._data

    def text(self, home: Path, name: str) -> str:
        return next(str(one["text"]) for one in self.read(home)["utterances"] if one["file"] == name)


MANIFEST = _Manifest()


# ---------------------------------------------------------------- what all stories do


async def dial(scene: Scene, told: Told, number: str = "12345") -> Call:
    """A citizen dials; the call is answered by the exchange."""
    phone = await scene.stage.citizen(told.caller)
    call = await phone.call(number)
    await call.answered(timeout=10)
    return call


async def call_id(scene: Scene, told: Told) -> str:
    """The id of the citizen's call, by his number."""
    deadline = asyncio.get_running_loop().time() + 10
    while asyncio.get_running_loop().time() < deadline:
        answer = await scene.stage.get("/api/calls")
        for record in answer["calls"]:
            if record["caller"] == told.caller:
                told.record = record
                return str(record["call"])
        await scene.stage.changed(0.5)
    raise AssertionError("the call is in the list of calls", "it is not")


async def talk(scene: Scene, told: Told, citizen: Call, agent: Call, words: str) -> None:
    """Citizen and agent talk: first the one, then the other, so that each leg holds its own words."""
    said, answered, _ = scene.sounds(words)
    audio = scene.stage.home / "controller/demo/audio"
    await agent.answered(timeout=10)
    await asyncio.gather(citizen.event("rtp", 5), agent.event("rtp", 5))
    for speaker, listener, names in ((citizen, agent, said[:1]), (agent, citizen, answered[:1])):
        for name in names:
            playback = speaker.play(audio / name)
            try:
                await listener.hear_sound(timeout=5, level=-35)
            except TimeoutError:
                told.check(False, f"{name} is heard at the other end")
            await playback.finished()
    await citizen.hear_silence(0.6, timeout=5)


async def fill_ticket(scene: Scene, told: Told, agent: str, kind: str, title: str, text: str) -> None:
    """The agent fills in the ticket that was opened when he was joined with the caller."""
    call = await call_id(scene, told)
    number = await _until(lambda: field_of(scene, call, "ticket"), 10, "the ticket has a number")
    await scene.stage.patch(f"/api/tickets/{number}", {"type": kind, "title": title, "text": text, "agent": agent})


async def field_of(scene: Scene, call: str, name: str) -> Any:
    """One field of a call's record as it is now."""
    record = await scene.stage.get(f"/api/calls/{call}")
    return record and (record.get("call") if isinstance(record.get("call"), dict) else record).get(name)


async def _until(look: Callable[[], Awaitable[Any]], timeout_s: float, what: str) -> Any:
    """Look again with each change of the live page, and at least twice a second, until there is something."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while loop.time() < deadline:
        found = await look()
        if found:
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"{what} within {timeout_s:g} s", "it did not")


async def survey(scene: Scene, told: Told, citizen: Call, score: str) -> None:
    """The agent has left: the citizen hears the question and presses his answer; the exchange ends the call."""
    since = asyncio.get_running_loop().time()
    await citizen.hear_sound(timeout=5)
    told.check(asyncio.get_running_loop().time() - since < 3, "the survey begins within 3 s")
    await asyncio.sleep(1.0)  # he listens for a second before he presses
    await citizen.press(score)
    await citizen.ended(timeout=30)


async def settle(scene: Scene, told: Told, *, transcript: bool = True, recorded: bool = True) -> None:
    """The call has ended: wait until everything about it is stored, and keep it for the summary.

    `recorded` = the caller was given the recording notice.
    """
    call = await call_id(scene, told)

    async def ended() -> Any:
        record = await scene.stage.get(f"/api/calls/{call}")
        record = record.get("call") if isinstance(record.get("call"), dict) else record
        return record if record and record.get("ended_at") else None

    told.record = await _until(ended, 15, "the call's record is complete")
    if told.record.get("recording"):
        found = list((scene.stage.data / "recordings").rglob(f"{call}.wav"))
        if not found:

            async def sealed() -> Any:
                return list((scene.stage.data / "recordings").rglob(f"{call}.wav"))

            found = await _until(sealed, 15, "the recording is sealed")
        told.recording = str(found[0])
    answered = told.record["outcome"] == "answered"
    if answered:
        told.check(bool(told.recording) == recorded, f"recorded: {recorded} (no notice, no recording)", told.recording)
    if told.record.get("ticket"):
        told.ticket = await scene.stage.get(f"/api/tickets/{told.record['ticket']}")
        told.ticket = told.ticket.get("ticket", told.ticket) if isinstance(told.ticket, dict) else {}
    told.check(told.ticket or not answered, "an answered call has a ticket")
    if transcript and answered and scene.stage.model is not None:

        async def text() -> Any:
            return await scene.stage.get(f"/api/calls/{call}/transcript")

        written = await _until(text, 60, "the transcript is written")
        turns = written.get("turns") or written.get("transcript", {}).get("turns", [])
        told.transcript = " / ".join(f"{turn['speaker']}: {turn['text']}" for turn in turns)


def expect(told: Told, **wanted: Any) -> None:
    """Compare the call's record with what the story wants."""
    for name, value in wanted.items():
        found = told.record.get(name)
        found = tuple(found) if isinstance(found, list) else found
        told.check(found == value, f"{name} {value!r}", repr(found))


def expect_words(scene: Scene, told: Told, words: str) -> None:
    """Each one's words are on his own leg of the transcript (with the closed grammar, word by word)."""
    said, answered, exact = scene.sounds(words)
    if scene.stage.model is None:
        return
    told.check(told.transcript, "a transcript", "it is empty")
    if exact and told.transcript:
        for speaker, names in (("citizen", said[:1]), ("agent", answered[:1])):
            for name in names:
                text = MANIFEST.text(scene.stage.home, name)
                line = f"{speaker}: {text}"
                told.check(line in told.transcript, f"the transcript has “{line}”", told.transcript)


def wait_of(told: Told) -> float | None:
    """Seconds from the queue to the agent; None when he was never joined."""
    record = told.record
    if record.get("queued_at") is None or record.get("joined_at") is None:
        return None
    return float(record["joined_at"] - record["queued_at"])


def expect_in_time(told: Told) -> None:
    """Answered within 15 seconds of joining the queue."""
    wait = wait_of(told)
    told.check(wait is not None and wait <= IN_TIME_S, f"answered within {IN_TIME_S:g} s", f"{wait} s")
