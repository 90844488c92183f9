"""Rates of the stages on this machine, one measurement for each row of the estimate.

They are those of the production functions on a synthetic recording that is made on the spot,
so that nothing needs to be downloaded to know what the download will cost.
"""

import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa

from aura.config import Params
from aura.datasets.ego_exo4d.pose import read_pose
from aura.datasets.vrs import read_imu
from aura.evaluation.retrieval import ranks
from aura.learning import training
from aura.learning.join import join_tables
from aura.signals.imu import clean, resample_imu, resample_mocap
from aura.teacher import clip
from aura.teacher.frozen import chosen_precision
from aura.teacher.tokens import load_tokenizer
from aura.teacher.video import decode_frames, probe
from pipeline.cost import amounts
from pipeline.cost.sample import Effort, Sample, collect_tables, embedding_tables, unit_vectors
from pipeline.engine.output import write_table
from pipeline.engine.threads import limit_threads
from pipeline.slice import slice_shard

_FPS = 30.0


def rate(units: float, work: Callable[[], Any], effort: Effort) -> float:
    """Median of units per second over at least `repeats` runs and `min_s` seconds."""
    times: list[float] = []
    while len(times) < effort.repeats or sum(times) < effort.min_s:
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return units / statistics.median(times)


def sensors(sample: Sample, params: Params, effort: Effort) -> dict[str, float]:
    """VRS samples per second, and hours of IMU, pose and signals per second, on one thread."""
    hours = sample.recording.duration_s / 3600
    cut = partial(slice_shard, params.slice, sample.folder / "part-00000.parquet")
    vrs, pose_json = sample.file("*.vrs"), sample.file(f"{sample.take.take_id}.json").read_bytes()
    settings = params.resample

    def imu() -> None:
        raw = sample.recording
        cleaned = clean(raw.imu_s, raw.imu, raw.imu_ok)
        gap_s = settings.gap_ms / 1000
        resample_imu(cleaned.times, cleaned.values, raw.duration_s, gap_s, raw.gyro_lag_s)

    def pose() -> None:
        poses = read_pose(pose_json, 2)
        gap_s = settings.mocap_gap_ms / 1000
        resample_mocap(poses.frames / _FPS, poses.joints, sample.recording.duration_s, gap_s)

    return {
        "vrs": rate(len(read_imu(vrs).timestamps_ns), lambda: read_imu(vrs), effort),
        "imu": rate(hours, imu, effort),
        "pose": rate(hours, pose, effort),
        "slice": rate(hours, partial(collect_tables, cut), effort),
        "pose_bytes": len(pose_json) / hours,
    }


def video(sample: Sample, params: Params, effort: Effort) -> dict[str, float]:
    """Frames decoded per second: all of the file in one pass, the windows' frames handed over."""
    path, seconds = sample.file("*.mp4"), sample.recording.duration_s
    numbers = amounts.frame_numbers(seconds, params, _FPS)

    def decode() -> None:
        for _ in decode_frames(path, numbers, params.embed.batch):
            pass

    return {
        "decode": rate(probe(path)[2], decode, effort),
        "video_bits": path.stat().st_size * 8 / seconds,
    }


def teacher(sample: Sample, params: Params, effort: Effort, model: str) -> dict[str, float]:
    """Images and texts per second through a teacher with random weights, on one thread."""
    logging.disable(logging.WARNING)  # open_clip's, that the weights are random
    try:
        network = open_clip.create_model(model, pretrained=None)
    finally:
        logging.disable(logging.NOTSET)
    identity = clip.identify(network, model, "random weights", stand_in=False)
    precision = chosen_precision(params.embed.precision, on_gpu=False)
    frozen = clip.Teacher(network, load_tokenizer(model), replace(identity, precision=precision))
    captions = [text.text for text in sample.recording.texts] or ["a person"]
    texts = [captions[i % len(captions)] for i in range(effort.texts)]
    return {
        "images": rate(len(sample.frames), lambda: frozen.encode_frames(sample.frames), effort),
        "texts": rate(len(texts), lambda: frozen.encode_text(texts), effort),
    }


def train(
    sample: Sample, params: Params, effort: Effort, threads: int, dim: int
) -> dict[str, float]:
    """Windows per second of an epoch of each phase, and of validation, on one thread and on all.

    The encoders project to vectors of `dim` numbers. How fast windows are ranked is known for all
    threads only: NumPy's are not torch's to limit.
    """
    settings = params.train.model_copy(update={"device": "cpu"})
    rng = np.random.default_rng(params.seed)
    count = settings.batch * effort.train_steps
    copies = -(-(count + 2) // sample.windows.num_rows)
    texts, videos = embedding_tables(sample.windows, rng, dim)
    joined = join_tables(
        sample.signals,
        pa.concat_tables([sample.windows] * copies),
        texts,
        videos,
        params.slice.window_s,
    )
    split = np.full(len(joined), "test", dtype="<U5")
    split[:count], split[count : count + 2] = "train", "val"
    joined = replace(joined, split=split)
    model = training.Model(
        joined.shape, settings.imu_encoder, settings.mocap_encoder, settings.loss
    )
    training.fit_scale(model, joined, joined.rows("train"))
    rows, vectors = joined.rows("train"), unit_vectors(rng, effort.ranked, dim)
    group = np.arange(effort.ranked)
    rates = {
        "rank_all": rate(
            effort.ranked**2, lambda: ranks(vectors, vectors[::-1], group, group), effort
        )
    }
    for used, suffix in ((1, ""), (threads, "_all")):
        with limit_threads(used, deterministic=True):
            for name, phase in (("imu", settings.imu), ("joint", settings.joint)):
                once = phase.model_copy(update={"epochs": 1})
                epoch = partial(
                    training.train_phase,
                    model,
                    joined,
                    once,
                    settings,
                    settings.seed,
                    lambda _: None,
                )
                rates[f"train_{name}{suffix}"] = rate(count, epoch, effort)
            encode = partial(training.embed, model, joined, rows, ("imu", "mocap"))
            rates[f"encode{suffix}"] = rate(count, encode, effort)
    return rates


def disk(sample: Sample, params: Params, effort: Effort, dim: int) -> dict[str, float]:
    """Bytes of an hour of signals, and of a window, a video embedding and a text, as written."""
    texts, videos = embedding_tables(sample.windows, np.random.default_rng(params.seed), dim)
    hours = sample.recording.duration_s / 3600
    return {
        "bytes_signals": _row_bytes(sample.folder, sample.signals)
        * sample.signals.num_rows
        / hours,
        "bytes_window": _row_bytes(sample.folder, sample.windows),
        "bytes_video": _row_bytes(sample.folder, videos),
        "bytes_text": _row_bytes(sample.folder, texts),
    }


def _row_bytes(folder: Path, table: pa.Table) -> float:
    """Bytes that a row adds to a file: what the second half of the table adds to the first."""
    half, path = table.num_rows // 2, folder / "measured.parquet"
    sizes = []
    for rows in (table.slice(0, half), table):
        if rows.num_rows:  # no file without a row
            write_table(path, rows, table.schema)
        sizes.append(path.stat().st_size if rows.num_rows else 0)
    return (sizes[1] - sizes[0]) / max(1, table.num_rows - half)
