"""Tables as programs write them: names, units, delimiters, clocks; and what is wrong with them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aura import formats
from aura.errors import CorruptFile
from aura.formats.columns import find_roles
from aura.formats.table import read_table
from aura.storage import Storage


def read(folder, text, name="a.csv"):
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return formats.read(Storage(folder), name)[0]


def test_sensor_logger_has_z_first_and_nanoseconds_since_1970(tmp_path):
    start = 1_700_000_000_000_000_000
    rows = "".join(
        f"{start + i * 10_000_000},{i / 100},{30 + i},{20 + i},{10 + i}\n" for i in range(9)
    )
    stream = read(tmp_path, "time,seconds_elapsed,z,y,x\n" + rows)
    roles = find_roles(stream.columns)
    assert roles.groups == {("", ""): ("x", "y", "z")}
    assert [stream.column(n)[0] for n in roles.groups["", ""]] == [10, 20, 30]
    assert stream.time_s == pytest.approx(np.arange(9) / 100, abs=1e-6)
    assert stream.origin_ns == pytest.approx(start, abs=300)
    assert stream.units == ()  # the file does not say
    assert stream.facts["app"] == "Sensor Logger"


def test_phyphox_says_its_units_and_takes_gravity_from_one_of_two(tmp_path):
    names = [
        "Time (s)",
        *(f"{k} {a} (m/s^2)" for k in ("Acceleration", "Linear Acceleration") for a in "xyz"),
    ]
    lines = [[f'"{n}"' for n in names], "1234567", "2345678"]
    stream = read(tmp_path, "\n".join("\t".join(line) for line in lines) + "\n")
    assert stream.units == ("", *("m/s2",) * 6)
    groups = find_roles(stream.columns).groups
    assert groups["accel", ""][0] == "Acceleration x (m/s^2)"
    assert groups["linear", ""][0] == "Linear Acceleration x (m/s^2)"


def test_movella_dot_goes_on_after_32_bits_of_microseconds(tmp_path):
    stamps = (2**32 - 50_000 + 16_667 * np.arange(8)) % 2**32
    rows = "".join(f"{i},{s},0,0,9.8\n" for i, s in enumerate(stamps))
    above = "sep=,\nDeviceTag:,D1\nFirmwareVersion:,2.0.0\nSyncStatus:,Unsynced\n"
    stream = read(tmp_path, above + "PacketCounter,SampleTimeFine,Acc_X,Acc_Y,Acc_Z\n" + rows)
    assert stream.time_s == pytest.approx(16_667e-6 * np.arange(8))
    assert stream.counts == {"clock of 32 bits began again": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t;x;y\n0,5;1,25;2\n1,5;2,25;3\n", [[0.5, 1.25, 2], [1.5, 2.25, 3]]),
        ("# made by a program\n# t x y\n  0.5   1 2\n  1.5   2 3\n", [[0.5, 1, 2], [1.5, 2, 3]]),
        ("\ufefft, x, y\n0.5, 1, 2\n1.5, , 3\n", [[0.5, 1, 2], [1.5, np.nan, 3]]),
        ("  17,-179, -99;\n  15,-174, -90;\n", [[17, -179, -99], [15, -174, -90]]),
        ("a,a,b\nx,y,z\n1,2,3\n4,5,6\n", [[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_delimiters_commas_comments_and_marks(tmp_path, text, expected):
    stream = read(tmp_path, text)
    assert stream.values == pytest.approx(np.array(expected, float), nan_ok=True)


def test_names_of_two_lines_are_joined_and_those_that_are_there_twice_are_told_apart(tmp_path):
    assert read(tmp_path, "a,a,b\nx,y,z\n1,2,3\n").columns == ("a.x", "a.y", "b.z")
    assert read(tmp_path, "a,a,b\n1,2,3\n").columns == ("a", "a#2", "b")


def test_rows_that_are_damaged_are_counted_and_leave_the_others(tmp_path):
    stream = read(tmp_path, "t,x\n1,2\n3\n4,5,6\n7,eight\n9,10\n")
    assert stream.counts == {"row has the wrong number of columns": 2}
    assert stream.values == pytest.approx(np.array([[1, 2], [7, np.nan], [9, 10]]), nan_ok=True)


def test_parquet_with_stamps_and_dates_in_text(tmp_path):
    stamps = pa.array([0, 10_000_000, 20_000_000], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"when": stamps, "x": [1, 2, 3]}), tmp_path / "a.parquet")
    table = read_table(Storage(tmp_path), "a.parquet")
    assert table.stamps("when")[0].tolist() == [0, 10_000_000, 20_000_000]
    assert table.stamps("when")[1]
    (tmp_path / "b.csv").write_text("when,x\n2024-03-05 10:00:00.5,1\n2024-03-05 10:00:01,2\n")
    ns, zoned = read_table(Storage(tmp_path), "b.csv").stamps("when")
    assert np.diff(ns).tolist() == [500_000_000]
    assert not zoned


@pytest.mark.parametrize("text", ["", "\n\n", "only words\nand more\n", "1\n2\n3\n", "\0\0\0"])
def test_what_is_no_table_is_refused(tmp_path, text):
    with pytest.raises(CorruptFile, match="cannot be read as a table"):
        read(tmp_path, text)
