"""Who may see what: the API token is the administrator's, each supervisor has his own, and some is open without any.

Deny is the default: a route that is not named otherwise needs the API token. A supervisor's token opens the routes of
supervision; what he may do there is decided by his rights (`agents/rights.py`), in the switchboard. Views (overview,
live stream, metrics) show no caller's number or words; they are open to this machine only, unless configured
otherwise.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping

from aiohttp import web

from agents.rights import ADMIN
from pbx.ids import ActorId
from web.errors import ApiError, Handler
from web.token import SHORTEST_TOKEN


class Access(enum.Enum):
    """What a route asks of its client."""

    OPEN = "open"  #: anybody: it holds nothing of anybody
    VIEW = "view"  #: the figures without caller data: see `ViewFrom`
    SUPERVISOR = "supervisor"  #: a supervisor's token, or the API token
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

    def check(self, request: web.Request, access: Access) -> ActorId | None:
        """Who asks, None for somebody without a token. ApiError 401 or 403 unless the request may pass."""
        actor = self._bearer(request)
        if access is Access.OPEN or actor == ADMIN:
            return actor
        if actor is not None:
            if access is Access.TOKEN:
                raise ApiError(403, "not_allowed")
            return actor
        if access is Access.VIEW:
            if self._view_from is ViewFrom.ANYWHERE:
                return None
            if self._view_from is ViewFrom.LOOPBACK and from_this_machine(request):
                return None
        raise ApiError(401, "unauthorized", headers={"WWW-Authenticate": 'Bearer realm="hotline"'})

    def _bearer(self, request: web.Request) -> ActorId | None:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        digest = _digest(given.strip())
        # Digests have one length, and compare_digest takes the same time wherever they differ; all are compared.
        found = [actor for actor, mine in self._digests.items() if hmac.compare_digest(digest, mine)]
        return found[0] if found else None


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


ACTOR: web.RequestKey[ActorId | None] = web.RequestKey("actor", object)  # type: ignore[arg-type]
"""Who asks, by his token; None for somebody without one."""


@web.middleware
async def auth_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lets a request pass to its handler only when the guard agrees."""
    resource = request.match_info.route.resource
    if resource is not None:
        method = "GET" if request.method == "HEAD" else request.method
        access = request.app[ACCESS].get((method, resource.canonical), Access.TOKEN)
        request[ACTOR] = request.app[GUARD].check(request, access)
    return await handler(request)
