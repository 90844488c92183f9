"""What the stages found, used and dropped of a data set or of all of a mixture."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aura.config import Params, Phase
from aura.counts import Content, Ledger
from aura.errors import AuraError
from aura.evaluation.measure import TestSet
from aura.learning.batches import Windows
from aura.learning.feed import usable_pairs
from pipeline.engine import paths

_SUMS = {
    "resample": ("skips", "masked"),
    "slice": ("texts_and_their_class",),
    "embed": ("skips",),
}
LEFT_OUT = "left out"
"""The split of windows that a twin is not shown."""

_TEST, _LEFT_OUT = "kept for the test", "of the class that is left out"
_ORDER = ("takes", "windows", "texts", "imu", "poses", "cameras", "frames", "with")
_ABSENT = {
    "imu": "too few valid samples",
    "mocap": "too few valid joints",
    "video": "no vector of its video",
    "text": "no text",
}


def preprocessing(datasets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the stages before training counted, the sum over data sets.

    Parameters
    ----------
    datasets : sequence of str
        Their names.

    Returns
    -------
    dict
        Stage -> "counts", the content of its ledger, and other names -> counts by reason. Texts
        that the teacher read in part are among the skips of `embed`.

    Raises
    ------
    AuraError
        A stage has not run, or its counts do not add up.
    """
    table: dict[str, dict[str, Any]] = {}
    for stage, names in _SUMS.items():
        metrics = [
            read_json(paths.report(d, stage) / "metrics.json", stage, names) for d in datasets
        ]
        counts = [content_of(m, stage) for m in metrics]
        ledger = Ledger(stage, *dict.fromkeys(unit for content in counts for unit in content))
        for content in counts:
            ledger.add(content)
        if stage == "embed":
            metrics = [{"skips": m["skips"] | _cut(m.get("long_texts", {}))} for m in metrics]
        table[stage] = {name: _sum([m[name] for m in metrics]) for name in names}
        table[stage]["counts"] = ledger.check()
    return table


def flow(
    params: Params, dataset: str, before: Mapping[str, Any], details: Mapping[str, Any],
    few_shot: Mapping[str, Any] | None = None,
) -> dict[str, Content]:  # fmt: skip
    """The ledger of each stage, in the order of the stages.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        Name of a data set or a mixture.
    before : mapping
        What `preprocessing` gave.
    details : mapping
        `details.json` of `evaluate`.
    few_shot : mapping or None
        `details.json` of `finetune`, where it has run; one of an earlier version counts nothing.
    """
    table = {stage: counts["counts"] for stage, counts in before.items()}
    for stage in ("mix", "train") if dataset in params.mixtures else ("train",):
        metrics = read_json(paths.report(dataset, stage) / "metrics.json", stage)
        table[stage] = content_of(metrics, stage)
    table["evaluate"] = content_of(details.get("counts", {}), "evaluate")
    if few_shot and "counts" in few_shot:
        table["finetune"] = content_of(few_shot["counts"], "finetune")
    return table


def content_of(metrics: Mapping[str, Any], stage: str) -> Content:
    """The ledger among a stage's metrics; those of an earlier version have none."""
    content = {
        unit: dict(counts)
        for unit, counts in sorted(metrics.items(), key=_place)
        if isinstance(counts, Mapping) and {"found", "used", "dropped"} == set(counts)
    }
    if not content:
        raise AuraError(
            f"The metrics of `aura {stage}` do not say what was found; run `aura {stage}` again."
        )
    return content


def _place(item: tuple[str, Any]) -> tuple[int, str]:
    """Where a unit stands: takes first."""
    word = item[0].partition("_")[0]
    return _ORDER.index(word) if word in _ORDER else len(_ORDER), item[0]


def mixed(windows: Windows, found: Mapping[str, int]) -> Ledger:
    """Windows of each source of a mixture: `found` in its tables, used in the mixture."""
    ledger = Ledger("mix", *(f"windows_of_{name}" for name in found))
    for name, count in found.items():
        ledger.find(f"windows_of_{name}", count)
        if windows.source is not None:
            ledger.use(f"windows_of_{name}", int((windows.source == name).sum()))
    return ledger


