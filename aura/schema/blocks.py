"""Columns of arrays: a block a row as fixed-size binary, or a vector as a fixed-size list."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aura.errors import AuraError


def block(name: str, dtype: str, shape: Sequence[int], unit: str) -> pa.Field:
    """Field of one array a row, as fixed-size binary; `to_numpy` reads it back."""
    size = int(np.dtype(dtype).itemsize * np.prod(shape))
    metadata = {"dtype": dtype, "shape": json.dumps(list(shape)), "unit": unit}
    return pa.field(name, pa.binary(size), nullable=False, metadata=metadata)


def block_of(field: pa.Field) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Dtype and shape of the array that each row of a block holds."""
    metadata = field.metadata
    return np.dtype(metadata[b"dtype"].decode()), tuple(json.loads(metadata[b"shape"]))


def to_numpy(table: pa.Table, name: str) -> np.ndarray:
    """Read a block or an embedding column as one array.

    A column of one chunk is a view of Arrow's memory; several chunks are joined first.

    Parameters
    ----------
    table : pa.Table
        The table.
    name : str
        Of the column.

    Returns
    -------
    ndarray
        (rows, *shape), read-only.

    Raises
    ------
    AuraError
        There is no such column, it is no block, or some of its rows are null: which of them are
        is what `table[name].is_valid()` tells.
    """
    if table.column_names.count(name) != 1:
        raise AuraError(f"The table has no column '{name}', but {', '.join(table.column_names)}.")
    field = table.schema.field(name)
    column = table.column(name)
    if column.null_count:
        raise AuraError(
            f"Column '{name}' is null in {column.null_count} of {len(column)} rows; take the "
            f"others, table.filter(table['{name}'].is_valid())."
        )
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # no rows, no chunks
        array = pa.array([], type=field.type)
    if pa.types.is_fixed_size_list(field.type):
        numbers = array.flatten()
        if numbers.null_count:
            raise AuraError(f"Column '{name}' has {numbers.null_count} nulls inside its vectors.")
        return numbers.to_numpy().reshape(len(array), field.type.list_size)
    metadata = field.metadata or {}
    if b"dtype" not in metadata or not pa.types.is_fixed_size_binary(field.type):
        raise AuraError(f"Column '{name}' is not a block of numbers.")
    dtype, shape = block_of(field)
    width = field.type.byte_width
    data = np.frombuffer(array.buffers()[1], dtype=np.uint8) if len(array) else np.empty(0, "u1")
    data = data[array.offset * width : (array.offset + len(array)) * width]
    return data.view(dtype).reshape(len(array), *shape)


def from_numpy(values: np.ndarray, field: pa.Field) -> pa.Array:
    """Turn an array into a column.

    Parameters
    ----------
    values : ndarray
        (rows, *shape), of the dtype and shape of the field.
    field : pa.Field
        A block or an embedding.

    Returns
    -------
    pa.Array
        The column.

    Raises
    ------
    AuraError
        Dtype or shape is another one.
    """
    if pa.types.is_fixed_size_list(field.type):
        flat = np.ascontiguousarray(values, dtype=np.float32)
        if flat.ndim != 2 or flat.shape[1] != field.type.list_size:
            raise AuraError(f"'{field.name}' needs rows of {field.type.list_size} numbers.")
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), field.type.list_size)
    dtype, shape = block_of(field)
    if values.dtype != dtype or values.shape[1:] != shape:
        raise AuraError(
            f"'{field.name}' needs {dtype} of shape (rows, {', '.join(map(str, shape))}), "
            f"not {values.dtype} of shape {values.shape}."
        )
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.FixedSizeBinaryArray.from_buffers(field.type, len(values), [None, buffer])
