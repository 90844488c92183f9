import numpy as np

from aura.signals.seconds import blocks, clock_offsets, saturation


def test_clock_offsets_are_the_worst_of_each_second():
    frame_s = np.arange(90) / 30
    frame_s[40] += 0.007
    frame_s[50] = np.nan
    np.testing.assert_allclose(clock_offsets(frame_s, 3), [0, 7, 0], atol=1e-4)
    assert clock_offsets(np.empty(0), 2).tolist() == [0, 0]


def test_saturation_is_the_share_of_each_second_s_samples():
    """Oracle: a loop over seconds."""
    rng = np.random.default_rng(0)
    times, flags = np.sort(rng.uniform(-1, 5, 300)), rng.random(300) < 0.3
    expected = [flags[(times >= s) & (times < s + 1)].mean() for s in range(4)]
    np.testing.assert_allclose(saturation(times, flags, 4), expected, atol=1e-6)
    assert saturation(np.empty(0), np.empty(0, bool), 2).tolist() == [0, 0]


def test_blocks_hold_a_signal_in_order_and_zeros_behind_it():
    signal = np.arange(10.0).reshape(5, 2)
    got = blocks(signal, 2, 4)
    assert got.shape == (2, 4, 2)
    np.testing.assert_array_equal(got.reshape(8, 2), np.vstack([signal, np.zeros((3, 2))]))


def test_frames_beside_the_seconds_count_in_the_nearest():
    frame_s = np.array([-0.5, 1 / 30, 2 / 30, 7.0])
    np.testing.assert_allclose(clock_offsets(frame_s, 3), [500, 0, 6900], atol=1e-3)


def test_a_second_begins_with_its_first_moment():
    times, flags = np.array([0.0, 0.5, 1.0, 2.0]), np.array([True, False, True, True])
    np.testing.assert_allclose(saturation(times, flags, 2), [0.5, 1])
