"""The windows of a data set, joined from its tables and checked for leaks."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import torch

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Params, Train
from aura.errors import AuraError
from aura.evaluation.leakage import names_class
from aura.learning import batches, mixture
from aura.learning.join import Shards, join_tables
from aura.schema import SIGNALS, WINDOWS, texts_schema, videos_schema
from aura.teacher.identity import Identity, same_teacher
from pipeline.engine import inputs, paths
from pipeline.engine.output import list_shards, read_table
from pipeline.study import copies, splits
from pipeline.study.vectors import read_embeddings


def load(
    params: Params, dataset: str, check: bool = True
) -> tuple[batches.Windows, pa.Table, Identity]:
    """Join signals, windows and embeddings of a data set, or of those of a mixture.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        Its name.
    check : bool
        Refuse splits that overlap; a caller that splits anew needs no check.

    Returns
    -------
    windows : Windows
        All of them.
    texts : pa.Table
        The text table without its vectors, which are `windows.text` row by row.
    teacher : Identity
        That of the embeddings.

    Raises
    ------
    AuraError
        A stage has not run, the embeddings are of several teachers or of another width than
        theirs, the sources of a mixture do not go together, or the splits overlap.
    """
    if dataset in params.mixtures:
        windows, texts, teacher = mix(params, params.mixtures[dataset].shares)
    else:
        windows, texts, teacher = _join(params, dataset)
    if check:
        windows = replace(windows, copies=copies.of_dataset(params.sources(dataset), windows))
        splits.check(windows, params.entry(dataset).overlap)
    return windows, texts, teacher


def mix(params: Params, shares: Mapping[str, float]) -> tuple[batches.Windows, pa.Table, Identity]:
    """Some data sets, each joined with its own params, as one; splits are not checked.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    shares : mapping of str to float
        The data sets, and what each is of a batch.

    Returns
    -------
    tuple
        As of `load`.

    Raises
    ------
    AuraError
        A stage has not run, or the data sets do not go together.
    """
    sources, teachers = {}, []
    for name, share in shares.items():
        own = params.changed(params.dataset(name).params, f"datasets.{name}.params")
        windows, texts, teacher = _join(own, name)
        sources[name] = mixture.Source(windows, texts, share, owner(params, name))
        teachers.append((name, teacher))
    teacher = same_teacher(teachers)
    return *mixture.mix(sources, paths.SIGNALS), teacher


def owner(params: Params, dataset: str) -> str:
    """Whose recordings a data set is of: the same for several that read the same files."""
    settings = params.dataset(dataset)
    return f"{settings.adapter}:{settings.absolute().root}"


def _join(params: Params, dataset: str) -> tuple[batches.Windows, pa.Table, Identity]:
    """The tables of one data set, joined, not checked for leaks."""
    inputs.tables_of(params, dataset)
    folder = paths.EMBEDDINGS / dataset
    index = ["text_id", "text", "kind", "label"]
    texts, teacher = read_embeddings(folder / "texts-*.parquet", texts_schema, index)
    videos: pa.Table | Shards = videos_schema(teacher.embed_dim).empty_table()
    if any(folder.glob("part-*.parquet")):
        _, identity = read_embeddings(folder, videos_schema, ["window_id"])
        same_teacher([("The texts", teacher), ("the video embeddings", identity)])
        videos = _shards(folder, videos_schema(teacher.embed_dim), "embed")
    windows = join_tables(
        _shards(paths.SIGNALS / dataset, SIGNALS, "resample"),
        read_table(paths.WINDOWS / dataset, WINDOWS, "slice"),
        _shards(folder / "texts-*.parquet", texts_schema(teacher.embed_dim), "embed"),
        videos,
        params.slice.window_s,
        paths.SIGNALS,
    )
    return windows, texts, teacher


def _shards(path: Path, schema: pa.Schema, made_by: str) -> Shards:
    """Reads a table a shard at a time."""

    def read(columns: list[str]) -> Iterator[pa.Table]:
        for file in list_shards(path, made_by):
            yield read_table(file, schema, made_by, columns)

    return read


def check_model(card: Mapping[str, Any], teacher: Identity, model: str, dataset: str) -> None:
    """Refuse a model of another teacher than the one of a data set's embeddings.

    Parameters
    ----------
    card : mapping
        Content of its `model.json`.
    teacher : Identity
        That of the embeddings.
    model, dataset : str
        What the model was trained on, and what it meets.
    """
    trained = Identity.from_content(card["teacher"], f"The model of {model}")
    if trained != teacher:
        remedy = "train it again" if model == dataset else f"embed {dataset} with that one"
        raise AuraError(
            f"The model of {model} was trained with another teacher ({trained.description}) than "
            f"the one that embedded {dataset} ({teacher.description}); {remedy}."
        )


def pairs_of(settings: Train, teacher: Identity, where: str = "train") -> tuple[Train, str]:
    """Settings without the pairs that a teacher of texts alone has no vectors for.

    Parameters
    ----------
    settings : Train
        The section `train`.
    teacher : Identity
        That of the embeddings.
    where : str
        What an error names.

    Returns
    -------
    settings : Train
        The same where the teacher sees video.
    sentence : str
        What was left out; empty for nothing.

    Raises
    ------
    AuraError
        A phase has no other pair.
    """
    changes, left_out, total = {}, 0, 0
    if teacher.sees_video:
        return settings, ""
    for name, phase in settings.phases().items():
        kept = [pair for pair in phase.pairs if "video" not in pair]
        if not kept:
            raise AuraError(
                f"All pairs of {where}.{name} are with video, and {teacher.model} reads texts "
                f"alone; give the phase another pair, such as [imu, text]."
            )
        left_out, total = left_out + len(phase.pairs) - len(kept), total + len(phase.pairs)
        changes[name] = getattr(settings, name).model_copy(update={"pairs": kept})
    if not left_out:
        return settings, ""
    sentence = (
        f"{teacher.model} reads texts alone; {left_out} of {total} pairs are with video "
        "and left out."
    )
    return settings.model_copy(update=changes), sentence


def naming(windows: batches.Windows, texts: pa.Table) -> list[set[int]]:
    """For each window the rows of `text` that name its class or are its prompts (rule 4)."""
    captions = texts.column("text").to_pylist()
    prompt = texts.filter(pa.compute.equal(texts.column("kind"), "prompt"))
    columns = prompt.column("label").to_pylist(), prompt.column("text").to_pylist()
    prompts = set(zip(*columns, strict=True))
    return [
        {t for t in row if names_class(captions[t], label) or (label, captions[t]) in prompts}
        for row, label in zip(windows.texts, windows.label, strict=True)
    ]


def lengths_s(windows: batches.Windows, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Seconds of IMU and of mocap that were measured in each of `rows`, (N,) float each."""
    index = torch.from_numpy(rows)
    imu_valid = windows.imu_valid_from.index_select(0, windows.samples[index])
    return {
        "imu": imu_valid.sum(1).numpy() / IMU_RATE_HZ,
        "mocap": windows.mocap_valid[index].any(2).sum(1).numpy() / MOCAP_RATE_HZ,
    }
