"""What a search found, as one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from aura.report.bodies import body_strip, trace_strip
from aura.report.examples import Example
from aura.report.neighbours import seen_joints

UNITS = (("acceleration", "m/s²", slice(0, 3)), ("rotation", "rad/s", slice(3, 6)))


@dataclass(frozen=True)
class FoundWindow:
    """A window, best first.

    Attributes
    ----------
    rank : int
        From 1.
    score : float
        Cosine to what was asked.
    start_s : float
        On the clock of its take.
    window : Example
        What it holds.
    """

    rank: int
    score: float
    start_s: float
    window: Example


@dataclass(frozen=True)
class Found:
    """A search and its hits.

    Attributes
    ----------
    query : str
        What was asked.
    about : str
        What was searched, in a sentence.
    hits : sequence of FoundWindow
        Best first.
    warnings : list of str
        Sentences on what not to make of it.
    """

    query: str
    about: str
    hits: Sequence[FoundWindow]
    warnings: list[str] = field(default_factory=list)


def environment() -> Environment:
    """The templates of this folder, escaped."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def render(found: Found) -> str:
    """Write the page: HTML that loads nothing and is the same for the same hits."""
    hits = [_drawn(hit) for hit in found.hits]
    return environment().get_template("search.html").render(found=found, hits=hits)


def _drawn(hit: FoundWindow) -> dict[str, Any]:
    """One hit as the template takes it."""
    window = hit.window
    body = None if window.mocap is None else body_strip(window.mocap, seen_joints(window))
    return {
        "rank": hit.rank,
        "score": hit.score,
        "share": round(100 * min(1.0, max(0.0, hit.score)), 1),
        "start_s": hit.start_s,
        "window": window,
        "texts": list(dict.fromkeys(window.texts)),
        "body": Markup(body) if body else "",
        "traces": traces(window),
    }


def traces(window: Example) -> list[tuple[str, str, Markup]]:
    """Name, size and drawing of the accelerometer and the gyroscope, those that there are."""
    drawn = []
    for name, unit, channels in UNITS:
        if window.imu is not None and np.isfinite(window.imu[:, channels]).any():
            drawing, size = trace_strip(window.imu[:, channels])
            drawn.append((name, f"{size} {unit}", Markup(drawing)))
    return drawn
