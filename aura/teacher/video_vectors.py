"""Vectors of a video's windows: each frame embedded once, while the next are decoded."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from aura.teacher.clip import Teacher
from aura.teacher.video import decode_frames
from aura.teacher.video_check import VideoCheck

T = TypeVar("T")


def embed_video(
    teacher: Teacher,
    path: Path,
    numbers: np.ndarray,
    batch: int,
    decoder: Literal["ffmpeg", "gop"] = "ffmpeg",
    check: VideoCheck | None = None,
) -> tuple[int, np.ndarray, np.ndarray]:
    """Embed each distinct frame once, while the next are decoded, and average per window.

    Parameters
    ----------
    teacher : Teacher
        Embeds the frames.
    path : Path
        The video.
    numbers : ndarray
        Frame numbers, (windows, frames) int.
    batch : int
        Frames that are embedded at once.
    decoder : {"ffmpeg", "gop"}
        What decodes; the frames are the same.
    check : VideoCheck or None
        Watches what is decoded.

    Returns
    -------
    found : int
        How many of the distinct frames the video has.
    means : ndarray
        Unit vectors, (windows, d) float32; zeros where no frame of a window was found.
    counts : ndarray
        Frames found of each window, (windows,) int.
    """
    distinct, index = np.unique(numbers, return_inverse=True)
    decoded = decode_frames(path, distinct, batch, decoder)
    watched = check.watch(decoded) if check else decoded
    parts = [teacher.encode_frames(frames) for frames in prefetch(watched)]
    vectors = np.zeros((len(distinct), teacher.identity.embed_dim), np.float32)
    found = sum(len(part) for part in parts)
    if found:
        vectors[:found] = np.concatenate(parts)
    present = np.arange(len(distinct)) < found
    index = index.reshape(numbers.shape)
    total = vectors[index].sum(axis=1)
    norm = np.linalg.norm(total, axis=1, keepdims=True)
    return found, total / np.maximum(norm, 1e-12), present[index].sum(axis=1)


def prefetch(items: Generator[T, None, Any]) -> Iterator[T]:
    """The items in order, each made in a thread while its consumer works on the one before."""
    with closing(items), ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
