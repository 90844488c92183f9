"""Hours of the whole pipeline in rounds, with processes killed at random.

`python -m tests.faults.long --folder /tmp/l --hours 2` makes a root of thousands of takes and takes
it through preprocess, train and evaluate again and again. The first round is left alone, and done
without Ray; in the others the stage, a worker of Ray or its raylet is killed at random moments, and
the same command is run again until it ends. Where the machine is so busy that Ray, which gives its
raylet 30 s, does not start, Python's own processes do the work, and one of them is killed. What a
round leaves must be, byte for byte, what the first has left. Samples and events go to files as they
come; `long_report` draws them.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.faults import owned, study

ROOT = Path(__file__).parent.parent.parent
ROUND = ("preprocess", "train", "evaluate")
MADE = {
    "preprocess": (
        *("data/signals", "data/windows", "data/embeddings", "data/manifests"),
        *(f"reports/synthetic/{stage}" for stage in ("resample", "slice", "embed")),
    ),
    "slice": ("data/windows", "reports/synthetic/slice"),
    "train": ("models/synthetic", "reports/synthetic/train"),
    "evaluate": ("reports/synthetic/evaluate",),
}
"""What goes before a round of a stage begins."""
EVERY_S, MAX_RSS = 10.0, 7e9
SHARDS = ("preprocess", "slice")
LOCAL, BUSY = ("ray.executor=local",), 6.0
PATIENT = {
    "RAY_raylet_start_wait_time_s": "600",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_agent_register_timeout_ms": "600000",
}
"""On a machine that has others to serve, Ray's processes may take minutes to start."""
KILLS = {"stage": 5, "worker": 4, "raylet": 2}
"""How often each is chosen."""


