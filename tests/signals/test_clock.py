"""A clock that is set back: what is of two moments goes, and what merely came late stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.signals.clock import overlapped, repeated
from aura.signals.imu import clean, resample_imu

RATE = 1000.37


def recording(rate=RATE, count=10_000, jitter=0.0, seed=0):
    """True times in s and a signal of them; steps vary by a share of themselves."""
    rng = np.random.default_rng(seed)
    true = 0.00021 + np.cumsum(rng.uniform(1 - jitter, 1 + jitter, count)) / rate
    tones = (1.0, 1.31, 0.73, 0.52, 2.0, 1.17)
    return true, np.stack([3 * np.sin(2 * np.pi * hz * true) for hz in tones], 1).astype(np.float32)


def set_back(true, seconds, at=None):
    """Stamps of a clock that is set back by `seconds` at sample `at`, and which come twice."""
    at = len(true) // 2 if at is None else at
    stamps = true.copy()
    stamps[at:] -= seconds
    twice = (stamps >= stamps[at]) & (stamps <= stamps[at - 1])
    return stamps, twice


@pytest.mark.parametrize("rate", [25, 50, 100, RATE])
@pytest.mark.parametrize("seconds", [0.2, 0.4, 3.7])
@pytest.mark.parametrize("jitter", [0.0, 0.06])
def test_the_overlap_is_masked_and_nothing_else(rate, seconds, jitter):
    true, values = recording(rate, int(20 * rate), jitter)
    stamps, twice = set_back(true, seconds)
    masked = overlapped(stamps)
    assert masked[twice].all()
    assert np.count_nonzero(masked & ~twice) <= 2
    cleaned = clean(stamps, values, np.ones(len(stamps), bool))
    assert cleaned.dropped["sample where the clock steps back"] == pytest.approx(
        np.count_nonzero(twice), abs=6
    )
    assert cleaned.noted == {"sample out of order": 1}
    out, ok = resample_imu(cleaned.times, cleaned.values, 19.0)
    grid = np.arange(len(out)) / 200
    inside = (grid > stamps[twice].min()) & (grid < stamps[twice].max())
    assert not ok[inside].any()
    assert ok[grid < stamps[twice].min() - 0.1][20:].all()


@pytest.mark.parametrize("seconds", [0.0025, 0.004, 0.01, 0.015])
def test_a_short_overlap_leaves_a_hole_that_is_not_bridged(seconds):
    true, values = recording()
    stamps, twice = set_back(true, seconds)
    cleaned = clean(stamps, values, np.ones(len(stamps), bool))
    _, ok = resample_imu(cleaned.times, cleaned.values, 9.9)
    middle = round(float(stamps[twice].mean()) * 200)
    assert not ok[middle - 1 : middle + 2].any()
    assert ok[20:].mean() > 0.98


def test_stamps_on_a_grid_fall_on_each_other_and_are_masked_all_the_same():
    """At 100 Hz, two decimals, 0.4 s back: each stamp of the overlap is there twice."""
    true, values = np.arange(2000) / 100, recording(100, 2000)[1]
    stamps = np.round(true - 0.4 * (true >= 10), 2)
    cleaned = clean(stamps, values, np.ones(2000, bool))
    assert cleaned.dropped == {"sample where the clock steps back": 80}
    assert cleaned.noted == {"sample out of order": 1}
    assert not ((cleaned.times >= 9.6) & (cleaned.times < 9.995)).any()


@pytest.mark.parametrize("shift", [0.3, 5.0])
def test_a_clock_set_back_twice_is_masked_twice(shift):
    true, values = recording(RATE, 20_000)
    stamps = true - 0.4 * (true > 6) - shift * (true > 12)
    cleaned = clean(stamps, values, np.ones(len(stamps), bool))
    assert cleaned.noted == {"sample out of order": 2}
    kept, after = cleaned.times, true[cleaned.kept] > 6
    assert np.count_nonzero((kept > 5.601) & (kept < 6.0)) == 0
    assert (np.diff(true[cleaned.kept]) > 0).all() or shift > 1
    assert after.any()


def test_a_clock_that_starts_anew_leaves_only_what_came_once():
    true, values = recording(100, 3000)
    stamps = np.where(true < 20, true, true - 20)
    cleaned = clean(stamps, values, np.ones(3000, bool))
    assert cleaned.times.min() > 9.9
    assert cleaned.dropped["sample where the clock steps back"] == pytest.approx(2000, abs=4)


def test_late_packets_fill_their_holes_and_stay():
    true, values = recording(jitter=0.06)
    order = np.arange(len(true))
    order[2000:2020] = np.r_[2010:2020, 2000:2010]  # two packets swapped
    order[5000:6000] = np.r_[5900:6000, 5000:5900]
    order[7000], order[7001] = 7001, 7000
    late = np.concatenate([np.delete(order, np.s_[300:340]), order[300:340]])  # at the very end
    cleaned = clean(true[late], values[late], np.ones(len(true), bool))
    np.testing.assert_array_equal(cleaned.times, true)
    np.testing.assert_array_equal(cleaned.values, values)
    assert cleaned.dropped == {}
    assert set(cleaned.noted) == {"sample out of order"}


def test_a_block_that_is_sent_again_is_a_duplicate_and_no_second_moment():
    true, values = recording()
    again = np.r_[0:5000, 4000:10_000]
    cleaned = clean(true[again], values[again], np.ones(len(again), bool))
    assert cleaned.dropped == {"sample duplicated": 1000}
    assert cleaned.noted == {"sample out of order": 1}
    np.testing.assert_array_equal(cleaned.times, true)


@settings(max_examples=60, deadline=None)
@given(
    seconds=st.floats(0.05, 8), at=st.integers(600, 1400), gap=st.integers(0, 1900),
    swaps=st.sets(st.integers(0, 498), max_size=20), seed=st.integers(0, 9),
)  # fmt: skip
def test_no_kept_samples_are_of_two_moments(seconds, at, gap, swaps, seed):
    """Oracle: by their true times, the samples that are left follow each other."""
    true, values = recording(100, 2000, 0.05, seed)
    stamps, twice = set_back(true, seconds, at)
    order = np.arange(2000)
    for swap in swaps:
        order[swap * 4 : swap * 4 + 2] = order[swap * 4 : swap * 4 + 2][::-1]
    order = order[(order < gap) | (order >= gap + 60)]
    cleaned = clean(stamps[order], values[order], np.ones(len(order), bool))
    both = [twice[:at][order[order < at]], twice[at:][order[order >= at] - at]]
    if all(side.any() for side in both):
        left = order[cleaned.kept]
        assert np.count_nonzero(np.diff(true[left]) < 0) <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=40), st.integers(0, 3))
def test_repeated_equals_a_search(stamps, kinds):
    times = np.array(stamps, float)
    values = np.array([[i % (kinds + 1), np.nan] for i in range(len(stamps))]).reshape(-1, 2)
    found = repeated(times, values)
    keys = [(t, v) for t, v in zip(stamps, values[:, 0], strict=True)]
    for row, key in enumerate(keys):
        assert found[row] == (key in keys[:row])


@pytest.mark.parametrize(("rate", "quantum"), [(100, 0.1), (50, 1.0), (1000, 0.01), (100, 1e9)])
def test_stamps_with_few_digits_tell_no_time(rate, quantum):
    true, values = recording(rate, 20 * rate)
    stamps = np.round(true / quantum) * quantum
    cleaned = clean(stamps, values, np.ones(len(true), bool))
    assert not len(cleaned.times)
    assert cleaned.dropped["stamps have too few digits"] >= len(true) - 1


def test_stamps_that_are_fine_beside_200_hz_keep_one_sample_each():
    true, values = recording(1600, 8000)
    stamps = np.floor(true * 1000) / 1000
    cleaned = clean(stamps, values, np.ones(8000, bool))
    assert set(cleaned.dropped) == {"sample with the stamp of another"}
    assert len(cleaned.times) == len(np.unique(stamps))
