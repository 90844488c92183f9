"""What a comparison of data sets reads of each: spectra, amplitude, sampled embeddings, words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.errors import AuraError
from aura.evaluation.distances import (
    BANDS_HZ,
    SEGMENT,
    Floats,
    content_words,
    window_rms,
    window_spectra,
)

MAX_WINDOWS = 4096
"""Windows of a data set whose embeddings are compared, a seeded choice where there are more."""
UNMEASURED = "segment holds unmeasured samples"
MOTIONLESS = "magnitude does not change"
_CHUNK = 128


@dataclass(frozen=True)
class DataSet:
    """What is compared of a data set.

    Attributes
    ----------
    name : str
        Of the data set.
    imu : ndarray
        (N, T, 6) at 200 Hz, m/s² and rad/s.
    valid : ndarray
        (N, T) bool, sample measured.
    texts : sequence of str
        Captions, repeated as often as they occur.
    embeddings : ndarray or None
        (N, d) unit vectors of the same encoder for all data sets.
    participants : ndarray or None
        (N,) str; None where not known.
    placement : str
        Such as "head" or "wrist"; "" where not known.
    rate_hz : float or None
        Rate at which the sensor was recorded, None where not known.
    """

    name: str
    imu: NDArray[Any]
    valid: NDArray[np.bool_]
    texts: Sequence[str] = ()
    embeddings: NDArray[Any] | None = None
    participants: NDArray[Any] | None = None
    placement: str = ""
    rate_hz: float | None = None


@dataclass(frozen=True)
class Spectrum:
    """Mean share of each band in the power of the two magnitudes, (F,); None where nothing moved.

    A window's spectrum is normalised before the mean: vigour is not in it, it is in the RMS.
    """

    accel: Floats | None
    gyro: Floats | None


@dataclass(frozen=True)
class Profile:
    """All that :func:`compare` reads of a data set; no signals.

    Attributes
    ----------
    name : str
        Of the data set.
    windows : int
        Number of windows.
    spectrum : Spectrum
        Of all windows.
    halves : tuple of Spectrum
        Of two disjoint halves.
    embeddings : tuple of ndarray, or None
        (n, d) rows of either half.
    halved_by : str
        "participants", or "windows" where fewer than two participants are known.
    accel_rms, gyro_rms : float
        Of the median window, m/s² and rad/s, without its mean vector, hence gravity. The median,
        since a few wild windows can carry most of the power.
    words : mapping of str to int
        Content words and how often each occurs.
    placement : str
        As in :class:`DataSet`.
    rate_hz : float or None
        As in :class:`DataSet`.
    dropped : mapping of str to int
        Reason -> number of segments (of 2 s) or spectra (a window and sensor) left out.
    """

    name: str
    windows: int
    spectrum: Spectrum
    halves: tuple[Spectrum, Spectrum]
    embeddings: tuple[Floats, Floats] | None
    halved_by: str
    accel_rms: float
    gyro_rms: float
    words: Mapping[str, int]
    placement: str
    rate_hz: float | None
    dropped: Mapping[str, int]


def profile(data: DataSet, seed: int = 0, stem: Callable[[str], str] = str.lower) -> Profile:
    """All that a comparison needs of one data set.

    ``stem`` is what a word counts as, see :func:`aura.evaluation.distances.content_words`.

    Raises
    ------
    AuraError
        Arrays that do not fit together, windows shorter than 2 s, or embeddings that are not
        finite.
    """
    _check(data)
    shares = np.empty((len(data.imu), 2, len(BANDS_HZ)), np.float32)
    rms = np.empty((len(data.imu), 2))
    dropped = {UNMEASURED: 0, MOTIONLESS: 0}
    for start in range(0, len(data.imu), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        measured = data.valid[chunk] & np.isfinite(data.imu[chunk]).all(axis=-1)
        shares[chunk], partial, motionless = window_spectra(data.imu[chunk], measured)
        rms[chunk] = window_rms(data.imu[chunk], measured)
        dropped[UNMEASURED] += partial
        dropped[MOTIONLESS] += motionless
    first, second, halved_by = _halves(len(data.imu), data.participants, seed)
    embeddings = None
    if data.embeddings is not None:
        rows = [data.embeddings[half[: MAX_WINDOWS // 2]] for half in (first, second)]
        embeddings = (rows[0].astype(np.float64), rows[1].astype(np.float64))
    accel, gyro = (
        np.median(rms[np.isfinite(rms[:, 0])], axis=0) if np.isfinite(rms).any() else (0.0, 0.0)
    )
    return Profile(
        name=data.name,
        windows=len(data.imu),
        spectrum=_mean(shares),
        halves=(_mean(shares[first]), _mean(shares[second])),
        embeddings=embeddings,
        halved_by=halved_by,
        accel_rms=float(accel),
        gyro_rms=float(gyro),
        words=content_words(data.texts, stem),
        placement=data.placement,
        rate_hz=data.rate_hz,
        dropped={reason: count for reason, count in dropped.items() if count},
    )


def _check(data: DataSet) -> None:
    n = len(data.imu)
    if data.imu.ndim != 3 or data.imu.shape[2] != 6 or data.valid.shape != data.imu.shape[:2]:
        raise AuraError(f"{data.name}: IMU windows are (N, T, 6) and their validity is (N, T).")
    if not n or data.imu.shape[1] < SEGMENT:
        raise AuraError(f"{data.name}: a spectrum needs at least one window of 2 s or more.")
    for values, name in ((data.embeddings, "embeddings"), (data.participants, "participants")):
        if values is not None and len(values) != n:
            raise AuraError(f"{data.name}: {len(values)} {name} for {n} windows.")
    if data.embeddings is not None and not np.isfinite(data.embeddings).all():
        raise AuraError(f"{data.name}: some embeddings are not finite; the training has diverged.")


def _halves(
    windows: int, participants: NDArray[Any] | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Shuffled rows of two halves: whole people, each put where fewer windows are so far."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(windows)
    names, index = np.unique(
        np.arange(windows) if participants is None else participants, return_inverse=True
    )
    if participants is None or len(names) < 2:
        return order[: windows // 2], order[windows // 2 :], "windows"
    sizes, in_second = np.bincount(index), np.zeros(len(names), dtype=bool)
    totals = [0, 0]
    for person in rng.permutation(len(names)):
        in_second[person] = totals[1] < totals[0]
        totals[int(in_second[person])] += int(sizes[person])
    second = in_second[index[order]]
    return order[~second], order[second], "participants"


def _mean(shares: NDArray[Any]) -> Spectrum:
    """Mean of (N, 2, F) over the windows that have a spectrum."""
    known = np.isfinite(shares).all(axis=-1)
    means = [
        shares[known[:, sensor], sensor].mean(axis=0, dtype=np.float64)
        if known[:, sensor].any()
        else None
        for sensor in (0, 1)
    ]
    return Spectrum(*means)
