"""Windows of noise, to train on where no data set is at hand."""

import numpy as np
import torch

from aura.learning.batches import Windows
from aura.schema import MODALITIES

DIM = 512  # width of ViT-B-32, the teacher that the benchmarks take


def random_windows(count: int, dim: int, samples: int = 1000, frames: int = 50) -> Windows:
    """Windows of noise, each of a take of its own with a caption of its own, all to train on."""
    generator = torch.Generator().manual_seed(0)

    def vectors() -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(count, dim, generator=generator), dim=1)

    names = np.array([f"{number:06d}" for number in range(count)])
    return Windows(
        ids=names.tolist(),
        take=names,
        participant=names,
        capture=names,
        split=np.full(count, "train"),
        label=np.full(count, None),
        action=np.full(count, None),
        place=np.full(count, None),
        moment=names,
        imu=torch.randn(count * samples, 6, generator=generator),
        imu_valid=torch.ones(count * samples, dtype=torch.bool),
        samples=torch.arange(count) * samples,
        mocap=torch.randn(count, frames, 17, 3, generator=generator),
        mocap_valid=torch.ones(count, frames, 17, dtype=torch.bool),
        video=vectors(),
        text=vectors(),
        texts=[[number] for number in range(count)],
        has={name: torch.ones(count, dtype=torch.bool) for name in MODALITIES},
        window_samples=samples,
        start_s=torch.zeros(count, dtype=torch.float64),
    )
