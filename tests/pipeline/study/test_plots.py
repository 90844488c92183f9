"""Curves as files, and what `dvc plots` is told of them."""

import pytest
import yaml

from pipeline.study.curves import Curves, curves_of
from pipeline.study.plots import definitions, write_plots


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "reports/gym"


def test_curves_come_back_as_they_were_logged(folder):
    for _ in range(2):  # a phase that goes on from its checkpoint logs all its epochs anew
        curve = Curves(folder / "train/curves/joint")
        for epoch in range(3):
            curve.log({"epoch": epoch, "loss": 1 / (epoch + 3), "val_mrr": 0.5, "temperature": 1})
    rows = curves_of("gym")["joint"]
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert [row["loss"] for row in rows] == [1 / 3, 1 / 4, 1 / 5]
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert files == {"loss.tsv", "val_mrr.tsv", "temperature.tsv", "metrics.json"}


def test_only_files_that_are_there_are_plotted(folder):
    assert definitions(folder) == []
    for phase in ("joint", "shuffled-0"):
        curve = Curves(folder / f"train/curves/{phase}")
        curve.log({"epoch": 0, "loss": 0.5, "val_mrr": 0.5, "temperature": 1})
    (folder / "evaluate/plots").mkdir(parents=True)
    (folder / "evaluate/plots/confusion_imu.csv").write_text("actual,predicted\n")
    write_plots("gym")
    plots = {}
    for plot in yaml.safe_load((folder / "dvc.yaml").read_text())["plots"]:
        plots |= plot
    assert list(plots) == ["confusion_imu", "loss", "val_mrr"]
    assert plots["loss"]["y"] == {"train/curves/joint/plots/metrics/loss.tsv": "loss"}
    assert len(plots["val_mrr"]["y"]) == 2
    assert all((folder / file).is_file() for plot in plots.values() for file in plot["y"])
