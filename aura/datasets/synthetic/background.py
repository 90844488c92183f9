"""The still part of the picture: a ray-cast room, and flat-shaded props painted over it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from aura.datasets.synthetic.camera import Camera
from aura.datasets.synthetic.palette import Colour, tone

SUPERSAMPLE = 2  # of the props, so that their edges are smooth
LIGHT = np.array([0.35, 0.25, 0.9])


@dataclass(frozen=True)
class Room:
    """A box with the person inside, or open ground: bounds in metres, textures and colours."""

    x: tuple[float, float]
    y: tuple[float, float]
    top: float
    floor: tuple[str, Colour, Colour]
    wall: tuple[str, Colour, Colour]
    outdoors: bool = False


def _noise(cell: np.ndarray) -> np.ndarray:
    """A number in [0, 1) that looks random, for each integer cell."""
    return np.modf(np.abs(np.sin(cell * 12.9898) * 43758.5453))[0]


def _line(u: np.ndarray, width: float) -> np.ndarray:
    return (np.abs(u - np.rint(u)) < width).astype(float)


def _texture(kind: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Mix (0 is the first colour, 1 the second) of a texture at surface points in metres."""
    if kind == "planks":
        row = np.floor(u / 0.16)
        joint = _line(v / 1.4 + _noise(row), 0.004)
        return np.clip(0.75 * _noise(row + 7 * np.floor(v / 1.4 + _noise(row))) + joint, 0, 1)
    if kind == "tiles":
        return np.maximum(_line(u / 0.45, 0.03), _line(v / 0.45, 0.03))
    if kind == "bricks":
        row = np.floor(v / 0.11)
        shifted = u / 0.3 + 0.5 * (row % 2)
        seam = np.maximum(_line(v / 0.11 + 0.5, 0.07), _line(shifted, 0.03))
        return np.clip(seam + 0.35 * _noise(row * 31 + np.floor(shifted + 0.5)), 0, 1)
    if kind == "grass":
        speck = _noise(np.floor(u * 25) + 57 * np.floor(v * 25))
        return 0.7 * (np.floor(u / 1.3) % 2) + 0.3 * speck
    if kind == "panels":
        panel = np.floor(u / 1.22) + 13 * np.floor(v / 1.22)
        return np.clip(0.5 * _noise(panel) + _line(u / 1.22, 0.008) + _line(v / 1.22, 0.008), 0, 1)
    if kind == "speckle":
        return 0.5 * _noise(np.floor(u * 30) + 91 * np.floor(v * 30))
    return np.clip(v / 3.0, 0, 1) * 0.5


def cast_room(room: Room, camera: Camera) -> np.ndarray:
    """Picture (height, width, 3) of the empty room, 0 to 255 as float32, cast at half size."""
    rays, origin = camera.rays(2).astype(np.float32), camera.centre
    flat = np.full(rays.shape[:2], np.inf, np.float32)
    surfaces = [(2, 0.0), (2, room.top), (0, room.x[0]), (0, room.x[1])]
    surfaces += [(1, room.y[0]), (1, room.y[1])]
    picture = np.zeros((*rays.shape[:2], 3), np.float32)
    if room.outdoors:
        rise = np.clip(rays[..., 2:] * 2.2, 0, 1)
        picture[:] = np.array([222, 234, 244]) * (1 - rise) + np.array([112, 168, 224]) * rise
        surfaces = surfaces[:1]
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis, level in surfaces:
            reach = (level - origin[axis]) / rays[..., axis]
            seen = (reach > 0) & (reach < flat)
            flat = np.where(seen, reach, flat)
            hit = origin + rays[seen] * reach[seen, None]
            kind, first, second = room.floor if axis == 2 else room.wall
            if axis == 2 and level > 0:
                kind, first, second = "plain", (236, 234, 228), (236, 234, 228)
            u, v = (hit[:, 0], hit[:, 1]) if axis == 2 else (hit[:, 1 - axis], hit[:, 2])
            mix = (_texture(kind, u, v) * np.clip(1.5 - reach[seen] / 9, 0.15, 1))[:, None]
            colour = np.array(first) * (1 - mix) + np.array(second) * mix
            shade = {0: 0.97, 1: 0.88, 2: 1.0}[axis]
            glow = np.clip(1.08 - 0.035 * np.linalg.norm(hit - [0, 0, 1.5], axis=1), 0.6, 1.1)
            if not room.outdoors:  # corners are darker
                edges = [hit[:, 0] - room.x[0], room.x[1] - hit[:, 0], hit[:, 1] - room.y[0]]
                edges += [room.y[1] - hit[:, 1], hit[:, 2], room.top - hit[:, 2]]
                near = np.sort(np.stack(edges), axis=0)[1]
                glow = glow * (0.82 + 0.18 * np.clip(near / 0.6, 0, 1))
            picture[seen] = colour * (shade * glow)[:, None]
    small = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return np.asarray(small.resize((camera.width, camera.height), Image.Resampling.BICUBIC))


