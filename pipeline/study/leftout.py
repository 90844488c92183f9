"""Models of other data sets, and what they say of one that took no part in their training."""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from aura import encoders
from aura.config import Params
from aura.errors import AuraError
from aura.evaluation.measure import TestSet
from aura.learning import training
from aura.learning.batches import Windows
from pipeline.engine import inputs, manifest
from pipeline.engine.code import code_hash
from pipeline.engine.progress import say
from pipeline.study import joined, splits


class Cell(NamedTuple):
    """One model: the row of the table, what it is trained on, and its seed."""

    recipe: str
    sources: tuple[str, ...]
    seed: int

    @property
    def alone(self) -> bool:
        """Whether it is the row of a single source."""
        return self.recipe == f"{ALONE}{self.sources[0]}"


ALONE = "alone: "


def grid(params: Params, mixture: str, target: str) -> list[Cell]:
    """The models that a target is tested with: recipes, then each source alone.

    Raises
    ------
    AuraError
        Nothing is left to train on, or a recipe names what is no source of the mixture.
    """
    sources = params.mixtures[mixture].sources
    own = joined.owner(params, target)
    others = tuple(s for s in sources if joined.owner(params, s) != own)
    if not others:
        raise AuraError(f"All sources of the mixture {mixture} are of the files of {target}.")
    rows: dict[str, tuple[str, ...]] = {}
    for name, recipe in params.transfer.recipes.items():
        asked = recipe.sources or sources
        if unknown := set(asked) - set(sources):
            raise AuraError(
                f"transfer.recipes.{name}.sources: {min(unknown)} is no source of the mixture "
                f"{mixture}."
            )
        if kept := tuple(s for s in others if s in asked):  # in the mixture's order
            rows[name] = kept
    if params.transfer.singles and len(others) > 1:
        rows |= {f"{ALONE}{source}": (source,) for source in others}
    if not rows:
        raise AuraError(
            f"No row of the table is left for {target}: none of transfer.recipes has a source that "
            "is of other files."
        )
    return [Cell(name, kept, seed) for name, kept in rows.items() for seed in params.transfer.seeds]


def settings_of(params: Params, cell: Cell) -> Params:
    """Parameters of a model: those of the mixture, the recipe's changes, and the seed."""
    recipe = params.transfer.recipes.get(cell.recipe)
    changes = {**(recipe.train if recipe else {}), "seed": cell.seed}
    return params.changed({"train": changes}, f"transfer.recipes.{cell.recipe}.train")


def key_of(params: Params, mixture: str, cell: Cell) -> str:
    """Short hash of all that a model depends on, whichever target it is for."""
    settings = settings_of(params, cell)
    recipe = params.transfer.recipes.get(cell.recipe)
    content = {
        "code": code_hash("pipeline.study.leftout", *encoders.modules(settings.train)),
        "train": settings.train.model_dump(mode="json", exclude={"twins"}),
        "shares": shares_of(params, mixture, cell),
        "control": recipe is not None and recipe.control,
        "window_s": params.slice.window_s,
        "input": manifest.content_of(
            *(found for source in cell.sources for found in inputs.own_tables_of(params, source))
        ),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def shares_of(params: Params, mixture: str, cell: Cell) -> dict[str, float]:
    """What each source is of a batch, as in the mixture."""
    shares = params.mixtures[mixture].shares
    total = sum(shares[source] for source in cell.sources)
    return {source: shares[source] / total for source in cell.sources}


@cache
def _sources(content: str, shares: tuple[tuple[str, float], ...], folder: str) -> tuple[Any, ...]:
    """Windows and teacher, once a process; the folder is part of what is remembered."""
    windows, _, teacher = joined.mix(Params.model_validate_json(content), dict(shares))
    return windows, teacher


def train(params: Params, mixture: str, cell: Cell, folder: Path) -> None:
    """Train a model into its folder; the best epoch is that of the sources' own validation."""
    torch.use_deterministic_algorithms(True)
    start = time.monotonic()
    settings = settings_of(params, cell).train
    shares = shares_of(params, mixture, cell)
    windows, teacher = _sources(params.model_dump_json(), tuple(shares.items()), str(Path.cwd()))
    torch.manual_seed(settings.seed)
    model = training.Model(
        windows.shape, settings.imu_encoder, settings.mocap_encoder, settings.loss
    )
    training.fit_scale(model, windows, windows.rows("train"))
    recipe = params.transfer.recipes.get(cell.recipe)
    seen = windows.shuffled(cell.seed) if recipe is not None and recipe.control else windows
    best: dict[str, float] = {}
    for phase in settings.phases().values():
        best = training.train_phase(model, seen, phase, settings, cell.seed, lambda _: None)
    card = {
        "dataset": " + ".join(cell.sources),
        "phase": "joint",
        "shape": asdict(windows.shape),
        "teacher": teacher.content(),
        "settings": settings.model_dump(mode="json"),
        "seed": cell.seed,
        "sources": splits.source_counts(windows),
        "best": best,
    }
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    training.save(model, partial, card)
    partial.rename(folder)
    say(
        f"transfer: {cell.recipe}, seed {cell.seed}, of {', '.join(cell.sources)} in "
        f"{time.monotonic() - start:.0f} s"
    )


def similarities(
    folders: Sequence[Path], windows: Windows, test: TestSet, rows: np.ndarray, teacher: Any,
    target: str,
) -> np.ndarray:  # fmt: skip
    """Cosines (models, N, classes) float32 of `rows` of the target to its classes' prompts."""
    found = []
    for folder in folders:
        model, card = training.load(folder)
        joined.check_model(card, teacher, card["dataset"], target)
        if card["shape"]["samples"] != windows.window_samples:
            raise AuraError(
                f"The model of {card['dataset']} takes windows of {card['shape']['samples']} "
                f"samples and those of {target} have {windows.window_samples}; slice.window_s must "
                "be the same."
            )
        vectors = training.embed(model, windows, rows, ["imu"])["imu"]
        found.append((vectors @ test.class_vectors.T).astype(np.float32))
    return np.stack(found)


def vote(scores: np.ndarray, takes: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Classes (models, takes) of whole takes, in the order of their names: by summed cosines.

    Parameters
    ----------
    scores : ndarray
        (models, N, classes) of windows.
    takes : ndarray
        (N,) take of each.
    valid : ndarray
        (N,) bool, which windows have an IMU.

    Returns
    -------
    ndarray
        (models, takes) int64, -1 where no window says anything.
    """
    names, code = np.unique(takes, return_inverse=True)
    total = np.zeros((len(scores), len(names), scores.shape[2]))
    for sums, rows in zip(total, scores, strict=True):
        np.add.at(sums, code, rows * valid[:, None])
    heard = np.bincount(code, valid, len(names)) > 0
    return np.where(heard, total.argmax(2), -1)
