"""Trials written here in UMAFall's layout, with what can be wrong of them, and the real ones."""

import json
import shutil
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from aura import config
from aura.config import Resample
from aura.datasets.umafall import ACTIVITIES, Adapter, read_rows, read_sensors
from aura.errors import AuraError, CorruptFile
from aura.signals.imu import resample_imu
from aura.storage import Storage
from pipeline import resample
from pipeline import slice as slice_stage
from pipeline.screen import screen
from tests.conftest import ROOT

NAME = "UMAFall_Subject_01_ADL_Walking_1_2017-04-14_23-25-52.csv"
PLACES = {0: "RIGHTPOCKET", 4: "ANKLE", 3: "WRIST", 1: "CHEST", 2: "WAIST"}
SECONDS = 6.0


def header(places=PLACES):
    sensors = "".join(
        f"%C4:BE:84:70:0E:{number:02d}; {number}; {place}; "
        f"{'lge-LG-H815-5.1' if number == 0 else 'SensorTag'}\n"
        for number, place in places.items()
    )
    return (
        "% Universidad de Málaga - ETSI de Telecomunicación (Spain)     \n"
        "% Date: 2017-04-14_23:25:52     \n   \n"
        "% --> Min - Max Delay: 5000us - 65535000us     \n"
        "% MAC Address; Sensor_ID; Position; Device Model     \n"
        f"{sensors}     \n% Accelerometer = 0     \n"
        "% TimeStamp; Sample No; X-Axis; Y-Axis; Z-Axis; Sensor Type; Sensor ID;     \n"
    )


def rows_of(sensor, seed=0, seconds=SECONDS):
    """Rows of all types of one sensor, stamped when they were delivered."""
    rng = np.random.default_rng(seed + sensor)
    period = 0.005045 if sensor == 0 else 0.05
    count = int(seconds / period)
    taken = 0.02 + period * np.arange(count)
    event = 0.001 if sensor == 0 else 0.04875
    stamps = np.floor(np.ceil(taken / event) * event * 1000).astype(int) + 1
    accel = rng.normal([0, -1, 0], 0.05, (count, 3))
    parts = [(0, accel, stamps, 1 if sensor == 0 else 0)]
    if sensor:
        parts += [(kind, rng.normal(0, 20, (count, 3)), stamps + kind, 1) for kind in (1, 2)]
    return [
        (int(ms), first + k, *xyz.tolist(), kind, sensor)
        for kind, values, times, first in parts
        for k, (ms, xyz) in enumerate(zip(times, values, strict=True))
    ]


def lines_of(rows):
    return [";".join(map(str, row)) for row in rows]


def trial(places=PLACES):
    return [row for sensor in places for row in rows_of(sensor)]


def save(root, content, name=NAME):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))


def read(root, **options):
    """Takes and recordings by place, and the skips of the list."""
    adapter = Adapter(Storage(root), options)
    inventory = adapter.inventory()
    return {t.place: (t, adapter.load(t)) for t in inventory.takes}, inventory.skips


def told(skips):
    return sorted(s.reason for s in skips if s.reason != "subject has no file")


def test_the_five_sensors_of_a_trial_are_five_takes_of_one_moment(tmp_path):
    rows = trial()
    save(tmp_path, header() + "\n".join(lines_of(rows)))
    takes, skips = read(tmp_path)
    assert told(skips) == []
    assert set(takes) == {"pocket-right", "ankle", "wrist", "chest", "waist"}
    moment = NAME.removeprefix("UMAFall_").removesuffix(".csv")
    for place, (take, got) in takes.items():
        assert take.take_id == f"{moment}_{place}"
        assert (take.moment_id, take.capture_id) == (moment, moment)
        assert (take.participant_id, take.label, take.split) == ("Subject_01", "walking", "train")
        assert got.duration_s == max(row[0] for row in rows) / 1000
        assert [(t.text, t.end_s) for t in got.texts] == [("walking", got.duration_s)]
    assert len({got.duration_s for _, got in takes.values()}) == 1


def test_units_pairs_and_even_clocks(tmp_path):
    rows = trial()
    save(tmp_path, header() + "\n".join(lines_of(rows)))
    takes, _ = read(tmp_path)
    for place, sensor, period in (("ankle", 4, 0.05), ("pocket-right", 0, 0.005045)):
        got = takes[place][1]
        accel, gyro = (
            np.array([r[2:5] for r in rows if r[5:] == (kind, sensor)]) for kind in (0, 1)
        )
        assert_allclose(got.imu[:, :3], accel * 9.80665, rtol=1e-5)
        if sensor:
            assert_allclose(got.imu[:, 3:], np.deg2rad(gyro), rtol=1e-5)
        else:
            assert np.isnan(got.imu[:, 3:]).all()
        taken = 0.02 + period * np.arange(len(accel))
        assert_allclose(np.diff(got.imu_s), got.imu_s[1] - got.imu_s[0], rtol=1e-9)
        assert np.ptp(got.imu_s - taken) < 0.02
        assert got.imu_ok.all()
        assert not got.counts


