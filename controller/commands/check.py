"""`hotline check`: everything that is wrong with the configuration, with file and line."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from controller.config import ConfigError, Settings, load
from controller.config_faults import Problem, read_text
from controller.config_secrets import secret_faults
from controller.config_tickets import calendar_notes
from controller.gone_units import check_notes
from controller.notices import KEY
from controller.spoken_notes import spoken_notes
from controller.toml_lines import Path as TomlPath
from controller.toml_lines import scan
from recordings.recogniser import VOSK, WHISPER


def main(arguments: argparse.Namespace) -> int:
    """0 when the configuration can be served."""
    settings = servable(arguments.config)
    if settings is None:
        return 2
    plan = settings.plan
    print(
        f"{arguments.config}: good. {len(plan.numbers)} numbers, {len(plan.queues)} queues, "
        f"{len(plan.agents)} agents, {len(plan.menus)} menus; version {plan.version}."
    )
    for note in (*key_notes(settings), *skill_notes(settings), *model_notes(settings)):
        print(note)
    plain = calendar_notes(settings.tickets, time.time())
    for note in (*plain, *check_notes(settings), *spoken_notes(settings, arguments.var / "models")):
        print(f"note: {note}")
    return 0


def key_notes(settings: Settings) -> list[str]:
    """The queues whose callers are not offered to be told of an incident's end, as their key has another use there."""
    if not settings.plan.notice_kinds:
        return []
    lines = scan(read_text(settings.file))
    return [
        f"note: {settings.file}:{lines.line_of(('queues', index, 'keys', KEY))}: key {KEY} of the queue {queue.id} "
        f"does {queue.keys[KEY]!r}; its callers cannot be told of an incident's end, for which that key is pressed. "
        "Another key for it leaves both."
        for index, queue in enumerate(settings.raw.queues)
        if KEY in queue.keys
    ]


def skill_notes(settings: Settings) -> list[str]:
    """Skills of agents that no queue asks for or prefers, and preferred ones that no agent has: a slip of the pen."""
    raw, lines = settings.raw, scan(read_text(settings.file))
    wanted = {name for queue in raw.queues for name in (*queue.skills, *queue.prefers)}
    had = {name for agent in raw.agents for name in agent.skills}
    slips = [
        (("agents", index, "skills", name), f"no queue asks for the skill {name} of agent {agent.id}")
        for index, agent in enumerate(raw.agents)
        for name in agent.skills
        if name not in wanted
    ] + [
        (("queues", index, "prefers", name), f"no agent has the skill {name} that the queue {queue.id} prefers")
        for index, queue in enumerate(raw.queues)
        for name in queue.prefers
        if name not in had
    ]
    return [f"note: {settings.file}:{lines.line_of(path)}: {text}; is it spelled rightly?" for path, text in slips]


def model_notes(settings: Settings) -> list[str]:
    """Speech models that cannot be used, or are of another language than their calls: calls are served all the same, so
    it is no fault, but the transcripts would not come, or be nonsense."""
    from recordings.model_check import BadModel, facts, language_fault  # who serves need not wait for it

    speech, folder, lines = settings.raw.speech, settings.file.parent, scan(read_text(settings.file))
    named: list[tuple[TomlPath, str, str]] = []
    if speech.transcribe:
        named = [
            (("speech", "models", index, "path"), one.path, one.language)
            for index, one in enumerate(speech.models)
            if one.recogniser in (VOSK, WHISPER)  # of another nobody here knows what its folder holds
        ]
        if speech.model is not None:
            named.append((("speech", "model"), speech.model, speech.language))
    notes = []
    for place, path, language in named:
        try:
            wrong = language_fault(facts(folder / path), language)
        except (BadModel, OSError) as error:
            wrong = str(error)
        if wrong:
            notes.append(f"note: {settings.file}:{lines.line_of(place)}: {wrong}")
    return notes


def checked(file: Path) -> Settings | None:
    """The settings, or None after every fault has been printed."""
    try:
        return load(file)
    except ConfigError as error:
        _tell(error.problems)
        return None


def servable(file: Path) -> Settings | None:
    """As `checked`, for who is to serve: the files of secrets that it names are read too."""
    settings = checked(file)
    faults = secret_faults(settings) if settings is not None else []
    if faults:
        _tell(faults)
        return None
    return settings


def _tell(problems: Sequence[Problem]) -> None:
    for problem in problems:
        print(problem, file=sys.stderr)
    count = len(problems)
    print(f"{count} {'fault' if count == 1 else 'faults'}; nothing was started.", file=sys.stderr)
