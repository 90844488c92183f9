"""Imports run one way, and the command line stays light."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# A room may import from the rooms named, besides itself. `aura/cli.py` has the one upward edge,
# inside its command functions, by name.
CORE = {"errors", "config", "counts", "processor", "schema", "storage"}
ALLOWED = {
    "errors": set(),
    "counts": {"errors"},
    "processor": set(),
    "storage": {"errors"},
    "config": {"errors", "storage"},
    "schema": {"errors", "config"},
    "plugins": {"errors"},
    "signals": CORE,
    "teacher": CORE,
    "formats": {"errors", "storage"},
    "datasets": CORE | {"plugins", "signals", "teacher", "formats"},
    "guess": {"errors", "storage", "schema", "formats", "datasets"},
    "encoders": CORE | {"plugins"},
    "evaluation": CORE,
    "learning": CORE | {"signals", "encoders", "evaluation"},
    "downstream": CORE | {"learning", "encoders", "evaluation"},
    "report": CORE | {"evaluation"},
    "inference": CORE | {"signals", "teacher", "datasets", "evaluation", "learning", "report"},
    "console": {"errors"},
    "ask": {"console"},
    "cli": {"ask", "errors", "config", "console"},
    "__init__": {"cli"},
    "__main__": {"cli"},
}
# The same of `pipeline/`, where a stage is a room and may import any other but those above it.
ENGINE, STUDY = {"engine"}, {"engine", "study"}
PREPROCESSING = {"resample", "slice", "embed", "synthesize", "teach"}
EDGE = {
    "__init__": set(),
    "engine": set(),
    "screen": set(),
    "footage": ENGINE,
    "study": ENGINE,
    "cost": ENGINE | PREPROCESSING,
    **dict.fromkeys(PREPROCESSING, ENGINE | {"screen", "footage"}),
    "fingerprint": ENGINE,
    **dict.fromkeys(("mix", "train", "evaluate", "finetune", "report", "ablate"), STUDY),
    **dict.fromkeys(("transfer", "unseen", "shift", "export", "review"), STUDY),
    **dict.fromkeys(("search", "classify", "stats", "view"), STUDY),
    "preprocess": ENGINE | PREPROCESSING,
    "doctor": ENGINE | {"resample", "screen"},
    "init": set(),
    "estimate": ENGINE | {"cost"},
    "verify": ENGINE,
}


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def room_of(path: Path, package: str) -> str:
    return path.relative_to(ROOT / package).parts[0].removesuffix(".py")


CASES = [
    (path, package, rooms)
    for package, rooms in (("aura", ALLOWED), ("pipeline", EDGE))
    for path in files_of(package)
]


@pytest.mark.parametrize(
    ("path", "package", "rooms"), CASES, ids=[str(path.relative_to(ROOT)) for path, *_ in CASES]
)
def test_rooms_import_only_what_is_below_them(path, package, rooms):
    room = room_of(path, package)
    above = {"tests", "bench"}
    if package == "aura":
        above |= {"pipeline", "ray", "dvc", "dvclive"}
    for name in imported(path):
        top, *rest = name.split(".")
        assert top not in above, f"{path} imports {name}"
        if top == package and rest and rest[0] != room:
            assert rest[0] in rooms[room], f"{path} imports {name}"


@pytest.mark.parametrize(("package", "rooms"), [("aura", ALLOWED), ("pipeline", EDGE)])
def test_every_room_is_in_the_table_and_none_is_in_a_circle(package, rooms):
    assert {room_of(path, package) for path in files_of(package)} == set(rooms)
    placed: set[str] = set()
    while placed != set(rooms):
        free = {room for room, below in rooms.items() if below <= placed} - placed
        assert free, f"in a circle: {set(rooms) - placed}"
        placed |= free


def test_the_benchmarks_do_not_import_each_other_in_a_circle():
    below = {
        path.stem: {name.split(".")[1] for name in imported(path) if name.startswith("bench.")}
        for path in (ROOT / "bench").glob("*.py")
    }
    placed: set[str] = {"peers"}
    while not set(below) <= placed:
        free = {name for name, needs in below.items() if needs - {name} <= placed} - placed
        assert free, f"in a circle: {set(below) - placed}"
        placed |= free


def test_ray_is_known_to_session_executors_and_workers_only():
    users = {
        path.name
        for path in files_of("pipeline")
        if any(name.split(".")[0] == "ray" for name in imported(path))
    }
    assert users == {"executors.py", "session.py", "workers.py"}


def test_files_are_read_in_one_sitting():
    lines = {
        path: len(path.read_text().splitlines())
        for package in ("aura", "pipeline", "bench")
        for path in files_of(package)
    }
    assert not [path for path, count in lines.items() if count > 300]
    assert len([path for path, count in lines.items() if count > 250]) < 8


def test_help_imports_neither_torch_nor_ray():
    heavy = ("torch", "ray", "open_clip", "polars", "pipeline")
    code = (
        "import sys; sys.argv = ['aura', 'preprocess', '--help']\n"
        "try: import aura.__main__\n"
        f"finally: print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Resample, slice and embed" in done.stdout
    assert done.stderr.strip() == "[]"


def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise():
    """OpenMP itself says what it took up, whichever module imports torch."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}

    def run(code: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True,
            env={**environment, **changes},
        )  # fmt: skip

    shown = run("import pipeline.engine.threads", OMP_DISPLAY_ENV="TRUE").stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in shown
    code = "import os, aura; print(os.environ['OMP_WAIT_POLICY'])"
    assert run(code, OMP_WAIT_POLICY="ACTIVE").stdout.strip() == "ACTIVE"
