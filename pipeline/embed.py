"""embed: texts and exo video of every window to frozen teacher embeddings."""

import hashlib
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from aura import plugins
from aura.config import Dataset, Embed, Params
from aura.datasets.base import Skip, count_skips, open_dataset
from aura.errors import CorruptFile
from aura.schema import TAKES, WINDOWS, from_numpy, texts_schema, videos_schema
from aura.storage import Storage
from aura.teacher import clip
from aura.teacher.video import check_frames, decode_frames, window_frames
from pipeline.engine import paths
from pipeline.engine.code import code_hash
from pipeline.engine.output import (
    files_of,
    list_shards,
    read_table,
    stage_output,
    write_json,
)
from pipeline.engine.shards import Add, Shard, add_counts, of_takes, run_shards

_WINDOW_COLUMNS = ["window_id", "take_id", "start_s", "has_video"]
_TAKE_COLUMNS = ["take_id", "take_name", "frame_rate_hz", "frames", "videos"]
Text = tuple[str, str, str | None]  # the text, its kind, and a prompt's class


def run(params: Params, dataset: str) -> None:
    """Embed the windows of `dataset` into `data/embeddings/<dataset>`."""
    settings = params.dataset(dataset).absolute()
    shards = list_shards(paths.WINDOWS / dataset, "slice")
    teacher = replace(clip.read_identity(paths.TEACHER), precision=params.embed.precision)
    signals = (paths.SIGNALS / dataset).absolute()
    identity = {
        "code": code_hash("pipeline.embed", plugins.find("adapter", settings.adapter).module),
        "params": [settings.model_dump(mode="json"), params.embed.model_dump()],
        "window_s": params.slice.window_s,
        "teacher": vars(teacher),
        "input": files_of(paths.WINDOWS / dataset, paths.SIGNALS / dataset),
    }
    metadata, folder_of_teacher = teacher.metadata(), paths.TEACHER.absolute()
    texts = list(_texts(shards, settings, params.embed.prompts))
    step = params.embed.texts_per_shard
    groups = [texts[i : i + step] for i in range(0, len(texts), step)]
    with stage_output(paths.EMBEDDINGS / dataset, identity) as folder:
        text_reports = run_shards(
            [Shard(i, group, len(group)) for i, group in enumerate(groups)],
            partial(embed_texts, folder_of_teacher, params.embed),
            {"texts": texts_schema(clip.DIM).with_metadata(metadata)},
            folder,
            params.ray,
            f"embed {dataset}, texts",
            "text",
            params.embed.gpus,
        )
        counted = list(text_reports)
        reports = list(
            run_shards(
                of_takes(shards, signals),
                partial(embed_shard, settings.root, signals, folder_of_teacher, params),
                {"part": videos_schema(clip.DIM).with_metadata(metadata)},
                folder,
                params.ray,
                f"embed {dataset}, video",
                gpus=params.embed.gpus,
            )
        )
    write_json(
        paths.report(dataset, "embed") / "metrics.json",
        {
            "teacher": vars(teacher),
            "texts": add_counts(counted, "kinds"),
            "windows_with_video": sum(report["windows"] for report in reports),
            "frames_embedded": sum(report["frames"] for report in reports),
            "skips": add_counts(reports, "skips"),
        },
    )


def text_id(text: str) -> str:
    """Stable id of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _texts(shards: Sequence[Path], settings: Dataset, prompts: Sequence[str]) -> Iterator[Text]:
    """The distinct captions and actions of all windows, sorted, then the prompts of each class."""
    captions: set[str] = set()
    actions: set[str] = set()
    for file in shards:
        windows = pq.read_table(file, columns=["texts", "action"])
        texts = pc.struct_field(pc.list_flatten(windows["texts"]), "text")
        captions.update(pc.unique(texts).to_pylist())
        actions.update(pc.unique(windows["action"]).drop_null().to_pylist())
    for caption in sorted(captions):
        yield caption, "caption", None
    for action in sorted(actions):
        yield action, "action", None
    classes = open_dataset(settings.adapter, settings.root, settings.options).classes
    for label, phrase in classes.items():
        for prompt in prompts:
            yield prompt.format(phrase), "prompt", label


@cache
def _teacher(folder: Path, device: str, precision: clip.Precision) -> clip.Teacher:
    """One teacher a worker process."""
    return clip.load(folder, device, precision)


def _teacher_of(folder: Path, params: Embed) -> clip.Teacher:
    return _teacher(folder, "cuda" if params.gpus else "cpu", params.precision)


@contextmanager
def one_thread() -> Iterator[None]:
    """As many as a Ray worker has: sums over more round otherwise, and the bytes of a shard must
    not depend on who writes it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@one_thread()
