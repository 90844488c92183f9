"""Writes IMU streams as an Aria Gen1 VRS recording.

In file order: header, description (tags), one configuration record per stream, data records by
time, index. Each DataLayout JSON is derived from the numpy type that lays the bytes out.
Source: the VRS file format, https://facebookresearch.github.io/vrs/docs/FileFormat.
"""

import hashlib
import json
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from aura.datasets.vrs import ImuCalibration, ImuStream, container
from aura.datasets.vrs.container import RECORD_HEADER, RECORD_TYPES, packed_dtype
from aura.datasets.vrs.data_layout import DATA_PIECES
from aura.datasets.vrs.imu import IMU_TYPE_ID, INSTANCES, SAMPLE_FIELDS

_CONFIGURATION = packed_dtype(
    "stream_index:<u4 device_id:<u8 nominal_rate:<f8 has_accelerometer:u1 has_gyroscope:u1 "
    "has_magnetometer:u1"
)
_SAMPLE = packed_dtype(
    "accelerometer_valid:u1 gyroscope_valid:u1 magnetometer_valid:u1 temperature_deg_c:<f8 "
    "capture_timestamp_ns:<i8 arrival_timestamp_ns:<i8 accelerometer:3<f4 gyroscope:3<f4 "
    "magnetometer:3<f4"
)
_PIECES = DATA_PIECES | {"u4": "Value<uint32_t>", "u8": "Value<uint64_t>"}
_FIRST_S, _LAST_S = 5e-324, float(np.finfo(np.float64).max)  # VRS's own, around every sample


def write_vrs(path: Path, streams: Sequence[ImuStream]) -> None:
    """Write `streams` to `path`; the same streams give the same bytes.

    Samples keep their order within a stream. The file takes its name only once it is complete.

    Raises
    ------
    ValueError
        If labels are not distinct ones of "imu-right" and "imu-left", if arrays of a stream
        disagree in length, or if a calibration's transform is not rigid.
    """
    labels = [stream.label for stream in streams]
    if not labels or len(set(labels)) < len(labels) or not set(labels) <= set(INSTANCES):
        raise ValueError(f"expected distinct labels out of {[*INSTANCES]}, got {labels}")
    streams = sorted(streams, key=_instance)
    instances = np.array([_instance(stream) for stream in streams], np.uint16)
    description = _single_record(
        _description(streams), container.DESCRIPTION_TYPE_ID, previous_size=0
    )
    configurations = _records(len(streams), _CONFIGURATION, IMU_TYPE_ID, description.itemsize)
    header = configurations["header"]
    header["record_type"], header["instance"] = RECORD_TYPES["Configuration"], instances
    header["timestamp"] = _FIRST_S
    configuration = configurations["payload"]
    configuration["device_id"] = instances - 1
    configuration["nominal_rate"] = [stream.nominal_rate_hz for stream in streams]
    configuration["has_accelerometer"] = configuration["has_gyroscope"] = 1

    data = _data(streams, configurations.itemsize)
    previous_size = data.itemsize if data.size else configurations.itemsize
    entries = np.empty(len(streams) + len(data), container.INDEX_ENTRY)
    for name in container.INDEX_ENTRY.names or ():
        entries[name] = np.concatenate([header[name], data["header"][name]])
    ids = b"".join(struct.pack("<iH", IMU_TYPE_ID, instance) for instance in instances)
    body = struct.pack("<I", len(streams)) + ids + struct.pack("<I", len(entries))
    index = _single_record(body + entries.tobytes(), container.INDEX_TYPE_ID, previous_size)
    _write(Path(path), [description, configurations, data, index])


def _write(path: Path, blocks: Sequence[np.ndarray]) -> None:
    """Write the file header and the blocks, of which the last is the index, in one step."""
    digest = hashlib.blake2b(digest_size=8)
    for block in blocks:
        digest.update(block.view(np.uint8).data)
    header = np.zeros((), container.FILE_HEADER)
    header["magic"], header["magic_end"], header["version"] = b"VisionRe", b"cord", b"VRS1"
    header["creation_id"] = int.from_bytes(digest.digest())  # unique: readers cache indexes by it
    header["header_size"] = header["description_offset"] = container.FILE_HEADER.itemsize
    header["record_header_size"] = RECORD_HEADER.itemsize
    header["index_offset"] = header.nbytes + sum(block.nbytes for block in blocks[:-1])
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(header.tobytes())
            file.writelines(block.view(np.uint8).data for block in blocks)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _instance(stream: ImuStream) -> int:
    return INSTANCES[stream.label][0]


def _records(count: int, payload: np.dtype, type_id: int, previous_size: int) -> np.ndarray:
    """Empty records of the file's own kind, after a record of `previous_size` bytes."""
    records = np.zeros(count, [("header", RECORD_HEADER), ("payload", payload)])
    header = records["header"]
    header["size"] = header["previous_size"] = records.itemsize
    header["previous_size"][:1] = previous_size
    header["type_id"], header["format_version"] = type_id, 2
    header["record_type"], header["timestamp"] = RECORD_TYPES["Data"], _LAST_S
    return records


