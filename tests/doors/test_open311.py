"""Open311 GeoReport v2, by the examples of the published specification (wiki.open311.org/GeoReport_v2)."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from pbx.ids import TicketNumber
from tests.city_story import TREE
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tests.ticket_story import Story
from tickets.georeport import TYPES_AS_SERVICES, Attribute, Open311, Service, instant_of, moment
from tickets.given import Move
from tickets.moves import ADMIN, Actor, Role, TicketInput
from tickets.ticket import TicketPolicy, TicketType

pytestmark = pytest.mark.doors

KEY = "an-api-key-of-43-characters-of-base64-0001"
UNIT_KEY = "an-api-key-of-43-characters-of-base64-0002"
LOST_KEY = "an-api-key-of-43-characters-of-base64-0003"
NOW = 1763794800.0  # 2025-11-22T07:00:00Z

SERVICES = (
    Service("001", "Cans left out 24x7", TicketType.COMPLAINT, "Garbage cans", keywords=("lorem", "ipsum")),
    Service(
        "DMV66",
        "Vehicle tag",
        TicketType.INQUIRY,
        class_code="0301",
        attributes=(
            Attribute(
                "WHISHETN",
                "What is the ticket/tag/DL number?",
                "singlevaluelist",
                required=True,
                values=(("123", "Ford"), ("124", "Chrysler")),
            ),
            Attribute("WHISDORN", "Which doors?", "multivaluelist", values=(("L", "left"), ("R", "right"))),
            Attribute("WHEN", "Since when?", "datetime"),
        ),
    ),
)


class Keys:
    """Whose the keys are."""

    async def find(self, token: str) -> Actor | None:
        return {KEY: Actor("app", Role.SYSTEM), UNIT_KEY: Actor("unit", Role.UNIT, "water")}.get(token)


@pytest.fixture
async def city() -> AsyncIterator[Site]:
    geo = Open311(enabled=True, jurisdiction="city.gov", services=SERVICES, public=True)
    async with site(MemoryBackend(clock=lambda: NOW), clock=lambda: NOW, holders=Keys(), geo=geo) as running:
        yield running


async def get(city: Site, path: str, **query: str) -> tuple[int, Any]:
    """Status, and the XML's root or the JSON's value."""
    async with city.session.get(city.url(f"/open311/v2/{path}"), params=query) as answer:
        body = await answer.read()
        if path.endswith(".json"):
            assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
            return answer.status, json.loads(body)
        assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
        assert body.startswith(b'<?xml version="1.0" encoding="utf-8"?>')
        return answer.status, ET.fromstring(body)


async def post(city: Site, form: dict[str, Any] | list[tuple[str, str]], format: str = "json") -> tuple[int, Any]:
    async with city.session.post(city.url(f"/open311/v2/requests.{format}"), data=form) as answer:
        body = await answer.read()
        return answer.status, json.loads(body) if format == "json" else ET.fromstring(body)


EXAMPLE = {
    "api_key": KEY,
    "jurisdiction_id": "city.gov",
    "service_code": "001",
    "lat": "37.76524078",
    "long": "-122.4212043",
    "address_string": "1234 5th street",
    "email": "smit333@sfgov.edu",
    "device_id": "tt222111",
    "account_id": "123456",
    "first_name": "john",
    "last_name": "smith",
    "phone": "111111111",
    "description": "A large sinkhole is destroying the street",
    "media_url": "http://farm3.static.flickr.com/2002/2212426634_5ed477a060.jpg",
}
"""The specification's example of a POST, but for its attributes."""


async def test_the_example_of_a_post_makes_a_ticket(city: Site) -> None:
    status, rows = await post(city, EXAMPLE)
    assert status == 200
    number = rows[0]["service_request_id"]
    assert rows == [{"service_request_id": number, "service_notice": None, "account_id": "123456"}]
    ticket = await city.backend.desk.ticket(number)
    assert ticket is not None
    assert (ticket.type, ticket.channel.value, ticket.agent) == (TicketType.COMPLAINT, "open311", "")
    assert (ticket.lat, ticket.lon, ticket.address) == (37.76524078, -122.4212043, "1234 5th street")
    assert (ticket.caller, ticket.caller_name) == ("111111111", "john smith (smit333@sfgov.edu)")
    assert ticket.text.startswith(EXAMPLE["description"])
    assert EXAMPLE["media_url"] in ticket.text
    kept = repr(ticket) + repr(await city.backend.desk.moves(number))
    assert "tt222111" not in kept  # what nobody needs is not kept
    status, root = await post(city, EXAMPLE, "xml")
    assert (status, root.tag, [one.tag for one in root], [one.tag for one in root[0]]) == (
        200,
        "service_requests",
        ["request"],
        ["service_request_id", "service_notice", "account_id"],
    )


