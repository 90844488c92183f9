"""Tables of text, streamed: some of their columns, whatever the cells hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from aura.errors import CorruptFile
from aura.storage import Storage

_NUMBER = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"


def read_columns(
    files: Storage,
    path: str,
    number_columns: Sequence[str],
    text_column: str | None,
    delimiter: str,
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
        One kept as it stands.
    delimiter : str
        What lies between two cells.
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
        with (
            files.local(path) as local,
            csv.open_csv(
                local,
                csv.ReadOptions(
                    use_threads=False,
                    block_size=1 << 20,
                    column_names=names,
                    encoding="latin-1",  # any byte is a letter of it, and no error
                ),
                csv.ParseOptions(delimiter=delimiter, quote_char=False, invalid_row_handler=skip),
                csv.ConvertOptions(
                    include_columns=columns,
                    column_types=dict.fromkeys(columns, pa.string()),
                    strings_can_be_null=False,
                ),
            ) as reader,
        ):
            for batch in reader:
                numbers.append(np.stack([to_numbers(batch[c]) for c in number_columns], axis=1))
                if text_column:
                    texts.append(np.array(batch[text_column].to_pylist(), str))
    except (pa.ArrowException, KeyError, OSError) as error:
        raise CorruptFile(f"{path} cannot be read as a table: {error}.") from None
    return np.concatenate(numbers), np.concatenate(texts), ragged


def to_float32(values: np.ndarray) -> np.ndarray:
    """What is too large becomes infinite, which is not finite and is dropped."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def to_numbers(cells: pa.Array) -> np.ndarray:
    """Strings (N,) as float64, NaN where one is no number; one bad cell is looked for if any is."""
    try:
        numbers = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        numeric = pc.match_substring_regex(cells, _NUMBER)
        numbers = pc.cast(pc.if_else(numeric, cells, "NaN"), pa.float64())
    return numbers.to_numpy(zero_copy_only=False)
