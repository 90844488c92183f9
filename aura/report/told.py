"""The time line of a recording as one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.report.found import environment

WIDE, POINTS = 1000, 600
_KEYS = 10  # colours of classes in page.css


@dataclass(frozen=True)
class Stretch:
    """A stretch of time with one answer; s, and its mean probability."""

    begin_s: float
    end_s: float
    name: str
    probability: float
    windows: int


@dataclass(frozen=True)
class Told:
    """What a recording holds.

    Attributes
    ----------
    title : str
        Name of the recording.
    about : str
        What was asked, and how, in sentences.
    names : sequence of str
        The answers that could be given; the last is none of these.
    begin_s, end_s : ndarray
        (W,) what each window speaks for.
    probabilities : ndarray
        (W, C) of the answers.
    stretches : sequence of Stretch
        In order.
    imu : ndarray
        (T, 6) evenly spaced, NaN where not measured or a channel that is not there.
    duration_s : float
        Of the recording.
    trust : str
        What calibration says.
    warnings, notes : list of str
        Sentences on what not to make of it, and on what was done with it.
    """

    title: str
    about: str
    names: Sequence[str]
    begin_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    stretches: Sequence[Stretch]
    imu: NDArray[Any]
    duration_s: float
    trust: str = ""
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def render(told: Told) -> str:
    """Write the page: HTML that loads nothing and is the same for the same answers."""
    scale = WIDE / max(told.duration_s, 1e-9)
    last = len(told.names) - 1
    colours = {
        name: "var(--muted)" if i == last else f"var(--k{i % _KEYS})"
        for i, name in enumerate(told.names)
    }
    total = sum(s.end_s - s.begin_s for s in told.stretches) or 1.0
    spans = list(zip(told.begin_s * scale, (told.end_s - told.begin_s) * scale, strict=True))
    lanes = [
        {
            "name": name,
            "colour": colours[name],
            "share": round(
                100 * sum(s.end_s - s.begin_s for s in told.stretches if s.name == name) / total
            ),
            "bars": [
                {"x": round(x, 1), "wide": round(wide, 1), "high": round(100 * p, 1)}
                for (x, wide), p in zip(spans, told.probabilities[:, i], strict=True)
            ],
        }
        for i, name in enumerate(told.names)
    ]
    segments = [
        {
            "x": round(s.begin_s * scale, 1), "wide": round((s.end_s - s.begin_s) * scale, 1),
            "colour": colours[s.name], "name": s.name, "probability": s.probability,
            "windows": s.windows, "begin": clock(s.begin_s), "end": clock(s.end_s),
            "said": f"{clock(s.begin_s)} to {clock(s.end_s)}, {s.probability:.2f}",
        }
        for s in told.stretches
    ]  # fmt: skip
    ticks = [clock(t) for t in np.linspace(0, told.duration_s, 5)]
    return environment().get_template("classify.html").render(
        told=told, lanes=lanes, segments=segments, ticks=ticks, signals=_signals(told.imu),
        lost=_lost(told.imu),
    )  # fmt: skip


def clock(seconds: float) -> str:
    """Seconds as 12.5 s, or from two minutes on as 3:05."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _lost(imu: NDArray[Any]) -> list[tuple[float, float]]:
    """Where nothing was measured, as x and width."""
    lost = ~np.isfinite(imu).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
    scale = WIDE / max(1, len(imu))
    return [
        (round(float(a * scale), 1), round(float(max((b - a) * scale, 1)), 1))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


def _signals(imu: NDArray[Any]) -> list[tuple[str, str, list[dict[str, str]]]]:
    """Accelerometer and gyroscope as lines, broken where nothing was measured."""
    drawn = []
    for name, unit, span in (
        ("acceleration", "m/s²", slice(0, 3)),
        ("rotation", "rad/s", slice(3, 6)),
    ):
        if not np.isfinite(imu[:, span]).any():
            continue
        step = max(1, len(imu) // POINTS)
        means = imu[: len(imu) // step * step, span].reshape(-1, step, 3).mean(axis=1)
        size = max(float(np.nanmax(np.abs(means), initial=0)), 1e-9)
        across = (np.arange(len(means)) + 0.5) * WIDE / len(means)
        lines = []
        for channel in range(3):
            up = 50 - 46 * means[:, channel] / size
            seen = np.isfinite(up)
            breaks = np.flatnonzero(np.diff(seen.astype(np.int8))) + 1
            for rows in np.split(np.arange(len(up)), breaks):
                if seen[rows[0]]:
                    points = " ".join(
                        f"{x:.0f},{y:.0f}" for x, y in zip(across[rows], up[rows], strict=True)
                    )
                    lines.append({"points": points, "colour": f"var(--c{channel + 1})"})
        drawn.append((name, f"{size * 50 / 46:.2g} {unit}", lines))
    return drawn
