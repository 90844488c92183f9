"""search: the windows of a data set that lie nearest to a text or to a window, with pictures.

Those of the test split need no join: `evaluate` has written their vectors. Other splits, and other
models, are embedded anew.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aura.config import Params
from aura.errors import AuraError
from aura.evaluation.search import search
from aura.report import terminal
from aura.report.found import Found, FoundWindow, render
from aura.schema import SPLITS
from pipeline.engine import paths
from pipeline.engine.output import write_text
from pipeline.engine.progress import say
from pipeline.study.asking import check_text, heard, model_folder
from pipeline.study.excerpts import excerpts
from pipeline.study.vectors import Described, read_described

if TYPE_CHECKING:
    from aura.inference import Encoders

BY = {"imu": "IMU", "mocap": "motion capture", "video": "video"}
_SHOWN = 60  # letters of a file's name


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    text : str or None
        In words.
    like : str or None
        Or the id of a window.
    by : {"imu", "mocap", "video"}
        What of the windows is compared with it.
    split : {"test", "train", "val", "all"}
        Which windows.
    top : int
        How many.
    model : str, Path or None
        A model folder; the data set's own where it is None.
    """

    text: str | None = None
    like: str | None = None
    by: str = "imu"
    split: str = "test"
    top: int = 10
    model: str | Path | None = None

    def checked(self) -> "Question":
        """Itself.

        Raises
        ------
        AuraError
            Something of it cannot be asked.
        """
        if (self.text is None) == (self.like is None):
            raise AuraError("Ask by a text or by --like WINDOW, one of them.")
        if self.text is not None:
            check_text(self.text, "The text")
        if self.by not in BY:
            raise AuraError(f"--by is imu, mocap or video, not '{self.by}'.")
        if self.split not in (*SPLITS, "all"):
            raise AuraError(f"--split is {', '.join(SPLITS)} or all, not '{self.split}'.")
        if self.top < 1:
            raise AuraError(f"--top is at least 1, not {self.top}.")
        return self

    @property
    def title(self) -> str:
        """What the page is called."""
        return " ".join(self.text.split()) if self.text is not None else f"like {self.like}"


def run(
    params: Params,
    dataset: str,
    question: Question,
    out: str | Path | None = None,
    as_json: bool = False,
) -> str:
    """Write the page of a search, and return its table or its JSON.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        A data set or mixture.
    question : Question
        What is asked of it.
    out : str, Path or None
        The page; `reports/<dataset>/search/<question>.html` where it is None.
    as_json : bool
        Return JSON.

    Raises
    ------
    AuraError
        It cannot be asked, a stage has not run, or the model has no such modality.
    """
    question = question.checked()
    folder = model_folder(params, dataset, question.model)
    with heard("search") as warnings:
        described, vectors = _vectors(params, dataset, question, folder)
        rows, gallery = vectors
        query, dropped = _query(question, described, rows, gallery, folder)
        keep = np.flatnonzero(rows != dropped)
        ids = [described.ids[row] for row in rows[keep]]
        nearest = search(query, gallery[keep], question.top, ids)
        all_scores = gallery[keep] @ query
    found = rows[keep][nearest.rows[0]]
    about = (
        f"The nearest of {len(keep)} windows of {dataset} ({question.split} split) by "
        f"{BY[question.by]}: cosine in the joint space of {folder}; its median over all of them is "
        f"{float(np.median(all_scores)):.3f}."
    )
    shown = excerpts(params, dataset, [described.ids[row] for row in found])
    hits = [
        FoundWindow(rank, float(score), described.start_s[row], shown[described.ids[row]])
        for rank, (row, score) in enumerate(zip(found, nearest.scores[0], strict=True), 1)
    ]
    path = Path(out) if out is not None else _page(dataset, question)
    if path.is_dir():
        raise AuraError(f"{path} is a folder; name a file for the page.")
    write_text(path, render(Found(question.title, about, hits, warnings)))
    say(f"search: {path}")
    records = [_record(hit, described, int(row)) for hit, row in zip(hits, found, strict=True)]
    if as_json:
        content = {
            "query": question.title, "by": question.by, "split": question.split,
            "dataset": dataset, "model": folder.as_posix(), "windows": len(keep),
            "median_cosine": round(float(np.median(all_scores)), 4), "warnings": warnings,
            "page": path.as_posix(), "hits": records,
        }  # fmt: skip
        return json.dumps(content, indent=1, ensure_ascii=False)
    cells = [
        [str(hit.rank), f"{hit.score:.3f}", r["label"] or "–", r["window"], " · ".join(r["texts"])]
        for hit, r in zip(hits, records, strict=True)
    ]
    return terminal.table(["", "cosine", "label", "window", "texts"], cells, right=(0, 1))


