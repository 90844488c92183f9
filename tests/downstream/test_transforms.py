import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from aura import config
from aura.downstream import transforms
from tests.downstream.planted import CLASSES, FRAMES, SAMPLES, windows_of_classes


def test_mixup_equals_mixing_every_window_by_hand():
    windows, label, *_ = windows_of_classes(9)
    rng = np.random.default_rng(0)
    batch = windows.batch(np.arange(9))
    batch = replace(
        batch,
        imu_valid=torch.from_numpy(rng.random((9, SAMPLES)) < 0.7),
        imu_channels=torch.from_numpy(rng.random((9, 6)) < 0.7),
        mocap_valid=torch.from_numpy(rng.random((9, FRAMES, 17)) < 0.7),
        has={**batch.has, "imu": torch.arange(9) % 3 > 0, "mocap": torch.arange(9) % 4 > 0},
    )
    batch.imu[~batch.has["imu"]] = np.nan  # never read
    original = copy.deepcopy(batch)
    weight, partner = rng.beta(0.4, 0.4, 9).astype(np.float32), rng.permutation(9)
    target = torch.eye(CLASSES)[label]
    mixed, mixed_target = transforms.mixup(
        batch, target, torch.from_numpy(weight), torch.from_numpy(partner)
    )
    assert torch.equal(batch.imu.nan_to_num(7), original.imu.nan_to_num(7))

    def parts(i):
        imu_valid = original.imu_valid[i] & original.has["imu"][i]
        channels = original.imu_channels[i] & original.has["imu"][i]
        mocap_valid = original.mocap_valid[i] & original.has["mocap"][i]
        imu = torch.where(imu_valid[:, None] & channels, original.imu[i], 0)
        return imu, imu_valid, channels, original.mocap[i] * mocap_valid[..., None], mocap_valid

    for i, (w, j) in enumerate(zip(weight, partner, strict=True)):
        a, b = parts(i), parts(j)
        assert torch.allclose(mixed.imu[i], w * a[0] + (1 - w) * b[0], atol=1e-6)
        assert torch.equal(mixed.imu_valid[i], a[1] | b[1])
        assert torch.equal(mixed.imu_channels[i], a[2] | b[2])
        assert torch.allclose(mixed.mocap[i], w * a[3] + (1 - w) * b[3], atol=1e-6)
        assert torch.equal(mixed.mocap_valid[i], a[4] | b[4])
        assert mixed.has["imu"][i] == (original.has["imu"][i] | original.has["imu"][j])
        assert mixed.has["mocap"][i] == (original.has["mocap"][i] | original.has["mocap"][j])
        assert torch.allclose(mixed_target[i], w * target[i] + (1 - w) * target[j], atol=1e-6)
    assert torch.allclose(mixed_target.sum(1), torch.ones(9))


def test_shifts_are_even_and_move_both_modalities_by_the_same_time():
    assert transforms.view_shifts(5, 0.2) == pytest.approx([-0.2, -0.1, 0.0, 0.1, 0.2])
    assert transforms.view_shifts(1, 0.2) == [0.0]
    assert transforms.view_shifts(4, 0.0) == [0.0]
    windows, *_ = windows_of_classes(3)
    batch = windows.batch(np.arange(3))
    assert transforms.shift(batch, 0.0) is batch
    for seconds in (0.2, -0.2, 0.04, 0.125, 9.0):
        shifted = transforms.shift(batch, seconds)
        for name, rate in (("imu", config.IMU_RATE_HZ), ("mocap", config.MOCAP_RATE_HZ)):
            x, y = getattr(batch, name), getattr(shifted, name)
            t = np.arange(x.shape[1])
            inside = (t - seconds * rate > -1e-6) & (t - seconds * rate < t[-1] + 1e-6)
            valid = getattr(shifted, f"{name}_valid").numpy()
            assert (valid.reshape(*valid.shape[:2], -1) == inside[:, None]).all()
            flat, result = x.flatten(2).numpy(), y.flatten(2).numpy()
            for window, series in np.ndindex(len(x), flat.shape[2]):
                expected = np.interp(t - seconds * rate, t, flat[window, :, series]) * inside
                assert np.allclose(result[window, :, series], expected, atol=2e-3)
