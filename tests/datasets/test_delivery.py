"""Even clocks of samples that are delivered late, in bursts, and not all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from aura.datasets.delivery import pair_numbers, sample_times


def delivered(count=300, period=0.05, event=0.04875, backlog=0, seed=0, spell=None):
    """When samples were taken and stamped, (N,) s: handed over at the next event of the radio.

    The first `backlog` samples lie ready and come with the one after them; those of `spell`, a
    range, come when it ends.
    """
    rng = np.random.default_rng(seed)
    taken = 0.1 + period * np.arange(count)
    stamps = np.ceil(taken / event) * event + rng.uniform(0.001, 0.004, count)
    if backlog:
        stamps[:backlog] = stamps[backlog]
    if spell:
        stamps[spell.start : spell.stop] = stamps[spell.stop]
    return taken, np.round(np.maximum.accumulate(stamps), 3)


def lateness(times, taken):
    """The constant by which they differ, after a check that it is one, within `jitter`."""
    return np.ptp(times - taken), np.median(times - taken)


@pytest.mark.parametrize("period", [0.0499, 0.05, 0.05003, 0.0501])
@pytest.mark.parametrize("backlog", [0, 12])
def test_bursts_become_an_even_clock(period, backlog):
    """By their stamps samples lie up to 0.05 s off; on the clock they lie 4 ms off, all alike."""
    taken, stamps = delivered(period=period, backlog=backlog)
    assert np.ptp(stamps - taken) > 0.04
    times, lost = sample_times(np.arange(300), stamps, 0.05)
    assert lost == 0
    assert_allclose(np.diff(times), np.median(np.diff(times)), rtol=1e-9)
    spread, late = lateness(times, taken)
    assert spread < 0.015
    assert -0.001 < late < 0.02


def test_a_spell_without_delivery_is_late_and_not_lost():
    taken, stamps = delivered(spell=range(100, 125))
    times, lost = sample_times(np.arange(300), stamps, 0.05)
    assert lost == 0
    assert lateness(times, taken)[0] < 0.02


@pytest.mark.parametrize("first", [60, 150, 240])
@pytest.mark.parametrize("missing", [1, 2, 13])
def test_lost_samples_leave_a_hole_where_they_are_missing(first, missing):
    """Numbered by who receives them, so that the numbers tell nothing."""
    taken, stamps = delivered()
    kept = np.delete(np.arange(300), np.arange(first, first + missing))
    times, lost = sample_times(np.arange(len(kept)), stamps[kept], 0.05)
    assert lost == missing
    # The hole is found within a beat of 40 samples, in which delays rise by almost a period.
    holes = np.flatnonzero(np.rint(np.diff(times) / 0.05) > 1)
    assert (np.abs(holes - (first - 1)) <= 40).all()
    assert len(holes) in (1, 2)
    away = np.abs(kept - first) > 41
    assert lateness(times[away], taken[kept][away])[0] < 0.02


def test_samples_lost_behind_the_first_are_told_but_for_one():
    """How late the first one was is not known."""
    taken, stamps = delivered()
    kept = np.delete(np.arange(300), np.arange(1, 14))
    times, lost = sample_times(np.arange(len(kept)), stamps[kept], 0.05)
    assert lost in (12, 13)
    assert lateness(times[1:], taken[kept][1:])[0] < 0.02


def test_gaps_in_the_numbers_are_holes():
    taken, stamps = delivered()
    kept = np.delete(np.arange(300), [50, 51, 200])
    times, lost = sample_times(kept, stamps[kept], 0.05)
    assert lost == 0
    assert lateness(times, taken[kept])[0] < 0.015


def test_a_phone_that_is_a_little_slow_and_had_samples_ready():
    """198.2 Hz and not 200; 530 samples were taken before the recording began."""
    taken, stamps = delivered(3400, 1 / 198.2, 0.015, backlog=530)
    times, lost = sample_times(np.arange(3400), stamps, 1 / 200)
    assert lost == 0
    assert lateness(times, taken)[0] < 0.015
    assert times[0] < stamps[0] - 2.5


def test_one_sample_and_none():
    for stamps in ([], [3.25]):
        times, lost = sample_times(np.arange(len(stamps)), np.array(stamps), 0.05)
        assert (times.tolist(), lost) == (stamps, 0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 100), min_size=2, max_size=200),
    st.sampled_from([0.05, 0.005]),
    st.integers(0, 2**31),
)
def test_any_stamps_give_increasing_multiples_of_one_period(stamps, nominal, seed):
    numbers = np.cumsum(np.random.default_rng(seed).integers(1, 4, len(stamps)))
    times, lost = sample_times(numbers, np.array(stamps), nominal)
    assert np.isfinite(times).all()
    assert (np.diff(times) > 0).all()
    assert lost >= 0
    steps = np.diff(times) / np.diff(times).min()
    period = np.diff(times).sum() / (numbers[-1] - numbers[0] + lost)
    assert_allclose(np.diff(times) / period, np.rint(np.diff(times) / period), atol=1e-6)
    assert len(steps) == len(stamps) - 1


def test_samples_are_paired_by_their_own_numbers():
    """The gyroscope counts from 1; one row of each is gone."""
    _, stamps = delivered()
    accel, gyro = np.delete(np.arange(300), 17), np.delete(np.arange(300), 200)
    rows, others = pair_numbers(accel, stamps[accel], gyro + 1, stamps[gyro] + 0.001)
    assert_array_equal(accel[rows], gyro[others])
    assert len(rows) == 298
    none = np.empty(0, np.int64)
    assert [len(part) for part in pair_numbers(accel, stamps[accel], none, none)] == [0, 0]
