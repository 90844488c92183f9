import json
import re
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from aura.datasets.vrs import ImuStream, official, read_imu
from aura.errors import CorruptFile
from tests.datasets.vrs.official_reader import read_official
from tests.datasets.vrs.raw_files import (
    KIND,
    VERSION,
    assemble,
    at_sample,
    compress,
    described,
    swap,
    walk,
)
from tests.datasets.vrs.streams import LABELS, assert_same


def compress_samples(path: Path) -> None:
    description, records, _ = walk(path.read_bytes())
    records = [compress(record, "zstd") if record[0][KIND] == 3 else record for record in records]
    path.write_bytes(assemble(description, records, None))


def second_version(path: Path, layout_too: bool = True) -> None:
    """Every other data record gets format version 3, with fields in another order."""
    description, records, _ = walk(path.read_bytes())

    def change(tags: dict[str, str]) -> None:
        pieces = json.loads(tags["DL:Data:2:0"])["data_layout"]
        reordered, at = [], 0
        for piece in reversed(pieces):
            reordered.append(piece | {"offset": at})
            at = 63 - piece["offset"]
        if layout_too:
            tags["DL:Data:3:0"] = json.dumps({"data_layout": reordered})
            tags["RF:Data:3"] = tags["RF:Data:2"]

    cuts = [0, 1, 2, 3, 11, 19, 27, 39, 51, 63]  # between the fields that the writer puts there
    for number, (header, payload) in enumerate(records):
        if header[KIND] == 3 and number % 2:
            header[VERSION] = 3
            parts = [payload[start:stop] for start, stop in pairwise(cuts)]
            records[number] = header, b"".join(reversed(parts))
    path.write_bytes(assemble(described(description, change), records, None))


FALLBACK_CASES = {"compressed": compress_samples, "two layouts": second_version}


@pytest.mark.parametrize("case", FALLBACK_CASES)
def test_what_the_official_reader_is_for(path: Path, pair: dict[str, ImuStream], case: str) -> None:
    pytest.importorskip("projectaria_tools")
    FALLBACK_CASES[case](path)
    for label in LABELS:
        assert_same(read_imu(path, label), pair[label])


@pytest.mark.parametrize("case", FALLBACK_CASES)
def test_without_the_official_reader(
    path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    FALLBACK_CASES[case](path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CorruptFile, match="install projectaria-tools") as error:
        read_imu(path)
    assert str(path) in str(error.value)


FAILURES = {
    "crash": ("import os; os.abort()", "projectaria-tools cannot read"),
    "refusal": ("raise SystemExit(1)", "projectaria-tools cannot read"),
    "no rows": ("", "projectaria-tools cannot read"),
    "objects": ("import sys, numpy as np; np.save(sys.argv[3], [{}])", "cannot read"),
    "few rows": (
        "import sys, numpy as np; np.save(sys.argv[3], np.zeros(3, 'i8, 3f4, 3f4, ?, ?'))",
        "projectaria-tools reads 3 of its 40 records",
    ),
    "hang": ("while True: pass", "projectaria-tools took over 1 s"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_of_the_official_reader_is_a_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    script, message = FAILURES[name]
    compress_samples(path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr(official, "_READER", script)
    monkeypatch.setattr(official, "_TIMEOUT_S", 1.0)
    started = time.monotonic()
    with pytest.raises(CorruptFile, match=f"{re.escape(str(path))}: .*{message}") as error:
        read_imu(path)
    assert time.monotonic() - started < 10
    assert "\n" not in str(error.value)


def test_memory_of_the_official_reader_is_bounded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("projectaria_tools")
    compress_samples(path)
    read_imu(path)
    monkeypatch.setattr(official, "_MAX_BYTES", 128 << 20)  # less than it needs
    with pytest.raises(CorruptFile, match="projectaria-tools cannot read"):
        read_imu(path)


@pytest.mark.parametrize("number", [0, 17, 39])
def test_a_damaged_compressed_record_is_not_filled_in(path: Path, number: int) -> None:
    pytest.importorskip("projectaria_tools")
    compress_samples(path)
    path.write_bytes(at_sample(number, 32, b"\0\0\0\0")(path.read_bytes()))
    theirs = read_official(path, "imu-right")[0].timestamps_ns
    assert len(theirs) == 40
    assert len(np.unique(theirs)) == 39  # another record stands in for it
    with pytest.raises(CorruptFile, match="projectaria-tools cannot read"):
        read_imu(path)


def test_what_a_layout_lacks_is_not_filled_in(path: Path, pair: dict[str, ImuStream]) -> None:
    """The official reader gives zeros for an absent field, and old rows for an absent layout."""
    intact = path.read_bytes()
    path.write_bytes(swap(b'"gyroscope"', b'"gyroscape"')(intact))
    assert not read_official(path, "imu-left")[0].gyro.any()
    with pytest.raises(CorruptFile, match="no usable gyroscope"):
        read_imu(path, "imu-left")
    path.write_bytes(intact)
    second_version(path, layout_too=False)
    assert len(np.unique(read_official(path, "imu-left")[0].timestamps_ns)) < 31
    with pytest.raises(CorruptFile, match="data records have no DataLayout"):
        read_imu(path, "imu-left")
