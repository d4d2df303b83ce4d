"""A small labelled set: what citizens ask a 12345 hotline, and the entries that answer them.

``subjects.csv`` holds 97 subjects of such hotlines with four short answers each; the entries are made of them by the
templates below, so that the right one stands among siblings that differ by one aspect only. ``queries.csv`` holds
questions in the words of callers, with the subject and the aspects (1 to 4) that answer them. The texts were written
for this measurement from what such hotlines publish in general; they are specimens, no city's rules, nobody's advice.

The questions marked ``tune`` were looked at while weights and synonyms were chosen, those marked ``hold`` only
measured.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from knowledge.entry import Content

FOLDER = Path(__file__).parent

ASPECTS = ("first", "second", "third", "fourth")

TEMPLATES = {
    "service": ("{}怎么办理?", "{}需要哪些材料?", "{}多久办好、收费多少?", "{}在哪里办理?"),
    "complaint": ("{}怎么反映?", "{}有哪些规定和权利?", "{}多久处理和答复?", "{}由哪个部门处理?"),
    "policy": ("{}有什么规定?", "{}需要准备和注意什么?", "{}的时限和费用标准是什么?", "{}找哪里办理?"),
}
"""How an entry is named, by the kind of its subject and the aspect."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """An entry of the set: its subject and aspect (1 to 4) beside what it says."""

    subject: str
    aspect: int
    content: Content


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asks, and which specimens answer it; `tune`: it was looked at while weights were chosen."""

    text: str
    subject: str
    aspects: frozenset[int]
    tune: bool

    def answered_by(self, one: Specimen) -> bool:
        """Whether this specimen answers it."""
        return one.subject == self.subject and one.aspect in self.aspects


def specimens() -> list[Specimen]:
    """The set's entries, in the order of the file."""
    found = []
    for row in _rows("subjects.csv"):
        for aspect, (column, template) in enumerate(zip(ASPECTS, TEMPLATES[row["kind"]], strict=True), start=1):
            content = Content(
                template.format(row["subject"]), row[column], keywords=row["keywords"], unit=row["unit"], source="样例"
            )
            found.append(Specimen(row["id"], aspect, content))
    return found


def questions() -> list[Question]:
    """The set's questions, in the order of the file."""
    return [
        Question(row["query"], row["subject"], frozenset(map(int, row["aspects"])), row["set"] == "tune")
        for row in _rows("queries.csv")
    ]


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
