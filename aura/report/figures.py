"""Figures as SVG text that takes its colours from the page, so one drawing serves both themes."""

import io
import re
from html import escape
from typing import Any

import numpy as np
from matplotlib import rc_context, style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from aura.evaluation.zeroshot import ZeroShot

# Colours that appear in no drawing by chance; the page's own take their place.
COLOURS = {
    "#010203": "currentColor",
    "#010204": "var(--rule)",
    "#010205": "var(--muted)",
    "#010206": "var(--card)",
    "#010211": "var(--c1)",
    "#010212": "var(--c2)",
    "#010213": "var(--c3)",
    "#010214": "var(--c4)",
}
INK, RULE, MUTED, GROUND, *SERIES = COLOURS

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


def to_svg(figure: Figure, name: str, label: str) -> str:
    """Draw as inline SVG: same bytes every time, no ids shared between figures, no addresses."""
    with rc_context({"svg.hashsalt": name}):
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"\s*<metadata>.*?</metadata>", "", drawing, flags=re.S)
    drawing = re.sub(r"\s*<defs>\s*<style.*?</defs>", "", drawing, flags=re.S)
    drawing = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawing)
    drawing = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawing)
    drawing = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawing)
    drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    drawing = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", drawing)
    drawing = re.sub(r"font: ([^;\"]*?)'[^;\"]*", r"font: \1var(--sans)", drawing)
    for colour, theme in COLOURS.items():
        drawing = drawing.replace(colour, theme)
    return drawing


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches; call it within `style.context(STYLE)`."""
    return Figure(figsize=(width, height), layout="constrained")


def confusion_figure(result: ZeroShot, name: str) -> str:
    """Confusion matrix, shaded by the share of each true class and labelled with counts."""
    counts = np.array(result.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(counts)
    with style.context(STYLE, after_reset=True):
        side = 1.4 + max(2.4, 0.34 * classes)
        figure = new_figure(side, side)
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
        return to_svg(figure, f"confusion-{name}", f"Confusion matrix, {name}")
