"""Contrastive training of the sensor encoders against cached teacher embeddings."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from aura.batches import Batch, Windows
from aura.config import Encoder, Phase, Train
from aura.encoders.imu import ImuEncoder
from aura.encoders.mocap import MocapEncoder
from aura.errors import AuraError
from aura.evaluation.retrieval import ranks
from aura.losses import InfoNCE

FROZEN = ("video", "text")


@dataclass(frozen=True)
class Shape:
    """Sizes that the data gives: samples and frames of a window, and the teacher's dimension."""

    samples: int
    frames: int
    dim: int


class Model(nn.Module):
    """The two sensor encoders and the loss's temperature; video and text come from the cache."""

    def __init__(self, shape: Shape, imu: Encoder, mocap: Encoder, temperature: float) -> None:
        super().__init__()
        self.imu = ImuEncoder(shape.samples, shape.dim, imu)
        self.mocap = MocapEncoder(shape.frames, shape.dim, mocap)
        self.loss = InfoNCE(temperature)

    def encode(self, modality: str, batch: Batch) -> Tensor:
        """Unit vectors (B, D) of one modality of a batch."""
        if modality == "imu":
            return self.imu(batch.imu, batch.imu_valid)
        if modality == "mocap":
            return self.mocap(batch.mocap, batch.mocap_valid)
        return batch.video if modality == "video" else batch.text


def fit_scale(model: Model, windows: Windows, rows: np.ndarray) -> None:
    """Set the IMU encoder's channel mean and standard deviation from the training windows."""
    batch = windows.batch(rows[: 4096 : max(1, len(rows) // 1024)])
    samples = batch.imu[batch.imu_valid]
    if len(samples) < 2:
        raise AuraError("The training windows hold no valid IMU sample.")
    model.imu.scale.copy_(torch.stack([samples.mean(0), samples.std(0).clamp(min=1e-3)]))


def train_phase(
    model: Model,
    windows: Windows,
    phase: Phase,
    params: Train,
    seed: int,
    epoch_done: Callable[[dict[str, float]], None],
) -> dict[str, float]:
    """Train the encoders that the phase's pairs name; leaves the best epoch's weights in `model`.

    Best is the highest mean validation MRR over the phase's pairs, in both directions.

    Parameters
    ----------
    epoch_done : called with `epoch`, `loss`, `val_mrr`, `temperature` after each epoch.

    Returns
    -------
    The figures of the best epoch.
    """
    train, val = windows.rows("train"), windows.rows("val")
    for name, rows in (("training", train), ("validation", val)):
        if len(rows) < 2:
            raise AuraError(f"The {name} split has {len(rows)} windows; at least 2 are needed.")
    pairs = [pair for pair in phase.pairs if _usable(windows, pair, train)]
    if not pairs:
        raise AuraError(
            f"No training window has both modalities of any of the pairs {phase.pairs}."
        )
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    modules = {m: getattr(model, m) for pair in pairs for m in pair if m not in FROZEN}
    weights = [p for name in sorted(modules) for p in modules[name].parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": params.weight_decay},
            {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
            {"params": list(model.loss.parameters()), "weight_decay": 0.0},
        ],
        lr=phase.learning_rate,
    )
    per_epoch = -(-len(train) // params.batch)
    steps = phase.epochs * per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warmup_cosine(step, steps, params.warmup)
    )
    best: dict[str, float] = {"val_mrr": -1.0}
    best_state: dict[str, Tensor] = {}
    for epoch in range(phase.epochs):
        model.train()
        losses = []
        for rows in np.array_split(rng.permutation(train), per_epoch):
            batch = windows.batch(rows, rng)
            optimizer.zero_grad()
            loss = model.loss(_pairs(model, batch, pairs))
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        if not np.isfinite(losses).all():
            raise AuraError(f"The loss is not finite in epoch {epoch}; lower the learning rate.")
        figures = {
            "epoch": epoch,
            "loss": float(np.mean(losses)),
            "val_mrr": validation_mrr(model, windows, val, pairs),
            "temperature": 1 / model.loss.scale.item(),
        }
        epoch_done(figures)
        if figures["val_mrr"] > best["val_mrr"]:
            best = figures
            best_state = {k: v.detach().clone() for k, v in model.state_dict().items()}
    model.load_state_dict(best_state)
    return best


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Factor on the learning rate: linear from 0 over a share of the steps, then a half cosine."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _usable(windows: Windows, pair: tuple[str, str], rows: np.ndarray) -> bool:
    a, b = (windows.has[m].numpy()[rows] for m in pair)
    return int((a & b).sum()) >= 2


def _pairs(
    model: Model, batch: Batch, pairs: Sequence[tuple[str, str]]
) -> list[tuple[Tensor, Tensor]]:
    encoded = {m: model.encode(m, batch) for m in sorted({m for pair in pairs for m in pair})}
    both = [(a, b, batch.has[a] & batch.has[b]) for a, b in pairs]
    return [(encoded[a][rows], encoded[b][rows]) for a, b, rows in both]


@torch.inference_mode()
def embed(
    model: Model, windows: Windows, rows: np.ndarray, modalities: Sequence[str], batch: int = 256
) -> dict[str, np.ndarray]:
    """Unit vectors (len(rows), D) of each modality; rows without it hold no meaning."""
    model.eval()
    parts: dict[str, list[np.ndarray]] = {m: [] for m in modalities}
    for start in range(0, len(rows), batch):
        inputs = windows.batch(rows[start : start + batch])
        for modality in modalities:
            parts[modality].append(model.encode(modality, inputs).numpy())
    return {m: np.concatenate(p) for m, p in parts.items()}


def validation_mrr(
    model: Model, windows: Windows, rows: np.ndarray, pairs: Sequence[tuple[str, str]]
) -> float:
    """Mean reciprocal rank, strict one-to-one, over the pairs in both directions."""
    modalities = sorted({m for pair in pairs for m in pair})
    vectors = embed(model, windows, rows, modalities)
    order = windows.order
    has = {
        m: windows.has[m].numpy()[order[m].numpy()[rows] if m in order else rows]
        for m in modalities
    }
    scores = []
    for a, b in pairs:
        both = has[a] & has[b]
        if both.sum() < 2:
            continue
        group = np.arange(both.sum())
        for query, gallery in ((a, b), (b, a)):
            rank = ranks(vectors[query][both], vectors[gallery][both], group, group)
            scores.append(float((1 / rank).mean()))
    return float(np.mean(scores)) if scores else 0.0


def save(model: Model, folder: Path, card: dict[str, Any]) -> None:
    """Write `model.safetensors` and `model.json` (what `load` needs, and where it came from)."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    (folder / "model.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")


def load(folder: Path) -> tuple[Model, dict[str, Any]]:
    """Read what `save` wrote; raises `AuraError` where nothing or something else is there."""
    try:
        card = json.loads((folder / "model.json").read_text())
        settings = card["settings"]
        model = Model(
            Shape(**card["shape"]),
            Encoder.model_validate(settings["imu_encoder"]),
            Encoder.model_validate(settings["mocap_encoder"]),
            settings["temperature"],
        )
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except FileNotFoundError:
        raise AuraError(f"There is no model at {folder} yet; run `aura train` first.") from None
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise AuraError(f"The model at {folder} cannot be loaded: {first}.") from None
    return model.eval(), card
