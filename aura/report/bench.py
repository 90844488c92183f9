"""The benchmark suite's results as a table and as a chart that stands by itself."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes

from aura.report.figures import INK, MUTED, SERIES, STYLE, new_figure, to_svg

Results = Mapping[str, Mapping[str, Any]]

# The page's colours, for a drawing that is shown without it.
_THEME = """<style>
svg { --rule: #d9dce1; --muted: #5b6270; --card: #fff; --c1: #2f6fde; --c2: #d9662b; --c3: #2f9e6e;
  --c4: #8a5cc7; --sans: system-ui, sans-serif; color: #16181d; background: #fff; }
@media (prefers-color-scheme: dark) { svg { --rule: #353a44; --muted: #9aa3b2; --card: #16181d;
  --c1: #7aa7ff; --c2: #f0935f; --c3: #62c797; --c4: #bb98ea; color: #e8eaee;
  background: #16181d; } }
</style>"""


def pairs_of(results: Results, kind: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Row, rival and the ratio to it, of the rivals of a kind that were measured."""
    return [
        (row, rival, ratio)
        for row, result in results.items()
        for rival, ratio in result["rivals"].items()
        if ratio["kind"] == kind and "skipped" not in ratio
    ]


def table(results: Results, drawing: str = "bench.svg") -> str:
    """Markdown: what was measured, what was skipped and why, and where; `drawing` is the chart."""
    lines = [
        "# Benchmark",
        "",
        "Ratios of speed, above 1 where this project is faster: the median of interleaved rounds,",
        "and in brackets the lowest and highest. `aura bench` measures them anew; the rates say",
        "something about the machine. A limit is what the hardware or a bare loop gives for the",
        "same work; a peer is another program that does it.",
        "",
        f"![Ratios to limits and peers]({drawing})",
        "",
        "| row | against | | ratio | at least | |",
        "|---|---|---|---|---|---|",
    ]
    for row, result in results.items():
        for number, (rival, ratio) in enumerate(result["rivals"].items()):
            name = "" if number else f"**{row}**"
            target = "" if ratio["target"] is None else f"{ratio['target']:g}"
            if "skipped" in ratio:
                lines.append(f"| {name} | {rival} | {ratio['kind']} | skipped | {target} | |")
                continue
            speed = f"{_short(ratio['median'])} ({_short(ratio['min'])} to {_short(ratio['max'])})"
            met = {True: "met", False: "**missed**", None: ""}[ratio["met"]]
            lines.append(f"| {name} | {rival} | {ratio['kind']} | {speed} | {target} | {met} |")
    lines += ["", "## What each row is", ""]
    for row, result in results.items():
        lines.append(
            f"- **{row}**: {result['what']}; {result['rate']:.3g} {result['unit']} a second here."
        )
        if result["gate"]:
            checks = "; ".join(f"{name} {value}" for name, value in result["gate"].items())
            lines.append(f"  Checked first: {checks}.")
        lines += [f"  {note}" for note in result["notes"]]
        lines += [
            f"  {rival} is skipped: {ratio['skipped']}."
            for rival, ratio in result["rivals"].items()
            if "skipped" in ratio
        ]
    machines = {_machine(result["machine"]): None for result in results.values()}
    lines += ["", "## Where", "", *(f"- {machine}" for machine in machines)]
    return "\n".join(lines) + "\n"


def _machine(about: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in about.items())


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def chart(results: Results) -> str:
    """Bars of the ratios to limits and to peers, on logarithmic axes, with the targets marked."""
    panels = [(kind, pairs) for kind in ("limit", "peer") if (pairs := pairs_of(results, kind))]
    if not panels:
        return ""
    sizes = [len(pairs) for _, pairs in panels]
    with style.context(STYLE, after_reset=True):
        figure = new_figure(9, 1.2 + 0.27 * sum(sizes) + 0.5 * len(sizes))
        axes = figure.subplots(len(panels), 1, height_ratios=sizes, squeeze=False)[:, 0]
        for axis, (kind, pairs) in zip(axes, panels, strict=True):
            _bars(axis, kind, pairs)
        drawing = to_svg(figure, "bench", "Ratios of speed to limits and to peers")
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing)
    assert size is not None
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = f'<svg {spaces} width="{size[1]}" height="{size[2]}"'
    return drawing.replace("<svg", head, 1).replace(">", f">{_THEME}", 1)


def _bars(axes: Axes, kind: str, pairs: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
    places = range(len(pairs))
    left = min(_LEFT, min(ratio["min"] for _, _, ratio in pairs) / 2)
    for place, (_, _, ratio) in zip(places, pairs, strict=True):
        colour = SERIES[1] if ratio["met"] is False else SERIES[0]
        axes.barh(place, ratio["median"] - left, left=left, height=0.62, color=colour, alpha=0.75)
        axes.plot([ratio["min"], ratio["max"]], [place, place], color=INK, lw=1)
        if ratio["target"]:
            axes.plot(ratio["target"], place, "|", color=MUTED, markersize=11, markeredgewidth=2)
        axes.annotate(
            _short(ratio["median"]), (max(ratio["max"], ratio["target"] or 0), place),
            xytext=(6, 0), textcoords="offset points", va="center", size=8,
        )  # fmt: skip
    axes.set_yticks(places, [f"{row} · {rival}" for row, rival, _ in pairs], size=8, color=INK)
    axes.set_xscale("log")
    highest = max(max(r["max"], r["target"] or 0) for _, _, r in pairs)
    axes.set(xlim=(left, max(2.0, 1.8 * highest)), ylim=(len(pairs) - 0.4, -0.6))
    axes.axvline(1, color=MUTED, lw=0.8)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    ticks = [
        t for t in (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if t <= highest * 1.8
    ]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_title(
        "Of the physical limit (1 is all of it; bar below its mark: missed)"
        if kind == "limit"
        else "Times as fast as a peer (the mark is the least that was hoped for)"
    )


_LEFT = 0.05  # where bars begin, if none is as short
