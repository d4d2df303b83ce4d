"""One entry of the knowledge base: the one filing format, and what may be written into it. Pure.

The format is that of `domain.md` E5 (知识库信息填报统一格式): question, answer script, legal basis, materials,
process, unit, region, validity, source, language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

LANGUAGES = ("zh", "en")
"""Languages in which an entry may be written: those that the hotline speaks."""

_REGION = re.compile(r"[A-Za-z0-9_-]{0,32}")
_UNIT = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class KnowledgeRules:
    """A hotline's rules for its entries. Lengths in characters, times in days."""

    question_max: int = 200
    text_max: int = 10_000  #: answer, basis, materials, process
    line_max: int = 200  #: keywords, source
    warn_days: int = 30  #: an entry that ends within so many days is warned of
    review_days: int = 365  #: a published entry that nobody has looked at for so long is warned of too
    import_rows: int = 5_000  #: of one file; it is one transaction, and other writers wait for it
    answer_days: int = 3  #: working time of a unit for an unanswered question, as for inquiries (`domain.md` D7)


class KnowledgeRefused(Exception):
    """Something may not be done to an entry or a task. `code` is stable; `field` names the faulty field or nothing."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.field = field

    def __reduce__(self) -> tuple[type[KnowledgeRefused], tuple[str, str, str]]:
        return type(self), (self.code, str(self), self.field)  # it may come from another process


@dataclass(frozen=True, slots=True)
class Content:
    """What an entry says. Empty texts are allowed in a draft; `REQUIRED` ones not when it goes to review.

    `unit` is the id of the unit that answers for it; `region` an administrative code or id, empty = everywhere;
    `valid_to` is the last day on which it holds, in the hotline's time zone; `public`: citizens may find it.
    """

    question: str
    answer: str = ""
    basis: str = ""
    materials: str = ""
    process: str = ""
    keywords: str = ""
    unit: str = ""
    region: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""
    language: str = "zh"
    public: bool = True


NAMES: tuple[str, ...] = tuple(field.name for field in fields(Content))
"""The names of the format's fields, in their order."""

REQUIRED = ("question", "answer", "unit", "source")
"""Without these nothing goes to review: an answer that names nobody and no source cannot be judged."""

EXPECTED = ("basis", "materials", "process", "keywords", "valid_to")
"""What a complete entry has besides; counted in the completeness by unit, not demanded."""

LINES = frozenset({"question", "keywords", "source"})
"""Fields of a single line."""


def cleaned(content: Content) -> Content:
    """The content with `\\n` line ends and no blanks around its texts."""
    values: dict[str, Any] = {}
    for name in NAMES:
        value = getattr(content, name)
        values[name] = value.replace("\r\n", "\n").replace("\r", "\n").strip() if isinstance(value, str) else value
    return Content(**values)


def problems(content: Content, rules: KnowledgeRules) -> list[tuple[str, str]]:
    """Everything that is wrong with a draft: (field, code); empty when it may be stored."""
    found: list[tuple[str, str]] = []
    for name in NAMES:
        value = getattr(content, name)
        if isinstance(value, str) and (code := _text_problem(name, value, rules)):
            found.append((name, code))
    if not content.question:
        found.append(("question", "missing"))
    if content.unit and not _UNIT.fullmatch(content.unit):
        found.append(("unit", "bad_characters"))
    if not _REGION.fullmatch(content.region):
        found.append(("region", "bad_characters"))
    if content.language not in LANGUAGES:
        found.append(("language", "unknown_language"))
    if content.valid_from and content.valid_to and content.valid_to < content.valid_from:
        found.append(("valid_to", "until_before_since"))
    return found


def lacking(content: Content) -> list[str]:
    """The required fields that are empty."""
    return [name for name in REQUIRED if not getattr(content, name)]


def checked(content: Content, rules: KnowledgeRules) -> Content:
    """The content as it may be stored. Raises `KnowledgeRefused` naming the first fault."""
    content = cleaned(content)
    for field, code in problems(content, rules):
        raise KnowledgeRefused(code, f"The {field} of the entry is not acceptable ({code}).", field)
    return content


def changed(content: Content, wanted: Mapping[str, Any]) -> Content:
    """The content with some fields written; unknown names are a programming fault (TypeError)."""
    return Content(**({name: getattr(content, name) for name in NAMES} | dict(wanted)))


def holds_on(content: Content, day: date) -> bool:
    """Whether the entry is valid on `day`."""
    after = content.valid_from is None or content.valid_from <= day
    return after and (content.valid_to is None or day <= content.valid_to)


def filled(content: Content) -> int:
    """How many of the `EXPECTED` fields are there."""
    return sum(bool(getattr(content, name)) for name in EXPECTED)


def regions_of(region: str) -> tuple[str, ...]:
    """The region and all that it lies in, narrow to wide, ending with "" (everywhere).

    Six digits are a code of GB/T 2260: two each for province, city and county. Anything else stands for itself.
    """
    if not region:
        return ("",)
    if not re.fullmatch(r"[0-9]{6}", region):
        return (region, "")
    wider = (region, region[:4] + "00", region[:2] + "0000")
    return (*dict.fromkeys(wider), "")


def _text_problem(name: str, value: str, rules: KnowledgeRules) -> str:
    longest = rules.question_max if name == "question" else rules.line_max if name in LINES else rules.text_max
    if len(value) > longest:
        return "too_long"
    allowed = "\t" if name in LINES else "\n\t"
    for character in value:
        if character not in allowed and unicodedata.category(character) in ("Cc", "Cs"):
            return "bad_characters"
    return ""
