"""What a full data set costs: its known size, and amounts and times by plain arithmetic.

Rates come from `pipeline/estimate.py`, which measures them. Times are in s, sizes in bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aura.config import Params
from aura.errors import AuraError
from aura.signals.windows import starts
from aura.teacher.video import window_frames

GPU_EFFICIENCY = 0.3  # assumed share of a GPU's peak that CLIP's inference reaches; not measured
# 1e9 floating-point operations of one image and of one text. Source: docs/model_profile.csv of
# open_clip; torch's own counter gives 8.73 and 5.81 for ViT-B-32 without its attention products.
GFLOP = {"ViT-B-32": (8.82, 5.96), "ViT-B-16": (35.13, 5.96)}
# Times as long as a synthetic video took one of people, of H.264 at 448p and 758 kbit/s.
_REAL_VIDEO = 3.0
_RANKED = 2  # directions in which validation ranks each pair of modalities
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True)
class FullSize:
    """Published size of a data set; `parts_gb` are the parts of its download in use, in 1e9 B."""

    takes: dict[str, int]
    ego_hours: float
    all_hours: float
    video_fps: float
    imu_hz: float
    texts: int
    parts_gb: dict[str, float]

    @property
    def take_s(self) -> float:
        """Mean length of a take."""
        return self.ego_hours * _HOUR / sum(self.takes.values())

    def read(self, splits: Sequence[str], shares: Mapping[str, float]) -> "FullSize":
        """Size of what is read: the takes of these official splits, as if of the mean length.

        With `shares` they are dealt anew: so much of the takes to each split, the rest to training.
        Neither the download nor the texts are fewer, as the counts of both are for all splits.
        """
        takes = {split: count for split, count in self.takes.items() if split in splits}
        if not takes:
            raise AuraError(f"No take is in the splits {list(splits)}; there is nothing to do.")
        total = sum(takes.values())
        if shares:
            dealt = {split: round(share * total) for split, share in shares.items()}
            takes = {"train": total - sum(dealt.values()), **dealt}
        part = total / sum(self.takes.values())
        hours, all_hours = self.ego_hours * part, self.all_hours * part
        return replace(self, takes=takes, ego_hours=hours, all_hours=all_hours)


# Takes and hours: README of github.com/facebookresearch/Ego4d ("1286.30 video hours (221.26
# ego-hours) across 5035 takes"); (all - ego) / ego is 4.8 exo cameras a take. Takes per split:
# the official splits.json. Texts: 432K atomic descriptions,
# arXiv 2311.18259, by summaries of it, so "about". Parts: docs.ego-exo4d-data.org/download; the
# last two by a public copy of that table. IMU: 1000 Hz nominal of imu-right, Project Aria docs.
EGO_EXO4D = FullSize(
    takes={"train": 3072, "val": 842, "test": 1121},
    ego_hours=221.26,
    all_hours=1286.30,
    video_fps=30.0,
    imu_hz=1000.0,
    texts=432_000,
    parts_gb={
        "metadata": 0.046,
        "annotations": 10.533,
        "captures": 43.618,
        "take_vrs_noimagestream": 995.592,
        "downscaled_takes/448": 438.556,
        "ego_pose_pseudo_gt": 138.629,
    },
)
KNOWN = {"ego-exo4d": EGO_EXO4D}


def full_size(dataset: str) -> FullSize:
    """Published size of `dataset`; an `AuraError` where none is known."""
    if dataset not in KNOWN:
        raise AuraError(
            f"The full size of data set '{dataset}' is not known; `aura estimate` knows: "
            f"{', '.join(sorted(KNOWN))}."
        )
    return KNOWN[dataset]


@dataclass(frozen=True)
class Row:
    """One line: an amount, where it comes from, and how many of it are done in a second.

    `rate` is that of one thread, and `all_rate` that of all threads of the machine together, where
    that is how the work is done; else N cores are taken to be N times as fast. Without either, the
    amount takes no time of ours, and `measured` says where it is from.
    """

    stage: str
    amount: float
    unit: str
    arithmetic: str
    rate: float | None = None
    all_rate: float | None = None
    gpu_s: float | None = None
    measured: str = ""

    def times(self, cores: int) -> tuple[float | None, float | None]:
        """Time on one core and on `cores`."""
        one = self.amount / self.rate if self.rate else None
        if self.all_rate:
            return one, self.amount / self.all_rate
        return one, one and one / cores


def windows_of(duration_s: float, params: Params) -> int:
    """Windows of a recording."""
    cut = params.slice
    return len(starts(duration_s, cut.window_s, cut.stride_s, cut.pad_short))


def frames_of(duration_s: float, params: Params, fps: float) -> np.ndarray:
    """Distinct frame numbers (n,) that the windows of a recording need."""
    cut = params.slice
    begin = starts(duration_s, cut.window_s, cut.stride_s, cut.pad_short)
    return np.unique(
        window_frames(begin.tolist(), cut.window_s, params.embed.frames_per_window, fps)
    )


def gpu_seconds(items: float, gflop: float, tflops: float) -> float:
    """Time of `items` at `gflop` each on a GPU of `tflops` peak, at `GPU_EFFICIENCY` of it."""
    return items * gflop / (tflops * 1000 * GPU_EFFICIENCY)


def preprocess_rows(
    size: FullSize, params: Params, rates: dict[str, float], model: str, gpu_tflops: float
) -> list[Row]:
    """Rows of resample, slice and embed; rates in units per second and core."""
    hours, takes, take_s = f"{size.ego_hours:.2f} h", sum(size.takes.values()), size.take_s
    seconds = size.ego_hours * _HOUR
    distinct = len(frames_of(take_s, params, size.video_fps))
    images = takes * distinct
    flop = GFLOP.get(model)
    gpu = [gpu_seconds(n, f, gpu_tflops) for n, f in zip((images, size.texts), flop or (),
                                                         strict=False)]  # fmt: skip
    exo = (size.all_hours - size.ego_hours) / size.ego_hours
    return [
        Row("resample: read VRS", seconds * size.imu_hz, "samples",
            f"{hours} x 3600 s x {size.imu_hz:.0f} Hz", rates["vrs"]),
        Row("resample: IMU to 200 Hz", size.ego_hours, "h", f"{hours} of IMU", rates["imu"]),
        Row("resample: pose to 10 FPS", size.ego_hours, "h",
            f"{hours}, as if every take had pose", rates["pose"]),
        Row("slice", size.ego_hours, "h", f"{hours} of signals", rates["slice"]),
        Row("embed: decode video", seconds * size.video_fps, "frames",
            f"{hours} x 3600 s x {size.video_fps:.0f} FPS x 1 of {exo:.1f} exo cameras",
            rates["decode"]),
        Row(f"embed: images, {model}", images, "images",
            f"{takes:,} takes x {distinct} distinct frames of a take of {take_s:.0f} s "
            f"({distinct / take_s:.2f} a second)",
            rates["images"], gpu_s=gpu[0] if gpu else None),
        Row(f"embed: texts, {model}", size.texts, "texts",
            f"about {_count(size.texts)} atomic descriptions, as if all were distinct",
            rates["texts"], gpu_s=gpu[1] if gpu else None),
    ]  # fmt: skip


def train_rows(size: FullSize, params: Params, rates: dict[str, float]) -> list[Row]:
    """Rows of the phases, the twins and the validation after each epoch."""
    each = windows_of(size.take_s, params)
    train, val = (size.takes.get(split, 0) * each for split in ("train", "val"))
    twins, joint = params.train.twins, params.train.phases()["joint"]
    phases = [(f"phase {k}", f"train_{k}", phase) for k, phase in params.train.phases().items()]
    names = [*(["shuffled control"] * twins.shuffled), *(["held-out class"] * bool(twins.held_out))]
    phases += [(name, "train_joint", joint) for name in names]
    epochs = sum(phase.epochs for _, _, phase in phases)
    rankings = sum(phase.epochs * len(phase.pairs) * _RANKED for _, _, phase in phases)
    rows = [
        Row(f"train: {name}", phase.epochs * train, "windows",
            f"{phase.epochs} epochs x {size.takes.get('train', 0):,} takes x {each} windows",
            rates[key], rates[f"{key}_all"])
        for name, key, phase in phases
    ]  # fmt: skip
    return [
        *rows,
        Row("train: validation, encode", epochs * val, "windows",
            f"{epochs} epochs x {size.takes.get('val', 0):,} takes x {each} windows",
            rates["encode"], rates["encode_all"]),
        Row("train: validation, rank", float(rankings) * val**2, "scores",
            f"{rankings} rankings x {_count(val)} windows squared", all_rate=rates["rank_all"]),
    ]  # fmt: skip


def disk_rows(size: FullSize, params: Params, rates: dict[str, float]) -> list[Row]:
    """Rows of what lies on disk; the rates are in bytes."""
    hours, takes = size.ego_hours, sum(size.takes.values())
    windows = takes * windows_of(size.take_s, params)
    parts = size.parts_gb
    hourly, window, video, text = (
        rates[f"bytes_{name}"] for name in ("signals", "window", "video", "text")
    )
    return [
        Row("disk: download", sum(parts.values()) * 1e9, "B",
            " + ".join(f"{gb:.3g} {name}" for name, gb in parts.items()) + " GB",
            measured="published"),
        Row("disk: signals", hours * hourly, "B", f"{hours:.2f} h x {_bytes(hourly)}",
            measured=f"{_bytes(hourly)} an hour"),
        Row("disk: windows", windows * window, "B", f"{_count(windows)} windows x {window:.0f} B",
            measured=f"{window:.0f} B a window"),
        Row("disk: embeddings", windows * video + size.texts * text, "B",
            f"{_count(windows)} windows x {video:.0f} B + {_count(size.texts)} texts x "
            f"{text:.0f} B", measured=f"{video:.0f} B a window, {text:.0f} B a text"),
    ]  # fmt: skip


def table(blocks: Sequence[tuple[str, Sequence[Row]]], cores: int, gpu_tflops: float) -> str:
    """Markdown of the rows; a block with a title ends with the sum of its times."""
    gpu = f"one GPU of {gpu_tflops:g} TFLOPS at {GPU_EFFICIENCY:.0%} (assumed, not measured)"
    head = [
        "stage",
        "amount",
        "arithmetic",
        "measured here",
        "one core",
        f"{cores} core{'s'[: cores - 1]}",
        gpu,
    ]
    lines = [head, ["---"] * len(head)]
    for title, rows in blocks:
        lines += [_cells(row, cores) for row in rows]
        if title:
            sums = [
                _sum(column) for column in zip(*(row.times(cores) for row in rows), strict=True)
            ]
            lines.append([f"**{title}**", "", "", "", *sums, ""])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def assumed(
    full: FullSize, size: FullSize, rates: dict[str, float], cores: int, sample_s: float, busy: bool
) -> str:
    """What of the table is measured and what is assumed, in one sentence."""
    read, there = sum(size.takes.values()), sum(full.takes.values())
    bits = full.parts_gb["downscaled_takes/448"] * 8e6 / (full.all_hours * 3600)
    pose = full.parts_gb["ego_pose_pseudo_gt"] * 1e3 / full.ego_hours
    return (
        "This is an estimate: the rates are medians measured on this machine, by the project's own "
        f"functions on a synthetic recording of {sample_s:.0f} s in the page cache, on one "
        "thread where the rate does not say otherwise"
        + (" (and too low, as other programs were at work)" if busy else "")
        + f"; amounts are published sizes, of the {read:,} of {there:,} takes that params.yaml "
        "reads; it is assumed, and not measured, that where no rate on "
        f"all threads is given {cores} cores are {cores} times as fast as one, that every take "
        "is of mean length and has every modality, that real files cost what the synthetic ones "
        f"do (video of {rates['video_bits'] / 1e3:.0f} kbit/s here, at most {bits:.0f} there, "
        f"where a real one took {_REAL_VIDEO:.0f} times as long in a trial; pose "
        f"of {rates['pose_bytes'] / 1e6:.0f} MB an hour here, at most {pose:.0f} there), that "
        "neither disk nor network holds anything up, and that a GPU reaches "
        f"{GPU_EFFICIENCY:.0%} of its peak on CLIP (`embed.gpus` puts it on one)."
    )


def _cells(row: Row, cores: int) -> list[str]:
    amount = _bytes(row.amount) if row.unit == "B" else f"{_count(row.amount)} {row.unit}"
    rates = [(row.rate, ""), (row.all_rate, " on all threads")]
    measured = row.measured or ", ".join(_pace(rate, row.unit) + on for rate, on in rates if rate)
    times = [*row.times(cores), row.gpu_s]
    return [row.stage, amount, row.arithmetic, measured, *("" if t is None else span(t)
                                                           for t in times)]  # fmt: skip


def _pace(rate: float, unit: str) -> str:
    return f"{_count(rate * _HOUR)} h an hour" if unit == "h" else f"{_count(rate)} {unit}/s"


def _sum(times: Sequence[float | None]) -> str:
    known = [time for time in times if time is not None]
    return f"**{span(sum(known))}**" if len(known) == len(times) else ""


def span(seconds: float) -> str:
    """A time in words, such as 34 min."""
    for limit, unit, name in ((90, 1, "s"), (90 * _MINUTE, _MINUTE, "min"), (2 * _DAY, _HOUR, "h")):
        if seconds < limit:
            return f"{_digits(seconds / unit)} {name}"
    return f"{_digits(seconds / _DAY)} days"


def _count(number: float) -> str:
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number:.3g}"


def _bytes(number: float) -> str:
    return f"{number / 1e9:,.0f} GB" if number >= 1e11 else f"{_count(number)}B"


def _digits(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"
