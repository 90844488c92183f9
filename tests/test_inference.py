import json
import re
import warnings
from dataclasses import asdict

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import ModelCard
from open_clip.transform import PreprocessCfg
from safetensors.torch import save_file

import aura
from aura import config, schema
from aura.datasets.base import Recording
from aura.encoders import Shape
from aura.errors import AuraError
from aura.inference import Encoders
from aura.learning import batches
from aura.learning import model as learned
from aura.report import card
from aura.report.card_metadata import readable
from aura.signals import inputs
from aura.signals.imu import clean
from aura.signals.windows import TakeSignals, slice_take
from aura.teacher import clip

SMALL = {"width": 32, "layers": 2, "heads": 2}
METRICS = {
    "imu_zero-shot": {"macro-F1": 0.9613, "low": 0.9027, "high": 1.0, "chance": 0.1203,
                      "control": 0.0826},
    "video_zero-shot": {"macro-F1": 0.7865, "low": 0.6161, "high": 0.9176, "chance": 0.1212},
    "imu_to_text": {"MRR": 0.3457, "chance": 0.0484},
}  # fmt: skip


def write_teacher(folder, seed=0):
    """The smallest open_clip model, as `aura teach` lays it."""
    folder.mkdir(parents=True)
    settings = {"model_cfg": clip.stand_in_config(32, 64, 1),
                "preprocess_cfg": asdict(PreprocessCfg(size=32))}  # fmt: skip
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    torch.manual_seed(seed)
    network = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    identity = clip.identify(network, "stand-in", "trained by `aura teach`", True)
    (folder / "teacher.json").write_text(json.dumps(asdict(identity)))
    return identity


def write_model(folder, identity, phase="joint", **more):
    """A model with random weights, and the card that `aura train` gives it."""
    torch.manual_seed(1)
    settings = config.Train(
        imu=config.Phase(pairs=[("imu", "text")], epochs=1, learning_rate=1e-3),
        joint=config.Phase(
            pairs=[("imu", "text"), ("mocap", "text")], epochs=1, learning_rate=1e-3
        ),
        imu_encoder=config.Encoder(name="imu-transformer", options=SMALL),
        mocap_encoder=config.Encoder(name="mocap-transformer", options=SMALL),
    )
    shape = Shape(1000, 50, clip.DIM)
    network = learned.Model(shape, settings.imu_encoder, settings.mocap_encoder, settings.loss)
    network.imu.scale.copy_(torch.tensor([[0, 0, 9.8, 0, 0, 0], [3.0, 3, 3, 1, 1, 1]]))
    learned.save(
        network,
        folder,
        {
            "dataset": "toy", "phase": phase, "shape": asdict(shape), "teacher": asdict(identity),
            "settings": settings.model_dump(mode="json"), "seed": 7, **more,
        },
    )  # fmt: skip


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inference")
    identity = write_teacher(folder / "models/teacher")
    write_model(folder / "models/toy/joint", identity)
    write_model(folder / "models/toy/imu", identity, phase="imu")
    return folder


@pytest.fixture(scope="session")
def encoders(project):
    return aura.load(project / "models/toy/joint")


def motion(rate, seconds=5.0, begin=0.0):
    """A smooth motion, the same at any rate: (6, T), m/s2 and rad/s."""
    t = begin + np.arange(round(seconds * rate)) / rate
    phases = np.arange(6)[:, None]
    signal = 2 * np.sin(2 * np.pi * (0.7 + 0.6 * phases) * t + phases)
    signal[2] += 9.81
    return signal.astype(np.float32)


