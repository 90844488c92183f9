"""torchmetrics: MRR and recall at several depths of N queries in a gallery of N, one direction."""

from collections.abc import Callable

import numpy as np
import torch
import torchmetrics
from torchmetrics import MetricCollection
from torchmetrics.retrieval import RetrievalHitRate, RetrievalMRR

VERSION = torchmetrics.__version__


def prepare(query: str, gallery: str) -> Callable[[], np.ndarray]:
    """Paths of two .npy files (N, d) whose rows correspond; R@1, R@10, R@50 and MRR come."""
    a, b = (torch.from_numpy(np.load(path)) for path in (query, gallery))
    count = len(a)
    index = torch.arange(count).repeat_interleave(count)
    target = torch.eye(count, dtype=torch.bool).flatten()

    def run() -> np.ndarray:
        metrics = MetricCollection(
            {f"R@{k}": RetrievalHitRate(top_k=k) for k in (1, 10, 50)} | {"MRR": RetrievalMRR()}
        )((a @ b.T).flatten(), target, indexes=index)
        return np.array([float(metrics[name]) for name in ("R@1", "R@10", "R@50", "MRR")])

    return run
