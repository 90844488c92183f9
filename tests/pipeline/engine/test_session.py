"""Ray that cannot start is a sentence, and one that is somebody else's is left alone."""

import os
import subprocess
import sys
import tempfile

import pytest

from aura import config
from aura.errors import AuraError
from pipeline.engine import session
from tests.conftest import ROOT

START = "from pipeline.engine.session import *; from aura.config import Ray\n"
RUN = """
from aura.errors import AuraError
try:
    with ray_session(Ray(workers=1)):
        import ray
        print(sorted(ray.cluster_resources()), ray.get(ray.remote(lambda: 1).remote()))
        print("uv", ray._private.ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV)
except AuraError as error:
    print("sentence:", error)
"""


def start(**environment: str) -> str:
    command = [sys.executable, "-c", START + RUN]
    env = {k: v for k, v in os.environ.items() if k not in ("RAY_TMPDIR", "RAY_ADDRESS")}
    done = subprocess.run(
        command, cwd=ROOT, env={**env, **environment}, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["RAY_TMPDIR", "TMPDIR"])
def test_a_folder_with_a_long_name_is_one_sentence(name, monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # the session that tests share
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(name, "/scratch/" + "x" * 60)
    sentence = rf"{name}=/scratch/x+ is \d+ bytes too long .* set RAY_TMPDIR to a shorter folder"
    with pytest.raises(AuraError, match=sentence), session.ray_session(config.Ray(workers=1)):
        pass


def test_the_longest_name_that_is_let_through_is_one_that_binds(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * 60)
    with pytest.raises(AuraError) as error:
        session._check_socket_paths()
    over = int(str(error.value).split(" is ")[1].split()[0])
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * (60 - over))
    session._check_socket_paths()
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * (61 - over))
    with pytest.raises(AuraError, match="is 1 bytes too long"):
        session._check_socket_paths()


@pytest.mark.ray
def test_a_folder_that_cannot_be_written_is_one_sentence():
    with tempfile.NamedTemporaryFile(dir="/tmp") as file:
        assert "sentence: Ray cannot start in" in start(RAY_TMPDIR=file.name)


@pytest.mark.ray
def test_workers_are_not_started_by_uv_and_have_this_environment():
    """As under `uv run`, of which Ray knows by the parent process; the switch is Ray's own."""
    said = start()
    assert "['CPU'," in said
    assert "'shard'] 1" in said
    assert "uv False" in said
