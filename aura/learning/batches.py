"""Windows as tensors: signals loaded once, batches gathered by start, embeddings joined by id."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.errors import AuraError
from aura.schema import MODALITIES, to_numpy
from aura.signals.mocap import canonicalize

SIGNAL_COLUMNS = ("take_id", "second", "imu", "imu_valid", "mocap", "mocap_valid")  # `build` reads


@dataclass(frozen=True)
class Batch:
    """Inputs of one step; `has` says, in the host's memory, which rows have which modality."""

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
        picked = torch.stack([self.samples[source["imu"]], source["mocap"], source["video"]])
        sample, mocap, video = picked.to(self.imu.device)
        text, text_id = self._text(source["text"].numpy(), rng)
        return Batch(
            imu=self.imu_from.index_select(0, sample),
            imu_valid=self.imu_valid_from.index_select(0, sample),
            imu_channels=torch.ones(len(rows), self.imu.shape[1], dtype=torch.bool),
            mocap=self.mocap.index_select(0, mocap),
            mocap_valid=self.mocap_valid.index_select(0, mocap),
            video=self.video.index_select(0, video),
            text=text,
            has={m: self.has[m][source[m]] for m in MODALITIES},
            take=self.take_code[index],
            start_s=self.start_s[index],
            text_id=text_id,
        )

    @property
    def imu_from(self) -> Tensor:
        """(S - T + 1, T, 6), the window from each sample on: a view, whose rows copy as wholes."""
        return self.imu.unfold(0, self.window_samples, 1).transpose(1, 2)

    @property
    def imu_valid_from(self) -> Tensor:
        """(S - T + 1, T), which samples of those windows are measured; a view."""
        return self.imu_valid.unfold(0, self.window_samples, 1)

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
        owner = torch.from_numpy(np.repeat(np.arange(len(rows)), counts[rows])).to(self.text.device)
        said = torch.from_numpy(table[rows][table[rows] >= 0]).to(self.text.device)
        total = self.text.new_zeros(len(rows), self.text.shape[1])
        total.index_add_(0, owner, self.text[said])
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
            return vectors.new_zeros(len(rows), self.text.shape[1]), picked
        found = vectors.index_select(0, picked.clamp(min=0).to(vectors.device))
        without = picked < 0
        if without.any():
            found.masked_fill_(without.to(found.device)[:, None], 0)
        return found, picked


def build(
    signals: pa.Table, windows: pa.Table, texts: pa.Table, videos: pa.Table, window_s: float
) -> Windows:
    """Join the four tables by id.

    Raises
    ------
    AuraError
        A window names a take without signals or a text without an embedding.
    """
    frames = round(window_s * MOCAP_RATE_HZ)
    tracks = end_to_end(signals, window_s)

    def column(name: str) -> np.ndarray:
        return np.array(windows.column(name).to_pylist())

    take, start_s = column("take_id"), column("start_s")
    missing = set(take.tolist()) - set(tracks.first_s)
    if missing:
        raise AuraError(
            f"{len(missing)} takes of the windows have no signals, e.g. {min(missing)}."
        )
    begin_s = np.array([tracks.first_s[name] for name in take.tolist()]) + start_s
    span = np.rint(begin_s * MOCAP_RATE_HZ).astype(np.int64)[:, None] + np.arange(frames)
    mocap, mocap_valid = tracks.mocap[span], tracks.mocap_valid[span]

    kinds = texts.column("kind").to_pylist()
    text_row = {
        text: i for i, text in enumerate(texts.column("text").to_pylist()) if kinds[i] == "caption"
    }
    said = iter(pc.struct_field(pc.list_flatten(windows.column("texts")), "text").to_pylist())
    try:
        text_rows = [
            [text_row[text] for text in dict.fromkeys(islice(said, count))]
            for count in pc.list_value_length(windows.column("texts")).to_pylist()
        ]
    except KeyError as error:
        raise AuraError(
            f"The text {error} of a window was never embedded; run `aura embed`."
        ) from None
    video_row = {w: i for i, w in enumerate(videos.column("window_id").to_pylist())}
    ids = windows.column("window_id").to_pylist()
    found = np.array([video_row.get(window_id, -1) for window_id in ids])
    vectors = to_numpy(videos, "embedding")
    video = np.zeros((len(ids), to_numpy(texts, "embedding").shape[1]), np.float32)
    video[found >= 0] = vectors[found[found >= 0]]

    return Windows(
        ids=ids,
        take=take,
        participant=column("participant_id"),
        capture=column("capture_id"),
        split=column("split"),
        label=np.array(windows.column("label").to_pylist(), dtype=object),
        action=np.array(windows.column("action").to_pylist(), dtype=object),
        imu=torch.from_numpy(tracks.imu),
        imu_valid=torch.from_numpy(tracks.imu_valid),
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
        window_samples=round(window_s * IMU_RATE_HZ),
        start_s=torch.from_numpy(start_s),
    )


@dataclass(frozen=True)
class Tracks:
    """The signals of all takes, one after the other on one time axis of whole seconds."""

    first_s: dict[str, int]  # take -> where it begins, s
    imu: np.ndarray  # (S, 6) float32
    imu_valid: np.ndarray  # (S,) bool
    mocap: np.ndarray  # (F, 17, 3) float32
    mocap_valid: np.ndarray  # (F, 17) bool


def end_to_end(signals: pa.Table, window_s: float) -> Tracks:
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
    room = np.maximum(lengths, int(np.ceil(window_s)))
    ends = np.cumsum(room)
    names = takes.dictionary.take(takes.indices.take(starts)).to_pylist()
    first_s = dict(zip(names, (ends - room).tolist(), strict=True))
    if len(first_s) < len(starts):
        raise AuraError("A take appears twice in the signals; run `aura resample` again.")
    place = np.repeat(ends - room, lengths) + seconds
    blocks = (to_numpy(signals, name) for name in SIGNAL_COLUMNS[2:])
    return Tracks(first_s, *(_joined(block, place, int(ends[-1])) for block in blocks))


def _joined(blocks: np.ndarray, place: np.ndarray, total: int) -> np.ndarray:
    """Blocks (rows, rate, ...) as one time axis (total * rate, ...); a view if none is padded."""
    if total > len(blocks):
        padded = np.zeros((total, *blocks.shape[1:]), blocks.dtype)
        padded[place] = blocks
        blocks = padded
    return blocks.reshape(-1, *blocks.shape[2:])
