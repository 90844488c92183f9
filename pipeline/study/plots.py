"""Plots of a data set for `dvc plots`: a dvc.yaml of its own beside its reports.

The stages of the project's dvc.yaml are a matrix over the data sets of the study, and DVC's plots
of several files cannot be one; so each data set lists the files that it has.
"""

from pathlib import Path
from typing import Any

import yaml

from pipeline.engine import paths
from pipeline.engine.output import write_text


def write_plots(dataset: str) -> None:
    """Write `reports/<dataset>/dvc.yaml` for what `train` and `evaluate` left there."""
    folder = paths.REPORTS / dataset
    content = yaml.safe_dump({"plots": definitions(folder)}, sort_keys=False, allow_unicode=True)
    write_text(folder / "dvc.yaml", f"# Written by `aura report`.\n{content}")


def definitions(folder: Path) -> list[dict[str, Any]]:
    """DVC's definitions of the plots whose files are in `folder`, a data set's reports."""
    bars = {"template": "bar_horizontal", "x": "MRR"}
    plots = [
        _plot("retrieval", folder, {"evaluate/plots/retrieval.csv": "pair"}, **bars,
              title="Retrieval on the test split (mean reciprocal rank)"),
        *(
            _plot(f"confusion_{modality}", folder,
                  {f"evaluate/plots/confusion_{modality}.csv": "predicted"},
                  template="confusion", x="actual", title=f"Zero-shot from the {name}")
            for modality, name in (("imu", "IMU"), ("mocap", "mocap"))
        ),
        _plot("loss", folder, _curves("loss", "imu", "joint"), x="step", title="Training loss"),
        _plot("val_mrr", folder, _curves("val_mrr", "imu", "joint", "shuffled-0"), x="step",
              title="Validation MRR"),
    ]  # fmt: skip
    return [plot for plot in plots if plot]


def _curves(figure: str, *phases: str) -> dict[str, str]:
    return {f"train/curves/{phase}/plots/metrics/{figure}.tsv": figure for phase in phases}


def _plot(name: str, folder: Path, y: dict[str, str], **props: str) -> dict[str, Any]:
    present = {file: column for file, column in y.items() if (folder / file).is_file()}
    return {name: {**props, "y": present}} if present else {}
