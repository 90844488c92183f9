"""All faults of a kind, one after the other: `python -m tests.faults kills --stage slice`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import kills, study


def _kills(project: Path, place: Path, stages: list[str], sample: int) -> Iterator[tuple[str, str]]:
    for stage in stages:
        for outcome in kills.sweep(project, place, stage, sample):
            yield f"{stage}, before change {outcome.change} ({outcome.of})", outcome.fault


KINDS: dict[str, Callable[[Path, Path, list[str], int], Iterator[tuple[str, str]]]] = {
    "kills": _kills,
}
"""A kind yields what was tried, and what was wrong after it or nothing."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all")
    parser.add_argument("--stage", action="append", choices=study.STAGES, help="all if none")
    parser.add_argument("--sample", type=int, default=0, help="so many of each stage; 0 is all")
    arguments = parser.parse_args()
    tried = wrong = 0
    with tempfile.TemporaryDirectory(prefix="aura-faults-") as folder:
        project, place = Path(folder) / "project", Path(folder) / "place"
        study.make(project)
        for kind in arguments.kinds or KINDS:
            start = time.monotonic()
            stages = arguments.stage or list(study.STAGES)
            for what, fault in KINDS[kind](project, place, stages, arguments.sample):
                tried, wrong = tried + 1, wrong + bool(fault)
                if fault:
                    print(f"{kind}: {what}: {fault}", flush=True)
            print(f"{kind}: {tried} tried, {wrong} wrong, {time.monotonic() - start:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
