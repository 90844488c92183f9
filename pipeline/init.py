"""init: look at a folder of recordings and write the `aura.yaml` that reads it."""

import re
from pathlib import Path

from aura.datasets.folder.schema import NAME
from aura.datasets.folder.settings import parse
from aura.errors import AuraError, explained
from aura.guess.draft import Draft, draft


def run(folder: Path, out: Path | None, name: str | None, write: bool, force: bool) -> str:
    """Write the settings of a folder, and say how it becomes a data set.

    Parameters
    ----------
    folder : Path
        Of the recordings.
    out : Path or None
        Where the settings go, `aura.yaml` in the folder where it is None.
    name : str or None
        Of the data set, that of the folder where it is None.
    write : bool
        Whether the data set is added to `params.yaml` here.
    force : bool
        Whether settings that are there are replaced.

    Returns
    -------
    str
        What was found, warnings, and the lines of `params.yaml`.

    Raises
    ------
    AuraError
        There is no such folder, nothing to read in it, or settings are there already.
    """
    target = out or folder / NAME
    if target.exists() and not force:
        raise AuraError(f"{target} is there already; --force replaces it.")
    found = draft(str(folder))
    parse(found.text.encode(), str(target))  # what is written can be read
    _write(target, found.text)
    name = (
        name or re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-.") or "recordings"
    )
    lines = entry(name, folder, out)
    if write:
        add(Path("params.yaml"), name, lines)
    return report(found, target, name, lines, write)


def entry(name: str, folder: Path, out: Path | None) -> str:
    """The lines of `params.yaml` that make a folder a data set."""
    options = f"\n    options: {{settings: {out}}}" if out else ""
    return f"  {name}:\n    adapter: folder\n    root: {folder}{options}\n"


def add(params: Path, name: str, lines: str) -> None:
    """Put a data set's lines into `params.yaml`, behind `datasets:`; all else stays as it is.

    Raises
    ------
    AuraError
        There is no such file or section, or the name is taken.
    """
    text = params.read_text() if params.exists() else ""
    match = re.search(r"(?m)^datasets:[ \t]*(#.*)?\n", text)
    if not match:
        raise AuraError(f"{params} has no section datasets; call this in the project's folder.")
    if re.search(rf"(?m)^  {re.escape(name)}:", text):
        raise AuraError(f"{params} has a data set {name} already; --name gives this one another.")
    _write(params, text[: match.end()] + lines + text[match.end() :])


def report(found: Draft, target: Path, name: str, lines: str, written: bool) -> str:
    """What is printed."""
    text = [f"{target} is written.", "", *found.found]
    if found.warnings:
        text += ["", f"{len(found.warnings)} to look at (?? in the file):"]
        text += [f"- {warning}" for warning in found.warnings]
    where = "params.yaml has, under datasets:" if written else "Into params.yaml, under datasets:"
    text += ["", where, lines.rstrip(), "", f"Then: aura doctor --dataset {name}"]
    return "\n".join(text)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    with explained(str(path)):
        partial.write_text(text)
        partial.replace(path)
