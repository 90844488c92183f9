"""Differences that are exact for polynomials, the low-pass, and the clocks of mocap and sensors."""

import numpy as np
import pytest

from aura.signals.smooth import Grid, first_difference, lowpass, second_difference


def test_differences_are_exact_for_polynomials_of_their_order():
    t = np.arange(9.0)
    first, second = first_difference(t**4), second_difference(t**5)
    np.testing.assert_allclose(first[2:-2], 4 * t[2:-2] ** 3)
    np.testing.assert_allclose(first[[0, 1, 7, 8]], np.gradient(t**4)[[0, 1, 7, 8]])
    np.testing.assert_allclose(second[2:-2], 20 * t[2:-2] ** 3)
    assert second[[0, 1]].tolist() == [second[2]] * 2
    assert second[[7, 8]].tolist() == [second[6]] * 2


def test_the_low_pass_halves_at_its_cutoff_and_does_nothing_from_half_the_rate_on():
    t = np.arange(800) / 100
    wave = np.sin(2 * np.pi * 5 * t)[:, None]
    middle = lowpass(wave, 100.0, 5.0)[200:600]
    np.testing.assert_allclose(middle, wave[200:600] / 2, atol=1e-3)
    np.testing.assert_allclose(lowpass(wave, 100.0, 30.0)[200:600], wave[200:600], atol=2e-3)
    same = lowpass(wave.astype(np.float32), 100.0, 50.0)
    assert same.dtype == np.float64
    np.testing.assert_array_equal(same, wave.astype(np.float32))
    assert np.abs(lowpass(np.tile([1.0, -1.0], 100), 100.0, 49.0)).max() < 0.9


def test_clocks_rise_and_span_the_recording():
    stamps = np.arange(16) / 30 + 2.0
    messy = np.insert(stamps, [3, 9], [np.nan, stamps[5]])
    grid = Grid.of(messy, 6.0, 200.0)
    np.testing.assert_array_equal(grid.keep, np.delete(np.arange(18), [3, 10]))
    np.testing.assert_array_equal(grid.mocap_s, stamps)
    np.testing.assert_allclose(grid.even_s, stamps)
    np.testing.assert_allclose(grid.time_s, 2.0 + np.arange(101) / 200)
    assert grid.bandwidth_hz == 6.0
    assert len(Grid.of(stamps[:15], 6.0, 200.0).time_s) == 0


@pytest.mark.parametrize(
    ("rate", "cutoff", "expected"),
    [(30.0, None, 5.0), (120.0, None, 12.0), (30.0, 20.0, 15.0), (120.0, 20.0, 20.0)],
)
def test_the_bandwidth_is_what_was_asked_for_or_what_the_rate_allows(rate, cutoff, expected):
    assert Grid.of(np.arange(20) / rate, cutoff, 200.0).bandwidth_hz == pytest.approx(expected)


def test_where_hardly_anything_was_recorded_there_are_no_samples():
    stamps = np.append(np.arange(16) / 10, [100.0])
    sparse = Grid.of(stamps, 3.0, 50.0)
    assert (len(sparse.even_s), len(sparse.time_s), sparse.bandwidth_hz) == (0, 0, 3.0)
    assert len(Grid.of(np.append(stamps[:16], [30.0]), 3.0, 50.0).even_s) == 301
