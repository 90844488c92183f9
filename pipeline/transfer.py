"""transfer: each data set of a mixture left out once, and tested by a model of the others.

Zero-shot by prompts, then heads on labels of the target beside the same from random weights
(evaluation protocol, rule 7).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from aura import config
from aura.config import Params
from aura.downstream import tasks
from aura.downstream.tasks import Head
from aura.errors import AuraError
from aura.evaluation.measure import TestSet
from aura.evaluation.zeroshot import baselines
from aura.learning import training
from aura.learning.batches import Windows
from aura.learning.movement import movement
from aura.report import transfer as tables
from pipeline.engine import paths
from pipeline.engine.code import code_hash
from pipeline.engine.output import stage_output, temporary_path, write_json, write_text
from pipeline.engine.processes import process_pool
from pipeline.engine.progress import say, track
from pipeline.engine.workers import deterministic
from pipeline.study import copies, joined, leftout, targets
from pipeline.study.leftout import Cell

LENGTH_ALONE = Head("imu", "length alone", None, "no encoder")


def run(params: Params, dataset: str) -> None:
    """Write models in `models/transfer/<mixture>`, tables in `reports/<mixture>/transfer`.

    Raises
    ------
    AuraError
        It is no mixture, a target is none of its sources or has labels of a single person, or data
        sets do not go together.
    """
    if dataset not in params.mixtures:
        known = ", ".join(sorted(params.mixtures)) or "none"
        raise AuraError(f"There is no mixture '{dataset}' in params.yaml; known: {known}.")
    sources = params.mixtures[dataset].sources
    names = params.transfer.targets or sources
    if unknown := set(names) - set(sources):
        raise AuraError(f"transfer.targets: {min(unknown)} is no source of the mixture {dataset}.")
    grids = {target: leftout.grid(params, dataset, target) for target in names}
    keys = {
        cell: leftout.key_of(params, dataset, cell) for cells in grids.values() for cell in cells
    }
    out = paths.MODELS / "transfer" / dataset
    out.mkdir(parents=True, exist_ok=True)
    folders = {cell: out / key for cell, key in keys.items()}
    todo = {folder: cell for cell, folder in folders.items() if not folder.is_dir()}
    say(f"transfer: {len(set(keys.values()))} models, {len(todo)} of them to be trained.")
    for _ in track(_train(params, dataset, todo), "transfer", len(todo), "model"):
        pass
    deterministic()
    details = {target: _test(params, target, grids[target], folders) for target in names}
    kept = {folder.name for folder in folders.values()}
    for leftover in out.iterdir():
        if leftover.name.partition(".")[0] not in kept:
            _remove(leftover)
    with stage_output(paths.report(dataset, "transfer"), None) as reports:
        write_json(reports / "metrics.json", tables.headline_metrics(details))
        write_json(reports / "details.json", details)
        write_text(reports / "table.md", tables.page(dataset, details))
        write_text(reports / "figure.svg", tables.figure(details))
    say(f"transfer: {paths.report(dataset, 'transfer') / 'table.md'}")


def _train(params: Params, mixture: str, todo: Mapping[Path, Cell]) -> Any:
    """Train the models that are not there, one thread a process; yield each when it is done."""
    workers = min(params.ray.local_workers(), len(todo))
    if workers <= 1:
        for folder, cell in todo.items():
            leftout.train(params, mixture, cell, folder)
            yield cell
        return
    with process_pool(workers) as pool:
        futures = {
            pool.submit(leftout.train, params, mixture, cell, folder): cell
            for folder, cell in todo.items()
        }
        for future in as_completed(futures):
            future.result()
            yield futures[future]


def _test(
    params: Params, target: str, cells: Sequence[Cell], folders: Mapping[Cell, Path]
) -> dict[str, Any]:
    """All figures of one target."""
    own = params.changed(params.dataset(target).params, f"datasets.{target}.params")
    windows, texts, teacher = joined.load(own, target, check=False)
    test = targets.test_set(windows, texts, np.arange(len(windows)))
    rows = np.flatnonzero(test.label >= 0)
    people = sorted(set(windows.participant[rows].tolist()))
    if len(people) < 2:
        raise AuraError(f"{target} has labels of {len(people)} participants; two are needed.")
    windows = replace(windows, copies=copies.of_dataset([target], windows))
    leaks = check_folds(windows, people, own.dataset(target).overlap)
    for source in {s: None for cell in cells for s in cell.sources}:
        leaks += copies.between(source, target)
    labelled = test.select(rows)
    scores = {
        name: leftout.similarities(
            [folders[cell] for cell in cells if cell.recipe == name],
            windows, labelled, rows, teacher, target,
        )
        for name in dict.fromkeys(cell.recipe for cell in cells)
    }  # fmt: skip
    unit, unit_name = labelled.unit()
    classes, draws, seed = len(test.class_names), params.evaluate.bootstrap_draws, params.seed
    place = np.array([name or "" for name in windows.place[rows]], str)
    has_imu, weights = labelled.valid["imu"], movement(windows, rows)
    by_window = {name: np.where(has_imu, s.argmax(2), -1) for name, s in scores.items()}
    by_take = {name: leftout.vote(s, labelled.take, weights) for name, s in scores.items()}
    _, first = np.unique(labelled.take, return_index=True)  # a window of each take

    def compare(
        predicted: Mapping[str, np.ndarray], of: np.ndarray, at: str = ""
    ) -> dict[str, dict[str, Any]]:
        some = np.flatnonzero(place[of] == at) if at else np.arange(len(of))
        part = {name: found[:, some] for name, found in predicted.items()}
        of = of[some]
        return tasks.compare(part, labelled.label[of], unit[of], classes, draws, seed)

    every = np.arange(len(rows))
    found = sorted({name for name in place.tolist() if name})
    found = found if len(found) > 1 else []
    home = {c.sources[0]: _at_home(params, c, folders[c]) for c in cells if c.alone}
    heads: dict[str, Any] = {}
    if params.transfer.heads:
        heads = _heads(params, windows, test, people, folders[cells[0]], unit_name)
    return {
        "sources": list(cells[0].sources),
        "seeds": list(params.transfer.seeds),
        "participants": len(people),
        "windows": len(rows),
        "classes": list(test.class_names),
        "interval": unit_name,
        "baselines": baselines(labelled.label, labelled.label, classes, seed),
        "zero_shot": compare(by_window, every),
        "takes": compare(by_take, first),
        "places": {name: compare(by_window, every, name) for name in found},
        "takes_at_places": {name: compare(by_take, first, name) for name in found},
        "home": home,
        **heads,
        "warnings": [*leaks, *heads.get("warnings", [])],
    }


def check_folds(windows: Windows, people: Sequence[str], on_overlap: str) -> list[str]:
    """Refuse participants who share a capture or a recording, each being the test of the others.

    Parameters
    ----------
    windows : Windows
        All windows of a data set.
    people : sequence of str
        Those that are left out, each once.
    on_overlap : {"error", "warn"}
        As for `joined.check_splits`.

    Returns
    -------
    list of str
        The warnings, each once.

    Raises
    ------
    AuraError
        As `joined.check_splits`.
    """
    warnings: dict[str, None] = {}
    for person in people:
        split = np.where(windows.participant == person, "test", "train")
        warnings |= dict.fromkeys(joined.check_splits(replace(windows, split=split), on_overlap))
    return list(warnings)


def _at_home(params: Params, cell: Cell, folder: Path) -> float | None:
    """Zero-shot macro-F1 of a single source's model on that source's own test split."""
    (source,) = cell.sources
    own = params.changed(params.dataset(source).params, f"datasets.{source}.params")
    windows, texts, teacher = joined.load(own, source, check=False)
    test = targets.test_set(windows, texts, np.arange(len(windows)))
    rows = np.flatnonzero((test.label >= 0) & (windows.split == "test"))
    if not len(rows):
        return None
    scores = leftout.similarities([folder], windows, test, rows, teacher, source)
    predicted = np.where(test.valid["imu"][rows], scores.argmax(2), -1)
    figures = tasks.compare(
        {"": predicted}, test.label[rows], windows.participant[rows], len(test.class_names), 2, 0
    )
    return float(figures[""]["macro-F1"]["value"]) if figures else None


def _heads(
    params: Params, windows: Windows, test: TestSet, people: Sequence[str], folder: Path,
    unit_name: str,
) -> dict[str, Any]:  # fmt: skip
    """What heads on labels of the target score, fold by fold of people."""
    model, card = training.load(folder)
    order = np.random.default_rng(params.seed).permutation(len(people))
    folds = np.array_split(np.array(people)[order], params.transfer.folds or len(people))
    settings = {
        "code": code_hash("pipeline.transfer"),
        "params": params.model_dump(mode="json", include={"finetune"}),
        "seed": params.train.seed,
        "model": folder.name,
    }
    outcomes = []
    for fold in track(folds, "transfer", len(folds), "fold"):
        key = hashlib.sha256(
            json.dumps([settings, sorted(fold.tolist())], sort_keys=True).encode()
        ).hexdigest()[:12]
        file = folder.with_name(f"{folder.name}.{key}.npz")
        if not file.is_file():
            _fold(params, model, card, windows, test, fold, file)
        with np.load(file, allow_pickle=False) as content:
            outcomes.append(dict(content))
    rows = np.concatenate([fold["rows"] for fold in outcomes])
    predictions = {
        Head(*json.loads(name)): np.concatenate([fold[name] for fold in outcomes], axis=1)
        for name in outcomes[0]
        if name != "rows"
    }
    unit, _ = test.select(rows).unit()
    table, gains = tasks.score(
        predictions, test.label[rows], unit, len(test.class_names),
        params.evaluate.bootstrap_draws, params.seed,
    )  # fmt: skip
    return {"rows": table, "gains": gains, "warnings": tasks.negative_transfer(gains)}


def _fold(
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
    temporary = temporary_path(file)
    with temporary.open("wb") as stream:
        content = {
            "rows": rows,
            **{json.dumps(head): classes for head, classes in predictions.items()},
        }
        np.savez_compressed(stream, **content)  # type: ignore[arg-type]
    temporary.replace(file)


def _remove(path: Path) -> None:
    """A model or a fold of other settings."""
    if path.is_dir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    else:
        path.unlink()
