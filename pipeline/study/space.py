"""What the page shows of the joint space: recall curves, the map and nearest neighbours."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aura.config import Params
from aura.errors import AuraError
from aura.evaluation.bootstrap import resampling_unit
from aura.evaluation.layout import joint_layout
from aura.evaluation.measure import RETRIEVALS
from aura.evaluation.neighbours import choose, nearest
from aura.evaluation.recall import pair_ranks, recall_curve
from aura.evaluation.relevance import instants
from aura.learning.batches import Windows
from aura.report.examples import Example, Hit, JointMap, Query
from pipeline.engine import paths
from pipeline.study import targets
from pipeline.study.thumbnails import thumbnails
from pipeline.study.vectors import Valid, Vectors, read_vectors

QUERIES, HITS = 4, 5


@dataclass(frozen=True)
class Space:
    """The N test windows in the joint space, row by row.

    Attributes
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        Its name.
    windows : Windows
        All windows.
    captions : list of str
        The texts, by their rows.
    rows : ndarray
        (N,) int, rows of `windows`.
    group : ndarray
        (N,) int; windows with the same captions share one.
    instant : ndarray
        (N,) int; windows of several IMUs over the same seconds share one.
    label : ndarray
        (N,) str, "" where there is none.
    vectors, valid : dict of str to ndarray
        By modality, (N, d) float32 and (N,) bool.
    """

    params: Params
    dataset: str
    windows: Windows
    captions: list[str]
    rows: NDArray[np.int64]
    group: NDArray[np.int64]
    instant: NDArray[np.int64]
    label: NDArray[Any]
    vectors: Vectors
    valid: Valid

    @staticmethod
    def load(params: Params, dataset: str, windows: Windows, texts: pa.Table) -> "Space":
        """Read what evaluate wrote, joined by window."""
        rows = windows.rows("test")
        path = paths.report(dataset, "evaluate") / "embeddings.parquet"
        vectors, valid = read_vectors(path, [windows.ids[row] for row in rows])
        dim = windows.shape.dim
        if any(vector.shape[1] != dim for vector in vectors.values()):
            raise AuraError(
                f"{path} is of a teacher of another width than {dim}; run `aura evaluate` again."
            )
        instant = instants(windows.moment[rows], windows.start_s.numpy()[rows])
        return Space(
            params, dataset, windows, texts.column("text").to_pylist(), rows,
            targets.caption_groups([windows.texts[row] for row in rows], instant), instant,
            np.array([label or "" for label in windows.label[rows]], str), vectors, valid,
        )  # fmt: skip

    def recall(self) -> list[dict[str, Any]]:
        """R@k curves of the pairs of the headlines."""
        curves = []
        participant, take, moment = (
            getattr(self.windows, name)[self.rows] for name in ("participant", "take", "moment")
        )
        unit, _ = resampling_unit(participant, take, moment)
        for query, gallery, _, multi in RETRIEVALS:
            if query not in self.vectors or gallery not in self.vectors:
                continue
            rows, rank, group = self._ranks(query, gallery, multi)
            if len(rows) < 2:
                continue
            draws, seed = self.params.evaluate.bootstrap_draws, self.params.seed
            curve = recall_curve(rank, group[rows], unit[rows], draws, seed)
            matching = "multi-positive" if multi else "strict"
            pair = {"query": query, "gallery": gallery, "matching": matching}
            curves.append({**pair, **asdict(curve)})
        return curves

    def map(self) -> JointMap | None:
        """A map of a balanced draw of the windows."""
        layout = joint_layout(self.vectors, self.valid, self.label, seed=self.params.seed)
        if layout is None:
            return None
        ids = [self.windows.ids[self.rows[row]] for row in layout.rows]
        labels = [str(self.label[row]) or "no class" for row in layout.rows]
        return JointMap(ids, labels, layout.points, len(self.rows))

    def queries(self) -> list[Query]:
        """Windows drawn by a seed, and what lies nearest to their IMU."""
        galleries = [m for m in ("mocap", "video", "text") if m in self.vectors]
        if "imu" not in self.vectors or not galleries:
            return []
        rank = {g: np.full(len(self.rows), np.nan) for g in galleries}
        pool = dict.fromkeys(galleries, 0)
        for gallery in galleries:
            rows, ranks, _ = self._ranks("imu", gallery, gallery == "text")
            rank[gallery][rows], pool[gallery] = ranks, len(rows)
        complete = np.all([np.isfinite(rank[g]) for g in galleries if pool[g]], axis=0)
        misses = np.sum([rank[g] > HITS for g in galleries], axis=0).astype(float)
        misses[~complete] = np.nan
        picked, fails = choose(misses, self.label.tolist(), QUERIES, self.params.seed)
        hits = {g: self._nearest(g, picked) for g in galleries if pool[g]}
        shown = {
            *picked.tolist(),
            *(row for neighbours in hits.values() for hit in neighbours for row, _ in hit),
        }
        images = thumbnails(
            self.params, self.dataset, sorted(self.windows.ids[self.rows[row]] for row in shown)
        )
        return [
            Query(
                window=self._example(row, images),
                hits={
                    g: self._hits(row, neighbours[i], g, images) for g, neighbours in hits.items()
                },
                rank={g: float(rank[g][row]) for g in hits},
                pool={g: pool[g] for g in hits},
                failure=fails and i == len(picked) - 1,
            )
            for i, row in enumerate(picked.tolist())
        ]

    def _ranks(self, query: str, gallery: str, multi: bool) -> Any:
        group = self.group if multi else self.instant
        both = self.valid[query] & self.valid[gallery]
        return (
            *pair_ranks(self.vectors[query], self.vectors[gallery], both, group),
            group,
        )

    def _nearest(self, gallery: str, picked: NDArray[np.int64]) -> list[list[tuple[int, float]]]:
        """For each window picked the rows and scores of what is nearest.

        Of equal captions, and of what several IMUs have of the same seconds, one is there.
        """
        pool = np.flatnonzero(self.valid["imu"] & self.valid[gallery])
        same = self.group if gallery == "text" else self.instant
        pool = pool[np.unique(same[pool], return_index=True)[1]]
        order, score = nearest(self.vectors["imu"][picked], self.vectors[gallery][pool], HITS)
        return [
            list(zip(pool[o].tolist(), s.tolist(), strict=True))
            for o, s in zip(order, score, strict=True)
        ]

    def _hits(
        self, query: int, neighbours: Sequence[tuple[int, float]], gallery: str, images: Any
    ) -> list[Hit]:
        return [
            Hit(
                window=self._example(row, images, gallery),
                score=score,
                right=self.instant[row] == self.instant[query]
                or (gallery == "text" and self.group[row] == self.group[query]),
                same_class=bool(self.label[row]) and self.label[row] == self.label[query],
            )
            for row, score in neighbours
        ]

    def _example(self, row: int, images: dict[str, tuple[str, str]], only: str = "") -> Example:
        """The window of a row, with the modality named or with all of them."""
        index = self.rows[[row]]
        window, batch = self.windows.ids[index[0]], self.windows.batch(index)
        has = {m: bool(batch.has[m][0]) and only in ("", m) for m in batch.has}
        image, reason = images[window] if only in ("", "video") else ("", "")
        return Example(
            imu=batch.imu[0].numpy() if has["imu"] else None,
            mocap=batch.mocap[0].numpy() if has["mocap"] else None,
            mask=batch.mocap_valid[0].numpy() if has["mocap"] else None,
            texts=[self.captions[i] for i in self.windows.texts[index[0]]] if has["text"] else [],
            label=str(self.label[row]),
            seconds=self.params.slice.window_s,
            window=window,
            image=image,
            no_image=reason,
        )
