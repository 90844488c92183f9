"""Heads with their encoders trained on labels: fine-tuning, of one encoder or of several fused."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from aura.config import Augment, Finetune
from aura.downstream.classifier import Classifier, predict
from aura.downstream.ensemble import average
from aura.downstream.heads import fit_probe
from aura.downstream.transforms import mixup, view_shifts
from aura.encoders import ImuEncoder, SensorEncoder
from aura.errors import AuraError
from aura.learning.augment import augment
from aura.learning.batches import Windows
from aura.learning.optim import warmup_cosine

WEIGHT_DECAY, WARMUP, MAX_GRAD_NORM = 0.05, 0.1, 1.0
MIN_BIAS = -10.0
"""Of a class that a probe had no label of: unlikely, and not out of reach of training."""


def fine_tune(
    encoders: SensorEncoder | Sequence[SensorEncoder],
    windows: Windows,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    classes: int,
    params: Finetune,
    augmentation: Augment,
    seed: int,
    batch: int = 64,
    on_epoch_end: Callable[[dict[str, float]], None] | None = None,
) -> NDArray[np.float32]:
    """Logits (len(test), classes) of encoders trained with a linear head on the rows `train`.

    The arguments are those of `fit`. With several encoders their features are fused: one head,
    trained with all of them. A test window without any of the modalities gets the same logits as
    any other such window.
    """
    fused = [encoders] if isinstance(encoders, SensorEncoder) else list(encoders)
    classifier = fit(
        fused, windows, labels, train, classes, params, augmentation, seed, batch, on_epoch_end
    )
    return predict(classifier, windows, test, view_shifts(params.views, augmentation.shift_s))


def fine_tune_members(
    starts: Sequence[SensorEncoder], windows: Windows, labels: np.ndarray, train: np.ndarray,
    test: np.ndarray, classes: int, params: Finetune, augmentation: Augment, seed: int,
) -> NDArray[np.float32]:  # fmt: skip
    """Mean class probability of several networks, as logits; see `fine_tune` for the arguments.

    Network i starts from `starts[i]`, and its seed is `seed + i`.
    """
    logits = [
        fine_tune(start, windows, labels, train, test, classes, params, augmentation, seed + member)
        for member, start in enumerate(starts)
    ]
    return average(np.stack(logits)) if len(logits) > 1 else logits[0]


def fit(
    encoders: Sequence[SensorEncoder],
    windows: Windows,
    labels: np.ndarray,
    rows: np.ndarray,
    classes: int,
    params: Finetune,
    augmentation: Augment,
    seed: int,
    batch: int = 64,
    on_epoch_end: Callable[[dict[str, float]], None] | None = None,
) -> Classifier:
    """Train copies of encoders and a linear head for a fixed number of epochs.

    AdamW with warm-up and half a cosine, at `params.learning_rate` for the head and
    `params.encoder_rate` times that for the encoders, which stay as they are at 0.

    Parameters
    ----------
    encoders : Sequence[SensorEncoder]
        One for each modality.
    windows : Windows
        All windows.
    labels : (len(windows),) int64
        Class of each window, -1 for none.
    rows : (n,) int64
        Windows to train on; those without a label or without any of the modalities are left out.
    classes : int
        Number of classes.
    params : Finetune
        Epochs, rates, mixup, and what the head starts from.
    augmentation : Augment
        Augmentation of each batch, before `mixup`.
    seed : int
        Of the head's first weights, dropout, order, augmentation and mixup.
    batch : int
        Most windows in a step.
    on_epoch_end : callable, optional
        Called with `epoch`, `loss` and `accuracy`, the last two on the training batches.

    Returns
    -------
    Classifier
        In evaluation mode.

    Raises
    ------
    AuraError
        Training windows of fewer than two classes, or a loss that is not finite.
    """
    rows = _usable(encoders, windows, labels, rows, classes)
    targets = torch.from_numpy(np.asarray(labels, np.int64))
    scales = [e.scale for e in encoders if isinstance(e, ImuEncoder)]
    scale = scales[0] if scales else torch.tensor([[0.0], [1.0]]).expand(2, windows.imu.shape[1])
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Classifier(encoders, classes)
        if params.head == "probe":
            start_from_probe(classifier, windows, labels, rows)
        classifier.train()
        optimizer = _optimizer(classifier, params)
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        per_epoch = -(-len(rows) // batch)
        steps = params.epochs * per_epoch
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, steps, WARMUP)
        )
        for epoch in range(params.epochs):
            loss_sum, correct = torch.zeros(()), torch.zeros(())
            for part in np.array_split(rng.permutation(rows), per_epoch):
                inputs = augment(windows.batch(part), augmentation, scale, generator)
                target_BC = F.one_hot(targets[part], classes).float()
                if params.mixup:
                    weight_B = torch.from_numpy(rng.beta(params.mixup, params.mixup, len(part)))
                    partner_B = torch.from_numpy(rng.permutation(len(part)))
                    inputs, target_BC = mixup(inputs, target_BC, weight_B.float(), partner_B)
                logits = classifier(inputs)
                loss = F.cross_entropy(logits, target_BC, label_smoothing=params.label_smoothing)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(weights, MAX_GRAD_NORM)
                optimizer.step()
                schedule.step()
                loss_sum += loss.detach() * len(part)
                correct += (logits.argmax(dim=1) == target_BC.argmax(dim=1)).sum()
            if not loss_sum.isfinite():
                raise AuraError(
                    f"The fine-tuning loss is not finite in epoch {epoch}; lower the learning rate."
                )
            if on_epoch_end:
                mean, accuracy = float(loss_sum) / len(rows), float(correct) / len(rows)
                on_epoch_end({"epoch": epoch, "loss": mean, "accuracy": accuracy})
    return classifier.eval()


@torch.no_grad()
def start_from_probe(
    classifier: Classifier, windows: Windows, labels: np.ndarray, rows: np.ndarray, batch: int = 256
) -> None:
    """Give the head the weights of a linear probe on the encoders' features as they are.

    Fine-tuning then starts where probing ends, and need not bend the features to a random head
    first (Kumar et al., 2022, arXiv 2202.10054).

    Parameters
    ----------
    classifier : Classifier
        Its head is changed in place.
    windows : Windows
        All windows.
    labels : (len(windows),) int64
        Class of each window.
    rows : (n,) int64
        Windows to fit the probe on, with a label each.
    batch : int
        Windows in a forward pass.
    """
    classifier.eval()
    parts = [
        classifier.features(windows.batch(rows[i : i + batch])) for i in range(0, len(rows), batch)
    ]
    head = classifier.head
    probe = fit_probe(
        torch.cat(parts).numpy(), labels[rows], head.out_features, windows.participant[rows]
    )
    weight = probe.weight / probe.scale
    bias = np.maximum(probe.bias, MIN_BIAS) - weight @ probe.mean
    head.weight.copy_(torch.from_numpy(weight))
    head.bias.copy_(torch.from_numpy(bias))


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
            "params": [p for p in weights if (p.ndim > 1) == decays],
            "lr": lr,
            "weight_decay": WEIGHT_DECAY if decays else 0.0,
        }
        for weights, lr in ((heads, rate), (trained, rate * params.encoder_rate))
        for decays in (True, False)
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]])
