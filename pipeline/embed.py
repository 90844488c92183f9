"""embed: texts and exo video of every window to frozen teacher embeddings."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from aura import teacher as clip
from aura.config import Dataset, Embed, Params
from aura.datasets.base import Skip, open_dataset
from aura.errors import CorruptFile
from aura.schema import TAKES, WINDOWS, from_numpy, texts_schema, videos_schema
from aura.video import decode_frames, window_frames
from pipeline import paths
from pipeline.output import code_hash, files_of, read_table, stage_output, write_json, write_table
from pipeline.shards import add_counts, count_skips, run_shards


def run(params: Params, dataset: str) -> None:
    """Embed the windows of `dataset` into `data/embeddings/<dataset>`."""
    settings = params.dataset(dataset).absolute()
    columns = ["window_id", "take_id", "start_s", "has_video", "texts"]
    windows = read_table(paths.WINDOWS / dataset, WINDOWS, "slice", columns)
    takes = read_table(paths.SIGNALS / dataset / "takes.parquet", TAKES, "resample")
    teacher = clip.load(paths.TEACHER)
    identity = {
        "code": code_hash("pipeline.embed"),
        "params": [settings.model_dump(mode="json"), params.embed.model_dump()],
        "window_s": params.slice.window_s,
        "takes_per_shard": params.resample.takes_per_shard,
        "teacher": vars(teacher.identity),
        "input": files_of(paths.WINDOWS / dataset, paths.SIGNALS / dataset),
    }
    schema = videos_schema(clip.DIM).with_metadata(teacher.identity.metadata())
    jobs = _jobs(windows, takes)
    with stage_output(paths.EMBEDDINGS / dataset, identity) as folder:
        texts = _texts(windows, settings, params.embed, teacher)
        write_table(folder / "texts.parquet", texts, texts.schema)
        reports = run_shards(
            jobs,
            params.resample.takes_per_shard,
            partial(embed_takes, settings.root, paths.TEACHER.absolute(), params),
            schema,
            folder,
            params.ray,
            f"embed {dataset}",
        )
    write_json(
        paths.report(dataset, "embed") / "metrics.json",
        {
            "teacher": vars(teacher.identity),
            "texts": Counter(texts.column("kind").to_pylist()),
            "windows_with_video": sum(report["windows"] for report in reports),
            "frames_embedded": sum(report["frames"] for report in reports),
            "skips": add_counts(reports, "skips"),
        },
    )


def text_id(text: str) -> str:
    """Stable id of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _texts(windows: pa.Table, settings: Dataset, embed: Embed, teacher: clip.Teacher) -> pa.Table:
    captions = sorted({text for texts in windows.column("texts").to_pylist() for text in texts})
    rows: list[tuple[str, str, str | None]] = [(text, "caption", None) for text in captions]
    classes = open_dataset(settings.adapter, settings.root, settings.options).classes
    for label, phrase in classes.items():
        rows += [(prompt.format(phrase), "prompt", label) for prompt in embed.prompts]
    texts = [text for text, _, _ in rows]
    schema = texts_schema(clip.DIM).with_metadata(teacher.identity.metadata())
    return pa.table(
        [
            pa.array([text_id(text) for text in texts]),
            pa.array(texts),
            pa.array([kind for _, kind, _ in rows]),
            pa.array([label for _, _, label in rows], pa.string()),
            from_numpy(teacher.encode_text(texts), schema.field("embedding")),
        ],
        schema=schema,
    )


def _jobs(windows: pa.Table, takes: pa.Table) -> list[dict[str, Any]]:
    """One job a take with video: its cameras, rate, and the ids and starts of its windows."""
    jobs = {
        row["take_id"]: {**row, "windows": []}
        for row in takes.select(["take_id", "take_name", "frame_rate_hz", "videos"]).to_pylist()
        if row["videos"]
    }
    for row in windows.select(["window_id", "take_id", "start_s", "has_video"]).to_pylist():
        if row["has_video"]:
            jobs[row["take_id"]]["windows"].append((row["window_id"], row["start_s"]))
    return [job for job in jobs.values() if job["windows"]]


@cache
def _teacher(folder: Path) -> clip.Teacher:
    """One teacher a worker process."""
    return clip.load(folder)


def embed_takes(
    root: Path, teacher_folder: Path, params: Params, jobs: Sequence[dict[str, Any]]
) -> tuple[pa.Table | None, dict[str, Any]]:
    """One shard: for each take the first camera that decodes, all its windows from one decode."""
    teacher = _teacher(teacher_folder)
    schema = videos_schema(clip.DIM).with_metadata(teacher.identity.metadata())
    skips: list[Skip] = []
    columns: dict[str, list[Any]] = {"window_id": [], "camera": [], "frames": [], "embedding": []}
    frames_embedded = 0
    for job in jobs:
        for video in job["videos"]:
            try:
                numbers = window_frames(
                    [start for _, start in job["windows"]],
                    params.slice.window_s,
                    params.embed.frames_per_window,
                    job["frame_rate_hz"],
                )
                found, means, counts = embed_video(
                    teacher, root / video["path"], numbers, params.embed.batch
                )
            except CorruptFile:
                skips.append(Skip("video cannot be decoded", video["path"], "video"))
                continue
            frames_embedded += found
            for (window_id, _), mean, count in zip(job["windows"], means, counts, strict=True):
                if count == 0:
                    skips.append(Skip("window is past the end of the video", window_id, "video"))
                    continue
                columns["window_id"].append(window_id)
                columns["camera"].append(video["camera"])
                columns["frames"].append(count)
                columns["embedding"].append(mean)
            break
        else:
            skips.append(Skip("no camera of the take decodes", job["take_name"], "video"))
    report = {
        "skips": count_skips(skips),
        "windows": len(columns["window_id"]),
        "frames": frames_embedded,
    }
    if not columns["window_id"]:
        return None, report
    return pa.table(
        [
            pa.array(columns["window_id"]),
            pa.array(columns["camera"]),
            pa.array(columns["frames"], pa.int32()),
            from_numpy(np.stack(columns["embedding"]), schema.field("embedding")),
        ],
        schema=schema,
    ), report


def embed_video(
    teacher: clip.Teacher, path: Path, numbers: np.ndarray, batch: int
) -> tuple[int, np.ndarray, np.ndarray]:
    """Embed each distinct frame once and average per window.

    Parameters
    ----------
    numbers : (windows, frames) frame numbers.

    Returns
    -------
    Count of distinct frames found, unit vectors (windows, 512), and frames found per window.
    """
    distinct, where = np.unique(numbers, return_inverse=True)
    parts = [teacher.encode_frames(frames) for frames in decode_frames(path, distinct, batch)]
    vectors = np.zeros((len(distinct), clip.DIM), np.float32)
    found = sum(len(part) for part in parts)
    if found:
        vectors[:found] = np.concatenate(parts)
    present = np.arange(len(distinct)) < found
    where = where.reshape(numbers.shape)
    total = vectors[where].sum(axis=1)
    norm = np.linalg.norm(total, axis=1, keepdims=True)
    return found, total / np.maximum(norm, 1e-12), present[where].sum(axis=1)
