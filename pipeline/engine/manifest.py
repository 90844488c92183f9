"""What is in the folder of a stage, and what it was made of: `manifest.json`, written last.

Each names the manifests of the folders that its stage read by their SHA-256, so that they are a
chain from signals to models. `checks` has what stages check of it. Nothing in it is of a
time or a machine.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from aura.errors import AuraError
from pipeline.engine import paths
from pipeline.engine.files import write_json, write_text
from pipeline.engine.locks import hold

NAME = "manifest.json"
STAGES = ("resample", "slice", "embed")  # whose tables are summed up in data/manifests
_KEYS = {"stage", "dataset", "files", "inputs", "params", "params_sha256"}


class Made(NamedTuple):
    """What a stage says of its output, beside the files.

    Attributes
    ----------
    stage, dataset : str
        Who made it, and of what; no data set for the teacher of all.
    params : mapping
        The settings that its bytes depend on, as JSON; no paths of this machine.
    inputs : sequence of Manifest
        Of the folders that were read.
    teacher : mapping or None
        Identity of the teacher of the vectors in it.
    """

    stage: str
    dataset: str
    params: Mapping[str, Any]
    inputs: "Sequence[Manifest]" = ()
    teacher: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Manifest:
    """A manifest as it lies on disk.

    Attributes
    ----------
    folder : Path
        What it is of.
    content : dict
        The JSON.
    sha256 : str
        Of its bytes; what the next stage's manifest names it by.
    """

    folder: Path
    content: dict[str, Any] = field(repr=False, hash=False)
    sha256: str

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """By name, bytes and SHA-256; of a table rows and schema too."""
        files: dict[str, dict[str, Any]] = self.content["files"]
        return files

    @property
    def params(self) -> dict[str, Any]:
        """The settings that its bytes depend on."""
        params: dict[str, Any] = self.content["params"]
        return params

    @property
    def again(self) -> str:
        """The command that makes it anew."""
        return again(self.folder, self.content["stage"])


def again(folder: Path, stage: str) -> str:
    """The command that makes a folder anew; one that was moved has the data set's name of now."""
    return (
        f"run `aura {stage}{'' if folder == paths.TEACHER else f' --dataset {folder.name}'}` again"
    )


def write(folder: Path, made: Made) -> None:
    """Write the manifest of a folder that is complete, under whatever name."""
    names = sorted(names_in(folder))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # hashing leaves the lock free
        described = pool.map(lambda name: _describe(folder / name), names)
        files = dict(zip(names, described, strict=True))
    params = json.loads(json.dumps(made.params, sort_keys=True))
    content = {
        "stage": made.stage,
        "dataset": made.dataset,
        "files": files,
        "inputs": {source.folder.as_posix(): source.sha256 for source in made.inputs},
        "params": params,
        "params_sha256": _hash_json(params),
        **({"teacher": dict(made.teacher)} if made.teacher is not None else {}),
    }
    write_text(folder / NAME, json.dumps(content, indent=1, sort_keys=True) + "\n")


def names_in(folder: Path) -> Iterable[str]:
    """Files of a folder and those below it, without what a run has for itself."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            name = "/".join(parts)
            if name != NAME and not (len(parts) == 1 and path.suffix == ".done"):
                yield name


def _describe(file: Path) -> dict[str, Any]:
    described: dict[str, Any] = {"bytes": file.stat().st_size, "sha256": hash_file(file)}
    if file.suffix == ".parquet":
        try:
            metadata = pq.read_metadata(file)
        except (pa.ArrowException, OSError) as error:
            raise AuraError(f"{file} was damaged as it was written: {error}.") from None
        described |= {"rows": metadata.num_rows, "schema": schema_hash(metadata.schema)}
    return described


def hash_file(file: Path) -> str:
    """SHA-256 of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hash_json(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def schema_hash(schema: pq.ParquetSchema) -> str:
    """Fingerprint of a table's columns: names, types, what may be null, units and shapes."""
    arrow = schema.to_arrow_schema()
    columns = [[f.name, str(f.type), f.nullable, sorted((f.metadata or {}).items())] for f in arrow]
    return hashlib.sha256(repr(columns).encode()).hexdigest()[:16]


def read(folder: Path, stage: str) -> Manifest:
    """Read the manifest of a folder.

    Raises
    ------
    AuraError
        There is no such folder yet, or it has no manifest that can be read.
    """
    try:
        raw = (folder / NAME).read_bytes()
    except FileNotFoundError:
        if not folder.is_dir() or not any(folder.iterdir()):
            raise AuraError(
                f"There is nothing at {folder} yet; run `aura {stage}` first."
            ) from None
        raise AuraError(
            f"{folder} has no {NAME}: it is not whole, or of an earlier version; "
            f"{again(folder, stage)}."
        ) from None
    try:
        content = json.loads(raw)
        whole = set(content) - {"teacher"} == _KEYS and isinstance(content["files"], dict)
        whole = whole and all({"bytes", "sha256"} <= set(f) for f in content["files"].values())
        whole = whole and content["params_sha256"] == _hash_json(content["params"])
    except (ValueError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise AuraError(f"{folder / NAME} is damaged; {again(folder, stage)}.")
    return Manifest(folder, content, hashlib.sha256(raw).hexdigest())


def content_of(*manifests: Manifest) -> list[list[str]]:
    """Folder and hash over all files of each: an input's part of a key, by content alone."""
    return [[found.folder.as_posix(), _hash_json(found.files)] for found in manifests]


def write_tables(dataset: str, manifests: Sequence[Manifest]) -> None:
    """Write `data/manifests/<dataset>.json`, what later stages of DVC depend on.

    Parameters
    ----------
    dataset : str
        A data set.
    manifests : sequence of Manifest
        Of its signals, windows and embeddings.
    """
    content = {"dataset": dataset, "tables": tables(manifests), "manifests": chain(manifests)}
    file = paths.MANIFESTS / f"{dataset}.json"
    with hold(file):
        write_json(file, content)


def tables(manifests: Sequence[Manifest]) -> dict[str, dict[str, Any]]:
    """Rows, bytes and SHA-256 of each file of a data set, by stage and name."""
    return {
        stage: dict(sorted(found.files.items()))
        for stage, found in zip(STAGES, manifests, strict=True)
    }


def chain(manifests: Sequence[Manifest]) -> dict[str, str]:
    """Hash of each manifest, by folder."""
    return {found.folder.as_posix(): found.sha256 for found in manifests}
