"""What a long run has shown: `python -m tests.faults.long_report /tmp/al docs/long-run`.

Writes the figures as JSON and the samples as a chart, from however much there is so far.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style

from aura.report import bench
from aura.report.figures import INK, MUTED, SERIES, STYLE, new_figure, to_svg

Row = dict[str, Any]
PANELS = {
    "rss": ("resident memory, the sum over all processes, GB", 1e9),
    "fds": ("open files", 1),
    "processes": ("processes", 1),
    "temporary": ("temporary files but for Ray's logs, MB", 1e6),
    "shards": ("shards that are done", 1),
}
BLOCK_S, DRAWS = 600.0, 2000


def read(folder: Path, name: str) -> list[Row]:
    """Lines of one of the files of a run; a last one that is half written is left out."""
    rows = []
    for line in (folder / f"{name}.jsonl").read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def slope(seconds: np.ndarray, values: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Change an hour by least squares, and its 95 % interval by a bootstrap of whole blocks.

    Neighbouring samples are alike, so the residuals are drawn in blocks of some minutes.
    """
    hours = seconds / 3600
    gradient, level = np.polyfit(hours, values, 1)
    left = values - (gradient * hours + level)
    step = max(float(np.median(np.diff(seconds))), 1e-9)
    block = max(1, min(len(values) // 2, round(BLOCK_S / step)))
    rng, found = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        starts = rng.integers(0, len(values) - block + 1, -(-len(values) // block))
        drawn = np.concatenate([left[start : start + block] for start in starts])[: len(values)]
        found.append(np.polyfit(hours, gradient * hours + level + drawn, 1)[0])
    low, high = np.percentile(found, (2.5, 97.5))
    return float(gradient), float(low), float(high)


def figures(samples: Sequence[Row], events: Sequence[Row]) -> Row:
    """What is said in words: how much at most, how it changes, what was killed, what is wrong."""
    seconds = np.array([row["s"] for row in samples])
    told: Row = {"hours": round(float(seconds[-1] - seconds[0]) / 3600, 2)}
    for name, (_, unit) in PANELS.items():
        values = np.array([row[name] for row in samples]) / unit
        told[name] = {"max": round(float(values.max()), 3)}
        if name != "shards":
            change, low, high = slope(seconds, values)
            told[name] |= {
                "an_hour": round(change, 3),
                "low": round(low, 3),
                "high": round(high, 3),
            }
    of = [row["event"] for row in events]
    rounds = [row for row in events if row["event"] == "round"]
    settled = [row for row in events if row["event"] == "settled"]
    told["kills"] = dict(Counter(row["kind"] for row in events if row["event"] == "killed"))
    told["rounds"] = len(rounds)
    told["rounds_that_differ"] = sum(bool(row["different"]) for row in rounds)
    told["wrong"] = of.count("wrong") + of.count("memory has no bound")
    disturbed = [row for row in events if row["event"] == "disturbed"]
    told["disturbed_runs"] = len(disturbed)
    told["exit_codes"] = dict(Counter(str(row["code"]) for row in disturbed))
    told["hung"] = sum(row["hung"] for row in disturbed)
    told["tracebacks"] = sum(row["traceback"] for row in disturbed)
    told["plain_runs"] = dict(Counter(str(r["code"]) for r in events if r["event"] == "ran"))
    told["processes_left_after_2_minutes"] = sum(row["left"] for row in settled)
    told["longest_until_all_were_gone_s"] = round(max(row["took"] for row in settled), 1)
    return told


def chart(samples: Sequence[Row], events: Sequence[Row]) -> str:
    """The samples over time, with the kills and the ends of rounds."""
    hours = np.array([row["s"] for row in samples]) / 3600
    kills = [row["s"] / 3600 for row in events if row["event"] == "killed"]
    ends = [row["s"] / 3600 for row in events if row["event"] == "round"]
    with style.context(STYLE, after_reset=True):
        figure = new_figure(9, 1.25 * len(PANELS))
        axes = figure.subplots(len(PANELS), 1, sharex=True)
        for axis, (name, (title, unit)) in zip(axes, PANELS.items(), strict=True):
            values = np.array([row[name] for row in samples]) / unit
            axis.plot(hours, values, color=SERIES[0], lw=0.9)
            for moment in ends:
                axis.axvline(moment, color=MUTED, lw=0.8)
            top = max(float(values.max()) * 1.15, 1e-3)
            axis.plot(kills, [top * 0.97] * len(kills), "v", color=SERIES[1], markersize=4)
            axis.set(ylim=(0, top), xlim=(hours[0], hours[-1]))
            axis.set_title(title, color=INK)
            axis.grid(axis="y")
        axes[-1].set_xlabel("hours; a triangle is a kill, a line the end of a round", color=MUTED)
        drawing = to_svg(figure, "long-run", "Memory, files and processes of a long run")
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing)
    assert size is not None
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = f'<svg {spaces} width="{size[1]}" height="{size[2]}"'
    return drawing.replace("<svg", head, 1).replace(">", f">{bench._THEME}", 1)


def main(arguments: Sequence[str]) -> None:
    """Write the two files."""
    folder, out = Path(arguments[0]), Path(arguments[1])
    samples, events = read(folder, "samples"), read(folder, "events")
    told = figures(samples, events)
    out.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")
    out.with_suffix(".svg").write_text(chart(samples, events))
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
