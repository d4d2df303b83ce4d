"""`hotline demo`: plays the stories, shows the calls as they go, and says how each ended."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from controller.asterisk_prepare import prepare
from controller.asterisk_tree import find_asterisk
from controller.commands.phone import account
from controller.debian import PrepareError
from controller.demo.acts import Scene, Told, wait_of
from controller.demo.show import live_table, summary
from controller.demo.stage import Stage, StageError
from controller.demo.stories import STORIES, Story
from controller.softphone import AnswerPolicy, Call, CallFailed, RegistrationFailed
from metrics.servicelevel import DEFINITIONS, HEADLINE
from recordings.models import FoundModel, ModelError, find_model

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end it (SIGHUP: the terminal was closed; not when nohup has it ignored)."""

GRAMMAR = ("네", "아니요", "민원", "허가")
"""The closed vocabulary of the demonstration's package model (`controller/demo/audio/README.md`)."""


def main(arguments: argparse.Namespace) -> int:
    """0 only if every story ended as it should, 1 if one did not, 2 if the stage could not be set up."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=240)  # in a pipe nothing is folded: paths and addresses can be copied
    letters = set(arguments.story or ())
    unknown = letters - {story.letter for story in STORIES}
    if unknown:
        console.print(
            f"There is no story {', '.join(sorted(unknown))}; there are {''.join(s.letter for s in STORIES)}."
        )
        return 2
    stories = [story for story in STORIES if not letters or story.letter in letters]
    return asyncio.run(_play(arguments, console, stories))


async def _play(arguments: argparse.Namespace, console: Console, stories: list[Story]) -> int:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def end() -> None:
        """The first signal ends it; the next ones must not keep it from taking everything down."""
        for number in signals:
            loop.add_signal_handler(number, console.print, "Everything is being ended; a moment.")
        task.cancel()

    signals = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP]
    for number in signals:
        loop.add_signal_handler(number, end)
    try:
        if arguments.json is not None:
            arguments.json.open("a").close()  # said now, not after the last story
        return await _perform(arguments, console, stories)
    except asyncio.CancelledError:
        console.print("\n[bold]Stopped.[/bold] Everything has been ended.")
        return 130
    except (StageError, PrepareError, ModelError, RegistrationFailed, OSError) as error:
        console.print(f"[red]The demonstration could not start:[/red] {error}")
        return 2


async def _perform(arguments: argparse.Namespace, console: Console, stories: list[Story]) -> int:
    model = find_model("zh", configured=None, models_dir=arguments.var / "models", package_grammar=GRAMMAR)
    await _have_asterisk(arguments.var, console)
    console.print(f"Speech: {model.describe() if model else 'no model, calls are not transcribed'}")
    async with Stage(arguments.home, arguments.var, model, lambda text: console.print(text)) as stage:
        binary = stage.binary
        assert binary is not None
        console.print(f"Asterisk {binary.version} ({binary.source}); pages at {stage.url}")
        tales = await _stories(stage, console, stories)
        level = await _service_level(stage, tales)
        console.print(summary(tales))
        console.print(_level_text(level))
        ok = all(told.passed for told in tales)
        if arguments.json is not None:
            _write_json(arguments.json, stage, model, tales, level, ok)
        console.print("[green]Every story ended as it should.[/green]" if ok else "[red]Not every story did.[/red]")
        if arguments.keep:
            await _keep(stage, console)
        return 0 if ok else 1


async def _have_asterisk(var: Path, console: Console) -> None:
    if find_asterisk(var) is None:
        with console.status("Asterisk: none of version 20 or newer here; preparing a private one") as status:
            await prepare(var, lambda text: status.update(f"Asterisk: {text}"))


async def _stories(stage: Stage, console: Console, stories: list[Story]) -> list[Told]:
    """Play the stories one after the other, each with the agents to itself, and show the calls meanwhile."""
    tales: list[Told] = []
    scenes: list[tuple[Story, Scene]] = []
    for story in stories:
        calls = [
            Told(
                story.letter,
                f"{story.title}{' · ' + call if call else ''}",
                story.expected,
                f"138{ord(story.letter):04d}{index:04d}",
            )
            for index, call in enumerate(story.calls)
        ]
        tales += calls
        scenes.append((story, Scene(stage, calls)))
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        shown = asyncio.create_task(_show(stage, live, tales))
        try:
            for story, scene in scenes:
                await _one(story, scene)
                if not console.is_terminal:
                    for told in scene.tales:
                        console.print(
                            f"{told.story} {told.title}: {'as it should' if told.passed else 'NOT as it should'}"
                        )
        finally:
            shown.cancel()
            await asyncio.gather(shown, return_exceptions=True)
    return tales


async def _one(story: Story, scene: Scene) -> None:
    """Play one story; whatever goes wrong is told in words, and the agents are put back for the next one."""
    stage = scene.stage
    try:
        async with asyncio.timeout(180):
            await story.script(scene)
    except AssertionError as error:
        expected, *happened = error.args or ("it to go on",)
        scene.tales[0].check(False, str(expected), *happened)
    except TimeoutError as error:
        where = error.__traceback__
        while (
            where is not None and where.tb_next is not None and "stories" in where.tb_next.tb_frame.f_code.co_filename
        ):
            where = where.tb_next
        line = where.tb_lineno if where is not None else 0
        scene.tales[0].check(False, f"the story to go on (stories.py, line {line})", "nothing happened in time")
    except (CallFailed, OSError) as error:
        scene.tales[0].check(False, "the call to go on", error)
    for told in scene.tales:
        told.done = True
    await _tidy(stage)


async def _tidy(stage: Stage) -> None:
    """Hang up what a story left behind, and send every agent on a break."""
    for phone in [*stage.phones.values(), *stage.citizens]:
        for call in list(phone.calls):
            with contextlib.suppress(Exception):
                await call.hangup()
    with contextlib.suppress(AssertionError, OSError):
        signed_in = [one["agent"] for one in stage.overview.get("agents", ()) if one["state"] != "offline"]
        for agent in signed_in:
            with contextlib.suppress(AssertionError):
                await stage.not_ready(agent)
        await stage.until(
            lambda view: all(one["state"] in ("not_ready", "offline") for one in view["agents"]), 20, "agents rest"
        )


async def _show(stage: Stage, live: Live, tales: list[Told]) -> None:
    """Redraw with each change of the controller's own live page."""
    begun = time.monotonic()
    while True:
        live.update(Group(live_table(stage.overview, tales), Text(f"{time.monotonic() - begun:.0f} s", style="dim")))
        await stage.changed(0.5)


