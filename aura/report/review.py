"""What a change did to the reports, as the Markdown of a comment on its pull request."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aura.evaluation.comparable import why_not_comparable

MARKER = "<!-- aura review -->"
"""First line of the comment, by which the next push finds it."""

FIGURES = ("evaluate", "finetune", "transfer", "ablate")
"""Stages whose metrics.json holds headline figures with intervals."""
COUNTS = ("resample", "slice", "embed")
"""Stages whose metrics.json holds counts of what was used, skipped, dropped and masked."""

_READABLE = (
    ("_to_", " → "), ("zero_shot", "zero-shot"), ("macro_f1", "macro-F1"), ("_", " "),
    (r"\bimu\b", "IMU"), (r"\bmrr\b", "MRR"), (r"\br@", "R@"),
)  # fmt: skip
_LEVELS = {"chance", "control"}
_MARKS = (
    "▲ and ▼: the figure before lies outside the 95 % interval now, below or above it. The "
    "interval redraws people or takes of the test split, not trainings: another seed moves a "
    "figure too."
)


@dataclass(frozen=True)
class Figure:
    """A headline figure and its 95 % interval, None where it has none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Report:
    """What the stages reported of one data set at one commit.

    Attributes
    ----------
    figures
        Headline figures by name.
    counts
        What was used, skipped, dropped and masked.
    warnings
        Sentences of `evaluate` and other stages.
    teacher
        Hash of the teacher's weights.
    test
        What `fingerprint_test` gave for the test windows.
    """

    figures: Mapping[str, Figure] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    teacher: str | None = None
    test: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Picture:
    """A drawn plot: its place beside the comment, what it shows, its width in CSS pixels."""

    path: str
    title: str
    width: int


def read(files: Mapping[str, Any]) -> Report:
    """Gather a data set's report from `<stage>/metrics.json` and `<stage>/details.json`, parsed."""
    figures: dict[str, Figure] = {}
    warnings: list[str] = []
    for stage in FIGURES:
        prefix = "" if stage == "evaluate" else f"{stage}: "
        of_stage = _figures(files.get(f"{stage}/metrics.json", {}))
        figures |= {prefix + name: figure for name, figure in of_stage}
        warnings += files.get(f"{stage}/details.json", {}).get("warnings", [])
    counts = {
        f"{stage}: {name}": count
        for stage in COUNTS
        for name, count in _counts(files.get(f"{stage}/metrics.json", {}))
    }
    teacher = files.get("embed/metrics.json", {}).get("teacher", {}).get("weights_sha256")
    test = files.get("evaluate/details.json", {}).get("test")
    return Report(figures, counts, warnings, teacher, test)


