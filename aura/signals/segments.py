"""Body segments as rigid frames, from joint positions that tell a limb's axis but not its twist.

In upright stance with the arms hanging every frame has x down (along the segment, away from the
trunk's top), y to the front and z to the right. What turns a limb about its own axis is told by
the plane in which elbow or knee is bent. The straighter the limb, the less is known: there the
frame is carried along by the trunk without a twist of its own (parallel transport in the trunk's
frame), with a weak pull to the line of the shoulders or hips. Pronation of the forearm, turns of
the hand and the foot are not in COCO-17.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded

from aura.schema import JOINTS

_TWIST_S = 0.02  # over which twist is smoothed at a limb bent by 90 degrees; more when straighter
_PULL = 0.02  # weight of the line of the hips or shoulders beside that of a limb bent by 90 degrees


@dataclass(frozen=True)
class Segment:
    """What a frame is made of; each entry is the mean of the joints named.

    Attributes
    ----------
    base, tip : tuple of str
        Ends of the segment; x goes from `base` to `tip`.
    line : tuple of tuple of str
        From left to right.
    hinge : tuple of str or None
        Three joints of a limb whose bend tells the twist.
    sign : float
        +1 where the limb bends its far end to the front (elbow), -1 to the back (knee).
    """

    base: tuple[str, ...]
    tip: tuple[str, ...]
    line: tuple[tuple[str, ...], tuple[str, ...]]
    hinge: tuple[str, str, str] | None = None
    sign: float = 1.0

    @property
    def joints(self) -> set[str]:
        """Names of all joints that the frame needs, those of the trunk's frame with a limb's."""
        trunk = {*_pair("shoulder"), *_pair("hip")} if self.hinge else set()
        return {*self.base, *self.tip, *self.line[0], *self.line[1], *(self.hinge or ()), *trunk}


def _pair(part: str) -> tuple[str, str]:
    return f"left-{part}", f"right-{part}"


def _line(part: str) -> tuple[tuple[str], tuple[str]]:
    left, right = _pair(part)
    return (left,), (right,)


def segment(name: str, side: str, present: np.ndarray) -> Segment:
    """The joints of a segment; a head is framed by ears, eyes or, without them, the shoulders.

    Parameters
    ----------
    name : str
        `head`, `chest`, `pelvis`, `upper-arm`, `forearm`, `thigh` or `shank`.
    side : str
        `left` or `right`, for limbs.
    present : np.ndarray
        (17,) bool, joints that the recording has.

    Returns
    -------
    Segment
        Its definition.
    """
    shoulders, hips = _pair("shoulder"), _pair("hip")
    if name == "head":
        for part in ("ear", "eye"):
            if all(present[JOINTS.index(joint)] for joint in _pair(part)):
                return Segment(_pair(part), shoulders, _line(part))
        return Segment(("nose",), shoulders, _line("shoulder"))
    if name in ("chest", "pelvis"):
        return Segment(shoulders, hips, _line("shoulder" if name == "chest" else "hip"))
    arm = name in ("upper-arm", "forearm")
    parts = ("shoulder", "elbow", "wrist") if arm else ("hip", "knee", "ankle")
    chain = (f"{side}-{parts[0]}", f"{side}-{parts[1]}", f"{side}-{parts[2]}")
    base, tip = chain[:2] if name in ("upper-arm", "thigh") else chain[1:]
    return Segment((base,), (tip,), _line(parts[0]), chain, 1.0 if arm else -1.0)


def frames(
    joints: np.ndarray, segment: Segment, rate_hz: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends and axes of a segment over time.

    Parameters
    ----------
    joints : np.ndarray
        (N, 17, 3) m, smooth, at `rate_hz`; finite for the joints that the segment needs.
    segment : Segment
        Its definition.
    rate_hz : float
        Of the joints.

    Returns
    -------
    base, tip : np.ndarray
        (N, 3) m.
    axes : np.ndarray
        (N, 3, 3), rotation matrices whose columns are the segment's x, y and z in the world.
    """

    def point(names: tuple[str, ...]) -> np.ndarray:
        mean: np.ndarray = np.mean([joints[:, JOINTS.index(name)] for name in names], axis=0)
        return mean

    base, tip = point(segment.base), point(segment.tip)
    x = unit(tip - base)
    right = point(segment.line[1]) - point(segment.line[0])
    if segment.hinge is None:
        return base, tip, axes_of(x, right)
    first, middle, last = (point((name,)) for name in segment.hinge)
    bend = segment.sign * np.cross(unit(middle - first), unit(last - middle))
    # Squared sines as weights: |bend| is the sine of the flexion.
    pull = _across(unit(right), x)
    towards = bend * _norm(bend) + _PULL * pull * _norm(pull)
    down = unit(point(_pair("hip")) - point(_pair("shoulder")))
    trunk = axes_of(down, right)
    settled = settle_twist(_into(trunk, x), _into(trunk, towards), rate_hz)
    return base, tip, axes_of(x, np.einsum("nij,nj->ni", trunk, settled))


