"""What a data set holds, as a page, as a picture and as tables for a terminal."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aura.counts import by_count, name_of
from aura.report import terminal
from aura.report.found import environment

Held = Mapping[str, Any]
TOTALS = ("takes", "windows", "people", "captures")
_COLOURS = {"train": "#2a6fdb", "val": "#d9730d", "test": "#1a8f6a"}
_MOST = 20  # bars of a panel


def rejects(held: Held) -> list[dict[str, Any]]:
    """What was left out or masked: reason, unit, stage and count, most first in each stage."""
    rows = [
        {"stage": stage, "unit": name_of(unit), "reason": reason, "count": count}
        for stage, units in held["rejects"].items()
        for unit, reasons in units.items()
        for reason, count in by_count(reasons)
    ]
    rows += [
        {"stage": stage, "unit": "inside of takes", "reason": reason, "count": count}
        for stage, reasons in held["skips"].items()
        for reason, count in by_count(reasons)
    ]
    return rows


def page(held: Held) -> str:
    """HTML that loads nothing and is the same for the same counts."""
    return environment().get_template("holdings.html").render(held=held, rejects=rejects(held))


def text(held: Held) -> str:
    """Tables for a terminal."""
    parts = [f"{held['dataset']}: {held['hours']:.2f} hours of {held['people']} people"]
    rows = [
        [split, f"{row['hours']:.2f}", *(f"{row[name]:,}" for name in TOTALS)]
        for split, row in (*held["splits"].items(), ("all", held))
    ]
    parts.append(terminal.table(["split", "hours", *TOTALS], rows, right=(1, 2, 3, 4, 5)))
    for title, key, of in (
        ("class", "labels", "windows"),
        ("modality", "modalities", "windows"),
        ("place", "places", "takes"),
        ("text source", "text_sources", "texts"),
    ):
        cells = [[f"{count:,}", name] for name, count in held[key].items()]
        if cells:
            parts.append(terminal.table([of, title], cells, right=(0,)))
    parts.append(f"{held['texts']:,} texts, {held['distinct_texts']:,} distinct")
    lost = [[f"{r['count']:,}", r["stage"], r["unit"], r["reason"]] for r in rejects(held)]
    if lost:
        parts.append(terminal.table(["left out", "stage", "what", "why"], lost, right=(0,)))
    return "\n\n".join(parts)


def picture(held: Held) -> bytes:
    """PNG: hours by split, windows by class, and windows with each modality."""
    labels = list(held["labels"].items())[:_MOST]
    with style.context("default", after_reset=True):
        figure = Figure(
            figsize=(9, 2.2 + 0.24 * max(len(labels), 4)), dpi=120, layout="constrained"
        )
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
        lower = left.inset_axes((0, 0, 1, 0.42))
        upper = left.inset_axes((0, 0.58, 1, 0.42))
        left.axis("off")
        splits = held["splits"]
        _bars(upper, list(splits), [row["hours"] for row in splits.values()], "hours by split",
              [_COLOURS.get(split, "#6c7683") for split in splits])  # fmt: skip
        modalities = held["modalities"]
        _bars(lower, list(modalities), list(modalities.values()), "windows with", "#8a4fc7")
        _bars(right, [name for name, _ in labels], [n for _, n in labels], "windows by class",
              "#2a6fdb")  # fmt: skip
        figure.suptitle(
            f"{held['dataset']}: {held['hours']:.2f} h, {held['takes']:,} takes, "
            f"{held['windows']:,} windows, {held['people']} people",
            fontsize=11, x=0.01, ha="left",
        )  # fmt: skip
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _bars(axes: Axes, names: list[str], values: list[float], title: str, colour: Any) -> None:
    place = np.arange(len(names))
    axes.barh(place, values, color=colour, height=0.7)
    axes.set_yticks(place, names, fontsize=8)
    axes.set_xticks([])
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=9)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_xlim(0, max([*values, 1e-9]) * 1.18)
    for y, value in zip(place, values, strict=True):
        said = f"{value:.2f}" if isinstance(value, float) else f"{value:,}"
        axes.text(value, float(y), f" {said}", va="center", fontsize=8)
