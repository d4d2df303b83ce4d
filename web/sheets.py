"""Tables as CSV and Excel, out and in. Pure: bytes in, bytes out; whoever calls does it outside the loop.

Out: what a spreadsheet could take for a formula is neutralised (OWASP, CSV Injection): in CSV by an apostrophe before
it, in Excel by a cell of kind text. In: what `neutral` did is undone, formulas are not followed, and what a file says
of its own size is not believed.
"""

from __future__ import annotations

import csv
import enum
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import ParseError

from pbx.formulas import begins_formula, neutral, plain
from pbx.xml_text import xml_text

MOST_BYTES = 20 * 1024 * 1024
"""A file of more is not read, packed or unpacked."""

MOST_COLUMNS = 64

CELL_MAX = 32_767
"""Characters in one cell of an Excel sheet (Microsoft, "Excel specifications and limits")."""

CUT = "…(已截断)"

csv.field_size_limit(MOST_BYTES)  # a long cell is its row's fault, told by its line, and not the whole file's


class Format(enum.Enum):
    """What a file is."""

    CSV = "csv"
    EXCEL = "xlsx"

    @property
    def media(self) -> str:
        """Its media type."""
        if self is Format.CSV:
            return "text/csv"
        return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class BadFile(Exception):
    """The file cannot be read as a whole; `code` says why: bad_file, file_too_large."""

    def __init__(self, code: str = "bad_file", line: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.line = line


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: its name, what stands above the columns, the rows, and the columns' widths in characters."""

    name: str
    heads: Sequence[str]
    rows: Iterable[Sequence[object]]
    widths: Sequence[float] = field(default_factory=tuple)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "是" if value else "否"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case _:
            return str(value)


def written(sheets: Sequence[Sheet], format: Format) -> bytes:
    """The sheets as a file; of CSV the first one alone."""
    return _csv(sheets[0]) if format is Format.CSV else _excel(sheets)


def _csv(sheet: Sheet) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([neutral(head) for head in sheet.heads])
    for row in sheet.rows:
        writer.writerow([cell if _is_number(cell) else neutral(_text(cell)) for cell in row])
    return b"\xef\xbb\xbf" + text.getvalue().encode()  # Excel takes UTF-8 for what it is only with this mark


def _excel(sheets: Sequence[Sheet]) -> bytes:
    from openpyxl import Workbook  # loaded by whoever needs it
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)

    def cell_of(page: Any, value: object) -> object:
        if value is None or _is_number(value):
            return value
        if isinstance(value, datetime):
            cell = WriteOnlyCell(page, value)
            cell.number_format = "yyyy-mm-dd hh:mm:ss"
            return cell
        text = xml_text(_text(value))
        if len(text) > CELL_MAX:
            text = text[: CELL_MAX - len(CUT)] + CUT
        if not begins_formula(text):
            return text
        cell = WriteOnlyCell(page, "")
        cell.value, cell.data_type = text, "s"  # text, whatever it begins with
        cell.quotePrefix = True  # and text when somebody edits it
        return cell

    def bold(page: Any, head: str) -> object:
        cell = cell_of(page, head)
        if isinstance(cell, str):
            cell = WriteOnlyCell(page, cell)
        cell.font = Font(bold=True)  # type: ignore[attr-defined]
        return cell

    for sheet in sheets:
        page = book.create_sheet(sheet.name)
        page.freeze_panes = "A2"
        for index, width in enumerate(sheet.widths, start=1):
            page.column_dimensions[get_column_letter(index)].width = width
        page.append([bold(page, head) for head in sheet.heads])
        for row in sheet.rows:
            page.append([cell_of(page, value) for value in row])
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def read(data: bytes, format: Format) -> Iterator[tuple[int, Sequence[Any]]]:
    """The lines (of a sheet: the rows of the first one) as people count them, with their cells. Raises `BadFile`."""
    if len(data) > MOST_BYTES:
        raise BadFile("file_too_large")
    return _read_csv(data) if format is Format.CSV else _read_excel(data)


def _read_csv(data: bytes) -> Iterator[tuple[int, Sequence[Any]]]:
    """UTF-8, or GB 18030 as Chinese Excel writes it."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise BadFile
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begun = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise BadFile("bad_file", begun) from None
        yield begun, [plain(cell) for cell in cells[:MOST_COLUMNS]]
        begun = reader.line_num + 1


def _read_excel(data: bytes) -> Iterator[tuple[int, Sequence[Any]]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_BYTES:
                raise BadFile("file_too_large")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        try:
            page = book.worksheets[0]
            page.reset_dimensions()  # what the file says of its size need not be true
            yield from enumerate(page.iter_rows(max_col=MOST_COLUMNS, values_only=True), start=1)
        finally:
            book.close()
    except (zipfile.BadZipFile, InvalidFileException, KeyError, IndexError, ValueError, TypeError, AttributeError,
            EOFError, ParseError, NotImplementedError, RuntimeError) as error:  # fmt: skip
        raise BadFile from error
