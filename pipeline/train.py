"""train: sensor encoders against cached embeddings, phase `imu`, then phase `joint`.

Twins of the joint phase, trained on shuffled pairs, without one class or without captions that name
theirs, show where the model's figures come from.
"""

import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from aura import encoders
from aura.config import Params, Train
from aura.errors import AuraError
from aura.learning import training
from aura.learning.batches import Windows
from aura.learning.distributed import Group
from aura.report.card import markdown
from pipeline.engine import inputs, paths, workers
from pipeline.engine.code import code_hash
from pipeline.engine.log import logged, tell
from pipeline.engine.output import Made, stage_output, write_json, write_text
from pipeline.engine.progress import say
from pipeline.study import joined, splits
from pipeline.study.counts import LEFT_OUT, learned
from pipeline.study.curves import Curves

_CURVES = ".curves"  # in the models' folder until they are whole, so that the two go together


@logged(str(paths.MODELS / "{dataset}"))
def run(params: Params, dataset: str) -> None:
    """Write `models/<dataset>/<phase>` and the curves in `reports/<dataset>/train`."""
    windows, texts, teacher = joined.load(params, dataset)
    for warning in splits.check(windows, params.entry(dataset).overlap):
        say(f"train: {warning}", "warning")
    settings, without_video = joined.pairs_of(params.train, teacher)
    if without_video:
        say(f"train: {without_video}")
    own_teacher = params.own_teacher(dataset)
    read = inputs.sources_of(params, dataset)
    identity = {
        "code": code_hash("pipeline.train", *encoders.modules(settings)),
        "params": settings.model_dump(mode="json"),
        "teacher": [teacher.content(), own_teacher.model_dump() if own_teacher else None],
        "input": [found.sha256 for found in read],
    }
    workers.deterministic()
    twins = twins_of(settings, windows, texts)
    used: dict[str, Any] = {"train": settings.model_dump(mode="json")}
    made = Made("train", dataset, used, read, teacher.content())
    with stage_output(paths.MODELS / dataset, identity, made) as models:
        shape = windows.shape
        card: dict[str, Any] = {
            "dataset": dataset,
            "adapter": ", ".join(sorted({s.adapter for s in params.sources(dataset).values()})),
            **({"sources": splits.source_counts(windows)} if windows.shares else {}),
            "resample": inputs.resampling(params, read),
            "data": splits.counts(windows),
            "shape": asdict(shape),
            "teacher": teacher.content(),
        }
        if own_teacher:
            card["own_teacher"] = own_teacher.model_dump(mode="json")
        model = _fresh(settings, shape, windows)
        phases = settings.phases()
        every = {**phases, **dict.fromkeys(twins, phases["joint"])}
        seen_by = {name: twins.get(name, (windows, settings)) for name in every}
        ledger = learned(windows, {name: seen for name, (seen, _) in seen_by.items()}, every)
        tell(ledger)
        figures: dict[str, Any] = {"encoders": {}, **ledger.content()}
        for modality in ("imu", "mocap"):
            parameters, flops = encoders.cost(getattr(model, modality))
            figures["encoders"][modality] = {"parameters": parameters, "flops": flops}
        card |= {"cost": figures["encoders"], "code": identity["code"]}
        for name, phase in every.items():
            seen, seeded = seen_by[name]
            learner = model if name in phases else _fresh(seeded, shape, seen)
            files = training.Files(
                (models / name / "checkpoint.pt").absolute(),
                (paths.MODELS / f"{dataset}.nan-batch.safetensors").absolute(),
            )
            used = {"settings": seeded.model_dump(mode="json"), "seed": seeded.seed}
            work = workers.PhaseWork(
                learner, seen, phase, seeded, files, {**card, **used, "phase": name}
            )
            figures[name] = _phase(name, work, params, models)
        # Of the run as a whole: a report of models that a killed run did not keep would be lost.
        with stage_output(paths.report(dataset, "train"), None) as reports:
            shutil.copytree(models / _CURVES, reports / "curves")
            write_json(reports / "metrics.json", figures)


def twins_of(
    settings: Train, windows: Windows, texts: pa.Table
) -> dict[str, tuple[Windows, Train]]:
    """What each twin is trained on, and its settings; see `config.Twins`."""
    twins: dict[str, tuple[Windows, Train]] = {}
    for number in range(settings.twins.shuffled):
        seeded = settings.model_copy(update={"seed": settings.seed + number})
        twins[f"shuffled-{number}"] = (windows.shuffled(seeded.seed), seeded)
    name = settings.twins.held_out
    if name is not None:
        labels = windows.label[windows.rows("train")]
        if name not in labels:
            classes = ", ".join(sorted({label for label in labels if label is not None}))
            raise AuraError(
                f"train.twins.held_out: no training window is of class '{name}'. Set it to one of "
                f"these, or to null: {classes or 'none has a class'}."
            )
        split = np.where(windows.label == name, LEFT_OUT, windows.split)
        twins["held-out"] = (replace(windows, split=split), settings)
    naming = joined.naming(windows, texts)
    train = windows.rows("train")
    some_left = any(set(windows.texts[row]) - naming[row] for row in train)
    if settings.twins.unnamed and some_left and any(naming[row] for row in train):
        twins["unnamed"] = (windows.without_texts(naming), settings)
    return twins


def _fresh(settings: Train, shape: training.Shape, windows: Windows) -> training.Model:
    torch.manual_seed(settings.seed)
    model = training.Model(shape, settings.imu_encoder, settings.mocap_encoder, settings.loss)
    training.fit_scale(model, windows, windows.rows("train"))
    return model


def _phase(name: str, work: workers.PhaseWork, params: Params, models: Path) -> dict[str, float]:
    """Train one phase, or take it from an interrupted run; the model holds its best weights after.

    A phase that was interrupted goes on from its checkpoint; its curves are written from the start.
    """
    start, done = time.monotonic(), models / f"{name}.done"
    if done.is_file() and (models / name / "model.json").is_file():
        say(f"train: phase {name} is done already.")
    else:
        if work.files.checkpoint.is_file():
            say(f"train: phase {name} goes on from its checkpoint.")
        work.files.checkpoint.parent.mkdir(exist_ok=True)
        curve = Curves(models / _CURVES / name)

        def on_epoch_end(figures: dict[str, float]) -> None:
            curve.log(figures)
            say(
                f"train {name}: epoch {figures['epoch'] + 1:.0f}/{work.phase.epochs}  "
                f"loss {figures['loss']:.3f}  validation MRR {figures['val_mrr']:.3f}"
            )

        ranks, device = work.settings.workers, work.settings.device
        if ranks > 1:
            workers.run_ranks(work, ranks, device, params.ray, models / name, on_epoch_end)
        else:
            work(Group(), device, on_epoch_end)
        write_text(done, "")  # and not before the last figure has come from the ranks
        say(f"train {name}: {time.monotonic() - start:.0f} s")
    for leftover in (models / name).iterdir():  # the checkpoint, and what a killed writer left
        if leftover.is_dir():
            shutil.rmtree(leftover)
        elif leftover.name not in ("model.safetensors", "model.json"):
            leftover.unlink()
    saved, card = training.load(models / name)
    write_text(models / name / "README.md", markdown(card))
    work.model.load_state_dict(saved.state_dict())
    best: dict[str, float] = card["best"]
    return best