def pose(rate, seconds=5.0):
    """A person of 1.7 m who walks and swings: (F, 17, 3)."""
    t = np.arange(round(seconds * rate))[:, None, None] / rate
    body = np.random.default_rng(3).uniform([-0.3, -0.3, 0], [0.3, 0.3, 1.7], size=(17, 3))
    swing = 0.2 * np.sin(2 * np.pi * t + np.arange(17)[:, None])
    return (body + swing + np.array([1.2, 0.3, 0]) * t + [4, -2, 0]).astype(np.float32)


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
    found, _ = slice_take(take, config.Slice())
    rows = [
        {**asdict(w), "window_id": str(i), "take_id": "take", "participant_id": "p",
         "capture_id": "c", "split": "test", "label": None, "texts": []}
        for i, w in enumerate(found)
    ]  # fmt: skip
    texts = schema.texts_schema(clip.DIM).empty_table()
    videos = schema.videos_schema(clip.DIM).empty_table()
    windows = batches.build(signals, schema.from_rows(rows, schema.WINDOWS), texts, videos, 5.0)

    identity = clip.read_identity(project / "models/teacher")
    write_model(tmp_path / "model", identity, resample=params.model_dump())
    model = aura.load(tmp_path / "model")
    expected = learned.embed(model.network, windows, np.arange(len(windows)), ["imu", "mocap"])
    for modality, signal, rate in (("imu", imu.T, 1000), ("mocap", joints, 30)):
        has = windows.has[modality].numpy()
        begin, vectors = model.encode_recording(signal, rate, modality)
        np.testing.assert_array_equal(
            begin, [w.start_s for w in found if getattr(w, f"has_{modality}")]
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
    seen = np.random.default_rng(0).random((1, 50, 17)) > 0.4
    with torch.inference_mode():
        # What lies between two seen frames 0.1 s apart is seen; a frame alone is not bridged over.
        local = torch.from_numpy(canonicalize(joints, seen))
        expected = encoders.network.mocap(local, torch.from_numpy(seen)).numpy()
    np.testing.assert_allclose(encoders.encode_mocap(joints, 10, seen), expected, atol=1e-5)
    hidden = np.where(seen[..., None], joints, np.nan)
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


class FakeTeacher:
    """Every text has the vector that was planted for it."""

    def __init__(self, planted):
        self.planted = planted

    def encode_text(self, texts):
        return np.stack([self.planted[text] for text in texts])


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_classify_finds_the_planted_class_at_the_temperature_of_the_model(encoders):
    model = Encoders(encoders.network, encoders.card)
    signal = np.stack([motion(100), motion(100)[[1, 0, 2, 5, 4, 3]]])
    vectors = model.encode_imu(signal, 100)
    noise = unit(np.random.default_rng(0).normal(size=(2, 512))).astype(np.float32)
    planted = {
        "a": vectors[0],
        "b": vectors[1],
        "a+": unit(vectors[0] + noise[0] / 20),
        "c": noise[1],
    }
    model.__dict__["_teacher"] = FakeTeacher(planted)
    plain = model.classify(signal, ["c", "b", "a"], rate_hz=100)
    assert plain.best == ["a", "b"]
    logits = vectors @ np.stack([planted[name] for name in plain.names]).T
    expected = torch.from_numpy(logits / 0.07).softmax(dim=1).numpy()
    np.testing.assert_allclose(plain.probabilities, expected, rtol=1e-4)
    several = model.classify(signal, {"first": ["a", "a+"], "second": ["b"]}, rate_hz=100)
    assert (several.names, several.best) == (["first", "second"], ["first", "second"])
    mean = unit(np.mean([planted["a"], planted["a+"]], axis=0))
    logits = np.stack([vectors @ mean, vectors @ planted["b"]], axis=1)
    expected = torch.from_numpy(logits / 0.07).softmax(dim=1).numpy()
    np.testing.assert_allclose(several.probabilities, expected, rtol=1e-4)


def test_text_is_that_of_the_teacher_and_of_no_other(project, encoders, tmp_path):
    texts = ["a person is cooking", "a person is dancing"]
    own = clip.load(project / "models/teacher").encode_text(texts)
    np.testing.assert_array_equal(encoders.encode_text(texts), own)
    write_teacher(tmp_path / "other", seed=9)
    with pytest.raises(AuraError, match="is not the one that the model was trained with"):
        aura.load(project / "models/toy/joint", teacher=tmp_path / "other")
    with pytest.raises(AuraError, match="There is no teacher at"):
        aura.load(project / "models/toy/joint", teacher=tmp_path / "nowhere")
    with pytest.raises(AuraError, match=r"load\(path, teacher=FOLDER\)"):
        Encoders(encoders.network, encoders.card).encode_text(texts)


GOOD = motion(100)
ERRORS = {
    "has shape (N, 6, T) or (6, T), channels before time": lambda e: e.encode_imu(GOOD.T, 100),
    "not (2, 3, 6, 100)": lambda e: e.encode_imu(np.zeros((2, 3, 6, 100)), 100),
    "COCO-17 joints": lambda e: e.encode_mocap(np.zeros((4, 16, 3)), 30),
    "Say how many samples a second": lambda e: e.encode_imu(GOOD),
    "above 0, not -1": lambda e: e.encode_imu(GOOD, -1),
    "above 0, not nan": lambda e: e.encode_imu(GOOD, float("nan")),
    "above 0, not '100'": lambda e: e.encode_imu(GOOD, "100"),
    "Window 1 holds nothing that was measured": lambda e: e.encode_imu(
        np.stack([GOOD, GOOD * np.nan]), 100
    ),
    "The recording holds nothing": lambda e: e.encode_recording(GOOD * np.nan, 100),
    "longer than the model's window of 5 s": lambda e: e.encode_imu(motion(100, 12), 100),
    "array of numbers": lambda e: e.encode_imu([["a", "b"]], 100),
    "valid is of dtype bool and shape (1, 500)": lambda e: e.encode_imu(GOOD, 100, np.ones(500)),
    "has shape (6, T)": lambda e: e.encode_recording(GOOD[None], 100),
    "the least is 0.1 s": lambda e: e.encode_recording(GOOD, 100, stride_s=0),
    "imu or mocap, not 'video'": lambda e: e.classify(GOOD, ["a"], 100, "video"),
    "list of strings": lambda e: e.encode_text("a person"),
    "list of strings.": lambda e: e.classify(GOOD, "a person", 100),
    "Each class has a list": lambda e: e.classify(GOOD, {"a": "a person"}, 100),
    "at least one prompt": lambda e: e.classify(GOOD, {"a": []}, 100),
}


@pytest.mark.parametrize("sentence", ERRORS)
def test_what_is_wrong_is_one_sentence(encoders, sentence):
    with pytest.raises(AuraError, match=re.escape(sentence)) as caught:
        ERRORS[sentence](encoders)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_phase_without_mocap_offers_none(project):
    model = aura.load(project / "models/toy/imu")
    assert model.encode_imu(GOOD, 100).shape == (1, 512)
    with pytest.raises(AuraError, match="trained without mocap"):
        model.encode_mocap(pose(30), 30)
    with pytest.raises(AuraError, match="There is no model at"):
        aura.load(project / "models/toy/nothing")
    with pytest.raises(AuraError, match="torch has no device 'abacus'"):
        aura.load(project / "models/toy/imu", device="abacus")


@pytest.mark.parametrize(
    ("signal", "warning"),
    [
        (motion(100) / 9.80665, "looks like g;"),
        (motion(100) * np.array([[1000]] * 3 + [[1]] * 3), "not that of a body"),
        (motion(100) * np.array([[1], [1], [1], [57.3], [57.3], [57.3]]), "looks like degrees"),
    ],
)
def test_another_unit_is_a_warning_that_points_at_the_call(encoders, signal, warning):
    with pytest.warns(UserWarning, match=warning) as caught:
        encoders.encode_imu(signal, 100)
    assert [w.filename for w in caught] == [__file__]


def test_the_right_units_warn_of_nothing(encoders):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoders.encode_imu(motion(100), 100)
        encoders.encode_mocap(pose(30), 30)
    with pytest.warns(UserWarning, match="expected in metres"):
        encoders.encode_mocap(pose(30) * 1000, 30)


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


def read_card(project, **more):
    return {**json.loads((project / "models/toy/joint/model.json").read_text()), **more}


def numbers(line):
    return [x for v in line.values() for x in (numbers(v) if isinstance(v, dict) else [v])]


def test_the_card_names_every_figure_and_none_that_is_not_there(project):
    text = card.markdown(read_card(project), METRICS)
    for name, line in METRICS.items():
        row = next(r for r in text.splitlines() if r.startswith(f"| {readable(name)} |"))
        for value in numbers(line):
            assert f"{value:.3f}" in row, (name, value)
    bare = card.markdown(read_card(project))
    for section in ("Evaluation", "Size"):
        assert f"## {section}" not in bare
    prose = re.sub(r"```.*?```|`[0-9a-f]{64}`|arXiv [\d.]+", "", bare, flags=re.DOTALL)
    assert not re.findall(r"\d\.\d{3}", prose)
    nested = card.markdown(read_card(project), {"heads": {"5 shots": {"accuracy": 0.4321}}})
    assert "0.432" in nested


def test_the_metadata_of_the_card_is_what_the_hub_reads(project):
    text = card.markdown(read_card(project), METRICS)
    data = ModelCard(text).data
    assert (data.library_name, data.datasets) == ("aura", ["toy"])
    assert data.tags == ["imu", "mocap", "clip", "contrastive-learning"]
    assert data.model_name == "AURA encoders, toy, phase joint"
    assert {
        (r.task_type, r.dataset_type, r.dataset_split, r.metric_type, r.metric_name, r.metric_value)
        for r in data.eval_results
    } == {
        ("zero-shot-classification", "toy", "test", "f1", "IMU zero-shot, macro-F1", 0.9613),
        ("zero-shot-classification", "toy", "test", "f1", "video zero-shot, macro-F1", 0.7865),
        ("retrieval", "toy", "test", "mrr", "IMU → text, MRR", 0.3457),
    }
    assert ModelCard(card.markdown(read_card(project))).data.eval_results is None


def test_the_card_tells_what_the_model_is_and_where_it_came_from(project):
    counts = {"participants": 7, "takes": 56, "windows": 1234, "hours": 0.25, "with mocap": 1200}
    content = read_card(
        project, adapter="ego-exo4d", data={"train": counts}, code="c0de" * 16,
        cost={"imu": {"parameters": 1234567, "flops": 89_100_000}},
        best={"epoch": 3, "val_mrr": 0.3456, "temperature": 0.0651, "loss": 2.0},
    )  # fmt: skip
    text = card.markdown(content)
    for line in (
        "| train | 7 | 56 | 1,234 | 0.25 | 1,200 |", "| IMU | 1,234,567 | 89.1 M |", "epoch 4",
        "0.346", "0.0651", "c0de" * 16, content["teacher"]["weights_sha256"], "adapter `ego-exo4d`",
        "**Warning.** The teacher is the stand-in", "m/s2 with gravity", ", ".join(schema.JOINTS),
    ):  # fmt: skip
        assert line in text
    published = {
        **content["teacher"],
        "stand_in": False,
        "model": "ViT-B-32",
        "pretrained": "openai",
    }
    other = card.markdown({**content, "teacher": published})
    assert "ViT-B-32, openai" in other
    assert "stand-in" not in other
    without_mocap = card.markdown(read_card(project, data={"train": {**counts, "with mocap": 0}}))
    assert "encode_mocap" not in without_mocap
    assert "The mocap encoder of this phase was not trained" in without_mocap


def snippets(text):
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("phase", ["joint", "imu"])
def test_the_example_of_the_card_runs(project, monkeypatch, capsys, phase):
    monkeypatch.chdir(project)
    text = card.markdown(json.loads((project / f"models/toy/{phase}/model.json").read_text()))
    (code,) = snippets(text)
    known = {}
    exec(code, known)
    assert known["vectors"].shape == (3, 512)
    assert known["found"].probabilities.shape == (3, 2)
    assert ("poses" in known) == (phase == "joint")
    assert capsys.readouterr().out


def test_import_aura_is_light_and_load_is_there():
    import subprocess
    import sys

    code = (
        "import sys, aura\n"
        "print('load' in dir(aura), [m for m in ('torch', 'numpy') if m in sys.modules])\n"
        "print(aura.load.__module__, aura.Encoders.__name__, 'open_clip' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True []", "aura.inference Encoders False"]
