"""One take of the synthetic root: what is read is what was written, damage counted."""

import json
import shutil

import numpy as np
import pytest

from aura.datasets.ego_exo4d import Adapter
from aura.datasets.vrs import read_imu
from aura.datasets.vrs.imu import INSTANCES
from aura.errors import CorruptFile
from aura.storage import Storage
from tests.datasets.ego_exo4d.roots import copy_of, edit, load_first, pose, reasons, timesync, vrs


def test_a_clean_take_is_complete(clean_root):
    root, plans = clean_root
    take, recording = load_first(root)
    plan = next(p for p in plans if p.take_uid == take.take_id)
    assert (take.split, take.label) == ("train", plan.activity)
    assert (recording.skips, recording.counts) == ((), {})
    assert recording.duration_s == pytest.approx(6.0)
    assert recording.imu_s.min() < 0.01
    assert recording.imu_s.max() > 5.99
    assert np.median(np.diff(recording.imu_s)) == pytest.approx(1e-3, rel=0.05)
    # Gravity: the mean specific force of a person on the spot is about 1 g.
    assert np.linalg.norm(recording.imu[:, :3].mean(axis=0)) == pytest.approx(9.81, abs=0.8)
    assert recording.mocap.shape == (180, 17, 3)
    assert recording.frame_rate_hz == pytest.approx(30, rel=1e-3)
    assert [video.camera for video in recording.videos] in (["cam01", "cam02"], ["cam02", "cam01"])
    assert all((root / video.path).is_file() for video in recording.videos)
    assert recording.texts
    assert all(0 <= text.time_s <= 6 for text in recording.texts)


def test_imu_and_mocap_share_one_clock(clean_root):
    """Head acceleration from mocap and from the IMU line up best at no lag."""
    _, recording = load_first(clean_root[0])
    nose = recording.mocap[:, 0].astype(float)
    rate = 30.0
    grid = np.arange(0.3, 5.7, 1 / rate)
    height = np.interp(grid, recording.mocap_s, nose[:, 2])
    smooth = np.convolve(height, np.hanning(7) / np.hanning(7).sum(), "same")
    from_mocap = np.gradient(np.gradient(smooth)) * rate**2
    force = np.linalg.norm(recording.imu[:, :3], axis=1) - 9.81
    window = np.hanning(230) / np.hanning(230).sum()
    order = np.argsort(recording.imu_s)
    from_imu = np.interp(grid, recording.imu_s[order], np.convolve(force[order], window, "same"))
    inner = slice(20, -20)
    scores = {
        lag: np.corrcoef(np.roll(from_imu, lag)[inner], from_mocap[inner])[0, 1]
        for lag in range(-12, 13)
    }
    best = max(scores, key=lambda lag: scores[lag])
    assert abs(best) <= 2, scores


def test_the_best_camera_comes_first_and_another_stands_in(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    takes = json.loads((root / "takes.json").read_text())
    for take in takes:
        take["best_exo"] = "cam02"
    (root / "takes.json").write_text(json.dumps(takes))
    take, recording = load_first(root)
    assert [v.camera for v in recording.videos] == ["cam02", "cam01"]
    (root / recording.videos[0].path).unlink()
    _, recording = load_first(root)
    assert [v.camera for v in recording.videos] == ["cam01"]
    assert reasons(recording) == {"video: video file is missing": 1}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda root, take: vrs(root, take).write_bytes(b"x" * 500), "imu: VRS file is corrupt"),
        (lambda root, take: vrs(root, take).unlink(), "imu: no VRS file"),
        (lambda root, take: pose(root, take).write_text("{"), "mocap: body pose is corrupt"),
        (lambda root, take: pose(root, take).write_text('{"a": 1}'), "mocap: body pose is corrupt"),
        (lambda root, take: timesync(root).write_text("a,b\n"), "clock: timesync.csv is corrupt"),
        (lambda root, take: timesync(root).unlink(), "clock: no timesync.csv"),
    ],
)
def test_damage_is_a_skip_of_its_modality(clean_root, tmp_path, damage, reason):
    root = copy_of(clean_root, tmp_path)
    take, _ = load_first(root)
    shutil.rmtree(root / "annotations/ego_pose/train/body/annotation", ignore_errors=True)
    damage(root, take)
    _, recording = load_first(root)
    assert reasons(recording)[reason] == 1
    assert recording.texts


@pytest.mark.parametrize("end", [None, "x", 0])
def test_a_take_without_a_range_of_frames_cannot_be_opened(clean_root, tmp_path, end):
    root = copy_of(clean_root, tmp_path)
    takes = json.loads((root / "takes.json").read_text())
    for take in takes:
        take["timesync_end_idx"] = end
    (root / "takes.json").write_text(json.dumps(takes))
    with pytest.raises(CorruptFile, match="no range of frames"):
        load_first(root)


