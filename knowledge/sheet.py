"""Entries as CSV and Excel, out and in. Pure: bytes in, bytes out.

Out: whatever a spreadsheet could take for a formula is neutralised (OWASP, CSV injection): in CSV by an apostrophe
before it, in Excel by a cell of kind text. In: every row stands for itself; what is wrong with one is named with its
line number, and the others are good.
"""

from __future__ import annotations

import csv
import enum
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from xml.etree.ElementTree import ParseError

from knowledge.entry import LINES, NAMES, Content, KnowledgeRefused, KnowledgeRules, cleaned, problems
from knowledge.version import Entry
from pbx.formulas import begins_formula, neutral, plain
from pbx.xml_text import xml_text

HEADINGS = {
    "id": "编号",
    "question": "问题",
    "answer": "答复口径",
    "basis": "政策依据",
    "materials": "所需材料",
    "process": "办理流程",
    "keywords": "关键词",
    "unit": "责任单位",
    "region": "适用地区",
    "valid_from": "生效日期",
    "valid_to": "失效日期",
    "source": "来源",
    "language": "语言",
    "public": "公开",
    "state": "状态",
    "version": "版本",
}
"""The columns, and what people read above them; a file that comes in may have either, in any order."""

TOLD_ONLY = ("state", "version")
"""Columns that are written and not read back."""

MOST_BYTES = 20 * 1024 * 1024
"""A file of more is not read, packed or unpacked: 5 000 entries are a tenth of it."""

MOST_COLUMNS = 64

_YES, _NO = {"是", "1", "true", "yes", "y", "公开"}, {"否", "0", "false", "no", "n", "不公开"}
_COLUMN_OF = {name: name for name in HEADINGS} | {chinese: name for name, chinese in HEADINGS.items()}


class Format(enum.Enum):
    """What a file is."""

    CSV = "csv"
    EXCEL = "xlsx"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file: the line (of a sheet: the row) as people count it, the column's name, a stable code."""

    line: int
    field: str
    code: str


@dataclass(frozen=True, slots=True)
class Row:
    """A good row; `no`: the entry that it is about, None for a new one."""

    line: int
    no: int | None
    content: Content


# ---------------------------------------------------------------- out


def written(entries: Iterable[Entry], format: Format) -> bytes:
    """The entries as a file, its headings in Chinese."""
    lines = (_line(one) for one in entries)
    return _csv(lines) if format is Format.CSV else _excel(lines)


def _line(one: Entry) -> list[str]:
    values: dict[str, Any] = {name: getattr(one.content, name) for name in NAMES}
    values |= {"id": one.id, "state": one.state.chinese, "version": one.version}
    return [_shown(values[name]) for name in HEADINGS]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    return "" if value is None else value.isoformat() if isinstance(value, date) else str(value)


def _csv(lines: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADINGS.values())
    writer.writerows([neutral(cell) for cell in line] for line in lines)
    return b"\xef\xbb\xbf" + text.getvalue().encode()  # Excel takes UTF-8 for what it is only with this mark


def _excel(lines: Iterable[Sequence[str]]) -> bytes:
    from openpyxl import Workbook  # loaded by whoever needs it
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet("知识库")
    sheet.freeze_panes = "A2"
    for index, name in enumerate(HEADINGS):
        sheet.column_dimensions[chr(ord("A") + index)].width = 48 if name in ("question", "answer") else 18
    heads = []
    for heading in HEADINGS.values():
        heads.append(WriteOnlyCell(sheet, heading))
        heads[-1].font = Font(bold=True)
    sheet.append(heads)

    def told(text: str) -> object:
        text = xml_text(text)
        if not begins_formula(text):
            return text
        cell = WriteOnlyCell(sheet, "")
        cell.value, cell.data_type = text, "s"  # text, whatever it begins with
        cell.quotePrefix = True  # and text when somebody edits it
        return cell

    for line in lines:
        sheet.append([told(text) for text in line])
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


# ---------------------------------------------------------------- in


def read(data: bytes, format: Format, rules: KnowledgeRules) -> tuple[list[Row], list[Fault]]:
    """The good rows of a file, and what is wrong with the others.

    Raises `KnowledgeRefused` for a file that cannot be read as a whole: bad_file, no_rows, too_many_rows,
    file_too_large, missing_column, doubled_column.
    """
    if len(data) > MOST_BYTES:
        raise KnowledgeRefused("file_too_large", f"A file may have {MOST_BYTES} bytes.")
    lines = _read_csv(data) if format is Format.CSV else _read_excel(data)
    columns = _columns(next(lines, (0, []))[1])
    rows: list[Row] = []
    faults: list[Fault] = []
    known: dict[int, int] = {}
    count = 0
    for line, cells in lines:
        if not any(str(cell or "").strip() for cell in cells):
            continue
        count += 1
        if count > rules.import_rows:
            raise KnowledgeRefused("too_many_rows", f"A file may have {rules.import_rows} rows; divide it.")
        row, wrong = _row(line, dict(zip(columns, cells, strict=False)), rules)
        if row is not None and row.no is not None and row.no in known:
            row, wrong = None, [Fault(line, "id", "stands_twice")]
        if row is not None and row.no is not None:
            known[row.no] = line
        faults += wrong
        rows += [row] if row is not None else []
    if not count:
        raise KnowledgeRefused("no_rows", "The file has no rows below its headings.")
    return rows, faults


