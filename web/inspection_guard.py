"""Who may do what of quality inspection, and what was refused: each refusal is a line of the audit trail.

The table is `agents.rights.INSPECTION`. An agent has to do with his own calls; who acts for a city that has its hotline
here, with the calls of that city; who acts for another organisation, with none.
"""

from __future__ import annotations

import functools
import hashlib
import re

from aiohttp import web

from agents.rights import Inspecting, inspects
from pbx.ids import ActorId, AgentId, CallId
from pbx.supervision import AuditEntry
from recordings.inspection.card import CardError
from recordings.inspection.review import InspectionRefused
from tickets.moves import Actor, Role
from web.auth import HOLDER
from web.errors import ApiError, Handler, Problem, refusal
from web.inspection_desk import InspectionDesk, NotShown
from web.keys import BACKEND, CLOCK

INSPECTIONS: web.AppKey[InspectionDesk | None] = web.AppKey("inspections", InspectionDesk)
"""None where this hotline inspects nothing."""

ABOUT: web.RequestKey[str] = web.RequestKey("about", str)
"""The call that a request is about, where its body says so."""

REFUSED_S = 60.0
"""The same thing refused to the same one is written down once in so long."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def desk(request: web.Request) -> InspectionDesk:
    """Quality inspection; 404 where there is none."""
    found = request.app[INSPECTIONS]
    if found is None:
        raise ApiError(404, "not_found")
    return found


def acting(request: web.Request, *acts: Inspecting, whole: bool = False) -> Actor:
    """Who asks, if one of `acts` is his to do. ApiError 403. `whole`: not to be done for a city alone."""
    viewer = request[HOLDER]
    if not any(inspects(viewer.role.value, act) for act in acts):
        raise ApiError(403, "not_allowed")
    if viewer.unit and viewer.role is not Role.AGENT and (whole or viewer.unit not in desk(request).hotlines):
        raise ApiError(403, "not_allowed")
    return viewer


def whose(request: web.Request, asked: str = "") -> str:
    """Of which agent he is shown something: an agent of himself alone, others of whom they ask. ApiError 403."""
    viewer = acting(request, Inspecting.SEE_ALL, Inspecting.SEE_OWN)
    if inspects(viewer.role.value, Inspecting.SEE_ALL):
        return asked
    if asked not in ("", viewer.id):
        raise ApiError(403, "not_allowed")
    return viewer.id


def guarded(action: str, handler: Handler) -> Handler:
    """A handler whose refusals are answered as such, and written into the audit trail as `action`; ``{move}`` in it
    stands for the move of the address."""

    @functools.wraps(handler)
    async def handled(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except InspectionRefused as refused:
            if refused.items:
                problems = [
                    Problem(f"{refused.field}.{name}", refused.code if allowed else "unknown_field", allowed)
                    for name, allowed in refused.items.items()
                ]
                raise ApiError(422, refused.code, problems[:50]) from None
            if refused.field:
                raise ApiError(422, refused.code, [Problem(refused.field, refused.code)]) from None
            await _tell(request, action, refused.code)
            if refused.code in ("own_score", "own_call"):
                raise ApiError(403, refused.code) from None
            raise refusal(refused.code) from None
        except NotShown as hidden:
            await _tell(request, action, "not_shown", hidden.call, hidden.agent)
            raise
        except ApiError as error:
            if error.status == 403:
                await _tell(request, action, error.code)
            raise
        except CardError as wrong:
            told = {str(place): fault for place, fault in enumerate(wrong.faults[:50], start=1)}
            raise ApiError(422, "bad_card", detail=told) from None

    return handled


async def _tell(request: web.Request, action: str, code: str, call: str = "", agent: str = "") -> None:
    """Write down what was refused, once in a while for the same thing."""
    viewer, now, path = request[HOLDER], request.app[CLOCK](), request.match_info
    done = action.format(move=path.get("move", ""))
    call = call or path.get("call", "") or request.get(ABOUT, "")
    what = path.get("id", "") or call
    same = hashlib.sha256("\0".join((done, viewer.id, what, code)).encode()).hexdigest()[:20]
    entry = AuditEntry(
        f"refused-{same}-{int(now // REFUSED_S)}", now, ActorId(viewer.id), viewer.role.value, done, AgentId(agent),
        CallId(call) if _ID.fullmatch(call) else "", "", f"质检操作被拒绝 ({code})",
        f"refused in quality inspection: {code}", code,
    )  # fmt: skip
    await request.app[BACKEND].note(entry)
