"""Who may see what: the API token is the administrator's, each supervisor has his own, and some is open without any.

Deny is the default: a route that is not named otherwise needs the API token. A supervisor's token opens the routes of
supervision; what he may do there is decided by his rights (`agents/rights.py`), in the switchboard. An access token
opens the tickets; what its bearer may do to one is decided by the ticket's rule (`tickets/flow.py`). Views (overview,
live stream, metrics) show no caller's number or words; they are open to this machine only, unless configured
otherwise.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from agents.rights import ADMIN
from pbx.ids import ActorId
from tickets.moves import ADMIN as TICKET_ADMIN
from tickets.moves import Actor as TicketActor
from tickets.moves import Role
from tickets.sight import gone
from web.errors import ApiError, Handler
from web.keys import BACKEND
from web.token import SHORTEST_TOKEN


class Access(enum.Enum):
    """What a route asks of its client."""

    OPEN = "open"  #: anybody: it holds nothing of anybody
    KEY = "key"  #: the route asks for a key of its own kind
    VIEW = "view"  #: the figures without caller data: see `ViewFrom`
    SUPERVISOR = "supervisor"  #: a supervisor's token, or the API token
    INTAKE = "intake"  #: takes a ticket down: also by the access token of another program, such as a citizens' app
    TICKETS = "tickets"  #: an access token of somebody who works on tickets, or the API token
    TALK = "talk"  #: a supervisor's token, an access token, or the API token: whose talk it is, the handler asks
    TOKEN = "token"  # noqa: S105  #: the API token, always


class ViewFrom(enum.Enum):
    """From where views may be seen without a token."""

    LOOPBACK = "loopback"
    ANYWHERE = "anywhere"
    NOWHERE = "nowhere"


class Guard:
    """Decides whether a request may pass. ValueError for a token that is too short to protect anything."""

    def __init__(
        self,
        token: str,
        view_from: ViewFrom = ViewFrom.LOOPBACK,
        supervisors: Mapping[ActorId, str] | None = None,
    ) -> None:
        """`supervisors`: each one's own token."""
        tokens = {ADMIN: token, **(supervisors or {})}
        if any(len(one) < SHORTEST_TOKEN for one in tokens.values()):
            raise ValueError(f"a token needs at least {SHORTEST_TOKEN} characters")
        if len(set(tokens.values())) < len(tokens):
            raise ValueError("two bearers have the same token")
        self._digests = {actor: _digest(one) for actor, one in tokens.items()}
        self._view_from = view_from

    def check(
        self, request: web.Request, access: Access, actor: ActorId | None, holder: TicketActor | None
    ) -> ActorId | None:
        """Who asks, None for somebody without a token of ours; `holder`: whose access token it is.

        ApiError 401 or 403 unless the request may pass.
        """
        if access in (Access.OPEN, Access.KEY) or actor == ADMIN:
            return actor
        if holder is not None:
            # A program's token may lie in an app on citizens' telephones: it gives tickets in and reads none.
            works = (Access.INTAKE, Access.TICKETS, Access.VIEW, Access.TALK)
            if access not in ((Access.INTAKE,) if holder.role is Role.SYSTEM else works):
                raise ApiError(403, "not_allowed")
            return None
        if actor is not None:
            if access in (Access.TOKEN, Access.INTAKE, Access.TICKETS):
                raise ApiError(403, "not_allowed")
            return actor
        if access is Access.VIEW:
            if self._view_from is ViewFrom.ANYWHERE:
                return None
            if self._view_from is ViewFrom.LOOPBACK and from_this_machine(request):
                return None
        raise ApiError(401, "unauthorized", headers={"WWW-Authenticate": 'Bearer realm="hotline"'})

    def bearer(self, request: web.Request) -> ActorId | None:
        """Whose token the request bears, None for one that is not of the configuration."""
        given = _token(request)
        if not given:
            return None
        digest = _digest(given)
        # Digests have one length, and compare_digest takes the same time wherever they differ; all are compared.
        found = [actor for actor, mine in self._digests.items() if hmac.compare_digest(digest, mine)]
        return found[0] if found else None


def _token(request: web.Request) -> str:
    """The bearer token of the request; empty when there is none."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def from_this_machine(request: web.Request) -> bool:
    """Whether a person at this machine asks.

    The peer must be loopback, nothing may have been forwarded (a proxy on this machine speaks for
    others), and the name that was asked for must be this machine's own: another site's name that resolves
    to 127.0.0.1 would let that site's script read the answer (DNS rebinding).
    """
    forwarded = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP"))
    return not forwarded and _is_loopback(request.remote) and _is_loopback(_host_name(request.host))


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


ACCESS: web.AppKey[dict[tuple[str, str], Access]] = web.AppKey("access", dict)
"""What each (method, route) asks; a route that is not in it needs the token."""

GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)


class Holders(Protocol):
    """Whose the access tokens are."""

    async def find(self, token: str) -> TicketActor | None:
        """Who bears this token; None when nobody does."""
        ...


class NoHolders:
    """Nobody has an access token."""

    async def find(self, token: str) -> TicketActor | None:
        """Nobody."""
        return None


HOLDERS: web.AppKey[Holders] = web.AppKey("holders", Holders)

HOLDER: web.RequestKey[TicketActor] = web.RequestKey("holder", TicketActor)
"""Who acts on tickets, by his access token; the administrator for the API token. Behind `Access.TALK` it is his only
where `ACTOR` is None."""

ACTOR: web.RequestKey[ActorId | None] = web.RequestKey("actor", object)  # type: ignore[arg-type]
"""Who asks, by his token; None for somebody without one."""


_OF_HOLDERS = frozenset({Access.INTAKE, Access.TICKETS, Access.TALK})
"""What opens to access tokens, for the organisation that each names."""


async def still_admitted(request: web.Request) -> bool:
    """Whether who began this request would be let in now: for answers that last, since tokens are taken away."""
    if request.app[GUARD].bearer(request) is not None:  # the configuration's, which changes with a restart
        return True
    return await request.app[HOLDERS].find(_token(request)) == request[HOLDER]


def _gone(holder: TicketActor, request: web.Request) -> bool:
    return bool(holder.unit) and gone(holder.unit, request.app[BACKEND].desk.policy)


@web.middleware
async def auth_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lets a request pass to its handler only when the guard agrees."""
    resource = request.match_info.route.resource
    if resource is not None:
        method = "GET" if request.method == "HEAD" else request.method
        access = request.app[ACCESS].get((method, resource.canonical), Access.TOKEN)
        guard = request.app[GUARD]
        actor, holder = guard.bearer(request), None
        if actor is None and (given := _token(request)):
            holder = await request.app[HOLDERS].find(given)
        request[ACTOR] = guard.check(request, access, actor, holder)
        if holder is not None and access in _OF_HOLDERS and _gone(holder, request):
            raise ApiError(403, "unit_gone")  # whatever he asks for would be empty or not there: he is told why
        request[HOLDER] = holder or TICKET_ADMIN  # read only behind INTAKE and TICKETS, which let nobody else pass
    return await handler(request)
