"""Where shards are run: in this process, in several, or on the workers of Ray Data.

Each executor calls a function with the number and the content of a shard, and yields what it
returns as it comes: the empty string, or the sentence of what went wrong.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from typing import Any

import pyarrow as pa

from aura.config import Ray
from aura.errors import AuraError, explain
from pipeline.engine.processes import process_pool
from pipeline.engine.session import SLOT

Task = Callable[[int, Any], str]
_TASKS_PER_SLOT = 4  # that Ray holds: one in work, others ready for when it ends


def run_locally(task: Task, shards: Sequence[tuple[int, Any]], settings: Ray) -> Iterator[str]:
    """Run shards in a plain loop, or in as many processes as `workers` says."""
    workers = min(settings.workers or 1, len(shards))
    if workers <= 1:
        for number, content in shards:
            yield task(number, content)
        return
    with process_pool(workers) as pool:
        futures = [pool.submit(task, number, content) for number, content in shards]
        for future in as_completed(futures):
            yield future.result()


def run_on_ray(
    task: Task, shards: Sequence[tuple[int, Any]], settings: Ray, gpus: float
) -> Iterator[str]:
    """Run shards on Ray Data, inside a session.

    Parameters
    ----------
    task : Task
        Goes to the workers, pickled.
    shards : sequence of (int, object)
        Number and content of each; the content is pickled as well.
    settings : Ray
        The section `ray` of params.yaml.
    gpus : float
        What each worker takes of a GPU.

    Raises
    ------
    AuraError
        Ray has fewer GPUs, or no shard ended for `stall_hours`.
    """
    if not shards:
        return
    import ray
    from ray.data.exceptions import ExecutionTimeoutError
    from ray.exceptions import RayError

    if gpus > ray.cluster_resources().get("GPU", 0):
        raise AuraError(f"Each worker shall have {gpus:g} GPUs, and Ray knows of fewer.")

    def call(batch: pa.Table) -> pa.Table:
        errors = [
            task(row["number"], pickle.loads(row["content"]))  # our own bytes, from the driver
            for row in batch.to_pylist()
        ]
        return pa.table({"error": pa.array(errors, pa.string())})

    plan = pa.table(
        {
            "number": pa.array([number for number, _ in shards], pa.int64()),
            "content": pa.array([pickle.dumps(c) for _, c in shards], pa.large_binary()),
        }
    )
    # Ray Data looks for tasks that are done ten times a second, so Ray itself has the next at hand.
    # What it counts, and keeps to what there is, are CPUs; slots are Ray's alone.
    slots = int(ray.cluster_resources().get(SLOT, 0))
    ahead = slots and settings.workers in (None, slots)
    results = ray.data.from_arrow([plan.slice(row, 1) for row in range(len(shards))]).map_batches(
        call,
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=1 / _TASKS_PER_SLOT if ahead else 1,
        num_gpus=gpus or None,
        resources={SLOT: 1} if ahead else None,
        compute=ray.data.TaskPoolStrategy(
            size=min(_TASKS_PER_SLOT * slots, len(shards)) if ahead else settings.workers
        ),
    )
    try:
        for row in results.iter_rows():
            yield row["error"]
    except RayError as error:  # a shard says itself what it lacks, unless it is ended
        sentence = explain(error) or ended(error)
        if sentence is None:
            raise
        raise AuraError(sentence) from error
    except ExecutionTimeoutError:
        raise AuraError(
            f"No shard came to its end in {settings.stall_hours:g} hours. If they do take that "
            "long, raise ray.stall_hours; the same command resumes."
        ) from None


def ended(error: BaseException) -> str | None:
    """What to say where Ray, or the system, ended a worker; None for an error of its work."""
    from ray import exceptions

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, exceptions.OutOfMemoryError | exceptions.ObjectStoreFullError):
            return (
                "Ray ended a worker for want of memory; a smaller ray.workers needs less. The same "
                "command resumes."
            )
        if isinstance(seen, exceptions.OutOfDiskError):
            return (
                "Ray has no space left for its files; free some, or name another folder by "
                "RAY_TMPDIR. The same command resumes."
            )
        if isinstance(seen, exceptions.WorkerCrashedError | exceptions.NodeDiedError):
            return (
                "A worker of Ray ended without a word, perhaps for want of memory; a smaller "
                "ray.workers needs less. The same command resumes."
            )
        seen = seen.__cause__ or seen.__context__
    return None
