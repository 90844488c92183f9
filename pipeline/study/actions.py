"""Actions within an activity, and captions as such: what `evaluate` says of them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from aura.config import Params
from aura.evaluation.bootstrap import resampling_unit
from aura.evaluation.captions import caption_classification, caption_tree
from aura.evaluation.measure import TestSet
from aura.learning.batches import Windows


def fine_grained(
    vectors: Mapping[str, np.ndarray], windows: Windows, texts: pa.Table, test: TestSet,
    rows: np.ndarray, params: Params,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Actions and captions within an activity, zero-shot by their vectors, for each modality.

    A window's caption is the middle one of its captions; the activity is its class. The actions to
    choose from are those of all windows, the captions those of the test windows.
    """
    said, kinds = texts.column("text").to_pylist(), texts.column("kind").to_pylist()
    middle = [f[len(f) // 2] if (f := windows.texts[row]) else None for row in rows]
    captions = [None if text is None else said[text] for text in middle]
    named = {"actions": list(windows.action), "captions": captions}
    place = {"actions": rows, "captions": np.arange(len(rows))}
    labels = {"actions": list(windows.label), "captions": [windows.label[row] for row in rows]}
    unit, _ = resampling_unit(test.participant, test.take)
    found: dict[str, dict[str, Any]] = {}
    for kind, names in named.items():
        tree, numbers = caption_tree(names, labels[kind])
        own = numbers[place[kind]]
        if not (own >= 0).any() or tree.siblings.max() < 2:
            continue
        vector_of = {
            text: row
            for row, (text, of) in enumerate(zip(said, kinds, strict=True))
            if f"{of}s" == kind
        }
        known = windows.text.numpy()[[vector_of[name] for name in tree.action_names]]
        train = numbers[windows.rows("train")] if kind == "actions" else None
        for modality in ("imu", "mocap", "video"):
            kept = np.flatnonzero(test.valid[modality] & (own >= 0))
            if modality not in vectors or not len(kept):
                continue
            figures, confusions = caption_classification(
                vectors[modality][kept], known, own[kept], tree, unit[kept], train,
                params.evaluate.bootstrap_draws, params.seed,
            )  # fmt: skip
            actions = {
                name: [a for a, of in zip(tree.action_names, tree.activity_of, strict=True)
                       if tree.activity_names[of] == name]
                for name in confusions
            }  # fmt: skip
            found.setdefault(kind, {})[modality] = {
                **asdict(figures),
                **({"actions": actions, "confusions": confusions} if kind == "actions" else {}),
            }
    return found


def share_named(windows: Windows, texts: pa.Table) -> float:
    """Share of the training windows with an action that have a caption with its name in it."""
    captions = [text.casefold() for text in texts.column("text").to_pylist()]
    rows = [row for row in windows.rows("train") if windows.action[row] is not None]
    told = [
        any(windows.action[row].casefold() in captions[text] for text in windows.texts[row])
        for row in rows
    ]
    return float(np.mean(told)) if told else 0.0


def warning(share: float) -> list[str]:
    """Say where the actions were told in training, as with keysteps among the texts (rule 4)."""
    if share <= 0.01:
        return []
    return [
        f"{100 * share:.0f} % of the training windows have a caption that names their action: to"
        " that extent the figures on actions are supervised classification."
    ]
