"""The fields by which the bearer of the hotline's own token speaks for somebody, in requests about tickets.

They stand in the API document as optional: whether one is taken hangs on the token, which a description of the body
does not know. What they mean, and who may give them, stands beside each (`told`).
"""

from __future__ import annotations

import re

from tickets.moves import Actor, Role
from web.fields import Choice, Field, Text

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

ROLES = tuple(role.value for role in Role)
"""In what role somebody acts."""

REFUSED = "The bearer of an access token acts as himself and may not give it."

_OWN_TOKEN = f"With the hotline's own token; without it the hotline itself acts (`admin`). {REFUSED}"


def acting(own: Actor) -> dict[str, Field]:
    """The fields by which the hotline's own token speaks for somebody; nobody else may."""
    return dict(acting_fields()) if own.role is Role.ADMIN else {}


def acting_fields() -> dict[str, Field]:
    """For whom: his id, his role, his unit."""
    return {
        "by": Text(32, pattern=_NAME, told=f"The id of who acts, with `by_role`. {_OWN_TOKEN}"),
        "by_role": Choice(ROLES, code="unknown_role", told=f"His role, with `by`. {_OWN_TOKEN}"),
        "by_unit": Text(64, pattern=_NAME, told=f"The organisation for which he acts. {_OWN_TOKEN}"),
    }


def named_agent(own: Actor) -> dict[str, Field]:
    """The field by which the hotline's own token names the agent who acts; nobody else may."""
    told = f"The id of the agent who acts. {_OWN_TOKEN}"
    return {"agent": Text(32, pattern=_NAME, told=told)} if own.role is Role.ADMIN else {}