def _columns(heads: Sequence[Any]) -> list[str]:
    """The name of each column; an unknown one's is empty."""
    found = [_COLUMN_OF.get(str(head or "").strip().casefold(), "") for head in heads]
    if "question" not in found:
        raise KnowledgeRefused("missing_column", "The first line must name the columns, 问题 (question) among them.")
    if twice := [name for name in found if name and found.count(name) > 1]:
        raise KnowledgeRefused("doubled_column", f"The column {twice[0]} stands twice.")
    return found


def _row(line: int, cells: Mapping[str, Any], rules: KnowledgeRules) -> tuple[Row | None, list[Fault]]:
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name in NAMES:
        if name not in cells:
            continue
        try:
            values[name] = _value(name, cells[name])
        except ValueError as error:
            faults.append(Fault(line, name, str(error)))
    no = None
    if given := str(cells.get("id") or "").strip():
        digits = given.upper().removeprefix("K")
        if digits.isascii() and digits.isdigit() and 0 < int(digits[:12]) < 2**31 and len(digits) <= 10:
            no = int(digits)
        else:
            faults.append(Fault(line, "id", "unknown_entry"))
    content = cleaned(Content(**({"question": ""} | values)))
    taken = {fault.field for fault in faults}
    faults += [Fault(line, field, code) for field, code in problems(content, rules) if field not in taken]
    return (Row(line, no, content), []) if not faults else (None, faults)


def _value(name: str, cell: Any) -> Any:
    if name in ("valid_from", "valid_to"):
        return _day(cell)
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # a region's code that Excel took for a number
    text = "" if cell is None else str(cell)
    if name == "public":
        word = text.strip().casefold()
        if word not in _YES | _NO | {""}:
            raise ValueError("not_true_or_false")
        return word not in _NO
    if name in LINES:
        text = re.sub(
            r"\s*[\r\n]+\s*", " ", text.strip()
        )  # a cell that somebody broke for its looks: a title is one line
    return text.strip() or "zh" if name == "language" else text


def _day(cell: Any) -> date | None:
    """A day as a spreadsheet gives it: a date, or 2026-11-22, 2026/11/22, 2026年11月22日. ValueError otherwise."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = str(cell or "").strip()
    if not text:
        return None
    parts = text.replace("年", "-").replace("月", "-").removesuffix("日").replace("/", "-").replace(".", "-").split("-")
    try:
        year, month, day = (int(part) for part in parts)
        return date(year, month, day)
    except ValueError:
        raise ValueError("not_a_day") from None


def _read_csv(data: bytes) -> Iterator[tuple[int, Sequence[Any]]]:
    """Lines as people count them in the file; UTF-8, or GB 18030 as Chinese Excel writes it."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise KnowledgeRefused("bad_file", "The file is neither UTF-8 nor GB 18030.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begun = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise KnowledgeRefused("bad_file", f"Line {begun} of the file is no CSV.") from None
        yield begun, [plain(cell) for cell in cells[:MOST_COLUMNS]]
        begun = reader.line_num + 1


def _read_excel(data: bytes) -> Iterator[tuple[int, Sequence[Any]]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    bad = KnowledgeRefused("bad_file", "The file is no Excel workbook (.xlsx).")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_BYTES:
                raise KnowledgeRefused("file_too_large", f"Unpacked a file may have {MOST_BYTES} bytes.")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what the file says of its size need not be true
            yield from enumerate(sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True), start=1)
        finally:
            book.close()
    except (zipfile.BadZipFile, InvalidFileException, KeyError, IndexError, ValueError, TypeError, AttributeError,
            EOFError, ParseError, NotImplementedError) as error:  # fmt: skip
        raise bad from error


def name_of(format: Format) -> str:
    """A name for the file."""
    return f"knowledge.{format.value}"


def kind_of(format: Format) -> str:
    """Its media type."""
    if format is Format.CSV:
        return "text/csv; charset=utf-8"
    return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


__all__ = ["Fault", "Format", "Row", "kind_of", "name_of", "neutral", "plain", "read", "written"]
