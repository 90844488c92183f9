"""What happens when in a recording: open-vocabulary answers, smoothed, with "none of these".

Rule: the cosines of a window are averaged with those of its neighbours, which is the mean of their
log-probabilities; a softmax at the calibrated scale gives probabilities of the prompts and of none.
A window speaks for what is nearer to its middle than to that of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aura.errors import AuraError
from aura.evaluation.calibration import Calibration, log_probabilities, smooth

NONE = "none of these"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """A stretch with one answer.

    Attributes
    ----------
    begin_s, end_s : float
        On the clock of the recording.
    name : str
        The answer.
    probability : float
        Mean of its windows.
    windows : int
        How many.
    """

    begin_s: float
    end_s: float
    name: str
    probability: float
    windows: int


@dataclass(frozen=True)
class Timeline:
    """Answers window by window.

    Attributes
    ----------
    names : list of str
        The C prompts, then "none of these".
    start_s : ndarray
        (W,) s.
    cosines : ndarray
        (W, C), as they are, not smoothed.
    probabilities : ndarray
        (W, C + 1) of the smoothed cosines.
    window_s, stride_s : float
        Length of a window, and from one to the next.
    """

    names: list[str]
    start_s: Floats
    cosines: Floats
    probabilities: Floats
    window_s: float
    stride_s: float

    @property
    def best(self) -> list[str]:
        """The most probable answer of each window."""
        return [self.names[i] for i in self.probabilities.argmax(axis=1)]

    def spans(self) -> tuple[Floats, Floats]:
        """What each window speaks for: begins and ends, (W,) s."""
        middle = self.start_s + self.window_s / 2
        between = (middle[1:] + middle[:-1]) / 2
        return (
            np.maximum(self.start_s, np.append(-np.inf, between)),
            np.minimum(self.start_s + self.window_s, np.append(between, np.inf)),
        )

    def segments(self) -> list[Segment]:
        """Windows in a row with one answer, in order; where none was measured there is none."""
        answer, (begin, end) = self.probabilities.argmax(axis=1), self.spans()
        middle = self.start_s + self.window_s / 2
        new = (np.diff(answer) != 0) | (np.diff(middle) > self.stride_s + 1e-6)
        edges = [0, *(np.flatnonzero(new) + 1).tolist(), len(answer)]
        return [
            Segment(
                float(begin[first]),
                float(end[last - 1]),
                self.names[answer[first]],
                float(self.probabilities[first:last, answer[first]].mean()),
                last - first,
            )
            for first, last in pairwise(edges)
        ]


def timeline(
    names: Sequence[str],
    class_vectors: NDArray[np.float32],
    start_s: Floats,
    vectors: NDArray[np.float32],
    calibration: Calibration,
    window_s: float,
    stride_s: float = 2.5,
    smoothed: int = 3,
) -> Timeline:
    """Answer window by window.

    Parameters
    ----------
    names : sequence of str
        C classes.
    class_vectors : ndarray
        (C, d) unit vectors.
    start_s : ndarray
        (W,) s, as `encode_recording` gives them.
    vectors : ndarray
        (W, d) unit vectors.
    calibration : Calibration
        Scale and threshold of the model.
    window_s, stride_s : float
        Length of a window, and from one to the next.
    smoothed : int
        Windows that are averaged, odd; 1 for none.

    Raises
    ------
    AuraError
        There is no window, or `smoothed` is even or below 1.
    """
    if smoothed < 1 or smoothed % 2 == 0:
        raise AuraError(f"Answers are smoothed over 1, 3, 5 … windows, not {smoothed}.")
    if not len(start_s):
        raise AuraError(
            "No window of the recording holds enough that was measured: nothing to tell."
        )
    cosines = np.asarray(vectors, np.float64) @ np.asarray(class_vectors, np.float64).T
    mean = smooth(cosines, start_s, stride_s, smoothed)
    probabilities = np.exp(log_probabilities(mean, calibration))
    return Timeline([*names, NONE], start_s, cosines, probabilities, window_s, stride_s)
