"""transfer: an encoder trained on one data set, tested on another, each participant left out.

Zero-shot by prompts, few labels, linear probe and full fine-tuning, beside random weights, and a
table of how far the two data sets lie apart (evaluation protocol, rule 7).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from aura import config, encoders
from aura.config import Params
from aura.downstream import tasks
from aura.downstream.tasks import Head
from aura.errors import AuraError
from aura.evaluation.bootstrap import resampling_unit
from aura.evaluation.zeroshot import baselines, predict
from aura.learning import training
from aura.learning.batches import Windows
from pipeline.engine import paths
from pipeline.engine.code import code_hash
from pipeline.engine.output import files_of, stage_output, temporary_path, write_json, write_text
from pipeline.engine.progress import say, track
from pipeline.engine.workers import deterministic
from pipeline.study import joined, targets
from pipeline.study.cells import carry_over

ZERO_SHOT = Head("imu", "zero-shot", None, "pretrained")
LENGTH_ALONE = Head("imu", "length alone", None, "no encoder")


def run(params: Params, dataset: str) -> None:
    """Write folds in `models/transfer/<dataset>`, tables in `reports/<dataset>/transfer`."""
    source = params.transfer.source
    windows, texts, teacher = joined.load(params, dataset, check=False)
    folder = paths.MODELS / source / params.transfer.phase
    model, card = training.load(folder)
    joined.check_model(card, teacher, source, dataset)
    if card["shape"]["samples"] != windows.window_samples:
        raise AuraError(
            f"The model of {source} takes windows of {card['shape']['samples']} samples and those "
            f"of {dataset} have {windows.window_samples}; slice.window_s must be the same."
        )
    test = targets.test_set(windows, texts, np.arange(len(windows)))
    people = sorted({p for p, y in zip(windows.participant, test.label, strict=True) if y >= 0})
    if len(people) < 2:
        raise AuraError(f"{dataset} has labels of {len(people)} participants; two are needed.")
    settings = {
        "code": code_hash("pipeline.transfer", *encoders.modules(params.train)),
        "params": params.model_dump(mode="json", include={"transfer", "finetune"}),
        "seed": params.train.seed,
        "model": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "input": files_of(*(f / dataset for f in (paths.SIGNALS, paths.WINDOWS, paths.EMBEDDINGS))),
    }
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    deterministic()
    outcomes = []
    out = paths.MODELS / "transfer" / dataset
    with stage_output(out, {"dataset": dataset}) as folds:
        carry_over(out, folds, {f"{person}.{key}.npz" for person in people})
        for person in track(people, "transfer", len(people), "participant"):
            file = folds / f"{person}.{key}.npz"
            if not file.is_file():
                _fold(params, model, card, windows, test, person, file)
            with np.load(file, allow_pickle=False) as content:
                outcomes.append(dict(content))
    names = [name for name in outcomes[0] if name != "rows"]
    rows = np.concatenate([fold["rows"] for fold in outcomes])
    predictions = {
        Head(*json.loads(name)): np.concatenate([fold[name] for fold in outcomes], axis=1)
        for name in names
    }
    unit, unit_name = resampling_unit(
        windows.participant[rows], windows.take[rows], windows.moment[rows]
    )
    classes, label = len(test.class_names), test.label[rows]
    draws = params.evaluate.bootstrap_draws
    table, gains = tasks.score(predictions, label, unit, classes, draws, params.seed)
    chance = baselines(label[label >= 0], label[label >= 0], classes, params.seed)
    warnings = tasks.negative_transfer(gains)
    details = {
        "source": source, "participants": people, "windows": len(rows), "interval": unit_name,
        "classes": list(test.class_names), "baselines": chance, "rows": table, "gains": gains,
        "warnings": warnings,
    }  # fmt: skip
    with stage_output(paths.report(dataset, "transfer"), None) as reports:
        write_json(reports / "metrics.json", headline_metrics(table))
        write_json(reports / "details.json", details)
        write_text(reports / "table.md", page(dataset, details))
    for warning in warnings:
        say(f"transfer: {warning}")
    say(f"transfer: {paths.report(dataset, 'transfer') / 'table.md'}")


def _fold(
    params: Params, model: training.Model, card: dict[str, Any], windows: Windows, test: Any,
    person: str, file: Path,
) -> None:  # fmt: skip
    """Write what every head predicts for one participant, trained on all others."""
    rows = np.flatnonzero((windows.participant == person) & (test.label >= 0))
    train = np.flatnonzero(windows.participant != person)
    vectors = training.embed(model, windows, rows, ["imu"])["imu"]
    zero_shot = predict(vectors, test.class_vectors)
    has_imu = test.valid["imu"][rows]
    predictions = {ZERO_SHOT: np.where(has_imu, zero_shot, -1)[None]}
    length_s = test.length_s["imu"][:, None]
    labelled = train[test.label[train] >= 0]
    tree = DecisionTreeClassifier(min_samples_leaf=5, random_state=0)
    by_length = tree.fit(length_s[labelled], test.label[labelled]).predict(length_s[rows])
    predictions[LENGTH_ALONE] = np.where(has_imu, by_length, -1)[None]
    augment = config.Augment.model_validate(card["settings"]["augment"])
    for answer in tasks.fit_predict(
        {"imu": model.imu}, windows, test.label, train, rows, len(test.class_names),
        params.finetune, augment, params.train.seed, params.finetune.draws,
    ):  # fmt: skip
        predictions[answer.head] = answer.predicted
    temporary = temporary_path(file)
    with temporary.open("wb") as stream:
        content = {
            "rows": rows,
            **{json.dumps(head): classes for head, classes in predictions.items()},
        }
        np.savez_compressed(stream, **content)  # type: ignore[arg-type]
    temporary.replace(file)


def headline_metrics(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """What `dvc metrics diff` shows: macro-F1 zero-shot, probed and fine-tuned, with intervals."""
    return {
        f"{row['head']}{' random' * (row['start'] == 'random')}".replace(" ", "_"): {
            name: round(row[key], 3)
            for name, key in (("macro_f1", "value"), ("low", "low"), ("high", "high"))
            if row[key] is not None
        }
        for row in rows
        if row["head"] not in ("k-shot", "length alone") and row["metric"] == "macro-F1"
    }


def page(dataset: str, details: dict[str, Any]) -> str:
    """The table as Markdown: a row a head, pretrained beside random."""
    row_of = {(r["head"], r["shots"], r["start"], r["metric"]): r for r in details["rows"]}
    heads = dict.fromkeys((r["head"], r["shots"]) for r in details["rows"])
    gains = {(g["head"], g["shots"]): g for g in details["gains"]}
    chance = details["baselines"]
    lines = [
        f"# {details['source']} to {dataset}",
        "",
        f"{len(details['participants'])} participants, each left out once, {details['windows']} "
        f"windows, {len(details['classes'])} classes. 95 % bootstrap intervals over "
        f"{details['interval']}. Guessing uniformly scores macro-F1 "
        f"{chance['uniform']['macro_f1']:.3f}, always the commonest class accuracy "
        f'{chance["majority"]["accuracy"]:.3f}. "Length alone" is a decision tree that sees '
        "nothing but how long a window is.",
        "",
        "| IMU head | accuracy | macro-F1 | accuracy, random start | macro-F1, random start "
        "| gain in accuracy, paired |",
        "|---|---|---|---|---|---|",
    ]
    for head, shots in heads:
        trained = "pretrained" if head != LENGTH_ALONE.method else LENGTH_ALONE.start
        cells = [
            _interval(row_of.get((head, shots, start, metric)))
            for start in (trained, "random")
            for metric in tasks.METRICS
        ]
        name = f"{shots} labels a class" if shots else head
        gain = gains.get((head, shots))
        lines.append(f"| {name} | {' | '.join(cells)} | {_interval(gain, '+')} |")
    lines += ["", *(f"- {warning}" for warning in details["warnings"])]
    return "\n".join(lines).rstrip() + "\n"


def _interval(row: dict[str, Any] | None, sign: str = "") -> str:
    if row is None:
        return ""
    ends = "" if row["low"] is None else f" ({row['low']:{sign}.3f} to {row['high']:{sign}.3f})"
    return f"{row['value']:{sign}.3f}{ends}"
