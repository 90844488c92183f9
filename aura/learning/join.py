"""From the tables of a data set to its windows: signals laid end to end, embeddings by id."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.errors import AuraError
from aura.learning.batches import Windows
from aura.schema import to_numpy
from aura.signals.mocap import canonicalize

SIGNAL_COLUMNS = ("take_id", "second", "imu", "imu_valid", "mocap", "mocap_valid")  # that are read


def join_tables(
    signals: pa.Table, windows: pa.Table, texts: pa.Table, videos: pa.Table, window_s: float
) -> Windows:
    """Join four tables of `aura.schema` by id.

    Parameters
    ----------
    signals : pa.Table
        SIGNALS, of which `SIGNAL_COLUMNS` are enough.
    windows : pa.Table
        WINDOWS, in the order that the result has.
    texts, videos : pa.Table
        Embeddings of captions and of windows; a window need not have a video.
    window_s : float
        Length of a window, s.

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
    tracks = concat_takes(signals, window_s)

    def column(name: str) -> np.ndarray:
        return np.array(windows.column(name).to_pylist())

    take, start_s = column("take_id"), column("start_s")
    missing = set(take.tolist()) - set(tracks.first_s)
    if missing:
        raise AuraError(
            f"{len(missing)} takes of the windows have no signals, e.g. {min(missing)}."
        )
    begin_s = np.array([tracks.first_s[name] for name in take.tolist()]) + start_s
    frames = np.arange(round(window_s * MOCAP_RATE_HZ))
    frames = np.rint(begin_s * MOCAP_RATE_HZ).astype(np.int64)[:, None] + frames
    mocap, mocap_valid = tracks.mocap[frames], tracks.mocap_valid[frames]
    ids = windows.column("window_id").to_pylist()
    text = np.array(to_numpy(texts, "embedding"))
    text_rows = _text_rows(windows, texts)
    video, has_video = _video_vectors(ids, videos, text.shape[1])
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
        imu=torch.from_numpy(tracks.imu),
        imu_valid=torch.from_numpy(tracks.imu_valid),
        samples=torch.from_numpy(np.rint(begin_s * IMU_RATE_HZ).astype(np.int64)),
        mocap=torch.from_numpy(canonicalize(mocap, mocap_valid)),
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


def _video_vectors(ids: list[str], videos: pa.Table, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, dim) of windows by id, zeros where there is none, and which (N,) have one."""
    row_of = {window_id: i for i, window_id in enumerate(videos.column("window_id").to_pylist())}
    rows = np.array([row_of.get(window_id, -1) for window_id in ids])
    has = rows >= 0
    vectors = np.zeros((len(ids), dim), np.float32)
    embedded = to_numpy(videos, "embedding")
    if embedded.shape[1] != dim:
        raise AuraError(
            f"Texts are vectors of {dim} numbers and videos of {embedded.shape[1]}; "
            "embed both with one teacher."
        )
    vectors[has] = embedded[rows[has]]
    return vectors, has


@dataclass(frozen=True)
class Tracks:
    """The signals of all takes, one after the other on one time axis of whole seconds."""

    first_s: dict[str, int]  # take -> where it begins, s
    imu: np.ndarray  # (S, 6) float32
    imu_valid: np.ndarray  # (S,) bool
    mocap: np.ndarray  # (F, 17, 3) float32
    mocap_valid: np.ndarray  # (F, 17) bool


def concat_takes(signals: pa.Table, window_s: float) -> Tracks:
    """Lay the takes of a SIGNALS table end to end; its `SIGNAL_COLUMNS` are enough.

    A take shorter than a window gets zeros behind it, so that a padded window does not run on into
    the next take.

    Raises
    ------
    AuraError
        The rows of a take are not together, or not in order.
    """
    takes = signals.column("take_id").dictionary_encode().combine_chunks()
    code, seconds = takes.indices.to_numpy(), signals.column("second").to_numpy()
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
    rows = np.repeat(ends - padded, lengths) + seconds
    blocks = (to_numpy(signals, name) for name in SIGNAL_COLUMNS[2:])
    return Tracks(first_s, *(_time_axis(block, rows, int(ends[-1])) for block in blocks))


def _time_axis(blocks: np.ndarray, rows: np.ndarray, total: int) -> np.ndarray:
    """Blocks (S, rate, ...) at `rows` of one axis (total * rate, ...); a view if none is padded."""
    if total > len(blocks):
        padded = np.zeros((total, *blocks.shape[1:]), blocks.dtype)
        padded[rows] = blocks
        blocks = padded
    return blocks.reshape(-1, *blocks.shape[2:])
