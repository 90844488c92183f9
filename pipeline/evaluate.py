"""evaluate: the test split, read once; figures with intervals, baselines and the control."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from aura.config import Params, Train
from aura.errors import AuraError
from aura.evaluation import twins
from aura.evaluation.breakdown import by_place, by_source
from aura.evaluation.chance import class_prior
from aura.evaluation.comparable import fingerprint_test
from aura.evaluation.diagnosis import Headline, diagnose, effective_rank
from aura.evaluation.measure import measure
from aura.evaluation.retrieval import all_pairs
from aura.evaluation.zeroshot import predict
from aura.learning import training
from aura.learning.batches import Windows
from aura.schema import MODALITIES
from pipeline.engine import paths
from pipeline.engine.log import logged, tell
from pipeline.engine.output import stage_output, write_json, write_text
from pipeline.engine.progress import say
from pipeline.study import actions, calibrated, joined, splits, targets, trained
from pipeline.study.counts import tested
from pipeline.study.vectors import Described, write_vectors


@logged(str(paths.report("{dataset}", "evaluate")))
def run(params: Params, dataset: str) -> None:
    """Write metrics, tables and plot data of `dataset` into `reports/<dataset>/evaluate`."""
    windows, texts, teacher = joined.load(params, dataset)
    settings, seed = params.evaluate, params.seed
    rows = windows.rows("test")
    if len(rows) < 2:
        raise AuraError(
            f"The test split of {dataset} has {len(rows)} windows; nothing to evaluate."
        )
    model, card = trained.load(params, dataset, teacher)
    test = targets.test_set(windows, texts, rows)
    reached = _trained(card["settings"])
    present = [m for m in MODALITIES if test.valid[m].any() and m in reached]
    vectors = training.embed(model, windows, rows, present)
    say(f"evaluate: {len(rows)} test windows, {', '.join(present)}")
    ledger = tested(windows, test, vectors)
    tell(ledger)
    figures = measure(vectors, test, settings.bootstrap_draws, seed)
    headlines = figures.headlines
    seen_by = {
        name: training.embed(twin, windows, rows, present)
        for name, twin in trained.twins(params, dataset).items()
    }
    shuffled = [
        measure(found, test, settings.bootstrap_draws, seed).headlines
        for name, found in seen_by.items()
        if name.startswith("shuffled")
    ]
    headlines = twins.with_controls(headlines, shuffled)
    held_out: dict[str, Any] = {}
    if "held-out" in seen_by:
        label = card["settings"]["twins"]["held_out"]
        lines, held_out = twins.held_out_class(
            seen_by["held-out"], test, label, settings.bootstrap_draws, seed
        )
        headlines = [*headlines, *lines]
    if "unnamed" in seen_by:
        masked = measure(seen_by["unnamed"], test, settings.bootstrap_draws, seed)
        headlines = [*headlines, *twins.unnamed(masked.headlines)]
    pairs = all_pairs(
        vectors, dict(test.valid), test.group, test.label, windows.moment[rows],
        settings.pool_draws, seed, test.instant,
    )  # fmt: skip
    places = by_place(vectors, test, settings.bootstrap_draws, seed)
    sources = by_source(vectors, test, settings.bootstrap_draws, seed)
    directions = {m: effective_rank(vectors[m][test.valid[m]]) for m in present}
    named = share_naming_class(windows, texts)
    calibration = calibrated.calibrate(params, dataset, model, windows, texts, test, vectors)
    say(calibrated.told(calibration))
    texted = np.flatnonzero(test.valid["text"])
    texted = texted[np.unique(test.matching(texted, False), return_index=True)[1]]
    ids = [windows.ids[row] for row in rows]
    with stage_output(paths.report(dataset, "evaluate"), None) as folder:
        write_json(folder / "metrics.json", headline_metrics([*headlines, *places, *sources]))
        write_json(
            folder / "details.json",
            {
                "headlines": [asdict(line) for line in headlines],
                **({"places": [asdict(line) for line in places]} if places else {}),
                **({"sources": [asdict(line) for line in sources]} if sources else {}),
                "warnings": [
                    *splits.check(windows, params.entry(dataset).overlap),
                    *naming_warning(named),
                    *actions.warning(actions.share_named(windows, texts)),
                    *caption_warning(test.group[texted]),
                    *diagnose(headlines, pairs, directions, len(test.class_names)),
                ],
                "zero_shot": {m: asdict(z) for m, z in figures.zero_shot.items()},
                "baselines": figures.baselines,
                "calibration": calibration,
                "effective_rank": directions,
                "training_texts_naming_their_class": named,
                "held_out_class": held_out,
                "fine_grained": actions.fine_grained(vectors, windows, texts, test, rows, params),
                "retrieval": [*pairs, *class_prior(pairs)],
                "splits": splits.counts(windows),
                "counts": ledger.content(),
                "test": fingerprint_test(ids, windows.label[rows].tolist()),
            },
        )
        described = Described.of(windows, texts.column("text").to_pylist(), rows)
        write_vectors(folder / "embeddings.parquet", described, vectors, test.valid)
        write_text(folder / "plots" / "retrieval.csv", retrieval_csv(pairs))
        for modality, vector in vectors.items():
            if modality in figures.zero_shot:
                labelled = test.valid[modality] & (test.label >= 0)
                predicted = predict(vector[labelled], test.class_vectors)
                names = [(test.class_names[i], test.class_names[j])
                         for i, j in zip(test.label[labelled], predicted, strict=True)]  # fmt: skip
                table = to_csv(["actual", "predicted"], names)
                write_text(folder / "plots" / f"confusion_{modality}.csv", table)


def _trained(settings: Mapping[str, Any]) -> set[str]:
    """The modalities that training reached, and the teacher's own."""
    phases = Train.model_validate(settings).phases().values()
    return {"video", "text", *(m for phase in phases for pair in phase.pairs for m in pair)}


