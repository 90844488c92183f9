"""The cells of a study: trained where they are missing, several at once, and read back."""

import shutil
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import as_completed
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from aura.config import Params
from aura.errors import AuraError
from pipeline.engine import manifest, seen
from pipeline.engine.checks import check_content
from pipeline.engine.output import temporary_path
from pipeline.engine.processes import process_pool
from pipeline.engine.progress import say
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
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise AuraError(f"{file} cannot be read: {error}; remove it and run again.") from None


def carry_over(out: Path, folder: Path, names: Collection[str] | None = None) -> None:
    """Copy the files of these names from the last run to the new one's folder, and keep no other.

    An interrupted run has left its own there already. One that is not what the last run's manifest
    says is left behind, and so trained again.

    Parameters
    ----------
    out, folder : Path
        Where the last run put them, and where this one does.
    names : collection of str or None
        Files or folders; None is all.
    """
    try:
        listed = sorted(manifest.read(out, "").files)
    except AuraError:
        listed = []
    of: dict[str, list[str]] = {}
    for name in listed:
        of.setdefault(name.split("/")[0], []).append(name)
    if names is not None:
        keep_only(folder, names)
        of = {name: files for name, files in of.items() if name in names}
    for name, files in of.items():
        if (folder / name).exists():
            continue
        scratch = folder / f".{name}.carried"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            with seen.watching():  # this run replaces them itself
                for file in files:
                    check_content(out / file, out)
                    (scratch / file).parent.mkdir(exist_ok=True)
                    shutil.copy(out / file, scratch / file)
                seen.check()
        except (AuraError, FileNotFoundError) as error:
            say(f"{out / name} is not taken over from the last run: {error}")
            continue
        (scratch / name).rename(folder / name)


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Remove all else from a folder that is being written, but for what a run has for itself."""
    for path in folder.iterdir():
        if path.name not in names and not path.name.startswith("."):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