def test_places_go_by_the_header_and_not_by_the_number(tmp_path):
    places = {0: "LEFT_POCKET", 1: "RIGHTWRIST", 2: "ankle", 3: "WHEREVER", 4: "ANKLE"}
    save(tmp_path, header(places) + "\n".join(lines_of(trial(places))))
    takes, skips = read(tmp_path)
    assert set(takes) == {"pocket-left", "wrist-right", "ankle"}
    assert takes["wrist-right"][0].source[1] == 1
    assert told(skips) == ["place is not known"] * 2
    only, _ = read(tmp_path, places=["ankle"])
    assert set(only) == {"ankle"}
    assert len(only["ankle"][1].imu) == int(SECONDS / 0.05)


def test_lost_samples_are_a_hole_and_are_counted(tmp_path):
    """The receiver numbers what it gets, so that the numbers have no gap."""
    rows = [r for r in rows_of(4) if r[5] < 2 and not 60 <= r[1] - r[5] < 64]
    rows = [(*r[:1], r[1] - 4 * (r[1] - r[5] >= 64), *r[2:]) for r in rows]
    save(tmp_path, header({4: "ANKLE"}) + "\n".join(lines_of(rows)))
    got = read(tmp_path)[0]["ankle"][1]
    assert got.counts == {"IMU sample lost on its way": 4}
    assert got.imu_s[-1] - got.imu_s[0] == pytest.approx((len(got.imu) + 3) * 0.05, abs=0.02)


def test_a_sensor_at_the_end_of_its_range_is_flagged(tmp_path):
    rows = [list(row) for row in rows_of(4) + rows_of(0)]
    tag = len(rows_of(4)) // 3
    rows[10][2], rows[tag + 20][3], rows[3 * tag + 5][4] = 8.0, -256.0, 4.02
    rows[11][2] = 4.02  # not the end of a SensorTag
    save(tmp_path, header({4: "ANKLE", 0: "RIGHTPOCKET"}) + "\n".join(lines_of(rows)))
    takes, _ = read(tmp_path)
    assert_array_equal(np.flatnonzero(takes["ankle"][1].imu_saturated), [10, 20])
    assert_array_equal(np.flatnonzero(takes["pocket-right"][1].imu_saturated), [5])


def test_damaged_rows_are_counted_once_and_leave_their_place(tmp_path):
    lines = lines_of(rows_of(4)) + lines_of(rows_of(0))
    whole = len(lines)
    lines[10], lines[20], lines[30] = "1;2;3", lines[20].replace(".", "x"), ""
    lines[40] = f"9{lines[40]}"  # a stamp far behind all others
    lines.append("5990;1190;0.01;-1.0")  # the file breaks off
    save(tmp_path, header({4: "ANKLE", 0: "RIGHTPOCKET"}) + ";\r\n".join(lines))
    takes, _ = read(tmp_path)
    skips = [s.reason for _, got in takes.values() for s in got.skips]
    assert Counter(skips) == {"row is damaged": 4}
    ankle, pocket = takes["ankle"][1], takes["pocket-right"][1]
    count = int(SECONDS / 0.05)
    assert len(ankle.imu) == count - 4
    assert ankle.counts == {"IMU row of one sensor alone": 4}  # their gyroscope's
    assert len(ankle.imu) + 4 + 2 * count + len(pocket.imu) == whole
    missing = np.rint((np.diff(ankle.imu_s)) / np.median(np.diff(ankle.imu_s))) - 1
    assert_array_equal(np.flatnonzero(missing), [9, 18, 27, 36])
    assert ankle.duration_s < SECONDS + 0.2


@pytest.mark.parametrize("number", ["12.4", "1e30", "-9999999999"])
def test_a_sample_without_a_whole_number_is_damaged(tmp_path, number):
    """Truncated, it would be the number of another sample, and be paired with that one's."""
    lines = lines_of(rows_of(4))
    cells = lines[40].split(";")
    lines[40] = ";".join([cells[0], number, *cells[2:]])
    save(tmp_path, header({4: "ANKLE"}) + "\n".join(lines))
    _, recording = read(tmp_path)[0]["ankle"]
    assert told(recording.skips) == ["row is damaged"]


