"""The adapter of folders: what `aura.yaml` says is what comes out, and its mistakes are told."""

import json

import numpy as np
import pytest

from aura.datasets.base import open_dataset
from aura.datasets.folder.patterns import Pattern, fill
from aura.datasets.folder.settings import parse
from aura.datasets.folder.splits import by_rule
from aura.datasets.folder.texts import read_cues
from aura.errors import AuraError, CorruptFile
from aura.schema import JOINTS
from tests.datasets.folder import generate
from tests.formats import bodies, wearables

IMU = {
    "files": "{person}_{activity}_{trial}.csv", "place": "wrist-left",
    "time": {"column": "time", "unit": "s"},
    "accel": {"columns": ["acc_x", "acc_y", "acc_z"], "unit": "m/s2"},
    "gyro": {"columns": ["gyr_x", "gyr_y", "gyr_z"], "unit": "rad/s"},
}  # fmt: skip
BASE = {"version": 1, "take": "{person}_{activity}_{trial}", "label": "{activity}", "imu": [IMU]}


def folder(path, settings, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (path / "aura.yaml").write_text(json.dumps(settings))  # JSON is YAML
    return open_dataset("folder", str(path), {})


def one(path, settings, files):
    adapter = folder(path, settings, files)
    inventory = adapter.inventory()
    return adapter.load(inventory.takes[0]), inventory


def changed(**keys):
    return {**BASE, "imu": [{**IMU, **keys}]}


TRUTH = generate.motion(0)


@pytest.mark.parametrize(
    ("accel", "gyro", "unit"),
    [("m/s2", "rad/s", "s"), ("g", "deg/s", "ms"), ("mg", "deg/s", "us"), ("g", "rad/s", "ns")],
)
def test_every_unit_ends_in_ours(tmp_path, accel, gyro, unit):
    settings = changed(
        time={"column": "time", "unit": unit}, accel={**IMU["accel"], "unit": accel},
        gyro={**IMU["gyro"], "unit": gyro},
    )  # fmt: skip
    data = generate.plain_csv(TRUTH, accel, gyro, time=("time", unit), start=1_700_000_000.0)
    recording, inventory = one(tmp_path, settings, {"p1_walk_1.csv": data})
    assert recording.imu[:, :3] == pytest.approx(TRUTH.accel, abs=1e-4)
    assert recording.imu[:, 3:] == pytest.approx(TRUTH.gyro, abs=1e-5)
    assert recording.imu_s == pytest.approx(TRUTH.time_s, abs=2e-4)
    take = inventory.takes[0]
    assert (take.participant_id, take.label, take.place) == ("p1", "walk", "wrist-left")
    assert recording.texts[0].text == "walk"


def test_axes_are_named_and_turned_round(tmp_path):
    settings = changed(accel={"columns": ["-acc_z", "acc_x", "-acc_y"], "unit": "m/s2"})
    recording, _ = one(tmp_path, settings, {"p1_walk_1.csv": generate.plain_csv(TRUTH)})
    expected = TRUTH.accel[:, [2, 0, 1]] * [-1, 1, -1]
    assert recording.imu[:, :3] == pytest.approx(expected, abs=1e-4)


def test_accelerometer_and_gyroscope_in_two_files_meet_on_one_clock(tmp_path):
    other = generate.motion(0, rate_hz=80.0)
    settings = changed(
        files="{person}_{activity}_{trial}_a.csv",
        gyro={**IMU["gyro"], "files": "{person}_{activity}_{trial}_g.csv"},
    )
    files = {"p1_walk_1_a.csv": generate.plain_csv(TRUTH, start=50.0),
             "p1_walk_1_g.csv": generate.plain_csv(other, start=50.3)}  # fmt: skip
    recording, _ = one(tmp_path, settings, files)
    silent = recording.imu_s < 0.29
    assert np.isnan(recording.imu[silent, 3:]).all()
    for axis in range(3):
        at = recording.imu_s[~silent & (recording.imu_s < 11.5)]
        expected = np.interp(at, other.time_s + 0.3, other.gyro[:, axis])
        assert recording.imu[~silent & (recording.imu_s < 11.5), 3 + axis] == pytest.approx(
            expected, abs=0.02
        )
    assert recording.counts["gyroscope is silent here"] >= silent.sum()


def test_rows_of_several_sensors_in_one_file_are_one_moment(tmp_path):
    rows = [
        (round(1000 * t), sensor, kind, *(source[i] * (1 + sensor)))
        for i, t in enumerate(TRUTH.time_s[:50])
        for sensor in (0, 1) for kind, source in ((0, TRUTH.accel), (1, TRUTH.gyro))
    ]  # fmt: skip
    columns = [list(map(float, column)) for column in zip(*rows, strict=True)]
    data = generate.table(["t", "sensor", "kind", "x", "y", "z"], columns)
    entries = [
        {
            "files": IMU["files"], "place": place, "rows": {"sensor": number},
            "time": {"column": "t", "unit": "ms"}, "clock": "shared",
            "accel": {"columns": ["x", "y", "z"], "unit": "m/s2", "rows": {"kind": 0}},
            "gyro": {"columns": ["x", "y", "z"], "unit": "rad/s", "rows": {"kind": 1}},
        }
        for number, place in enumerate(["ankle", "chest"])
    ]  # fmt: skip
    adapter = folder(tmp_path, {**BASE, "imu": entries}, {"p1_walk_1.csv": data})
    takes = adapter.inventory().takes
    assert [(t.take_id, t.place, t.moment_id) for t in takes] == [
        ("p1_walk_1_ankle", "ankle", "p1_walk_1"), ("p1_walk_1_chest", "chest", "p1_walk_1"),
    ]  # fmt: skip
    second = adapter.load(takes[1])
    assert second.imu[:, :3] == pytest.approx(2 * TRUTH.accel[:50], abs=1e-4)
    assert second.imu[:, 3:] == pytest.approx(2 * TRUTH.gyro[:50], abs=1e-4)


def test_devices_that_share_a_clock_keep_their_distance_and_an_offset_is_added(tmp_path):
    early, late = (generate.plain_csv(TRUTH, start=s) for s in (1000.0, 1000.75))
    second = {**IMU, "files": "{person}_{activity}_{trial}_b.csv", "place": "waist",
              "clock": "shared", "offset_s": 0.5}  # fmt: skip
    settings = {**BASE, "imu": [{**IMU, "files": "{person}_{activity}_{trial}_a.csv",
                                 "clock": "shared"}, second]}  # fmt: skip
    adapter = folder(tmp_path, settings, {"p1_walk_1_a.csv": early, "p1_walk_1_b.csv": late})
    starts = [adapter.load(take).imu_s[0] for take in adapter.inventory().takes]
    assert starts == pytest.approx([0.0, 1.25])


def test_a_column_of_activities_is_cut_into_bouts(tmp_path):
    activity = ["sit"] * 400 + ["walk"] * 500 + ["x"] * 20 + ["sit"] * 280
    data = generate.plain_csv(TRUTH).splitlines()
    lines = [data[0] + ",activity", *(f"{a},{b}" for a, b in zip(data[1:], activity, strict=True))]
    settings = {**BASE, "label": None, "take": "{person}",
                "labels": {"sit": "sitting", "walk": "walking"},
                "imu": [{**IMU, "files": "{person}.csv", "bouts": "activity"}]}  # fmt: skip
    adapter = folder(tmp_path, settings, {"p1.csv": "\n".join(lines)})
    inventory = adapter.inventory()
    assert [(t.take_id, t.label) for t in inventory.takes] == [
        ("p1_000", "sitting"), ("p1_001", "walking"), ("p1_002", "sitting"),
    ]  # fmt: skip
    assert [s.reason for s in inventory.skips] == ["bout shorter than 1 s"]
    walking = adapter.load(inventory.takes[1])
    assert walking.imu[:, :3] == pytest.approx(TRUTH.accel[400:900], abs=1e-4)
    assert walking.imu_s[0] == pytest.approx(0)


@pytest.mark.parametrize(
    ("unit", "metres"), [("mm", 0.001), ("cm", 0.01), ("m", 1), ("inch", 0.0254)]
)
@pytest.mark.parametrize("up", ["y", "z"])
def test_mocap_in_any_unit_with_any_axis_up(tmp_path, unit, metres, up):
    names = {"left-shoulder": "LShoulder", "right-shoulder": "RShoulder", "nose": "Nose"}
    names |= {f"{s}-{p}": f"{s[0].upper()}{p.title()}" for s in ("left", "right")
              for p in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}  # fmt: skip
    truth, _ = generate.skeleton()
    points, labels = generate.skeleton(unit=metres, names=names, up=up)
    settings = {**BASE, "imu": [], "mocap": [{"files": "{person}_{activity}_{trial}.trc",
                "skeleton": "opensim", "unit": unit, "up": up}]}  # fmt: skip
    recording, _ = one(
        tmp_path, settings, {"p1_walk_1.trc": bodies.trc(points, labels, unit, 50.0)}
    )
    hip = recording.mocap[:, JOINTS.index("left-hip")]
    expected = truth[:, 7] if up == "z" else truth[:, 7][:, [1, 0, 2]] * [1, -1, 1]  # but heading
    assert hip == pytest.approx(expected, abs=1e-3)
    assert np.isnan(recording.mocap[:, JOINTS.index("left-ear")]).all()
    assert recording.mocap_s[1] == pytest.approx(0.02)
    wrong = {**settings, "mocap": [{**settings["mocap"][0], "unit": "m" if unit != "m" else "mm"}]}
    adapter = folder(tmp_path, wrong, {})
    with pytest.raises(CorruptFile, match="another unit"):
        adapter.load(adapter.inventory().takes[0])


def test_an_accelerometer_of_another_format_and_its_sleep(tmp_path):
    second = lambda at: wearables.gt3x_second(at, np.tile([0, 0, 256], (30, 1)))  # noqa: E731
    records = [*(second(1000 + i) for i in range(3)), wearables.gt3x_record(3, 1003, b"\x08"),
               wearables.gt3x_record(3, 1013, b"\x09"),
               *(second(1013 + i) for i in range(3))]  # fmt: skip
    settings = {**BASE, "imu": [{"files": "{person}_{activity}_{trial}.gt3x", "place": None,
                "accel": {"columns": ["accel_x", "accel_y", "accel_z"], "unit": "g"}}]}  # fmt: skip
    recording, _ = one(tmp_path, settings, {"p1_walk_1.gt3x": wearables.gt3x(records)})
    assert recording.imu[0, :3] == pytest.approx([0, 0, 9.80665])
    assert np.isnan(recording.imu[:, 3:]).all()
    assert recording.counts == {"second of idle sleep": 10}
    assert np.diff(recording.imu_s).max() == pytest.approx(10 + 1 / 30)


def test_tables_and_captions_tell_labels_and_texts(tmp_path):
    settings = {
        **BASE, "take": "{person}_{trial}", "label": "{task}",
        "imu": [{**IMU, "files": "{person}_{trial}.csv"}],
        "tables": [{"file": "trials.csv", "key": "id", "value": "{person}_{trial}",
                    "parts": {"task": "what"}}],
        "texts": [{"files": "{person}_{trial}.vtt"},
                  {"file": "said.csv", "key": "id", "value": "{person}_{trial}", "text": "text",
                   "start": "from", "end": "to", "unit": "ms"}],
    }  # fmt: skip
    files = {
        "p1_1.csv": generate.plain_csv(TRUTH), "trials.csv": "id,what\np1_1,wave\n",
        "p1_1.vtt": "WEBVTT\n\n1\n00:01.500 --> 00:03.000\nlifts <i>an</i> arm\n\n"
                    "00:50.000 --> 00:51.000\ntoo late\n\n00:03.000 --> 00:02.000\nbackwards\n",
        "said.csv": "id,text,from,to\np1_1,waves,2000,4000\np2_1,other,0,1\n",
    }  # fmt: skip
    recording, inventory = one(tmp_path, settings, files)
    assert inventory.takes[0].label == "wave"
    texts = [(t.text, t.time_s, t.end_s) for t in recording.texts if t.source == "texts"]
    assert texts == [("lifts an arm", 1.5, 3.0), ("waves", 2.0, 4.0)]
    assert [s.reason for s in recording.skips] == [
        "cue without a text or a span", "text is outside its take",
    ]  # fmt: skip


def test_srt_has_commas_and_hours():
    cues, bad = read_cues(b"1\r\n01:00:02,500 --> 01:00:03,250\r\ntwo\r\nlines\r\n\r\n")
    assert cues == [("two lines", 3602.5, 3603.25)]
    assert bad == 0


def test_people_are_split_by_the_rule_that_is_stated():
    assert by_rule(["a"]) == {"a": "train"}
    assert by_rule(["p2", "p10", "p1"]) == {"p1": "train", "p2": "train", "p10": "test"}
    assert by_rule(map(str, range(4))) == {"0": "train", "1": "train", "2": "val", "3": "test"}
    counts = list(by_rule(map(str, range(20))).values())
    assert [counts.count(s) for s in ("train", "val", "test")] == [12, 4, 4]


def test_patterns_are_short_parts_without_slashes():
    pattern = Pattern("**/S{person:\\d+}/{activity}_{trial}*.csv")
    found = {"person": "01", "activity": "Walk", "trial": "2"}
    assert pattern.match("a/b/S01/Walk_2.CSV") == found
    assert pattern.match("Sx/walk_1.csv") is None
    assert pattern.match("S1/deep/walk_1.csv") is None
    assert fill("{a}-{b}", {"a": "1"}) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": 1}, "colour: there is no such key"),
        ({"imu": [{**IMU, "unit": "g"}]}, "imu.0.unit: there is no such key"),
        ({"imu": [{**IMU, "accel": {"columns": ["a", "b"], "unit": "g"}}]}, "imu.0.accel.columns"),
        ({"imu": [{**IMU, "accel": {"columns": ["a", "b", "c"], "unit": "kg"}}]},
         "imu.0.accel.unit"),
        ({"imu": [{**IMU, "files": "{a:(}.csv"}]}, "imu.0.files: '{a:(}.csv' is no pattern"),
        ({"version": 2}, "version: Input should be 1"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_in_a_sentence(change, said):
    with pytest.raises(AuraError) as error:
        parse(json.dumps({**BASE, **change}).encode(), "aura.yaml")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [b"", b"- 1", b"a: [", b"\xff\xfe\x00"])
def test_what_is_no_settings_file_is_told(text):
    with pytest.raises(AuraError):
        parse(text, "aura.yaml")


def test_bad_files_are_counted_with_a_reason_and_stop_no_others(tmp_path):
    files = {
        "p1_walk_1.csv": generate.plain_csv(TRUTH), "p1_walk_2.csv": "",
        "p2_walk_1.csv": "a,b\n1,2\n",
        "deep/p1_walk_1.csv": "x", "other.csv": "1,2\n", "p3_jump_1.csv": generate.plain_csv(TRUTH),
    }  # fmt: skip
    adapter = folder(tmp_path, {**BASE, "labels": {"walk": "walking"}}, files)
    inventory = adapter.inventory()
    reasons = {skip.reason for skip in inventory.skips}
    assert reasons == {
        "file is named by no pattern of aura.yaml", "label is not among those of aura.yaml",
        "person has no take",
    }  # fmt: skip
    good, empty, other = inventory.takes
    assert len(adapter.load(good).imu) == 1200
    for take, reason in ((empty, "cannot be read"), (other, "not the columns")):
        with pytest.raises(CorruptFile, match=reason):
            adapter.load(take)


def test_without_a_settings_file_the_command_that_writes_one_is_named(tmp_path):
    with pytest.raises(AuraError, match="aura init"):
        open_dataset("folder", str(tmp_path), {})


def test_samples_without_stamps_and_rate_are_never_guessed(tmp_path):
    settings = changed(time=None)
    adapter = folder(tmp_path, settings, {"p1_walk_1.csv": generate.plain_csv(TRUTH)})
    with pytest.raises(CorruptFile, match="neither stamps nor a rate"):
        adapter.load(adapter.inventory().takes[0])
