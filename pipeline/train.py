"""train: sensor encoders against cached embeddings, phase `imu`, then phase `joint`.

A control of the same joint phase on shuffled pairs shows what is learned from the pairing.
"""

from pathlib import Path
from typing import Any

import torch
from dvclive import Live

from aura import teacher as clip
from aura import training
from aura.batches import Windows
from aura.config import Params, Phase
from pipeline import paths, study
from pipeline.output import code_hash, files_of, stage_output, write_json
from pipeline.progress import say


def run(params: Params, dataset: str) -> None:
    """Write `models/<dataset>/{imu,joint,control}` and the curves in `reports/<dataset>/train`."""
    windows, _, teacher = study.load(params, dataset)
    for warning in study.check_splits(windows, params.dataset(dataset).overlap):
        say(f"train: {warning}")
    identity = {
        "code": code_hash("pipeline.train"),
        "params": params.train.model_dump(mode="json"),
        "seed": params.seed,
        "teacher": vars(teacher),
        "input": files_of(
            paths.SIGNALS / dataset, paths.WINDOWS / dataset, paths.EMBEDDINGS / dataset
        ),
    }
    torch.use_deterministic_algorithms(True)
    with (
        stage_output(paths.MODELS / dataset, identity) as models,
        stage_output(paths.report(dataset, "train"), identity) as reports,
    ):
        curves = reports / "curves"
        figures = {}
        shape = training.Shape(windows.window_samples, windows.mocap.shape[1], clip.DIM)
        card = {
            "dataset": dataset,
            "shape": vars(shape),
            "settings": params.train.model_dump(mode="json"),
            "seed": params.seed,
            "teacher": vars(teacher),
        }
        model = _fresh(params, shape, windows)
        for name, phase in (("imu", params.train.imu), ("joint", params.train.joint)):
            figures[name] = _phase(name, phase, model, windows, params, card, models, curves)
        if params.train.shuffled_control:
            twin = _fresh(params, shape, windows)
            shuffled = windows.shuffled(params.seed)
            figures["control"] = _phase(
                "control", params.train.joint, twin, shuffled, params, card, models, curves
            )
        write_json(reports / "metrics.json", figures)


def _fresh(params: Params, shape: training.Shape, windows: Windows) -> training.Model:
    torch.manual_seed(params.seed)
    settings = params.train
    model = training.Model(
        shape, settings.imu_encoder, settings.mocap_encoder, settings.temperature
    )
    training.fit_scale(model, windows, windows.rows("train"))
    return model


def _phase(
    name: str,
    phase: Phase,
    model: training.Model,
    windows: Windows,
    params: Params,
    card: dict[str, Any],
    models: Path,
    curves: Path,
) -> dict[str, float]:
    """Train one phase, or take it from an interrupted run; `model` holds its best weights after."""
    if (models / name / "model.json").is_file():
        say(f"train: phase {name} is done already.")
        saved, found = training.load(models / name)
        model.load_state_dict(saved.state_dict())
        return found["best"]
    with Live(
        str(curves / name), dvcyaml=False, save_dvc_exp=False, report=None, monitor_system=False
    ) as live:

        def epoch_done(figures: dict[str, float]) -> None:
            for key in ("loss", "val_mrr", "temperature"):
                live.log_metric(key, figures[key], timestamp=False)
            live.next_step()
            say(
                f"train {name}: epoch {figures['epoch'] + 1:.0f}/{phase.epochs}  "
                f"loss {figures['loss']:.3f}  validation MRR {figures['val_mrr']:.3f}"
            )

        best = training.train_phase(model, windows, phase, params.train, params.seed, epoch_done)
    training.save(model, models / name, {**card, "phase": name, "best": best})
    return best


def curves_of(dataset: str) -> dict[str, list[dict[str, float]]]:
    """Read back the curves: phase -> rows of step, loss, val_mrr, temperature."""
    folder = paths.report(dataset, "train") / "curves"
    curves: dict[str, list[dict[str, float]]] = {}
    for name in ("imu", "joint", "control"):
        rows: dict[int, dict[str, float]] = {}
        for file in sorted((folder / name).glob("plots/metrics/*.tsv")):
            _, *lines = file.read_text().splitlines()
            for line in lines:
                step, value = line.split("\t")[:2]
                rows.setdefault(int(step), {"step": int(step)})[file.stem] = float(value)
        if rows:
            curves[name] = [rows[step] for step in sorted(rows)]
    return curves
