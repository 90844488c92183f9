"""fingerprint: what code each data set's adapter and encoders consist of, as hashes of their files.

Which adapter and which encoders a data set uses stands in params.yaml, and DVC's `deps` cannot
follow it there. So other stages depend on these small files in place of all of `aura/datasets` and
`aura/encoders`: an adapter that is new or changed makes only the stages of its own data sets run.
"""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aura import plugins
from aura.config import Dataset, Mixture, Params
from aura.datasets.base import VIRTUAL
from aura.errors import AuraError
from pipeline.engine import paths
from pipeline.engine.code import source_files, source_of
from pipeline.engine.output import stage_output, write_json

_ROOT = Path(plugins.__file__).parent.parent


def run(params: Params) -> None:
    """Write `data/fingerprint/<dataset>/adapter.json` and `encoders.json` for each data set."""
    with stage_output(paths.FINGERPRINTS, None) as folder:
        entries: dict[str, Dataset | Mixture] = {**params.datasets, **params.mixtures}
        for name, entry in entries.items():
            train = params.changed(entry.params, f"the params of {name}").train
            encoders = train.imu_encoder.name, train.mocap_encoder.name
            write_json(folder / name / "encoders.json", fingerprint("encoder", *encoders))
            if isinstance(entry, Dataset):
                also = [VIRTUAL] if entry.options.get("virtual") else []
                adapter = fingerprint("adapter", entry.adapter, also=also)
                write_json(folder / name / "adapter.json", adapter)


def fingerprint(kind: plugins.Kind, *names: str, also: Sequence[str] = ()) -> dict[str, Any]:
    """Hash the files of adapters or encoders.

    Of this project's own those are the files of their room that they import; the rest of the
    project stands in the `deps` of the stages. One that is not installed has none: the stage that
    needs it says so.

    Parameters
    ----------
    kind : {"adapter", "encoder"}
        Which of the two.
    *names : str
        As in params.yaml.
    also : sequence of str
        Modules of the room that are in use besides.

    Returns
    -------
    dict
        The names, SHA-256 by file, and the versions of other packages.
    """
    room = plugins.GROUPS[kind]
    files, versions = _hash_files(f"{room}.base", _ROOT.joinpath(*room.split("."))), {}
    for module in also:
        files |= _hash_files(module, _ROOT.joinpath(*room.split(".")))
    for name in names:
        try:
            plugin = plugins.find(kind, name)
        except AuraError:
            continue
        if plugin.package == "aura":
            files |= _hash_files(plugin.module, _ROOT.joinpath(*room.split(".")))
        elif top := source_of(plugin.module.partition(".")[0]):
            package = top.parent if top.name == "__init__.py" else top  # or a single file
            files |= _hash_files(plugin.module, package)
            versions[plugin.package] = version(plugin.package)
    return {"names": names, "files": files, "versions": versions}


def _hash_files(module: str, place: Path) -> dict[str, str]:
    """Of the files at `place` that the module consists of; by their paths beside that package."""
    base = _ROOT if place.is_relative_to(_ROOT / "aura") else place.parent
    return {
        path.relative_to(base).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in source_files(module)
        if path.is_relative_to(place)
    }
