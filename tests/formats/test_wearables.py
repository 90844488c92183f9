"""CWA and GT3X: what others hide or make up is a hole here, and each flaw is counted."""

import numpy as np
import pytest

from aura import formats
from aura.errors import CorruptFile
from aura.formats import cwa, gt3x
from aura.storage import Storage
from tests.formats import wearables as write


def read(reader, folder, data):
    name = f"a{reader.SUFFIXES[0]}"
    (folder / name).write_bytes(data)
    return formats.read(Storage(folder), name)[0]


def blocks(times, axes=3, rate_hz=100, **kwargs):
    n = 240 // axes
    values = np.arange(n)[:, None] + np.arange(axes) * 1000
    return [write.cwa_block(values, at, i, rate_hz, axes, **kwargs) for i, at in enumerate(times)]


# ----------------------------------------------------------------------------------------- CWA


@pytest.mark.parametrize("fraction", [True, False])
def test_cwa_times_are_those_of_the_sensor_that_is_slow(tmp_path, fraction):
    period = 80 / 97.0  # a block of 80 samples, at 97 in place of 100 Hz
    stream = read(
        cwa, tmp_path, write.cwa(blocks(1000.25 + period * np.arange(20), fraction=fraction))
    )
    truth = 0.25 + np.arange(1600) / 97.0
    error = np.abs(stream.time_s + (stream.origin_ns / 1e9) % 86400 - 1000 - truth)
    assert error.max() < (1e-4 if fraction else 0.0105)  # whole seconds: to a sample
    assert stream.rate_hz == 100
    assert not stream.counts
    assert stream.clock == "local"
    assert stream.units == ("g",) * 3


def test_cwa_a_hole_under_a_second_stays_a_hole(tmp_path):
    times = np.concatenate([0.8 * np.arange(5), 0.8 * np.arange(5, 10) + 0.4]) + 100
    data = blocks(times)
    stream = read(cwa, tmp_path, write.cwa(data))
    steps = np.diff(stream.time_s)
    assert stream.counts == {"hole between blocks": 1}
    assert steps.max() == pytest.approx(0.41, abs=1e-3)
    assert np.sort(steps)[:-1] == pytest.approx(0.01, abs=1e-4)


def test_cwa_a_block_that_is_damaged_or_twice_is_left_out_and_no_time_is_drawn_across(tmp_path):
    data = blocks(0.8 * np.arange(6) + 100)
    broken = bytearray(data[2])
    broken[100] ^= 1
    stream = read(cwa, tmp_path, write.cwa([*data[:2], bytes(broken), *data[3:], data[4]]) + b"AX")
    assert stream.counts == {
        "block with a wrong checksum": 1, "block is cut off": 1, "block is there twice": 1,
        "hole between blocks": 1,
    }  # fmt: skip
    assert len(stream.values) == 5 * 80
    assert np.diff(stream.time_s).max() == pytest.approx(0.81, abs=1e-3)


def test_cwa_of_six_axes_has_the_gyroscope_first(tmp_path):
    counts = np.tile([16384, 0, -16384, 0, 0, 4096], (40, 1))
    data = write.cwa([write.cwa_block(counts, 5.0, 0, 100, 6)], axes=6)
    stream = read(cwa, tmp_path, data)
    assert stream.columns == ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")
    assert stream.values[0].tolist() == [0, 0, 1, 1000, 0, -1000]
    assert stream.units == ("g", "g", "g", "deg/s", "deg/s", "deg/s")


def test_cwa_of_ten_bits_is_unpacked(tmp_path):
    sample = (1 << 30) | (3 << 20) | (0x3FE << 10) | 128  # exponent 1: x 128, y -2, z 3
    packed = np.full(120, sample, "<u4").view("<i2")
    block = bytearray(write.cwa_block(packed.reshape(-1, 3), 5.0, 0))
    block[25], block[28] = 0x30, 120
    block[510:] = (-sum(np.frombuffer(bytes(block[:510]), "<u2").tolist()) & 0xFFFF).to_bytes(
        2, "little"
    )
    stream = read(cwa, tmp_path, write.cwa([bytes(block)]))
    assert stream.values.shape == (120, 3)
    assert stream.values[7].tolist() == [1.0, -4 / 256, 6 / 256]