@dataclass
class Painter:
    """Collects props in scene coordinates and paints them from far to near."""

    camera: Camera
    shapes: list[tuple[float, str, list, Colour, int]] = field(default_factory=list)

    def polygon(self, points: np.ndarray, colour: Colour, depth: float | None = None) -> None:
        """A filled polygon (N, 3)."""
        uv, z = self.camera.project(np.asarray(points, float))
        if z.min() > 0.3:
            self._add(z.mean() if depth is None else depth, "polygon", uv, colour, 0)

    def depth(self, point: Sequence[float]) -> float:
        """How far ahead of the camera a point is, metres."""
        return float(self.camera.project(np.array(point, float))[1])

    def ground(self, x: float, y: float, size_x: float, size_y: float, colour: Colour) -> None:
        """A rectangle on the floor, under everything else."""
        dx, dy = size_x / 2, size_y / 2
        corners = [
            (x - dx, y - dy, 0),
            (x + dx, y - dy, 0),
            (x + dx, y + dy, 0),
            (x - dx, y + dy, 0),
        ]
        self.polygon(np.array(corners), colour, 1000.0 - len(self.shapes))

    def box(self, centre: Sequence[float], size: Sequence[float], colour: Colour) -> None:
        """An upright box."""
        middle, half = np.array(centre, float), np.array(size, float) / 2
        depth = self.depth(centre)
        for axis in range(3):
            sign = np.sign(self.camera.centre[axis] - middle[axis])
            normal = np.zeros(3)
            normal[axis] = sign
            if abs(self.camera.centre[axis] - middle[axis]) <= half[axis]:
                continue
            i, j = (axis + 1) % 3, (axis + 2) % 3
            corners = np.repeat((middle + normal * half)[None], 4, axis=0)
            for corner, (a, b) in zip(corners, ((-1, -1), (1, -1), (1, 1), (-1, 1)), strict=True):
                corner[i], corner[j] = middle[i] + a * half[i], middle[j] + b * half[j]
            shade = 0.86 + 0.2 * float(normal @ LIGHT)
            self.polygon(corners, tone(colour, shade), depth)

    def can(self, centre: Sequence[float], radius: float, height: float, colour: Colour) -> None:
        """An upright cylinder that stands on `centre`."""
        angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        base = np.array(centre, float)
        ring = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], 1) + base
        top = np.array([0.0, 0.0, height])
        lid = ring + top
        depth = self.depth(centre)
        self.polygon(ring, tone(colour, 0.8), depth)
        right = self.camera.axes[0]
        ends = np.array([base - right * radius, base + right * radius])
        side = np.concatenate([ends, ends[::-1] + top])
        self.polygon(side, tone(colour, 0.85), depth)
        self.polygon(lid, tone(colour, 1.08), depth)

    def rod(
        self, start: Sequence[float], end: Sequence[float], width: float, colour: Colour
    ) -> None:
        """A straight bar `width` metres thick."""
        self.path([start, end], width, colour)

    def path(
        self, points: Sequence[Sequence[float]] | np.ndarray, width: float, colour: Colour
    ) -> None:
        """A bent bar through points (N, 3)."""
        uv, z = self.camera.project(np.array(points, float))
        if z.min() > 0.3:
            pixels = width * self.camera.focal / z.mean() * SUPERSAMPLE
            self._add(z.mean(), "line", uv, colour, max(2, round(pixels)))

    def ring(
        self, centre: Sequence[float], radius: float, axis: int, width: float, colour: Colour
    ) -> None:
        """A circle of bar across one coordinate axis."""
        self.path(circle(centre, radius, axis), width, colour)

    def disc(self, centre: Sequence[float], radius: float, axis: int, colour: Colour) -> None:
        """A filled circle across one coordinate axis."""
        self.polygon(circle(centre, radius, axis), colour)

    def ball(self, centre: Sequence[float], radius: float, colour: Colour) -> None:
        """A sphere."""
        uv, z = self.camera.project(np.array(centre, float))
        if z > 0.3:
            size = radius * self.camera.focal / float(z)
            self._add(float(z), "ball", np.array([uv - size, uv + size]), tone(colour, 0.82), 0)
            spot = np.array([uv - size * 0.75, uv + size * 0.45])
            self._add(float(z), "ball", spot, tone(colour, 1.1), 0)

    def paint(self, picture: np.ndarray) -> Image.Image:
        """The room's picture with all props on it."""
        height, width = picture.shape[:2]
        large = Image.fromarray(picture).resize((width * SUPERSAMPLE, height * SUPERSAMPLE))
        draw = ImageDraw.Draw(large)
        for _, kind, points, colour, width_px in sorted(self.shapes, key=lambda s: -s[0]):
            if kind == "polygon":
                draw.polygon(points, fill=colour)
            elif kind == "line":
                draw.line(points, fill=colour, width=width_px, joint="curve")
            else:
                draw.ellipse(points, fill=colour)
        return large.reduce(SUPERSAMPLE)

    def _add(self, depth: float, kind: str, uv: np.ndarray, colour: Colour, width_px: int) -> None:
        points = [tuple(p) for p in (np.asarray(uv) * SUPERSAMPLE).tolist()]
        self.shapes.append((float(depth), kind, points, colour, width_px))


def circle(centre: Sequence[float], radius: float, axis: int) -> np.ndarray:
    """Points (41, 3) of a closed circle across a coordinate axis."""
    angle = np.linspace(0, 2 * np.pi, 41)
    points = np.tile(np.array(centre, float), (41, 1))
    points[:, (axis + 1) % 3] += radius * np.cos(angle)
    points[:, (axis + 2) % 3] += radius * np.sin(angle)
    return points
