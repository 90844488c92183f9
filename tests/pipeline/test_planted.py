"""Faults that make a figure worthless, planted one by one: each is refused or named."""

from dataclasses import replace

import numpy as np
import pytest

from aura.errors import AuraError
from aura.evaluation.diagnosis import diagnose, effective_rank
from aura.evaluation.measure import measure
from pipeline import evaluate
from pipeline.study import joined, splits, targets
from tests import small


@pytest.fixture(scope="module")
def content():
    """Windows whose class, and text table whose prompts, are of two classes."""
    windows, (_, _, texts, _), _ = small.windows(seconds=(30, 30, 60))
    label = np.array(["walking" if i % 2 else "sitting" for i in range(len(windows))], object)
    rows = texts.to_pylist()
    prompts = [{**rows[-1], "kind": "prompt", "label": name} for name in ("sitting", "walking")]
    texts = texts.from_pylist([*rows[:-1], *prompts], schema=texts.schema)
    return small.with_texts(replace(windows, label=label), texts), texts


def test_a_participant_of_training_in_the_test_split_is_refused(content):
    windows, _ = content
    splits.check(windows)
    shared = np.where(windows.split == "train", windows.participant[-1], windows.participant)
    with pytest.raises(AuraError, match="shares 1 participants with training"):
        splits.check(replace(windows, participant=shared))


def test_embeddings_that_collapse_are_named():
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(50, 16))
    collapsed = np.ones((50, 16)) + 1e-3 * spread
    ranks = {"imu": effective_rank(collapsed), "mocap": effective_rank(spread)}
    (warning,) = diagnose([], effective_ranks=ranks, classes=8)
    assert warning.startswith("IMU: the embeddings have collapsed to about 1.")


def test_duplicated_captions_are_named_and_count_as_one_set():
    assert evaluate.caption_warning(np.arange(10)) == []
    (warning,) = evaluate.caption_warning(np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 6]))
    assert warning.startswith("50 % of the test windows with text have the captions of another")


def test_a_figure_on_the_training_split_is_refused(content):
    windows, texts = content
    for split in ("test", "train"):
        rows = windows.rows(split)
        test = targets.test_set(windows, texts, rows)
        vectors = {"imu": np.eye(len(rows), small.DIM, dtype=np.float32)}
        if split == "test":
            assert measure(vectors, test, 10, 0).headlines
        else:
            with pytest.raises(AuraError, match="not all of the test split: train"):
                measure(vectors, test, 10, 0)


def test_class_names_in_the_training_texts_are_named(content):
    windows, texts = content
    assert evaluate.naming_warning(evaluate.share_naming_class(windows, texts)) == []
    rows = texts.to_pylist()
    for row in rows:
        row["text"] = "A person is walking." if row["text"] == "text 0" else row["text"]
    leaking = texts.from_pylist(rows, schema=texts.schema)
    naming = joined.naming(windows, leaking)
    for row, found in enumerate(naming):
        assert found == (
            {0} if windows.label[row] == "walking" and 0 in windows.texts[row] else set()
        )
    share = evaluate.share_naming_class(windows, leaking)
    assert share > 0.01
    (warning,) = evaluate.naming_warning(share)
    assert "to that extent the zero-shot figures are supervised" in warning
    without = windows.without_texts(naming)
    assert evaluate.share_naming_class(without, leaking) == 0
    assert not any(
        0 in f for f, y in zip(without.texts, windows.label, strict=True) if y == "walking"
    )
