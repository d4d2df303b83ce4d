"""The words as JSON and back, for the journal: exact (every float, every character), and fast enough for each step.

A word is an object whose key ``is`` names its class, followed by its fields. The classes are found in the unions
`Event` and `Command`, so a new word needs no line here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast, get_args

from pydantic import TypeAdapter, ValidationError

from pbx.commands import Command
from pbx.events import Event

W = TypeVar("W")


class _Adapters(dict[str, TypeAdapter[W]]):
    """The adapters of one union's words by name, each made when it is first asked for.

    All of them together take longer to make than anything else that a start waits for, and most hotlines never use
    half of them.
    """

    def __init__(self, words: Iterable[type[W]]) -> None:
        super().__init__()
        self._words = {word.__name__: word for word in words}

    def __missing__(self, name: str) -> TypeAdapter[W]:
        """Make it. Raises KeyError for what is no word of the union."""
        made: TypeAdapter[W] = TypeAdapter(self._words[name])
        self[name] = made
        return made

    def __contains__(self, name: object) -> bool:
        """Whether the union has a word of this name."""
        return name in self._words


_EVENTS: _Adapters[Event] = _Adapters(get_args(Event))
_COMMANDS: _Adapters[Command] = _Adapters(get_args(Command))


def _placed(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A `PlaceCall` as it was written when it named the trunk alone."""
    if "trunk" not in data:
        return data
    return {"dial": f"PJSIP/{data.get('number')}@{data['trunk']}", **_without(data, "trunk")}


def _without(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


_FORMERLY: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "CallBack": lambda data: {**_without(data, "dialled"), "is": "PlaceCall", "mark": ""},
    "CallbackFailed": lambda data: {**data, "is": "OutboundFailed"},
    "PlaceCall": _placed,
}
"""Words of journals that an earlier program wrote, in today's form."""


class CodecError(ValueError):
    """A word cannot be written, or what was read is none; the text names the class, never data."""


def encode_event(event: Event) -> bytes:
    """One event as JSON. Raises `CodecError` for text that is no Unicode, and for what is no event."""
    return _encode(event, _EVENTS)


def encode_command(command: Command) -> bytes:
    """One command as JSON. Raises `CodecError` like `encode_event`."""
    return _encode(command, _COMMANDS)


def decode_event(data: Mapping[str, Any]) -> Event:
    """The event that `encode_event` wrote, from its parsed JSON. Raises `CodecError`."""
    return _decode(data, _EVENTS)


def decode_command(data: Mapping[str, Any]) -> Command:
    """The command that `encode_command` wrote, from its parsed JSON. Raises `CodecError`."""
    return _decode(data, _COMMANDS)


def _encode(word: W, adapters: _Adapters[W]) -> bytes:
    name = type(word).__name__
    try:
        body = adapters[name].serializer.to_json(word)
    except KeyError:
        raise CodecError(f"{name} is not one of the words") from None
    except (ValueError, TypeError):
        raise CodecError(f"a word {name} cannot be written") from None
    return b'{"is":"%s",%s' % (name.encode(), body[1:])


def _decode(data: Mapping[str, Any], adapters: _Adapters[W]) -> W:
    data = _FORMERLY.get(str(data.get("is")), dict)(data)
    name = data.get("is")
    if not isinstance(name, str) or name not in adapters:
        raise CodecError(f"{name!r} is not one of the words of this program")
    fields = {key: value for key, value in data.items() if key != "is"}
    try:
        return adapters[name].validate_json(json.dumps(fields))
    except ValidationError as error:
        raise CodecError(f"a word {name} has {error.error_count()} wrong fields") from None


def as_object(encoded: bytes) -> dict[str, Any]:
    """What `encode_event` or `encode_command` wrote, parsed."""
    return cast(dict[str, Any], json.loads(encoded))
