"""Whether the folders that a stage reads are what their manifests say.

That the files are those of the manifest, by name and size; that their content is, when they are
read; and that each folder was made of those that are there now.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from aura.errors import AuraError
from pipeline.engine import paths, seen
from pipeline.engine.manifest import NAME, Manifest, again, hash_file, names_in, read


def check(folder: Path, stage: str) -> Manifest:
    """Read the manifest of a folder that a stage is about to read, and check it against the folder.

    Parameters
    ----------
    folder : Path
        The folder.
    stage : str
        Who must have made it.

    Returns
    -------
    Manifest
        Whose files are there, all of them and no others, each as long as it says.

    Raises
    ------
    AuraError
        Something is not as the manifest says; the sentence says which stage to run again.
    """
    found = read(folder, stage)
    for fault in _faults(found, stage):
        raise AuraError(fault)
    return found


def faults(found: Manifest, stage: str) -> Iterator[str]:
    """Yield a sentence for all that is not as a manifest says, the content of files too."""
    yield from _faults(found, stage)
    for name in sorted(set(found.files) & set(names_in(found.folder))):
        if (found.folder / name).stat().st_size == found.files[name]["bytes"]:
            try:
                check_content(found.folder / name, found.folder)
            except AuraError as error:
                yield str(error)


def _faults(found: Manifest, stage: str) -> Iterator[str]:
    folder, names = found.folder, set(names_in(found.folder))
    if found.content["stage"] != stage:
        made = found.content["stage"]
        yield f"{folder} was made by `aura {made}` and moved there; {again(folder, stage)}."
    for name in sorted(names | set(found.files)):
        if name not in found.files:
            yield _foreign(folder / name, found)
        elif name not in names:
            yield f"{folder / name} is missing; {found.again}."
        else:
            try:
                _check_size(folder / name, found)
            except AuraError as error:
                yield str(error)


def _foreign(file: Path, found: Manifest) -> str:
    return (
        f"{file} is of another run than the rest of {found.folder}: its {NAME} does not name it; "
        f"remove the file, or {found.again}."
    )


def check_all(folder: Path, stage: str) -> Manifest:
    """As `check`, and the content of all files too, which is for folders of a few GB."""
    found = check(folder, stage)
    for name in found.files:
        check_content(folder / name, folder)
    return found


def _check_size(file: Path, found: Manifest) -> None:
    size = file.stat().st_size
    wanted = found.files[file.relative_to(found.folder).as_posix()]["bytes"]
    if size != wanted:
        raise AuraError(
            f"{file} is damaged: it has {size} bytes and {found.folder / NAME} says {wanted}; "
            f"{found.again}."
        )


def check_chain(made: Manifest, *inputs: Manifest) -> None:
    """Refuse a folder that was made of others than those that are there now."""
    for source in inputs:
        if source.sha256 not in made.content["inputs"].values():
            raise AuraError(
                f"{made.folder} was made of another {source.folder} than the one that is there "
                f"now; {made.again}."
            )


def check_content(file: Path, folder: Path | None = None) -> None:
    """Refuse a file whose bytes are not those of its folder's manifest, if it has one.

    A file is hashed once a process, and again where it has changed.
    """
    folder = folder or file.parent
    try:
        stamp = (folder / NAME).stat()
    except OSError:
        return
    found = _remembered(folder, (stamp.st_ino, stamp.st_size, stamp.st_mtime_ns))
    name = file.relative_to(folder).as_posix()
    if name not in found.files:
        raise AuraError(_foreign(file, found))
    _check_size(file, found)
    if hash_of(file) != found.files[name]["sha256"]:
        raise AuraError(
            f"{file} is damaged: its content is not what `aura {found.content['stage']}` wrote; "
            f"{found.again}."
        )


@lru_cache(64)
def _remembered(folder: Path, stamp: tuple[int, int, int]) -> Manifest:
    del stamp
    return read(folder, _stage_of(folder))


def hash_of(file: Path) -> str:
    """SHA-256 of a file; once a process, and again where it has changed."""
    stamp = seen.stamp_of(file)
    seen.note(file, stamp)
    return _hashed(file, stamp)


@lru_cache(100_000)
def _hashed(file: Path, stamp: tuple[int, int, int]) -> str:
    del stamp
    return hash_file(file)


def _stage_of(folder: Path) -> str:
    """The stage that writes a folder, by where it is."""
    known = {paths.SIGNALS: "resample", paths.WINDOWS: "slice", paths.EMBEDDINGS: "embed"}
    return next((stage for of, stage in known.items() if folder.parent.name == of.name), "train")