def test_go_pros_are_cameras_and_pseudo_cameras_and_arias_are_not(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    folder = root / "takes" / load_first(root)[0].take_name / "frame_aligned_videos"
    for path in folder.rglob("cam01.mp4"):
        path.rename(path.with_name("gp01.mp4"))

    def rename(takes):
        for take in takes:
            streams = take["frame_aligned_videos"].pop("cam01")
            streams["0"]["relative_path"] = "frame_aligned_videos/gp01.mp4"
            take["frame_aligned_videos"]["gp01"] = streams
            take["frame_aligned_videos"]["collage"]["0"]["relative_path"] = "collage.mp4"

    edit(root, "takes.json", rename)
    _, recording = load_first(root)
    assert {video.camera for video in recording.videos} == {"gp01", "cam02"}


def test_448_pixels_are_preferred_and_full_size_stands_in(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    _, recording = load_first(root)
    small = root / recording.videos[0].path
    assert "/downscaled/448/" in recording.videos[0].path
    full = small.parents[2] / small.name
    shutil.copy(small, full)
    assert load_first(root)[1].videos == recording.videos
    small.unlink()
    _, other = load_first(root)
    assert root / other.videos[0].path == full
    assert other.skips == ()


def test_vrs_is_found_with_and_without_its_name_in_the_index(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    take, before = load_first(root)
    for name in ("aria01.vrs", "aria01_noimagestreams.vrs", None):
        edit(root, "takes.json", lambda ts, n=name: [t.update(vrs_relative_path=n) for t in ts])
        np.testing.assert_array_equal(load_first(root)[1].imu_s, before.imu_s)
    vrs(root, take).rename(vrs(root, take).with_name("aria01.vrs"))  # with image streams
    np.testing.assert_array_equal(load_first(root)[1].imu_s, before.imu_s)


def test_calibration_frame_and_time_offsets_can_be_switched(clean_root):
    root, _ = clean_root
    take, device = load_first(root)
    stream = read_imu(vrs(root, take), "imu-right")
    known = stream.calibration
    _, raw = load_first(root, rectify=False, frame="sensor", time_offsets=False)
    _, rectified = load_first(root, frame="sensor")
    _, turned = load_first(root, rectify=False)
    first = int(np.flatnonzero(stream.accel[:, 0] == raw.imu[0, 0])[0])
    sample = stream.accel[first].astype(float)
    np.testing.assert_array_equal(raw.imu[0], [*stream.accel[first], *stream.gyro[first]])
    fixed = np.linalg.solve(known.accel_rectification, sample - known.accel_bias)
    rotation = known.transform_device_imu[:3, :3]

    def near(recording):
        """The same sample elsewhere: time offsets move which samples are near the take."""
        at = raw.imu_s[0] + (recording.imu_s[0] != raw.imu_s[0]) * known.accel_time_offset_s
        return recording.imu[np.argmin(np.abs(recording.imu_s - at)), :3]

    np.testing.assert_allclose(near(rectified), fixed, rtol=1e-5)
    np.testing.assert_allclose(near(turned), rotation @ sample, rtol=1e-5)
    np.testing.assert_allclose(near(device), rotation @ fixed, rtol=1e-5)
    assert raw.gyro_lag_s == 0
    assert device.gyro_lag_s == pytest.approx(known.gyro_time_offset_s - known.accel_time_offset_s)
    assert abs(device.gyro_lag_s) > 4e-4


def test_a_recording_that_lost_its_index_is_read_and_counted(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    take, expected = load_first(root)
    path = vrs(root, take)
    raw = bytearray(path.read_bytes())
    raw[24:32] = bytes(8)  # where the index is: never written
    path.write_bytes(raw)
    _, recording = load_first(root)
    np.testing.assert_array_equal(recording.imu, expected.imu)
    np.testing.assert_array_equal(recording.imu_s, expected.imu_s)
    assert reasons(recording) == {"imu: VRS file has lost its index, all its records are read": 1}


def test_both_imus_of_the_glasses_are_takes_of_one_moment(clean_root):
    root, _ = clean_root
    alone = {imu: Adapter(Storage(root), {"splits": ["train"], "imu": imu}) for imu in INSTANCES}
    both = Adapter(Storage(root), {"splits": ["train"], "imu": ["imu-right", "imu-left"]})
    takes = both.inventory().takes
    first = takes[::2]
    assert [t.take_id for t in first] == [t.take_id for t in alone["imu-right"].inventory().takes]
    assert {t.moment_id for t in first} == {""}
    for take, other in zip(first, takes[1::2], strict=True):
        assert (take.place, other.place) == ("head-right", "head-left")
        assert (other.take_id, other.moment_id) == (f"{take.take_id}.head-left", take.take_id)
        assert (other.split, other.label) == (take.split, take.label)
        (left,) = (t for t in alone["imu-left"].inventory().takes if t.take_id == take.take_id)
        assert (left.place, left.moment_id) == ("head-left", "")
        for one, where, same in ((take, "imu-right", take), (other, "imu-left", left)):
            got, expected = both.load(one), alone[where].load(same)
            np.testing.assert_array_equal(got.imu, expected.imu)
            np.testing.assert_array_equal(got.imu_s, expected.imu_s)
            np.testing.assert_array_equal(got.mocap, expected.mocap)
            assert (got.videos, got.texts, got.skips) == (expected.videos, expected.texts, ())
        assert not np.array_equal(both.load(take).imu, both.load(other).imu)
