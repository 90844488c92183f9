"""Stage outputs that are whole or absent, and the tables in them.

A stage writes into `<out>.partial/` and the folder takes its name only when all of it is there. A
killed run leaves the partial folder; the next run of the same code on the same input resumes in it.
Wherever a run is killed, the next one ends with the same bytes and leaves nothing else.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aura.errors import AuraError, explained
from aura.schema import validate
from pipeline.engine import checks, manifest, seen
from pipeline.engine.files import temporary_path, write_json, write_text
from pipeline.engine.locks import hold
from pipeline.engine.manifest import Made

__all__ = [
    "Made", "TableWriter", "list_shards", "read_table", "stage_output", "temporary_path",
    "write_json", "write_table", "write_text",
]  # fmt: skip
_ROW_GROUP_BYTES = 16 << 20
_MAX_PENDING = 256
_STAMP = ".identity"


@contextmanager
def stage_output(out: Path, identity: Any, made: Made | None = None) -> Iterator[Path]:
    """Yield a folder to write into; on success it replaces `out`.

    Parameters
    ----------
    out : Path
        The folder of the stage.
    identity : object
        Anything JSON can hold that names the run: code, params and input. A partial folder of
        another identity is thrown away instead of resumed; with None any is.
    made : Made or None
        What the folder's manifest says beside its files; None writes none.

    Yields
    ------
    Path
        `<out>.partial`.

    Raises
    ------
    AuraError
        Another run writes it, or the machine refuses space, memory or the right to write.
    """
    partial, old = (out.with_name(f"{out.name}{end}") for end in (".partial", ".old.partial"))
    key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
    with hold(out), explained(str(out)):
        if old.exists() and not out.exists():  # killed between the two names
            old.rename(out)
        _remove(old)
        stamp = partial / _STAMP
        if partial.exists() and not (identity is not None and _says(stamp, key)):
            _remove(partial)
        partial.mkdir(parents=True, exist_ok=True)
        if identity is not None:
            stamp.write_text(key)
        try:
            yield partial
            seen.check()
            if made is not None:
                manifest.write(partial, made)
            # The stamp first: what is not whole any more is not resumed in.
            for leftover in (stamp, *_scratch(partial)):
                _remove(leftover)
            _swap(partial, out, old)
        except BaseException:
            _tidy(partial)
            raise
        _remove(old)


def _swap(partial: Path, out: Path, old: Path) -> None:
    """Give a complete folder its name, or leave the old one its own."""
    if out.exists():
        out.rename(old)
    try:
        partial.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise


def _says(file: Path, text: str) -> bool:
    try:
        return file.read_text() == text
    except (OSError, ValueError):
        return False


def _scratch(folder: Path) -> list[Path]:
    """What is of no use once a stage is complete, or its run has ended."""
    hidden = (path for path in folder.rglob(".*") if path != folder / _STAMP)
    return [*hidden, *folder.glob("*.done")]


def _tidy(partial: Path) -> None:
    """After a failure leave a partial folder only where there is something to resume with."""
    with suppress(OSError):
        if not (partial / _STAMP).is_file() or not any(manifest.names_in(partial)):
            _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
        """Finish the file under its own name; one of before that has no row now goes."""
        self._flush()
        if self._writer is None:
            self.path.unlink(missing_ok=True)
            return
        self._writer.close()
        self._temporary.replace(self.path)
        self._writer = None

    def discard(self) -> None:
        """Leave no unfinished file, whatever the disk says."""
        writer, self._writer = self._writer, None
        with suppress(OSError):
            if writer is not None:
                writer.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)


def write_table(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    """Check the contract and write one Parquet file atomically; equal tables give equal bytes."""
    writer = TableWriter(path, schema)
    try:
        writer.add(table)
        writer.close()
    finally:
        writer.discard()


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

    A pattern, such as `folder / "texts-*.parquet"`, reads shards of another name. Where the folder
    has a manifest, the content of each file must be that of the manifest.
    """
    files = list_shards(path, made_by)
    for file in files:
        checks.check_content(file)
    try:
        tables = [_read(file, columns) for file in files]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise AuraError(
            f"{path} cannot be read as Parquet: {error}; run `aura {made_by}` again."
        ) from None
    expected = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    for file, table in zip(files, tables, strict=True):
        validate(table, expected, str(file))
    return pa.concat_tables(tables)


def _read(file: Path, columns: list[str] | None) -> pa.Table:
    with pq.ParquetFile(file, memory_map=True) as opened:
        known = set(opened.schema_arrow.names)
        missing = sorted(set(columns or []) - known)
        if missing:
            raise AuraError(f"{file} has no column '{missing[0]}'.")
        return opened.read(columns=columns)
