"""torchcodec, asked window by window; two videos at once, one thread each."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torchcodec
from torchcodec.decoders import VideoDecoder

VERSION = torchcodec.__version__
_GRID = 32  # pixels between those that are kept to be compared


def prepare(paths: list[str], numbers: list[list[int]]) -> Callable[[], np.ndarray]:
    """Decode the frames `numbers` (windows, frames) of each video."""
    pool = ThreadPoolExecutor(len(paths))

    def frames(path: str) -> np.ndarray:
        decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1)
        windows = [decoder.get_frames_at(window).data for window in numbers]
        return np.stack([window.numpy()[:, ::_GRID, ::_GRID] for window in windows])

    return lambda: np.stack(list(pool.map(frames, paths)))
