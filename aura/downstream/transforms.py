"""Changes of a batch for classifiers: mixup in training, and shifts in time for a prediction."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.learning.batches import Batch
from aura.learning.timewarp import resample


def mixup(
    batch: Batch, target_BC: Tensor, weight_B: Tensor, partner_B: Tensor
) -> tuple[Batch, Tensor]:
    """Mix each window with another one of the batch (Zhang et al., 1710.09412).

    Signals and targets become the weighted mean of a window and its partner. What either of them
    has is valid; signals count as zero where they are not.

    Parameters
    ----------
    batch : Batch
        B windows.
    target_BC : (B, classes) float32
        Probability of each class.
    weight_B : (B,) float32
        Weight of each window in [0, 1]; the partner's is the rest.
    partner_B : (B,) int64
        Rows of the windows to mix with.

    Returns
    -------
    tuple[Batch, Tensor]
        Mixed windows, and their targets (B, classes).
    """

    def mix(x: Tensor) -> Tensor:
        weight = weight_B.view(-1, *[1] * (x.ndim - 1))
        return weight * x + (1 - weight) * x[partner_B]

    has = {m: batch.has[m] | batch.has[m][partner_B] for m in ("imu", "mocap")}
    imu_valid = batch.imu_valid & batch.has["imu"][:, None]
    mocap_valid = batch.mocap_valid & batch.has["mocap"][:, None, None]
    channels = batch.imu_channels & batch.has["imu"][:, None]
    no_imu = ~(imu_valid[..., None] & channels[:, None])
    mixed = replace(
        batch,
        imu=mix(batch.imu.masked_fill(no_imu, 0)),
        imu_valid=imu_valid | imu_valid[partner_B],
        imu_channels=channels | channels[partner_B],
        mocap=mix(batch.mocap.masked_fill(~mocap_valid[..., None], 0)),
        mocap_valid=mocap_valid | mocap_valid[partner_B],
        has={**batch.has, **has},
    )
    return mixed, mix(target_BC)


def view_shifts(views: int, limit_s: float) -> list[float]:
    """Shifts in s, evenly spread over -limit to limit; [0] for one view or no limit."""
    return np.linspace(-limit_s, limit_s, views).tolist() if views > 1 and limit_s > 0 else [0.0]


def shift(batch: Batch, seconds: float) -> Batch:
    """Move IMU and mocap later in their window, interpolated; zero and invalid where nothing is."""
    if not seconds:
        return batch

    def shifted(x: Tensor, valid: Tensor, rate_hz: int) -> tuple[Tensor, Tensor]:
        index_N = torch.arange(x.shape[1], device=x.device) - seconds * rate_hz
        return resample(x, valid, index_N.expand(len(x), -1))

    imu, imu_valid = shifted(batch.imu, batch.imu_valid, IMU_RATE_HZ)
    mocap, mocap_valid = shifted(batch.mocap, batch.mocap_valid, MOCAP_RATE_HZ)
    return replace(batch, imu=imu, imu_valid=imu_valid, mocap=mocap, mocap_valid=mocap_valid)
