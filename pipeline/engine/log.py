"""A log beside the output, and what a stage says when it is done.

Every run of a stage writes `logs/<dataset>/<stage>.jsonl` anew, an object a line; docs/logging.md
lists the fields. It is no output of DVC: it holds times, and outputs have the same bytes on every
run. Only the driver writes it: what workers skip is in the reports of their shards. A log that
cannot be written is said once, and the run goes on without it.
"""

import functools
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from aura.config import Params
from aura.errors import AuraError
from pipeline.engine import seen

P = ParamSpec("P")
R = TypeVar("R")
Told = list[list[Any]]
"""What was left out: [take, "modality: reason", how many, where in it], as shards report it."""

LOGS = Path("logs")
VERBOSITY = "AURA_VERBOSITY"  # which `aura.console` sets: quiet, verbose or neither


class Counts(Protocol):
    """`aura.counts.Ledger`."""

    def check(self) -> dict[str, dict[str, Any]]:
        """The content; an `AuraError` where it does not add up."""

    def describe(self) -> list[str]:
        """One line a unit."""


def is_quiet() -> bool:
    """Whether only warnings and errors are printed."""
    return os.environ.get(VERBOSITY) == "quiet"


def show(line: str, level: str = "info") -> None:
    """Print a line on stderr, so that stdout stays for results.

    Nobody reading any more, as behind `| head`, is no reason to end.
    """
    wanted = {"quiet": ("warning",), "verbose": ("warning", "info", "detail")}
    if level in wanted.get(os.environ.get(VERBOSITY, ""), ("warning", "info")):
        with suppress(BrokenPipeError):
            print(line, file=sys.stderr, flush=True)


class Run:
    """A run of a stage, and its log."""

    def __init__(self, stage: str, dataset: str | None) -> None:
        self.stage, self.dataset, self.begin = stage, dataset, time.monotonic()
        self.counts: dict[str, Any] = {}
        self.lines: list[str] = []
        self.path = LOGS / (dataset or "") / f"{stage}.jsonl"
        self._file: Any = None
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8")
        except OSError as error:
            self._give_up(error)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return round(time.monotonic() - self.begin, 3)

    @property
    def title(self) -> str:
        """Stage and data set."""
        return f"{self.stage} {self.dataset}" if self.dataset else self.stage

    @property
    def written(self) -> bool:
        """Whether there is a log."""
        return self._file is not None

    def write(self, level: str, message: str, **others: Any) -> None:
        """Append a line."""
        if self._file is None:
            return
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = {"time": stamp, "level": level, "stage": self.stage, "dataset": self.dataset}
        record |= {**others, "message": message}
        try:
            with self._lock:  # a thread says what is waited for
                self._file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
                self._file.flush()
        except (OSError, UnicodeError) as error:
            self._give_up(error)

    def close(self) -> None:
        """No more lines come."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _give_up(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        show(f"{self.stage}: no log, {self.path} cannot be written: {reason}.", "warning")
        self.close()
        self._file = None


_runs: list[Run] = []  # the stages at work in this process, the innermost last


def note(sentence: str, level: str = "info") -> None:
    """Put a sentence in the log of the stage at work."""
    if _runs:
        _runs[-1].write(level, sentence, seconds=_runs[-1].seconds)


def tell(ledger: Counts, *told: Iterable[Sequence[Any]]) -> None:
    """Check the counts of the stage at work, and log them and what it left out.

    Parameters
    ----------
    ledger : Ledger
        Of the whole stage.
    *told : Told
        What each part of it left out.

    Raises
    ------
    AuraError
        The counts do not add up.
    """
    counts = ledger.check()
    run = _runs[-1] if _runs else None
    if run:
        run.counts |= counts
        run.lines += ledger.describe()
    for part in told:
        for take, reason, count, where in part:
            line = f"{take}, {reason}" + f" ({count})" * (count > 1) + f": {where}" * bool(where)
            show(line, "detail")
            if run:
                run.write("warning", line, take=take, reason=reason, count=count)


def group_skips(skips: Iterable[Any], take: str | None = None) -> Told:
    """`Skip`s as the log has them, equal ones together, in order; of a take, if it is named."""
    counted = Counter((skip.where, f"{skip.modality}: {skip.reason}") for skip in skips)
    return [
        [take or where, reason, count, where if take and where != take else ""]
        for (where, reason), count in counted.items()
    ]


def logged(
    out: str | Callable[[Params], str],
) -> Callable[[Callable[Concatenate[Params, P], R]], Callable[Concatenate[Params, P], R]]:
    """Log the runs of a stage, and say at the end of each what it did and where that is.

    Parameters
    ----------
    out : str or callable
        Where its output is, with `{dataset}` in it; a callable gives that from the params.
    """

    def decorate(
        function: Callable[Concatenate[Params, P], R],
    ) -> Callable[Concatenate[Params, P], R]:
        stage = function.__module__.rpartition(".")[2]

        @functools.wraps(function)
        def run_stage(params: Params, /, *args: P.args, **kwargs: P.kwargs) -> R:
            dataset = args[0] if args else kwargs.get("dataset")
            run = Run(stage, None if dataset is None else str(dataset))
            _runs.append(run)
            place = (out if isinstance(out, str) else out(params)).format(dataset=dataset)
            run.write("info", "start", out=place)
            try:
                with seen.watching():
                    result = function(params, *args, **kwargs)
                run.write("info", "done", seconds=run.seconds, counts=run.counts)
            except BaseException as error:
                run.write("error", _sentence(error), seconds=run.seconds, counts=run.counts)
                raise
            finally:
                _runs.pop()
                run.close()
            _summarize(run, place)
            return result

        return run_stage

    return decorate


def _sentence(error: BaseException) -> str:
    if isinstance(error, AuraError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return f"{type(error).__name__}: {error}"


def _summarize(run: Run, out: str) -> None:
    """Some lines: counts in, out and dropped, seconds, and where the output and the log are."""
    log = f", log {run.path}" if run.written else ""
    show(f"{run.title}: done in {run.seconds:.1f} s, {out}{log}")
    for line in run.lines:
        show(f"  {line}")
