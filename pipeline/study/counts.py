"""What the stages before training found and left out, of a data set or of all of a mixture."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aura.errors import AuraError
from pipeline.engine import paths

_SUMS = {
    "resample": ("takes_found", "takes_used", "skips", "samples_dropped", "masked"),
    "slice": ("windows", "rejected", "texts_and_their_class"),
    "embed": ("skips",),
}


def preprocessing(datasets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Counts of each stage, the sum over data sets.

    Parameters
    ----------
    datasets : sequence of str
        Their names.

    Returns
    -------
    dict
        Stage -> name -> a count, or counts by reason. Texts that the teacher read in part are among
        the skips of `embed`.

    Raises
    ------
    AuraError
        A stage has not run.
    """
    table: dict[str, dict[str, Any]] = {}
    for stage, names in _SUMS.items():
        metrics = [
            read_json(paths.report(d, stage) / "metrics.json", stage, names) for d in datasets
        ]
        if stage == "embed":
            metrics = [{"skips": m["skips"] | _cut(m.get("long_texts", {}))} for m in metrics]
        table[stage] = {name: _sum([m[name] for m in metrics]) for name in names}
    return table


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
