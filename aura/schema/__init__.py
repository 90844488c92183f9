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

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.errors import AuraError
from aura.schema.blocks import block, block_of, from_numpy, to_numpy

__all__ = ["block_of", "from_numpy", "to_numpy"]  # beside what is defined here

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
    required("imu_channels", pa.list_(pa.bool_(), len(IMU_CHANNELS)), "channels that the IMU has"),
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
        required("fingerprint", pa.uint64(), "of what was recorded, see signals.content"),
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
    """Joint-space vectors of the test windows, one column a modality; null where it is absent.

    With what a search shows of a window, so that it needs no other table.
    """
    vector = pa.list_(pa.float32(), dim)
    unit = {"unit": "unit vector"}
    return pa.schema(
        [
            required("window_id", pa.string()),
            required("take_id", pa.string()),
            required("start_s", pa.float64(), "s on the clock of the take"),
            pa.field("label", pa.string()),
            required("texts", pa.list_(pa.string()), "captions"),
            *(pa.field(modality, vector, metadata=unit) for modality in MODALITIES),
        ]
    )


def embedding_dim(schema: pa.Schema, where: str, name: str = "embedding") -> int:
    """Width of the vectors of a table's column; an `AuraError` where they have no one width."""
    index = schema.get_field_index(name)
    if index < 0 or not pa.types.is_fixed_size_list(schema.field(index).type):
        raise AuraError(f"{where} has no column '{name}' of vectors of one width.")
    return int(schema.field(index).type.list_size)


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
