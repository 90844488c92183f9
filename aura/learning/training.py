"""Contrastive training of the sensor encoders against cached teacher embeddings."""

import ctypes
import json
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aura import config
from aura.encoders import Shape
from aura.errors import AuraError
from aura.learning.augment import augment
from aura.learning.batches import Batch, Windows
from aura.learning.checkpoint import read_state, write_state, write_tensors
from aura.learning.distributed import Group
from aura.learning.model import Model, embed, fit_scale, load, save, validation_mrr
from aura.learning.sampling import (
    Draw,
    deal,
    move,
    on_device,
    part_of,
    stream,
    tensors_of,
    torch_seed,
)

__all__ = [
    "Files", "Model", "Shape", "embed", "fit_scale", "load", "save", "train_phase",
    "validation_mrr", "warmup_cosine",
]  # fmt: skip

FROZEN = ("video", "text")
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1  # of malloc.h
Figures = dict[str, float]


@dataclass(frozen=True)
class Files:
    """Where a phase keeps what it resumes from, and a batch that it could not go on with."""

    checkpoint: Path
    bad_batch: Path


def train_phase(
    model: Model,
    windows: Windows,
    phase: config.Phase,
    params: config.Train,
    seed: int,
    epoch_done: Callable[[Figures], None],
    select: bool = True,
    files: Files | None = None,
    group: Group | None = None,
) -> Figures:
    """Train the encoders that the phase's pairs name; leaves the best epoch's weights in `model`.

    Best is the highest mean validation MRR over the phase's pairs, in both directions. The weights
    that are validated and left are the averaged ones where `params.ema` asks for them.

    Parameters
    ----------
    seed : of sampling, augmentation and dropout; the initial weights are those of `model`.
    epoch_done : called with `epoch`, `loss`, `val_mrr`, `temperature` of each epoch, in order;
        where the phase is resumed, first with those that were done before.
    select : without it nothing is validated, the figures lack `val_mrr`, and the last weights stay.
    files : what the phase resumes from is read and written there; it is left to the caller to
        remove the checkpoint once the model is saved.
    group : the processes that share each batch.

    Returns
    -------
    The figures of the epoch whose weights are left.

    Raises
    ------
    AuraError
        A split has too few windows, none has both modalities of a pair, there is no such device,
        or the loss or its gradient is not finite.
    """
    home = next(model.parameters()).device
    loop = _Loop(model, windows, phase, params, seed, select, group or Group(), files)
    if files and (state := read_state(files.checkpoint)):
        loop.load_state_dict(state)
    for figures in loop.curve:
        epoch_done(figures)
    saved_at = monotonic()
    while not loop.over():
        loop.step()
        at_end = loop.steps % loop.per_epoch == 0
        if at_end:
            loop.end_epoch()
        if files and (at_end or monotonic() - saved_at >= params.checkpoint_s):
            if loop.group.rank == 0:
                write_state(files.checkpoint, loop.state_dict())
            saved_at = monotonic()
        if at_end:
            epoch_done(loop.curve[-1])
    model.load_state_dict(loop.kept)
    model.to(home)
    return loop.best


