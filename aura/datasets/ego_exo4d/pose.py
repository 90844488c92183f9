"""Body pose annotations: frames in numerical order, absent joints as NaN."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from aura.datasets.base import Skip, Take
from aura.datasets.ego_exo4d.loose import place_of
from aura.datasets.ego_exo4d.options import Options
from aura.errors import CorruptFile, OutsideRoot
from aura.schema import JOINTS
from aura.signals.lost import mask_lost
from aura.storage import Storage

_LAST_FRAME = 10**7  # over 90 hours; a number above is damage
_FAR_M = 1e6
_MULTIPLES = (2, 4)  # of the video's 30 FPS at which poses may be numbered
_PAST = 0.02  # share of the take's frames, at least 15, by which the last pose may be past the end


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
    numbers_a_frame : int
        Pose `n` is of the video's frame `n / numbers_a_frame`.
    """

    frames: np.ndarray
    joints: np.ndarray
    empty: int
    absent: int
    few_views: int
    numbers_a_frame: int = 1


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


def read_take_pose(
    files: Storage,
    options: Options,
    take: Take,
    frames: int,
    skips: list[Skip],
    counts: Counter[str],
) -> Pose | None:
    """Pose of a take, of the first kind that can be read; without any, `skips` has the reason.

    Parameters
    ----------
    files : Storage
        The root.
    options : Options
        Which kinds, and how many cameras must see a joint.
    take : Take
        One of the index.
    frames : int
        Frames of the take.
    skips : list of Skip
        Is added to.
    counts : Counter of str
        How much was masked; is added to.
    """
    body = f"annotations/ego_pose/{take.source['official_split']}/body"
    fault, where = "", take.take_name
    for kind in options.pose:
        try:
            pose = read_pose(
                files.read(f"{body}/{kind}/{take.moment_id or take.take_id}.json"),
                options.min_views,
            )
        except FileNotFoundError:
            continue
        except OutsideRoot:
            fault = fault or "path of body pose leads out of the root"
            continue
        except CorruptFile as error:
            fault, where = fault or "body pose is corrupt", f"{take.take_name}: {error}"
            continue
        multiple = numbers_a_frame(pose.frames, frames)
        if multiple is None:
            fault = fault or "body pose is numbered past the video's end"
            continue
        if fault:
            skips.append(Skip(f"{fault}, the other kind is read", where, "mocap"))
        if multiple > 1:
            reason = f"body pose is numbered at {multiple} times the video's rate"
            skips.append(Skip(reason, take.take_name, "mocap"))
        inside = int(np.searchsorted(pose.frames, multiple * frames))
        joints, lost = mask_lost(pose.joints[:inside])
        counts["pose after the take's last frame"] = len(pose.frames) - inside
        counts["pose without a person"] = pose.empty
        counts["joint absent"] = pose.absent
        counts["joint seen by too few cameras"] = pose.few_views
        counts.update(lost)
        return Pose(pose.frames[:inside], joints, 0, 0, 0, multiple)
    skips.append(Skip(fault or "no body pose", where, "mocap"))
    return None


def numbers_a_frame(numbers: np.ndarray, frames: int) -> int | None:
    """How many numbers of poses a frame of the video has.

    Parameters
    ----------
    numbers : np.ndarray
        (F,) int64, increasing.
    frames : int
        Frames of the take.

    Returns
    -------
    int or None
        1, or 2 where poses are numbered at twice the video's rate; None where the numbers run past
        the video's end and are not at a multiple of its rate either.
    """
    past = max(15, _PAST * frames)
    if not len(numbers) or numbers[-1] < frames + past:
        return 1
    for multiple in _MULTIPLES:
        beyond = numbers[-1] + 1 - multiple * frames
        if -0.1 * multiple * frames <= beyond < multiple * past and numbers[0] < frames / 2:
            return multiple
    return None


def pose_times(position: np.ndarray, frame_s: np.ndarray, rate_hz: float) -> np.ndarray:
    """Times (F,) in s of poses, by where they are among the video's frames.

    Parameters
    ----------
    position : np.ndarray
        (F,) number of a frame, or between two.
    frame_s : np.ndarray
        (V,) s, NaN where unknown, for which number / `rate_hz` stands in.
    rate_hz : float
        Frames of the video a second.
    """
    frame = position.astype(np.int64)
    filled = np.where(np.isfinite(frame_s), frame_s, np.arange(len(frame_s)) / rate_hz)
    after = np.append(filled[1:], filled[-1] + 1 / rate_hz)[frame]
    part = position - frame
    return np.where(part > 0, filled[frame] + part * (after - filled[frame]), filled[frame])


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
