import pytest

from tests.datasets.ego_exo4d.roots import SIZE, write


@pytest.fixture(scope="package")
def clean_root(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clean"), SIZE)
