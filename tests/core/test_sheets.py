"""Tables out and in: formulas stay text, odd characters come back, bad rows are named by their lines."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from xml.etree.ElementTree import fromstring

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.formulas import neutral, plain
from web.sheets import CELL_MAX, BadFile, Format, Sheet, read, written

pytestmark = pytest.mark.core

NASTY = [
    '=HYPERLINK("http://evil","click")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "＝1+1",
    "－2",
    "\u200b=1+1",
    "'already",
    "😀👨‍👩‍👧 零宽\u200d连接",
    "\u202eעברית عربي",
    'quote " and, comma\nand line',
    "00123",
]


def sheet(*rows: list[object]) -> list[Sheet]:
    return [Sheet("表", ("甲", "=乙"), rows, (10.0, 20.0))]


@pytest.mark.parametrize("format", list(Format))
def test_what_goes_out_comes_back(format: Format) -> None:
    data = written(sheet(*[[text, "x"] for text in NASTY]), format)
    lines = list(read(data, format))
    assert [str(cells[0]) for _, cells in lines[1:]] == NASTY
    assert list(lines[0][1][:2]) == ["甲", "=乙"]


def test_what_xml_cannot_write_is_left_out_of_excel() -> None:
    """One such character and no office opens the file (XML 1.0, 2.2 Characters)."""
    data = written(sheet(["停\ufffe水\uffff了\x01", "\U0001ffff"]), Format.EXCEL)
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert [cell.value for cell in list(book.worksheets[0].rows)[1]] == ["停水了", "\U0001ffff"]
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        for name in parts.namelist():
            fromstring(parts.read(name))


def test_no_cell_of_a_csv_begins_as_a_formula_does() -> None:
    text = written(sheet(*[[one, -5] for one in NASTY]), Format.CSV).decode("utf-8-sig")
    for one in NASTY[:8]:
        assert neutral(one) == "'" + one
    assert "\n=" not in text
    assert text.startswith("甲,'=乙")
    assert ",-5" in text  # a number is no formula


@pytest.mark.parametrize("sign", [*"=+-@", *"＝＋－＠", *"﹢﹣﹦﹫"])
@pytest.mark.parametrize("before", ["", " ", "\u200b", "\ufeff", "\u2060 \u3000", "\n"])
def test_a_sign_in_full_width_or_behind_what_nobody_sees_is_neutralised_too(before: str, sign: str) -> None:
    risky = f'{before}{sign}HYPERLINK("http://x")'
    assert neutral(risky) == "'" + risky
    assert plain(neutral(risky)) == risky
    data = written(sheet([risky, 1]), Format.CSV).decode("utf-8-sig")
    assert "'" + before + sign in data
    page = openpyxl.load_workbook(io.BytesIO(written(sheet([risky, 1]), Format.EXCEL))).worksheets[0]
    assert page["A2"].quotePrefix


@pytest.mark.parametrize("harmless", ["", "停水", "a=b", "3-5", " \u200b", "👨‍👩‍👧", "\u0301", "（=）", "《条例》"])
def test_other_texts_stand_as_they_are(harmless: str) -> None:
    assert neutral(harmless) == harmless


def test_a_mark_is_yes_or_no_in_both_kinds() -> None:
    assert ",是\r\n" in written(sheet(["x", True]), Format.CSV).decode("utf-8-sig")


def test_in_excel_a_formula_is_a_text_and_a_moment_a_date() -> None:
    data = written(sheet([NASTY[0], datetime(2026, 11, 22, 8, 30)], [True, 0.25]), Format.EXCEL)
    page = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    assert (page["A2"].data_type, page["A2"].value) == ("s", NASTY[0])
    assert page["A2"].quotePrefix
    assert page["B2"].value == datetime(2026, 11, 22, 8, 30)
    assert page["B2"].is_date
    assert (page["A3"].value, page["B3"].value) == ("是", 0.25)
    assert page.freeze_panes == "A2"
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert b"<f>" not in packed.read("xl/worksheets/sheet1.xml")


def test_a_cell_that_is_too_long_for_excel_says_that_it_was_cut() -> None:
    data = written(sheet(["好" * 10_000_000, 1]), Format.EXCEL)
    ((_, _), (_, cells)) = list(read(data, Format.EXCEL))
    assert len(cells[0]) == CELL_MAX
    assert cells[0].endswith("…(已截断)")


@given(st.text())
def test_neutralising_loses_nothing(text: str) -> None:
    assert plain(neutral(text)) == text
    assert not neutral(text).lstrip("\u200b").startswith(tuple("=+-@＝＋－＠\t\r"))


def test_files_that_are_none() -> None:
    for data, format in (
        (b"not a zip", Format.EXCEL),
        (b"PK\x03\x04broken", Format.EXCEL),
        (b"\xff\xfe\x00\xd8", Format.CSV),
        (b'a,b\n"open,1\n', Format.CSV),
    ):
        with pytest.raises(BadFile) as bad:
            list(read(data, format))
        assert bad.value.code == "bad_file"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/workbook.xml", b"0" * 25_000_000)
    with pytest.raises(BadFile) as bad:
        list(read(packed.getvalue(), Format.EXCEL))
    assert bad.value.code == "file_too_large"
    assert [cells for _, cells in read("类型,内容\n求助,没水".encode("gb18030"), Format.CSV)][1] == ["求助", "没水"]
