"""The report: one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from aura.counts import by_count, name_of
from aura.evaluation.diagnosis import display
from aura.report import joint_map, neighbours
from aura.report.bodies import imu_figure, skeleton_figure
from aura.report.curves import (
    curves_figure,
    few_shot_figure,
    few_shot_series,
    recall_figure,
    shots_of,
)
from aura.report.figures import confusion_figure
from aura.report.study import Study
from aura.report.verdict import (
    against_guessing,
    against_last_run,
    change,
    number,
    passes,
    signed,
    trust,
)

STAND_IN = (
    "It was trained by this pipeline on synthetic frames: the figures say that the pipeline works,"
    " not how well AURA-MFM does."
)
POOLS = {
    "full": "Whole test set",
    "balanced 100": "Class-balanced pools of 100",
    "within class": "Within the query's class",
}
SECTIONS = {
    "retrieval": "Retrieval",
    "zero-shot": "Zero-shot",
    "few-shot": "Few labels",
    "space": "Joint space",
    "neighbours": "Neighbours",
    "training": "Training",
    "data": "Data",
    "window": "One window",
}
METRICS = ("R@1", "R@10", "R@50", "MRR", "median_rank")


def count(value: float | None) -> str:
    """Whole numbers with separators, one decimal otherwise; a dash for None."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def _title(modality: str) -> str:
    name = display(modality)
    return name[:1].upper() + name[1:]


def _retrieval(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One table for each pool, and in it each pair's matchings next to each other."""
    tables = []
    for kind, title in POOLS.items():
        pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in rows:
            if row["pool_kind"] == kind:
                pairs.setdefault((row["query"], row["gallery"]), []).append(row)
        if pairs:
            tables.append({"kind": kind, "title": title, "pairs": pairs})
    return tables


def _classes(study: Study) -> list[dict[str, Any]]:
    """Per-class rows over all modalities, which may have been tested on different windows."""
    names = list(dict.fromkeys(n for z in study.zero_shot.values() for n in z.class_names))
    rows = []
    for name in names:
        cells: dict[str, dict[str, float] | None] = {}
        for modality, result in study.zero_shot.items():
            index = result.class_names.index(name) if name in result.class_names else -1
            cells[modality] = (
                None
                if index < 0 or not result.support[index]
                else {
                    key: getattr(result, key)[index]
                    for key in ("f1", "precision", "recall", "support")
                }
            )
        rows.append({"name": name, "cells": cells})
    return rows


def _example(study: Study) -> dict[str, Markup]:
    example, drawings = study.example, {}
    if example is None:
        return {}
    if example.imu is not None and np.isfinite(example.imu).any():
        drawings["imu"] = Markup(imu_figure(example.imu, example.seconds))
    if example.mocap is not None:
        skeleton = skeleton_figure(example.mocap, neighbours.seen_joints(example), example.seconds)
        if skeleton:
            drawings["mocap"] = Markup(skeleton)
    return drawings


def render(study: Study) -> str:
    """Write the report page.

    Parameters
    ----------
    study : Study
        What to show; sections without data say so.

    Returns
    -------
    str
        HTML that loads nothing and is the same for the same study.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    filters = {
        "number": number, "count": count, "signed": signed, "title_of": _title, "short": display,
        "unit": name_of, "by_count": by_count,
    }  # fmt: skip
    environment.filters |= filters
    environment.globals |= filters | {"passes": passes}
    return environment.get_template("page.html").render(
        study=study,
        stand_in=STAND_IN,
        sections=SECTIONS,
        answers=[
            against_guessing(study.headlines),
            against_last_run(study.headlines, study.earlier),
            trust(study.checks, study.warnings),
        ],
        changes=[(line, change(line, study.earlier)) for line in study.headlines],
        recalls=[(curve, Markup(recall_figure(curve))) for curve in study.recall],
        tables=_retrieval(study.retrieval),
        metrics=METRICS,
        confusions={
            modality: Markup(confusion_figure(result, modality))
            for modality, result in study.zero_shot.items()
        },
        classes=_classes(study),
        curves=Markup(curves_figure(study.curves)) if study.curves else "",
        drawings=_example(study),
        splits=list(dict.fromkeys(key for split in study.splits.values() for key in split)),
        queries=[neighbours.drawings(query) for query in study.queries],
        **_few_shot(study),
        **_map(study),
    )


def _few_shot(study: Study) -> dict[str, Any]:
    """One panel a modality for each metric, and what the gains say together."""
    content = study.few_shot or {"rows": [], "gains": []}
    rows = few_shot_series(content["rows"])
    heads = list(dict.fromkeys(row["head"] for row in rows))
    panels: dict[str, dict[str, Markup]] = {}
    for row in rows:
        metric, modality = row["metric"], row["modality"]
        if modality not in panels.setdefault(metric, {}):
            panel = [r for r in rows if (r["metric"], r["modality"]) == (metric, modality)]
            panels[metric][modality] = Markup(few_shot_figure(panel, heads, f"{modality} {metric}"))
    gains = few_shot_series(content["gains"])
    table: dict[tuple[str, str], dict[int | None, dict[str, Any]]] = {}
    for gain in gains:
        better = gain["low"] is not None and gain["low"] > 0
        worse = gain["high"] is not None and gain["high"] < 0
        kind = "good-text" if better else "bad-text" if worse else ""
        cells = table.setdefault((gain["modality"], gain["head"]), {})
        cells[gain["shots"]] = {**gain, "kind": kind}
    kinds = [cell["kind"] for cells in table.values() for cell in cells.values()]
    helps, harms = kinds.count("good-text"), kinds.count("bad-text")
    summary = (
        f"Pretraining helps in {helps} of {len(kinds)} comparisons and harms in {harms};"
        " in the others the paired interval holds 0."
    )
    return {
        "few_heads": heads,
        "few_panels": panels,
        "few_gains": table,
        "few_shots": shots_of(gains),
        "gained": summary if gains else "",
    }


def _map(study: Study) -> dict[str, Any]:
    if study.joint_map is None:
        return {"map": "", "map_classes": [], "markers": {}, "class_style": ""}
    names = joint_map.class_names(study.joint_map)
    return {
        "map": Markup(joint_map.map_svg(study.joint_map)),
        "map_classes": names,
        "markers": {m: Markup(joint_map.marker(m)) for m in study.joint_map.points},
        "class_style": Markup(joint_map.class_style(len(names))),
    }
