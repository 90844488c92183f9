"""One model that some classes were left out of, and its scores of all classes."""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from aura.config import Params
from aura.errors import AuraError
from aura.evaluation.leakage import names_class
from aura.evaluation.unseen import folds_of
from aura.learning import training
from aura.learning.batches import Windows
from aura.teacher.identity import Identity
from pipeline.engine.progress import say
from pipeline.study import grid, joined, splits, targets
from pipeline.study.grid import SENSORS


class Cell(NamedTuple):
    """One training: seed, partition of the classes, fold, who is tested, and whether a control.

    `inner` is -1, or the fold of the remaining classes that is tested in place of the fold, which
    then takes no part at all. `person` is "test" or "val" for that split.
    """

    seed: int
    partition: int
    fold: int
    inner: int
    person: str
    control: bool = False

    @property
    def name(self) -> str:
        """What its file is called."""
        inner = f".inner-{self.inner}" if self.inner >= 0 else ""
        kind = ".control" if self.control else ""
        return f"seed-{self.seed}.part-{self.partition}.fold-{self.fold}{inner}.{self.person}{kind}"


def cells_of(params: Params, classes: int, people: Sequence[str]) -> list[Cell]:
    """All trainings of the study.

    Parameters
    ----------
    params : Params
        The section `unseen` says which.
    classes : int
        Number of classes.
    people : sequence of str
        Who is left out in turn; "test" is the test split.

    Raises
    ------
    AuraError
        There are too few classes for two folds.
    """
    settings = params.unseen
    size = settings.classes_per_fold
    if classes < 2 * size:
        raise AuraError(
            f"unseen.classes_per_fold is {size} and there are {classes} classes; "
            "at least two folds are needed."
        )
    cells = []
    for partition in settings.partitions:
        for fold in range(len(folds_of(classes, size, partition))):
            for inner in range(settings.inner) if settings.inner else (-1,):
                for person in people:
                    cells += [Cell(s, partition, fold, inner, person) for s in settings.seeds]
                    if settings.control:
                        cell = Cell(settings.seeds[0], partition, fold, inner, person, True)
                        cells.append(cell)
    return cells


def calibration_of(
    params: Params, cells: Sequence[Cell], classes: int, has_val: bool
) -> list[Cell]:
    """The trainings that say by how much to raise unseen classes; see `Unseen.calibrate`.

    With the test split given, they are tested on validation. There are none without it, or where
    too few classes remain.
    """
    settings = params.unseen
    size = settings.classes_per_fold
    largest = max(len(fold) for fold in folds_of(classes, size, settings.partitions[0]))
    if not settings.calibrate or settings.inner or classes - largest < 2 * size:
        return []
    seed = settings.seeds[0]
    found = [
        Cell(seed, cell.partition, cell.fold, 0, "val" if cell.person == "test" else cell.person)
        for cell in cells
        if cell.person != "test" or has_val
    ]
    return list(dict.fromkeys(found))


def classes_of(cell: Cell, classes: int, size: int) -> tuple[list[int], list[int]]:
    """The classes that are tested as unseen, and those that take no part."""
    fold = folds_of(classes, size, cell.partition)[cell.fold]
    if cell.inner < 0:
        return fold, []
    rest = [c for c in range(classes) if c not in fold]
    folds = folds_of(len(rest), size, (cell.partition, cell.fold))
    if cell.inner >= len(folds) or len(folds) < 2:
        raise AuraError(
            f"{len(rest)} classes remain beside a fold, which are {len(folds)} folds; unseen.inner "
            f"is {cell.inner + 1}, and at least two folds are needed."
        )
    return [rest[i] for i in folds[cell.inner]], fold


def split(windows: Windows, label: np.ndarray, cell: Cell, hidden: Collection[int],
          unused: Collection[int]) -> Windows:  # fmt: skip
    """The windows with the splits of a cell.

    No window of a hidden class, or without a class, trains or validates, and none of an unused one
    is tested. With a person left out, all others train, and nothing validates.

    Parameters
    ----------
    windows : Windows
        All of them.
    label : (N,) int
        Classes; -1 of none.
    cell : Cell
        Who is tested.
    hidden, unused : collection of int
        Classes that training may not see, and those of them that are not tested either.
    """
    new = np.array(windows.split, dtype=object)
    if cell.person == "val":
        new[windows.split == "test"], new[windows.split == "val"] = splits.LEFT_OUT, "test"
    elif cell.person != "test":
        new[:] = np.where(windows.participant == cell.person, "test", "train")
    test = new == "test"
    new[~test & (np.isin(label, list(hidden)) | (label < 0))] = splits.LEFT_OUT
    new[test & (np.isin(label, list(unused)) | (label < 0))] = splits.LEFT_OUT
    return replace(windows, split=new.astype(str))


