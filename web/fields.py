"""Reading bodies and queries.

Every field is named, unknown ones are refused, and all problems are told at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from web.described import Described, description_of
from web.errors import ApiError, Problem
from web.keys import LIMITS

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters except tab and line ends: no person types them."""

_NOT_TYPED = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f"
_BLANK = r"\u0009\u000a\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WITH_A_WORD = rf"^[^{_NOT_TYPED}]*[^{_NOT_TYPED}{_BLANK}][^{_NOT_TYPED}]*$"
"""The same, and that a text is not only blanks (`str.strip`), in JSON Schema's dialect."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text field: at most `longest` characters, matching `pattern` where one is given; `told`: its meaning in the API
    document, where the name alone does not say it.
    """

    longest: int
    required: bool = False
    may_be_empty: bool = False
    pattern: re.Pattern[str] | None = None
    told: str = ""

    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema (2020-12), for the API document."""
        found: dict[str, Any] = {"type": "string", "maxLength": self.longest}
        if not self.may_be_empty:
            found["minLength"] = 1
        if self.pattern is not None:
            found["pattern"] = f"^(?:{self.pattern.pattern})$"
        else:
            found["pattern"] = rf"^[^{_NOT_TYPED}]*$" if self.may_be_empty else _WITH_A_WORD
        return found | ({"description": self.told} if self.told else {})

    def problem(self, value: object) -> str:
        """The code of what is wrong with `value`; empty when nothing is."""
        if not isinstance(value, str):
            return "not_text"
        if not value.strip() and not self.may_be_empty:
            return "empty"
        if len(value) > self.longest:
            return "too_long"
        if _CONTROL.search(value) or not value.isprintable() and _has_surrogate(value):
            return "bad_characters"
        if self.pattern is not None and not self.pattern.fullmatch(value):
            return "bad_characters"
        return ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A field that holds one of a few words; `code` is told for every other one, with the words. `told`: as `Text`."""

    values: tuple[str, ...]
    required: bool = False
    code: str = "not_one_of"
    told: str = ""

    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema."""
        return {"type": "string", "enum": list(self.values)} | ({"description": self.told} if self.told else {})

    def problem(self, value: object) -> str:
        """The code of what is wrong with `value`; empty when nothing is."""
        if not isinstance(value, str):
            return "not_text"
        return "" if value in self.values else self.code


@dataclass(frozen=True, slots=True)
class Whole:
    """A field that holds a whole number from `lowest` to `highest`."""

    lowest: int
    highest: int
    required: bool = False

    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema."""
        return {"type": "integer", "minimum": self.lowest, "maximum": self.highest}

    def problem(self, value: object) -> str:
        """The code of what is wrong with `value`; empty when nothing is."""
        if not isinstance(value, int) or isinstance(value, bool):
            return "not_a_whole_number"
        return "" if self.lowest <= value <= self.highest else "out_of_range"


@dataclass(frozen=True, slots=True)
class Number:
    """A number field between `least` and `most`, both allowed."""

    least: float
    most: float
    required: bool = False

    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema."""
        return {"type": "number", "minimum": self.least, "maximum": self.most}

    def problem(self, value: object) -> str:
        """The code of what is wrong with `value`; empty when nothing is."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return "not_a_number"
        return "" if self.least <= value <= self.most else "out_of_range"


LATEST = 1e11
"""Epoch seconds, in the year 5138: what lies outside 1970 and this is a mistake, and not every program can show it."""


@dataclass(frozen=True, slots=True)
class Instant:
    """A field that holds a point in time: epoch seconds, or ISO 8601 with its zone (RFC 3339)."""

    required: bool = False

    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema."""
        epoch = {"type": "number", "minimum": 0, "exclusiveMaximum": LATEST, "description": "epoch seconds"}
        return {"anyOf": [epoch, {"type": "string", "format": "date-time"}]}

    def problem(self, value: object) -> str:
        """The code of what is wrong with `value`; empty when nothing is."""
        return "" if instant(value) is not None else "not_an_instant"


def instant(value: object) -> float | None:
    """Epoch seconds of what an `Instant` field holds; None for what is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) and 0 <= value < LATEST else None
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    at = found.timestamp() if found.tzinfo is not None else -1.0
    return at if 0 <= at < LATEST else None


