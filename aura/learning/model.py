"""The model: two sensor encoders and a temperature, and what is done with it after training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aura import config
from aura.encoders import Shape, build
from aura.errors import AuraError
from aura.evaluation.relevance import instants
from aura.evaluation.retrieval import mutual_ranks
from aura.learning.batches import Batch, Windows
from aura.learning.checkpoint import write_model
from aura.learning.folder import read_card
from aura.learning.losses import InfoNCE
from aura.schema.weights import no_larger_than, read_safetensors

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
    """Set the IMU encoder's channel mean and standard deviation, and call `fit` of both encoders.

    By up to `max_windows` training windows, evenly spaced over `rows`; of a mixture, by as many of
    each source; 0 and 1 of a channel that no IMU has.
    """
    parts = [rows]
    if windows.source is not None:
        parts = [rows[windows.source[rows] == name] for name in windows.shares]
    limit = max_windows // len(parts)
    batch = windows.batch(np.concatenate([some[:: -(-len(some) // limit) or 1] for some in parts]))
    channels = batch.imu_channels.to(batch.imu.device)
    samples = batch.imu[batch.imu_valid]
    if len(samples) < 2:
        raise AuraError("The training windows hold no valid IMU sample.")
    mean, std = samples.mean(0), samples.std(0)
    if not channels.all():
        measured = channels[:, None].expand_as(batch.imu)[batch.imu_valid]
        count = measured.sum(0)
        mean = samples.where(measured, 0).sum(0) / count.clamp(min=1)
        square = (samples - mean).square().where(measured, 0).sum(0)
        std = (square / (count - 1).clamp(min=1)).sqrt().where(count > 1, 1)
    model.imu.scale.copy_(torch.stack([mean, std.clamp(min=1e-3)]))
    model.imu.fit(batch.imu, batch.imu_valid, channels)
    if (has := batch.has["mocap"]).any():
        mocap_valid = batch.mocap_valid[has]
        model.mocap.fit(batch.mocap[has], mocap_valid, batch.imu_channels[has])


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
    card = read_card(folder)
    settings = card["settings"]
    try:
        state = read_safetensors(folder / "model.safetensors")
        with no_larger_than(sum(tensor.numel() for tensor in state.values())):
            model = Model(
                Shape(**card["shape"]),
                config.Encoder.model_validate(settings["imu_encoder"]),
                config.Encoder.model_validate(settings["mocap_encoder"]),
                config.Loss.model_validate(settings["loss"]),
            )
        model.load_state_dict(state)
    except AuraError:
        raise
    except FileNotFoundError:
        raise AuraError(f"There is no model at {folder} yet; run `aura train` first.") from None
    except Exception as error:  # by sizes that do not go together torch raises anything
        first = (str(error).splitlines() or [""])[0].rstrip(":. ") or type(error).__name__
        raise AuraError(f"The model at {folder} cannot be loaded: {first}.") from None
    return model.eval(), card