def params_of(takes: int) -> dict[str, Any]:
    """The project's settings with everything small but the number of takes."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    small: dict[str, Any] = study.PARAMS
    people = {"teacher": 1, "train": 4, "val": 1, "test": 1}
    params["synthesize"].update(
        participants=people, take_seconds=5, cameras=1, activities=4, video_height=64, takes=takes
    )
    params["teach"].update(image_size=32, width=64, layers=1, steps=3, batch=8)
    params["ray"].update(workers=2)
    params["resample"].update(takes_per_shard=128)
    params["slice"].update(stride_s=5.0)
    params["embed"].update(frames_per_window=2, prompts=["{}"])
    params["train"].update({**small["train"], "batch": 128})
    params["evaluate"].update(small["evaluate"])
    return params


class Run:
    """The rounds in one folder, and what is seen meanwhile."""

    def __init__(
        self, folder: Path, takes: int, end: float, seed: int, stages: Sequence[str] = ROUND
    ) -> None:
        self.folder, self.end, self.random, self.stages = folder, end, Random(seed), stages
        self.place, self.temporary = folder / "place", folder / "t"
        self.mark = f"{os.getpid()}-{time.time_ns()}"
        self.round, self.stage, self.attempt = -1, "", 0
        self.begin = time.monotonic() - self._so_far()
        self.lock = threading.Lock()
        self.place.mkdir(parents=True, exist_ok=True)
        self.temporary.mkdir(exist_ok=True)
        (self.place / "params.yaml").write_text(yaml.safe_dump(params_of(takes), sort_keys=False))
        self.environment = {
            **os.environ, owned.MARK: self.mark, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
            "TMPDIR": str(self.temporary), "RAY_TMPDIR": str(self.temporary),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(200 << 20), **PATIENT,
        }  # fmt: skip
        self.environment.pop("RAY_ADDRESS", None)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return round(time.monotonic() - self.begin, 1)

    def _so_far(self) -> float:
        """Seconds that an earlier run in the same folder has lasted."""
        file = self.folder / "samples.jsonl"
        return float(json.loads(file.read_text().splitlines()[-1])["s"]) if file.exists() else 0.0

    def write(self, name: str, **content: Any) -> None:
        """Append a line to a file of the folder."""
        line = {"s": self.seconds, "round": self.round, "stage": self.stage, **content}
        with self.lock, (self.folder / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def watch(self) -> None:
        """Take a sample now and then; end everything where memory has no bound."""
        while True:
            found = owned.measure(self.mark)
            shards = sum(1 for _ in self.place.glob("data/*/synthetic*/*.done"))
            tables = sum(1 for _ in self.place.glob("data/*/synthetic/part-*.parquet"))
            left, logs = owned.sizes(self.temporary)
            memory = os.statvfs("/dev/shm")
            self.write(
                "samples", **found, shards=shards + tables, temporary=left, ray_logs=logs,
                dev_shm=(memory.f_blocks - memory.f_bfree) * memory.f_frsize,
                load=os.getloadavg()[0],
            )  # fmt: skip
            if found["rss"] > MAX_RSS:
                self.write("events", event="memory has no bound", **found)
                owned.end_all(self.mark)
                os._exit(1)
            time.sleep(EVERY_S)

    def start(self, stage: str, *overrides: str) -> subprocess.Popen[bytes]:
        """Start a stage, in a session of its own."""
        sets = [part for override in overrides for part in ("--set", override)]
        self.stage, self.attempt = stage, self.attempt + 1
        named = [] if stage in ("synthesize", "teach") else ["--dataset", "synthetic"]
        with (self.folder / "said.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "aura", stage, *named, *sets], cwd=self.place, stdout=log,
                stderr=log, env=self.environment, preexec_fn=owned.yielding,
            )  # fmt: skip

    def said(self) -> str:
        """The last line of the last stage."""
        return self.all_said().strip().replace("\r", "\n").split("\n")[-1][-300:]

    def all_said(self) -> str:
        """All of it."""
        return (self.folder / "said.log").read_text(errors="replace")

    def plain(self, stage: str, *overrides: str) -> int | None:
        """Run a stage to its end, again where that is an error; the exit code, None for no time."""
        for _ in range(4):
            start = time.monotonic()
            process = self.start(stage, *overrides)
            code = self.wait(process, self.end)
            if code is None:
                process.kill()
            took = round(time.monotonic() - start, 1)
            self.write("events", event="ran", code=code, took=took, said=self.said())
            if code:
                shutil.copy(self.folder / "said.log", self.folder / f"error-{self.attempt}.log")
            self.settle()
            if not code:
                break
        return code

    def wait(self, process: subprocess.Popen[bytes], until: float) -> int | None:
        """The exit code, or None at `until`."""
        while process.poll() is None:
            if time.time() > until:
                return None
            time.sleep(0.2)
        return int(process.returncode)

    def settle(self) -> None:
        """What a stage has left of its processes must go by itself."""
        start = time.monotonic()
        while (left := owned.pids(self.mark)) and time.monotonic() < start + 120:
            time.sleep(1)
        self.write("events", event="settled", left=len(left), took=time.monotonic() - start,
                   names=[owned.name(pid) for pid in left][:5])  # fmt: skip
        owned.end_all(self.mark)

    def disturb(self, stage: str, within: float) -> None:
        """Run a stage and kill something at a random moment, perhaps more than once."""
        local = stage in SHARDS and os.getloadavg()[0] > BUSY
        process = self.start(stage, *(LOCAL if local else ()))
        while True:
            delay = self.random.uniform(1, within)
            if self.wait(process, min(self.end, time.time() + delay)) is not None:
                break
            kind = "stage"
            if stage in SHARDS:
                kind = self.random.choices(list(KILLS), list(KILLS.values()))[0]
                if local and kind != "stage":
                    kind = "process"
            victim = process.pid if kind == "stage" else owned.victim(self.mark, kind, self.random)
            if time.time() > self.end:
                kind, victim = "end", process.pid
            if victim is None:
                continue
            what = owned.name(victim)
            owned.kill(victim)
            self.write("events", event="killed", kind=kind, what=what, after=delay)
            if kind == "worker":
                continue
            break
        hung = self.wait(process, min(self.end, time.time() + 600)) is None
        if hung:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said = self.all_said()
        raised = "Traceback (most" in said
        self.write("events", event="disturbed", code=process.returncode, said=self.said(),
                   hung=hung and time.time() < self.end, traceback=raised)  # fmt: skip
        if raised:
            shutil.copy(self.folder / "said.log", self.folder / f"traceback-{self.attempt}.log")
        self.settle()

    def go(self) -> None:
        """All rounds."""
        for stage, made in (("synthesize", "data/raw/synthetic"), ("teach", "models/teacher")):
            if not (self.place / made).is_dir() and self.plain(stage):
                raise SystemExit(self.all_said()[-2000:])
        for video in (self.place / "data/raw").rglob("*.mp4"):  # most of a round's time
            video.unlink()
        threading.Thread(target=self.watch, daemon=True).start()
        wanted, usual = dict[str, str](), dict[str, float]()
        while time.time() < self.end:
            self.round += 1
            for made in (made for stage in self.stages if wanted for made in MADE[stage]):
                shutil.rmtree(self.place / made, ignore_errors=True)
            for stage in self.stages:
                if wanted:
                    for _ in range(self.random.randint(1, 3) if stage in SHARDS else 1):
                        self.disturb(stage, usual[stage])
                begin = time.monotonic()
                local = not wanted or os.getloadavg()[0] > BUSY
                code = self.plain(stage, *(LOCAL if local else ()))
                usual.setdefault(stage, time.monotonic() - begin)
                if code:
                    self.write("events", event="wrong", what=f"{stage} ends with {code}")
                if code != 0:
                    break
            if time.time() > self.end:
                break
            found = study.content(self.place)
            wanted = wanted or found
            other = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
            self.write("events", event="round", files=len(found), different=other[:20])
        self.write("events", event="over")
        owned.end_all(self.mark)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the root and go round until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.long", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="short name: Ray's sockets")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--takes", type=int, default=5035)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", choices=MADE, default=ROUND)
    options = parser.parse_args(arguments)
    end = time.time() + 3600 * options.hours
    run = Run(options.folder.absolute(), options.takes, end, options.seed, options.stages)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run.go()
    finally:
        owned.end_all(run.mark)


if __name__ == "__main__":
    main()
