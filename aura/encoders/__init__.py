"""Encoders of sensor windows into the teacher's space, built by name from `params.yaml`."""

import copy
from typing import Literal, overload

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from aura import config, plugins
from aura.encoders.base import (
    SIZES,
    ImuEncoder,
    Modality,
    SensorEncoder,
    Shape,
    Size,
)
from aura.errors import AuraError
from aura.schema import IMU_CHANNELS, JOINTS

__all__ = [
    "SIZES", "ImuEncoder", "SensorEncoder", "Shape", "Size", "build", "cost", "modules",
]  # fmt: skip


@overload
def build(modality: Literal["imu"], settings: config.Encoder, shape: Shape) -> ImuEncoder: ...
@overload
def build(modality: Literal["mocap"], settings: config.Encoder, shape: Shape) -> SensorEncoder: ...
def build(modality: Modality, settings: config.Encoder, shape: Shape) -> SensorEncoder:
    """Find the encoder by name, a file of this folder or an entry point, and make one.

    Raises
    ------
    AuraError
        There is no such encoder, it is for another modality, or its options are wrong.
    """
    found = plugins.find("encoder", settings.name).load()
    if not (isinstance(found, type) and issubclass(found, SensorEncoder)):
        raise AuraError(f"The encoder '{settings.name}' is not a SensorEncoder.")
    if found.modality != modality:
        raise AuraError(f"The encoder {settings.name} is for {found.modality}, not for {modality}.")
    encoder: SensorEncoder = found(settings, shape)  # type: ignore[arg-type]
    return encoder


def modules(settings: config.Train) -> list[str]:
    """Dotted names of the modules of the encoders that a training uses, for a hash of its code."""
    chosen = settings.imu_encoder, settings.mocap_encoder
    return [plugins.find("encoder", encoder.name).module for encoder in chosen]


def cost(encoder: SensorEncoder, batch: int = 1) -> tuple[int, int]:
    """Parameters, and floating-point operations per window of a forward pass.

    A multiplication and an addition are two operations. Matrix products and convolutions count,
    those inside attention and recurrences too; norms, activations and sums do not.
    """
    shape, channels = encoder.shape, len(IMU_CHANNELS)
    if encoder.modality == "imu":
        signal = torch.zeros(batch, shape.samples, channels)
    else:
        signal = torch.zeros(batch, shape.frames, len(JOINTS), 3)
    inputs = signal, torch.ones(signal.shape[:-1], dtype=torch.bool)
    subject = copy.deepcopy(encoder).cpu().eval()
    # The counter does not know the fused attention of CPUs; plain attention is matrix products.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        subject(*inputs, torch.ones(batch, channels, dtype=torch.bool))
    parameters = sum(p.numel() for p in encoder.parameters())
    return parameters, counter.get_total_flops() // batch
