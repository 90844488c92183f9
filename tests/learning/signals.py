"""Batches of made-up signals, to augment."""

import torch

from aura.config import Augment
from aura.learning.augment import augment
from aura.learning.batches import Batch

B, T, F, J = 64, 1000, 50, 17
SCALE = torch.tensor([[0.0] * 6, [1.0, 2.0, 3.0, 0.1, 0.2, 0.3]])


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
        "moment": torch.arange(B),
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


def augmented(params, inputs, seed=0):
    return augment(inputs, Augment(**params), SCALE, seeded(seed))


def same(one, other, *names):
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)
