"""The encoder of statistics: invariances, gaps and padding, and a plain NumPy oracle."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from aura import config, encoders
from aura.encoders import Shape, gravity, imu_features, spans

HZ = 25.0


def window(seed=0, steps=125, batch=3):
    """Movement with gravity, complete."""
    rng = np.random.default_rng(seed)
    t = np.arange(steps) / HZ
    x = np.zeros((batch, steps, 6), np.float32)
    for b in range(batch):
        hz, size = rng.uniform(0.5, 4), rng.uniform(1, 6)
        x[b] = size * np.sin(2 * np.pi * hz * t[:, None] + rng.uniform(0, 6, 6))
        x[b, :, 3:] *= 0.3
        x[b, :, :3] += rng.normal(size=3)
        x[b, :, 2] += 9.8
    return torch.from_numpy(x)


def turned(x, seed=1):
    matrix = torch.from_numpy(Rotation.random(random_state=seed).as_matrix().astype(np.float32))
    return torch.cat([x[..., :3] @ matrix.T, x[..., 3:] @ matrix.T], -1)


def test_invariants_do_not_depend_on_the_mounting():
    x = window()
    found = gravity.invariants(x, HZ)
    torch.testing.assert_close(gravity.invariants(turned(x), HZ), found, atol=2e-3, rtol=1e-3)
    assert not torch.allclose(gravity.invariants(x.flip(1) * 1.3, HZ), found, atol=0.05)


def test_a_still_sensor_is_zero_and_a_vertical_turn_is_vertical():
    x = torch.zeros(1, 125, 6)
    x[..., 1] = 9.80665  # y is up
    x[..., 4] = 3.0
    found = gravity.invariants(x, HZ)[0, 60]
    expected = torch.zeros(8)
    expected[[3, 5]] = 1.0
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_turns_are_those_of_steps_one_after_the_other():
    rng = np.random.default_rng(3)
    steps = rng.normal(scale=0.1, size=(2, 77, 3))
    found = gravity.cumulative_turns(torch.from_numpy(steps)).numpy()
    for b in range(2):
        now = Rotation.identity()
        for t in range(77):
            expected = now.as_quat()[[3, 0, 1, 2]]
            assert abs(found[b, t] @ expected) == pytest.approx(1, abs=1e-9)
            now = now * Rotation.from_rotvec(steps[b, t])


def test_a_levelled_window_is_the_movement_in_the_room():
    """A sensor that turns about itself while it is pushed along the room's z axis."""
    steps, rate = 250, np.array([0.4, -0.9, 0.5])
    turns = Rotation.from_rotvec(np.arange(steps)[:, None] * rate / 50)
    room = np.zeros((steps, 3))
    room[:, 2] = 9.80665 + 2 * np.sin(np.arange(steps) / 7)
    start = Rotation.from_euler("xyz", [0.3, 1.1, -0.7])
    sensor = (start * turns).inv().apply(room)
    x = np.concatenate([sensor, np.tile(rate, (steps, 1))], 1).astype(np.float32)
    found = gravity.level(torch.from_numpy(x)[None], 50.0)[0].numpy() * gravity.G
    np.testing.assert_allclose(found[:, :2], 0, atol=0.15)
    np.testing.assert_allclose(found[:, 2], room[:, 2] - np.median(room[:, 2]), atol=0.15)


@given(st.lists(st.booleans(), min_size=12, max_size=12), st.integers(0, 99))
def test_filling_repeats_and_mirrors_what_was_measured(valid, seed):
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 12, 2)))
    mask = torch.tensor([valid])
    found = spans.fill(x.masked_fill(~mask[..., None], np.nan), mask)[0]
    if not any(valid):
        assert (found == 0).all()
        return
    first, last = valid.index(True), 11 - valid[::-1].index(True)
    for t in range(12):
        place = t
        while not first <= place <= last:  # mirrored, as often as it takes
            place = 2 * first - place if place < first else 2 * last - place
            if first == last:
                place = first
        while not valid[place]:
            place -= 1
        assert torch.equal(found[t], x[0, place]), t


def encoder(**options):
    torch.manual_seed(0)
    settings = config.Encoder(name="imu-features", dropout=0.0, options=options)
    return encoders.build("imu", settings, Shape(1000, 50, 16)).eval()


