"""From the hotline's frozen dataclasses to JSON: field by field, enums by value, nothing invented.

The encoder asks only for what it does not know itself, so a large overview costs little (`performance.md`
2c: the loop).
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping, Set
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

from aiohttp import web


def fields_of(value: object) -> dict[str, Any]:
    """A dataclass's fields by name, as they are. TypeError for anything else."""
    kind = type(value)
    if (names := _NAMES.get(kind)) is None:
        if not dataclasses.is_dataclass(kind):
            raise TypeError(f"{kind.__name__} has no JSON shape")
        names = _NAMES[kind] = tuple(field.name for field in dataclasses.fields(kind))
    return {name: getattr(value, name) for name in names}


_NAMES: dict[type, tuple[str, ...]] = {}
"""Each dataclass's field names, looked up once."""


def _shape(value: object) -> Any:
    """What the JSON encoder asks for: the shape of a value that is no text, number, list or dict."""
    match value:
        case enum.Enum():
            return value.value
        case datetime() | date():
            return value.isoformat()
        case PurePath():
            return value.name
        case Set():
            return sorted(value)
        case Mapping():
            return dict(value)
    return fields_of(value)


def dumps(value: object) -> str:
    """Compact JSON, Chinese as it is.

    TypeError for a kind of value that has no agreed shape, ValueError for NaN.
    """
    return json.dumps(value, default=_shape, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def answer(value: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.json_response(text=dumps(value), status=status)
