"""Windows as tensors: signals loaded once, batches gathered by start, embeddings joined by id."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.errors import AuraError
from aura.mocap import canonicalize
from aura.schema import MODALITIES, to_numpy


@dataclass(frozen=True)
class Batch:
    """Inputs of one step; `has` says which rows have which modality."""

    imu: Tensor  # (B, T, 6) float32
    imu_valid: Tensor  # (B, T) bool
    imu_channels: Tensor  # (B, 6) bool, channels that the sensor has
    mocap: Tensor  # (B, F, 17, 3) float32, root- and yaw-normalised
    mocap_valid: Tensor  # (B, F, 17) bool
    video: Tensor  # (B, D) float32, unit vectors, zeros where absent
    text: Tensor  # (B, D) float32, unit vectors, zeros where absent
    has: dict[str, Tensor]  # modality -> (B,) bool
    take: Tensor  # (B,) int64, the same for windows of one take
    start_s: Tensor  # (B,) float64, in the take
    text_id: Tensor  # (B,) int64, the same for equal captions; -1 without one

    def __len__(self) -> int:
        return len(self.imu)


@dataclass(frozen=True)
class Windows:
    """All windows of a data set, aligned row by row by `window_id`.

    Signals are stored once and shared by overlapping windows; `samples` and `frames` say where a
    window starts in them. `texts` lists rows of `text` for each window.
    """

    ids: list[str]
    take: np.ndarray  # (N,) str
    participant: np.ndarray  # (N,) str
    capture: np.ndarray  # (N,) str
    split: np.ndarray  # (N,) str
    label: np.ndarray  # (N,) object, str or None
    action: np.ndarray  # (N,) object, str or None, a step of the activity
    imu: Tensor  # (S, 6) float32, all takes end to end
    imu_valid: Tensor  # (S,) bool
    samples: Tensor  # (N,) int64
    mocap: Tensor  # (N, F, 17, 3) float32
    mocap_valid: Tensor  # (N, F, 17) bool
    video: Tensor  # (N, D)
    text: Tensor  # (U, D) distinct captions
    texts: list[list[int]]
    has: dict[str, Tensor]
    window_samples: int
    start_s: Tensor  # (N,) float64, in the take
    order: dict[str, Tensor] = field(default_factory=dict)  # modality -> (N,) rows to take it from

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of a split."""
        return np.flatnonzero(self.split == split)

    def shuffled(self, seed: int) -> "Windows":
        """Control: every modality but IMU is dealt anew among the windows of its split."""
        rng = np.random.default_rng(seed)
        order = {}
        for modality in MODALITIES[1:]:
            rows = np.arange(len(self))
            for split in np.unique(self.split):
                inside = self.rows(str(split))
                rows[inside] = rng.permutation(inside)
            order[modality] = torch.from_numpy(rows)
        return replace(self, order=order)

    def without_texts(self, dropped: Sequence[Set[int]]) -> "Windows":
        """The same windows without some captions: for each of the N, rows of `text`."""
        texts = [[t for t in f if t not in d] for f, d in zip(self.texts, dropped, strict=True)]
        has = {**self.has, "text": torch.tensor([bool(found) for found in texts])}
        return replace(self, texts=texts, has=has)

    def batch(self, rows: np.ndarray, rng: np.random.Generator | None = None) -> Batch:
        """Gather windows; with `rng` a random caption of each, else the mean of its captions."""
        index = torch.from_numpy(rows)
        source = {m: self.order[m][index] if m in self.order else index for m in MODALITIES}
        span = self.samples[source["imu"]][:, None] + torch.arange(self.window_samples)
        text, text_id = self._text(source["text"].numpy(), rng)
        return Batch(
            imu=self.imu[span],
            imu_valid=self.imu_valid[span],
            imu_channels=torch.ones(len(rows), self.imu.shape[1], dtype=torch.bool),
            mocap=self.mocap[source["mocap"]],
            mocap_valid=self.mocap_valid[source["mocap"]],
            video=self.video[source["video"]],
            text=text,
            has={m: self.has[m][source[m]] for m in MODALITIES},
            take=self.take_code[index],
            start_s=self.start_s[index],
            text_id=text_id,
        )

    @cached_property
    def take_code(self) -> Tensor:
        """(N,) int64, the same for windows of one take."""
        return torch.from_numpy(np.unique(self.take, return_inverse=True)[1])

    @cached_property
    def caption_code(self) -> Tensor:
        """(N,) int64, the same for windows with equal captions; -1 without one."""
        known: dict[tuple[int, ...], int] = {}
        sets = [tuple(sorted(found)) for found in self.texts]
        return torch.tensor([known.setdefault(s, len(known)) if s else -1 for s in sets])

    @cached_property
    def _captions(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of `text` (N, most) for each window, padded with -1, and how many there are (N,)."""
        counts = np.array([len(found) for found in self.texts])
        table = np.full((len(self), max(1, counts.max(initial=0))), -1)
        table[np.arange(table.shape[1]) < counts[:, None]] = [t for f in self.texts for t in f]
        return table, counts

    @cached_property
    def _mean_captions(self) -> Tensor:
        """(sets, D) unit vectors, the mean of each set of captions that `caption_code` numbers."""
        table, counts = self._captions
        code = self.caption_code.numpy()
        _, first = np.unique(code[code >= 0], return_index=True)
        rows = np.flatnonzero(code >= 0)[first]
        owner = torch.from_numpy(np.repeat(np.arange(len(rows)), counts[rows]))
        said = torch.from_numpy(table[rows][table[rows] >= 0])
        total = torch.zeros(len(rows), self.text.shape[1]).index_add_(0, owner, self.text[said])
        return torch.nn.functional.normalize(total, dim=1)

    def _text(self, rows: np.ndarray, rng: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """Embedding (B, D) and identity (B,) of a random caption of each row, or of all of them."""
        if rng is None:
            picked, vectors = self.caption_code[torch.from_numpy(rows)], self._mean_captions
        else:
            table, counts = self._captions
            place = (rng.random(len(rows)) * counts[rows]).astype(np.int64)
            picked, vectors = torch.from_numpy(table[rows, place]), self.text
        if not len(vectors):
            return torch.zeros(len(rows), self.text.shape[1]), picked
        return vectors[picked] * (picked >= 0)[:, None], picked


def build(
    signals: pa.Table, windows: pa.Table, texts: pa.Table, videos: pa.Table, window_s: float
) -> Windows:
    """Join the four tables by id.

    Raises
    ------
    AuraError
        A window names a take without signals or a text without an embedding.
    """
    samples, frames = round(window_s * IMU_RATE_HZ), round(window_s * MOCAP_RATE_HZ)
    rows = windows.to_pylist()
    first_block, place, total = _layout(signals, int(np.ceil(window_s)))
    missing = {row["take_id"] for row in rows} - set(first_block)
    if missing:
        raise AuraError(
            f"{len(missing)} takes of the windows have no signals, e.g. {min(missing)}."
        )
    begin_s = np.array([first_block[row["take_id"]] + row["start_s"] for row in rows])
    imu, imu_valid, poses, poses_valid = (
        _end_to_end(to_numpy(signals, name), place, total)
        for name in ("imu", "imu_valid", "mocap", "mocap_valid")
    )
    span = np.rint(begin_s * MOCAP_RATE_HZ).astype(np.int64)[:, None] + np.arange(frames)
    mocap, mocap_valid = poses[span], poses_valid[span]

    kinds = texts.column("kind").to_pylist()
    text_row = {
        text: i for i, text in enumerate(texts.column("text").to_pylist()) if kinds[i] == "caption"
    }
    try:
        text_rows = [
            [text_row[text] for text in dict.fromkeys(t["text"] for t in row["texts"])]
            for row in rows
        ]
    except KeyError as error:
        raise AuraError(
            f"The text {error} of a window was never embedded; run `aura embed`."
        ) from None
    video_row = {w: i for i, w in enumerate(videos.column("window_id").to_pylist())}
    found = np.array([video_row.get(row["window_id"], -1) for row in rows])
    vectors = to_numpy(videos, "embedding")
    video = np.zeros((len(rows), to_numpy(texts, "embedding").shape[1]), np.float32)
    video[found >= 0] = vectors[found[found >= 0]]

    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows])

    return Windows(
        ids=[row["window_id"] for row in rows],
        take=column("take_id"),
        participant=column("participant_id"),
        capture=column("capture_id"),
        split=column("split"),
        label=np.array([row["label"] for row in rows], dtype=object),
        action=np.array([row["action"] for row in rows], dtype=object),
        imu=torch.from_numpy(imu),
        imu_valid=torch.from_numpy(imu_valid),
        samples=torch.from_numpy(np.rint(begin_s * IMU_RATE_HZ).astype(np.int64)),
        mocap=torch.from_numpy(canonicalize(mocap, mocap_valid)),
        mocap_valid=torch.from_numpy(mocap_valid),
        video=torch.from_numpy(video),
        text=torch.from_numpy(np.array(to_numpy(texts, "embedding"))),
        texts=text_rows,
        has={
            "imu": torch.from_numpy(column("has_imu")),
            "mocap": torch.from_numpy(column("has_mocap")),
            "video": torch.from_numpy(found >= 0),
            "text": torch.tensor([bool(found) for found in text_rows]),
        },
        window_samples=samples,
        start_s=torch.from_numpy(column("start_s")),
    )


def _layout(signals: pa.Table, least: int) -> tuple[dict[str, int], np.ndarray, int]:
    """Where each take starts when takes lie end to end, in blocks of a second.

    A take shorter than `least` blocks gets empty ones behind it, so that a padded window does not
    run on into the next take. Returns the first block of each take, the place of each row of
    `signals`, and the number of blocks.
    """
    takes = np.array(signals.column("take_id").to_pylist())
    seconds = signals.column("second").to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(takes[1:] != takes[:-1]) + 1])
    lengths = np.diff(np.append(starts, len(takes)))
    if (seconds != np.arange(len(takes)) - np.repeat(starts, lengths)).any():
        raise AuraError("The signals of a take are not in order; run `aura resample` again.")
    ends = np.cumsum(np.maximum(lengths, least))
    firsts = ends - np.maximum(lengths, least)
    first_block = dict(zip(takes[starts].tolist(), firsts.tolist(), strict=True))
    if len(first_block) < len(starts):
        raise AuraError("A take appears twice in the signals; run `aura resample` again.")
    return first_block, np.repeat(firsts, lengths) + seconds, int(ends[-1])


def _end_to_end(blocks: np.ndarray, place: np.ndarray, total: int) -> np.ndarray:
    """Blocks (rows, rate, ...) as one time axis (total * rate, ...); a view if none is padded."""
    if total > len(blocks):
        padded = np.zeros((total, *blocks.shape[1:]), blocks.dtype)
        padded[place] = blocks
        blocks = padded
    return blocks.reshape(-1, *blocks.shape[2:])
