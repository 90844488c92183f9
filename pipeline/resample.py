"""resample: raw recordings to signals at 200 Hz and 10 FPS on one clock, as Parquet shards."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Dataset, Params, Resample
from aura.datasets.base import Recording, Skip, Take, open_dataset
from aura.errors import AuraError, CorruptFile
from aura.schema import SIGNALS, TAKES, from_numpy, from_rows
from aura.signals import clean, resample_imu, resample_mocap
from pipeline import paths
from pipeline.output import code_hash, stage_output, write_json, write_table
from pipeline.shards import add_counts, count_skips, run_shards


def run(params: Params, dataset: str) -> None:
    """Resample every take of `dataset` into `data/signals/<dataset>`."""
    settings = params.dataset(dataset).absolute()
    inventory = open_dataset(settings.adapter, settings.root, settings.options).inventory()
    if not inventory.takes:
        raise AuraError(f"Data set {dataset} at {settings.root} has no take that can be used.")
    adapter_module = f"aura.datasets.{settings.adapter.replace('-', '_')}"
    identity = {
        "code": code_hash("pipeline.resample", adapter_module),
        "params": [settings.model_dump(mode="json"), params.resample.model_dump()],
        "takes": [[t.take_id, t.split, t.label, t.source] for t in inventory.takes],
    }
    with stage_output(paths.SIGNALS / dataset, identity) as folder:
        reports = run_shards(
            inventory.takes,
            params.resample.takes_per_shard,
            partial(resample_takes, settings, params.resample),
            SIGNALS,
            folder,
            params.ray,
            f"resample {dataset}",
        )
        rows = [row for report in reports for row in report["takes"]]
        if not rows:
            raise AuraError(f"Nothing of data set {dataset} could be resampled.")
        write_table(folder / "takes.parquet", from_rows(rows, TAKES), TAKES)
    skips = Counter(count_skips(inventory.skips)) + Counter(add_counts(reports, "skips"))
    write_json(
        paths.report(dataset, "resample") / "metrics.json",
        {
            "takes_found": len(inventory.takes)
            + sum(s.modality == "take" for s in inventory.skips),
            "takes_used": len(rows),
            "hours": sum(row["duration_s"] for row in rows) / 3600,
            "imu_valid": _share(reports, "imu"),
            "mocap_valid": _share(reports, "mocap"),
            "skips": dict(sorted(skips.items())),
            "samples_dropped": add_counts(reports, "dropped"),
        },
    )


def _share(reports: Sequence[dict[str, Any]], name: str) -> float:
    valid = sum(report["valid"].get(name, 0) for report in reports)
    return valid / max(1, sum(report["valid"].get(f"{name}_all", 0) for report in reports))


def resample_takes(
    dataset: Dataset, params: Resample, takes: Sequence[Take]
) -> tuple[pa.Table | None, dict[str, Any]]:
    """One shard: its SIGNALS table, its TAKES rows, and its counts."""
    adapter = open_dataset(dataset.adapter, dataset.root, dataset.options)
    tables, rows = [], []
    skips: list[Skip] = []
    dropped: Counter[str] = Counter()
    valid: Counter[str] = Counter()
    for take in takes:
        try:
            recording = adapter.load(take)
        except CorruptFile as error:
            skips.append(Skip("take cannot be opened", f"{take.take_name}: {error}"))
            continue
        skips += recording.skips
        table = resample_recording(take.take_id, recording, params, dropped, valid, skips)
        if table is None:
            continue
        tables.append(table)
        rows.append(_take_row(take, recording))
    report = {
        "takes": rows,
        "skips": count_skips(skips),
        "dropped": dict(dropped),
        "valid": dict(valid),
    }
    return (pa.concat_tables(tables) if tables else None), report


def resample_recording(
    take_id: str,
    recording: Recording,
    params: Resample,
    dropped: Counter[str],
    valid: Counter[str],
    skips: list[Skip],
) -> pa.Table | None:
    """SIGNALS rows of one take; adds to the counters. None where no signal is left."""
    cleaned = clean(recording.imu_s, recording.imu, recording.imu_ok)
    dropped.update(cleaned.dropped)
    duration = recording.duration_s
    imu, imu_ok = resample_imu(cleaned.times, cleaned.values, duration, params.gap_ms / 1000)
    mocap, mocap_ok = resample_mocap(
        recording.mocap_s, recording.mocap, duration, params.mocap_gap_ms / 1000
    )
    if not imu_ok.any() and not mocap_ok.any():
        skips.append(Skip("neither IMU nor mocap", take_id))
        return None
    valid.update(imu=int(imu_ok.sum()), imu_all=imu_ok.size)
    valid.update(mocap=int(mocap_ok.sum()), mocap_all=mocap_ok.size)
    seconds = -(-len(imu) // IMU_RATE_HZ)
    columns = {
        "imu": _blocks(imu, seconds, IMU_RATE_HZ),
        "imu_valid": _blocks(imu_ok, seconds, IMU_RATE_HZ),
        "mocap": _blocks(mocap, seconds, MOCAP_RATE_HZ),
        "mocap_valid": _blocks(mocap_ok, seconds, MOCAP_RATE_HZ),
    }
    return pa.table(
        [
            pa.array([take_id] * seconds),
            pa.array(np.arange(seconds, dtype=np.int32)),
            *(from_numpy(values, SIGNALS.field(name)) for name, values in columns.items()),
            pa.array(clock_offsets(recording, seconds)),
        ],
        schema=SIGNALS,
    )


def clock_offsets(recording: Recording, seconds: int) -> np.ndarray:
    """Worst |device time - frame number / nominal rate| of each second, (seconds,) float32, ms."""
    known = np.isfinite(recording.frame_s)
    times = recording.frame_s[known]
    offset = np.abs(times - np.flatnonzero(known) / 30.0) * 1000
    worst = np.zeros(seconds, np.float32)
    np.maximum.at(worst, np.clip(times, 0, seconds - 1).astype(int), offset.astype(np.float32))
    return worst


def _blocks(values: np.ndarray, seconds: int, rate: int) -> np.ndarray:
    padded = np.zeros((seconds * rate, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    return padded.reshape(seconds, rate, *values.shape[1:])


def _take_row(take: Take, recording: Recording) -> dict[str, Any]:
    return {
        "take_id": take.take_id,
        "participant_id": take.participant_id,
        "capture_id": take.capture_id,
        "split": take.split,
        "label": take.label,
        "take_name": take.take_name,
        "duration_s": recording.duration_s,
        "frame_rate_hz": recording.frame_rate_hz,
        "videos": [vars(video) for video in recording.videos],
        "texts": [vars(text) for text in recording.texts],
    }
