"""How a table of text is laid out: its encoding, delimiter, lines of names and first row.

Comments begin with % or #, a line `sep=,` is a hint for a spreadsheet, and what a program writes
before its table (names of devices, versions) is not as wide as the table. Names may take several
lines, as of pandas' columns of two levels; they are joined by a dot.
"""

import re
from collections import Counter
from itertools import islice
from typing import NamedTuple

from aura.errors import CorruptFile

DELIMITERS = (";", "\t", ",", "|", " ")
AROUND = " \t\r\n\u00a0\"'\ufeff"
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d+|\.)?|[.,]\d+)([eE][-+]?\d+)?|[-+]?nan|[-+]?inf|", re.I)
_STAMP = re.compile(r"\d{4}-\d\d?-\d\d?[T ]\d\d?:\d\d.*")
_HEAD = 1 << 16  # bytes
_LINES = 2000  # that are looked at
_SHOWN = 60  # lines from the first row on that tell the delimiter
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Layout(NamedTuple):
    """Where the rows of a table are, and what its columns are called.

    Attributes
    ----------
    encoding : str
        Of its letters.
    delimiter : str
        What lies between two cells; a blank stands for any number of blanks.
    names : tuple of str
        One a column; `column_1` and so on where the table has none.
    first : int
        Line of the first row, from 0.
    named : bool
        Whether the table itself names its columns.
    above : tuple of tuple of str
        Cells of the lines above the first row, without signs of comments.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    first: int
    named: bool
    above: tuple[tuple[str, ...], ...]


def find_layout(data: bytes) -> Layout:
    """Find how a table is laid out from its beginning.

    Raises
    ------
    CorruptFile
        It has no rows of numbers, or only one column.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")
    if not encoding:
        encoding = "utf-8" if _is_utf8(data[:_HEAD]) else "latin-1"
    text = data[:_HEAD].decode(encoding, errors="replace")
    lines = text.splitlines()[:_LINES]
    if len(data) > _HEAD and len(lines) > 1:
        lines = lines[:-1]  # it may be cut
    if not any(line.strip() for line in lines):
        raise CorruptFile("it is empty")
    best: tuple[float, int, str] = (0.0, 0, "")
    for delimiter in DELIMITERS:
        if delimiter == " " and best[2]:
            break  # blanks part cells only where nothing else does
        rows = islice((line for line in reversed(lines) if is_row(line, delimiter)), _SHOWN)
        widths = [len(split(line, delimiter)) for line in rows]
        if not widths:
            continue
        width, count = Counter(widths).most_common(1)[0]
        share = count / len(widths)
        if width > 1 and (share * min(width, 4), width) > best[:2]:
            best = (share * min(width, 4), width, delimiter)
    if not best[2]:
        raise CorruptFile("it has no rows of several cells that are numbers")
    width, delimiter = best[1], best[2]
    first = next(
        number for number, line in enumerate(lines)
        if is_row(line, delimiter) and len(split(line, delimiter)) == width
    )  # fmt: skip
    names, named = _names(lines[:first], delimiter, width)
    above = tuple(
        tuple(split(line.lstrip(AROUND).lstrip("%#"), delimiter)) for line in lines[:first]
    )
    return Layout(encoding, delimiter, names, first, named, above)


def _names(above: list[str], delimiter: str, width: int) -> tuple[tuple[str, ...], bool]:
    rows: list[list[str]] = []
    for line in reversed(above):
        bare = line.lstrip(AROUND)
        cells = split(bare.lstrip("%#"), delimiter)
        if not bare.strip() and not rows:
            continue
        if len(cells) != width or bare.lower().startswith("sep="):
            break
        rows.append(cells)
        if bare.startswith(("%", "#")):
            break
    if not rows:
        return tuple(f"column_{n}" for n in range(1, width + 1)), False
    names = []
    for number, column in enumerate(zip(*reversed(rows), strict=True), 1):
        distinct = list(dict.fromkeys(cell for cell in column if cell))
        names.append(".".join(distinct) or f"column_{number}")
    seen: Counter[str] = Counter()
    for number, name in enumerate(names):
        seen[name] += 1
        names[number] = name if seen[name] == 1 else f"{name}#{seen[name]}"
    return tuple(names), True


def split(line: str, delimiter: str) -> list[str]:
    """Cells of a line without blanks and quotes; a delimiter at its end ends no cell."""
    if delimiter == " ":
        return [cell.strip(AROUND) for cell in line.split()]
    line = line.rstrip(AROUND)
    if line.endswith((";", delimiter)):  # one at the end of each line
        line = line[:-1]
    return [cell.strip(AROUND) for cell in line.split(delimiter)]


def is_row(line: str, delimiter: str) -> bool:
    """Whether at least half of the cells of a line are numbers or stamps, and one is."""
    if line.lstrip(AROUND).startswith(("%", "#")) or not line.strip(AROUND):
        return False
    cells = split(line, delimiter)
    good = sum(bool(c) and bool(_NUMBER.fullmatch(c) or _STAMP.fullmatch(c)) for c in cells)
    return good > 0 and 2 * good >= sum(bool(c) for c in cells)


def _is_utf8(data: bytes) -> bool:
    try:
        data[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
