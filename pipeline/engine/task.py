"""One shard of a stage, done in any process: its tables, and files beside them that say how far."""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from aura.errors import AuraError, explain
from pipeline.engine import seen
from pipeline.engine.output import TableWriter, write_text

Report = dict[str, Any]
Add = Callable[[str, pa.Table], None]  # append rows to the shard's file of that name
Work = Callable[[Any, Add], Report]


class Shard(NamedTuple):
    """Its number, what `Work` is called with, and how much that is, for the progress display."""

    number: int
    content: Any
    size: int


@dataclass(frozen=True)
class ShardTask:
    """Do one shard, in any process; files beside its tables say how far it is."""

    work: Work
    schemas: dict[str, pa.Schema]
    folder: Path

    def _path(self, number: int, name: str = "", suffix: str = "parquet") -> Path:
        return self.folder / f"{name or next(iter(self.schemas))}-{number:05d}.{suffix}"

    def done_file(self, number: int) -> Path:
        """File that says that the shard is done; it holds its report and its tables' sizes."""
        return self._path(number, suffix="done")

    def report(self, number: int) -> Report | None:
        """Of a shard whose tables are there as they were written; None if it is yet to be done."""
        try:
            content = json.loads(self.done_file(number).read_text())
            report: Report = content["report"]
            return report if content["bytes"] == self._sizes(number) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _sizes(self, number: int) -> dict[str, int]:
        files = {name: self._path(number, name) for name in self.schemas}
        return {name: file.stat().st_size for name, file in files.items() if file.is_file()}

    def progress(self, shard: Shard) -> int:
        """How much of a shard is done, of its size."""
        if self.done_file(shard.number).is_file():
            return shard.size
        with contextlib.suppress(OSError, ValueError):
            return min(shard.size, int(self._count_file(shard.number).read_text()))
        return 0

    def begun(self, shard: Shard) -> bool:
        """Whether a worker has taken up a shard."""
        return self._count_file(shard.number).is_file() or self.done_file(shard.number).is_file()

    def _count_file(self, number: int) -> Path:
        return self.done_file(number).with_name(f".{self.done_file(number).name}.count")

    def __call__(self, number: int, content: Any) -> str:
        """Return the empty string, or the sentence of what went wrong."""
        if self.report(number) is not None:  # done on a node that died before it could say so
            return ""
        try:
            return self._do(number, content)
        except (OSError, MemoryError, RuntimeError, pa.ArrowException) as error:
            sentence = explain(error, str(self.folder))
            if sentence is None:
                raise
            return sentence

    def _do(self, number: int, content: Any) -> str:
        write_text(self._count_file(number), "0", shared=True)
        writers = {
            name: TableWriter(self._path(number, name), schema)
            for name, schema in self.schemas.items()
        }
        main, count, last_write = next(iter(self.schemas)), 0, time.monotonic()

        def add(name: str, table: pa.Table) -> None:
            nonlocal count, last_write
            writers[name].add(table)
            count += name == main
            if time.monotonic() > last_write + 1:
                write_text(self._count_file(number), str(count), shared=True)
                last_write = time.monotonic()

        try:
            with seen.watching():
                report = self.work(content, add)
                seen.check()
            for writer in writers.values():
                writer.close()
            done = {"report": report, "bytes": self._sizes(number)}
            write_text(self.done_file(number), json.dumps(done), shared=True)
        except AuraError as error:
            return str(error)
        finally:
            for writer in writers.values():
                writer.discard()
        return ""
