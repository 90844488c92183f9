"""What of a window reaches an encoder: patches, channels, the GRU's sequence, joints."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from aura.encoders.imu_transformer import ConvStem, LinearStem
from tests.encoders.test_encoders import FILES, TINY, inputs, make


def inputs_of(module):
    """Inputs of a module, a tuple a call, as they come."""
    calls = []
    module.register_forward_pre_hook(lambda _, args: calls.append(args))
    return calls


@pytest.mark.parametrize("stem", ["linear", "conv"])
def test_the_papers_arithmetic_gives_99_patches_and_half_valid_is_kept(stem):
    encoder = make("imu-transformer", TINY | {"stem": stem})
    calls = inputs_of(encoder.trunk)
    imu, valid = torch.randn(2, 1000, 6), torch.ones(2, 1000, dtype=torch.bool)
    valid[1, 205:320] = False
    encoder(imu, valid)
    tokens, mask = calls[0]
    assert tokens.shape == (2, 99, 32)
    for patch in range(99):
        inside = valid[:, patch * 10 : patch * 10 + 20].sum(dim=1)
        assert torch.equal(mask[:, patch], inside >= 10)
    assert (~mask).sum() > 5


def test_patches_equal_cutting_by_hand_and_are_no_copy():
    stem, imu = LinearStem(20, 10, 32), torch.randn(2, 1000, 6)
    patches = stem.patches(imu)
    assert patches.data_ptr() == imu.data_ptr()
    for patch in range(99):
        cut = imu[:, patch * 10 : patch * 10 + 20].reshape(2, 120)
        assert torch.equal(patches[:, patch], cut)
    torch.testing.assert_close(stem(imu), nn.functional.linear(patches, stem.weight, stem.bias))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 90), st.data())
def test_a_token_of_the_conv_stem_sees_the_samples_of_its_patch(stride, overlap, rest, data):
    patch = stride + overlap
    samples = patch + rest
    stem = ConvStem(patch, stride, 8).double()
    for i in (1, 4):  # group norm looks at the whole window
        stem[i] = nn.Identity()
    imu = torch.randn(1, samples, 6, dtype=torch.float64)
    base, moved = stem(imu), imu.clone()
    sample = data.draw(st.integers(0, samples - 1))
    moved[0, sample] += 1
    assert base.shape[1] == (samples - patch) // stride + 1
    sees = (stem(moved) != base).any(dim=2)[0]
    begins = torch.arange(base.shape[1]) * stride
    assert torch.equal(sees, (begins <= sample) & (sample < begins + patch))


@pytest.mark.parametrize("name", [n for n in FILES if FILES[n].modality == "imu"])
def test_a_missing_channel_is_hidden_and_what_it_read_does_not_matter(name):
    encoder = make(name, {})
    encoder.scale.copy_(torch.stack([torch.full((6,), 4.0), torch.full((6,), 2.0)]))
    imu, valid = inputs(encoder)
    channels = torch.ones(2, 6, dtype=torch.bool)
    base = encoder(imu, valid)
    torch.testing.assert_close(encoder(imu, valid, channels), base)
    channels[1, 3:] = False
    other = imu.clone()
    other[1, :, 3:] = torch.nan
    out = encoder(imu, valid, channels)
    torch.testing.assert_close(encoder(other, valid, channels), out)
    torch.testing.assert_close(out[0], base[0])
    assert not torch.allclose(out[1], base[1], atol=1e-4)


def test_a_missing_channel_is_told_from_one_that_reads_its_mean():
    encoder = make("imu-transformer", TINY)
    imu, valid = torch.zeros(1, 1000, 6), torch.ones(1, 1000, dtype=torch.bool)
    outs = []
    for channel in range(6):
        channels = torch.ones(1, 6, dtype=torch.bool)
        channels[0, channel] = False
        outs.append(encoder(imu, valid, channels)[0])
    outs = torch.stack([encoder(imu, valid)[0], *outs])
    assert torch.pdist(outs).min() > 1e-3


def test_channels_are_scaled_by_the_training_windows():
    encoder = make("imu-transformer", TINY)
    imu, valid = inputs(encoder)
    base = encoder(imu, valid)
    mean, deviation = torch.randn(6), torch.rand(6) + 0.5
    encoder.scale.copy_(torch.stack([mean, deviation]))
    torch.testing.assert_close(encoder(imu * deviation + mean, valid), base, atol=1e-4, rtol=1e-3)


def test_the_gru_runs_over_time_or_over_channels():
    for recurs, steps, width in (("time", 32, 16), ("channels", 16, 32)):
        encoder = make("imu2clip", {"recurs": recurs})
        calls = inputs_of(encoder.gru)
        imu, valid = inputs(encoder)
        base = encoder.features(imu, valid)
        x = calls[0][0]
        assert x.shape == (2, steps, width)
        convolved = encoder.convolve(imu.transpose(1, 2))
        torch.testing.assert_close(x, convolved.transpose(1, 2) if recurs == "time" else convolved)
        torch.testing.assert_close(encoder.gru(x)[0][:, -1], base)  # the last step's output
        assert not torch.allclose(encoder.gru(x.flip(1))[0][:, -1], base, atol=1e-3)
        assert not torch.allclose(encoder.features(imu.flip(1), valid), base, atol=1e-3)


def test_accelerometer_and_gyroscope_are_normalised_apart():
    """Gain of one sensor is taken away, and leaves the other as it was."""
    encoder = make("imu2clip", {})
    imu, valid = inputs(encoder)
    louder = imu * torch.tensor([9.0] * 3 + [1.0] * 3)
    torch.testing.assert_close(encoder(louder, valid), encoder(imu, valid), atol=1e-3, rtol=1e-3)
    one_axis = imu * torch.tensor([9.0] + [1.0] * 5)
    assert not torch.allclose(encoder(one_axis, valid), encoder(imu, valid), atol=1e-2)


# Mocap


@pytest.mark.parametrize("velocity", [True, False])
def test_the_values_of_a_joint_equal_the_plain_loop(velocity):
    encoder = make("mocap-transformer", TINY | {"velocity": velocity})
    pose, valid = inputs(encoder)
    values = encoder.values(pose, valid)
    expected = torch.zeros(2, 50, 17, 7 if velocity else 4)
    for b, f, j in valid.nonzero().tolist():
        expected[b, f, j, :3], expected[b, f, j, 3] = pose[b, f, j], 1
        if velocity and f and valid[b, f - 1, j]:
            expected[b, f, j, 4:] = (pose[b, f, j] - pose[b, f - 1, j]) / 0.1  # m/s at 10 FPS
    torch.testing.assert_close(values, expected)


def test_a_frame_is_a_token_of_all_its_joints():
    encoder = make("mocap-transformer", TINY)
    calls = inputs_of(encoder.trunk)
    pose, valid = inputs(encoder)
    valid[0, 7] = False
    encoder(pose, valid)
    tokens, mask = calls[0]
    values = encoder.values(pose, valid)
    torch.testing.assert_close(tokens[1, 9], encoder.embed(values[1, 9].flatten()))
    assert not mask[0, 7]
    assert mask.sum() == 99
    assert torch.equal(encoder.trunk.positions, torch.arange(50))


def test_a_span_of_frames_is_a_token_of_all_their_joints():
    encoder = make("mocap-transformer", TINY | {"frames_per_token": 8})
    calls = inputs_of(encoder.trunk)
    pose, valid = inputs(encoder)
    valid[0, 8:16] = False
    encoder(pose, valid)
    tokens, mask = calls[0]
    values = nn.functional.pad(encoder.values(pose, valid), (0, 0, 0, 0, 0, 6))
    for span in range(7):
        cut = values[:, span * 8 : span * 8 + 8]
        torch.testing.assert_close(tokens[:, span], encoder.embed(cut.flatten(1)))
        assert torch.equal(mask[:, span], cut[..., 3].flatten(1).any(dim=1))
    assert mask.sum() == 13


def test_a_joint_and_span_is_a_token_with_both_embeddings():
    options = TINY | {"tokens": "joints", "frames_per_token": 8}  # the last span has 2 frames
    encoder = make("mocap-transformer", options)
    calls = inputs_of(encoder.trunk)
    pose, valid = inputs(encoder)
    valid[0, 16:24, 3] = False
    encoder(pose, valid)
    tokens, mask = calls[0]
    assert tokens.shape == (2, 7 * 17, 32)
    values = nn.functional.pad(encoder.values(pose, valid), (0, 0, 0, 0, 0, 6))
    for span in range(7):
        for joint in range(17):
            cut = values[:, span * 8 : span * 8 + 8, joint]
            expected = encoder.embed(cut.flatten(1)) + encoder.joint[joint]
            torch.testing.assert_close(tokens[:, span * 17 + joint], expected)
            assert torch.equal(mask[:, span * 17 + joint], cut[..., 3].any(dim=1))
            assert encoder.trunk.positions[span * 17 + joint] == span
    assert not mask[0, 2 * 17 + 3]


@pytest.mark.parametrize("tokens", ["frames", "joints"])
def test_each_axis_and_the_mask_of_mocap_reach_the_encoder(tokens):
    encoder = make("mocap-transformer", TINY | {"tokens": tokens, "velocity": False})
    pose, _ = inputs(encoder)
    valid = torch.ones(2, 50, 17, dtype=torch.bool)
    base = encoder(pose, valid)
    for axis in range(3):
        moved = pose.clone()
        moved[..., axis] += 1
        assert not torch.allclose(encoder(moved, valid), base, atol=1e-4)
    at_origin, hidden = torch.zeros_like(pose), valid.clone()
    hidden[:, ::2, 3] = False
    assert not torch.allclose(encoder(at_origin, valid), encoder(at_origin, hidden), atol=1e-5)
