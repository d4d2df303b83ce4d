"""The tree of organisations: what may stand where, and the way a matter takes through it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.city_story import ORGANISATIONS, TREE, C, P, U, Y, org
from tickets.organisations import (
    NoWay,
    OrganisationError,
    OrganisationTree,
    Route,
    Way,
    parse_organisations,
)

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("at", "unit", "route"),
    [
        ("cz", "cz-water", Route(Way.LOCAL, ("cz-water",))),
        ("cz", "cz-wj-water", Route(Way.LOCAL, ("cz-wj-water",))),
        ("cz-wj", "cz-water-pipes", Route(Way.LOCAL, ("cz-water-pipes",))),
        ("cz", "js-transport", Route(Way.UP, ("js", "js-transport"), "js")),
        ("cz", "js", Route(Way.UP, ("js",), "js")),
        ("cz", "zj-water", Route(Way.ACROSS, ("js", "zj", "zj-water"), "js")),
        ("cz", "zj", Route(Way.ACROSS, ("js", "zj"), "js")),
        ("js", "zj-water", Route(Way.DOWN, ("zj", "zj-water"), "js")),
        ("js", "zj", Route(Way.DOWN, ("zj",), "js")),
        ("js", "js-transport", Route(Way.LOCAL, ("js-transport",))),
    ],
)
def test_local_first_up_to_the_province_and_across_through_it(at: str, unit: str, route: Route) -> None:
    assert TREE.route(at, unit) == route


def test_what_stands_below_an_organisation() -> None:
    assert TREE.below("zj") == {"zj", "zj-water"}
    assert TREE.below("cz-water") == {"cz-water", "cz-water-pipes"}
    assert len(TREE.below("js")) == len(ORGANISATIONS) - 1
    assert TREE.below("nowhere") == frozenset()


def test_no_way_leads_where_no_province_stands_above_both() -> None:
    for at, unit in (("cz", "ah"), ("cz", "nowhere"), ("nowhere", "cz")):
        with pytest.raises(NoWay):
            TREE.route(at, unit)


@given(st.sampled_from([one.id for one in ORGANISATIONS]), st.sampled_from([one.id for one in ORGANISATIONS]))
def test_every_hop_of_a_way_is_one_that_the_hotline_before_it_may_take(at: str, unit: str) -> None:
    try:
        route = TREE.route(at, unit)
    except NoWay:
        return
    assert route.hops[-1] == unit
    holder = at
    for hop in route.hops:
        assert TREE.route(holder, hop).hops[0] == hop, "a way is made of single steps"
        holder = hop
    cities = {TREE.hotline(one) for one in (at, *route.hops)} - {TREE.province(at)}
    assert (len(cities) < 2) or route.tracker == TREE.province(at), "the province tracks what crosses cities"


def test_a_hotline_of_one_city_needs_no_city_in_its_tree() -> None:
    tree = OrganisationTree([org("water", "水务局", U), org("roads", "交通局", U)])
    assert tree.route("water", "roads") == Route(Way.LOCAL, ("roads",))


def test_the_tree_names_every_fault() -> None:
    with pytest.raises(OrganisationError) as found:
        OrganisationTree(
            [
                org("js", "江苏省", P, "cz"),
                org("cz", "常州市", C, "js"),
                org("wj", "武进区", Y, "water"),
                org("water", "水务局", U, "gone"),
                replace(org("roads", "交通局", U), leader=" "),
                org("roads", "交通局", U),
            ]
        )
    assert {one for one, _ in found.value.problems} == {"js", "wj", "water", "roads"}
    texts = "; ".join(text for _, text in found.value.problems)
    assert "cannot stand under a city" in texts
    assert "not in the tree" in texts
    assert "names no leader" in texts
    assert "stands twice" in texts
    assert "cannot stand under a unit" in texts


def test_units_stand_under_each_other_up_to_three_levels() -> None:
    deep = [org("a", "甲", U), org("b", "乙", U, "a"), org("c", "丙", U, "b")]
    assert OrganisationTree(deep).line("c") == ("c", "b", "a")
    with pytest.raises(OrganisationError, match="deeper than 3"):
        OrganisationTree([*deep, org("d", "丁", U, "c")])
    with pytest.raises(OrganisationError, match="under itself"):
        OrganisationTree([org("a", "甲", U, "b"), org("b", "乙", U, "a")])


def test_everybody_who_may_be_given_a_ticket_stands_in_the_register_of_units() -> None:
    register = TREE.register()
    assert "cz-water" in register
    assert "zj" in register
    assert "js" in register
    assert register.level("cz-water") == 1
    assert register.level("cz-water-pipes") == 2
    assert len(OrganisationTree().register()) == 0


def test_another_installation_serves_what_stands_below_its_organisation() -> None:
    tree = OrganisationTree([replace(one, peer="zhenjiang") if one.id == "zj" else one for one in ORGANISATIONS])
    assert tree.peer("zj-water") == tree.peer("zj") == "zhenjiang"
    assert tree.peer("cz-water") == tree.peer("js") == ""


def test_a_city_is_served_here_though_its_province_is_another_installation() -> None:
    tree = OrganisationTree([replace(one, peer="jiangsu") if one.id == "js" else one for one in ORGANISATIONS])
    assert tree.peer("js") == tree.peer("js-transport") == "jiangsu"
    assert {tree.peer(one) for one in ("cz", "cz-water", "cz-wj", "cz-wj-water", "cz-water-pipes")} == {""}


def test_the_unit_of_a_kind_is_the_nearest_one() -> None:
    assert TREE.of_sort("water", "cz-wj") == "cz-wj-water"
    assert TREE.of_sort("water", "cz") == "cz-water"
    assert TREE.of_sort("transport", "cz-wj") == "js-transport"
    assert TREE.of_sort("gas", "cz") is None
    assert TREE.of_sort("", "cz") is None
    assert TREE.of_sort("water", "") is None
    two = OrganisationTree([*ORGANISATIONS, org("cz-water-2", "常州市排水处", U, "cz", sort="water")])
    assert two.of_sort("water", "cz") is None, "two at the same distance: nobody can say whose it is"


def test_the_tree_is_read_from_tables() -> None:
    names = {"leader": "张三", "office": "办公室", "handler": "李四"}
    tree = parse_organisations(
        {
            "cz": {"name": "常州市", "kind": "city", **names},
            "water": {"name": "水务局", "kind": "unit", "parent": "cz", "sort": "water", **names},
        }
    )
    assert tree.line("water") == ("water", "cz")
    with pytest.raises(OrganisationError) as found:
        parse_organisations(
            {
                "cz": {"name": "常州市", "kind": "town", **names},
                "water": {"name": 5, "kind": "unit", "phone": "1", **names},
                "gas": {"kind": "unit"},
            }
        )
    texts = str(found.value)
    assert "no known kind" in texts
    assert "unknown key phone" in texts
    assert "must be a text" in texts
    assert "names no name" in texts
    assert "names no handler" in texts
