"""The option `virtual`, of all adapters alike."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from aura import config
from aura.datasets.base import VIRTUAL, open_dataset
from aura.datasets.utd_mhad import Adapter
from aura.errors import AuraError
from aura.signals.smooth import lowpass
from aura.signals.virtual import GRAVITY, virtual_imu
from aura.storage import Storage
from pipeline import resample
from pipeline import slice as slice_stage
from pipeline.fingerprint import fingerprint
from tests.conftest import ROOT

# Kinect's 20 joints of somebody who stands 3 m in front of it, y up.
_HEIGHTS = [1.6, 1.4, 1.1, 0.95, *[1.4, 1.1, 0.85, 0.8] * 2, *[0.95, 0.5, 0.1, 0.05] * 2]
_WIDTHS = [0, 0, 0, 0, *[0.2] * 4, *[-0.2] * 4, *[0.1] * 4, *[-0.1] * 4]


def write(root, frames=90, sway=0.0, samples=150):
    """One sequence; the whole body sways sideways at 1 Hz of true time."""
    for folder in ("Inertial", "Skeleton"):
        (root / folder).mkdir()
    (root / "actions.csv").write_text("id,action\n1,stand\n")
    time = np.linspace(0, samples / 50, frames)
    pose = np.stack([_WIDTHS, _HEIGHTS, np.full(20, 3.0)], axis=1)
    poses = np.repeat(pose[:, :, None], frames, axis=2)
    poses[:, 0] += sway * np.sin(2 * np.pi * time)
    poses += np.random.default_rng(0).normal(scale=1e-5, size=poses.shape)  # a sensor is not still
    savemat(root / "Inertial/a1_s1_t1_inertial.mat", {"d_iner": np.ones((samples, 6))})
    savemat(root / "Skeleton/a1_s1_t1_skeleton.mat", {"d_skel": poses})
    return root


def test_a_take_becomes_one_a_place_of_one_moment(tmp_path):
    root = str(write(tmp_path))
    plain = open_dataset("utd-mhad", root, {})
    adapter = open_dataset("utd-mhad", root, {"virtual": ["wrist-left", "waist"]})
    takes = adapter.inventory().takes
    assert [(t.take_id, t.place, t.moment_id, t.split, t.label) for t in takes] == [
        ("a1_s1_t1.wrist-left", "wrist-left", "a1_s1_t1", "train", "stand"),
        ("a1_s1_t1.waist", "waist", "a1_s1_t1", "train", "stand"),
    ]
    assert adapter.classes == plain.classes
    measured = plain.load(plain.inventory().takes[0])
    for take in takes:
        recording = adapter.load(take)
        np.testing.assert_array_equal(recording.mocap, measured.mocap)
        np.testing.assert_array_equal(recording.mocap_s, measured.mocap_s)
        assert recording.texts == measured.texts
        assert recording.skips == ()
        assert len(recording.imu_s) == len(recording.imu) == len(recording.imu_ok) == 601
        force = np.linalg.norm(recording.imu[recording.imu_ok, :3], axis=1)
        np.testing.assert_allclose(force, GRAVITY, atol=0.1)


def test_the_measured_takes_stay_beside_them_when_asked(tmp_path):
    root = str(write(tmp_path))
    options = {"virtual": {"places": ["thigh-right"], "measured": True}}
    adapter = open_dataset("utd-mhad", root, options)
    takes = adapter.inventory().takes
    assert [(t.take_id, t.moment_id) for t in takes] == [
        ("a1_s1_t1", "a1_s1_t1"),
        ("a1_s1_t1.thigh-right", "a1_s1_t1"),
    ]
    assert len(adapter.load(takes[0]).imu) == 150
    assert len(adapter.load(takes[1]).imu) == 601


@pytest.mark.parametrize("stretch_s", [None, 6.0])
def test_forces_are_those_of_true_time_also_where_the_clock_is_stretched(tmp_path, stretch_s):
    root = str(write(tmp_path, sway=0.1))
    options = {"virtual": ["chest"]} | ({"stretch_s": stretch_s} if stretch_s else {})
    adapter = open_dataset("utd-mhad", root, options)
    recording = adapter.load(adapter.inventory().takes[0])
    assert recording.duration_s == (stretch_s or 3.0)
    seconds = recording.imu_s[recording.imu_ok] / recording.stretch
    sideways = recording.imu[recording.imu_ok, 2]
    expected = 0.1 * (2 * np.pi) ** 2 * np.sin(2 * np.pi * seconds)
    # Kinect's x is to its own right, the left of who faces it; its z is the other way.
    assert abs(np.corrcoef(sideways, expected)[0, 1]) > 0.99
    assert np.ptp(sideways) == pytest.approx(np.ptp(expected), rel=0.1)
    np.testing.assert_allclose(np.diff(recording.imu_s), 1 / 200, rtol=1e-6)


def test_rates_are_those_of_the_stretched_clock_where_the_measured_ones_are(tmp_path):
    root = str(write(tmp_path, sway=0.1))

    def imu(**options):
        adapter = open_dataset("utd-mhad", root, {"virtual": ["chest"], "stretch_s": 6.0} | options)
        return adapter.load(adapter.inventory().takes[0]).imu

    true, stretched = imu(), imu(stretch_rates=True)
    np.testing.assert_array_equal(stretched[:, :3], true[:, :3])
    np.testing.assert_allclose(stretched[:, 3:], true[:, 3:] / 2, rtol=1e-6)


def test_mounting_is_random_by_take_and_the_same_again(tmp_path):
    root = str(write(tmp_path, sway=0.1))

    def imu(mount):
        options = {"virtual": {"places": ["waist", "chest"], "mount": mount}}
        adapter = open_dataset("utd-mhad", root, options)
        return [adapter.load(take).imu for take in adapter.inventory().takes]

    plain, one, again, other = imu(None), imu(5), imu(5), imu(6)
    np.testing.assert_array_equal(one, again)
    np.testing.assert_allclose(
        *(np.linalg.norm(found[0][:, :3], axis=1) for found in (plain, one)), atol=1e-4
    )
    assert all(np.abs(a[0] - b[0]).max() > 1 for a, b in ((plain, one), (one, other)))


def test_what_has_no_mocap_or_hides_the_joints_is_a_skip(tmp_path):
    root = write(tmp_path)
    skeleton = root / "Skeleton/a1_s1_t1_skeleton.mat"
    virtual = {"virtual": ["wrist"]}

    def reasons():
        adapter = open_dataset("utd-mhad", str(root), virtual)
        recording = adapter.load(adapter.inventory().takes[0])
        assert len(recording.imu_s) == 0
        return [skip.reason for skip in recording.skips if skip.modality == "imu"]

    poses = np.random.default_rng(0).normal(scale=0.3, size=(20, 3, 60))
    savemat(skeleton, {"d_skel": poses[:, :, :9]})
    assert reasons() == ["too few poses, so no virtual IMU"]
    poses[10] = 0  # the right wrist, at the origin
    savemat(skeleton, {"d_skel": poses})
    assert reasons() == ["joints are not seen, so no virtual IMU"]
    savemat(skeleton, {"d_skel": poses * 1000})
    assert reasons() == ["mocap is not in metres with z up, so no virtual IMU"]
    skeleton.unlink()
    assert reasons() == ["no mocap, so no virtual IMU"]


@pytest.mark.parametrize(
    ("virtual", "message"),
    [
        (["tail"], "No place 'tail'"),
        (["foot"], "markers of heel and toe"),
        (["wrist", "wrist"], "twice"),
        ({"places": ["wrist"], "seed": 3}, "seed"),
        ({"places": []}, "places"),
        ("wrist", "places"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, virtual, message):
    with pytest.raises(AuraError, match=message) as error:
        open_dataset("utd-mhad", str(write(tmp_path)), {"virtual": virtual})
    assert "\n" not in str(error.value)


def test_only_data_sets_with_the_option_depend_on_its_code():
    module = "aura/datasets/virtual.py"
    assert module not in fingerprint("adapter", "utd-mhad")["files"]
    with_it = fingerprint("adapter", "utd-mhad", also=[VIRTUAL])["files"]
    assert module in with_it
    assert "aura/datasets/utd_mhad.py" in with_it


def test_windows_know_their_place_and_moment(tmp_path, monkeypatch):
    root = write(tmp_path, sway=0.1)
    monkeypatch.chdir(tmp_path)
    virtual = "{places: [wrist-right, waist], measured: true}"
    overrides = [
        "ray.executor=local",
        f"datasets.utd-mhad.root={root}",
        f"datasets.utd-mhad.options={{stretch_s: 5.0, virtual: {virtual}}}",
    ]
    params = config.load(ROOT / "params.yaml", overrides, dataset="utd-mhad")
    resample.run(params, "utd-mhad")
    slice_stage.run(params, "utd-mhad")
    windows = pq.read_table(tmp_path / "data/windows/utd-mhad/part-00000.parquet").to_pylist()
    assert {(w["take_id"], w["place"], w["moment_id"]) for w in windows} >= {
        ("a1_s1_t1.wrist-right", "wrist-right", "a1_s1_t1"),
        ("a1_s1_t1.waist", "waist", "a1_s1_t1"),
    }
    assert all(w["has_imu"] and w["has_mocap"] for w in windows)
    assert {w["take_id"] for w in windows if w["moment_id"] == "a1_s1_t1"} >= {"a1_s1_t1"}


@pytest.mark.real
def test_how_near_a_kinect_comes_to_the_measured_sensor(real_data):
    """Correlation of the acceleration's magnitude up to 3 Hz: the figures of the docstring."""
    adapter = Adapter(Storage(real_data / "utd-mhad"), {})
    found = {"wrist": [], "thigh": []}
    for take in adapter.inventory().takes:
        recording = adapter.load(take)
        place = "wrist" if int(take.take_name[1:].split("_")[0]) <= 21 else "thigh"
        sensor = virtual_imu(recording.mocap_s, recording.mocap, [place], cutoff_hz=3.0)
        ok = sensor.ok[0]
        if ok.sum() < 200:
            continue
        virtual = np.linalg.norm(sensor.imu[0][ok, :3], axis=1)
        smooth = lowpass(recording.imu[:, :3], 50.0, 3.0)

        def agreement(lag, smooth=smooth, at=sensor.time_s[ok], s=recording.imu_s, virtual=virtual):
            measured = np.stack([np.interp(at + lag, s, axis) for axis in smooth.T], axis=1)
            return np.corrcoef(virtual, np.linalg.norm(measured, axis=1))[0, 1]

        lags = np.linspace(-0.4, 0.4, 21)
        found[place].append((agreement(0.0), max(map(agreement, lags))))
    medians = {place: np.median(figures, axis=0).round(3) for place, figures in found.items()}
    print({place: len(figures) for place, figures in found.items()}, medians)
    assert medians["wrist"] == pytest.approx((0.66, 0.81), abs=0.02)
    assert medians["thigh"] == pytest.approx((0.25, 0.52), abs=0.02)
