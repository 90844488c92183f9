"""Contrastive training of the sensor encoders against cached teacher embeddings."""

from collections.abc import Callable

from aura import config
from aura.encoders import Shape
from aura.learning.batches import Windows
from aura.learning.checkpoint import Files
from aura.learning.distributed import Group
from aura.learning.model import Model, embed, fit_scale, load, save, validation_mrr
from aura.learning.selection import Metrics
from aura.learning.trainer import Trainer

__all__ = [
    "Files", "Metrics", "Model", "Shape", "Trainer", "embed", "fit_scale", "load", "save",
    "train_phase", "validation_mrr",
]  # fmt: skip


def train_phase(
    model: Model,
    windows: Windows,
    phase: config.Phase,
    params: config.Train,
    seed: int,
    on_epoch_end: Callable[[Metrics], None],
    select: bool = True,
    files: Files | None = None,
    group: Group | None = None,
) -> Metrics:
    """Train the encoders that the phase's pairs name; leaves the best epoch's weights in `model`.

    Best is the highest mean validation MRR over the phase's pairs, in both directions. The weights
    that are validated and left are the averaged ones where `params.ema` asks for them.

    Parameters
    ----------
    model : Model
        With its initial weights, and its scale fitted.
    windows : Windows
        Those of all splits.
    phase : config.Phase
        Pairs of modalities, epochs and learning rate.
    params : config.Train
        All other settings.
    seed : int
        Of sampling, augmentation and dropout.
    on_epoch_end : callable
        Called with `epoch`, `loss`, `val_mrr`, `temperature` of each epoch, in order, and, of a
        mixture, with `val_mrr <source>`; where the phase is resumed, first with those that were
        done before.
    select : bool, default True
        Without it nothing is validated, the metrics lack `val_mrr`, and the last weights stay.
    files : Files, optional
        What the phase resumes from is read and written there; it is left to the caller to remove
        the checkpoint once the model is saved.
    group : Group, optional
        The processes that share each batch.

    Returns
    -------
    Metrics
        Those of the epoch whose weights are left.

    Raises
    ------
    AuraError
        A split has too few windows, none has both modalities of a pair, there is no such device,
        or the loss or its gradient is not finite.
    """
    home = next(model.parameters()).device
    trainer = Trainer(model, windows, phase, params, seed, select, files, group)
    trainer.resume()
    for metrics in trainer.history.curve:
        on_epoch_end(metrics)
    while not trainer.history.finished:
        trainer.step()
        if trainer.epoch_is_done:
            trainer.end_epoch()
            trainer.save()
            on_epoch_end(trainer.history.curve[-1])
        elif trainer.unsaved_s >= params.checkpoint_s:
            trainer.save()
    model.load_state_dict(trainer.best_weights())
    model.to(home)
    return trainer.history.best
