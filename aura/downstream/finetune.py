"""Heads with their encoders trained on labels: fine-tuning, its random twin, and joint fusion."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Augment, Finetune
from aura.downstream.heads import average
from aura.encoders import ImuEncoder, SensorEncoder
from aura.errors import AuraError
from aura.learning.augment import augment
from aura.learning.batches import Batch, Windows
from aura.learning.optim import warmup_cosine
from aura.learning.timewarp import resample

WEIGHT_DECAY, WARMUP, CLIP = 0.05, 0.1, 1.0


class Classifier(nn.Module):
    """A linear layer on the features of one encoder, or of several side by side.

    Encoders are copied. The features of a modality that a window lacks are a learned vector of
    that modality, zero at first, and its encoder does not see the window.
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
        return self.head(torch.cat([self._features(m, batch) for m in self.encoders], dim=-1))

    def _features(self, modality: str, batch: Batch) -> Tensor:
        signal, valid = getattr(batch, modality), getattr(batch, f"{modality}_valid")
        rows = batch.has[modality].nonzero()[:, 0]
        encoder = cast(SensorEncoder, self.encoders[modality])
        if len(rows) == len(batch):
            return encoder.features(signal, valid, batch.imu_channels)
        out = self.absent[modality].expand(len(batch), -1)
        if not len(rows):
            return out
        found = encoder.features(signal[rows], valid[rows], batch.imu_channels[rows])
        return out.index_copy(0, rows, found)


def fine_tune(
    encoders: SensorEncoder | Sequence[SensorEncoder],
    windows: Windows,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    classes: int,
    params: Finetune,
    changes: Augment,
    seed: int,
    batch: int = 64,
    epoch_done: Callable[[dict[str, float]], None] | None = None,
) -> NDArray[np.float32]:
    """Logits (len(test), classes) of encoders trained with a linear head; see `fit`.

    With several encoders their features are fused: one head, trained with all of them. A test
    window without any of the modalities gets the same logits as any other such window.
    """
    found = [encoders] if isinstance(encoders, SensorEncoder) else list(encoders)
    classifier = fit(
        found, windows, labels, train, classes, params, changes, seed, batch, epoch_done
    )
    return predict(classifier, windows, test, shifts(params.views, changes.shift_s))


def fit(
    encoders: Sequence[SensorEncoder],
    windows: Windows,
    labels: np.ndarray,
    rows: np.ndarray,
    classes: int,
    params: Finetune,
    changes: Augment,
    seed: int,
    batch: int = 64,
    epoch_done: Callable[[dict[str, float]], None] | None = None,
) -> Classifier:
    """Train copies of encoders and a linear head for a fixed number of epochs.

    AdamW with warm-up and half a cosine, at `params.learning_rate` for the head and
    `params.encoder_rate` times that for the encoders, which stay as they are at 0.

    Parameters
    ----------
    labels : (N,) int64 class of each window, -1 for none.
    rows : windows to train on; those without a label or without any of the modalities are left
        out.
    changes : augmentation of each batch, before `mixup`.
    epoch_done : called with `epoch`, `loss` and `accuracy`, the last two on the training batches.

    Raises
    ------
    AuraError
        Training windows of fewer than two classes, or a loss that is not finite.
    """
    rows = _usable(encoders, windows, labels, rows, classes)
    target = torch.from_numpy(np.asarray(labels, np.int64))
    scales = [e.scale for e in encoders if isinstance(e, ImuEncoder)]
    scale = scales[0] if scales else torch.tensor([[0.0], [1.0]]).expand(2, windows.imu.shape[1])
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Classifier(encoders, classes).train()
        optimizer = _optimizer(classifier, params)
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        per_epoch = -(-len(rows) // batch)
        steps = params.epochs * per_epoch
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, steps, WARMUP)
        )
        for epoch in range(params.epochs):
            loss_sum, right = torch.zeros(()), torch.zeros(())
            for part in np.array_split(rng.permutation(rows), per_epoch):
                inputs = augment(windows.batch(part), changes, scale, generator)
                wanted_BC = F.one_hot(target[part], classes).float()
                if params.mixup:
                    share_B = torch.from_numpy(rng.beta(params.mixup, params.mixup, len(part)))
                    other_B = torch.from_numpy(rng.permutation(len(part)))
                    inputs, wanted_BC = mixup(inputs, wanted_BC, share_B.float(), other_B)
                logits = classifier(inputs)
                loss = F.cross_entropy(logits, wanted_BC, label_smoothing=params.label_smoothing)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(weights, CLIP)
                optimizer.step()
                schedule.step()
                loss_sum += loss.detach() * len(part)
                right += (logits.argmax(dim=1) == wanted_BC.argmax(dim=1)).sum()
            if not loss_sum.isfinite():
                raise AuraError(
                    f"The fine-tuning loss is not finite in epoch {epoch}; lower the learning rate."
                )
            if epoch_done:
                mean, accuracy = float(loss_sum) / len(rows), float(right) / len(rows)
                epoch_done({"epoch": epoch, "loss": mean, "accuracy": accuracy})
    return classifier.eval()


