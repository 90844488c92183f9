"""The cells of a study: trained where they are missing, several at once, and read back."""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import as_completed
from pathlib import Path
from typing import TypeVar

import numpy as np

from aura.config import Params
from aura.errors import AuraError
from pipeline.engine.output import temporary_path
from pipeline.engine.processes import process_pool
from pipeline.engine.threads import limit_threads

Cell = TypeVar("Cell")
SENSORS = ("imu", "mocap")


def train_all(
    train: Callable[[Params, str, Cell, Path], None],
    params: Params,
    dataset: str,
    todo: Mapping[Cell, Path],
) -> Iterator[Cell]:
    """Train cells, one thread a process, which suits small models best; yield each when done.

    In this process or in others: the bytes are the same.
    """
    workers = min(params.ray.local_workers(), len(todo))
    if workers <= 1:
        for cell, file in todo.items():
            with limit_threads(1, deterministic=True):
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
