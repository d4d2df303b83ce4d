"""The classification tree as data: the sample that comes along, and what is wrong in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tickets.classes import SAMPLE, ClassError, ClassTree, TicketClass, load_classes, parse_classes

pytestmark = pytest.mark.core


def test_the_sample_is_a_tree_and_says_that_it_is_no_standard() -> None:
    tree = load_classes()
    assert len(tree) > 30
    assert tree.line("UTIL-WATER-CUT") == ("UTIL-WATER-CUT", "UTIL-WATER", "UTIL")
    assert tree.sort("UTIL-WATER-CUT") == "water"
    assert tree.limit_line("UTIL-WATER-CUT") == ("UTIL-WATER-CUT", "UTIL-WATER", "UTIL", "utilities")
    assert tree.sort("OTHER") == ""
    assert tree.sort("nothing") == ""
    assert "NOT GB/T 39666" in SAMPLE.read_text(encoding="utf-8")


def test_a_ticket_takes_a_class_of_the_tree_none_or_any_where_there_is_no_tree() -> None:
    tree = load_classes()
    assert tree.takes("")
    assert tree.takes("UTIL")
    assert not tree.takes("99")
    assert ClassTree().takes("99")
    assert ClassTree().line("99") == ("99",)
    assert ClassTree().line("") == ()


def test_a_tree_names_every_fault() -> None:
    with pytest.raises(ClassError) as found:
        ClassTree(
            [
                TicketClass("A", "甲", "A", "B"),
                TicketClass("B", "乙", "B", "A"),
                TicketClass("C", "丙", "", "D"),
                TicketClass("E E", "戊", "E"),
                TicketClass("F", "己", "F"),
                TicketClass("F", "己", "F"),
            ]
        )
    assert {code for code, _ in found.value.problems} == {"A", "B", "C", "E E", "F"}


def test_a_file_names_every_fault(tmp_path: Path) -> None:
    with pytest.raises(ClassError) as found:
        parse_classes({"classes": {"A": {"zh": "甲", "en": 5, "colour": "red"}, "B": "乙", "C": {"zh": "丙"}}, "x": 1})
    assert {code for code, _ in found.value.problems} == {"A", "B", "C", "x"}
    with pytest.raises(ClassError, match="is missing"):
        parse_classes({})
    wrong = tmp_path / "classes.toml"
    wrong.write_bytes(b"[classes")
    with pytest.raises(ClassError, match="no TOML"):
        load_classes(wrong)
    wrong.write_bytes("[classes]\nA = { zh = '甲', en = 'A' }".encode("gbk"))
    with pytest.raises(ClassError, match="UTF-8"):
        load_classes(wrong)
