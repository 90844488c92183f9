"""Files of one kind: the same format, the same columns, and of tables the same sensor."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from aura import formats
from aura.errors import CorruptFile
from aura.formats.base import Stream
from aura.formats.columns import Roles, find_roles, kind_of_text
from aura.formats.layout import find_layout
from aura.formats.table import Table, read_table
from aura.storage import Storage

_SAMPLE = 6  # files of a family that are read
_BEGIN, _HEAD = 1 << 12, 1 << 16
_ROWS = 60_000  # of a file, that are looked at


@dataclass
class Family:
    """Files of one kind.

    Attributes
    ----------
    reader : str
        Of `formats.READERS`.
    paths : list of str
        All of them.
    columns : tuple of str
        Of tables.
    kind : str
        Of tables whose file name tells the sensor: accel, gyro, linear, gravity, mag.
    tables, streams : dict
        Those that were read, by path.
    """

    reader: str
    paths: list[str] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    kind: str = ""
    tables: dict[str, Table] = field(default_factory=dict)
    streams: dict[str, tuple[Stream, ...]] = field(default_factory=dict)

    @property
    def roles(self) -> Roles:
        """What its columns are, by their names."""
        return find_roles(self.columns)

    def numbers(self, table: Table, names: tuple[str, ...]) -> np.ndarray:
        """Columns (N, C) of the first rows."""
        return np.stack([table.numbers(name)[:_ROWS] for name in names], axis=1)


def find_families(files: Storage, notes: list[str]) -> tuple[list[Family], list[str]]:
    """All families of a folder, the largest first, and tables without numbers.

    What cannot be read goes to `notes`.
    """
    loose: list[str] = []
    found: dict[tuple[str, tuple[str, ...], str], Family] = {}
    paths = files.list()
    readable = set(formats.is_readable(paths))
    others = [p for p in paths if p not in readable and not p.rpartition("/")[2].startswith(".")]
    endings = sorted({PurePosixPath(path).suffix.lower() or "no ending" for path in others})
    endings = [
        e for e in endings if e not in (".md", ".yaml", ".yml", ".vtt", ".srt", ".json", ".pdf")
    ]
    if endings:
        notes.append(
            f"no reader for files with {', '.join(endings)} ({len(others)} files are left out)"
        )
    for path in sorted(readable):
        suffix = PurePosixPath(path).suffix.lower()
        reader = next(name for name, ends in formats.READERS.items() if suffix in ends)
        columns: tuple[str, ...] = ()
        kind = said = ""
        if reader == "table":
            try:
                columns = _columns(files, path)
            except CorruptFile:
                loose.append(path)
                continue
            groups = find_roles(columns).groups
            if len(groups) == 1 and not next(iter(groups))[0]:
                kind, said = kind_of_text(PurePosixPath(path).stem)
        family = found.setdefault((reader, columns, said), Family(reader, [], columns, kind))
        family.paths.append(path)
    families = sorted(found.values(), key=lambda family: (-len(family.paths), family.paths))
    for family in families:
        _sample(files, family, notes)
    return [family for family in families if family.tables or family.streams], loose


def _columns(files: Storage, path: str) -> tuple[str, ...]:
    if path.lower().endswith(".parquet"):
        return tuple(read_table(files, path).columns)
    with files.open(path) as file:
        head = file.read(_HEAD)
    try:
        return find_layout(head[:_BEGIN]).names
    except CorruptFile:
        return find_layout(head).names


def _sample(files: Storage, family: Family, notes: list[str]) -> None:
    count = len(family.paths)
    chosen = sorted({round(i * (count - 1) / max(1, _SAMPLE - 1)) for i in range(_SAMPLE)})
    for path in (family.paths[number] for number in chosen):
        try:
            if family.reader == "table":
                family.tables[path] = read_table(files, path)
            else:
                family.streams[path] = formats.read(files, path)
        except CorruptFile as error:
            notes.append(str(error).rstrip("."))


def above_places(table: Table) -> dict[int, str]:
    """Whole numbers that the lines above a table give a text of capitals or a place."""
    found = {}
    for cells in table.above:
        numbers = [cell for cell in cells if cell.isdecimal()]
        if len(numbers) == 1 and len(cells) >= 3:
            found[int(numbers[0])] = next(
                (c for c in cells if c != numbers[0] and re.fullmatch(r"[A-Za-z _-]{3,}", c)), ""
            )
    return found
