"""Vectors on disk: the teacher's embeddings, and the joint space of the test windows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from aura.errors import AuraError
from aura.learning.batches import Windows
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


@dataclass(frozen=True)
class Described:
    """What is written of N windows beside their vectors, row by row.

    Attributes
    ----------
    ids : sequence of str
        Of the windows.
    takes : sequence of str
        Of their takes.
    start_s : sequence of float
        s on the clock of the take.
    labels : sequence of str or None
        Their classes.
    texts : sequence of list of str
        Their captions.
    """

    ids: Sequence[str]
    takes: Sequence[str]
    start_s: Sequence[float]
    labels: Sequence[str | None]
    texts: Sequence[Sequence[str]]

    @staticmethod
    def of(windows: Windows, captions: Sequence[str], rows: NDArray[np.int64]) -> "Described":
        """Some windows of a study, with their captions by the rows of `windows.texts`."""
        return Described(
            [windows.ids[row] for row in rows],
            windows.take[rows].tolist(),
            windows.start_s.numpy()[rows].tolist(),
            [label or None for label in windows.label[rows]],
            [[captions[text] for text in windows.texts[row]] for row in rows],
        )


def write_vectors(
    path: Path,
    described: Described,
    vectors: Mapping[str, NDArray[Any]],
    valid: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Write the vectors of the test windows.

    Parameters
    ----------
    path : Path
        The file.
    described : Described
        The N windows.
    vectors : mapping of str to ndarray
        By modality, (N, d) unit vectors; of at least one.
    valid : mapping of str to ndarray
        By modality, (N,) bool; rows that are not valid become null.
    """
    (dim,) = {vector.shape[1] for vector in vectors.values()}
    ids = described.ids
    columns: list[pa.Array] = [
        pa.array(list(ids), pa.string()),
        pa.array(list(described.takes), pa.string()),
        pa.array(list(described.start_s), pa.float64()),
        pa.array(list(described.labels), pa.string()),
        pa.array([list(texts) for texts in described.texts], pa.list_(pa.string())),
    ]
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
    described, vectors, valid = read_described(path)
    row_of = {window: row for row, window in enumerate(described.ids)}
    if len(row_of) < len(described.ids) or set(row_of) != set(ids):
        raise AuraError(f"{path} holds other windows than the test split; run `aura evaluate`.")
    order = np.array([row_of[window] for window in ids])
    return {m: v[order] for m, v in vectors.items()}, {m: v[order] for m, v in valid.items()}


def read_described(path: Path) -> tuple[Described, Vectors, Valid]:
    """Read all that `write_vectors` wrote, in the order of the file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    described : Described
        The N windows.
    vectors : dict of str to ndarray
        By modality, (N, d) float32; one that no window has is left out.
    valid : dict of str to ndarray
        By modality, (N,) bool.
    """
    (file,) = list_shards(path, "evaluate")
    dim = embedding_dim(_schema(file), str(file), MODALITIES[0])
    table = read_table(path, embeddings_schema(dim), "evaluate")
    names = ("window_id", "take_id", "start_s", "label", "texts")
    described = Described(*(table.column(name).to_pylist() for name in names))
    vectors, valid = {}, {}
    for modality in MODALITIES:
        has = np.asarray(table.column(modality).is_valid())
        if not has.any():
            continue
        filled = np.zeros((len(has), dim), np.float32)
        filled[has] = to_numpy(table.filter(pa.array(has)), modality)
        vectors[modality], valid[modality] = filled, has
    return described, vectors, valid
