"""Everything that the page shows, as plain data that the pipeline fills in."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from aura.evaluation.diagnosis import Headline
from aura.evaluation.zeroshot import ZeroShot
from aura.report.examples import Example, JointMap, Query


@dataclass(frozen=True)
class Teacher:
    """The frozen model that the encoders were aligned with.

    Attributes
    ----------
    name : str
        Such as "CLIP ViT-B/16 (OpenAI)".
    stand_in : bool
        Whether it stands in for the published model; the page then says so in its banner.
    note : str
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
    name : str
        Such as "Participants in both train and test".
    value : str
        Such as "0".
    ok : bool or None
        Whether that is as it should be; None for a plain fact.
    """

    name: str
    value: str
    ok: bool | None = None


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
    run : str
        Such as "2026-11-24 (198de71)"; empty where none is on record.
    why : str
        Why none is on record.
    figures : list of Past
        Its headline figures.
    not_comparable
        Why they cannot be compared with those of this run; empty where they can.
    """

    run: str = ""
    why: str = ""
    not_comparable: str = ""
    figures: list[Past] = field(default_factory=list)


@dataclass(frozen=True)
class Study:
    """One trained and evaluated model on one data set.

    Attributes
    ----------
    title : str
        Name of the data set.
    teacher : Teacher
        What the encoders were aligned with.
    headlines : list of Headline
        Figures of the first screen, most important first.
    earlier : Earlier
        The run before this one, which the headlines are held to.
    warnings : list of str
        Sentences from :func:`aura.evaluation.diagnosis.diagnose`.
    checks : list of Check
        Facts on which trust rests: split overlap, class names in the training text.
    absent : dict of str to str
        Modality → why the data set or run has none of it.
    retrieval : list of dict
        Rows of :func:`aura.evaluation.retrieval.all_pairs`.
    zero_shot : dict of str to ZeroShot
        Modality → its result.
    baselines : dict of str to dict
        Guesser → figures, from :func:`aura.evaluation.zeroshot.baselines`.
    recall : list of dict
        ``query``, ``gallery``, ``matching`` and the fields of
        :class:`aura.evaluation.recall.RecallCurve`, one row a pair.
    calibration : dict
        How sure zero-shot answers are, as `evaluate` has it; empty of earlier runs.
    held_out : dict of str to dict
        Modality → figures of a class that training never saw.
    fine_grained : dict of str to dict
        "actions" or "captions" → modality → :class:`aura.evaluation.hierarchy.Hierarchy` as plain
        values; of actions also ``actions`` and ``confusions`` by activity.
    few_shot : dict or None
        What the stage `finetune` measured: ``rows`` and ``gains``; None where it was not run.
    joint_map : JointMap or None
        A map of the joint space.
    queries : list of Query
        Test windows with their nearest neighbours.
    curves : list of dict
        Rows in order of training: ``phase`` (str) and ``step`` (epochs done), with ``loss`` and
        ``val_mrr`` where measured (else None or left out).
    funnel : dict of str to int
        What is left after each step, in order: "takes found" → 412.
    splits : dict of str to dict
        Split → counts, such as {"train": {"participants": 30, "takes": 200, "windows": 4000}}.
    counts : dict of str to dict
        Stage → unit → what :class:`aura.counts.Ledger` holds of it: ``found``, ``used`` and
        ``dropped``, the last by reason.
    skips : dict of str to dict
        Stage → reason → number of items left out, masked or flagged that are no unit of `counts`.
    example : Example or None
        A test window to look at.
    params : str
        The resolved parameters as text.
    places : list of Headline
        The IMU's figures place by place; empty where the windows are of one place.
    sources : list of Headline
        The figures source by source of a mixture; empty for a data set.
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
    calibration: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    fine_grained: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    few_shot: dict[str, Any] | None = None
    joint_map: JointMap | None = None
    queries: list[Query] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    funnel: dict[str, int] = field(default_factory=dict)
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    counts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    skips: dict[str, dict[str, int]] = field(default_factory=dict)
    example: Example | None = None
    params: str = ""
    places: list[Headline] = field(default_factory=list)
    sources: list[Headline] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the study as one JSON object; numbers that are not finite become null."""
        return _ADAPTER.dump_json(self, indent=1).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Study":
        """Read what :meth:`to_json` wrote."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(Study)
