"""``hotline bench suggest``: what the desk is shown while a citizen talks, on labelled sets.

Entries: every question of `benchmarks.knowledge_set` that nobody looked at while the search was tuned, told as people
tell it on the telephone (`benchmarks.suggest_set.spoken`), word for word and with one character in ten and in five
misheard. It is asked what the desk is shown (the suggester's own code, on the hotline's own search) when the question
has been said, and when everything has been said: a hit is an entry that answers it among the first three.

Types and classes: `talks.csv`. Beside them how long one look takes, search included, from the loop's side.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.knowledge import TODAY, fill
from benchmarks.knowledge_set import Question, questions, specimens
from benchmarks.live import spread
from benchmarks.report import Report
from benchmarks.suggest_set import Talk, misheard, spoken, talks
from controller.database import database_url, make_engine
from controller.live_suggest import LONGEST, Suggester
from controller.schema import upgrade
from controller.writer import Store
from knowledge.find import Filter, find
from knowledge.version import Entry
from knowledge.words import standard_vocabulary
from pbx.ids import CallId
from recordings.live import LiveTurns
from recordings.transcript import Word
from tickets.classes import load_classes
from tickets.likely import load_cues
from web.knowledge_backend import Wanted
from web.live_words_desk import Suggestions

ERRORS = (0.0, 0.1, 0.2)
"""Shares of misheard characters. Whisper base erred in 0.13-0.18 of synthetic Mandarin (shared/speech.md section 3)."""

DRAWS = 5
"""How often each question is told, each time otherwise."""


def as_heard(portions: Sequence[str]) -> str:
    """What the desk's suggester gets of a citizen's portions: through the same turns as live words."""
    turns = LiveTurns()
    for number, portion in enumerate(portions):
        turns.final("citizen", "", [Word(number * 3.0, number * 3.0 + 2.0, portion)])
    return turns.said_by_citizen(LONGEST)


async def hits(suggester: Suggester, asked: Sequence[Question], error: float, took: list[float]) -> dict[str, float]:
    """The share of questions answered among the first three, at the question's end and at the talk's end."""
    own, draw = specimens(), Random(2026)
    at_question = at_end = plain = 0
    for one in asked:
        for _ in range(DRAWS):
            portions = [misheard(portion, error, draw) for portion in spoken(one.text, draw)]

            async def shown(said: Sequence[str]) -> list[int]:
                begun = time.perf_counter()
                found = await suggester.suggestions(as_heard(said))
                took.append(time.perf_counter() - begun)
                return [int(entry.id[1:]) for entry in found.entries]

            question_over = portions[: len(portions) - 2]
            at_question += any(one.answered_by(own[no - 1]) for no in await shown(question_over))
            at_end += any(one.answered_by(own[no - 1]) for no in await shown(portions))
        typed = await suggester.suggestions(one.text)
        plain += any(one.answered_by(own[int(entry.id[1:]) - 1]) for entry in typed.entries)
    told = len(asked) * DRAWS
    return {
        "top3_at_question": at_question / told,
        "top3_at_end": at_end / told,
        "top3_typed": plain / len(asked),
        "questions": len(asked),
        "told": told,
    }


def filed(told: Callable[[str], Suggestions], asked: Sequence[Talk], error: float) -> dict[str, float]:
    """The shares of talks whose type was the first and among those shown, and whose class was the first or shown."""
    draw = Random(2026)
    counts = dict.fromkeys(("type_top1", "type_shown", "class_top1", "class_shown"), 0)
    with_class = 0
    for one in asked:
        found = told(misheard(one.text, error, draw))
        types, classes = [kind.type for kind in found.types], [kind.code for kind in found.classes]
        counts["type_top1"] += types[:1] == [one.type]
        counts["type_shown"] += one.type in types
        if one.klass != "OTHER":
            with_class += 1
            counts["class_top1"] += classes[:1] == [one.klass]
            counts["class_shown"] += one.klass in classes
    shares = {name: count / (with_class if name.startswith("class") else len(asked)) for name, count in counts.items()}
    return {**shares, "talks": len(asked), "with_class": with_class}


async def measure(folder: Path) -> dict[str, Any]:
    """Fill a store with the set's entries and ask."""
    url = f"sqlite:///{folder}/suggest.db"
    await asyncio.to_thread(upgrade, url)
    engine = make_engine(database_url(url))

    def make() -> None:
        with engine.begin() as connection:
            fill(connection, [one.content for one in specimens()])

    await asyncio.to_thread(make)
    store = Store(url, spool=folder / "spool.jsonl")
    await store.start()
    words = standard_vocabulary()

    async def search(wanted: Wanted) -> Sequence[Entry]:
        return await store.read(find, wanted.text, Filter(TODAY), words, wanted.limit)

    tree = load_classes()
    suggester = Suggester(search, load_cues(tree), tree, lambda call, found: None)
    took: list[float] = []
    try:
        held = [one for one in questions() if not one.tune]
        tuned = [one for one in questions() if one.tune]
        found = {
            "entries": {
                "hold": {str(error): await hits(suggester, held, error, took) for error in ERRORS},
                "tune": {str(error): await hits(suggester, tuned, error, took) for error in ERRORS},
            }
        }
        cues: dict[str, Any] = {}
        for part, tune in (("hold", False), ("tune", True)):
            asked = [one for one in talks() if one.tune is tune]
            seen = {one: await suggester.suggestions(one) for error in ERRORS for one in _texts(asked, error)}
            cues[part] = {str(error): filed(seen.__getitem__, asked, error) for error in ERRORS}
        bounded = await _bounded(suggester)
    finally:
        await store.stop()
        engine.dispose()
    return {**found, "filed": cues, "look_s": spread(took), "searches_of_a_minute_of_words": bounded}


