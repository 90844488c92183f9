"""retrieval: ranks in both directions beside the product alone, sorting, and torchmetrics."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aura.evaluation.ranking import TIE, TILE, mutual_ranks, ranks
from bench import peers
from bench.measure import Baseline, Row, Setup, require
from bench.noise import DIM

_SORT_CHUNK = 256  # queries whose gallery is sorted at once
Vectors = NDArray[np.float32]


def rows(setup: Setup) -> Iterator[Row]:
    """Pools of 2000 and 8192 windows, and some queries in a gallery of 100,000."""
    if setup.device != "cpu":
        return
    yield _mutual_row(setup, "eval.retrieval.2k", setup.size(2000, 60), True)
    yield _mutual_row(setup, "eval.retrieval", setup.size(8192, 80), False)
    yield _large_row(setup)


def make_pair(queries: int, gallery: int) -> tuple[Vectors, Vectors]:
    """Unit vectors of noise, of which the first ones of both sides have something in common."""
    rng = np.random.default_rng(0)
    query, gallery_vectors = (rng.standard_normal((n, DIM), np.float32) for n in (queries, gallery))
    query += 0.1 * gallery_vectors[:queries]
    return tuple(v / np.linalg.norm(v, axis=1, keepdims=True) for v in (query, gallery_vectors))


def tiled_product(query: Vectors, gallery: Vectors) -> None:
    """All scores, a tile at a time, and nothing done with them."""
    buffer = np.empty(TILE * TILE, np.float32)
    for top in range(0, len(query), TILE):
        rows = query[top : top + TILE]
        for left in range(0, len(gallery), TILE):
            columns = gallery[left : left + TILE]
            scores = buffer[: len(rows) * len(columns)].reshape(len(rows), len(columns))
            np.matmul(rows, columns.T, out=scores)


def sorted_ranks(query: Vectors, gallery: Vectors, first: int, count: int) -> NDArray[np.int64]:
    """Ranks of some queries, each by sorting its scores."""
    ranks_of_chunks = []
    for start in range(first, first + count, _SORT_CHUNK):
        rows = np.arange(start, min(start + _SORT_CHUNK, first + count))
        order = np.argsort(-(query[rows] @ gallery.T), axis=1, kind="stable")
        ranks_of_chunks.append(np.argmax(order == rows[:, None], axis=1) + 1)
    return np.concatenate(ranks_of_chunks)


def _mutual_row(setup: Setup, name: str, count: int, small: bool) -> Row:
    a, b = make_pair(count, count)
    group = np.arange(count)
    sorted_queries = count if small else count // 8
    baselines = [
        Baseline("the product alone, in tiles", "limit", partial(tiled_product, a, b), 0.85),
        Baseline(
            "stable argsort",
            "peer",
            partial(sorted_ranks, a, b, 0, sorted_queries),
            14.0,
            sorted_queries / (2 * count),
        ),
    ]
    peer: peers.Peer | str = "left out of a smoke run"
    if small:
        if not setup.smoke:
            files = [setup.folder / "query.npy", setup.folder / "gallery.npy"]
            for file, vectors in zip(files, (a, b), strict=True):
                np.save(file, vectors)
            peer = peers.start("torchmetrics_retrieval", query=str(files[0]), gallery=str(files[1]))
        label = "torchmetrics, R@1, R@10, R@50 and MRR"
        baselines.append(Baseline(label, "peer", peer, 100.0, 0.5))

    def gate() -> dict[str, str]:
        forward, backward = mutual_ranks(a, b, group)
        report = {
            "ranks": _compare_with_sort(forward, a, b, sorted_queries),
            "ranks the other way": _compare_with_sort(backward, b, a, sorted_queries),
        }
        if isinstance(peer, peers.Peer):
            peer.save(setup.folder / "peer.npy")
            ours = [(forward <= k).mean() for k in (1, 10, 50)] + [(1 / forward).mean()]
            difference = float(np.abs(np.load(setup.folder / "peer.npy") - ours).max())
            # It breaks a tie one way or the other; ours is half a rank.
            require(
                difference < 2 / count, f"A figure is {difference:.1e} from that of torchmetrics."
            )
            report["off torchmetrics, at most"] = f"{difference:.1e}"
        return report

    return Row(
        name=name,
        what=f"Ranks of {count} windows in {count} of another modality, and the other way",
        ours=partial(mutual_ranks, a, b, group),
        baselines=baselines,
        gate=gate,
        work=2 * count,
        unit="queries",
        notes=[f"torchmetrics {peer.version}"] if isinstance(peer, peers.Peer) else [],
    )


def _large_row(setup: Setup) -> Row:
    gallery, queries = setup.size(100_000, 300), setup.size(4096, 64)
    a, b = make_pair(queries, gallery)
    rows = np.arange(queries)
    columns = np.arange(gallery)
    sorted_queries = min(64, queries)
    return Row(
        name="eval.retrieval.100k",
        what=f"Ranks of {queries} windows in a gallery of {gallery}",
        ours=partial(ranks, a, b, rows, columns),
        baselines=[
            Baseline("the product alone, in tiles", "limit", partial(tiled_product, a, b), 0.85),
            Baseline(
                "stable argsort",
                "peer",
                partial(sorted_ranks, a, b, 0, sorted_queries),
                None,
                sorted_queries / queries,
            ),
        ],
        gate=lambda: {
            "ranks": _compare_with_sort(ranks(a, b, rows, columns), a, b, sorted_queries)
        },
        work=queries,
        unit="queries",
        rounds=3,
    )


def _compare_with_sort(
    ranks: NDArray[np.float64], query: Vectors, gallery: Vectors, count: int
) -> str:
    """How many of the first ranks are those by sorting; others must be explained by ties."""
    expected = sorted_ranks(query, gallery, 0, count)
    for row in np.flatnonzero(ranks[:count] != expected):
        scores = query[row] @ gallery.T
        tied = np.count_nonzero(np.abs(scores - scores[row]) <= 2 * TIE) - 1
        distance = abs(ranks[row] - expected[row])
        require(distance <= tied, f"A rank is {ranks[row]}, and {expected[row]} by sorting.")
    same = np.count_nonzero(ranks[:count] == expected)
    return f"{same} of {count} as by sorting, the others tied"
