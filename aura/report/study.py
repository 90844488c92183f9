"""Everything that the page shows, as plain data that the pipeline fills in."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from aura.evaluation.diagnosis import Headline
from aura.evaluation.zeroshot import ZeroShot


def _rows(values: NDArray[Any]) -> list[Any]:
    listed = values.astype(object)
    if values.dtype.kind == "f":
        listed[~np.isfinite(values)] = None
    rows: list[Any] = listed.tolist()
    return rows


def _array(values: Any) -> NDArray[Any]:
    found = np.asarray(values)
    return found.astype(np.float64) if found.dtype == object else found


Array = Annotated[NDArray[Any], PlainValidator(_array), PlainSerializer(_rows)]


@dataclass(frozen=True)
class Teacher:
    """The frozen model that the encoders were aligned with.

    Attributes
    ----------
    name
        Such as "CLIP ViT-B/16 (OpenAI)".
    stand_in
        Whether it stands in for the published model; the page then says so in its banner.
    note
        What a reader needs to know of it, one sentence; replaces the banner's own for a stand-in.
    """

    name: str
    stand_in: bool
    note: str = ""


@dataclass(frozen=True)
class Check:
    """One reason to trust the figures or not.

    Attributes
    ----------
    name
        Such as "Participants in both train and test".
    value
        Such as "0".
    ok
        Whether that is as it should be; None for a plain fact.
    """

    name: str
    value: str
    ok: bool | None = None


@dataclass(frozen=True)
class Example:
    """One test window to look at.

    Attributes
    ----------
    imu
        (T, 6) accelerometer in m/s², then gyroscope in rad/s; None where absent.
    mocap
        (F, 17, 3) joints in COCO-17 order, metres, z up; None where absent.
    mask
        (F, 17) true where a joint was seen.
    texts
        Its caption or captions.
    label
        Its class.
    seconds
        Length of the window.
    window
        Its id.
    image, no_image
        A frame of its video as a data URI, or why there is none.
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
class Past:
    """A headline figure of an earlier run."""

    name: str
    metric: str
    value: float
    n: int


@dataclass(frozen=True)
class Earlier:
    """The run before this one.

    Attributes
    ----------
    run
        Such as "2026-11-24 (198de71)"; empty where none is on record.
    why
        Why none is on record.
    figures
        Its headline figures.
    not_comparable
        Why they cannot be compared with those of this run; empty where they can.
    """

    run: str = ""
    why: str = ""
    not_comparable: str = ""
    figures: list[Past] = field(default_factory=list)


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
    window
        What was asked.
    hits
        Gallery modality → the nearest, best first.
    rank, pool
        Gallery modality → rank of the right answer, and of how many.
    failure
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
    windows, labels
        Id and class of each window drawn.
    points
        Modality → (n, 2) places, NaN where the window lacks it.
    of
        Number of test windows that they were drawn from.
    """

    windows: list[str]
    labels: list[str]
    points: dict[str, Array]
    of: int


@dataclass(frozen=True)
class Study:
    """One trained and evaluated model on one data set.

    Attributes
    ----------
    title
        Name of the data set.
    teacher
        What the encoders were aligned with.
    headlines
        Figures of the first screen, most important first.
    earlier
        The run before this one, which the headlines are held to.
    warnings
        Sentences from :func:`aura.evaluation.diagnosis.diagnose`.
    checks
        Facts on which trust rests: split overlap, class names in the training text.
    absent
        Modality → why the data set or run has none of it.
    retrieval
        Rows of :func:`aura.evaluation.retrieval.all_pairs`.
    zero_shot
        Modality → its result.
    baselines
        Guesser → figures, from :func:`aura.evaluation.zeroshot.baselines`.
    recall
        ``query``, ``gallery``, ``matching`` and the fields of
        :class:`aura.evaluation.recall.RecallCurve`, one row a pair.
    held_out
        Modality → figures of a class that training never saw.
    fine_grained
        "actions" or "captions" → modality → :class:`aura.evaluation.hierarchy.Hierarchy` as plain
        values; of actions also ``actions`` and ``confusions`` by activity.
    few_shot
        What the stage `finetune` measured: ``rows`` and ``gains``; None where it was not run.
    joint_map
        A map of the joint space.
    queries
        Test windows with their nearest neighbours.
    curves
        Rows in order of training: ``phase`` (str) and ``step`` (epochs done), with ``loss`` and
        ``val_mrr`` where measured (else None or left out).
    funnel
        What is left after each step, in order: "takes found" → 412.
    splits
        Split → counts, such as {"train": {"participants": 30, "takes": 200, "windows": 4000}}.
    skips
        Stage → reason → number of items left out.
    example
        A test window to look at.
    params
        The resolved parameters as text.
    """

    title: str
    teacher: Teacher
    headlines: list[Headline] = field(default_factory=list)
    earlier: Earlier = field(default_factory=Earlier)
    warnings: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    retrieval: list[dict[str, Any]] = field(default_factory=list)
    zero_shot: dict[str, ZeroShot] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    recall: list[dict[str, Any]] = field(default_factory=list)
    held_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    fine_grained: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    few_shot: dict[str, Any] | None = None
    joint_map: JointMap | None = None
    queries: list[Query] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    funnel: dict[str, int] = field(default_factory=dict)
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    skips: dict[str, dict[str, int]] = field(default_factory=dict)
    example: Example | None = None
    params: str = ""

    def to_json(self) -> str:
        """Return the study as one JSON object; numbers that are not finite become null."""
        return _ADAPTER.dump_json(self, indent=1).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Study":
        """Read what :meth:`to_json` wrote."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(Study)
