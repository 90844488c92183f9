"""ablate: variants of the training over seeds and folds, differences paired by window.

A cell is one variant, seed and fold, and a file: a killed run resumes at the cells that are
missing, and a cell whose code, settings and input are the same is taken from the last run.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from aura import encoders
from aura.config import Params
from aura.report import ablation
from pipeline.engine import inputs, manifest, paths
from pipeline.engine.code import code_hash
from pipeline.engine.log import logged, tell
from pipeline.engine.output import Made, stage_output, write_json, write_text
from pipeline.engine.progress import say, track
from pipeline.study import cells, grid, joined, tallies, targets
from pipeline.study.cells import Cell


@logged(str(paths.report("{dataset}", "ablate")))
def run(params: Params, dataset: str) -> None:
    """Write cells in `models/ablate/<dataset>`, tables in `reports/<dataset>/ablate`."""
    windows, texts, teacher = joined.load(params, dataset)
    settings = params.ablate
    for name in settings.variants:
        train = cells.settings_of(params, name, settings.seeds[0]).train
        _, sentence = joined.pairs_of(train, teacher, f"ablate.variants.{name}.train")
        if sentence:
            say(f"ablate, {name}: {sentence}")
    wanted = [
        Cell(variant, seed, fold)
        for variant in settings.variants
        for seed in settings.seeds
        for fold in (sorted(set(windows.participant)) if settings.folds != "given" else ["test"])
    ]
    keys = _hash_cells(params, dataset, wanted)
    out = paths.MODELS / "ablate" / dataset
    made = Made("ablate", dataset, _used(params), inputs.sources_of(params, dataset))
    with stage_output(out, {"dataset": dataset}, made) as folder:
        files = {cell: folder / f"{cell.name}.{keys[cell]}.npz" for cell in wanted}
        grid.carry_over(out, folder, {file.name for file in files.values()})
        todo = {cell: file for cell, file in files.items() if not file.is_file()}
        say(f"ablate: {len(wanted)} trainings, {len(wanted) - len(todo)} of them done already.")
        done = grid.train_all(cells.train, params, dataset, todo)
        for _ in track(done, "ablate", len(todo), "training"):
            pass
        outcomes = {
            variant: [
                [grid.read(files[c]) for c in wanted if (c.variant, c.seed) == (variant, seed)]
                for seed in settings.seeds
            ]
            for variant in settings.variants
        }
    label = targets.test_set(windows, texts, np.arange(len(windows))).label
    tested = [
        (cell.fold, fold["ids"])
        for cell, fold in zip(
            wanted, (f for v in outcomes.values() for s in v for f in s), strict=True
        )
    ]
    ledger = tallies.cells("ablate", windows, label, tested)
    tell(ledger)
    page, metrics = ablation.tables(
        outcomes, targets.class_names(texts), params.evaluate.bootstrap_draws, params.seed
    )
    with stage_output(paths.report(dataset, "ablate"), None) as reports:
        write_text(reports / "table.md", f"# {dataset}\n\n{page}")
        write_json(reports / "metrics.json", metrics)
        write_json(reports / "details.json", {"counts": ledger.content()})
    say(f"ablate: {paths.report(dataset, 'ablate') / 'table.md'}")


def _used(params: Params) -> dict[str, Any]:
    """The settings that the cells depend on."""
    return params.model_dump(mode="json", include={"ablate", "train", "finetune"})


def _hash_cells(params: Params, dataset: str, wanted: Sequence[Cell]) -> dict[Cell, str]:
    """For each cell a short hash of all that its outcome depends on."""
    read = manifest.content_of(*inputs.sources_of(params, dataset))
    code = functools.cache(code_hash)
    keys = {}
    for cell in wanted:
        settings = cells.settings_of(params, cell.variant, cell.seed)
        content = {
            "code": code("pipeline.study.cells", *encoders.modules(settings.train)),
            "settings": settings.model_dump(
                mode="json", include={"train": True, "finetune": True}, exclude={"train": {"twins"}}
            ),
            "variant": params.ablate.variants[cell.variant].model_dump(mode="json"),
            "folds": params.ablate.folds,
            "input": read,
        }
        text = json.dumps(content, sort_keys=True)
        keys[cell] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return keys
