"""The model card: its figures, its words, and its example."""

import json
import re

import pytest
from huggingface_hub import ModelCard

from aura import schema
from aura.report import card
from aura.report.card.metadata import readable
from tests.inference.models import snippets

METRICS = {
    "imu_zero-shot": {"macro-F1": 0.9613, "low": 0.9027, "high": 1.0, "chance": 0.1203,
                      "control": 0.0826},
    "video_zero-shot": {"macro-F1": 0.7865, "low": 0.6161, "high": 0.9176, "chance": 0.1212},
    "imu_to_text": {"MRR": 0.3457, "chance": 0.0484},
}  # fmt: skip


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
    full = read_card(
        project, adapter="ego-exo4d", data={"train": counts}, code="c0de" * 16,
        cost={"imu": {"parameters": 1234567, "flops": 89_100_000}},
        best={"epoch": 3, "val_mrr": 0.3456, "temperature": 0.0651, "loss": 2.0},
    )  # fmt: skip
    text = card.markdown(full)
    for line in (
        "| train | 7 | 56 | 1,234 | 0.25 | 1,200 |", "| IMU | 1,234,567 | 89.1 M |", "epoch 4",
        "0.346", "0.0651", "c0de" * 16, full["teacher"]["weights_sha256"], "adapter `ego-exo4d`",
        "**Warning.** The teacher is the stand-in", "m/s2 with gravity", ", ".join(schema.JOINTS),
    ):  # fmt: skip
        assert line in text
    real = {**full["teacher"], "stand_in": False, "model": "ViT-B-32", "pretrained": "openai"}
    other = card.markdown({**full, "teacher": real})
    assert "ViT-B-32, openai" in other
    assert "stand-in" not in other
    silent = card.markdown(read_card(project, data={"train": {**counts, "with mocap": 0}}))
    assert "encode_mocap" not in silent
    assert "The mocap encoder of this phase was not trained" in silent


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
