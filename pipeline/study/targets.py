"""The classes and captions that windows are tested on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import torch

from aura.evaluation.measure import TestSet
from aura.evaluation.relevance import instants
from aura.evaluation.zeroshot import class_embeddings
from aura.learning.batches import Windows
from aura.schema import MODALITIES
from pipeline.study import joined


def class_names(texts: pa.Table) -> list[str]:
    """The classes that have prompts, in the order of their numbers."""
    prompts = texts.filter(pa.compute.equal(texts.column("kind"), "prompt"))
    return list(dict.fromkeys(prompts.column("label").to_pylist()))


def test_set(windows: Windows, texts: pa.Table, rows: np.ndarray) -> TestSet:
    """The windows of some rows with their classes and captions, and the classes' vectors.

    Parameters
    ----------
    windows : Windows
        All windows.
    texts : pa.Table
        The text table, whose rows are those of `windows.text`.
    rows : ndarray
        Which windows, (N,) int.

    Returns
    -------
    TestSet
        Row by row.
    """
    prompts = [i for i, kind in enumerate(texts.column("kind").to_pylist()) if kind == "prompt"]
    labels = [texts.column("label")[i].as_py() for i in prompts]
    names = class_names(texts)
    vectors = windows.text[torch.tensor(prompts, dtype=torch.long)].cpu().numpy()
    prompts_of = [[i for i, label in enumerate(labels) if label == name] for name in names]
    number = {name: i for i, name in enumerate(names)}
    all_labels = np.array([number.get(label, -1) for label in windows.label])
    train = all_labels[windows.rows("train")]
    instant = instants(windows.moment[rows], windows.start_s.numpy()[rows])
    return TestSet(
        participant=windows.participant[rows],
        take=windows.take[rows],
        label=all_labels[rows],
        group=caption_groups([windows.texts[row] for row in rows], instant),
        valid={m: windows.has[m].numpy()[rows] for m in MODALITIES},
        class_names=names,
        # Class by class: the data sets of a mixture may have prompts of different numbers.
        class_vectors=np.concatenate(
            [np.empty((0, vectors.shape[1])), *(class_embeddings(vectors[[p]]) for p in prompts_of)]
        ),
        train_labels=train[train >= 0],
        length_s=joined.lengths_s(windows, rows),
        split=windows.split[rows],
        moment=windows.moment[rows],
        instant=instant,
        place=windows.place[rows],
        source=None if windows.source is None else windows.source[rows],
    )


def caption_groups(texts: Sequence[Sequence[int]], instant: np.ndarray) -> np.ndarray:
    """(N,) int64: windows with the same captions share a group; those without, by instant."""
    groups: dict[Any, int] = {}
    keys = [frozenset(row) or f"instant {i}" for row, i in zip(texts, instant, strict=True)]
    return np.array([groups.setdefault(key, len(groups)) for key in keys])