def headline_metrics(lines: Sequence[Headline]) -> dict[str, dict[str, float]]:
    """What `dvc metrics diff` shows: `imu_zero_shot.macro_f1` and its interval, 4 digits.

    Chance, control and all else are in details.json.
    """
    table = {}
    for line in lines:
        cells = {line.metric: line.value, "low": line.low, "high": line.high}
        table[_key(line.name.replace("→", "to"))] = {
            _key(k): round(v, 4) for k, v in cells.items() if v is not None
        }
    return table


def _key(name: str) -> str:
    return re.sub(r"[^\w@]+", "_", name).lower()


def share_naming_class(windows: Windows, texts: pa.Table) -> float:
    """Share of training captions that contain the name of their window's class (rule 4)."""
    named, rows = joined.naming(windows, texts), windows.rows("train")
    total = sum(len(windows.texts[row]) for row in rows)
    return sum(len(named[row]) for row in rows) / total if total else 0.0


def naming_warning(share: float) -> list[str]:
    """Say where "zero-shot" is not: the training text already contains the class (rule 4)."""
    if share <= 0.01:
        return []
    return [
        f"{100 * share:.0f} % of the training texts contain the name of their class: to that"
        " extent the zero-shot figures are supervised classification."
    ]


def caption_warning(group: np.ndarray) -> list[str]:
    """Say how many windows with text no retriever can tell from another by it (rule 3)."""
    _, code, count = np.unique(group, return_inverse=True, return_counts=True)
    share = float((count[code] > 1).mean()) if len(group) else 0.0
    if share <= 0.2:
        return []
    return [
        f"{100 * share:.0f} % of the test windows with text have the captions of another window:"
        " strict retrieval of texts cannot tell them apart; read the multi-positive rows."
    ]


def retrieval_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The full pools as a table for `dvc plots`."""
    columns = ["pair", "R@1", "R@10", "R@50", "MRR", "MRR_chance", "pool"]
    cells = [
        [
            f"{r['query']} → {r['gallery']}, {r['matching']}",
            *(r[name] for name in columns[1:]),
        ]
        for r in rows
        if r["pool_kind"] == "full"
    ]
    return to_csv(columns, cells)


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """CSV text, floats to 4 digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[round(c, 4) if isinstance(c, float) else c for c in row] for row in rows])
    return buffer.getvalue()
