"""From the hotline's frozen dataclasses to JSON: field by field, enums by value, nothing invented."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

from aiohttp import web


def plain(value: object) -> Any:
    """`value` as lists, dicts, texts and numbers. TypeError for a kind that has no agreed shape."""
    match value:
        case enum.Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date():
            return value.isoformat()
        case PurePath():
            return value.name
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case Set():
            return sorted(plain(item) for item in value)
        case Sequence():
            return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON shape")


def dumps(value: object) -> str:
    """Compact JSON, Chinese as it is."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def answer(value: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.json_response(text=dumps(value), status=status)