async def test_a_request_is_told_as_in_the_example(city: Site) -> None:
    number = (await post(city, EXAMPLE))[1][0]["service_request_id"]
    status, rows = await get(city, f"requests/{number}.json", jurisdiction_id="city.gov")
    assert status == 200
    ticket = await city.backend.desk.ticket(number)
    assert ticket is not None
    told = rows[0]
    assert list(told) == [
        "service_request_id",
        "status",
        "status_notes",
        "service_name",
        "service_code",
        "description",
        "agency_responsible",
        "service_notice",
        "requested_datetime",
        "updated_datetime",
        "expected_datetime",
        "address",
        "address_id",
        "zipcode",
        "lat",
        "long",
        "media_url",
    ]
    assert (told["status"], told["service_code"], told["service_name"]) == ("open", "001", "Cans left out 24x7")
    assert told["requested_datetime"] == "2025-11-22T07:00:00Z"
    assert told["expected_datetime"] == moment(ticket.handle_due)  # 办理时限
    assert told["service_notice"] is None
    assert "smith" not in json.dumps(rows)
    assert "111111111" not in json.dumps(rows)
    _, root = await get(city, f"requests/{number}.xml")
    assert [one.tag for one in root[0]] == list(told)
    assert root.findtext("request/lat") == "37.76524078"
    assert root.findtext("request/zipcode") == ""


async def test_status_and_answer_follow_the_ticket(city: Site) -> None:
    number = (await post(city, EXAMPLE))[1][0]["service_request_id"]
    desk = city.backend.desk
    await desk.move(number, Move(TicketInput.REFER, unit="water"), ADMIN)
    told = (await get(city, f"requests/{number}.json"))[1][0]
    assert (told["status"], told["status_notes"]) == ("open", "待签收")
    unit = desk.policy.units.get("water")
    assert unit is not None
    assert told["agency_responsible"] == unit.name
    actor = Actor("wang", Role.UNIT, "water")
    await desk.move(number, Move(TicketInput.SIGN), actor)
    await desk.move(number, Move(TicketInput.REPLY, text="已修复。"), actor)
    assert (await get(city, f"requests/{number}.json"))[1][0]["service_notice"] is None  # not reviewed yet
    await desk.move(number, Move(TicketInput.ACCEPT_REPLY), ADMIN)
    told = (await get(city, f"requests/{number}.json"))[1][0]
    assert (told["status"], told["status_notes"], told["service_notice"]) == ("closed", "办结", "已修复。")
    assert [one["status"] for one in (await get(city, "requests.json", status="closed"))[1]] == ["closed"]
    assert (await get(city, "requests.json", status="open"))[1] == []


async def test_services_and_the_definition_of_the_example(city: Site) -> None:
    status, rows = await get(city, "services.json")
    assert status == 200
    assert rows[0] == {
        "service_code": "001",
        "service_name": "Cans left out 24x7",
        "description": "Garbage cans",
        "metadata": False,
        "type": "realtime",
        "keywords": "lorem, ipsum",
        "group": None,
    }
    _, root = await get(city, "services.xml")
    assert [(one.tag, one.findtext("metadata")) for one in root] == [("service", "false"), ("service", "true")]
    status, told = await get(city, "services/DMV66.json")
    assert (status, told["service_code"]) == (200, "DMV66")
    assert told["attributes"][0] == {
        "variable": True,
        "code": "WHISHETN",
        "datatype": "singlevaluelist",
        "required": True,
        "datatype_description": None,
        "order": 1,
        "description": "What is the ticket/tag/DL number?",
        "values": [{"key": "123", "name": "Ford"}, {"key": "124", "name": "Chrysler"}],
    }
    _, root = await get(city, "services/DMV66.xml")
    assert root.tag == "service_definition"
    assert root.findtext("attributes/attribute/values/value/name") == "Ford"
    assert root.findtext("attributes/attribute/order") == "1"


