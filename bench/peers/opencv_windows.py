"""OpenCV: a seek to the first frame of each window; two videos at once, one thread each."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

VERSION = cv2.__version__
_GRID = 32  # pixels between those that are kept to be compared


def prepare(paths: list[str], numbers: list[list[int]]) -> Callable[[], np.ndarray]:
    """Decode the frames `numbers` (windows, frames) of each video."""
    pool = ThreadPoolExecutor(len(paths))
    cv2.setNumThreads(1)

    def window(video: cv2.VideoCapture, window_numbers: list[int]) -> np.ndarray:
        video.set(cv2.CAP_PROP_POS_FRAMES, window_numbers[0])
        images = []
        for number in range(window_numbers[0], window_numbers[-1] + 1):
            video.grab()
            if number in window_numbers:
                images.append(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB))
        return np.stack(images)

    def frames(path: str) -> np.ndarray:
        video = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        return np.stack(
            [window(video, window_numbers)[:, ::_GRID, ::_GRID] for window_numbers in numbers]
        )

    return lambda: np.stack(list(pool.map(frames, paths)))