@cache
def _loaded(content: str, dataset: str, folder: str) -> tuple[Windows, Any, Identity]:
    """Windows, texts and teacher, once a process; the folder is part of what is remembered."""
    params = Params.model_validate_json(content)
    return joined.load(params, dataset, check=params.unseen.people == "given")


def train(params: Params, dataset: str, cell: Cell, file: Path) -> None:
    """Train and test one cell, and write its scores."""
    torch.use_deterministic_algorithms(True)
    start = time.monotonic()
    windows, texts, teacher = _loaded(params.model_dump_json(), dataset, str(Path.cwd()))
    settings = params.changed({"train": {"seed": cell.seed}}, "unseen.seeds")
    settings = settings.model_copy(update={"train": joined.pairs_of(settings.train, teacher)[0]})
    grid.write(file, _test(settings, dataset, windows, texts, cell))
    say(f"unseen: {cell.name} in {time.monotonic() - start:.0f} s")


def _test(
    params: Params, dataset: str, windows: Windows, texts: Any, cell: Cell
) -> dict[str, np.ndarray]:
    all_rows = np.arange(len(windows))
    everything = targets.test_set(windows, texts, all_rows)
    names, label = everything.class_names, everything.label
    fold, unused = classes_of(cell, len(names), params.unseen.classes_per_fold)
    hidden = {*fold, *unused}
    windows = split(windows, label, cell, hidden, unused)
    # Validation may share people with training, as it does where a data set says so.
    splits.check(windows, "warn" if cell.person == "val" else params.entry(dataset).overlap)
    windows = _without_names(windows, texts, [names[c] for c in hidden])
    rows = windows.rows("test")
    if not len(rows):
        raise AuraError(f"No window of {cell.person} has a class; there is nothing to test.")
    vectors_of_classes = everything.class_vectors
    train_windows = windows
    if cell.control:
        order = np.random.default_rng(cell.seed).permutation(len(names))
        vectors_of_classes = vectors_of_classes[order]
        train_windows = swap_texts(windows, label, order, cell.seed)
    train, seed = params.train, cell.seed
    torch.manual_seed(seed)
    model = training.Model(windows.shape, train.imu_encoder, train.mocap_encoder, train.loss)
    training.fit_scale(model, windows, windows.rows("train"))
    select = len(windows.rows("val")) > 1
    phases = train.phases().values()
    for phase in phases:
        training.train_phase(
            model, train_windows, phase, train, seed, lambda _: None, select=select
        )
    trained = {m for phase in phases for pair in phase.pairs for m in pair}
    sensors = [s for s in SENSORS if s in trained]
    vectors = training.embed(model, windows, rows, sensors)
    outcome = {
        "ids": np.array(windows.ids)[rows],
        "take": windows.take[rows],
        "moment": windows.moment[rows],
        "participant": windows.participant[rows],
        "label": label[rows],
        "fold": np.array(fold),
    }
    for sensor in sensors:
        scores = vectors[sensor].astype(np.float64) @ vectors_of_classes.T
        scores[~everything.valid[sensor][rows]] = np.nan
        scores[:, unused] = np.nan
        outcome[f"scores/{sensor}"] = scores.astype(np.float32)
    return outcome


def _without_names(windows: Windows, texts: Any, hidden: Sequence[str]) -> Windows:
    """Training and validation without captions that name a class which is hidden from them."""
    captions = texts.column("text").to_pylist()
    naming = {i for i, text in enumerate(captions) if any(names_class(text, n) for n in hidden)}
    seen = np.isin(windows.split, ("train", "val"))
    return windows.without_texts([naming if s else set() for s in seen])


def swap_texts(windows: Windows, label: np.ndarray, order: np.ndarray, seed: int) -> Windows:
    """Control: each window has the texts of one of the class that `order` gives for its own.

    A class keeps texts that are the same for all its windows, of another class's meaning.

    Parameters
    ----------
    windows : Windows
        All of them.
    label : (N,) int
        Classes; -1 of none.
    order : (C,) int
        A permutation of the classes.
    seed : int
        Of which window of the class.
    """
    rng = np.random.default_rng(seed)
    has = windows.has["text"].numpy()
    rows = np.arange(len(windows))
    for number, other in enumerate(order.tolist()):
        own, source = np.flatnonzero(label == number), np.flatnonzero((label == other) & has)
        if len(source):
            rows[own] = rng.choice(source, len(own))
    return replace(windows, order={"text": torch.from_numpy(rows)})
