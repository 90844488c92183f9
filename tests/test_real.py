"""Real recordings through the same code: UTD-MHAD end to end, and Aria's VRS to 200 Hz."""

import json
import shutil

import numpy as np
import pytest

from aura.datasets.vrs import read_imu, to_device_frame
from aura.signals.imu import clean, resample_imu
from pipeline import embed, evaluate, report, resample, synthesize, teach, train
from pipeline import slice as slice_stage
from tests.conftest import ROOT, TINY, tiny_params

pytestmark = pytest.mark.real


def test_utd_mhad_learns_to_pair_and_the_control_does_not(real_data, tmp_path, monkeypatch):
    """A small, short training; the full figures are the README's."""
    from aura import config

    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    tiny = tiny_params("synthesize.take_seconds=6", "synthesize.flaws=false")
    synthesize.run(tiny)
    teach.run(tiny)
    overrides = [
        *(line for line in TINY if line.startswith(("teach", "train", "evaluate"))),
        "ray.executor=local",
        f"datasets.utd-mhad.root={real_data / 'utd-mhad'}",
        "train.imu.epochs=2",
        "train.joint.epochs=25",
        "train.joint.learning_rate=0.003",
        "train.twins={shuffled: 1, unnamed: false}",
        "train.joint.pairs=[[imu, mocap], [imu, text], [mocap, text]]",
        "train.mocap_encoder={name: mocap-transformer, "
        "options: {width: 64, layers: 1, heads: 2, pool: timeline}}",
        "train.imu_encoder={name: imu-transformer, "
        "options: {width: 64, layers: 1, heads: 2, patch: 40, stride: 40, pool: timeline}}",
    ]
    params = config.load(ROOT / "params.yaml", overrides, dataset="utd-mhad")
    for stage in (resample, slice_stage, embed, train, evaluate, report):
        stage.run(params, "utd-mhad")
    sliced = json.loads((tmp_path / "reports/utd-mhad/slice/metrics.json").read_text())
    assert sliced["windows_per_split"] == {"train": 243, "val": 80, "test": 107}
    details = json.loads((tmp_path / "reports/utd-mhad/evaluate/details.json").read_text())
    found = {
        (row["query"], row["gallery"]): row
        for row in details["retrieval"]
        if (row["pool_kind"], row["matching"]) == ("full", "strict")
    }
    pair = found["imu", "mocap"]
    assert pair["pool"] == 107
    assert pair["R@10"] > 3 * pair["R@10_chance"]
    headline = {line["name"]: line for line in details["headlines"]}["IMU → mocap"]
    assert headline["control"] <= 4 / 107  # of 107 queries, chance hits one
    assert "video" in (tmp_path / "reports/utd-mhad/report/index.html").read_text()


@pytest.mark.parametrize("label", ["imu-right", "imu-left"])
def test_a_real_aria_recording_resamples_to_200_hz(real_data, label):
    path = real_data / "aria-samples/aria_everyday_activities_test_data/recording.vrs"
    stream = read_imu(path, label)
    accel, gyro = to_device_frame(stream)
    seconds = (stream.timestamps_ns - stream.timestamps_ns[0]) / 1e9
    cleaned = clean(seconds, np.hstack([accel, gyro]), stream.accel_valid & stream.gyro_valid)
    got, valid = resample_imu(cleaned.times, cleaned.values, seconds[-1])
    # Half a filter is lost at both ends, nothing inside.
    assert valid.mean() > 0.6
    assert np.diff(np.flatnonzero(valid)).max() == 1
    # Worn by a person: about 1 g, and close to the plain mean of the native samples around.
    assert np.linalg.norm(got[valid, :3], axis=1).mean() == pytest.approx(9.8, abs=0.6)
    for k in np.flatnonzero(valid)[::10]:
        near = np.abs(cleaned.times - k / 200) < 0.004
        spread = cleaned.values[near].std(axis=0) + 0.05
        assert (np.abs(got[k] - cleaned.values[near].mean(axis=0)) < 4 * spread).all()


def test_the_two_imus_of_a_real_aria_agree_after_resampling(real_data):
    path = real_data / "aria-samples/aria_everyday_activities_test_data/recording.vrs"
    streams = {label: read_imu(path, label) for label in ("imu-right", "imu-left")}
    origin = min(int(stream.timestamps_ns[0]) for stream in streams.values())
    found = {}
    for label, stream in streams.items():
        accel, gyro = to_device_frame(stream)
        seconds = (stream.timestamps_ns - origin) / 1e9
        ok = stream.accel_valid & stream.gyro_valid
        cleaned = clean(seconds, np.hstack([accel, gyro]), ok)
        found[label] = resample_imu(cleaned.times, cleaned.values, 0.4)
    (right, right_ok), (left, left_ok) = found["imu-right"], found["imu-left"]
    both = right_ok & left_ok
    assert both.sum() > 30
    # One rigid body: the same rotation, and accelerations that differ by the lever arm only.
    assert np.abs(right[both, 3:] - left[both, 3:]).mean() < 0.03
    assert np.abs(right[both, :3].mean(0) - left[both, :3].mean(0)).max() < 0.3
