"""Watch and phone files written here with stamps of delivery, and the real ones where they are."""

import tracemalloc
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from aura.datasets.sp_sw_har import Adapter, even_clock
from aura.errors import AuraError
from aura.schema import SPLITS
from aura.signals.imu import clean, resample_imu
from aura.storage import Storage

HEADER = "x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,timestamp,label"
RUN = ("SEATED", "STANDING_UP", "WALKING", "TURNING", "WALKING", "TURNING", "SITTING_DOWN")
PERIOD_MS = 9.76


def delivered(count, seed=0, burst=6):
    """Stamps (N,) ms of samples that are handed over in bursts of up to `burst`."""
    rng = np.random.default_rng(seed)
    last = np.minimum(np.cumsum(rng.integers(1, burst, count)), count) - 1
    last = last[: np.searchsorted(last, count - 1) + 1]  # the sample that ends each burst
    ends = last[np.searchsorted(last, np.arange(count))]
    return 1657533977813 + np.round(ends * PERIOD_MS + 2).astype(np.int64)


def write(root, name, labels=RUN, samples=100, seed=0, burst=6):
    """One execution with `samples` a bout; returns its sensor values and its lines."""
    values = np.random.default_rng(seed).normal(size=(len(labels) * samples, 6))
    stamps = delivered(len(values), seed, burst)
    cells = zip(values.tolist(), stamps.tolist(), np.repeat(labels, samples).tolist(), strict=True)
    lines = [f"{','.join(map(repr, row))},{stamp},{label}" for row, stamp, label in cells]
    save(root, name, lines)
    return values, lines


def save(root, name, lines):
    path = root / "DATA" / name[:3] / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *lines]) + "\n")


def reasons(inventory):
    missing = "subject has no file"
    return sorted((s.modality, s.reason) for s in inventory.skips if s.reason != missing)


def test_takes_are_the_bouts_of_one_device(tmp_path):
    values, _ = write(tmp_path, "s01_01_sw")
    for name in ("s01_01_sp", "s02_01_sw", "s03_01_sw", "s03_02_sw"):
        write(tmp_path, name, seed=1)
    adapter = Adapter(Storage(tmp_path), {})
    inventory = adapter.inventory()
    assert reasons(inventory) == []
    assert Counter(t.split for t in inventory.takes) == {"train": 7, "val": 7, "test": 14}
    assert len({take.take_id for take in inventory.takes}) == 28
    first = [take for take in inventory.takes if take.capture_id == "s01_01"]
    assert {take.participant_id for take in first} == {"s01"}
    labels = [name.replace("_", " ").lower() for name in RUN]
    assert [take.label for take in first] == labels
    for number, take in enumerate(first):
        recording = adapter.load(take)
        assert_allclose(recording.imu, values[number * 100 : (number + 1) * 100], rtol=1e-6)
        assert recording.texts[0].text == f"A person is {adapter.classes[take.label]}."
        assert recording.texts[0].end_s == recording.duration_s == take.duration_s
    assert set(adapter.classes) == set(labels)
    other = Adapter(Storage(tmp_path), {"device": "sp"}).inventory()
    assert {take.capture_id for take in other.takes} == {"s01_01"}


def test_bursts_of_delivery_are_laid_on_an_even_clock(tmp_path):
    """Samples of one sine: on the even clock it is one, their stamps are not taken for times."""
    count = 1200
    true_s = np.arange(count) * PERIOD_MS / 1000
    wave = np.sin(2 * np.pi * 2.0 * true_s)
    stamps = delivered(count)
    lines = [f"{x!r},0,0,0,0,0,{t},WALKING" for x, t in zip(wave.tolist(), stamps, strict=True)]
    save(tmp_path, "s01_01_sp", lines)
    refused = {"stamps are those of batches of samples": count}
    for clock, dropped in (("even", {}), ("stamps", refused)):
        adapter = Adapter(Storage(tmp_path), {"device": "sp", "clock": clock})
        recording = adapter.load(adapter.inventory().takes[0])
        cleaned = clean(recording.imu_s, recording.imu, recording.imu_ok)
        assert cleaned.dropped == dropped
        if clock == "even":
            got, valid = resample_imu(cleaned.times, cleaned.values, recording.duration_s)
            assert valid.all()
            expected = np.sin(2 * np.pi * 2.0 * np.arange(len(got)) / 200)
            assert np.abs(got[:, 0] - expected).max() < 0.03


