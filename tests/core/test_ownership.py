"""The ownership register: whose matter something is, how often that was right, and what objections teach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.city_story import TREE
from tickets.classes import load_classes
from tickets.ownership import Concern, HitRate, Ownership, OwnershipRow, Source, hit_rate

pytestmark = pytest.mark.core

CLASSES = load_classes()
LEAK = Concern("UTIL-WATER-PIPE", "cz", "解放路 12 号")


def row(id: int, code: str, region: str, unit: str, place: str = "", hits: int = 0, misses: int = 0) -> OwnershipRow:
    return OwnershipRow(id, code, region, place, unit, "职责清单", hits=hits, misses=misses)


class Register:
    """Rows that keep what they are taught, as the table does."""

    def __init__(self, *rows: OwnershipRow) -> None:
        self.rows = {one.id: one for one in rows}

    @property
    def now(self) -> Ownership:
        return Ownership(self.rows.values(), CLASSES, TREE)

    def keep(self, changed: Iterable[OwnershipRow]) -> None:
        for one in changed:
            kept = one if one.id else replace(one, id=max(self.rows, default=0) + 1)
            self.rows[kept.id] = kept

    def first(self, concern: Concern = LEAK) -> str:
        return self.now.suggest(concern)[0].unit


def test_the_nearer_class_comes_first_then_the_address_then_the_region_then_the_record() -> None:
    rows = [
        row(1, "", "", "js-transport"),
        row(2, "UTIL", "cz", "cz-roads"),
        row(3, "UTIL-WATER", "js", "cz-wj-water"),
        row(4, "UTIL-WATER", "cz", "cz-water"),
        row(5, "UTIL-WATER", "cz", "cz-water-pipes", place="解放路"),
        row(6, "UTIL-WATER", "zj", "zj-water"),
        row(7, "UTIL-GAS", "cz", "zj-water"),
    ]
    units = [one.unit for one in Ownership(rows, CLASSES, TREE).suggest(LEAK)]
    assert units == ["cz-water-pipes", "cz-water", "cz-wj-water", "cz-roads", "js-transport"]
    elsewhere = Ownership(rows, CLASSES, TREE).suggest(replace(LEAK, address="和平路"))
    assert elsewhere[0].unit == "cz-water"
    better = Ownership([row(1, "UTIL", "cz", "cz-water", misses=1), row(2, "UTIL", "cz", "cz-roads")], CLASSES, TREE)
    assert better.suggest(LEAK)[0].unit == "cz-roads"


def test_where_the_register_knows_nobody_the_class_names_the_nearest_unit_of_its_kind() -> None:
    (only,) = Ownership([], CLASSES, TREE).suggest(LEAK)
    assert (only.unit, only.row) == ("cz-water", None)
    assert Ownership([], CLASSES, TREE).suggest(Concern("OTHER", "cz")) == ()
    assert Ownership([], CLASSES, TREE).suggest(Concern("", "")) == ()


def test_a_ticket_without_a_class_teaches_nothing_about_every_other_one() -> None:
    nameless = replace(LEAK, class_code="")
    register = Register(row(1, "", "cz", "cz-roads", place="解放路"))
    register.keep(register.now.objection_upheld(nameless, "cz-roads", "cz-water-pipes", 100.0, "boss"))
    disputed = frozenset({"cz-roads"})
    register.keep(register.now.handled(nameless, "cz-roads", "cz-water-pipes", disputed=disputed, at=100.0, by="boss"))
    assert len(register.rows) == 1
    assert register.rows[1].misses == 1
    old = replace(row(2, "", "cz", "zj-water"), source=Source.TAUGHT)
    assert Register(old).first() == "cz-water", "and what one has taught before is not listened to"


def test_a_unit_that_is_gone_is_not_suggested() -> None:
    assert Register(row(1, "UTIL", "cz", "abolished"), row(2, "UTIL", "cz", "cz-roads")).first() == "cz-roads"


def test_an_upheld_objection_teaches_the_register() -> None:
    register = Register(row(1, "UTIL-WATER", "cz", "cz-roads"))
    assert register.first() == "cz-roads"
    register.keep(register.now.objection_upheld(LEAK, "cz-roads", "cz-water-pipes", 100.0, "boss"))
    assert register.rows[1].misses == 1
    taught = register.rows[2]
    assert (taught.class_code, taught.region, taught.unit) == ("UTIL-WATER-PIPE", "cz", "cz-water-pipes")
    assert taught.source is Source.TAUGHT
    assert taught.changed_by == "boss"
    assert register.first() == "cz-water-pipes"
    assert register.first(Concern("UTIL-WATER-CUT", "cz")) == "cz-roads", "one objection says nothing about others"
    register.keep(register.now.objection_upheld(LEAK, "cz-roads", "cz-water-pipes", 200.0, "boss"))
    assert len(register.rows) == 2, "the same lesson is no second row"


def test_one_objection_does_not_overturn_a_row_that_was_often_right() -> None:
    register = Register(row(1, "UTIL-WATER-PIPE", "cz", "cz-roads", hits=9))
    register.keep(register.now.objection_upheld(LEAK, "cz-roads", "cz-water-pipes", 100.0, "boss"))
    assert register.first() == "cz-roads"


def test_who_handled_it_in_the_end_counts_for_the_rows() -> None:
    register = Register(row(1, "UTIL", "cz", "cz-roads"), row(2, "", "cz", "cz-water"))
    none: frozenset[str] = frozenset()
    register.keep(register.now.handled(LEAK, "cz-roads", "cz-roads", disputed=none, at=1.0, by="system"))
    assert (register.rows[1].hits, register.rows[1].misses) == (1, 0)
    register.keep(register.now.handled(LEAK, "cz-roads", "cz-water", disputed=none, at=2.0, by="system"))
    assert (register.rows[1].hits, register.rows[1].misses) == (1, 1)
    assert (register.rows[2].hits, register.rows[2].misses) == (1, 0)
    gone = register.now.handled(LEAK, "cz-roads", "js-transport", disputed=none, at=3.0, by="system")
    assert [one.id for one in gone] == [1], "a dispatcher's own choice is not a lesson by itself"


def test_a_return_teaches_who_handled_it_and_blames_nobody_twice() -> None:
    register = Register(row(1, "UTIL", "cz", "cz-roads"))
    register.keep(register.now.objection_upheld(LEAK, "cz-roads", "", 1.0, "boss"))
    changed = register.now.handled(LEAK, "cz-roads", "cz-water", disputed=frozenset({"cz-roads"}), at=2.0, by="system")
    register.keep(changed)
    assert register.rows[1].misses == 1
    assert register.first() == "cz-water"
    assert register.rows[2].hits == 1


def test_the_hit_rate_counts_what_was_suggested() -> None:
    assert hit_rate([("a", "a"), ("a", "b"), ("", "c"), ("b", "b")]) == HitRate(3, 2, 1)
    assert hit_rate([("a", "a"), ("a", "b")]).value == 0.5
    assert hit_rate([("", "a")]).value is None
