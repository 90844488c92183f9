"""slice: signals to an index of synchronised sliding windows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Params, Slice
from aura.counts import Ledger
from aura.errors import AuraError
from aura.evaluation import leakage
from aura.schema import SIGNALS, SPLITS, TAKES, WINDOWS, from_rows, to_numpy
from aura.signals.windows import Span, TakeSignals, Window, slice_take, starts
from pipeline.engine import inputs, paths
from pipeline.engine.code import code_hash
from pipeline.engine.log import Told, logged, tell
from pipeline.engine.output import Made, list_shards, read_table, stage_output, write_json
from pipeline.engine.shards import Add, add_counts, file_shards, run_shards

UNITS = ("takes", "windows", "texts")
_SIGNAL_COLUMNS = [
    "take_id",
    "second",
    "imu_valid",
    "mocap_valid",
    "imu_saturated",
    "clock_offset_ms",
]
NOTHING_LEFT, OUTSIDE = "says nothing but its class", "in no window that is kept"
_MODALITIES = ("imu", "mocap", "video", "text", "action")
_TAKE_COLUMNS = (
    *("take_id", "participant_id", "capture_id", "split", "label"),
    *("place", "moment_id", "imu_channels"),
)


@logged(str(paths.WINDOWS / "{dataset}"))
def run(params: Params, dataset: str) -> None:
    """Cut the signals of `dataset` into `data/windows/<dataset>`."""
    params.dataset(dataset)
    source = paths.SIGNALS / dataset
    signals = inputs.signals_of(dataset)
    shards = list_shards(source, "resample")
    identity = {
        "code": code_hash("pipeline.slice"),
        "params": params.slice.model_dump(),
        "input": signals.sha256,
    }
    made = Made("slice", dataset, params.slice.model_dump(mode="json"), [signals])
    with stage_output(paths.WINDOWS / dataset, identity, made) as folder:
        reports = list(
            run_shards(
                file_shards(shards, source),
                partial(slice_shard, params.slice),
                {"part": WINDOWS},
                folder,
                params.ray,
                f"slice {dataset}",
            )
        )
        ledger = Ledger("slice", *UNITS)
        for report in reports:
            ledger.add(report["counts"])
        tell(ledger, *(report["told"] for report in reports))
        if not ledger.used("windows"):
            raise AuraError(
                f"No window of {params.slice.window_s} s fits the signals of {dataset}."
            )
        per_split, present = add_counts(reports, "per_split"), add_counts(reports, "with")
        with stage_output(paths.report(dataset, "slice"), None) as counted:
            write_json(
                counted / "metrics.json",
                {
                    **ledger.content(),
                    "windows_per_split": {split: per_split.get(split, 0) for split in SPLITS},
                    "windows_with": {name: present.get(name, 0) for name in _MODALITIES},
                    "windows_saturated": present.get("saturation", 0),
                    "texts_by_source": add_counts(reports, "sources"),
                    "texts_and_their_class": add_counts(reports, "leaks"),
                    "largest_gap_ms": max(report["largest_gap_ms"] for report in reports),
                    "clock_offset_ms": max(report["clock_offset_ms"] for report in reports),
                },
            )


def slice_shard(params: Slice, file: Path, add: Add) -> dict[str, Any]:
    """Windows of the takes of one SIGNALS shard, with the TAKES shard of the same number."""
    signals = read_table(file, SIGNALS, "resample", _SIGNAL_COLUMNS)
    takes_table = read_table(file.with_name(paths.sibling(file, "takes")), TAKES, "resample")
    takes = {row["take_id"]: row for row in takes_table.to_pylist()}
    imu_valid, mocap_valid = (to_numpy(signals, name) for name in ("imu_valid", "mocap_valid"))
    saturated, offsets = (signals[name].to_numpy() for name in ("imu_saturated", "clock_offset_ms"))
    ledger, told, largest_gap_ms, clock_offset_ms = Ledger("slice", *UNITS), Told(), 0.0, 0.0
    ledger.find("takes", takes_table.num_rows)
    counts = {name: Counter[str]() for name in ("sources", "leaks", "per_split", "with")}
    for take_id, first, last in take_runs(signals.column("take_id").to_pylist()):
        take = takes[take_id]
        duration = take["duration_s"]
        spans, mute = texts_of(take, params.mask_class_names)
        counts["sources"].update(Counter(span.source for span in spans))
        counts["leaks"].update(leakage.shares((span.text, take["label"]) for span in spans))
        signals_of_take = TakeSignals(
            duration_s=duration,
            imu_valid=imu_valid[first:last].reshape(-1)[: round(duration * IMU_RATE_HZ)],
            mocap_valid=mocap_valid[first:last].reshape(-1, mocap_valid.shape[2])[
                : round(duration * MOCAP_RATE_HZ)
            ],
            imu_saturated=saturated[first:last],
            clock_offset_ms=offsets[first:last],
            texts=spans,
            has_video=bool(take["videos"]),
            actions=[
                Span(a["action"], a["begin_s"], a["end_s"], "action") for a in take["actions"]
            ],
        )
        windows, dropped, held = slice_take(signals_of_take, params)
        counts["per_split"].update({take["split"]: len(windows)})
        ids = {name: take[name] for name in _TAKE_COLUMNS}
        rows = [
            {"window_id": f"{take_id}@{round(w.start_s * 1000):07d}", **ids, **asdict(w)}
            for w in windows
        ]
        add("part", from_rows(rows, WINDOWS))
        ledger.find("texts", len(take["texts"]))
        ledger.drop("texts", NOTHING_LEFT, mute)
        found = len(starts(duration, params.window_s, params.stride_s, params.pad_short))
        lost = _count_take(ledger, found, len(rows), dropped, held)
        told += [[take["take_name"], reason, count, ""] for reason, count in lost.items()]
        for window in windows:
            counts["with"].update(_present(window))
            largest_gap_ms = max(largest_gap_ms, window.largest_gap_ms)
            clock_offset_ms = max(clock_offset_ms, window.clock_offset_ms)
    return {
        **{name: dict(counter) for name, counter in counts.items()},
        "counts": ledger.content(),
        "told": told,
        "largest_gap_ms": largest_gap_ms,
        "clock_offset_ms": clock_offset_ms,
    }


def _count_take(
    ledger: Ledger, found: int, kept: int, dropped: Mapping[str, int], held: np.ndarray
) -> dict[str, int]:
    """Count a take, its windows and its texts; returns what it has lost, by unit and reason."""
    ledger.find("windows", found)
    ledger.use("windows", kept)
    lost = Counter({f"window: {reason}": count for reason, count in dropped.items()})
    for reason, count in dropped.items():
        ledger.drop("windows", reason, count)
    ledger.use("texts", int(held.sum()))
    ledger.drop("texts", OUTSIDE, int((~held).sum()))
    lost[f"text: {OUTSIDE}"] += int((~held).sum())
    if kept:
        ledger.use("takes")
    else:
        reason = "no window is kept" if found else "shorter than a window"
        ledger.drop("takes", reason)
        lost[f"take: {reason}"] += 1
    return +lost


def texts_of(take: dict[str, Any], mask: bool) -> tuple[list[Span], int]:
    """Texts of a take.

    Parameters
    ----------
    take : dict
        A TAKES row.
    mask : bool
        Whether the words of its class are masked.

    Returns
    -------
    spans : list of Span
        The texts; one about a moment ends where it begins.
    mute : int
        How many said nothing but their class.
    """
    spans, mute = list[Span](), 0
    for entry in take["texts"]:
        text = leakage.mask_class(entry["text"], take["label"]) if mask else entry["text"]
        end = entry["time_s"] if entry["end_s"] is None else entry["end_s"]
        if text:
            spans.append(Span(text, entry["time_s"], end, entry["source"]))
        else:
            mute += 1
    return spans, mute


def _present(window: Window) -> dict[str, int]:
    present = {name: getattr(window, f"has_{name}") for name in ("imu", "mocap", "video")}
    present |= {"text": bool(window.texts), "action": window.action is not None}
    present |= {"saturation": window.imu_saturated > 0}
    return {name: int(value) for name, value in present.items()}


def take_runs(take_ids: Sequence[str]) -> list[tuple[str, int, int]]:
    """Consecutive rows of one take: (take_id, first, last + 1)."""
    runs: list[tuple[str, int, int]] = []
    for row, take_id in enumerate(take_ids):
        if runs and runs[-1][0] == take_id:
            runs[-1] = (take_id, runs[-1][1], row + 1)
        else:
            runs.append((take_id, row, row + 1))
    return runs
