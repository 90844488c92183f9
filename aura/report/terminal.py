"""Tables for a terminal: plain where nobody looks, cut to its width where somebody does."""

import os
import shutil
import sys
from collections.abc import Sequence

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_LEAST = 20  # letters of the last column that are always shown


def in_colour() -> bool:
    """Whether stdout is a terminal that may be written to with more than letters."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns side by side.

    On a terminal the last one is cut at the edge; elsewhere nothing is, and no line has colours.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells of one line each.
    right : sequence of int
        Columns that end at one edge, such as numbers.
    """
    rows = [[" ".join(cell.split()) for cell in row] for row in rows]
    last = len(header) - 1
    widths = [max(len(row[i]) for row in [list(header), *rows]) for i in range(last)]
    room = None
    if sys.stdout.isatty():
        room = max(_LEAST, shutil.get_terminal_size().columns - sum(widths) - 2 * last)

    def line(cells: Sequence[str]) -> str:
        some = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells[:last], widths, strict=True))
        ]
        end = cells[last]
        if room is not None and len(end) > room:
            end = f"{end[: room - 1]}…"
        return "  ".join([*some, end]).rstrip()

    first = line(header)
    return "\n".join([f"{_BOLD}{first}{_PLAIN}" if in_colour() else first, *map(line, rows)])
