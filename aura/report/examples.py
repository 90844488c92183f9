"""Windows that the page shows one by one: examples, queries with their neighbours, and the map."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator


def _rows(values: NDArray[Any]) -> list[Any]:
    objects = values.astype(object)
    if values.dtype.kind == "f":
        objects[~np.isfinite(values)] = None
    rows: list[Any] = objects.tolist()
    return rows


def _array(values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    return array.astype(np.float64) if array.dtype == object else array


Array = Annotated[NDArray[Any], PlainValidator(_array), PlainSerializer(_rows)]


@dataclass(frozen=True)
class Example:
    """One test window to look at.

    Attributes
    ----------
    imu : ndarray or None
        (T, 6) accelerometer in m/s², then gyroscope in rad/s; None where absent.
    mocap : ndarray or None
        (F, 17, 3) joints in COCO-17 order, metres, z up; None where absent.
    mask : ndarray or None
        (F, 17) bool, true where a joint was seen.
    texts : list of str
        Its caption or captions.
    label : str
        Its class.
    seconds : float
        Length of the window.
    window : str
        Its id.
    image : str
        A frame of its video as a data URI.
    no_image : str
        Why there is no frame.
    """

    imu: Array | None = None
    mocap: Array | None = None
    mask: Array | None = None
    texts: list[str] = field(default_factory=list)
    label: str = ""
    seconds: float = 5.0
    window: str = ""
    image: str = ""
    no_image: str = ""


@dataclass(frozen=True)
class Hit:
    """A window that was found, and whether it is a right answer or of the right class."""

    window: Example
    score: float
    right: bool
    same_class: bool


@dataclass(frozen=True)
class Query:
    """A test window and what lies nearest to its IMU in other modalities.

    Attributes
    ----------
    window : Example
        What was asked.
    hits : dict of str to list of Hit
        Gallery modality → the nearest, best first.
    rank : dict of str to float
        Gallery modality → rank of the right answer.
    pool : dict of str to int
        Gallery modality → of how many.
    failure : bool
        Whether it was drawn because it fails.
    """

    window: Example
    hits: dict[str, list[Hit]]
    rank: dict[str, float]
    pool: dict[str, int]
    failure: bool = False


@dataclass(frozen=True)
class JointMap:
    """The joint space in two dimensions, from :mod:`aura.evaluation.layout`.

    Attributes
    ----------
    windows : list of str
        Id of each window drawn.
    labels : list of str
        Class of each window drawn.
    points : dict of str to ndarray
        Modality → (n, 2) places, NaN where the window lacks it.
    of : int
        Number of test windows that they were drawn from.
    """

    windows: list[str]
    labels: list[str]
    points: dict[str, Array]
    of: int
