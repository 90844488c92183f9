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
from pipeline.cost import amounts, rates, sizes, table
from pipeline.cost.sample import Effort, make_sample
from pipeline.engine.progress import say, track
from pipeline.engine.threads import limit_threads

_STAND_IN_FOR = "ViT-B-32"  # the architecture of a real teacher where params.yaml names none


def run(
    params: Params, dataset: str, gpu_tflops: float = 100.0, effort: Effort | None = None
) -> str:
    """Measure the rates, and estimate what the full data set costs.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        A data set whose full size is known.
    gpu_tflops : float
        Peak of the GPU that the column for CLIP assumes.
    effort : Effort or None
        How much is measured; the default where it is None.

    Returns
    -------
    str
        A Markdown table, and a sentence on what it assumes.

    Raises
    ------
    AuraError
        The full size is not known, or open_clip has no such teacher.
    """
    settings, effort = params.dataset(dataset), effort or Effort()
    full = sizes.full_size(dataset)
    by_person = settings.options.get("split") == "participant"
    size = full.subset(settings.options.get("splits", SPLITS), SHARES if by_person else {})
    if not gpu_tflops > 0:
        raise AuraError(f"--gpu-tflops must be above 0, not {gpu_tflops:g}.")
    if params.teacher.kind == "sentence":
        raise AuraError(
            "aura estimate measures the towers of a CLIP; for a sentence model, which sees no "
            "video, measure with teacher.kind=clip and leave out the rows of images."
        )
    model = params.teacher.model if params.teacher.model != "stand-in" else _STAND_IN_FOR
    if model not in open_clip.list_models():
        raise AuraError(f"open_clip has no model '{model}' whose speed could be measured.")
    dim = open_clip.get_model_config(model)["embed_dim"]
    say("estimate: measuring with synthetic recordings, one or two minutes.")
    cores, threads = params.ray.local_workers(), torch.get_num_threads()
    busy = os.getloadavg()[0] > (os.cpu_count() or 1) / 2
    if busy:
        say("estimate: other programs are at work here, so that the rates will be too low.")
    measured: dict[str, float] = {}
    with TemporaryDirectory(prefix="aura-estimate-") as folder, limit_threads(1):
        sample = make_sample(Path(folder), params, settings, effort)
        parts: list[Callable[[], dict[str, float]]] = [
            lambda: rates.sensors(sample, params, effort),
            lambda: rates.disk(sample, params, effort, dim),
            lambda: rates.video(sample, params, effort),
            lambda: rates.teacher(sample, params, effort, model),
            lambda: rates.train(sample, params, effort, threads, dim),
        ]
        for measure in track(parts, "estimate", unit="part"):
            measured |= measure()
    blocks = [
        ("preprocess, sum", amounts.preprocess_rows(size, params, measured, model, gpu_tflops)),
        ("train, sum", amounts.train_rows(size, params, measured)),
        ("", amounts.disk_rows(size, params, measured)),
    ]
    notes = table.assumptions(full, size, measured, cores, effort.take_s, busy)
    return f"{table.table(blocks, cores, gpu_tflops)}\n\n{notes}"
