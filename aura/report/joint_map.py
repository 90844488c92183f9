"""The map of the joint space: an SVG whose colours, toggles and highlights are the page's CSS."""

from html import escape

import numpy as np
from numpy.typing import NDArray

from aura.report.examples import JointMap

WIDTH, MARGIN, SIZE = 1000, 16, 6
PALETTE = 10  # classes that the page's CSS has colours for; more take theirs from the hue circle


def class_names(content: JointMap) -> list[str]:
    """Classes in the order of their colours."""
    return sorted(set(content.labels))


def class_style(classes: int) -> str:
    """CSS: a colour for each class, and its highlight when the legend's entry is pointed at."""
    rules = []
    for k in range(classes):
        colour = f"var(--k{k})"
        if classes > PALETTE:
            colour = f"hsl({360 * k // classes} 62% var(--k-light))"
        rules.append(f".k{k}{{--k:{colour}}}")
        rules.append(f".map:has(.key-{k}:hover) .w:not(.k{k}){{opacity:.08}}")
    return "\n".join(rules)


def map_svg(content: JointMap) -> str:
    """Draw one group a window: lines from its middle to its modalities, a shape for each."""
    places = np.stack(list(content.points.values()))  # (modalities, n, 2)
    low, high = np.nanmin(places, axis=(0, 1)), np.nanmax(places, axis=(0, 1))
    if high[1] - low[1] > high[0] - low[0]:  # t-SNE has no up: lay the longer side across
        places, low, high = places[..., ::-1], low[::-1], high[::-1]
    scale = (WIDTH - 2 * MARGIN) / max(float(high[0] - low[0]), 1e-12)
    places = np.rint((places - low) * scale + MARGIN)
    height = max(300, round(float(high[1] - low[1]) * scale) + 2 * MARGIN)
    colour = {name: k for k, name in enumerate(class_names(content))}
    lines, shapes = [], []
    for row, (window, label) in enumerate(zip(content.windows, content.labels, strict=True)):
        place_of = {
            m: places[i, row]
            for i, m in enumerate(content.points)
            if np.isfinite(places[i, row]).all()
        }
        if not place_of:
            continue
        middle = np.rint(np.mean(list(place_of.values()), axis=0))
        title = f"<title>{escape(f'{label}: {window}')}</title>"
        spokes = "".join(
            f'<path class="{m}" d="M{middle[0]:.0f} {middle[1]:.0f}L{x:.0f} {y:.0f}"/>'
            for m, (x, y) in place_of.items()
        )
        marks = "".join(_shape(m, place) for m, place in place_of.items())
        lines.append(f'<g class="w k{colour[label]}">{spokes}</g>')
        shapes.append(f'<g class="w k{colour[label]}">{title}{marks}</g>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Map of the joint space">'
        f'<g class="ways">{"".join(lines)}</g>{"".join(shapes)}</svg>'
    )


def marker(modality: str) -> str:
    """The shape of a modality alone, for the legend."""
    return f'<svg class="marker" viewBox="0 0 16 16">{_shape(modality, np.array([8, 8]))}</svg>'


def _shape(modality: str, place: NDArray[np.float64]) -> str:
    x, y, r = int(place[0]), int(place[1]), SIZE
    if modality == "imu":
        return f'<circle class="imu" cx="{x}" cy="{y}" r="{r - 1}"/>'
    if modality == "mocap":
        return f'<path class="mocap" d="M{x} {y - r}l{r} {2 * r - 2}h{-2 * r}z"/>'
    if modality == "video":
        side = 2 * r - 2
        return f'<path class="video" d="M{x - r + 1} {y - r + 1}h{side}v{side}h{-side}z"/>'
    cross = f"M{x - r} {y - r}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}"
    return f'<path class="{escape(modality)} line" d="{cross}"/>'
