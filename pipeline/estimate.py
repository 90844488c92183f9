"""estimate: what a full data set costs in time and disk, from rates measured on this machine."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import open_clip
import torch

from aura.config import Params
from aura.datasets.ego_exo4d.splits import SHARES
from aura.errors import AuraError
from aura.schema import SPLITS
from pipeline.cost import amounts, rates
from pipeline.engine.progress import say, track

_STAND_IN_FOR = "ViT-B-32"  # the architecture of a real teacher where params.yaml names none


def run(
    params: Params, dataset: str, gpu_tflops: float = 100.0, sample: rates.Sample | None = None
) -> str:
    """Measure the rates, and return the estimate of the full `dataset` as a Markdown table."""
    settings, sample = params.dataset(dataset), sample or rates.Sample()
    full = amounts.full_size(dataset)
    by_person = settings.options.get("split") == "participant"
    size = full.read(settings.options.get("splits", SPLITS), SHARES if by_person else {})
    if not gpu_tflops > 0:
        raise AuraError(f"--gpu-tflops must be above 0, not {gpu_tflops:g}.")
    model = params.teacher.model if params.teacher.pretrained else _STAND_IN_FOR
    if model not in open_clip.list_models():
        raise AuraError(f"open_clip has no model '{model}' whose speed could be measured.")
    say("estimate: measuring with synthetic recordings, one or two minutes.")
    cores, threads = params.ray.local_workers(), torch.get_num_threads()
    busy = os.getloadavg()[0] > (os.cpu_count() or 1) / 2
    if busy:
        say("estimate: other programs are at work here, so that the rates will be too low.")
    measured: dict[str, float] = {}
    with TemporaryDirectory(prefix="aura-estimate-") as folder, rates.limit_threads(1):
        recorded = rates.record(Path(folder), params, settings, sample)
        parts: list[Callable[[], dict[str, float]]] = [
            lambda: rates.sensors(recorded, params, sample),
            lambda: rates.disk(recorded, params, sample),
            lambda: rates.video(recorded, params, sample),
            lambda: rates.teacher(recorded, params, sample, model),
            lambda: rates.train(recorded, params, sample, threads),
        ]
        for measure in track(parts, "estimate", unit="part"):
            measured |= measure()
    blocks = [
        ("preprocess, sum", amounts.preprocess_rows(size, params, measured, model, gpu_tflops)),
        ("train, sum", amounts.train_rows(size, params, measured)),
        ("", amounts.disk_rows(size, params, measured)),
    ]
    said = amounts.assumed(full, size, measured, cores, sample.take_s, busy)
    return f"{amounts.table(blocks, cores, gpu_tflops)}\n\n{said}"
