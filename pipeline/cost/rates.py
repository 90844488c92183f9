"""Rates of the stages on this machine, one measurement for each row of the estimate.

They are those of the production functions on a synthetic recording that is made on the spot,
so that nothing needs to be downloaded to know what the download will cost.
"""

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import torch

from aura.config import Dataset, Params
from aura.datasets import synthetic
from aura.datasets.base import open_dataset
from aura.datasets.ego_exo4d.pose import read_pose
from aura.datasets.vrs import read_imu
from aura.errors import AuraError
from aura.evaluation.retrieval import ranks
from aura.learning import training
from aura.learning.join import join_tables
from aura.schema import SIGNALS, TAKES, from_numpy, texts_schema, videos_schema
from aura.signals.imu import clean, resample_imu, resample_mocap
from aura.teacher import clip
from aura.teacher.video import decode_frames, probe
from pipeline.cost import amounts
from pipeline.embed import text_id
from pipeline.engine.output import write_table
from pipeline.engine.shards import Add
from pipeline.resample import resample_takes
from pipeline.slice import slice_shard

_FPS = 30.0


@dataclass(frozen=True)
class Sample:
    """How much is measured: a recording of `take_s`, and so many items, repeats and seconds."""

    take_s: float = 60.0
    images: int = 32
    texts: int = 64
    train_steps: int = 1
    ranked: int = 4096
    repeats: int = 3
    least_s: float = 1.0  # a short measurement is repeated for as long


def rate(units: float, work: Callable[[], Any], sample: Sample) -> float:
    """Median of units per second over at least `repeats` runs and `least_s` seconds."""
    times: list[float] = []
    while len(times) < sample.repeats or sum(times) < sample.least_s:
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return units / statistics.median(times)


@dataclass
class Recorded:
    """A synthetic root with one take, and the tables that the stages make of it."""

    folder: Path
    dataset: Dataset
    take: Any
    recording: Any
    signals: pa.Table
    windows: pa.Table
    frames: np.ndarray  # (images, H, W, 3) uint8

    @property
    def root(self) -> Path:
        """Where the take is."""
        return Path(self.dataset.root)

    def one(self, pattern: str) -> Path:
        """The one file of the root that fits."""
        return next(self.root.rglob(pattern))


def record(folder: Path, params: Params, settings: Dataset, sample: Sample) -> Recorded:
    """Write a synthetic take into `folder`, and what `resample` and `slice` make of it."""
    size = synthetic.SyntheticSize(
        participants={"train": 1}, take_seconds=max(sample.take_s, params.slice.window_s),
        cameras=1, activities=1, flaws=False, seed=params.seed,
    )  # fmt: skip
    root, plans = folder / "raw", synthetic.plan(size)
    for plan in plans:
        synthetic.write_take(root, plan, size)
    synthetic.write_metadata(root, plans, size)
    options = {**settings.options, "splits": ["train"]}
    dataset = settings.model_copy(update={"root": str(root), "options": options})
    adapter = open_dataset(dataset.adapter, dataset.root, dataset.options)
    (take,) = adapter.inventory().takes
    made = _tables(partial(resample_takes, dataset, params.resample, [take]))
    for name, schema in (("part", SIGNALS), ("takes", TAKES)):
        write_table(folder / f"{name}-00000.parquet", made[name], schema)
    cut = _tables(partial(slice_shard, params.slice, folder / "part-00000.parquet"))
    if "part" not in cut or not cut["part"].num_rows:
        raise AuraError("No window of a synthetic recording is kept with this section `slice`.")
    video = next(root.rglob("*.mp4"))
    frames = next(decode_frames(video, range(sample.images), sample.images))
    recording = adapter.load(take)
    return Recorded(folder, dataset, take, recording, made["part"], cut["part"], frames)


def _tables(work: Callable[[Add], Any]) -> dict[str, pa.Table]:
    """What a shard's work appends to its files, in memory."""
    pieces: dict[str, list[pa.Table]] = {}
    work(lambda name, table: pieces.setdefault(name, []).append(table))
    return {name: pa.concat_tables(tables) for name, tables in pieces.items()}


def sensors(it: Recorded, params: Params, sample: Sample) -> dict[str, float]:
    """VRS samples per second, and hours of IMU, pose and signals per second, on one thread."""
    hours = it.recording.duration_s / 3600
    cut = partial(slice_shard, params.slice, it.folder / "part-00000.parquet")
    vrs, body = it.one("*.vrs"), it.one(f"{it.take.take_id}.json").read_bytes()
    stated = params.resample

    def imu() -> None:
        raw = it.recording
        cleaned = clean(raw.imu_s, raw.imu, raw.imu_ok)
        gap_s = stated.gap_ms / 1000
        resample_imu(cleaned.times, cleaned.values, raw.duration_s, gap_s, raw.gyro_lag_s)

    def pose() -> None:
        found = read_pose(body, 2)
        gap_s = stated.mocap_gap_ms / 1000
        resample_mocap(found.frames / _FPS, found.joints, it.recording.duration_s, gap_s)

    return {
        "vrs": rate(len(read_imu(vrs).timestamps_ns), lambda: read_imu(vrs), sample),
        "imu": rate(hours, imu, sample),
        "pose": rate(hours, pose, sample),
        "slice": rate(hours, partial(_tables, cut), sample),
        "pose_bytes": len(body) / hours,
    }


