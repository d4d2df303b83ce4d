"""Entries as CSV and Excel: there and back, formulas, days, and files that are none."""

from __future__ import annotations

import io
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from knowledge.entry import Content, KnowledgeRefused, KnowledgeRules
from knowledge.moves import KnowledgeState
from knowledge.sheet import HEADINGS, Fault, Format, kind_of, name_of, read, written
from knowledge.version import Entry
from pbx.formulas import begins_formula, neutral, plain

pytestmark = pytest.mark.core

RULES = KnowledgeRules(import_rows=50)


def entry(no: int, content: Content) -> Entry:
    return Entry(no, 1, KnowledgeState.PUBLISHED, content, 3, 1, 1, "w", 0.0)


def workbook(*rows: list[object]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(str.strip)
lines = st.tuples(st.sampled_from(["", "=", "+", "-", "@", "'", "'=", "1"]), texts).map("".join).map(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(lines, lines, lines, st.booleans()), min_size=1, max_size=5))
def test_csv_comes_back_exactly(rows: list[tuple[str, str, str, bool]]) -> None:
    contents = [
        Content(f"问{question}", f"{answer}\n{basis}".strip(), basis, unit="u", source="s", public=public)
        for question, answer, basis, public in rows
    ]
    data = written([entry(no, content) for no, content in enumerate(contents, start=1)], Format.CSV)
    good, faults = read(data, Format.CSV, KnowledgeRules())
    assert faults == []
    assert [(row.no, row.content) for row in good] == list(enumerate(contents, start=1))


@given(st.text(max_size=10) | st.sampled_from(["＝1+1", "＠SUM", "\u200b=1", "'＝1"]))
def test_no_cell_is_a_formula_and_none_loses_anything(text: str) -> None:
    cell = neutral(text)
    assert not begins_formula(cell)
    assert plain(cell) == text


def test_what_xml_cannot_write_is_left_out_of_excel() -> None:
    """One such character and no office opens the file (XML 1.0, 2.2 Characters)."""
    content = Content("停\ufffe水\uffff了", "\U0001ffff", unit="u", source="s")
    book = load_workbook(io.BytesIO(written([entry(1, content)], Format.EXCEL)))
    heads, row = book.worksheets[0].iter_rows(values_only=True)
    told = dict(zip(heads, row, strict=True))
    assert (told[HEADINGS["question"]], told[HEADINGS["answer"]]) == ("停水了", "\U0001ffff")


def test_excel_comes_back_exactly() -> None:
    content = Content(
        "=cmd|' /C calc'!A0",
        "一\n二 👨‍👩‍👧",
        "'=",
        unit="u",
        region="320700",
        valid_from=date(2026, 1, 2),
        valid_to=date(2027, 1, 2),
        source="-s",
        language="en",
        public=False,
    )
    good, faults = read(written([entry(7, content)], Format.EXCEL), Format.EXCEL, RULES)
    assert faults == []
    assert [(row.line, row.no, row.content) for row in good] == [(2, 7, content)]


def test_headings_in_any_order_and_language_and_cells_of_any_kind() -> None:
    data = workbook(
        ["失效日期", "QUESTION", "适用地区", "备注", "answer", "valid_from", "公开", "编号"],
        [datetime(2026, 5, 1, 8), "问", 320700.0, "不读", 12345, date(2026, 1, 1), None, "k000012"],
        [None, None, None, "只有备注", None, None, None, None],
        ["2026/5/1", "问二", None, None, True, "2026.1.1", "NO", None],
    )
    good, faults = read(data, Format.EXCEL, RULES)
    assert faults == [Fault(3, "question", "missing")]
    first, second = good
    assert (first.no, first.content.valid_to, first.content.region, first.content.answer, first.content.public) == (
        12, date(2026, 5, 1), "320700", "12345", True
    )  # fmt: skip
    assert (second.line, second.no, second.content.valid_from, second.content.public) == (
        4, None, date(2026, 1, 1), False
    )  # fmt: skip


def test_lines_are_counted_as_people_see_them_in_the_file() -> None:
    data = '问题,答复口径\n一,"两\n行"\n\n,没有\n"二\n行",x\n'.encode()
    good, faults = read(data, Format.CSV, RULES)
    assert [row.line for row in good] == [2, 6]
    assert faults == [Fault(5, "question", "missing")]


def test_a_title_that_somebody_broke_in_two_is_one_line() -> None:
    data = '问题,答复口径,来源\n" 停水了\r\n 怎么办?\n",一,\n问,"甲\n乙","局\n处"\n'.encode()
    good, faults = read(data, Format.CSV, RULES)
    assert faults == []
    assert [(row.content.question, row.content.answer, row.content.source) for row in good] == [
        ("停水了 怎么办?", "一", ""),
        ("问", "甲\n乙", "局 处"),
    ]


@pytest.mark.parametrize("format", list(Format))
def test_the_state_stands_there_in_a_word_that_people_read(format: Format) -> None:
    data = written([entry(1, Content("问", unit="u", source="s"))], format)
    if format is Format.CSV:
        heads, row = (line.split(",") for line in data.decode("utf-8-sig").splitlines())
    else:
        heads, row = load_workbook(io.BytesIO(data)).worksheets[0].iter_rows(values_only=True)
    assert dict(zip(heads, row, strict=True))["状态"] == "已发布"
    (found,), faults = read(data, format, RULES)
    assert (found.content.question, faults) == ("问", [])
    assert {state.chinese for state in KnowledgeState} == {
        "草稿", "待审核", "审核退回", "已发布", "已更新", "已失效", "已撤回"
    }  # fmt: skip


UNREADABLE: list[tuple[Format, bytes, str]] = [
    (Format.CSV, b"", "missing_column"),
    (Format.CSV, "问题\n".encode(), "no_rows"),
    (Format.CSV, "别的,列\n1,2\n".encode(), "missing_column"),
    (Format.CSV, "问题,问题\n1,2\n".encode(), "doubled_column"),
    (Format.CSV, b"\xff\xfe\x00\x81", "bad_file"),
    (Format.CSV, '问题\n"没有结束\n'.encode(), "bad_file"),
    (Format.CSV, ("问题\n" + "问\n" * 51).encode(), "too_many_rows"),
    (Format.EXCEL, b"PK\x03\x04 no workbook", "bad_file"),
    (Format.EXCEL, b"", "bad_file"),
]


@pytest.mark.parametrize(("format", "data", "code"), UNREADABLE)
def test_a_file_that_cannot_be_read_says_why(format: Format, data: bytes, code: str) -> None:
    with pytest.raises(KnowledgeRefused) as refused:
        read(data, format, RULES)
    assert refused.value.code == code


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.sheet.MOST_BYTES", 10_000)
    data = workbook(["问题"], ["问" * 20_000])
    assert len(data) < 10_000
    with pytest.raises(KnowledgeRefused) as refused:
        read(data, Format.EXCEL, RULES)
    assert refused.value.code == "file_too_large"
    with pytest.raises(KnowledgeRefused) as refused:
        read(b"x" * 10_001, Format.CSV, RULES)
    assert refused.value.code == "file_too_large"


def test_every_field_of_the_format_has_a_column() -> None:
    assert set(Content.__dataclass_fields__) <= set(HEADINGS)
    assert {name_of(format) for format in Format} == {"knowledge.csv", "knowledge.xlsx"}
    assert kind_of(Format.CSV).startswith("text/csv")
