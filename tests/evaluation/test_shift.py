"""Distances between data sets against naive oracles, and what they do under planted shifts."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.signal import resample_poly, welch
from scipy.spatial.transform import Rotation

from aura.errors import AuraError
from aura.evaluation import distances as d
from aura.evaluation.profile import MOTIONLESS, UNMEASURED, DataSet, profile
from aura.evaluation.shift import compare, correlate, distances

RATE = 200


def signals(n: int = 40, seed: int = 0, top_hz: float = 8.0, samples: int = 1000) -> np.ndarray:
    """(n, T, 6) float32: a few sines below `top_hz` on gravity, and a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / RATE
    hz, phase = rng.uniform(0.5, top_hz, (n, 4, 1, 6)), rng.uniform(0, 7, (n, 4, 1, 6))
    imu = np.sin(2 * np.pi * hz * time[:, None] + phase).sum(axis=1)
    imu = imu + rng.normal(0, 0.05, imu.shape) + np.array([0, 0, 9.8, 0, 0, 0])
    return imu.astype(np.float32)


def vectors(n: int, seed: int, move: float = 0.0, width: int = 24) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(0, 1, (n, width))
    rows[:, 0] += move
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def data(name: str, imu: np.ndarray, **rest) -> DataSet:
    return DataSet(name, imu, np.ones(imu.shape[:2], bool), **rest)


# Naive oracles.


def test_spectra_are_those_of_welch_over_the_measured_part():
    imu = signals(3)
    measured = np.ones((3, 1000), bool)
    measured[1, 650] = False  # leaves the segments from 0 and 200
    measured[2] = False
    shares, partial, still = d.window_spectra(imu, measured)
    assert (partial, still) == (2 + 4, 0)
    assert np.isnan(shares[2]).all()
    for row, end in ((0, 1000), (1, 600)):
        for sensor in (0, 1):
            size = np.sqrt((imu[row, :end, 3 * sensor : 3 * sensor + 3].astype(float) ** 2).sum(-1))
            hz, power = welch(size, RATE, "hann", nperseg=400, noverlap=200, detrend="constant")
            np.testing.assert_allclose(d.BANDS_HZ, hz[1:])
            expected = power[1:] / power[1:].sum()
            np.testing.assert_allclose(shares[row, sensor], expected, atol=1e-9)


def test_rms_is_the_length_of_what_the_mean_leaves():
    imu, measured = signals(4), np.random.default_rng(1).random((4, 1000)) < 0.7
    measured[3] = False
    rms = d.window_rms(imu, measured)
    for row in range(3):
        kept = imu[row, measured[row]].astype(float)
        centred = kept - kept.mean(axis=0)
        squares = [(sample[:3] @ sample[:3], sample[3:] @ sample[3:]) for sample in centred]
        np.testing.assert_allclose(rms[row], np.sqrt(np.mean(squares, axis=0)))
    assert np.isnan(rms[3]).all()


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=2, max_size=8))
def test_divergence_is_the_mean_of_two_relative_entropies_in_bits(pairs):
    p, q = np.array(pairs).T + 1e-3 * np.arange(2)[:, None] + 1e-6
    p, q = p / p.sum(), q / q.sum()
    expected = sum(
        0.5 * x * np.log2(2 * x / (a + b)) for a, b in zip(p, q, strict=True) for x in (a, b)
    )
    assert d.js_divergence(p, q) == pytest.approx(expected, abs=1e-9)
    assert d.js_divergence(3 * q, p) == pytest.approx(expected, abs=1e-9)


def test_divergence_has_its_ends_at_0_and_1():
    assert d.js_divergence([1, 2, 0], [1, 2, 0]) == 0
    assert d.js_divergence([1, 0], [0, 5]) == 1


