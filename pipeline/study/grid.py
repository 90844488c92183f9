"""The cells of a study: trained where they are missing, several at once, and read back."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from pathlib import Path
from typing import TypeVar

import numpy as np

from aura.config import Params
from aura.errors import AuraError
from pipeline.engine.output import temporary_path
from pipeline.engine.processes import process_pool

Cell = TypeVar("Cell")


def train_all(
    train: Callable[[Params, str, Cell, Path], None],
    params: Params,
    dataset: str,
    todo: Mapping[Cell, Path],
) -> Iterator[Cell]:
    """Train cells, one thread a process, which suits small models best; yield each when done."""
    workers = min(params.ray.local_workers(), len(todo))
    if workers <= 1:
        for cell, file in todo.items():
            train(params, dataset, cell, file)
            yield cell
        return
    with process_pool(workers) as pool:
        futures = {pool.submit(train, params, dataset, c, file): c for c, file in todo.items()}
        for future in as_completed(futures):
            future.result()
            yield futures[future]


def write(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a cell's arrays, the whole file or none."""
    temporary = temporary_path(file)
    with temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    temporary.replace(file)


def read(file: Path) -> dict[str, np.ndarray]:
    """Read what `write` wrote; a file that is damaged is an `AuraError`."""
    try:
        with np.load(file, allow_pickle=False) as content:
            return dict(content)
    except (OSError, ValueError, EOFError) as error:
        raise AuraError(f"{file} cannot be read: {error}; remove it and run again.") from None
