"""The organisations of an installation, its classes, and what cities have of their own, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from controller.config_open311 import check_jurisdictions
from controller.config_plan import PlanReader
from controller.config_sections import OrganisationSection
from controller.toml_lines import Path as TomlPath
from ivr.menu import Menu, QueueNode
from tickets.classes import SAMPLE, ClassError, ClassTree, load_classes
from tickets.organisations import OrganisationError, OrganisationTree, OrgKind, parse_organisations
from tickets.ticket import TicketPolicy


class _CityReader(PlanReader):
    """Reads a city's own rules for tickets; what is wrong in them stands where the city does."""

    def __init__(self, reader: PlanReader, index: int, city: OrganisationSection) -> None:
        assert city.tickets is not None
        own = {name: getattr(city.tickets, name) for name in city.tickets.model_fields_set}
        tickets = reader.raw.tickets.model_copy(update=own)
        raw = reader.raw.model_copy(update={"tickets": tickets})
        super().__init__(reader.file, reader.lines, raw, reader.sounds, reader.mended)
        self._place: TomlPath = ("organisations", index)

    def wrong(self, path: TomlPath, text: str) -> None:
        """Note what is wrong, in the city's own table."""
        super().wrong((*self._place, *path), text)


def ticket_policy(reader: PlanReader, menus: Mapping[str, Menu] | None) -> TicketPolicy | None:
    """The rules for tickets with the organisations in which they hold; None after noting what contradicts itself.

    `menus`: those of the plan, by their ids; None where something is wrong in it.
    """
    usual = reader.tickets()
    tree, classes = _tree(reader), _classes(reader)
    numbers = _numbers(reader, tree, menus) if tree is not None else {}
    if tree is not None:
        check_jurisdictions(reader.raw.open311, tree, reader.wrong)
    name = _exchange(reader)
    local = _cities(reader)
    if usual is None or tree is None or classes is None:
        return None
    common = replace(
        usual,
        units=tree.register(),
        organisations=tree,
        classes=classes,
        numbers=numbers,
        queues={queue.id: queue.city for queue in reader.raw.queues if queue.city is not None},
        city=numbers.get(reader.raw.hotline.default_number or reader.raw.numbers[0].dialled, ""),
        installation=name,
    )
    return replace(
        common,
        local={
            city: replace(
                common,
                hours=own.hours,
                calendar=own.calendar,
                deadlines=own.deadlines,
                reasons=own.reasons,
                steps=own.steps,
                local={},
            )
            for city, own in local.items()
        },
    )


def _cities(reader: PlanReader) -> dict[str, TicketPolicy]:
    """The rules of the cities and provinces that have some of their own."""
    local = {}
    for index, one in enumerate(reader.raw.organisations):
        if one.tickets is None:
            continue
        if one.kind not in (OrgKind.CITY.value, OrgKind.PROVINCE.value):
            reader.wrong(("organisations", index, "tickets"), "only a city or a province has rules of its own")
            continue
        city = _CityReader(reader, index, one)
        local[one.id] = city.tickets()
        reader.problems += city.problems
    return local


def _exchange(reader: PlanReader) -> str:
    """Our name in the exchange; empty where there is none."""
    section = reader.raw.exchange
    known = {one.id for one in section.peers}
    if section.peers and section.name is None:
        reader.wrong(("exchange", "name"), "is missing: how the peers know this installation")
    for index, one in enumerate(section.peers):
        if one.id == section.name:
            reader.wrong(("exchange", "peers", index, "id"), "is this installation's own name")
    ids = [one.id for one in section.peers]
    for index, peer in enumerate(ids):
        if peer in ids[:index]:
            reader.wrong(("exchange", "peers", index, "id"), f"{peer} stands twice")
    keys = [key.id for one in section.peers for key in one.keys]
    if len(set(keys)) < len(keys):
        reader.wrong(("exchange", "peers"), "two keys have the same id; every key needs its own")
    if section.retry_last_s < section.retry_first_s:
        reader.wrong(("exchange", "retry_last_s"), "is shorter than retry_first_s")
    for index, org in enumerate(reader.raw.organisations):
        if org.peer and org.peer not in known:
            reader.wrong(("organisations", index, "peer"), f"{org.peer} is not among [[exchange.peers]]")
    return section.name or ""


def _tree(reader: PlanReader) -> OrganisationTree | None:
    found = reader.raw.organisations
    index_of = {one.id: index for index, one in enumerate(found)}
    doubled = [(index, one) for index, one in enumerate(found) if index_of[one.id] != index]
    for index, one in doubled:
        reader.wrong(("organisations", index, "id"), f"{one.id} stands twice")
    try:
        return parse_organisations(
            {one.id: one.model_dump(exclude={"id", "tickets"}, exclude_none=True) for one in found}
        )
    except OrganisationError as error:
        for org, text in error.problems:
            reader.wrong(("organisations", index_of[org]), f"({org}) {text}")
        return None


def _classes(reader: PlanReader) -> ClassTree | None:
    named = reader.raw.tickets.classes
    file: Path = reader.file.parent / named if named is not None else SAMPLE
    try:
        return load_classes(file)
    except OSError as error:
        reader.wrong(("tickets", "classes"), f"{file.name} cannot be read: {error.strerror}")
    except ClassError as error:
        for code, text in error.problems:
            reader.wrong(("tickets", "classes"), f"{file.name}: {code} {text}")
    return None


def _numbers(reader: PlanReader, tree: OrganisationTree, menus: Mapping[str, Menu] | None) -> dict[str, str]:
    """The city of each number. A tree with one hotline needs no number that says so.

    With several, a number without a city would give tickets to nobody: none of their people would see them.
    """
    raw = reader.raw
    hotlines = [one.id for one in tree if tree.hotline(one.id) == one.id and not tree.peer(one.id)]
    if len(tree):
        named = [
            *((("queues", index, "city"), one.city) for index, one in enumerate(raw.queues)),
            *((("numbers", index, "city"), one.city) for index, one in enumerate(raw.numbers)),
            *((("agents", index, "cities"), city) for index, one in enumerate(raw.agents) for city in one.cities),
        ]
        for path, city in named:
            if city is not None and city not in hotlines:
                reader.wrong(path, f"{city} is no city or province of [[organisations]] that this hotline serves")
    queues = {queue.id: queue.city for queue in raw.queues}
    numbers = {}
    for index, one in enumerate(raw.numbers):
        theirs = queues.get(one.direct) if one.direct is not None else None
        if one.city is not None and theirs is not None and theirs != one.city:
            reader.wrong(("numbers", index, "direct"), f"is a queue of {theirs}, and the number belongs to {one.city}")
        city = one.city or theirs or (hotlines[0] if len(hotlines) == 1 else None)
        menu = menus.get(one.menu or "") if menus is not None else None
        if city is None and menu is not None:  # a menu that leads to the queues of one city alone is that city's
            led = {node.queue: queues.get(node.queue) for node in menu.nodes.values() if isinstance(node, QueueNode)}
            city = next(iter(led.values())) if len(set(led.values())) == 1 else None
        if city is not None:
            numbers[one.dialled] = city
        elif hotlines and (one.menu is None or menu is not None):
            names = ", ".join(hotlines)
            reader.wrong(("numbers", index, "city"), f"is missing: whose the tickets of its calls are, one of {names}")
    return numbers
