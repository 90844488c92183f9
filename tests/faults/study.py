"""The smallest project that every stage can run in, and a stage in a process of its own."""

import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ray import cloudpickle
from scipy.io import savemat

from aura.cli import app
from tests.commands import forks

SMALL = {"width": 8, "layers": 1, "heads": 2, "patch": 50, "stride": 50}
PARAMS = {
    "study": ["one"],
    "seed": 0,
    "ray": {"executor": "local", "workers": 1},
    "datasets": {
        **{
            name: {
                "adapter": "utd-mhad",
                "root": f"raw/{name}",
                "options": {"train": [1, 2], "test": [3], "validation_trials": [2]},
            }
            for name in ("one", "two")
        },
        "synthetic": {"adapter": "ego-exo4d", "root": "data/raw/synthetic"},
    },
    "mixtures": {"both": {"sources": ["one", "two"]}},
    "synthesize": {
        "participants": {"train": 1}, "take_seconds": 5, "activities": 2, "cameras": 1,
        "video_height": 64, "flaws": False,
    },
    "teach": {"image_size": 32, "width": 64, "layers": 1, "steps": 1, "batch": 4},
    "resample": {"takes_per_shard": 6},
    "slice": {"stride_s": 2.5},
    "embed": {"prompts": ["{}"]},
    "train": {
        "batch": 8, "device": "cpu", "schedule": "simultaneous",
        "imu": {"pairs": [["imu", "text"]], "epochs": 1, "learning_rate": 0.001},
        "joint": {
            "pairs": [["imu", "text"], ["imu", "mocap"]], "epochs": 1, "learning_rate": 0.001,
        },
        "imu_encoder": {"name": "imu-transformer", "options": SMALL},
        "mocap_encoder": {
            "name": "mocap-transformer", "options": {"width": 8, "layers": 1, "heads": 2},
        },
        "twins": {"shuffled": 0, "held_out": None, "unnamed": False},
    },
    "evaluate": {"pool_draws": 1, "bootstrap_draws": 5},
    "finetune": {"epochs": 1, "shots": [1], "draws": 1, "tuned_shots": []},
    "ablate": {"seeds": [0], "variants": {"default": {"heads": True}}},
    "unseen": {"classes_per_fold": 2, "calibrate": False},
    "transfer": {"seeds": [0], "folds": 2, "heads": False, "recipes": {"all": {}}},
    "shift": {"study": ["one", "two"], "source": "one"},
}  # fmt: skip
_AUTHOR = ("-c", "user.name=faults", "-c", "user.email=faults@localhost")
# In order; what is set differently than in the project as it is made, so that a stage's output is.
STAGES: dict[str, tuple[str, ...]] = {
    "synthesize": ("seed=1",),
    "fingerprint": (),
    "teach": ("seed=1",),
    "resample": ("resample.gap_ms=30",),
    "slice": ("slice.stride_s=1.0",),
    "embed": ("embed.prompts=['a {}']",),
    "mix": ("mixtures.both.weights={one: 3}",),
    "train": ("train.seed=1",),
    "evaluate": ("evaluate.bootstrap_draws=6",),
    "finetune": ("train.seed=1",),
    "report": ("report.example=1",),
    "ablate": ("ablate.seeds=[1]",),
    "unseen": ("train.weight_decay=0.1",),
    "transfer": ("transfer.seeds=[1]",),
    "shift": ("seed=1",),
    "export": (),
    "review": (),
}
WITHOUT_DATASET = {"synthesize", "fingerprint", "teach", "shift", "review"}
KEPT = ("data", "models", "reports", "exports", "review")


def make(folder: Path, stages: Sequence[str] = tuple(STAGES)) -> None:
    """Write raw recordings and params.yaml, and run stages."""
    folder.mkdir(parents=True)
    for seed, name in enumerate(("one", "two")):
        write_raw(folder / "raw" / name, seed)
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    for stage in stages:
        if stage == "review":  # which reads what is committed
            for command in (("init", "-q"), ("add", "reports"), (*_AUTHOR, "commit", "-qm", "a")):
                subprocess.run(("git", *command), cwd=folder, check=True)
        for dataset in {"mix": ["both"], "transfer": ["both"]}.get(stage, ["one", "two"]):
            needed = stage in ("resample", "slice", "embed") and "mix" in stages
            if dataset == "two" and not needed:
                continue
            code = run(folder, stage, dataset)
            assert code == 0, f"{stage}: {said(folder)[-2000:]}"


def needed(chosen: Sequence[str]) -> list[str]:
    """The stages to run for a project that others can be run in, those too."""
    base = ("teach", "resample", "slice", "embed", "train", "evaluate")
    last = max(list(STAGES).index(stage) for stage in chosen)
    both = {"mix"} if {"transfer", "shift"} & set(chosen) else set()
    return [
        stage for number, stage in enumerate(STAGES)
        if stage in {*chosen, *both} or (stage in base and number <= last)
    ]  # fmt: skip


