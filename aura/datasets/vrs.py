"""IMU streams of Project Aria recordings, read straight from VRS files.

A VRS file is a header, a description record (tags), an index record and the user records, all
little-endian. The index gives each record's size in disk order, so offsets are a running sum; a
stream's DataLayout JSON tag tells where each field lies inside a payload.
Source: the VRS file format, https://facebookresearch.github.io/vrs/docs/FileFormat.
"""

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from aura.datasets.vrs_official import official_columns
from aura.errors import CorruptFile


def fields(spec: str) -> np.dtype:
    """Packed numpy type of space-separated name:format pairs."""
    return np.dtype([(name, form) for name, form in (item.split(":") for item in spec.split())])


FILE_HEADER = fields(
    "magic:S8 creation_id:<u8 header_size:<u4 record_header_size:<u4 index_offset:<i8 "
    "description_offset:<i8 first_record_offset:<i8 reserved:V24 magic_end:S4 version:S4"
)
RECORD_HEADER = fields(
    "size:<u4 previous_size:<u4 type_id:<i4 format_version:<u4 timestamp:<f8 instance:<u2 "
    "record_type:u1 compression:u1 uncompressed_size:<u4"
)
INDEX_ENTRY = fields("timestamp:<f8 size:<u4 record_type:u1 type_id:<i4 instance:<u2")
INDEX_TYPE_ID, DESCRIPTION_TYPE_ID, IMU_TYPE_ID = 1, 2, 1202
RECORD_TYPES = {"Configuration": 2, "Data": 3}
INSTANCES = {"imu-right": (1, 2), "imu-left": (2, 1)}  # in Gen1 and in Gen2 recordings
PIECE = {"i8": "Value<int64_t>", "f8": "Value<double>", "f4": "Array<float>", "u1": "Value<Bool>"}
SAMPLE_FIELDS = fields(
    "capture_timestamp_ns:<i8 accelerometer:3<f4 gyroscope:3<f4 accelerometer_valid:u1 "
    "gyroscope_valid:u1"
)
# Where the sensors saturate, in g and deg/s, in Gen1 and in Gen2 recordings. Source: "Sensor
# Measurement Models" of the Project Aria docs, for Gen1 and for Gen2. That page gives 5000 deg/s
# for imu-left of Gen1, taken here as a slip: its recordings step by 0.01525 deg/s, 500 / 2**15.
RANGES = {"imu-right": ((8, 1000), (16, 2000)), "imu-left": ((4, 500), (8, 2000))}
_STANDARD_GRAVITY = 9.80665  # m/s2
_MAX_TAG_BYTES = 4 << 20  # real files have 32 KiB of tags; bounds what hostile ones cost
# Bytes of the elements of a DataLayout; Point<n> has n values and Matrix<n> has n * n.
_ELEMENT = re.compile(r"DataPiece(?:Value|Array)<(?:(Point|Matrix)([234])D([dfi])|(\w+))>")
_ELEMENT_BYTES = {"Bool": 1, "char": 1, "float": 4, "double": 8} | {
    f"{sign}int{8 * size}_t": size for sign in ("", "u") for size in (1, 2, 4, 8)
}


@dataclass(frozen=True)
class ImuCalibration:
    """Factory calibration of one IMU: rectified = inv(rectification) @ (raw - bias).

    Rectifications are (3, 3), biases (3,) in m/s2 or rad/s, `transform_device_imu` is (4, 4) with
    a translation in metres, all float64; time offsets are in seconds.
    """

    accel_rectification: np.ndarray
    accel_bias: np.ndarray
    gyro_rectification: np.ndarray
    gyro_bias: np.ndarray
    transform_device_imu: np.ndarray
    accel_time_offset_s: float
    gyro_time_offset_s: float


@dataclass(frozen=True)
class ImuStream:
    """Raw samples of one IMU, in file order (of record time where projectaria-tools read them).

    `timestamps_ns` is (N,) int64, capture time in DEVICE_TIME; `accel` (m/s2) and `gyro` (rad/s)
    are (N, 3) float32 in the sensor's own frame; the validity masks are (N,) bool. `ranges` are
    the largest accel (m/s2) and gyro (rad/s) that the sensor can give, where they are known.
    """

    label: str
    nominal_rate_hz: float
    timestamps_ns: np.ndarray
    accel: np.ndarray
    gyro: np.ndarray
    accel_valid: np.ndarray
    gyro_valid: np.ndarray
    calibration: ImuCalibration | None
    ranges: tuple[float, float] | None = None

    @property
    def saturated(self) -> np.ndarray:
        """(N,) bool: some raw axis is at 0.999 of its range or beyond; none if it is not known."""
        masks = [np.zeros(len(self.accel), np.bool_)]
        for values, limit in zip((self.accel, self.gyro), self.ranges or (), strict=False):
            masks.append((np.abs(values) >= 0.999 * limit).any(1))
        return np.logical_or.reduce(masks)


