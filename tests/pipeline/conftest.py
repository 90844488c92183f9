"""A project to be asked, written once and copied for each test."""

import shutil

import pytest

from tests.pipeline.asked import write_project


@pytest.fixture(scope="session")
def asked_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch:
        return folder, write_project(folder, patch)


@pytest.fixture
def asked_project(asked_once, tmp_path, monkeypatch):
    """Params of a project of its own, in the current folder."""
    folder, params = asked_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return params
