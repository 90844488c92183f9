"""Encoders with a linear head, which one or several modalities share, and what both predict."""

import copy
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aura.downstream.ensemble import average
from aura.downstream.transforms import shift
from aura.encoders import SensorEncoder
from aura.errors import AuraError
from aura.learning.batches import Batch, Windows


class Classifier(nn.Module):
    """A linear layer on the features of one encoder, or of several side by side.

    Encoders are copied. The features of a modality that a window lacks are a learned vector of
    that modality, zero at first, and its encoder does not see the window.

    Parameters
    ----------
    encoders : Sequence[SensorEncoder]
        One for each modality.
    classes : int
        Number of classes.
    """

    def __init__(self, encoders: Sequence[SensorEncoder], classes: int) -> None:
        super().__init__()
        if not encoders or len({e.modality for e in encoders}) < len(encoders):
            raise AuraError("A classifier needs one encoder, or one each of several modalities.")
        self.encoders = nn.ModuleDict({e.modality: copy.deepcopy(e) for e in encoders})
        self.absent = nn.ParameterDict(
            {e.modality: nn.Parameter(torch.zeros(e.width)) for e in encoders}
        )
        self.head = nn.Linear(sum(e.width for e in encoders), classes)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, classes)."""
        return self.head(self.features(batch))

    def features(self, batch: Batch) -> Tensor:
        """What the head sees, (B, sum of the encoders' widths)."""
        return torch.cat([self._features(m, batch) for m in self.encoders], dim=-1)

    def _features(self, modality: str, batch: Batch) -> Tensor:
        """Features (B, width) of one modality."""
        signal, valid = getattr(batch, modality), getattr(batch, f"{modality}_valid")
        rows = batch.has[modality].nonzero()[:, 0]
        encoder = cast(SensorEncoder, self.encoders[modality])
        if len(rows) == len(batch):
            return encoder.features(signal, valid, batch.imu_channels)
        features = self.absent[modality].expand(len(batch), -1)
        if not len(rows):
            return features
        present = encoder.features(signal[rows], valid[rows], batch.imu_channels[rows])
        return features.index_copy(0, rows, present)


@torch.inference_mode()
def predict(
    classifier: Classifier,
    windows: Windows,
    rows: np.ndarray,
    shifts_s: Sequence[float] = (0.0,),
    batch: int = 256,
) -> NDArray[np.float32]:
    """Logits of windows, averaged as probabilities over copies that are shifted in time.

    Parameters
    ----------
    classifier : Classifier
        A trained classifier.
    windows : Windows
        All windows.
    rows : (n,) int64
        Windows to classify.
    shifts_s : Sequence[float]
        Shift of each copy in s.
    batch : int
        Windows in a forward pass.

    Returns
    -------
    (n, classes) float32
        Logits.

    Raises
    ------
    AuraError
        A logit is not finite.
    """
    classifier.eval()
    parts = [np.empty((0, classifier.head.out_features), np.float32)]
    for start in range(0, len(rows), batch):
        inputs = windows.batch(rows[start : start + batch])
        views = [classifier(shift(inputs, seconds)).numpy() for seconds in shifts_s]
        parts.append(average(np.stack(views)) if len(views) > 1 else views[0])
    logits = np.concatenate(parts)
    if not np.isfinite(logits).all():
        raise AuraError("A classifier's logits are not all finite.")
    return logits


@torch.inference_mode()
def embed(
    encoder: SensorEncoder, windows: Windows, rows: np.ndarray, batch: int = 256
) -> NDArray[np.float32]:
    """Unit vectors (len(rows), D) of one encoder, as `model.embed` gives those of a model."""
    encoder.eval()
    parts = [np.empty((0, encoder.shape.dim), np.float32)]
    for start in range(0, len(rows), batch):
        inputs = windows.batch(rows[start : start + batch])
        signal = getattr(inputs, encoder.modality)
        valid = getattr(inputs, f"{encoder.modality}_valid")
        parts.append(encoder(signal, valid, inputs.imu_channels).numpy())
    return np.concatenate(parts)


def reinitialized(encoder: SensorEncoder, seed: int) -> SensorEncoder:
    """Copy an encoder with fresh random weights; buffers, such as `scale`, are kept.

    Layers are reset as PyTorch starts them; parameters outside of layers are normal with
    deviation 0.02, as the encoders of this package start theirs.
    """
    fresh = copy.deepcopy(encoder)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
                continue
            for weight in module.parameters(recurse=False):
                nn.init.normal_(weight, std=0.02)
    return fresh
