import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.config import Augment
from aura.learning import augment as transforms
from aura.learning import timewarp
from aura.learning.augment import augment
from aura.learning.batches import Batch

B, T, F, J = 64, 1000, 50, 17
SCALE = torch.tensor([[0.0] * 6, [1.0, 2.0, 3.0, 0.1, 0.2, 0.3]])
ALL = {
    "rotation_deg": 180.0, "scale": 0.1, "jitter": 0.1, "shift_s": 0.5, "desync_s": 0.05,
    "warp": 0.3, "drop_sensor": 0.3, "time_mask": 0.3, "yaw_deg": 40.0, "drop_joints": 0.2,
}  # fmt: skip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(seed=0, **others):
    """Random signals, zero where they are not valid."""
    g = seeded(seed)
    imu_valid, mocap_valid = (
        torch.rand(B, T, generator=g) > 0.05,
        torch.rand(B, F, J, generator=g) > 0.1,
    )
    values = {
        "imu": torch.randn(B, T, 6, generator=g) * imu_valid[..., None],
        "imu_valid": imu_valid,
        "imu_channels": torch.ones(B, 6, dtype=torch.bool),
        "mocap": torch.randn(B, F, J, 3, generator=g) * mocap_valid[..., None],
        "mocap_valid": mocap_valid,
        "video": torch.zeros(B, 4),
        "text": torch.zeros(B, 4),
        "has": {},
        "take": torch.arange(B),
        "start_s": torch.zeros(B, dtype=torch.float64),
        "text_id": torch.arange(B),
    }
    return Batch(**values | others)


def clocks():
    """A batch in which accelerometer x and each joint's x tell the time in s, all of it valid."""
    imu, mocap = torch.zeros(B, T, 6), torch.zeros(B, F, J, 3)
    imu[..., 0], mocap[..., 0] = torch.arange(T) / 200, torch.arange(F)[:, None] / 10
    return batch(
        imu=imu, imu_valid=torch.ones(B, T, dtype=torch.bool),
        mocap=mocap, mocap_valid=torch.ones(B, F, J, dtype=torch.bool),
    )  # fmt: skip


def run(params, inputs, seed=0):
    return augment(inputs, Augment(**params), SCALE, seeded(seed))