def _single_record(body: bytes, type_id: int, previous_size: int) -> np.ndarray:
    records = _records(1, np.dtype(f"V{len(body)}"), type_id, previous_size)
    records["payload"] = np.frombuffer(body, f"V{len(body)}")
    return records


def _data(streams: Sequence[ImuStream], previous_size: int) -> np.ndarray:
    """The samples of all streams, merged by the latest stamp so far, which keeps their order."""
    latest = [np.maximum.accumulate(stream.timestamps_ns) for stream in streams]
    order = np.argsort(np.concatenate(latest), kind="stable")
    records = _records(len(order), _SAMPLE, IMU_TYPE_ID, previous_size)
    ranks, start = np.empty_like(order), 0
    ranks[order] = np.arange(len(order))
    for stream in streams:
        count = len(stream.timestamps_ns)
        rows, start = ranks[start : start + count], start + count
        records["header"]["instance"][rows] = _instance(stream)
        masks = stream.accel_valid, stream.gyro_valid
        arrays = stream.timestamps_ns, stream.accel, stream.gyro, *masks
        for name, values in zip(SAMPLE_FIELDS.names or (), arrays, strict=True):
            shape = (count, *_SAMPLE[name].shape)
            if np.shape(values) != shape:
                raise ValueError(f"{stream.label}: {name} is {np.shape(values)}, expected {shape}")
            records["payload"][name][rows] = values
    records["payload"]["temperature_deg_c"] = np.nan
    records["payload"]["arrival_timestamp_ns"] = -1  # not known
    records["header"]["timestamp"] = records["payload"]["capture_timestamp_ns"] * 1e-9
    return records


def _description(streams: Sequence[ImuStream]) -> bytes:
    """Tags of each stream and of the file."""
    body = struct.pack("<I", len(streams))
    for stream in streams:
        body += struct.pack("<iH", IMU_TYPE_ID, _instance(stream))
        body += _tags({"device_type": "Aria"})
        body += _tags(
            {
                "VRS_Original_Recordable_Name": "IMU Data (SLAM)",
                "VRS_Recordable_Flavor": "device/aria",
                "RF:Configuration:2": f"data_layout/size={_CONFIGURATION.itemsize}",
                "DL:Configuration:2:0": _layout(_CONFIGURATION),
                "RF:Data:2": f"data_layout/size={_SAMPLE.itemsize}",
                "DL:Data:2:0": _layout(_SAMPLE),
            }
        )
    calibrations = [_calibration(s.label, s.calibration) for s in streams if s.calibration]
    device = {
        "DeviceClassInfo": {"BuildVersion": "DVT-S", "DeviceClass": "Aria"},
        "OriginSpecification": {"ChildLabel": "camera-slam-left", "Type": "Custom"},
        **{"CameraCalibrations": [], "ImuCalibrations": calibrations},
    }
    tags = {"device_type": "Aria", "metadata": "{}"}
    if calibrations:
        tags["calib_json"] = json.dumps(device)
    return body + _tags(tags)


def _tags(tags: Mapping[str, str]) -> bytes:
    texts = [text.encode() for pair in sorted(tags.items()) for text in pair]
    sized = (struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack("<I", len(tags)) + b"".join(sized)


def _layout(dtype: np.dtype) -> str:
    """The DataLayout JSON of a packed numpy type."""
    pieces: list[dict[str, Any]] = []
    for name, (kind, offset, *_) in (dtype.fields or {}).items():
        size = {"size": kind.shape[0]} if kind.shape else {}
        kind_name = f"DataPiece{_PIECES[kind.base.str[1:]]}"
        pieces.append({"name": name, "type": kind_name, "offset": offset} | size)
    return json.dumps({"data_layout": pieces})


def _calibration(label: str, calibration: ImuCalibration) -> dict[str, Any]:
    transform = np.asarray(calibration.transform_device_imu, np.float64)
    rotation = transform[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9) or np.linalg.det(rotation) < 0:
        raise ValueError(f"the transform of {label} is not rigid")
    x, y, z, w = Rotation.from_matrix(rotation).as_quat(canonical=True).tolist()

    def model(matrix: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
        linear = {"Name": "Linear", "RectificationMatrix": np.asarray(matrix, np.float64).tolist()}
        constant = {"Name": "Constant", "Offset": np.asarray(bias, np.float64).tolist()}
        return {"Model": linear, "Bias": constant}

    accel = model(calibration.accel_rectification, calibration.accel_bias)
    gyro = model(calibration.gyro_rectification, calibration.gyro_bias)
    accel["TimeOffsetSec_Device_Accel"] = calibration.accel_time_offset_s
    gyro["TimeOffsetSec_Device_Gyro"] = calibration.gyro_time_offset_s
    pose = {"Translation": transform[:3, 3].tolist(), "UnitQuaternion": [w, [x, y, z]]}
    return {"Label": label, "Accelerometer": accel, "Gyroscope": gyro, "T_Device_Imu": pose}
