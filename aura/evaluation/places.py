"""The figures of the IMU place by place, where test windows come from several places."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.evaluation.diagnosis import Headline
from aura.evaluation.measure import TestSet, measure


def by_place(
    vectors: Mapping[str, NDArray[Any]], test: TestSet, draws: int, seed: int
) -> list[Headline]:
    """Zero-shot and retrieval of the IMU among the windows of each place alone.

    Windows of no known place are in none of them. Galleries and classes are those of the place's
    own windows, so that two places are to be compared by what each has above its chance.

    Parameters
    ----------
    vectors : mapping of str to ndarray
        Modality -> (N, d) unit vectors.
    test : TestSet
        The N windows.
    draws : int
        Redraws of the bootstrap.
    seed : int
        Of the bootstrap and of the uniform baseline.

    Returns
    -------
    list of Headline
        "IMU zero-shot, wrist-left", place by place; none where there are fewer than two places.
    """
    if test.place is None:
        return []
    places = np.where(test.valid["imu"], test.place.astype(object), "")
    names = sorted({str(name) for name in places if name})
    if len(names) < 2:
        return []
    lines = []
    for name in names:
        rows = np.flatnonzero(places == name)
        found = {modality: vector[rows] for modality, vector in vectors.items()}
        headlines = measure(found, test.select(rows), draws, seed, ("imu",)).headlines
        lines += [replace(line, name=f"{line.name}, {name}") for line in headlines]
    return lines
