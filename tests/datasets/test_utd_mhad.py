import numpy as np
import pytest
from scipy.io import loadmat, savemat

from aura.datasets.utd_mhad import Adapter, to_coco
from aura.errors import AuraError
from aura.schema import JOINTS
from aura.signals.lost import AT_ORIGIN, FROZEN
from aura.storage import Storage


def write(root, subjects=(1, 2, 5, 6, 9), actions=(1, 2), trials=(1, 4)):
    rng = np.random.default_rng(0)
    for folder in ("Inertial", "Skeleton"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "actions.csv").write_text("id,action\n1,wave\n2,draw x\n")
    for a in actions:
        for s in subjects:
            for t in trials:
                name = f"a{a}_s{s}_t{t}"
                inertial = rng.normal(size=(150, 6)) * [1, 1, 1, 90, 90, 90]
                savemat(root / f"Inertial/{name}_inertial.mat", {"d_iner": inertial})
                skeleton = rng.normal(scale=0.3, size=(20, 3, 57))  # metres
                savemat(root / f"Skeleton/{name}_skeleton.mat", {"d_skel": skeleton})
    return root


def test_splits_leave_subjects_out_and_hold_trials_for_validation(tmp_path):
    inventory = Adapter(Storage(write(tmp_path)), {}).inventory()
    splits = {t.take_name: t.split for t in inventory.takes}
    assert splits["a1_s1_t1"] == "train"
    assert splits["a1_s1_t4"] == "val"
    assert splits["a1_s6_t1"] == splits["a1_s6_t4"] == "test"
    assert [s.reason for s in inventory.skips] == ["subject is in no split"] * 4  # subject 9
    people = {
        s: {t.participant_id for t in inventory.takes if t.split == s} for s in ("train", "test")
    }
    assert not people["train"] & people["test"]


def test_units_and_one_clock_for_both(tmp_path):
    adapter = Adapter(Storage(write(tmp_path)), {})
    take = adapter.inventory().takes[0]
    recording = adapter.load(take)
    raw = loadmat(tmp_path / "Inertial/a1_s1_t1_inertial.mat")["d_iner"]
    np.testing.assert_allclose(recording.imu[:, :3], raw[:, :3] * 9.80665, rtol=1e-5)
    np.testing.assert_allclose(recording.imu[:, 3:], np.deg2rad(raw[:, 3:]), rtol=1e-5)
    assert recording.duration_s == 3.0
    assert (recording.mocap_s[0], recording.mocap_s[-1], len(recording.mocap_s)) == (0, 3.0, 57)
    assert [text.text for text in recording.texts] == ["wave"]


def test_stretched_sequences_tell_nothing_by_their_length(tmp_path):
    root = write(tmp_path, subjects=(1,), actions=(1,), trials=(1, 2))
    other = {"d_iner": np.ones((217, 6))}, {"d_skel": np.ones((20, 3, 91))}
    savemat(root / "Inertial/a1_s1_t2_inertial.mat", other[0])
    savemat(root / "Skeleton/a1_s1_t2_skeleton.mat", other[1])
    adapter = Adapter(Storage(root), {"stretch_s": 5.0})
    one, two = (adapter.load(take) for take in adapter.inventory().takes)
    assert len(one.imu) != len(two.imu)
    for recording in (one, two):
        assert recording.duration_s == 5.0
        for times in (recording.imu_s, recording.mocap_s):
            assert (times[0], times[-1]) == (0, 5.0)
            np.testing.assert_allclose(np.diff(times), 5 / (len(times) - 1))


def test_rates_of_the_stretched_clock_give_the_angle_that_was_turned(tmp_path):
    root = Storage(write(tmp_path, subjects=(1,), actions=(1,), trials=(1,)))

    def load(**options):
        adapter = Adapter(root, options)
        recording = adapter.load(adapter.inventory().takes[0])
        return recording, np.trapezoid(recording.imu[:, 3:], recording.imu_s, axis=0)

    (true, angle), (kept, wrong) = load(), load(stretch_s=6.0)
    (stretched, same) = load(stretch_s=6.0, stretch_rates=True)
    np.testing.assert_array_equal(kept.imu, true.imu)
    np.testing.assert_array_equal(stretched.imu[:, :3], true.imu[:, :3])
    assert (true.rate_stretch, kept.rate_stretch, stretched.rate_stretch) == (1, 1, 2)
    np.testing.assert_allclose(same, angle, rtol=0.01)  # 150 samples are 149 steps
    np.testing.assert_allclose(wrong, 2 * angle, rtol=0.01)
    with pytest.raises(AuraError, match="stretch_rates of utd-mhad needs stretch_s"):
        load(stretch_rates=True)


def test_kinect_joints_turn_upright_into_coco():
    kinect = np.zeros((1, 20, 3))
    kinect[0, 0] = (0.1, 1.6, 3.0)  # head: up is y
    kinect[0, 19] = 7  # a foot, which COCO lacks
    joints = to_coco(kinect)
    np.testing.assert_allclose(joints[0, JOINTS.index("nose")], (0.1, -3.0, 1.6), rtol=1e-6)
    assert np.isnan(joints[0, JOINTS.index("left-eye")]).all()
    assert np.isfinite(joints[0]).all(axis=1).sum() == 13
    assert not (joints == 7).any()
    # A rotation, not a mirror image: right-handed axes stay right-handed.
    axes = np.zeros((1, 20, 3))
    axes[0, 4], axes[0, 5], axes[0, 6] = np.eye(3)
    turned = to_coco(axes)[0][[JOINTS.index(f"left-{p}") for p in ("shoulder", "elbow", "wrist")]]
    assert np.linalg.det(turned) == pytest.approx(1)


