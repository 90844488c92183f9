"""How weights change: the optimiser, the schedule of its learning rate, and their average."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def adamw(
    encoders: Sequence[nn.Parameter],
    temperature: Iterable[nn.Parameter],
    learning_rate: float,
    weight_decay: float,
    fused: bool,
) -> torch.optim.AdamW:
    """AdamW, where matrices of the encoders decay, and biases, norms and the temperature do not."""
    groups = [
        {"params": [p for p in encoders if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in encoders if p.ndim <= 1], "weight_decay": 0.0},
        {"params": list(temperature), "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=fused or None)


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Factor on the learning rate: linear from 0 over a share of the steps, then a half cosine."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def warmup_cosine_schedule(optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> LambdaLR:
    """Scheduler of `warmup_cosine`, to be stepped after each of `steps` steps of the optimiser."""
    return LambdaLR(optimizer, lambda step: warmup_cosine(step, steps, warmup))


def averaged_model(model: nn.Module, max_decay: float) -> AveragedModel:
    """Exponential moving average of the weights, as a model in `module`.

    Its decay grows from 2 / 11 to `max_decay`, so that the first weights are soon forgotten.
    """

    def update(
        averaged: tuple[Tensor, ...] | list[Tensor],
        current: tuple[Tensor, ...] | list[Tensor],
        count: Tensor | int,
    ) -> None:
        updates = int(count)
        decay = min(max_decay, (1 + updates) / (10 + updates))
        get_ema_multi_avg_fn(decay)(averaged, current, count)

    average = AveragedModel(model, multi_avg_fn=update)
    average.update_parameters(model)  # the first update copies, and counts as one
    return average
