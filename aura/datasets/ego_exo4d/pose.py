"""Body pose annotations: frames in numerical order, absent joints as NaN."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from aura.datasets.ego_exo4d.loose import place_of
from aura.errors import CorruptFile
from aura.schema import JOINTS

_LAST_FRAME = 10**7  # over 90 hours; a number above is damage
_FAR_M = 1e6


@dataclass(frozen=True)
class Pose:
    """Joints of one person in the frames that the file lists.

    Attributes
    ----------
    frames : np.ndarray
        (F,) int64, strictly increasing.
    joints : np.ndarray
        (F, 17, 3) float32, metres, world frame with z up, NaN where absent.
    empty : int
        Frames without a person.
    absent : int
        Joints that the other frames lack.
    few_views : int
        Joints dropped because too few cameras saw them.
    """

    frames: np.ndarray
    joints: np.ndarray
    empty: int
    absent: int
    few_views: int


def read_pose(data: bytes, min_views: int = 0) -> Pose:
    """Parse `body/{annotation,automatic}/<take_uid>.json`.

    Parameters
    ----------
    data : bytes
        The file.
    min_views : int
        A joint seen by fewer cameras is masked; one that does not say by how many is kept.

    Returns
    -------
    Pose
        What the file lists, in order.

    Raises
    ------
    CorruptFile
        The file is not JSON or not of this form.
    """
    try:
        content = json.loads(data)
        if not isinstance(content, dict):
            raise TypeError("it is not an object")
        keys = sorted((int(key), key) for key in content)
        frames = np.array([frame for frame, _ in keys], np.int64)
        if len(frames) and (frames[0] < 0 or frames[-1] > _LAST_FRAME):
            raise ValueError("frame number out of range")
        if (np.diff(frames) == 0).any():
            raise ValueError("a frame stands twice in it")
        points = [_points(content[key]) for _, key in keys]
        cells = np.array([[_cell(p.get(joint)) for joint in JOINTS] for p in points], np.float64)
        cells = cells.reshape(-1, len(JOINTS), 4)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as e:
        reason = place_of(data, e)[:120] or type(e).__name__
        raise CorruptFile(f"The body pose cannot be read: {reason}.") from None
    too_few = cells[..., 3] < min_views  # NaN, where it does not say, is not less
    seen = np.all(np.abs(cells[..., :3]) < _FAR_M, axis=2)
    cells[~seen] = np.nan
    joints = cells[..., :3].astype(np.float32)
    occupied = np.array([bool(p) for p in points], bool)
    joints[too_few] = np.nan
    return Pose(
        frames,
        joints,
        empty=int((~occupied).sum()),
        absent=int((~seen[occupied]).sum()),
        few_views=int((seen & too_few).sum()),
    )


def _points(people: Any) -> dict[str, Any]:
    points = people[0].get("annotation3D", {}) if people else {}
    if points is None:
        return {}
    if not isinstance(points, dict):
        raise TypeError("annotation3D is not an object")
    return points


_NONE = (np.nan, np.nan, np.nan, np.nan)


def _cell(point: Any) -> tuple[float, float, float, float]:
    if point is None:
        return _NONE
    views = point.get("num_views_for_3d")
    return point["x"], point["y"], point["z"], np.nan if views is None else views
