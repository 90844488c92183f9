"""PAMAP2 in its own 54 columns, written here with its NaNs, and the real rows where they are."""

import csv
import multiprocessing
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from aura.datasets import pamap2
from aura.datasets.pamap2 import ACTIVITIES, COLUMNS, TRANSIENT, Adapter
from aura.errors import AuraError
from aura.signals.imu import clean, resample_imu
from aura.storage import Storage

# 0-based columns by the data set's own guide, spelt out and not computed.
BY_HAND = {
    ("hand", "16g"): [4, 5, 6, 10, 11, 12],
    ("hand", "6g"): [7, 8, 9, 10, 11, 12],
    ("chest", "16g"): [21, 22, 23, 27, 28, 29],
    ("chest", "6g"): [24, 25, 26, 27, 28, 29],
    ("ankle", "16g"): [38, 39, 40, 44, 45, 46],
    ("ankle", "6g"): [41, 42, 43, 44, 45, 46],
}


def session(activities, seconds=2.0, seed=0, start=5.64):
    """Rows (N, 54) of a session: heart rate every 11th row, a fixed orientation, 100 Hz stamps."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(activities, round(seconds * 100))
    rows = rng.normal(scale=3, size=(len(codes), 54)).round(5)
    rows[:, 0] = (start + np.arange(len(codes)) / 100).round(2)
    rows[:, 1] = codes
    rows[:, 2] = np.where(np.arange(len(codes)) % 11 == 0, 104, np.nan)
    for block in (3, 20, 37):
        rows[:, block] = 31.8125
        rows[:, block + 13 : block + 17] = (1, 0, 0, 0)
    return rows


def lines_of(rows):
    def cell(value):
        return "NaN" if np.isnan(value) else f"{value:.10g}"

    return [" ".join(map(cell, row)) for row in rows]


def write(root, subject, lines, part="Protocol"):
    path = root / "PAMAP2_Dataset" / part / f"subject{subject}.dat"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def reasons(inventory):
    return [(skip.modality, skip.reason) for skip in inventory.skips]


@pytest.mark.parametrize(("placement", "accelerometer"), BY_HAND)
def test_a_bout_is_the_rows_that_were_written(tmp_path, placement, accelerometer):
    activities = [0, 1, 24, 0, 24]
    rows = session(activities)
    lost = slice(250, 257)  # the radio was away for 70 ms of the first bout
    rows[lost, 3:] = np.nan
    write(tmp_path, 101, lines_of(rows))
    options = {"placement": placement, "accelerometer": accelerometer, "val": [], "test": []}
    adapter = Adapter(Storage(tmp_path), options)
    inventory = adapter.inventory()
    assert reasons(inventory) == [("take", "transient between activities")] * 2
    assert [take.label for take in inventory.takes] == ["lying", "rope jumping", "rope jumping"]
    assert len({take.take_id for take in inventory.takes}) == 3
    assert {(t.participant_id, t.capture_id, t.split) for t in inventory.takes} == {
        ("subject101", "protocol101", "train")
    }
    for take, number in zip(inventory.takes, (1, 2, 4), strict=True):
        recording, expected = adapter.load(take), rows[number * 200 : (number + 1) * 200]
        assert_allclose(recording.imu_s, expected[:, 0] - expected[0, 0], atol=1e-9)
        assert_allclose(recording.imu, expected[:, BY_HAND[placement, accelerometer]], rtol=1e-6)
        assert recording.duration_s == pytest.approx(1.99)
        assert take.duration_s == recording.duration_s
    # The hole is masked, at most a sample to either side of it, and nothing else is.
    first = adapter.load(inventory.takes[0])
    cleaned = clean(first.imu_s, first.imu, first.imu_ok)
    assert cleaned.dropped == {"sample not finite": 7}
    _, valid = resample_imu(cleaned.times, cleaned.values, first.duration_s)
    hole = first.imu_s[49], first.imu_s[57]
    grid = np.arange(len(valid)) / 200
    away = (grid > hole[0] + 1e-6) & (grid < hole[1] - 1e-6)
    np.testing.assert_array_equal(valid, ~away)


def test_a_text_is_a_sentence_over_the_whole_bout(tmp_path):
    write(tmp_path, 101, lines_of(session([1, 12, 24])))
    adapter = Adapter(Storage(tmp_path), {})
    captions = [adapter.load(take).texts for take in adapter.inventory().takes]
    assert [texts[0].text for texts in captions] == [
        "A person is lying down.",
        "A person is ascending stairs.",
        "A person is jumping rope.",
    ]
    assert {(len(t), t[0].time_s, round(t[0].end_s, 6)) for t in captions} == {(1, 0.0, 1.99)}
    assert set(adapter.classes) == set(ACTIVITIES.values())


def test_what_is_no_bout_of_the_protocol_is_counted(tmp_path):
    rows = session([0, 2, 9, 3, 4], seconds=2.0)
    rows = np.delete(rows, slice(610, 790), axis=0)  # standing is 0.1 s and, 1.8 s on, 0.09 s
    write(tmp_path, 101, lines_of(rows))
    write(tmp_path, 101, lines_of(session([19])), part="Optional")
    inventory = Adapter(Storage(tmp_path), {"parts": ["Protocol", "Optional"]}).inventory()
    assert [(take.take_name, take.label) for take in inventory.takes] == [
        ("protocol101_001", "sitting"),
        ("protocol101_005", "walking"),
    ]
    assert sorted(reasons(inventory)) == [
        ("file", "subject has no file"),
        ("file", "subject has no file"),
        ("take", "activity is not of the protocol"),
        ("take", "activity is not of the protocol"),
        ("take", "bout shorter than min_bout_s"),
        ("take", "bout shorter than min_bout_s"),
        ("take", "transient between activities"),
    ]


def test_damaged_lines_are_dropped_one_by_one(tmp_path):
    rows = session([4, 5])
    lines = lines_of(rows)
    lines[10] = lines[10][: len(lines[10]) // 2]  # cut off
    lines[20] += " 1.0"  # a column too many
    lines[30] = "\x00\xff garbage"
    lines[40] = lines[40].replace("5.64", "x", 1).replace(lines[40].split()[0], "soon", 1)
    lines[50] = " ".join([lines[50].split()[0], "4.5", *lines[50].split()[2:]])
    lines[60] = " ".join([*lines[60].split()[:4], "oops", *lines[60].split()[5:]])  # hand accel x
    lines[70], lines[71] = lines[71], lines[70]
    lines.insert(80, "")
    lines[-1] = lines[-1][:40]  # the copy broke off
    path = tmp_path / "Protocol" / "subject101.dat"
    path.parent.mkdir()
    path.write_bytes("\n".join(lines).encode("latin-1"))
    adapter = Adapter(Storage(tmp_path), {"val": [], "test": []})
    inventory = adapter.inventory()
    assert sorted(reasons(inventory)) == [
        ("row", "row has the wrong number of columns"),
        ("row", "row has the wrong number of columns"),
        ("row", "row has the wrong number of columns"),
        ("row", "row has the wrong number of columns"),
        ("row", "row out of order"),
        ("row", "row without a time or an activity"),
        ("row", "row without a time or an activity"),
    ]
    walking, running = (adapter.load(take) for take in inventory.takes)
    kept = np.setdiff1d(np.arange(200), [10, 20, 30, 40, 50])
    expected = rows[kept][:, BY_HAND["hand", "16g"]]
    expected[np.flatnonzero(kept == 60), 0] = np.nan
    assert_allclose(walking.imu, expected, rtol=1e-6)
    assert_allclose(walking.imu_s, rows[kept, 0] - rows[0, 0], atol=1e-9)
    assert len(running.imu) == 199


def test_a_file_that_is_no_table_costs_itself_only(tmp_path):
    write(tmp_path, 101, lines_of(session([4])))
    write(tmp_path, 102, [line.replace(" ", ",") for line in lines_of(session([4]))])
    write(tmp_path, 103, lines_of(session([4]))).write_bytes(b"")
    write(tmp_path / "copy", 101, lines_of(session([4])))
    write(tmp_path, 104, lines_of(session([4])))
    options = {"train": [101, 102, 103], "val": [], "test": []}
    inventory = Adapter(Storage(tmp_path), options).inventory()
    assert [take.take_name for take in inventory.takes] == ["protocol101_000"]
    wrong = ("row", "row has the wrong number of columns")
    assert [r for r in reasons(inventory) if r != wrong] == [
        ("file", "file is there twice"),
        ("file", "file cannot be read"),
        ("file", "subject is in no split"),
    ]
    assert reasons(inventory).count(wrong) == 200


def test_of_two_copies_the_nearest_that_can_be_read_is_read(tmp_path):
    lines = lines_of(session([4]))
    write(tmp_path, 101, lines)  # PAMAP2_Dataset/Protocol
    write(tmp_path / "A", 101, lines_of(session([5])))
    write(tmp_path, 102, lines).write_bytes(b"")
    write(tmp_path / "B", 102, lines_of(session([5])))
    write(tmp_path / "C", "0102", lines_of(session([24])))
    options = {"train": [101, 102], "val": [], "test": []}
    inventory = Adapter(Storage(tmp_path), options).inventory()
    assert [take.label for take in inventory.takes] == ["walking", "running"]
    assert sorted((s.reason, s.where) for s in inventory.skips) == [
        ("file cannot be read", "PAMAP2_Dataset/Protocol/subject102.dat"),
        ("file is there twice", "A/PAMAP2_Dataset/Protocol/subject101.dat"),
        ("file is there twice", "C/PAMAP2_Dataset/Protocol/subject0102.dat"),
    ]


def test_splits_are_by_subject_and_read_from_options(tmp_path):
    for subject in (101, 105, 106, 109):
        write(tmp_path, subject, lines_of(session([24])))
    inventory = Adapter(Storage(tmp_path), {}).inventory()
    assert {take.participant_id: take.split for take in inventory.takes} == {
        "subject101": "train",
        "subject105": "val",
        "subject106": "test",
        "subject109": "train",
    }
    with pytest.raises(AuraError, match=r"Subjects \[101, 106\] are in more than one split"):
        Adapter(Storage(tmp_path), {"train": [106, 101], "val": [101]})
    with pytest.raises(AuraError, match="Options of the adapter pamap2: placement"):
        Adapter(Storage(tmp_path), {"placement": "head"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(AuraError, match=r"holds no Protocol/subjectN\.dat"):
        Adapter(Storage(tmp_path / "empty"), {}).inventory()


def test_the_end_of_the_range_is_flagged(tmp_path):
    rows = session([5])
    rows[:, 4:13] *= 0.1
    rows[20:30, 8] = -60.0  # the 6 g scale ends there, the 16 g one does not
    rows[25:40, 11] = 26.1
    write(tmp_path, 101, lines_of(rows))
    for scale, first in (("16g", 25), ("6g", 20)):
        adapter = Adapter(Storage(tmp_path), {"accelerometer": scale})
        flags = adapter.load(adapter.inventory().takes[0]).imu_saturated
        assert np.flatnonzero(flags).tolist() == list(range(first, 40))


def test_a_file_is_parsed_once_for_all_its_bouts(tmp_path, monkeypatch):
    for subject in (101, 102):
        write(tmp_path, subject, lines_of(session([1, 2, 3, 4], seed=subject)))
    parsed = []
    read = pamap2.read_columns
    monkeypatch.setattr(pamap2, "read_columns", lambda *a: parsed.append(a[1][-7:-4]) or read(*a))
    adapter = Adapter(Storage(tmp_path), {})
    takes = adapter.inventory().takes
    parsed.clear()
    for take in takes:
        adapter.load(take)
    assert parsed == ["101", "102"]


def test_files_can_be_read_after_a_fork(tmp_path):
    """As by the workers of `aura doctor`; a thread pool that the fork breaks would hang here."""
    write(tmp_path, 101, lines_of(session([1])))
    adapter = Adapter(Storage(tmp_path), {})
    take = adapter.inventory().takes[0]
    expected = adapter.load(take).imu
    with multiprocessing.get_context("fork").Pool(1) as pool:
        got = pool.apply_async(Adapter(Storage(tmp_path), {}).load, (take,)).get(timeout=60)
    np.testing.assert_array_equal(got.imu, expected)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_skips(tmp_path_factory, content):
    """Any end of a file costs rows and not the bout before it."""
    folder = tmp_path_factory.mktemp("bytes")
    rows = session([4], seconds=0.3)
    path = write(folder, 101, lines_of(rows))
    path.write_bytes(path.read_bytes() + content)
    adapter = Adapter(Storage(folder), {"min_bout_s": 0.1})
    first = adapter.load(adapter.inventory().takes[0])
    assert_allclose(first.imu[:30], rows[:, BY_HAND["hand", "16g"]], rtol=1e-6)


@pytest.mark.real
def test_the_four_real_rows(real_data, tmp_path):
    """Two rows of each of two subjects; their activity is 0, set to 4 here so that they load."""
    lines = (real_data / "pamap2-reference/four_real_rows.dat").read_text().splitlines()
    raw = np.array([line.split() for line in lines], float)
    assert raw.shape == (4, len(COLUMNS))
    assert (raw[:, 1] == TRANSIENT).all()
    gravity = {}
    for subject, rows in ((101, lines[:2]), (102, lines[2:])):
        cells = [row.split() for row in rows]
        write(tmp_path, subject, [" ".join([c[0], "4", *c[2:]]) for c in cells])
    for (placement, scale), columns in BY_HAND.items():
        options = {"placement": placement, "accelerometer": scale, "min_bout_s": 0.005}
        adapter = Adapter(Storage(tmp_path), options)
        recordings = [adapter.load(take) for take in adapter.inventory().takes]
        got = np.concatenate([recording.imu for recording in recordings])
        assert_allclose(got, raw[:, columns], rtol=1e-6)
        assert [recording.duration_s for recording in recordings] == pytest.approx([0.01, 0.01])
        gravity[placement, scale] = np.linalg.norm(got[:, :3], axis=1)
    # Nearly at rest: both accelerometers of every IMU measure gravity, so these are their columns.
    for norm in gravity.values():
        assert_allclose(norm, 9.8, atol=1.4)


@pytest.mark.real
def test_activity_codes_are_those_of_the_real_files(real_data, tmp_path):
    with (real_data / "pamap2-reference/protocol_row_counts.csv").open() as file:
        counts = {
            row["activityID"]: int(row["rows_all_9_subjects"]) for row in csv.DictReader(file)
        }
    assert counts.pop("total") == sum(counts.values())
    codes = sorted(map(int, counts))
    assert codes == [TRANSIENT, *sorted(ACTIVITIES)]
    # A session with every code of them: none is taken for outside the protocol.
    write(tmp_path, 101, lines_of(session(codes)))
    inventory = Adapter(Storage(tmp_path), {"val": [], "test": []}).inventory()
    assert [take.label for take in inventory.takes] == [ACTIVITIES[code] for code in codes[1:]]
    assert reasons(inventory) == [("take", "transient between activities")]


@pytest.mark.parametrize("seconds", [0.03, 0.4, 2.0])
def test_rows_of_two_moments_are_dropped_where_the_clock_steps_back(tmp_path, seconds):
    """The sensor's clock is set back while walking: rows of the overlap are in no bout."""
    rows = session([4], seconds=10)
    half, values = len(rows) // 2, rows[:, BY_HAND["hand", "16g"]].astype(np.float32)
    rows[half:, 0] = np.round(rows[half:, 0] - seconds, 2)
    write(tmp_path, 101, lines_of(rows))
    adapter = Adapter(Storage(tmp_path), {"val": [], "test": []})
    inventory = adapter.inventory()
    counted = Counter(reasons(inventory))
    dropped = counted["row", "row where the clock steps back"]
    assert counted["row", "row out of order"] == 1
    assert 200 * seconds <= dropped <= 200 * seconds + 20
    assert sum(take.source[2] - take.source[1] for take in inventory.takes) == len(rows) - dropped
    twice = (rows[:, 0] >= rows[half, 0]) & (rows[:, 0] < rows[half, 0] + seconds - 1e-6)
    gone = {row.tobytes() for row in values[twice]}
    for take in inventory.takes:
        recording = adapter.load(take)
        assert not gone & {row.tobytes() for row in recording.imu}
        cleaned = clean(recording.imu_s, recording.imu, recording.imu_ok, 0.05)
        _, valid = resample_imu(cleaned.times, cleaned.values, recording.duration_s, 0.05)
        assert cleaned.dropped == {}
        assert len(inventory.takes) == 2 or 0 < np.count_nonzero(~valid) / 200 < seconds + 0.3