@dataclass(frozen=True, slots=True)
class Flag:
    """A field that is true or false."""

    required: bool = False

    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema."""
        return {"type": "boolean"}

    def problem(self, value: object) -> str:
        """The code of what is wrong with `value`; empty when nothing is."""
        return "" if isinstance(value, bool) else "not_true_or_false"


@dataclass(frozen=True, slots=True)
class Levels:
    """A field that gives names whole numbers, such as ``{"english": 4}``; null too where `may_be_none`.

    Which names there are and which numbers they may have is for the hotline's rules to say.
    """

    required: bool = False
    may_be_none: bool = False
    most: int = 50

    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema."""
        level: dict[str, Any] = {"type": "integer", "minimum": -999, "maximum": 999}
        return {
            "type": "object",
            "maxProperties": self.most,
            "propertyNames": {"pattern": f"^{_LEVEL_NAME.pattern}$"},
            "additionalProperties": {"anyOf": [level, {"type": "null"}]} if self.may_be_none else level,
        }

    def problem(self, value: object) -> str:
        """The code of what is wrong with `value`; empty when nothing is."""
        if not isinstance(value, dict) or len(value) > self.most:
            return "not_levels"
        good = all(_LEVEL_NAME.fullmatch(name) and self._is_level(level) for name, level in value.items())
        return "" if good else "not_levels"

    def _is_level(self, level: object) -> bool:
        if level is None:
            return self.may_be_none
        return isinstance(level, int) and not isinstance(level, bool) and abs(level) < 1000


