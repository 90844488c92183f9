"""XDF: stamps stay as they were recorded, and clocks are set by one offset or not at all."""

import numpy as np
import pytest

from aura import formats
from aura.errors import CorruptFile
from aura.storage import Storage
from tests.formats import wearables as write

pytest.importorskip("pyxdf", reason='pyxdf is not installed: pip install "aura[wearables]"')

AXES = [("acc_x", "g"), ("acc_y", "g"), ("acc_z", "g")]


def read(folder, data):
    (folder / "a.xdf").write_bytes(data)
    return formats.read(Storage(folder), "a.xdf")


def stamps():
    """10 s at 100 Hz, of which 2 s were lost."""
    times = np.arange(1000) / 100
    return times[(times < 4) | (times >= 6)] + 50.0


def test_a_gap_of_two_seconds_stays_where_it_is(tmp_path):
    times = stamps()
    values = np.tile([0, 0, 1.0], (len(times), 1))
    (stream,) = read(tmp_path, write.xdf([("imu", 100, times, values, AXES, [])]))
    assert stream.time_s + stream.origin_ns / 1e9 == pytest.approx(times, abs=1e-6)
    assert np.diff(stream.time_s).max() == pytest.approx(2.01)
    assert stream.columns == ("acc_x", "acc_y", "acc_z")
    assert stream.units == ("g", "g", "g")
    assert stream.rate_hz == 100


def test_two_computers_are_set_by_the_offset_that_was_measured(tmp_path):
    times = stamps()
    values = np.ones((len(times), 3))
    offsets = [(50 + i, -3.0 + 0.001 * (i % 2)) for i in range(10)]
    other = times + 3.0
    first, second = read(tmp_path, write.xdf([
        ("one", 100, times, values, AXES, []), ("two", 100, other, values, AXES, offsets),
    ]))  # fmt: skip
    assert first.time_s[0] - second.time_s[0] == pytest.approx(0, abs=2e-3)
    assert not second.counts


def test_a_clock_that_steps_is_told_and_not_smeared(tmp_path):
    times = stamps()
    values = np.ones((len(times), 3))
    offsets = [(50 + i, 0.0 if i < 5 else 4.0) for i in range(10)]
    (stream,) = read(tmp_path, write.xdf([("imu", 100, times, values, AXES, offsets)]))
    assert stream.counts == {"clock of the stream jumps or drifts, not set": 1}
    assert np.diff(stream.time_s)[:399] == pytest.approx(0.01)


@pytest.mark.parametrize("data", [b"", b"XDF:", b"XDFX" + bytes(100)])
def test_what_is_no_such_file_is_refused(tmp_path, data):
    with pytest.raises(CorruptFile):
        read(tmp_path, data)