def settle_twist(x: np.ndarray, towards: np.ndarray, rate_hz: float) -> np.ndarray:
    """A direction across a moving axis that follows another one as far as that is known.

    The angle to the frame that is carried along without twist is a least-squares compromise of
    what `towards` says, weighted by its length, and of standing still. It is solved as a complex
    number, which has no jump at a full turn.

    Parameters
    ----------
    x : np.ndarray
        (N, 3) unit vectors.
    towards : np.ndarray
        (N, 3), its length is the confidence, 1 for a limb bent by 90 degrees.
    rate_hz : float
        Of both.

    Returns
    -------
    np.ndarray
        (N, 3) unit vectors across `x`.
    """
    # Any frame across x will do as long as the turn between neighbours is taken out again.
    helper = np.eye(3)[np.abs(x).argmin(axis=1)]
    e1 = unit(_across(helper, x))
    e2 = np.cross(x, e1)
    carried = _transport(e1[:-1], x[:-1], x[1:])
    steps = np.arctan2(_dot(carried, e2[1:]), _dot(carried, e1[1:]))
    untwisted = np.concatenate([[0.0], np.cumsum(steps)])
    measured = (_dot(towards, e1) + 1j * _dot(towards, e2)) * np.exp(-1j * untwisted)
    weight = np.abs(measured)
    stiff = (_TWIST_S * rate_hz) ** 2
    bands = np.zeros((2, len(x)))
    bands[0, 1:] = -stiff
    bands[1] = weight + 1e-9 + 2 * stiff
    bands[1, [0, -1]] -= stiff
    solved = solveh_banded(bands, np.stack([measured.real, measured.imag], axis=1))
    phase = np.arctan2(solved[:, 1], solved[:, 0]) + untwisted
    direction: np.ndarray = np.cos(phase)[:, None] * e1 + np.sin(phase)[:, None] * e2
    return direction


def axes_of(x: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Right-handed frames (N, 3, 3) with x given (unit) and z as near to `right` as it goes."""
    z = unit(_across(right, x))
    return np.stack([x, np.cross(z, x), z], axis=-1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors of (..., 3); zero stays zero."""
    return vectors / np.maximum(_norm(vectors), 1e-12)


def _norm(vectors: np.ndarray) -> np.ndarray:
    length: np.ndarray = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return length


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...i,...i->...", a, b)


def _across(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """What of vectors is perpendicular to unit axes."""
    return vectors - _dot(vectors, axis)[..., None] * axis


def _into(axes: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors of the world (N, 3) in the frames (N, 3, 3)."""
    return np.einsum("nji,nj->ni", axes, vectors)


def _transport(vectors: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Turn vectors across `start` by the smallest rotation that takes it to `end`."""
    turn = np.cross(start, end)
    cos = _dot(start, end)
    along = _dot(turn, vectors) / np.maximum(1 + cos, 1e-9)
    return cos[:, None] * vectors + np.cross(turn, vectors) + along[:, None] * turn
