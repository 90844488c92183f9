"""Motion capture of one take of a folder, as COCO-17 in metres with z up."""

from dataclasses import dataclass

import numpy as np

from aura import formats
from aura.datasets.bvh_files import LEG_M, leg_length
from aura.datasets.folder.schema import Mocap
from aura.datasets.folder.signals import is_table, pick_stream, table_times, to_utc
from aura.datasets.folder.skeletons import SKELETONS, to_coco
from aura.datasets.folder.units import LENGTH, upright
from aura.errors import CorruptFile
from aura.formats.base import frozen
from aura.formats.columns import find_roles, known_unit
from aura.formats.table import read_table
from aura.storage import Storage


@dataclass(frozen=True)
class Poses:
    """Poses of one person.

    Attributes
    ----------
    joints : np.ndarray
        (F, 17, 3) m, z up, NaN where absent.
    time_s : np.ndarray
        (F,) s after `origin_ns`.
    origin_ns : int
        Of the epoch; of whatever the clock counts from.
    counts : dict of str to int
        What was masked.
    """

    joints: np.ndarray
    time_s: np.ndarray
    origin_ns: int
    counts: dict[str, int]


def load_mocap(files: Storage, mocap: Mocap, path: str) -> Poses:
    """Poses of a file.

    Raises
    ------
    CorruptFile
        It cannot be read, lacks a limb, or states another unit than `aura.yaml`.
    """
    names, points, time_s, origin, counts, stated = _points(files, mocap, path)
    if stated and isinstance(mocap.unit, str) and mocap.unit not in ("legs", stated):
        raise CorruptFile(f"{path} states {stated}, and aura.yaml {mocap.unit}.")
    table: dict[str, tuple[str, ...]]
    if isinstance(mocap.skeleton, str):
        if mocap.skeleton not in SKELETONS:
            known = ", ".join(SKELETONS)
            raise CorruptFile(f"there is no skeleton {mocap.skeleton}; there are {known}.")
        table = SKELETONS[mocap.skeleton]
    else:
        table = {
            joint: (group,) if isinstance(group, str) else group
            for joint, group in mocap.skeleton.items()
        }
    joints = to_coco(names, points, table, isinstance(mocap.skeleton, str))
    joints, time_s = joints[mocap.rest_frames :], time_s[mocap.rest_frames :]
    if mocap.unit == "legs":
        joints = joints * (LEG_M / leg_length(joints))
    else:
        joints = joints * (LENGTH[mocap.unit] if isinstance(mocap.unit, str) else mocap.unit)
    if not np.isfinite(joints).any():
        raise CorruptFile(f"{path} has no pose.")
    return Poses(upright(joints, mocap.up).astype(np.float32), time_s, origin, counts)


def _points(
    files: Storage, mocap: Mocap, path: str
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, int, dict[str, int], str]:
    """Names, points (F, J, 3), times, what they count from, counts, and the unit that is stated."""
    if not is_table(path):
        stream = pick_stream(formats.read(files, path), mocap.stream, path, body=True)
        points = np.where(stream.invented[..., None], np.nan, stream.values)
        zone = mocap.time.zone if mocap.time else None
        origin = to_utc(stream.origin_ns, zone) if stream.clock == "local" else stream.origin_ns
        stated = known_unit(stream.units[0]) if stream.units else ""
        return stream.columns, points, stream.time_s, origin, dict(stream.counts), stated
    table = read_table(files, path)
    groups = find_roles(tuple(table.columns)).groups
    if not groups:
        raise CorruptFile(f"{path} has no columns x, y and z of a joint.")
    counts = {"row has the wrong number of columns": table.damaged} if table.damaged else {}
    keep = np.ones(table.rows, bool)
    time_s, origin, _ = table_times(table, path, mocap.time, mocap.rate_hz, keep, counts)
    columns = [[table.numbers(name) for name in names] for names in groups.values()]
    points = np.stack([np.stack(axes, axis=1) for axes in columns], axis=1)
    still = frozen(points)
    points[still] = np.nan
    counts |= {"pose is frozen": int(still.sum())} if still.any() else {}
    names = tuple(" ".join(filter(None, key)) for key in groups)
    return names, points, time_s, origin, counts, ""
