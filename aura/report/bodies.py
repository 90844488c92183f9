"""Windows as drawings: IMU traces and skeletons."""

from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from aura.report.figures import COLOURS, INK, MUTED, SERIES, STYLE, new_figure, to_svg

THEME = tuple(COLOURS[colour] for colour in SERIES)
LIMBS = (
    [(5, 7), (7, 9), (11, 13), (13, 15), (5, 11)],  # left
    [(6, 8), (8, 10), (12, 14), (14, 16), (6, 12)],  # right
    [(0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (11, 12)],  # across
)
"""Bones between COCO-17 joints."""


def imu_figure(imu: NDArray[Any], seconds: float) -> str:
    """Six IMU channels over (T, 6): accelerometer above, gyroscope below."""
    time = np.linspace(0, seconds, len(imu), endpoint=False)
    with style.context(STYLE, after_reset=True):
        figure = new_figure(8, 3.2)
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
        return to_svg(figure, "imu", "IMU traces of the example window")


def _front_view(mocap: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Project (F, 17, 3) joints on the vertical plane in which the body is widest: (F, 17, 2)."""
    joints = np.where(mask[..., None], mocap, np.nan)
    horizontal = joints[..., :2] - np.nanmean(joints[..., :2], axis=1, keepdims=True)
    measured = horizontal[mask]
    widest = np.linalg.eigh(measured.T @ measured)[1][:, -1]
    return np.stack([horizontal @ widest, joints[..., 2]], axis=-1)


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
    instants = np.array([0.1, 0.5, 0.9]) * (len(mocap) - 1)
    frames = sorted({int(seen[np.abs(seen - instant).argmin()]) for instant in instants})
    view = _front_view(mocap[frames], mask[frames].astype(bool))
    low, high = np.nanmin(view, axis=(0, 1)), np.nanmax(view, axis=(0, 1))
    with style.context(STYLE, after_reset=True):
        figure = new_figure(8, 3.2)
        panels = np.atleast_1d(figure.subplots(1, len(frames), sharey=True))
        for axes, frame, joints in zip(panels, frames, view, strict=True):
            _draw_body(axes, joints)
            axes.set_title(f"{frame * seconds / len(mocap):.1f} s")
            axes.set(xlim=(low[0] - 0.2, high[0] + 0.2), ylim=(low[1] - 0.1, high[1] + 0.1))
            axes.set_aspect("equal")
            axes.set_xticks([])
            axes.spines["bottom"].set_visible(False)
        panels[0].set_ylabel("height, m", color=MUTED)
        return to_svg(figure, "skeleton", "Skeleton at three instants of the example window")


def trace_strip(values: NDArray[Any]) -> tuple[str, str]:
    """Three channels over (T, 3) as a small drawing without axes, and the value at its edges."""
    step = max(1, len(values) // 250)
    means = values[: len(values) // step * step].reshape(-1, step, 3).mean(axis=1)
    size = max(float(np.nanmax(np.abs(means), initial=0)), 1e-9)
    across = np.linspace(0, 250, len(means))
    lines = []
    for channel, colour in enumerate(THEME[:3]):
        seen = np.isfinite(means[:, channel])
        up = 25 - 23 * means[seen, channel] / size
        lines.append(f'<polyline points="{_points(across[seen], up)}" stroke="{colour}"/>')
    drawing = (
        '<svg class="trace" viewBox="0 0 250 50" preserveAspectRatio="none" role="img" '
        f'aria-label="Trace">{"".join(lines)}</svg>'
    )
    return drawing, f"{size * 25 / 23:.2g}"


def body_strip(mocap: NDArray[Any], mask: NDArray[Any], frames: int = 3) -> str | None:
    """The body at some instants side by side, small; None where no joint was ever seen."""
    seen = np.flatnonzero(mask.sum(axis=1) > 1)
    if not len(seen):
        return None
    instants = (np.arange(frames) + 0.5) / frames * (len(mocap) - 1)
    chosen = [int(seen[np.abs(seen - instant).argmin()]) for instant in instants]
    view = _front_view(mocap[chosen], mask[chosen].astype(bool))
    low, high = np.nanmin(view, axis=(0, 1)), np.nanmax(view, axis=(0, 1))
    width, height = np.maximum(high - low, 0.2) * 100
    paths = []
    for number, joints in enumerate(view):
        across = (joints[:, 0] - low[0]) * 100 + number * (width + 15)
        up = (high[1] - joints[:, 1]) * 100
        for limbs, colour in zip(LIMBS, (*THEME[:2], "var(--muted)"), strict=True):
            bones = [b for b in limbs if np.isfinite(across[list(b)] + up[list(b)]).all()]
            strokes = "".join(f"M{_points(across[list(b)], up[list(b)])}" for b in bones)
            if strokes:
                paths.append(f'<path d="{strokes}" stroke="{colour}"/>')
    total = frames * width + (frames - 1) * 15 + 16
    return (
        f'<svg class="body" viewBox="-8 -8 {total:.0f} {height + 16:.0f}" role="img" '
        f'aria-label="Skeleton">{"".join(paths)}</svg>'
    )


def _points(x: NDArray[Any], y: NDArray[Any]) -> str:
    return " ".join(f"{a:.0f},{b:.0f}" for a, b in zip(x, y, strict=True))
