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
    """

    imu: Array | None = None
    mocap: Array | None = None
    mask: Array | None = None
    texts: list[str] = field(default_factory=list)
    label: str = ""
    seconds: float = 5.0


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
    warnings: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    retrieval: list[dict[str, Any]] = field(default_factory=list)
    zero_shot: dict[str, ZeroShot] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
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
