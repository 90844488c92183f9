"""A stage as shards, each done by one worker that writes its own files.

A shard is some takes, under one number from raw recordings to embeddings. Ray Data schedules shards
over workers; the worker writes its own Parquet files under the shard's number and returns only
whether it could. So names and bytes do not depend on scheduling, nothing large travels to the
driver, memory stays that of the takes in work, a killed run resumes at the shards that are not
on disk, and the shards of a node that dies are done by another (`Dataset.write_parquet` gives none
of these). Nodes of a cluster need the project's folder at the same path, as a shared file system.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from aura.config import Ray
from aura.errors import AuraError
from pipeline.engine import paths
from pipeline.engine.checks import check_content
from pipeline.engine.executors import run_locally, run_on_ray
from pipeline.engine.progress import follow, say
from pipeline.engine.session import describe_ray, ray_session
from pipeline.engine.task import Add, Report, Shard, ShardTask, Work

__all__ = [
    "Add",
    "Report",
    "Shard",
    "Work",
    "add_counts",
    "file_shards",
    "forget_done",
    "group",
    "run_shards",
]  # fmt: skip

T = TypeVar("T")


def group(
    items: Sequence[T], sizes: Sequence[float], max_items: int, max_size: float
) -> list[list[T]]:
    """Split into consecutive groups, of at most `max_items`, and of at most `max_size` in sum.

    An item that is larger than `max_size` has a group of its own.
    """
    groups: list[list[T]] = []
    total = 0.0
    for item, size in zip(items, sizes, strict=True):
        if not groups or len(groups[-1]) >= max_items or total + size > max_size:
            groups.append([])
            total = 0.0
        groups[-1].append(item)
        total += size
    return groups


def file_shards(files: Sequence[Path], signals: Path) -> list[Shard]:
    """One shard a file of an earlier stage, as large as its TAKES in the folder `signals`."""
    return [
        Shard(
            paths.shard_number(file),
            file.absolute(),
            _rows(signals / paths.sibling(file, "takes")),
        )
        for file in files
    ]


def _rows(file: Path) -> int:
    """Rows of a table that `resample` wrote."""
    check_content(file)
    try:
        return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise AuraError(
            f"{file} cannot be read as Parquet: {error}; run `aura resample` again."
        ) from None


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

    Parameters
    ----------
    shards : sequence of Shard
        What there is to do; a shard whose report is in `folder` already is not redone.
    work : Work
        Called as `work(content, add)`, in any process. Its report is JSON and must not depend on
        the time or the machine.
    schemas : mapping of str to pa.Schema
        For each name, `folder` receives `<name>-00000.parquet`, …
    folder : Path
        Where the files go.
    settings : Ray
        The section `ray` of params.yaml.
    label, unit : str
        What the progress display says, and what it counts.
    gpus : float
        What each worker takes of a GPU.

    Yields
    ------
    dict
        The report of each shard.

    Raises
    ------
    AuraError
        The first of a shard's work, or of Ray.
    """
    task = ShardTask(work, dict(schemas), folder.absolute())
    todo = [shard for shard in shards if task.report(shard.number) is None]
    if len(todo) < len(shards):
        say(f"{label}: resuming, {len(shards) - len(todo)} of {len(shards)} shards are done.")
    jobs = [(shard.number, shard.content) for shard in todo]
    total = sum(shard.size for shard in todo)

    def waiting_for() -> str:
        begun = sum(map(task.begun, todo))
        ended = sum(task.done_file(shard.number).is_file() for shard in todo)
        state = f"{begun} of {len(todo)} shards begun, {ended} done"
        return f"{state}; {describe_ray()}" if settings.executor == "ray" else state

    def progress() -> int:
        return sum(map(task.progress, todo))

    with ray_session(settings), follow(progress, label, total, unit, waiting_for):
        if settings.executor == "ray":
            errors = run_on_ray(task, jobs, settings, gpus)
        else:
            errors = run_locally(task, jobs, settings)
        for error in errors:
            if error:
                raise AuraError(error)
    for shard in shards:
        report = task.report(shard.number)
        if report is None:
            raise AuraError(f"Shard {shard.number} of {folder} is lost; the same command resumes.")
        yield report


def add_counts(reports: Sequence[Report], key: str) -> dict[str, int]:
    """Sum the counters called `key` of all reports."""
    total: Counter[str] = Counter()
    for report in reports:
        total.update(report.get(key, {}))
    return dict(sorted(total.items()))


def forget_done(folder: Path) -> None:
    """No shard of `folder` is done any more: the next run tries them again."""
    for done in folder.glob("part-*.done"):
        done.unlink()
