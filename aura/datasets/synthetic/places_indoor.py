"""Kitchen, first-aid room, workshop and music room, as props in scene coordinates (metres)."""

import numpy as np

from aura.datasets.synthetic.background import Painter, Room
from aura.datasets.synthetic.palette import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    RED,
    STEEL,
    WHITE,
    WOOD,
    YELLOW,
    Paint,
    tone,
)


def kitchen(p: Painter, paint: Paint, rng: np.random.Generator) -> Room:
    """A counter with stove, pot and cutting board under wall cabinets."""
    front = tone(paint.accent, 1.15)
    for y in (-1.2, -0.4, 0.4, 1.2):
        p.box((0.84, y, 0.44), (0.56, 0.77, 0.88), front)
        p.box((0.55, y, 0.72), (0.02, 0.3, 0.03), STEEL)
    p.box((0.83, 0, 0.9), (0.62, 3.24, 0.05), (222, 216, 206))
    p.box((0.84, -0.45, 0.935), (0.5, 0.7, 0.02), BLACK)
    p.can((0.72, -0.38, 0.95), 0.15, 0.2, STEEL)
    p.box((0.7, 0.42, 0.94), (0.3, 0.48, 0.025), WOOD)
    for x, y, colour in (
        (0.66, 0.5, ORANGE),
        (0.74, 0.56, GREEN),
        (0.72, 0.4, RED),
        (0.78, 0.3, GREEN),
    ):
        p.ball((x, y, 0.98), 0.04, colour)
    p.box((1.2, 2.2, 0.95), (0.7, 0.72, 1.9), (206, 212, 216))
    for y in (-1.9, -1.1, 1.1):
        p.box((1.32, y, 1.9), (0.36, 0.76, 0.7), front)
    p.box((1.45, 0, 1.75), (0.06, 1.24, 0.9), WHITE)
    p.box((1.41, 0, 1.75), (0.02, 1.1, 0.76), (170, 208, 236))
    return Room(
        (-4.4, 1.5),
        (-4.3, 4.3),
        2.7,
        ("tiles", (206, 200, 190), (170, 164, 154)),
        ("plain", paint.wall, WHITE),
    )


def first_aid(p: Painter, paint: Paint, rng: np.random.Generator) -> Room:
    """A mannequin on a blue mat, and red crosses."""
    p.ground(0.5, 0.0, 1.9, 2.9, tone(BLUE, 0.9))
    p.ground(0.5, 0.0, 1.75, 2.75, BLUE)
    skin = (224, 184, 152)
    for x in (0.42, 0.58):
        p.box((x, -0.72, 0.08), (0.13, 0.84, 0.14), (70, 76, 92))
    p.box((0.5, 0.0, 0.12), (0.4, 0.6, 0.2), paint.accent)
    for x in (0.24, 0.76):
        p.rod((x, 0.24, 0.1), (x + 0.02, -0.36, 0.06), 0.09, skin)
    p.ball((0.5, 0.5, 0.14), 0.12, skin)
    p.box((0.9, 0.95, 0.13), (0.3, 0.36, 0.24), RED)
    p.box((0.9, 0.95, 0.255), (0.06, 0.22, 0.01), WHITE)
    p.box((0.9, 0.95, 0.257), (0.22, 0.06, 0.01), WHITE)
    for side in (-1, 1):  # a poster with a red cross on each of the walls that cameras face
        p.box((0.2, side * 3.15, 1.55), (0.9, 0.03, 0.9), WHITE)
        p.box((0.2, side * 3.12, 1.55), (0.18, 0.03, 0.62), RED)
        p.box((0.2, side * 3.12, 1.55), (0.62, 0.03, 0.18), RED)
        for x in (-1.6, 1.7):
            p.box((x, side * 2.8, 0.42), (0.5, 0.45, 0.06), paint.accent)
            p.box((x, side * 3.02, 0.75), (0.5, 0.05, 0.5), paint.accent)
            p.rod((x, side * 2.8, 0.0), (x, side * 2.8, 0.4), 0.05, STEEL)
    return Room(
        (-4.2, 4.2),
        (-4.2, 4.2),
        2.7,
        ("speckle", (196, 202, 200), (168, 176, 174)),
        ("plain", paint.wall, WHITE),
    )


