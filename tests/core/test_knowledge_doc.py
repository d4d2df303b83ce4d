"""docs/knowledge.md draws every move of the tables and explains every letter; the set of the benchmark is sound."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.knowledge_set import questions, specimens
from knowledge.entry import KnowledgeRules, lacking, problems
from knowledge.moves import KNOWLEDGE_MOVES
from knowledge.tasks import TASK_MOVES

pytestmark = pytest.mark.core

PAGE = (Path(__file__).parents[2] / "docs" / "knowledge.md").read_text(encoding="utf-8")
ENTRY, TASK = PAGE.split("\n## Nothing found", 1)


@pytest.mark.parametrize(("part", "moves"), [(ENTRY, KNOWLEDGE_MOVES), (TASK, TASK_MOVES)], ids=["entry", "task"])
def test_every_move_is_drawn_and_explained(part: str, moves: dict[tuple[Any, Any], Any]) -> None:
    drawing = part.split("```mermaid\n", 1)[1].split("```", 1)[0]
    drawn = {
        (letter, start, end)
        for start, end, letters in re.findall(r"^    ([A-Z_]+) --> ([A-Z_]+): ([a-z, ]+)$", drawing, re.MULTILINE)
        for letter in letters.split(", ")
    }
    explained = dict(re.findall(r"^\| ([a-z]) \| ([A-Z_]+) \| \S", part, re.MULTILINE))
    legal = sorted((state.name, cause.name, after.name) for (state, cause), after in moves.items() if after is not None)
    assert sorted((start, explained[letter], end) for letter, start, end in drawn) == legal
    assert list(explained) == sorted(explained)
    assert set(explained) == {letter for letter, _, _ in drawn}


def test_the_benchmark_s_set_is_sound() -> None:
    entries, asked = specimens(), questions()
    assert len(entries) == len({one.content.question for one in entries}) == 388
    for one in entries:
        assert problems(one.content, KnowledgeRules()) == []
        assert lacking(one.content) == []
    assert len({one.text for one in asked}) == len(asked) == 72
    assert sum(one.tune for one in asked) == 33
    for question in asked:
        assert 1 <= sum(question.answered_by(one) for one in entries) <= 4
        assert question.text not in {one.content.question for one in entries}, "nobody asks in the words of an entry"
