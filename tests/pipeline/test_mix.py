"""A mixture through the stages that take it like a data set, and what is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from aura.errors import AuraError
from aura.learning import training
from pipeline import evaluate, export, finetune, mix, report, train
from pipeline.study import joined
from tests.conftest import tiny_params

MIXTURE = "mixtures.both={sources: [synthetic, utd-mhad], weights: {synthetic: 3}}"


@pytest.fixture(scope="module")
def place(repro, tmp_path_factory):
    """The smallest study, and its data again under another name."""
    folder = tmp_path_factory.mktemp("mix")
    for name in ("signals", "windows", "embeddings"):
        for other in ("synthetic", "utd-mhad"):
            shutil.copytree(repro / f"data/{name}/synthetic", folder / f"data/{name}/{other}")
    for stage in ("resample", "slice", "embed"):
        for other in ("synthetic", "utd-mhad"):
            source = repro / f"reports/synthetic/{stage}"
            shutil.copytree(source, folder / f"reports/{other}/{stage}")
    (folder / "data/raw").mkdir()
    return folder


def params_of(*overrides):
    return tiny_params(MIXTURE, "train.twins={shuffled: 1}", *overrides)


@pytest.fixture
def params(place, monkeypatch):
    monkeypatch.chdir(place)
    yield params_of()
    torch.use_deterministic_algorithms(False)


def test_all_stages_take_a_mixture(place, params):
    mix.run(params, "both")
    manifest = json.loads((place / "data/manifests/both.json").read_text())
    assert manifest["shares"] == {"synthetic": 0.75, "utd-mhad": 0.25}
    assert manifest["sources"]["synthetic"] == manifest["sources"]["utd-mhad"]
    train.run(params, "both")
    _, card = training.load(place / "models/both/joint")
    assert set(card["sources"]) == {"synthetic", "utd-mhad"}
    assert card["sources"]["utd-mhad"]["share"] == 0.25
    readme = (place / "models/both/joint/README.md").read_text()
    assert "Mixture `both`" in readme
    assert "| `utd-mhad` | 2 | 0.25 | 4 | 12 |" in readme
    curves = place / "reports/both/train/curves/joint/plots/metrics"
    by_source = [
        np.loadtxt(curves / f"val_mrr {name}.tsv", skiprows=1)[:, 1]
        for name in ("synthetic", "utd-mhad")
    ]
    mean = np.loadtxt(curves / "val_mrr.tsv", skiprows=1)[:, 1]
    np.testing.assert_allclose(np.mean(by_source, axis=0), mean, atol=1e-6)
    evaluate.run(params, "both")
    details = json.loads((place / "reports/both/evaluate/details.json").read_text())
    names = {line["name"] for line in details["sources"]}
    assert {"IMU zero-shot, synthetic", "IMU zero-shot, utd-mhad"} <= names
    # The same windows under two names: what is measured of each is the same.
    one, two = (
        [{**row, "name": ""} for row in details["sources"] if row["name"].endswith(name)]
        for name in ("synthetic", "utd-mhad")
    )
    assert one == two
    finetune.run(params, "both")
    report.run(params, "both")
    page = (place / "reports/both/report/index.html").read_text()
    assert "By data set of the mixture" in page
    content = report.fill(params, "both")
    counted = json.loads((place / "reports/synthetic/resample/metrics.json").read_text())
    takes = content.counts["resample"]["takes"]
    assert (takes["found"], takes["used"]) == tuple(
        2 * counted["takes"][name] for name in ("found", "used")
    )
    assert content.funnel["takes used"] == takes["used"]
    mixed = json.loads((place / "reports/both/mix/metrics.json").read_text())
    assert content.counts["mix"] == mixed
    assert {unit: n["found"] for unit, n in mixed.items()} == {
        f"windows_of_{name}": content.counts["slice"]["windows"]["used"] // 2
        for name in ("synthetic", "utd-mhad")
    }
    assert content.counts["train"]["windows"]["found"] == sum(n["used"] for n in mixed.values())


def test_what_does_not_go_together_is_refused(place, params, monkeypatch):
    with pytest.raises(AuraError, match="There is no mixture 'synthetic'"):
        mix.run(params, "synthetic")
    with pytest.raises(AuraError, match="both is a mixture; this stage takes its sources: synth"):
        params.dataset("both")
    other = params_of("datasets.utd-mhad.params.slice={window_s: 4.0}")
    with pytest.raises(AuraError, match="utd-mhad holds windows of 5"):
        mix.run(other, "both")


def test_people_of_the_test_split_are_refused_in_another_source(place, params, monkeypatch):
    real = joined._join

    def swapped(own, name):
        windows, texts, teacher = real(own, name)
        if name == "utd-mhad":
            split = np.where(windows.split == "test", "train", "test")
            windows = replace(windows, split=split)
        return windows, texts, teacher

    monkeypatch.setattr(joined, "_join", swapped)
    with pytest.raises(AuraError, match="recordings, or pieces of them, are in two splits"):
        mix.run(params, "both")
    same = params_of("datasets.utd-mhad.root=data/raw/synthetic",
                     "datasets.utd-mhad.adapter=ego-exo4d")  # fmt: skip
    monkeypatch.setattr(joined.copies, "check", lambda *_: [])
    with pytest.raises(AuraError, match="moments that several IMUs recorded at once"):
        mix.run(same, "both")


def test_a_model_of_a_mixture_is_exported(place, params):
    pytest.importorskip("onnxruntime")
    if not (place / "models/both/joint").is_dir():
        train.run(params, "both")
    assert (export.run(params, "both") / "imu.onnx").is_file()