async def test_attributes_are_answered_and_checked(city: Site) -> None:
    base = [("api_key", KEY), ("service_code", "DMV66"), ("address_string", "8TH AVE")]
    status, rows = await post(
        city, [*base, ("attribute[WHISHETN]", "123"), ("attribute[WHISDORN][]", "L"), ("attribute[WHISDORN][]", "R")]
    )
    assert status == 200
    ticket = await city.backend.desk.ticket(rows[0]["service_request_id"])
    assert ticket is not None
    assert "What is the ticket/tag/DL number?: Ford" in ticket.text
    assert "Which doors?: left、right" in ticket.text
    assert ticket.class_code == "0301"
    assert ticket.anonymous
    for wrong in (
        [],
        [("attribute[WHISHETN]", "999")],
        [("attribute[WHISHETN]", "123"), ("attribute[WHISHETN]", "124")],
        [("attribute[WHISHETN]", "123"), ("attribute[NOSUCH]", "1")],
        [("attribute[WHISHETN]", "123"), ("attribute[WHEN]", "yesterday")],
    ):
        status, told = await post(city, [*base, *wrong])
        assert status == 400, wrong
        assert told[0]["code"] == status
        assert "attribute" in told[0]["description"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"api_key": ""}, 400),
        ({"api_key": "wrong"}, 403),
        ({"api_key": UNIT_KEY}, 403),
        ({"service_code": ""}, 400),
        ({"service_code": "999"}, 404),
        ({"jurisdiction_id": "other.gov"}, 404),
        ({"lat": "", "long": "", "address_string": ""}, 400),
        ({"lat": "north"}, 400),
        ({"lat": "nan"}, 400),
        ({"long": ""}, 400),
        ({"description": "x" * 4001}, 400),
        ({"description": "a\x00b"}, 400),
    ],
)
async def test_what_a_post_is_refused_for(city: Site, change: dict[str, str], status: int) -> None:
    got, told = await post(city, EXAMPLE | change)
    assert (got, told[0]["code"]) == (status, status)
    assert told[0]["description"]
    got, root = await post(city, EXAMPLE | change, "xml")
    assert (got, root.tag, root.findtext("error/code")) == (status, "errors", str(status))
    assert not city.backend.desk.tickets


async def test_odd_text_comes_back_as_it_was_and_xml_stays_xml(city: Site) -> None:
    text = "井盖<坏>&了 😀 ‎‏عربي a\u200db ￾ \ufffd"
    status, rows = await post(city, EXAMPLE | {"description": text})
    assert status == 200
    number = rows[0]["service_request_id"]
    assert (await get(city, f"requests/{number}.json"))[1][0]["description"].startswith(text)
    _, root = await get(city, f"requests/{number}.xml")
    assert (root.findtext("request/description") or "").startswith(text.replace("\ufffe", ""))


async def test_the_list_of_requests(city: Site) -> None:
    numbers = [(await post(city, EXAMPLE))[1][0]["service_request_id"] for _ in range(3)]
    _, rows = await get(city, "requests.json")
    assert [one["service_request_id"] for one in rows] == numbers[::-1]
    _, rows = await get(city, "requests.json", service_request_id=f"{numbers[2]},{numbers[0]},404", status="closed")
    assert [one["service_request_id"] for one in rows] == [numbers[2], numbers[0]]  # it overrides all else
    assert len((await get(city, "requests.json", service_code="001"))[1]) == 3
    assert (await get(city, "requests.json", service_code="DMV66"))[1] == []
    assert len((await get(city, "requests.json", start_date="2025-11-22T06:00:00Z"))[1]) == 3
    assert (await get(city, "requests.json", end_date="2025-11-22T14:59:00+08:00"))[1] == []
    for query, status in (
        ({"service_code": "nope"}, 404),
        ({"status": "lost"}, 400),
        ({"start_date": "2025-11-22T06:00:00"}, 400),
        ({"start_date": "2025-01-01T00:00:00Z", "end_date": "2025-11-01T00:00:00Z"}, 400),
        ({"start_date": "2025-11-01T00:00:00Z", "end_date": "2025-10-01T00:00:00Z"}, 400),
        ({"service_request_id": "1;DROP"}, 400),
        ({"jurisdiction_id": "other.gov"}, 404),
    ):
        assert (await get(city, "requests.json", **query))[0] == status, query


