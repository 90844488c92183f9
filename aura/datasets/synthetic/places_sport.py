"""Court, climbing gym, pitch and dance studio, as props in scene coordinates (metres)."""

import numpy as np

from aura.datasets.synthetic.background import Painter, Room
from aura.datasets.synthetic.palette import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    RED,
    WHITE,
    WOOD,
    YELLOW,
    Paint,
    tone,
)


def court(p: Painter, paint: Paint, rng: np.random.Generator) -> Room:
    """The key of a court, and a hoop."""
    p.ground(1.4, 0, 3.4, 2.5, tone(paint.accent, 0.95))
    for y in (-1.25, 1.25):
        p.ground(1.4, y, 3.4, 0.06, WHITE)
    p.ground(-0.3, 0, 0.06, 2.5, WHITE)
    p.ground(3.1, 0, 0.06, 9.0, WHITE)
    p.polygon(circle_on_floor(-0.3, 1.25), tone(paint.accent, 0.85), 900.0)
    p.rod((3.3, 0, 0), (3.3, 0, 2.6), 0.16, (70, 74, 84))
    p.rod((3.3, 0, 2.5), (2.95, 0, 2.75), 0.12, (70, 74, 84))
    p.box((2.9, 0, 2.75), (0.05, 1.5, 0.95), (246, 246, 246))
    p.box((2.86, 0, 2.66), (0.01, 0.6, 0.44), RED)
    p.box((2.85, 0, 2.66), (0.01, 0.5, 0.34), (246, 246, 246))
    p.ring((2.6, 0, 2.42), 0.23, 2, 0.04, ORANGE)
    for a in np.linspace(0, 2 * np.pi, 10, endpoint=False):
        top = (2.6 + 0.23 * np.cos(a), 0.23 * np.sin(a), 2.42)
        p.rod(top, (2.6 + 0.13 * np.cos(a + 0.4), 0.13 * np.sin(a + 0.4), 2.02), 0.012, WHITE)
    for index in range(3):
        for side in (-1, 1):
            p.box(
                (1.0, side * (4.4 + 0.5 * index), 0.25 + 0.3 * index),
                (7.0, 0.5, 0.3),
                tone(BLUE, 0.9),
            )
    return Room(
        (-5.0, 4.2),
        (-6.0, 6.0),
        5.0,
        ("planks", (214, 166, 108), (190, 142, 88)),
        ("panels", paint.wall, tone(paint.wall, 0.8)),
    )


