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
from aura.errors import AuraError
from aura.learning import training
from aura.learning.batches import Windows
from aura.learning.distributed import Group, Ranks
from pipeline.engine.shards import ray_session

Told = Callable[[dict[str, float]], None]
Device = Literal["auto", "cpu", "cuda"]
Job = Callable[[Group, Device, Told], None]


@dataclass(frozen=True)
class Work:
    """A phase, on one process or on each rank of several: trains, and saves what is left."""

    model: training.Model
    windows: Windows
    phase: Phase
    settings: Train
    files: training.Files
    card: dict[str, Any]

    def __call__(self, group: Group, device: Device, told: Told) -> None:
        """Every rank trains the same weights; rank 0 saves the model in the checkpoint's folder."""
        deterministic()
        settings = self.settings.model_copy(update={"device": device})
        best = training.train_phase(
            self.model, self.windows, self.phase, settings, settings.seed, told,
            files=self.files, group=group,
        )  # fmt: skip
        if group.rank == 0:
            training.save(self.model, self.files.checkpoint.parent, {**self.card, "best": best})


def deterministic() -> None:
    """The same numbers on every run; cuBLAS takes its setting from the environment only."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)


def run_ranks(
    work: Job, workers: int, device: Device, settings: Ray, folder: Path, told: Told
) -> None:
    """Run `work(group, device, told)` on so many ranks; its device is `cpu` or `cuda`.

    Parameters
    ----------
    device : `cuda`, a GPU for each rank; `cpu`; or `auto`, GPUs where there are enough.
    folder : a folder that all nodes see; Ray Train's own notes are there while it runs.
    told : called here, in order, with what the work of rank 0 tells.

    Raises
    ------
    AuraError
        There is no Ray, it has too few CPUs or GPUs, or the work raised one.
    """
    if settings.executor != "ray":
        raise AuraError("train.workers above 1 needs ray.executor: ray.")
    place = TemporaryDirectory(prefix=".ray-", dir=folder, ignore_cleanup_errors=True)
    with ray_session(settings), place as notes:
        _run(work, workers, device, notes, told)


def _run(work: Job, workers: int, device: Device, notes: str, told: Told) -> None:
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.util.queue import Queue

    there = ray.cluster_resources()
    gpu = device != "cpu" and there.get("GPU", 0) >= workers
    for kind in ("CPU", "GPU") if device == "cuda" else ("CPU",):
        if there.get(kind, 0) < workers:
            raise AuraError(
                f"train.workers is {workers}, and Ray has only {there.get(kind, 0):g} {kind}s."
            )
    messages = Queue()
    trainer = TorchTrainer(
        _rank,
        train_loop_config={
            "work": ray.put(work), "device": "cuda" if gpu else "cpu", "messages": messages,
        },
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
        run_config=RunConfig(name="ranks", storage_path=str(Path(notes).absolute())),
    )  # fmt: skip
    failures: list[Exception] = []
    sentences: list[str] = []

    def fit() -> None:
        try:
            trainer.fit()
        except Exception as error:
            failures.append(error)

    fitting = Thread(target=fit, daemon=True)  # so that an interrupt does not wait for it
    fitting.start()
    while fitting.is_alive() or not messages.empty():
        with contextlib.suppress(queue.Empty):
            kind, content = messages.get(timeout=0.5)
            if kind == "error":
                sentences.append(content)
            else:
                told(content)
    if sentences:  # said by the first rank that gave up; Ray's own error is about the same
        raise AuraError(sentences[0])
    if failures:
        raise failures[0]


def _rank(config: dict[str, Any]) -> None:
    """What Ray Train runs in each process."""
    import ray

    group, messages = Ranks(), config["messages"]

    def told(figures: dict[str, float]) -> None:
        if group.rank == 0:
            messages.put(("figures", figures))

    try:
        ray.get(config["work"])(group, config["device"], told)
    except AuraError as error:
        messages.put(("error", str(error)))
        raise