async def test_a_token_is_the_number(city: Site) -> None:
    number = (await post(city, EXAMPLE))[1][0]["service_request_id"]
    assert await get(city, f"tokens/{number}.json") == (200, [{"service_request_id": number, "token": number}])
    assert (await get(city, "tokens/12345.json"))[0] == 404


async def test_what_came_otherwise_or_is_confidential_is_not_published(city: Site) -> None:
    desk = city.backend.desk
    other = Story().ticket
    desk.tickets[other.number] = other
    assert (await get(city, f"requests/{other.number}.json"))[0] == 404
    number = (await post(city, EXAMPLE))[1][0]["service_request_id"]
    desk.tickets[number] = replace(desk.tickets[number], confidential=True)
    for path in (f"requests/{number}.json", f"tokens/{number}.json"):
        assert (await get(city, path))[0] == 404
    assert (await get(city, "requests.json"))[1] == []


async def test_discovery_and_an_endpoint_that_is_off_or_private() -> None:
    backend = MemoryBackend(clock=lambda: NOW)
    async with site(backend, holders=Keys(), geo=Open311(enabled=True)) as running:
        async with running.session.get(running.url("/open311/discovery.json")) as answer:
            told = await answer.json()
        assert told["endpoints"][0]["specification"] == "http://wiki.open311.org/GeoReport_v2"
        assert told["endpoints"][0]["formats"] == ["text/xml", "application/json"]
        async with running.session.get(running.url("/open311/discovery.xml")) as answer:
            root = ET.fromstring(await answer.read())
        assert root.findtext("endpoints/endpoint/formats/format") == "text/xml"
        assert len((await get(running, "services.json"))[1]) == len(TYPES_AS_SERVICES) == 6
        assert (await get(running, "requests.json"))[0] == 400  # private: a key is needed
        assert (await get(running, "requests.json", api_key="wrong"))[0] == 403
        assert (await get(running, "requests.json", api_key=KEY))[0] == 200
    async with site(backend) as running, running.session.get(running.url("/open311/v2/services.json")) as answer:
        assert answer.status == 404


def test_instants_are_of_the_w3c_note() -> None:
    assert instant_of("1994-11-05T08:15:30-05:00") == instant_of("1994-11-05T13:15:30Z") == 784041330.0
    assert moment(784041330.4) == "1994-11-05T13:15:30Z"
    assert instant_of("1994-11-05T08:15:30") is None
    assert instant_of("1994-11-05") == 783993600.0


# ---------------------------------------------------------------- several cities

HOLDERS = {
    KEY: Actor("province-app", Role.SYSTEM),
    UNIT_KEY: Actor("cz-app", Role.SYSTEM, "cz"),
    LOST_KEY: Actor("gone-app", Role.SYSTEM, "no-such-city"),
}
BOTH_CITIES = {"cz.gov.cn": "cz", "zj.gov.cn": "zj"}


class CityKeys:
    """Whose the keys are: of everybody, of one city, of one that there is no more."""

    async def find(self, token: str) -> Actor | None:
        return HOLDERS.get(token)


@asynccontextmanager
async def two_cities(*, public: bool = True, jurisdictions: Mapping[str, str] = BOTH_CITIES) -> AsyncIterator[Site]:
    """An installation that serves Changzhou and Zhenjiang."""
    backend = MemoryBackend(clock=lambda: NOW)
    backend.desk.policy = TicketPolicy(units=TREE.register(), organisations=TREE)
    geo = Open311(enabled=True, services=SERVICES, public=public, jurisdictions=jurisdictions)
    async with site(backend, clock=lambda: NOW, holders=CityKeys(), geo=geo) as running:
        yield running


async def sent(town: Site, key: str, jurisdiction: str = "") -> str:
    status, rows = await post(town, EXAMPLE | {"api_key": key, "jurisdiction_id": jurisdiction})
    assert status == 200, rows
    return str(rows[0]["service_request_id"])