@dataclass(frozen=True, slots=True)
class Names:
    """A field that holds a list of ids, at most `most`."""

    most: int
    required: bool = False

    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema."""
        return {"type": "array", "maxItems": self.most, "items": Text(64).schema()}

    def problem(self, value: object) -> str:
        """The code of what is wrong with `value`; empty when nothing is."""
        if not isinstance(value, list) or len(value) > self.most:
            return "not_names"
        return "" if all(isinstance(one, str) and Text(64).problem(one) == "" for one in value) else "not_names"


@dataclass(frozen=True, slots=True)
class Inner:
    """A field that holds an object, of which somebody else says what it may hold."""

    required: bool = False

    def schema(self) -> dict[str, Any]:
        """The field in JSON Schema."""
        return {"type": "object"}

    def problem(self, value: object) -> str:
        """The code of what is wrong with `value`; empty when nothing is."""
        return "" if isinstance(value, dict) else "not_an_object"


_LEVEL_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")

Field = Text | Whole | Number | Instant | Flag | Levels | Names | Choice | Inner
"""What a field of a body or query may be."""


def problems_of(name: str, field: Field, value: object) -> list[Problem]:
    """What is wrong with the value of a field: one problem, or none."""
    code = field.problem(value)
    if not code:
        return []
    return [Problem(name, code, field.values if isinstance(field, Choice) and code == field.code else ())]


def _has_surrogate(text: str) -> bool:
    """Half a character pair: JSON can write one, no database can store it."""
    return any("\ud800" <= character <= "\udfff" for character in text)


class _Doubled(ValueError):
    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def _object_without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Doubled(key)
        found[key] = value
    return found


async def read_body(request: web.Request, fields: Mapping[str, Field] | None = None) -> dict[str, Any]:
    """The fields of the JSON body that are there: `fields`, or those by which the handler is described.

    ApiError 400 names everything that is wrong; no body = an empty one.
    """
    if fields is None:
        fields = _description(request).fields(request.app[LIMITS])
    raw = await request.read()
    if not raw:
        data: Any = {}
    else:
        if request.content_type != "application/json":
            raise ApiError(415, "not_json")
        try:
            data = json.loads(raw, object_pairs_hook=_object_without_doubles)
        except _Doubled as doubled:
            problem = Problem(doubled.field if doubled.field in fields else "", "doubled_field")
            raise ApiError(400, "bad_request", [problem]) from None
        except (ValueError, RecursionError):
            raise ApiError(400, "not_json") from None
        if not isinstance(data, dict):
            raise ApiError(400, "not_json")
    problems = [Problem(_shown(name), "unknown_field") for name in data if name not in fields]
    for name, field in fields.items():
        if name in data:
            problems += problems_of(name, field, data[name])
        elif field.required:
            problems.append(Problem(name, "missing"))
    if problems:
        raise ApiError(400, "bad_request", problems)
    return {name: data[name] for name in fields if name in data}


def _description(request: web.Request) -> Described:
    found = description_of(request.match_info.handler)
    assert found is not None, "the handler of this route is not described"
    return found


def _typed(field: Field, text: str) -> object:
    if isinstance(field, Whole) and _WHOLE.fullmatch(text):
        return int(text)
    if isinstance(field, Number | Instant):
        with suppress(ValueError):
            return float(text)
    return text


_WHOLE = re.compile(r"-?[0-9]{1,15}")


def read_query(request: web.Request, fields: Mapping[str, Field] | None = None) -> dict[str, Any]:
    """The fields of the query that are there: `fields`, or those by which the handler is described.

    A `Whole` or `Number` comes as one, an `Instant` as a number or a text, everything else as the text that it is.
    ApiError 400 names all that is wrong.
    """
    if fields is None:
        fields = _description(request).query
    problems = [Problem(_shown(name), "unknown_field") for name in dict.fromkeys(request.query) if name not in fields]
    found: dict[str, Any] = {}
    for name, field in fields.items():
        given = request.query.getall(name, [])
        if len(given) > 1:
            problems.append(Problem(name, "doubled_field"))
        elif given:
            found[name] = _typed(field, given[0])
            problems += problems_of(name, field, found[name])
        elif field.required:
            problems.append(Problem(name, "missing"))
    if problems:
        raise ApiError(400, "bad_request", problems)
    return found


def _shown(name: str) -> str:
    """An unknown field's name as far as it is harmless to repeat."""
    return name if re.fullmatch(r"[A-Za-z][A-Za-z_-]{0,39}", name) else "?"


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time [since, until) in epoch seconds."""

    since: float
    until: float


WINDOW: Mapping[str, Field] = {"since": Number(-1e12, 1e12), "until": Number(-1e12, 1e12)}
"""The query of `read_window`."""


def read_window(
    request: web.Request, *, now: float, usual_s: float, longest_s: float, also: Collection[str] = ()
) -> Window:
    """``?since=&until=`` in epoch seconds, beside the names in `also`.

    By default the `usual_s` seconds up to `now`. ApiError 400 when wrong.
    """
    known = ("since", "until", *also)
    problems = [Problem(_shown(name), "unknown_field") for name in request.query if name not in known]
    values: dict[str, float] = {}
    for name in ("since", "until"):
        given = request.query.getall(name, [])
        if len(given) > 1:
            problems.append(Problem(name, "doubled_field"))
        elif given:
            try:
                values[name] = float(given[0])
            except ValueError:
                values[name] = math.nan
            if code := WINDOW[name].problem(values[name]):
                problems.append(Problem(name, code))
    if not problems:
        until = values.get("until", math.nextafter(now, math.inf))
        since = values.get("since", until - usual_s)
        if until < since:
            problems.append(Problem("until", "until_before_since"))
        elif until - since > longest_s:
            problems.append(Problem("since", "window_too_long"))
        else:
            return Window(since, until)
    raise ApiError(400, "bad_request", problems)
