"""A real `dvc repro` of one stage that leaves links to what it was given, as `teach` does."""

import os
import sys

import pytest
import yaml
from pydantic import ValidationError

from aura.config import Teacher
from tests.conftest import ROOT, run

STAGE = """
import shutil, sys
from pathlib import Path
from pipeline.engine.watched import watch
name = Path("name").read_text().strip()
watch([Path(name)] if Path(name).is_file() else [], Path("data/weights"))
Path("out").write_text(Path(name).read_text() if Path(name).is_file() else name)
"""


def test_a_file_replaced_at_its_path_is_run_again_and_nothing_else_is(tmp_path, monkeypatch):
    project, weights = tmp_path / "project", tmp_path / "weights.bin"
    (project / "data/weights").mkdir(parents=True)
    (project / "data/weights/.gitignore").write_text("*\n!.gitignore\n")
    (project / "stage.py").write_text(STAGE)
    content = {"cmd": f"{sys.executable} stage.py", "deps": ["name", "data/weights"]}
    content["outs"] = ["out"]
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"teach": content}}))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        assert run(*command, cwd=project).returncode == 0

    def repro():
        done = run("dvc", "repro", "-s", "teach", cwd=project)
        assert done.returncode == 0, done.stderr
        return "Running stage" in done.stdout, (project / "out").read_text()

    for name in ("null", "openai", str(weights)):
        weights.write_text("one")
        (project / "name").write_text(name)
        assert repro() == (True, "one" if name == str(weights) else name)
        assert not repro()[0]
    other = tmp_path / "other"
    other.write_text("two")  # of the same size and, as `cp -p` leaves it, of the same time
    stat = weights.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(weights)
    assert repro() == (True, "two")
    assert not repro()[0]
    (project / "name").write_text("openai")
    assert repro() == (True, "openai")
    weights.unlink()
    assert not repro()[0]


def test_weights_are_named_but_where_the_model_has_them():
    for model, pretrained in (("local-dir:x", None), ("hf-hub:a/b", "w.pt"), ("stand-in", None)):
        assert Teacher(model=model, pretrained=pretrained).pretrained == pretrained
    for model, pretrained in (("ViT-B-32", None), ("stand-in", "openai")):
        with pytest.raises(ValidationError, match=r"teacher\.pretrained"):
            Teacher(model=model, pretrained=pretrained)
