"""What a full data set costs: amounts, and the rate at which each is done here.

Rates come from `pipeline/cost/rates.py`, which measures them. Times are in s, sizes in bytes.
"""

from dataclasses import dataclass

import numpy as np

from aura.config import Params
from aura.signals.windows import starts
from aura.teacher.frozen import chosen_precision
from aura.teacher.video import window_frames
from pipeline.cost import units
from pipeline.cost.sizes import FullSize

GPU_EFFICIENCY = 0.3  # assumed share of a GPU's peak that CLIP's inference reaches; not measured
# 1e9 floating-point operations of one image and of one text. Source: docs/model_profile.csv of
# open_clip; torch's own counter gives 8.73 and 5.81 for ViT-B-32 without its attention products.
GFLOP = {"ViT-B-32": (8.82, 5.96), "ViT-B-16": (35.13, 5.96)}
_RANK_DIRECTIONS = 2  # directions in which validation ranks each pair of modalities


@dataclass(frozen=True)
class Row:
    """One line: an amount, where it comes from, and how many of it are done in a second.

    Attributes
    ----------
    stage : str
        What the line is about.
    amount : float
        How many of `unit` there are.
    unit : str
        Such as windows; B for bytes.
    arithmetic : str
        Where the amount comes from.
    rate : float or None
        Units a second on one thread.
    all_rate : float or None
        Units a second on all threads of the machine together, where that is how the work is done;
        else N cores are taken to be N times as fast. Without either rate the amount takes no time.
    gpu_s : float or None
        Time on a GPU.
    measured : str
        Where the amount is from, in place of a rate.
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
        """Seconds on one core, and on `cores`; None where they are not known."""
        one = self.amount / self.rate if self.rate else None
        if self.all_rate:
            return one, self.amount / self.all_rate
        return one, one and one / cores


def count_windows(duration_s: float, params: Params) -> int:
    """How many windows a recording has."""
    cut = params.slice
    return len(starts(duration_s, cut.window_s, cut.stride_s, cut.pad_short))


def frame_numbers(duration_s: float, params: Params, fps: float) -> np.ndarray:
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
    """Rows of resample, slice and embed.

    Parameters
    ----------
    size : FullSize
        Size of what is read.
    params : Params
        The whole of params.yaml.
    rates : dict of str to float
        Units a second on one core, by the names of `pipeline/cost/rates.py`.
    model : str
        Architecture of the teacher, by its name in open_clip.
    gpu_tflops : float
        Peak of the GPU.

    Returns
    -------
    list of Row
        In the order of the stages.
    """
    hours, takes, take_s = f"{size.ego_hours:.2f} h", sum(size.takes.values()), size.take_s
    seconds = size.ego_hours * 3600
    distinct = len(frame_numbers(take_s, params, size.video_fps))
    images = takes * distinct
    flop = GFLOP.get(model)
    gpu = [gpu_seconds(n, f, gpu_tflops) for n, f in zip((images, size.texts), flop or (),
                                                         strict=False)]  # fmt: skip
    precision = chosen_precision(params.embed.precision, on_gpu=False)
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
            f"({distinct / take_s:.2f} a second), in {precision}",
            rates["images"], gpu_s=gpu[0] if gpu else None),
        Row(f"embed: texts, {model}", size.texts, "texts",
            f"about {units.count(size.texts)} atomic descriptions, as if all were distinct, in "
            f"{precision}",
            rates["texts"], gpu_s=gpu[1] if gpu else None),
    ]  # fmt: skip


def train_rows(size: FullSize, params: Params, rates: dict[str, float]) -> list[Row]:
    """Rows of the phases, the twins and the validation after each epoch."""
    per_take = count_windows(size.take_s, params)
    train, val = (size.takes.get(split, 0) * per_take for split in ("train", "val"))
    twins, joint = params.train.twins, params.train.phases()["joint"]
    phases = [(f"phase {k}", f"train_{k}", phase) for k, phase in params.train.phases().items()]
    names = [*(["shuffled control"] * twins.shuffled), *(["held-out class"] * bool(twins.held_out))]
    phases += [(name, "train_joint", joint) for name in names]
    epochs = sum(phase.epochs for _, _, phase in phases)
    rankings = sum(phase.epochs * len(phase.pairs) * _RANK_DIRECTIONS for _, _, phase in phases)
    rows = [
        Row(f"train: {name}", phase.epochs * train, "windows",
            f"{phase.epochs} epochs x {size.takes.get('train', 0):,} takes x {per_take} windows",
            rates[key], rates[f"{key}_all"])
        for name, key, phase in phases
    ]  # fmt: skip
    return [
        *rows,
        Row("train: validation, encode", epochs * val, "windows",
            f"{epochs} epochs x {size.takes.get('val', 0):,} takes x {per_take} windows",
            rates["encode"], rates["encode_all"]),
        Row("train: validation, rank", float(rankings) * val**2, "scores",
            f"{rankings} rankings x {units.count(val)} windows squared",
            all_rate=rates["rank_all"]),
    ]  # fmt: skip


def disk_rows(size: FullSize, params: Params, rates: dict[str, float]) -> list[Row]:
    """Rows of what lies on disk; the rates are in bytes."""
    hours, takes = size.ego_hours, sum(size.takes.values())
    windows = takes * count_windows(size.take_s, params)
    parts = size.parts_gb
    hourly, window, video, text = (
        rates[f"bytes_{name}"] for name in ("signals", "window", "video", "text")
    )
    return [
        Row("disk: download", sum(parts.values()) * 1e9, "B",
            " + ".join(f"{gb:.3g} {name}" for name, gb in parts.items()) + " GB",
            measured="published"),
        Row("disk: signals", hours * hourly, "B", f"{hours:.2f} h x {units.size(hourly)}",
            measured=f"{units.size(hourly)} an hour"),
        Row("disk: windows", windows * window, "B",
            f"{units.count(windows)} windows x {window:.0f} B",
            measured=f"{window:.0f} B a window"),
        Row("disk: embeddings", windows * video + size.texts * text, "B",
            f"{units.count(windows)} windows x {video:.0f} B + {units.count(size.texts)} texts x "
            f"{text:.0f} B", measured=f"{video:.0f} B a window, {text:.0f} B a text"),
    ]  # fmt: skip
