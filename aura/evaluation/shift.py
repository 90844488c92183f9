"""How far two data sets are apart: spectrum, amplitude, embeddings, words, placement and rate.

The domain-shift table beside a transfer result (evaluation protocol, rule 7). A distance that is
estimated from windows stands beside the same distance between two halves of one data set, by
participant where there are several: what lies near that is no shift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from aura.errors import AuraError
from aura.evaluation.distances import (
    BANDS_HZ,
    jaccard,
    js_divergence,
    median_distance,
    squared_frechet,
    squared_mmd,
    unseen,
)
from aura.evaluation.profile import Profile, Spectrum

MIN_WINDOWS = 10
"""Windows that a Gaussian fit or an MMD needs of each half."""


@dataclass(frozen=True)
class Distance:
    """Between two data sets, and between two halves of each, which is what no shift looks like."""

    value: float
    within_source: float | None
    within_target: float | None


@dataclass(frozen=True)
class Shift:
    """How far a target is from a source; None is what could not be taken.

    Attributes
    ----------
    source, target : str
        Names of the data sets.
    accel_spectrum, gyro_spectrum : Distance or None
        Jensen-Shannon divergence (Lin 1991), base 2, of the mean spectra of the magnitudes: 0 for
        equal ones, 1 for ones that share no band. Blind to how a sensor is turned; symmetric.
    accel_spectrum_shared, gyro_spectrum_shared : float or None
        The same over the bands that both native rates can hold; None where a rate is not known.
    accel_rms_ratio, gyro_rms_ratio : float or None
        Target over source of the median window, above 0; 1 for equal vigour.
    mmd : Distance or None
        Squared maximum mean discrepancy, unbiased (Gretton et al. 2012, eq. 3), Gaussian kernel
        as wide as the median distance of the pooled windows: at most 2, near 0 or below it for
        equal data; symmetric.
    frechet : Distance or None
        Squared Fréchet distance of Gaussian fits (Heusel et al. 2017, eq. 6), covariances after
        Ledoit and Wolf: 0 to 4 for unit vectors, symmetric. It grows where windows are few.
    frechet_windows : int
        Windows on either side of all three of its values.
    vocabulary_jaccard : float or None
        Shared content words over all, 0 to 1.
    unseen_words, unseen_uses : float or None
        Share of the target's distinct and of its running content words that the source lacks.
    source_placement, target_placement : str
        Where the sensor sits, "" where not known.
    source_rate_hz, target_rate_hz : float or None
        Rates at which the sensors were recorded.
    """

    source: str
    target: str
    accel_spectrum: Distance | None
    gyro_spectrum: Distance | None
    accel_spectrum_shared: float | None
    gyro_spectrum_shared: float | None
    accel_rms_ratio: float | None
    gyro_rms_ratio: float | None
    mmd: Distance | None
    frechet: Distance | None
    frechet_windows: int
    vocabulary_jaccard: float | None
    unseen_words: float | None
    unseen_uses: float | None
    source_placement: str
    target_placement: str
    source_rate_hz: float | None
    target_rate_hz: float | None


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a distance with the transfer drop over pairs of data sets."""

    distance: str
    rho: float | None
    pairs: int


def compare(source: Profile, target: Profile) -> Shift:
    """Every distance from one data set to another.

    Raises
    ------
    AuraError
        Embeddings of different width.
    """
    rates = [rate for rate in (source.rate_hz, target.rate_hz) if rate]
    nyquist_hz = min(rates) / 2 if len(rates) == 2 else 0.0
    shared_bands = np.less_equal(BANDS_HZ, nyquist_hz)
    mmd, frechet, windows = _embedding_distances(source, target)
    unseen_shares = unseen(source.words, target.words)
    sensors = ("accel", "gyro")
    spectra = [_spectral(source, target, sensor) for sensor in sensors]
    shared = [
        _divergence(source.spectrum, target.spectrum, sensor, shared_bands) for sensor in sensors
    ]
    return Shift(
        source=source.name,
        target=target.name,
        accel_spectrum=spectra[0],
        gyro_spectrum=spectra[1],
        accel_spectrum_shared=shared[0],
        gyro_spectrum_shared=shared[1],
        accel_rms_ratio=_ratio(target.accel_rms, source.accel_rms),
        gyro_rms_ratio=_ratio(target.gyro_rms, source.gyro_rms),
        mmd=mmd,
        frechet=frechet,
        frechet_windows=windows,
        vocabulary_jaccard=jaccard(source.words, target.words),
        unseen_words=unseen_shares[0] if unseen_shares else None,
        unseen_uses=unseen_shares[1] if unseen_shares else None,
        source_placement=source.placement,
        target_placement=target.placement,
        source_rate_hz=source.rate_hz,
        target_rate_hz=target.rate_hz,
    )


