"""Plots of two commits in one picture: PNG on a light ground of its own, for pages of any theme."""

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aura.errors import AuraError

Table = Sequence[Mapping[str, str]]
"""Rows of a CSV or TSV file, column -> cell."""

SERIES = ("#2a6fdb", "#d9730d", "#1a8f6a", "#8a4fc7")
INK, MUTED, RULE, OLD = "#1b1f24", "#5b6470", "#dfe3e8", "#8f99a6"
DPI = 192
STYLE: dict[str, Any] = {
    "font.size": 9,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "figure.facecolor": "#ffffff",
    "legend.frameon": False,
    "lines.linewidth": 1.5,
}


@dataclass(frozen=True)
class Plot:
    """A plot of dvc.yaml.

    Attributes
    ----------
    name : str
        Of the plot.
    title : str
        Of the drawing.
    template : str
        One of :data:`TEMPLATES`.
    x : str
        Column.
    lines : mapping of str to str
        Each file, by what sets it apart, with its y column.
    """

    name: str
    title: str
    template: str
    x: str
    lines: Mapping[str, str]


def draw(
    plot: Plot, before: Mapping[str, Table], now: Mapping[str, Table]
) -> tuple[bytes, int] | None:
    """PNG of a plot before and now, by line, and its width in CSS pixels; None if it is the same.

    Data before that has not the columns of today is left out.

    Parameters
    ----------
    plot : Plot
        What to draw.
    before : mapping of str to Table
        Line -> its rows at the earlier commit.
    now : mapping of str to Table
        Line -> its rows.

    Raises
    ------
    AuraError
        A column is not there now, or what should be a number is none.
    """
    parse, paint = TEMPLATES[plot.template]
    old: dict[str, Any] = {}
    for name, table in before.items():
        with suppress(KeyError, ValueError):
            old[name] = parse(plot, name, table)
    try:
        new = {name: parse(plot, name, table) for name, table in now.items()}
    except (KeyError, ValueError) as error:
        raise AuraError(f"The data of the plot {plot.name} cannot be drawn: {error}.") from None
    if old == new:
        return None
    with style.context(STYLE, after_reset=True):
        figure = paint(plot, old, new)
        content = io.BytesIO()
        FigureCanvasAgg(figure).print_png(content, metadata={"Software": None})
    return content.getvalue(), round(figure.get_figwidth() * 96)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # type: ignore[union-attr,call-arg]
    return figure


# Lines.


def _parse_line(plot: Plot, name: str, table: Table) -> list[tuple[float, float]]:
    return [(float(row[plot.x]), float(row[plot.lines[name]])) for row in table]


def _paint_lines(plot: Plot, before: Mapping[str, Any], now: Mapping[str, Any]) -> Figure:
    figure = _figure(6.6, 3.4)
    axes = figure.add_subplot()
    names = [name for name in plot.lines if name in before or name in now]
    handles = []
    for number, name in enumerate(names):
        colour = SERIES[number % len(SERIES)]
        for side, line_style in ((before, {"ls": (0, (4, 2)), "alpha": 0.6}), (now, {"ls": "-"})):
            points = np.array(side.get(name, []), float).reshape(-1, 2)
            marker = "o" if len(points) == 1 else None
            axes.plot(*points.T, color=colour, marker=marker, markersize=4, **line_style)
        handles.append(Line2D([], [], color=colour, label=name))
    handles.append(Line2D([], [], color=INK, ls=(0, (4, 2)), alpha=0.6, label="before"))
    handles.append(Line2D([], [], color=INK, label="now"))
    axes.set_xlabel(plot.x)
    axes.set_ylabel(" and ".join(dict.fromkeys(plot.lines[name] for name in names)))
    axes.grid(axis="y")
    figure.legend(handles=handles, loc="outside upper left", ncols=6, borderpad=0)
    return figure


# Bars, as a dot before and a dot now on each row.


def _parse_bars(plot: Plot, name: str, table: Table) -> dict[tuple[str, str], float]:
    """(panel, row) -> value; rows that share a label are told apart by the first other text."""
    label, panel = plot.lines[name], None
    if len({row[label] for row in table}) < len(table):
        others = [c for c in table[0] if c not in (label, plot.x) and not _numeric(table[0][c])]
        panel = others[0] if others else None
    values = {(row[panel] if panel else "", row[label]): float(row[plot.x]) for row in table}
    if len(values) < len(table):
        raise ValueError(f"two rows have the same {label}")
    return values


