"""What each step of a training sees: its windows, and their augmented views."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from aura import config
from aura.errors import AuraError
from aura.learning.augment import augment
from aura.learning.batches import Batch, Windows
from aura.learning.movement import movement
from aura.learning.sampling import (
    Stream,
    balanced_weights,
    limit_unlabelled,
    numpy_generator,
    sample_batches,
    sample_by_source,
    sample_weighted,
    torch_seed,
)

_SPLITS = {"train": "training", "val": "validation"}


class Feed:
    """Batches of the training split, by seed, epoch and step alone.

    Parameters
    ----------
    windows : Windows
        Those of all splits, on the device of the model.
    params : config.Train
        Batch size and policy, augmentation, and whether there are two views.
    seed : int
        Of order, captions and augmentation.
    scale : Tensor
        (2, 6) mean and standard deviation of the IMU channels, m/s2 and rad/s.

    Attributes
    ----------
    steps_per_epoch : int
        Batches that the windows are put in, each once an epoch.
    min_batch_size : int
        Windows of the smallest batch.
    """

    def __init__(self, windows: Windows, params: config.Train, seed: int, scale: Tensor) -> None:
        self.windows, self.params, self.seed, self.scale = windows, params, seed, scale
        self._rows = split_rows(windows, "train")
        self._moments = windows.moment_code.numpy()[self._rows]
        self._weights: np.ndarray | None = None
        if params.batches == "balanced":
            captions, takes = (
                c.numpy()[self._rows] for c in (windows.caption_code, windows.take_code)
            )
            self._weights = balanced_weights(captions, takes, movement(windows, self._rows))
            self._weights = limit_unlabelled(
                self._weights,
                windows.label[self._rows] != None,  # noqa: E711, element by element
                captions * 0 if windows.source is None else windows.source[self._rows],
                params.unlabelled,
            )
        self.steps_per_epoch = -(-len(self._rows) // params.batch)
        self.min_batch_size = len(self._rows) // self.steps_per_epoch
        self._sampled: tuple[int, list[np.ndarray]] = (-1, [])  # an epoch, and its batches

    def rows(self, epoch: int, step: int) -> np.ndarray:
        """Row numbers (B,) of the windows of a step."""
        if self._sampled[0] != epoch:
            self._sampled = epoch, self._sample(numpy_generator(self.seed, Stream.ORDER, epoch))
        return self._sampled[1][step]

    def _sample(self, rng: np.random.Generator) -> list[np.ndarray]:
        """The batches of an epoch, those of a mixture balanced by source."""
        size, policy, windows = self.params.batch, self.params.batches, self.windows
        if windows.source is None and self._weights is not None:
            return sample_weighted(self._rows, self._weights, size, rng)
        if windows.source is None:
            return sample_batches(self._rows, self._moments, size, policy, rng)
        sources = windows.source[self._rows]
        return sample_by_source(
            self._rows, self._moments, sources, windows.shares, size, policy, rng, self._weights
        )

    def views(self, epoch: int, step: int) -> list[Batch]:
        """One augmented view of a step's windows, or two where the loss compares them."""
        rng = numpy_generator(self.seed, Stream.CAPTIONS, epoch, step)
        batch = self.windows.batch(self.rows(epoch, step), rng).to(self.scale.device)
        streams = [Stream.AUGMENT, Stream.VIEW] if self.params.loss.views else [Stream.AUGMENT]
        views = []
        for stream in streams:
            generator = torch.Generator().manual_seed(torch_seed(self.seed, stream, epoch, step))
            views.append(augment(batch, self.params.augment, self.scale, generator))
        return views


def split_rows(windows: Windows, split: str) -> np.ndarray:
    """Row numbers of the split `train` or `val`, which needs windows to compare."""
    rows = windows.rows(split)
    if len(rows) < 2:
        raise AuraError(
            f"The {_SPLITS[split]} split has {len(rows)} windows; at least 2 are needed."
        )
    return rows


def usable_pairs(windows: Windows, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of modalities that at least two training windows have both of."""
    rows = windows.rows("train")
    usable = []
    for a, b in pairs:
        both = windows.has[a].numpy()[rows] & windows.has[b].numpy()[rows]
        if both.sum() >= 2:
            usable.append((a, b))
    if not usable:
        raise AuraError(f"No training window has both modalities of any of the pairs {pairs}.")
    return usable