def video(it: Recorded, params: Params, sample: Sample) -> dict[str, float]:
    """Frames decoded per second: all of the file in one pass, the windows' frames handed over."""
    path, seconds = it.one("*.mp4"), it.recording.duration_s
    wanted = amounts.frames_of(seconds, params, _FPS)

    def decode() -> None:
        for _ in decode_frames(path, wanted, params.embed.batch):
            pass

    return {
        "decode": rate(probe(path)[2], decode, sample),
        "video_bits": path.stat().st_size * 8 / seconds,
    }


def teacher(it: Recorded, params: Params, sample: Sample, model: str) -> dict[str, float]:
    """Images and texts per second through a teacher with random weights, on one thread."""
    logging.disable(logging.WARNING)  # open_clip's, that the weights are random
    try:
        network = open_clip.create_model(model, pretrained=None)
    finally:
        logging.disable(logging.NOTSET)
    identity = clip.Identity(model, "random weights", "", "", stand_in=False)
    frozen = clip.Teacher(network, open_clip.get_tokenizer(model), identity)
    said = [text.text for text in it.recording.texts] or ["a person"]
    texts = [said[i % len(said)] for i in range(sample.texts)]
    return {
        "images": rate(len(it.frames), lambda: frozen.encode_frames(it.frames), sample),
        "texts": rate(len(texts), lambda: frozen.encode_text(texts), sample),
    }


def train(it: Recorded, params: Params, sample: Sample, threads: int) -> dict[str, float]:
    """Windows per second of an epoch of each phase, and of validation, on one thread and on all.

    How fast windows are ranked is known for all threads only: NumPy's are not torch's to limit.
    """
    settings = params.train.model_copy(update={"device": "cpu"})
    rng = np.random.default_rng(params.seed)
    count = settings.batch * sample.train_steps
    copies = -(-(count + 2) // it.windows.num_rows)
    texts, videos = _embeddings(it.windows, rng)
    joined = join_tables(
        it.signals, pa.concat_tables([it.windows] * copies), texts, videos, params.slice.window_s
    )
    split = np.full(len(joined), "test", dtype="<U5")
    split[:count], split[count : count + 2] = "train", "val"
    joined = replace(joined, split=split)
    shape = training.Shape(joined.window_samples, joined.mocap.shape[1], clip.DIM)
    model = training.Model(shape, settings.imu_encoder, settings.mocap_encoder, settings.loss)
    training.fit_scale(model, joined, joined.rows("train"))
    rows, vectors = joined.rows("train"), _vectors(rng, sample.ranked)
    group = np.arange(sample.ranked)
    found = {
        "rank_all": rate(
            sample.ranked**2, lambda: ranks(vectors, vectors[::-1], group, group), sample
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
                found[f"train_{name}{suffix}"] = rate(count, epoch, sample)
            encode = partial(training.embed, model, joined, rows, ("imu", "mocap"))
            found[f"encode{suffix}"] = rate(count, encode, sample)
    return found


def disk(it: Recorded, params: Params, sample: Sample) -> dict[str, float]:
    """Bytes of an hour of signals, and of a window, a video embedding and a text, as written."""
    texts, videos = _embeddings(it.windows, np.random.default_rng(params.seed))
    hours = it.recording.duration_s / 3600
    return {
        "bytes_signals": _row_bytes(it.folder, it.signals) * it.signals.num_rows / hours,
        "bytes_window": _row_bytes(it.folder, it.windows),
        "bytes_video": _row_bytes(it.folder, videos),
        "bytes_text": _row_bytes(it.folder, texts),
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


def _embeddings(windows: pa.Table, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """Tables as `embed` writes them for these windows, with random unit vectors."""
    said = windows.column("texts").to_pylist()
    texts = sorted({text["text"] for row in said for text in row})
    schema, count = texts_schema(clip.DIM), windows.num_rows
    videos = videos_schema(clip.DIM)
    return (
        pa.table(
            [
                pa.array([text_id(text) for text in texts], pa.string()),
                pa.array(texts, pa.string()),
                pa.array(["caption"] * len(texts), pa.string()),
                pa.nulls(len(texts), pa.string()),
                from_numpy(_vectors(rng, len(texts)), schema.field("embedding")),
            ],
            schema=schema,
        ),
        pa.table(
            [
                windows.column("window_id"),
                pa.array(["cam01"] * count),
                pa.array([8] * count, pa.int32()),
                from_numpy(_vectors(rng, count), videos.field("embedding")),
            ],
            schema=videos,
        ),
    )


def _vectors(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.normal(size=(count, clip.DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def limit_threads(threads: int, deterministic: bool = False) -> Iterator[None]:
    """Torch on so many threads, as a worker or as `train` has it, and as it was after."""
    before, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic or exact)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(exact)
