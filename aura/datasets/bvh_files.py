"""BVH files: their joints as COCO-17 in metres.

BVH has no unit. Unless it is given, it is found from the legs: hip joint to ankle by way of the
knee is 0.49 of the stature (Drillis and Contini 1966), which is taken to be 1.70 m, so that legs
are 0.83 m. Joints go by the names of three usual skeletons. None has ears, and in two of them the
head's joint is all there is of a face; it stands for the nose, as the middle of the eyes does in
the first.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from aura.errors import AuraError, CorruptFile
from aura.schema import JOINTS
from aura.storage import Storage

LEG_M = 0.83
_SIDES = (("left", "l", "Left"), ("right", "r", "Right"))
_PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
# The face, and the parts by side: of DAZ Poser, of MotionBuilder and Mixamo, and of Biovision.
_NAMINGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("leftEye", "rightEye"), "{1}Shldr {1}ForeArm {1}Hand {1}Thigh {1}Shin {1}Foot"),
    (("Head",), "{2}Arm {2}ForeArm {2}Hand {2}UpLeg {2}Leg {2}Foot"),
    (("Head",), "{2}Shoulder {2}Elbow {2}Wrist {2}Hip {2}Knee {2}Ankle"),
)


class Motion(NamedTuple):
    """What a BVH file holds.

    Attributes
    ----------
    names : tuple of str
        (J), without a prefix `mixamorig:`.
    positions : np.ndarray
        (F, J, 3) float64, in the file's units and axes.
    frame_s : float
        From one frame to the next.
    """

    names: tuple[str, ...]
    positions: np.ndarray
    frame_s: float


def read_bvh(files: Storage, path: str) -> Motion:
    """Positions of all joints of a BVH file.

    Parameters
    ----------
    files : Storage
        The data set's files.
    path : str
        The file.

    Returns
    -------
    Motion
        Not finite where the file's angles are not.

    Raises
    ------
    CorruptFile
        Whatever is wrong with it.
    """
    import pybvh

    try:
        with files.local(path) as file, warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            read = pybvh.read_bvh_file(file, world_up="+y")
            positions = np.asarray(read.joint_positions(), np.float64)
    except FileNotFoundError:
        raise CorruptFile("the BVH file is gone.") from None
    except Exception as error:  # pybvh and NumPy raise many kinds on a damaged file
        if type(error) is AuraError:  # a store that does not answer
            raise
        raise CorruptFile(f"the BVH file is damaged: {_line(error)}.") from None
    if not 1e-4 <= read.frame_time <= 1:
        raise CorruptFile(f"the BVH file has a frame each {read.frame_time} s.")
    names = tuple(name.rpartition(":")[2] for name in read.joint_names)
    return Motion(names, positions, float(read.frame_time))


def to_coco(
    motion: Motion, scale_m: float | None, up: Literal["y", "z"], given: Mapping[str, str]
) -> np.ndarray:
    """The joints of a body.

    Parameters
    ----------
    motion : Motion
        Of a file.
    scale_m : float or None
        Metres a unit; None finds it from the legs.
    up : {"y", "z"}
        Which of the file's axes is up.
    given : mapping of str to str
        The file's joint for one of COCO-17, in place of the usual names.

    Returns
    -------
    np.ndarray
        (F, 17, 3) float32, metres with z up, NaN where absent.

    Raises
    ------
    CorruptFile
        A shoulder, elbow, wrist, hip, knee or ankle is not there, or the legs have no length.
    """
    joints = np.full((len(motion.positions), len(JOINTS), 3), np.nan)
    for joint, sources in _find_joints(motion.names, given).items():
        columns = [motion.names.index(source) for source in sources]
        joints[:, JOINTS.index(joint)] = motion.positions[:, columns].mean(axis=1)
    scale = scale_m or LEG_M / leg_length(joints)
    if up == "y":
        joints = np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1)
    with np.errstate(over="ignore"):
        metres: np.ndarray = (joints * scale).astype(np.float32)
    return metres


def leg_length(joints: np.ndarray) -> float:
    """Length of a leg, hip joint to knee to ankle, mean of both sides, median over time."""
    length = 0.0
    for side in ("left", "right"):
        hip, knee, ankle = (
            joints[:, JOINTS.index(f"{side}-{part}")] for part in ("hip", "knee", "ankle")
        )
        leg = np.linalg.norm(hip - knee, axis=1) + np.linalg.norm(knee - ankle, axis=1)
        leg = leg[np.isfinite(leg)]
        length += float(np.median(leg)) / 2 if len(leg) else np.nan
    if not length > 0:
        raise CorruptFile("the legs of the BVH file have no length.")
    return length


def _find_joints(names: Sequence[str], given: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The file's joints for each of COCO-17 that it has, by the naming that fits best."""
    limbs = [f"{side[0]}-{part}" for part in _PARTS for side in _SIDES]
    best: dict[str, tuple[str, ...]] = {}
    for face, patterns in _NAMINGS:
        table = {"nose": face}
        if len(face) == 2:
            table |= {"left-eye": face[:1], "right-eye": face[1:]}
        for side in _SIDES:
            for part, pattern in zip(_PARTS, patterns.format(*side).split(), strict=True):
                table[f"{side[0]}-{part}"] = (pattern,)
        table |= {joint: (name,) for joint, name in given.items()}
        found = {joint: source for joint, source in table.items() if set(source) <= set(names)}
        if sum(limb in found for limb in limbs) > sum(limb in best for limb in limbs):
            best = found
    missing = [limb for limb in limbs if limb not in best]
    if missing:
        raise CorruptFile(
            f"the BVH file has no joint for {missing[0]}; name it in options.joints, of "
            f"{', '.join(names)[:300]}."
        )
    return best


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()).rstrip(".") or type(error).__name__)[:200]
