"""The synthetic recording that is measured, and the tables that the stages make of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from aura.config import Dataset, Params
from aura.datasets import synthetic
from aura.datasets.base import open_dataset
from aura.errors import AuraError
from aura.schema import SIGNALS, TAKES, from_numpy, texts_schema, videos_schema
from aura.teacher.video import decode_frames
from pipeline.embed import text_id
from pipeline.engine.output import write_table
from pipeline.engine.shards import Add
from pipeline.resample import resample_takes
from pipeline.slice import slice_shard


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    take_s : float
        Length of the recording.
    images, texts : int
        How many go through the teacher.
    train_steps : int
        Steps of an epoch.
    ranked : int
        How many windows are ranked against as many.
    repeats : int
        Least number of times that each is measured.
    min_s : float
        A short measurement is repeated for as long.
    """

    take_s: float = 60.0
    images: int = 32
    texts: int = 64
    train_steps: int = 1
    ranked: int = 4096
    repeats: int = 3
    min_s: float = 1.0


@dataclass
class Sample:
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

    def file(self, pattern: str) -> Path:
        """The file of the root that fits a pattern."""
        return next(self.root.rglob(pattern))


def make_sample(folder: Path, params: Params, settings: Dataset, effort: Effort) -> Sample:
    """Write a synthetic take into a folder, and what `resample` and `slice` make of it.

    Parameters
    ----------
    folder : Path
        An empty folder.
    params : Params
        The whole of params.yaml.
    settings : Dataset
        Those of the data set whose full size is estimated; the take is in its format.
    effort : Effort
        How long the take is, and of how many frames.

    Returns
    -------
    Sample
        The take and its tables.

    Raises
    ------
    AuraError
        No window is kept with the settings of `slice`.
    """
    size = synthetic.SyntheticSize(
        participants={"train": 1}, take_seconds=max(effort.take_s, params.slice.window_s),
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
    resampled = collect_tables(partial(resample_takes, dataset, params.resample, [take]))
    for name, schema in (("part", SIGNALS), ("takes", TAKES)):
        write_table(folder / f"{name}-00000.parquet", resampled[name], schema)
    sliced = collect_tables(partial(slice_shard, params.slice, folder / "part-00000.parquet"))
    if "part" not in sliced or not sliced["part"].num_rows:
        raise AuraError("No window of a synthetic recording is kept with this section `slice`.")
    video = next(root.rglob("*.mp4"))
    frames = next(decode_frames(video, range(effort.images), effort.images))
    recording = adapter.load(take)
    return Sample(folder, dataset, take, recording, resampled["part"], sliced["part"], frames)


def collect_tables(work: Callable[[Add], Any]) -> dict[str, pa.Table]:
    """What a shard's work appends to its files, in memory."""
    pieces: dict[str, list[pa.Table]] = {}
    work(lambda name, table: pieces.setdefault(name, []).append(table))
    return {name: pa.concat_tables(tables) for name, tables in pieces.items()}


def embedding_tables(
    windows: pa.Table, rng: np.random.Generator, dim: int
) -> tuple[pa.Table, pa.Table]:
    """Tables as `embed` writes them for these windows, with random unit vectors of a width."""
    rows = windows.column("texts").to_pylist()
    texts = sorted({text["text"] for row in rows for text in row})
    schema, count = texts_schema(dim), windows.num_rows
    videos = videos_schema(dim)
    return (
        pa.table(
            [
                pa.array([text_id(text) for text in texts], pa.string()),
                pa.array(texts, pa.string()),
                pa.array(["caption"] * len(texts), pa.string()),
                pa.nulls(len(texts), pa.string()),
                from_numpy(unit_vectors(rng, len(texts), dim), schema.field("embedding")),
            ],
            schema=schema,
        ),
        pa.table(
            [
                windows.column("window_id"),
                pa.array(["cam01"] * count),
                pa.array([8] * count, pa.int32()),
                from_numpy(unit_vectors(rng, count, dim), videos.field("embedding")),
            ],
            schema=videos,
        ),
    )


def unit_vectors(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    """Random unit vectors, (count, dim) float32."""
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
