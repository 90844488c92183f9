"""The record of a phase's epochs: which is the best, with its weights, and when to stop."""

from typing import Any

import torch
from torch import Tensor, nn

Metrics = dict[str, float]


class History:
    """Metrics of each epoch, model selection by `val_mrr`, and early stopping.

    Parameters
    ----------
    epochs : int
        Epochs at most.
    patience : int or None
        Epochs without a better one after which to stop; None for no early stopping.
    select : bool
        Whether epochs are validated; if not, the last one is taken for the best.

    Attributes
    ----------
    curve : list of Metrics
        Of the epochs that are done, in order.
    best_weights : dict of str to Tensor
        A copy of the weights of the best epoch; empty where nothing is selected.
    """

    def __init__(self, epochs: int, patience: int | None, select: bool) -> None:
        self.epochs, self.patience, self.select = epochs, patience, select
        self.curve: list[Metrics] = []
        self.best_weights: dict[str, Tensor] = {}

    @property
    def best(self) -> Metrics:
        """Metrics of the best epoch, the first of equals; of the last without validation."""
        return max(self.curve, key=lambda row: row["val_mrr"]) if self.select else self.curve[-1]

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or so many without a better one that patience is out."""
        done = len(self.curve)
        if self.select and self.patience and done:
            since_best = done - 1 - self.best["epoch"]
            if since_best >= self.patience:
                return True
        return done >= self.epochs

    def add(self, metrics: Metrics, model: nn.Module) -> None:
        """Record an epoch, and copy the weights of `model` if it is the best so far."""
        self.curve.append(metrics)
        if self.select and self.best is metrics:
            self.best_weights = {k: v.clone() for k, v in model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {"curve": self.curve, "best_weights": self.best_weights}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from what `state_dict` gave, with weights on `device`."""
        self.curve = state["curve"]
        self.best_weights = {k: v.to(device) for k, v in state["best_weights"].items()}
