"""clip-video-encode on whole videos; its model is loaded once, outside what is timed."""

import importlib.metadata
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import open_clip
from clip_video_encode import clip_video_encode

VERSION = importlib.metadata.version("clip-video-encode")


def prepare(paths: list[str], nth: int, model: str, weights: str) -> Callable[[], np.ndarray]:
    """Embed every nth frame of each video."""
    open_clip.create_model_and_transforms = cache(open_clip.create_model_and_transforms)

    def run() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            clip_video_encode(
                paths, folder, take_every_nth=nth, frame_workers=len(paths),
                oc_model_name=model, pretrained=weights,
            )  # fmt: skip
            return np.concatenate([np.load(file) for file in sorted(Path(folder).glob("*.npy"))])

    return run
