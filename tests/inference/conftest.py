import pytest

import aura
from tests.inference.models import write_model, write_teacher


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inference")
    identity = write_teacher(folder / "models/teacher")
    write_model(folder / "models/toy/joint", identity)
    write_model(folder / "models/toy/imu", identity, phase="imu")
    return folder


@pytest.fixture(scope="session")
def encoders(project):
    return aura.load(project / "models/toy/joint")
