"""Webhooks on moves and reminders: who is told, what is sent, how it is signed, and when it is tried again. Pure.

What is sent follows the Standard Webhooks specification (standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature`, HMAC-SHA256 over id, timestamp and body. It is sent at least once and in the ticket's order; the id
is the same at every try, so that a receiver can see what it has already.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

from pbx.ids import TicketNumber
from tickets.schedule import Made
from tickets.ticket import Ticket, TicketMove

SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret begins, not one
SHORTEST_SECRET = 24
"""Bytes (Standard Webhooks, "Signature scheme": between 24 and 64)."""

BACK_OFF_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 43200.0)
"""Until the next try, after so many failed ones; then given up: 27 hours after the first, so a broken weekday is not
lost (the schedule of Standard Webhooks, stretched)."""


@dataclass(frozen=True, slots=True)
class Hook:
    """Who is told: his id, his address, the secret by which he knows us, and of which moves (empty = of all)."""

    id: str
    url: str
    secret: bytes
    moves: frozenset[str] = frozenset()

    def wants(self, cause: str) -> bool:
        """Whether it is told of such a move."""
        return not self.moves or cause in self.moves

    def __repr__(self) -> str:
        return f"Hook({self.id!r})"  # never its secret


def secret_of(text: str) -> bytes:
    """A secret's bytes: base64, with or without `whsec_`. ValueError for one that is none or too short."""
    try:
        found = base64.b64decode(text.strip().removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a webhook's secret is base64") from None
    if len(found) < SHORTEST_SECRET:
        raise ValueError(f"a webhook's secret has {SHORTEST_SECRET} bytes at least")
    return found


def id_of(ticket: str, seq: int, step: str = "") -> str:
    """The message's id: a ticket has one move of each number and one step of each key; nothing else has to be kept."""
    return f"{ticket}.{step or seq}"


def body_of(ticket: Ticket, move: TicketMove) -> bytes:
    """What is told of a move: nothing of the caller, no text and no reason; who needs them asks the API.

    `ticket` is as it is now, which may be after later moves; `version` says so.
    """
    told = {
        "type": f"ticket.{move.cause}",
        "id": id_of(move.ticket, move.seq),
        "at": move.at,
        "data": {
            "ticket": ticket.number,
            "seq": move.seq,
            "before": move.before.value if move.before else None,
            "after": move.after.value,
            "role": move.role.value if move.role else None,
            "unit": move.unit,
            "now": _now(ticket),
        },
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def body_of_step(ticket: Ticket, made: Made) -> bytes:
    """What is told of a reminder or escalation: by which rule, to whom (roles), of which due instant."""
    told = {
        "type": made.kind,
        "id": id_of(made.ticket, 0, made.key),
        "at": made.made_at,
        "data": {
            "ticket": ticket.number,
            "rule": made.rule,
            "to": list(made.to),
            "unit": made.unit,
            "due": made.due,
            "now": _now(ticket),
        },
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _now(ticket: Ticket) -> dict[str, object]:
    return {
        "state": ticket.state.value,
        "version": ticket.version,
        "type": ticket.type.value if ticket.type else None,
        "class_code": ticket.class_code,
        "region": ticket.region,
        "channel": ticket.channel.value,
        "lead_unit": ticket.lead_unit,
        "co_units": list(ticket.co_units),
        "sign_due": ticket.sign_due,
        "handle_due": ticket.handle_due,
    }


def signature(secret: bytes, id: str, at: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over ``id.timestamp.body``; `at` in whole epoch seconds."""
    signed = f"{id}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def headers_of(hook: Hook, id: str, now: float, body: bytes) -> dict[str, str]:
    """The headers of one try at `now`: an old message that is sent again by somebody else has an old timestamp."""
    at = int(now)
    return {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(hook.secret, id, at, body),
    }


def next_try(tries: int, now: float) -> float | None:
    """When to try again after `tries` failed ones; None = it is given up."""
    return now + BACK_OFF_S[tries - 1] if tries <= len(BACK_OFF_S) else None


@dataclass(frozen=True, slots=True)
class Due:
    """One message that is to be sent now, after `tries` failed ones: of a move, or of the step with this key."""

    hook: str
    ticket: TicketNumber
    seq: int
    tries: int
    step: str = ""
