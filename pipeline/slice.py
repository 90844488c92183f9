"""slice: signals to an index of synchronised sliding windows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Params, Slice
from aura.errors import AuraError
from aura.schema import SIGNALS, SPLITS, TAKES, WINDOWS, from_rows, to_numpy, validate
from aura.windows import TakeSignals, slice_take
from pipeline import paths
from pipeline.output import code_hash, files_of, read_table, stage_output, write_json
from pipeline.shards import add_counts, run_shards

_COLUMNS = ["take_id", "second", "imu_valid", "mocap_valid", "clock_offset_ms"]


def run(params: Params, dataset: str) -> None:
    """Cut the signals of `dataset` into `data/windows/<dataset>`."""
    params.dataset(dataset)
    source = paths.SIGNALS / dataset
    takes = {row["take_id"]: row for row in _takes(source).to_pylist()}
    shards = sorted(source.glob("part-*.parquet"))
    identity = {
        "code": code_hash("pipeline.slice"),
        "params": params.slice.model_dump(),
        "input": files_of(source),
    }
    with stage_output(paths.WINDOWS / dataset, identity) as folder:
        reports = run_shards(
            shards,
            1,
            partial(slice_shards, params.slice, takes),
            WINDOWS,
            folder,
            params.ray,
            f"slice {dataset}",
        )
        windows = read_table(folder, WINDOWS, "slice") if any(folder.glob("part-*")) else None
        if windows is None:
            raise AuraError(
                f"No window of {params.slice.window_s} s fits the signals of {dataset}."
            )
    per_split = Counter(windows.column("split").to_pylist())
    write_json(
        paths.report(dataset, "slice") / "metrics.json",
        {
            "windows": windows.num_rows,
            "windows_per_split": {split: per_split.get(split, 0) for split in SPLITS},
            "with": {
                name: sum(windows.column(f"has_{name}").to_pylist())
                for name in ("imu", "mocap", "video")
            }
            | {"text": sum(bool(texts) for texts in windows.column("texts").to_pylist())},
            "rejected": add_counts(reports, "rejected"),
            "largest_gap_ms": max(windows.column("largest_gap_ms").to_pylist()),
            "clock_offset_ms": max(windows.column("clock_offset_ms").to_pylist()),
        },
    )


def _takes(source: Path) -> pa.Table:
    return read_table(source / "takes.parquet", TAKES, "resample")


def slice_shards(
    params: Slice, takes: dict[str, dict[str, Any]], files: Sequence[Path]
) -> tuple[pa.Table | None, dict[str, Any]]:
    """Windows of the takes in some SIGNALS shards (a take is whole inside one shard)."""
    rows: list[dict[str, Any]] = []
    rejected: Counter[str] = Counter()
    for file in files:
        signals = pq.read_table(file, columns=_COLUMNS)
        validate(signals, pa.schema([SIGNALS.field(name) for name in _COLUMNS]), str(file))
        imu_valid = to_numpy(signals, "imu_valid")
        mocap_valid = to_numpy(signals, "mocap_valid")
        offsets = signals.column("clock_offset_ms").to_numpy()
        for take_id, first, last in take_runs(signals.column("take_id").to_pylist()):
            take = takes[take_id]
            duration = take["duration_s"]
            cut = TakeSignals(
                duration_s=duration,
                imu_valid=imu_valid[first:last].reshape(-1)[: round(duration * IMU_RATE_HZ)],
                mocap_valid=mocap_valid[first:last].reshape(-1, mocap_valid.shape[2])[
                    : round(duration * MOCAP_RATE_HZ)
                ],
                clock_offset_ms=offsets[first:last],
                texts=[(text["time_s"], text["text"]) for text in take["texts"]],
                has_video=bool(take["videos"]),
            )
            windows, reasons = slice_take(cut, params)
            rejected.update(reasons)
            for window in windows:
                rows.append(
                    {
                        "window_id": f"{take_id}@{round(window.start_s * 1000):07d}",
                        **{k: take[k] for k in ("take_id", "participant_id", "capture_id")},
                        "split": take["split"],
                        "label": take["label"],
                        **asdict(window),
                    }
                )
    table = from_rows(rows, WINDOWS) if rows else None
    return table, {"rejected": dict(rejected)}


def take_runs(take_ids: Sequence[str]) -> list[tuple[str, int, int]]:
    """Consecutive rows of one take: (take_id, first, last + 1)."""
    runs: list[tuple[str, int, int]] = []
    for row, take_id in enumerate(take_ids):
        if runs and runs[-1][0] == take_id:
            runs[-1] = (take_id, runs[-1][1], row + 1)
        else:
            runs.append((take_id, row, row + 1))
    return runs
