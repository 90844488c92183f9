"""Body pose in the person's own frame: what is left when place and heading are taken away."""

import numpy as np

from aura.schema import JOINTS

_HIPS = (JOINTS.index("left-hip"), JOINTS.index("right-hip"))
_SHOULDERS = (JOINTS.index("left-shoulder"), JOINTS.index("right-shoulder"))


def canonicalize(joints: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Root- and yaw-normalise windows of poses; motion inside the window is kept.

    The origin is the mean of the mid-hips over the window (mid-shoulders where no hip is seen), so
    x, y and z all stay and so does walking. The yaw is that of the mean left-to-right axis of hips
    and shoulders, rotated onto +y; z stays up.

    Parameters
    ----------
    joints : np.ndarray
        (N, F, 17, 3) float32, m, world frame with z up.
    valid : np.ndarray
        (N, F, 17) bool.

    Returns
    -------
    np.ndarray
        (N, F, 17, 3) float32, zeros where invalid.
    """
    mask = valid[..., None].astype(np.float32)

    def mean(pair: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        total = (joints[:, :, pair] * mask[:, :, pair]).sum(axis=(1, 2))
        count = mask[:, :, pair].sum(axis=(1, 2))
        return total / np.maximum(count, 1), count[:, 0] > 0

    hips, has_hips = mean(_HIPS)
    shoulders, has_shoulders = mean(_SHOULDERS)
    root = np.where(has_hips[:, None], hips, np.where(has_shoulders[:, None], shoulders, 0))

    axis = np.zeros((len(joints), 2), np.float32)
    for left, right in (_HIPS, _SHOULDERS):
        both = (valid[:, :, left] & valid[:, :, right])[..., None]
        axis += ((joints[:, :, left] - joints[:, :, right])[..., :2] * both).sum(axis=1)
    norm = np.linalg.norm(axis, axis=1)
    has_yaw = norm > 1e-6
    cos = np.where(has_yaw, axis[:, 1] / np.maximum(norm, 1e-6), 1)[:, None, None]
    sin = np.where(has_yaw, axis[:, 0] / np.maximum(norm, 1e-6), 0)[:, None, None]

    local = joints - root[:, None, None]
    x, y = local[..., 0], local[..., 1]
    rotated = np.stack([cos * x - sin * y, sin * x + cos * y, local[..., 2]], axis=-1)
    return (rotated * mask).astype(np.float32)
