"""finetune: labelled tasks on the test split, from the trained encoders and from random ones."""

from typing import Any

import numpy as np

from aura import config
from aura.config import Params
from aura.downstream import tasks
from aura.errors import AuraError
from pipeline.engine import paths
from pipeline.engine.log import logged, tell
from pipeline.engine.output import stage_output, write_json
from pipeline.engine.progress import say, track
from pipeline.engine.workers import deterministic
from pipeline.study import joined, tallies, targets, trained


@logged(str(paths.report("{dataset}", "finetune")))
def run(params: Params, dataset: str) -> None:
    """Write `reports/<dataset>/finetune/{metrics,details}.json`; labels are the takes' classes."""
    windows, texts, teacher = joined.load(params, dataset)
    model, card = trained.load(params, dataset, teacher)
    all_rows, rows = np.arange(len(windows)), windows.rows("test")
    if len(rows) < 2:
        raise AuraError(f"The test split of {dataset} has {len(rows)} windows; nothing to do.")
    test = targets.test_set(windows, texts, all_rows)
    classes = len(test.class_names)
    encoders = {m: getattr(model, m) for m in ("imu", "mocap") if test.valid[m][rows].any()}
    augment = config.Augment.model_validate(card["settings"]["augment"])
    deterministic()
    answers = tasks.fit_predict(
        encoders, windows, test.label, np.flatnonzero(windows.split != "test"), rows, classes,
        params.finetune, augment, params.train.seed, params.finetune.draws,
    )  # fmt: skip
    labels = test.label[(windows.split != "test") & (test.label >= 0)]
    shots = tasks.shots_of(params.finetune, labels, classes)
    if left_out := sorted(set(params.finetune.shots) - set(shots)):
        say(f"finetune: no class has {left_out[0]} labels; that few-shot head is left out.")
    total = 2 * (len(encoders) * (2 + len(shots)) + (len(encoders) > 1))
    total += params.finetune.convolutions > 0 and "imu" in encoders
    predictions = {
        answer.head: answer.predicted for answer in track(answers, "finetune", total, "head")
    }
    learnt = np.flatnonzero((windows.split != "test") & (test.label >= 0))
    with_signal = np.any([windows.has[m].numpy()[learnt] for m in encoders], axis=0)
    ledger = tallies.labelled(
        windows, test.label, list(encoders), learnt[with_signal], predictions.values()
    )
    tell(ledger)
    unit, _ = test.select(rows).unit()
    table, gains = tasks.score(
        predictions, test.label[rows], unit, classes, params.evaluate.bootstrap_draws, params.seed
    )
    warnings = tasks.negative_transfer(gains)
    with stage_output(paths.report(dataset, "finetune"), None) as folder:
        write_json(folder / "metrics.json", headline_metrics(table))
        details = {"rows": table, "gains": gains, "warnings": warnings}
        details["counts"] = ledger.content()
        write_json(folder / "details.json", details)
    for warning in warnings:
        say(f"finetune: {warning}", "warning")


def headline_metrics(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """What `dvc metrics diff` shows: fine-tuned accuracies with their intervals."""
    return {
        f"{row['modality']}_fine_tuned{'_random' * (row['start'] == 'random')}": {
            name: round(row[key], 3)
            for name, key in (("accuracy", "value"), ("low", "low"), ("high", "high"))
            if row[key] is not None
        }
        for row in rows
        if row["head"] == "fine-tuned" and row["metric"] == "accuracy"
    }
