"""A matrix out of a MAT-file is scipy's, and a file that promises more than it is costs itself."""

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from aura.datasets import matlab
from aura.datasets.matlab import read_matrix
from aura.errors import CorruptFile

VALUES = np.random.default_rng(0).normal(size=(20, 3, 40))


def saved(content, **options):
    out = io.BytesIO()
    savemat(out, content, **options)
    return out.getvalue()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1"])
def test_a_matrix_is_as_scipy_reads_it(packed, dtype):
    values = (100 * VALUES).astype(dtype)
    content = saved({"d": values, "other": {"a": 1}}, do_compression=packed)
    expected = np.asarray(loadmat(io.BytesIO(content))["d"], np.float64)
    np.testing.assert_array_equal(read_matrix(content, "d"), expected)


def test_the_old_format_and_other_names():
    content = saved({"d": VALUES[0]}, format="4")
    np.testing.assert_array_equal(read_matrix(content, "d"), VALUES[0])
    with pytest.raises(CorruptFile, match="no matrix of numbers called e"):
        read_matrix(content, "e")


@pytest.mark.parametrize(
    "value", [{"a": VALUES}, np.array([VALUES, "x"], object), "text", np.array([])], ids=str
)
def test_what_is_no_matrix_of_numbers_is_refused(value):
    content = saved({"d": value})
    if isinstance(value, np.ndarray) and value.dtype != object:
        assert read_matrix(content, "d").size == 0
        return
    with pytest.raises(CorruptFile, match="no matrix of numbers called d"):
        read_matrix(content, "d")


def test_a_name_that_is_there_twice_is_refused():
    content = saved({"d": VALUES})
    with pytest.raises(CorruptFile, match="no matrix of numbers called d"):
        read_matrix(content + content[128:], "d")


def test_a_file_that_unpacks_to_far_more_than_it_is_costs_no_memory(monkeypatch):
    monkeypatch.setattr(matlab, "_MOST_BYTES", 1 << 20)
    packed = zlib.compress(bytes(64 << 20), 9)
    content = saved({"d": VALUES})[:128] + struct.pack("<II", 15, len(packed)) + packed
    assert len(content) < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CorruptFile, match="unpacks to more than 1048576 bytes"):
        read_matrix(content, "d")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # KiB


def test_a_header_that_promises_more_is_refused():
    content = saved({"d": np.zeros((3, 5))})
    assert content.count(struct.pack("<ii", 3, 5)) == 1
    for dims in ((1 << 30, 1 << 30), (-3, 5), (3, 1 << 20)):
        with pytest.raises(CorruptFile):
            read_matrix(content.replace(struct.pack("<ii", 3, 5), struct.pack("<ii", *dims)), "d")


@pytest.mark.parametrize("cut", [0, 1, 100, 127, 128, 136, 200, -1])
def test_a_file_that_breaks_off_is_refused(cut):
    for packed in (False, True):
        content = saved({"d": VALUES}, do_compression=packed)
        with pytest.raises(CorruptFile):
            read_matrix(content[:cut], "d")
