"""review: what a change did to the committed reports, as a comment for its pull request.

Metrics and plots are in git, so that neither data nor DVC's cache is needed; the plots drawn are
those that `reports/<dataset>/dvc.yaml` names.
"""

import csv
import io
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from aura.errors import AuraError
from aura.report.pictures import TEMPLATES, Plot, Table, draw
from aura.report.review import COUNTS, FIGURES, Picture, Report, comment, read, section
from pipeline.engine import paths
from pipeline.engine.output import stage_output, write_text
from pipeline.engine.progress import say

KNOWN = {"comment.md", "pictures"}
Reader = Callable[[], str]
Files = Mapping[str, Reader]
"""Files of one commit, or of the working tree: path -> how to read it."""


def run(base: str = "main", out: str | Path = "review") -> Path:
    """Write a comment, and a picture of each changed plot.

    Parameters
    ----------
    base : str
        Commit or branch to compare with.
    out : str or Path
        The folder to write: `comment.md` and `pictures`.

    Returns
    -------
    Path
        That folder.

    Raises
    ------
    AuraError
        Here is no git repository, no commit `base` or no report, a report cannot be read, or `out`
        is a folder of something else; nothing is written then.
    """
    commit = _commit(base)
    before, now = _committed(commit), _on_disk()
    if not now:
        raise AuraError(
            f"There are no reports in {paths.REPORTS}; run `dvc repro`, or this in its folder."
        )
    target = Path(out)
    if target.exists():
        strange = {p.name for p in target.iterdir()} - KNOWN if target.is_dir() else {"no folder"}
        if strange:
            raise AuraError(f"{out} is there and is no review ({min(strange)}); name another.")
    sections: dict[str, str] = {}
    drawn: dict[str, bytes] = {}
    not_drawn: list[str] = []
    for dataset in sorted(_datasets(before) | _datasets(now)):
        plots, skipped = _plots(dataset, now)
        not_drawn += (name for name in skipped if name not in not_drawn)
        pictures = _pictures(plots, dataset, before, now)
        drawn |= {picture.path: content for picture, content in pictures.items()}
        sections[dataset] = section(
            _report(dataset, before, base), _report(dataset, now, "the working tree"),
            list(pictures),
        )  # fmt: skip
    text = comment(f"`{base}` ({commit[:7]})", sections, not_drawn)
    with stage_output(target, None) as folder:
        for path, content in drawn.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)
        write_text(folder / "comment.md", text)
    say(f"review: {target / 'comment.md'}")
    return target


def _git(*arguments: str) -> str | None:
    """What git prints; None where it fails."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise AuraError("There is no git on this machine to read the base from.") from None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _commit(base: str) -> str:
    if _git("rev-parse", "--git-dir") is None:
        raise AuraError("This folder is in no git repository, which holds the figures of before.")
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if commit is None:
        raise AuraError(f"There is no commit '{base}' here; fetch it, or name another by --base.")
    return commit.strip()


def _committed(commit: str) -> Files:
    def reader(path: str) -> Reader:
        return lambda: _git("show", f"{commit}:./{path}") or ""

    listed = _git("ls-tree", "-r", "-z", "--name-only", commit, "--", f"{paths.REPORTS}/") or ""
    return {path: reader(path) for path in listed.split("\0") if path}


def _on_disk() -> Files:
    def reader(path: Path) -> Reader:
        return lambda: path.read_text(errors="replace")

    files = (path for path in sorted(paths.REPORTS.rglob("*")) if path.is_file())
    return {
        path.as_posix(): reader(path)
        for path in files
        if not any(part.endswith(".partial") for part in path.parts)
    }


def _datasets(files: Files) -> set[str]:
    return {PurePosixPath(path).parts[1] for path in files if len(PurePosixPath(path).parts) > 2}


def _report(dataset: str, files: Files, where: str) -> Report | None:
    if dataset not in _datasets(files):
        return None
    content = {}
    for stage in (*FIGURES, *COUNTS):
        for name in ("metrics.json", "details.json"):
            path = (paths.report(dataset, stage) / name).as_posix()
            if path in files:
                content[f"{stage}/{name}"] = _json(files[path](), path, where)
    return read(content)


def _json(text: str, path: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise AuraError(f"{path} of {where} is not a JSON object.")
    return content


def _pictures(
    plots: Sequence[tuple[Plot, Mapping[str, str]]], dataset: str, before: Files, now: Files
) -> dict[Picture, bytes]:
    pictures = {}
    for plot, files in plots:
        old, new = (
            {name: _table(side[path](), path) for name, path in files.items() if path in side}
            for side in (before, now)
        )
        if (drawn := draw(plot, old, new)) is not None:
            path = f"pictures/{dataset}-{plot.name}.png"
            pictures[Picture(path, plot.title, drawn[1])] = drawn[0]
    return pictures


def _table(text: str, path: str) -> Table:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t" if path.endswith("tsv") else ","))


def _plots(dataset: str, files: Files) -> tuple[list[tuple[Plot, dict[str, str]]], list[str]]:
    """Plots of a data set with the path of each file, and the names of those not drawn here."""
    path = (paths.REPORTS / dataset / "dvc.yaml").as_posix()
    plots, others = [], []
    try:
        specs = yaml.safe_load(files[path]()).get("plots", []) if path in files else []
    except (yaml.YAMLError, AttributeError):
        raise AuraError(f"{path} is not a YAML mapping.") from None
    for spec in specs:
        for name, definition in spec.items() if isinstance(spec, dict) else [(spec, None)]:
            plot = _plot(name, definition, dataset) if isinstance(definition, dict) else None
            if plot:
                plots.append(plot)
            else:
                others.append(str(name))
    return plots, others


def _plot(
    name: str, definition: Mapping[str, Any], dataset: str
) -> tuple[Plot, dict[str, str]] | None:
    template, x, y = definition.get("template", "linear"), definition.get("x"), definition.get("y")
    if template not in TEMPLATES or not isinstance(x, str) or not isinstance(y, dict) or not y:
        return None
    if not all(isinstance(column, str) for column in y.values()):
        return None
    labels = _shorten([PurePosixPath(path).parts for path in y])
    plot = Plot(
        name, definition.get("title", name), template, x, dict(zip(labels, y.values(), strict=True))
    )
    files = [(paths.REPORTS / dataset / path).as_posix() for path in y]
    return plot, dict(zip(labels, files, strict=True))


def _shorten(paths: Sequence[Sequence[str]]) -> list[str]:
    """Name each path by the parts that not all of them have."""
    shared = set(paths[0]).intersection(*paths)
    names = ["/".join(part for part in parts if part not in shared) for parts in paths]
    return [name or parts[-1] for name, parts in zip(names, paths, strict=True)]
