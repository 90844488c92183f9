"""The tables and the figure of the data sets that are left out one at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import style

from aura.report.figures import INK, MUTED, SERIES, STYLE, new_figure, to_svg
from aura.report.shift import document

Details = Mapping[str, Mapping[str, Any]]
"""By target: `sources`, `seeds`, `zero_shot`, `places`, `baselines`, `rows`, `gains` and so on."""


def headline_metrics(details: Details) -> dict[str, dict[str, dict[str, float]]]:
    """What `dvc metrics diff` shows: by target, macro-F1 zero-shot and what pretraining adds."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for target, content in details.items():
        rows = {
            name: next(iter(content[name].values()))["macro-F1"] for name in ("zero_shot", "takes")
        }
        for gain in content.get("gains", []):
            if gain["head"] == "fine-tuned":
                few = f"_{gain['shots']}" if gain["shots"] else ""
                rows[f"gain_fine_tuned{few}"] = gain
        table[target] = {
            name: {
                key: round(row[key], 3) for key in ("value", "low", "high") if row[key] is not None
            }
            for name, row in rows.items()
        }
    return table


def page(mixture: str, details: Details) -> str:
    """All tables as Markdown."""
    lines = [
        f"# {mixture}, one data set left out at a time",
        "",
        "A target took no part in the training of the models that are tested on it, and neither "
        "did any other data set of the same files. Macro-F1 and accuracy zero-shot, by the nearest "
        "prompt among all classes of the target; figures of several seeds are their mean. "
        "Intervals are 95 % of a bootstrap over people; a difference to the first row is paired. "
        '"Alone" is a model of that one source. A take is given one class, by the sum of its '
        "windows' cosines. Where there are several recipes to choose from, the first row is that "
        "of the best geometric mean on the other data sets, each left out of training as well: the "
        "target has no part in the choice. A row that balances classes reads all unlabelled "
        "windows of the target at once and takes its classes for equally common.",
        "",
    ]
    for target, content in details.items():
        lines += [f"## {target}", "", *_target(content), ""]
    return "\n".join(lines).rstrip() + "\n"


def _target(content: Mapping[str, Any]) -> list[str]:
    chance = content["baselines"]
    lines = [
        f"{content['participants']} people, {content['windows']} windows, "
        f"{len(content['classes'])} classes, seeds {', '.join(map(str, content['seeds']))}; of "
        f"{', '.join(content['sources'])}. Guessing uniformly scores macro-F1 "
        f"{chance['uniform']['macro_f1']:.3f}, always the commonest class accuracy "
        f"{chance['majority']['accuracy']:.3f}.",
        "",
        *_choice(content),
        *_zero_shot("window", content["zero_shot"], content["places"]),
        "",
        *_zero_shot("take", content["takes"], content["takes_at_places"]),
    ]
    lines += ["", *_errors(content["errors"])]
    if content.get("rows"):
        lines += ["", *_heads(content)]
    warnings = content.get("warnings", [])
    return [*lines, *([""] if warnings else []), *(f"- {warning}" for warning in warnings)]


def _choice(content: Mapping[str, Any]) -> list[str]:
    """What each candidate scores on the other data sets, of which the first row was chosen."""
    if not content.get("choice"):
        return []
    held = list(next(iter(content["choice"].values())))
    return [
        _row(["recipe, chosen on other data sets", *held]),
        _row(["---"] * (1 + len(held))),
        *(
            _row([f"**{name}**" if name == content["chosen"] else name,
                  *(f"{of[target]:.3f}" for target in held)])
            for name, of in content["choice"].items()
        ),
        "",
    ]  # fmt: skip


