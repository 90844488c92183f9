"""A take as a recording of the rerun viewer: signals, skeleton, frames and texts on one time line.

Each signal is sent as columns, not sample by sample. What was not measured is NaN, at which lines
break, and is 0 in the series `measured` beside it, so that a gap is seen whatever draws it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.errors import AuraError
from aura.report.bodies import LIMBS

CLOCK = "take"  # the time line, s on the clock of the take
_RGB = ([217, 83, 79], [26, 143, 106], [42, 111, 219])  # x, y, z
_SIDES = ([42, 111, 219], [217, 115, 13], [120, 128, 138])  # left, right, across


@dataclass(frozen=True)
class Scene:
    """What is shown of a take.

    Attributes
    ----------
    name : str
        Of the take.
    imu : ndarray
        (T, 6) at 200 Hz in m/s2 and rad/s, NaN where not measured.
    mocap : ndarray
        (F, 17, 3) at 10 frames a second in m, NaN where not measured.
    frames : mapping of float to bytes
        JPEG images by time, s.
    texts, actions : sequence of (float, str)
        By the time at which they begin, s.
    cosines : mapping of str to sequence of (float, float)
        By modality, the cosine of each window to its texts, at its middle.
    span : (float, float) or None
        Of the window that is looked at, s.
    """

    name: str
    imu: NDArray[np.float32]
    mocap: NDArray[np.float32]
    frames: Mapping[float, bytes] = field(default_factory=dict)
    texts: Sequence[tuple[float, str]] = ()
    actions: Sequence[tuple[float, str]] = ()
    cosines: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    span: tuple[float, float] | None = None


def require_viewer() -> None:
    """Raise an `AuraError` where rerun is not installed."""
    if find_spec("rerun") is None:
        raise AuraError("A view needs rerun, which aura[viz] brings: pip install 'aura[viz]'.")


def write(scene: Scene, path: Path) -> None:
    """Write a scene as `.rrd`.

    Parameters
    ----------
    scene : Scene
        What to show.
    path : Path
        The file, which is not there.

    Raises
    ------
    AuraError
        Rerun is not installed.
    """
    require_viewer()
    import rerun as rr

    stream = rr.RecordingStream("aura", recording_id=scene.name, send_properties=False)
    stream.save(str(path), default_blueprint=_layout(scene))
    stream.log("/body", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    _signals(stream, scene.imu)
    _body(stream, scene.mocap)
    if scene.frames:
        times, images = np.array(list(scene.frames)), list(scene.frames.values())
        kinds = ["image/jpeg"] * len(images)
        _send(stream, "/video", times, rr.EncodedImage.columns(blob=images, media_type=kinds))
    for name, spans in (("texts", scene.texts), ("actions", scene.actions)):
        if spans:
            times = np.array([time for time, _ in spans])
            _send(stream, f"/{name}", times, rr.TextLog.columns(text=[text for _, text in spans]))
    for modality, points in scene.cosines.items():
        if points:
            times, values = np.array(points).T
            stream.log(f"/cosine/{modality}", rr.SeriesLines(names=modality), static=True)
            _send(stream, f"/cosine/{modality}", times, rr.Scalars.columns(scalars=values))
    if scene.span is not None:
        inside = np.array([0.0, 1.0, 0.0])
        times = np.array([0.0, *scene.span])
        stream.log("/window", rr.SeriesLines(names="window"), static=True)
        _send(stream, "/window", times, rr.Scalars.columns(scalars=inside))
    stream.flush()
    stream.disconnect()


def _send(stream: Any, entity: str, times: NDArray[Any], columns: Any) -> None:
    import rerun as rr

    rr.send_columns(
        entity, indexes=[rr.TimeColumn(CLOCK, duration=times)], columns=columns, recording=stream
    )


def _signals(stream: Any, imu: NDArray[np.float32]) -> None:
    """Accelerometer and gyroscope, each of three channels that are there, and where measured."""
    import rerun as rr

    times = np.arange(len(imu)) / IMU_RATE_HZ
    for name, span in (("accelerometer", slice(0, 3)), ("gyroscope", slice(3, 6))):
        values = imu[:, span].astype(np.float64)
        if not np.isfinite(values).any():
            continue
        stream.log(f"/imu/{name}", rr.SeriesLines(names=["x", "y", "z"], colors=_RGB), static=True)
        _send(stream, f"/imu/{name}", times, rr.Scalars.columns(scalars=values))
    if len(imu):
        measured = np.isfinite(imu).any(axis=1).astype(np.float64)
        stream.log("/imu/measured", rr.SeriesLines(names="measured"), static=True)
        _send(stream, "/imu/measured", times, rr.Scalars.columns(scalars=measured))


def _body(stream: Any, mocap: NDArray[np.float32]) -> None:
    """Bones of whose joints both were measured, frame by frame; none clears the last ones."""
    import rerun as rr

    if not np.isfinite(mocap).any():
        return
    bones = np.array([bone for limb in LIMBS for bone in limb])
    colours = np.array([c for c, limb in zip(_SIDES, LIMBS, strict=True) for _ in limb])
    strips = mocap[:, bones]  # (F, bones, 2, 3)
    seen = np.isfinite(strips).all(axis=(2, 3))
    frame, bone = np.nonzero(seen)
    columns = rr.LineStrips3D.columns(strips=strips[frame, bone], colors=colours[bone])
    counts = seen.sum(axis=1)
    times = np.arange(len(mocap)) / MOCAP_RATE_HZ
    _send(stream, "/body/bones", times, columns.partition(counts))
    share = np.isfinite(mocap).all(axis=2).mean(axis=1)
    stream.log("/joints/measured", rr.SeriesLines(names="joints measured"), static=True)
    _send(stream, "/joints/measured", times, rr.Scalars.columns(scalars=share))


def _layout(scene: Scene) -> Any:
    """Pictures above, traces in the middle, texts and cosines below."""
    import rerun.blueprint as rrb

    above = [rrb.Spatial3DView(origin="/body", name="skeleton")]
    if scene.frames:
        above.insert(0, rrb.Spatial2DView(origin="/video", name="video"))
    rows = [
        rrb.Horizontal(*above),
        rrb.TimeSeriesView(origin="/imu/accelerometer", name="accelerometer, m/s²"),
        rrb.TimeSeriesView(origin="/imu/gyroscope", name="gyroscope, rad/s"),
        rrb.TimeSeriesView(
            origin="/", contents=["/imu/measured", "/joints/measured", "/window"], name="measured"
        ),
        rrb.Horizontal(
            rrb.TextLogView(origin="/", contents=["/texts", "/actions"], name="texts and actions"),
            rrb.TimeSeriesView(origin="/cosine", name="cosine to its texts"),
        ),
    ]
    return rrb.Blueprint(rrb.Vertical(*rows, row_shares=[4, 2, 2, 1, 2]), collapse_panels=True)
