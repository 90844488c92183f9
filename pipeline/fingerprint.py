"""fingerprint: what each data set's adapter, encoders and own teacher consist of, as hashes.

Which adapter, encoders and teacher a data set uses stands in params.yaml, and DVC's `deps` cannot
follow it there. So other stages depend on these small files in place of all of `aura/datasets` and
`aura/encoders`: an adapter that is new or changed makes only the stages of its own data sets run,
as does a teacher of a data set's own whose weights are replaced.
"""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aura import plugins
from aura.config import Dataset, Mixture, Params, Teacher
from aura.datasets.base import VIRTUAL
from aura.errors import AuraError
from aura.teacher import sentence_files
from pipeline.engine import paths
from pipeline.engine.code import source_files, source_of
from pipeline.engine.output import stage_output, write_json
from pipeline.engine.watched import watch

FORMATS = Path("aura/formats")
"""Readers, which only some adapters import, and by name among each other."""
_ROOT = Path(plugins.__file__).parent.parent


def run(params: Params) -> None:
    """Write `adapter.json`, `encoders.json` and `teacher.json` of each data set's fingerprint."""
    watched: list[Path] = []
    with stage_output(paths.FINGERPRINTS, None) as folder:
        entries: dict[str, Dataset | Mixture] = {**params.datasets, **params.mixtures}
        for name, entry in entries.items():
            changed = params.changed(entry.params, f"the params of {name}")
            encoders = changed.train.imu_encoder.name, changed.train.mocap_encoder.name
            write_json(folder / name / "encoders.json", fingerprint("encoder", *encoders))
            if isinstance(entry, Mixture):
                continue
            also = [VIRTUAL] if entry.options.get("virtual") else []
            adapter = fingerprint("adapter", entry.adapter, also=also)
            write_json(folder / name / "adapter.json", adapter)
            teacher, files = own_teacher(changed, name)
            write_json(folder / name / "teacher.json", teacher)
            watched += files
    watch(sorted(set(watched)), paths.OWN_WEIGHTS)


def own_teacher(params: Params, dataset: str) -> tuple[dict[str, Any], list[Path]]:
    """Fingerprint a data set's own teacher.

    Parameters
    ----------
    params : Params
        With the data set's own.
    dataset : str
        Its name.

    Returns
    -------
    content : dict
        Its settings and SHA-256 by file, empty where the data set has the teacher of all. One
        that cannot be found has no files: `embed` says so.
    files : list of Path
        The files.
    """
    if "teacher" not in params.dataset(dataset).params:
        return {}, []
    settings = params.teacher
    try:
        if settings.kind == "sentence":
            base = sentence_files.find_folder(settings.model)
            files = sentence_files.own_files(base)
            names = [file.relative_to(base).as_posix() for file in files]
        else:
            files = [] if settings.model == "stand-in" else _files_of_clip(settings)
            names = [file.name for file in files]
    except AuraError:
        files, names = [], []
    hashes = {name: _hash_file(file) for name, file in zip(names, files, strict=True)}
    return {"settings": settings.model_dump(mode="json"), "files": hashes}, files


def _files_of_clip(settings: Teacher) -> list[Path]:
    from aura.teacher.source import find_source  # open_clip takes seconds to import

    return list(find_source(settings.model, settings.pretrained).own_files)


def _hash_file(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


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
            if _hash_files(plugin.module, _ROOT / FORMATS):  # and so all, as they go by name
                files |= {
                    path.relative_to(_ROOT).as_posix(): _hash_file(path)
                    for path in sorted((_ROOT / FORMATS).glob("*.py"))
                }
        elif top := source_of(plugin.module.partition(".")[0]):
            package = top.parent if top.name == "__init__.py" else top  # or a single file
            files |= _hash_files(plugin.module, package)
            versions[plugin.package] = version(plugin.package)
    return {"names": names, "files": files, "versions": versions}


def _hash_files(module: str, place: Path) -> dict[str, str]:
    """Of the files at `place` that the module consists of; by their paths beside that package."""
    base = _ROOT if place.is_relative_to(_ROOT / "aura") else place.parent
    return {
        path.relative_to(base).as_posix(): _hash_file(path)
        for path in source_files(module)
        if path.is_relative_to(place)
    }
