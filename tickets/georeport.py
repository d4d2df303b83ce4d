"""The ticket as Open311 GeoReport v2 knows it: services, service requests, and what is sent to make one. Pure.

The specification (wiki.open311.org/GeoReport_v2, frozen) knows two states and one deadline. So it is mapped
(`domain.md` 2.11): `status` is ``open`` until the ticket is over, `status_notes` says where it really is,
`expected_datetime` is the deadline to close (办理时限), `service_notice` the answer that is given (答复口径), and
`agency_responsible` the unit that leads. Of whoever asked nothing is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tickets.moves import OVER, TicketState
from tickets.organisations import OrganisationTree
from tickets.texts import TicketRefused
from tickets.ticket import Ticket, TicketChange, TicketType
from tickets.units import UnitRegister

DATATYPES = ("string", "number", "datetime", "text", "singlevaluelist", "multivaluelist")
"""The kinds of an attribute's value."""

DESCRIPTION_MAX = 4000
"""「free form text limited to 4,000 characters」 (the specification, POST Service Request)."""

SPAN_S = 90 * 86400.0
REQUESTS_MAX = 1000
"""「Default query limit is a span of 90 days or first 1000 requests returned」 (GET Service Requests)."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A question that a service asks besides; `values` (key, name) of the two list types.

    Not `variable`: the description is only shown, nothing is answered.
    """

    code: str
    description: str
    datatype: str = "string"
    required: bool = False
    variable: bool = True
    datatype_description: str = ""
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of request that people may send, and what the ticket will be: its type, and its class where it has one."""

    code: str
    name: str
    type: TicketType
    description: str = ""
    class_code: str = ""
    keywords: tuple[str, ...] = ()
    group: str = ""
    attributes: tuple[Attribute, ...] = ()


_ABOUT = ("问政策、问办事", "请求帮助解决困难", "反映部门或单位的问题", "举报违法违规", "提出意见建议", "表扬好人好事")

TYPES_AS_SERVICES = tuple(
    Service(type_.value, type_.chinese, type_, about) for type_, about in zip(TicketType, _ABOUT, strict=True)
)
"""What is offered where nothing else is configured: the types of tickets."""


@dataclass(frozen=True, slots=True)
class Open311:
    """What `[open311]` says. `public`: who has no key may read; `url`: where the endpoint is, seen from outside.

    `jurisdictions`: where several cities are served, whose each jurisdiction is, by the id of the city or province.
    """

    enabled: bool = False
    jurisdiction: str = ""
    services: tuple[Service, ...] = TYPES_AS_SERVICES
    public: bool = False
    url: str = ""
    contact: str = ""
    key_service: str = ""
    jurisdictions: Mapping[str, str] = field(default_factory=dict)

    def knows(self, jurisdiction: str) -> bool:
        """Whether this endpoint answers for `jurisdiction`."""
        return jurisdiction in self.jurisdictions if self.jurisdictions else jurisdiction == self.jurisdiction


class NotYours(Exception):
    """A key of one city, or of none that there is, for the requests of another."""


def city_asked(rules: Open311, jurisdiction: str, unit: str, tree: OrganisationTree) -> str | None:
    """The city or province whose requests are meant; None = those of the whole installation.

    `jurisdiction`: one that the rules know, or none; `unit`: for whom the key acts, empty = for the whole installation.
    A key of a city is its jurisdiction. Raises `NotYours`, and `TicketRefused` (missing): several cities, and none is
    named (the specification: 「This is only required if the endpoint serves multiple jurisdictions」).
    """
    own = None
    if unit and len(tree):
        own = tree.hotline(unit)
        if own is None:
            raise NotYours
    named = rules.jurisdictions.get(jurisdiction)
    if own is not None:
        if named not in (None, own):
            raise NotYours
        return own
    cities = set(rules.jurisdictions.values())
    if named is None and len(cities) > 1:
        raise TicketRefused("missing", "jurisdiction_id was not provided.", "jurisdiction_id")
    return named if named is not None else next(iter(cities), None)


class ServiceMissing(TicketRefused):
    """There is no service of this code."""

    def __init__(self) -> None:
        super().__init__("unknown_service", "There is no such service_code.", "service_code")


def service_of(ticket: Ticket, services: Sequence[Service]) -> Service | None:
    """The service that a ticket is of: by class and type, by type where no class fits, else None."""
    mine = [one for one in services if one.type is ticket.type]
    exact = [one for one in mine if one.class_code and one.class_code == ticket.class_code]
    plain = [one for one in mine if not one.class_code]
    return next(iter(exact + plain), None)


def moment(at: float) -> str:
    """An instant as the W3C note on dates has it, in UTC."""
    return datetime.fromtimestamp(round(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant_of(text: str) -> float | None:
    """Epoch seconds of such an instant, or of a day alone (in UTC); None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:
        if len(text) != len("2010-01-01"):
            return None  # 「Timezone information … must be included」
        found = found.replace(tzinfo=UTC)
    try:
        return found.timestamp()
    except (OverflowError, ValueError):
        return None


_INSTANTS = ("opened_at", "dispatched_at", "signed_at", "reminded_at", "supervised_at", "replied_at", "resolved_at")


