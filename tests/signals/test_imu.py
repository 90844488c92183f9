import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BarycentricInterpolator

from aura.errors import AuraError
from aura.signals import imu
from aura.signals.cubic import compiled_cubic
from aura.signals.decimation import decimate, decimation_taps, padded_length
from aura.signals.imu import clean, count_gaps, median_step, resample_imu, resample_mocap, segments


def jittered(rate, seconds, seed=0, jitter=0.06, drift=0.0):
    """Stamps in s of a sensor whose period varies by a share of itself."""
    rng = np.random.default_rng(seed)
    count = int(rate * seconds)
    return np.cumsum(rng.uniform(1 - jitter, 1 + jitter, count)) / (rate * (1 + drift)) - 0.2


def tone(times, hz):
    return np.repeat(np.sin(2 * np.pi * hz * times)[:, None], 6, axis=1).astype(np.float32)


def decibels(error):
    return 20 * np.log10(np.sqrt(2) * np.sqrt(np.mean(np.square(error))) + 1e-12)


def slow_resample(times, values, count, rate):
    """Oracle: for each output sample, every tap's interpolated input, one at a time."""
    factor = rate // 200
    taps = decimation_taps(factor)
    half = len(taps) // 2
    out = np.full((count, values.shape[1]), np.nan)
    for k in range(count):
        moments = (k * factor + np.arange(-half, half + 1)) / rate
        if moments[0] < times[0] - 1e-12 or moments[-1] > times[-1] + 1e-12:
            continue
        total = np.zeros(values.shape[1])
        for tap, moment in zip(taps, moments, strict=True):
            left = min(
                max(int(np.searchsorted(times, moment, side="right")) - 2, 0), len(times) - 4
            )
            four = slice(left, left + 4)
            # The interpolator misreads clocks far from zero; four points are shifted to it.
            curve = BarycentricInterpolator(times[four] - moment, values[four].astype(float))
            total += tap * curve(0.0)
        out[k] = total
    return out


@pytest.mark.parametrize("rate", [1000, 800])
def test_resample_equals_the_slow_oracle(rate):
    times = jittered(rate, 1.5)
    values = np.random.default_rng(1).normal(size=(len(times), 6)).astype(np.float32)
    actual, valid = resample_imu(times, values, 1.0)
    expected = slow_resample(times, values, len(actual), rate)
    assert (valid == np.isfinite(expected[:, 0])).all()
    np.testing.assert_allclose(actual[valid], expected[valid], atol=2e-5)
    assert (actual[~valid] == 0).all()


@pytest.mark.parametrize("rate", [1000, 800])
def test_what_would_alias_is_removed_and_the_passband_kept(rate):
    times = np.arange(int(rate * 12)) / rate - 0.2
    grid = np.arange(2000) / 200
    for hz in (120, 150, 190):
        actual, valid = resample_imu(times, tone(times, hz), 10.0)
        assert decibels(actual[valid]) < -84, hz
    for hz in (5, 40, 75):
        actual, valid = resample_imu(times, tone(times, hz), 10.0)
        ratio = np.std(actual[valid, 0]) / np.std(np.sin(2 * np.pi * hz * grid[valid]))
        assert abs(20 * np.log10(ratio)) < 0.02, hz


def test_jitter_and_drift_do_not_move_a_tone():
    for drift in (0.0, 5e-4):
        times = jittered(1000, 31, jitter=0.02, drift=drift)
        actual, valid = resample_imu(times, tone(times, 20), 30.0)
        expected = tone(np.arange(len(actual)) / 200, 20)
        assert decibels((actual - expected)[valid]) < -85


def test_index_decimation_would_fail_the_drift_test():
    times = jittered(1000, 31, jitter=0.02, drift=5e-4)
    by_index = tone(times, 20)[::5][:6000]
    assert decibels(by_index - tone(np.arange(6000) / 200, 20)) > -30


@pytest.mark.parametrize("rate", [50, 100, 104])
def test_slow_sensors_are_interpolated_not_masked(rate):
    times = np.arange(rate * 4) / rate
    actual, valid = resample_imu(times, tone(times, 2), 3.9)
    assert valid.mean() > 0.98
    assert decibels((actual - tone(np.arange(len(actual)) / 200, 2))[valid]) < -50


