"""Takes that several IMUs recorded at once, in batches and in validation."""

from collections import Counter

import numpy as np
import pytest
import torch

from aura.learning import model
from aura.learning.feed import Feed
from tests.conftest import tiny_params
from tests.small import DIM, windows


def two_imus():
    """Windows of three moments to train on, each by two takes, and of one to validate."""
    joined, _, _ = windows(
        seconds=(30, 30, 20, 20, 25, 25, 40, 40),
        splits=("train",) * 6 + ("val",) * 2,
        moments=list("aabbccdd"),
    )
    return joined


@pytest.mark.parametrize("policy", ["apart", "together"])
def test_batches_go_by_moments(policy):
    joined = two_imus()
    rows = joined.rows("train")
    params = tiny_params().train.model_copy(update={"batch": 8, "batches": policy})
    feed = Feed(joined, params, seed=0, scale=torch.ones(2, 6))
    for epoch in range(20):  # by takes, some of these would not hold
        parts = [feed.rows(epoch, n) for n in range(feed.steps_per_epoch)]
        batches = [Counter(joined.moment[part]) for part in parts]
        assert sum(batches, Counter()) == Counter(joined.moment[rows])
        shares = {m: [counts[m] for counts in batches] for m in "abc"}
        if policy == "apart":
            assert all(max(share) - min(share) <= 1 for share in shares.values())
        else:
            assert sum(len(counts) for counts in batches) <= 3 + len(batches) - 1


def test_validation_takes_what_another_imu_recorded_at_once_for_right(monkeypatch):
    joined = two_imus()
    rows = joined.rows("val")
    rng = np.random.default_rng(0)
    vectors = {m: rng.normal(size=(len(rows), DIM)).astype(np.float32) for m in ("imu", "mocap")}
    vectors["mocap"][len(rows) // 2 :] = vectors["mocap"][: len(rows) // 2]  # one body
    vectors = {m: v / np.linalg.norm(v, axis=1, keepdims=True) for m, v in vectors.items()}
    monkeypatch.setattr(model, "embed", lambda *_: vectors)
    start_s = joined.start_s.numpy()[rows]
    scores = []
    for query, gallery in (("imu", "mocap"), ("mocap", "imu")):
        for i in range(len(rows)):
            score, right = vectors[gallery] @ vectors[query][i], start_s == start_s[i]
            best, wrong = score[right].max(), score[~right]
            ties = np.abs(wrong - best) < 1e-5
            scores.append(1 / (1 + (wrong[~ties] > best).sum() + ties.sum() / 2))
    mrr = model.validation_mrr(None, joined, rows, [("imu", "mocap")])
    assert mrr == pytest.approx(np.mean(scores), rel=1e-6)
