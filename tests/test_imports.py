"""Imports run one way, and the command line stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# A room may import from the rooms named, besides itself. `aura/cli.py` has the one upward edge,
# inside its command functions, by name.
FOUNDATION = {"errors", "config", "schema", "storage"}
SIGNALS = {"signals", "windows", "mocap", "ffmpeg", "video", "teacher"}
PARTS = {"ffmpeg", "cubic", "identity", "video_gop", "towers"}
ALLOWED = {
    "errors": set(),
    "storage": {"errors"},
    "config": {"errors", "storage"},
    "schema": {"errors", "config"},
    "leakage": set(),
    "cubic": {"errors"},
    "estimate": FOUNDATION | SIGNALS,
    "video_gop": set(),
    "identity": {"errors"},
    "towers": set(),
    **{
        name: FOUNDATION | {"ffmpeg", "cubic", "identity", "video_gop", "towers"}
        for name in SIGNALS
    },
    "datasets": FOUNDATION | SIGNALS,
    "encoders": FOUNDATION,
    "losses": FOUNDATION,
    "batches": FOUNDATION | SIGNALS,
    "evaluation": FOUNDATION,
    "augment": FOUNDATION | {"batches"},
    "distributed": set(),
    "checkpoint": {"errors"},
    "sampling": {"batches"},
    "model": FOUNDATION | {"batches", "checkpoint", "encoders", "evaluation", "losses", "sampling"},
    "training": FOUNDATION
    | {"augment", "batches", "checkpoint", "distributed", "encoders", "model", "sampling"},
    "heads": FOUNDATION,
    "finetune": FOUNDATION | {"encoders", "batches", "augment", "training", "heads"},
    "downstream": FOUNDATION | {"batches", "encoders", "evaluation", "finetune", "heads"},
    "card": FOUNDATION,
    "inputs": FOUNDATION | SIGNALS,
    "inference": FOUNDATION | SIGNALS | {"identity", "card", "inputs", "model"},
    "report": FOUNDATION | {"evaluation"},
    "cli": {"errors", "config"},
    "__init__": {"cli"},
    "__main__": {"cli"},
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


AURA_FILES = sorted((ROOT / "aura").rglob("*.py"))


@pytest.mark.parametrize("path", AURA_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_import_only_what_is_below_them(path):
    room = path.relative_to(ROOT / "aura").parts[0].removesuffix(".py")
    for name in imported(path):
        top, *rest = name.split(".")
        assert top not in ("pipeline", "tests", "ray", "dvc", "dvclive"), f"{path} imports {name}"
        if top == "aura" and rest and rest[0] != room:
            assert rest[0] in ALLOWED[room], f"{path} imports {name}"


def test_every_room_is_in_the_table():
    assert {p.relative_to(ROOT / "aura").parts[0].removesuffix(".py") for p in AURA_FILES} == set(
        ALLOWED
    )


def test_ray_is_known_to_shards_and_workers_only():
    users = {
        path.name
        for path in (ROOT / "pipeline").glob("*.py")
        if any(name.split(".")[0] == "ray" for name in imported(path))
    }
    assert users == {"shards.py", "workers.py"}


def test_files_are_read_in_one_sitting():
    for folder in ("aura", "pipeline"):
        for path in (ROOT / folder).rglob("*.py"):
            lines = len(path.read_text().splitlines())
            assert lines <= 350, f"{path} has {lines} lines"


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
