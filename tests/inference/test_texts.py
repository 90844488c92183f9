"""Texts and classes in words."""

import numpy as np
import pytest
import torch

import aura
from aura.errors import AuraError
from aura.inference import Encoders
from aura.teacher import clip
from tests.inference.models import motion, write_teacher


class FakeTeacher:
    """Every text has the vector that was planted for it."""

    def __init__(self, planted):
        self.planted = planted

    def encode_text(self, texts, words_of=None):
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
    expected = clip.load(project / "models/teacher").encode_text(texts)
    np.testing.assert_array_equal(encoders.encode_text(texts), expected)
    write_teacher(tmp_path / "other", seed=9)
    with pytest.raises(AuraError, match="is not the one that the model was trained with"):
        aura.load(project / "models/toy/joint", teacher=tmp_path / "other")
    with pytest.raises(AuraError, match="There is no teacher at"):
        aura.load(project / "models/toy/joint", teacher=tmp_path / "nowhere")
    with pytest.raises(AuraError, match=r"load\(path, teacher=FOLDER\)"):
        Encoders(encoders.network, encoders.card).encode_text(texts)
