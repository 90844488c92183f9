"""The windows of several data sets as those of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from aura.errors import AuraError
from aura.learning import mapped
from aura.learning.batches import Windows
from aura.schema import MODALITIES


@dataclass(frozen=True)
class Source:
    """A data set of a mixture.

    Attributes
    ----------
    windows : Windows
        All of its windows.
    texts : pa.Table
        Its text table, whose rows are those of `windows.text`.
    share : float
        What it is of a batch.
    owner : str
        Where its people are from: data sets of the same files have one owner, so that one person
        in two of them stays one.
    """

    windows: Windows
    texts: pa.Table
    share: float
    owner: str


def mix(sources: Mapping[str, Source], folder: Path | None = None) -> tuple[Windows, pa.Table]:
    """Lay the windows of data sets end to end.

    Ids of windows and takes begin with the source's name, those of people, captures and moments
    with its owner.

    Parameters
    ----------
    sources : mapping of str to Source
        By name, in order.
    folder : Path, optional
        Where large arrays have files instead of being held in memory.

    Returns
    -------
    windows : Windows
        Those of all sources, with `source` and `shares`.
    texts : pa.Table
        Each distinct text once; its rows are those of `windows.text`.

    Raises
    ------
    AuraError
        Windows are not of one length, or vectors not of one width.
    """
    parts = [source.windows for source in sources.values()]
    for name, part in zip(sources, parts, strict=True):
        if part.shape != parts[0].shape:
            first = next(iter(sources))
            raise AuraError(
                f"Windows of {name} are {_describe(part)}, and those of {first} "
                f"{_describe(parts[0])}; a mixture is of equal ones."
            )
    texts, rows_of = _unite([source.texts for source in sources.values()])
    names, owners = list(sources), [source.owner for source in sources.values()]
    offsets = np.cumsum([0, *(len(part.imu) for part in parts[:-1])])
    samples = [part.samples + int(at) for part, at in zip(parts, offsets, strict=True)]
    windows = Windows(
        ids=[f"{name}/{i}" for name, part in zip(names, parts, strict=True) for i in part.ids],
        take=_prefixed(names, [part.take for part in parts]),
        participant=_prefixed(owners, [part.participant for part in parts]),
        capture=_prefixed(owners, [part.capture for part in parts]),
        split=np.concatenate([part.split for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        action=np.concatenate([part.action for part in parts]),
        place=np.concatenate([part.place for part in parts]),
        moment=_prefixed(owners, [part.moment for part in parts]),
        imu=_concat([part.imu for part in parts], folder),
        imu_channels=torch.cat([part.imu_channels for part in parts]),
        imu_valid=_concat([part.imu_valid for part in parts], folder),
        samples=torch.cat(samples),
        mocap=_concat([part.mocap for part in parts], folder),
        mocap_valid=_concat([part.mocap_valid for part in parts], folder),
        video=_concat([part.video for part in parts], folder),
        text=_text(parts, rows_of, len(texts)),
        texts=[
            list(dict.fromkeys(rows[row].item() for row in window))
            for part, rows in zip(parts, rows_of, strict=True)
            for window in part.texts
        ],
        has={m: torch.cat([part.has[m] for part in parts]) for m in MODALITIES},
        window_samples=parts[0].window_samples,
        start_s=torch.cat([part.start_s for part in parts]),
        source=np.repeat(names, [len(part) for part in parts]),
        shares={name: source.share for name, source in sources.items()},
    )
    return windows, texts


def _describe(windows: Windows) -> str:
    shape = windows.shape
    return f"{shape.samples} samples, {shape.frames} poses and vectors of {shape.dim} numbers"


def _prefixed(prefixes: Sequence[str], ids: Sequence[np.ndarray]) -> np.ndarray:
    pairs = zip(prefixes, ids, strict=True)
    return np.array([f"{prefix}/{name}" for prefix, part in pairs for name in part])


def _concat(parts: Sequence[Tensor], folder: Path | None) -> Tensor:
    """Along the first axis, each copied once."""
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    whole = torch.from_numpy(mapped.zeros(shape, parts[0].numpy().dtype, folder))
    start = 0
    for part in parts:
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def _unite(tables: Sequence[pa.Table]) -> tuple[pa.Table, list[np.ndarray]]:
    """Distinct texts of several tables, the first of equals; and the row of each that it had."""
    keys: dict[tuple[str, ...], int] = {}
    rows_of, kept = [], []
    for table in tables:
        columns = (table.column(name).to_pylist() for name in ("kind", "label", "text"))
        before = len(keys)
        rows = np.array([keys.setdefault(key, len(keys)) for key in zip(*columns, strict=True)])
        first = np.flatnonzero(rows >= before)
        first = first[np.unique(rows[first], return_index=True)[1]]
        rows_of.append(rows)
        kept.append(table.take(pa.array(first)))
    return pa.concat_tables(kept), rows_of


def _text(parts: Sequence[Windows], rows_of: Sequence[np.ndarray], count: int) -> Tensor:
    text = parts[0].text.new_zeros(count, parts[0].text.shape[1])
    for part, rows in zip(parts, rows_of, strict=True):
        text[torch.from_numpy(rows)] = part.text
    return text
