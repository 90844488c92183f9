"""vrs.read: an IMU stream of an Aria recording, beside projectaria-tools and a copy of bytes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from aura.datasets.synthetic.vrs_writer import write_vrs
from aura.datasets.vrs import ImuStream, read_imu
from bench import peers
from bench.measure import Baseline, Row, Setup, require

_RATES_HZ = {"imu-right": 1000.0, "imu-left": 800.0}
_LABEL = "imu-right"
_COLUMNS = ("timestamps_ns", "accel", "gyro", "accel_valid", "gyro_valid")


def rows(setup: Setup) -> Iterator[Row]:
    """A recording with both IMUs, of which one is read."""
    seconds = setup.size(1200, 4)
    streams = [_stream(label, seconds) for label in _RATES_HZ]
    file = setup.folder / "imu.vrs"
    write_vrs(file, streams)
    raw = np.fromfile(file, np.uint8)
    official = peers.start("projectaria", path=str(file), label=_LABEL)
    yield Row(
        name="vrs.read",
        what=f"one of two IMU streams of a VRS file of {seconds} s and {raw.nbytes / 1e6:.0f} MB",
        ours=partial(read_imu, file, _LABEL),
        baselines=[
            Baseline("copy of the file's bytes", "limit", raw.copy),
            Baseline("projectaria-tools", "peer", official, 2.0),
        ],
        gate=partial(_equal, file, streams[0], official, setup.folder / "official.npy"),
        work=float(len(streams[0].timestamps_ns)),
        unit="samples",
        notes=("Headers of both streams are read and held against the index.",),
    )


def _stream(label: str, seconds: int) -> ImuStream:
    rng = np.random.default_rng(len(label))
    rate = _RATES_HZ[label]
    count = int(rate * seconds)
    stamps = np.cumsum(rng.uniform(0.98, 1.02, count) / rate * 1e9).astype(np.int64)
    accel, gyro = rng.normal(size=(2, count, 3)).astype(np.float32)
    good = rng.random((2, count)) < 0.999
    return ImuStream(label, rate, stamps, accel, gyro, good[0], good[1], None)


def _equal(file: Path, written: ImuStream, official: peers.Peer | str, out: Path) -> dict[str, str]:
    """Every column has the bytes that were written, and those that the peer reads."""
    read = read_imu(file, written.label)
    for name in _COLUMNS:
        equal = getattr(read, name).tobytes() == getattr(written, name).tobytes()
        require(equal, f"{name} differs from what was written.")
    if isinstance(official, str):
        return {"equal to": "what was written, to the bit"}
    official.save(out)
    expected = np.load(out)
    for name, field in zip(_COLUMNS, expected.dtype.names, strict=True):
        equal = getattr(read, name).tobytes() == np.ascontiguousarray(expected[field]).tobytes()
        require(equal, f"{name} differs from what projectaria-tools read.")
    return {"equal to": "what was written and what projectaria-tools reads, to the bit"}