def embed_texts(
    teacher_folder: Path, params: Embed, rows: Sequence[Text], add: Add
) -> dict[str, Any]:
    """One shard of texts."""
    teacher = _teacher_of(teacher_folder, params)
    schema = texts_schema(clip.DIM).with_metadata(teacher.identity.metadata())
    texts, kinds, labels = zip(*rows, strict=True)
    columns = [
        pa.array([text_id(text) for text in texts]),
        pa.array(texts),
        pa.array(kinds),
        pa.array(labels, pa.string()),
        from_numpy(teacher.encode_text(texts), schema.field("embedding")),
    ]
    add("texts", pa.table(columns, schema=schema))
    return {"kinds": dict(Counter(kinds))}


def _jobs(windows: Path, signals: Path) -> list[dict[str, Any]]:
    """One job a take with video: its cameras, rate, and the ids and starts of its windows."""
    takes = read_table(signals / paths.beside(windows, "takes"), TAKES, "resample", _TAKE_COLUMNS)
    jobs = {row["take_id"]: {**row, "windows": []} for row in takes.to_pylist() if row["videos"]}
    for row in read_table(windows, WINDOWS, "slice", _WINDOW_COLUMNS).to_pylist():
        if row["has_video"]:
            jobs[row["take_id"]]["windows"].append((row["window_id"], row["start_s"]))
    return [job for job in jobs.values() if job["windows"]]


@one_thread()
def embed_shard(
    root: str, signals: Path, teacher_folder: Path, params: Params, windows: Path, add: Add
) -> dict[str, Any]:
    """One shard: for each take the first camera that decodes, all its windows from one decode."""
    teacher, files = _teacher_of(teacher_folder, params.embed), Storage(root)
    skips: list[Skip] = []
    embedded = frames = 0
    for job in _jobs(windows, signals):
        numbers = window_frames(
            [start for _, start in job["windows"]],
            params.slice.window_s,
            params.embed.frames_per_window,
            job["frame_rate_hz"],
        )
        for video in job["videos"]:
            try:
                with files.local(video["path"]) as path:
                    reason, usable = check_frames(path, job["frames"])
                    if reason:
                        skips.append(Skip(reason, video["path"], "video"))
                    if not usable:
                        continue
                    found, means, counts = embed_video(
                        teacher, path, numbers, params.embed.batch, params.embed.decoder
                    )
            except (CorruptFile, FileNotFoundError):
                skips.append(Skip("video cannot be decoded", video["path"], "video"))
                continue
            ids = np.array([window_id for window_id, _ in job["windows"]])
            past = "window is past the end of the video"
            skips += [Skip(past, window_id, "video") for window_id in ids[counts == 0]]
            good = counts > 0
            table = _videos_table(teacher, ids[good], video["camera"], counts[good], means[good])
            add("part", table)
            embedded, frames = embedded + table.num_rows, frames + found
            break
        else:
            skips.append(Skip("no camera of the take can be used", job["take_name"], "video"))
    return {"skips": count_skips(skips), "windows": embedded, "frames": frames}


def _videos_table(
    teacher: clip.Teacher, ids: np.ndarray, camera: str, counts: np.ndarray, means: np.ndarray
) -> pa.Table:
    schema = videos_schema(clip.DIM).with_metadata(teacher.identity.metadata())
    columns = [
        pa.array(ids.tolist(), pa.string()),
        pa.array([camera] * len(ids), pa.string()),
        pa.array(counts, pa.int32()),
        from_numpy(means, schema.field("embedding")),
    ]
    return pa.table(columns, schema=schema)


def embed_video(
    teacher: clip.Teacher,
    path: Path,
    numbers: np.ndarray,
    batch: int,
    decoder: Literal["ffmpeg", "gop"] = "ffmpeg",
) -> tuple[int, np.ndarray, np.ndarray]:
    """Embed each distinct frame once, while the next are decoded, and average per window.

    Parameters
    ----------
    numbers : (windows, frames) frame numbers.

    Returns
    -------
    Count of distinct frames found, unit vectors (windows, 512), and frames found per window.
    """
    distinct, where = np.unique(numbers, return_inverse=True)
    decoded = decode_frames(path, distinct, batch, decoder)
    parts = [teacher.encode_frames(frames) for frames in one_ahead(decoded)]
    vectors = np.zeros((len(distinct), clip.DIM), np.float32)
    found = sum(len(part) for part in parts)
    if found:
        vectors[:found] = np.concatenate(parts)
    present = np.arange(len(distinct)) < found
    where = where.reshape(numbers.shape)
    total = vectors[where].sum(axis=1)
    norm = np.linalg.norm(total, axis=1, keepdims=True)
    return found, total / np.maximum(norm, 1e-12), present[where].sum(axis=1)


def one_ahead(items: Generator[np.ndarray, None, None]) -> Iterator[np.ndarray]:
    """The items in order, each made in a thread while its consumer works on the one before."""
    with closing(items), ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
