"""Calibration of the zero-shot answers of a model: fitted on validation, assessed on test."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aura.config import Params
from aura.evaluation import calibration
from aura.evaluation.measure import TestSet
from aura.learning import training
from aura.learning.batches import Windows
from pipeline.study import targets, trained
from pipeline.study.vectors import Vectors

SMOOTHED = 3  # windows, as `aura classify` smooths over by default


def calibrate(
    params: Params,
    dataset: str,
    model: training.Model,
    windows: Windows,
    texts: pa.Table,
    test: TestSet,
    vectors: Vectors,
) -> dict[str, Any]:
    """What `details.json` holds of it.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        Its name.
    model : Model
        The joint model.
    windows : Windows
        All windows.
    texts : pa.Table
        The text table.
    test : TestSet
        The test windows.
    vectors : mapping of str to ndarray
        By modality, (N, d) of the test windows.

    Returns
    -------
    dict
        `prompts`, `model_sha256`, `validation_windows`, `shared_participants`, and `modalities`,
        by sensor the `scale` and `threshold`, and on test `single` windows and `smoothed` ones as
        `calibration.assess` has them; or `reason`, why there is none.
    """
    rows = windows.rows("val")
    content: dict[str, Any] = {
        "prompts": list(params.embed.prompts),
        "model_sha256": trained.check(params, dataset).files["joint/model.safetensors"]["sha256"],
        "validation_windows": 0,
        "modalities": {},
    }
    sensors = [m for m in ("imu", "mocap") if m in vectors]
    if not len(rows):
        return {**content, "reason": "the data set has no validation split"}
    val = targets.test_set(windows, texts, rows)
    labelled = val.label >= 0
    content["validation_windows"] = int(labelled.sum())
    train = windows.participant[windows.rows("train")]
    content["shared_participants"] = len(set(val.participant) & set(train))
    embedded = training.embed(model, windows, rows, sensors)
    for sensor in sensors:
        use = labelled & val.valid[sensor]
        found = calibration.fit(embedded[sensor][use] @ val.class_vectors.T, val.label[use])
        if found is None:
            continue
        content["modalities"][sensor] = {
            **calibration.content(found),
            **_assess(params, test, vectors[sensor], sensor, found, windows),
        }
    if not content["modalities"]:
        content["reason"] = (
            f"the validation split has fewer than {calibration.FEWEST} windows with a class"
        )
    return content


def _assess(
    params: Params,
    test: TestSet,
    vectors: NDArray[np.float32],
    sensor: str,
    found: calibration.Calibration,
    windows: Windows,
) -> dict[str, Any]:
    """On test windows with a class: one by one, and smoothed along their takes."""
    use = np.flatnonzero(test.valid[sensor] & (test.label >= 0))
    if not len(use):
        return {}
    start = windows.start_s.numpy()[windows.rows("test")][use]
    take, label = test.take[use], test.label[use]
    cosines = vectors[use] @ test.class_vectors.T
    smoothed = cosines.copy()
    for name in np.unique(take):
        of_take = np.flatnonzero(take == name)
        of_take = of_take[np.argsort(start[of_take], kind="stable")]
        smoothed[of_take] = calibration.smooth(
            cosines[of_take], start[of_take], params.slice.stride_s, SMOOTHED
        )
    settings = (test.unit()[0][use], found, params.evaluate.bootstrap_draws, params.seed)
    return {
        "single": calibration.assess(cosines, label, *settings),
        "smoothed": calibration.assess(smoothed, label, *settings),
    }


def told(content: Mapping[str, Any]) -> str:
    """One line on it."""
    if "reason" in content:
        return f"evaluate: no calibration, {content['reason']}."
    parts = [
        f"{sensor} {row['single']['ece']:.3f}"
        for sensor, row in content["modalities"].items()
        if "single" in row
    ]
    return f"evaluate: expected calibration error on test: {', '.join(parts)}" if parts else ""
