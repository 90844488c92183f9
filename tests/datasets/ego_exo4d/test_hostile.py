"""Index files that name what is not the data set's, or more than any recording has."""

import json
import resource
import shutil

import pytest

from aura.datasets.base import LONGEST_TAKE_S, Recording, open_dataset
from aura.datasets.ego_exo4d.index import FPS, frame_count
from aura.errors import AuraError, CorruptFile
from tests.datasets.ego_exo4d.roots import copy_of, edit, load_first

OUT = "path of {} leads out of the root"


def outside(root, take):
    """A copy of the take's folder beside the root, and the way there from it."""
    shutil.copytree(root / take["root_dir"], root.parent / "secret", dirs_exist_ok=True)
    return "../secret"


def lead_out(root, key, value):
    edit(root, "takes.json", lambda takes: [take.update({key: value}) for take in takes])
    return load_first(root)[1]


def reasons(recording, modality):
    return [skip.reason for skip in recording.skips if skip.modality == modality]


@pytest.mark.parametrize("absolute", [False, True])
def test_a_folder_outside_the_root_gives_neither_imu_nor_video(clean_root, tmp_path, absolute):
    root = copy_of(clean_root, tmp_path)
    takes = json.loads((root / "takes.json").read_text())
    way = outside(root, takes[0])
    recording = lead_out(root, "root_dir", str(root.parent / "secret") if absolute else way)
    assert recording.videos == ()
    assert not len(recording.imu)
    assert set(reasons(recording, "video")) == {OUT.format("video")}
    assert reasons(recording, "imu") == [OUT.format("VRS file")]


def test_a_video_by_a_path_out_of_the_root_is_left_out(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    (root.parent / "secret.mp4").write_bytes(b"secret")

    def change(takes):
        for take in takes:
            for streams in take["frame_aligned_videos"].values():
                for stream in streams.values():
                    stream["relative_path"] = "../../../secret.mp4"

    edit(root, "takes.json", change)
    recording = load_first(root)[1]
    assert recording.videos == ()
    assert set(reasons(recording, "video")) == {OUT.format("video")}
    assert len(recording.imu)  # the rest of the take stays


@pytest.mark.parametrize("name", ["../../secret", "a\0b", "/tmp"])
def test_a_clock_outside_the_root_is_none(clean_root, tmp_path, name):
    root = copy_of(clean_root, tmp_path)
    edit(root, "captures.json", lambda all_: [one.update(capture_name=name) for one in all_])
    recording = load_first(root)[1]
    expected = "no timesync.csv" if name == "/tmp" else OUT.format("timesync.csv")
    assert reasons(recording, "clock") == [expected]  # captures//tmp is in the root


def test_a_pose_outside_the_root_is_none(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    splits = json.loads((root / "annotations/splits.json").read_text())
    uid = "../../../../../../secret"
    splits["take_uid_to_split"][uid] = "train"
    (root / "annotations/splits.json").write_text(json.dumps(splits))
    recording = lead_out(root, "take_uid", uid)
    assert reasons(recording, "mocap") == [OUT.format("body pose")]


@pytest.mark.parametrize("end", [10**9, 10**18, LONGEST_TAKE_S * FPS + 10**6])
def test_a_range_of_more_than_a_day_costs_that_take_and_no_memory(clean_root, tmp_path, end):
    root = copy_of(clean_root, tmp_path)
    edit(root, "takes.json", lambda takes: [take.update(timesync_end_idx=end) for take in takes])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CorruptFile, match="no range of frames"):
        load_first(root)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_day_is_the_longest_take():
    longest = int(LONGEST_TAKE_S * FPS)
    assert frame_count({"start": 0, "end": longest}) == longest
    assert frame_count({"start": 0, "end": longest + 1}) == 0


@pytest.mark.parametrize("duration", [float("nan"), float("inf"), -1.0, LONGEST_TAKE_S + 1])
def test_no_adapter_gives_a_recording_of_an_impossible_length(clean_root, duration):
    sound = load_first(clean_root[0])[1]
    with pytest.raises(CorruptFile, match="a take has a day at most"):
        Recording(**(vars(sound) | {"duration_s": duration}))


@pytest.mark.parametrize("value", [["train"], "train", 3])
def test_splits_that_are_no_object_are_one_sentence(clean_root, tmp_path, value):
    root = copy_of(clean_root, tmp_path)
    (root / "annotations/splits.json").write_text(json.dumps({"take_uid_to_split": value}))
    with pytest.raises(AuraError, match="should hold a JSON object as take_uid_to_split"):
        open_dataset("ego-exo4d", str(root), {}).inventory()


@pytest.mark.parametrize(
    "change",
    [
        {"frame_aligned_videos": [1, "x"], "vrs_relative_path": None},
        {"frame_aligned_videos": "x", "vrs_relative_path": "/"},
        {"vrs_relative_path": ".."},
        {"vrs_relative_path": {"a": 1}, "root_dir": [1]},
        {"root_dir": "x" * 5000},
        {"root_dir": "a\0b", "task_id": "x", "best_exo": {}},
        {"participant_uid": [], "capture_uid": {}, "take_name": None, "root_dir": ""},
    ],
)
def test_values_of_other_types_cost_what_they_name(clean_root, tmp_path, change):
    root = copy_of(clean_root, tmp_path)
    edit(root, "takes.json", lambda takes: [take.update(change) for take in takes])
    _, recording = load_first(root)
    assert recording.skips
