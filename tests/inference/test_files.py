"""Recordings from files: what is certain is read, what is not is asked for in one sentence."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aura.config import Resample
from aura.errors import AuraError
from aura.inference.files import read_recording
from aura.schema import IMU_CHANNELS
from aura.signals.imu import clean, resample_imu
from tests.inference.models import motion

RATE, SECONDS = 100, 12.0


def table(names=IMU_CHANNELS, clock="time_s", scale=1.0, values=None):
    """Names of columns and (N, C) values; time first, if there is a clock."""
    signal = motion(RATE, SECONDS).T if values is None else values
    columns = dict(zip(names, signal.T, strict=False))
    if clock:
        columns = {clock: np.arange(len(signal)) / RATE * scale, **columns}
    return columns


def write(path, columns, delimiter=","):
    if path.suffix == ".parquet":
        pq.write_table(pa.table({k: pa.array(v) for k, v in columns.items()}), path)
        return path
    lines = [delimiter.join(columns)]
    lines += [
        delimiter.join(f"{x:.9g}" for x in row) for row in zip(*columns.values(), strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ["walk.csv", "walk.parquet", "walk.tsv"])
def test_a_table_is_resampled_as_in_the_pipeline(tmp_path, name):
    path = write(tmp_path / name, table(), "\t" if name.endswith("tsv") else ",")
    recorded = read_recording(path)
    signals = recorded.resample(Resample())
    times, values = np.arange(1200) / RATE, motion(RATE, SECONDS).T
    cleaned = clean(times, values, np.ones(1200, bool))
    expected, valid = resample_imu(cleaned.times, cleaned.values, SECONDS, 0.02)
    assert recorded.duration_s == pytest.approx(SECONDS)
    np.testing.assert_allclose(signals.values[0], expected, atol=1e-4)
    np.testing.assert_array_equal(signals.valid[0], valid)
    assert signals.channels.all()


@pytest.mark.parametrize(
    "names",
    [
        ("ax", "ay", "az", "gx", "gy", "gz"),
        ("Acc X", "Acc Y", "Acc Z", "Gyr X", "Gyr Y", "Gyr Z"),
        ("accelerometer_x", "accelerometer_y", "accelerometer_z",
         "gyroscope_x", "gyroscope_y", "gyroscope_z"),
    ],
)  # fmt: skip
def test_common_names_are_known_in_whatever_order(tmp_path, names):
    columns = table(names)
    reverse = dict(reversed(columns.items())) | {"temperature": np.zeros(1200)}
    np.testing.assert_allclose(
        read_recording(write(tmp_path / "a.csv", reverse)).values,
        motion(RATE, SECONDS).T, atol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("clock", "scale"), [("time_ms", 1e3), ("timestamp_ns", 1e9), ("t_us", 1e6)]
)
def test_time_is_in_the_unit_of_its_name(tmp_path, clock, scale):
    recorded = read_recording(write(tmp_path / "a.parquet", table(clock=clock, scale=scale)))
    assert recorded.duration_s == pytest.approx(SECONDS, rel=1e-4)


def test_units_are_converted_and_said(tmp_path):
    values = motion(RATE, SECONDS).T
    factors = np.array([9.80665] * 3 + [np.pi / 180] * 3)
    path = write(tmp_path / "a.csv", table(values=values / factors))
    with pytest.raises(AuraError, match=r"acceleration looks like g, .* --units g,deg/s"):
        read_recording(path)
    recorded = read_recording(path, units="g,deg/s")
    np.testing.assert_allclose(recorded.values, values, atol=1e-3)
    assert recorded.notes == ["converted from g and deg/s"]


def test_an_accelerometer_alone_has_its_gyroscope_masked(tmp_path):
    path = write(tmp_path / "a.csv", table(IMU_CHANNELS[:3]))
    recorded = read_recording(path)
    assert recorded.channels.tolist() == [True] * 3 + [False] * 3
    assert not recorded.values[:, 3:].any()
    assert "no gyroscope, which is masked" in recorded.notes[0]
    assert not recorded.resample(Resample()).channels[0, 3:].any()


def test_a_gyroscope_that_is_nan_throughout_is_one_that_is_not_there(tmp_path):
    values = motion(RATE, SECONDS).T.copy()
    values[:, 3:] = np.nan
    recorded = read_recording(write(tmp_path / "a.parquet", table(values=values)))
    assert recorded.channels.tolist() == [True] * 3 + [False] * 3
    assert len(recorded.times) == 1200


def test_a_hole_is_masked_and_bad_samples_are_counted(tmp_path):
    columns = table()
    keep = (np.arange(1200) < 400) | (np.arange(1200) >= 500)
    columns = {k: v[keep] for k, v in columns.items()}
    columns["accel_x"] = columns["accel_x"].copy()
    columns["accel_x"][10] = np.nan
    recorded = read_recording(write(tmp_path / "a.csv", columns))
    assert any("sample not finite" in note and note.startswith("1 ") for note in recorded.notes)
    valid = recorded.resample(Resample()).valid[0]
    assert not valid[820:990].any()
    assert valid[1100:2200].all()


@pytest.mark.parametrize(
    ("columns", "more", "sentence"),
    [
        (table(("a1", "a2", "a3")), {}, "it has no accel_x; its columns are time_s, a1, a2, a3"),
        (table(clock=None), {}, "has no column time_s, time_ms, time_us or time_ns"),
        (table(clock=None), {"rate_hz": -1}, "above 0, not -1"),
        (table(clock="timestamp"), {}, "has no column time_s"),
        (table(clock="time_ms"), {}, "has 1e+05 samples a second, as no IMU"),
        (table(), {"rate_hz": 50}, "has 100 samples a second, not 50"),
        (table(), {"units": "furlongs"}, "'furlongs' is none"),
        (table(), {"units": "g,mg"}, "two are of one sensor"),
        (table(), {"columns": ["x", "y", "z"]}, "there is no 'x'"),
        (table(), {"columns": ["accel_x", "accel_y"]}, "2 are named"),
        ({**table(), "ax": np.zeros(1200)}, {}, "accel_x and ax are both one"),
        ({k: v[:3] for k, v in table().items()}, {}, "holds 3 samples that can be used"),
    ],
)
def test_what_is_not_certain_is_one_sentence(tmp_path, columns, more, sentence):
    with pytest.raises(AuraError, match=re.escape(sentence)) as error:
        read_recording(write(tmp_path / "walk.csv", columns), **more)
    assert "\n" not in str(error.value)


def test_names_and_rate_that_are_given_are_used(tmp_path):
    columns = table(("p", "q", "r", "s", "t", "u"), clock=None)
    path = write(tmp_path / "a.csv", columns)
    recorded = read_recording(path, rate_hz=100, columns=["p", "q", "r"])
    np.testing.assert_allclose(recorded.values[:, :3], motion(RATE, SECONDS).T[:, :3], atol=1e-5)
    assert recorded.duration_s == pytest.approx(SECONDS)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"1,2,3,4\n5,6,7,8\n", "does not name its columns"),
        ("a.csv", b"", "does not name its columns"),
        ("a.parquet", b"PAR1nothing", "cannot be read as Parquet"),
        ("a.vrs", b"nothing", "Cannot read the imu-right stream"),
        ("a.xlsx", b"", "ends in '.xlsx'"),
    ],
)
def test_files_of_something_else_are_refused(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AuraError, match=re.escape(sentence)):
        read_recording(tmp_path / name)
    with pytest.raises(AuraError, match="There is no recording at"):
        read_recording(tmp_path / "nowhere.csv")
