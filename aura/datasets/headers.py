"""How a table of text is written: its encoding, its delimiter, and the names in its first line.

Spreadsheets put a byte-order mark before the first name, semicolons where a comma is the decimal
sign, blanks after commas, and quotes about cells; a column is known by its name without any of it.
"""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

from aura.errors import CorruptFile

DELIMITERS = (",", ";", "\t", "|")
# What may stand about a cell; the last three letters are a byte-order mark read as Latin-1.
AROUND = " \t\r\n\u00a0\"'\ufeff\u00ef\u00bb\u00bf"
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MAX_HEADER = 1 << 16  # bytes


class Header(NamedTuple):
    """The first line of a table.

    Attributes
    ----------
    delimiter : str
        What lies between two cells.
    names : list of str
        One a column; those asked for as asked, the others by their place.
    line : int
        Which line it is, from 0.
    """

    delimiter: str
    names: list[str]
    line: int


def encoding_of(head: bytes, default: str) -> str:
    """The encoding that a byte-order mark tells, or `default` without one."""
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), default)


def find_header(head: bytes, columns: Sequence[str], default: str = "latin-1") -> Header:
    """Find the line that names the columns, and the delimiter by which it does.

    Parameters
    ----------
    head : bytes
        The beginning of the table.
    columns : sequence of str
        Names that have to be there, in whatever case.
    default : str
        Encoding without a byte-order mark.

    Raises
    ------
    CorruptFile
        A column is missing or is there twice.
    """
    text = head[:_MAX_HEADER].decode(encoding_of(head, default), errors="replace")
    lines = re.split("\r\n|\r|\n", text)
    numbers = [n for n, line in enumerate(lines) if line.strip(AROUND)]
    if numbers and re.fullmatch(r"sep=.", lines[numbers[0]].strip(AROUND), re.IGNORECASE):
        numbers = numbers[1:]  # a hint for a spreadsheet
    if not numbers:
        raise CorruptFile("it is empty")
    line = lines[numbers[0]]
    wanted = {name.casefold(): name for name in columns}
    found: list[str] = []
    for delimiter in DELIMITERS:
        cells = [cell.strip(AROUND).casefold() for cell in line.split(delimiter)]
        twice = [name for key, name in wanted.items() if cells.count(key) > 1]
        if twice:
            raise CorruptFile(f"its column {twice[0]} is there twice")
        if set(wanted) <= set(cells):
            names = [wanted.get(cell, f"column {n}") for n, cell in enumerate(cells)]
            return Header(delimiter, names, numbers[0])
        found = max(found, cells, key=len)
    missing = [name for key, name in wanted.items() if key not in found]
    raise CorruptFile(f"it has no column {missing[0]}, but {', '.join(found)[:200]}")


def read_small_table(data: bytes, columns: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Rows of a table that fits into memory: the line of each, from 1, and its cells by `columns`.

    Empty lines are left out.

    Raises
    ------
    CorruptFile
        It is no such table.
    """
    header = find_header(data, columns, "utf-8")
    encoding = encoding_of(data, "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252" if encoding == "utf-8" else "latin-1", errors="replace")
    places = [header.names.index(name) for name in columns]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=header.delimiter, skipinitialspace=True
    )
    rows = []
    try:
        for number, cells in enumerate(reader):
            cells = [cell.strip() for cell in cells]
            if number <= header.line or not any(cells):
                continue
            if len(cells) <= max(places) or any(cells[len(header.names) :]):
                raise CorruptFile(
                    f"line {reader.line_num} has {len(cells)} columns and not {len(header.names)}; "
                    "a text with the delimiter in it needs quotes"
                )
            rows.append((reader.line_num, [cells[place] for place in places]))
    except csv.Error as error:
        raise CorruptFile(f"line {reader.line_num}: {error}") from None
    return rows
