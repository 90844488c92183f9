"""Tables of text, streamed: some of their columns, whatever the cells hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from aura.datasets.headers import AROUND, encoding_of, find_header
from aura.errors import CorruptFile
from aura.storage import Storage

_LONGEST_TEXT = 200  # letters of a cell; what is behind is cut
_NUMBER = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"


def read_columns(
    files: Storage,
    path: str,
    number_columns: Sequence[str],
    text_column: str | None,
    delimiter: str | None,
    names: Sequence[str] | None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Stream a table of text and keep some of its columns; memory is that of what is kept.

    Not by polars, whose threads do not survive the fork of `aura doctor`.

    Parameters
    ----------
    files : Storage
        The data set's files.
    path : str
        The table.
    number_columns : sequence of str
        Columns kept as numbers, NaN where a cell is none.
    text_column : str or None
        One kept as it stands, up to 200 letters.
    delimiter : str or None
        What lies between two cells; None where the first line tells.
    names : sequence of str or None
        Names of all columns, or None where the first line has them.

    Returns
    -------
    numbers : np.ndarray
        (N, C) float64.
    texts : np.ndarray
        (N,) str, empty without a `text_column`.
    ragged : int
        Lines with too few or too many cells, which are left out.

    Raises
    ------
    CorruptFile
        It is no such table.
    """
    ragged = 0

    def skip(_: Any) -> str:
        nonlocal ragged
        ragged += 1
        return "skip"

    columns = [*number_columns, *([text_column] if text_column else [])]
    numbers: list[np.ndarray] = [np.empty((0, len(number_columns)))]
    texts: list[np.ndarray] = [np.empty(0, str)]
    try:
        with files.local(path) as local:
            with local.open("rb") as file:
                head = file.read(1 << 16)
            line = -1
            if names is None:
                delimiter, names, line = find_header(head, columns)
            with csv.open_csv(
                local,
                csv.ReadOptions(
                    use_threads=False,
                    block_size=1 << 20,
                    skip_rows=line + 1,
                    column_names=names,
                    # Any byte is a letter of Latin-1, and no error.
                    encoding=encoding_of(head, "latin-1").removesuffix("-sig"),
                ),
                csv.ParseOptions(delimiter=delimiter, quote_char=False, invalid_row_handler=skip),
                csv.ConvertOptions(
                    include_columns=columns,
                    column_types=dict.fromkeys(columns, pa.string()),
                    strings_can_be_null=False,
                ),
            ) as reader:
                for batch in reader:
                    numbers.append(
                        np.stack(
                            [to_numbers(batch[c], delimiter != ",") for c in number_columns], axis=1
                        )
                    )
                    if text_column:
                        cells = pc.utf8_trim(batch[text_column], AROUND)
                        # All cells of an array of texts are as wide as its longest.
                        cells = pc.utf8_slice_codeunits(cells, 0, _LONGEST_TEXT)
                        texts.append(np.array(cells.to_pylist(), str))
    except (pa.ArrowException, KeyError, OSError, UnicodeError) as error:
        raise CorruptFile(f"{path} cannot be read as a table: {error}.") from None
    except CorruptFile as error:
        raise CorruptFile(f"{path} cannot be read as a table: {error}.") from None
    return np.concatenate(numbers), np.concatenate(texts), ragged


def to_float32(values: np.ndarray) -> np.ndarray:
    """What is too large becomes infinite, which is not finite and is dropped."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def to_numbers(cells: pa.Array, decimal_comma: bool = False) -> np.ndarray:
    """Strings (N,) as float64, NaN where one is no number; one bad cell is looked for if any is.

    Blanks and quotes about a number are not part of it; 1,5 is one where a comma may be decimal.
    """
    try:
        numbers = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        cells = pc.utf8_trim(cells, AROUND)
        if decimal_comma:
            cells = pc.replace_substring(cells, ",", ".")
        numeric = pc.match_substring_regex(cells, _NUMBER)
        numbers = pc.cast(pc.if_else(numeric, cells, "NaN"), pa.float64())
    return numbers.to_numpy(zero_copy_only=False)


def read_numbers(content: bytes, delimiter: str, width: int) -> tuple[np.ndarray, np.ndarray, int]:
    """All cells of a table that has numbers and nothing else, and no first line of names.

    Parameters
    ----------
    content : bytes
        The lines, in any ASCII-like encoding; empty ones do not count.
    delimiter : str
        What lies between two cells.
    width : int
        Cells of a line.

    Returns
    -------
    numbers : np.ndarray
        (N, width) float64, NaN where a cell is no number.
    lines : np.ndarray
        (N,) int64, the line of each row among all that are not empty, from 0.
    damaged : int
        Lines with too few or too many cells, which are left out.

    Raises
    ------
    CorruptFile
        There is no line.
    """
    names = [f"{n}" for n in range(width)]
    # Any byte is a letter of Latin-1, and no error; ASCII needs no conversion to UTF-8.
    encoding = "utf8" if content.isascii() else "latin-1"
    for kind in (pa.float64(), pa.string()):
        damaged: list[int] = []

        def skip(row: Any, damaged: list[int] = damaged) -> str:
            damaged.append(row.number - 1)
            return "skip"

        try:
            table = csv.read_csv(
                pa.BufferReader(content),
                csv.ReadOptions(use_threads=False, column_names=names, encoding=encoding),
                csv.ParseOptions(delimiter=delimiter, quote_char=False, invalid_row_handler=skip),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(names, kind), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid:
            continue  # a cell is no number: which, is looked for among strings
        columns = [column.combine_chunks() for column in table.columns]
        if kind == pa.string():
            columns = [pa.array(to_numbers(column)) for column in columns]
        numbers = np.stack([column.to_numpy(zero_copy_only=False) for column in columns], axis=1)
        lines = np.delete(np.arange(len(numbers) + len(damaged)), damaged)
        return numbers, lines, len(damaged)
    raise CorruptFile("it holds no table of numbers")
