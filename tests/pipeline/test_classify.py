"""`aura classify`: a time line from a file, honest about what it is."""

import json
import re
import shutil

import numpy as np
import pytest

import aura
from aura.errors import AuraError
from aura.evaluation.calibration import Calibration, log_probabilities, smooth
from pipeline import classify
from pipeline.classify import Asked
from pipeline.engine import paths
from pipeline.engine.files import write_json
from tests.inference.models import motion
from tests.inference.test_files import table, write

PROMPTS = ["running", "sitting"]


@pytest.fixture
def params(asked_project, tmp_path):
    write(tmp_path / "walk.csv", table(values=motion(100, 30.0).T))
    return asked_project


def told(params, asked, **more):
    return json.loads(classify.run(params, "tiny", "walk.csv", asked, as_json=True, **more))


def test_its_numbers_are_those_of_the_library(params):
    found = told(params, Asked(PROMPTS))
    encoders = aura.load("models/tiny/joint")
    start, vectors = encoders.encode_recording(motion(100, 30.0), 100)
    texts = encoders.encode_text([f"a person is {p}" for p in PROMPTS])
    cosines = vectors @ texts.T
    assert [w["start_s"] for w in found["windows"]] == start.tolist()
    np.testing.assert_allclose([w["cosines"] for w in found["windows"]], cosines, atol=1e-3)
    calibration = Calibration(found["scale"], found["threshold"])
    expected = np.exp(log_probabilities(smooth(cosines, start, 2.5, 3), calibration))
    got = [w["probabilities"] for w in found["windows"]]
    np.testing.assert_allclose(got, expected, atol=5e-3)
    assert found["answers"] == [*PROMPTS, "none of these"]
    assert found["segments"][0]["begin_s"] == 0
    assert found["segments"][-1]["end_s"] == pytest.approx(30)


def test_the_calibration_is_of_the_validation_windows_of_the_report(params):
    details = json.loads((paths.report("tiny", "evaluate") / "details.json").read_text())
    imu = details["calibration"]["modalities"]["imu"]
    found = told(params, Asked(PROMPTS))
    assert (found["scale"], found["threshold"]) == (imu["scale"], imu["threshold"])
    table = classify.run(params, "tiny", "walk.csv", Asked(PROMPTS))
    assert f"expected calibration error is {imu['smoothed']['ece']:.3f}" in table
    assert details["calibration"]["validation_windows"] == 23


def test_a_folder_with_its_calibration_beside_the_card_stands_by_itself(params, tmp_path):
    details = json.loads((paths.report("tiny", "evaluate") / "details.json").read_text())
    shutil.copytree("models/tiny/joint", "apart")
    shutil.copytree("models/teacher", "teacher")
    with pytest.raises(AuraError, match="has no calibration yet; run `aura evaluate` where"):
        told(params, Asked(PROMPTS, model="apart"))
    write_json(tmp_path / "apart/calibration.json", details["calibration"])
    apart, ours = told(params, Asked(PROMPTS, model="apart")), told(params, Asked(PROMPTS))
    assert apart["windows"] == ours["windows"]
    write_json(tmp_path / "apart/calibration.json", {**details["calibration"], "model_sha256": "0"})
    with pytest.raises(AuraError, match="is of other weights"):
        told(params, Asked(PROMPTS, model="apart"))
    write_json(tmp_path / "apart/calibration.json", {"prompts": ["no slot"], "model_sha256": "0"})
    with pytest.raises(AuraError, match="is no calibration: a prompt has not one"):
        told(params, Asked(PROMPTS, model="apart"))


def test_without_calibration_a_sentence_says_which_command_makes_it(params):
    (paths.report("tiny", "evaluate") / "details.json").write_text("{}")
    sentence = re.escape("has no calibration yet; run `aura evaluate --dataset tiny`")
    with pytest.raises(AuraError, match=sentence):
        told(params, Asked(PROMPTS))


def test_an_accelerometer_alone_is_taken_with_a_warning(params, tmp_path):
    write(tmp_path / "walk.csv", table(("ax", "ay", "az"), values=motion(100, 30.0).T[:, :3]))
    found = told(params, Asked(PROMPTS))
    assert any("no gyroscope" in sentence for sentence in found["warnings"])
    signal = np.vstack([motion(100, 30.0)[:3], np.full((3, 3000), np.nan)])
    encoders = aura.load("models/tiny/joint")
    _, vectors = encoders.encode_recording(signal, 100)
    texts = encoders.encode_text([f"a person is {p}" for p in PROMPTS])
    np.testing.assert_allclose(
        [w["cosines"] for w in found["windows"]], vectors @ texts.T, atol=1e-3
    )


def test_the_page_is_whole_and_the_same_again(params):
    classify.run(params, "tiny", "walk.csv", Asked(["<i>run</i>", "sitting"]))
    page = paths.report("tiny", "classify") / "walk.html"
    text = page.read_text()
    assert "<i>run</i>" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "none of these" in text
    assert text.count("<polyline") >= 6
    classify.run(params, "tiny", "walk.csv", Asked(["<i>run</i>", "sitting"]))
    assert page.read_text() == text


@pytest.mark.parametrize(
    ("prompts", "sentence"),
    [
        ([], "Say what it could be"),
        (["run", " "], "A prompt is empty"),
        (["none of these"], "is always among the answers"),
    ],
)
def test_prompts_that_say_nothing_are_refused(params, prompts, sentence):
    with pytest.raises(AuraError, match=sentence):
        told(params, Asked(prompts))


def test_sentences_are_asked_as_they_are(params):
    asked = told(params, Asked(["a person is running"], verbatim=True))
    phrase = told(params, Asked(["running"]))
    assert asked["windows"] == phrase["windows"]
