"""The Open311 endpoint as the configuration has it."""

from __future__ import annotations

from controller.config_open311 import Open311Section
from tickets.georeport import TYPES_AS_SERVICES, Attribute, Open311, Service
from tickets.ticket import TicketType


def open311_of(raw: Open311Section) -> Open311:
    """What the web is told of `[open311]`."""
    services = tuple(
        Service(
            one.code,
            one.name,
            TicketType(one.type),
            one.description,
            one.class_code,
            tuple(one.keywords),
            one.group,
            tuple(
                Attribute(
                    asked.code,
                    asked.description,
                    asked.datatype,
                    asked.required,
                    asked.variable,
                    asked.datatype_description,
                    tuple(asked.values.items()),
                )
                for asked in one.attributes
            ),
        )
        for one in raw.services
    )
    return Open311(
        raw.enabled,
        raw.jurisdiction,
        services or TYPES_AS_SERVICES,
        raw.public,
        raw.url,
        raw.contact,
        raw.key_service,
        dict(raw.jurisdictions),
    )
