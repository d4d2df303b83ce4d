"""Who may see what: one bearer token for now, and what is open without it.

Deny is the default: a route that is not named open or a view needs the token. Views (overview, live
stream, metrics) show no caller's number or words; they are open to this machine only, unless configured
otherwise.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import ipaddress

from aiohttp import web

from web.errors import ApiError, Handler
from web.token import SHORTEST_TOKEN


class Access(enum.Enum):
    """What a route asks of its client."""

    OPEN = "open"  #: anybody: it holds nothing of anybody
    VIEW = "view"  #: the figures without caller data: see `ViewFrom`
    TOKEN = "token"  # noqa: S105  #: the bearer token, always


class ViewFrom(enum.Enum):
    """From where views may be seen without a token."""

    LOOPBACK = "loopback"
    ANYWHERE = "anywhere"
    NOWHERE = "nowhere"


class Guard:
    """Decides whether a request may pass. ValueError for a token that is too short to protect anything."""

    def __init__(self, token: str, view_from: ViewFrom = ViewFrom.LOOPBACK) -> None:
        if len(token) < SHORTEST_TOKEN:
            raise ValueError(f"a token needs at least {SHORTEST_TOKEN} characters")
        self._digest = _digest(token)
        self._view_from = view_from

    def check(self, request: web.Request, access: Access) -> None:
        """ApiError 401 unless the request may pass."""
        if access is Access.OPEN or self._bears_token(request):
            return
        if access is Access.VIEW:
            if self._view_from is ViewFrom.ANYWHERE:
                return
            if self._view_from is ViewFrom.LOOPBACK and from_this_machine(request):
                return
        raise ApiError(401, "unauthorized", headers={"WWW-Authenticate": 'Bearer realm="hotline"'})

    def _bears_token(self, request: web.Request) -> bool:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        # Digests have one length, and compare_digest takes the same time wherever they differ.
        return hmac.compare_digest(_digest(given.strip()), self._digest) and kind.lower() == "bearer"


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


@web.middleware
async def auth_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lets a request pass to its handler only when the guard agrees."""
    resource = request.match_info.route.resource
    if resource is not None:
        method = "GET" if request.method == "HEAD" else request.method
        access = request.app[ACCESS].get((method, resource.canonical), Access.TOKEN)
        request.app[GUARD].check(request, access)
    return await handler(request)
