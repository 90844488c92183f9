"""Processes of Ray's that are killed or get no memory while a stage is at work, and a full disk."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.faults import errors, owned, study

ROOT = Path(__file__).parent.parent.parent
KINDS = ("worker", "raylet", "gcs", "memory", "killer", "disk")
PATIENCE_S = 300.0
SETTINGS = ("ray.executor=ray", "ray.workers=2", "resample.takes_per_shard=1")
# Python runs a module of this name as it starts: there a worker gets a bound to its memory.
_CUSTOM = """
import os, resource, sys, threading, time
def bound():
    while "pipeline.resample" not in sys.modules:
        time.sleep(0.005)
    pages = int(open("/proc/self/statm").read().split()[0])
    room = int(os.environ["AURA_FAULTS_ROOM"])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + room,) * 2)
if any("default_worker.py" in word for word in sys.orig_argv):
    threading.Thread(target=bound, daemon=True).start()
"""


def workers(
    project: Path, place: Path, stages: list[str], sample: int, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """`aura resample` on Ray, disturbed in each way some times; whatever stages are named."""
    del stages
    random = Random(seed)
    study.make(project.with_name("of-ray"), ())
    project = project.with_name("of-ray")
    study.copy(project, place)
    code, _ = _run(place, "", random)
    assert code == 0, study.said(place)[-2000:]
    wanted = study.content(place)
    for kind in KINDS:
        for _ in range(sample or 3):
            study.copy(project, place)
            code, what = _run(place, kind, random)
            yield f"{kind}{what}, exit code {code}", _fault(code, place, wanted)


def _fault(code: int | None, place: Path, wanted: dict[str, str]) -> str:
    if code is None:
        return f"no end after {PATIENCE_S:g} s: {study.said(place)[-300:]}"
    if fault := errors.ended_well(code, place, wanted):
        return fault
    code, left = _run(place, "", Random(0))
    if code:
        return f"the next run ends with {code}: {study.said(place)[-300:]}"
    return study.difference(wanted, place) or left


def _run(place: Path, kind: str, random: Random) -> tuple[int | None, str]:
    """Exit code, None for no end; and what was disturbed, or which processes are left."""
    mark = f"{os.getpid()}-{time.time_ns()}"
    temporary = Path(f"/tmp/af{os.getpid()}")  # Ray's sockets need a short name
    temporary.mkdir(exist_ok=True)
    environment = {
        **os.environ, owned.MARK: mark, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        "RAY_TMPDIR": str(temporary), "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip
    environment.pop("RAY_ADDRESS", None)
    what = ""
    if kind == "memory":
        (temporary / "sitecustomize.py").write_text(_CUSTOM)
        room = random.choice((0, 1 << 16, 1 << 20, 1 << 23))
        environment["PYTHONPATH"] += f"{os.pathsep}{temporary}"
        environment["AURA_FAULTS_ROOM"], what = str(room), f", {room} bytes more"
    if kind == "killer":  # Ray's own, which ends workers where memory runs out
        environment |= {"RAY_memory_usage_threshold": "0.01"}
        environment |= {"RAY_memory_monitor_refresh_ms": "50"}
    small = kind == "disk" and errors.mounted(temporary, 1 << 20)
    sets = [part for setting in SETTINGS for part in ("--set", setting)]
    command = [sys.executable, "-m", "aura", "resample", "--dataset", "one", *sets]
    with place.with_name(f"{place.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        if kind in ("worker", "raylet", "gcs"):
            what = _kill(process, place, mark, kind, random)
        try:
            code = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            code = None
        if not kind:
            what = _left(mark)
    finally:
        owned.end_all(mark)
        process.wait()
        if small:
            errors.unmount(temporary)
        shutil.rmtree(temporary, ignore_errors=True)
    return code, what


def _kill(
    process: "subprocess.Popen[bytes]", place: Path, mark: str, kind: str, random: Random
) -> str:
    partial, after = place / "data/signals/one.partial", random.randrange(0, 12)
    while process.poll() is None and len(list(partial.glob("*.done"))) < after:
        time.sleep(0.002)
    while process.poll() is None:
        victim = owned.victim(mark, kind, random)
        if victim is not None:
            name = owned.name(victim)
            os.kill(victim, signal.SIGKILL)
            return f" {name} after {after} shards"
        time.sleep(0.01)
    return " (it had ended)"


def _left(mark: str) -> str:
    """Processes that do not go by themselves."""
    end = time.monotonic() + 30
    while left := owned.pids(mark):
        if time.monotonic() > end:
            return f"left behind: {', '.join(owned.name(pid) for pid in left[:3])}"
        time.sleep(0.2)
    return ""