def test_damaged_and_missing_files_are_skips(tmp_path):
    root = write(tmp_path, subjects=(1,), actions=(1,), trials=(1, 2, 3))
    (root / "Inertial/a1_s1_t1_inertial.mat").write_bytes(b"not a mat file")
    (root / "Skeleton/a1_s1_t2_skeleton.mat").unlink()
    savemat(root / "Skeleton/a1_s1_t3_skeleton.mat", {"d_skel": np.zeros((5, 3, 9))})
    adapter = Adapter(Storage(root), {})
    found = [adapter.load(take) for take in adapter.inventory().takes]
    assert [[s.reason for s in r.skips] for r in found] == [
        ["inertial file is corrupt"],
        ["no skeleton file"],
        ["skeleton file has the wrong shape"],
    ]
    assert len(found[0].imu) == 0
    assert len(found[0].mocap) == 57
    assert len(found[1].imu) == 150


@pytest.mark.parametrize("copy", ["Backup", "Inertial (copy)", "old/Inertial", "Skeleton/a"])
@pytest.mark.parametrize("name", ["a1_s1_t1_inertial.mat", "a01_s1_t01_inertial.mat"])
def test_a_file_that_is_there_twice_is_read_once_and_counted(tmp_path, copy, name):
    root = write(tmp_path, subjects=(1,), actions=(1,), trials=(1,))
    (root / copy).mkdir(parents=True)
    savemat(root / copy / name, {"d_iner": np.zeros((77, 6))})
    adapter = Adapter(Storage(root), {})
    inventory = adapter.inventory()
    assert [(s.modality, s.reason, s.where) for s in inventory.skips] == [
        ("file", "file is there twice", f"{copy}/{name}")
    ]
    assert len(inventory.takes) == 1
    assert len(adapter.load(inventory.takes[0]).imu) == 150  # of the data set's own folder


def test_wrong_folders_and_options_are_one_sentence(tmp_path):
    with pytest.raises(AuraError, match=r"no readable actions\.csv"):
        Adapter(Storage(tmp_path), {})
    (tmp_path / "actions.csv").write_text("id,action\n1,wave\n")
    with pytest.raises(AuraError, match="holds no"):
        Adapter(Storage(tmp_path), {}).inventory()
    with pytest.raises(AuraError, match=r"Subjects \[1\] are both"):
        Adapter(Storage(tmp_path), {"train": [1], "test": [1]})
    with pytest.raises(AuraError, match="Options of the adapter utd-mhad: tets"):
        Adapter(Storage(tmp_path), {"tets": [1]})


@pytest.mark.real
def test_the_real_folder(real_data):
    adapter = Adapter(Storage(real_data / "utd-mhad"), {})
    inventory = adapter.inventory()
    assert len(inventory.takes) == 430
    assert len(adapter.classes) == 27
    on_thigh = {t.label for t in inventory.takes if t.place == "thigh-right"}
    assert on_thigh == {adapter.actions[number] for number in range(22, 28)}
    assert {t.place for t in inventory.takes if t.label not in on_thigh} == {"wrist-right"}
    by_name = {take.take_name: take for take in inventory.takes}
    assert not {"a8_s1_t4", "a23_s6_t4"} & set(by_name)
    recording = adapter.load(by_name["a24_s1_t1"])
    assert recording.skips == ()
    # A wrist at rest measures gravity, whichever way it points.
    still = np.linalg.norm(recording.imu[:10, :3], axis=1).mean()
    assert still == pytest.approx(9.8, abs=1.0)
    # Standing up from the camera's frame: the head is above the hips and the hips above the ankles.
    heights = recording.mocap[..., 2].mean(axis=0)
    order = [heights[JOINTS.index(j)] for j in ("nose", "left-hip", "left-ankle")]
    assert order == sorted(order, reverse=True)


@pytest.mark.parametrize("stretch_s", [None, 5.0])
def test_frames_that_the_kinect_lost_are_masked_and_counted(tmp_path, stretch_s):
    root = write(tmp_path, subjects=(1,), actions=(1,), trials=(1, 2))
    path = root / "Skeleton/a1_s1_t1_skeleton.mat"
    skeleton = loadmat(path)["d_skel"]
    skeleton[:, :, 20:30] = 0
    skeleton[:, :, 40:48] = skeleton[:, :, 40:41]
    savemat(path, {"d_skel": skeleton})
    savemat(root / "Skeleton/a1_s1_t2_skeleton.mat", {"d_skel": np.zeros((20, 3, 57))})
    adapter = Adapter(Storage(root), {"stretch_s": stretch_s} if stretch_s else {})
    lost, empty = (adapter.load(take) for take in adapter.inventory().takes)
    seen = np.isfinite(lost.mocap).all(axis=2).any(axis=1)
    assert np.flatnonzero(~seen).tolist() == [*range(20, 30), *range(41, 48)]
    assert lost.counts == {AT_ORIGIN: 10 * 13, FROZEN: 7 * 13}
    assert [skip.reason for skip in empty.skips] == ["skeleton file has no joint"]
    assert np.isnan(empty.mocap).all()
    assert len(empty.imu) == 150
