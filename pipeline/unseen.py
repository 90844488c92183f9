"""unseen: classes left out of training in turn, and told from their words alone.

A cell is one seed, partition of the classes, fold and person, and a file: a killed run resumes at
the cells that are missing, and a cell whose code, settings and input are the same is kept.
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aura import encoders
from aura.config import Params
from aura.errors import AuraError
from aura.evaluation.unseen import Outcome, calibrate
from aura.report import unseen as tables
from pipeline.engine import inputs, manifest, paths
from pipeline.engine.code import code_hash
from pipeline.engine.log import logged, tell
from pipeline.engine.output import Made, stage_output, write_json, write_text
from pipeline.engine.progress import say, track
from pipeline.study import grid, joined, tallies, targets, words
from pipeline.study.grid import SENSORS
from pipeline.study.words import Cell


@logged(str(paths.report("{dataset}", "unseen")))
def run(params: Params, dataset: str) -> None:
    """Write cells in `models/unseen/<dataset>`, tables in `reports/<dataset>/unseen`."""
    settings = params.unseen
    windows, texts, teacher = joined.load(params, dataset, check=settings.people == "given")
    _, sentence = joined.pairs_of(params.train, teacher)
    if sentence:
        say(f"unseen: {sentence}")
    classes = targets.class_names(texts)
    people = ["test"]
    if settings.people == "participants":
        people = sorted(set(windows.participant.tolist()))
        if len(people) < 2:
            raise AuraError(f"{dataset} has one person; set unseen.people to given.")
    tests = words.cells_of(params, len(classes), people)
    has_val = len(windows.rows("val")) > 1
    calibrating = words.calibration_of(params, tests, len(classes), has_val)
    if settings.calibrate and not settings.inner and not calibrating:
        say("unseen: without validation, or with too few classes, unseen ones are not calibrated.")
    wanted = tests + calibrating
    keys = _hash_cells(params, dataset, wanted)
    out = paths.MODELS / "unseen" / dataset
    used = params.model_dump(mode="json", include={"unseen", "train"})
    made = Made("unseen", dataset, used, inputs.sources_of(params, dataset))
    with stage_output(out, {"dataset": dataset}, made) as folder:
        files = {cell: folder / f"{cell.name}.{keys[cell]}.npz" for cell in wanted}
        grid.carry_over(out, folder, {file.name for file in files.values()})
        todo = {cell: file for cell, file in files.items() if not file.is_file()}
        say(f"unseen: {len(wanted)} trainings, {len(wanted) - len(todo)} of them done already.")
        done = grid.train_all(words.train, params, dataset, todo)
        for _ in track(done, "unseen", len(todo), "training"):
            pass
        found = {cell: grid.read(file) for cell, file in files.items()}
    raises = _raises(found, tests, calibrating)
    outcomes = {
        control: _outcomes(
            {c: found[c] for c in tests if c.control == control}, {} if control else raises
        )
        for control in (False, True)
    }
    page, metrics, details = tables.tables(
        outcomes[False], outcomes[True], classes, settings.classes_per_fold,
        params.evaluate.bootstrap_draws, params.seed,
    )  # fmt: skip
    details["models"] = len(wanted)
    label = targets.test_set(windows, texts, np.arange(len(windows))).label
    unused = [words.classes_of(c, len(classes), settings.classes_per_fold)[1] for c in found]
    tested = [(cell.person, outcome["ids"]) for cell, outcome in found.items()]
    ledger = tallies.cells("unseen", windows, label, tested, unused, only_labelled=True)
    tell(ledger)
    details["counts"] = ledger.content()
    with stage_output(paths.report(dataset, "unseen"), None) as reports:
        write_text(reports / "table.md", f"# {dataset}\n\n{page}")
        write_json(reports / "metrics.json", metrics)
        write_json(reports / "details.json", details)
    say(f"unseen: {paths.report(dataset, 'unseen') / 'table.md'}")


def _raises(
    found: Mapping[Cell, dict[str, np.ndarray]], tests: Sequence[Cell], calibrating: Sequence[Cell]
) -> dict[tuple[Cell, str], float]:
    """By how much each cell's unseen classes are raised, by sensor: from other people than its."""
    raises: dict[tuple[Cell, str], float] = {}
    for cell in tests:
        others = {
            c: found[c] for c in calibrating
            if (c.partition, c.fold) == (cell.partition, cell.fold) and c.person != cell.person
        }  # fmt: skip
        raises |= {(cell, s): calibrate(outcomes) for s, outcomes in _outcomes(others, {}).items()}
    return raises


def _outcomes(
    cells: Mapping[Cell, dict[str, np.ndarray]], raises: Mapping[tuple[Cell, str], float]
) -> dict[str, list[Outcome]]:
    """The outcomes of each sensor, and of both by the sum of their cosines."""
    found: dict[str, list[Outcome]] = {}
    for key, cell in cells.items():
        scores: dict[str, Any] = {
            sensor: cell[f"scores/{sensor}"].astype(np.float64)
            for sensor in SENSORS
            if f"scores/{sensor}" in cell
        }
        if len(scores) > 1:
            scores["both"] = sum(scores.values())
        for name, values in scores.items():
            outcome = Outcome(
                values, cell["label"], tuple(cell["fold"].tolist()), cell["participant"],
                cell["take"], cell["moment"], raises.get((key, name), 0.0),
            )  # fmt: skip
            found.setdefault(name, []).append(outcome)
    return found


def _hash_cells(params: Params, dataset: str, wanted: Sequence[Cell]) -> dict[Cell, str]:
    """For each cell a short hash of all that its outcome depends on."""
    read = manifest.content_of(*inputs.sources_of(params, dataset))
    code = functools.cache(code_hash)
    content = {
        "code": code("pipeline.study.words", *encoders.modules(params.train)),
        "train": params.train.model_dump(mode="json", exclude={"twins", "seed"}),
        "classes_per_fold": params.unseen.classes_per_fold,
        "people": params.unseen.people,
        "input": read,
    }
    text = json.dumps(content, sort_keys=True)
    return {cell: hashlib.sha256(f"{text}{cell}".encode()).hexdigest()[:12] for cell in wanted}
