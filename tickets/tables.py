"""The tables of the tickets, their moves and requests, and of the numbers given out day by day."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

tickets = Table(
    "tickets",
    metadata,
    Column("number", Text, nullable=False),
    Column("call", Text),
    Column("caller", Text, nullable=False),
    Column("dialled", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("sign_due", Double, nullable=False),
    Column("handle_due", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("caller_name", Text, nullable=False),
    Column("caller_region", Text, nullable=False),
    Column("anonymous", Boolean, nullable=False),
    Column("confidential", Boolean, nullable=False),
    Column("type", Text),
    Column("class_code", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("lat", Double),
    Column("lon", Double),
    Column("event_at", Double),
    Column("region", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("proposed_unit", Text),
    Column("lead_unit", Text),
    Column("co_units", JSON, nullable=False),
    Column("designated", Boolean, nullable=False),
    Column("dispatch_count", Integer, nullable=False),
    Column("return_count", Integer, nullable=False),
    Column("first_dispatched_at", Double),
    Column("dispatched_at", Double),
    Column("handle_from", Double),
    Column("signed_at", Double),
    Column("extension_until", Double),
    Column("ordered_until", Double),
    Column("provisional", Boolean, nullable=False),
    Column("pauses", JSON, nullable=False),
    Column("hard_case", Boolean, nullable=False),
    Column("supervised_at", Double),
    Column("remind_count", Integer, nullable=False),
    Column("reminded_at", Double),
    Column("escalation", Integer, nullable=False),
    Column("reply", Text, nullable=False),
    Column("answered_by", Text, nullable=False),
    Column("replied_at", Double),
    Column("resolved_at", Double),
    Column("withdrawn_at", Double),
    Column("archived_at", Double),
    Column("followed_up_at", Double),
    Column("contacted", Boolean),
    Column("solved", Boolean),
    Column("satisfied", Boolean),
    Column("voice", Boolean),
    Column("redo_count", Integer, nullable=False),
    Column("incident_id", Text),
    Column("repeat_of", Text),
    Column("attachments", JSON, nullable=False),
    Column("satisfaction", Integer),
    Column("recording", Text),
    Column("transcript", Boolean, nullable=False),
    Column("requests", Integer, nullable=False),  # rows of `approvals`: most tickets have none, and none is looked for
    PrimaryKeyConstraint("number", name="pk_tickets"),
    UniqueConstraint("call", name="uq_tickets_call"),  # one call opens one ticket, however often it is told to
    Index("ix_tickets_opened_at", "opened_at", "number"),
    Index("ix_tickets_state", "state", "opened_at", "number"),
    Index("ix_tickets_caller", "caller", "opened_at"),
    Index("ix_tickets_incident", "incident_id"),
    Index("ix_tickets_repeat_of", "repeat_of"),
)

moves = Table(
    "ticket_moves",
    metadata,
    Column("ticket", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("before", Text),
    Column("after", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("role", Text),  # of moves before there were roles: none
    Column("unit", Text, nullable=False),
    Column("details", JSON, nullable=False),
    PrimaryKeyConstraint("ticket", "seq", name="pk_ticket_moves"),
    ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_moves_ticket_tickets"),
)

approvals = Table(
    "ticket_approvals",
    metadata,
    Column("ticket", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_unit", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", Double),
    Column("detail", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Double),
    Column("why", Text, nullable=False),
    Column("right", Boolean),
    Column("judged_by", Text, nullable=False),
    Column("judged_at", Double),
    Column("judged_why", Text, nullable=False),
    PrimaryKeyConstraint("ticket", "seq", name="pk_ticket_approvals"),
    ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_approvals_ticket_tickets"),
    Index("ix_ticket_approvals_decided_at", "decided_at"),
    Index("ix_ticket_approvals_outcome", "outcome", "kind"),
)

units = Table(
    "ticket_units",
    metadata,
    Column("unit", Text, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("opened_at", Double, nullable=False),
    PrimaryKeyConstraint("unit", "ticket", name="pk_ticket_units"),
    ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_units_ticket_tickets"),
    Index("ix_ticket_units_ticket", "ticket"),
    Index("ix_ticket_units_unit", "unit", "opened_at", "ticket"),
)
"""Which units act on which ticket now, for their lists; what it says stands in the ticket too. With the time of opening
a unit's list is read in its order: else all that the unit ever had is put in order for the first page.
"""

steps = Table(
    "ticket_steps",
    metadata,
    Column("ticket", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("to", JSON, nullable=False),
    Column("due", Double, nullable=False),
    Column("planned_at", Double, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("told_at", Double),
    Column("no", Integer, nullable=False),
    PrimaryKeyConstraint("ticket", "key", name="pk_ticket_steps"),
    ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_steps_ticket_tickets"),
    Index("ix_ticket_steps_told_at", "told_at"),
    Index("ix_ticket_steps_made_at", "made_at"),
    Index("ix_ticket_steps_no", "no", unique=True),
)
"""Reminders and escalations that were made, each once (`tickets/schedule.py`); `told_at` null = nobody knows yet; `no`
counts them in the order in which they were made."""

days = Table(
    "ticket_days",
    metadata,
    Column("day", Text, nullable=False),
    Column("last", Integer, nullable=False),
    PrimaryKeyConstraint("day", name="pk_ticket_days"),
)
"""The last number given out on each day (YYYYMMDD); its row's lock keeps two writers apart."""

keeping = Table(
    "ticket_keeping",
    metadata,
    Column("call", Text, nullable=False),
    PrimaryKeyConstraint("call", name="pk_ticket_keeping"),
)
"""Calls whose ticket was opened, changed its type, ended or began again: how long their recordings are kept must be
asked anew. Whoever asks takes them out; the tickets know nothing of recordings."""
