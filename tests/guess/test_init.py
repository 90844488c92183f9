"""`aura init` on ten folders of different kinds with a known truth: never wrong in silence."""

import json

import numpy as np
import pytest
import yaml

from aura.datasets.base import open_dataset
from aura.errors import AuraError
from aura.guess.draft import draft
from aura.guess.names import find_names, place_of
from aura.schema import JOINTS
from pipeline import init
from tests.datasets.folder import generate
from tests.formats import bodies, wearables

PEOPLE, ACTIVITIES = ("p1", "p2", "p3"), ("walk", "wave")


def every(name="{person}_{activity}_{trial}", trials=2, rate=100.0):
    """Name and motion of each recording."""
    for number, person in enumerate(PEOPLE):
        for activity in ACTIVITIES:
            for trial in range(1, trials + 1):
                seed = 100 * number + 10 * trial + (activity == "walk")
                yield (
                    name.format(person=person, activity=activity, trial=trial),
                    generate.motion(seed, rate, 8.0),
                )


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def plain(folder):
    for name, truth in every():
        put(
            folder,
            f"{name}_wrist-left.csv",
            generate.plain_csv(truth, "g", "deg/s", time=("t", "ms")),
        )
    return {"place": "wrist-left"}


def nested(folder):
    for name, truth in every("{person}/{activity}/trial{trial}", rate=50.0):
        put(folder, f"{name}.csv", generate.plain_csv(truth, time=("timestamp", "ns"), start=1.7e9))
    return {"rate": 50.0}


def sensor_logger(folder):
    for name, truth in every("{person}_{activity}_{trial}"):
        stamps = [round((t + 1.7e9) * 1e9) for t in truth.time_s]
        gravity = np.median(truth.accel[:100], axis=0)
        for sensor, values in (("TotalAcceleration", truth.accel), ("Gyroscope", truth.gyro),
                               ("Accelerometer", truth.accel - gravity)):  # fmt: skip
            columns = [stamps, list(map(float, truth.time_s)),
                       *(list(map(float, values[:, axis])) for axis in (2, 1, 0))]  # fmt: skip
            put(folder, f"{name}/{sensor}.csv",
                generate.table(["time", "seconds_elapsed", "z", "y", "x"], columns))  # fmt: skip
    return {}


def movella(folder):
    names = [
        "PacketCounter",
        "SampleTimeFine",
        "Acc_X",
        "Acc_Y",
        "Acc_Z",
        "Gyr_X",
        "Gyr_Y",
        "Gyr_Z",
    ]
    for name, truth in every(rate=60.0):
        stamps = [round(t * 1e6 + 2**32 - 3e6) % 2**32 for t in truth.time_s]
        columns = [list(range(len(stamps))), stamps, *truth.accel.T, *np.degrees(truth.gyro).T]
        above = "sep=,\nDeviceTag:,D1\nFirmwareVersion:,2.0.0\n"
        columns = [[v if isinstance(v, int) else float(v) for v in column] for column in columns]
        put(folder, f"{name}_shank_right.csv", generate.table(names, columns, above=above))
    return {"place": "shank-right", "rate": 60.0}


def phyphox(folder):
    names = ["Time (s)", *(f"Acceleration {a} (m/s^2)" for a in "xyz"),
             *(f"Gyroscope {a} (rad/s)" for a in "xyz")]  # fmt: skip
    for name, truth in every():
        columns = [list(map(float, c)) for c in (truth.time_s, *truth.accel.T, *truth.gyro.T)]
        put(folder, f"{name}_pocket.csv", generate.table(names, columns, "\t"))
    return {"place": "pocket"}


def semicolons(folder):
    for name, truth in every():
        data = generate.plain_csv(truth, "mg", "deg/s", time=("Time [us]", "us"))
        put(folder, f"{name}_chest.txt", data.replace(",", ";").replace(".", ","))
    return {"place": "chest"}


def two_places(folder):
    names = [
        "t_ms",
        *(f"{p}_{k}_{a}" for p in ("ankle", "waist") for k in ("acc", "gyr") for a in "xyz"),
    ]
    for name, truth in every():
        columns = [
            1000 * truth.time_s,
            *truth.accel.T,
            *truth.gyro.T,
            *truth.accel.T,
            *truth.gyro.T,
        ]
        put(folder, f"{name}.csv", generate.table(names, [list(map(float, c)) for c in columns]))
    return {"place": "ankle"}


def actigraph(folder):
    for name, truth in every(rate=30.0):
        counts = np.round(truth.accel / 9.80665 * 256).astype(int)
        records = [wearables.gt3x_second(1000 + i, counts[30 * i : 30 * i + 30]) for i in range(8)]
        put(folder, f"{name}.gt3x", wearables.gt3x(records))
    return {"place": "wrist-left", "rate": 30.0, "gyro": False}


def trc(folder):
    names = {j: "".join(p.title() if i else p[0].upper() for i, p in enumerate(j.split("-")))
             for j in JOINTS}  # fmt: skip
    names["nose"] = "Nose"
    for name, _ in every():
        points, labels = generate.skeleton(unit=0.001, names=names, up="y")
        put(folder, f"{name}.trc", bodies.trc(points, labels, "mm", 50.0))
    return {"mocap": True}


def no_stamps(folder):
    for name, truth in every():
        columns = [list(map(float, c)) for c in (*truth.accel.T, *truth.gyro.T)]
        names = ["ax", "ay", "az", "gx", "gy", "gz"]
        put(folder, f"{name}_wrist.csv", generate.table(names, columns))
    return {"place": "wrist", "rate": None}


