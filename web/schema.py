"""From the types of what the API answers to JSON Schema (2020-12), as `web/shape.py` writes their values. Pure."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

from web.described import Either, Shape

Schema = dict[str, Any]

_PLAIN: dict[object, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    object: {},
    Any: {},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}


def shape_of(kind: type) -> dict[str, Shape]:
    """A dataclass as an object of named shapes, to be written with names more or less."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


class Schemas:
    """Makes schemas of shapes; each dataclass becomes one named component, to which others refer."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._kinds: dict[str, type] = {}

    def of(self, shape: Shape) -> Schema:
        """The schema of a shape. TypeError for a kind of value that has no agreed shape."""
        if isinstance(shape, Mapping):
            return self._object(shape)
        if isinstance(shape, Either):
            return {"anyOf": [self.of(one) for one in shape.shapes]}
        if isinstance(shape, list):
            return {"type": "array", "items": self.of(shape[0])}
        if isinstance(shape, typing.NewType):
            return self.of(shape.__supertype__)
        try:
            if shape in _PLAIN:
                return dict(_PLAIN[shape])
        except TypeError:
            pass  # not hashable: none of the plain ones
        origin = typing.get_origin(shape)
        if origin is not None:
            return self._generic(origin, typing.get_args(shape))
        if isinstance(shape, type):
            if issubclass(shape, enum.Enum):
                return {"enum": [one.value for one in shape]}
            if issubclass(shape, PurePath):
                return {"type": "string"}
            if dataclasses.is_dataclass(shape):
                return self._component(shape)
        raise TypeError(f"{shape!r} has no JSON shape")

    def _object(self, shape: Mapping[str, Shape]) -> Schema:
        named = {name: self.of(one) for name, one in shape.items() if name != "*"}
        found: Schema = {"type": "object", "properties": named, "required": sorted(named)}
        found["additionalProperties"] = self.of(shape["*"]) if "*" in shape else False
        return found

    def _generic(self, origin: Any, inner: tuple[Any, ...]) -> Schema:
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [self.of(one) for one in inner]}
        if origin is typing.Literal:
            return {"enum": list(inner)}
        if issubclass(origin, tuple) and not (len(inner) == 2 and inner[1] is Ellipsis):
            places = [self.of(one) for one in inner]
            count = {"minItems": len(places), "maxItems": len(places)}
            if all(one == places[0] for one in places):  # read by more programs than prefixItems
                return {"type": "array", "items": places[0], **count}
            return {"type": "array", "prefixItems": places, **count}
        if issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(inner[1])}
        if issubclass(origin, Sequence | Set):
            return {"type": "array", "items": self.of(inner[0])}
        raise TypeError(f"{origin!r} has no JSON shape")

    def _component(self, kind: type) -> Schema:
        name = kind.__name__
        if self._kinds.setdefault(name, kind) is not kind:  # two rooms have a class of this name
            name = f"{kind.__module__.replace('.', '_')}_{name}"
            self._kinds[name] = kind
        if name not in self.components:
            self.components[name] = {}  # a kind may speak of itself
            self.components[name] = self._object(shape_of(kind))
        return {"$ref": f"#/components/schemas/{name}"}
