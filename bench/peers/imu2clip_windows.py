"""IMU2CLIP's way to a window: each is cut by index and resampled by torchaudio, one at a time."""

from collections.abc import Callable

import numpy as np
import torch
import torchaudio

VERSION = torchaudio.__version__
_RATE_HZ = 200


def prepare(
    values: str, rate_hz: int, window_s: float, stride_s: float, threads: int
) -> Callable[[], np.ndarray]:
    """Resample all windows of `values` (samples, channels), a .npy file."""
    torch.set_num_threads(threads)
    signal = torch.from_numpy(np.load(values)).T.contiguous()
    length, stride = round(window_s * rate_hz), round(stride_s * rate_hz)
    starts = range(0, signal.shape[1] - length + 1, stride)
    resample = torchaudio.functional.resample

    def run() -> np.ndarray:
        windows = [resample(signal[:, s : s + length], rate_hz, _RATE_HZ) for s in starts]
        return torch.stack(windows).numpy()

    return run
