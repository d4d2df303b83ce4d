"""What a route takes and gives, said once, beside its handler: read by its own checks and by the API document.

`described` puts a `Described` on a handler. `web.fields.read_body` takes the fields that it checks from there, and
`web/openapi.py` writes them into ``/api/openapi.json``: what is documented is what is checked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

if TYPE_CHECKING:
    from web.fields import Field
    from web.keys import WebLimits

Shape = Any
"""What an answer is made of: a type (a dataclass too), or ``{name: shape}`` for an object; ``"*"`` = further names."""


@dataclass(frozen=True, slots=True)
class Either:
    """One of several shapes."""

    shapes: tuple[Shape, ...]


OK: Mapping[str, Shape] = {"ok": bool}
"""The answer of a request that has been done and has nothing to tell."""


@dataclass(frozen=True, slots=True)
class Described:
    """One route's words.

    `body`: the fields of the JSON body (None = the route takes none), or a function of the limits where lengths are
    configuration. `query`: what may stand behind the question mark. `headers`: what must be in the head. `gives`: the
    shape of the answer, for another `media` than JSON None. `status`: of a success. `refuses`: statuses that are
    answered besides the usual ones. `takes`: the body's media type. `own_errors`: refusals have the shape of another
    standard.
    """

    body: Mapping[str, Field] | Callable[[WebLimits], Mapping[str, Field]] | None = None
    query: Mapping[str, Field] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    gives: Shape = None
    media: tuple[str, ...] = ("application/json",)
    status: int = 200
    refuses: tuple[int, ...] = ()
    takes: tuple[str, ...] = ("application/json",)
    own_errors: bool = False

    def fields(self, limits: WebLimits) -> Mapping[str, Field]:
        """The body's fields under these limits."""
        if self.body is None:
            return {}
        return self.body(limits) if callable(self.body) else self.body


H = TypeVar("H", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])

_DESCRIBED = "hotline_described"


def described(**words: Any) -> Callable[[H], H]:
    """Describe a handler: the arguments are those of `Described`."""
    description = Described(**words)

    def put(handler: H) -> H:
        setattr(handler, _DESCRIBED, description)
        return handler

    return put


def description_of(handler: object) -> Described | None:
    """What `described` has put on a handler; None where it has put nothing."""
    found = getattr(handler, _DESCRIBED, None)
    return found if isinstance(found, Described) else None
