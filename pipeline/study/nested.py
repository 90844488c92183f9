"""Which recipe to use for a target, chosen on other data sets: each of those is left out as well.

Neither the target nor what it scores takes part: for each other data set, models of what is left
without both are tested on it, and the recipe of the best geometric mean is taken.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from aura.config import Params
from pipeline.study import joined, leftout, zero_shot
from pipeline.study.leftout import Cell


def inner(params: Params, mixture: str, target: str) -> dict[str, list[Cell]]:
    """Cells of each candidate by the first seed, by what is left out beside the target.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    mixture : str
        Its name.
    target : str
        Its files are in none of the cells.

    Returns
    -------
    dict of str to list of Cell
        Empty where there are fewer than two candidates for the target; a data set for which
        some candidate has nothing left to train on is left out.
    """
    outer = dict.fromkeys(cell.recipe for cell in leftout.grid(params, mixture, target))
    candidates = [name for name in outer if name in params.transfer.candidates]
    if len(candidates) < 2:
        return {}
    found: dict[str, list[Cell]] = {}
    for held in params.transfer.targets or params.mixtures[mixture].sources:
        if joined.owner(params, held) == joined.owner(params, target):
            continue
        cells = leftout.cells(params, mixture, {target, held}, candidates)
        cells = [cell for cell in cells if cell.seed == params.transfer.seeds[0]]
        if {cell.recipe for cell in cells} == set(candidates):
            found[held] = cells
    return found


def best(scores: Mapping[str, Mapping[str, float]]) -> str:
    """The recipe whose geometric mean over data sets is largest, the first of equals.

    Parameters
    ----------
    scores : mapping of str to mapping of str to float
        By recipe, what it scores on each data set; the same data sets for all.

    Returns
    -------
    str
        Its name.
    """
    means = {
        name: float(np.mean(np.log(np.maximum(list(of.values()), 1e-9))))
        for name, of in scores.items()
    }
    return max(means, key=lambda name: means[name])


def scores(
    params: Params, inner_cells: Mapping[str, Sequence[Cell]], folders: Mapping[Cell, Path]
) -> dict[str, dict[str, float]]:
    """Zero-shot macro-F1 by take of each candidate on each data set."""
    table: dict[str, dict[str, float]] = {}
    for held, cells in inner_cells.items():
        for name in dict.fromkeys(cell.recipe for cell in cells):
            models = [folders[cell] for cell in cells if cell.recipe == name]
            found = zero_shot.macro_f1(params, held, models, by_take=True)
            if found is not None:
                table.setdefault(name, {})[held] = found
    return table