def workshop(p: Painter, paint: Paint, rng: np.random.Generator) -> Room:
    """A bicycle on a stand in front of a wall of tools."""
    x, low = 0.78, 0.66
    hubs = [(x, -0.52, low), (x, 0.54, low)]
    for hub in hubs:
        for a in np.linspace(0, np.pi, 8, endpoint=False):
            dy, dz = 0.33 * np.cos(a), 0.33 * np.sin(a)
            p.rod((x, hub[1] - dy, low - dz), (x, hub[1] + dy, low + dz), 0.006, STEEL)
        p.ring(hub, 0.345, 0, 0.05, BLACK)
    bottom, seat, head = (x, -0.08, low - 0.04), (x, -0.24, low + 0.46), (x, 0.36, low + 0.44)
    for pair in (
        (bottom, seat),
        (bottom, head),
        (seat, head),
        (hubs[0], seat),
        (hubs[0], bottom),
        (hubs[1], head),
    ):
        p.rod(*pair, 0.05, paint.accent)
    p.box((x, -0.27, low + 0.55), (0.13, 0.28, 0.06), BLACK)
    p.path(
        [(x - 0.28, 0.42, low + 0.6), (x, 0.4, low + 0.58), (x + 0.28, 0.42, low + 0.6)],
        0.04,
        BLACK,
    )
    p.ring((x - 0.06, -0.08, low - 0.04), 0.1, 0, 0.03, STEEL)
    p.rod((x + 0.05, -0.2, 0.05), (x + 0.05, -0.2, low + 0.3), 0.07, (90, 94, 100))
    p.box((x + 0.1, -0.2, 0.03), (0.6, 0.7, 0.05), (90, 94, 100))
    p.box((1.98, 0, 1.6), (0.04, 3.0, 1.2), (186, 150, 104))
    for index, y in enumerate(np.linspace(-1.3, 1.3, 9)):
        p.rod(
            (1.93, y, 1.35),
            (1.93, y, 1.35 + 0.2 + 0.28 * (index % 3) / 2),
            0.05,
            (RED, STEEL, BLUE)[index % 3],
        )
        p.ball((1.93, y, 1.34), 0.05, STEEL)
    p.box((1.7, -1.9, 0.45), (0.6, 1.1, 0.9), tone(paint.accent, 0.7))
    p.box((1.7, 1.9, 0.35), (0.6, 0.7, 0.7), RED)
    for z in (1.9, 1.2):
        p.ring((1.93, 2.2, z), 0.33, 0, 0.05, BLACK)
    return Room(
        (-4.4, 2.0),
        (-4.4, 4.4),
        2.9,
        ("speckle", (150, 152, 154), (126, 128, 132)),
        ("bricks", tone(paint.wall, 0.85), tone(paint.wall, 0.68)),
    )


def music_room(p: Painter, paint: Paint, rng: np.random.Generator) -> Room:
    """A piano with its stool on a rug."""
    body = ((44, 34, 32), (30, 30, 34), (92, 56, 36))[int(rng.integers(3))]
    p.ground(0.0, 0.0, 2.6, 3.0, tone(paint.accent, 0.8))
    p.ground(0.0, 0.0, 2.3, 2.7, paint.accent)
    p.box((0.98, 0, 0.62), (0.34, 1.64, 1.24), body)
    p.box((0.66, 0, 0.66), (0.34, 1.6, 0.12), body)
    p.box((0.6, 0, 0.735), (0.2, 1.46, 0.03), WHITE)
    for key in range(28):
        if key % 7 not in (2, 6):
            p.box((0.64, -0.7 + key * 0.052, 0.755), (0.11, 0.024, 0.015), BLACK)
    for y in (-0.76, 0.76):
        p.box((0.6, y, 0.3), (0.1, 0.08, 0.6), body)
    p.box((0.79, 0.0, 1.0), (0.02, 0.5, 0.32), WHITE)
    for z in (0.92, 0.98, 1.04, 1.1):
        p.box((0.775, 0.0, z), (0.01, 0.42, 0.012), BLACK)
    p.box((-0.14, 0, 0.43), (0.36, 0.7, 0.08), (60, 42, 36))
    for dx, dy in ((-0.28, -0.3), (-0.28, 0.3), (0.0, -0.3), (0.0, 0.3)):
        p.rod((dx, dy, 0.0), (dx, dy, 0.4), 0.05, (60, 42, 36))
    p.rod((1.2, 1.4, 0.0), (1.2, 1.4, 1.6), 0.04, STEEL)
    p.can((1.2, 1.4, 1.5), 0.2, 0.28, YELLOW)
    p.box((1.56, -1.0, 1.8), (0.04, 0.9, 0.7), WOOD)
    p.box((1.53, -1.0, 1.8), (0.03, 0.78, 0.58), tone(paint.accent, 1.2))
    p.box((1.3, -1.9, 0.9), (0.4, 0.8, 1.8), (120, 84, 56))
    for z in (0.5, 1.0, 1.5):
        for index in range(6):
            p.box(
                (1.12, -2.2 + 0.11 * index, z),
                (0.08, 0.08, 0.26),
                (RED, BLUE, GREEN, YELLOW, WHITE, paint.accent)[index],
            )
    return Room(
        (-4.2, 1.6), (-4.3, 4.3), 2.7, ("planks", *paint.floor), ("plain", paint.wall, WHITE)
    )
