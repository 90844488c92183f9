import copy
import math

import numpy as np
import pytest
import torch
from scipy import fft

from aura.config import Augment
from aura.learning import augment as transforms
from aura.learning import lowpass, rotation
from aura.learning.augment import augment
from tests.learning.signals import SCALE, B, F, J, T, augmented, batch, clocks, same, seeded

ALL = {
    "rotation_deg": 180.0, "scale": 0.1, "jitter": 0.1, "shift_s": 0.5, "desync_s": 0.05,
    "warp": 0.3, "drop_sensor": 0.3, "time_mask": 0.3, "yaw_deg": 40.0, "drop_joints": 0.2,
    "bandwidth_hz": 8.0, "crop": 0.6, "drop_gyro": 0.3, "turn_deg": 180.0,
}  # fmt: skip


def angles_deg(turns):
    cos = (turns.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    return torch.rad2deg(torch.acos(cos.clamp(-1, 1)))


def test_off_gives_the_very_same_tensors():
    inputs = batch()
    out = augmented({}, inputs)
    assert all(value is getattr(out, name) for name, value in vars(inputs).items())


@pytest.mark.parametrize("name", ALL)
def test_each_alone_changes_only_its_own_signals(name):
    inputs = batch()
    out = augmented({name: ALL[name]}, inputs)
    imu, mocap = ("imu", "imu_valid", "imu_channels"), ("mocap", "mocap_valid")
    only_imu = name in (
        "rotation_deg", "jitter", "desync_s", "drop_sensor", "bandwidth_hz", "drop_gyro", "turn_deg"
    )  # fmt: skip
    only_mocap = name in ("yaw_deg", "drop_joints")
    assert same(inputs, out, *imu) == only_mocap
    assert same(inputs, out, *mocap) == only_imu
    for untouched in (imu if only_mocap else mocap if only_imu else ()) + ("video", "text"):
        assert getattr(out, untouched) is getattr(inputs, untouched)


def test_all_together_leave_the_input_alone_and_zeros_where_nothing_is_valid():
    inputs = batch()
    before = copy.deepcopy(inputs)
    out = augmented(ALL, inputs)
    assert same(inputs, before, "imu", "imu_valid", "imu_channels", "mocap", "mocap_valid")
    hidden = ~(out.imu_valid[..., None] & out.imu_channels[:, None])
    assert (out.imu[hidden] == 0).all()
    assert (out.mocap[~out.mocap_valid] == 0).all()
    assert (out.imu[~hidden] != 0).all()


def test_the_seed_alone_decides():
    one, again, other = (augmented(ALL, batch(), seed) for seed in (0, 0, 1))
    names = ("imu", "imu_valid", "imu_channels", "mocap", "mocap_valid")
    assert same(one, again, *names)
    assert not any(same(one, other, name) for name in names)


@pytest.mark.parametrize("name", ALL)
def test_one_does_not_change_the_random_numbers_of_another(name):
    """Beside one on the other signal, which comes before or after it in the order of drawing."""
    signal, beside = (
        ("mocap", "jitter") if name in ("yaw_deg", "drop_joints") else ("imu", "yaw_deg")
    )
    alone = augmented({name: ALL[name]}, batch())
    both = augmented({name: ALL[name], beside: ALL[beside]}, batch())
    assert same(alone, both, signal, f"{signal}_valid")
    generators = seeded(), seeded()
    augment(batch(), Augment(), SCALE, generators[0])
    augment(batch(), Augment(**ALL), SCALE, generators[1])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_two_augmentations_do_not_share_their_random_numbers():
    out = augmented({"shift_s": 0.5, "desync_s": 0.5}, clocks())
    shift, both = out.mocap[:, F // 2, 0, 0] - 2.5, out.imu[:, T // 2, 0] - 2.5
    assert abs(float(torch.corrcoef(torch.stack([shift, both - shift]))[0, 1])) < 0.4


@pytest.mark.parametrize("most", [5.0, 60.0, 179.0, 180.0])
def test_rotations_are_proper_and_within_their_cone(most):
    turns = rotation.rotations(4000, most, torch.zeros(1), seeded())
    eye = torch.eye(3).expand(4000, 3, 3)
    torch.testing.assert_close(turns @ turns.transpose(1, 2), eye, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(4000))
    assert angles_deg(turns).max() <= most + 0.1
    assert angles_deg(turns).max() > 0.98 * most
    axis = torch.stack([turns[:, i, j] - turns[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], 1)
    axis = torch.nn.functional.normalize(axis, dim=1)
    assert axis.mean(0).abs().max() < 0.05  # standard deviation of the mean: 0.009
    torch.testing.assert_close(axis.T @ axis / 4000, torch.eye(3) / 3, atol=0.05, rtol=0)
    if most < 180:
        assert float(angles_deg(turns).mean()) == pytest.approx(most / 2, rel=0.05)


def test_180_degrees_are_uniform_on_all_rotations():
    """Haar: no mean, and angles of density (1 - cos) / pi, of which 1 / 2 - 1 / pi are below 90."""
    turns = rotation.rotations(4000, 180, torch.zeros(1), seeded())
    assert turns.mean(0).abs().max() < 0.05
    below = float((angles_deg(turns) < 90).float().mean())
    assert below == pytest.approx(0.5 - 1 / math.pi, abs=0.03)


def test_another_mounting_keeps_all_lengths_and_angles_of_both_sensors():
    inputs = batch()
    out = augmented({"rotation_deg": 180.0}, inputs)
    few = slice(None, None, 25)  # products of all samples with all samples, of some of them
    for i, j in ((0, 0), (3, 3), (0, 3)):
        old, new = (
            x.imu[:, few, i : i + 3] @ x.imu[:, few, j : j + 3].transpose(1, 2)
            for x in (inputs, out)
        )
        torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(out.imu, inputs.imu, atol=0.1)


def test_another_heading_turns_about_the_vertical_only():
    inputs = batch()
    out = augmented({"yaw_deg": 40.0}, inputs)
    torch.testing.assert_close(out.mocap[..., 2], inputs.mocap[..., 2])
    old, new = (torch.view_as_complex(x.mocap[..., :2].contiguous()) for x in (inputs, out))
    turn = (new * old.conj()).flatten(1)
    angle = torch.rad2deg(turn.sum(1).angle())
    torch.testing.assert_close(
        new, old * torch.polar(torch.ones(B), turn.sum(1).angle())[:, None, None]
    )
    assert -40 <= angle.min() < -35 < 35 < angle.max() <= 40


def test_gain_and_body_size_keep_directions():
    inputs = batch()
    out = augmented({"scale": 0.1}, inputs)
    parts = {
        "accelerometer": (inputs.imu[..., :3], out.imu[..., :3]),
        "gyroscope": (inputs.imu[..., 3:], out.imu[..., 3:]),
        "body": (inputs.mocap, out.mocap),
    }
    factors = []
    for old, new in parts.values():
        old, new = old.flatten(1), new.flatten(1)
        factor = (old * new).sum(1) / (old * old).sum(1)
        torch.testing.assert_close(new, old * factor[:, None])
        assert 0.9 <= factor.min() < 0.92
        assert 1.08 < factor.max() <= 1.1
        factors.append(factor)
    assert torch.corrcoef(torch.stack(factors)).fill_diagonal_(0).abs().max() < 0.4


def test_jitter_has_the_asked_size_on_each_channel_and_only_where_valid():
    inputs = batch()
    out = augmented({"jitter": 0.1}, inputs)
    noise = (out.imu - inputs.imu)[inputs.imu_valid]
    torch.testing.assert_close(noise.std(0), 0.1 * SCALE[1], rtol=0.03, atol=0)
    assert (noise.mean(0).abs() < 0.01 * SCALE[1]).all()
    assert abs(float((noise[1:] * noise[:-1]).mean() / noise.square().mean())) < 0.02  # white
    alone = transforms.jitter(inputs.imu, inputs.imu_valid, SCALE[1], seeded())
    for changed in (out.imu, alone):
        assert (changed[~inputs.imu_valid] == 0).all()


@pytest.mark.parametrize("shape", [(4000, 100), (4000, 100, 3)])
def test_the_hidden_span_is_one_piece_of_any_length_up_to_its_share(shape):
    hidden = ~transforms.mask_span(torch.ones(shape, dtype=torch.bool), 0.3, seeded()).view(
        4000, 100, -1
    )
    assert (hidden == hidden[..., :1]).all()
    edges = torch.nn.functional.pad(hidden[..., 0].int(), (1, 1)).diff(dim=1)
    assert ((edges == 1).sum(1) <= 1).all()
    lengths = hidden[..., 0].sum(1)
    assert set(lengths.tolist()) == set(range(31))
    assert float(lengths.float().mean()) == pytest.approx(15, abs=0.6)  # none is cut by an edge
    long = hidden[lengths == 30][..., 0].int().argmax(1)
    assert long.min() < 10
    assert long.max() > 60


def test_spans_of_imu_and_mocap_only_remove_and_differ():
    inputs = batch()
    out = augmented({"time_mask": 0.4}, inputs)
    assert (inputs.imu_valid | ~out.imu_valid).all()
    assert (inputs.mocap_valid | ~out.mocap_valid).all()
    torch.testing.assert_close(out.imu, inputs.imu * out.imu_valid[..., None])
    lost = [(~out.imu_valid[:, ::20]).float(), (~out.mocap_valid.any(2)).float()]
    centre = [(x * torch.arange(F)).sum(1) / x.sum(1).clamp(min=1) for x in lost]
    assert abs(float(torch.corrcoef(torch.stack(centre))[0, 1])) < 0.4


def test_one_whole_sensor_is_dropped_and_never_the_last():
    has = torch.tensor(
        [[True] * 6, [True] * 3 + [False] * 3, [False] * 3 + [True] * 3, [False] * 6]
    )
    channels = has.repeat_interleave(2000, dim=0)
    out = transforms.drop_sensor(channels, 0.3, seeded())
    assert torch.equal(out[2000:], channels[2000:])
    acc, gyro = out[:2000, :3], out[:2000, 3:]
    for sensor in (acc, gyro):
        assert (sensor.all(1) | ~sensor.any(1)).all()
        assert float((~sensor[:, 0]).float().mean()) == pytest.approx(0.15, abs=0.03)
    assert (acc[:, 0] | gyro[:, 0]).all()
    always = augmented({"drop_sensor": 1.0}, batch())
    assert (always.imu_channels.sum(1) == 3).all()


def test_joints_are_dropped_for_the_whole_window_at_the_asked_rate():
    valid = torch.ones(2000, 5, J, dtype=torch.bool)
    out = transforms.drop_joints(valid, 0.2, seeded())
    assert (out == out[:, :1]).all()
    assert float((~out).float().mean()) == pytest.approx(0.2, abs=0.01)


def test_a_field_that_is_added_changes_no_number_of_those_before():
    """Oracle: seeds of ten fields, drawn for each batch from the generator that all share."""
    shared, inputs = seeded(), batch()
    seeds = [torch.randint(2**63 - 1, (10,), generator=shared) for _ in range(3)]
    generator = seeded()
    for number in range(3):
        out = augment(inputs, Augment(rotation_deg=180.0, yaw_deg=40.0), SCALE, generator)
        own = [torch.Generator().manual_seed(int(seed)) for seed in seeds[number]]
        imu = rotation.rotate_sensors(inputs.imu, 180.0, own[0])
        assert torch.equal(out.imu, imu.masked_fill(~inputs.imu_valid[..., None], 0))
        mocap = rotation.rotate_body(inputs.mocap, 40.0, own[8])
        assert torch.equal(out.mocap, mocap.masked_fill(~inputs.mocap_valid[..., None], 0))
    assert torch.equal(generator.get_state(), shared.get_state())


def test_low_pass_is_a_butterworth_on_the_cosines_of_each_window():
    """Oracle: SciPy's cosine transform, channel by channel, with gaps filled in a loop."""
    inputs = batch()
    cutoff = torch.linspace(5, 95, B)
    out = lowpass.low_pass(inputs.imu, inputs.imu_valid, cutoff)
    for i in (0, 20, 63):
        filled, last = inputs.imu[i].double().numpy().copy(), None
        valid = inputs.imu_valid[i].tolist()
        for t in range(T):
            last = t if valid[t] else last
            filled[t] = filled[valid.index(True) if last is None else last]
        hz = np.arange(T) * 200 / (2 * T)
        gain = 1 / (1 + (hz / float(cutoff[i])) ** 8)
        expected = fft.idct(fft.dct(filled, axis=0) * gain[:, None], axis=0)
        np.testing.assert_allclose(out[i].numpy(), expected, atol=1e-4)


def test_low_pass_halves_its_cut_off_and_keeps_what_is_slow():
    time = torch.arange(T) / 200
    tones = torch.stack([torch.cos(2 * math.pi * hz * time) for hz in (0, 2, 10, 20, 80, 50)], 1)
    valid = torch.ones(1, T, dtype=torch.bool)
    valid[:, :7] = valid[:, 300:305] = False
    out = lowpass.low_pass(tones[None] * valid[..., None], valid, torch.tensor([10.0]))[0]
    middle = slice(500, 900)
    size = out[middle].square().mean(0).sqrt() / tones[middle].square().mean(0).sqrt()
    assert size[:3].tolist() == pytest.approx([1, 1, 0.5], abs=0.01)
    assert size[3:].max() < 0.01
    torch.testing.assert_close(out[:, 0], torch.ones(T), atol=1e-4, rtol=0)  # no zero leaks in


def test_half_of_the_windows_lose_what_is_above_a_frequency_of_their_own():
    inputs = batch(imu=torch.randn(B, T, 6, generator=seeded()),
                   imu_valid=torch.ones(B, T, dtype=torch.bool))  # fmt: skip
    out = augmented({"bandwidth_hz": 8.0}, inputs)
    changed = (out.imu != inputs.imu).flatten(1).any(1)
    assert 0.3 < float(changed.float().mean()) < 0.7
    power = [torch.fft.rfft(x.imu[changed], dim=1).abs().square().sum(2) for x in (inputs, out)]
    hz = torch.fft.rfftfreq(T, 1 / 200)
    share = power[1][:, hz < 99].cumsum(1)
    edge = hz[(share < 0.98 * share[:, -1:]).sum(1)]  # about the cut-off
    assert 6 < edge.min() < 15
    assert edge.max() > 50
    slow = (hz > 0.5) & (hz < 3)
    torch.testing.assert_close(
        power[1][:, slow].sum(1), power[0][:, slow].sum(1), rtol=0.05, atol=0
    )
    nothing = batch(imu_valid=torch.zeros(B, T, dtype=torch.bool), imu=torch.zeros(B, T, 6))
    assert (augmented({"bandwidth_hz": 8.0}, nothing).imu == 0).all()


def test_crop_keeps_one_piece_of_the_valid_time_of_imu_and_mocap_alike():
    imu_valid = torch.zeros(2000, T, dtype=torch.bool)
    imu_valid[:, 200:700] = True  # a bout of 2.5 s
    imu_valid[:, 400:420] = False
    mocap_valid = imu_valid[:, ::20, None].repeat(1, 1, 3).clone()
    mocap_valid[:, :, 2] = False
    imu, mocap = transforms.crop(imu_valid, mocap_valid, 0.6, seeded())
    assert not (imu & ~imu_valid).any()
    assert not (mocap & ~mocap_valid).any()
    assert torch.equal(mocap[..., 0], imu[:, ::20])  # where a frame is, the sample is
    inside = imu[:, imu_valid[0]]  # without what was not valid before
    edges = torch.nn.functional.pad(inside.int(), (1, 1)).diff(dim=1)
    assert ((edges == 1).sum(1) == 1).all()
    share = inside.float().mean(1)
    assert 0.4 <= share.min() < 0.42
    assert 0.98 < share.max() <= 1
    assert float(share.mean()) == pytest.approx(0.7, abs=0.02)
    first = inside.int().argmax(1)[share < 0.45]
    assert first.min() < 40
    assert first.max() > 220


def test_crop_follows_mocap_where_there_is_no_imu_and_never_takes_all():
    none, some = torch.zeros(B, T, dtype=torch.bool), torch.zeros(B, F, J, dtype=torch.bool)
    some[:, 10:30] = True
    imu, mocap = transforms.crop(none, some, 0.5, seeded())
    assert not imu.any()
    frames = mocap.any(2).sum(1)
    assert frames.min() >= 9  # a frame is of 20 samples, any of which may be the first
    assert frames.max() <= 20
    one = none.clone()
    one[:, 5] = True
    assert transforms.crop(one, torch.zeros_like(some), 0.9, seeded())[0].sum() == B
    assert not transforms.crop(none, torch.zeros_like(some), 0.9, seeded())[0].any()


def test_the_gyroscope_is_dropped_where_an_accelerometer_is_left():
    has = torch.tensor([[True] * 6, [True] * 3 + [False] * 3, [False] * 3 + [True] * 3])
    channels = has.repeat_interleave(2000, dim=0)
    out = transforms.drop_gyro(channels, 0.3, seeded())
    assert torch.equal(out[2000:], channels[2000:])
    assert out[:, :3].equal(channels[:, :3])
    gyro = out[:2000, 3:]
    assert (gyro.all(1) | ~gyro.any(1)).all()
    assert float((~gyro[:, 0]).float().mean()) == pytest.approx(0.3, abs=0.03)


def test_a_turn_about_the_vertical_keeps_the_vertical():
    gravity = torch.nn.functional.normalize(torch.randn(B, 3, generator=seeded()), dim=1) * 9.81
    inputs = batch()
    imu = inputs.imu + torch.cat([gravity, torch.zeros(B, 3)], 1)[:, None]
    inputs = batch(imu=imu * inputs.imu_valid[..., None])
    out = augmented({"turn_deg": 40.0}, inputs)
    mean = [(x.imu * x.imu_valid[..., None]).sum(1)[:, :3] for x in (inputs, out)]
    torch.testing.assert_close(mean[1], mean[0], atol=1e-2, rtol=1e-4)
    axis = torch.nn.functional.normalize(mean[0], dim=1)
    angles = []
    for sensor in (slice(0, 3), slice(3, 6)):
        old, new = (x.imu[..., sensor] for x in (inputs, out))
        torch.testing.assert_close(new.norm(dim=2), old.norm(dim=2), atol=1e-4, rtol=1e-4)
        up = [(x * axis[:, None]).sum(2) for x in (old, new)]
        torch.testing.assert_close(up[1], up[0], atol=1e-4, rtol=1e-4)
        flat = [x - u[..., None] * axis[:, None] for x, u in zip((old, new), up, strict=True)]
        sin = (torch.linalg.cross(*flat, dim=2) * axis[:, None]).sum(2).sum(1)
        angle = torch.rad2deg(torch.atan2(sin, (flat[0] * flat[1]).sum(2).sum(1)))
        assert -40 <= angle.min() < -35 < 35 < angle.max() <= 40
        angles.append(angle)
    torch.testing.assert_close(*angles, atol=0.01, rtol=0)  # both sensors are one device
    no_accelerometer = inputs.imu.clone()
    no_accelerometer[..., :3] = 0
    still = rotation.turn_sensors(no_accelerometer, inputs.imu_valid, 180.0, seeded())
    torch.testing.assert_close(still, no_accelerometer)