def test_a_gap_is_masked_with_half_a_filter_and_not_bridged():
    times = np.arange(3000) / 1000
    keep = (times < 1.0) | (times > 1.2)
    actual, valid = resample_imu(times[keep], tone(times, 3)[keep], 2.9)
    hole = np.flatnonzero(~valid[50:-50]) / 200 + 0.25
    half = len(decimation_taps(5)) // 2 / 1000
    assert hole.min() == pytest.approx(1.0 - half, abs=0.01)
    assert hole.max() == pytest.approx(1.2 + half, abs=0.01)
    assert (actual[~valid] == 0).all()


@given(
    order=st.permutations(range(30)),
    bad=st.sets(st.integers(0, 29), max_size=5),
    twice=st.lists(st.integers(0, 29), max_size=5),
)
@settings(max_examples=50, deadline=None)
def test_clean_gives_the_same_for_any_order_and_counts_what_it_drops(order, bad, twice):
    rows = list(order) + twice
    times = np.array(rows) / 100
    values = np.array(rows, np.float32)[:, None]
    ok = ~np.isin(rows, list(bad))
    cleaned = clean(times, values, ok)
    left = sorted(set(range(30)) - bad)
    np.testing.assert_array_equal(cleaned.values[:, 0], left)
    assert (np.diff(cleaned.times) > 0).all()
    assert cleaned.dropped.get("sample flagged invalid", 0) == int((~ok).sum())
    assert cleaned.dropped.get("sample duplicated", 0) == int(ok.sum()) - len(left)


def test_clean_drops_nan_samples_and_stamps():
    values = np.ones((4, 6), np.float32)
    values[1, 3] = np.nan
    cleaned = clean(np.array([0.0, 1, np.nan, 3]), values, np.ones(4, bool))
    assert cleaned.times.tolist() == [0, 3]
    assert cleaned.dropped == {"sample not finite": 2}


def test_segments_split_at_gaps():
    assert segments(np.array([0, 1, 2, 10, 11]), 5) == [slice(0, 3), slice(3, 5)]
    assert segments(np.array([]), 5) == []


def test_resampling_compiled_gives_the_same_bytes():
    pytest.importorskip("numba")
    times = np.delete(jittered(1000, 30), [*range(9000, 9100), 20_000])
    values = np.random.default_rng(2).normal(size=(len(times), 6)).astype(np.float32)
    for lag in (0.0, 0.0013):
        one = resample_imu(times, values, 29.0, gyro_lag_s=lag)
        other = resample_imu(times, values, 29.0, gyro_lag_s=lag, compiled=True)
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_without_numba_what_is_compiled_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled_cubic.cache_clear()
    with pytest.raises(AuraError, match=r"aura\[fast\]"):
        resample_imu(np.arange(10) / 1000, np.zeros((10, 6), np.float32), 1.0, compiled=True)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 11, 40])
def test_decimation_equals_a_convolution(factor):
    rng = np.random.default_rng(factor)
    taps = decimation_taps(factor)
    for count in (1, 15, 16, 17, 100):
        needed = (count - 1) * factor + len(taps)
        dense = np.zeros((3, padded_length(count, factor)), np.float32)
        assert dense.shape[1] >= needed
        dense[:, :needed] = rng.normal(size=(3, needed))
        actual = decimate(dense, factor)[:, :count]
        for channel in range(3):
            whole = np.convolve(dense[channel, :needed].astype(float), taps[::-1], mode="valid")
            np.testing.assert_allclose(actual[channel], whole[::factor], atol=2e-6)


@pytest.mark.parametrize("rate", [100, 1000])
def test_resampling_in_small_pieces_gives_the_same(rate, monkeypatch):
    times = np.delete(jittered(rate, 12), range(3 * rate, 3 * rate + rate // 3))
    values = np.random.default_rng(3).normal(size=(len(times), 6)).astype(np.float32)
    whole, valid = resample_imu(times, values, 11.0)
    monkeypatch.setattr(imu, "_CHUNK", 100)
    pieces, pieces_valid = resample_imu(times, values, 11.0)
    np.testing.assert_array_equal(valid, pieces_valid)
    np.testing.assert_allclose(whole, pieces, atol=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), max_size=50))
@settings(deadline=None)
def test_median_step_is_the_median(values):
    times = np.sort(np.array(values, float))
    assert median_step(times) == (np.median(np.diff(times)) if len(times) > 1 else 0)


