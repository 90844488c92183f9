"""All that is wrong with the outputs on disk: manifests, content, chain, contract and leftovers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aura import schema
from aura.errors import AuraError
from pipeline.engine import checks, manifest, paths
from pipeline.engine.manifest import NAME, Manifest

_TABLES = {paths.SIGNALS: "resample", paths.WINDOWS: "slice", paths.EMBEDDINGS: "embed"}
_CELLS = ("ablate", "transfer", "unseen")  # folders of models below which data sets are
_SKIPPED = {"raw", "weights", "own-weights"}  # of data/: nothing that a stage keeps whole
_KEPT = {".gitignore", ".gitkeep", ".gitattributes"}


def folders_of(dataset: str | None) -> dict[Path, str]:
    """Folders that are there and have a manifest, with the stage of each; of all data sets or one.

    The teacher of all is among them.
    """
    places = {**_TABLES, **{paths.MODELS / name: name for name in _CELLS}, paths.MODELS: "train"}
    found = {paths.TEACHER: "teach"} if paths.TEACHER.is_dir() else {}
    for place, stage in places.items():
        for folder in sorted(place.iterdir()) if place.is_dir() else ():
            other = folder == paths.TEACHER or (place == paths.MODELS and folder.name in _CELLS)
            ours = folder.is_dir() and not other and not folder.name.startswith(".")
            if ours and not folder.name.endswith(".partial") and dataset in (None, folder.name):
                found[folder] = stage
    return found


def faults(dataset: str | None) -> Iterator[str]:
    """Yield a line for each fault, with the stage to run again.

    Parameters
    ----------
    dataset : str or None
        Of one data set or mixture; None is all that is there.

    Yields
    ------
    str
        A sentence.
    """
    there: dict[Path, Manifest] = {}
    for folder, stage in folders_of(dataset).items():
        try:
            there[folder] = manifest.read(folder, stage)
        except AuraError as error:
            yield str(error)
    for folder, found in there.items():
        stage = folders_of(dataset)[folder]
        yield from checks.faults(found, stage)
        yield from _chain(found)
        yield from _contract(found)
    yield from _summaries(dataset, there)
    yield from _reports(dataset)
    yield from _leftovers(dataset)


def _chain(found: Manifest) -> Iterator[str]:
    """Inputs that are there now and are not those that the folder was made of.

    They may have moved together with it, to another data set's name; inputs that are nowhere here
    were on another machine.
    """
    for name, wanted in found.content["inputs"].items():
        candidates = {Path(name), Path(name).parent / found.folder.name} - {found.folder}
        hashes = set()
        for folder in candidates:
            if (folder / NAME).is_file():
                hashes.add(checks.hash_of(folder / NAME))
        if hashes and wanted not in hashes:
            yield f"{found.folder} was made of another {name} than is there now; {found.again}."


def _contract(found: Manifest) -> Iterator[str]:
    for name, entry in sorted(found.files.items()):
        file = found.folder / name
        if file.suffix != ".parquet" or not file.is_file():
            continue
        try:
            metadata = pq.read_metadata(file)
            columns = metadata.schema.to_arrow_schema()
            expected = _expected(found.folder, name, columns)
            if expected is not None:
                schema.validate(columns.empty_table(), expected, str(file))
            hashed, rows = manifest.schema_hash(metadata.schema), metadata.num_rows
            if (hashed, rows) != (entry.get("schema"), entry.get("rows")):
                yield f"{file} has other columns or rows than {NAME} says; {found.again}."
        except AuraError as error:
            yield f"{error} {found.again.capitalize()}."
        except (pa.ArrowException, OSError) as error:
            yield f"{file} cannot be read as Parquet: {error}; {found.again}."


def _expected(folder: Path, name: str, columns: pa.Schema) -> pa.Schema | None:
    """The contract of a table, by its place; None where there is none."""
    kind = name.rpartition("-")[0]
    if folder.parent == paths.EMBEDDINGS:
        width = schema.embedding_dim(columns, name)
        return schema.texts_schema(width) if kind == "texts" else schema.videos_schema(width)
    of = {"takes": schema.TAKES, "content": schema.CONTENT}
    return {paths.SIGNALS: of.get(kind, schema.SIGNALS), paths.WINDOWS: schema.WINDOWS}.get(
        folder.parent
    )


def _summaries(dataset: str | None, there: dict[Path, Manifest]) -> Iterator[str]:
    for file in sorted(paths.MANIFESTS.glob(f"{dataset or '*'}.json")):
        content = _json(file)
        if content is None:
            yield f"{file} is damaged; run `aura embed --dataset {file.stem}` again."
            continue
        for name, sha256 in content.get("manifests", {}).items():
            now = there.get(Path(name))
            if now is not None and now.sha256 != sha256:
                stage = "mix" if "mixture" in content else "embed"
                again = f"run `aura {stage} --dataset {file.stem}` again"
                yield f"{file} is of another {name} than is there now; {again}."


def _json(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _reports(dataset: str | None) -> Iterator[str]:
    for file in sorted(paths.REPORTS.glob(f"{dataset or '*'}/*/*.json")):
        if _json(file) is None:
            stage, name = file.parts[-2], file.parts[-3]
            yield f"{file} is damaged; run `aura {stage} --dataset {name}` again."


def _leftovers(dataset: str | None) -> Iterator[str]:
    """What killed runs left: the next run of the stage takes it up, or away."""
    for root in (Path("data"), paths.MODELS, paths.REPORTS):
        seen: set[Path] = set()
        for path in sorted(root.rglob("*")):
            if root == Path("data") and path.relative_to(root).parts[0] in _SKIPPED:
                continue
            hidden = path.name.startswith(".") and path.name not in _KEPT
            if not (hidden or path.name.endswith(".partial")) or seen & set(path.parents):
                continue
            seen.add(path)
            stem = path.name.removesuffix(".partial").removesuffix(".old")
            if dataset in (None, stem, *path.parts):
                yield f"{path} is left of a run that did not end; {_stage_of(path, stem)}."


def _stage_of(path: Path, stem: str) -> str:
    if path.parts[0] == "reports":
        stage = stem if path.parent.parent == paths.REPORTS else path.parts[2]
        return f"run `aura {stage} --dataset {path.parts[1]}` again"
    if path.with_name(stem) == paths.TEACHER or paths.TEACHER in path.parents:
        return "run `aura teach` again"
    stages = {str(place): stage for place, stage in _TABLES.items()}
    stages |= {str(paths.MODELS / name): name for name in _CELLS}
    inside = path if str(path.parent) in {*stages, str(paths.MODELS)} else path.parent
    stage = stages.get(str(inside.parent), "fingerprint" if "fingerprint" in str(path) else "train")
    return f"run `aura {stage}{'' if stage == 'fingerprint' else f' --dataset {stem}'}` again"
