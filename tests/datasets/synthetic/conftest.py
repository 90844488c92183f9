from dataclasses import replace

import pytest

from aura.datasets.synthetic import plan
from tests.datasets.synthetic.roots import FLAWED, TINY, write


@pytest.fixture(scope="package")
def tiny(tmp_path_factory):
    """A whole tiny data set, flaws and all."""
    return write(tmp_path_factory.mktemp("synthetic"), plan(TINY), TINY)


@pytest.fixture(scope="package")
def flawed(tmp_path_factory):
    """A small data set with every kind of flaw, in small pictures."""
    return write(tmp_path_factory.mktemp("flawed"), plan(FLAWED), FLAWED)


@pytest.fixture(scope="package")
def repaired(tmp_path_factory):
    """The same takes without their flaws."""
    captures = {}
    for take in plan(FLAWED):
        rows = max(take.capture.rows, take.end_idx + 1)
        captures[take.capture.uid] = replace(take.capture, rows=rows, nan_rows=(), blank_rows=())
    plans = [replace(t, flaws=(), capture=captures[t.capture.uid]) for t in plan(FLAWED)]
    return write(tmp_path_factory.mktemp("repaired"), plans, FLAWED)
