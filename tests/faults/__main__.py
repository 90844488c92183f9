"""All faults of a kind, one after the other: `python -m tests.faults kills --stage slice`.

Kinds of Ray and DVC (`workers`, `repro`) take minutes each and run a sample unless told otherwise;
`long` takes hours, and the arguments of `tests.faults.long`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import errors, inputs, kills, long, repro, study, workers

Kind = Callable[[Path, Path, list[str], int, int], Iterator[tuple[str, str]]]


def _kills(
    project: Path, place: Path, stages: list[str], sample: int, seed: int
) -> Iterator[tuple[str, str]]:
    for stage in stages:
        for outcome in kills.sweep(project, place, stage, sample, seed):
            yield f"{stage}, before change {outcome.change} ({outcome.of})", outcome.fault


KINDS: dict[str, Kind] = {
    "kills": _kills,
    "refusals": errors.refusals,
    "disk": errors.disk,
    "late": errors.late,
    "inputs": inputs.inputs,
    "clock": inputs.clock,
    "together": inputs.together,
    "workers": workers.workers,
    "repro": repro.repro,
}
"""A kind yields what was tried, and what was wrong after it or nothing."""


def main() -> int:
    if sys.argv[1:2] == ["long"]:
        long.main(sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all")
    parser.add_argument("--stage", action="append", choices=study.STAGES, help="all if none")
    parser.add_argument("--sample", type=int, default=0, help="so many of each stage; 0 is all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print what was survived too")
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="aura-faults-") as folder:
        project, place = Path(folder) / "project", Path(folder) / "place"
        stages = arguments.stage or list(study.STAGES)
        if set(arguments.kinds or KINDS) - {"workers", "repro"}:  # which make their own
            study.make(project, study.needed(stages))
        for kind in arguments.kinds or KINDS:
            tried, wrong, start = 0, 0, time.monotonic()
            try:
                for what, fault in KINDS[kind](
                    project, place, stages, arguments.sample, arguments.seed
                ):
                    tried, wrong = tried + 1, wrong + bool(fault)
                    if fault or arguments.verbose:
                        print(f"{kind}: {what}: {fault or 'survived'}", flush=True)
            finally:
                seconds = time.monotonic() - start
                print(f"{kind}: {tried} tried, {wrong} wrong, {seconds:.0f} s", flush=True)
            failed += wrong
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
