"""What became of the data: of each unit how many were found, used and dropped, and why.

A stage counts what it finds, what it uses and what it drops each where that happens, and never one
of the three from the other two; so `Ledger.check` fails where something goes without a reason.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from aura.errors import AuraError

Content = dict[str, dict[str, Any]]
"""Unit -> {"found": n, "used": n, "dropped": {reason: n}}, as in the metrics of a stage."""

_SHOWN = 4  # reasons in a line, the most frequent ones


class Ledger:
    """Counts of a stage or of a part of it.

    Parameters
    ----------
    stage : str
        What an error names.
    *units : str
        What is counted, such as "takes"; each is in the content, with zeros if there was none.
    """

    def __init__(self, stage: str, *units: str) -> None:
        self.stage = stage
        self._found = dict.fromkeys(units, 0)
        self._used = dict.fromkeys(units, 0)
        self._dropped: dict[str, Counter[str]] = {unit: Counter() for unit in units}

    def find(self, unit: str, count: int = 1) -> None:
        """Count what is there, before anything is done with it."""
        self._found[unit] += _whole(count)

    def use(self, unit: str, count: int = 1) -> None:
        """Count what is passed on."""
        self._used[unit] += _whole(count)

    def drop(self, unit: str, reason: str, count: int = 1) -> None:
        """Count what is not, by a fixed phrase."""
        if _whole(count):
            self._dropped[unit][reason] += int(count)

    def add(self, content: Mapping[str, Mapping[str, Any]]) -> None:
        """Add the content of another ledger, as of a shard; its units are among those here."""
        for unit, counts in content.items():
            self.find(unit, counts["found"])
            self.use(unit, counts["used"])
            for reason, count in counts["dropped"].items():
                self.drop(unit, reason, count)

    def found(self, unit: str) -> int:
        """How many there are."""
        return self._found[unit]

    def used(self, unit: str) -> int:
        """How many were passed on."""
        return self._used[unit]

    def dropped(self, unit: str) -> dict[str, int]:
        """How many were not, by reason."""
        return dict(sorted(self._dropped[unit].items()))

    def content(self) -> Content:
        """The counts as plain values, in the order of the units."""
        return {
            unit: {"found": found, "used": self._used[unit], "dropped": self.dropped(unit)}
            for unit, found in self._found.items()
        }

    def check(self) -> Content:
        """Return the content.

        Raises
        ------
        AuraError
            What was found is not what was used and dropped; it names the stage and the unit.
        """
        for unit, found in self._found.items():
            used, dropped = self._used[unit], self._dropped[unit].total()
            if found != used + dropped:
                raise AuraError(
                    f"{self.stage}: {name_of(unit)} do not add up: {found} found, but {used} used "
                    f"and {dropped} dropped. This is a fault of the program, not of the data; "
                    "please report it."
                )
        return self.content()

    def describe(self) -> list[str]:
        """One line a unit: `takes: 120 found, 119 used, 1 dropped (take is in no split 1)`."""
        lines = []
        for unit, counts in self.content().items():
            line = f"{name_of(unit)}: {counts['found']:,} found, {counts['used']:,} used"
            if counts["dropped"]:
                reasons = [f"{reason} {n:,}" for reason, n in by_count(counts["dropped"])]
                some = [*reasons[:_SHOWN], *(["…"] if len(reasons) > _SHOWN else [])]
                line += f", {sum(counts['dropped'].values()):,} dropped ({', '.join(some)})"
            lines.append(line)
        return lines


def name_of(unit: str) -> str:
    """A unit as people read it: IMU samples of imu_samples."""
    return unit.replace("_", " ").replace("imu", "IMU")


def by_count(dropped: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons and counts, the most frequent first."""
    return sorted(dropped.items(), key=lambda item: (-item[1], item[0]))


def _whole(count: int) -> int:
    if count < 0 or count != int(count):
        raise ValueError(f"{count} is no count.")
    return int(count)
