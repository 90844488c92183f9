"""Ray Data over shards: the one place that knows Ray.

A shard is some takes, under one number from raw recordings to embeddings. Ray Data schedules shards
over workers; the worker writes its own Parquet files under the shard's number and returns only
whether it could. So names and bytes do not depend on scheduling, nothing large travels to the
driver, memory stays that of the takes in work, a killed run resumes at the shards that are not
on disk, and the shards of a node that dies are done by another (`Dataset.write_parquet` gives none
of these). Nodes of a cluster need the project's folder at the same path, as a shared file system.
"""

import contextlib
import json
import logging
import multiprocessing
import os
import pickle
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from aura.config import Ray
from aura.errors import AuraError
from pipeline.engine import paths
from pipeline.engine.output import TableWriter, write_text
from pipeline.engine.progress import follow, say

T = TypeVar("T")
Report = dict[str, Any]
Add = Callable[[str, pa.Table], None]  # append rows to the shard's file of that name
Work = Callable[[Any, Add], Report]
_SLOT = "shard"  # a resource of Ray's: as many shards are in work at once as there are slots
_AHEAD = 4  # tasks that Ray holds for each slot: one in work, others ready for when it ends


class Shard(NamedTuple):
    """Its number, what `Work` is called with, and how much that is, for the progress display."""

    number: int
    content: Any
    size: int


@contextmanager
def ray_session(settings: Ray) -> Iterator[None]:
    """One Ray for all the stages inside; an existing session or `RAY_ADDRESS` is used as it is."""
    if settings.executor == "local":
        yield
        return
    import ray
    import ray.data  # sets up its own log, so before the level

    owner = not ray.is_initialized()
    if owner:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        _connect(settings)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    with contextlib.suppress(AttributeError):
        context.execution_no_progress_timeout_s = settings.stall_hours * 3600
    context.target_max_block_size = 1  # each shard of a task is heard of when it is done
    try:
        yield
    finally:
        if owner:
            ray.shutdown()


