"""AMASS npz (SMPL, SMPL-H, SMPL-X): angles of joints, and of the body model itself nothing.

The model that would give the joints' places is licensed and not here, so a skeleton of usual
proportions (Drillis and Contini 1966, of 1.70 m) takes the angles: directions of limbs are those of
the file, lengths are not. The world has z up. The rate is `mocap_framerate`, and in the files of
SMPL-X `mocap_frame_rate`; a file without either is refused, as 60, 100, 120 and 250 all occur.
"""

import numpy as np

from aura.errors import CorruptFile
from aura.formats.base import Stream, nonzero
from aura.storage import Storage

SUFFIXES = (".npz",)
VERSION = "own"

JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar",
    "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist",
)  # fmt: skip
_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
_STATURE_M = 1.70
# From the joint above, in statures: x to the left, y up, z ahead, arms to the sides.
_HALF = {
    "hip": (0.052, -0.05, 0), "knee": (0, -0.245, 0), "ankle": (0, -0.246, 0),
    "foot": (0, -0.03, 0.08), "collar": (0.04, 0.07, 0), "shoulder": (0.085, 0.01, 0),
    "elbow": (0.186, 0, 0), "wrist": (0.146, 0, 0),
}  # fmt: skip
_MIDDLE = {
    "pelvis": (0, 0, 0), "spine1": (0, 0.065, 0), "spine2": (0, 0.075, 0), "spine3": (0, 0.03, 0),
    "neck": (0, 0.125, 0), "head": (0, 0.055, 0.02),
}  # fmt: skip
_RATES = ("mocap_framerate", "mocap_frame_rate")
_MOST = 1 << 22  # frames
_FAR_RAD = 100.0


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """One stream of the 22 joints of a body without its hands.

    Raises
    ------
    CorruptFile
        It has no poses, translations or rate.
    """
    with files.open(path) as file, np.load(file, allow_pickle=False) as archive:
        keys = set(archive.files)
        if "poses" in keys:
            angles = _array(archive["poses"])
        elif {"root_orient", "pose_body"} <= keys:
            angles = np.hstack([_array(archive["root_orient"]), _array(archive["pose_body"])])
        else:
            raise CorruptFile(f"{path} has no poses: {', '.join(sorted(keys))[:200]}.")
        rate = next((float(archive[key]) for key in _RATES if key in keys), 0.0)
        if "trans" not in keys or not 1 <= rate <= 1000:
            raise CorruptFile(f"{path} has no trans, or no {_RATES[0]} that tells its rate.")
        trans = _array(archive["trans"])
    if angles.shape[1] < 66 or len(angles) != len(trans) or trans.shape[1] != 3:
        raise CorruptFile(f"{path} has poses {angles.shape} and trans {trans.shape}.")
    bad = ~np.isfinite(angles[:, :66]).all(axis=1) | (np.abs(angles[:, :66]) > _FAR_RAD).any(axis=1)
    bad |= ~np.isfinite(trans).all(axis=1)
    points = forward(np.where(bad[:, None], 0, angles[:, :66]).reshape(-1, 22, 3), trans)
    points[bad] = np.nan
    return (
        Stream(
            "joints", JOINTS, points, np.arange(len(points)) / rate, ("m",), clock="none",
            rate_hz=rate, counts=nonzero({"frame has a number that is none": int(bad.sum())}),
            facts={"up": "z", "lengths": "those of a usual body, not of the person"},
        ),
    )  # fmt: skip


def _array(values: np.ndarray) -> np.ndarray:
    if values.ndim < 2 or len(values) > _MOST or not np.issubdtype(values.dtype, np.number):
        raise CorruptFile("the npz file has an array that is none of frames.")
    return values.reshape(len(values), -1).astype(np.float64)


def offsets() -> np.ndarray:
    """(22, 3) m, from the joint above each."""
    out = np.zeros((22, 3))
    for number, name in enumerate(JOINTS):
        side, _, part = name.partition("_")
        out[number] = _HALF[part] if part else _MIDDLE[name]
        out[number, 0] *= -1 if side == "right" else 1
    return out * _STATURE_M


def forward(angles: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """Places (F, 22, 3) of joints, from rotation vectors (F, 22, 3) and the root's place (F, 3)."""
    local = _matrices(angles)
    rest = offsets()
    turns, places = [local[:, 0]], [trans]
    for number in range(1, 22):
        parent = _PARENTS[number]
        places.append(places[parent] + turns[parent] @ rest[number])
        turns.append(turns[parent] @ local[:, number])
    return np.stack(places, axis=1)


def _matrices(vectors: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of rotation vectors, by Rodrigues' formula."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1)
    cross = cross.reshape(*x.shape, 3, 3)
    turned: np.ndarray = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turned
