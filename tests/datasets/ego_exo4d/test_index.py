import pytest

from aura.datasets.base import open_dataset
from aura.datasets.ego_exo4d.index import aria_name, frame_count, is_true
from aura.errors import AuraError
from tests.datasets.ego_exo4d.roots import copy_of, edit, load_first


def test_no_download_is_one_sentence(tmp_path):
    with pytest.raises(AuraError, match=r"takes\.json is missing"):
        open_dataset("ego-exo4d", str(tmp_path), {}).inventory()
    (tmp_path / "takes.json").write_text("[")
    (tmp_path / "captures.json").write_text("[]")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/splits.json").write_text("{}")
    with pytest.raises(AuraError, match="not valid JSON"):
        open_dataset("ego-exo4d", str(tmp_path), {}).inventory()
    with pytest.raises(AuraError, match="There is no adapter 'nope'"):
        open_dataset("nope", str(tmp_path), {})
    with pytest.raises(AuraError, match="Options of the adapter ego-exo4d: imu"):
        open_dataset("ego-exo4d", str(tmp_path), {"imu": "imu-top"})


def test_booleans_and_names_as_the_annotations_write_them():
    assert [is_true(v) for v in (True, "1", "true", 1, "True")] == [True] * 5
    assert [is_true(v) for v in (False, "0", "false", 0, None, "")] == [False] * 6
    assert aria_name({"vrs_relative_path": "aria02.vrs"}) == "aria02"
    assert aria_name({"frame_aligned_videos": {"cam01": {}, "aria03": {}}}) == "aria03"


def test_a_take_without_a_person_is_its_captures(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    edit(root, "takes.json", lambda takes: [t.update(participant_uid=None) for t in takes])
    take, _ = load_first(root)
    assert take.participant_id == take.capture_id == clean_root[1][0].capture.uid


def test_a_capture_that_captures_json_lacks_is_taken_from_the_take(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    (root / "captures.json").write_text("[]")
    assert load_first(root)[1].skips == ()


@pytest.mark.parametrize(
    ("start", "end", "frames"), [(3, 9, 6), ("3", 9.0, 6), (9, 3, 0), (None, 3, 0), (-2, 3, 0)]
)
def test_ranges_of_frames(start, end, frames):
    assert frame_count({"start": start, "end": end}) == frames
    assert frame_count({"start": 0, "end": float("inf")}) == 0
