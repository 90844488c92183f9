"""Tables of noise on disk, as the stages would write them of so many recordings."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from aura import schema
from aura.teacher.identity import Identity
from bench.noise import DIM
from pipeline.engine import manifest, paths
from pipeline.engine.output import Made, stage_output, write_table

TAKE_S, STRIDE_S, WINDOW_S = 123, 2.5, 5.0
CAPTIONS = 1.8  # distinct ones a window
TAKES_PER_SHARD = 150
_SPLITS = ("train",) * 8 + ("val", "test")  # by participant


def write(folder: Path, takes: int) -> None:
    """Write signals, windows and embeddings of so many takes, as the stages would."""
    rng = np.random.default_rng(0)
    teacher = Identity("noise", "", "0", "", stand_in=True)
    noise = rng.normal(size=(4 * TAKE_S, 200, 6)).astype(np.float32)
    poses = rng.normal(size=(4 * TAKE_S, 10, 17, 3)).astype(np.float32)
    vectors = rng.normal(size=(1 << 14, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"take-{number:05d}" for number in range(takes)]
    shards = [names[k : k + TAKES_PER_SHARD] for k in range(0, takes, TAKES_PER_SHARD)]

    def sealed(
        stage: str,
        out: Path,
        tables: Iterator[tuple[str, pa.Table]],
        read: Sequence[manifest.Manifest],
    ) -> manifest.Manifest:
        params = {"window_s": WINDOW_S, "resample": {}}
        of_teacher = teacher.content() if stage == "embed" else None
        made = Made(stage, "noise", params, read, of_teacher)
        with stage_output(out, None, made) as partial:
            for name, table in tables:
                write_table(partial / f"{name}.parquet", table, table.schema)
        return manifest.read(out, stage)

    os.chdir(folder)
    signals = sealed("resample", paths.SIGNALS / "noise", _signals(shards, noise, poses, rng), [])
    windows = sealed("slice", paths.WINDOWS / "noise", _windows(shards), [signals])
    tables = _embeddings(shards, vectors, teacher.metadata())
    sealed("embed", paths.EMBEDDINGS / "noise", tables, [signals, windows])


def _signals(
    shards: list[list[str]], noise: np.ndarray, poses: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[str, pa.Table]]:
    for number, names in enumerate(shards):
        count = len(names) * TAKE_S
        second = np.tile(np.arange(TAKE_S, dtype=np.int32), len(names))
        pick = rng.integers(0, len(noise), count)
        columns = {
            "imu": noise[pick],
            "imu_valid": np.ones((count, 200), bool),
            "mocap": poses[pick],
            "mocap_valid": np.ones((count, 10, 17), bool),
        }
        arrays = [schema.from_numpy(v, schema.SIGNALS.field(k)) for k, v in columns.items()]
        zeros = pa.array(np.zeros(count, np.float32))
        yield (
            f"part-{number:05d}",
            pa.table(
                [pa.array(np.repeat(names, TAKE_S)), pa.array(second), *arrays, zeros, zeros],
                schema=schema.SIGNALS,
            ),
        )
        marks = rng.integers(0, 1 << 63, (len(names), 40), dtype=np.uint64)
        yield (
            f"content-{number:05d}",
            pa.table([pa.array(np.repeat(names, 40)), pa.array(marks.ravel())], schema.CONTENT),
        )


def _starts() -> np.ndarray:
    return np.arange(0, TAKE_S - WINDOW_S + 0.01, STRIDE_S)


def _windows(shards: list[list[str]]) -> Iterator[tuple[str, pa.Table]]:
    caption = 0.0
    for number, names in enumerate(shards):
        rows = []
        for name in names:
            person = int(name[-5:]) % 740
            for start in _starts():
                texts = [f"C does the thing of number {int(caption + k)}" for k in (0, 1)]
                caption += CAPTIONS
                rows.append(
                    {
                        "window_id": f"{name}@{start}", "take_id": name,
                        "participant_id": f"person-{person}", "capture_id": name,
                        "split": _SPLITS[person % 10], "label": f"class {person % 8}",
                        "place": "head", "moment_id": name, "imu_channels": [True] * 6,
                        "start_s": start, "imu_valid": 1.0, "mocap_valid": 1.0, "has_imu": True,
                        "has_mocap": True, "has_video": True, "imu_saturated": 0.0,
                        "texts": [{"text": t, "offset_s": 1.0, "source": "noise"} for t in texts],
                        "action": None, "clock_offset_ms": 0.0, "largest_gap_ms": 0.0,
                    }
                )  # fmt: skip
        yield f"part-{number:05d}", schema.from_rows(rows, schema.WINDOWS)


def _embeddings(
    shards: list[list[str]], vectors: np.ndarray, metadata: dict[bytes, bytes]
) -> Iterator[tuple[str, pa.Table]]:
    per_take, total = len(_starts()), 0
    for number, names in enumerate(shards):
        count = len(names) * per_take
        ids = [f"{name}@{start}" for name in names for start in _starts()]
        videos = [
            pa.array(ids), pa.array(["cam"] * count), pa.array(np.full(count, 8, np.int32)),
            _lists(vectors, total, count),
        ]  # fmt: skip
        table = pa.table(videos, schema=schema.videos_schema(DIM).with_metadata(metadata))
        yield f"part-{number:05d}", table
        total += count
    captions = int(total * CAPTIONS) + 2
    for number, first in enumerate(range(0, captions, 1 << 14)):
        some = range(first, min(captions, first + (1 << 14)))
        texts = [f"C does the thing of number {k}" for k in some]
        kinds = ["caption"] * len(some)
        labels: list[str | None] = [None] * len(some)
        if number == 0:
            texts += [f"a person at activity {k}" for k in range(8)]
            kinds, labels = kinds + ["prompt"] * 8, labels + [f"class {k}" for k in range(8)]
        columns = [
            pa.array([f"{first + k}" for k in range(len(texts))]), pa.array(texts),
            pa.array(kinds), pa.array(labels, pa.string()), _lists(vectors, first, len(texts)),
        ]  # fmt: skip
        table = pa.table(columns, schema=schema.texts_schema(DIM).with_metadata(metadata))
        yield f"texts-{number:05d}", table


def _lists(vectors: np.ndarray, first: int, count: int) -> pa.Array:
    rows = vectors[(first + np.arange(count)) % len(vectors)]
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), DIM)
