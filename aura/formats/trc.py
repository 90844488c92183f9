"""TRC (OpenSim, Motion Analysis): a table of markers, with its unit in the third line.

Cells are apart by tabs, and a marker that is not seen has empty ones: whoever splits at white space
moves its neighbour into its place. With or without an empty line behind the header.
"""

import re

import numpy as np

from aura.errors import CorruptFile
from aura.formats.base import Stream, nonzero, unique
from aura.storage import Storage

SUFFIXES = (".trc",)
VERSION = "own"


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """One stream of points, in the unit that the file states.

    Raises
    ------
    CorruptFile
        It is no such file, or has no row.
    """
    lines = re.split(r"\r\n|\r|\n", files.read(path).decode("latin-1"))
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise CorruptFile(f"{path} is no TRC file: it does not begin with PathFileType.")
    keys, values = lines[1].split("\t"), lines[2].split("\t")
    stated = {k.strip(): v.strip() for k, v in zip(keys, values, strict=False)}
    names = [cell.strip() for cell in lines[3].rstrip("\t ").split("\t")]
    if [name.lower() for name in names[:2]] != ["frame#", "time"]:
        raise CorruptFile(f"{path} has no columns Frame# and Time in its fourth line.")
    markers = unique([name for name in names[2:] if name])
    width = 2 + 3 * len(markers)
    rows, counts = [], {"row has the wrong number of columns": 0}
    for line in lines[5:]:
        if not line.strip():
            continue
        cells = line.split("\t")
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if len(cells) < width and len(cells) >= 2:  # empty cells at the end are often left out
            whole = (len(cells) - 2) % 3 == 0 and "\t" in line
            cells += [""] * (width - len(cells)) if whole else []
        if len(cells) != width:
            counts["row has the wrong number of columns"] += 1
            continue
        rows.append([_number(cell) for cell in cells])
    table = np.array(rows, np.float64).reshape(-1, width)
    lost = ~np.isfinite(table[:, 1])
    counts["row without a time"] = int(lost.sum())
    table = table[~lost]
    if not len(table) or not markers:
        raise CorruptFile(f"{path} has no row of markers.")
    points = table[:, 2:].reshape(len(table), len(markers), 3)
    partly = np.isnan(points).any(axis=2) & ~np.isnan(points).all(axis=2)
    counts["marker without one of its coordinates"] = int(partly.sum())
    points[partly] = np.nan
    counts["frames are fewer than stated"] = int(
        len(rows) < (_number(stated.get("NumFrames", "")) or 0)
    )
    rate = _number(stated.get("DataRate", ""))
    unit = stated.get("Units", "")
    return (
        Stream(
            "markers", markers, points, table[:, 1], (unit,) if unit else (),
            rate_hz=rate if rate > 0 else None, counts=nonzero(counts),
        ),
    )  # fmt: skip


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