def _figures(content: Mapping[str, Any], names: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield each number that is no bound, with `<key>_low` and `<key>_high` as its interval.

    Bounds called `low` and `high` belong to the one figure beside them that has none of its own.
    """
    keys = [
        key
        for key, value in content.items()
        if _number(value)
        and key not in _LEVELS
        and not re.search(r"(^|_)(low|high)$", key)
    ]  # fmt: skip
    unbounded = [key for key in keys if f"{key}_low" not in content]
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _figures(value, (*names, key))
        elif key in keys:
            prefix = f"{key}_" if key not in unbounded else "" if len(unbounded) == 1 else None
            bounds = (None, None) if prefix is None else (
                content.get(f"{prefix}low"), content.get(f"{prefix}high"))  # fmt: skip
            path = names if key == "value" and names else (*names, key)
            yield readable(", ".join(path)), Figure(value, *bounds)


def _counts(content: Mapping[str, Any], names: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _counts(value, (*names, key))
        elif _number(value) and isinstance(value, int):
            yield ", ".join((*names, key)).replace("_", " "), value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def readable(name: str) -> str:
    """`imu_to_text, mrr` as `IMU → text, MRR`."""
    for pattern, replacement in _READABLE:
        name = re.sub(pattern, replacement, name)
    return name


def comment(base: str, sections: Mapping[str, str], not_drawn: Sequence[str] = ()) -> str:
    """Markdown of the comment: of each data set, by name, its section, empty where all is equal."""
    changed = {name: text for name, text in sections.items() if text}
    equal = ", ".join(name for name, text in sections.items() if not text)
    lines = [MARKER, f"### Figures and plots against {base}"]
    lines += [f"#### {name}\n\n{text}" for name, text in changed.items()]
    if equal:
        lines.append(f"Of {equal}: no figure, warning, count or plot changed.")
    if not_drawn:
        lines.append(f"Plots of a form that is not drawn here: {', '.join(not_drawn)}.")
    return "\n\n".join(lines) + "\n"


def section(before: Report | None, now: Report | None, pictures: Sequence[Picture] = ()) -> str:
    """Markdown of one data set; empty where nothing changed."""
    if now is None:
        return "Its reports are gone."
    old = before or Report()
    reason = why_not_comparable(old.test, now.test) if before else ""
    table, same = _figure_table(old.figures, now.figures, bool(reason))
    names = "; ".join(_cell(name) for name in same)
    unchanged = [f"Unchanged figures: {len(same)} ({names})."] if same else []
    parts = [
        *([] if before else ["Its reports are new: there is nothing to compare with."]),
        *_other_teacher(old, now),
        *([f"**Not comparable with before**: {reason}."] if reason and table else []),
        *table,
        *unchanged,
        *_warning_lists(old.warnings, now.warnings),
        *_count_table(old.counts, now.counts),
        *(
            f'{p.title}\n\n<img src="{p.path}" width="{p.width}" alt="{_cell(p.title)}">'
            for p in pictures
        ),
    ]
    return "" if parts == unchanged else "\n\n".join(parts)


def _other_teacher(before: Report, now: Report) -> list[str]:
    if not before.teacher or not now.teacher or before.teacher == now.teacher:
        return []
    return ["**The teacher has other weights than before**, so figures cannot be compared."]


def _figure_table(
    before: Mapping[str, Figure], now: Mapping[str, Figure], other_test: bool
) -> tuple[list[str], list[str]]:
    """The table of figures that changed, with what its marks mean; and the names of the others.

    Where the test windows are others, no figure is marked as better or worse.
    """
    rows, same, marked = [], [], False
    for name in dict.fromkeys([*now, *before]):
        old, new = before.get(name), now.get(name)
        if old and new and _shown(old) == _shown(new):
            same.append(name)
            continue
        mark = "" if other_test else moved(old, new)
        marked |= bool(mark)
        change = f"{_change(old, new)} {mark}".strip()
        first = f"{old.value:.3f}" if old else "new"
        last = f"{new.value:.3f}" if new else "gone"
        rows.append([name, first, last, change, _interval(new)])
    header = ["figure", "before", "now", "change", "95 % interval now"]
    return ([_table(header, rows)] if rows else []) + ([_MARKS] if marked else []), same


def moved(before: Figure | None, now: Figure | None) -> str:
    """▲ or ▼ where the figure before lies below or above the interval now, else nothing."""
    if before is None or now is None or now.low is None or now.high is None:
        return ""
    return "▲" if before.value < now.low else "▼" if before.value > now.high else ""


def _shown(figure: Figure) -> tuple[str, str]:
    return f"{figure.value:.3f}", _interval(figure)


def _interval(figure: Figure | None) -> str:
    if figure is None or figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:.3f} to {figure.high:.3f}"


def _change(before: Figure | None, now: Figure | None) -> str:
    if before is None or now is None:
        return ""
    change = round(now.value, 3) - round(before.value, 3)
    return f"{change:+.3f}".replace("-", "−") if abs(change) > 5e-4 else "0"


def _warning_lists(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """What is new and what is gone; a warning that only gives other numbers is neither."""
    old, new = ({re.sub(r"\d+(\.\d+)?", "#", w): w for w in side} for side in (before, now))
    lists = {
        "New warnings": [new[key] for key in new if key not in old],
        "Warnings that are gone": [old[key] for key in old if key not in new],
    }
    return [
        f"**{title}**\n\n" + "\n".join(f"- {_cell(warning)}" for warning in warnings)
        for title, warnings in lists.items()
        if warnings
    ]


def _count_table(before: Mapping[str, int], now: Mapping[str, int]) -> list[str]:
    """Counts that changed; one that only one side has was 0 on the other, if that side has any."""
    if not before or not now:
        return []
    rows = [
        [name, f"{old:,}", f"{new:,}", f"{new - old:+,}".replace("-", "−")]
        for name in dict.fromkeys([*now, *before])
        if (old := before.get(name, 0)) != (new := now.get(name, 0))
    ]
    return [_table(["count", "before", "now", "change"], rows)] if rows else []


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = [header, rule, *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text that is neither a column's end nor HTML."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("|", "\\|")
