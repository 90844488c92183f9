"""A phase of training in steps: learn from a batch, validate an epoch, save and resume."""

import math
from collections.abc import Sequence
from time import monotonic
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from aura import config
from aura.errors import AuraError
from aura.learning.batches import Batch, Windows
from aura.learning.checkpoint import Files, read_state, write_batch, write_state
from aura.learning.device import keep_freed_memory, select_device, uses_bf16
from aura.learning.distributed import Group
from aura.learning.feed import Feed, split_rows, usable_pairs
from aura.learning.model import Model, validation_mrr
from aura.learning.objective import Objective
from aura.learning.optim import adamw, averaged_model, warmup_cosine_schedule
from aura.learning.sampling import Stream, torch_seed
from aura.learning.selection import History, Metrics


class Trainer:
    """A phase step by step; the arguments are those of `train_phase`."""

    def __init__(
        self,
        model: Model,
        windows: Windows,
        phase: config.Phase,
        params: config.Train,
        seed: int,
        select: bool = True,
        files: Files | None = None,
        group: Group | None = None,
    ) -> None:
        self.params, self.seed, self.files, self.group = params, seed, files, group or Group()
        self.device = select_device(params.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.windows = windows.to(self.device)
        self.model = model.to(self.device)
        self.feed = Feed(self.windows, params, seed, model.imu.scale)
        self.validation_rows = split_rows(windows, "val") if select else None
        self.pairs = usable_pairs(windows, phase.pairs)
        if self.feed.min_batch_size < self.group.world_size:
            raise AuraError(
                f"A batch of {params.batch} is too small for {self.group.world_size} workers."
            )
        bf16 = uses_bf16(params, self.device)
        self.objective = Objective(model, self.pairs, params.loss.views, self.group, bf16)
        trained = [getattr(model, modality) for modality in self.objective.sensors]
        encoders = [p for encoder in trained for p in encoder.parameters()]
        temperature = list(model.loss.parameters())
        self.parameters = [*encoders, *temperature]
        self.optimizer = adamw(
            encoders, temperature, phase.learning_rate, params.weight_decay, fused=bf16
        )
        self.scheduler = warmup_cosine_schedule(
            self.optimizer, phase.epochs * self.feed.steps_per_epoch, params.warmup
        )
        self.average = averaged_model(model, params.ema) if params.ema else None
        if params.compile:
            for encoder in trained:
                encoder.compile()  # in place: the weights keep their names
        self.history = History(phase.epochs, params.patience, select)
        self.steps = 0  # done, of all epochs
        self.losses: list[float] = []  # of the epoch so far
        self._saved_at = monotonic()

    @property
    def position(self) -> tuple[int, int]:
        """Epoch of the next step, and its number within the epoch."""
        return divmod(self.steps, self.feed.steps_per_epoch)

    @property
    def epoch_is_done(self) -> bool:
        """Whether the last step was the last one of an epoch."""
        return self.position[1] == 0

    @property
    def unsaved_s(self) -> float:
        """Seconds since the state was saved, or since the start."""
        return monotonic() - self._saved_at

    @property
    def evaluated(self) -> Model:
        """The model that is validated and kept: the one of averaged weights, if there is one."""
        return self.model if self.average is None else cast(Model, self.average.module)

    def step(self) -> None:
        """Learn from the next batch."""
        self.learn(self.feed.views(*self.position))

    def learn(self, views: Sequence[Batch]) -> None:
        """Forward, backward, and a step of the optimiser."""
        self.model.train()
        torch.manual_seed(torch_seed(self.seed, Stream.DROPOUT, *self.position, self.group.rank))
        self.optimizer.zero_grad()
        loss = self.objective(views)
        loss.backward()
        self.group.average_gradients(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.params.clip)
        loss_value, norm_value = torch.stack([loss.detach(), norm]).tolist()  # one wait for a GPU
        if not math.isfinite(loss_value):
            raise self._not_finite("The loss", views[0])
        if not math.isfinite(norm_value):
            raise self._not_finite("The gradient", views[0])
        self.optimizer.step()
        self.scheduler.step()
        self.model.loss.clamp_scale()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.steps += 1
        self.losses.append(loss_value)

    def end_epoch(self) -> None:
        """Validate, and record the epoch."""
        metrics = {"epoch": len(self.history.curve), "loss": float(np.mean(self.losses))}
        if self.validation_rows is not None:
            metrics |= self._validate(self.validation_rows)
        metrics["temperature"] = 1 / self.model.loss.scale.item()
        self.losses = []
        self.history.add(metrics, self.evaluated)

    def _validate(self, rows: np.ndarray) -> Metrics:
        """MRR on the validation rows; of a mixture the mean over its sources, and that of each."""
        source, by_source = self.windows.source, {"": rows}
        if source is not None:
            by_source = {name: rows[source[rows] == name] for name in self.windows.shares}
        scores = {}
        for name, some in by_source.items():
            if len(some) < 2:
                continue
            mrr = 0.0
            if self.group.rank == 0:
                mrr = validation_mrr(self.evaluated, self.windows, some, self.pairs)
            scores[name] = self.group.broadcast(mrr)
        of_sources = {f"val_mrr {name}": mrr for name, mrr in scores.items() if name}
        return {"val_mrr": float(np.mean(list(scores.values()))), **of_sources}

    def best_weights(self) -> dict[str, Tensor]:
        """Those of the best epoch; without validation the last ones."""
        return self.history.best_weights if self.history.select else self.evaluated.state_dict()

    def save(self) -> None:
        """Write the state to resume from, where there are files."""
        if self.files and self.group.rank == 0:
            write_state(self.files.checkpoint, self.state_dict())
        self._saved_at = monotonic()

    def resume(self) -> None:
        """Go on from the state that is there, if any."""
        if self.files and (state := read_state(self.files.checkpoint)):
            self.load_state_dict(state)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on as if nothing had happened.

        No state of a random generator is: each step has seeds of its own.
        """
        return {
            "steps": self.steps,
            "losses": self.losses,
            "history": self.history.state_dict(),
            "model": self.model.state_dict(),
            "average": {} if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.steps, self.losses = state["steps"], state["losses"]
        self.history.load_state_dict(state["history"], self.device)
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])

    def _not_finite(self, what: str, batch: Batch) -> AuraError:
        """What ends the phase; the batch is left in its file."""
        epoch, step = self.position
        where = ""
        if self.files:
            if self.group.rank == 0:
                ids = [self.windows.ids[row] for row in self.feed.rows(epoch, step)]
                write_batch(self.files.bad_batch, batch, ids)
            where = f"; its batch is in {self.files.bad_batch}"
        return AuraError(
            f"{what} is not finite in epoch {epoch + 1}, step {step + 1} of "
            f"{self.feed.steps_per_epoch}{where}. A lower learning rate may help."
        )
