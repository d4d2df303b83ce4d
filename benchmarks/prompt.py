"""``hotline bench prompt``: from the caller's last key to the first packet of the next prompt.

Real callers, one after the other, dial the main menu of a real controller on a real Asterisk and press keys while they
are spoken to, every second one by RFC 4733, the others by SIP INFO. The time runs, at the caller's phone, from the
first end packet of the key (RFC 4733) or the INFO being sent to the arrival of the first RTP packet with the sound of
the prompt that must come next. Which one that is says the menu (`ivr/menu.py`); that it is this one is seen by its
content: the bytes of its A-law file, packet for packet.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import Progress

from benchmarks.live import CONFIGURATION, MENU, begins, facts, load, opening, spread, stage
from benchmarks.report import Report
from controller.config import Settings
from controller.config import load as read_configuration
from controller.debian import PrepareError
from controller.demo.stage import Stage, StageError
from controller.softphone import Call, CallFailed, RegistrationFailed
from ivr.menu import Menu, Message, Question, Release, answer, enter
from ivr.prompts import SOUND_FOLDER

KEYS = 96
"""How many keys are measured, at least."""
WALKS = (("5", "*", "1"), ("*", "5", "9"), ("5", "*", "2"))
"""What callers press one after the other: a wrong key, the repetition, then an option."""
HEARD_S = 3.0
"""A next prompt that has not begun after so many seconds counts as not heard."""
LISTENS_S = (0.1, 0.6)
"""For how long a caller listens to a prompt before he presses, at least and at most."""

Method = Literal["rtp", "info"]


@dataclass(slots=True)
class Measured:
    """What was found: seconds by way of pressing, from the answer to the first prompt, and what did not come."""

    keys: dict[Method, list[float]]
    first_prompt: list[float]
    calls: int = 0
    not_heard: int = 0
    failed_calls: int = 0


def first_prompts(menu: Menu, language: str, walk: tuple[str, ...]) -> Iterator[str]:
    """The name of the first prompt that a caller hears at first and after each key of `walk`, by the menu's rules."""
    position, action = enter(menu, language=language)
    for key in (*walk, ""):
        if not isinstance(action, Question | Message | Release):
            raise ValueError(f"after this walk through the menu {menu.id} nothing is said")
        yield action.prompts[0]
        position, action = answer(menu, position, key)


class Caller:
    """Dials, listens and presses."""

    def __init__(self, made: Stage, settings: Settings, seed: int = 12345) -> None:
        number = settings.plan.numbers[MENU]
        self._menu = settings.plan.menus[number.menu or ""]
        self._language = number.language
        self._sounds = settings.sounds
        self._stage = made
        self._random = random.Random(seed)

    def _opening(self, prompt: str) -> list[bytes]:
        return opening((self._sounds / f"{prompt.removeprefix(SOUND_FOLDER + '/')}.alaw").read_bytes())

    async def walk(self, keys: tuple[str, ...], method: Method, found: Measured, told: Callable[[], None]) -> None:
        """One call: every key of `keys` while a prompt is being said. `told` is called after each."""
        prompts = [self._opening(name) for name in first_prompts(self._menu, self._language, keys)]
        phone = await self._stage.citizen(f"1390000{found.calls:04d}")
        found.calls += 1
        call = await phone.call(MENU)
        try:
            answered = await call.answered(timeout=10)
            found.first_prompt.append(await self._hear(call, 0, prompts[0]) - answered)
            for key, prompt in zip(keys, prompts[1:], strict=True):
                # A person listens before he presses; at another moment of the 20 ms each time.
                await asyncio.sleep(self._random.uniform(*LISTENS_S))
                before = len(call.heard.packets)
                released = await call.press(key, method=method)
                try:
                    found.keys[method].append(await self._hear(call, before, prompt) - released)
                except TimeoutError:
                    found.not_heard += 1
                told()
        except (CallFailed, TimeoutError):
            found.failed_calls += 1
        finally:
            with contextlib.suppress(CallFailed):
                await call.hangup()
            self._stage.citizens.remove(phone)
            await phone.stop()

    async def _hear(self, call: Call, start: int, frames: list[bytes]) -> float:
        """Arrival of the packet with which `frames` begin. Raises TimeoutError."""
        async with asyncio.timeout(HEARD_S):
            while (packet := begins(call.heard.packets, start, frames)) is None:
                await call.hear_sound(timeout=HEARD_S, level=-100.0)  # the next packet, whatever is in it
        return packet.arrival


async def measure(made: Stage, keys: int, console: Console) -> Measured:
    """Walk through the menu until at least `keys` keys have been pressed."""
    found = Measured({"rtp": [], "info": []}, [])
    caller = Caller(made, read_configuration(CONFIGURATION))
    methods: tuple[Method, ...] = ("rtp", "info")
    walks = -(-keys // len(WALKS[0]))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("keys pressed", total=walks * len(WALKS[0]))
        for walk, method in islice(zip(cycle(WALKS), cycle(methods), strict=False), walks):
            await caller.walk(walk, method, found, lambda: progress.advance(task))
    return found


async def _run(keys: int, folder: Path | None, console: Console) -> Report:
    report = Report("prompt")
    async with stage("prompt", console, folder) as made:
        details: dict[str, Any] = facts(made)
        found = await measure(made, keys, console)
    every = [*found.keys["rtp"], *found.keys["info"]]
    if every:
        report.figure("prompt.key_to_next_prompt.p50", spread(every)["p50"])
        report.figure("prompt.key_to_next_prompt.p95", spread(every)["p95"])
    details |= {
        "load_after": load(),
        "keys": {"all": spread(every), "rfc4733": spread(found.keys["rtp"]), "info": spread(found.keys["info"])},
        "answer_to_first_prompt": spread(found.first_prompt),
        "calls": found.calls,
        "not_heard": found.not_heard,
        "failed_calls": found.failed_calls,
    }
    report.details = details
    return report


def run(json_path: Path | None = None, *, keys: int = KEYS, folder: Path | None = None) -> int:
    """Measure, print the table, write the file; 0 if every goal is reached, 2 if nothing could be measured."""
    console = Console()
    try:
        report = asyncio.run(_run(keys, folder, console))
    except (StageError, PrepareError, RegistrationFailed, OSError) as error:
        console.print(f"[red]The benchmark could not start:[/red] {error}")
        return 2
    status = report.finish(json_path)
    for name, found in report.details["keys"].items():
        if found["n"]:
            console.print(f"{name}: {found['n']} keys, " + ", ".join(f"{k} {1000 * found[k]:.1f} ms" for k in _SHOWN))
    console.print(
        f"not heard: {report.details['not_heard']}, failed calls: {report.details['failed_calls']};"
        f" load of the machine before and after: {report.details['load_before'][0]}, {report.details['load_after'][0]}"
    )
    return status


_SHOWN = ("p50", "p95", "min", "max")
