import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.learning import timewarp
from tests.learning.signals import B, F, T, augmented, batch, clocks, seeded


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([(), (3,), (4, 3)]))
def test_resampling_equals_numpy_row_by_row(seed, length, shape):
    g = seeded(seed)
    signal = torch.randn(2, length, *shape, generator=g)
    valid = torch.rand(2, length, *shape[:-1], generator=g) > 0.3
    place = torch.rand(2, 9, generator=g) * (length + 3) - 2
    place[:, ::2] = place[:, ::2].round()
    place = (place * 1024).round() / 1024  # what it rounds to itself
    out, known = timewarp.resample(signal, valid, place)
    for b, m in np.ndindex(2, 9):
        t = float(place[b, m])
        needed = [k for k in range(length) if abs(k - t) < 1]
        inside = 0 <= t <= length - 1
        expected = valid[b, needed].all(0) & inside
        assert torch.equal(known[b, m], expected)
        for rest in np.ndindex(*shape):
            line = signal[b][(slice(None), *rest)].numpy()
            ok = expected[rest[:-1]] if valid.ndim > 2 else expected
            value = np.interp(t, np.arange(length), line) if ok else 0
            assert float(out[b, m][rest]) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("by", [-7, 0, 30])
def test_a_whole_shift_is_a_roll_with_invalid_edges(by):
    inputs = batch()
    place = (torch.arange(T) + by).expand(B, T).float()
    out, known = timewarp.resample(inputs.imu, inputs.imu_valid, place)
    inside = (torch.arange(T) + by >= 0) & (torch.arange(T) + by < T)
    assert torch.equal(known, inputs.imu_valid.roll(-by, 1) & inside)
    assert torch.equal(out, inputs.imu.roll(-by, 1) * known[..., None])


def test_a_warp_keeps_the_order_the_ends_and_its_bounds():
    place = torch.arange(T, dtype=torch.float32).expand(1000, T)
    warped, speed = timewarp.warp_time(place, 0.5, seeded())
    steps = warped.diff(dim=1)
    assert (steps > 0).all()
    spread = speed.amax(dim=1) / speed.amin(dim=1)
    assert 1.45 < spread.max() <= 1.5 + 1e-3  # the bound is reached, or nearly
    assert torch.equal(warped[:, 0], place[:, 0])
    torch.testing.assert_close(warped[:, -1], place[:, -1], atol=1e-3, rtol=0)
    torch.testing.assert_close(steps, (speed[:, 1:] + speed[:, :-1]) / 2, atol=1e-3, rtol=0)
    assert (speed.std(dim=1) > 0.02).float().mean() > 0.5  # and not just one speed
    assert float((warped - place).abs().amax(dim=1).median()) > 0.005 * T


def test_a_warp_hides_nothing():
    out = augmented({"warp": 0.5}, clocks())
    assert out.imu_valid.all()
    assert out.mocap_valid[:, :-1].all()  # what follows the last frame is not known


@pytest.mark.parametrize("name", ["warp", "shift_s"])
def test_imu_and_mocap_stay_synchronous(name):
    """At the moment of a frame both tell the same time, and it is not the old one."""
    out = augmented({"warp": 0.3, "shift_s": 0.5} | {name: 0}, clocks())
    both = out.imu_valid[:, ::20] & out.mocap_valid.all(2)
    imu_s, mocap_s = out.imu[:, ::20, 0][both], out.mocap[..., 0].mean(2)[both]
    torch.testing.assert_close(imu_s, mocap_s, atol=2e-4, rtol=0)
    assert both.float().mean() > 0.8
    moved = (out.mocap[..., 0, 0] - torch.arange(F) / 10)[out.mocap_valid[..., 0]].abs()
    assert moved.max() > 0.1


def test_a_shift_is_within_its_bounds_and_either_way():
    out = augmented({"shift_s": 0.5}, clocks())
    shift = out.imu[:, T // 2, 0] - T / 400
    assert -0.5 <= shift.min() < -0.4 < 0.4 < shift.max() <= 0.5


def test_desync_moves_the_imu_alone_by_at_most_itself():
    inputs = clocks()
    out = augmented({"desync_s": 0.05}, inputs)
    assert out.mocap is inputs.mocap
    apart = (out.imu[..., 0] - inputs.imu[..., 0]).masked_fill(~out.imu_valid, math.nan)
    shift = apart.nanmean(dim=1)
    assert 0.03 < shift.abs().max() <= 0.05
    assert torch.nan_to_num(apart - shift[:, None]).abs().max() < 1e-4


def test_a_warp_covers_the_same_angle_with_the_gyroscope_and_the_same_gravity():
    """The turn between two moments is what it was between those that they come from."""
    inputs = clocks()
    time = torch.arange(T) / 200
    inputs.imu[..., 1], inputs.imu[..., 4] = 9.81, torch.cos(3 * time)  # angle: sin(3 t) / 3
    out = augmented({"warp": 0.5}, inputs)
    rate = out.imu[..., 4].double()
    angle = torch.cumulative_trapezoid(rate, dx=1 / 200, dim=1)
    source = out.imu[..., 0].double()
    expected = (torch.sin(3 * source) / 3).diff(dim=1)
    ok = (out.imu_valid[:, 1:] & out.imu_valid[:, :-1]).double()
    steps = angle.diff(dim=1, prepend=torch.zeros(B, 1).double())
    turned, source_turned = (steps * ok).cumsum(1), (expected * ok).cumsum(1)
    torch.testing.assert_close(turned, source_turned, atol=2e-3, rtol=0)
    still = augmented({"warp": 0.5}, clocks()).imu_valid
    torch.testing.assert_close(out.imu[..., 1][still], torch.full((int(still.sum()),), 9.81))
