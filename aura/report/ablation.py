"""Tables of an ablation, as Markdown for people and as numbers for `dvc metrics diff`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.evaluation.compare import Figure, Outcomes, confusion, difference, figures, gather

HEADLINES = (
    ("imu zero-shot", "macro-F1"), ("mocap zero-shot", "macro-F1"),
    ("imu-mocap", "R@1"), ("imu-mocap", "R@10"), ("mocap-imu", "R@1"),
    ("imu-text", "MRR"), ("imu-video", "MRR"), ("mocap-text", "MRR"),
)  # fmt: skip
RANDOM = ", random start"
Cells = Mapping[str, Sequence[Sequence[Mapping[str, NDArray[Any]]]]]


def tables(
    cells: Cells, classes: Sequence[str], draws: int, seed: int
) -> tuple[str, dict[str, Any]]:
    """The page and the metrics of `cells[variant][seed][fold]`; see `aura.evaluation.compare`."""
    outcomes_of = {variant: gather(by_seed) for variant, by_seed in cells.items()}
    heads = list(dict.fromkeys(name for o in outcomes_of.values() for name in o.predicted))
    heads = [name for name in heads if not name.endswith("zero-shot")]
    selection = [*HEADLINES, *((name, "accuracy") for name in heads)]
    rows = figures(outcomes_of, selection, len(classes), draws, seed)
    seeds = len(next(iter(cells.values())))
    reference = next(iter(outcomes_of))
    parts = [
        f"Means over {seeds} seed{'s'[: seeds != 1]}, with 95 % bootstrap intervals over people, "
        "or over takes where there are fewer than five. Under a figure: its difference from "
        f"{reference} on the same windows, in bold where the paired interval leaves out 0.",
        _grid(rows, list(outcomes_of), HEADLINES),
    ]
    metrics: dict[str, Any] = {}
    for row in rows:
        cell = {"value": row.value, "low": row.low, "high": row.high}
        if row.difference is not None:
            cell |= {"difference": row.difference, "difference_low": row.difference_low,
                     "difference_high": row.difference_high}  # fmt: skip
        of_variant = metrics.setdefault(row.variant, {})
        of_variant[f"{row.name} {row.metric}"] = {k: _round(v) for k, v in cell.items()}
    for variant, outcomes in outcomes_of.items():
        head_rows = [row for row in rows if row.variant == variant and row.name in heads]
        if head_rows:
            parts += [f"## Heads of {variant}", *_heads(outcomes, head_rows, classes, draws, seed)]
    return "\n\n".join(parts) + "\n", metrics


def _heads(
    outcomes: Outcomes, rows: Sequence[Figure], classes: Sequence[str], draws: int, seed: int
) -> list[str]:
    lines = ["| head | accuracy | 95 % interval | seeds | n |", "|---|---|---|---|---|"]
    for row in rows:
        by_seed = ", ".join(f"{value:.3f}" for value in row.seeds)
        interval = _interval(row.low, row.high)
        lines.append(f"| {row.name} | {row.value:.3f} | {interval} | {by_seed} | {row.n} |")
    gains = ["| what pretraining adds | difference | 95 % interval, paired |", "|---|---|---|"]
    for row in rows:
        paired = difference(outcomes, row.name, row.name + RANDOM, len(classes), draws, seed)
        if paired:
            gains.append(
                f"| {row.name} | {paired.value:+.3f} | {_interval(paired.low, paired.high)} |"
            )
    people = sorted(set(outcomes.participant.tolist()))
    by_person = ["| accuracy of | " + " | ".join(people) + " |", "|---" * (len(people) + 1) + "|"]
    errors = ["| head | said | of | how often |", "|---|---|---|---|"]
    for name in (row.name for row in rows):
        predicted = outcomes.predicted[name]
        scored = (predicted >= 0).all(axis=0) & (outcomes.label >= 0)
        windows = [np.flatnonzero(scored & (outcomes.participant == person)) for person in people]
        hits = [predicted[:, index] == outcomes.label[index] for index in windows]
        by_person.append(
            f"| {name} | "
            + " | ".join(f"{hit.mean():.3f}" if hit.size else "" for hit in hits)
            + " |"
        )
        if name.endswith("fine-tuned"):
            counts = confusion(outcomes, name, len(classes))
            share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            np.fill_diagonal(share, 0)
            for cell in np.argsort(share, axis=None)[::-1][:4]:
                true, guess = np.unravel_index(cell, share.shape)
                if share[true, guess] > 0:
                    often = f"{share[true, guess]:.0%}"
                    errors.append(f"| {name} | {classes[guess]} | {classes[true]} | {often} |")
    return ["\n".join(part) for part in (lines, gains, by_person, errors)]


def _grid(
    rows: Sequence[Figure], variants: Sequence[str], selection: Sequence[tuple[str, str]]
) -> str:
    by_key = {(row.variant, row.name, row.metric): row for row in rows}
    columns = [key for key in selection if any((v, *key) in by_key for v in variants)]
    names = [
        f"{name if metric == 'macro-F1' else name.replace('-', ' → ')}, {metric}"
        for name, metric in columns
    ]
    lines = ["| variant | " + " | ".join(names) + " |", "|---" * (len(columns) + 1) + "|"]
    for variant in variants:
        cells = [_cell(by_key.get((variant, *key))) for key in columns]
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Figure | None) -> str:
    if row is None:
        return ""
    text = f"{row.value:.3f} ({_interval(row.low, row.high)})"
    if row.difference is None or row.difference_low is None or row.difference_high is None:
        return text
    gap = f"{row.difference:+.3f}"
    clear = row.difference_low > 0 or row.difference_high < 0
    return f"{text}<br>{f'**{gap}**' if clear else gap}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
