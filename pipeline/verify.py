"""verify: whether the outputs on disk are whole, go together, and are what another machine got."""

from pathlib import Path

from aura.config import Params
from aura.errors import AuraError
from pipeline.engine import compare, tree
from pipeline.engine.manifest import NAME


def run(params: Params, dataset: str | None = None, against: str | None = None) -> str:
    """Check the outputs, or compare them; writes nothing.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str or None
        One data set or mixture; None is all.
    against : str or None
        Another project's folder, to compare with instead.

    Returns
    -------
    str
        What was looked at, in a few lines.

    Raises
    ------
    AuraError
        Something is wrong; each fault is printed on a line of its own before.
    """
    if dataset is not None:
        params.entry(dataset)
    return check(dataset) if against is None else beside(Path(against), dataset)


def check(dataset: str | None) -> str:
    """Check manifests, content, chain, contract and leftovers."""
    folders = tree.folders_of(dataset)
    faults = list(tree.faults(dataset))
    for fault in faults:
        print(fault)
    if faults:
        raise AuraError(f"{len(faults)} things are wrong with the outputs; the lines above say it.")
    if not folders:
        raise AuraError(f"There are no outputs{f' of {dataset}' if dataset else ''} here to check.")
    return f"Nothing is wrong: {len(folders)} folders are what their {NAME} says, and fit together."


def beside(other: Path, dataset: str | None) -> str:
    """Compare with another project's outputs within `compare.TOLERANCES`."""
    if not other.is_dir():
        raise AuraError(f"There is no folder {other} to compare with.")
    found = list(compare.differences(other, dataset))
    lines = []
    for place, tolerance in compare.TOLERANCES.items():
        of = [one for one in found if place in one.file.parents]
        if of:
            worst = max(of, key=lambda one: one.largest)
            at = f", {worst.where} of {worst.file}" if worst.largest else ""
            lines.append(
                f"{place}: {len(of)} files, largest difference {worst.largest:.2g}{at} "
                f"(may be {tolerance:g})"
            )
    if not lines:
        raise AuraError(f"Neither {other} nor this folder has outputs to compare.")
    faults = [one.fault for one in found if one.fault]
    if faults:
        print("\n".join([*lines, *faults]))
        raise AuraError(f"{len(faults)} files are not the same as in {other}.")
    return "\n".join([*lines, "The same within these tolerances."])