def test_rows_that_are_sent_again_are_copies_and_no_second_moment(tmp_path):
    rows = session([4], seconds=10)
    rows[100:120, 3:] = np.nan  # copies of what the radio lost are copies too
    write(tmp_path, 101, lines_of(np.concatenate([rows[:400], rows[50:]])))
    adapter = Adapter(Storage(tmp_path), {"val": [], "test": []})
    inventory = adapter.inventory()
    assert reasons(inventory) == [("row", "row out of order")]
    recording = adapter.load(inventory.takes[0])
    cleaned = clean(recording.imu_s, recording.imu, recording.imu_ok)
    assert cleaned.dropped == {"sample not finite": 40, "sample duplicated": 330}


@pytest.mark.parametrize("order", [("chest", "hand", "ankle"), ("hand", "chest")])
def test_several_placements_are_takes_of_one_moment(tmp_path, order):
    rows = session([4, TRANSIENT, 12, 4])
    for subject in (105, 106):
        write(tmp_path, subject, lines_of(rows))
    alone = Adapter(Storage(tmp_path), {"placement": order[0]}).inventory().takes
    adapter = Adapter(Storage(tmp_path), {"placement": [*order, order[0]]})
    inventory = adapter.inventory()
    places = {"hand": "wrist", "chest": "chest", "ankle": "ankle"}
    assert len(inventory.takes) == len(order) * len(alone) == len(order) * 6
    moments = {}
    for take in inventory.takes:
        moments.setdefault(take.moment_id or take.take_id, {})[take.place] = take
    assert set(moments) == {take.take_id for take in alone}
    names = {take.take_id: take for take in inventory.takes}
    assert [replace(names[take.take_id], source=None) for take in alone] == [
        replace(take, source=None) for take in alone
    ]
    for takes in moments.values():
        assert set(takes) == {places[placement] for placement in order}
        for placement in order:
            take = takes[places[placement]]
            _, first, end = take.source
            columns = BY_HAND[placement, "16g"]
            assert_allclose(adapter.load(take).imu, rows[first:end, columns], rtol=1e-6)
    with pytest.raises(AuraError, match="placement"):
        Adapter(Storage(tmp_path), {"placement": []})