def same(one, other, *names):
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def angles_deg(turns):
    cos = (turns.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    return torch.rad2deg(torch.acos(cos.clamp(-1, 1)))


def test_off_gives_the_very_same_tensors():
    inputs = batch()
    out = run({}, inputs)
    assert all(value is getattr(out, name) for name, value in vars(inputs).items())


@pytest.mark.parametrize("name", ALL)
def test_each_alone_changes_only_its_own_signals(name):
    inputs = batch()
    out = run({name: ALL[name]}, inputs)
    imu, mocap = ("imu", "imu_valid", "imu_channels"), ("mocap", "mocap_valid")
    only_imu = name in ("rotation_deg", "jitter", "desync_s", "drop_sensor")
    only_mocap = name in ("yaw_deg", "drop_joints")
    assert same(inputs, out, *imu) == only_mocap
    assert same(inputs, out, *mocap) == only_imu
    for untouched in (imu if only_mocap else mocap if only_imu else ()) + ("video", "text"):
        assert getattr(out, untouched) is getattr(inputs, untouched)


def test_all_together_leave_the_input_alone_and_zeros_where_nothing_is_valid():
    inputs = batch()
    before = copy.deepcopy(inputs)
    out = run(ALL, inputs)
    assert same(inputs, before, "imu", "imu_valid", "imu_channels", "mocap", "mocap_valid")
    hidden = ~(out.imu_valid[..., None] & out.imu_channels[:, None])
    assert (out.imu[hidden] == 0).all()
    assert (out.mocap[~out.mocap_valid] == 0).all()
    assert (out.imu[~hidden] != 0).all()


def test_the_seed_alone_decides():
    one, again, other = (run(ALL, batch(), seed) for seed in (0, 0, 1))
    names = ("imu", "imu_valid", "imu_channels", "mocap", "mocap_valid")
    assert same(one, again, *names)
    assert not any(same(one, other, name) for name in names)


@pytest.mark.parametrize("name", ALL)
def test_one_does_not_change_the_random_numbers_of_another(name):
    """Beside one on the other signal, which comes before or after it in the order of drawing."""
    mine, beside = ("mocap", "jitter") if name in ("yaw_deg", "drop_joints") else ("imu", "yaw_deg")
    alone = run({name: ALL[name]}, batch())
    both = run({name: ALL[name], beside: ALL[beside]}, batch())
    assert same(alone, both, mine, f"{mine}_valid")
    generators = seeded(), seeded()
    augment(batch(), Augment(), SCALE, generators[0])
    augment(batch(), Augment(**ALL), SCALE, generators[1])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_two_augmentations_do_not_share_their_random_numbers():
    out = run({"shift_s": 0.5, "desync_s": 0.5}, clocks())
    shift, both = out.mocap[:, F // 2, 0, 0] - 2.5, out.imu[:, T // 2, 0] - 2.5
    assert abs(float(torch.corrcoef(torch.stack([shift, both - shift]))[0, 1])) < 0.4


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
            want = np.interp(t, np.arange(length), line) if ok else 0
            assert float(out[b, m][rest]) == pytest.approx(want, abs=1e-5)


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
    out = run({"warp": 0.5}, clocks())
    assert out.imu_valid.all()
    assert out.mocap_valid[:, :-1].all()  # what follows the last frame is not known


@pytest.mark.parametrize("name", ["warp", "shift_s"])
def test_imu_and_mocap_stay_synchronous(name):
    """At the moment of a frame both tell the same time, and it is not the old one."""
    out = run({"warp": 0.3, "shift_s": 0.5} | {name: 0}, clocks())
    both = out.imu_valid[:, ::20] & out.mocap_valid.all(2)
    told, pose = out.imu[:, ::20, 0][both], out.mocap[..., 0].mean(2)[both]
    torch.testing.assert_close(told, pose, atol=2e-4, rtol=0)
    assert both.float().mean() > 0.8
    moved = (out.mocap[..., 0, 0] - torch.arange(F) / 10)[out.mocap_valid[..., 0]].abs()
    assert moved.max() > 0.1


def test_a_shift_is_within_its_bounds_and_either_way():
    out = run({"shift_s": 0.5}, clocks())
    shift = out.imu[:, T // 2, 0] - T / 400
    assert -0.5 <= shift.min() < -0.4 < 0.4 < shift.max() <= 0.5


def test_desync_moves_the_imu_alone_by_at_most_itself():
    inputs = clocks()
    out = run({"desync_s": 0.05}, inputs)
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
    out = run({"warp": 0.5}, inputs)
    rate = out.imu[..., 4].double()
    angle = torch.cumulative_trapezoid(rate, dx=1 / 200, dim=1)
    source = out.imu[..., 0].double()
    expected = (torch.sin(3 * source) / 3).diff(dim=1)
    ok = (out.imu_valid[:, 1:] & out.imu_valid[:, :-1]).double()
    steps = angle.diff(dim=1, prepend=torch.zeros(B, 1).double())
    turned, wanted = (steps * ok).cumsum(1), (expected * ok).cumsum(1)
    torch.testing.assert_close(turned, wanted, atol=2e-3, rtol=0)
    still = run({"warp": 0.5}, clocks()).imu_valid
    torch.testing.assert_close(out.imu[..., 1][still], torch.full((int(still.sum()),), 9.81))


@pytest.mark.parametrize("most", [5.0, 60.0, 179.0, 180.0])
def test_rotations_are_proper_and_within_their_cone(most):
    turns = transforms.rotations(4000, most, torch.zeros(1), seeded())
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
    turns = transforms.rotations(4000, 180, torch.zeros(1), seeded())
    assert turns.mean(0).abs().max() < 0.05
    below = float((angles_deg(turns) < 90).float().mean())
    assert below == pytest.approx(0.5 - 1 / math.pi, abs=0.03)


def test_another_mounting_keeps_all_lengths_and_angles_of_both_sensors():
    inputs = batch()
    out = run({"rotation_deg": 180.0}, inputs)
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
    out = run({"yaw_deg": 40.0}, inputs)
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
    out = run({"scale": 0.1}, inputs)
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
    out = run({"jitter": 0.1}, inputs)
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
    out = run({"time_mask": 0.4}, inputs)
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
    always = run({"drop_sensor": 1.0}, batch())
    assert (always.imu_channels.sum(1) == 3).all()


def test_joints_are_dropped_for_the_whole_window_at_the_asked_rate():
    valid = torch.ones(2000, 5, J, dtype=torch.bool)
    out = transforms.drop_joints(valid, 0.2, seeded())
    assert (out == out[:, :1]).all()
    assert float((~out).float().mean()) == pytest.approx(0.2, abs=0.01)
