"""The data contract: what every table on disk holds, with units; checked at each stage boundary.

    data/signals/<dataset>/takes-*.parquet      TAKES       one row a recording
    data/signals/<dataset>/part-*.parquet       SIGNALS     one row a second of a recording
    data/signals/<dataset>/content-*.parquet    CONTENT     one row a fingerprint of a recording
    data/windows/<dataset>/part-*.parquet       WINDOWS     one row a window
    data/embeddings/<dataset>/texts-*.parquet   TEXTS       one row a distinct text
    data/embeddings/<dataset>/part-*.parquet    VIDEOS      one row a window with video
    reports/<dataset>/evaluate/embeddings.parquet           one row a test window: joint space

Shards with the same number hold the same takes, but for texts. Rows join by `take_id`, `window_id`
and `text_id`, never by position. The time axis is the clock of the take: seconds from its first
video frame. Sensor blocks are fixed-size binary whose dtype and
shape stand in the field's metadata: one read of a column is one contiguous array without a copy
(`to_numpy`), which list columns do not give. Embeddings are fixed-size lists of float32, which
polars and pandas show as vectors.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.errors import AuraError

MODALITIES = ("imu", "mocap", "video", "text")
IMU_CHANNELS = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")
JOINTS = (
    "nose",
    *(f"{side}-{part}" for part in ("eye", "ear") for side in ("left", "right")),
    *(f"{side}-{part}" for part in ("shoulder", "elbow", "wrist") for side in ("left", "right")),
    *(f"{side}-{part}" for part in ("hip", "knee", "ankle") for side in ("left", "right")),
)
SPLITS = ("train", "val", "test")
PLACES = (
    *("head", "neck", "chest", "back", "waist", "hip", "pocket", "upper-arm", "elbow", "forearm"),
    *("wrist", "hand", "thigh", "knee", "shank", "ankle", "foot"),
)
"""Where on the body an IMU sits; `-left` or `-right` may follow."""


def is_place(place: str | None) -> bool:
    """Whether it is one of `PLACES` with or without a side; None, not known, is one too."""
    sides = ("", "-left", "-right")
    return place is None or any(f"{name}{side}" == place for name in PLACES for side in sides)


def block(name: str, dtype: str, shape: Sequence[int], unit: str) -> pa.Field:
    """Field of one array a row, as fixed-size binary; `to_numpy` reads it back."""
    size = int(np.dtype(dtype).itemsize * np.prod(shape))
    metadata = {"dtype": dtype, "shape": json.dumps(list(shape)), "unit": unit}
    return pa.field(name, pa.binary(size), nullable=False, metadata=metadata)


def required(name: str, kind: pa.DataType, unit: str = "") -> pa.Field:
    """Field that may not be null."""
    return pa.field(name, kind, nullable=False, metadata={"unit": unit} if unit else None)


def _structs(**kinds: str) -> pa.DataType:
    """Type of a list of structs, field by field."""
    return pa.list_(pa.struct([(name, pa.type_for_alias(kind)) for name, kind in kinds.items()]))


_IDS = [
    required("take_id", pa.string()),
    required("participant_id", pa.string()),
    required("capture_id", pa.string()),
    required("split", pa.string()),
    pa.field("label", pa.string()),
    pa.field("place", pa.string(), metadata={"unit": "where the IMU sits, see PLACES"}),
    required("moment_id", pa.string(), "the same for takes recorded at once on one clock"),
]

TAKES = pa.schema(
    [
        *_IDS,
        required("take_name", pa.string()),
        required("duration_s", pa.float64(), "s"),
        required("frame_rate_hz", pa.float64(), "video frames per second of the take's clock"),
        required("frames", pa.int64(), "video frames that the take has; 0 where not known"),
        required(
            "videos",
            _structs(camera="string", path="string"),
            "best view first; path relative to the data set's root",
        ),
        required(
            "texts",
            _structs(text="string", time_s="double", source="string", end_s="double"),
            "s on the clock of the take; no end where the text is about a moment",
        ),
        required(
            "actions",
            _structs(action="string", begin_s="double", end_s="double"),
            "steps of the activity as labels; s on the clock of the take",
        ),
    ]
)

SIGNALS = pa.schema(
    [
        required("take_id", pa.string()),
        required("second", pa.int32(), "s on the clock of the take"),
        block("imu", "float32", (IMU_RATE_HZ, 6), "m/s2, m/s2, m/s2, rad/s, rad/s, rad/s"),
        block("imu_valid", "bool", (IMU_RATE_HZ,), "sample measured"),
        block("mocap", "float32", (MOCAP_RATE_HZ, len(JOINTS), 3), "m, world frame, z up"),
        block("mocap_valid", "bool", (MOCAP_RATE_HZ, len(JOINTS)), "joint measured"),
        required("imu_saturated", pa.float32(), "fraction of samples at the end of the range"),
        required("clock_offset_ms", pa.float32(), "device time minus frame number / rate, worst"),
    ]
)

CONTENT = pa.schema(
    [
        required("take_id", pa.string()),
        required(
            "fingerprint", pa.uint64(), "of samples or poses as recorded, see signals.content"
        ),
    ]
)

WINDOWS = pa.schema(
    [
        required("window_id", pa.string()),
        *_IDS,
        required("start_s", pa.float64(), "s on the clock of the take"),
        required("imu_valid", pa.float32(), "fraction of samples"),
        required("mocap_valid", pa.float32(), "fraction of joints and frames"),
        required("has_imu", pa.bool_()),
        required("has_mocap", pa.bool_()),
        required("has_video", pa.bool_()),
        required("imu_saturated", pa.float32(), "fraction of samples at the end of the range"),
        required(
            "texts",
            _structs(text="string", offset_s="float", source="string"),
            "by time; s from the window's start to the text's, below 0 where it began before",
        ),
        pa.field("action", pa.string(), metadata={"unit": "what half of the window or more is"}),
        required("clock_offset_ms", pa.float32(), "worst in the window"),
        required("largest_gap_ms", pa.float32(), "longest run without a valid IMU sample"),
    ]
)


def texts_schema(dim: int) -> pa.Schema:
    """Teacher embeddings of captions, of actions, and of each class's prompts (`label` set)."""
    return pa.schema(
        [
            required("text_id", pa.string()),
            required("text", pa.string()),
            required("kind", pa.string(), "caption, action or prompt"),
            pa.field("label", pa.string()),
            required("embedding", pa.list_(pa.float32(), dim), "unit vector"),
        ]
    )