async def numbers_of(town: Site, **query: str) -> set[str]:
    status, rows = await get(town, "requests.json", **query)
    assert status == 200, rows
    return {one["service_request_id"] for one in rows}


async def test_a_jurisdiction_is_a_city_and_shows_only_its_requests() -> None:
    async with two_cities() as town:
        cz, zj = await sent(town, KEY, "cz.gov.cn"), await sent(town, KEY, "zj.gov.cn")
        assert [town.backend.desk.tickets[TicketNumber(one)].region for one in (cz, zj)] == ["cz", "zj"]
        assert await numbers_of(town, jurisdiction_id="cz.gov.cn") == {cz}
        assert await numbers_of(town, jurisdiction_id="zj.gov.cn") == {zj}
        asked = {"jurisdiction_id": "zj.gov.cn", "service_request_id": f"{cz},{zj}"}
        assert await numbers_of(town, **asked) == {zj}, "numbers do not lead into another city"
        for path in (f"requests/{cz}.json", f"tokens/{cz}.json"):
            assert (await get(town, path, jurisdiction_id="zj.gov.cn"))[0] == 404
            assert (await get(town, path, jurisdiction_id="cz.gov.cn"))[0] == 200
        county = replace(town.backend.desk.tickets[TicketNumber(cz)], region="cz-wj")
        town.backend.desk.tickets[TicketNumber(cz)] = county
        assert await numbers_of(town, jurisdiction_id="cz.gov.cn") == {cz}, "a county's matter is its city's"


async def test_where_several_cities_are_served_one_is_named() -> None:
    async with two_cities() as town:
        number = await sent(town, KEY, "cz.gov.cn")
        for path in ("requests.json", f"requests/{number}.json", f"tokens/{number}.json"):
            status, told = await get(town, path)
            assert (status, told[0]["code"]) == (400, 400)
            assert told[0]["description"].startswith("jurisdiction_id")
            assert (await get(town, path, jurisdiction_id="no.gov.cn"))[0] == 404
        assert (await post(town, EXAMPLE | {"jurisdiction_id": ""}))[0] == 400
        assert (await post(town, EXAMPLE | {"jurisdiction_id": "city.gov"}))[0] == 404
        assert len(town.backend.desk.tickets) == 1
        assert (await get(town, "services.json"))[0] == 200, "the services are the same for all"
    async with two_cities(jurisdictions={"cz.gov.cn": "cz"}) as town:
        number = await sent(town, KEY)
        assert await numbers_of(town) == {number}
        assert town.backend.desk.tickets[TicketNumber(number)].region == "cz"


async def test_a_key_of_a_city_opens_that_city_alone() -> None:
    for jurisdictions in (BOTH_CITIES, {}):
        async with two_cities(public=False, jurisdictions=jurisdictions) as town:
            cz = await sent(town, UNIT_KEY)
            zj = await sent(town, KEY, "zj.gov.cn" if jurisdictions else "")
            zhenjiang = replace(town.backend.desk.tickets[TicketNumber(zj)], region="zj")
            town.backend.desk.tickets[TicketNumber(zj)] = zhenjiang
            assert await numbers_of(town, api_key=UNIT_KEY) == {cz}
            assert await numbers_of(town, api_key=UNIT_KEY, service_request_id=f"{cz},{zj}") == {cz}
            for path in (f"requests/{zj}.json", f"tokens/{zj}.json"):
                assert (await get(town, path, api_key=UNIT_KEY))[0] == 404
            assert (await get(town, "requests.json", api_key=LOST_KEY))[0] == 403
            assert (await get(town, "requests.json"))[0] == 400
            if jurisdictions:
                zhen = {"api_key": UNIT_KEY, "jurisdiction_id": "zj.gov.cn"}
                assert (await get(town, "requests.json", **zhen))[0] == 403
                assert (await post(town, EXAMPLE | zhen))[0] == 403
                assert await numbers_of(town, api_key=UNIT_KEY, jurisdiction_id="cz.gov.cn") == {cz}
                assert await numbers_of(town, api_key=KEY, jurisdiction_id="zj.gov.cn") == {zj}
            else:
                assert await numbers_of(town, api_key=KEY) == {cz, zj}, "a key of the whole installation"
