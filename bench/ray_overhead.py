"""ray.overhead: the production path of shards through Ray Data, beside a bare loop of their work.

The work is that of the stage `resample`, on a small synthetic root. Timed is the steady state, by
the clocks of the workers: each from the begin of its first shard to the end of its last, what lies
between two shards included.
"""

import contextlib
import io
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aura.config import Dataset, Ray, Resample
from aura.datasets import synthetic
from aura.datasets.base import Take, open_dataset
from aura.schema import CONTENT, SIGNALS, TAKES
from bench.measure import Baseline, Row, Seconds, Setup, require
from pipeline.engine.processes import process_pool
from pipeline.engine.session import ray_session
from pipeline.engine.shards import Add, Report, Shard, run_shards
from pipeline.resample import resample_takes

_SCHEMAS = {"part": SIGNALS, "takes": TAKES, "content": CONTENT}
_PLAIN = Ray(executor="local")


class ShardLoad:
    """Shards of known work, and the ways to run them."""

    def __init__(self, setup: Setup, shards: int, takes: int) -> None:
        self._folder = setup.folder / "load"
        settings, takes_of_root = _write_root(self._folder / "raw", setup)
        self.work = partial(_resample_timed, settings, Resample())
        contents = [takes_of_root[number % len(takes_of_root)] for number in range(takes)]
        self.shards = [Shard(number, contents, takes) for number in range(shards)]

    def run(self, ray: Ray) -> Seconds:
        """As the stages do; with Ray in the session that there is."""
        out = self._empty_folder(ray.executor)
        self.start = time.monotonic()
        reports = _run_quietly(self.shards, self.work, out, ray)
        self.first_shard_s = min(report["begin"] for report in reports) - self.start
        return _steady_state(reports)

    def bare(self, workers: int) -> Seconds:
        """A loop in each of as many processes, over a fixed part of the shards."""
        out = self._empty_folder("bare")
        with process_pool(workers) as pool:
            parts = [self.shards[number::workers] for number in range(workers)]
            jobs = [pool.submit(_run_quietly, part, self.work, out, _PLAIN) for part in parts]
            return _steady_state([report for job in jobs for report in job.result()])

    def _empty_folder(self, name: str) -> Path:
        """An empty folder for the shards."""
        out = self._folder / name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        return out

    def same_files(self, first: str, other: str) -> bool:
        """Whether two runs left the same files."""
        pairs = [
            (p, self._folder / other / p.name) for p in (self._folder / first).glob("*.parquet")
        ]
        equal = all(p.read_bytes() == q.read_bytes() for p, q in pairs)
        return equal and len(pairs) == len(self.shards) * len(_SCHEMAS)


def rows(setup: Setup) -> Iterator[Row]:
    """One row, in a Ray session that lives as long."""
    load = ShardLoad(setup, setup.size(24, 3), setup.size(24, 1))
    settings = Ray(workers=setup.threads)
    start = time.monotonic()
    with ray_session(settings):
        session_s = time.monotonic() - start

        def gate() -> dict[str, str]:
            load.run(settings)
            first_shard_s = load.first_shard_s
            load.bare(setup.threads)
            require(load.same_files("ray", "bare"), "Ray and the bare loop wrote different rows.")
            return {
                "rows": "equal",
                "session": f"{session_s:.1f} s to its start",
                "first shard": f"begins {first_shard_s:.1f} s later in a new session",
            }

        yield Row(
            name="ray.overhead",
            what=f"Resampling {load.shards[0].size} takes a shard through Ray Data, steady state",
            ours=partial(load.run, settings),
            baselines=[
                Baseline("bare loop", "limit", partial(load.bare, setup.threads), 0.97),
                Baseline(
                    "ray.executor=local",
                    "limit",
                    partial(load.run, Ray(executor="local", workers=setup.threads)),
                ),
            ],
            gate=gate,
            work=len(load.shards),
            unit="shards",
            notes=[f"{setup.threads} workers of one thread each; start-up is not counted"],
            rounds=5,
        )


def _write_root(folder: Path, setup: Setup) -> tuple[Dataset, Sequence[Take]]:
    size = synthetic.SyntheticSize(
        participants={"train": setup.size(2, 1)},
        take_seconds=setup.size(16, 5),
        activities=setup.size(4, 1),
        flaws=False,
        video_height=96,
    )
    plans = synthetic.plan(size)
    for plan in plans:
        synthetic.write_take(folder, plan, size)
    synthetic.write_metadata(folder, plans, size)
    settings = Dataset(adapter="ego-exo4d", root=str(folder.absolute()))
    return settings, open_dataset("ego-exo4d", settings.root, {}).inventory().takes


def _resample_timed(dataset: Dataset, params: Resample, takes: Sequence[Take], add: Add) -> Report:
    begin = time.monotonic()
    resample_takes(dataset, params, takes, add)
    return {"begin": begin, "end": time.monotonic(), "process": os.getpid()}


def _run_quietly(shards: Sequence[Shard], work: Any, out: Path, ray: Ray) -> list[Report]:
    with contextlib.redirect_stderr(io.StringIO()):  # no progress of each call
        return list(run_shards(shards, work, _SCHEMAS, out, ray, "bench"))


def _steady_state(reports: Sequence[Report]) -> Seconds:
    """How long the shards take at the rate of all workers together."""
    rates = []
    for process in {report["process"] for report in reports}:
        shards = [report for report in reports if report["process"] == process]
        begin, end = min(s["begin"] for s in shards), max(s["end"] for s in shards)
        rates.append(len(shards) / (end - begin))
    return Seconds(len(reports) / sum(rates))
