"""IMU and mocap arrays to vectors: rates, gaps, padding, batches, whole recordings."""

import warnings
from dataclasses import asdict

import numpy as np
import pytest
import torch

import aura
from aura import config, schema
from aura.datasets.base import Recording
from aura.learning import model as learned
from aura.learning.join import join_tables
from aura.signals import inputs
from aura.signals.imu import clean
from aura.signals.windows import TakeSignals, slice_take
from aura.teacher import clip
from tests.inference.models import motion, pose, write_model


def cosine(a, b):
    return (a * b).sum(axis=-1)


def recorded(seconds):
    """A recording with a hole of 0.9 s, a lost joint and a lost stretch of pose."""
    imu, joints = motion(1000, seconds).T.copy(), pose(30, seconds)
    imu[6000:6900] = np.nan
    joints[:, 3] = np.nan
    joints[200:300, 5:] = np.nan
    return imu, joints


@pytest.mark.parametrize("clock", ["timestamps", "authors"])
def test_a_recording_gives_the_windows_and_vectors_of_the_pipeline(project, tmp_path, clock):
    from collections import Counter

    from pipeline.resample import resample_recording

    seconds, params = 15, config.Resample(clock=clock)
    imu, joints = recorded(seconds)
    times, frames = np.arange(len(imu)) / 1000, np.arange(len(joints)) / 30
    recording = Recording(seconds, times, imu, np.ones(len(imu), bool), frames, joints, 30.0,
                          frames, (), (), ())  # fmt: skip
    signals = resample_recording(
        "take", recording, clean(times, imu, recording.imu_ok), params, Counter()
    )
    valid = [schema.to_numpy(signals, f"{m}_valid") for m in ("imu", "mocap")]
    take = TakeSignals(seconds, valid[0].reshape(-1), valid[1].reshape(-1, 17),
                       np.zeros(seconds), np.zeros(seconds), [], True)  # fmt: skip
    sliced, *_ = slice_take(take, config.Slice())
    rows = [
        {**asdict(w), "window_id": str(i), "take_id": "take", "participant_id": "p",
         "capture_id": "c", "split": "test", "label": None, "place": None,
         "moment_id": "take", "imu_channels": [True] * 6, "texts": []}
        for i, w in enumerate(sliced)
    ]  # fmt: skip
    texts = schema.texts_schema(clip.DIM).empty_table()
    videos = schema.videos_schema(clip.DIM).empty_table()
    windows = join_tables(signals, schema.from_rows(rows, schema.WINDOWS), texts, videos, 5.0)

    identity = clip.read_identity(project / "models/teacher")
    write_model(tmp_path / "model", identity, resample=params.model_dump())
    model = aura.load(tmp_path / "model")
    expected = learned.embed(model.network, windows, np.arange(len(windows)), ["imu", "mocap"])
    for modality, signal, rate in (("imu", imu.T, 1000), ("mocap", joints, 30)):
        has = windows.has[modality].numpy()
        begin, vectors = model.encode_recording(signal, rate, modality)
        np.testing.assert_array_equal(
            begin, [w.start_s for w in sliced if getattr(w, f"has_{modality}")]
        )
        np.testing.assert_allclose(vectors, expected[modality][has], atol=1e-5)
        assert (len(begin) == 5) == (clock == "authors")  # what is lost costs a window


def test_a_window_at_200_hz_goes_to_the_encoder_as_it_is(encoders):
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(4, 6, 1000)).astype(np.float32) * 5
    valid = np.ones((4, 1000), bool)
    valid[1, 300:420] = False
    signal[2, :, 700:] = np.nan
    measured = valid & np.isfinite(signal).all(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectors = encoders.encode_imu(signal, 200, valid)
    with torch.inference_mode():
        clean_signal = torch.from_numpy(np.nan_to_num(signal)).transpose(1, 2)
        expected = encoders.network.imu(clean_signal, torch.from_numpy(measured)).numpy()
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors.dtype, vectors.shape) == (np.float32, (4, 512))


