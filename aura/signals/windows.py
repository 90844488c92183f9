"""Synchronised sliding windows over the signals of one take: an index, no copy of the samples."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Slice


@dataclass(frozen=True)
class Span:
    """A text on the clock of the take, in s; it ends where it begins if it is about a moment."""

    text: str
    begin_s: float
    end_s: float
    source: str


@dataclass(frozen=True)
class WindowText:
    """A text of a window; `offset_s` from the window's start, below 0 where it began before."""

    text: str
    offset_s: float
    source: str


@dataclass(frozen=True)
class TakeSignals:
    """The signals of one take on its 1/10 s grid, and what else a window needs to know of it.

    Attributes
    ----------
    duration_s : float
        Length of the take.
    imu_valid : np.ndarray
        (T,) bool at 200 Hz.
    mocap_valid : np.ndarray
        (F, 17) bool at 10 FPS.
    imu_saturated : np.ndarray
        (S,) float32, fraction in each second.
    clock_offset_ms : np.ndarray
        (S,) float32, worst of each second.
    texts : sequence of Span
        Captions.
    has_video : bool
        Whether some camera recorded it.
    actions : sequence of Span
        Steps within the activity, labels to test on.
    """

    duration_s: float
    imu_valid: np.ndarray
    mocap_valid: np.ndarray
    imu_saturated: np.ndarray
    clock_offset_ms: np.ndarray
    texts: Sequence[Span]
    has_video: bool
    actions: Sequence[Span] = ()


@dataclass(frozen=True)
class Window:
    """One window; the fields are those of `schema.WINDOWS`."""

    start_s: float
    imu_valid: float
    mocap_valid: float
    has_imu: bool
    has_mocap: bool
    has_video: bool
    imu_saturated: float
    texts: tuple[WindowText, ...]
    action: str | None
    clock_offset_ms: float
    largest_gap_ms: float


def starts(duration_s: float, window_s: float, stride_s: float, pad_short: bool) -> np.ndarray:
    """Start times (n,) in s of the windows that lie inside a recording.

    A recording shorter than one window gives one padded window at 0, or, without `pad_short`, none.
    """
    frames, window, stride = (round(s * MOCAP_RATE_HZ) for s in (duration_s, window_s, stride_s))
    if frames < window:
        return np.zeros(1 if pad_short and frames > 0 else 0)
    return np.arange(0, frames - window + 1, stride) / MOCAP_RATE_HZ


def longest_run(flags: np.ndarray) -> int:
    """Length of the longest run of True in (N,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def slice_take(take: TakeSignals, params: Slice) -> tuple[list[Window], Counter[str], np.ndarray]:
    """Cut one take; windows that no pair of modalities covers are dropped.

    Parameters
    ----------
    take : TakeSignals
        Of N texts.
    params : Slice
        The section `slice` of params.yaml.

    Returns
    -------
    windows : list of Window
        Those that are kept, in order.
    dropped : Counter of str
        How many are not, by reason.
    held : np.ndarray
        (N,) bool, texts of the windows that are kept.
    """
    windows: list[Window] = []
    dropped: Counter[str] = Counter()
    held = np.zeros(len(take.texts), bool)
    text_begin = np.array([text.begin_s for text in take.texts])
    text_end = np.array([text.end_s for text in take.texts])
    begins = starts(take.duration_s, params.window_s, params.stride_s, params.pad_short)
    # A padded window is as valid as the part of it that was recorded.
    length = min(take.duration_s, params.window_s)
    for start in begins:
        end = start + length
        imu = _between(take.imu_valid, start, end, IMU_RATE_HZ)
        mocap = _between(take.mocap_valid, start, end, MOCAP_RATE_HZ)
        imu_fraction, mocap_fraction = _mean(imu), _mean(mocap)
        tolerance = params.text_tolerance_s
        inside = (text_end >= start - tolerance) & (text_begin < end + tolerance)
        texts = tuple(
            WindowText(text.text, text.begin_s - float(start), text.source)
            for text in (take.texts[int(i)] for i in np.flatnonzero(inside))
        )
        window = Window(
            start_s=float(start),
            imu_valid=imu_fraction,
            mocap_valid=mocap_fraction,
            has_imu=imu_fraction >= params.min_imu_valid,
            has_mocap=mocap_fraction >= params.min_mocap_valid,
            has_video=take.has_video,
            imu_saturated=_mean(_between(take.imu_saturated, start, end, 1)),
            texts=texts,
            action=action_of(take.actions, float(start), float(end)),
            clock_offset_ms=float(_between(take.clock_offset_ms, start, end, 1).max(initial=0)),
            largest_gap_ms=1000 * longest_run(~imu) / IMU_RATE_HZ,
        )
        present = window.has_imu + window.has_mocap + window.has_video + bool(texts)
        if not (window.has_imu or window.has_mocap):
            dropped["neither IMU nor mocap valid"] += 1
        elif present < 2:
            dropped["only one modality present"] += 1
        else:
            windows.append(window)
            held |= inside
    return windows, dropped, held


def action_of(actions: Sequence[Span], begin_s: float, end_s: float) -> str | None:
    """The action that fills at least half of a window; of several the one that fills most."""
    seconds_of: defaultdict[str, float] = defaultdict(float)
    for action in actions:
        seconds_of[action.text] += max(0.0, min(end_s, action.end_s) - max(begin_s, action.begin_s))
    name, seconds = max(seconds_of.items(), key=lambda item: item[1], default=("", 0.0))
    return name if seconds > 0 and seconds >= (end_s - begin_s) / 2 else None


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0


def _between(array: np.ndarray, start: float, end: float, rate: int) -> np.ndarray:
    return array[int(np.floor(start * rate + 1e-6)) : int(np.ceil(end * rate - 1e-6))]
