"""The answers of the first screen: against guessing, against the last run, and trust."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aura.evaluation.diagnosis import Headline
from aura.report.study import Check, Earlier, Past

Mark = Literal["good", "bad", "note", ""]


@dataclass(frozen=True)
class Answer:
    """A question of the first screen, its answer in a sentence or two, and how it looks."""

    question: str
    mark: Mark
    text: str


@dataclass(frozen=True)
class Change:
    """A headline beside the last run's.

    Attributes
    ----------
    kind
        "better" or "worse" where the old value lies outside the new interval, else "same"; "new"
        where the last run has no such figure, "other" where it was measured on other windows.
    old
        The last run's value and number of windows.
    arrow
        ▲, ▼ or = by the bare values.
    """

    kind: Literal["better", "worse", "same", "new", "other"]
    arrow: str = ""
    old: Past | None = None


def number(value: float | None) -> str:
    """Three decimals; two significant digits below 0.01; a dash for None."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 0.01:
        return f"{value:.3f}"
    return f"{value:#.2g}" if abs(value) >= 1e-4 else f"{value:.0e}"


def signed(value: float | None) -> str:
    """Three decimals with their sign; a dash for None."""
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def passes(line: Headline) -> bool:
    """Whether a figure lies above chance, its baseline and the control, where they exist."""
    level = line.value if line.low is None else line.low
    above_baseline = line.baseline is None or level > line.baseline
    return line.beats_chance and above_baseline and line.beats_control is not False


def change(line: Headline, earlier: Earlier) -> Change:
    """How a figure moved since the last run; without an interval no move can be told from none."""
    old = next((p for p in earlier.figures if (p.name, p.metric) == (line.name, line.metric)), None)
    if old is None:
        return Change("new")
    if earlier.not_comparable or old.n != line.n:
        return Change("other", "", old)
    arrow = "▲" if line.value > old.value else "▼" if line.value < old.value else "="
    if line.low is None or line.high is None or line.low <= old.value <= line.high:
        return Change("same", arrow, old)
    return Change("better" if line.value > old.value else "worse", arrow, old)


def against_guessing(lines: Sequence[Headline]) -> Answer:
    """Say what the headline figures beat."""
    question = "Better than the baselines?"
    if not lines:
        return Answer(question, "bad", "No figures were computed.")
    good = sum(passes(line) for line in lines)
    others = {
        "the baseline": [line.baseline for line in lines],
        "the shuffled-pairs control": [line.control for line in lines],
    }
    levels = [name for name, values in others.items() if any(v is not None for v in values)]
    against = " and ".join(filter(None, [", ".join(["chance", *levels[:-1]]), *levels[-1:]]))
    if any(None in others[name] for name in levels):
        against += ", where there is one"
    how = ", with the whole 95 % interval"
    if any(line.low is None for line in lines):
        how = "; some figures have no interval"
    if len(lines) == 1:
        count = f"The headline figure {'lies' if good else 'does not lie'}"
    elif good == len(lines):
        count = f"All {good} headline figures lie"
    elif good:
        count = f"{good} of {len(lines)} headline figures {'lies' if good == 1 else 'lie'}"
    else:
        count = f"None of the {len(lines)} headline figures lies"
    fails = [line.name for line in lines if good and not passes(line)]
    named = f" Not so: {'; '.join(fails)}." if fails else ""
    mark: Mark = "good" if good == len(lines) else "bad"
    return Answer(question, mark, f"{count} above {against}{how}.{named}")


def against_last_run(lines: Sequence[Headline], earlier: Earlier) -> Answer:
    """Say what became better or worse, and name it."""
    question = "Better than last time?"
    if not earlier.run:
        why = f" ({earlier.why})" if earlier.why else ""
        return Answer(question, "", f"No earlier run on record{why}.")
    if earlier.not_comparable:
        return Answer(
            question, "", f"Not comparable with the run of {earlier.run}: {earlier.not_comparable}."
        )
    changes = [(line, change(line, earlier)) for line in lines]
    parts, found = [], {}
    for kind in ("worse", "better"):
        named = [
            f"{line.name} {number(line.value)}, was {number(c.old.value)}"
            for line, c in changes
            if c.kind == kind and c.old
        ]
        found[kind] = len(named)
        if named:
            parts.append(f"{len(named)} {kind}: {'; '.join(named)}")
    same = sum(c.kind == "same" for _, c in changes)
    if same:
        parts.append(f"{same} the same within {'its interval' if same == 1 else 'their intervals'}")
    others = [line.name for line, c in changes if c.kind == "other"]
    if others:
        parts.append(f"not comparable, on another number of windows: {' and '.join(others)}")
    fresh = [line.name for line, c in changes if c.kind == "new"]
    if fresh:
        parts.append(f"new: {' and '.join(fresh)}")
    here = {(line.name, line.metric) for line in lines}
    gone = [p.name for p in earlier.figures if (p.name, p.metric) not in here]
    if gone:
        parts.append(f"no longer measured: {' and '.join(gone)}")
    if found["worse"]:
        head = "Partly better, partly worse than" if found["better"] else "Worse than"
    else:
        head = (
            "Better than" if found["better"] else "The same as" if same else "Nothing shared with"
        )
    mark: Mark = "good" if found["better"] else ""
    if found["worse"] or gone:
        mark = "bad" if found["worse"] else "note"
    return Answer(question, mark, f"{head} the run of {earlier.run}. {_sentence(parts)}".strip())


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def trust(checks: Sequence[Check], warnings: Sequence[str]) -> Answer:
    """Say which checks hold and whether anything asks to be looked at."""
    question = "Can it be trusted?"
    held = [check for check in checks if check.ok]
    failed = [check for check in checks if check.ok is False]
    parts = [f"{check.name}: {check.value}" for check in failed or held] or ["Nothing was checked"]
    if warnings:
        parts.append(f"{len(warnings)} {'warning' if len(warnings) == 1 else 'warnings'} below")
    mark: Mark = "bad" if failed else "note" if warnings or not held else "good"
    return Answer(question, mark, "; ".join(parts) + ".")