def read_imu(path: Path, label: str = "imu-right") -> ImuStream:
    """Read the IMU stream called `label` ("imu-right" or "imu-left") of an Aria recording.

    Raises
    ------
    CorruptFile
        If the file is absent, damaged, without that stream, or needs projectaria-tools (for IMU
        records that are compressed or of several layouts) and that is absent or fails.
    """
    try:
        imu = _ImuFile(Path(path), label)
        calibration = _calibration(imu.file_tags.get("calib_json", ""), label)
        rate = float(imu.columns("Configuration", fields("nominal_rate:<f8"), 1)[0][0])
        if not 0 < rate < 1e6:
            raise CorruptFile("its nominal rate is implausible")
        columns = imu.columns("Data", SAMPLE_FIELDS)
        columns = columns or official_columns(Path(path), label, imu.count("Data"))
    except Exception as error:  # hostile bytes make struct, numpy, json and pyarrow raise anything
        reason = error if isinstance(error, CorruptFile) else f"it is malformed ({error!r:.90})"
        raise CorruptFile(f"Cannot read the {label} stream of {path}: {reason}.") from error
    times, accel, gyro, accel_ok, gyro_ok = columns
    masks = accel_ok != 0, gyro_ok != 0
    accel_g, gyro_deg_s = RANGES[label][imu.gen2]
    ranges = accel_g * _STANDARD_GRAVITY, float(np.radians(gyro_deg_s))
    return ImuStream(label, rate, times, accel, gyro, masks[0], masks[1], calibration, ranges)


