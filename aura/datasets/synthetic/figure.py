"""The person as strokes: capsules for limbs, discs for head and balls, from far to near."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from aura.datasets.synthetic.camera import Camera
from aura.datasets.synthetic.held import JOINT_INDEX, held_props
from aura.datasets.synthetic.motion import Person
from aura.datasets.synthetic.palette import Colour, to_yuv, vivid
from aura.datasets.synthetic.plan import derive_seed

SKINS = [(236, 196, 164), (214, 166, 128), (176, 124, 88), (132, 88, 60), (98, 64, 46)]
HAIRS = [(38, 30, 28), (74, 50, 34), (130, 92, 54), (196, 160, 96), (120, 120, 124)]
TROUSERS = [(44, 52, 78), (58, 58, 64), (92, 84, 72), (36, 40, 46), (88, 104, 132)]
GLASSES: Colour = (24, 24, 28)
# Limbs as (from, to, width in metres, part).
LIMBS = [
    ("left-hip", "left-knee", 0.15, "trousers"), ("right-hip", "right-knee", 0.15, "trousers"),
    ("left-knee", "left-ankle", 0.11, "trousers"), ("right-knee", "right-ankle", 0.11, "trousers"),
    ("left-ankle", "left-toe", 0.085, "shoes"), ("right-ankle", "right-toe", 0.085, "shoes"),
    ("left-shoulder", "left-elbow", 0.105, "shirt"),
    ("right-shoulder", "right-elbow", 0.105, "shirt"),
    ("left-elbow", "left-hand", 0.075, "skin"), ("right-elbow", "right-hand", 0.075, "skin"),
    ("neck", "head", 0.09, "skin"),
]  # fmt: skip
TORSO = ("left-shoulder", "right-shoulder", "right-hip", "left-hip")
Point = tuple[float, float]
RIM = (("left-ear", "left-eye"), ("left-eye", "right-eye"), ("right-eye", "right-ear"))


@dataclass
class Shape:
    """One stroke of a frame, in pixels; its first `square` points get no round end."""

    points: list[Point]
    width: float
    yuv: tuple[int, int, int]
    shade: float
    outlined: bool
    filled: bool
    square: int


class Figure:
    """Every stroke of a take as one camera sees it, computed for all frames at once."""

    def __init__(self, person: Person, t: np.ndarray, camera: Camera):
        self.camera = camera
        joints = person.joints(t)
        self._build = np.sqrt(person.build) * person.height / 1.75
        self._colours = _clothes(person)
        self._strokes: list[tuple[Any, ...]] = []
        points_of = {name: joints[:, j] for name, j in JOINT_INDEX.items()} | _extra_points(joints)
        middle = (points_of["left-hip"] + points_of["right-hip"]) / 2
        self._middle_depth = camera.project(middle)[1]
        for start, end, width, part in LIMBS:
            points = np.stack([points_of[start], points_of[end]], axis=1)
            self._add(points, width * self._build, self._colours[part], square=1)
        torso = np.stack([points_of[name] for name in TORSO], axis=1)
        self._add(torso, 0.12 * self._build, self._colours["shirt"], filled=True)
        for part, colour, width in (("head", "skin", 0.215), ("hair", "hair", 0.225)):
            points = points_of[part][:, None]
            self._add(points, width * self._build, self._colours[colour], bias=-0.05)
        for start, end in RIM:
            points = np.stack([points_of[start], points_of[end]], axis=1)
            self._add(points, 0.022, GLASSES, bias=-0.08, outlined=False, square=2)
        self._dominant, props = held_props(person, t, joints)
        for action, strokes in props.items():
            for points, width, colour in strokes:
                self._add(points, width, colour, action=action)
        self._order = np.argsort(-self._depths(), axis=1, kind="stable").tolist()
        self.shadow, self._shadow_at = self._shadow(middle)

    def shapes(self, frame: int) -> list[Shape]:
        """Strokes of a frame from far to near."""
        shapes = []
        for index in self._order[frame]:
            action, points, widths, _, shades, yuv, outlined, filled, square = self._strokes[index]
            if action is None or action == self._dominant[frame]:
                width, shade = widths[frame], shades[frame]
                shapes.append(Shape(points[frame], width, yuv, shade, outlined, filled, square))
        return shapes

    def shadow_at(self, frame: int) -> tuple[int, int]:
        """Upper left corner of the shadow in a frame."""
        return self._shadow_at[frame]

    def _add(
        self,
        points: np.ndarray,
        width: float,
        colour: Colour,
        action: int | None = None,
        bias: float = 0.0,
        outlined: bool = True,
        filled: bool = False,
        square: int = 0,
    ) -> None:
        """Add a stroke through scene points (N, K, 3); `bias` metres bring it forward."""
        uv, depth = self.camera.project(points)
        middle = depth.mean(axis=1)
        widths = width * self.camera.focal / np.maximum(middle, 0.3)
        # What is on the far side of the body is darker, which tells left from right.
        shades = np.clip(1.0 - 0.55 * (middle - self._middle_depth), 0.72, 1.12)
        if action is not None:
            shades = np.ones_like(shades)
        pixels = [[tuple(p) for p in row] for row in uv.tolist()]
        yuv = tuple(int(c) for c in np.clip(np.rint(to_yuv(np.array(colour))), 16, 235))
        self._strokes.append(
            (action, pixels, widths.tolist(), (middle + bias).tolist(), shades.tolist(), yuv,
             outlined, filled, square)
        )  # fmt: skip

    def _depths(self) -> np.ndarray:
        return np.array([stroke[3] for stroke in self._strokes]).T

    def _shadow(self, middle: np.ndarray) -> tuple[Image.Image, list[tuple[int, int]]]:
        """A soft dark spot, and where its corner lies in each frame."""
        uv, depth = self.camera.project(middle * (1, 1, 0))
        wide = 0.55 * self.camera.focal / float(depth.mean())
        tilt = -float(self.camera.axes[2, 2]) + 0.18
        size = max(8, round(2 * wide)), max(4, round(2 * wide * tilt))
        x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
        spot = 95 * np.clip(1 - np.hypot(x, y), 0, 1) ** 0.8
        corner = np.rint(uv - np.array(size) / 2).astype(int)
        return Image.fromarray(spot.astype(np.uint8)), [(x, y) for x, y in corner.tolist()]


def _clothes(person: Person) -> dict[str, Colour]:
    rng = np.random.default_rng(derive_seed(person.take.capture.seed, "clothes"))
    return {
        "skin": SKINS[int(rng.integers(len(SKINS)))],
        "hair": HAIRS[int(rng.integers(len(HAIRS)))],
        "shirt": vivid(rng),
        "trousers": TROUSERS[int(rng.integers(len(TROUSERS)))],
        "shoes": vivid(rng),
    }


def _extra_points(joints: np.ndarray) -> dict[str, np.ndarray]:
    """Points beyond COCO-17 that drawing needs, each (N, 3)."""
    points_of = {name: joints[:, j] for name, j in JOINT_INDEX.items()}
    head = (points_of["left-ear"] + points_of["right-ear"]) / 2
    ahead = points_of["nose"] - head
    side = points_of["left-ear"] - points_of["right-ear"]
    up = np.cross(ahead, side)
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    out = {
        "head": head + 0.25 * ahead,
        "hair": head - 0.22 * ahead + 0.03 * up,
        "neck": (points_of["left-shoulder"] + points_of["right-shoulder"]) / 2,
    }
    across = points_of["left-hip"] - points_of["right-hip"]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    for s in ("left", "right"):
        shank = points_of[f"{s}-ankle"] - points_of[f"{s}-knee"]
        shank /= np.linalg.norm(shank, axis=1, keepdims=True)
        toe = points_of[f"{s}-ankle"] + 0.16 * np.cross(shank, across) + 0.05 * shank
        toe[:, 2] = np.maximum(toe[:, 2], 0.04)
        out[f"{s}-toe"] = toe
        along = points_of[f"{s}-wrist"] - points_of[f"{s}-elbow"]
        out[f"{s}-hand"] = points_of[f"{s}-wrist"] + 0.25 * along
    return out