def _record(hit: FoundWindow, described: Described, row: int) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "cosine": round(hit.score, 4),
        "window": described.ids[row],
        "take": described.takes[row],
        "start_s": described.start_s[row],
        "label": described.labels[row],
        "texts": list(dict.fromkeys(described.texts[row])),
    }


def _page(dataset: str, question: Question) -> Path:
    """Where the page goes: one file a question."""
    words = re.sub(r"[^\w]+", "-", question.title.lower()).strip("-")[:_SHOWN].strip("-") or "page"
    split = "" if question.split == "test" else f".{question.split}"
    model = f".{Path(question.model).name}" if question.model is not None else ""
    return paths.report(dataset, "search") / f"{words}.{question.by}{split}{model}.html"


def _vectors(
    params: Params, dataset: str, question: Question, folder: Path
) -> tuple[Described, tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """The windows of the split, the rows that have the modality, and their vectors (n, d)."""
    if question.model is None and question.split == "test":
        described, vectors, valid = read_described(
            paths.report(dataset, "evaluate") / "embeddings.parquet"
        )
        if question.by not in vectors:
            raise AuraError(_lacks(dataset, question.by, list(vectors)))
        rows = np.flatnonzero(valid[question.by])
        return described, (rows, vectors[question.by][rows])
    from pipeline.study import anew

    described, vectors, valid = anew.embed(params, dataset, question.by, question.split, folder)
    rows = np.flatnonzero(valid[question.by])
    if not len(rows):
        raise AuraError(_lacks(f"{dataset} ({question.split} split)", question.by, []))
    return described, (rows, vectors[question.by][rows])


def _lacks(where: str, by: str, there: list[str]) -> str:
    others = [name for name in there if name in BY]
    step = f"; ask --by {' or '.join(others)}" if others else ""
    return f"The windows of {where} have no vectors of {BY[by]}{step}."


def _query(
    question: Question,
    described: Described,
    rows: NDArray[np.int64],
    gallery: NDArray[np.float32],
    folder: Path,
) -> tuple[NDArray[np.float32], int]:
    """The vector (d,) that is asked by, and the row that is the question itself, or -1."""
    if question.like is not None:
        if question.like not in described.ids:
            raise AuraError(
                f"There is no window '{question.like}' in the {question.split} split; "
                "`aura search` prints the ids of windows, and --split all looks at all of them."
            )
        row = described.ids.index(question.like)
        place = np.flatnonzero(rows == row)
        if not len(place):
            raise AuraError(f"Window {question.like} has no {BY[question.by]}; ask by another.")
        return gallery[place[0]], row
    assert question.text is not None
    query: NDArray[np.float32] = load(folder).encode_text([check_text(question.text, "")])[0]
    if query.shape != gallery.shape[1:]:
        raise AuraError(
            f"The teacher of {folder} gives {len(query)} numbers and the windows have "
            f"{gallery.shape[1]}; run `aura evaluate` again."
        )
    return query, -1


def load(folder: Path) -> "Encoders":
    """The encoders of a model folder."""
    from aura import inference

    return inference.load(folder)
