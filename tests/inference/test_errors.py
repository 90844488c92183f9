"""What is wrong with arrays, units and folders is said in one sentence."""

import re
import warnings

import numpy as np
import pytest

import aura
from aura.errors import AuraError
from tests.inference.models import motion, pose

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