def videos_schema(dim: int) -> pa.Schema:
    """Teacher embeddings of the video of a window: mean of its frames, a unit vector."""
    return pa.schema(
        [
            required("window_id", pa.string()),
            required("camera", pa.string()),
            required("frames", pa.int32()),
            required("embedding", pa.list_(pa.float32(), dim), "unit vector"),
        ]
    )


def embeddings_schema(dim: int) -> pa.Schema:
    """Joint-space vectors of the test windows, one column a modality; null where it is absent."""
    vector = pa.list_(pa.float32(), dim)
    unit = {"unit": "unit vector"}
    return pa.schema(
        [
            required("window_id", pa.string()),
            *(pa.field(modality, vector, metadata=unit) for modality in MODALITIES),
        ]
    )


def embedding_dim(schema: pa.Schema, where: str, name: str = "embedding") -> int:
    """Width of the vectors of a table's column; an `AuraError` where they have no one width."""
    index = schema.get_field_index(name)
    if index < 0 or not pa.types.is_fixed_size_list(schema.field(index).type):
        raise AuraError(f"{where} has no column '{name}' of vectors of one width.")
    return int(schema.field(index).type.list_size)


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
    dtype = np.dtype(metadata[b"dtype"].decode())
    shape = json.loads(metadata[b"shape"])
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
    dtype, shape = field.metadata[b"dtype"].decode(), tuple(json.loads(field.metadata[b"shape"]))
    if values.dtype != np.dtype(dtype) or values.shape[1:] != shape:
        raise AuraError(
            f"'{field.name}' needs {dtype} of shape (rows, {', '.join(map(str, shape))}), "
            f"not {values.dtype} of shape {values.shape}."
        )
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.FixedSizeBinaryArray.from_buffers(field.type, len(values), [None, buffer])


def validate(table: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """Return `table` if it keeps the contract, else raise an `AuraError` that names the column."""
    for field in schema:
        if field.name not in table.column_names:
            raise AuraError(f"{where} has no column '{field.name}'.")
        column = table.column(field.name)
        if column.type != field.type:
            raise AuraError(f"{where}: column '{field.name}' is {column.type}, not {field.type}.")
        if not field.nullable and column.null_count:
            raise AuraError(f"{where}: column '{field.name}' has {column.null_count} empty cells.")
    extra = set(table.column_names) - set(schema.names)
    if extra:
        raise AuraError(f"{where} has unknown columns: {', '.join(sorted(extra))}.")
    return table


def from_rows(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Small tables of plain values, row by row; blocks are not for this."""
    return pa.Table.from_pylist(list(rows), schema=schema)