def _numeric(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _paint_bars(plot: Plot, before: Mapping[str, Any], now: Mapping[str, Any]) -> Figure:
    old, new = ({k: v for line in side.values() for k, v in line.items()} for side in (before, now))
    keys = dict.fromkeys([*new, *old])
    panels, rows = (list(dict.fromkeys(key[i] for key in keys)) for i in (0, 1))
    top = max([*old.values(), *new.values()], default=1.0)
    figure = _figure(2.2 + 3.0 * len(panels), 1.1 + 0.24 * len(rows))
    for axes, panel in zip(
        np.atleast_1d(figure.subplots(1, len(panels), sharey=True)), panels, strict=True
    ):
        _paint_panel(axes, [old.get((panel, r)) for r in rows], [new.get((panel, r)) for r in rows])
        axes.set_title(panel)
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlim=(min(0, *old.values(), *new.values()), 1.22 * top), xlabel=plot.x)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0, colors=INK)
    handles = [_dot("before"), _dot("now")]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, borderpad=0)
    return figure


def _paint_panel(axes: Axes, old: Sequence[float | None], new: Sequence[float | None]) -> None:
    axes.grid(axis="x")
    for row, (first, last) in enumerate(zip(old, new, strict=True)):
        if first is not None and last is not None:
            axes.plot([first, last], [row, row], color=SERIES[0], lw=2.5, alpha=0.35)
        for value, when in ((first, "before"), (last, "now")):
            if value is not None:
                axes.add_line(_dot(when, [value], [row]))
        ends = [value for value in (first, last) if value is not None]
        if last is not None:
            axes.annotate(f"{last:.3f}", (max(ends), row), (6, 0), textcoords="offset points",
                          va="center", size=8, color=INK)  # fmt: skip


def _dot(when: str, x: Sequence[float] = (), y: Sequence[float] = ()) -> Line2D:
    colours = (
        {"mfc": "#ffffff", "mec": OLD} if when == "before" else {"mfc": SERIES[0], "mec": SERIES[0]}
    )
    return Line2D(x, y, marker="o", ls="", markersize=5.5, label=when, **colours)  # type: ignore[arg-type]


# Confusion matrices.


def _parse_confusion(plot: Plot, name: str, table: Table) -> Counter[tuple[str, str]]:
    return Counter((row[plot.x], row[plot.lines[name]]) for row in table)


def _paint_confusion(plot: Plot, before: Mapping[str, Any], now: Mapping[str, Any]) -> Figure:
    """Counts now, shaded by the share of the row; under a count that changed, by how much."""
    old: Counter[tuple[str, str]] = sum(before.values(), Counter())
    new: Counter[tuple[str, str]] = sum(now.values(), Counter())
    classes = sorted({name for pair in (*old, *new) for name in pair})
    support = Counter({name: sum(new[name, other] for other in classes) for name in classes})
    cell, size = (0.46, 9.0) if len(classes) <= 12 else (0.34, 7.5)
    side = max(3.0, cell * len(classes))
    figure = _figure(1.5 + side, 1.6 + side)
    axes = figure.add_subplot()
    shade = np.array([[new[a, b] / max(support[a], 1) for b in classes] for a in classes])
    axes.imshow(
        np.ones_like(shade), cmap=ListedColormap([SERIES[0]]), alpha=0.5 * shade, vmin=0, vmax=1
    )
    for row, actual in enumerate(classes):
        for column, predicted in enumerate(classes):
            count, change = new[actual, predicted], new[actual, predicted] - old[actual, predicted]
            if count or change:
                up = 0.12 if change else 0
                axes.text(column, row - up, str(count), ha="center", va="center", size=size)
            if change:
                text = f"{change:+d}".replace("-", "−")
                axes.text(column, row + 0.27, text, ha="center", va="center", size=size - 1.5,
                          color="#9a3412", weight="bold")  # fmt: skip
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", size=size)
    axes.set_yticks(range(len(classes)), classes, size=size)
    axes.set(xlabel="predicted", ylabel="actual")
    axes.set_xticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axes.tick_params(length=0, colors=INK)
    axes.tick_params(which="minor", length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.grid(which="minor")
    axes.set_title("windows now; below, in bold: change since before", color=MUTED)
    return figure


_LINES = (_parse_line, _paint_lines)
TEMPLATES: dict[str, tuple[Callable[..., Any], Callable[..., Figure]]] = {
    **dict.fromkeys(("linear", "simple", "smooth", "scatter"), _LINES),
    "bar_horizontal": (_parse_bars, _paint_bars),
    "confusion": (_parse_confusion, _paint_confusion),
}
"""Templates of DVC that are drawn here."""