def request_of(ticket: Ticket, services: Sequence[Service], units: UnitRegister) -> dict[str, object]:
    """A ticket as a service request. Not for a ticket whose caller asked for confidentiality: the caller of this."""
    service, over = service_of(ticket, services), ticket.state in OVER
    closed = ticket.resolved_at if over and ticket.resolved_at is not None else None
    updated = closed or max(at for name in _INSTANTS if (at := getattr(ticket, name)) is not None)
    unit = units.get(ticket.lead_unit) if ticket.lead_unit else None
    notes = ticket.state.chinese
    withdrawn = over and ticket.withdrawn_at is not None
    if withdrawn:
        notes = f"{notes} (已撤回 withdrawn)"
    elif ticket.state is TicketState.MERGED:
        notes = f"{notes}: {ticket.repeat_of}"
    elif ticket.paused:
        notes = f"{notes} (暂停计时)"
    return {
        "service_request_id": ticket.number,
        "status": "closed" if over else "open",
        "status_notes": notes,
        "service_name": service.name if service else (ticket.type.chinese if ticket.type else None),
        "service_code": service.code if service else (ticket.type.value if ticket.type else None),
        "description": ticket.text[:DESCRIPTION_MAX] or None,
        "agency_responsible": unit.name if unit else None,
        "service_notice": ticket.reply if over and ticket.reply and not withdrawn else None,
        "requested_datetime": moment(ticket.opened_at),
        "updated_datetime": moment(updated),
        "expected_datetime": moment(ticket.handle_due),
        "address": ticket.address or None,
        "address_id": None,
        "zipcode": None,
        "lat": ticket.lat,
        "long": ticket.lon,
        "media_url": None,
    }


def definition_of(service: Service) -> dict[str, object]:
    """The questions of a service."""
    return {
        "service_code": service.code,
        "attributes": [
            {
                "variable": one.variable,
                "code": one.code,
                "datatype": one.datatype,
                "required": one.required,
                "datatype_description": one.datatype_description or None,
                "order": order,
                "description": one.description,
                "values": [{"key": key, "name": name} for key, name in one.values],
            }
            for order, one in enumerate(service.attributes, start=1)
        ],
    }


def listed(service: Service) -> dict[str, object]:
    """A service as the list has it."""
    return {
        "service_code": service.code,
        "service_name": service.name,
        "description": service.description or None,
        "metadata": bool(service.attributes),
        "type": "realtime",
        "keywords": ", ".join(service.keywords) or None,
        "group": service.group or None,
    }


def change_of(
    form: Mapping[str, str], answers: Mapping[str, Sequence[str]], services: Sequence[Service]
) -> TicketChange:
    """What a POST writes into a new ticket. `form`: the arguments by name; `answers`: by attribute.

    Empty arguments count as not given (the specification, Optional Arguments). A device's and an account's id are not
    kept. Raises `TicketRefused` with the argument at fault; what is too long is refused when the ticket is written.
    """
    given = {name: value.strip() for name, value in form.items() if value.strip()}
    service = next((one for one in services if one.code == given.get("service_code")), None)
    if "service_code" not in given:
        raise TicketRefused("missing", "service_code was not provided.", "service_code")
    if service is None:
        raise ServiceMissing
    lat, lon = _place(given)
    address = given.get("address_string") or given.get("address_id") or ""
    if lat is None and not address:
        raise TicketRefused("no_location", "Give lat and long, address_string or address_id.", "address_string")
    description = given.get("description", "")
    if len(description) > DESCRIPTION_MAX:
        raise TicketRefused("text_too_long", f"description may have {DESCRIPTION_MAX} characters.", "description")
    lines = [description or service.name, *_answered(service, answers)]
    if "media_url" in given:
        lines.append(f"media_url: {given['media_url']}")
    name = _full_name(given.get("first_name", ""), given.get("last_name", ""))
    if "phone" in given and "email" in given:  # a ticket has one number to call; the text may be published, names not
        name = f"{name} ({given['email']})".strip()
    return TicketChange(
        type=service.type,
        title=(description or service.name).splitlines()[0][:60],
        text="\n".join(lines),
        class_code=service.class_code or None,
        address=address or None,
        lat=lat,
        lon=lon,
        caller=given.get("phone") or given.get("email"),
        caller_name=name or None,
        anonymous=None if name or "phone" in given or "email" in given else True,
    )


def _place(given: Mapping[str, str]) -> tuple[float | None, float | None]:
    if "lat" not in given and "long" not in given:
        return None, None
    places = []
    for name in ("lat", "long"):
        try:
            places.append(float(given[name]))
        except (KeyError, ValueError):
            raise TicketRefused("bad_place", "lat and long are two numbers, and both are sent.", name) from None
    return places[0], places[1]


def _full_name(first: str, last: str) -> str:
    """As it is written: a Chinese family name comes first, without a blank."""
    if re.fullmatch(r"[\u3400-\u9fff]+", first + last):
        return last + first
    return f"{first} {last}".strip()


def _answered(service: Service, answers: Mapping[str, Sequence[str]]) -> list[str]:
    """One line for each answer, in the order of the questions. Raises `TicketRefused`."""
    asked = {one.code: one for one in service.attributes if one.variable}
    for code in answers:
        if code not in asked:
            raise TicketRefused("unknown_attribute", "The service has no such attribute.", "attribute")
    lines = []
    for code, one in asked.items():
        values = [value.strip() for value in answers.get(code, ()) if value.strip()]
        if not values:
            if one.required:
                raise TicketRefused("missing", f"attribute[{code}] was not provided.", "attribute")
            continue
        names = dict(one.values)
        wrong = (
            (len(values) > 1 and one.datatype != "multivaluelist")
            or (one.datatype.endswith("valuelist") and any(value not in names for value in values))
            or (one.datatype == "number" and not re.fullmatch(r"[-+]?[0-9]{1,20}([.][0-9]{1,20})?", values[0]))
            or (one.datatype == "datetime" and instant_of(values[0]) is None)
        )
        if wrong:
            raise TicketRefused("bad_attribute", f"attribute[{code}] is not a {one.datatype}.", "attribute")
        lines.append(f"{one.description}: {'、'.join(names.get(value, value) for value in values)}")
    return lines
