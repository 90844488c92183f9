"""Vectors on disk: the teacher's embeddings, and the joint space of the test windows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from aura.errors import AuraError
from aura.schema import MODALITIES, embedding_dim, embeddings_schema, to_numpy
from aura.teacher.identity import Identity, same_teacher
from pipeline.engine.output import list_shards, read_table, write_table

Vectors = dict[str, NDArray[np.float32]]
Valid = dict[str, NDArray[np.bool_]]


def read_embeddings(
    path: Path, schema_of: Callable[[int], pa.Schema], columns: list[str] | None = None
) -> tuple[pa.Table, Identity]:
    """Read embeddings of whatever width their teacher has.

    Parameters
    ----------
    path : Path
        A folder, or a pattern, as for `read_table`.
    schema_of : callable
        Their contract, from the width.
    columns : list of str or None
        Which columns; all of them by default.

    Returns
    -------
    table : pa.Table
        The rows of all files.
    teacher : Identity
        The one teacher of all files.

    Raises
    ------
    AuraError
        There is no file, one cannot be read or breaks the contract, files are of several teachers,
        or vectors are not as wide as their teacher's.
    """
    identities = []
    for file in list_shards(path, "embed"):
        schema = _schema(file)
        teacher = Identity.from_metadata(schema.metadata, str(file))
        width = embedding_dim(schema, str(file))
        if width != teacher.embed_dim:
            raise AuraError(
                f"{file} holds vectors of {width} numbers and its teacher, {teacher.model}, gives "
                f"{teacher.embed_dim}; run `aura embed` again."
            )
        identities.append((str(file), teacher))
    teacher = same_teacher(identities)
    return read_table(path, schema_of(teacher.embed_dim), "embed", columns), teacher


def _schema(file: Path) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise AuraError(f"{file} cannot be read as Parquet: {error}.") from None


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
        By modality, (N, d) unit vectors; of at least one.
    valid : mapping of str to ndarray
        By modality, (N,) bool; rows that are not valid become null.
    """
    (dim,) = {vector.shape[1] for vector in vectors.values()}
    columns: list[pa.Array] = [pa.array(list(ids), pa.string())]
    for modality in MODALITIES:
        if modality not in vectors:
            columns.append(pa.nulls(len(ids), pa.list_(pa.float32(), dim)))
            continue
        has = np.asarray(valid[modality])
        filled = np.where(has[:, None], vectors[modality], 0).astype(np.float32)
        columns.append(
            pa.FixedSizeListArray.from_arrays(pa.array(filled.ravel()), dim, mask=pa.array(~has))
        )
    schema = embeddings_schema(dim)
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
        By modality, (N, d) float32 in the order of `ids`; one that no window has is left out.
    valid : dict of str to ndarray
        By modality, (N,) bool.

    Raises
    ------
    AuraError
        There is no such file yet, or it holds other windows.
    """
    (file,) = list_shards(path, "evaluate")
    dim = embedding_dim(_schema(file), str(file), MODALITIES[0])
    table = read_table(path, embeddings_schema(dim), "evaluate")
    row_of = {window: row for row, window in enumerate(table.column("window_id").to_pylist())}
    if len(row_of) < table.num_rows or set(row_of) != set(ids):
        raise AuraError(f"{path} holds other windows than the test split; run `aura evaluate`.")
    order = np.array([row_of[window] for window in ids])
    vectors, valid = {}, {}
    for modality in MODALITIES:
        has = np.asarray(table.column(modality).is_valid())
        if not has.any():
            continue
        filled = np.zeros((len(has), dim), np.float32)
        filled[has] = to_numpy(table.filter(pa.array(has)), modality)
        vectors[modality], valid[modality] = filled[order], has[order]
    return vectors, valid
