"""Heads on labels of a data set, tested on people that they have not seen, fold by fold."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from aura import config
from aura.config import Params
from aura.downstream import tasks
from aura.downstream.tasks import Head
from aura.evaluation.measure import TestSet
from aura.learning import training
from aura.learning.batches import Windows
from pipeline.engine import inputs, manifest
from pipeline.engine.code import code_hash
from pipeline.engine.progress import track
from pipeline.study import grid, splits

LENGTH_ALONE = Head("imu", "length alone", None, "no encoder")


def check(windows: Windows, people: Sequence[str], on_overlap: str) -> list[str]:
    """Refuse participants who share a capture or a recording, each being the test of the others.

    Parameters
    ----------
    windows : Windows
        All windows of a data set.
    people : sequence of str
        Those that are left out, each once.
    on_overlap : {"error", "warn"}
        As for `splits.check`.

    Returns
    -------
    list of str
        The warnings, each once.

    Raises
    ------
    AuraError
        As `splits.check`.
    """
    warnings: dict[str, None] = {}
    for person in people:
        split = np.where(windows.participant == person, "test", "train")
        warnings |= dict.fromkeys(splits.check(replace(windows, split=split), on_overlap))
    return list(warnings)


def of(params: Params, people: Sequence[str]) -> list[np.ndarray]:
    """People in random folds of about one size, `transfer.folds` of them or one a person."""
    order = np.random.default_rng(params.seed).permutation(len(people))
    count = min(params.transfer.folds or len(people), len(people))
    return np.array_split(np.array(people)[order], count)


def heads(
    params: Params, windows: Windows, test: TestSet, people: Sequence[str], folder: Path,
    target: str,
) -> tuple[dict[str, Any], list[Path]]:  # fmt: skip
    """What heads on labels of the target score, from a model's encoder and from random weights.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    windows : Windows
        All windows of the target.
    test : TestSet
        The same, row by row.
    people : sequence of str
        Those with labels.
    folder : Path
        The model; what the heads of a fold predict is kept beside it.
    target : str
        Name of the data set.

    Returns
    -------
    content : dict
        `rows`, `gains` and `warnings`, as of `tasks.score`.
    files : list of Path
        What was kept.
    """
    model, card = training.load(folder)
    settings = {
        "code": code_hash("pipeline.study.folds"),
        "finetune": params.finetune.model_dump(mode="json"),
        "seed": params.train.seed,
        "target": target,
        "input": manifest.content_of(*inputs.own_tables_of(params, target)),
    }
    folds = of(params, people)
    outcomes, files = [], []
    for fold in track(folds, "transfer", len(folds), "fold"):
        key = hashlib.sha256(
            json.dumps([settings, sorted(fold.tolist())], sort_keys=True).encode()
        ).hexdigest()[:12]
        file = folder.with_name(f"{folder.name}.{key}.npz")
        files.append(file)
        if not file.is_file():
            predict(params, model, card, windows, test, fold, file)
        outcomes.append(grid.read(file))
    rows = np.concatenate([fold["rows"] for fold in outcomes])
    predictions = {
        Head(*json.loads(name)): np.concatenate([fold[name] for fold in outcomes], axis=1)
        for name in outcomes[0]
        if name != "rows" and all(name in fold for fold in outcomes)
    }
    unit, _ = test.select(rows).unit()
    table, gains = tasks.score(
        predictions, test.label[rows], unit, len(test.class_names),
        params.evaluate.bootstrap_draws, params.seed,
    )  # fmt: skip
    return {"rows": table, "gains": gains, "warnings": tasks.negative_transfer(gains)}, files


def predict(
    params: Params, model: training.Model, card: dict[str, Any], windows: Windows, test: TestSet,
    people: np.ndarray, file: Path,
) -> None:  # fmt: skip
    """Write what every head predicts for some people, trained on all others."""
    held = np.isin(windows.participant, people)
    rows, train = np.flatnonzero(held & (test.label >= 0)), np.flatnonzero(~held)
    has_imu = test.valid["imu"][rows]
    length_s = test.length_s["imu"][:, None]
    labelled = train[test.label[train] >= 0]
    tree = DecisionTreeClassifier(min_samples_leaf=5, random_state=0)
    by_length = tree.fit(length_s[labelled], test.label[labelled]).predict(length_s[rows])
    predictions = {LENGTH_ALONE: np.where(has_imu, by_length, -1)[None]}
    augment = config.Augment.model_validate(card["settings"]["augment"])
    for answer in tasks.fit_predict(
        {"imu": model.imu}, windows, test.label, train, rows, len(test.class_names),
        params.finetune, augment, params.train.seed, params.finetune.draws,
    ):  # fmt: skip
        predictions[answer.head] = answer.predicted
    of_heads = {json.dumps(head): classes for head, classes in predictions.items()}
    grid.write(file, {"rows": rows, **of_heads})
