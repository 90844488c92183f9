"""The mocap encoder of statistics: size, gaps and padding, and plain NumPy oracles."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aura import config, encoders
from aura.encoders import Shape, mocap_features, spans
from aura.errors import AuraError
from aura.schema import JOINTS

J = len(JOINTS)
HZ = 10.0


def poses(seed=0, frames=50, batch=3):
    """Smooth movement of all joints about a standing body, m."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames) / HZ
    x = np.zeros((batch, frames, J, 3), np.float32)
    stand = rng.normal(scale=0.3, size=(J, 3))
    for name, height in (("hip", 0.0), ("shoulder", 0.5)):
        for side, y in (("left", 0.2), ("right", -0.2)):
            stand[JOINTS.index(f"{side}-{name}")] = 0, y, height
    for b in range(batch):
        hz = rng.uniform(0.3, 2, (J, 3))
        x[b] = stand + 0.1 * np.sin(2 * np.pi * hz * t[:, None, None] + rng.uniform(0, 6, (J, 3)))
    return torch.from_numpy(x), torch.ones(batch, frames, J, dtype=torch.bool)


def encoder(frames=50, **options):
    torch.manual_seed(0)
    settings = config.Encoder(name="mocap-features", dropout=0.0, options=options)
    return encoders.build("mocap", settings, Shape(1000, frames, 16)).eval()


@pytest.mark.parametrize("options", [{}, {"layers": 0, "course": 0}])
def test_what_is_not_valid_has_no_influence(options):
    model = encoder(**options)
    x, valid = poses()
    model.fit(x, valid, torch.ones(3, 6, dtype=torch.bool))
    valid[0, 30:], valid[1, 10:20, 9], valid[2] = False, False, False
    valid[0, :, JOINTS.index("nose")] = False
    found = model(x, valid)
    other = x.clone()
    other[~valid] = torch.nan
    torch.testing.assert_close(model(other, valid), found)
    assert found.isfinite().all()
    one = torch.cat([model(x[i : i + 1], valid[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(one, found)


def test_a_missing_joint_is_not_known_and_does_not_move_the_others():
    model = encoder()
    x, valid = poses()
    whole, _ = model.describe(x, valid)
    valid[:, :, JOINTS.index("left-wrist")] = False
    found, known = model.describe(x, valid)
    assert 0 < (~known).float().mean() < 0.1
    torch.testing.assert_close(found[known], whole[known])


def test_size_of_the_body_does_not_matter_and_its_movement_does():
    model = encoder()
    x, valid = poses()
    found, _ = model.describe(x, valid)
    torch.testing.assert_close(model.describe(x * 1.2, valid)[0], found, atol=2e-3, rtol=1e-3)
    assert (model.describe(poses(1)[0], valid)[0] - found).abs().max() > 0.3


def test_vectors_by_numpy():
    x, valid = poses(2)
    found, known = mocap_features.vectors(x, valid)
    assert known.all()
    at = {name: x[..., JOINTS.index(name), :].numpy() for name in JOINTS}
    hips = (at["left-hip"] + at["right-hip"]) / 2
    shoulders = (at["left-shoulder"] + at["right-shoulder"]) / 2
    trunk = np.linalg.norm(shoulders - hips, axis=-1).mean(1)[:, None, None]
    expected = (at["right-wrist"] - at["right-shoulder"]) / trunk
    np.testing.assert_allclose(found[..., :3].numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(found[..., -3:].numpy(), hips / trunk, atol=1e-5)


def test_a_short_take_has_the_course_of_the_same_movement_done_slowly():
    t = torch.linspace(0, 1, 50)[None, :, None]
    x = torch.cat([torch.sin(6 * t), t.square()], -1)
    valid = torch.ones(1, 50, dtype=torch.bool)
    fast, short = torch.zeros_like(x), valid.clone()
    fast[:, :25] = torch.cat([torch.sin(6 * t[:, ::2] * 49 / 48), (t[:, ::2] * 49 / 48) ** 2], -1)
    short[:, 25:] = False
    slow_course, fast_course = spans.course(x, valid, 9), spans.course(fast, short, 9)
    torch.testing.assert_close(fast_course, slow_course, atol=0.02, rtol=0)


@given(st.lists(st.booleans(), min_size=11, max_size=11), st.integers(2, 6), st.integers(0, 99))
def test_the_course_is_linear_between_what_was_measured(valid, points, seed):
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 11, 2)))
    found = spans.course(x.masked_fill(~torch.tensor([valid])[..., None], np.nan),
                         torch.tensor([valid]), points)[0]  # fmt: skip
    if not any(valid):
        assert (found == 0).all()
        return
    first, last = valid.index(True), 10 - valid[::-1].index(True)
    held = x[0].numpy().copy()
    for i in range(first, last + 1):
        if not valid[i]:
            held[i] = held[i - 1]
    at = np.linspace(first, last, points)
    for c in range(2):
        expected = np.interp(at, np.arange(11), held[:, c])
        np.testing.assert_allclose(found[:, c].numpy(), expected, atol=1e-5)


def test_a_window_that_is_too_short_is_one_sentence():
    with pytest.raises(AuraError, match="9 mocap frames is too short"):
        encoder(frames=9)
