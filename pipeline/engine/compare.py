"""Two machines' outputs beside each other: the same ids and rows, numbers as close as stated."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load_file

from aura.schema import block_of, to_numpy
from pipeline.engine import paths

TOLERANCES = {
    paths.SIGNALS: 1e-4,  # m/s2, rad/s and m
    paths.WINDOWS: 1e-5,
    paths.EMBEDDINGS: 1e-3,  # of unit vectors
    paths.MODELS: 1e-2,  # weights: a training adds up what rounding differs in
    paths.REPORTS: 2e-2,  # figures
}
"""How far a float of each folder may be from the other machine's."""


class Difference(NamedTuple):
    """Of one file: the largest difference of its numbers, where, and what cannot be compared."""

    file: Path
    largest: float
    where: str
    fault: str


def differences(other: Path, dataset: str | None) -> Iterator[Difference]:
    """Compare the outputs here with those of another project's folder.

    Parameters
    ----------
    other : Path
        Its root, in which are `data`, `models` and `reports`.
    dataset : str or None
        One data set; None is all that either has.

    Yields
    ------
    Difference
        One a file.
    """
    for place, tolerance in TOLERANCES.items():
        patterns = {paths.MODELS: "*.safetensors", paths.REPORTS: "metrics.json"}
        names = {
            file.relative_to(root)
            for root in (Path(), other)
            for file in (root / place).rglob(patterns.get(place, "*.parquet"))
            if dataset in (None, file.relative_to(root / place).parts[0])
            and not any(part.startswith(".") or part.endswith(".partial") for part in file.parts)
        }
        for name in sorted(names):
            yield _compare(name, other, tolerance)


def _compare(name: Path, other: Path, tolerance: float) -> Difference:
    if not (name.is_file() and (other / name).is_file()):
        lacking = other if name.is_file() else "this folder"
        return Difference(name, 0.0, "", f"{name} is not in {lacking}")
    read = _READERS[name.suffix]
    try:
        ours, theirs = read(name), read(other / name)
    except (OSError, ValueError, pa.ArrowException, SafetensorError) as error:
        return Difference(name, 0.0, "", f"{name} cannot be read: {error}")
    if ours.keys() != theirs.keys():
        odd = min(set(ours) ^ set(theirs))
        return Difference(name, 0.0, "", f"{name}: only one of the two has '{odd}'")
    largest, where = 0.0, ""
    for key, value in ours.items():
        a, b = np.asarray(value), np.asarray(theirs[key])
        if a.shape != b.shape:
            return Difference(name, 0.0, key, f"{name}: {key} is {a.shape} here, {b.shape} there")
        if a.dtype.kind != "f" or b.dtype.kind != "f":
            if not np.array_equal(a, b):
                return Difference(name, 0.0, key, f"{name}: {key} is not the same in both")
            continue
        if (np.isnan(a) != np.isnan(b)).any():
            return Difference(name, 0.0, key, f"{name}: {key} lacks other values here than there")
        gap = float(np.nan_to_num(np.abs(a.astype(float) - b)).max(initial=0))
        if gap >= largest:
            largest, where = gap, key
    fault = ""
    if largest > tolerance:
        fault = f"{name}: {where} differs by {largest:.2g}, more than {tolerance:g}"
    return Difference(name, largest, where, fault)


def _table(file: Path) -> dict[str, Any]:
    """Columns as arrays: floats by themselves, all else (ids, texts, flags) as it is."""
    table = pq.read_table(file)
    columns: dict[str, Any] = {}
    for column in table.schema:
        kind = column.type
        if pa.types.is_fixed_size_binary(kind):
            block_of(column)
            columns[column.name] = to_numpy(table, column.name)
        elif pa.types.is_floating(kind):
            columns[column.name] = table[column.name].to_numpy()
        elif pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type):
            columns[column.name] = np.array(table[column.name].to_pylist(), float)
        else:
            flat: dict[str, list[Any]] = {"": []}
            _flatten(table[column.name].to_pylist(), "", flat)
            columns |= {f"{column.name}{key}": _array(value) for key, value in flat.items()}
    return columns


def _figures(file: Path) -> dict[str, Any]:
    flat: dict[str, list[Any]] = {}
    _flatten(json.loads(file.read_bytes()), "", flat)
    return {key: _array(value) for key, value in flat.items()}


def _flatten(value: Any, key: str, into: dict[str, list[Any]]) -> None:
    """Floats of nested values under their key, and all else, with the shape, under the same."""
    if isinstance(value, dict):
        for name, part in value.items():
            _flatten(part, f"{key}.{name}", into)
    elif isinstance(value, list):
        into.setdefault(f"{key}#", []).append(len(value))
        for part in value:
            _flatten(part, key, into)
    else:
        into.setdefault(key, []).append(value)


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".parquet": _table,
    ".safetensors": load_file,
    ".json": _figures,
}


def _array(values: list[Any]) -> np.ndarray:
    floats = bool(values) and all(isinstance(v, float | None) for v in values)
    if floats and any(v is not None for v in values):
        return np.array([np.nan if v is None else v for v in values], float)
    return np.array([repr(value) for value in values])
