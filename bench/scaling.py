"""scaling: more recordings, more workers and larger batches, beside the same work in small.

Memory is read from Linux's /proc.
"""

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from aura import config
from aura.learning import training
from aura.teacher.identity import DIM
from bench.measure import Rival, Row, Scene, Seconds, require
from bench.memory import ROOT, SMALL, field
from bench.noise import random_windows
from bench.ray_overhead import Load
from pipeline import preprocess, synthesize, teach
from pipeline.engine.shards import processes, ray_session

T = TypeVar("T")
_TIMES = (1, 4, 16)
_FLAT = 1.25  # of the least, what a process may take at most


def rows(scene: Scene) -> Iterator[Row]:
    """Three rows, one a kind of growth."""
    yield from _recordings(scene)
    yield from _workers(scene)
    yield _batches(scene)


def _recordings(scene: Scene) -> Iterator[Row]:
    """Preprocessing of 16 times as many recordings takes 16 times as long, in the same memory."""
    folders = {n: scene.folder / f"{n} times" for n in _TIMES[: scene.size(len(_TIMES), 1)]}
    most = max(folders)
    for times, folder in folders.items():
        folder.mkdir()
        _apart(scene, _prepare, folder, times * scene.size(24, 1))

    def timed(folder: Path) -> Seconds:
        seconds, peak[folder] = _apart(scene, _preprocess, folders[1], folder)
        return Seconds(seconds)

    def gate() -> dict[str, str]:
        for folder in folders.values():
            timed(folder)
        least, largest = min(peak.values()), max(peak.values())
        said = ", ".join(f"{n}x {peak[folder]:.0f} MB" for n, folder in folders.items())
        require(largest <= _FLAT * least, f"Memory grows with the recordings: {said}.")
        return {"peak memory": said}

    peak: dict[Path, float] = {}
    yield Row(
        name="scaling.recordings",
        what=f"Preprocessing {most} times as many recordings",
        ours=partial(timed, folders[most]),
        rivals=[
            Rival(f"{n}x", "limit", partial(timed, folder), 0.9, share=n / most)
            for n, folder in folders.items()
            if n < most
        ],
        gate=gate,
        work=most * scene.size(24, 1),
        unit="recordings",
        notes=[
            "a plain loop in a process that has imported all; the ratio is 1 where it is linear"
        ],
        rounds=3,
    )


def _apart(scene: Scene, work: Callable[..., T], *arguments: Any) -> T:
    """In a process of its own, whose memory is that of the work; in a smoke run in this one."""
    if scene.smoke:
        return work(*arguments)
    with processes(1) as pool:
        return pool.submit(work, *arguments).result()


def _prepare(folder: Path, takes: int) -> None:
    with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()):
        params = _params(takes)
        synthesize.run(params)
        teach.run(params)


def _preprocess(first: Path, folder: Path) -> tuple[float, float]:
    """Seconds, after a first run that imports all; and the peak of this process in MB."""
    params = _params(1)
    for place in (first, folder):
        with contextlib.chdir(place), contextlib.redirect_stderr(io.StringIO()):
            begin = time.perf_counter()
            preprocess.run(params, "synthetic")
            seconds = time.perf_counter() - begin
    # Of this process alone; what getrusage gives begins with the peak of the one that started it.
    return seconds, field(Path("/proc/self/status").read_text(), "VmHWM:")


def _params(takes: int) -> config.Params:
    some = (*SMALL, f"synthesize.takes={takes}", "ray.executor=local", "ray.workers=1")
    return config.load(ROOT / "params.yaml", some)


def _workers(scene: Scene) -> Iterator[Row]:
    """Shards on all workers, beside as many shards on one."""
    load = Load(scene, scene.size(12, 2), scene.size(24, 1))
    with ray_session(config.Ray(workers=scene.threads)):

        def gate() -> dict[str, str]:
            load.run(config.Ray(workers=scene.threads))
            load.bare(1)
            require(load.same("ray", "bare"), "The number of workers changes the rows.")
            return {"rows": "equal"}

        yield Row(
            name="scaling.workers",
            what=f"Resampling shards on {scene.threads} workers of Ray, steady state",
            ours=partial(load.run, config.Ray(workers=scene.threads)),
            rivals=[Rival("one worker", "limit", partial(load.run, config.Ray(workers=1)))],
            gate=gate,
            work=len(load.shards),
            unit="shards",
            notes=[f"{scene.threads} threads of the machine; two threads of a core share it"],
            rounds=3,
        )


def _batches(scene: Scene) -> Row:
    """An epoch in batches of 1024, beside the same windows in batches of 64."""
    windows = random_windows(scene.size(2048, 32), DIM)
    large, small = scene.size(1024, 16), scene.size(64, 8)

    def epoch(batch: int) -> None:
        params = config.load(ROOT / "params.yaml").train.model_copy(update={"batch": batch})
        shape = training.Shape(windows.window_samples, windows.mocap.shape[1], DIM)
        torch.manual_seed(0)
        model = training.Model(shape, params.imu_encoder, params.mocap_encoder, params.loss)
        phase = params.joint.model_copy(update={"epochs": 1})
        training.train_phase(model, windows, phase, params, 0, figures.append, select=False)

    figures: list[training.Metrics] = []

    def gate() -> dict[str, str]:
        epoch(large)
        loss = figures[-1]["loss"]
        require(bool(np.isfinite(loss)), f"The loss at a batch of {large} is {loss}.")
        return {"loss": f"{loss:.3f}"}

    return Row(
        name="scaling.batch",
        what=f"An epoch of {len(windows)} windows in batches of {large}",
        ours=partial(epoch, large),
        rivals=[Rival(f"batches of {small}", "limit", partial(epoch, small))],
        gate=gate,
        work=len(windows),
        unit="windows",
        notes=["the encoders of params.yaml, the joint phase"],
        rounds=3,
    )
