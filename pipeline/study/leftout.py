"""Models of a mixture without some of its data sets: which there are, and their training."""

import hashlib
import json
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from aura import encoders
from aura.config import Params
from aura.errors import AuraError
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
    others = _others(params, sources, {target})
    if not others:
        raise AuraError(f"All sources of the mixture {mixture} are of the files of {target}.")
    found = cells(params, mixture, {target}, list(params.transfer.recipes))
    if params.transfer.singles and len(others) > 1:
        found += [
            Cell(f"{ALONE}{source}", (source,), seed)
            for source in others
            for seed in params.transfer.seeds
        ]
    if not found:
        raise AuraError(
            f"No row of the table is left for {target}: none of transfer.recipes has a source that "
            "is of other files."
        )
    return found


def cells(
    params: Params, mixture: str, left_out: Collection[str], recipes: Sequence[str]
) -> list[Cell]:
    """Models of some recipes, without all files of some data sets.

    A recipe of which nothing is left has none.

    Raises
    ------
    AuraError
        A recipe names what is no source of the mixture.
    """
    sources = params.mixtures[mixture].sources
    others = _others(params, sources, left_out)
    found = []
    for name in recipes:
        asked = params.transfer.recipes[name].sources or sources
        if unknown := set(asked) - set(sources):
            raise AuraError(
                f"transfer.recipes.{name}.sources: {min(unknown)} is no source of the mixture "
                f"{mixture}."
            )
        if kept := tuple(s for s in others if s in asked):  # in the mixture's order
            found += [Cell(name, kept, seed) for seed in params.transfer.seeds]
    return found


def _others(params: Params, sources: Sequence[str], left_out: Collection[str]) -> tuple[str, ...]:
    owners = {joined.owner(params, name) for name in left_out}
    return tuple(s for s in sources if joined.owner(params, s) not in owners)


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
        "people": 1.0 if recipe is None else recipe.people,
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
    recipe = params.transfer.recipes.get(cell.recipe)
    if recipe is not None and recipe.people < 1:
        windows = fewer_people(windows, recipe.people, cell.seed)
    torch.manual_seed(settings.seed)
    model = training.Model(
        windows.shape, settings.imu_encoder, settings.mocap_encoder, settings.loss
    )
    training.fit_scale(model, windows, windows.rows("train"))
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


def fewer_people(windows: Windows, share: float, seed: int) -> Windows:
    """The windows with a share of each source's training people; the others' are in no split.

    Parameters
    ----------
    windows : Windows
        Those of a mixture.
    share : float
        Of the people of each source, at least one of whom stays.
    seed : int
        Of who stays; who does at a smaller share does at a larger.

    Returns
    -------
    Windows
        Validation and test are the same.
    """
    assert windows.source is not None
    split, train = np.array(windows.split, dtype=object), windows.split == "train"
    for source in windows.shares:
        own = train & (windows.source == source)
        people = np.unique(windows.participant[own])
        order = np.random.default_rng(seed).permutation(people)
        kept = order[: max(1, round(share * len(people)))]
        split[own & ~np.isin(windows.participant, kept)] = splits.LEFT_OUT
    return replace(windows, split=split.astype(str))