def _connect(settings: Ray) -> None:
    import ray

    address = os.environ.get("RAY_ADDRESS")
    if address:
        say(f"Joining the Ray cluster at {address} …")
        try:
            _knock(address)
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises many kinds where it cannot connect
            reason = " ".join(str(error).split())[:200]
            raise AuraError(f"No Ray cluster answers at RAY_ADDRESS={address}: {reason}") from None
        return
    say("Starting Ray …")
    # One CPU more than workers: Ray Data's own tasks must not starve behind ours.
    ray.init(
        num_cpus=settings.local_workers() + 1,
        resources={_SLOT: settings.local_workers()},
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _knock(address: str) -> None:
    """Raise `OSError` where nothing listens at host:port; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in address:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def group(items: Sequence[T], sizes: Sequence[float], most: int, full: float) -> list[list[T]]:
    """Consecutive groups that end at `most` items or at a sum of `full`, whichever comes first."""
    groups: list[list[T]] = []
    total = 0.0
    for item, size in zip(items, sizes, strict=True):
        if not groups or len(groups[-1]) >= most or total + size > full:
            groups.append([])
            total = 0.0
        groups[-1].append(item)
        total += size
    return groups


def of_takes(files: Sequence[Path], signals: Path) -> list[Shard]:
    """Shards whose content is a file of theirs, as large as their TAKES in the signals' folder."""
    return [
        Shard(
            paths.number_of(file),
            file.absolute(),
            pq.read_metadata(signals / paths.beside(file, "takes")).num_rows,
        )
        for file in files
    ]


def run_shards(
    shards: Sequence[Shard],
    work: Work,
    schemas: Mapping[str, pa.Schema],
    folder: Path,
    settings: Ray,
    label: str,
    unit: str = "take",
    gpus: float = 0.0,
) -> Iterator[Report]:
    """Run `work` on each shard and yield the reports in the order of `shards`.

    For each name of `schemas`, `folder` receives `<name>-00000.parquet`, …; a shard whose report is
    there already is not redone. Reports are JSON and must not depend on the time or the machine.
    `gpus` is what each worker takes of a GPU.
    """
    execute = _Execute(work, dict(schemas), folder.absolute())
    todo = [shard for shard in shards if not execute.mark(shard.number).is_file()]
    if len(todo) < len(shards):
        say(f"{label}: resuming, {len(shards) - len(todo)} of {len(shards)} shards are done.")
    run = _in_ray if settings.executor == "ray" else _in_processes
    total = sum(shard.size for shard in todo)
    with ray_session(settings), follow(lambda: sum(map(execute.done, todo)), label, total, unit):
        for error in run(execute, todo, settings, gpus):
            if error:
                raise AuraError(error)
    for shard in shards:
        yield json.loads(execute.mark(shard.number).read_text())


@dataclass(frozen=True)
class _Execute:
    """Do one shard, in any process; says on disk how far it is."""

    work: Work
    schemas: dict[str, pa.Schema]
    folder: Path

    def _path(self, number: int, name: str = "", ending: str = "parquet") -> Path:
        return self.folder / f"{name or next(iter(self.schemas))}-{number:05d}.{ending}"

    def mark(self, number: int) -> Path:
        """File that says that the shard is done; it holds its report."""
        return self._path(number, ending="done")

    def done(self, shard: Shard) -> int:
        """How much of a shard is done, by the files beside it."""
        if self.mark(shard.number).is_file():
            return shard.size
        with contextlib.suppress(OSError, ValueError):
            return min(shard.size, int(self._counter(shard.number).read_text()))
        return 0

    def _counter(self, number: int) -> Path:
        return self.mark(number).with_name(f".{self.mark(number).name}.count")

    def __call__(self, number: int, content: Any) -> str:
        """Return the empty string, or the sentence of what went wrong."""
        if self.mark(number).is_file():  # done on a node that died before it could say so
            return ""
        writers = {
            name: TableWriter(self._path(number, name), schema)
            for name, schema in self.schemas.items()
        }
        main, count, told = next(iter(self.schemas)), 0, time.monotonic()

        def add(name: str, table: pa.Table) -> None:
            nonlocal count, told
            writers[name].add(table)
            count += name == main
            if time.monotonic() > told + 1:
                write_text(self._counter(number), str(count))
                told = time.monotonic()

        try:
            report = self.work(content, add)
            for writer in writers.values():
                writer.close()
            write_text(self.mark(number), json.dumps(report))
        except AuraError as error:
            return str(error)
        finally:
            for writer in writers.values():
                writer.abandon()
        return ""


def _in_processes(
    execute: _Execute, shards: Sequence[Shard], settings: Ray, gpus: float
) -> Iterator[str]:
    workers = min(settings.workers or 1, len(shards))
    if workers <= 1:
        for shard in shards:
            yield execute(shard.number, shard.content)
        return
    with processes(workers) as pool:
        jobs = [pool.submit(execute, shard.number, shard.content) for shard in shards]
        for job in as_completed(jobs):
            yield job.result()


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each, without Ray; they end with their parent, however that ends."""
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start)
    try:
        yield pool
        pool.shutdown()
    except BrokenProcessPool:
        raise AuraError(
            "A worker process ended without a word, perhaps for want of memory; "
            "ray.workers=1 needs less. The same command resumes."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


def _start() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # for what is imported later, torch above all
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _in_ray(
    execute: _Execute, shards: Sequence[Shard], settings: Ray, gpus: float
) -> Iterator[str]:
    if not shards:
        return
    import ray
    from ray.data.exceptions import ExecutionTimeoutError

    if gpus > ray.cluster_resources().get("GPU", 0):
        raise AuraError(f"Each worker shall have {gpus:g} GPUs, and Ray knows of fewer.")

    def call(batch: pa.Table) -> pa.Table:
        errors = [
            execute(row["number"], pickle.loads(row["content"]))  # our own bytes, from the driver
            for row in batch.to_pylist()
        ]
        return pa.table({"error": pa.array(errors, pa.string())})

    plan = pa.table(
        {
            "number": pa.array([shard.number for shard in shards], pa.int64()),
            "content": pa.array([pickle.dumps(s.content) for s in shards], pa.large_binary()),
        }
    )
    # Ray Data looks for tasks that are done ten times a second, so Ray itself has the next at hand.
    # What it counts, and keeps to what there is, are CPUs; slots are Ray's alone.
    slots = int(ray.cluster_resources().get(_SLOT, 0))
    ahead = slots and settings.workers in (None, slots)
    done = ray.data.from_arrow([plan.slice(row, 1) for row in range(len(shards))]).map_batches(
        call,
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=1 / _AHEAD if ahead else 1,
        num_gpus=gpus or None,
        resources={_SLOT: 1} if ahead else None,
        compute=ray.data.TaskPoolStrategy(
            size=min(_AHEAD * slots, len(shards)) if ahead else settings.workers
        ),
    )
    try:
        for row in done.iter_rows():
            yield row["error"]
    except ExecutionTimeoutError:
        raise AuraError(
            f"No shard came to its end in {settings.stall_hours:g} hours. If they do take that "
            "long, raise ray.stall_hours; the same command resumes."
        ) from None


def add_counts(reports: Sequence[Report], key: str) -> dict[str, int]:
    """Sum the counters called `key` of all reports."""
    total: Counter[str] = Counter()
    for report in reports:
        total.update(report.get(key, {}))
    return dict(sorted(total.items()))