def _texts(asked: Sequence[Talk], error: float) -> list[str]:
    draw = Random(2026)
    return [misheard(one.text, error, draw) for one in asked]


async def _bounded(suggester: Suggester) -> int:
    """How many searches six hundred changes of the words within a second cause, at one look each two seconds."""
    before = suggester.searches
    for number in range(600):
        suggester.heard(CallId("bench"), f"我家门口的路灯坏了{number}")
        await asyncio.sleep(1 / 600)
    suggester.over(CallId("bench"))
    return suggester.searches - before


def run(json_path: Path | None = None) -> int:
    """Measure, print the table, write the file."""
    report = Report("suggest")
    with tempfile.TemporaryDirectory() as name:
        report.details = asyncio.run(measure(Path(name)))
    held, cues = report.details["entries"]["hold"], report.details["filed"]["hold"]
    report.figure("suggest.top3_hit_rate", held["0.0"]["top3_at_question"])
    report.figure("suggest.top3_hit_rate.tenth_misheard", held["0.1"]["top3_at_question"])
    report.figure("suggest.type_top1", cues["0.0"]["type_top1"])
    report.figure("suggest.class_top3", cues["0.0"]["class_shown"])
    report.figure("suggest.look.p95", report.details["look_s"]["p95"])
    status = report.finish(json_path)
    for part, by_error in report.details["entries"].items():
        for error, one in by_error.items():
            print(
                f"entries, {part}, {float(error):.0%} misheard: first three {one['top3_at_question']:.1%} when the "
                f"question is said, {one['top3_at_end']:.1%} when all is said; typed {one['top3_typed']:.1%} "
                f"({one['questions']} questions, {one['told']} talks)"
            )
    for part, by_error in report.details["filed"].items():
        for error, one in by_error.items():
            print(
                f"filing, {part}, {float(error):.0%} misheard: type first {one['type_top1']:.1%}, shown "
                f"{one['type_shown']:.1%}; class first {one['class_top1']:.1%}, shown {one['class_shown']:.1%} "
                f"({one['talks']} talks, {one['with_class']} with a class)"
            )
    return status
