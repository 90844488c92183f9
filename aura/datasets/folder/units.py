"""Units that a folder's files may be in, and their factors; and which way is up."""

import numpy as np

GRAVITY = 9.80665
ACCEL = {"m/s2": 1.0, "g": GRAVITY, "mg": GRAVITY / 1000}
ANGLE = {"rad/s": 1.0, "deg/s": np.pi / 180, "mdeg/s": np.pi / 180_000}
LENGTH = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
UP = {  # rotations that make it z
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "-z": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "x": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "-x": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
}


def upright(points: np.ndarray, up: str) -> np.ndarray:
    """Points (..., 3) turned so that the axis `up` is z."""
    return points @ np.array(UP[up], np.float64).T
