"""Shared pieces: one Ray session, one tiny data set, one `dvc repro` of it."""

import ast
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

# Before torch is imported: two threads of it take longer over a small model than one does, and
# several processes of the tests work at once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest

from aura import config
from tests import commands

ROOT = Path(__file__).parent.parent
TINY = (
    "synthesize.participants={teacher: 1, train: 2, val: 1, test: 1}",
    "synthesize.take_seconds=10",
    "synthesize.activities=2",
    "synthesize.video_height=96",
    "teach.image_size=32",
    "teach.width=64",
    "teach.layers=1",
    "teach.steps=3",
    "teach.batch=8",
    "resample.takes_per_shard=3",
    "train.imu.epochs=1",
    "train.joint.epochs=2",
    "train.twins={shuffled: 1, held_out: Health}",
    "finetune.epochs=1",
    "finetune.shots=[1]",
    "finetune.draws=2",
    "train.imu_encoder={name: imu-transformer, options: {width: 32, layers: 1, heads: 2}}",
    "train.mocap_encoder={name: mocap-transformer, options: {width: 32, layers: 1, heads: 2}}",
    "evaluate.pool_draws=2",
    "evaluate.bootstrap_draws=20",
)
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["DVC_NO_ANALYTICS"] = "1"
# The tests run this environment's programs, whether it has been activated or not.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def tiny_params(*overrides: str) -> config.Params:
    """params.yaml of the project, at the smallest size."""
    return config.load(ROOT / "params.yaml", [*TINY, "ray.executor=local", *overrides])


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and keep what it printed; `aura` without importing it anew."""
    if command[0] == "aura":
        return commands.run(command[1:], cwd)
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=900
    )


@pytest.fixture(scope="session")
def repro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, at the smallest size, after one `dvc repro`."""
    from bench.repro import project

    folder = project(tmp_path_factory.mktemp("repro") / "project", [*TINY, "ray.executor=local"])
    done = run("dvc", "repro", cwd=folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


FLAWED = (
    "synthesize.participants={teacher: 1, train: 2, val: 1, test: 1}",
    "synthesize.take_seconds=5",
    "synthesize.activities=8",
    "synthesize.cameras=2",
    "synthesize.video_height=176",
    "resample.takes_per_shard=4",
    "slice.text_tolerance_s=0.5",
    "datasets.synthetic.options={texts: "
    "[atomic_descriptions, keystep, expert_commentary, activity]}",
)


@pytest.fixture(scope="session")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, config.Params]:
    """A folder with a root that has every flaw, preprocessed in a plain loop. Do not change it."""
    from pipeline import preprocess

    folder = tmp_path_factory.mktemp("flawed")
    shutil.copy(ROOT / "params.yaml", folder)
    params = tiny_params(*FLAWED)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        preprocess.run(params, "synthetic")
    return folder, params


@pytest.fixture(scope="session")
def ray_cluster():
    """One Ray for every test that needs one."""
    from pipeline.engine.session import ray_session

    with ray_session(config.Ray(executor="ray", workers=2)):
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings; the test is skipped where there is none."""
    folder = os.environ.get("AURA_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("AURA_REAL_DATA names no folder of real recordings")
    return Path(folder)


# Fixtures that many files share and that take long to make; of each, all tests are in one worker.
SHARED = ("repro", "flawed", "ray_cluster")
LONGEST = (*SHARED, "tests/faults", "tests/test_real.py", "tests/pipeline", "tests/learning")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For pytest-xdist: what goes together to one worker, by `group_of`."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid.split("::")[0])

    return Groups(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For pytest-xdist: what takes longest begins first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _place(group_of(item.path.relative_to(ROOT).as_posix())))


@cache
def group_of(path: str) -> str:
    """A file, a folder that has a `conftest.py` of its own, or the first of `SHARED` in use."""
    folder = (ROOT / path).parent
    own = folder != ROOT / "tests" and (folder / "conftest.py").is_file()
    nodes = ast.walk(ast.parse((ROOT / path).read_text()))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    used = {argument.arg for function in functions for argument in function.args.args}
    used -= {function.name for function in functions}  # of the same name, and of this file
    return next(
        (name for name in SHARED if name in used),
        folder.relative_to(ROOT).as_posix() if own else path,
    )


def _place(group: str) -> int:
    return next((n for n, name in enumerate(LONGEST) if group.startswith(name)), len(LONGEST))