def test_rows_in_any_order_and_rows_that_are_there_twice(tmp_path):
    rows = rows_of(4)
    save(tmp_path, header({4: "ANKLE"}) + "\n".join(lines_of(rows)))
    expected = read(tmp_path)[0]["ankle"][1]
    order = np.random.default_rng(0).permutation(len(rows))
    mixed = [rows[k] for k in order] + rows[50:60]
    save(tmp_path, header({4: "ANKLE"}) + "\n".join(lines_of(mixed)))
    got = read(tmp_path)[0]["ankle"][1]
    assert_array_equal(got.imu, expected.imu)
    assert_array_equal(got.imu_s, expected.imu_s)
    assert got.counts == {"IMU row is there twice": 10}


def test_copies_strangers_and_files_that_cannot_be_read_are_told(tmp_path):
    content = header({4: "ANKLE"}) + "\n".join(lines_of(rows_of(4)))
    save(tmp_path, content)
    save(tmp_path, content, f"backup/{NAME}")
    save(tmp_path, content, NAME.replace("Walking", "Flying"))
    save(tmp_path, content, NAME.replace("23-25-52", "23-26-30"))  # trial 1 once more, later
    save(tmp_path, content, "UMAFall_Subject_06_Fall_backwardFall_2_2016-06-13_20-51-32.csv")
    save(tmp_path, "", NAME.replace("Walking", "Jogging"))
    save(tmp_path, header({4: "ANKLE"}), NAME.replace("Walking", "Hopping"))
    save(tmp_path, "read me", "README.csv")
    adapter = Adapter(Storage(tmp_path), {})
    inventory = adapter.inventory()
    assert told(inventory.skips) == [
        "activity is not known", "file has no header that names its sensors", "file is there twice"
    ]  # fmt: skip
    assert [(t.label, t.split) for t in inventory.takes] == [
        ("hopping", "train"), ("walking", "train"), ("walking", "train"),
        ("falling backward", "test"),
    ]  # fmt: skip
    assert not any("backup" in t.source[0] for t in inventory.takes)
    with pytest.raises(CorruptFile, match="no rows behind its header"):
        adapter.load(inventory.takes[0])
    with pytest.raises(AuraError, match="holds no files such as"):
        Adapter(Storage(tmp_path / "nothing"), {}).inventory()


def test_a_sensor_without_rows_is_told(tmp_path):
    save(tmp_path, header({4: "ANKLE", 2: "WAIST"}) + "\n".join(lines_of(rows_of(2))))
    takes, _ = read(tmp_path)
    assert told(takes["ankle"][1].skips) == ["sensor has no rows"]
    assert len(takes["ankle"][1].imu) == len(takes["ankle"][1].imu_saturated) == 0
    assert len(takes["waist"][1].imu) == int(SECONDS / 0.05)


def test_windows_know_their_place_their_moment_and_their_channels(tmp_path, monkeypatch):
    save(tmp_path / "raw", header() + "\n".join(lines_of(trial())))
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    overrides = ["ray.executor=local", f"datasets.umafall.root={tmp_path / 'raw'}"]
    params = config.load(ROOT / "params.yaml", overrides, dataset="umafall")
    resample.run(params, "umafall")
    slice_stage.run(params, "umafall")
    report = json.loads((tmp_path / "reports/umafall/resample/metrics.json").read_text())
    assert report["skips"].pop("file: subject has no file") == 6
    assert report["skips"] == {"imu: IMU has no gyroscope": 1}
    assert report["imu_valid"] > 0.98
    for folder in ("signals/umafall/takes", "windows/umafall/part"):
        rows = [r for f in tmp_path.glob(f"data/{folder}-*") for r in pq.read_table(f).to_pylist()]
        assert len({row["moment_id"] for row in rows}) == 1
        assert {row["place"]: row["imu_channels"] for row in rows} == {
            **dict.fromkeys(("ankle", "chest", "waist", "wrist"), [True] * 6),
            "pocket-right": [True] * 3 + [False] * 3,
        }
    starts = {
        place: [r["start_s"] for r in rows if r["place"] == place] for place in ("ankle", "waist")
    }
    assert starts["ankle"] == starts["waist"] == [0.0]


