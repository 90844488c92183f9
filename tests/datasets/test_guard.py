"""Adapters of other people: the example of the docs runs, and faults of one are sentences."""

import importlib
import re
import sys

import numpy as np
import pytest

from aura.datasets import base
from aura.datasets.base import open_dataset
from aura.errors import AuraError, CorruptFile
from aura.plugins import Plugin
from tests.conftest import ROOT

EXAMPLE = re.search(r"```python\n(.*?)```", (ROOT / "docs/adapters.md").read_text(), re.S)[1]


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Open a data set of two recordings by an adapter of this text."""
    (tmp_path / "data").mkdir()
    rows = "".join(f"{50 + i / 100},{i % 7},0,9.8,0,{i % 3},0\n" for i in range(300))
    for name in ("anna_walking.csv", "bela_waving.csv", "notes.csv"):
        (tmp_path / "data" / name).write_text(rows)
    monkeypatch.syspath_prepend(str(tmp_path))

    def open_(text, **options):
        (tmp_path / "their_adapter.py").write_text(text)
        sys.modules.pop("their_adapter", None)
        importlib.invalidate_caches()
        plugin = Plugin("adapter", "theirs", "their_adapter", "Adapter", "their-package")
        monkeypatch.setattr(base.plugins, "find", lambda kind, name: plugin)
        return open_dataset("theirs", str(tmp_path / "data"), options)

    yield open_
    sys.modules.pop("their_adapter", None)


def test_the_example_of_the_docs_reads_recordings(opened):
    lines = [line for line in EXAMPLE.splitlines() if line.strip()]
    assert len(lines) <= 26
    adapter = opened(EXAMPLE, test=["bela"])
    inventory = adapter.inventory()
    assert [(t.participant_id, t.split, t.label) for t in inventory.takes] == [
        ("anna", "train", "walking"), ("bela", "test", "waving"),
    ]  # fmt: skip
    assert [skip.where for skip in inventory.skips] == ["notes.csv"]
    recording = adapter.load(inventory.takes[0])
    assert recording.imu.shape == (300, 6)
    assert recording.imu_s[[0, -1]] == pytest.approx([0, 2.99])
    assert np.isfinite(recording.imu).all()


WHOLE = """class Adapter:
    classes = {{}}
    def __init__(self, root, options): {0}
    def inventory(self): {1}
    def load(self, take): {2}
"""
GOOD = (
    "...",
    "from aura.datasets.base import Inventory; return Inventory((), ())",
    "raise ValueError('two\\nlines')",
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class Adapter: pass\n",
         "has not the methods `inventory` and `load` (their_adapter.py, line 1)"),
        ("def Adapter(root, options): ...\n", "is no class but a function"),
        (WHOLE.format("1 / 0", *GOOD[1:]),
         "fails in opening: ZeroDivisionError: division by zero (their_adapter.py, line 3)"),
        ("class Adapter:\n    classes = {}\n    def inventory(self): ...\n"
         "    def load(self, t): ...\n",
         "fails in opening: TypeError: Adapter() takes no arguments (their_adapter.py, line 1)"),
        (WHOLE.format("...", *GOOD[1:]).replace("classes = {}", "classes = None"),
         "has no mapping `classes` (their_adapter.py, line 1)"),
    ],
)  # fmt: skip
def test_one_that_cannot_be_opened_is_a_sentence_with_file_and_line(opened, text, said):
    with pytest.raises(AuraError) as error:
        opened(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("inventory", "said"),
    [
        ("return []", "gives a list from inventory (their_adapter.py, line 4) and not a Inventory"),
        ("return self.takes", "fails in inventory: AttributeError: "),
    ],
)
def test_one_that_fails_is_a_sentence_with_file_and_line(opened, inventory, said):
    adapter = opened(WHOLE.format(GOOD[0], inventory, GOOD[2]))
    with pytest.raises(AuraError) as error:
        adapter.inventory()
    assert said in str(error.value)
    assert "their_adapter.py, line 4" in str(error.value)


def test_a_take_that_fails_is_a_sentence_and_a_damaged_one_stays_damaged(opened):
    adapter = opened(WHOLE.format(*GOOD))
    with pytest.raises(AuraError, match=r"fails in load: ValueError: two lines \(their_adapter"):
        adapter.load(None)
    damaged = "from aura.errors import CorruptFile; raise CorruptFile('gone')"
    with pytest.raises(CorruptFile, match="gone"):
        opened(WHOLE.format(*GOOD[:2], damaged)).load(None)
