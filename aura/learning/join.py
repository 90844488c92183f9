"""From the tables of a data set to its windows: signals laid end to end, embeddings by id."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.errors import AuraError
from aura.learning import mapped
from aura.learning.batches import Windows
from aura.schema import IMU_CHANNELS, SIGNALS, block_of, to_numpy
from aura.signals.mocap import canonicalize

SIGNAL_COLUMNS = ("take_id", "second", "imu", "imu_valid", "mocap", "mocap_valid")  # that are read
_CHUNK = 1024  # windows whose poses are turned at once

Shards = Callable[[list[str]], Iterable[pa.Table]]
"""Reads some columns of a table, a shard at a time."""


def join_tables(
    signals: pa.Table | Shards,
    windows: pa.Table,
    texts: pa.Table | Shards,
    videos: pa.Table | Shards,
    window_s: float,
    folder: Path | None = None,
) -> Windows:
    """Join four tables of `aura.schema` by id.

    Parameters
    ----------
    signals : pa.Table or callable
        SIGNALS, of which `SIGNAL_COLUMNS` are enough, as a whole or what reads it by shards.
    windows : pa.Table
        WINDOWS, in the order that the result has.
    texts, videos : pa.Table or callable
        Embeddings of captions and of windows, likewise; a window need not have a video.
    window_s : float
        Length of a window, s.
    folder : Path, optional
        Where large arrays have files instead of being held in memory.

    Returns
    -------
    Windows
        Row by row those of `windows`.

    Raises
    ------
    AuraError
        A window names a take without signals or a text without an embedding, or texts and videos
        are of different widths.
    """
    tracks = concat_takes(signals, window_s, folder)

    def column(name: str) -> np.ndarray:
        return np.array(windows.column(name).to_pylist())

    take, start_s = column("take_id"), column("start_s")
    missing = set(take.tolist()) - set(tracks.first_s)
    if missing:
        raise AuraError(
            f"{len(missing)} takes of the windows have no signals, e.g. {min(missing)}."
        )
    begin_s = np.array([tracks.first_s[name] for name in take.tolist()]) + start_s
    first_frame = np.rint(begin_s * MOCAP_RATE_HZ).astype(np.int64)
    mocap, mocap_valid = _poses(tracks, first_frame, round(window_s * MOCAP_RATE_HZ), folder)
    ids = windows.column("window_id").to_pylist()
    named = pa.concat_tables(_parts(texts, ["text", "kind"]))
    text_rows = _text_rows(windows, named)
    text = _vectors(texts, np.arange(len(named)), len(named), folder)
    video_rows = _video_rows(ids, pa.concat_tables(_parts(videos, ["window_id"])))
    video = _vectors(videos, video_rows, len(ids), folder)
    if video.shape[1] != text.shape[1]:
        raise AuraError(
            f"Texts are vectors of {text.shape[1]} numbers and videos of {video.shape[1]}; "
            "embed both with one teacher."
        )
    has_video = np.isin(np.arange(len(ids)), video_rows)
    return Windows(
        ids=ids,
        take=take,
        participant=column("participant_id"),
        capture=column("capture_id"),
        split=column("split"),
        label=np.array(windows.column("label").to_pylist(), dtype=object),
        action=np.array(windows.column("action").to_pylist(), dtype=object),
        place=np.array(windows.column("place").to_pylist(), dtype=object),
        moment=column("moment_id"),
        imu_channels=torch.from_numpy(column("imu_channels").reshape(-1, len(IMU_CHANNELS))),
        imu=torch.from_numpy(tracks.imu),
        imu_valid=torch.from_numpy(tracks.imu_valid),
        samples=torch.from_numpy(np.rint(begin_s * IMU_RATE_HZ).astype(np.int64)),
        mocap=torch.from_numpy(mocap),
        mocap_valid=torch.from_numpy(mocap_valid),
        video=torch.from_numpy(video),
        text=torch.from_numpy(text),
        texts=text_rows,
        has={
            "imu": torch.from_numpy(column("has_imu")),
            "mocap": torch.from_numpy(column("has_mocap")),
            "video": torch.from_numpy(has_video),
            "text": torch.tensor([bool(rows) for rows in text_rows]),
        },
        window_samples=round(window_s * IMU_RATE_HZ),
        start_s=torch.from_numpy(start_s),
    )


def _poses(
    tracks: "Tracks", first: np.ndarray, frames: int, folder: Path | None
) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, frames, 17, 3) of windows by their first frame, canonical; and what is measured."""
    shape = (len(first), frames, *tracks.mocap.shape[1:])
    mocap = mapped.zeros(shape, np.float32, folder)
    valid = mapped.zeros(shape[:-1], bool, folder)
    for start in range(0, len(first), _CHUNK):
        some = slice(start, start + _CHUNK)
        index = first[some, None] + np.arange(frames)
        valid[some] = tracks.mocap_valid[index]
        mocap[some] = canonicalize(tracks.mocap[index], valid[some])
    return mocap, valid


