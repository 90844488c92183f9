"""Tables of text and Parquet: all columns as they are called, as numbers or texts when asked for.

A damaged line is left out and counted; a cell that is no number is NaN. `read` gives all columns of
numbers; its times are those of a column whose name says its unit, see `columns.py`.
"""

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from aura.errors import CorruptFile
from aura.formats.base import Stream, nonzero
from aura.formats.columns import find_roles, header_unit
from aura.formats.layout import AROUND, find_layout
from aura.storage import Storage

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
VERSION = "own"
_NUMBER = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"
_SHOWN = 4096  # bytes
_LONGEST = 200  # letters of a cell
_ENDS = re.compile(rb"[;,\t ]+(?=\r?\n|\r?$)")


class Table(NamedTuple):
    """A table in memory.

    Attributes
    ----------
    columns : dict of str to pa.ChunkedArray
        By name, in the order of the file.
    decimal_comma : bool
        Whether a comma may be the decimal sign.
    named : bool
        Whether the file itself names its columns.
    damaged : int
        Lines with too few or too many cells, which are left out.
    above : tuple of tuple of str
        Cells of the lines above the table, by its delimiter, without signs of comments.
    """

    columns: dict[str, pa.ChunkedArray]
    decimal_comma: bool
    named: bool
    damaged: int
    above: tuple[tuple[str, ...], ...] = ()

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(next(iter(self.columns.values()), ()))

    def numbers(self, name: str) -> np.ndarray:
        """A column as float64 (N,), NaN where a cell is no number; a stamp as ns of its epoch."""
        cells = self.columns[name]
        if pa.types.is_timestamp(cells.type):
            cells = pc.cast(cells, pa.timestamp("ns", cells.type.tz))
            return pc.cast(pc.cast(cells, pa.int64()), pa.float64(), safe=False).to_numpy()
        if not pa.types.is_string(cells.type):
            return pc.cast(cells, pa.float64(), safe=False).to_numpy()
        try:
            return pc.cast(cells, pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            pass
        cells = pc.utf8_trim(cells, AROUND)
        if self.decimal_comma:
            cells = pc.replace_substring(cells, ",", ".")
        return pc.cast(
            pc.if_else(pc.match_substring_regex(cells, _NUMBER), cells, "NaN"), pa.float64()
        ).to_numpy()

    def texts(self, name: str) -> np.ndarray:
        """A column as texts (N,) of up to 200 letters."""
        cells = pc.utf8_trim(pc.cast(self.columns[name], pa.string()), AROUND)
        cells = pc.fill_null(pc.utf8_slice_codeunits(cells, 0, _LONGEST), "")
        return np.array(cells.to_pylist(), str)

    def stamps(self, name: str) -> tuple[np.ndarray, bool]:
        """A column of dates as ns of their epoch (N,) int64, and whether they name their zone.

        Raises
        ------
        CorruptFile
            Its cells are no dates.
        """
        cells = self.columns[name]
        if pa.types.is_timestamp(cells.type):
            zone = cells.type.tz is not None
            whole = pc.cast(cells, pa.timestamp("ns", cells.type.tz))
            return pc.fill_null(pc.cast(whole, pa.int64()), _NAT).to_numpy(), zone
        cells = pc.utf8_trim(cells, AROUND)
        cells = pc.if_else(pc.equal(cells, ""), None, cells)
        for named in (None, "UTC"):
            try:
                found = pc.cast(pc.cast(cells, pa.timestamp("ns", named)), pa.int64())
                return pc.fill_null(found, _NAT).to_numpy(), named is not None
            except pa.ArrowInvalid:
                continue
        raise CorruptFile(f"the column {name} has cells that are no dates.")

    def number_of(self, text: str) -> float:
        """The whole number in a line above the table that has this text in a cell.

        Raises
        ------
        CorruptFile
            There is none, or there are several such lines.
        """
        lines = [cells for cells in self.above if text.lower() in map(str.lower, cells)]
        numbers = [[c for c in cells if c.isdecimal()] for cells in lines]
        if len(numbers) != 1 or len(numbers[0]) != 1:
            raise CorruptFile(f"no line above the table has a number for {text}.")
        return float(numbers[0][0])

    def is_numeric(self, name: str) -> bool:
        """Whether most cells that are not empty are numbers."""
        if not pa.types.is_string(self.columns[name].type):
            return True
        there = int(pc.sum(pc.not_equal(pc.utf8_trim(self.columns[name], AROUND), "")).as_py() or 0)
        return 2 * int(np.isfinite(self.numbers(name)).sum()) >= max(1, there)


_NAT = int(np.iinfo(np.int64).min)


def read_table(files: Storage, path: str) -> Table:
    """A table, its cells not yet numbers.

    Raises
    ------
    CorruptFile
        It is none, has no rows, or a column is there twice.
    """
    if path.lower().endswith(".parquet"):
        with files.open(path) as file:
            try:
                table = pq.read_table(file, use_threads=False)
            except (pa.ArrowException, OSError) as error:
                raise CorruptFile(f"{path} is no Parquet file: {error}.") from None
        columns = {n: table[n] for n in table.column_names if not pa.types.is_nested(table[n].type)}
        if not columns or not table.num_rows:
            raise CorruptFile(f"{path} has no rows.")
        return Table(columns, False, True, 0)
    data = files.read(path)
    try:
        layout = find_layout(data)
    except CorruptFile as error:
        raise CorruptFile(f"{path} cannot be read as a table: {error}.") from None
    if layout.encoding in ("utf-16", "utf-8-sig", "latin-1"):
        data = data.decode(layout.encoding, "replace").encode()
    body = b"\n".join(data.splitlines()[layout.first :])
    delimiter = layout.delimiter
    body = _ENDS.sub(b"", body) if _ends_in_delimiter(body) else body
    if delimiter == " ":
        body, delimiter = re.sub(rb"[ \t]+", b"\t", re.sub(rb"(?m)^[ \t]+", b"", body)), "\t"
    elif re.search(rb"[ \t]", body[:_SHOWN]):  # blanks about cells
        mark = re.escape(delimiter.encode())
        body = re.sub(rb" *" + mark + rb" *", delimiter.encode(), body)
        body = re.sub(rb"(?m)^ +| +$", b"", body)
    body = b"\n".join(line for line in body.split(b"\n") if line.strip())
    damaged = 0

    def skip(_: object) -> str:
        nonlocal damaged
        damaged += 1
        return "skip"

    try:
        table = csv.read_csv(
            pa.BufferReader(body),
            csv.ReadOptions(use_threads=False, column_names=list(layout.names)),
            csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
            csv.ConvertOptions(
                column_types=dict.fromkeys(layout.names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, UnicodeError) as error:
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise CorruptFile(f"{path} cannot be read as a table: {said}.") from None
    columns = {name: table[name] for name in layout.names}
    return Table(columns, layout.delimiter != ",", layout.named, damaged, layout.above)


def _ends_in_delimiter(body: bytes) -> bool:
    first = body.split(b"\n", 1)[0].rstrip()
    return first.endswith((b";", b",", b"\t"))


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """One stream of all columns of numbers.

    Raises
    ------
    CorruptFile
        It is no table, or has no column of numbers.
    """
    table = read_table(files, path)
    names = [name for name in table.columns if table.is_numeric(name)]
    if not names:
        raise CorruptFile(f"{path} has no column of numbers.")
    roles = find_roles(tuple(table.columns))
    values = np.stack([table.numbers(name) for name in names], axis=1)
    time_s, origin, known = np.full(len(values), np.nan), 0, False
    counts = {"row has the wrong number of columns": table.damaged}
    if roles.time and roles.time_s:
        raw = table.numbers(roles.time)
        raw, counts["clock of 32 bits began again"] = unwrapped(raw, roles.wraps)
        first = raw[np.isfinite(raw)]
        begin = float(first[0]) if len(first) else 0.0
        origin, known = round(begin * roles.time_s * 1e9), True
        time_s = (raw - begin) * roles.time_s
    units = tuple(header_unit(name) for name in names)
    return (
        Stream(
            "table", tuple(names), values, time_s, units if any(units) else (), origin,
            "device" if known else "none", counts=nonzero(counts),
            facts={"app": roles.app} if roles.app else {},
        ),
    )  # fmt: skip


def unwrapped(raw: np.ndarray, wraps: float) -> tuple[np.ndarray, int]:
    """A counter (N,) that began again at 0 after `wraps`, going on; and how often it did."""
    if not wraps or not len(raw):
        return raw, 0
    back = np.diff(raw, prepend=raw[0]) < -wraps / 2
    turns = np.cumsum(back)
    return raw + turns * wraps, int(turns[-1])
