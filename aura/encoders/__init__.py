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

    Parameters
    ----------
    modality : "imu" or "mocap"
        What it has to encode.
    settings : config.Encoder
        Name, size, dropout and options.
    shape : Shape
        Sizes that the data gives.

    Returns
    -------
    SensorEncoder
        With random weights.

    Raises
    ------
    AuraError
        There is no such encoder, it is for another modality, or its options are wrong.
    """
    name, encoder_class = settings.name, plugins.find("encoder", settings.name).load()
    if not (isinstance(encoder_class, type) and issubclass(encoder_class, SensorEncoder)):
        raise AuraError(f"The encoder '{name}' is not a SensorEncoder.")
    if encoder_class.modality != modality:
        raise AuraError(f"The encoder {name} is for {encoder_class.modality}, not for {modality}.")
    encoder: SensorEncoder = encoder_class(settings, shape)  # type: ignore[arg-type]
    return encoder


def modules(settings: config.Train) -> list[str]:
    """Dotted names of the modules of the encoders that a training uses, for a hash of its code."""
    encoders = settings.imu_encoder, settings.mocap_encoder
    return [plugins.find("encoder", encoder.name).module for encoder in encoders]


def cost(encoder: SensorEncoder, batch: int = 1) -> tuple[int, int]:
    """Count parameters, and floating-point operations per window of a forward pass.

    A multiplication and an addition are two operations. Matrix products and convolutions count,
    those inside attention and recurrences too; norms, activations and sums do not.

    Parameters
    ----------
    encoder : SensorEncoder
        Left as it is.
    batch : int
        Windows in the forward pass.

    Returns
    -------
    parameters : int
        Numbers that are trained.
    flops : int
        Operations per window.
    """
    shape, channels = encoder.shape, len(IMU_CHANNELS)
    if encoder.modality == "imu":
        signal = torch.zeros(batch, shape.samples, channels)
    else:
        signal = torch.zeros(batch, shape.frames, len(JOINTS), 3)
    inputs = signal, torch.ones(signal.shape[:-1], dtype=torch.bool)
    measured = copy.deepcopy(encoder).cpu().eval()
    # The counter does not know the fused attention of CPUs; plain attention is matrix products.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        measured(*inputs, torch.ones(batch, channels, dtype=torch.bool))
    parameters = sum(p.numel() for p in encoder.parameters())
    return parameters, counter.get_total_flops() // batch
