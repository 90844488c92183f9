"""A `dvc repro` that is killed with its process group: the next one gives the same bytes."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import yaml

from aura import config
from bench.repro import project as make
from tests.faults import owned, study

SHORT, WHOLE = "slice@one", ""
"""What is made: of three stages, and all."""
LEFT = 99
CHANGED = {"resample": {"gap_ms": 30.0}, "synthesize": {"activities": 3}}


def repro(
    project: Path, place: Path, stages: list[str], sample: int, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """Kills at random moments; of all stages where more than slices are named."""
    target = SHORT if set(stages) <= {"fingerprint", "resample", "slice"} else WHOLE
    base, random = project.with_name("of-dvc"), Random(seed)
    prepare(base, target)
    study.copy(base, place)
    start = time.monotonic()
    code = run(place, target)
    seconds = time.monotonic() - start
    assert code == 0, study.said(place)[-2000:]
    wanted = content(place)
    for _ in range(sample or 10):
        study.copy(base, place)
        after = random.uniform(0, seconds)
        code = run(place, target, after)
        fault = "a process is left behind" if code == LEFT else ""
        yield (
            f"{target or 'all'}, killed after {after:.1f} s",
            fault or again(place, target, wanted),
        )


def prepare(folder: Path, target: str) -> None:
    """A project under DVC, made once, and then with other settings."""
    make(folder, ())
    params: dict[str, Any] = {**study.PARAMS}
    params["datasets"] = {**params["datasets"]}
    params["datasets"]["one"] = {**params["datasets"]["one"], "root": "data/raw/one"}
    study.write_raw(folder / "data/raw/one", 0)
    write(folder, params)
    assert run(folder, target) == 0, study.said(folder)[-2000:]
    write(folder, {**params, **{name: {**params[name], **CHANGED[name]} for name in CHANGED}})


def write(folder: Path, params: dict[str, Any]) -> None:
    """All of params.yaml, which DVC reads by itself."""
    file = folder / "params.yaml"
    file.write_text(yaml.safe_dump(params))
    file.write_text(yaml.safe_dump(config.load(file).model_dump(mode="json")))


def run(folder: Path, target: str, kill_after: float | None = None) -> int:
    """`dvc repro`, to its end or killed; then no process of it is left."""
    mark = f"{os.getpid()}-{time.time_ns()}"
    environment = {
        **os.environ, owned.MARK: mark, "PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    with folder.with_name(f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(
            ["dvc", "repro", *([target] if target else [])], cwd=folder, env=environment,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        return process.wait(kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        end = time.monotonic() + 20
        while (left := owned.pids(mark)) and time.monotonic() < end:
            time.sleep(0.1)
        owned.end_all(mark)
        return -signal.SIGKILL if not left else LEFT
    finally:
        owned.end_all(mark)


def content(folder: Path) -> dict[str, str]:
    """The outputs, and what DVC says of them."""
    lock = sha256((folder / "dvc.lock").read_bytes()).hexdigest()
    return {**study.content(folder), "dvc.lock": lock}


def again(folder: Path, target: str, wanted: dict[str, str]) -> str:
    """What is not as undisturbed after the next `dvc repro`."""
    code = run(folder, target)
    if code:
        return f"the next ends with {code}: {study.said(folder)[-300:]}"
    found = content(folder)
    other = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    return f"not as undisturbed: {', '.join(other[:3])}" if other else ""
