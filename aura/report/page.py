"""The report: one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from aura.evaluation.diagnosis import Headline, display
from aura.report.figures import confusion_figure, curves_figure, imu_figure, skeleton_figure
from aura.report.study import Study

STAND_IN = (
    "It was trained by this pipeline on synthetic frames: the figures say that the pipeline works,"
    " not how well AURA-MFM does."
)
POOLS = {
    "full": "Whole test set",
    "balanced 100": "Class-balanced pools of 100",
    "within class": "Within the query's class",
}
METRICS = ("R@1", "R@10", "R@50", "MRR", "median_rank")


def number(value: float | None) -> str:
    """Three decimals; two significant digits below 0.01; a dash for None."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 0.01:
        return f"{value:.3f}"
    return f"{value:#.2g}" if abs(value) >= 1e-4 else f"{value:.0e}"


def count(value: float | None) -> str:
    """Whole numbers with separators, one decimal otherwise; a dash for None."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def _title(modality: str) -> str:
    name = display(modality)
    return name[:1].upper() + name[1:]


def _verdict(lines: Sequence[Headline]) -> str:
    """Say in one sentence what the headline figures beat."""
    if not lines:
        return "No figures were computed."
    good = [line for line in lines if line.beats_chance and line.beats_control is not False]
    against = "above chance"
    if any(line.control is not None for line in lines):
        where = "" if all(line.control is not None for line in lines) else ", where it was run,"
        against += f" and{where} above the shuffled-pairs control"
    whole = all(line.low is not None for line in lines)
    how = "with the whole 95 % interval" if whole else "as far as figures without interval can tell"
    if len(lines) == 1:
        return f"The headline figure {'lies' if good else 'does not lie'} {against}, {how}."
    many = f"All {len(lines)}" if len(good) == len(lines) else f"{len(good)} of {len(lines)}"
    if not good:
        return f"None of the {len(lines)} headline figures lies {against}, {how}."
    return f"{many} headline figures lie {against}, {how}."


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
        for modality, found in study.zero_shot.items():
            place = found.class_names.index(name) if name in found.class_names else -1
            cells[modality] = (
                None
                if place < 0 or not found.support[place]
                else {
                    key: getattr(found, key)[place]
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
        mask = np.isfinite(example.mocap).min(axis=-1)
        if example.mask is not None:
            mask &= example.mask.astype(bool)
        skeleton = skeleton_figure(example.mocap, mask, example.seconds)
        if skeleton:
            drawings["mocap"] = Markup(skeleton)
    return drawings


def render(study: Study) -> str:
    """Write the report page.

    Parameters
    ----------
    study
        What to show; sections without data say so.

    Returns
    -------
    HTML that loads nothing and is the same for the same study.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    filters = {"number": number, "count": count, "title_of": _title, "short": display}
    environment.filters |= filters
    environment.globals |= filters
    confusions = {
        modality: Markup(confusion_figure(found, modality))
        for modality, found in study.zero_shot.items()
    }
    return environment.get_template("page.html").render(
        study=study,
        stand_in=STAND_IN,
        verdict=_verdict(study.headlines),
        tables=_retrieval(study.retrieval),
        metrics=METRICS,
        confusions=confusions,
        classes=_classes(study),
        curves=Markup(curves_figure(study.curves)) if study.curves else "",
        drawings=_example(study),
        splits=list(dict.fromkeys(key for split in study.splits.values() for key in split)),
    )