def test_lost_samples_keep_their_stamps_and_say_so(tmp_path):
    _, lines = write(tmp_path, "s01_01_sw")
    kept = lines[:350] + lines[365:]  # 146 ms are gone for good
    save(tmp_path, "s01_01_sw", kept)
    adapter = Adapter(Storage(tmp_path), {})
    inventory = adapter.inventory()
    reason = "stamps do not follow an even clock and are kept"
    assert reasons(inventory) == [("imu", reason)]
    stamps = np.array([int(line.split(",")[6]) for line in kept]) / 1000
    turning = adapter.load(inventory.takes[3])  # rows 300 to 399 of what was written
    assert_allclose(turning.imu_s, stamps[300:385] - stamps[300], atol=1e-6)
    save(tmp_path, "s01_01_sw", lines[:100])  # too short to tell
    assert reasons(Adapter(Storage(tmp_path), {}).inventory()) == [("imu", reason)]


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.002, 0.05),
    st.integers(256, 600),
    st.integers(0, 2**31),
    st.floats(0, 0.02),
)
def test_the_even_clock_is_within_the_delay_of_the_true_one(period, count, seed, delay):
    true = np.arange(count) * period
    stamps = np.maximum.accumulate(true + np.random.default_rng(seed).uniform(0, delay, count))
    clock = even_clock(1.6e9 + stamps)
    assert clock is not None
    assert np.ptp(np.diff(clock)) < 1e-5
    assert (np.abs(clock - 1.6e9 - true) <= delay + 1e-5).all()
    holed = np.delete(true, slice(count // 2, count // 2 + int(0.15 / period) + 1))
    assert even_clock(1.6e9 + holed) is None


def test_damage_is_counted_by_reason(tmp_path):
    values, lines = write(tmp_path, "s01_01_sw", burst=2)  # no two stamps alike
    lines[5] = lines[5].rpartition(",")[0]
    lines[6] = lines[6].replace(",SEATED", ",")
    lines[7] = "x," + lines[7].partition(",")[2]
    lines[8] = ",".join([*lines[8].split(",")[:6], "never", "SEATED"])
    lines[20], lines[40] = lines[40], lines[20]
    lines[-60:] = [line.replace("SITTING_DOWN", "JUMPING") for line in lines[-60:]]
    save(tmp_path, "s01_01_sw", lines)
    save(tmp_path, "s01_02_sw", [])
    (tmp_path / "DATA/s01/s01_02_sw.csv").write_text("a,b\n1,2\n")
    (tmp_path / "DATA/s01/s01_03_sw.csv").write_text("")
    adapter = Adapter(Storage(tmp_path), {"train": [1], "clock": "stamps"})
    write(tmp_path, "s04_01_sw")
    inventory = adapter.inventory()
    assert reasons(inventory) == [
        ("file", "file cannot be read"),
        ("file", "file cannot be read"),
        ("file", "subject is in no split"),
        ("row", "row has the wrong number of columns"),
        ("row", "row out of order"),
        ("row", "row out of order"),
        ("row", "row without a time or an activity"),
        ("row", "row without a time or an activity"),
        ("take", "activity is not known"),
        ("take", "bout shorter than min_bout_s"),
    ]
    seated = adapter.load(inventory.takes[0])
    assert np.isnan(seated.imu).sum() == 1
    assert len(seated.imu) == 97
    kept = np.setdiff1d(np.arange(100), [5, 6, 7, 8])
    assert_allclose(seated.imu[~np.isnan(seated.imu[:, 0])], values[kept], rtol=1e-6)
    assert (np.diff(seated.imu_s) >= 0).all()
    with pytest.raises(AuraError, match=r"holds no sXX_YY_sp\.csv"):
        Adapter(Storage(tmp_path), {"device": "sp"}).inventory()
    with pytest.raises(AuraError, match=r"Subjects \[2\] are in more than one split of sp-sw-har"):
        Adapter(Storage(tmp_path), {"train": [2]})


@pytest.mark.real
@pytest.mark.parametrize("device", ["sw", "sp"])
def test_the_real_executions(real_data, device):
    """Every row of every file, read a second time by polars and cut by a slow loop."""
    root = real_data / "sp-sw-har"
    adapter = Adapter(Storage(root), {"device": device})
    inventory = adapter.inventory()
    found = {take.take_name: take for take in inventory.takes}
    short = {s.where for s in inventory.skips if s.reason == "bout shorter than min_bout_s"}
    others = {s.reason for s in inventory.skips} - {"bout shorter than min_bout_s"}
    assert others <= {"subject has no file"}
    files = sorted(root.glob(f"DATA/s*/*_{device}.csv"))
    assert len(files) >= 25
    bouts = {}
    for file in files:
        rows = pl.read_csv(file).rows()
        number = -1
        for row, before in zip(rows, [None, *rows[:-1]], strict=True):
            number += before is None or row[7] != before[7]
            bouts.setdefault(f"{file.stem}_{number:03d}", []).append(row)
    assert set(found) | short == set(bouts)
    assert not set(found) & short
    periods = []
    for name, take in found.items():
        rows, recording = bouts[name], adapter.load(take)
        assert take.label == rows[0][7].replace("_", " ").lower()
        assert_allclose(recording.imu, [row[:6] for row in rows], rtol=1e-6)
        stamps = np.array([row[6] for row in rows]) / 1000
        late = (stamps - stamps[0]) - recording.imu_s
        assert np.abs(late).max() < 0.16
        periods.append(recording.duration_s / (len(rows) - 1))
        cleaned = clean(recording.imu_s, recording.imu, recording.imu_ok)
        got, valid = resample_imu(cleaned.times, cleaned.values, recording.duration_s)
        assert cleaned.dropped == {}
        assert valid.all()
        assert np.abs(got).max() < 1.15 * np.abs(recording.imu).max()  # no cubic runs away
    # One rate a device, by files that know nothing of each other, so a clock and no chance.
    assert np.mean(periods) == pytest.approx({"sw": 0.00959, "sp": 0.00976}[device], abs=2e-5)
    assert np.ptp(periods) < 2e-5
    people = {
        split: {t.participant_id for t in found.values() if t.split == split} for split in SPLITS
    }
    assert [len(people[split]) > 0 for split in SPLITS] == [True] * 3
    assert sum(map(len, people.values())) == len(set().union(*people.values()))
    still = [adapter.load(t).imu[:, :3] for t in found.values() if t.label == "seated"]
    norm = np.array([np.linalg.norm(accel, axis=1).mean() for accel in still])
    assert_allclose(np.median(norm), 9.8, atol=0.4)


def test_one_long_label_does_not_widen_all_others(tmp_path):
    _, lines = write(tmp_path, "s01_01_sw")
    lines[7] = lines[7].rsplit(",", 1)[0] + "," + "x" * 1_000_000
    save(tmp_path, "s01_01_sw", lines)
    tracemalloc.start()
    inventory = Adapter(Storage(tmp_path), {}).inventory()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20  # 700 rows of a million letters are 2.8 GB
    assert ("take", "activity is not known") in reasons(inventory)


@pytest.mark.parametrize("order", ["one after the other", "the file again"])
def test_rows_that_are_there_twice_are_read_once_and_counted(tmp_path, order):
    """On an even clock, twice the rows would be twice the rate."""
    _, lines = write(tmp_path / "once", "s01_01_sw")
    write(tmp_path / "twice", "s01_01_sw")
    both = [line for line in lines for _ in (0, 1)] if order[0] == "o" else [*lines, *lines]
    save(tmp_path / "twice", "s01_01_sw", both)
    once, twice = (Adapter(Storage(tmp_path / name), {}) for name in ("once", "twice"))
    takes = once.inventory().takes
    inventory = twice.inventory()
    assert inventory.takes == takes
    assert Counter(reasons(inventory))["row", "row is there twice"] == len(lines)
    for take in takes:
        a, b = once.load(take), twice.load(take)
        np.testing.assert_array_equal(a.imu_s, b.imu_s)
        np.testing.assert_array_equal(a.imu, b.imu)


def test_watch_and_phone_of_an_execution_are_moments_where_bouts_begin_together(tmp_path):
    write(tmp_path, "s01_01_sw")
    _, lines = write(tmp_path, "s01_01_sp", seed=1)
    save(tmp_path, "s01_01_sp", [line.replace("SITTING_DOWN", "SEATED") for line in lines[30:]])
    adapter = Adapter(Storage(tmp_path), {"device": ["sw", "sp"], "clock": "stamps"})
    takes = {take.take_id: take for take in adapter.inventory().takes}
    shared = {t.take_id: t.moment_id for t in takes.values() if t.moment_id}
    # The phone's first bout begins 0.3 s late, and its last has another label.
    assert shared == {f"s01_01_sw_{n:03d}": f"s01_01_sp_{n:03d}" for n in range(1, 6)}
    assert {t.place for t in takes.values() if "_sw_" in t.take_id} == {"wrist"}
    assert {t.place for t in takes.values() if "_sp_" in t.take_id} == {"pocket"}
    for device in ("sw", "sp"):  # alone, all is as it was
        alone = Adapter(Storage(tmp_path), {"device": device}).inventory().takes
        assert [t.moment_id for t in alone] == [""] * len(alone)
        assert {t.take_id for t in alone} == {i for i in takes if f"_{device}_" in i}


@pytest.mark.real
def test_real_watches_and_phones_tell_one_time(real_data):
    """Label by label both files change within 40 ms of each other: one clock stamps them."""
    adapter = Adapter(Storage(real_data / "sp-sw-har"), {"device": ["sp", "sw"]})
    takes = adapter.inventory().takes
    paired = [take for take in takes if take.moment_id]
    assert len(paired) > 0.4 * len(takes)  # nearly all of the watch's
    by_id = {take.take_id: take for take in takes}
    for take in paired:
        other = by_id[take.moment_id]
        assert (other.capture_id, other.label) == (take.capture_id, take.label)
        assert {other.place, take.place} == {"pocket", "wrist"}
    apart = []
    for file in sorted(real_data.glob("sp-sw-har/DATA/s*/*_sw.csv")):
        tables = [pl.read_csv(f) for f in (file, file.with_name(f"{file.stem[:-2]}sp.csv"))]
        watch, phone = (dict(t[::-1].select("label", "timestamp").iter_rows()) for t in tables)
        apart += [  # when each activity comes first, but for the one that the recording begins with
            abs(watch[label] - phone[label])
            for label in set(watch) & set(phone) - {tables[0]["label"][0], tables[1]["label"][0]}
        ]
    assert len(apart) > 60
    assert np.median(apart) < 10