def test_mocap_at_10_fps_is_canonicalized_and_no_more(encoders):
    from aura.signals.mocap import canonicalize

    joints = pose(10)[None]
    valid = np.random.default_rng(0).random((1, 50, 17)) > 0.4
    with torch.inference_mode():
        # Between two valid frames 0.1 s apart all is valid; a frame alone is not bridged over.
        local = torch.from_numpy(canonicalize(joints, valid))
        expected = encoders.network.mocap(local, torch.from_numpy(valid)).numpy()
    np.testing.assert_allclose(encoders.encode_mocap(joints, 10, valid), expected, atol=1e-5)
    hidden = np.where(valid[..., None], joints, np.nan)
    np.testing.assert_allclose(encoders.encode_mocap(hidden[0], 10), expected, atol=1e-5)


@pytest.mark.parametrize("rate", [50, 100, 128.5, 1000])
def test_the_rate_does_not_matter_to_a_smooth_motion(encoders, rate):
    at_200 = encoders.encode_imu(motion(200), 200)
    assert cosine(encoders.encode_imu(motion(rate), rate), at_200) > 0.99
    other = encoders.encode_imu(motion(200)[[1, 0, 2, 5, 4, 3]], 200)
    assert cosine(other, at_200) < 0.99  # the figure above says something


@pytest.mark.parametrize("rate", [20, 30, 59.94])
def test_nor_does_that_of_mocap(encoders, rate):
    at_10 = encoders.encode_mocap(pose(10), 10)
    assert cosine(encoders.encode_mocap(pose(rate), rate), at_10) > 0.99
    assert cosine(encoders.encode_mocap(pose(10)[::-1] * [1, -1, 1], 10), at_10) < 0.99


def test_a_short_window_is_padded_and_the_padding_is_not_measured(encoders):
    whole = motion(200)
    short = encoders.encode_imu(whole[:, :600], 200)
    rest_is_nan = whole.copy()
    rest_is_nan[:, 600:] = np.nan
    np.testing.assert_allclose(short, encoders.encode_imu(rest_is_nan, 200), atol=1e-6)
    rest_is_zero = whole.copy()
    rest_is_zero[:, 600:] = 0
    assert cosine(short, encoders.encode_imu(rest_is_zero, 200)) < 0.999


def test_a_channel_without_a_number_is_missing_and_not_zero(encoders):
    signal = np.stack([motion(200), motion(200)])
    signal[1, 3:] = np.nan
    vectors = encoders.encode_imu(signal, 200)
    channels = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    with torch.inference_mode():
        x = torch.from_numpy(np.nan_to_num(signal)).transpose(1, 2)
        expected = encoders.network.imu(x, torch.ones(2, 1000, dtype=torch.bool), channels).numpy()
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    zero = encoders.encode_imu(np.nan_to_num(signal[1]), 200)
    assert cosine(vectors[1], zero[0]) < 0.999


def test_many_windows_go_in_batches_and_each_as_it_would_alone(encoders, monkeypatch):
    monkeypatch.setattr("aura.inference.sensors.BATCH", 3)
    signal = np.stack([motion(100, begin=0.3 * i) for i in range(8)])
    signal[2, :, 100:140] = np.nan
    signal[5, 0] = np.nan
    vectors = encoders.encode_imu(signal, 100)
    alone = np.concatenate([encoders.encode_imu(window, 100) for window in signal])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)
    assert encoders.encode_imu(np.empty((0, 6, 500)), 100).shape == (0, 512)


def test_windows_are_resampled_together_as_each_alone():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(5, 6, 400)).astype(np.float32)
    signal[1, :, 50:90] = np.nan
    signal[3, :, 50:90] = np.nan
    recipe = config.Resample()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        together = inputs.resample(inputs.read("imu", signal), 130, recipe)
        alone = [inputs.resample(inputs.read("imu", x), 130, recipe) for x in signal]
    np.testing.assert_allclose(together.values, [x.values[0] for x in alone], atol=1e-6)
    np.testing.assert_array_equal(together.valid, [x.valid[0] for x in alone])
    assert together.valid[0].mean() > 0.95 > together.valid[1].mean()
