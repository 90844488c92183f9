"""The domain-shift table and its figure (evaluation protocol, rule 7)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes

from aura.evaluation.distances import BANDS_HZ
from aura.evaluation.profile import Profile
from aura.evaluation.shift import Distance, Shift, correlate, distances
from aura.report.figures import INK, MUTED, SERIES, STYLE, new_figure, to_svg

Drops = Mapping[tuple[str, str], float]

# What the figure shows of the distances: the first that all its pairs have, and its field.
_DRAWN = {
    "embedding MMD²": "mmd",
    "embedding Fréchet": "frechet",
    "accelerometer spectrum": "accel_spectrum",
    "gyroscope spectrum": "gyro_spectrum",
}
_COLOURS = (*SERIES, INK, MUTED)
_FLOOR = 1e-5

_LEGEND = (
    "Spectra: Jensen-Shannon divergence of the mean spectra of the magnitudes, 0 to 1, and below "
    "it over the band that both native rates hold. RMS: target over source, gravity taken out. "
    "MMD² (unbiased, may fall below 0) and Fréchet: of the IMU embeddings. In brackets: the same "
    "between two halves of the source and of the target, which is what no shift looks like. "
    "Words: shared over all content words, and the share of the target's that the source lacks."
)


def table(shifts: Sequence[Shift], drops: Drops) -> str:
    """Markdown: a row a pair of data sets, then the correlation of each distance with the drop.

    Parameters
    ----------
    shifts : sequence of Shift
        Pairs of data sets.
    drops : mapping of (str, str) to float
        (source, target) -> score at home less score after transfer.
    """
    columns = [
        "source → target", "placement", "rate, Hz", "accelerometer spectrum",
        "gyroscope spectrum", "accelerometer RMS", "gyroscope RMS", "MMD²", "Fréchet",
        "words shared", "words unseen", "transfer drop",
    ]  # fmt: skip
    lines = [_row(columns), "|---" * len(columns) + "|"]
    for s in shifts:
        cells = [
            f"{s.source} → {s.target}",
            f"{s.source_placement or '?'} → {s.target_placement or '?'}",
            f"{_number(s.source_rate_hz, 'g') or '?'} → {_number(s.target_rate_hz, 'g') or '?'}",
            _with_halves(s.accel_spectrum, s.accel_spectrum_shared),
            _with_halves(s.gyro_spectrum, s.gyro_spectrum_shared),
            _number(s.accel_rms_ratio, ".2f"),
            _number(s.gyro_rms_ratio, ".2f"),
            _with_halves(s.mmd),
            _with_halves(s.frechet),
            _number(s.vocabulary_jaccard, ".2f"),
            _number(s.unseen_words, ".2f"),
            _number(drops.get((s.source, s.target)), "+.3f"),
        ]
        lines.append(_row(cells))
    parts = ["\n".join(lines), _LEGEND]
    correlations = correlate(shifts, drops)
    if any(row.pairs for row in correlations):
        lines = [
            "| distance | Spearman's ρ with the transfer drop | pairs of data sets |",
            "|---|---|---|",
        ]
        for row in correlations:
            none = "too few pairs" if row.pairs < 3 else "all the same"
            lines.append(_row([row.distance, _number(row.rho, "+.2f") or none, str(row.pairs)]))
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _with_halves(distance: Distance | None, shared: float | None = None) -> str:
    if distance is None:
        return ""
    within = (
        _number(value, ".3f") or "?" for value in (distance.within_source, distance.within_target)
    )
    text = f"{distance.value:.3f} ({', '.join(within)})"
    return text if shared is None else f"{text}<br>{shared:.3f}"


def figure(spectra: Sequence[Profile], shifts: Sequence[Shift], drops: Drops) -> str:
    """One drawing as SVG: mean spectra, and distance against transfer drop.

    Parameters
    ----------
    spectra : sequence of Profile
        The data sets.
    shifts : sequence of Shift
        Pairs of them.
    drops : mapping of (str, str) to float
        (source, target) -> transfer drop. Where none of a pair is known, bars show distances.
    """
    known = [shift for shift in shifts if (shift.source, shift.target) in drops]
    drawn = known or _unordered(shifts)
    with style.context(STYLE, after_reset=True):
        page = new_figure(8, max(3.2, 1.4 + 0.22 * len(drawn)))
        left, right = page.subplots(1, 2)
        _spectra(left, spectra)
        name = next((n for n in _DRAWN if all(distances(s)[n] is not None for s in drawn)), None)
        if not drawn or name is None:
            right.set_axis_off()
            right.set_title("no distance that all pairs have")
        elif known:
            _scatter(right, known, drops, name)
        else:
            _bars(right, drawn, name)
        page.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=4)
        return to_svg(page, "shift", "Spectra of the data sets, and distance against transfer drop")


def _unordered(shifts: Sequence[Shift]) -> list[Shift]:
    """One of each unordered pair: what is drawn is symmetric."""
    return list({frozenset((s.source, s.target)): s for s in reversed(shifts)}.values())[::-1]


def _spectra(axes: Axes, spectra: Sequence[Profile]) -> None:
    for number, data in enumerate(spectra):
        colour = _COLOURS[number % len(_COLOURS)]
        for shares, dash, label in (
            (data.spectrum.accel, "-", data.name), (data.spectrum.gyro, (0, (4, 2)), None),
        ):  # fmt: skip
            if shares is not None:
                axes.plot(BANDS_HZ, shares, color=colour, ls=dash, lw=1.2, label=label)
    axes.set(xscale="log", yscale="log", xlim=(BANDS_HZ[0], BANDS_HZ[-1]))
    axes.set_ylim(_FLOOR, 1)
    axes.set_xticks([1, 10, 100], ["1", "10", "100"])
    axes.set_yticks([1e-4, 1e-2, 1], ["0.01 %", "1 %", "100 %"])
    axes.minorticks_off()
    axes.set_title("share of power, 0.5 Hz bands")
    axes.set_xlabel("Hz; accelerometer solid, gyroscope dashed", color=MUTED)
    axes.grid(axis="y")


def _scatter(axes: Axes, shifts: Sequence[Shift], drops: Drops, name: str) -> None:
    shifts = sorted(shifts, key=lambda s: -drops[s.source, s.target])
    x = np.array([distances(shift)[name] for shift in shifts], dtype=np.float64)
    y = np.array([drops[shift.source, shift.target] for shift in shifts], dtype=np.float64)
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.plot(x, y, "o", color=SERIES[0], markersize=5)
    axes.margins(x=0.12, y=0.12)
    axes.grid()
    axes.set_axisbelow(True)
    axes.set_title("transfer drop")
    axes.set_xlabel(name, color=MUTED)
    for number, shift in enumerate(shifts, start=1):
        # A pair and its reverse are at the same distance, often with nearly the same drop.
        point, right = (x[number - 1], y[number - 1]), number % 2
        axes.annotate(
            str(number), point, (5 if right else -5, 0), textcoords="offset points",
            ha="left" if right else "right", va="center", size=8,
        )  # fmt: skip
        text = f"{number}  {shift.source} → {shift.target}"
        line = 1 - 0.075 * (number - 0.5)
        axes.text(1.04, line, text, transform=axes.transAxes, va="center", size=8)


def _bars(axes: Axes, shifts: Sequence[Shift], name: str) -> None:
    for row, shift in enumerate(shifts):
        distance: Distance = getattr(shift, _DRAWN[name])
        axes.barh(row, max(distance.value, 0), height=0.6, color=SERIES[0])
        for within in (distance.within_source, distance.within_target):
            if within is not None:
                x = max(within, 0)
                axes.plot([x, x], [row - 0.42, row + 0.42], color=INK, lw=1.6)
    names = [f"{shift.source} – {shift.target}" for shift in shifts]
    axes.set_yticks(range(len(shifts)), names, size=8)
    axes.tick_params(axis="y", length=0, colors=INK)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_title(name)
    axes.set_xlabel("ticks: within each data set", color=MUTED)


_THEME = (
    "<style>svg{color:#1b1f24;--sans:system-ui,sans-serif;--muted:#5b6470;--rule:#dfe3e8;"
    "--c1:#2a6fdb;--c2:#d9730d;--c3:#1a8f6a;--c4:#8a4fc7;background:#fff}"
    "@media(prefers-color-scheme:dark){svg{color:#e6e9ed;--muted:#9aa4b1;--rule:#2e353f;"
    "--c1:#5b9bff;--c2:#f0953f;--c3:#3fc296;--c4:#b488ec;background:#181c22}}</style>"
)
"""The colours of the page, which a drawing by itself does not have."""


def document(drawing: str) -> str:
    """A drawing as a file of its own, for a browser or a README, light or dark."""
    head, rest = drawing.split(">", 1)
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"{head.replace('<svg', f'<svg {spaces}', 1)}>{_THEME}{rest}"
