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
from aura.schema import SIGNALS, TAKES
from bench.measure import Rival, Row, Scene, Seconds, require
from pipeline.engine.processes import process_pool
from pipeline.engine.session import ray_session
from pipeline.engine.shards import Add, Report, Shard, run_shards
from pipeline.resample import resample_takes

_SCHEMAS = {"part": SIGNALS, "takes": TAKES}
_PLAIN = Ray(executor="local")


class Load:
    """Shards of known work, and the ways to run them."""

    def __init__(self, scene: Scene, shards: int, takes: int) -> None:
        self._folder = scene.folder / "load"
        settings, found = _root(self._folder / "raw", scene)
        self.work = partial(_timed, settings, Resample())
        some = [found[number % len(found)] for number in range(takes)]
        self.shards = [Shard(number, some, takes) for number in range(shards)]

    def run(self, ray: Ray) -> Seconds:
        """As the stages do; with Ray in the session that there is."""
        out = self.empty(ray.executor)
        self.began = time.monotonic()
        reports = _loop(self.shards, self.work, out, ray)
        self.first = min(report["begin"] for report in reports) - self.began
        return _steady(reports)

    def bare(self, workers: int) -> Seconds:
        """A loop in each of as many processes, over a fixed part of the shards."""
        out = self.empty("bare")
        with process_pool(workers) as pool:
            parts = [self.shards[number::workers] for number in range(workers)]
            jobs = [pool.submit(_loop, part, self.work, out, _PLAIN) for part in parts]
            return _steady([report for job in jobs for report in job.result()])

    def empty(self, name: str) -> Path:
        """An empty folder for the shards."""
        out = self._folder / name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        return out

    def same(self, one: str, other: str) -> bool:
        """Whether two runs left the same files."""
        pairs = [(p, self._folder / other / p.name) for p in (self._folder / one).glob("*.parquet")]
        found = all(p.read_bytes() == q.read_bytes() for p, q in pairs)
        return found and len(pairs) == len(self.shards) * len(_SCHEMAS)


def rows(scene: Scene) -> Iterator[Row]:
    """One row, in a Ray session that lives as long."""
    load = Load(scene, scene.size(24, 3), scene.size(24, 1))
    settings = Ray(workers=scene.threads)
    began = time.monotonic()
    with ray_session(settings):
        ready = time.monotonic() - began

        def gate() -> dict[str, str]:
            load.run(settings)
            first = load.first
            load.bare(scene.threads)
            require(load.same("ray", "bare"), "Ray and the bare loop wrote different rows.")
            return {
                "rows": "equal",
                "session": f"{ready:.1f} s to its start",
                "first shard": f"begins {first:.1f} s later in a new session",
            }

        yield Row(
            name="ray.overhead",
            what=f"Resampling {load.shards[0].size} takes a shard through Ray Data, steady state",
            ours=partial(load.run, settings),
            rivals=[
                Rival("bare loop", "limit", partial(load.bare, scene.threads), 0.97),
                Rival(
                    "ray.executor=local",
                    "limit",
                    partial(load.run, Ray(executor="local", workers=scene.threads)),
                ),
            ],
            gate=gate,
            work=len(load.shards),
            unit="shards",
            notes=[f"{scene.threads} workers of one thread each; start-up is not counted"],
            rounds=5,
        )


def _root(folder: Path, scene: Scene) -> tuple[Dataset, Sequence[Take]]:
    size = synthetic.SyntheticSize(
        participants={"train": scene.size(2, 1)},
        take_seconds=scene.size(16, 5),
        activities=scene.size(4, 1),
        flaws=False,
        video_height=96,
    )
    plans = synthetic.plan(size)
    for plan in plans:
        synthetic.write_take(folder, plan, size)
    synthetic.write_metadata(folder, plans, size)
    settings = Dataset(adapter="ego-exo4d", root=str(folder.absolute()))
    return settings, open_dataset("ego-exo4d", settings.root, {}).inventory().takes


def _timed(dataset: Dataset, params: Resample, takes: Sequence[Take], add: Add) -> Report:
    begin = time.monotonic()
    resample_takes(dataset, params, takes, add)
    return {"begin": begin, "end": time.monotonic(), "process": os.getpid()}


def _loop(shards: Sequence[Shard], work: Any, out: Path, ray: Ray) -> list[Report]:
    with contextlib.redirect_stderr(io.StringIO()):  # no progress of each call
        return list(run_shards(shards, work, _SCHEMAS, out, ray, "bench"))


def _steady(reports: Sequence[Report]) -> Seconds:
    """How long the shards take at the rate of all workers together."""
    workers = [[r for r in reports if r["process"] == p] for p in {r["process"] for r in reports}]
    rates = [len(w) / (max(r["end"] for r in w) - min(r["begin"] for r in w)) for w in workers]
    return Seconds(len(reports) / sum(rates))