def test_rows_of_a_sensor_that_the_header_does_not_name_are_told(tmp_path):
    save(tmp_path, header({4: "ANKLE", 2: "WAIST"}) + "\n".join(lines_of(trial((4, 2, 1)))))
    takes, _ = read(tmp_path)
    skips = [s.reason for _, got in takes.values() for s in got.skips]
    count = 3 * int(SECONDS / 0.05)
    assert Counter(skips) == {"row of a sensor that the header does not name": count}


def test_classes_are_distinct_phrases():
    assert len(ACTIVITIES) == len(set(ACTIVITIES.values())) == 15
    assert set(Adapter.classes) == set(ACTIVITIES.values())


CELLS = st.sampled_from([*(str(n) for n in range(12)), "-1.5", "x", "", "1e400", "nan", " 7 "])
LINES = st.lists(CELLS, min_size=5, max_size=8).map(";".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, max_size=30).map("\n".join).map(str.encode) | st.binary(max_size=200))
def test_any_bytes_are_rows_or_refused(content):
    """A file in which all is damaged is refused; what is read is finite and within its stamps."""
    read_sensors(content)
    try:
        rows, damaged = read_rows(content, "x")
    except CorruptFile:
        return
    assert rows.shape[1] == 7
    assert np.isfinite(rows).all()
    assert damaged >= 0
    assert rows[:, 0].max() <= 1.1 * np.percentile(rows[:, 0], 99) + 1e-9 or len(rows) < 100


@pytest.mark.real
def test_the_real_trials(real_data):
    """Five takes a file on even clocks of 20 and 198 Hz; a sensor that stands shows 1 g."""
    root = real_data / "umafall"
    adapter = Adapter(Storage(root), {})
    inventory = adapter.inventory()
    assert {s.reason for s in inventory.skips} == {"subject has no file"}
    assert Counter(t.place for t in inventory.takes) == dict.fromkeys(
        ("ankle", "chest", "pocket-right", "waist", "wrist"), 158
    )
    assert len({t.moment_id for t in inventory.takes}) == 158
    assert Counter(t.split for t in inventory.takes) == {"train": 530, "val": 130, "test": 130}
    assert len({t.label for t in inventory.takes}) == 13  # nobody at hand climbs stairs
    skips, counts, gravity, samples = Counter(), Counter(), {}, 0
    for take in inventory.takes:
        got = adapter.load(take)
        skips.update(s.reason for s in got.skips)
        counts.update(got.counts)
        assert 15.0 <= got.duration_s < 15.01
        if not len(got.imu):
            continue
        samples += len(got.imu)
        steps = np.diff(got.imu_s) / np.median(np.diff(got.imu_s))
        assert_allclose(steps, np.rint(steps), atol=1e-6)
        rate = 1 / np.median(np.diff(got.imu_s))
        assert rate == pytest.approx(198.2 if take.place == "pocket-right" else 20, rel=0.005)
        assert np.isnan(got.imu[:, 3:]).all() == (take.place == "pocket-right")
        norm = np.median(np.linalg.norm(got.imu[:, :3], axis=1))
        gravity.setdefault(take.place, []).append(norm)
    assert skips == {"sensor has no rows": 2}
    assert set(counts) == {"IMU sample lost on its way"}
    assert counts.total() < 200
    lines = 0
    for path in root.glob("*.csv"):
        rows = path.read_text("latin-1").splitlines()
        lines += sum(bool(r) and r[0].isdigit() and r.rsplit(";", 2)[1] == "0" for r in rows)
    assert lines == samples
    for place, norms in gravity.items():
        assert np.median(norms) == pytest.approx(9.8, abs=0.5), place


@pytest.mark.real
def test_what_20_hz_hold_is_below_10_hz_at_200_hz(real_data):
    adapter = Adapter(Storage(real_data / "umafall"), {"test": [], "places": ["waist", "ankle"]})
    above, total = 0.0, 0.0
    for take in adapter.inventory().takes:
        if take.label not in ("walking", "jogging", "hopping"):
            continue
        recording, cleaned = screen(adapter.load(take), take.take_name, Resample())
        signal, valid = resample_imu(cleaned.times, cleaned.values, recording.duration_s, 0.125)
        inside = np.flatnonzero(valid)
        if not len(inside) or np.diff(inside).max() > 1:
            continue
        signal = signal[inside, :3] - signal[inside, :3].mean(axis=0)
        power = np.abs(np.fft.rfft(signal * np.hanning(len(signal))[:, None], axis=0)) ** 2
        hz = np.fft.rfftfreq(len(signal), 1 / 200)
        above += float(power[hz > 15].sum())
        total += float(power.sum())
    assert total > 0
    assert above / total < 0.002  # a cubic between samples is no perfect filter: 10 to 15 Hz has 2%