@pytest.mark.parametrize("view", ["invariant", "levelled", "both"])
def test_what_is_not_valid_has_no_influence(view):
    model = encoder(view=view)
    x = window(steps=1000)
    valid, channels = torch.ones(3, 1000, dtype=torch.bool), torch.ones(3, 6, dtype=torch.bool)
    model.fit(x, valid, channels)
    valid[0, 400:], valid[1, 200:280], valid[2] = False, False, False
    channels[1, 3:] = False
    found = model(x, valid, channels)
    other = x.clone()
    other[~valid] = torch.nan
    other[1, :, 3:] = 77.0
    torch.testing.assert_close(model(other, valid, channels), found)
    assert found.isfinite().all()
    one = torch.cat([model(x[i : i + 1], valid[i : i + 1], channels[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(one, found)


def test_a_short_window_is_like_a_long_one_of_the_same_movement():
    model = encoder()
    t = torch.arange(1000) / 200
    x = torch.zeros(1, 1000, 6)
    x[..., 2] = 9.80665 + 4 * torch.sin(2 * torch.pi * 2 * t)
    valid = torch.ones(1, 1000, dtype=torch.bool)
    half = valid.clone()
    half[:, 500:] = False
    whole, short = (model.describe(x, v, None) for v in (valid, half))
    slower = x.clone()
    slower[..., 2] = 9.80665 + 4 * torch.sin(2 * torch.pi * 1 * t)
    other = model.describe(slower, valid, None)

    def vertical(found):
        return found.reshape(-1, 8)[:, 0]

    assert abs(vertical(whole)[1] - vertical(short)[1]) < 0.02  # deviation
    band = [int(vertical(found)[10:19].argmax()) for found in (whole, short, other)]
    assert band[0] == band[1] != band[2]


def test_statistics_by_numpy():
    x = np.random.default_rng(0).normal(size=(2, 125, 3)).astype(np.float32)
    found = imu_features.statistics(torch.from_numpy(x), HZ).numpy().reshape(2, -1, 3)
    squash = lambda v: np.sign(v) * np.log1p(3 * np.abs(v))  # noqa: E731
    np.testing.assert_allclose(found[:, 0], squash(x.mean(1)), atol=1e-5)
    np.testing.assert_allclose(found[:, 1], squash(x.std(1, ddof=1)), atol=1e-5)
    np.testing.assert_allclose(found[:, 3], squash(x.max(1)), atol=1e-5)
    z = (x - x.mean(1, keepdims=True)) * np.hanning(125)[:, None]
    hz, power = np.fft.rfftfreq(256, 1 / HZ), np.abs(np.fft.rfft(z, 256, axis=1)) ** 2
    power = power * 2 / ((np.hanning(125) ** 2).sum() * 256)
    band = power[:, (hz >= 1.2) & (hz < 1.7)].sum(1)
    np.testing.assert_allclose(found[:, 12], squash(np.log(band + 1e-5)), atol=1e-4)
    z = x[0, :, 1] - x[0, :, 1].mean()
    lags = np.array([(z[: 125 - k] * z[k:]).sum() for k in range(125)]) / (z**2).sum()
    np.testing.assert_allclose(found[0, 28, 1], squash(lags[6:36].max()), atol=1e-4)
    np.testing.assert_allclose(found[0, 30, 1], squash((6 + lags[6:36].argmax()) / HZ), atol=1e-4)


def test_a_padded_window_is_levelled_before_it_is_mirrored():
    """The turns of the mirrored part go back; integrated on, gravity would be lost."""
    rate = np.array([0.0, 1.2, 0.0])
    turns = Rotation.from_rotvec(np.arange(125)[:, None] * rate / HZ)
    x = np.concatenate([turns.inv().apply([0, 0, 9.80665]), np.tile(rate, (125, 1))], 1)
    x = torch.from_numpy(x.astype(np.float32))[None]
    valid = torch.ones(1, 125, dtype=torch.bool)
    valid[:, 50:] = False
    found = gravity.level(x, HZ, valid)
    torch.testing.assert_close(found[..., :3], torch.zeros(1, 125, 3), atol=2e-3, rtol=0)
    torch.testing.assert_close(found[:, 50:99], found[:, :49].flip(1), atol=1e-5, rtol=0)
    assert gravity.level(spans.fill(x, valid), HZ)[..., :3].abs().max() > 0.3