def _text_rows(windows: pa.Table, texts: pa.Table) -> list[list[int]]:
    """Rows of `texts` for each window, a caption that it has twice once."""
    kinds = texts.column("kind").to_pylist()
    row_of = {
        text: i for i, text in enumerate(texts.column("text").to_pylist()) if kinds[i] == "caption"
    }
    captions = iter(pc.struct_field(pc.list_flatten(windows.column("texts")), "text").to_pylist())
    try:
        return [
            [row_of[text] for text in dict.fromkeys(islice(captions, count))]
            for count in pc.list_value_length(windows.column("texts")).to_pylist()
        ]
    except KeyError as error:
        raise AuraError(
            f"The text {error} of a window was never embedded; run `aura embed`."
        ) from None


def _video_rows(ids: list[str], videos: pa.Table) -> np.ndarray:
    """For each row of `videos` the row of its window; -1 where there is no such window."""
    row_of = {window_id: row for row, window_id in enumerate(ids)}
    return np.array([row_of.get(name, -1) for name in videos.column("window_id").to_pylist()], int)


def _vectors(
    table: pa.Table | Shards, rows: np.ndarray, count: int, folder: Path | None
) -> np.ndarray:
    """Vectors (count, D): those of a table each at its row, -1 is none; zeros elsewhere."""
    found, start = None, 0
    for part in _parts(table, ["embedding"]):
        vectors = to_numpy(part, "embedding")
        if found is None:
            found = mapped.zeros((count, vectors.shape[1]), np.float32, folder)
        into = rows[start : start + len(vectors)]
        found[into[into >= 0]] = vectors[into >= 0]
        start += len(vectors)
    assert found is not None  # a table has at least one part
    return found


def _parts(table: pa.Table | Shards, columns: list[str]) -> Iterable[pa.Table]:
    return [table.select(columns)] if isinstance(table, pa.Table) else table(columns)


@dataclass(frozen=True)
class Tracks:
    """The signals of all takes, one after the other on one time axis of whole seconds."""

    first_s: dict[str, int]  # take -> where it begins, s
    imu: np.ndarray  # (S, 6) float32
    imu_valid: np.ndarray  # (S,) bool
    mocap: np.ndarray  # (F, 17, 3) float32
    mocap_valid: np.ndarray  # (F, 17) bool


def concat_takes(signals: pa.Table | Shards, window_s: float, folder: Path | None = None) -> Tracks:
    """Lay the takes of a SIGNALS table end to end; its `SIGNAL_COLUMNS` are enough.

    A take shorter than a window gets zeros behind it, so that a padded window does not run on into
    the next take. Shards are read one at a time into arrays that have files in `folder`, where
    there is one.

    Raises
    ------
    AuraError
        The rows of a take are not together, or not in order.
    """
    index = (
        signals
        if isinstance(signals, pa.Table)
        else pa.concat_tables(signals(["take_id", "second"]))
    )
    takes = index.column("take_id").dictionary_encode().combine_chunks()
    code, seconds = takes.indices.to_numpy(), index.column("second").to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(code)) + 1])
    lengths = np.diff(np.append(starts, len(code)))
    if (seconds != np.arange(len(code)) - np.repeat(starts, lengths)).any():
        raise AuraError("The signals of a take are not in order; run `aura resample` again.")
    padded = np.maximum(lengths, int(np.ceil(window_s)))
    ends = np.cumsum(padded)
    names = takes.dictionary.take(takes.indices.take(starts)).to_pylist()
    first_s = dict(zip(names, (ends - padded).tolist(), strict=True))
    if len(first_s) < len(starts):
        raise AuraError("A take appears twice in the signals; run `aura resample` again.")
    rows, total, columns = (
        np.repeat(ends - padded, lengths) + seconds,
        int(ends[-1]),
        SIGNAL_COLUMNS[2:],
    )
    if isinstance(signals, pa.Table) and total == len(rows):  # as it lies in the table
        axes = [to_numpy(signals, name) for name in columns]
    else:
        shards = [signals] if isinstance(signals, pa.Table) else signals(list(columns))
        axes = _fill(shards, rows, total, folder)
    return Tracks(first_s, *(axis.reshape(-1, *axis.shape[2:]) for axis in axes))


def _fill(
    shards: Iterable[pa.Table], rows: np.ndarray, total: int, folder: Path | None
) -> list[np.ndarray]:
    """Blocks (total, rate, ...) of each column: those of the shards at `rows`, zeros elsewhere."""
    axes: list[np.ndarray] = []
    for name in SIGNAL_COLUMNS[2:]:
        dtype, shape = block_of(SIGNALS.field(name))
        axes.append(mapped.zeros((total, *shape), dtype, folder))
    start = 0
    for shard in shards:
        into = rows[start : start + len(shard)]
        for axis, name in zip(axes, SIGNAL_COLUMNS[2:], strict=True):
            axis[into] = to_numpy(shard, name)
        start += len(shard)
    return axes
