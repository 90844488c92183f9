"""Formats in which people keep recordings: one reader a file, all with one result.

`read(files, path)` finds the reader by the file's suffix and content. A format is a row of
`READERS`; what each reader does beside others' stands in docs/formats.md.
"""

from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import PurePosixPath
from types import ModuleType

import numpy as np

from aura.errors import AuraError, CorruptFile, explain
from aura.formats.base import Stream, frozen
from aura.storage import Storage

__all__ = ["READERS", "Stream", "is_readable", "read", "reader_of"]

READERS: dict[str, tuple[str, ...]] = {
    "cwa": (".cwa",),
    "gt3x": (".gt3x", ".agdc"),
    "xdf": (".xdf", ".xdfz"),
    "c3d": (".c3d",),
    "trc": (".trc",),
    "bvh": (".bvh",),
    "mvnx": (".mvnx",),
    "amass": (".npz",),
    "table": (".csv", ".tsv", ".txt", ".parquet"),
}
"""Name of each reader, a module of this package, and the ends of its files' names."""


def reader_of(path: str) -> ModuleType | None:
    """The reader of a file by its name, None where there is none."""
    suffix = PurePosixPath(path).suffix.lower()
    name = next((name for name, suffixes in READERS.items() if suffix in suffixes), None)
    return import_module(f"aura.formats.{name}") if name else None


def is_readable(paths: Iterable[str]) -> list[str]:
    """Those of the paths that some reader is for, by their names."""
    suffixes = {suffix for group in READERS.values() for suffix in group}
    return [path for path in paths if PurePosixPath(path).suffix.lower() in suffixes]


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """All streams of a file.

    Parameters
    ----------
    files : Storage
        Where it is.
    path : str
        The file.

    Raises
    ------
    CorruptFile
        Whatever is wrong with it, or no reader is for it.
    AuraError
        The package that reads it is not installed, or the store does not answer.
    """
    module = reader_of(path)
    if module is None:
        raise CorruptFile(f"{path} is in no format that is known: {', '.join(READERS)}.")
    try:
        return tuple(without_frozen(stream) for stream in module.read(files, path))
    except AuraError:
        raise
    except Exception as error:  # readers and NumPy raise many kinds on a damaged file
        if explain(error):  # of the machine, which is not the file's fault
            raise
        said = " ".join(str(error).split()).rstrip(".")[:200]
        raise CorruptFile(
            f"{path} is damaged: {type(error).__name__}{': ' * bool(said)}{said}."
        ) from None


def without_frozen(stream: Stream) -> Stream:
    """A body whose frozen poses are flagged as invented, and counted; a sensor as it is."""
    still = frozen(stream.values) if stream.is_body else np.zeros(0, bool)
    if not still.any():
        return stream
    return replace(
        stream,
        invented=stream.invented | still[:, None],
        counts={**stream.counts, "pose is frozen": int(still.sum())},
    )


def version(name: str) -> str:
    """What reads a format: `own`, or a package and its version."""
    return str(import_module(f"aura.formats.{name}").VERSION)
