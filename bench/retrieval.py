"""retrieval: ranks in both directions beside the product alone, sorting, and torchmetrics."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aura.evaluation.ranking import TIE, TILE, mutual_ranks, ranks
from aura.teacher.identity import DIM
from bench import peers
from bench.measure import Rival, Row, Scene, require

_SORTED = 256  # queries whose gallery is sorted at once
Vectors = NDArray[np.float32]


def rows(scene: Scene) -> Iterator[Row]:
    """Pools of 2000 and 8192 windows, and some queries in a gallery of 100,000."""
    if scene.device != "cpu":
        return
    yield _mutual_row(scene, "eval.retrieval.2k", scene.size(2000, 60), True)
    yield _mutual_row(scene, "eval.retrieval", scene.size(8192, 80), False)
    yield _large_row(scene)


def pair(queries: int, gallery: int) -> tuple[Vectors, Vectors]:
    """Unit vectors of noise, of which the first ones of both sides have something in common."""
    rng = np.random.default_rng(0)
    found, other = (rng.standard_normal((n, DIM), np.float32) for n in (queries, gallery))
    found += 0.1 * other[:queries]
    return tuple(v / np.linalg.norm(v, axis=1, keepdims=True) for v in (found, other))


def tiled_product(query: Vectors, gallery: Vectors) -> None:
    """All scores, a tile at a time, and nothing done with them."""
    room = np.empty(TILE * TILE, np.float32)
    for top in range(0, len(query), TILE):
        some = query[top : top + TILE]
        for left in range(0, len(gallery), TILE):
            others = gallery[left : left + TILE]
            scores = room[: len(some) * len(others)].reshape(len(some), len(others))
            np.matmul(some, others.T, out=scores)


def sorted_ranks(query: Vectors, gallery: Vectors, first: int, count: int) -> NDArray[np.int64]:
    """Ranks of some queries, each by sorting its scores."""
    found = []
    for start in range(first, first + count, _SORTED):
        own = np.arange(start, min(start + _SORTED, first + count))
        order = np.argsort(-(query[own] @ gallery.T), axis=1, kind="stable")
        found.append(np.argmax(order == own[:, None], axis=1) + 1)
    return np.concatenate(found)


def _mutual_row(scene: Scene, name: str, count: int, small: bool) -> Row:
    a, b = pair(count, count)
    group = np.arange(count)
    part = count if small else count // 8
    rivals = [
        Rival("the product alone, in tiles", "limit", partial(tiled_product, a, b), 0.85),
        Rival(
            "stable argsort", "peer", partial(sorted_ranks, a, b, 0, part), 14.0, part / (2 * count)
        ),
    ]
    peer: peers.Peer | str = "left out of a smoke run"
    if small:
        if not scene.smoke:
            files = [scene.folder / "query.npy", scene.folder / "gallery.npy"]
            for file, vectors in zip(files, (a, b), strict=True):
                np.save(file, vectors)
            peer = peers.start("torchmetrics_retrieval", query=str(files[0]), gallery=str(files[1]))
        those = "torchmetrics, R@1, R@10, R@50 and MRR"
        rivals.append(Rival(those, "peer", peer, 100.0, 0.5))

    def gate() -> dict[str, str]:
        there, back = mutual_ranks(a, b, group)
        said = {
            "ranks": _as_sorted(there, a, b, part),
            "ranks the other way": _as_sorted(back, b, a, part),
        }
        if isinstance(peer, peers.Peer):
            peer.save(scene.folder / "peer.npy")
            ours = [(there <= k).mean() for k in (1, 10, 50)] + [(1 / there).mean()]
            off = float(np.abs(np.load(scene.folder / "peer.npy") - ours).max())
            # It breaks a tie one way or the other; ours is half a rank.
            require(off < 2 / count, f"A figure is {off:.1e} from that of torchmetrics.")
            said["off torchmetrics, at most"] = f"{off:.1e}"
        return said

    return Row(
        name=name,
        what=f"Ranks of {count} windows in {count} of another modality, and the other way",
        ours=partial(mutual_ranks, a, b, group),
        rivals=rivals,
        gate=gate,
        work=2 * count,
        unit="queries",
        notes=[f"torchmetrics {peer.version}"] if isinstance(peer, peers.Peer) else [],
    )


def _large_row(scene: Scene) -> Row:
    gallery, queries = scene.size(100_000, 300), scene.size(4096, 64)
    a, b = pair(queries, gallery)
    own = np.arange(queries)
    others = np.arange(gallery)
    some = min(64, queries)
    return Row(
        name="eval.retrieval.100k",
        what=f"Ranks of {queries} windows in a gallery of {gallery}",
        ours=partial(ranks, a, b, own, others),
        rivals=[
            Rival("the product alone, in tiles", "limit", partial(tiled_product, a, b), 0.85),
            Rival(
                "stable argsort", "peer", partial(sorted_ranks, a, b, 0, some), None, some / queries
            ),
        ],
        gate=lambda: {"ranks": _as_sorted(ranks(a, b, own, others), a, b, some)},
        work=queries,
        unit="queries",
        rounds=3,
    )


def _as_sorted(found: NDArray[np.float64], query: Vectors, gallery: Vectors, count: int) -> str:
    """How many of the first ranks are those by sorting; others must be explained by ties."""
    expected = sorted_ranks(query, gallery, 0, count)
    for number in np.flatnonzero(found[:count] != expected):
        scores = query[number] @ gallery.T
        near = np.count_nonzero(np.abs(scores - scores[number]) <= 2 * TIE) - 1
        away = abs(found[number] - expected[number])
        require(away <= near, f"A rank is {found[number]}, and {expected[number]} by sorting.")
    same = np.count_nonzero(found[:count] == expected)
    return f"{same} of {count} as by sorting, the others tied"