async def _service_level(stage: Stage, tales: list[Told]) -> dict[str, Any]:
    """The headline figure as the pages show it, with its definition in words."""
    definition = DEFINITIONS[HEADLINE]
    view = next(
        one for one in stage.overview["service_levels"] if one["definition"] == HEADLINE and one["queue"] is None
    )
    return {
        "definition": definition.name,
        "formula": {"zh": definition.formula_zh, "en": definition.formula_en},
        "numerator": view["numerator"],
        "denominator": view["denominator"],
        "value": view["value"],
    }


def _level_text(level: dict[str, Any]) -> Text:
    value = "no call yet" if level["value"] is None else f"{100 * level['value']:.1f} %"
    return Text.assemble(
        ("15秒接通率 · answered within 15 s: ", "bold"),
        (f"{value} ({level['numerator']} of {level['denominator']})", "bold cyan"),
        f"\n{level['definition']}: {level['formula']['zh']} {level['formula']['en']}",
    )


def _write_json(
    file: Path, stage: Stage, model: FoundModel | None, tales: list[Told], level: dict[str, Any], ok: bool
) -> None:
    """The summary in its stable form (docs/demo.md)."""
    assert stage.binary is not None
    calls = [
        {
            "story": told.story,
            "title": told.title,
            "call_id": told.record.get("call"),
            "menu_path": told.record.get("menu_path", []),
            "language": told.record.get("language"),
            "queue": told.record.get("queue"),
            "outcome": told.record.get("outcome"),
            "wait_s": wait_of(told),
            "agent": told.record.get("agent"),
            "recording": told.recording,
            "transcript": told.transcript,
            "ticket": told.record.get("ticket"),
            "satisfaction": told.record.get("score"),
            "expected": told.expected,
            "passed": told.passed,
            "problems": told.problems,
        }
        for told in tales
    ]
    summary = {
        "ok": ok,
        "asterisk": {"version": stage.binary.version, "source": stage.binary.source},
        "speech": model.describe() if model else None,
        "calls": calls,
        "service_level_15s": level,
    }
    file.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


async def _keep(stage: Stage, console: Console) -> None:
    """Leave everything running: agents answer by themselves, and a person may dial in."""
    table = Table(title="保持运行 · kept running: Ctrl-C ends it", show_header=False, box=None)
    table.add_row("pages", stage.url)
    for name, value in account(stage.exchange, None).items():
        table.add_row(name, value)
    console.print(table)
    console.print(
        "Dial 12345 with a softphone of your own (user and password above). Agents 1001-1004 answer, greet you"
    )
    console.print("and hang up after a few seconds; then you hear your ticket's number and the question. Press 1 to 5.")
    async with asyncio.TaskGroup() as talks:
        for number in ("1001", "1002", "1003", "1004"):
            phone = stage.agent(number, AnswerPolicy.auto(1.5))
            phone.on_call = lambda call: talks.create_task(_attend(stage, call))
            await stage.ready(number)
        await asyncio.Event().wait()


async def _attend(stage: Stage, call: Call) -> None:
    """An agent of the kept demonstration: greets, listens for a while, and hangs up."""
    with contextlib.suppress(TimeoutError, CallFailed):
        await call.answered(timeout=30)
        await call.play(stage.home / "controller/demo/audio/zh/agent-greeting.alaw").finished()
        with contextlib.suppress(TimeoutError):
            await call.ended(timeout=8)
            return
        await call.hangup()


if __name__ == "__main__":
    sys.exit("run it as: ./hotline demo")
