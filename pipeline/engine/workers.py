"""A phase of training on one process, or in Ray Train on several that share its batches.

There it runs on every rank, with PyTorch's process group set up (NCCL where each has a GPU, gloo
elsewhere). What it leaves is what rank 0 writes to disk; its figures reach the driver through a
queue. As for shards, nodes of a cluster need the project's folder at the same path. Ranks import
this module, and so wait for no more than it needs.
"""

import contextlib
import os
import queue
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Literal

import torch

from aura.config import Phase, Ray, Train
from aura.errors import AuraError, explain
from aura.learning import training
from aura.learning.batches import Windows
from aura.learning.distributed import Group, Ranks
from pipeline.engine.executors import ended
from pipeline.engine.progress import Silence
from pipeline.engine.session import describe_ray, ray_session

OnEpochEnd = Callable[[dict[str, float]], None]
Device = Literal["auto", "cpu", "cuda"]
Work = Callable[[Group, Device, OnEpochEnd], None]


@dataclass(frozen=True)
class PhaseWork:
    """A phase, on one process or on each rank of several: trains it and saves the model."""

    model: training.Model
    windows: Windows
    phase: Phase
    settings: Train
    files: training.Files
    card: dict[str, Any]

    def __call__(self, group: Group, device: Device, on_epoch_end: OnEpochEnd) -> None:
        """Every rank trains the same weights; rank 0 saves the model in the checkpoint's folder."""
        deterministic()
        settings = self.settings.model_copy(update={"device": device})
        best = training.train_phase(
            self.model, self.windows, self.phase, settings, settings.seed, on_epoch_end,
            files=self.files, group=group,
        )  # fmt: skip
        if group.rank == 0:
            training.save(self.model, self.files.checkpoint.parent, {**self.card, "best": best})


def deterministic() -> None:
    """The same numbers on every run; cuBLAS takes its setting from the environment only."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)


def run_ranks(
    work: Work,
    workers: int,
    device: Device,
    settings: Ray,
    folder: Path,
    on_epoch_end: OnEpochEnd,
) -> None:
    """Run work on several ranks of Ray Train.

    Parameters
    ----------
    work : Work
        Called on each rank as `work(group, device, on_epoch_end)`, its device `cpu` or `cuda`.
    workers : int
        How many ranks.
    device : {"auto", "cpu", "cuda"}
        `cuda`, a GPU for each rank; `cpu`; or `auto`, GPUs where there are enough.
    settings : Ray
        The section `ray` of params.yaml.
    folder : Path
        A folder that all nodes see; Ray Train keeps its own files there while it runs.
    on_epoch_end : OnEpochEnd
        Called here, in order, with the figures of rank 0.

    Raises
    ------
    AuraError
        There is no Ray, it has too few CPUs or GPUs, or the work raised one.
    """
    if settings.executor != "ray":
        raise AuraError("train.workers above 1 needs ray.executor: ray.")
    storage = TemporaryDirectory(prefix=".ray-", dir=folder, ignore_cleanup_errors=True)
    with ray_session(settings), storage as storage_path:
        _run(work, workers, device, storage_path, on_epoch_end)


def _run(
    work: Work, workers: int, device: Device, storage_path: str, on_epoch_end: OnEpochEnd
) -> None:
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.util.queue import Queue

    resources = ray.cluster_resources()
    use_gpu = device != "cpu" and resources.get("GPU", 0) >= workers
    for kind in ("CPU", "GPU") if device == "cuda" else ("CPU",):
        if resources.get(kind, 0) < workers:
            raise AuraError(
                f"train.workers is {workers}, and Ray has only {resources.get(kind, 0):g} {kind}s."
            )
    messages = Queue()
    trainer = TorchTrainer(
        _run_rank,
        train_loop_config={
            "work": ray.put(work), "device": "cuda" if use_gpu else "cpu", "messages": messages,
        },
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        run_config=RunConfig(name="ranks", storage_path=str(Path(storage_path).absolute())),
    )  # fmt: skip
    failures: list[Exception] = []
    errors: list[str] = []

    def fit() -> None:
        try:
            trainer.fit()
        except Exception as error:
            failures.append(error)

    thread = Thread(target=fit, daemon=True)  # so that an interrupt does not wait for it
    thread.start()
    heard = 0
    silence = Silence("train", lambda: f"{workers} workers; {describe_ray()}")
    while thread.is_alive() or not messages.empty():
        silence.hear(heard)
        with contextlib.suppress(queue.Empty):
            kind, content = messages.get(timeout=0.5)
            heard += 1
            if kind == "error":
                errors.append(content)
            else:
                on_epoch_end(content)
    if errors:  # of the first rank that gave up; Ray's own error is about the same
        raise AuraError(errors[0])
    if failures:
        if sentence := explain(failures[0]) or ended(failures[0]):
            raise AuraError(sentence) from failures[0]
        raise failures[0]


def _run_rank(config: dict[str, Any]) -> None:
    """What Ray Train runs in each process."""
    import ray

    group, messages = Ranks(), config["messages"]

    def on_epoch_end(figures: dict[str, float]) -> None:
        if group.rank == 0:
            messages.put(("figures", figures))

    try:
        ray.get(config["work"])(group, config["device"], on_epoch_end)
    except AuraError as error:
        messages.put(("error", str(error)))
        raise
