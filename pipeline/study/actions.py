"""Actions within an activity, and captions as such, for `evaluate`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from aura.config import Params
from aura.evaluation.captions import caption_classification, caption_tree
from aura.evaluation.measure import TestSet
from aura.learning.batches import Windows


def fine_grained(
    vectors: Mapping[str, np.ndarray], windows: Windows, texts: pa.Table, test: TestSet,
    rows: np.ndarray, params: Params,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Classify actions and captions within an activity, zero-shot by their vectors.

    A window's caption is the middle one of its captions; the activity is its class. The actions to
    choose from are those of all windows, the captions those of the test windows.

    Parameters
    ----------
    vectors : mapping of str to ndarray
        By modality, (N, d) unit vectors of the test windows.
    windows : Windows
        All windows.
    texts : pa.Table
        The text table.
    test : TestSet
        The N test windows.
    rows : ndarray
        Their rows in `windows`, (N,) int.
    params : Params
        The whole of params.yaml.

    Returns
    -------
    dict of str to dict
        `actions` and `captions`, where there are such, each by modality.
    """
    contents, kinds = texts.column("text").to_pylist(), texts.column("kind").to_pylist()
    middle = [f[len(f) // 2] if (f := windows.texts[row]) else None for row in rows]
    captions = [None if text is None else contents[text] for text in middle]
    candidates = {"actions": list(windows.action), "captions": captions}
    test_rows = {"actions": rows, "captions": np.arange(len(rows))}
    labels = {"actions": list(windows.label), "captions": [windows.label[row] for row in rows]}
    unit, _ = test.unit()
    results: dict[str, dict[str, Any]] = {}
    for kind, names in candidates.items():
        tree, numbers = caption_tree(names, labels[kind])
        target = numbers[test_rows[kind]]
        if not (target >= 0).any() or tree.siblings.max() < 2:
            continue
        vector_of = {
            text: row
            for row, (text, of) in enumerate(zip(contents, kinds, strict=True))
            if f"{of}s" == kind
        }
        class_vectors = windows.text.numpy()[[vector_of[name] for name in tree.action_names]]
        train = numbers[windows.rows("train")] if kind == "actions" else None
        for modality in ("imu", "mocap", "video"):
            kept = np.flatnonzero(test.valid[modality] & (target >= 0))
            if modality not in vectors or not len(kept):
                continue
            figures, confusions = caption_classification(
                vectors[modality][kept], class_vectors, target[kept], tree, unit[kept], train,
                params.evaluate.bootstrap_draws, params.seed,
            )  # fmt: skip
            actions = {
                name: [a for a, of in zip(tree.action_names, tree.activity_of, strict=True)
                       if tree.activity_names[of] == name]
                for name in confusions
            }  # fmt: skip
            results.setdefault(kind, {})[modality] = {
                **asdict(figures),
                **({"actions": actions, "confusions": confusions} if kind == "actions" else {}),
            }
    return results


def share_named(windows: Windows, texts: pa.Table) -> float:
    """Share of the training windows with an action that have a caption with its name in it."""
    captions = [text.casefold() for text in texts.column("text").to_pylist()]
    rows = [row for row in windows.rows("train") if windows.action[row] is not None]
    named = [
        any(windows.action[row].casefold() in captions[text] for text in windows.texts[row])
        for row in rows
    ]
    return float(np.mean(named)) if named else 0.0


def warning(share: float) -> list[str]:
    """Say where training texts name the actions, as keysteps among them do (rule 4)."""
    if share <= 0.01:
        return []
    return [
        f"{100 * share:.0f} % of the training windows have a caption that names their action: to"
        " that extent the figures on actions are supervised classification."
    ]