@torch.inference_mode()
def predict(
    classifier: Classifier,
    windows: Windows,
    rows: np.ndarray,
    moves: Sequence[float] = (0.0,),
    batch: int = 256,
) -> NDArray[np.float32]:
    """Logits (len(rows), classes): the mean probability over copies moved by `moves` seconds."""
    classifier.eval()
    parts = [np.empty((0, classifier.head.out_features), np.float32)]
    for start in range(0, len(rows), batch):
        inputs = windows.batch(rows[start : start + batch])
        views = [classifier(shift(inputs, seconds)).numpy() for seconds in moves]
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


def twin(encoder: SensorEncoder, seed: int) -> SensorEncoder:
    """The same encoder with fresh random weights; buffers, such as `scale`, are kept.

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


def mixup(
    batch: Batch, target_BC: Tensor, share_B: Tensor, other_B: Tensor
) -> tuple[Batch, Tensor]:
    """Mix each window with another one of the batch (Zhang et al., 1710.09412).

    Signals and targets become `share` of a window and the rest of the other. What either window
    has is valid; signals count as zero where they are not.

    Parameters
    ----------
    share_B : in [0, 1]; other_B : (B,) int64 rows of the windows to mix with.
    """

    def mix(x: Tensor) -> Tensor:
        share = share_B.view(-1, *[1] * (x.ndim - 1))
        return share * x + (1 - share) * x[other_B]

    has = {m: batch.has[m] | batch.has[m][other_B] for m in ("imu", "mocap")}
    imu_valid = batch.imu_valid & batch.has["imu"][:, None]
    mocap_valid = batch.mocap_valid & batch.has["mocap"][:, None, None]
    channels = batch.imu_channels & batch.has["imu"][:, None]
    no_imu = ~(imu_valid[..., None] & channels[:, None])
    mixed = replace(
        batch,
        imu=mix(batch.imu.masked_fill(no_imu, 0)),
        imu_valid=imu_valid | imu_valid[other_B],
        imu_channels=channels | channels[other_B],
        mocap=mix(batch.mocap.masked_fill(~mocap_valid[..., None], 0)),
        mocap_valid=mocap_valid | mocap_valid[other_B],
        has={**batch.has, **has},
    )
    return mixed, mix(target_BC)


def shifts(views: int, limit_s: float) -> list[float]:
    """Moves in seconds, evenly spread over -limit to limit; [0] for one view or no limit."""
    return np.linspace(-limit_s, limit_s, views).tolist() if views > 1 and limit_s > 0 else [0.0]


def shift(batch: Batch, seconds: float) -> Batch:
    """Move IMU and mocap later in their window, interpolated; zero and invalid where nothing is."""
    if not seconds:
        return batch

    def moved(x: Tensor, valid: Tensor, rate_hz: int) -> tuple[Tensor, Tensor]:
        place_N = torch.arange(x.shape[1], device=x.device) - seconds * rate_hz
        return resample(x, valid, place_N.expand(len(x), -1))

    imu, imu_valid = moved(batch.imu, batch.imu_valid, IMU_RATE_HZ)
    mocap, mocap_valid = moved(batch.mocap, batch.mocap_valid, MOCAP_RATE_HZ)
    return replace(batch, imu=imu, imu_valid=imu_valid, mocap=mocap, mocap_valid=mocap_valid)


def _usable(
    encoders: Sequence[SensorEncoder],
    windows: Windows,
    labels: np.ndarray,
    rows: np.ndarray,
    classes: int,
) -> np.ndarray:
    """The rows that have a label and one of the modalities."""
    if len(labels) != len(windows):
        raise AuraError(f"There are {len(labels)} labels for {len(windows)} windows.")
    has = np.any([windows.has[e.modality].numpy()[rows] for e in encoders], axis=0)
    rows = rows[has & (labels[rows] >= 0)]
    if len(np.unique(labels[rows])) < 2:
        raise AuraError("Fine-tuning needs training windows of at least two classes.")
    if labels[rows].max() >= classes:
        raise AuraError(f"The label {labels[rows].max()} is not one of the {classes} classes.")
    return rows


def _optimizer(classifier: Classifier, params: Finetune) -> torch.optim.AdamW:
    """AdamW with a rate for the head and one for encoders; matrices alone decay."""
    rate = params.learning_rate
    if not params.encoder_rate:
        classifier.encoders.requires_grad_(False)
    heads = [*classifier.head.parameters(), *classifier.absent.parameters()]
    trained = [p for p in classifier.encoders.parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for p in weights if (p.ndim > 1) == wide],
            "lr": lr,
            "weight_decay": WEIGHT_DECAY if wide else 0.0,
        }
        for weights, lr in ((heads, rate), (trained, rate * params.encoder_rate))
        for wide in (True, False)
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]])
