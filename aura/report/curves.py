"""Line charts: training, recall against the cutoff, accuracy against labels."""

from collections.abc import Sequence
from typing import Any

from matplotlib import style

from aura.report.figures import GROUND, MUTED, SERIES, STYLE, new_figure, to_svg


def curves_figure(rows: Sequence[dict[str, Any]]) -> str:
    """Training loss and validation MRR against the epoch, one line for each phase."""
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    with style.context(STYLE, after_reset=True):
        figure = new_figure(8, 3)
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
        return to_svg(figure, "curves", "Training loss and validation MRR")


def recall_figure(curve: dict[str, Any]) -> str:
    """Share of queries with rank ≤ k against k, its 95 % band, and that of a random order."""
    name = f"{curve['query']} → {curve['gallery']}"
    with style.context(STYLE, after_reset=True):
        figure = new_figure(3.3, 2.5)
        axes = figure.subplots()
        k = curve["k"]
        axes.plot(k, curve["chance"], color=MUTED, lw=1, ls=(0, (4, 3)))
        if curve["low"] and curve["high"]:
            axes.fill_between(k, curve["low"], curve["high"], color=SERIES[0], alpha=0.22, lw=0)
        axes.plot(k, curve["share"], color=SERIES[0], lw=1.8)
        axes.set_xscale("log")
        ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 1000, 10_000, 100_000) if t <= curve["pool"]]
        if curve["pool"] > 300:
            ticks = [t for t in ticks if t in (1, 10, 100, 1000, 10_000, 100_000)]
        axes.set_xticks(ticks, [f"{t:,}" for t in ticks])
        axes.minorticks_off()
        axes.set(xlim=(1, max(curve["pool"], 2)), ylim=(0, 1.02))
        axes.set_xlabel("k", color=MUTED)
        axes.grid()
        axes.set_axisbelow(True)
        return to_svg(figure, f"recall-{name}", f"Share of queries with rank at most k, {name}")


def few_shot_series(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the probe of k labels and that of all labels as one series, unless they overlap."""
    probes = [r for r in rows if r["head"] in ("linear probe", "k-shot probe")]
    keys = [(r["modality"], r.get("start"), r.get("metric"), r["shots"]) for r in probes]
    if len(set(keys)) < len(keys):
        return list(rows)
    return [{**r, "head": "linear probe"} if r["head"] == "k-shot probe" else r for r in rows]


def shots_of(rows: Sequence[dict[str, Any]]) -> list[int | None]:
    """Labels per class in order, all of them (None) last."""
    return sorted({r["shots"] for r in rows}, key=lambda s: (s is None, s))


def few_shot_figure(rows: Sequence[dict[str, Any]], heads: Sequence[str], name: str) -> str:
    """A figure against labels per class: one colour a head, dashed from random weights.

    Parameters
    ----------
    rows : sequence of dict
        Of one modality and one metric: ``head``, ``start``, ``shots`` (None is all), ``value``,
        ``low`` and ``high``.
    heads : sequence of str
        All heads of the page, in the order of their colours.
    name : str
        Names the drawing, such as "imu accuracy".
    """
    shots = shots_of(rows)
    lines = [(head, start) for head in heads for start in ("pretrained", "random")]
    lines += sorted({(r["head"], r["start"]) for r in rows if r["start"] == "no encoder"})
    with style.context(STYLE, after_reset=True):
        figure = new_figure(3.8, 2.8)
        axes = figure.subplots()
        for number, (head, start) in enumerate(lines):
            by_shots = {r["shots"]: r for r in rows if (r["head"], r["start"]) == (head, start)}
            points = [by_shots[s] for s in shots if s in by_shots]
            if not points:
                continue
            colour = SERIES[heads.index(head) % len(SERIES)]
            shift = 0.06 * (number - (len(lines) - 1) / 2)  # so that intervals lie side by side
            x = [shots.index(r["shots"]) + shift for r in points]
            filled = start != "random"
            for place, row in zip(x, points, strict=True):
                if row.get("low") is not None and row.get("high") is not None:
                    axes.vlines(place, row["low"], row["high"], color=colour, lw=1)
            axes.plot(
                x,
                [r["value"] for r in points],
                color=colour,
                ls="-" if filled else (0, (3, 2)),
                marker="o",
                markersize=4,
                markerfacecolor=colour if filled else GROUND,
            )
        axes.set_xticks(range(len(shots)), ["all" if s is None else str(s) for s in shots])
        axes.set(xlim=(-0.4, len(shots) - 0.6), ylim=(0, 1.05))
        axes.set_xlabel("labels per class", color=MUTED)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        return to_svg(figure, f"few-shot-{name}", f"Labels per class, {name}")
