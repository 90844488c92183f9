"""view: a take of a data set in the rerun viewer, or as a file for it where there is no screen."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from aura.config import Params
from aura.errors import AuraError
from aura.report.scene import Scene, require_viewer, write
from aura.schema import TAKES, WINDOWS
from aura.storage import Storage
from pipeline.engine import paths
from pipeline.engine.output import read_table
from pipeline.engine.progress import say
from pipeline.study.excerpts import signals_of_takes
from pipeline.study.thumbnails import frames_of, jpeg
from pipeline.study.vectors import read_described

FRAMES_A_SECOND, SIDE = 2.0, 480


def run(
    params: Params,
    dataset: str,
    take: str | None = None,
    window: str | None = None,
    out: str | Path | None = None,
    opened: bool = True,
) -> str:
    """Write the `.rrd` of a take, and open it where there is a screen; its path.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        A data set, no mixture.
    take, window : str or None
        Id or name of a take, or id of a window of it; the first take of the test split where both
        are None.
    out : str, Path or None
        The file; `reports/<dataset>/view/<take>.rrd` where it is None.
    opened : bool
        Open it.

    Raises
    ------
    AuraError
        Rerun is not installed, a stage has not run, or there is no such take or window.
    """
    require_viewer()
    if dataset in params.mixtures:
        sources = ", ".join(params.sources(dataset))
        raise AuraError(f"{dataset} is a mixture; look at one of its sources: {sources}.")
    if take is not None and window is not None:
        raise AuraError("Name a take or a window, one of them.")
    pattern = paths.SIGNALS / dataset / "takes-*.parquet"
    rows = read_table(pattern, TAKES, "resample").to_pylist()
    span = None
    if window is not None:
        take, start = _of_window(dataset, window)
        span = (start, start + params.slice.window_s)
    row = _find(rows, take, dataset)
    path = Path(out) if out is not None else paths.report(dataset, "view") / f"{row['take_id']}.rrd"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        write(_scene(params, dataset, row, span), partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    if opened and _has_screen():
        subprocess.Popen([sys.executable, "-m", "rerun", str(path)], start_new_session=True)
        say(f"view: {path} opens in rerun")
    else:
        why = "there is no screen here; " if opened else ""
        say(f"view: {why}open it by `rerun {path}`")
    return str(path)


def _has_screen() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _find(rows: list[dict[str, Any]], take: str | None, dataset: str) -> dict[str, Any]:
    """A take by its id or name; without one the first of the test split, or of all."""
    if take is None:
        return next((row for row in rows if row["split"] == "test"), rows[0])
    for row in rows:
        if take in (row["take_id"], row["take_name"]):
            return row
    raise AuraError(
        f"There is no take '{take}' in {dataset}; there are {len(rows)}, such as "
        f"{rows[0]['take_id']}."
    )


def _of_window(dataset: str, window: str) -> tuple[str, float]:
    """Take and start of a window."""
    columns = ["window_id", "take_id", "start_s"]
    table = read_table(paths.WINDOWS / dataset, WINDOWS, "slice", columns)
    found = table.filter(pc.equal(table["window_id"], window)).to_pylist()
    if not found:
        raise AuraError(
            f"There is no window '{window}' in {dataset}; `aura search` prints their ids."
        )
    return found[0]["take_id"], found[0]["start_s"]


def _scene(
    params: Params, dataset: str, row: dict[str, Any], span: tuple[float, float] | None
) -> Scene:
    signals = signals_of_takes(dataset, {row["take_id"]})[row["take_id"]]
    imu = signals["imu"]
    imu[:, ~np.array(row["imu_channels"])] = np.nan
    return Scene(
        name=row["take_id"],
        imu=imu,
        mocap=signals["mocap"],
        frames=_frames(params, dataset, row),
        texts=[(text["time_s"], text["text"]) for text in row["texts"]],
        actions=[(a["begin_s"], f"{a['action']}, to {a['end_s']:.1f} s") for a in row["actions"]],
        cosines=_cosines(params, dataset, row["take_id"]),
        span=span,
    )


def _frames(params: Params, dataset: str, row: dict[str, Any]) -> dict[float, bytes]:
    """Some frames a second of the best camera that can be read, by time."""
    rate = row["frame_rate_hz"]
    times = np.arange(0.25, row["duration_s"], 1 / FRAMES_A_SECOND)
    numbers = [int(n) for n in np.unique(np.rint(times * rate))] if rate > 0 else []
    storage = Storage(params.dataset(dataset).root)
    for video in row["videos"] if numbers else ():
        frames = frames_of(storage, video["path"], numbers)
        if frames:
            return {n / rate: jpeg(frame, SIDE) for n, frame in sorted(frames.items())}
    if row["videos"]:
        say("view: no frames, the video cannot be read here", "warning")
    return {}


def _cosines(params: Params, dataset: str, take: str) -> dict[str, list[tuple[float, float]]]:
    """Of each window of the take, by modality, the cosine to its texts; none without `evaluate`."""
    path = paths.report(dataset, "evaluate") / "embeddings.parquet"
    if not path.is_file():
        say("view: no cosines; `aura evaluate` writes them, of the test split", "warning")
        return {}
    described, vectors, valid = read_described(path)
    rows = np.flatnonzero(np.array(described.takes) == take)
    if not len(rows) or "text" not in vectors:
        say("view: no cosines; they are of the test split", "warning")
        return {}
    middle = np.array(described.start_s) + params.slice.window_s / 2
    cosine = {m: (vectors[m] * vectors["text"]).sum(axis=1) for m in vectors if m != "text"}
    return {
        m: [
            (float(middle[row]), float(cosine[m][row]))
            for row in rows
            if valid[m][row] and valid["text"][row]
        ]
        for m in cosine
    }
