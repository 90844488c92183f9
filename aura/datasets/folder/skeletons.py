"""Joints of common skeletons as COCO-17.

A joint of COCO may be the mean of several. Names are compared without case, blanks, `_` and `.`.
Which skeleton a file has is told by how many of the twelve joints of arms and legs it has. Where
none has eyes or ears they are absent; a head alone stands for the nose.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from aura.errors import CorruptFile
from aura.schema import JOINTS

_PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LIMBS = tuple(f"{side}-{part}" for side in ("left", "right") for part in _PARTS)
_SIDES = (("left", "Left", "L", "l"), ("right", "Right", "R", "r"))

# The face, and the parts by side: {0} left, {1} Left, {2} L, {3} l; several names are a mean.
_TEMPLATES: dict[str, tuple[dict[str, str], str]] = {
    "coco": (
        {"nose": "nose", "eye": "{0}_eye", "ear": "{0}_ear"},
        "{0}_shoulder {0}_elbow {0}_wrist {0}_hip {0}_knee {0}_ankle",
    ),
    "mediapipe": (
        {"nose": "nose", "eye": "{0}_eye", "ear": "{0}_ear", "mark": "{0}_heel"},
        "{0}_shoulder {0}_elbow {0}_wrist {0}_hip {0}_knee {0}_ankle",
    ),
    "kinect": (
        {"nose": "head"},
        "shoulder_{0} elbow_{0} wrist_{0} hip_{0} knee_{0} ankle_{0}",
    ),
    "kinect-v1": (  # of Microsoft's toolbox: hand_right beside wrist_right
        {"nose": "head"},
        "{0}_shoulder {0}_elbow {0}_wrist {0}_hip {0}_knee {0}_ankle",
    ),
    "xsens": (
        {"nose": "Head"},
        "{1}UpperArm {1}ForeArm {1}Hand {1}UpperLeg {1}LowerLeg {1}Foot",
    ),
    "smpl": (
        {"nose": "head"},
        "{0}_shoulder {0}_elbow {0}_wrist {0}_hip {0}_knee {0}_ankle",
    ),
    "cmu": (  # of DAZ Poser, as CMU's BVH files have it
        {"nose": "leftEye rightEye", "eye": "{0}Eye"},
        "{3}Shldr {3}ForeArm {3}Hand {3}Thigh {3}Shin {3}Foot",
    ),
    "mixamo": (
        {"nose": "Head"},
        "{1}Arm {1}ForeArm {1}Hand {1}UpLeg {1}Leg {1}Foot",
    ),
    "biovision": (
        {"nose": "Head"},
        "{1}Shoulder {1}Elbow {1}Wrist {1}Hip {1}Knee {1}Ankle",
    ),
    "opensim": (  # joints as Pose2Sim and OpenCap write them to TRC
        {"nose": "Nose", "eye": "{2}Eye", "ear": "{2}Ear"},
        "{2}Shoulder {2}Elbow {2}Wrist {2}Hip {2}Knee {2}Ankle",
    ),
    "opensim-bodies": (
        {},
        "humerus_{3} ulna_{3} hand_{3} femur_{3} tibia_{3} talus_{3}",
    ),
    "plug-in-gait": (  # markers on the skin: no hip joint, the wrist is between two
        {"nose": "{2}FHD RFHD"},
        "{2}SHO {2}ELB {2}WRA+{2}WRB {2}ASI+{2}PSI {2}KNE {2}ANK",
    ),
}  # fmt: skip


def plain(name: str) -> str:
    """A name as it is compared."""
    return re.sub(r"[\s_.\-]+", "", name).lower()


def _table(face: Mapping[str, str], limbs: str) -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    if "nose" in face:
        table["nose"] = tuple(dict.fromkeys(face["nose"].format(*_SIDES[0]).split()))
    for side in _SIDES:
        for part in ("eye", "ear"):
            if part in face:
                table[f"{side[0]}-{part}"] = (face[part].format(*side),)
        for part, names in zip(_PARTS, limbs.format(*side).split(), strict=True):
            table[f"{side[0]}-{part}"] = tuple(names.split("+"))
    return table


SKELETONS = {name: _table(face, limbs) for name, (face, limbs) in _TEMPLATES.items()}


def find_skeleton(names: Sequence[str]) -> str | None:
    """The skeleton that has all twelve limbs among the names, None where there is none."""
    there = {plain(name) for name in names}
    best, most = None, 0
    for skeleton, table in SKELETONS.items():
        if all({plain(n) for n in table[limb]} <= there for limb in LIMBS):
            found = sum({plain(n) for n in group} <= there for group in table.values())
            if found > most:
                best, most = skeleton, found
    return best


def to_coco(
    names: Sequence[str], points: np.ndarray, table: Mapping[str, Sequence[str]], all_limbs: bool
) -> np.ndarray:
    """Joints of COCO-17.

    Parameters
    ----------
    names : sequence of str
        (J,) of the points.
    points : np.ndarray
        (F, J, 3).
    table : mapping of str to sequence of str
        The file's names for each of COCO-17.
    all_limbs : bool
        Whether a limb that is not there is an error.

    Returns
    -------
    np.ndarray
        (F, 17, 3), NaN where absent.

    Raises
    ------
    CorruptFile
        A limb is not there, or no joint is.
    """
    place = {plain(name): number for number, name in reversed(list(enumerate(names)))}
    out = np.full((len(points), len(JOINTS), 3), np.nan)
    found = 0
    for joint, group in table.items():
        numbers = [place[plain(name)] for name in group if plain(name) in place]
        if len(numbers) == len(group):
            out[:, JOINTS.index(joint)] = points[:, numbers].mean(axis=1)
            found += 1
        elif all_limbs and joint in LIMBS:
            raise CorruptFile(
                f"there is no {' and '.join(group)} for {joint} among {', '.join(names)[:300]}."
            )
    if not found:
        raise CorruptFile(f"no joint of the skeleton is among {', '.join(names)[:300]}.")
    return out