def test_mocap_is_interpolated_per_joint_and_masked_where_not_seen():
    times = np.arange(90) / 30
    joints = np.zeros((90, 17, 3), np.float32)
    joints[:, :, 0] = times[:, None]
    joints[30:60, 4] = np.nan  # joint 4 is not seen for a second
    shuffled = np.random.default_rng(0).permutation(90)
    actual, valid = resample_mocap(times[shuffled], joints[shuffled], 3.0)
    assert actual.shape == (30, 17, 3)
    others = [j for j in range(17) if j != 4]
    assert valid[:29, others].all()
    np.testing.assert_allclose(actual[:29, 0, 0], np.arange(29) / 10, atol=1e-5)
    assert not valid[10:20, 4].any()
    assert valid[:10, 4].all()
    assert (actual[~valid] == 0).all()


def test_nothing_in_gives_nothing_valid():
    actual, valid = resample_imu(np.empty(0), np.empty((0, 6), np.float32), 2.0)
    assert actual.shape == (400, 6)
    assert not valid.any()
    _, seen = resample_mocap(np.empty(0), np.empty((0, 17, 3), np.float32), 2.0)
    assert seen.shape == (20, 17)
    assert not seen.any()


def test_a_late_gyroscope_is_moved_by_its_lag():
    """The same tone on all axes, the gyroscope sampled 1.2 ms later: resampled, they agree."""
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.94e-3, 1.06e-3, 4000))
    lag = 1.2e-3
    values = np.hstack([tone(times, 9)[:, :3], tone(times + lag, 9)[:, 3:]])
    actual, valid = resample_imu(times, values, 3.5, gyro_lag_s=lag)
    assert valid[100:-100].all()
    assert np.abs(actual[valid, :3] - actual[valid, 3:]).max() < 1e-4
    apart, valid = resample_imu(times, values, 3.5)
    assert np.abs(apart[valid, :3] - apart[valid, 3:]).max() > 0.05
    assert not actual[~valid].any()


def test_gaps_are_counted_inside_the_take_only():
    times = np.delete(np.arange(-500, 5500) / 1000, [*range(100, 160), *range(1000, 1060), 3000])
    assert count_gaps(times, 5.0) == 1  # one before the take, one lone sample is no gap
    assert count_gaps(times, 5.0, gap_s=0.1) == 0
    assert count_gaps(times[:1], 5.0) == count_gaps(times[:0], 5.0) == 0


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_samples_that_are_all_zero_were_not_measured(count):
    times, values = np.arange(100) / 100, np.ones((100, 6), np.float32)
    values[20 : 20 + count] = 0
    values[90, 3:] = 0  # a still gyroscope
    cleaned = clean(times, values, np.ones(100, bool))
    lost = count if count >= 3 else 0
    assert cleaned.dropped == ({"sample all zero": lost} if lost else {})
    assert len(cleaned.times) == 100 - lost


@pytest.mark.parametrize("count", [0, 2, 3, 50])
def test_an_accelerometer_at_zero_was_not_measured_unless_there_is_none(count):
    times, values = np.arange(100) / 100, np.ones((100, 6), np.float32)
    values[20 : 20 + count, :3] = 0
    cleaned = clean(times, values, np.ones(100, bool))
    lost = count if count >= 3 else 0
    assert cleaned.dropped == ({"sample without acceleration": lost} if lost else {})
    assert len(cleaned.times) == 100 - lost
    values[:, :3] = 0  # a gyroscope alone
    assert len(clean(times, values, np.ones(100, bool)).times) == 100


@pytest.mark.parametrize("batch", [3, 10])
def test_stamps_of_batches_tell_no_time(batch):
    """A log that writes the time of arrival to all samples that came together."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(600, 6)).astype(np.float32)
    arrivals = np.cumsum(rng.uniform(0.8, 1.2, 600 // batch)) * batch / 100
    cleaned = clean(np.repeat(arrivals, batch), values, np.ones(600, bool))
    assert cleaned.dropped == {"stamps are those of batches of samples": 600}
    assert len(cleaned.times) == 0
    pairs = np.repeat(arrivals, batch) + np.arange(600) % batch // 2 * 0.01  # two of a stamp
    assert len(clean(pairs, values, np.ones(600, bool)).times) >= 300


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_clean_takes_the_shortest_streams(count):
    cleaned = clean(np.arange(count) / 100, np.zeros((count, 6), np.float32), np.ones(count, bool))
    assert len(cleaned.times) == (count if count < 3 else 0)
