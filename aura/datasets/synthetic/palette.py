"""Colours: a few fixed ones, paints drawn per capture, and their YUV for the encoder."""

import colorsys
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

WHITE, BLACK, STEEL, WOOD = (242, 242, 238), (32, 32, 36), (168, 174, 182), (166, 118, 72)
RED, GREEN, BLUE = (208, 58, 52), (76, 160, 76), (58, 110, 190)
ORANGE, YELLOW = (232, 132, 46), (240, 200, 66)
FLOORS = [
    ((186, 142, 96), (150, 108, 68)),
    ((206, 172, 128), (176, 140, 96)),
    ((140, 100, 72), (112, 78, 54)),
]
# BT.601 video range: rows are Y, U and V, columns R, G and B from 0 to 255.
YUV = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])


@dataclass(frozen=True)
class Paint:
    """Colours of a place."""

    wall: Colour
    floor: tuple[Colour, Colour]
    accent: Colour


def draw_paint(rng: np.random.Generator) -> Paint:
    """Draw the colours of a place."""
    wall = _hsv(rng.uniform(), rng.uniform(0.06, 0.24), rng.uniform(0.74, 0.9))
    return Paint(wall, FLOORS[int(rng.integers(len(FLOORS)))], vivid(rng))


def vivid(rng: np.random.Generator) -> Colour:
    """Draw a strong colour for things and clothes."""
    return _hsv(rng.uniform(), rng.uniform(0.5, 0.8), rng.uniform(0.55, 0.85))


def tone(colour: Colour, factor: float) -> Colour:
    """The colour made lighter or darker."""
    r, g, b = (int(min(255, max(0, c * factor))) for c in colour)
    return r, g, b


def to_yuv(rgb: np.ndarray) -> np.ndarray:
    """BT.601 video-range YUV (..., 3) of RGB (..., 3), 0 to 255."""
    return np.asarray(rgb, np.float32) @ (YUV.T / 255).astype(np.float32) + [16, 128, 128]


def _hsv(h: float, s: float, v: float) -> Colour:
    r, g, b = (int(255 * c) for c in colorsys.hsv_to_rgb(h, s, v))
    return r, g, b
