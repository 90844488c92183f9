"""`finetune`, `transfer` and `shift` on data sets of a few seconds."""

import json
import shutil

import numpy as np
import pytest
import torch

from aura import config
from aura.errors import AuraError
from pipeline import shift, train, transfer
from pipeline.study.joined import load
from tests.conftest import tiny_params


@pytest.fixture(scope="module")
def place(repro, tmp_path_factory):
    """The smallest study, and its data again under another name."""
    folder = tmp_path_factory.mktemp("transfer")
    for name in ("signals", "windows", "embeddings"):
        for other in ("synthetic", "utd-mhad"):
            shutil.copytree(repro / f"data/{name}/synthetic", folder / f"data/{name}/{other}")
    shutil.copytree(repro / "models/synthetic", folder / "models/synthetic")
    shutil.copytree(repro / "reports", folder / "reports")
    return folder


@pytest.fixture
def params(place, monkeypatch):
    monkeypatch.chdir(place)
    yield tiny_params("evaluate.bootstrap_draws=20")
    torch.use_deterministic_algorithms(False)


def test_finetune_wrote_pretrained_beside_random(place):
    details = json.loads((place / "reports/synthetic/finetune/details.json").read_text())
    starts = {(r["modality"], r["head"], r["start"]) for r in details["rows"]}
    for head in ("fine-tuned", "linear probe", "k-shot"):
        assert {("imu", head, "pretrained"), ("imu", head, "random")} <= starts
    assert ("fused", "fine-tuned", "random") in starts
    assert len(details["gains"]) == len(details["rows"]) / 4  # two metrics, two starts
    metrics = json.loads((place / "reports/synthetic/finetune/metrics.json").read_text())
    assert set(metrics["imu_fine_tuned"]) >= {"accuracy"}


def test_transfer_leaves_each_participant_out_and_resumes(place, params, monkeypatch):
    windows, _, _ = load(params, "utd-mhad", check=False)
    people = sorted({p for p, y in zip(windows.participant, windows.label, strict=True) if y})
    tested, real = [], transfer._fold

    def failing(*args):
        if len(tested) == 1:
            raise KeyboardInterrupt
        tested.append(args[5])
        real(*args)

    monkeypatch.setattr(transfer, "_fold", failing)
    with pytest.raises(KeyboardInterrupt):
        transfer.run(params, "utd-mhad")
    assert not (place / "reports/utd-mhad/transfer").exists()
    monkeypatch.setattr(transfer, "_fold", lambda *a: (tested.append(a[5]), real(*a)))
    transfer.run(params, "utd-mhad")
    assert sorted(tested) == people  # the one that was done is not done again
    details = json.loads((place / "reports/utd-mhad/transfer/details.json").read_text())
    assert details["participants"] == people
    assert details["windows"] == sum(y is not None for y in windows.label)
    heads = {(r["head"], r["start"]) for r in details["rows"]}
    assert heads == {
        ("zero-shot", "pretrained"),
        ("length alone", "no encoder"),
        *(
            (h, s)
            for h in ("fine-tuned", "linear probe", "k-shot")
            for s in ("pretrained", "random")
        ),
    }
    page = (place / "reports/utd-mhad/transfer/table.md").read_text()
    assert page.startswith("# synthetic to utd-mhad\n")
    assert "| zero-shot | " in page
    before = {p.name: p.read_bytes() for p in (place / "reports/utd-mhad/transfer").iterdir()}
    transfer.run(params, "utd-mhad")
    assert before == {
        p.name: p.read_bytes() for p in (place / "reports/utd-mhad/transfer").iterdir()
    }
    assert sorted(tested) == people  # all folds were there


def test_zero_shot_of_a_fold_is_that_of_the_model(place, params):
    """The same data under another name: away is home."""
    if not (place / "reports/utd-mhad/transfer/details.json").is_file():
        transfer.run(params, "utd-mhad")
    away = json.loads((place / "reports/utd-mhad/transfer/details.json").read_text())
    files = sorted((place / "models/transfer/utd-mhad").glob("*.npz"))
    predictions = {}
    for file in files:
        with np.load(file) as content:
            key = json.dumps(transfer.ZERO_SHOT)
            predictions |= dict(
                zip(content["rows"].tolist(), content[key][0].tolist(), strict=True)
            )
    assert len(predictions) == away["windows"]
    shift.run(config.load(overrides=(), path=_written(place, params)))
    table = (place / "reports/shift/table.md").read_text()
    assert "synthetic → utd-mhad" in table
    assert (place / "reports/shift/figure.svg").read_text().startswith("<svg")
    home = json.loads((place / "reports/synthetic/evaluate/details.json").read_text())
    drop = shift.recorded_drops(["synthetic", "utd-mhad"])["synthetic", "utd-mhad"]
    away_f1 = next(
        r["value"] for r in away["rows"] if r["head"] == "zero-shot" and r["metric"] == "macro-F1"
    )
    assert drop == pytest.approx(home["zero_shot"]["imu"]["macro_f1"] - away_f1)


def _written(place, params):
    import yaml

    changed = params.changed({"shift": {"study": ["synthetic", "utd-mhad"]}}, "test")
    path = place / "params.yaml"
    path.write_text(yaml.safe_dump(changed.model_dump(mode="json")))
    return path


def test_a_model_that_does_not_fit_is_one_sentence(place, params):
    with pytest.raises(AuraError, match="run `aura train` first"):
        transfer.run(params.changed({"transfer": {"source": "pamap2"}}, "test"), "utd-mhad")
    with pytest.raises(AuraError, match="at least two"):
        shift.run(params)
    with pytest.raises(AuraError, match=r"held_out: no training window is of class 'Juggling'"):
        train.run(
            params.changed({"train": {"twins": {"held_out": "Juggling"}}}, "test"), "synthetic"
        )
