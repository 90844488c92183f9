import pytest

from tests.faults import study

STAGES = ("teach", "resample", "slice", "embed", "train", "evaluate")


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The smallest project, as far as `evaluate`. Do not change it."""
    folder = tmp_path_factory.mktemp("faults") / "project"
    study.make(folder, STAGES)
    return folder


@pytest.fixture
def place(project, tmp_path, monkeypatch):
    """A copy of it, and the working folder."""
    study.copy(project, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"
