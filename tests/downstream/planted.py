"""Windows with planted classes, and encoders small enough to learn them in a test."""

import numpy as np
import torch

from aura import config, encoders
from aura.learning.batches import Windows

CLASSES = 3
SAMPLES, FRAMES = 200, 10
SHAPE = encoders.Shape(SAMPLES, FRAMES, 8)
TINY = {"width": 32, "layers": 1, "heads": 2}


def windows_of_classes(n=120, seed=0):
    """Windows whose class is the rate of a gyroscope's swing, and the height of the arms."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % CLASSES
    t = np.arange(SAMPLES) / config.IMU_RATE_HZ
    imu = rng.normal(0, 0.3, (n, SAMPLES, 6)).astype(np.float32)
    phase = rng.random((n, 1)) * 2 * np.pi
    imu[:, :, 4] += np.sin(2 * np.pi * np.array([3, 7, 15])[label][:, None] * t + phase)
    mocap = rng.normal(0, 0.05, (n, FRAMES, 17, 3)).astype(np.float32)
    mocap[:, :, 7:11, 2] += (label[:, None, None] - 1) / 2
    none = torch.zeros(n, dtype=torch.bool)
    windows = Windows(
        ids=[str(i) for i in range(n)],
        take=np.array([f"take {i // 2}" for i in range(n)]),
        participant=np.array([f"person {i % 5}" for i in range(n)]),
        capture=np.array(["capture"] * n),
        split=np.array(["train"] * n),
        label=label.astype(object),
        action=np.full(n, None),
        place=np.full(n, None),
        moment=np.array([f"take {i // 2}" for i in range(n)]),
        imu=torch.from_numpy(imu.reshape(-1, 6)),
        imu_valid=torch.ones(n * SAMPLES, dtype=torch.bool),
        samples=torch.arange(n) * SAMPLES,
        mocap=torch.from_numpy(mocap),
        mocap_valid=torch.ones(n, FRAMES, 17, dtype=torch.bool),
        video=torch.zeros(n, 8),
        text=torch.zeros(1, 8),
        texts=[[] for _ in range(n)],
        has={"imu": ~none, "mocap": ~none, "video": none, "text": none},
        window_samples=SAMPLES,
        start_s=torch.zeros(n, dtype=torch.float64),
    )
    return windows, label, np.arange(n)[: n * 2 // 3], np.arange(n)[n * 2 // 3 :]


def encoder(modality="imu", seed=0, dropout=0.1, name=None, **options):
    """A small encoder; every seed has weights of its own."""
    torch.manual_seed(seed)
    name = name or f"{modality}-transformer"
    options = {**(TINY if "transformer" in name else {}), **options}
    if name == "imu-transformer":
        options = {"patch": 20, "stride": 20, **options}
    settings = config.Encoder(name=name, dropout=dropout, options=options)
    return encoders.build(modality, settings, SHAPE)


def weights_of(module):
    """A copy of a module's weights and buffers, by name."""
    return {k: v.clone() for k, v in module.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