def test_mmd_is_the_sum_over_all_pairs_whatever_the_tiles(monkeypatch):
    first, second = vectors(23, 0).astype(float), vectors(31, 1, 1.0).astype(float)

    def mean(one, two, skip):
        kernels = [
            np.exp(-((x - y) @ (x - y)) / (2 * 0.7**2))
            for i, x in enumerate(one)
            for j, y in enumerate(two)
            if not (skip and i == j)
        ]
        return np.mean(kernels)

    expected = (
        mean(first, first, True) + mean(second, second, True) - 2 * mean(first, second, False)
    )
    for tile in (1024, 7):
        monkeypatch.setattr(d, "_TILE", tile)
        assert d.squared_mmd(first, second, 0.7) == pytest.approx(expected, abs=1e-12)


def test_mmd_is_unbiased():
    """Over many draws of one distribution it averages 0, where the biased one is above."""
    values = [
        d.squared_mmd(vectors(12, 2 * i).astype(float), vectors(12, 2 * i + 1).astype(float), 1.0)
        for i in range(300)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error < 0.005
    assert min(values) < 0


def test_kernel_width_is_the_median_distance_and_never_0():
    rows = vectors(20, 3).astype(float)
    pairwise = [np.linalg.norm(a - b) for i, a in enumerate(rows) for b in rows[:i]]
    assert d.median_distance(rows) == pytest.approx(np.median(pairwise))
    assert d.median_distance(rows[:5], rows[5:]) == pytest.approx(np.median(pairwise))
    assert d.median_distance(np.ones((5, 2))) == 1
    one, two = vectors(800, 4).astype(float), vectors(700, 5, 1.0).astype(float)
    assert d.median_distance(one, two) == pytest.approx(d.median_distance(two, one), abs=1e-12)
    mostly = np.concatenate([np.zeros((9, 2)), np.ones((1, 2))])
    assert d.median_distance(mostly) == pytest.approx(0.2 * np.sqrt(2))


def test_frechet_is_that_of_the_shrunk_gaussians():
    from sklearn.covariance import LedoitWolf

    first, second = vectors(60, 0).astype(float), vectors(50, 1, 1.5).astype(float)
    one, two = (LedoitWolf().fit(rows) for rows in (first, second))
    expected = np.sum((one.location_ - two.location_) ** 2) + np.trace(
        one.covariance_ + two.covariance_ - 2 * sqrtm(one.covariance_ @ two.covariance_).real
    )
    assert d.squared_frechet(first, second) == pytest.approx(expected, abs=1e-9)
    assert d.squared_frechet(second, first) == pytest.approx(expected, abs=1e-9)
    assert d.squared_frechet(first, first) == pytest.approx(0, abs=1e-9)


def test_frechet_of_few_windows_in_many_dimensions_is_finite():
    distance = d.squared_frechet(vectors(12, 0, width=128).astype(float), vectors(12, 1, width=128))
    assert 0 < distance < 4


def test_words_by_hand():
    home = d.content_words(["A person chops the onion.", "The person's onion, 3 cm"])
    away = d.content_words(["A person runs", "A person kicks the ball", "He kicks"])
    assert home == Counter(person=2, onion=2, chops=1, cm=1)
    assert d.jaccard(home, away) == 1 / 7
    assert d.unseen(home, away) == (3 / 4, 4 / 6)
    assert d.content_words(["chops chop"], lambda word: word.rstrip("s")) == {"chop": 2}
    assert d.jaccard(home, Counter()) is None
    assert d.unseen(home, Counter()) is None


# What they do.


def full(name: str, seed: int, move: float = 0.0, **rest) -> DataSet:
    return data(
        name,
        signals(60, seed),
        texts=["A person walks."],
        embeddings=vectors(60, seed, move),
        placement="head",
        rate_hz=800.0,
        **rest,
    )


def test_the_same_data_is_at_0_and_distances_are_symmetric():
    home, away = profile(full("a", 0)), profile(full("b", 1, 2.0))
    same = distances(compare(home, home))
    assert None not in same.values()
    assert same.pop("embedding MMD²") <= 0
    for name, value in same.items():
        assert value == pytest.approx(0, abs=1e-6), name
    forward, backward = distances(compare(home, away)), distances(compare(away, home))
    for name, value in forward.items():
        assert value == pytest.approx(backward[name], abs=1e-9), name
    assert compare(home, away) == compare(profile(full("a", 0)), profile(full("b", 1, 2.0)))


def test_equal_distributions_lie_at_what_is_within_them_and_shifted_ones_far_above():
    home, again, away = (
        profile(full(n, s, m)) for n, s, m in (("a", 0, 0), ("b", 1, 0), ("c", 2, 3))
    )
    near, far = compare(home, again), compare(home, away)
    for name in ("accel_spectrum", "gyro_spectrum", "mmd", "frechet"):
        distance = getattr(near, name)
        # Halves are half as many windows, so their spectra differ by up to twice as much.
        nothing = max(distance.within_source, distance.within_target, 0)
        assert distance.value < 2 * nothing + 0.01, name
    assert far.mmd.value > 10 * max(far.mmd.within_source, far.mmd.within_target, 0.005)
    assert far.frechet.value > 2 * max(far.frechet.within_source, far.frechet.within_target)
    assert far.frechet_windows == 30


def test_a_turned_sensor_is_no_shift_and_a_louder_one_is_amplitude_alone():
    imu = signals(20)
    turn = Rotation.from_euler("xyz", [40, 70, -20], degrees=True).as_matrix().T
    turned = (imu.reshape(20, 1000, 2, 3) @ turn).reshape(imu.shape).astype(np.float32)
    home = profile(data("a", imu))
    shift = compare(home, profile(data("b", turned)))
    assert max(shift.accel_spectrum.value, shift.gyro_spectrum.value) < 1e-6
    assert shift.accel_rms_ratio == pytest.approx(1, abs=1e-4)
    louder = compare(home, profile(data("b", 3 * imu)))
    assert max(louder.accel_spectrum.value, louder.gyro_spectrum.value) < 1e-6
    assert (louder.accel_rms_ratio, louder.gyro_rms_ratio) == pytest.approx((3, 3))
    assert distances(louder)["gyroscope RMS, octaves"] == pytest.approx(np.log2(3))


def test_gravity_is_not_amplitude():
    imu = signals(10)
    falling = imu - np.array([0, 0, 9.8, 0, 0, 0], np.float32)
    shift = compare(profile(data("a", imu)), profile(data("b", falling)))
    assert shift.accel_rms_ratio == pytest.approx(1, abs=1e-4)


def test_a_few_wild_windows_do_not_set_the_amplitude():
    imu = signals(40)
    imu[:3] *= 50
    shift = compare(profile(data("a", signals(40))), profile(data("b", imu)))
    assert shift.accel_rms_ratio == pytest.approx(1, abs=0.1)


def test_a_lower_native_rate_grows_the_spectrum_but_not_its_shared_band():
    noise = np.random.default_rng(0).normal(0, 1, (60, 1000, 6)).astype(np.float32)
    home = profile(data("a", noise, rate_hz=200.0))
    divergences = []
    for rate in (100, 50, 20):
        low = resample_poly(resample_poly(noise, 1, RATE // rate, axis=1), RATE // rate, 1, axis=1)
        shift = compare(home, profile(data(str(rate), low.astype(np.float32), rate_hz=float(rate))))
        divergences.append(shift.gyro_spectrum.value)
        assert distances(shift)["rate, octaves"] == pytest.approx(np.log2(200 / rate))
        # Of the band that both hold, what is left is the roll-off of the filter.
        assert shift.gyro_spectrum_shared < 0.35 * shift.gyro_spectrum.value
    assert 0.05 < divergences[0] < divergences[1] < divergences[2] < 1


def test_embedding_distances_grow_with_a_planted_shift():
    home = profile(full("a", 0))
    shifts = [compare(home, profile(full("b", 1, move))) for move in (0.0, 2.0, 4.0, 8.0)]
    for name in ("mmd", "frechet"):
        values = [getattr(shift, name).value for shift in shifts]
        assert values == sorted(values)
        assert len(set(values)) == 4


def test_halves_are_of_whole_people():
    """Where people differ, the halves do, and the value between data sets has that beside it."""
    person = np.repeat(np.arange(4), 15)
    rows = vectors(60, 0)
    rows[:, 1] += 2 * (person % 2) * (person > 1) + 1.0 * person
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    people = profile(replace(full("a", 0), embeddings=rows, participants=person))
    mixed = profile(replace(full("a", 0), embeddings=rows))
    assert (people.halved_by, mixed.halved_by) == ("participants", "windows")
    assert sorted(map(len, people.embeddings)) == [30, 30]
    by_person, by_window = (compare(p, p).mmd.within_source for p in (people, mixed))
    assert by_person > 8 * abs(by_window)


def test_what_is_not_measured_has_no_part_and_is_counted():
    imu, valid = signals(30), np.ones((30, 1000), bool)
    bad = imu.copy()
    bad[:5, 300:320] = 1e6
    valid[:5, 300:320] = False
    bad[5, 700] = np.nan  # in the last two segments of a window that says it is measured
    bad[6:8, :, 3:] = 0.25
    partial = profile(DataSet("a", bad, valid))
    assert partial.dropped == {UNMEASURED: 5 * 2 + 2, MOTIONLESS: 2}
    clean = profile(data("a", imu))
    assert compare(clean, partial).accel_spectrum.value < 0.01
    assert partial.accel_rms == pytest.approx(clean.accel_rms, rel=0.02)


def test_absent_parts_are_none_not_0():
    still = profile(data("a", np.full((12, 400, 6), 9.8, np.float32)))
    shift = compare(still, profile(full("b", 0)))
    assert still.dropped == {MOTIONLESS: 24}
    values = distances(shift)
    assert shift.frechet_windows == 0
    assert {name for name, value in values.items() if value is not None} == set()
    few = profile(replace(full("c", 0), imu=signals(12), valid=np.ones((12, 1000), bool),
                          embeddings=vectors(12, 0)))  # fmt: skip
    assert compare(few, few).mmd is None


def test_chunks_change_nothing(monkeypatch):
    whole = profile(full("a", 0))
    monkeypatch.setattr("aura.evaluation.profile._CHUNK", 7)
    parts = profile(full("a", 0))
    np.testing.assert_array_equal(whole.spectrum.accel, parts.spectrum.accel)
    assert whole.accel_rms == pytest.approx(parts.accel_rms, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"imu": np.zeros((4, 1000, 3), np.float32)}, "IMU windows are"),
        ({"imu": signals(4, samples=399), "valid": np.ones((4, 399), bool)}, "2 s or more"),
        ({"embeddings": vectors(59, 0)}, "59 embeddings for 60 windows"),
        ({"embeddings": np.full((60, 4), np.nan)}, "not finite"),
        ({"participants": np.zeros(3)}, "3 participants"),
    ],
)
def test_what_cannot_be_compared_is_said(change, sentence):
    with pytest.raises(AuraError, match=sentence):
        profile(replace(full("a", 0), **change))


def test_embeddings_of_two_encoders_are_refused():
    other = replace(full("b", 1), embeddings=vectors(60, 1, width=8))
    with pytest.raises(AuraError, match="differ in width"):
        compare(profile(full("a", 0)), profile(other))


def test_correlation_is_that_of_ranks_and_needs_three_pairs():
    home = profile(full("home", 0))
    shifts = [compare(home, profile(full(str(m), 1, m))) for m in (0.5, 1.0, 2.0, 4.0)]
    drops = {("home", "0.5"): 0.01, ("home", "1.0"): 0.3, ("home", "2.0"): 0.2}
    by_distance = {row.distance: row for row in correlate(shifts, drops)}
    assert set(by_distance) == set(distances(shifts[0]))
    assert by_distance["embedding MMD²"].pairs == 3  # the fourth has no drop
    assert by_distance["embedding MMD²"].rho == pytest.approx(0.5)  # ranks 1 2 3 against 1 3 2
    assert by_distance["placement"].rho is None  # the same for all
    two = {row.distance: row for row in correlate(shifts[:2], drops)}
    assert (two["embedding MMD²"].rho, two["embedding MMD²"].pairs) == (None, 2)
    assert correlate([], {}) == []
