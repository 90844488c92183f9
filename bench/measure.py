"""What a row of the suite is, and how it is timed: interleaved, and as ratios only.

In each round the project's function, its limit and its peers run one after the other, the first of
them another one each round, so that a machine that slows down slows all of them. A ratio is of one
round. Absolute rates are written down too; they say something about the machine.
"""

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aura.errors import AuraError

_MIN_S = 0.2  # a timed stretch is of as many calls as take this long
_MAX_CALLS = 10_000


class Seconds(float):
    """What a call took by its own clock, returned where its start and end are not its work."""


@dataclass(frozen=True)
class Baseline:
    """What a function is compared with.

    Attributes
    ----------
    name : str
        As in the table.
    kind : {"limit", "peer"}
        A bound of the machine, or another program.
    run : callable or str
        Does the work of one call of ours, or is a sentence that says why it is skipped.
    target : float or None
        The least ratio hoped for, ours being that many times as fast; None is for the record only.
    share : float
        How much of the work of one call of ours a call of it does.
    """

    name: str
    kind: Literal["limit", "peer"]
    run: Callable[[], object] | str
    target: float | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Row:
    """One function of the project.

    Attributes
    ----------
    name, what : str
        Of the row, and what a call does.
    ours : callable
        The function.
    baselines : sequence of Baseline
        What it is compared with.
    gate : callable
        Called first: it raises `AuraError` where the results are not right, and returns what it
        measured of them by name.
    work : float
        How many of `unit` a call does.
    unit : str
        Such as windows.
    notes : sequence of str
        Sentences below the table.
    rounds : int or None
        Where a call takes long, the most rounds there shall be; there is no warm-up then.
    """

    name: str
    what: str
    ours: Callable[[], object]
    baselines: Sequence[Baseline]
    gate: Callable[[], dict[str, str]]
    work: float
    unit: str
    notes: Sequence[str] = field(default_factory=tuple)
    rounds: int | None = None


@dataclass(frozen=True)
class Setup:
    """Where and how large a row is measured.

    Attributes
    ----------
    folder : Path
        An empty folder, which goes after the row.
    rounds : int
        Interleaved rounds.
    smoke : bool
        Whether all is to be tiny.
    device : str
        `cpu` or `cuda`.
    threads : int
        Of the machine.
    """

    folder: Path
    rounds: int = 5
    smoke: bool = False
    device: str = "cpu"
    threads: int = 2

    def size(self, full: int, smoke: int) -> int:
        """The first, or the second in a smoke run."""
        return smoke if self.smoke else full


def require(holds: bool, sentence: str) -> None:
    """A gate's check: `AuraError` with the sentence where it does not hold."""
    if not holds:
        raise AuraError(sentence)


def measure(row: Row, setup: Setup) -> dict[str, Any]:
    """Gate, warm up, and time a row; ready for JSON."""
    gate = row.gate()
    runnable = [baseline for baseline in row.baselines if not isinstance(baseline.run, str)]
    runs: list[Callable[[], object]] = [row.ours]
    runs += [baseline.run for baseline in runnable if not isinstance(baseline.run, str)]
    if row.rounds is None:
        calls = [_count_calls(run, setup) for run in runs]
    else:
        calls = [1] * len(runs)
    rounds = 1 if setup.smoke else min(setup.rounds, row.rounds or setup.rounds)
    seconds = np.empty((rounds, len(runs)))
    for number in range(rounds):
        for offset in range(len(runs)):
            index = (offset + number) % len(runs)
            seconds[number, index] = _time(runs[index], calls[index])
    ours = seconds[:, 0]
    baselines: dict[str, Any] = {
        baseline.name: {"kind": baseline.kind, "target": baseline.target, "skipped": baseline.run}
        for baseline in row.baselines
        if isinstance(baseline.run, str)
    }
    for column, baseline in enumerate(runnable, 1):
        ratios = seconds[:, column] / baseline.share / ours
        median = float(np.median(ratios))
        baselines[baseline.name] = {
            "kind": baseline.kind,
            "target": baseline.target,
            "min": float(ratios.min()),
            "median": median,
            "max": float(ratios.max()),
            "rounds": [float(ratio) for ratio in ratios],
            "met": None if baseline.target is None else bool(median >= baseline.target),
        }
    return {
        "what": row.what,
        "gate": gate,
        "rate": row.work / float(np.median(ours)),
        "unit": row.unit,
        "seconds": float(np.median(ours)),
        "rivals": {baseline.name: baselines[baseline.name] for baseline in row.baselines},
        "notes": list(row.notes),
    }


def _count_calls(run: Callable[[], object], setup: Setup) -> int:
    """How many calls make a timed stretch; warms up on the way."""
    once = _time(run, 1)
    if setup.smoke or once >= _MIN_S:
        return 1
    once = min(once, _time(run, 1))
    return min(_MAX_CALLS, max(1, math.ceil(_MIN_S / max(once, 1e-7))))


def _time(run: Callable[[], object], calls: int) -> float:
    """Seconds of one of so many calls."""
    gc_enabled = gc.isenabled()
    gc.disable()
    try:
        self_timed = 0.0
        begin = time.perf_counter()
        for _ in range(calls):
            result = run()
            if isinstance(result, Seconds):
                self_timed += result
        wall = time.perf_counter() - begin
    finally:
        if gc_enabled:
            gc.enable()
    return (self_timed or wall) / calls