def circle_on_floor(x: float, radius: float) -> np.ndarray:
    """Points (41, 3) of a circle on the floor around (x, 0)."""
    angle = np.linspace(0, 2 * np.pi, 41)
    return np.stack([x + radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)


def climbing_gym(p: Painter, paint: Paint, rng: np.random.Generator) -> Room:
    """A wall full of holds over a mat."""
    colours = (RED, GREEN, BLUE, ORANGE, YELLOW, (150, 80, 170), (240, 120, 160))
    for y in np.arange(-3.2, 3.3, 0.42):
        for z in np.arange(0.35, 3.7, 0.42):
            if rng.uniform() < 0.72:
                at = (0.5, y + rng.uniform(-0.14, 0.14), z + rng.uniform(-0.14, 0.14))
                p.ball(at, rng.uniform(0.04, 0.1), colours[int(rng.integers(len(colours)))])
    p.polygon(
        np.array([(0.54, 1.5, 0), (0.54, 2.7, 0), (0.54, 2.1, 2.8)]), tone(paint.accent, 1.0), 60.0
    )
    p.polygon(
        np.array([(0.54, -1.4, 4), (0.54, -2.9, 4), (0.54, -2.2, 1.4)]),
        tone(paint.accent, 0.8),
        60.0,
    )
    p.ground(-0.9, 0, 2.7, 8.4, (56, 64, 84))
    for y in (-2.8, -1.4, 0.0, 1.4, 2.8):
        p.ground(-0.9, y, 2.7, 0.03, (34, 40, 56))
    return Room(
        (-5.0, 0.55),
        (-4.6, 4.6),
        4.4,
        ("speckle", (96, 100, 110), (84, 88, 98)),
        ("panels", (206, 190, 162), (178, 162, 136)),
    )


def pitch(p: Painter, paint: Paint, rng: np.random.Generator) -> Room:
    """Grass, a goal and trees."""
    for index in range(16):
        y = -15 + 2.0 * index
        p.ball(
            (13 + rng.uniform(0, 2), y, 1.2),
            rng.uniform(1.3, 2.1),
            (52, 108 + int(rng.integers(30)), 58),
        )
    for side in (-1, 1):
        for index in range(12):
            p.ball(
                (-8 + 2 * index, side * (12 + rng.uniform(0, 2)), 1.0),
                rng.uniform(1.2, 2.0),
                (58, 116 + int(rng.integers(30)), 60),
            )
    p.ground(3.4, 0, 0.09, 16.0, WHITE)
    p.ground(0.9, 0, 0.09, 6.0, WHITE)
    for y in (-3.0, 3.0):
        p.ground(2.15, y, 2.5, 0.09, WHITE)
    left, right = (3.4, -1.7, 0.0), (3.4, 1.7, 0.0)
    for a in np.linspace(-1.7, 1.7, 15):
        p.path([(3.4, a, 1.95), (4.3, a, 1.2), (4.4, a, 0.0)], 0.012, (226, 230, 232))
    for z in np.linspace(0.2, 1.9, 8):
        x = 4.4 - max(0.0, z - 1.2) * 1.3
        p.path([(3.4, -1.7, z), (x, -1.7, z), (x, 1.7, z), (3.4, 1.7, z)], 0.012, (226, 230, 232))
    p.path([left, (3.4, -1.7, 1.98), (3.4, 1.7, 1.98), right], 0.1, WHITE)
    for x, y in ((0.2, -2.4), (1.2, 2.3), (-0.9, 1.9)):
        p.polygon(np.array([(x, y - 0.12, 0), (x, y + 0.12, 0), (x, y, 0.34)]), ORANGE)
    return Room(
        (-90, 90),
        (-90, 90),
        60.0,
        ("grass", (92, 158, 72), (74, 138, 60)),
        ("plain", paint.wall, WHITE),
        outdoors=True,
    )


def studio(p: Painter, paint: Paint, rng: np.random.Generator) -> Room:
    """A mirror with a barre, loudspeakers and stage lights."""
    for y in np.arange(-3.0, 3.1, 1.5):  # the mirror and its frames
        p.box((-2.36, y, 1.35), (0.04, 1.44, 2.1), (186, 206, 216))
        glint = [(-2.33, y + dy, z) for dy, z in ((-0.5, 0.5), (-0.2, 0.5), (0.5, 2.2), (0.2, 2.2))]
        p.polygon(np.array(glint), (206, 222, 230), p.depth((-2.36, y, 1.35)) - 0.05)
    for z in (0.95, 1.12):
        p.rod((-2.15, -3.7, z), (-2.15, 3.7, z), 0.05, WOOD)
    for index, y in enumerate((-2.4, -1.2, 0.0, 1.2, 2.4)):
        colour = (RED, (170, 90, 200), BLUE, (60, 190, 180), YELLOW)[index]
        beam = [(-1.9, y - 0.08, 2.62), (-1.9, y + 0.08, 2.62)]
        beam += [(-2.3, y + 0.45, 1.9), (-2.3, y - 0.45, 1.9)]
        p.polygon(np.array(beam), tone(colour, 1.25), p.depth((-1.9, y, 2.2)) - 0.5)
        p.can((-1.9, y, 2.58), 0.11, 0.2, BLACK)
        p.ball((-1.9, y, 2.58), 0.1, colour)
    p.rod((-1.9, -3.0, 2.8), (-1.9, 3.0, 2.8), 0.06, BLACK)
    for y in (-1.9, 1.9):
        p.box((-1.7, y, 0.6), (0.4, 0.45, 1.2), (44, 44, 50))
        for z in (0.35, 0.85):
            p.disc((-1.49, y, z), 0.17, 0, (92, 92, 100))
    return Room(
        (-2.4, 4.6),
        (-4.6, 4.6),
        3.0,
        ("planks", *paint.floor),
        ("plain", tone(paint.wall, 0.78), paint.wall),
    )
