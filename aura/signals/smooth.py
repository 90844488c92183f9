"""Positions as they are recorded, made smooth and even enough to be differentiated."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.ndimage import maximum_filter1d, minimum_filter1d
from scipy.signal import butter, sosfiltfilt

_HIGHEST_HZ = 12.0
_GAP_S = 0.1  # points that are lost for no longer are bridged
_SHORTEST = 16  # frames
_JUMP = 25.0  # m/s, between two frames: a point that is faster is in the place of another
_JUMP_S = 0.06  # that is not believed before and after


def lowpass(values: np.ndarray, rate_hz: float, cutoff_hz: float) -> np.ndarray:
    """Butterworth low-pass over the first axis, forth and back: half amplitude at `cutoff_hz`."""
    if cutoff_hz >= 0.5 * rate_hz:
        return np.array(values, np.float64)
    sos = butter(2, cutoff_hz, fs=rate_hz, output="sos")
    pad = min(len(values) - 1, int(3 * rate_hz / cutoff_hz))
    smooth: np.ndarray = sosfiltfilt(sos, values, axis=0, padlen=pad)
    return smooth


@dataclass(frozen=True)
class Grid:
    """The clock of mocap, made even, and that of the sensors."""

    mocap_s: np.ndarray  # (T,) as given, without those that do not rise
    keep: np.ndarray  # which of those given they are
    even_s: np.ndarray  # (M,) at mocap's rate
    time_s: np.ndarray  # (N,) at the sensors' rate
    bandwidth_hz: float

    @classmethod
    def of(cls, mocap_s: np.ndarray, cutoff_hz: float | None, rate_hz: float) -> "Grid":
        """Lay both clocks; no samples where there are fewer than 16 frames."""
        finite = np.where(np.isfinite(mocap_s), mocap_s, -np.inf)
        before = np.concatenate([[-np.inf], np.maximum.accumulate(finite)[:-1]])
        keep = np.flatnonzero(finite > before)
        times = mocap_s[keep]
        none = np.empty(0)
        if len(times) < _SHORTEST:
            return cls(times, keep, none, none, cutoff_hz or 0.0)
        step = float(np.median(np.diff(times)))
        count = round((times[-1] - times[0]) / step) + 1
        bandwidth = min(cutoff_hz or _HIGHEST_HZ, (0.5 if cutoff_hz else 1 / 6) / step)
        if count > 20 * len(times):  # hardly anything was recorded between the first and the last
            return cls(times, keep, none, none, bandwidth)
        even = np.linspace(times[0], times[-1], count)
        samples = int(np.floor((times[-1] - times[0]) * rate_hz + 1e-6)) + 1
        return cls(times, keep, even, times[0] + np.arange(samples) / rate_hz, bandwidth)

    def smooth(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (T, J, 3) as (N, J, 3), low-passed, and where they are known (N, J)."""
        joints = joints[self.keep]
        step = self.even_s[1] - self.even_s[0]
        seen = np.isfinite(joints).all(axis=2) & ~self._jumps(joints, step)
        even = np.zeros((len(self.even_s), *joints.shape[1:]))
        known = np.zeros((len(self.time_s), joints.shape[1]), bool)
        exact = len(self.even_s) == len(self.mocap_s) and np.allclose(
            self.even_s, self.mocap_s, rtol=0, atol=0.05 * step
        )
        margin = int(np.ceil(0.5 / self.bandwidth_hz * self._rate)) * 2 + 1
        for j in np.flatnonzero(seen.any(axis=0)):
            times = self.mocap_s[seen[:, j]]
            if exact and seen[:, j].all():
                even[:, j] = joints[:, j]
            else:
                for axis in range(3):
                    even[:, j, axis] = np.interp(self.even_s, times, joints[seen[:, j], j, axis])
            after = np.searchsorted(times, self.time_s)
            inside = (after > 0) & (after < len(times))
            inside[self.time_s == times[0]] = True
            gap = times[after.clip(1, len(times) - 1)] - times[(after - 1).clip(0)]
            near = inside & (gap <= max(_GAP_S, 1.5 * step))
            known[:, j] = minimum_filter1d(near, margin, mode="constant", cval=False)
        flat = lowpass(even.reshape(len(even), -1), 1 / step, self.bandwidth_hz)
        spline = make_interp_spline(self.even_s - self.even_s[0], flat, k=5)
        smooth = spline(self.time_s - self.even_s[0]).reshape(len(self.time_s), -1, 3)
        return smooth, known

    def _jumps(self, joints: np.ndarray, step: float) -> np.ndarray:
        """Frames (T, J) about a jump."""
        with np.errstate(invalid="ignore", over="ignore"):
            way = np.linalg.norm(np.diff(joints, axis=0), axis=2)
            fast = way > _JUMP * np.diff(self.mocap_s)[:, None]
        at = np.zeros(joints.shape[:2], bool)
        at[:-1] |= fast
        at[1:] |= fast
        near: np.ndarray = maximum_filter1d(at, 2 * int(np.ceil(_JUMP_S / step)) + 1, axis=0)
        return near

    @property
    def _rate(self) -> float:
        return 1 / (self.time_s[1] - self.time_s[0])


def first_difference(values: np.ndarray) -> np.ndarray:
    """First difference of fourth order over the first axis, of the second order at the ends."""
    first: np.ndarray = np.gradient(values, axis=0)
    first[2:-2] = (8 * (values[3:-1] - values[1:-3]) - (values[4:] - values[:-4])) / 12
    return first


def second_difference(values: np.ndarray) -> np.ndarray:
    """Second difference of fourth order over the first axis, that of the neighbour at the ends."""
    second = np.empty_like(values)
    middle = values[2:-2]
    second[2:-2] = (
        16 * (values[3:-1] + values[1:-3]) - values[4:] - values[:-4] - 30 * middle
    ) / 12
    second[:2], second[-2:] = second[2], second[-3]
    return second