def to_device_frame(
    stream: ImuStream, rectify: bool = True, rotate: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Accel (m/s2) and gyro (rad/s), (N, 3) float32, by the stream's calibration; raw without one.

    `rectify` applies bias, scale and misalignment, `rotate` turns the sensor's axes into the
    device's.
    """
    model = stream.calibration
    if model is None or not (rectify or rotate):
        return stream.accel, stream.gyro
    rotation = model.transform_device_imu[:3, :3] if rotate else np.eye(3)
    accel, gyro = stream.accel, stream.gyro
    matrices = np.broadcast_to(rotation, (2, 3, 3))
    if rectify:
        matrices = rotation @ np.linalg.inv([model.accel_rectification, model.gyro_rectification])
        accel, gyro = accel - model.accel_bias, gyro - model.gyro_bias
    accel, gyro = accel @ matrices[0].T, gyro @ matrices[1].T
    return accel.astype(np.float32), gyro.astype(np.float32)


class _ImuFile:
    """Memory map of a VRS file, with the tags and record headers of one IMU."""

    def __init__(self, path: Path, label: str) -> None:
        if not path.is_file():
            raise CorruptFile("there is no such file")
        self.data = np.asarray(np.memmap(path, np.uint8, "r"))
        header = np.frombuffer(self.data, FILE_HEADER, 1)[0]
        marks = header[["magic", "magic_end", "record_header_size"]].item()
        if marks != (b"VisionRe", b"cord", RECORD_HEADER.itemsize):
            raise CorruptFile("it is not a VRS file")
        _, body, end = self._record(header, "description", DESCRIPTION_TYPE_ID)
        streams, self.file_tags = _description(memoryview(body[:_MAX_TAG_BYTES].tobytes()))
        self.gen2 = self.file_tags.get("device_type", "").lower() == "oatmeal"
        stream = IMU_TYPE_ID, INSTANCES.get(label, (-1, -1))[self.gen2]
        if stream not in streams:
            raise CorruptFile("the recording has no such stream")
        self.tags = streams[stream]
        record, body, _ = self._record(header, "index", INDEX_TYPE_ID)
        start = 8 + 6 * int(body[:4].view("<u4")[0])  # past the list of streams
        count = int(body[start - 4 : start].view("<u4")[0])
        if count > self.data.size // RECORD_HEADER.itemsize:
            raise ValueError("the index promises more records than the file has room for")
        packed = body[start:]
        if record["compression"]:
            packed = _decompress(packed, record["compression"], count * INDEX_ENTRY.itemsize)
        entries = np.frombuffer(packed, INDEX_ENTRY, count)
        sizes = entries["size"].astype(np.int64)
        start = int(header["first_record_offset"]) or end
        if sizes.min() < RECORD_HEADER.itemsize or start < end:
            raise ValueError("records overlap each other or the description")
        total = start + int(sizes.sum())
        if total > self.data.size:
            raise CorruptFile(f"it is cut short at {self.data.size} of {total} bytes")
        ends = start + np.cumsum(sizes)
        headers = _gather(self.data, ends - sizes, RECORD_HEADER)
        mine, told = (
            (table["type_id"] == stream[0]) & (table["instance"] == stream[1])
            for table in (entries, headers)
        )
        self.headers, self.offsets = _pick(headers, mine), (ends - sizes)[mine]
        index = _pick(entries, mine)
        pairs = [(index[name], self.headers[name]) for name in INDEX_ENTRY.names or ()]
        if (mine != told).any() or any(a.tobytes() != b.tobytes() for a, b in pairs):
            raise CorruptFile("its index disagrees with its records")

    def _record(self, header: np.void, name: str, type_id: int) -> tuple[np.void, np.ndarray, int]:
        offset = int(header[f"{name}_offset"])
        record = np.frombuffer(self.data, RECORD_HEADER, 1, offset)[0]
        start, end = offset + RECORD_HEADER.itemsize, offset + int(record["size"])
        known = (record["type_id"], record["format_version"]) == (type_id, 2)
        if not known or not start <= end <= self.data.size:
            raise CorruptFile(f"its {name} is missing, incomplete or of an unsupported version")
        return record, self.data[start:end], end

    def count(self, kind: str) -> int:
        """Number of records of a kind."""
        return int((self.headers["record_type"] == RECORD_TYPES[kind]).sum())

    def columns(self, kind: str, wanted: np.dtype, limit: int | None = None) -> list[np.ndarray]:
        """Wanted fields of the first `limit` records; none where that takes projectaria-tools."""
        chosen = np.flatnonzero(self.headers["record_type"] == RECORD_TYPES[kind])[:limit]
        if not chosen.size:
            raise CorruptFile(f"the stream has no {kind.lower()} records")
        headers, offsets = _pick(self.headers, chosen), self.offsets[chosen]
        codecs = headers["compression"]
        packed_sizes = headers["size"] - RECORD_HEADER.itemsize
        sizes = np.where(codecs, headers["uncompressed_size"], packed_sizes)
        places: list[tuple[int, np.dtype]] = []
        versions = np.unique(headers["format_version"])
        for version in versions:
            layout = self.tags.get(f"DL:{kind}:{version}:0")
            form = self.tags.get(f"RF:{kind}:{version}", "")
            if layout is None or not re.match(r"data_layout(/size=\d+)?(\+|$)", form):
                raise CorruptFile(f"some {kind.lower()} records have no DataLayout")
            places = _places(layout, wanted)
            needed = max(at + dtype.itemsize for at, dtype in places)
            if (sizes[headers["format_version"] == version] < needed).any():
                raise CorruptFile("it has records shorter than their DataLayout")
        data, starts = self.data, offsets + RECORD_HEADER.itemsize
        if versions.size > 1 or (codecs.any() and chosen.size > 1):
            return []
        if codecs.any():
            data, starts = _decompress(data[starts[0] :], codecs[0], needed), np.zeros(1, np.int64)
        first = min(at for at, _ in places)
        rows = _gather(
            data,
            starts + first,
            np.dtype(
                {
                    "names": list(wanted.names or ()),
                    "formats": [dtype for _, dtype in places],
                    "offsets": [at - first for at, _ in places],
                    "itemsize": needed - first,
                }
            ),
        )
        return [np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()]


def _gather(data: np.ndarray, offsets: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The item at each byte offset; a view with one item per byte makes it a single take."""
    items = np.ndarray((data.size - dtype.itemsize + 1,), f"V{dtype.itemsize}", data, 0, (1,))
    return items[offsets].view(dtype.base).reshape(-1, *dtype.shape)


def _pick(rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Rows of a structured array, copied as bytes and not field by field."""
    return rows.view(f"V{rows.itemsize}")[which].view(rows.dtype)


def _description(raw: memoryview) -> tuple[dict[tuple[int, int], dict[str, str]], dict]:
    """VRS tags of each stream, by (type id, instance), and the file's tags."""

    def take(form: str) -> tuple:
        nonlocal raw
        values, raw = struct.unpack_from(form, raw), raw[struct.calcsize(form) :]
        return values

    def text() -> str:
        return take(f"<{take('<I')[0]}s")[0].decode(errors="replace")

    def tags() -> dict[str, str]:
        return {text(): text() for _ in range(*take("<I"))}

    streams = {}
    for _ in range(*take("<I")):
        key, _user, streams[key] = take("<iH"), tags(), tags()
    return streams, tags()


def _places(layout: str, wanted: np.dtype) -> list[tuple[int, np.dtype]]:
    """Payload offset and type of each wanted field, from a DataLayout JSON tag.

    The official reader takes a field's place from its turn and not from its "offset", and gives
    zeros for a field that is absent or of another type. So both places have to agree, and a layout
    without a wanted field is refused here.
    """
    found: dict[str, list[tuple]] = {name: [] for name in wanted.names or ()}
    turn = 0
    for piece in json.loads(layout)["data_layout"]:
        if piece["name"] in found:
            size = piece.get("size", 1)
            found[piece["name"]].append((piece["type"], size, turn, piece.get("offset", turn)))
        turn += _piece_bytes(piece)
    places = []
    for name, pieces in found.items():
        dtype = wanted[name]
        known = f"DataPiece{PIECE[dtype.base.str[1:]]}", *(dtype.shape or (1,))
        if [piece[:2] for piece in pieces] != [known]:
            raise CorruptFile(f"its DataLayout has no usable {name}")
        _, _, turn, offset = pieces[0]
        if offset != turn:
            raise CorruptFile(f"its DataLayout contradicts itself on where {name} is")
        places.append((turn, dtype))
    return places


def _piece_bytes(piece: dict) -> int:
    """Fixed size of a field of a DataLayout; those of variable size come after all the others."""
    if re.match(r"DataPiece(String|StringMap|Vector)\b", piece["type"]):
        return 0
    match, count = _ELEMENT.fullmatch(piece["type"]), piece.get("size", 1)
    shape, side, unit, scalar = match.groups("") if match else ("", "", "", "")
    if shape:
        size = {"d": 8, "f": 4, "i": 4}[unit] * int(side) ** {"Point": 1, "Matrix": 2}[shape]
    else:
        size = _ELEMENT_BYTES.get(scalar, 0)
    if not size or type(count) is not int or not 0 <= count < 1 << 16:
        raise CorruptFile(f"its DataLayout has a {piece['type']:.40} of unknown size")
    return size * count


def _decompress(packed: np.ndarray, codec: int, size: int) -> np.ndarray:
    """The first `size` bytes of a compressed block; what follows its frame is ignored."""
    import pyarrow as pa  # slow to import and rarely needed

    source = pa.BufferReader(pa.py_buffer(packed))
    raw = pa.CompressedInputStream(source, {1: "lz4", 2: "zstd"}[int(codec)]).read(size)
    return np.frombuffer(raw, np.uint8, size)


def _calibration(text: str, label: str) -> ImuCalibration | None:
    """The calibration of `label` in the recording's calibration JSON, where there is one."""
    imus = json.loads(text)["ImuCalibrations"] if text else []
    imu = next((imu for imu in imus if imu["Label"] == label), None)
    if imu is None:
        return None
    sensors, pose = (imu["Accelerometer"], imu["Gyroscope"]), imu["T_Device_Imu"]
    rows = [[*part["Model"]["RectificationMatrix"], part["Bias"]["Offset"]] for part in sensors]
    accel, gyro = models = np.array(rows, np.float64).reshape(2, 4, 3)
    np.linalg.inv(models[:, :3])  # a singular one is malformed
    transform, (real, imaginary) = np.eye(4), pose["UnitQuaternion"]
    transform[:3, :3] = Rotation.from_quat([*imaginary, real]).as_matrix()
    transform[:3, 3] = np.reshape(pose["Translation"], 3)
    names = ("TimeOffsetSec_Device_Accel", "TimeOffsetSec_Device_Gyro")
    lags = [float(part.get(name, 0.0)) for part, name in zip(sensors, names, strict=True)]
    if not all(np.isfinite(values).all() for values in (models, transform, lags)):
        raise ValueError("the calibration is not finite")
    return ImuCalibration(accel[:3], accel[3], gyro[:3], gyro[3], transform, *lags)
