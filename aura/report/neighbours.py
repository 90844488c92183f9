"""Queries and their hits, drawn small."""

from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from aura.report.bodies import body_strip, trace_strip
from aura.report.examples import Example, Query


def seen_joints(window: Example) -> NDArray[np.bool_]:
    """(F, 17) joints that were measured; the window has mocap."""
    assert window.mocap is not None
    mask = np.asarray(np.isfinite(window.mocap).all(axis=-1))
    return mask if window.mask is None else mask & window.mask.astype(bool)


def drawings(query: Query) -> dict[str, Any]:
    """Drawings of a query and its hits, as the template takes them."""
    imu = query.window.imu
    traces: dict[str, Any] = {"accel": ""}
    if imu is not None and np.isfinite(imu).any():
        for name, channels in (("accel", imu[:, :3]), ("gyro", imu[:, 3:])):
            drawing, traces[f"{name}_size"] = trace_strip(channels)
            traces[name] = Markup(drawing)
    hits = {
        gallery: [{"hit": hit, "body": _body(hit.window)} for hit in ranked]
        for gallery, ranked in query.hits.items()
    }
    return {"query": query, "hits": hits, "body": _body(query.window), **traces}


def _body(window: Example) -> Markup | str:
    strip = None if window.mocap is None else body_strip(window.mocap, seen_joints(window))
    return Markup(strip) if strip else ""
