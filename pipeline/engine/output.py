"""Stage outputs that are whole or absent.

A stage writes into `<out>.partial/` and the folder takes its name only when all of it is there. A
killed run leaves the partial folder; the next run of the same code on the same input resumes in it.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aura.errors import AuraError
from aura.schema import validate

_ROW_GROUP_BYTES = 16 << 20
_MAX_PENDING = 256


@contextmanager
def stage_output(out: Path, identity: Any) -> Iterator[Path]:
    """Yield a folder to write into; on success it replaces `out`.

    Parameters
    ----------
    out : Path
        The folder of the stage.
    identity : object
        Anything JSON can hold that names the run: code, params and input. A partial folder of
        another identity is thrown away instead of resumed.

    Yields
    ------
    Path
        `<out>.partial`.
    """
    partial = out.with_name(out.name + ".partial")
    key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
    stamp = partial / ".identity"
    if partial.exists() and not (stamp.is_file() and stamp.read_text() == key):
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)
    yield partial
    for leftover in (*partial.glob(".*"), *partial.glob("*.done")):
        leftover.unlink()
    old = out.with_name(out.name + ".old.partial")
    if out.exists():
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def temporary_path(path: Path) -> Path:
    """Name to write to beside `path` before it is renamed: no other process or host has it.

    One left by a killed writer starts with a dot, and goes when the stage is complete.
    """
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def files_of(*folders: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of the Parquet files of an input: its part of an identity."""
    stats = [(p, p.stat()) for folder in folders for p in sorted(folder.glob("*.parquet"))]
    return [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    temporary.write_text(text)
    temporary.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON atomically; floats rounded to 6 digits so that diffs are read."""
    write_text(path, json.dumps(_rounded(content), indent=1, sort_keys=True) + "\n")


def _rounded(content: Any) -> Any:
    if isinstance(content, float):
        return round(content, 6)
    if isinstance(content, dict):
        return {str(key): _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return content


class TableWriter:
    """One Parquet file, written piece by piece and renamed when it is complete.

    Pieces are gathered to row groups of some MB, so that memory does not grow with the file; the
    same pieces give the same bytes. Without a row there is no file.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        self._temporary = temporary_path(path)
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []
        self._bytes = 0

    def add(self, table: pa.Table) -> None:
        """Check the contract and append rows."""
        self._pending.append(validate(table, self.schema, str(self.path)))
        self._bytes += table.nbytes
        if self._bytes >= _ROW_GROUP_BYTES:
            self._flush()
        elif len(self._pending) >= _MAX_PENDING:  # a small table is mostly overhead
            self._pending = [pa.concat_tables(self._pending).combine_chunks()]

    def _flush(self) -> None:
        rows = pa.concat_tables(self._pending) if self._pending else None
        self._pending, self._bytes = [], 0
        if not rows:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._temporary, self.schema, compression="lz4", use_dictionary=False,
                write_statistics=False,
            )  # fmt: skip
        self._writer.write_table(rows, row_group_size=rows.num_rows)

    def close(self) -> None:
        """Finish the file under its own name."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._temporary.replace(self.path)
            self._writer = None

    def discard(self) -> None:
        """Leave no unfinished file."""
        if self._writer is not None:
            self._writer.close()
        self._temporary.unlink(missing_ok=True)


def write_table(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    """Check the contract and write one Parquet file atomically; equal tables give equal bytes."""
    writer = TableWriter(path, schema)
    writer.add(table)
    writer.close()


def list_shards(path: Path, made_by: str) -> list[Path]:
    """Files of a folder's `part-*.parquet`, or of a pattern, in order; none is an `AuraError`."""
    pattern = path / "part-*.parquet" if path.is_dir() else path
    files = sorted(pattern.parent.glob(pattern.name))
    if not files:
        raise AuraError(f"There is nothing at {path} yet; run `aura {made_by}` first.")
    return files


def read_table(
    path: Path, schema: pa.Schema, made_by: str, columns: list[str] | None = None
) -> pa.Table:
    """Read a Parquet file, or all shards `part-*.parquet` of a folder in order; check the contract.

    A pattern, such as `folder / "texts-*.parquet"`, reads shards of another name.
    """
    files = list_shards(path, made_by)
    try:
        table = pa.concat_tables(_read(file, columns) for file in files)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise AuraError(f"{path} cannot be read as Parquet: {error}.") from None
    expected = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    return validate(table, expected, str(path))


def _read(file: Path, columns: list[str] | None) -> pa.Table:
    with pq.ParquetFile(file, memory_map=True) as opened:
        return opened.read(columns=columns)