def _divergence(
    first: Spectrum, second: Spectrum, sensor: str, bands: NDArray[np.bool_]
) -> float | None:
    p, q = getattr(first, sensor), getattr(second, sensor)
    if p is None or q is None or not (p[bands].sum() > 0 and q[bands].sum() > 0):
        return None
    return js_divergence(p[bands], q[bands])


def _spectral(source: Profile, target: Profile, sensor: str) -> Distance | None:
    all_bands = np.ones(len(BANDS_HZ), bool)
    value = _divergence(source.spectrum, target.spectrum, sensor, all_bands)
    within = [_divergence(*data.halves, sensor, all_bands) for data in (source, target)]
    return None if value is None else Distance(value, *within)


def _embedding_distances(
    source: Profile, target: Profile
) -> tuple[Distance | None, Distance | None, int]:
    """MMD of all sampled windows, Fréchet of equally many, and how many these are."""
    if source.embeddings is None or target.embeddings is None:
        return None, None, 0
    if source.embeddings[0].shape[1] != target.embeddings[0].shape[1]:
        raise AuraError(f"Embeddings of {source.name} and {target.name} differ in width.")
    count = min(len(half) for data in (source, target) for half in data.embeddings or ())
    if count < MIN_WINDOWS:
        return None, None, count
    x, y = np.concatenate(source.embeddings), np.concatenate(target.embeddings)
    width = median_distance(x, y)
    mmd = Distance(
        squared_mmd(x, y, width),
        squared_mmd(*source.embeddings, width),
        squared_mmd(*target.embeddings, width),
    )
    (a, b), (c, d) = (
        [half[:count] for half in data] for data in (source.embeddings, target.embeddings)
    )
    frechet = Distance(squared_frechet(a, c), squared_frechet(a, b), squared_frechet(c, d))
    return mmd, frechet, count


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if numerator > 0 and denominator > 0 else None


def distances(shift: Shift) -> dict[str, float | None]:
    """Each distance as a number that is 0 for equal data and grows with the shift, by name."""

    def value(distance: Distance | None) -> float | None:
        return None if distance is None else distance.value

    def octaves(ratio: float | None) -> float | None:
        return None if ratio is None else abs(float(np.log2(ratio)))

    rates = shift.source_rate_hz, shift.target_rate_hz
    placements = shift.source_placement.casefold(), shift.target_placement.casefold()
    overlap = shift.vocabulary_jaccard
    return {
        "accelerometer spectrum": value(shift.accel_spectrum),
        "gyroscope spectrum": value(shift.gyro_spectrum),
        "accelerometer spectrum, shared band": shift.accel_spectrum_shared,
        "gyroscope spectrum, shared band": shift.gyro_spectrum_shared,
        "accelerometer RMS, octaves": octaves(shift.accel_rms_ratio),
        "gyroscope RMS, octaves": octaves(shift.gyro_rms_ratio),
        "embedding MMD²": value(shift.mmd),
        "embedding Fréchet": value(shift.frechet),
        "vocabulary, 1 − Jaccard": None if overlap is None else 1 - overlap,
        "unseen words": shift.unseen_words,
        "placement": float(placements[0] != placements[1]) if all(placements) else None,
        "rate, octaves": octaves(rates[1] / rates[0]) if rates[0] and rates[1] else None,
    }


def correlate(shifts: Sequence[Shift], drops: Mapping[tuple[str, str], float]) -> list[Correlation]:
    """Spearman's correlation of each distance with the transfer drop, over pairs of data sets.

    Parameters
    ----------
    shifts : sequence of Shift
        Pairs of data sets.
    drops : mapping of (str, str) to float
        (source, target) -> score at home less score after transfer; pairs may lack.

    Returns
    -------
    list of Correlation
        One for each of :func:`distances`. ``rho``, -1 to 1, is None with fewer than three pairs or
        where one side is the same for all. Pairs share data sets, so a p-value would mean nothing.
    """
    rows = [(distances(s), drops.get((s.source, s.target))) for s in shifts]
    result = []
    for name in dict.fromkeys(name for row, _ in rows for name in row):
        # Rounded, for a pair and its reverse are one distance up to the order of a sum: a tie.
        known = [
            (round(value, 9), drop)
            for row, drop in rows
            if (value := row[name]) is not None and drop is not None and np.isfinite(drop)
        ]
        varied = len(known) >= 3 and all(len(set(axis)) > 1 for axis in zip(*known, strict=True))
        rho = float(spearmanr(*zip(*known, strict=True)).statistic) if varied else None
        result.append(Correlation(name, rho, len(known)))
    return result