def learned(windows: Windows, seen: Mapping[str, Windows], phases: Mapping[str, Phase]) -> Ledger:
    """What training uses: all windows, and those of the training split in each phase.

    Parameters
    ----------
    windows : Windows
        Those of all splits.
    seen : mapping of str to Windows
        What each phase or twin is trained on.
    phases : mapping of str to Phase
        Their settings.

    Returns
    -------
    Ledger
        Of the windows, and of those of each phase: a window without both modalities of any of its
        pairs teaches nothing.
    """
    ledger = Ledger("train", "windows", *(f"windows_in_{name}" for name in phases))
    ledger.find("windows", len(windows))
    for split in ("train", "val"):
        ledger.use("windows", len(windows.rows(split)))
    ledger.drop("windows", _TEST, len(windows.rows("test")))
    training = windows.rows("train")
    for name, phase in phases.items():
        unit, some = f"windows_in_{name}", seen[name]
        ledger.find(unit, len(training))
        ledger.drop(unit, _LEFT_OUT, int((some.split[training] == LEFT_OUT).sum()))
        has = {
            m: present[some.order[m]] if m in some.order else present
            for m, present in some.has.items()
        }
        rows = torch.from_numpy(some.rows("train"))
        pairs = usable_pairs(some, phase.pairs)
        paired = torch.stack([has[a][rows] & has[b][rows] for a, b in pairs]).any(dim=0)
        ledger.use(unit, int(paired.sum()))
        ledger.drop(unit, "no pair of modalities to learn from", int((~paired).sum()))
    return ledger


def tested(windows: Windows, test: TestSet, vectors: Mapping[str, np.ndarray]) -> Ledger:
    """What the evaluation uses: windows, and of those of the test split each modality's.

    Parameters
    ----------
    windows : Windows
        Those of all splits.
    test : TestSet
        Those of the test split, N.
    vectors : mapping of str to ndarray
        Modality -> (N, d), of those that the test split has and the model was trained on.
    """
    ledger = Ledger("evaluate", "windows", *(f"with_{m}" for m in test.valid), "with_class")
    ledger.find("windows", len(windows))
    ledger.use("windows", len(test.label))
    for split, name in (("train", "training"), ("val", "validation")):
        ledger.drop("windows", f"of the {name} split", len(windows.rows(split)))
    for modality, valid in test.valid.items():
        unit = f"with_{modality}"
        ledger.find(unit, len(windows.rows("test")))
        if modality in vectors:
            ledger.use(unit, len(vectors[modality][valid]))
        else:
            ledger.drop(unit, "modality that is not trained", int(valid.sum()))
        ledger.drop(unit, _ABSENT[modality], int((~valid).sum()))
    rows = windows.rows("test")
    nameless = np.array([label is None for label in windows.label[rows]], bool)
    ledger.find("with_class", len(rows))
    ledger.use("with_class", int((test.label >= 0).sum()))
    ledger.drop("with_class", "no class", int(nameless.sum()))
    ledger.drop("with_class", "class without a prompt", int(((test.label < 0) & ~nameless).sum()))
    return ledger


def read_json(path: Path, stage: str, keys: Sequence[str] = ()) -> Any:
    """What a stage wrote; an `AuraError` where it has not run, or lacks one of the keys."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise AuraError(f"There is nothing at {path} yet; run `aura {stage}` first.") from None
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise AuraError(f"{path} is damaged: it is no JSON object; run `aura {stage}` again.")
    for key in keys:
        if key not in content:
            raise AuraError(f"{path} is damaged: it has no '{key}'; run `aura {stage}` again.")
    return content


def _sum(parts: Sequence[Any]) -> Any:
    if not isinstance(parts[0], dict):
        return sum(parts)
    keys = dict.fromkeys(key for part in parts for key in part)
    return {key: _sum([part[key] for part in parts if key in part]) for key in keys}


def _cut(counts: Mapping[str, int]) -> dict[str, int]:
    """Texts of which the teacher read the beginning only, where there are some."""
    reasons = {
        "cut": f"text: longer than {counts.get('context_tokens')} tokens, cut",
        "alike_only_because_cut": "text: has the vector of another only because it is cut",
    }
    return {reason: counts[name] for name, reason in reasons.items() if counts.get(name)}
