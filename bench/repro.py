"""repro: `dvc repro` of a small study's learning stages, beside the same stages in one process."""

import contextlib
import io
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path

import yaml

from aura import config
from aura.errors import AuraError
from bench.measure import Baseline, Row, Seconds, Setup
from bench.memory import ROOT

STAGES = ("train", "evaluate", "finetune", "report")
_AUTHOR = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
_SMALL = (
    "synthesize.participants={teacher: 1, train: 7, val: 1, test: 1}",
    "synthesize.take_seconds=10",
    "synthesize.activities=5",
    "synthesize.video_height=96",
    "teach.image_size=32",
    "teach.width=64",
    "teach.layers=1",
    "teach.steps=20",
    "teach.batch=8",
    "ray.executor=local",
    "train.twins={shuffled: 1, held_out: Health}",
)


def rows(setup: Setup) -> Iterator[Row]:
    """One row; in a smoke run DVC only says what it would run."""
    folder = project(setup.folder / "project", _SMALL)
    arguments = ("repro", "--force", "--downstream", f"{STAGES[0]}@synthetic")
    if setup.smoke:
        yield _row(
            partial(dvc, folder, *arguments, "--dry", "--allow-missing"), "not in a smoke run"
        )
        return
    dvc(folder, "repro", "embed@synthetic")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield _row(
            partial(dvc, folder, *arguments), lambda: pool.submit(run_stages, folder).result()
        )


def _row(ours: Callable[[], object], stages: Callable[[], object] | str) -> Row:
    return Row(
        name="repro",
        what=f"dvc repro of {', '.join(STAGES)} of a small study, embeddings cached",
        ours=ours,
        baselines=[Baseline("the stages' own work", "limit", stages, 0.8)],
        gate=dict,
        work=len(STAGES),
        unit="stages",
        notes=["the epochs of params.yaml; what DVC, Python and imports take is fixed"],
        rounds=2,
    )


def project(folder: Path, overrides: Sequence[str]) -> Path:
    """A copy of this project with settings of its own, under git and DVC."""
    folder.mkdir(parents=True)
    kept = ("data/weights/.gitignore", "data/own-weights/.gitignore")
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", *kept):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("aura", "pipeline"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    params = config.load(ROOT / "params.yaml", overrides)
    (folder / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    _run_program(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    _run_program(folder, "git", "add", "-A")
    _run_program(folder, "git", *_AUTHOR, "commit", "-qm", "start")
    return folder


def dvc(folder: Path, *arguments: str) -> None:
    """Run DVC there.

    Raises
    ------
    AuraError
        It failed; with the end of what it said.
    """
    _run_program(folder, "dvc", *arguments)


def _run_program(folder: Path, *command: str) -> None:
    programs = str(Path(sys.executable).parent)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
    completed = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if completed.returncode:
        output = " ".join((completed.stdout + completed.stderr).split())[-500:]
        raise AuraError(f"{' '.join(command)} failed: {output}")


def run_stages(folder: Path) -> Seconds:
    """The stages one after the other in this process, which has imported them before."""
    with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()):
        params = config.load(dataset="synthetic")
        stages = [import_module(f"pipeline.{name}") for name in STAGES]
        begin = time.perf_counter()
        for stage in stages:
            stage.run(params, "synthetic")
        return Seconds(time.perf_counter() - begin)
