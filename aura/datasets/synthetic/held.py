"""What moves with the person: tools in the hand, and balls that are bounced, thrown and kicked."""

import numpy as np

from aura.datasets.synthetic.actions import ACTIONS
from aura.datasets.synthetic.motion import JOINTS, Person
from aura.datasets.synthetic.palette import Colour

JOINT_INDEX = {name: index for index, name in enumerate(JOINTS)}
STEEL, WOOD, BLACK = (196, 202, 210), (176, 128, 80), (36, 36, 40)
BALLS: dict[str, tuple[float, Colour]] = {
    "bounced ball": (0.12, (226, 118, 40)),
    "shot ball": (0.12, (226, 118, 40)),
    "ground ball": (0.11, (244, 244, 244)),
    "juggled ball": (0.11, (244, 244, 244)),
    "kicked ball": (0.11, (244, 244, 244)),
}
Stroke = tuple[np.ndarray, float, Colour]  # points (N, K, 3), width in metres; K = 1 is a ball


def held_props(person: Person, t: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, dict]:
    """What is in the person's hands or at their feet.

    Parameters
    ----------
    person : Person
        The person of the take.
    t : np.ndarray
        (N,) s on the clock of the take.
    joints : np.ndarray
        (N, 17, 3) metres in the scene.

    Returns
    -------
    dominant : np.ndarray
        (N,) action with the largest share of the motion.
    strokes : dict of int to list of Stroke
        For each action that has a prop.
    """
    shares = person.weights(t)
    indices = np.array(list(shares))
    dominant = indices[np.argmax(np.stack(list(shares.values())), axis=0)]
    strokes = {}
    for index in indices.tolist():
        prop = ACTIONS[person.take.activity][index].prop
        if prop in BALLS:
            radius, colour = BALLS[prop]
            path = _ball(prop, radius, joints, person.phase(index, t) % 1.0)
            strokes[index] = [(path[:, None], 2 * radius, colour)]
        elif prop:
            strokes[index] = _tool(prop, joints)
    return dominant, strokes


def _tool(prop: str, joints: np.ndarray) -> list[Stroke]:
    wrist, elbow = joints[:, JOINT_INDEX["right-wrist"]], joints[:, JOINT_INDEX["right-elbow"]]
    along = (wrist - elbow) / np.linalg.norm(wrist - elbow, axis=1, keepdims=True)
    hand = wrist + 0.07 * along
    down, ahead = np.array([0.0, 0.0, -1.0]), np.array([1.0, 0.0, 0.0])
    if prop == "knife":
        return [(np.stack([hand, hand + 0.24 * along], 1), 0.035, STEEL)]
    if prop == "spoon":
        return [(np.stack([hand - 0.05 * down, hand + 0.3 * down + 0.05 * ahead], 1), 0.03, WOOD)]
    if prop == "wrench":
        return [(np.stack([hand, hand + 0.26 * along], 1), 0.045, STEEL)]
    if prop == "pan":
        rim = hand + 0.2 * along
        far = rim + 0.26 * along
        cake = rim + 0.13 * along + np.array([0.0, 0.0, 0.05])
        left = 0.08 * along
        cake_ends = np.stack([cake - left, cake + left], axis=1)
        handle, pan = np.stack([hand, rim], axis=1), np.stack([rim, far], axis=1)
        return [(handle, 0.03, BLACK), (pan, 0.07, BLACK), (cake_ends, 0.04, (236, 190, 96))]
    hands = joints[:, [JOINT_INDEX["left-wrist"], JOINT_INDEX["right-wrist"]]].mean(axis=1)
    side = np.array([0.0, 0.16, 0.0])
    foot = hands * (1, 1, 0) + np.array([0.0, 0.0, 0.03])
    barrel = np.stack([foot, foot + 0.5 * (hands - foot)], axis=1)
    grip = np.stack([hands - side, hands + side], axis=1)
    rod = np.stack([hands, foot], axis=1)
    return [(rod, 0.03, STEEL), (barrel, 0.07, (200, 60, 50)), (grip, 0.04, BLACK)]


def _ball(prop: str, radius: float, joints: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Centre (N, 3) of the ball; the motions of `actions.py` peak at a quarter or at 0 cycles."""
    right, left = joints[:, JOINT_INDEX["right-wrist"]], joints[:, JOINT_INDEX["left-wrist"]]
    feet = joints[:, [JOINT_INDEX["left-ankle"], JOINT_INDEX["right-ankle"]]]
    floor = np.array([0.0, 0.0, radius])
    if prop == "bounced ball":
        hand = right + np.array([0.1, 0.0, -radius])
        height = np.abs(np.cos(np.pi * (phase - 0.25)))
        return hand * (1, 1, 0) + floor + np.outer(height * (hand[:, 2] - radius), [0, 0, 1])
    if prop == "shot ball":
        held = (right + left) / 2 + np.array([0.08, 0.0, 0.1])
        flight = np.clip((phase - 0.04) / 0.34, 0, 1) * (phase < 0.5)
        target = np.array([2.6, 0.0, 2.42])
        arc = held + flight[:, None] * (target - held)
        return arc + np.outer(flight * (1 - flight) * 2.0, [0, 0, 1])
    middle = feet.mean(axis=1) * (1, 1, 0)
    if prop == "ground ball":
        roll = 0.38 + 0.16 * np.sin(2 * np.pi * phase)
        return middle + floor + np.stack([roll, 0.05 * np.cos(np.pi * phase), 0 * roll], 1)
    if prop == "juggled ball":
        knees = joints[:, [JOINT_INDEX["left-knee"], JOINT_INDEX["right-knee"]]]
        height = 0.75 + 0.7 * np.sin(np.pi * phase)
        return knees.mean(axis=1) * (1, 1, 0) + np.stack([0.3 + 0 * phase, 0 * phase, height], 1)
    flight = np.clip(phase / 0.3, 0, 1) * (phase < 0.6)
    start = np.array([0.5, -0.12, radius])
    return (
        start
        + flight[:, None] * np.array([3.2, 0.3, 0.9])
        + np.outer(flight * (1 - flight), [0, 0, 1.2])
    )
