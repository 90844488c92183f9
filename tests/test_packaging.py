"""The wheel works in a folder that has nothing else of the project, and says what it is."""

import re
import shutil
import tomllib
import zipfile

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement

import aura
from tests.conftest import ROOT
from tests.inference.models import write_model, write_teacher
from tests.packages import pip, python

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built from a copy: building leaves files in its folder."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("aura", "pipeline", "bench", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "written")  # of a test of tests/fuzz
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip("wheel", "--no-build-isolation", "--wheel-dir", folder, folder / "source")
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel):
    """The wheel, installed into a folder that is no environment."""
    pip("install", "--target", wheel.parent / "site", wheel)
    return wheel.parent / "site"


def read(wheel, name):
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"aura-{aura.__version__}.dist-info/{name}").decode()


def test_it_has_the_two_packages_with_their_data_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {
        path.relative_to(ROOT).as_posix()
        for package in ("aura", "pipeline")
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".html", ".css")
    }
    assert {"aura/report/page.html", "aura/report/page.css"} <= names


def test_it_says_its_version_licence_and_command(wheel):
    metadata = read(wheel, "METADATA")
    for line in ("License-Expression: Apache-2.0", "License-File: LICENSE",
                 f"Version: {aura.__version__}", "Requires-Python: >=3.11"):  # fmt: skip
        assert f"\n{line}\n" in metadata
    assert "[console_scripts]\naura = aura.cli:main\n" in read(wheel, "entry_points.txt")
    assert read(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()


def test_only_the_wheel_is_imported_and_its_help_is_there(site, tmp_path):
    code = "import aura, pipeline; print(aura.__file__, pipeline.__file__, aura.__version__)"
    done = python("-c", code, path=site, cwd=tmp_path)
    assert done.stdout.split() == [
        f"{site}/aura/__init__.py", f"{site}/pipeline/__init__.py", aura.__version__
    ]  # fmt: skip
    shown = python("-m", "aura", "--help", path=site, cwd=tmp_path).stdout
    assert "Resample, slice and embed" in shown


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("preprocess", "params.yaml is not here; run this from the project's folder."),
        ("bench", "The benchmarks are not installed; run this in a checkout of the project."),
    ],
)
def test_without_a_project_a_command_is_one_sentence(command, sentence, site, tmp_path):
    done = python("-m", "aura", command, path=site, cwd=tmp_path, code=1)
    assert done.stderr == f"aura: {sentence}\n"
    assert not list(tmp_path.iterdir())


LOAD = """
import aura, numpy as np
encoders = aura.load("model")
imu = encoders.encode_imu(np.load("signal.npy"), rate_hz=100)
np.savez("vectors.npz", imu=imu, text=encoders.encode_text(["a person is cooking"]))
print(aura.__file__)
"""


def test_a_model_folder_gives_the_vectors_of_the_checkout(site, tmp_path):
    write_model(tmp_path / "model", write_teacher(tmp_path / "model/teacher"))
    signal = np.random.default_rng(0).normal(size=(2, 6, 500)).astype(np.float32)
    np.save(tmp_path / "signal.npy", signal)
    done = python("-c", LOAD, path=site, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == f"{site}/aura/__init__.py"
    encoders, vectors = aura.load(tmp_path / "model"), np.load(tmp_path / "vectors.npz")
    np.testing.assert_allclose(vectors["imu"], encoders.encode_imu(signal, rate_hz=100), atol=1e-6)
    text = encoders.encode_text(["a person is cooking"])
    np.testing.assert_allclose(vectors["text"], text, atol=1e-6)


def test_the_version_is_one():
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "aura.__version__"}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == aura.__version__
    assert citation["license"] == PROJECT["project"]["license"]
    newest = re.search(r"^## \[(.+?)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest.groups() == (aura.__version__, str(citation["date-released"]))


def test_what_is_installed_is_within_the_ranges_and_pinned_nowhere_else():
    pinned = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().split()
    )
    extras = PROJECT["project"]["optional-dependencies"]
    for line in (*PROJECT["project"]["dependencies"], *(n for e in extras.values() for n in e)):
        requirement = Requirement(line)
        name = requirement.name.lower().replace("_", "-")
        if name != "aura":
            assert not {s.operator for s in requirement.specifier} & {"==", "==="}, line
            assert requirement.specifier.contains(pinned[name]), line