KINDS = (plain, nested, sensor_logger, movella, phyphox, semicolons, two_places, actigraph, trc,
         no_stamps)  # fmt: skip


def opened(tmp_path, make):
    truth = make(tmp_path)
    found = draft(str(tmp_path))
    (tmp_path / "aura.yaml").write_text(found.text)
    adapter = open_dataset("folder", str(tmp_path), {})
    return truth, found, adapter, adapter.inventory()


@pytest.mark.parametrize("make", KINDS, ids=[make.__name__ for make in KINDS])
def test_ten_folders_are_read_as_they_were_made_or_say_what_is_missing(tmp_path, make):
    truth, found, adapter, inventory = opened(tmp_path, make)
    assert {t.participant_id for t in inventory.takes} == set(PEOPLE), found.text
    assert {t.label for t in inventory.takes} == set(ACTIVITIES)
    take = next(t for t in inventory.takes if t.participant_id == "p2" and t.label == "walk")
    if make is no_stamps:
        assert any("rate" in warning for warning in found.warnings)
        return
    recording = adapter.load(take)
    if truth.get("mocap"):
        expected, _ = generate.skeleton()
        hip = recording.mocap[:, JOINTS.index("left-hip")]
        assert hip[:, 2] == pytest.approx(expected[:, 7, 2], abs=2e-3)
        return
    assert take.place == truth.get("place")
    if "place" not in truth:
        assert any("place" in warning for warning in found.warnings)
    made = dict(every("{person}_{activity}_{trial}", rate=truth.get("rate", 100.0)))["p2_walk_1"]
    count = len(recording.imu)
    assert recording.imu[:, :3] == pytest.approx(made.accel[:count], abs=0.03), found.text
    if truth.get("gyro", True):
        assert recording.imu[:, 3:] == pytest.approx(made.gyro[:count], abs=2e-3), found.text
    else:
        assert np.isnan(recording.imu[:, 3:]).all()
    assert recording.imu_s == pytest.approx(made.time_s[:count], abs=2e-3)
    rates = [sensor.rate.value for _, _, sensor in found.sensors]
    assert rates[0] == pytest.approx(truth.get("rate", 100.0), rel=0.002)


def test_axes_that_do_not_go_together_are_a_warning(tmp_path):
    for name, truth in every():
        turned = generate.Truth(truth.time_s, truth.accel, truth.gyro[:, [1, 0, 2]] * [1, -1, 1])
        put(tmp_path, f"{name}_wrist.csv", generate.plain_csv(turned))
    assert any(
        "axes" in warning and "-y x z" in warning for warning in draft(str(tmp_path)).warnings
    )


def test_a_sensor_that_never_turned_has_no_sure_unit(tmp_path):
    random = np.random.default_rng(0)
    for name, truth in every():
        still = generate.Truth(
            truth.time_s, np.array([0, 0, 9.8]) + random.normal(0, 0.02, (800, 3)),
            random.normal(0, 0.5, (800, 3)),
        )  # fmt: skip
        put(tmp_path, f"{name}_wrist.csv", generate.plain_csv(still))
    found = draft(str(tmp_path))
    assert any("it may be deg/s" in warning for warning in found.warnings)


def test_places_are_told_by_many_spellings():
    expected = {"LeftWrist": "wrist-left", "wrist_l": "wrist-left", "RIGHTPOCKET": "pocket-right",
                "l_ankle": "ankle-left", "lower back": "back", "Acc": None, "p1": None,
                "rthigh": "thigh-right", "Chest": "chest"}  # fmt: skip
    assert {text: place_of(text) for text in expected} == expected


def test_names_of_different_lengths_have_the_words_in_the_middle():
    paths = [f"D_Subject_{p:02d}_ADL_{a}_{t}.csv" for p in (1, 2, 3) for t in (1, 2)
             for a in ("Walk", "Sit_Down", "Lie_On_Bed", "Run")]  # fmt: skip
    names = find_names(paths)
    assert names.pattern == "D_Subject_{person:\\d+}_ADL_{activity}_{trial:\\d+}.csv"
    assert set(names.parts["activity"]) == {"Walk", "Sit_Down", "Lie_On_Bed", "Run"}


def test_a_folder_without_recordings_is_told_in_a_sentence(tmp_path):
    put(tmp_path, "a.mat", b"x")
    with pytest.raises(AuraError, match=r"no reader for files with \.mat"):
        draft(str(tmp_path))
    with pytest.raises(AuraError, match="no folder"):
        draft(str(tmp_path / "absent"))


def test_the_command_writes_settings_once_and_adds_three_lines(tmp_path, monkeypatch):
    recordings = tmp_path / "my recordings"
    plain(recordings)
    monkeypatch.chdir(tmp_path)
    before = "seed: 7\ndatasets: # all\n  synthetic:\n    adapter: ego-exo4d\n    root: x\n"
    (tmp_path / "params.yaml").write_text(before)
    said = init.run(recordings, None, None, True, False)
    assert "my-recordings:\n    adapter: folder" in said
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert params["datasets"]["my-recordings"] == {"adapter": "folder", "root": str(recordings)}
    assert params["datasets"]["synthetic"] == {"adapter": "ego-exo4d", "root": "x"}
    first = (recordings / "aura.yaml").read_bytes()
    with pytest.raises(AuraError, match="--force"):
        init.run(recordings, None, None, False, False)
    init.run(recordings, None, "other", False, True)
    assert (recordings / "aura.yaml").read_bytes() == first
    with pytest.raises(AuraError, match="already"):
        init.run(recordings, None, "my-recordings", True, True)
    json.dumps(yaml.safe_load(first))  # plain values only
