"""The smallest project that every stage can run in, and a stage in a process of its own."""

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib import import_module
from pathlib import Path

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
# In order; what is set differently than in the project as it is made, so that a stage's output is.
STAGES: dict[str, tuple[str, ...]] = {
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
}
WITHOUT_DATASET = {"synthesize", "fingerprint", "teach", "shift"}
KEPT = ("data", "models", "reports", "exports")


def make(folder: Path, stages: Sequence[str] = tuple(STAGES)) -> None:
    """Write raw recordings and params.yaml, and run stages."""
    folder.mkdir(parents=True)
    for seed, name in enumerate(("one", "two")):
        _write_raw(folder / "raw" / name, seed)
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    for stage in stages:
        for dataset in {"mix": ["both"], "transfer": ["both"]}.get(stage, ["one", "two"]):
            needed = stage in ("resample", "slice", "embed") and "mix" in stages
            if dataset == "two" and not needed:
                continue
            code = run(folder, stage, dataset)
            assert code == 0, f"{stage}: {said(folder)[-2000:]}"


def _write_raw(root: Path, seed: int) -> None:
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
    arguments = (folder, stage, dataset or dataset_of(stage), overrides, cloudpickle.dumps(before))
    child = forks.Process(target=_child, args=arguments)
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def _child(
    folder: Path, stage: str, dataset: str, overrides: tuple[str, ...], before: bytes
) -> None:
    code = 1
    try:
        os.chdir(folder)
        log = folder.with_name(f"{folder.name}.log").open("w", buffering=1)
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
    before()
    named = [] if stage in WITHOUT_DATASET else ["--dataset", dataset]
    sets = [part for override in overrides for part in ("--set", override)]
    app([stage, *named, *sets], prog_name="aura")


def said(folder: Path) -> str:
    """What the last run in a folder printed."""
    return folder.with_name(f"{folder.name}.log").read_text()


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
