"""A province with two cities for the tests: organisations, their units, and people who act for them."""

from __future__ import annotations

from tickets.moves import Actor, Role
from tickets.organisations import Organisation, OrganisationTree, OrgKind


def org(id: str, name: str, kind: OrgKind, parent: str | None = None, **more: str) -> Organisation:
    """An organisation with all that it must name."""
    return Organisation(id, name, kind, "张三", "办公室", "李四", parent, **more)


P, C, Y, U = OrgKind
ORGANISATIONS = (
    org("js", "江苏省", P),
    org("js-transport", "省交通运输厅", U, "js", sort="transport"),
    org("cz", "常州市", C, "js"),
    org("cz-water", "常州市水务局", U, "cz", sort="water"),
    org("cz-water-pipes", "常州市供水管网所", U, "cz-water"),
    org("cz-roads", "常州市交通局", U, "cz"),
    org("cz-wj", "武进区", Y, "cz"),
    org("cz-wj-water", "武进区水务局", U, "cz-wj", sort="water"),
    org("zj", "镇江市", C, "js"),
    org("zj-water", "镇江市水务局", U, "zj", sort="water"),
    org("ah", "安徽省", P),
)
TREE = OrganisationTree(ORGANISATIONS)

CZ_AGENT = Actor("1001", Role.AGENT, "cz")
CZ_DESK = Actor("cz-desk", Role.DISPATCHER, "cz")
CZ_WATER = Actor("cz-water-1", Role.UNIT, "cz-water")
CZ_ROADS = Actor("cz-roads-1", Role.UNIT, "cz-roads")
ZJ_DESK = Actor("zj-desk", Role.DISPATCHER, "zj")
ZJ_WATER = Actor("zj-water-1", Role.UNIT, "zj-water")
JS_DESK = Actor("js-desk", Role.DISPATCHER, "js")
JS_TRANSPORT = Actor("js-transport-1", Role.UNIT, "js-transport")
