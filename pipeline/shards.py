"""Ray Data over shards: the one place that knows Ray.

A shard is some takes. Ray Data schedules shards over workers; the worker writes its own Parquet
file under the shard's number and returns only a small report. So names and bytes do not depend on
scheduling, nothing large travels to the driver, memory stays that of the shards in flight, and a
killed run resumes at the shards that are not on disk (`Dataset.write_parquet` gives none of these).
"""

import contextlib
import json
import logging
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from aura.config import Ray
from aura.datasets.base import Skip
from aura.errors import AuraError
from pipeline.output import write_table, write_text
from pipeline.progress import say, track

Report = dict[str, Any]
# From a shard's items to its table (or None where nothing is left of it) and its report.
Work = Callable[[Sequence[Any]], tuple[pa.Table | None, Report]]


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
        say("Starting Ray …")
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
        else:
            # One CPU more than workers: Ray Data's own tasks must not starve behind ours.
            ray.init(
                num_cpus=settings.workers + 1,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    with contextlib.suppress(AttributeError):
        context.execution_no_progress_timeout_s = 600
    try:
        yield
    finally:
        if owner:
            ray.shutdown()


def run_shards(
    items: Sequence[Any],
    per_shard: int,
    work: Work,
    schema: pa.Schema,
    folder: Path,
    settings: Ray,
    label: str,
) -> list[Report]:
    """Run `work` on each group of `per_shard` items; reports come back in shard order.

    `folder` receives `part-00000.parquet`, …; a shard whose report is there already is not redone.
    Reports are JSON and must not depend on the time or the machine.
    """
    groups = [list(items[i : i + per_shard]) for i in range(0, len(items), per_shard)]
    todo = [i for i in range(len(groups)) if not _report_path(folder, i).is_file()]
    if len(todo) < len(groups):
        say(f"{label}: resuming, {len(groups) - len(todo)} of {len(groups)} shards are done.")
    execute = partial(_execute, work, schema, folder.absolute())
    run = _in_ray if settings.executor == "ray" else _in_process
    with ray_session(settings):
        done = run(execute, [(i, groups[i]) for i in todo], settings)
        for error in track(done, label, total=len(todo), unit="shard"):
            if error:
                raise AuraError(error)
    reports = []
    for i in range(len(groups)):
        path = _report_path(folder, i)
        reports.append(json.loads(path.read_text()))
    for i in range(len(groups)):
        _report_path(folder, i).unlink()
    return reports


def _report_path(folder: Path, index: int) -> Path:
    return folder / f"part-{index:05d}.done"


def _execute(work: Work, schema: pa.Schema, folder: Path, index: int, group: list[Any]) -> str:
    """Do one shard; the empty string, or the sentence of what went wrong."""
    try:
        table, report = work(group)
        if table is not None and table.num_rows:
            write_table(folder / f"part-{index:05d}.parquet", table, schema)
        write_text(_report_path(folder, index), json.dumps(report))
    except AuraError as error:
        return str(error)
    return ""


def _in_process(
    execute: Callable[[int, list[Any]], str], shards: list[tuple[int, list[Any]]], settings: Ray
) -> Iterator[str]:
    for index, group in shards:
        yield execute(index, group)


def _in_ray(
    execute: Callable[[int, list[Any]], str], shards: list[tuple[int, list[Any]]], settings: Ray
) -> Iterator[str]:
    if not shards:
        return
    import ray

    def call(batch: pa.Table) -> pa.Table:
        errors = [
            execute(row["index"], pickle.loads(row["group"]))  # our own bytes, from the driver
            for row in batch.to_pylist()
        ]
        return pa.table({"error": pa.array(errors, pa.string())})

    plan = pa.table(
        {
            "index": pa.array([index for index, _ in shards], pa.int64()),
            "group": pa.array([pickle.dumps(group) for _, group in shards], pa.large_binary()),
        }
    )
    done = ray.data.from_arrow(plan, override_num_blocks=len(shards)).map_batches(
        call,
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=1,
        compute=ray.data.TaskPoolStrategy(size=settings.workers),
    )
    for row in done.iter_rows():
        yield row["error"]


def count_skips(skips: Sequence[Skip]) -> dict[str, int]:
    """Count by `modality: reason`, for reports and metrics."""
    return dict(Counter(f"{skip.modality}: {skip.reason}" for skip in skips))


def add_counts(reports: Sequence[Report], key: str) -> dict[str, int]:
    """Sum the counters called `key` of all reports."""
    total: Counter[str] = Counter()
    for report in reports:
        total.update(report.get(key, {}))
    return dict(sorted(total.items()))
