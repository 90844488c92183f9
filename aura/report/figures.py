"""Figures as SVG text that takes its colours from the page, so one drawing serves both themes."""

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib import rc_context, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from aura.evaluation.zeroshot import ZeroShot

# Colours that appear in no drawing by chance; the page's own take their place.
COLOURS = {
    "#010203": "currentColor",
    "#010204": "var(--rule)",
    "#010205": "var(--muted)",
    "#010211": "var(--c1)",
    "#010212": "var(--c2)",
    "#010213": "var(--c3)",
    "#010214": "var(--c4)",
}
INK, RULE, MUTED, *SERIES = COLOURS

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "text.parse_math": False,
    "path.simplify_threshold": 0.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}

LIMBS = (
    [(5, 7), (7, 9), (11, 13), (13, 15), (5, 11)],  # left
    [(6, 8), (8, 10), (12, 14), (14, 16), (6, 12)],  # right
    [(0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (11, 12)],  # across
)
"""Bones between COCO-17 joints."""


def _svg(figure: Figure, name: str, label: str) -> str:
    """Draw as inline SVG: same bytes every time, no ids shared between figures, no addresses."""
    with rc_context({"svg.hashsalt": name}):
        text = io.StringIO()
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    drawing = text.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"\s*<metadata>.*?</metadata>", "", drawing, flags=re.S)
    drawing = re.sub(r"\s*<defs>\s*<style.*?</defs>", "", drawing, flags=re.S)
    drawing = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawing)
    drawing = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawing)
    drawing = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawing)
    drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    drawing = re.sub(r' id="[a-z0-9.]+_\d+"', "", drawing)
    drawing = re.sub(r"font: ([^;\"]*?)'[^;\"]*", r"font: \1var(--sans)", drawing)
    for colour, theme in COLOURS.items():
        drawing = drawing.replace(colour, theme)
    return drawing


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def confusion_figure(result: ZeroShot, name: str) -> str:
    """Confusion matrix, shaded by the share of each true class and labelled with counts."""
    counts = np.array(result.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(counts)
    with style.context(STYLE, after_reset=True):
        side = 1.4 + max(2.4, 0.34 * classes)
        figure = _figure(side, side)
        axes = figure.add_subplot()
        size = 10 if classes <= 12 else 8
        for (row, column), count in np.ndenumerate(counts):
            if not count:
                continue
            corner = (column - 0.48, row - 0.48)
            shade = 0.72 * shares[row, column]
            axes.add_patch(Rectangle(corner, 0.96, 0.96, color=SERIES[0], alpha=shade, lw=0))
            axes.text(column, row, str(count), ha="center", va="center", size=size)
        axes.set(xlim=(-0.5, classes - 0.5), ylim=(classes - 0.5, -0.5), aspect="equal")
        axes.set_xticks(range(classes), result.class_names, rotation=45, ha="right", size=size)
        axes.set_yticks(range(classes), result.class_names, size=size)
        axes.tick_params(length=0, colors=INK)
        axes.set_xlabel("predicted", color=MUTED, size=size)
        axes.set_ylabel("true", color=MUTED, size=size)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
        axes.tick_params(which="minor", length=0)
        axes.grid(which="minor")
        return _svg(figure, f"confusion-{name}", f"Confusion matrix, {name}")


def curves_figure(rows: Sequence[dict[str, Any]]) -> str:
    """Training loss and validation MRR against the epoch, one line for each phase."""
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    with style.context(STYLE, after_reset=True):
        figure = _figure(8, 3)
        panels = figure.subplots(1, 2)
        for axes, key, title in zip(
            panels, ("loss", "val_mrr"), ("training loss", "validation MRR"), strict=True
        ):
            for number, phase in enumerate(phases):
                points = [
                    (row["step"], row[key])
                    for row in rows
                    if row["phase"] == phase and row.get(key) is not None
                ]
                marker = "o" if len(points) < 30 else None
                colour = SERIES[number % len(SERIES)]
                axes.plot(
                    *zip(*points, strict=True) if points else ([], []),
                    color=colour,
                    label=phase,
                    marker=marker,
                    markersize=3,
                )
            axes.set_title(title)
            axes.set_xlabel("epoch", color=MUTED)
            axes.grid(axis="y")
            axes.set_axisbelow(True)
        panels[1].set_ylim(bottom=0)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
        return _svg(figure, "curves", "Training loss and validation MRR")


def imu_figure(imu: NDArray[Any], seconds: float) -> str:
    """Six IMU channels over (T, 6): accelerometer above, gyroscope below."""
    time = np.linspace(0, seconds, len(imu), endpoint=False)
    with style.context(STYLE, after_reset=True):
        figure = _figure(8, 3.2)
        panels = figure.subplots(2, 1, sharex=True)
        for axes, first, title in zip(
            panels, (0, 3), ("accelerometer, m/s²", "gyroscope, rad/s"), strict=True
        ):
            for channel, axis in enumerate("xyz"):
                axes.plot(time, imu[:, first + channel], color=SERIES[channel], lw=1, label=axis)
            axes.set_title(title)
            axes.grid(axis="y")
            axes.set_xlim(0, seconds)
        panels[0].legend(
            ncols=3,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            fontsize=8,
            borderpad=0,
            handlelength=1.2,
        )
        panels[1].set_xlabel("seconds", color=MUTED)
        return _svg(figure, "imu", "IMU traces of the example window")


def _front_view(mocap: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Project (F, 17, 3) joints on the vertical plane in which the body is widest: (F, 17, 2)."""
    joints = np.where(mask[..., None], mocap, np.nan)
    level = joints[..., :2] - np.nanmean(joints[..., :2], axis=1, keepdims=True)
    spread = level[mask]
    widest = np.linalg.eigh(spread.T @ spread)[1][:, -1]
    return np.stack([level @ widest, joints[..., 2]], axis=-1)


def _draw_body(axes: Axes, joints: NDArray[Any]) -> None:
    for limbs, colour in zip(LIMBS, (SERIES[0], SERIES[1], MUTED), strict=True):
        bones = [joints[list(limb)] for limb in limbs]
        seen = [bone for bone in bones if np.isfinite(bone).all()]
        axes.add_collection(LineCollection(seen, colors=colour, linewidths=2, capstyle="round"))
    axes.plot(*joints.T, "o", color=INK, markersize=2.5)


def skeleton_figure(mocap: NDArray[Any], mask: NDArray[Any], seconds: float) -> str | None:
    """Draw the body early, midway and late in the window; None where no joint was ever seen."""
    seen = np.flatnonzero(mask.any(axis=1))
    if not len(seen):
        return None
    wanted = np.array([0.1, 0.5, 0.9]) * (len(mocap) - 1)
    frames = sorted({int(seen[np.abs(seen - place).argmin()]) for place in wanted})
    flat = _front_view(mocap[frames], mask[frames].astype(bool))
    low, high = np.nanmin(flat, axis=(0, 1)), np.nanmax(flat, axis=(0, 1))
    with style.context(STYLE, after_reset=True):
        figure = _figure(8, 3.2)
        panels = np.atleast_1d(figure.subplots(1, len(frames), sharey=True))
        for axes, frame, joints in zip(panels, frames, flat, strict=True):
            _draw_body(axes, joints)
            axes.set_title(f"{frame * seconds / len(mocap):.1f} s")
            axes.set(xlim=(low[0] - 0.2, high[0] + 0.2), ylim=(low[1] - 0.1, high[1] + 0.1))
            axes.set_aspect("equal")
            axes.set_xticks([])
            axes.spines["bottom"].set_visible(False)
        panels[0].set_ylabel("height, m", color=MUTED)
        return _svg(figure, "skeleton", "Skeleton at three instants of the example window")
