"""The model: two sensor encoders and a temperature, and what is done with it after training."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from aura import config
from aura.encoders import Shape, build
from aura.errors import AuraError
from aura.evaluation.relevance import instants
from aura.evaluation.retrieval import mutual_ranks
from aura.learning.batches import Batch, Windows
from aura.learning.checkpoint import write_model
from aura.learning.losses import InfoNCE

Pairs = Sequence[tuple[str, str]]


class Model(nn.Module):
    """The two sensor encoders and the loss's temperature; video and text come from the cache."""

    def __init__(
        self, shape: Shape, imu: config.Encoder, mocap: config.Encoder, loss: config.Loss
    ) -> None:
        super().__init__()
        self.imu = build("imu", imu, shape)
        self.mocap = build("mocap", mocap, shape)
        self.loss = InfoNCE(loss, shape.samples / config.IMU_RATE_HZ)

    def encode(self, modality: str, batch: Batch) -> Tensor:
        """Unit vectors (B, D) float32 of one modality of a batch."""
        if modality == "imu":
            return self.imu(batch.imu, batch.imu_valid, batch.imu_channels)
        if modality == "mocap":
            return self.mocap(batch.mocap, batch.mocap_valid)
        return batch.video if modality == "video" else batch.text


def fit_scale(model: Model, windows: Windows, rows: np.ndarray, max_windows: int = 1024) -> None:
    """Set the IMU encoder's channel mean and standard deviation from the training windows.

    They are those of up to `max_windows` windows, evenly spaced over `rows`.
    """
    batch = windows.batch(rows[:: -(-len(rows) // max_windows) or 1])
    samples = batch.imu[batch.imu_valid]
    if len(samples) < 2:
        raise AuraError("The training windows hold no valid IMU sample.")
    model.imu.scale.copy_(torch.stack([samples.mean(0), samples.std(0).clamp(min=1e-3)]))


@torch.inference_mode()
def embed(
    model: Model,
    windows: Windows,
    rows: np.ndarray,
    modalities: Sequence[str],
    batch_size: int = 256,
) -> dict[str, np.ndarray]:
    """Unit vectors (len(rows), D) of each modality; rows without it hold no meaning."""
    model.eval()
    device = next(model.parameters()).device
    parts: dict[str, list[np.ndarray]] = {m: [] for m in modalities}
    for start in range(0, len(rows), batch_size):
        batch = windows.batch(rows[start : start + batch_size]).to(device)
        for modality in modalities:
            parts[modality].append(model.encode(modality, batch).cpu().numpy())
    return {m: np.concatenate(p) for m, p in parts.items()}


def validation_mrr(model: Model, windows: Windows, rows: np.ndarray, pairs: Pairs) -> float:
    """Mean reciprocal rank, strict, over the pairs in both directions.

    Right is the window itself, with those that other IMUs recorded over the same seconds.

    Parameters
    ----------
    model : Model
        On any device.
    windows : Windows
        Where they are shuffled, what each row has is that of the windows it is drawn from.
    rows : np.ndarray
        (N,) int64 row numbers of the split.
    pairs : sequence of (str, str)
        Modalities; a pair that fewer than two rows have is left out.

    Returns
    -------
    float
        The mean over pairs and directions, 0 where no pair is left.
    """
    modalities = sorted({m for pair in pairs for m in pair})
    vectors = embed(model, windows, rows, modalities)
    order = windows.order
    instant = instants(windows.moment[rows], windows.start_s.numpy()[rows])
    has = {
        m: windows.has[m].numpy()[order[m].numpy()[rows] if m in order else rows]
        for m in modalities
    }
    scores = []
    for a, b in pairs:
        both = has[a] & has[b]
        if both.sum() < 2:
            continue
        group = instant[both]
        for rank in mutual_ranks(vectors[a][both], vectors[b][both], group):
            scores.append(float((1 / rank).mean()))
    return float(np.mean(scores)) if scores else 0.0


def save(model: Model, folder: Path, card: dict[str, Any]) -> None:
    """Write `model.safetensors` and `model.json` (what `load` needs, and where it came from)."""
    write_model(folder, model.state_dict(), card)


def load(folder: Path) -> tuple[Model, dict[str, Any]]:
    """Read what `save` wrote; raises `AuraError` where nothing or something else is there."""
    try:
        card = json.loads((folder / "model.json").read_text())
        settings = card["settings"]
        model = Model(
            Shape(**card["shape"]),
            config.Encoder.model_validate(settings["imu_encoder"]),
            config.Encoder.model_validate(settings["mocap_encoder"]),
            config.Loss.model_validate(settings["loss"]),
        )
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except FileNotFoundError:
        raise AuraError(f"There is no model at {folder} yet; run `aura train` first.") from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        first = (str(error).splitlines() or [""])[0].rstrip(":. ")
        raise AuraError(f"The model at {folder} cannot be loaded: {first}.") from None
    return model.eval(), card
