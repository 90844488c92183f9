"""ablate: variants of the training over seeds and folds, differences paired by window.

A cell is one variant, seed and fold, and a file: a killed run resumes at the cells that are
missing, and a cell whose code, settings and input are the same is taken from the last run.
"""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from pathlib import Path

import numpy as np

from aura import encoders
from aura.config import Params
from aura.errors import AuraError
from aura.report import ablation
from pipeline.engine import paths
from pipeline.engine.code import code_hash
from pipeline.engine.output import files_of, stage_output, write_json, write_text
from pipeline.engine.processes import process_pool
from pipeline.engine.progress import say, track
from pipeline.study import cells, joined, targets
from pipeline.study.cells import Cell


def run(params: Params, dataset: str) -> None:
    """Write cells in `models/ablate/<dataset>`, tables in `reports/<dataset>/ablate`."""
    windows, texts, teacher = joined.load(params, dataset)
    settings = params.ablate
    for name in settings.variants:
        train = cells.settings_of(params, name, settings.seeds[0]).train
        _, sentence = joined.pairs_of(train, teacher, f"ablate.variants.{name}.train")
        if sentence:
            say(f"ablate, {name}: {sentence}")
    grid = [
        Cell(variant, seed, fold)
        for variant in settings.variants
        for seed in settings.seeds
        for fold in (sorted(set(windows.participant)) if settings.folds != "given" else ["test"])
    ]
    keys = _hash_cells(params, dataset, grid)
    out = paths.MODELS / "ablate" / dataset
    with stage_output(out, {"dataset": dataset}) as folder:
        files = {cell: folder / f"{cell.name}.{keys[cell]}.npz" for cell in grid}
        cells.carry_over(out, folder, {file.name for file in files.values()})
        todo = {cell: file for cell, file in files.items() if not file.is_file()}
        say(f"ablate: {len(grid)} trainings, {len(grid) - len(todo)} of them done already.")
        for _ in track(_train_cells(params, dataset, todo), "ablate", len(todo), "training"):
            pass
        outcomes = {
            variant: [
                [_read(files[c]) for c in grid if (c.variant, c.seed) == (variant, seed)]
                for seed in settings.seeds
            ]
            for variant in settings.variants
        }
    page, metrics = ablation.tables(
        outcomes, targets.class_names(texts), params.evaluate.bootstrap_draws, params.seed
    )
    with stage_output(paths.report(dataset, "ablate"), None) as reports:
        write_text(reports / "table.md", f"# {dataset}\n\n{page}")
        write_json(reports / "metrics.json", metrics)
    say(f"ablate: {paths.report(dataset, 'ablate') / 'table.md'}")


def _hash_cells(params: Params, dataset: str, grid: Sequence[Cell]) -> dict[Cell, str]:
    """For each cell a short hash of all that its outcome depends on."""
    inputs = files_of(*paths.tables(*params.sources(dataset)))
    code = functools.cache(code_hash)
    keys = {}
    for cell in grid:
        settings = cells.settings_of(params, cell.variant, cell.seed)
        content = {
            "code": code("pipeline.study.cells", *encoders.modules(settings.train)),
            "settings": settings.model_dump(
                mode="json", include={"train": True, "finetune": True}, exclude={"train": {"twins"}}
            ),
            "variant": params.ablate.variants[cell.variant].model_dump(mode="json"),
            "folds": params.ablate.folds,
            "input": inputs,
        }
        text = json.dumps(content, sort_keys=True)
        keys[cell] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return keys


def _train_cells(params: Params, dataset: str, todo: Mapping[Cell, Path]) -> Iterator[Cell]:
    """Train cells, one thread a process, which suits small models best; yield each when done."""
    workers = min(params.ray.local_workers(), len(todo))
    if workers <= 1:
        for cell, file in todo.items():
            cells.train(params, dataset, cell, file)
            yield cell
        return
    with process_pool(workers) as pool:
        futures = {
            pool.submit(cells.train, params, dataset, c, file): c for c, file in todo.items()
        }
        for future in as_completed(futures):
            future.result()
            yield futures[future]


def _read(file: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as content:
            return dict(content)
    except (OSError, ValueError, EOFError) as error:
        raise AuraError(f"{file} cannot be read: {error}; remove it and run again.") from None