def test_cwa_agrees_with_a_library_on_a_whole_file(tmp_path):
    skdh = pytest.importorskip("skdh.io", reason="scikit-digital-health is not installed")
    data = write.cwa(blocks(0.8 * np.arange(8) + 100))
    stream = read(cwa, tmp_path, data)
    other = skdh.ReadCwa().predict(file=str(tmp_path / "a.cwa"))
    assert stream.values == pytest.approx(other["accel"])
    assert stream.time_s + stream.origin_ns / 1e9 == pytest.approx(other["time"], abs=2e-3)


# ---------------------------------------------------------------------------------------- GT3X


def second(stamp, n=30, value=256):
    return write.gt3x_second(stamp, np.tile([0, 0, value], (n, 1)))


def test_gt3x_does_not_fill_the_sleep(tmp_path):
    records = [
        *(second(1000 + i) for i in range(3)), write.gt3x_record(3, 1003, b"\x08"),
        write.gt3x_record(3, 1063, b"\x09"), *(second(1063 + i) for i in range(3)),
    ]  # fmt: skip
    stream = read(gt3x, tmp_path, write.gt3x(records))
    assert len(stream.values) == 180
    assert stream.counts == {"second of idle sleep": 60}
    assert np.diff(stream.time_s).max() == pytest.approx(60 + 1 / 30)
    assert (stream.values == [0, 0, 1]).all()
    assert stream.facts["place"] == "left wrist"


def test_gt3x_reads_a_second_that_is_a_sample_short(tmp_path):
    records = [second(1000), second(1001, 29), second(1002)]
    stream = read(gt3x, tmp_path, write.gt3x(records))
    assert len(stream.values) == 89
    assert stream.counts == {"second is not one of the rate": 1}
    assert stream.time_s[59] == 2.0


def test_gt3x_of_twelve_bits_has_y_before_x(tmp_path):
    record = write.gt3x_record(0, 1000, write.gt3x_packed(np.tile([341, -341, 100], (30, 1))))
    stream = read(gt3x, tmp_path, write.gt3x([record], scale="341.0"))
    assert stream.values.shape == (30, 3)
    assert stream.values[29] == pytest.approx([1, -1, 100 / 341])


def test_gt3x_of_an_odd_number_of_samples_of_twelve_bits(tmp_path):
    counts = np.arange(93).reshape(31, 3) - 40
    record = write.gt3x_record(0, 1000, write.gt3x_packed(counts))
    stream = read(gt3x, tmp_path, write.gt3x([record], rate_hz=31, scale="1"))
    assert stream.values.tolist() == counts.tolist()


def test_gt3x_without_a_scale_goes_by_the_serial_number_or_is_refused(tmp_path):
    stream = read(gt3x, tmp_path, write.gt3x([second(1000)], scale=None))
    assert stream.values[0, 2] == 1.0
    with pytest.raises(CorruptFile, match="what 1 g is"):
        read(gt3x, tmp_path, write.gt3x([second(1000)], scale=None, **{"Serial Number": "XYZ"}))


def test_gt3x_counts_what_is_damaged_twice_or_cut(tmp_path):
    broken = bytearray(second(1001))
    broken[20] ^= 1
    records = [second(1000), bytes(broken), second(1002), second(1002), second(1003)[:-40]]
    stream = read(gt3x, tmp_path, write.gt3x(records))
    assert stream.counts == {
        "record with a wrong checksum": 1, "record is there twice": 1,
        "records end in the middle": 1,
    }  # fmt: skip
    assert stream.time_s[[0, 30]].tolist() == [0, 2]


@pytest.mark.parametrize("reader", [cwa, gt3x])
@pytest.mark.parametrize("data", [b"", b"MD", b"PK\3\4" + bytes(100), bytes(3000)])
def test_what_is_no_such_file_is_refused_in_a_sentence(tmp_path, reader, data):
    with pytest.raises(CorruptFile):
        read(reader, tmp_path, data)


@pytest.mark.parametrize("reader", [cwa, gt3x])
def test_whatever_the_bytes_nothing_else_is_raised(tmp_path, reader):
    whole = {
        cwa: write.cwa(blocks(0.8 * np.arange(4) + 100)),
        gt3x: write.gt3x([second(1000), second(1001)]),
    }[reader]
    random = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 4):
            data[place] = random.integers(256)
        try:
            read(reader, tmp_path, bytes(data[: random.integers(1, len(data))] if _ % 2 else data))
        except CorruptFile:
            pass
