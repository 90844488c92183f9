"""Motion capture of a family of files: its skeleton, unit, axis that is up, and poses at rest."""

from dataclasses import dataclass

import numpy as np

from aura.datasets.bvh_files import LEG_M, leg_length
from aura.datasets.folder.skeletons import SKELETONS, find_skeleton, to_coco
from aura.datasets.folder.units import LENGTH, UP
from aura.errors import CorruptFile
from aura.formats.columns import known_unit
from aura.guess.families import Family
from aura.guess.reason import Guess
from aura.schema import JOINTS

_UPRIGHT = (("knee", "hip"), ("hip", "shoulder"))
_NEAR = 0.35  # by which a leg may differ from the usual one, to tell a unit
_CLEAR = 0.8  # of the way from knee to shoulder along one axis
_JUMP = 8.0  # times the usual step, from a pose at rest to the first of movement


@dataclass
class Body:
    """Motion capture as it would stand in `aura.yaml`.

    Attributes
    ----------
    skeleton, unit, up, rest : Guess
        Each with its reason.
    rate : Guess
        As the files state it.
    """

    skeleton: Guess
    unit: Guess
    up: Guess
    rest: Guess
    rate: Guess


def find_body(family: Family) -> Body | None:
    """What the points of a family are, None where it has none."""
    named = _points(family)
    if not named:
        return None
    names = named[0][0]
    skeleton = find_skeleton(names)
    if skeleton is None:
        why = f"no skeleton that we know has its limbs among {', '.join(names)[:120]}"
        nothing = Guess(None, "its joints are not known", False)
        return Body(Guess(None, why, False), nothing, nothing, nothing, _rate(family))
    joints = []
    for columns, points, _ in named:
        try:
            joints.append(to_coco(columns, points, SKELETONS[skeleton], True))
        except CorruptFile:
            continue
    return Body(
        Guess(skeleton, f"it has all arms and legs of {skeleton} by name"),
        _unit(joints, named[0][2], family.reader),
        _up(joints, named[0][0], family),
        _rest(joints),
        _rate(family),
    )


def _points(family: Family) -> list[tuple[tuple[str, ...], np.ndarray, str]]:
    found = []
    for streams in family.streams.values():
        for stream in streams:
            if stream.is_body:
                unit = known_unit(stream.units[0]) if stream.units else ""
                points = np.where(stream.invented[..., None], np.nan, stream.values)
                found.append((stream.columns, points, unit))
    for table in family.tables.values():
        groups = family.roles.groups
        if len(groups) >= 3 and all(not kind for kind, _ in groups):
            points = np.stack([family.numbers(table, names) for names in groups.values()], axis=1)
            found.append((tuple(prefix for _, prefix in groups), points, ""))
    return found


def _unit(joints: list[np.ndarray], stated: str, reader: str) -> Guess:
    if stated in LENGTH:
        return Guess(stated, "the file says so")
    lengths = []
    for points in joints:
        try:
            lengths.append(leg_length(points))
        except CorruptFile:
            continue
    if not lengths:
        return Guess(None, "the legs have no length", False)
    leg = float(np.median(lengths))
    for unit, metres in LENGTH.items():
        if unit != "inch" and abs(leg * metres / LEG_M - 1) <= _NEAR:
            return Guess(unit, f"a leg of {leg:.4g} is {leg * metres:.2f} m in {unit}")
    return Guess("legs", f"a leg of {leg:.4g} is no person's in m, cm or mm: it is taken to be "
                         f"{LEG_M} m, and so {LEG_M / leg:.4g} m a unit", False)  # fmt: skip


def _up(joints: list[np.ndarray], names: tuple[str, ...], family: Family) -> Guess:
    ways = []
    for points in joints:
        for side in ("left", "right"):
            for low, high in _UPRIGHT:
                a, b = (points[:, JOINTS.index(f"{side}-{part}")] for part in (low, high))
                ways.append(b - a)
    way = np.concatenate(ways)
    way = way[np.isfinite(way).all(axis=1)]
    if not len(way):
        return Guess(None, "no leg is seen", False)
    way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    middle = np.median(way, axis=0)
    axis = int(np.abs(middle).argmax())
    name = ("-" if middle[axis] < 0 else "") + "xyz"[axis]
    clear = abs(middle[axis]) >= _CLEAR and name in UP
    return Guess(name, f"from knees to shoulders it is {abs(middle[axis]):.2f} along {name}", clear)


def _rest(joints: list[np.ndarray]) -> Guess:
    """Frames at the beginning that are a pose and no movement: a jump lies behind them."""
    counts = []
    for points in joints:
        steps = np.nanmax(np.linalg.norm(np.diff(points - np.nanmean(points, axis=1, keepdims=True),
                                                 axis=0), axis=2), axis=1)  # fmt: skip
        usual = float(np.nanmedian(steps)) if len(steps) > 30 else np.inf
        top = np.flatnonzero(steps[:10] > _JUMP * max(usual, 1e-9))
        counts.append(int(top[-1]) + 1 if len(top) else 0)
    if not counts or max(counts) == 0:
        return Guess(0, "no jump near the beginning")
    many = sum(count > 0 for count in counts)
    return Guess(max(counts), f"a jump after {max(counts)} frames in {many} of {len(counts)} files",
                 many == len(counts))  # fmt: skip


def _rate(family: Family) -> Guess:
    rates = {s.rate_hz for streams in family.streams.values() for s in streams if s.is_body}
    known = sorted(rate for rate in rates if rate)
    if known:
        several = f", and {known[-1]:g}" if len(known) > 1 else ""
        return Guess(known[0], f"the files say {known[0]:g} Hz{several}")
    return Guess(None, "the files state no rate", False)
