"""What is on disk of a data set: rows, bytes and content of each file that stages read later."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.engine import paths
from pipeline.engine.output import write_json

STAGES = ("resample", "slice", "embed")  # whose tables these are


def write_manifest(dataset: str) -> None:
    """Write `data/manifests/<dataset>.json`."""
    write_json(paths.MANIFESTS / f"{dataset}.json", {"dataset": dataset, "tables": tables(dataset)})


def tables(dataset: str) -> dict[str, dict[str, Any]]:
    """Rows, bytes and SHA-256 of each file of a data set, by stage and name."""
    return {
        stage: {file.name: _describe(file) for file in sorted(folder.glob("*.parquet"))}
        for stage, folder in zip(STAGES, paths.tables(dataset), strict=True)
    }


def _describe(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    rows = pq.read_metadata(file).num_rows
    return {"rows": rows, "bytes": file.stat().st_size, "sha256": digest}
