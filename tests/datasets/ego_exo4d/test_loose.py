"""JSON as people's tools write it: what is plain is read, what is none is named by its place."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.datasets.ego_exo4d import index
from aura.datasets.ego_exo4d.loose import parse
from aura.datasets.ego_exo4d.pose import read_pose
from aura.errors import AuraError, CorruptFile
from aura.schema import JOINTS
from aura.storage import Storage
from tests.datasets.ego_exo4d.roots import copy_of, load_first, pose, reasons

INDEX = ("takes.json", "captures.json", "annotations/splits.json")
TEXTS = "annotations/atomic_descriptions_train.json"


def records(tmp_path, data):
    (tmp_path / "list.json").write_bytes(data)
    return list(index.stream_list(Storage(tmp_path), "list.json"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", [*INDEX, TEXTS])
def test_a_byte_order_mark_or_another_unicode_changes_nothing(clean_root, tmp_path, name, encoding):
    root = copy_of(clean_root, tmp_path)
    expected = load_first(root)
    (root / name).write_text((root / name).read_text(), encoding=encoding)
    take, recording = load_first(root)
    assert take == expected[0]
    assert recording.texts == expected[1].texts
    assert recording.skips == expected[1].skips


def test_a_number_that_is_none_costs_its_own_take(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    content = json.loads((root / "takes.json").read_text())
    bad = {**content[0], "take_uid": "bad", "take_name": "zz", "timesync_end_idx": float("nan")}
    content[0]["some_quality"] = float("-inf")
    (root / "takes.json").write_text(json.dumps([*content, bad]))
    assert "NaN" in (root / "takes.json").read_text()
    splits = json.loads((root / "annotations/splits.json").read_text())
    splits["take_uid_to_split"]["bad"] = "train"
    (root / "annotations/splits.json").write_text(json.dumps(splits))
    found = index.stream_list(Storage(root), "takes.json")
    assert [record["take_uid"] for record in found] == [t["take_uid"] for t in [*content, bad]]
    _, recording = load_first(root)
    assert recording.duration_s == 6.0
    found = [r for r in index.stream_list(Storage(root), "takes.json") if r["take_uid"] == "bad"]
    assert index.frame_count(index.take_source(found[0], None)) == 0


def test_a_text_whose_time_is_nan_is_dropped_alone(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    expected = load_first(root)[1].texts
    content = json.loads((root / TEXTS).read_text())
    uid = next(iter(content["annotations"]))
    content["annotations"][uid][0]["descriptions"][0]["timestamp"] = float("nan")
    (root / TEXTS).write_text(json.dumps(content))
    found = load_first(root)[1].texts
    assert len(found) == len(expected) - 1
    assert set(found) < set(expected)


def test_what_was_read_before_the_first_nan_is_not_read_twice(tmp_path):
    many = [{"take_uid": f"{n}", "pad": "x" * 1000} for n in range(5000)]  # several chunks
    data = json.dumps([*many, {"take_uid": "last", "quality": float("nan")}]).encode()
    found = records(tmp_path, data)
    assert [r["take_uid"] for r in found] == [r["take_uid"] for r in many] + ["last"]
    assert found[-1]["quality"] is None
    pairs = {r["take_uid"]: r for r in [*many, {"take_uid": "last", "q": float("nan")}]}
    (tmp_path / "texts.json").write_text(json.dumps({"annotations": pairs}))
    streamed = index.stream_annotations(Storage(tmp_path), "texts.json")
    assert [uid for uid, _ in streamed] == list(pairs)


@pytest.mark.parametrize(
    ("number", "value"),
    [("1e999", None), ("-Infinity", None), ("1" * 40, float("1" * 40)), ("7", 7), ("1e3", 1000.0)],
)
def test_numbers_beyond_a_double(tmp_path, number, value):
    assert records(tmp_path, f'[{{"a": {number}, "s": "NaN, 1e999"}}]'.encode()) == [
        {"a": value, "s": "NaN, 1e999"}
    ]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'[\n {"a": 1},\n {"a" 2}\n]', r"line 3, column 7: expecting ':' delimiter"),
        (b'[{"a": 1},\n {"b": 2}', r"line 2, column 10: it ends too early"),
        (b'[{"a": 1},]', r"line 1, column 11"),
        (b'[\n{"a": "M\xfcnchen"}]', r"line 2, column 9: byte 0xfc is not UTF-8"),
        (b'\xef\xbb\xbf[{"a": oops}]', r"line 1, column 8: expecting value"),
        (b'[{"a": 1}]\n[{"a": 2}]', r"line 2, column 1: extra data"),
        (b"", "line 1, column 1: it is empty"),
        (b"\0" * 40, "it is empty"),
        (b'{"a": 1}', "should hold a JSON list"),
        (b"[{}, 3]", "number 2 is none"),
    ],
)
def test_what_is_no_json_is_named_by_line_and_column(tmp_path, data, place):
    with pytest.raises(AuraError, match=place) as error:
        records(tmp_path, data)
    assert "list.json" in str(error.value)
    if "not valid" in str(error.value):
        assert "ownload it again" in str(error.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def finite(value):
    if isinstance(value, list):
        return [finite(v) for v in value]
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, float) and value - value != 0:
        return None
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value


@settings(max_examples=100, deadline=None)
@given(_JSON)
def test_all_but_what_is_not_finite_is_as_it_was(value):
    assert parse(json.dumps(value).encode()) == finite(value)


def test_a_body_pose_is_read_with_a_mark_and_nan_and_refused_by_its_place(clean_root, tmp_path):
    joint = {"x": 1.0, "y": 2.0, "z": float("nan"), "num_views_for_3d": 3}
    frame = [{"annotation3D": {JOINTS[0]: joint, JOINTS[5]: {**joint, "z": 3.0}}}]
    found = read_pose(json.dumps({"0": frame}).encode("utf-8-sig"))
    assert (found.joints[0, 5] == (1, 2, 3)).all()
    assert found.absent == len(JOINTS) - 1
    with pytest.raises(CorruptFile, match="line 2, column 6"):
        read_pose(b'{\n"0": oops}')
    root = copy_of(clean_root, tmp_path)
    take, _ = load_first(root)
    pose(root, take).write_text('{"0": [')
    _, recording = load_first(root, pose=["automatic"])
    assert reasons(recording)["mocap: body pose is corrupt"] == 1
    where = next(skip.where for skip in recording.skips if skip.modality == "mocap")
    assert "line 1, column 8" in where


def test_annotations_that_stand_in_two_files_count_once(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    expected = load_first(root)[1].texts
    content = json.loads((root / TEXTS).read_text())
    uid = next(iter(content["annotations"]))
    extra = {"text": "C waits.", "timestamp": 1.0, "subject": "C"}
    content["annotations"][uid][0]["descriptions"].append(extra)
    (root / TEXTS.replace("train", "val")).write_text(json.dumps(content))
    adapter_skips, recording = _load(root)
    assert len(recording.texts) == len(expected) + 1
    assert adapter_skips.count("text is there twice") >= len(expected)


def test_a_capture_of_two_names_is_counted(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    captures = json.loads((root / "captures.json").read_text())
    again = {**captures[0], "capture_name": "another"}
    (root / "captures.json").write_text(json.dumps([*captures, captures[0], again]))
    adapter_skips, recording = _load(root)
    assert adapter_skips.count("capture is listed twice") == 1
    assert len(recording.imu)


def _load(root):
    from aura.datasets.ego_exo4d import Adapter

    adapter = Adapter(Storage(root), {"splits": ["train", "val"]})
    inventory = adapter.inventory()
    return [skip.reason for skip in inventory.skips], adapter.load(inventory.takes[0])
