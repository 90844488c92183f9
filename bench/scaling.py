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
from bench.measure import Baseline, Row, Seconds, Setup, require
from bench.memory import ROOT, SMALL, field
from bench.noise import DIM, random_windows
from bench.ray_overhead import ShardLoad
from pipeline import preprocess, synthesize, teach
from pipeline.engine.processes import process_pool
from pipeline.engine.session import ray_session

T = TypeVar("T")
_FACTORS = (1, 4, 16)
_MAX_GROWTH = 1.25  # of the least, what a process may take at most


def rows(setup: Setup) -> Iterator[Row]:
    """Three rows, one a kind of growth."""
    yield from _recordings(setup)
    yield from _workers(setup)
    yield _batches(setup)


def _recordings(setup: Setup) -> Iterator[Row]:
    """Preprocessing of 16 times as many recordings takes 16 times as long, in the same memory."""
    folders = {n: setup.folder / f"{n} times" for n in _FACTORS[: setup.size(len(_FACTORS), 1)]}
    largest = max(folders)
    for factor, folder in folders.items():
        folder.mkdir()
        _run_apart(setup, _prepare, folder, factor * setup.size(24, 1))

    def timed(folder: Path) -> Seconds:
        seconds, peak[folder] = _run_apart(setup, _preprocess, folders[1], folder)
        return Seconds(seconds)

    def gate() -> dict[str, str]:
        for folder in folders.values():
            timed(folder)
        least_mb, most_mb = min(peak.values()), max(peak.values())
        report = ", ".join(f"{n}x {peak[folder]:.0f} MB" for n, folder in folders.items())
        require(most_mb <= _MAX_GROWTH * least_mb, f"Memory grows with the recordings: {report}.")
        return {"peak memory": report}

    peak: dict[Path, float] = {}
    yield Row(
        name="scaling.recordings",
        what=f"Preprocessing {largest} times as many recordings",
        ours=partial(timed, folders[largest]),
        baselines=[
            Baseline(f"{n}x", "limit", partial(timed, folder), 0.9, share=n / largest)
            for n, folder in folders.items()
            if n < largest
        ],
        gate=gate,
        work=largest * setup.size(24, 1),
        unit="recordings",
        notes=[
            "a plain loop in a process that has imported all; the ratio is 1 where it is linear"
        ],
        rounds=3,
    )


def _run_apart(setup: Setup, work: Callable[..., T], *arguments: Any) -> T:
    """In a process of its own, whose memory is that of the work; in a smoke run in this one."""
    if setup.smoke:
        return work(*arguments)
    with process_pool(1) as pool:
        return pool.submit(work, *arguments).result()


def _prepare(folder: Path, takes: int) -> None:
    with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()):
        params = _params(takes)
        synthesize.run(params)
        teach.run(params)


def _preprocess(first: Path, folder: Path) -> tuple[float, float]:
    """Seconds, after a first run that imports all; and the peak of this process in MB."""
    params = _params(1)
    for path in (first, folder):
        with contextlib.chdir(path), contextlib.redirect_stderr(io.StringIO()):
            begin = time.perf_counter()
            preprocess.run(params, "synthetic")
            seconds = time.perf_counter() - begin
    # Of this process alone; what getrusage gives begins with the peak of the one that started it.
    return seconds, field(Path("/proc/self/status").read_text(), "VmHWM:")


def _params(takes: int) -> config.Params:
    overrides = (*SMALL, f"synthesize.takes={takes}", "ray.executor=local", "ray.workers=1")
    return config.load(ROOT / "params.yaml", overrides)


def _workers(setup: Setup) -> Iterator[Row]:
    """Shards on all workers, beside as many shards on one."""
    load = ShardLoad(setup, setup.size(12, 2), setup.size(24, 1))
    with ray_session(config.Ray(workers=setup.threads)):

        def gate() -> dict[str, str]:
            load.run(config.Ray(workers=setup.threads))
            load.bare(1)
            require(load.same_files("ray", "bare"), "The number of workers changes the rows.")
            return {"rows": "equal"}

        yield Row(
            name="scaling.workers",
            what=f"Resampling shards on {setup.threads} workers of Ray, steady state",
            ours=partial(load.run, config.Ray(workers=setup.threads)),
            baselines=[Baseline("one worker", "limit", partial(load.run, config.Ray(workers=1)))],
            gate=gate,
            work=len(load.shards),
            unit="shards",
            notes=[f"{setup.threads} threads of the machine; two threads of a core share it"],
            rounds=3,
        )


def _batches(setup: Setup) -> Row:
    """An epoch in batches of 1024, beside the same windows in batches of 64."""
    windows = random_windows(setup.size(2048, 32), DIM)
    large, small = setup.size(1024, 16), setup.size(64, 8)

    def epoch(batch: int) -> None:
        params = config.load(ROOT / "params.yaml").train.model_copy(update={"batch": batch})
        torch.manual_seed(0)
        model = training.Model(windows.shape, params.imu_encoder, params.mocap_encoder, params.loss)
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
        baselines=[Baseline(f"batches of {small}", "limit", partial(epoch, small))],
        gate=gate,
        work=len(windows),
        unit="windows",
        notes=["the encoders of params.yaml, the joint phase"],
        rounds=3,
    )
