"""The joint space on disk: `embeddings.parquet` of the test windows, one column a modality."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aura.errors import AuraError
from aura.schema import MODALITIES, embeddings_schema, to_numpy
from aura.teacher.identity import DIM
from pipeline.engine.output import read_table, write_table

Vectors = dict[str, NDArray[np.float32]]
Valid = dict[str, NDArray[np.bool_]]


def write_vectors(
    path: Path,
    ids: Sequence[str],
    vectors: Mapping[str, NDArray[Any]],
    valid: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Write the vectors of the test windows.

    Parameters
    ----------
    path : Path
        The file.
    ids : sequence of str
        Of the N windows.
    vectors : mapping of str to ndarray
        By modality, (N, 512) unit vectors.
    valid : mapping of str to ndarray
        By modality, (N,) bool; rows that are not valid become null.
    """
    columns: list[pa.Array] = [pa.array(list(ids), pa.string())]
    for modality in MODALITIES:
        if modality not in vectors:
            vector = pa.list_(pa.float32(), DIM)
            columns.append(pa.nulls(len(ids), vector))
            continue
        has = np.asarray(valid[modality])
        filled = np.where(has[:, None], vectors[modality], 0).astype(np.float32)
        columns.append(
            pa.FixedSizeListArray.from_arrays(pa.array(filled.ravel()), DIM, mask=pa.array(~has))
        )
    schema = embeddings_schema(DIM)
    write_table(path, pa.table(columns, schema=schema), schema)


def read_vectors(path: Path, ids: Sequence[str]) -> tuple[Vectors, Valid]:
    """Read the vectors of the test windows.

    Parameters
    ----------
    path : Path
        The file.
    ids : sequence of str
        Of the N windows, in any order.

    Returns
    -------
    vectors : dict of str to ndarray
        By modality, (N, 512) float32 in the order of `ids`; one that no window has is left out.
    valid : dict of str to ndarray
        By modality, (N,) bool.

    Raises
    ------
    AuraError
        There is no such file yet, or it holds other windows.
    """
    table = read_table(path, embeddings_schema(DIM), "evaluate")
    row_of = {window: row for row, window in enumerate(table.column("window_id").to_pylist())}
    if len(row_of) < table.num_rows or set(row_of) != set(ids):
        raise AuraError(f"{path} holds other windows than the test split; run `aura evaluate`.")
    order = np.array([row_of[window] for window in ids])
    vectors, valid = {}, {}
    for modality in MODALITIES:
        has = np.asarray(table.column(modality).is_valid())
        if not has.any():
            continue
        filled = np.zeros((len(has), DIM), np.float32)
        filled[has] = to_numpy(table.filter(pa.array(has)), modality)
        vectors[modality], valid[modality] = filled[order], has[order]
    return vectors, valid