class _Loop:
    """One phase: all that changes while it runs, a step of it, and the end of an epoch."""

    def __init__(
        self, model: Model, windows: Windows, phase: config.Phase, params: config.Train,
        seed: int, select: bool, group: Group, files: Files | None,
    ) -> None:  # fmt: skip
        self.phase, self.params, self.seed = phase, params, seed
        self.select, self.group, self.files = select, group, files
        self.train, self.val = windows.rows("train"), windows.rows("val")
        for name, rows in (("training", self.train), *([("validation", self.val)] * select)):
            if len(rows) < 2:
                raise AuraError(f"The {name} split has {len(rows)} windows; at least 2 are needed.")
        self.pairs = [pair for pair in phase.pairs if _usable(windows, pair, self.train)]
        if not self.pairs:
            raise AuraError(
                f"No training window has both modalities of any of the pairs {phase.pairs}."
            )
        self.per_epoch = -(-len(self.train) // params.batch)
        if len(self.train) // self.per_epoch < group.world:
            raise AuraError(f"A batch of {params.batch} is too small for {group.world} workers.")
        self.device = _device(params.device)
        if self.device.type == "cpu":
            _keep_freed_memory()
        self.windows = on_device(windows, self.device)
        self.takes = windows.take_code.numpy()[self.train]
        self.model = model.to(self.device)
        self.sensors = sorted({m for pair in self.pairs for m in pair} - set(FROZEN))
        encoders = [w for m in self.sensors for w in getattr(model, m).parameters()]
        groups = [
            {"params": [w for w in encoders if w.ndim > 1], "weight_decay": params.weight_decay},
            {"params": [w for w in encoders if w.ndim <= 1], "weight_decay": 0.0},
            {"params": list(model.loss.parameters()), "weight_decay": 0.0},
        ]
        self.weights = [*encoders, *model.loss.parameters()]
        self.low = params.precision == "bf16" or (
            params.precision == "auto" and self.device.type == "cuda"
        )
        self.optimizer = torch.optim.AdamW(groups, lr=phase.learning_rate, fused=self.low or None)
        self.mean = deepcopy(model) if params.ema else model  # what is validated and kept
        if params.compile:
            for modality in self.sensors:
                getattr(self.model, modality).compile()  # in place: the weights keep their names
        self.steps = 0
        self.losses: list[float] = []  # of the epoch so far
        self.curve: list[Figures] = []
        self._best_weights: dict[str, Tensor] = {}
        self._dealt: tuple[int, list[np.ndarray]] = (-1, [])

    @property
    def best(self) -> Figures:
        """The figures of the best epoch, the first of equals; of the last without validation."""
        return max(self.curve, key=lambda row: row["val_mrr"]) if self.select else self.curve[-1]

    @property
    def kept(self) -> dict[str, Tensor]:
        """The weights that go with `best`."""
        return self._best_weights if self.select else self.mean.state_dict()

    def over(self) -> bool:
        """Whether all epochs are done, or so many without a better one that patience is out."""
        done, patience = len(self.curve), self.params.patience
        if self.select and patience and done and done - 1 - self.best["epoch"] >= patience:
            return True
        return done >= self.phase.epochs

    def step(self) -> None:
        """One batch, forward, backward and a step of the optimizer."""
        rows, batches = self.feed()
        self.learn(rows, batches)

    def feed(self) -> tuple[np.ndarray, list[Batch]]:
        """The windows of the next step, and their augmented views."""
        epoch, number = divmod(self.steps, self.per_epoch)
        rows = self._rows(epoch)[number]
        whole = self.windows.batch(rows, stream(self.seed, Draw.CAPTIONS, epoch, number))
        whole = move(whole, self.device)
        views = [Draw.AUGMENT, Draw.VIEW] if self.params.loss.views else [Draw.AUGMENT]
        return rows, [self._augmented(whole, self.seed, draw, epoch, number) for draw in views]

    def learn(self, rows: np.ndarray, batches: Sequence[Batch]) -> None:
        """A step on what `feed` gave."""
        epoch, number = divmod(self.steps, self.per_epoch)
        rate = warmup_cosine(self.steps, self.phase.epochs * self.per_epoch, self.params.warmup)
        for settings in self.optimizer.param_groups:
            settings["lr"] = self.phase.learning_rate * rate
        self.model.train()
        torch.manual_seed(torch_seed(self.seed, Draw.DROPOUT, epoch, number, self.group.rank))
        self.optimizer.zero_grad()
        loss = self._loss(batches)
        loss.backward()
        self.group.average(self.weights)
        norm = nn.utils.clip_grad_norm_(self.weights, self.params.clip)
        value, size = torch.stack([loss.detach(), norm]).tolist()
        if not (math.isfinite(value) and math.isfinite(size)):
            what = "The gradient" if math.isfinite(value) else "The loss"
            self._give_up(what, epoch, number, rows, batches[0])
        self.optimizer.step()
        self.model.loss.limit()
        self.steps += 1
        self._average_weights()
        self.losses.append(value)

    def end_epoch(self) -> None:
        """Validate, and keep the weights if they are the best so far."""
        figures = {"epoch": len(self.curve), "loss": float(np.mean(self.losses))}
        if self.select:
            mrr = 0.0
            if self.group.rank == 0:
                mrr = validation_mrr(self.mean, self.windows, self.val, self.pairs)
            figures["val_mrr"] = self.group.agree(mrr)
        figures["temperature"] = 1 / self.model.loss.scale.item()
        self.losses = []
        self.curve.append(figures)
        if self.select and self.best is figures:
            self._best_weights = {k: v.clone() for k, v in self.mean.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on as if nothing had happened.

        No state of a random generator is: each step has seeds of its own.
        """
        return {
            "steps": self.steps,
            "losses": self.losses,
            "curve": self.curve,
            "model": self.model.state_dict(),
            "mean": self.mean.state_dict() if self.params.ema else {},
            "best": self._best_weights,
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.steps, self.losses, self.curve = state["steps"], state["losses"], state["curve"]
        self.model.load_state_dict(state["model"])
        if self.params.ema:
            self.mean.load_state_dict(state["mean"])
        self._best_weights = {k: v.to(self.device) for k, v in state["best"].items()}
        self.optimizer.load_state_dict(state["optimizer"])

    def _rows(self, epoch: int) -> list[np.ndarray]:
        if self._dealt[0] != epoch:
            rng, how = stream(self.seed, Draw.ORDER, epoch), self.params.batches
            self._dealt = epoch, deal(self.train, self.takes, self.params.batch, how, rng)
        return self._dealt[1]

    def _augmented(self, batch: Batch, *key: int) -> Batch:
        generator = torch.Generator().manual_seed(torch_seed(*key))
        return augment(batch, self.params.augment, self.model.imu.scale, generator)

    def _loss(self, batches: Sequence[Batch]) -> Tensor:
        """Of the first batch, and of the agreement of its views where there is a second."""
        vectors = [self._encode(batch) for batch in batches]
        loss = self.model.loss(vectors[0], batches[0], self.pairs)
        if len(batches) > 1:
            one, other = vectors
            agree = [
                self.model.loss.views(one[m], other[m], batches[0], batches[0].has[m])
                for m in self.sensors
            ]
            loss = loss + self.params.loss.views * torch.stack(agree).mean()
        return loss

    def _encode(self, batch: Batch) -> dict[str, Tensor]:
        """Vectors of the whole batch, of which this rank encodes its part."""
        own = part_of(batch, self.group.part(len(batch)))
        with self._autocast():
            encoded = {m: self.model.encode(m, own) for m in self.sensors}
        whole = {m: self.group.gather(v.float(), len(batch)) for m, v in encoded.items()}
        return whole | {m: self.model.encode(m, batch) for m in FROZEN}

    def _autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.low)

    @torch.no_grad()
    def _average_weights(self) -> None:
        """Exponential average, whose decay grows to `ema` so that the first weights are left."""
        if self.params.ema:
            decay = min(self.params.ema, (1 + self.steps) / (10 + self.steps))
            pairs = zip(self.mean.parameters(), self.model.parameters(), strict=True)
            averaged, current = zip(*pairs, strict=True)
            torch._foreach_lerp_(averaged, current, 1 - decay)

    def _give_up(self, what: str, epoch: int, number: int, rows: np.ndarray, batch: Batch) -> None:
        where = ""
        if self.files:
            if self.group.rank == 0:
                names = json.dumps([self.windows.ids[row] for row in rows])
                write_tensors(self.files.bad_batch, tensors_of(batch), {"window_ids": names})
            where = f"; its batch is in {self.files.bad_batch}"
        raise AuraError(
            f"{what} is not finite in epoch {epoch + 1}, step {number + 1} of {self.per_epoch}"
            f"{where}. A lower learning rate may help."
        )


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Factor on the learning rate: linear from 0 over a share of the steps, then a half cosine."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _device(wanted: str) -> torch.device:
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise AuraError("train.device is cuda, and torch sees none here.")
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")


def _keep_freed_memory() -> None:
    """Have glibc keep freed memory for what comes next.

    It would hand large tensors back to the system, and get each as new pages to be zeroed: a fifth
    of a step in bfloat16.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _usable(windows: Windows, pair: tuple[str, str], rows: np.ndarray) -> bool:
    a, b = (windows.has[m].numpy()[rows] for m in pair)
    return int((a & b).sum()) >= 2
