"""transfer: each data set of a mixture left out once, and tested by a model of the others.

Zero-shot by prompts, then heads on labels of the target beside the same from random weights
(evaluation protocol, rule 7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aura.config import Params
from aura.downstream.compare import compare
from aura.errors import AuraError
from aura.evaluation import zeroshot
from aura.evaluation.balanced import balanced_classes
from aura.evaluation.measure import TestSet
from aura.learning.batches import Windows
from aura.report import transfer as tables
from aura.teacher.identity import Identity
from pipeline.engine import inputs, paths
from pipeline.engine.log import logged, tell
from pipeline.engine.output import Made, stage_output, write_json, write_text
from pipeline.engine.progress import say, track
from pipeline.engine.workers import deterministic
from pipeline.study import (
    copies,
    folds,
    grid,
    joined,
    leftout,
    nested,
    tallies,
    targets,
    zero_shot,
)
from pipeline.study.leftout import Cell

AVERAGED = "seeds averaged"
BALANCED = "seeds averaged, classes balanced over the unlabelled target"


@logged(str(paths.report("{dataset}", "transfer")))
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
    for target in names:
        params.dataset(target)
    grids = {target: leftout.grid(params, dataset, target) for target in names}
    inner = {target: nested.inner(params, dataset, target) for target in names}
    every = [*grids.values(), *(cells for held in inner.values() for cells in held.values())]
    keys = {cell: leftout.key_of(params, dataset, cell) for cells in every for cell in cells}
    for target in names:
        _load(params, target)  # what is wrong with one is said before hours of training
    out = paths.MODELS / "transfer" / dataset
    used = params.model_dump(mode="json", include={"transfer", "train", "finetune"})
    read = [inputs.own_tables_of(params, name) for name in dict.fromkeys([*sources, *names])]
    made = Made("transfer", dataset, used, [of for found in read for of in found])
    with stage_output(out, {"dataset": dataset}, made) as models:
        grid.carry_over(out, models)
        folders = {cell: models / key for cell, key in keys.items()}
        todo = {folder: cell for cell, folder in folders.items() if not folder.is_dir()}
        say(f"transfer: {len(set(keys.values()))} models, {len(todo)} of them to be trained.")
        missing = {cell: folder for folder, cell in todo.items()}
        done = grid.train_all(leftout.train, params, dataset, missing)
        for _ in track(done, "transfer", len(todo), "model"):
            pass
        deterministic()
        alone: dict[str, dict[Path, None]] = {}
        for cell, folder in folders.items():
            if cell.alone:
                alone.setdefault(cell.sources[0], {})[folder] = None
        home = {
            source: zero_shot.macro_f1(params, source, list(of), "test")
            for source, of in alone.items()
        }
        details, tested = dict[str, Any](), dict[str, tuple[Windows, np.ndarray, int]]()
        kept = {folder.name for folder in folders.values()}
        for target in names:
            choice = nested.scores(params, inner[target], folders)
            details[target], files, tested[target] = _test(
                params, target, grids[target], folders, home, choice
            )
            kept.update(file.name for file in files)
        grid.keep_only(models, kept)  # no model or fold of other settings
        ledger = tallies.targets(tested)
        tell(ledger)
        for target, counts in zip(names, ledger.content().values(), strict=True):
            details[target]["counts"] = {"windows": counts}
    with stage_output(paths.report(dataset, "transfer"), None) as reports:
        write_json(reports / "metrics.json", tables.headline_metrics(details))
        write_json(reports / "details.json", details)
        write_text(reports / "table.md", tables.page(dataset, details))
        write_text(reports / "figure.svg", tables.figure(details))
    say(f"transfer: {paths.report(dataset, 'transfer') / 'table.md'}")


def _load(
    params: Params, target: str
) -> tuple[Windows, TestSet, Identity, np.ndarray, list[str], list[str]]:
    """Windows of a target, the same as a test, its teacher, labelled rows, people and warnings."""
    own = params.changed(params.dataset(target).params, f"datasets.{target}.params")
    windows, texts, teacher = joined.load(own, target, check=False)
    test = targets.test_set(windows, texts, np.arange(len(windows)))
    rows = np.flatnonzero(test.label >= 0)
    people = sorted(set(windows.participant[rows].tolist()))
    if len(people) < 2:
        raise AuraError(f"{target} has labels of {len(people)} participants; two are needed.")
    if not test.valid["imu"][rows].any():
        raise AuraError(f"No window of {target} has both a label and an IMU; nothing to test.")
    windows = replace(windows, copies=copies.of_dataset([target], windows))
    leaks = folds.check(windows, people, own.dataset(target).overlap)
    return windows, test, teacher, rows, people, leaks


def _test(
    params: Params, target: str, cells: Sequence[Cell], folders: Mapping[Cell, Path],
    home: Mapping[str, float | None], choice: Mapping[str, Mapping[str, float]],
) -> tuple[dict[str, Any], list[Path], tuple[Windows, np.ndarray, int]]:  # fmt: skip
    """All figures of one target, the files that its heads are kept in, and what is counted."""
    windows, test, teacher, rows, people, leaks = _load(params, target)
    for source in {s: None for cell in cells for s in cell.sources}:
        leaks += copies.between(source, target)
    labelled = test.select(rows)
    chosen = nested.best(choice) if choice else cells[0].recipe
    of_chosen = [cell for cell in cells if cell.recipe == chosen]
    scores = {
        name: zero_shot.similarities(
            [folders[cell] for cell in cells if cell.recipe == name],
            windows, labelled, rows, teacher, target,
        )
        for name in dict.fromkeys([chosen, *(cell.recipe for cell in cells)])
    }  # fmt: skip
    unit, unit_name = labelled.unit()
    classes, draws, seed = len(test.class_names), params.evaluate.bootstrap_draws, params.seed
    place = np.array([name or "" for name in windows.place[rows]], str)
    by_window, by_take = _answers(scores, labelled, place, params.transfer.transductive)
    _, first = np.unique(labelled.take, return_index=True)  # a window of each take

    def compared(
        predicted: Mapping[str, np.ndarray], of: np.ndarray, at: str = ""
    ) -> dict[str, dict[str, Any]]:
        some = np.flatnonzero(place[of] == at) if at else np.arange(len(of))
        part = {name: found[:, some] for name, found in predicted.items()}
        of = of[some]
        return compare(part, labelled.label[of], unit[of], classes, draws, seed)

    every = np.arange(len(rows))
    found = sorted({name for name in place.tolist() if name})
    found = found if len(found) > 1 else []
    heads: dict[str, Any] = {}
    files: list[Path] = []
    if params.transfer.heads:
        heads, files = folds.heads(params, windows, test, people, folders[of_chosen[0]], target)
    single = dict.fromkeys(cell.sources[0] for cell in cells if cell.alone)
    content = {
        "sources": list(of_chosen[0].sources),
        "chosen": chosen,
        "choice": choice,
        "seeds": list(params.transfer.seeds),
        "participants": len(people),
        "windows": len(rows),
        "classes": list(test.class_names),
        "interval": unit_name,
        "baselines": zeroshot.baselines(labelled.label, labelled.label, classes, seed),
        "zero_shot": compared(by_window, every),
        "takes": compared(by_take, first),
        "places": {name: compared(by_window, every, name) for name in found},
        "errors": zeroshot.errors(
            labelled.label[first], next(iter(by_take.values())), test.class_names
        ),
        "takes_at_places": {name: compared(by_take, first, name) for name in found},
        "home": {source: home[source] for source in single},
        **heads,
        "warnings": [*leaks, *heads.get("warnings", [])],
    }
    answered = len(next(iter(by_window.values()))[0])
    return content, files, (windows, test.label, answered)


def _answers(
    scores: Mapping[str, np.ndarray], test: TestSet, place: np.ndarray, transductive: bool
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Classes (models, N) of windows and (models, takes) of takes, by row of the table.

    After the first row come the mean of its models, where it has several, and that mean with the
    classes balanced among the unlabelled windows or takes of a place.
    """
    has_imu, (first_name, *others) = test.valid["imu"], scores
    mean = scores[first_name].mean(0, keepdims=True)

    def answered(rows: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
        return [
            {name: np.where(has_imu, s.argmax(2), -1) for name, s in rows.items()},
            {name: zero_shot.vote(s, test.take, has_imu) for name, s in rows.items()},
        ]

    averaged = {AVERAGED: mean} if len(scores[first_name]) > 1 else {}
    by_window, by_take = answered({first_name: scores[first_name], **averaged})
    if transductive:
        takes, heard = zero_shot.of_takes(mean, test.take, has_imu)
        _, first = np.unique(test.take, return_index=True)
        by_window[BALANCED] = balanced_classes(mean[0], place, has_imu)[None]
        by_take[BALANCED] = balanced_classes(takes[0], place[first], heard)[None]
    windows_after, takes_after = answered({name: scores[name] for name in others})
    return by_window | windows_after, by_take | takes_after
