"""Tables of classes that training left out, as Markdown for people and as numbers for DVC."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aura.evaluation.bootstrap import Interval
from aura.evaluation.unseen import Outcome, figures

Outcomes = Mapping[str, Sequence[Outcome]]
_NAMES = {"imu": "IMU", "mocap": "mocap", "both": "both"}


def tables(
    outcomes: Outcomes, controls: Outcomes, classes: Sequence[str], size: int, draws: int, seed: int
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The page, the metrics and the details.

    Parameters
    ----------
    outcomes, controls : mapping of str to sequence of Outcome
        By sensor; of the models, and of those trained with the texts of other classes.
    classes : sequence of str
        Names by number.
    size : int
        Unseen classes to choose from.
    draws, seed : int
        Of the bootstrap.

    Returns
    -------
    page : str
        Markdown.
    metrics : dict
        Figures by sensor.
    details : dict
        Also intervals, folds and the recall of each class.
    """
    lines = [
        f"| sensor | among {size} unseen | seen, among all | unseen, among all | harmonic mean "
        f"| texts of other classes, among {size} |",
        "|---|---|---|---|---|---|",
    ]
    metrics: dict[str, Any] = {}
    details: dict[str, Any] = {"classes_per_fold": size, "chance": round(1 / size, 4)}
    recalls: dict[str, dict[int, float]] = {}
    unit = ""
    for sensor, found in outcomes.items():
        table, recall, redrawn = figures(found, size, draws, seed)
        if not table:
            continue
        unit, recalls[sensor] = redrawn, recall
        control = figures(controls.get(sensor, ()), size, draws, seed)[0].get("accuracy")
        cells = [_cell(table[name]) for name in ("accuracy", "seen", "unseen", "harmonic")]
        cells.append(_cell(control) if control else "")
        lines.append(f"| {_NAMES[sensor]} | " + " | ".join(cells) + " |")
        metrics[sensor] = {name: round(value.value, 4) for name, value in table.items()}
        details[sensor] = {name: _numbers(value) for name, value in table.items()}
        if control:
            metrics[sensor]["control"] = round(control.value, 4)
            details[sensor]["control"] = _numbers(control)
        plain = figures([replace(o, raise_by=0.0) for o in found], size, draws, seed)[0]
        details[sensor]["not raised"] = {
            name: _numbers(plain[name]) for name in ("seen", "unseen", "harmonic")
        }
        details[sensor]["recall"] = {classes[c]: round(r, 4) for c, r in recall.items()}
        details[sensor]["folds"] = _folds(found, classes, size, seed)
    details["intervals_over"] = unit
    sensors = list(recalls)
    order = sorted({c for recall in recalls.values() for c in recall})
    by_class = ["| unseen class | " + " | ".join(_NAMES[s] for s in sensors) + " |",
                "|---" * (len(sensors) + 1) + "|"]  # fmt: skip
    for c in order:
        cells = [f"{recalls[s][c]:.2f}" if c in recalls[s] else "" for s in sensors]
        by_class.append(f"| {classes[c]} | " + " | ".join(cells) + " |")
    page = [
        f"Classes that took no part in training; chance among {size} is {1 / size:.3f}. In "
        f"brackets the 95 % bootstrap interval over {unit}. Where all classes compete, unseen ones "
        "are raised by what is best for other classes and people. The control is trained and "
        "tested with the texts of the classes permuted.",
        "\n".join(lines), f"## Recall among {size}", "\n".join(by_class),
    ]  # fmt: skip
    return "\n\n".join(page) + "\n", metrics, details


def _folds(
    found: Sequence[Outcome], classes: Sequence[str], size: int, seed: int
) -> list[dict[str, Any]]:
    """Accuracy of each set of classes that was left out."""
    folds = dict.fromkeys(outcome.fold for outcome in found)
    rows = []
    for fold in folds:
        table, _, _ = figures([o for o in found if o.fold == fold], size, 1, seed)
        if table:
            accuracy = round(table["accuracy"].value, 4)
            rows.append({"classes": [classes[c] for c in fold], "accuracy": accuracy})
    return rows


def _cell(figure: Interval) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _numbers(figure: Interval) -> dict[str, float | None]:
    return {
        name: None if value is None else round(value, 4)
        for name, value in (("value", figure.value), ("low", figure.low), ("high", figure.high))
    }