def write_raw(root: Path, seed: int) -> None:
    """24 recordings of three people in the format of UTD-MHAD."""
    rng = np.random.default_rng(seed)
    for kind in ("Inertial", "Skeleton"):
        (root / kind).mkdir(parents=True)
    (root / "actions.csv").write_text("id,action\n1,wave\n2,clap\n3,sit\n4,bow\n")
    for person in (1, 2, 3):
        for action in (1, 2, 3, 4):
            for trial in (1, 2):
                name = f"a{action}_s{person}_t{trial}"
                imu, pose = rng.normal(size=(300, 6)) + 1, rng.normal(scale=0.3, size=(20, 3, 180))
                savemat(root / "Inertial" / f"{name}_inertial.mat", {"d_iner": imu})
                savemat(root / "Skeleton" / f"{name}_skeleton.mat", {"d_skel": pose})


def dataset_of(stage: str) -> str:
    return "both" if stage in ("mix", "transfer") else "one"


def run(
    folder: Path, stage: str, dataset: str = "", overrides: tuple[str, ...] = (),
    before: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Run a stage in a child; returns its exit code, or less than 0 for its signal.

    What it says goes to `<folder>.log`. Children are forked from a server that has imported the
    stages and has no threads, unlike this process, which may hold Ray's and OpenMP's.
    """
    child = start(folder, stage, dataset, overrides, before)
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def start(
    folder: Path, stage: str, dataset: str = "", overrides: tuple[str, ...] = (),
    before: Callable[[], None] = lambda: None, log: str = "",
) -> ForkServerProcess:  # fmt: skip
    """The same without waiting for its end; another name of the log where several run at once."""
    place = folder.with_name(f"{folder.name}{log}.log")
    named = dataset or dataset_of(stage)
    arguments = (folder, stage, named, overrides, cloudpickle.dumps(before), place)
    child = forks.Process(target=_child, args=arguments)
    child.start()
    return child


def _child(
    folder: Path, stage: str, dataset: str, overrides: tuple[str, ...], before: bytes, said: Path
) -> None:
    code = 1
    try:
        os.chdir(folder)
        log = said.open("w", buffering=1)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        sys.stdout = sys.stderr = log
        _run(stage, dataset, overrides, cloudpickle.loads(before))
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _run(stage: str, dataset: str, overrides: tuple[str, ...], before: Callable[[], None]) -> None:
    module = import_module(f"pipeline.{stage}")
    if stage == "teach":  # the frames of the synthetic data are not what is tested
        rng = np.random.default_rng(0)
        frames = rng.integers(0, 255, (4, 32, 32, 3), np.uint8)
        module.captioned_frames = lambda _: (frames, [["a"], ["b"], ["c"], ["d"]])
    if stage == "synthesize":  # in this process, whose changes are counted
        module.process_pool = _in_this_process
    before()
    named = [] if stage in WITHOUT_DATASET else ["--dataset", dataset]
    named += ["--base", "HEAD"] if stage == "review" else []
    sets = [part for override in overrides for part in ("--set", override)]
    app([stage, *named, *sets], prog_name="aura")


class _Serial(Executor):
    """Calls what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@contextmanager
def _in_this_process(*_: object) -> Iterator[Executor]:
    yield _Serial()


def said(folder: Path, log: str = "") -> str:
    """What the last run in a folder printed."""
    return folder.with_name(f"{folder.name}{log}.log").read_text(errors="replace")


def sentence(folder: Path, log: str = "") -> str:
    """What is wrong with how a run that could not go on has said so, or nothing."""
    words = said(folder, log)
    if "Traceback (most" in words or "\N{BOX DRAWINGS LIGHT ARC DOWN AND RIGHT}" in words:
        return f"a traceback: {(words.strip().splitlines() or [''])[-1]}"
    lines = [line for line in words.splitlines() if line.startswith("aura: ")]
    return "" if len(lines) == 1 else f"{len(lines)} sentences: {words[-200:]}"


def difference(wanted: dict[str, str], folder: Path) -> str:
    """Which files are not as they should be, some of them, or nothing."""
    found = content(folder)
    other = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    return f"not as undisturbed: {', '.join(other[:3])}" if other else ""


def again(
    folder: Path, stage: str, wanted: dict[str, str], before: Callable[[], None] = lambda: None
) -> str:
    """Run a stage once more, as `STAGES` says; what is not as undisturbed then, or nothing."""
    code = run(folder, stage, overrides=STAGES[stage], before=before)
    if code:
        last = (said(folder).strip().splitlines() or [""])[-1]
        return f"the next run ends with {code}: {last}"
    return difference(wanted, folder)


def undisturbed(project: Path, place: Path, stage: str) -> dict[str, str]:
    """What a stage leaves in a copy of a project."""
    copy(project, place)
    code = run(place, stage, overrides=STAGES[stage])
    assert code == 0, said(place)[-2000:]
    return content(place)


def content(folder: Path) -> dict[str, str]:
    """Every file and folder of the outputs, with a file's hash."""
    found = {}
    for kept in KEPT:
        for path in sorted((folder / kept).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            else:
                found[name] = "folder" if path.is_dir() else sha256(path.read_bytes()).hexdigest()
    return found


def copy(source: Path, target: Path) -> None:
    """Put a project in the place of another."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
