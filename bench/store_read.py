"""store.read: signal shards to windows in memory, beside a read of the windows laid out raw.

Signals are kept once and windows are views of them; the raw file holds each window, and so what
two windows share twice. The row is of the bytes that training holds before it starts.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.learning.batches import SIGNAL_COLUMNS, Tracks, end_to_end
from aura.schema import SIGNALS, from_numpy
from bench.measure import Baseline, Row, Setup, require
from pipeline.engine.output import TableWriter, read_table

_WINDOW_S, _STRIDE_S, _SHARDS = 5, 2.5, 4
_BLOCKS = {
    "imu": IMU_RATE_HZ,
    "imu_valid": IMU_RATE_HZ,
    "mocap": MOCAP_RATE_HZ,
    "mocap_valid": MOCAP_RATE_HZ,
}


def rows(setup: Setup) -> Iterator[Row]:
    """Takes of 5 minutes in shards, as `aura resample` writes them."""
    seconds, takes = setup.size(300, 12), setup.size(80, 8)
    folder, lists = setup.folder / "signals", setup.folder / "lists"
    for path in (folder, lists):
        path.mkdir()
    for shard in range(_SHARDS):
        _write_shard(shard, takes // _SHARDS, seconds, folder, lists)
    raw = setup.folder / "windows.raw"
    starts = _starts(takes, seconds)
    count = _write_raw(raw, read(folder), starts)
    read_as_lists = partial(_read_lists, lists)
    yield Row(
        name="store.read",
        what=f"signals of {takes} takes of {seconds} s, {count} windows of {_WINDOW_S} s",
        ours=partial(read, folder),
        baselines=[
            Baseline("pread of raw windows", "limit", partial(_pread, raw), 0.95),
            Baseline("fixed-size lists of float32", "peer", read_as_lists),
        ],
        gate=partial(_equal, folder, raw, starts, read_as_lists),
        work=float(count),
        unit="windows",
        notes=(
            f"On disk {_bytes(folder) / 1e6:.0f} MB of Parquet and {_bytes(raw) / 1e6:.0f} MB raw.",
            "Files are in the page cache; noise, which lz4 cannot make smaller.",
            "The lists are the same tables with columns that polars and pandas show as numbers.",
        ),
    )


def read(folder: Path) -> Tracks:
    """What `pipeline.study.joined` does with the signals of a data set."""
    return end_to_end(read_table(folder, SIGNALS, "resample", list(SIGNAL_COLUMNS)), _WINDOW_S)


def windows_of(tracks: Tracks, starts: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays (windows, samples, ...), copied, of windows that start at these seconds."""
    arrays = {}
    for name, rate in _BLOCKS.items():
        index = np.rint(starts * rate).astype(np.int64)[:, None] + np.arange(_WINDOW_S * rate)
        arrays[name] = getattr(tracks, name)[index]
    return arrays


def _starts(takes: int, seconds: int) -> np.ndarray:
    """Seconds on the axis of all takes at which windows begin."""
    starts_in_take = np.arange(0, seconds - _WINDOW_S + 0.1, _STRIDE_S)
    return (np.arange(takes)[:, None] * seconds + starts_in_take).ravel()


def _write_shard(shard: int, takes: int, seconds: int, folder: Path, lists: Path) -> None:
    rng = np.random.default_rng(shard)
    writer = TableWriter(folder / f"part-{shard:05d}.parquet", SIGNALS)
    list_tables: list[pa.Table] = []
    for take in range(takes):
        columns: list[pa.Array] = [
            pa.array([f"take {shard}-{take}"] * seconds),
            pa.array(np.arange(seconds, dtype=np.int32)),
        ]
        list_columns = columns.copy()
        for name, shape in (("imu", (IMU_RATE_HZ, 6)), ("mocap", (MOCAP_RATE_HZ, 17, 3))):
            values = rng.normal(size=(seconds, *shape)).astype(np.float32)
            valid = rng.random(values.shape[: 2 if name == "imu" else 3]) < 0.99
            for field, array in ((name, values), (f"{name}_valid", valid)):
                columns.append(from_numpy(array, SIGNALS.field(field)))
                flat = pa.array(array.ravel())
                list_columns.append(pa.FixedSizeListArray.from_arrays(flat, array[0].size))
        zeros = pa.array(np.zeros(seconds, np.float32))
        writer.add(pa.table([*columns, zeros, zeros], schema=SIGNALS))
        list_tables.append(pa.table(list_columns, names=list(SIGNAL_COLUMNS)))
    writer.close()
    file = lists / f"part-{shard:05d}.parquet"
    pq.write_table(pa.concat_tables(list_tables), file, compression="lz4", use_dictionary=False)


def _read_lists(folder: Path) -> dict[str, np.ndarray]:
    files = sorted(folder.iterdir())
    table = pa.concat_tables(pq.read_table(file, memory_map=True) for file in files)
    columns = {name: table.column(name).combine_chunks().flatten() for name in _BLOCKS}
    return {name: values.to_numpy(zero_copy_only=False) for name, values in columns.items()}


def _write_raw(path: Path, tracks: Tracks, starts: np.ndarray) -> int:
    """Window after window; returns how many."""
    with path.open("wb") as file:
        for values in windows_of(tracks, starts).values():
            values.tofile(file)
    return len(starts)


def _pread(path: Path) -> np.ndarray:
    content = np.empty(path.stat().st_size, np.uint8)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        position = 0
        while position < len(content):
            position += os.preadv(descriptor, [content.data[position:]], position)
    finally:
        os.close(descriptor)
    return content


def _equal(folder: Path, raw: Path, starts: np.ndarray, read_as_lists: partial) -> dict[str, str]:
    """Windows cut from the signals have the bytes of the raw file; the lists hold the same."""
    tracks, position = read(folder), 0
    content = _pread(raw)
    for name, values in windows_of(tracks, starts).items():
        expected = content[position : position + values.nbytes]
        require(expected.tobytes() == values.tobytes(), f"{name} differs from the raw windows.")
        position += values.nbytes
    for name, values in read_as_lists().items():
        require(
            np.array_equal(values, getattr(tracks, name).ravel()), f"{name} differs in the lists."
        )
    return {"equal": f"{position / 1e6:.0f} MB of windows"}


def _bytes(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)
