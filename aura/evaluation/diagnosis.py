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
    name : str
        What was measured, such as "IMU zero-shot" or "IMU → text".
    metric : str
        Such as "macro-F1", "MRR" or "R@1"; all run from 0 to 1.
    kind : {"zero-shot", "unseen", "retrieval"}
        Which failure signatures apply.
    value : float
        The figure.
    chance : float
        What guessing scores on the same windows and pool.
    n : int
        Number of test windows.
    low, high : float or None
        The 95 % interval, None where there is one group only.
    baseline : float or None
        What always answering the majority class scores; of a retrieval between two sensors, what
        matching by length alone does. None where it has no meaning.
    control : float or None
        The mean of the same figure of encoders trained on shuffled pairs; None where none was.
    control_low, control_high : float or None
        The ends of all their intervals.
    groups : str
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
    embeddings : array_like
        (N, d) vectors.

    Returns
    -------
    float
        From 1 to min(N, d).
    """
    vectors = np.asarray(embeddings, dtype=np.float64)
    tall = vectors if vectors.shape[0] >= vectors.shape[1] else vectors.T
    singular_values = np.sqrt(np.linalg.eigvalsh(tall.T @ tall).clip(0))
    if not singular_values.sum() > 0:
        raise ValueError("effective rank needs a vector that is finite and not zero")
    share = singular_values / singular_values.sum()
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
    headlines : sequence of Headline
        The figures of the first screen.
    retrieval : sequence of mapping
        Rows of :func:`aura.evaluation.retrieval.all_pairs`.
    effective_ranks : mapping of str to float, or None
        :func:`effective_rank` of each modality's test embeddings.
    classes : int
        Number of classes; embeddings that tell them apart use at least about as many directions.
    """
    warnings = []
    for headline in headlines:
        figure = f"{headline.name}: {headline.metric} {headline.value:.3f}"
        if not headline.beats_chance:
            advice = _ADVICE[headline.kind]
            warnings.append(f"{figure} is near chance ({headline.chance:.3f}).{advice}")
        elif headline.baseline is not None and headline.value <= headline.baseline:
            zero_shot = headline.kind == "zero-shot"
            baseline = "the majority class" if zero_shot else "matching by length alone"
            warnings.append(f"{figure} does not beat {baseline} ({headline.baseline:.3f}).")
        elif headline.beats_control is False:
            warnings.append(
                f"{figure} does not beat the shuffled-pairs control ({headline.control:.3f}):"
                " what it learned does not come from the pairing."
            )
        expected = max(0.05, 3 * headline.chance)
        if headline.kind == "retrieval" and (headline.baseline or 0) > expected:
            warnings.append(
                f"{headline.name}: how long recordings are tells counterparts already,"
                f" {headline.metric} {headline.baseline:.3f} (chance {headline.chance:.3f})."
            )
        if headline.control is not None and (
            _above(headline.control, headline.control_low, headline.chance)
            and headline.control > 1.25 * headline.chance
        ):
            warnings.append(
                f"{headline.name}: each shuffled-pairs control scores above chance,"
                f" {headline.control:.3f} in the mean ({headline.chance:.3f}). Something besides"
                " the pairing carries the answer: look for leakage between the splits."
            )
    for row in retrieval:
        if row["pool_kind"] != "full" or row["matching"] != "multi-positive":
            continue
        if (
            row["R@50"] >= 0.5
            and row["R@50"] > 2 * row["R@50_chance"]
            and row["R@1"] < max(0.05, 1.5 * row["R@1_chance"])
        ):
            warnings.append(
                f"{display(row['query'])} → {display(row['gallery'])}: R@50 is {row['R@50']:.2f}"
                f" but R@1 only {row['R@1']:.2f}. The neighbourhood is right and the"
                " order in it is not: more capacity or longer training may help."
            )
    for modality, rank in (effective_ranks or {}).items():
        if rank < max(2.0, classes / 2):
            warnings.append(
                f"{display(modality)}: the embeddings have collapsed to about {rank:.1f} directions"
                f" for {classes} classes (effective rank)."
            )
    return warnings
