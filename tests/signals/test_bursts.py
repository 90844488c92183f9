import numpy as np
import pytest

from aura.datasets.sisfall_phases import spans
from aura.schema import JOINTS
from aura.signals.bursts import activity, around_two, bursts
from aura.signals.heading import heading_rate, longest_turn

HZ = 200.0


def trial(*moves, seconds=10.0):
    """Rest, but for shaking between begin and end, s."""
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * HZ)) / HZ
    imu = rng.normal(scale=0.01, size=(len(t), 6))
    imu[:, 1] -= 9.8
    for begin, end in moves:
        inside = (t >= begin) & (t < end)
        imu[inside, :3] += 4 * np.sin(2 * np.pi * 2 * t[inside])[:, None]
    return imu


def test_bursts_are_where_it_moves():
    found = bursts(activity(trial((2, 3.5), (6, 8)), HZ), HZ) / HZ
    np.testing.assert_allclose(found, [[2, 3.5], [6, 8]], atol=0.5)
    assert len(bursts(activity(trial((2, 3), (3.3, 4)), HZ), HZ)) == 1  # a short rest is none
    assert bursts(np.empty(0), HZ).shape == (0, 2)
    assert bursts(activity(trial(), HZ), HZ).shape == (0, 2)


def test_phases_follow_the_documented_order():
    found = spans("D07", trial((2, 3.5), (6, 8)), HZ)
    assert list(found) == ["standing", "sitting-down", "seated", "standing-up"]
    assert found["sitting-down"][1] == found["seated"][0]
    assert 3 < found["seated"][0] < 4.5 < found["seated"][1] < 6.2
    assert list(spans("D12", trial((2, 3.5), (6, 8)), HZ)) == ["lying-down", "lying", "sitting-up"]
    assert spans("D07", trial((2, 3.5)), HZ) == {}
    assert spans("D01", trial((2, 3.5), (6, 8)), HZ) == {}
    assert spans("F03", trial((2, 3.5)), HZ)["on-the-floor"][1] == 10
    weak = trial((2, 3.5))
    weak[1300:1500] += trial((6.5, 7.5))[1300:1500] * 0.4  # somebody moves again
    assert spans("F03", weak, HZ) == {}


def body(heading):
    joints = np.full((len(heading), 17, 3), np.nan)
    for pair, width in (
        (("left-hip", "right-hip"), 0.15),
        (("left-shoulder", "right-shoulder"), 0.2),
    ):
        for name, sign in zip(pair, (1, -1), strict=True):
            across = np.stack([-np.sin(heading), np.cos(heading), np.ones_like(heading)], 1)
            joints[:, JOINTS.index(name)] = across * [sign * width, sign * width, 1]
    return joints


def test_turns_are_told_by_hips_and_shoulders():
    t = np.arange(600) / 60
    heading = np.interp(t, [0, 3, 5, 10], [3.0, 3.0, 3.0 + 2 * 1.5, 3.0 + 2 * 1.5])
    rate = heading_rate(t, body(heading))
    assert rate[240] == pytest.approx(1.5, abs=0.02)
    assert abs(rate[60]) < 1e-6
    begin, end = longest_turn(t, body(heading))
    assert (begin, end) == (pytest.approx(3, abs=0.2), pytest.approx(5, abs=0.2))
    assert longest_turn(t, body(heading * 0 + 1)) is None
    assert longest_turn(t, np.full((600, 17, 3), np.nan)) is None


def test_activity_equals_a_loop():
    imu = np.random.default_rng(1).normal(size=(60, 6))
    trend = [imu[np.clip(np.arange(k - 5, k + 6), 0, 59), :3].mean(0) for k in range(60)]
    power = ((imu[:, :3] - trend) ** 2).sum(1) / 4 + (imu[:, 3:] ** 2).sum(1)
    padded = np.concatenate([np.zeros(10), power, np.zeros(10)])
    expected = [np.sqrt(padded[k : k + 21].mean()) for k in range(60)]
    np.testing.assert_allclose(activity(imu, 20.0), expected)


def levels(*runs):
    return np.concatenate([np.full(count, value) for value, count in runs])


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (levels((0.25, 10)), []),
        (levels((0.26, 10)), [[0, 10]]),
        (levels((2.1, 10), (10.0, 10)), [[10, 20]]),
        (levels((2.3, 10), (10.0, 10)), [[0, 20]]),
        (levels((0, 5), (1, 5), (0, 5), (1, 5)), [[5, 20]]),
        (levels((0, 5), (1, 5), (0, 6), (1, 5), (0, 1)), [[5, 10], [16, 21]]),
        (levels((1, 3), (0, 9), (1, 4), (0, 9)), [[12, 16]]),
    ],
)
def test_bursts_begin_join_and_count_at_their_limits(level, expected):
    """At 10 Hz: 0.6 s of rest part two bursts, and one lasts 0.4 s."""
    assert bursts(level, 10.0).tolist() == expected


def test_phases_around_two_bursts_are_widened_by_the_margin_and_stay_in_the_recording():
    moves = np.array([[1.0, 2.0], [5.0, 6.0]])
    expected = [(0.0, 0.5), (0.5, 2.5), (2.5, 4.5), (4.5, 6.25)]
    assert around_two(moves, 6.25, 0.5) == expected
    assert around_two(moves, 9.0, 1.5)[1::2] == [(0.0, 3.5), (3.5, 7.5)]


def test_heading_needs_three_poses_and_skips_those_without_hips():
    t = np.arange(90) / 30
    joints = body(0.5 * t)
    assert np.isnan(heading_rate(t[:2], joints[:2])).all()
    assert np.isfinite(heading_rate(t[:3], joints[:3])).all()
    joints[40:44, JOINTS.index("left-hip")] = np.nan
    rate = heading_rate(t, joints)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(rate)), np.arange(40, 44))
    np.testing.assert_allclose(rate[10:35], 0.5, atol=1e-6)
