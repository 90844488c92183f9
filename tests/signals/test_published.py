import numpy as np
import pytest

from aura.signals.imu import resample_imu
from aura.signals.published import decimate_imu, pick_mocap


def test_the_published_recipe_takes_every_fifth_sample_and_drifts():
    """Oracle: a loop. A sensor 2 % slow ends 0.2 s off after 10 s, by timestamp it does not."""
    times = -0.1 + np.arange(9900) / 980  # 2 % slower than 1000 Hz
    values = np.repeat(times[:, None], 6, axis=1).astype(np.float32)
    values[500, 2] = np.nan
    got, valid = decimate_imu(times, values, 10.0)
    assert valid.all()
    rows = [r for r in range(len(times)) if times[r] >= 0]
    for k in range(2000):
        row = rows[0] + 5 * k
        expected = np.nan_to_num(values[row]) if row < len(times) else np.zeros(6)
        np.testing.assert_array_equal(got[k], expected)
    assert got[1900, 0] - 9.5 == pytest.approx(9.5 * 0.0204, abs=0.01)
    values[500, 2] = values[499, 2]
    right, valid = resample_imu(times, values, 10.0)
    assert right[1900, 0] == pytest.approx(9.5, abs=1e-3)
    none, valid = decimate_imu(times[:0], values[:0], 1.0)
    assert not none.any()
    assert not valid.any()


def test_the_published_recipe_takes_every_third_pose_and_fills_with_zeros():
    frames = np.delete(np.arange(90), [30, 31])
    joints = np.repeat(frames[:, None].astype(np.float32), 3, 1)[:, None] * np.ones((1, 2, 1))
    joints[frames == 33, 1] = np.nan
    got, valid = pick_mocap(frames, joints, 3.0)
    assert got.shape == (30, 2, 3)
    assert valid.all()
    expected = np.arange(0, 90, 3.0)
    expected[10] = 0  # frame 30 is absent
    np.testing.assert_array_equal(got[:, 0, 0], expected)
    assert got[11, 1].tolist() == [0, 0, 0]
    assert not pick_mocap(frames[:0], joints[:0], 3.0)[1].any()


def test_the_published_recipe_at_its_edges():
    values = np.arange(1.0, 61)[:, None] * np.ones(6)
    slow, valid = decimate_imu(np.arange(60) / 100 - 0.1, values, 0.5)  # 100 Hz: each is taken
    np.testing.assert_array_equal(slow[:51, 0], [*range(11, 61), 0])
    assert valid.all()
    values[10] = np.inf, -np.inf, np.nan, 1, 1, 1
    assert decimate_imu(np.arange(60) / 100, values, 0.5)[0][10].tolist() == [0, 0, 0, 1, 1, 1]
    for times in (np.array([0.1]), np.array([-2.0, -1.0])):
        out, valid = decimate_imu(times, values[: len(times)], 1.0)
        assert out.shape == (200, 6)
        assert not out.any()
        assert not valid.any()
    poses = np.arange(90.0)[:, None, None] * np.ones((1, 1, 3))
    poses[12] = np.inf, -np.inf, 5
    got, _ = pick_mocap(np.arange(90), poses, 2.0, 60.0)  # 60 Hz has two seconds of frames, not 90
    np.testing.assert_array_equal(got[:, 0, 2], [0, 6, 5, *range(18, 90, 6), 0, 0, 0, 0, 0])
    assert got[2, 0].tolist() == [0, 0, 5]
