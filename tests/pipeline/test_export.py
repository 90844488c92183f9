import json
import re
import sys

import numpy as np
import pytest
import torch

import aura
from aura import config, encoders
from aura.encoders import Shape
from aura.errors import AuraError
from pipeline import export
from tests.conftest import ROOT, run
from tests.inference.models import motion, snippets, write_model, write_teacher
from tests.small import seal

SMALL = {"width": 32, "layers": 1, "heads": 2}
KINDS = {
    "imu": [
        ("imu-transformer", SMALL),
        ("imu-transformer", {**SMALL, "stem": "conv", "position": "rotary", "pool": "attention"}),
        ("imu-transformer", {**SMALL, "pool": "timeline"}),
        ("imu2clip", {}),
        ("imu2clip", {"recurs": "channels"}),
    ],
    "mocap": [
        ("mocap-transformer", SMALL),
        ("mocap-transformer", {**SMALL, "tokens": "joints", "frames_per_token": 20}),
    ],
}
CASES = [(modality, *kind) for modality, kinds in KINDS.items() for kind in kinds]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a teacher and the joint and imu phases of a model."""
    identity = write_teacher(tmp_path / "models/teacher")
    for phase in ("joint", "imu"):
        write_model(tmp_path / "models/toy" / phase, identity, phase=phase)
    seal(tmp_path / "models/toy", "train")
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


PARAMS = """
study: [toy]
datasets: {toy: {adapter: utd-mhad, root: none}}
synthesize: {participants: {train: 1}}
embed: {prompts: ["{}"]}
train:
  imu: {pairs: [[imu, text]], epochs: 1, learning_rate: 0.001}
  joint: {pairs: [[imu, mocap]], epochs: 1, learning_rate: 0.001}
"""


def params():
    return config.load()


@pytest.mark.parametrize(("modality", "name", "options"), CASES)
def test_every_encoder_has_a_graph_that_gives_what_torch_gives(modality, name, options, tmp_path):
    torch.manual_seed(0)
    settings = config.Encoder(name=name, options=options)
    encoder = encoders.build(modality, settings, Shape(1000, 50, 64)).eval()
    path = tmp_path / f"{modality}.onnx"
    export.write_graph(encoder, path)
    assert export.difference(encoder, path) <= 1e-5
    assert str(ROOT).encode() not in path.read_bytes()
    assert sys.prefix.encode() not in path.read_bytes()
    # The check is one that can fail: another encoder's graph is far from it.
    twin = encoders.build(modality, settings, Shape(1000, 50, 64)).eval()
    assert export.difference(twin, path) > 1e-2


def test_the_windows_of_the_check_are_the_hard_ones():
    settings = config.Encoder(name="imu-transformer", options=SMALL)
    encoder = encoders.build("imu", settings, Shape(1000, 50, 64))
    signal, valid, channels = export.windows(encoder, 5, seed=0)
    assert signal.shape == (5, 1000, 6)
    assert not valid[1, 500:].any()
    assert valid[1, :500].any()
    assert channels[2].tolist() == [True] * 3 + [False] * 3
    assert not valid[3].any()
    assert 0.8 < valid[4].float().mean() < 1


def test_the_folder_stands_by_itself(project, tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    reports = project / "reports/toy/evaluate"
    reports.mkdir(parents=True)
    line = {"name": "IMU → text", "metric": "MRR", "value": 0.3457, "chance": 0.0484}
    line |= {"low": 0.3, "high": 0.4, "control": None, "n": 115}
    (reports / "details.json").write_text(json.dumps({"headlines": [line]}))
    folder = project / export.run(params(), "toy")
    assert folder == project / "exports/toy/joint"
    written = {path.name for path in folder.iterdir()}
    assert written == export.KNOWN - {"calibration.json"}  # evaluate has fitted none
    assert not list(project.rglob("*.partial"))

    signal = motion(200)[None]
    vectors = aura.load(folder).encode_imu(signal, 200)
    np.testing.assert_array_equal(vectors, aura.load("models/toy/joint").encode_imu(signal, 200))
    session = onnxruntime.InferenceSession(folder / "imu.onnx")
    inputs = {"signal": signal.transpose(0, 2, 1), "valid": np.ones((1, 1000), bool),
              "channels": np.ones((1, 6), bool)}  # fmt: skip
    (found,) = session.run(["embedding"], inputs)
    np.testing.assert_allclose(found, vectors, atol=1e-4)

    text = (folder / "README.md").read_text()
    assert "| IMU → text | MRR | 0.346 | 0.300 to 0.400 | 0.048 |" in text
    parameters, _ = encoders.cost(aura.load(folder).network.imu)
    assert f"| IMU | {parameters:,} |" in text
    (code,) = snippets(text)
    assert 'aura.load("exports/toy/joint"' in code
    exec(code, {})
    again = project / export.run(params(), "toy")  # an export gives way to a new one
    assert (again / "README.md").read_text() == text


def test_the_same_model_gives_the_same_bytes(project):
    before = {}
    for name in ("one", "two"):
        folder = export.run(params(), "toy", "imu", name)
        before[name] = (folder / "imu.onnx").read_bytes()
        assert not (folder / "mocap.onnx").exists()  # that phase has not trained it
        assert "## Evaluation" not in (folder / "README.md").read_text()
    assert before["one"] == before["two"]


def test_a_graph_that_differs_leaves_nothing(project, monkeypatch):
    monkeypatch.setattr(export, "write_graph", lambda encoder, path: path.write_bytes(b""))
    monkeypatch.setattr(export, "difference", lambda encoder, path: float("nan"))
    with pytest.raises(AuraError, match=r"imu\.onnx differs from torch by nan, more than 0\.0001"):
        export.run(params(), "toy")
    assert not list((project / "exports").rglob("*.*"))


def test_a_graph_that_cannot_be_run_is_a_sentence(tmp_path):
    settings = config.Encoder(name="imu-transformer", options=SMALL)
    encoder = encoders.build("imu", settings, Shape(1000, 50, 64))
    (tmp_path / "imu.onnx").write_bytes(b"no graph")
    with pytest.raises(AuraError, match=r"onnxruntime cannot run imu\.onnx") as caught:
        export.difference(encoder, tmp_path / "imu.onnx")
    assert "\n" not in str(caught.value)


def test_it_writes_over_nothing_that_is_not_its_own(project):
    (project / "mine").mkdir()
    (project / "mine/thesis.txt").write_text("x")
    for out, sentence in (
        ("mine", r"is no export \(thesis.txt\)"),
        ("mine/thesis.txt", "is no export"),
        ("models/toy/imu", "which DVC keeps"),
        (".", "is no export"),
    ):
        with pytest.raises(AuraError, match=sentence):
            export.run(params(), "toy", "joint", out)
    assert (project / "mine/thesis.txt").read_text() == "x"
    assert (project / "models/toy/imu/model.json").is_file()


def test_without_the_packages_it_says_how_to_get_them(project, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(AuraError, match=r"pip install .*\[onnx\]") as caught:
        export.run(params(), "toy")
    assert "\n" not in str(caught.value)


def test_the_command(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS)
    done = run("aura", "export", "--dataset", "toy", "--phase", "imu", cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(
        r"aura: There is nothing at models/toy yet; run `aura train` first\.",
        done.stderr.strip(),
    )
    assert "aura export" in run("aura", "export", "--help", cwd=ROOT).stdout
