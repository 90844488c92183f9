import numpy as np
import pytest

from aura.datasets.sisfall_phases import spans
from aura.schema import JOINTS
from aura.signals.bursts import activity, bursts
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
