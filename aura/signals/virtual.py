"""Virtual IMUs: what a sensor on a body segment would measure, from motion capture.

Positions are low-passed (Butterworth, forth and back, no delay), laid on the sensor's clock by a
quintic spline and differentiated: twice for the specific force, +g upwards at rest and zero in free
fall, and once in the segment's frame for the angular rate. Noise of a position grows with the
square of frequency in its acceleration, so believe nothing above `bandwidth_hz`: a sixth of the
mocap's rate, and 12 Hz at most, where movement ends and noise begins. A real sensor also feels
impacts above that; low-pass it (`smooth.lowpass`) before the two are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.spatial.transform import Rotation

from aura.config import IMU_RATE_HZ
from aura.errors import AuraError
from aura.schema import JOINTS, PLACES
from aura.signals.segments import axes_of, frames, segment, unit
from aura.signals.smooth import Grid, first_difference, second_difference

GRAVITY = 9.80665
# Ranges of common sensors; movement up to 12 Hz that is beyond them is a fault of the mocap.
_MOST_FORCE, _MOST_RATE = 32 * GRAVITY, np.deg2rad(2000)

# Place -> segment, how far along it from base (0) to tip (1), and metres to the front and outwards
# (to the sensor's own side) from there: the skin lies off the joints' line.
_PLACED = {
    "head": ("head", 0.0, 0.0, 0.0),
    "neck": ("chest", 0.0, -0.05, 0.0),
    "chest": ("chest", 0.25, 0.1, 0.0),
    "back": ("chest", 0.25, -0.1, 0.0),
    "waist": ("pelvis", 0.9, 0.1, 0.0),
    "hip": ("pelvis", 0.9, 0.0, 0.15),
    "pocket": ("thigh", 0.3, 0.07, 0.03),
    "upper-arm": ("upper-arm", 0.5, 0.0, 0.04),
    "elbow": ("upper-arm", 1.0, 0.0, 0.04),
    "forearm": ("forearm", 0.5, 0.0, 0.03),
    "wrist": ("forearm", 0.95, 0.0, 0.03),
    "hand": ("forearm", 1.3, 0.0, 0.02),
    "thigh": ("thigh", 0.5, 0.08, 0.0),
    "knee": ("thigh", 1.0, 0.05, 0.0),
    "shank": ("shank", 0.5, 0.04, 0.0),
    "ankle": ("shank", 0.95, 0.0, 0.05),
}  # fmt: skip
BODY_PLACES = tuple(_PLACED)
"""Places that COCO-17 can carry a sensor at: all but the foot, which needs markers."""


@dataclass(frozen=True)
class VirtualImu:
    """Sensors on one clock.

    Attributes
    ----------
    places : tuple of str
        (P), as asked for.
    time_s : np.ndarray
        (N,) s, on the clock of the mocap, even.
    imu : np.ndarray
        (P, N, 6) float32, m/s2 and rad/s, in each sensor's own axes; 0 where not `ok`.
    ok : np.ndarray
        (P, N) bool, samples whose joints were seen and did not jump, within a sensor's range.
    bandwidth_hz : float
        What the mocap carries: above it the sensors measure nothing.
    """

    places: tuple[str, ...]
    time_s: np.ndarray
    imu: np.ndarray
    ok: np.ndarray
    bandwidth_hz: float


def virtual_imu(
    mocap_s: np.ndarray,
    joints: np.ndarray,
    places: Sequence[str],
    *,
    seed: int | None = None,
    cutoff_hz: float | None = None,
    rate_hz: float = IMU_RATE_HZ,
) -> VirtualImu:
    """Put sensors on a body.

    Parameters
    ----------
    mocap_s : np.ndarray
        (T,) s, rising.
    joints : np.ndarray
        (T, 17, 3) m, COCO-17 in a world with z up; NaN where a joint is absent.
    places : sequence of str
        Of `BODY_PLACES`, with `-left` or `-right` after those that have sides (right if none).
    seed : int or None
        Mounts each sensor in a random way up, the same for the same seed and place. None: the
        segment's axes, which in upright stance are x down, y to the front and z to the right.
    cutoff_hz : float or None
        Of the low-pass; None: a sixth of the mocap's rate, 12 Hz at most.
    rate_hz : float
        Of the sensors.

    Returns
    -------
    VirtualImu
        (P, N, 6). No samples where there are fewer than 16 poses.

    Raises
    ------
    AuraError
        A place is not known or cannot be told from COCO-17.
    """
    parsed = [parse_place(place) for place in places]
    order = [f"{place}-{side}" for place, side in parsed]
    joints = np.asarray(joints, np.float64)
    seen = np.isfinite(joints).all(axis=2)
    present = seen.mean(axis=0) > 0.5 if len(seen) else np.zeros(len(JOINTS), bool)
    grid = Grid.of(np.asarray(mocap_s, np.float64), cutoff_hz, rate_hz)
    imu = np.zeros((len(places), len(grid.time_s), 6), np.float32)
    ok = np.zeros(imu.shape[:2], bool)
    segments = {}
    for place, side in parsed:
        name = _PLACED[place][0]
        key = (name, side if name not in ("head", "chest", "pelvis") else "")
        segments[place, side] = (key, segment(name, side, present))
    needed = sorted({j for _, s in segments.values() for j in s.joints}, key=JOINTS.index)
    index = [JOINTS.index(name) for name in needed]
    if len(grid.time_s) and index:
        smooth = np.full((len(grid.time_s), len(JOINTS), 3), np.nan)
        known = np.zeros((len(grid.time_s), len(JOINTS)), bool)
        smooth[:, index], known[:, index] = grid.smooth(joints[:, index])
        cache: dict[object, tuple[np.ndarray, ...]] = {}
        for row, (place, side) in enumerate(parsed):
            key, definition = segments[place, side]
            ok[row] = known[:, [JOINTS.index(name) for name in definition.joints]].all(axis=1)
            if not ok[row].any():
                continue
            if key not in cache:
                cache[key] = frames(smooth, definition, rate_hz)
            base, tip, axes = cache[key]
            _, along, front, out = _PLACED[place]
            offset = axes @ np.array([0.0, front, out if side == "right" else -out])
            imu[row] = measure(base + along * (tip - base) + offset, axes, rate_hz)
            ok[row] &= in_range(imu[row], rate_hz)
    if seed is not None:
        for row, name in enumerate(order):
            imu[row] = mount(imu[row], seed, name)
    imu[~ok] = 0
    return VirtualImu(tuple(places), grid.time_s, imu, ok, grid.bandwidth_hz)


def marker_imu(
    mocap_s: np.ndarray,
    markers: np.ndarray,
    weights: Sequence[float],
    *,
    offset_m: Sequence[float] = (0.0, 0.0, 0.0),
    cutoff_hz: float | None = None,
    rate_hz: float = IMU_RATE_HZ,
) -> VirtualImu:
    """Put one sensor on a rigid body that three markers tell, such as heel, toe and forefoot.

    Parameters
    ----------
    mocap_s : np.ndarray
        (T,) s, rising.
    markers : np.ndarray
        (T, 3, 3) m, world with z up, NaN where a marker is lost. x goes from the first to the
        second; z is the normal of the plane of the three, with the third on the side of +y.
    weights : sequence of float
        Of the markers, with sum 1: where in their plane the sensor sits.
    offset_m : sequence of float
        From there, in the body's axes.
    cutoff_hz, rate_hz : float
        As in `virtual_imu`.

    Returns
    -------
    VirtualImu
        (1, N, 6), its place is `markers`.
    """
    markers = np.asarray(markers, np.float64)
    grid = Grid.of(np.asarray(mocap_s, np.float64), cutoff_hz, rate_hz)
    count = len(grid.time_s)
    imu, ok = np.zeros((1, count, 6), np.float32), np.zeros((1, count), bool)
    if count:
        smooth, known = grid.smooth(markers)
        ok[0] = known.all(axis=1)
        x = unit(smooth[:, 1] - smooth[:, 0])
        axes = axes_of(x, np.cross(x, smooth[:, 2] - smooth[:, 0]))
        position = np.einsum("nmi,m->ni", smooth, np.asarray(weights, float))
        imu[0] = measure(position + axes @ np.asarray(offset_m, float), axes, rate_hz)
        ok[0] &= in_range(imu[0], rate_hz)
    imu[~ok] = 0
    return VirtualImu(("markers",), grid.time_s, imu, ok, grid.bandwidth_hz)


def measure(position: np.ndarray, axes: np.ndarray, rate_hz: float) -> np.ndarray:
    """What a sensor at a point with given axes measures.

    Parameters
    ----------
    position : np.ndarray
        (N, 3) m, world with z up, smooth.
    axes : np.ndarray
        (N, 3, 3), rotation matrices: their columns are the sensor's axes in the world.
    rate_hz : float
        Of both.

    Returns
    -------
    np.ndarray
        (N, 6) float32, specific force in m/s2 and angular rate in rad/s, both in the sensor's axes.
    """
    force = second_difference(position) * rate_hz**2 + [0.0, 0.0, GRAVITY]
    turn = np.swapaxes(axes, 1, 2) @ (first_difference(axes) * rate_hz)
    skew = (turn - np.swapaxes(turn, 1, 2)) / 2
    rate = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)
    force = np.einsum("nij,ni->nj", axes, force)
    return np.concatenate([force, rate], axis=1).astype(np.float32)


def in_range(imu: np.ndarray, rate_hz: float) -> np.ndarray:
    """Samples (N) that are not within 50 ms of more than 32 g or 2000 degrees a second."""
    force, rate = ((imu[:, part] ** 2).sum(axis=1) for part in (slice(3), slice(3, 6)))
    beyond = (force > _MOST_FORCE**2) | (rate > _MOST_RATE**2)
    near: np.ndarray = ~maximum_filter1d(beyond, 2 * int(0.05 * rate_hz) + 1)
    return near


def mount(imu: np.ndarray, seed: int, name: str = "") -> np.ndarray:
    """Turn a sensor's axes by one rotation, uniform over all, that seed and name decide."""
    rng = np.random.default_rng([seed, *name.encode()])
    turn = Rotation.random(rng=rng).as_matrix().astype(np.float32)
    turned: np.ndarray = np.concatenate([imu[:, :3] @ turn, imu[:, 3:] @ turn], axis=1)
    return turned


def parse_place(place: str) -> tuple[str, str]:
    """Split `wrist-left` into place and side, right where there is none; `AuraError` if unknown."""
    name, _, side = place.rpartition("-")
    if side not in ("left", "right"):
        name, side = place, "right"
    if name not in PLACES:
        raise AuraError(f"No place '{place}' for a virtual IMU; there are {', '.join(_PLACED)}.")
    if name not in _PLACED:
        needs, known = "needs markers of heel and toe", ", ".join(_PLACED)
        raise AuraError(f"A virtual IMU at '{place}' {needs}; there are {known}.")
    return name, side
