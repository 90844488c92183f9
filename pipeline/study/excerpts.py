"""Some windows by their ids, with their signals: to be looked at, a few at a time.

Only the shards that hold their takes are read.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Params
from aura.errors import AuraError
from aura.report.examples import Example
from aura.schema import SIGNALS, TAKES, WINDOWS, to_numpy
from pipeline.engine import paths
from pipeline.engine.output import list_shards, read_table
from pipeline.study.thumbnails import thumbnails

_WINDOW = ["window_id", "take_id", "start_s", "label", "imu_channels", "has_imu", "has_mocap"]
_SIGNAL = ["take_id", "second", "imu", "imu_valid", "mocap", "mocap_valid"]


def excerpts(params: Params, dataset: str, ids: Sequence[str]) -> dict[str, Example]:
    """What some windows hold; what was not measured is NaN.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        A data set, or a mixture, whose ids begin with the name of a source.
    ids : sequence of str
        Of the windows.

    Returns
    -------
    dict of str to Example
        By id, with signals, captions, label and a frame of the video.

    Raises
    ------
    AuraError
        A window is not in the tables, or a stage has not run.
    """
    if dataset in params.mixtures:
        found: dict[str, Example] = {}
        for source in params.sources(dataset):
            prefix = f"{source}/"
            own = params.changed(params.dataset(source).params, f"datasets.{source}.params")
            some = [name.removeprefix(prefix) for name in ids if name.startswith(prefix)]
            if some:
                of_source = excerpts(own, source, some)
                found |= {prefix + name: example for name, example in of_source.items()}
        _check(ids, found, dataset)
        return found
    columns = [*_WINDOW, "texts"]
    table = read_table(paths.WINDOWS / dataset, WINDOWS, "slice", columns)
    rows = table.filter(pc.is_in(table["window_id"], pa.array(list(ids), pa.string()))).to_pylist()
    _check(ids, {row["window_id"]: row for row in rows}, dataset)
    signals = signals_of_takes(dataset, {row["take_id"] for row in rows})
    images = thumbnails(params, dataset, list(ids))
    seconds = params.slice.window_s
    return {
        name: _example(row, signals[row["take_id"]], seconds, images[name])
        for row in rows
        for name in (row["window_id"],)
    }


def _check(ids: Sequence[str], found: dict[str, Any], dataset: str) -> None:
    for name in ids:
        if name not in found:
            raise AuraError(
                f"There is no window '{name}' in {dataset}; `aura search` prints their ids."
            )


def signals_of_takes(dataset: str, takes: set[str]) -> dict[str, dict[str, NDArray[Any]]]:
    """The signals of some takes.

    Parameters
    ----------
    dataset : str
        No mixture.
    takes : set of str
        Their ids.

    Returns
    -------
    dict of str to dict
        By take, `imu` (T, 6) and `mocap` (F, 17, 3), float32 with NaN where not measured.
    """
    signals: dict[str, dict[str, NDArray[Any]]] = {}
    folder = paths.SIGNALS / dataset
    for file in list_shards(folder, "resample"):
        names = read_table(folder / paths.sibling(file, "takes"), TAKES, "resample", ["take_id"])
        wanted = takes & set(names["take_id"].to_pylist())
        if not wanted:
            continue
        table = read_table(file, SIGNALS, "resample", _SIGNAL)
        for take in sorted(wanted):
            part = table.filter(pc.equal(table["take_id"], take)).sort_by("second")
            imu = to_numpy(part, "imu").reshape(-1, 6).copy()
            imu[~to_numpy(part, "imu_valid").reshape(-1)] = np.nan
            mocap = to_numpy(part, "mocap").reshape(-1, 17, 3).copy()
            mocap[~to_numpy(part, "mocap_valid").reshape(-1, 17)] = np.nan
            signals[take] = {"imu": imu, "mocap": mocap}
    return signals


def _example(
    row: dict[str, Any], signals: dict[str, NDArray[Any]], seconds: float, image: tuple[str, str]
) -> Example:
    """One window of a take."""
    start = row["start_s"]
    first, frame = round(start * IMU_RATE_HZ), round(start * MOCAP_RATE_HZ)
    imu = signals["imu"][first : first + round(seconds * IMU_RATE_HZ)].copy()
    imu[:, ~np.array(row["imu_channels"])] = np.nan
    mocap = signals["mocap"][frame : frame + round(seconds * MOCAP_RATE_HZ)]
    return Example(
        imu=imu if row["has_imu"] else None,
        mocap=mocap if row["has_mocap"] else None,
        mask=np.isfinite(mocap).all(axis=-1) if row["has_mocap"] else None,
        texts=[text["text"] for text in row["texts"]],
        label=row["label"] or "",
        seconds=seconds,
        window=row["window_id"],
        image=image[0],
        no_image=image[1],
    )
