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

LEAST = 10
"""Windows that a Gaussian fit or an MMD needs of each half."""


@dataclass(frozen=True)
class Distance:
    """Between two data sets, and between two halves of each: what none looks like."""

    value: float
    within_source: float | None
    within_target: float | None


@dataclass(frozen=True)
class Shift:
    """How far a target is from a source; None is what could not be taken.

    Attributes
    ----------
    accel_spectrum, gyro_spectrum
        Jensen-Shannon divergence (Lin 1991), base 2, of the mean spectra of the magnitudes: 0 for
        equal ones, 1 for ones that share no band. Blind to how a sensor is turned; symmetric.
    accel_spectrum_shared, gyro_spectrum_shared
        The same over the bands that both native rates can hold; None where a rate is not known.
    accel_rms_ratio, gyro_rms_ratio
        Target over source of the median window, above 0; 1 for equal vigour.
    mmd
        Squared maximum mean discrepancy, unbiased (Gretton et al. 2012, eq. 3), Gaussian kernel
        as wide as the median distance of the pooled windows: at most 2, near 0 or below it for
        equal data; symmetric.
    frechet
        Squared Fréchet distance of Gaussian fits (Heusel et al. 2017, eq. 6), covariances after
        Ledoit and Wolf: 0 to 4 for unit vectors, symmetric. It grows where windows are few, so
        all three values are of ``frechet_windows`` windows on either side.
    vocabulary_jaccard
        Shared content words over all, 0 to 1.
    unseen_words, unseen_uses
        Share of the target's distinct and of its running content words that the source lacks.
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
    top = min(rates) / 2 if len(rates) == 2 else 0.0
    shared = np.less_equal(BANDS_HZ, top)
    mmd, frechet, windows = _embedding_distances(source, target)
    new = unseen(source.words, target.words)
    sensors = ("accel", "gyro")
    whole = [_spectral(source, target, sensor) for sensor in sensors]
    part = [_divergence(source.spectrum, target.spectrum, sensor, shared) for sensor in sensors]
    return Shift(
        source=source.name,
        target=target.name,
        accel_spectrum=whole[0],
        gyro_spectrum=whole[1],
        accel_spectrum_shared=part[0],
        gyro_spectrum_shared=part[1],
        accel_rms_ratio=_ratio(target.accel_rms, source.accel_rms),
        gyro_rms_ratio=_ratio(target.gyro_rms, source.gyro_rms),
        mmd=mmd,
        frechet=frechet,
        frechet_windows=windows,
        vocabulary_jaccard=jaccard(source.words, target.words),
        unseen_words=new[0] if new else None,
        unseen_uses=new[1] if new else None,
        source_placement=source.placement,
        target_placement=target.placement,
        source_rate_hz=source.rate_hz,
        target_rate_hz=target.rate_hz,
    )


def _divergence(
    first: Spectrum, second: Spectrum, sensor: str, bands: NDArray[np.bool_]
) -> float | None:
    one, two = getattr(first, sensor), getattr(second, sensor)
    if one is None or two is None or not (one[bands].sum() > 0 and two[bands].sum() > 0):
        return None
    return js_divergence(one[bands], two[bands])


def _spectral(source: Profile, target: Profile, sensor: str) -> Distance | None:
    every = np.ones(len(BANDS_HZ), bool)
    value = _divergence(source.spectrum, target.spectrum, sensor, every)
    within = [_divergence(*data.halves, sensor, every) for data in (source, target)]
    return None if value is None else Distance(value, *within)


def _embedding_distances(
    source: Profile, target: Profile
) -> tuple[Distance | None, Distance | None, int]:
    """MMD of all sampled windows, Fréchet of equally many, and how many these are."""
    if source.embeddings is None or target.embeddings is None:
        return None, None, 0
    if source.embeddings[0].shape[1] != target.embeddings[0].shape[1]:
        raise AuraError(f"Embeddings of {source.name} and {target.name} differ in width.")
    least = min(len(half) for data in (source, target) for half in data.embeddings or ())
    if least < LEAST:
        return None, None, least
    one, two = np.concatenate(source.embeddings), np.concatenate(target.embeddings)
    width = median_distance(one, two)
    mmd = Distance(
        squared_mmd(one, two, width),
        squared_mmd(*source.embeddings, width),
        squared_mmd(*target.embeddings, width),
    )
    (a, b), (c, d) = (
        [half[:least] for half in data] for data in (source.embeddings, target.embeddings)
    )
    frechet = Distance(squared_frechet(a, c), squared_frechet(a, b), squared_frechet(c, d))
    return mmd, frechet, least


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if part > 0 and whole > 0 else None


def distances(shift: Shift) -> dict[str, float | None]:
    """Each distance as a number that is 0 for equal data and grows with the shift, by name."""

    def value(distance: Distance | None) -> float | None:
        return None if distance is None else distance.value

    def octaves(ratio: float | None) -> float | None:
        return None if ratio is None else abs(float(np.log2(ratio)))

    rates = shift.source_rate_hz, shift.target_rate_hz
    places = shift.source_placement.casefold(), shift.target_placement.casefold()
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
        "placement": float(places[0] != places[1]) if all(places) else None,
        "rate, octaves": octaves(rates[1] / rates[0]) if rates[0] and rates[1] else None,
    }


def correlate(shifts: Sequence[Shift], drops: Mapping[tuple[str, str], float]) -> list[Correlation]:
    """Spearman's correlation of each distance with the transfer drop, over pairs of data sets.

    Parameters
    ----------
    drops : (source, target) -> score at home less score after transfer; pairs may lack.

    Returns
    -------
    One for each of :func:`distances`. ``rho``, -1 to 1, is None with fewer than three pairs or
    where one side is the same for all. Pairs share data sets, so a p-value would mean nothing.
    """
    rows = [(distances(s), drops.get((s.source, s.target))) for s in shifts]
    found = []
    for name in dict.fromkeys(name for row, _ in rows for name in row):
        # Rounded, for a pair and its reverse are one distance up to the order of a sum: a tie.
        known = [
            (round(value, 9), drop)
            for row, drop in rows
            if (value := row[name]) is not None and drop is not None and np.isfinite(drop)
        ]
        varied = len(known) >= 3 and all(len(set(side)) > 1 for side in zip(*known, strict=True))
        rho = float(spearmanr(*zip(*known, strict=True)).statistic) if varied else None
        found.append(Correlation(name, rho, len(known)))
    return found
