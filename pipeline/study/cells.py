"""One training of an ablation, from settings to its predictions for each test window."""

import shutil
import time
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from aura.config import Params, Variant
from aura.downstream import tasks
from aura.evaluation.measure import TestSet
from aura.evaluation.retrieval import ranks
from aura.evaluation.zeroshot import predict
from aura.learning import training
from aura.learning.batches import Windows
from aura.teacher.identity import Identity
from pipeline.engine.progress import say
from pipeline.study import grid, joined, splits, targets

RETRIEVALS = (
    ("imu", "mocap", False), ("mocap", "imu", False), ("imu", "text", True),
    ("imu", "video", False), ("mocap", "text", True),
)  # fmt: skip
SENSORS = ("imu", "mocap")


class Cell(NamedTuple):
    """One training: which variant, which seed, and who is tested ("test": the test split)."""

    variant: str
    seed: int
    fold: str

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{self.variant}.seed-{self.seed}.{self.fold}"


def carry_over(out: Path, folder: Path, names: Collection[str]) -> None:
    """Copy the files of these names from the last run to the new one's folder, and keep no other.

    An interrupted run has left its own there already.
    """
    for file in folder.glob("*.npz"):
        if file.name not in names:
            file.unlink()
    for name in names:
        if (out / name).is_file() and not (folder / name).exists():
            shutil.copy(out / name, folder / name)


def settings_of(params: Params, name: str, seed: int) -> Params:
    """Parameters with a variant's changes and a seed put in."""
    variant = params.ablate.variants[name]
    changes = {"train": {**variant.train, "seed": seed}, "finetune": variant.finetune}
    return params.changed(changes, f"ablate.variants.{name}")


@cache
def _loaded(content: str, dataset: str, folder: str) -> tuple[Windows, Any, Identity]:
    """Windows, texts and teacher, once a process; the folder is part of what is remembered."""
    return joined.load(Params.model_validate_json(content), dataset)


def train(params: Params, dataset: str, cell: Cell, file: Path) -> None:
    """Train and test one cell, and write its ranks and predictions for each test window."""
    torch.use_deterministic_algorithms(True)
    start = time.monotonic()
    windows, texts, teacher = _loaded(params.model_dump_json(), dataset, str(Path.cwd()))
    variant = params.ablate.variants[cell.variant]
    settings = settings_of(params, cell.variant, cell.seed)
    seen = joined.pairs_of(settings.train, teacher)[0]
    changed = settings.model_copy(update={"train": seen})
    outcome = _test(changed, variant, windows, texts, cell)
    grid.write(file, outcome)
    say(f"ablate: {cell.name} in {time.monotonic() - start:.0f} s")


def _test(
    params: Params, variant: Variant, windows: Windows, texts: Any, cell: Cell
) -> dict[str, np.ndarray]:
    settings, seed, given_split = params.train, cell.seed, cell.fold == "test"
    if not given_split:
        split = np.where(windows.participant == cell.fold, "test", "train")
        windows = replace(windows, split=split)
        splits.check(windows)
    rows = windows.rows("test")
    test = targets.test_set(windows, texts, rows)
    torch.manual_seed(seed)
    model = training.Model(
        windows.shape, settings.imu_encoder, settings.mocap_encoder, settings.loss
    )
    training.fit_scale(model, windows, windows.rows("train"))
    train_windows = windows.shuffled(seed) if variant.control else windows
    for phase in settings.phases().values():
        training.train_phase(
            model, train_windows, phase, settings, seed, lambda _: None, select=given_split
        )
    vectors = training.embed(model, windows, rows, ("imu", "mocap", "video", "text"))
    outcome = {
        "ids": np.array(windows.ids)[rows],
        "take": windows.moment[rows],
        "participant": windows.participant[rows],
        "label": test.label,
    }
    trained = {m for phase in settings.phases().values() for pair in phase.pairs for m in pair}
    for query, gallery, multi in RETRIEVALS:
        both = np.flatnonzero(test.valid[query] & test.valid[gallery])
        if {query, gallery} - {"text", "video"} <= trained and len(both) > 1:
            group = test.matching(both, multi)
            rank = np.full(len(rows), np.nan)
            rank[both] = ranks(vectors[query][both], vectors[gallery][both], group, group)
            outcome[f"rank/{query}-{gallery}"] = rank
    for modality in SENSORS:
        if modality in trained:
            classes = predict(vectors[modality], test.class_vectors)
            outcome[f"predicted/{modality} zero-shot"] = np.where(test.valid[modality], classes, -1)
    if variant.heads:
        outcome |= _heads(params, model, windows, texts, test, rows, seed)
    return outcome


def _heads(
    params: Params, model: training.Model, windows: Windows, texts: Any, test: TestSet,
    rows: np.ndarray, seed: int,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Heads on pretrained and on random encoders, alone and fused, trained on the same labels."""
    labels = targets.test_set(windows, texts, np.arange(len(windows))).label
    encoders = {modality: getattr(model, modality) for modality in SENSORS}
    answers = tasks.fit_predict(
        encoders, windows, labels, np.flatnonzero(windows.split != "test"), rows,
        len(test.class_names), params.finetune, params.train.augment, seed,
    )  # fmt: skip
    return {f"predicted/{answer.head.name}": answer.predicted[0] for answer in answers}