def _zero_shot(
    unit: str, scores_of: Mapping[str, Any], at_places: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    columns = [f"zero-shot, by {unit}", "macro-F1", "difference to the first", "accuracy"]
    lines = [_row([*columns, *at_places]), _row(["---"] * (len(columns) + len(at_places)))]
    for name, scores in scores_of.items():
        at = [found.get(name) for found in at_places.values()]
        cells = [
            name,
            _interval(scores["macro-F1"]),
            _interval(scores.get("gain"), "+"),
            _interval(scores["accuracy"]),
            *(f"{row['macro-F1']['value']:.3f}" if row else "" for row in at),
        ]
        lines.append(_row(cells))
    return lines


def _errors(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    """By class, of the first row's takes."""
    lines = [_row(["class, of the first row, by take", "takes", "found", "mostly taken for"]),
             _row(["---"] * 4)]  # fmt: skip
    for row in errors:
        wrong = f"{row['taken_for']} ({row['of']:.2f})" if "of" in row else ""
        lines.append(_row([row["label"], str(row["n"]), f"{row['recall']:.2f}", wrong]))
    return lines


def _heads(content: Mapping[str, Any]) -> list[str]:
    row_of = {(r["head"], r["shots"], r["start"], r["metric"]): r for r in content["rows"]}
    gains = {(g["head"], g["shots"]): g for g in content["gains"]}
    lines = [
        _row(["head on the target's labels", "accuracy", "macro-F1", "accuracy, random start",
              "macro-F1, random start", "gain in accuracy, paired"]),
        _row(["---"] * 6),
    ]  # fmt: skip
    for head, shots in dict.fromkeys((r["head"], r["shots"]) for r in content["rows"]):
        without = ("length alone", "random convolutions")
        trained = "no encoder" if head in without else "pretrained"
        name = f"{head}, {shots} labels a class" if shots else head
        cells = [
            _interval(row_of.get((head, shots, start, metric)))
            for start in (trained, "random")
            for metric in ("accuracy", "macro-F1")
        ]
        lines.append(_row([name, *cells, _interval(gains.get((head, shots)), "+")]))
    return lines


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _interval(row: Mapping[str, Any] | None, sign: str = "") -> str:
    if row is None:
        return ""
    ends = "" if row["low"] is None else f" ({row['low']:{sign}.3f} to {row['high']:{sign}.3f})"
    return f"{row['value']:{sign}.3f}{ends}"


def figure(details: Details) -> str:
    """Zero-shot macro-F1 of each row on each target, with intervals, beside uniform guessing."""
    names = list(dict.fromkeys(n for content in details.values() for n in content["zero_shot"]))
    with style.context(STYLE, after_reset=True):
        rows = sum(1 + len(content["zero_shot"]) for content in details.values())
        drawing = new_figure(7.2, 0.8 + 0.2 * rows)
        axes = drawing.add_subplot()
        colours = (*SERIES, INK, MUTED)
        y, ticks = 0.0, list[tuple[float, str]]()
        for target, content in details.items():
            chance, first = content["baselines"]["uniform"]["macro_f1"], y
            for name, scores in content["zero_shot"].items():
                row, colour = scores["macro-F1"], colours[names.index(name) % len(colours)]
                if row["low"] is not None:
                    axes.plot([row["low"], row["high"]], [y, y], color=colour, lw=1.2)
                axes.plot([row["value"]], [y], "o", color=colour, ms=4)
                axes.annotate(
                    name, (row["high"] or row["value"], y), (5, -3), textcoords="offset points",
                    size=7, color=MUTED,
                )  # fmt: skip
                y += 1
            axes.plot([chance, chance], [first - 0.5, y - 0.5], color=MUTED, lw=1, ls=":")
            ticks.append((first, target))
            y += 0.8
        axes.set_yticks([at for at, _ in ticks], [target for _, target in ticks], size=8, color=INK)
        axes.invert_yaxis()
        axes.set_xlim(0, None)
        axes.set_xlabel("zero-shot macro-F1; dotted: guessing uniformly", size=8)
        axes.set_xticks(np.arange(0, 1.01, 0.1))
        axes.grid(axis="x")
        return document(to_svg(drawing, "transfer", "Zero-shot macro-F1 by target"))
