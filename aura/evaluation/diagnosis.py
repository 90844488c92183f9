"""Known failure signatures, named in plain sentences (evaluation protocol, rule 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Headline:
    """One figure of the report's first screen, with what it has to beat.

    Attributes
    ----------
    name
        What was measured, such as "IMU zero-shot" or "IMU → text".
    metric
        Such as "macro-F1", "MRR" or "R@1"; all run from 0 to 1.
    kind
        Which failure signatures apply.
    value, low, high
        The figure and its 95 % interval, None where there is one group only.
    chance
        What guessing scores on the same windows and pool.
    baseline
        What always answering the majority class scores; of a retrieval between two sensors, what
        matching by length alone does. None where it has no meaning.
    control, control_low, control_high
        The mean of the same figure of encoders trained on shuffled pairs, and the ends of all their
        intervals; None where none was trained.
    n
        Number of test windows.
    groups
        What the interval redraws, such as "12 participants".
    """

    name: str
    metric: str
    kind: Literal["zero-shot", "unseen", "retrieval"]
    value: float
    chance: float
    n: int
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    control: float | None = None
    control_low: float | None = None
    control_high: float | None = None
    groups: str = ""

    @property
    def beats_chance(self) -> bool:
        """Whether the interval lies above chance (the bare figure, 1.5 × where there is none)."""
        return _above(self.value, self.low, self.chance)

    @property
    def beats_control(self) -> bool | None:
        """Whether the interval lies above the control's figure; None without a control."""
        return None if self.control is None else _above(self.value, self.low, self.control)


def display(modality: str) -> str:
    """Return a modality's name as it stands in a sentence."""
    return {"imu": "IMU"}.get(modality, modality)


def _above(value: float, low: float | None, level: float) -> bool:
    return low > level if low is not None else value > 1.5 * level


def effective_rank(embeddings: ArrayLike) -> float:
    """How many directions the embeddings use: exp of the entropy of their singular values.

    After Roy and Vetterli, "The effective rank" (EUSIPCO 2007). The mean is kept, so that vectors
    that all point one way give 1 however small noise spreads around them.

    Parameters
    ----------
    embeddings
        (N, d) vectors.

    Returns
    -------
    From 1 to min(N, d).
    """
    vectors = np.asarray(embeddings, dtype=np.float64)
    smaller = vectors if vectors.shape[0] >= vectors.shape[1] else vectors.T
    singular = np.sqrt(np.linalg.eigvalsh(smaller.T @ smaller).clip(0))
    if not singular.sum() > 0:
        raise ValueError("effective rank needs a vector that is finite and not zero")
    share = singular / singular.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


_ADVICE = {
    "zero-shot": " The spaces are not aligned: look at the learning rate, the batch size and the"
    " preprocessing.",
    "unseen": " What was learned does not reach a class that training never saw.",
    "retrieval": "",
}


def diagnose(
    headlines: Sequence[Headline],
    retrieval: Sequence[Mapping[str, Any]] = (),
    effective_ranks: Mapping[str, float] | None = None,
    classes: int = 2,
) -> list[str]:
    """Return the failure signatures that the figures show, one sentence each (rule 10).

    Parameters
    ----------
    headlines
        The figures of the first screen.
    retrieval
        Rows of :func:`aura.evaluation.retrieval.all_pairs`.
    effective_ranks
        :func:`effective_rank` of each modality's test embeddings.
    classes
        Number of classes; embeddings that tell them apart use at least about as many directions.
    """
    found = []
    for line in headlines:
        figure = f"{line.name}: {line.metric} {line.value:.3f}"
        if not line.beats_chance:
            found.append(f"{figure} is near chance ({line.chance:.3f}).{_ADVICE[line.kind]}")
        elif line.baseline is not None and line.value <= line.baseline:
            what = "the majority class" if line.kind == "zero-shot" else "matching by length alone"
            found.append(f"{figure} does not beat {what} ({line.baseline:.3f}).")
        elif line.beats_control is False:
            found.append(
                f"{figure} does not beat the shuffled-pairs control ({line.control:.3f}):"
                " what it learned does not come from the pairing."
            )
        if line.kind == "retrieval" and (line.baseline or 0) > max(0.05, 3 * line.chance):
            found.append(
                f"{line.name}: how long recordings are tells counterparts already,"
                f" {line.metric} {line.baseline:.3f} (chance {line.chance:.3f})."
            )
        if line.control is not None and (
            _above(line.control, line.control_low, line.chance)
            and line.control > 1.25 * line.chance
        ):
            found.append(
                f"{line.name}: each shuffled-pairs control scores above chance, {line.control:.3f}"
                f" in the mean ({line.chance:.3f}). Something besides the pairing carries the"
                " answer: look for leakage between the splits."
            )
    for row in retrieval:
        if row["pool_kind"] != "full" or row["matching"] != "multi-positive":
            continue
        if (
            row["R@50"] >= 0.5
            and row["R@50"] > 2 * row["R@50_chance"]
            and row["R@1"] < max(0.05, 1.5 * row["R@1_chance"])
        ):
            found.append(
                f"{display(row['query'])} → {display(row['gallery'])}: R@50 is {row['R@50']:.2f}"
                f" but R@1 only {row['R@1']:.2f}. The neighbourhood is right and the"
                " order in it is not: more capacity or longer training may help."
            )
    for modality, rank in (effective_ranks or {}).items():
        if rank < max(2.0, classes / 2):
            found.append(
                f"{display(modality)}: the embeddings have collapsed to about {rank:.1f} directions"
                f" for {classes} classes (effective rank)."
            )
    return found
