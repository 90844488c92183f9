"""Windows as tensors: signals held once, batches gathered by where each window starts."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from aura.encoders import Shape
from aura.schema import MODALITIES

_LARGE = ("imu", "imu_valid", "mocap", "mocap_valid", "video", "text")


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
    moment: Tensor  # (B,) int64, the same for windows of takes that were recorded at once
    start_s: Tensor  # (B,) float64, in the take
    text_id: Tensor  # (B,) int64, the same for equal captions; -1 without one

    def __len__(self) -> int:
        return len(self.imu)

    def to(self, device: torch.device) -> "Batch":
        """Copy to `device` all but `has`: what the host asks shall not wait for a GPU."""
        return replace(self._map(lambda t: t.to(device, non_blocking=True)), has=self.has)

    def select(self, rows: slice) -> "Batch":
        """Consecutive rows."""
        return self._map(lambda tensor: tensor[rows])

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, `has` as `has.imu` and so on."""
        return self._fields() | {f"has.{name}": value for name, value in self.has.items()}

    def _fields(self) -> dict[str, Tensor]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "has"}

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        return Batch(
            **{name: function(tensor) for name, tensor in self._fields().items()},
            has={name: function(tensor) for name, tensor in self.has.items()},
        )


@dataclass(frozen=True)
class Windows:
    """All windows of a data set, aligned row by row by `window_id`.

    The IMU's samples are stored once and shared by overlapping windows.
    """

    ids: list[str]
    take: np.ndarray  # (N,) str
    participant: np.ndarray  # (N,) str
    capture: np.ndarray  # (N,) str
    split: np.ndarray  # (N,) str
    label: np.ndarray  # (N,) object, str or None
    action: np.ndarray  # (N,) object, str or None, a step of the activity
    place: np.ndarray  # (N,) object, str or None, where the IMU sits
    moment: np.ndarray  # (N,) str, the same for takes that were recorded at once, on one clock
    imu_channels: Tensor  # (N, 6) bool, channels that the IMU has
    imu: Tensor  # (S, 6) float32, all takes end to end
    imu_valid: Tensor  # (S,) bool
    samples: Tensor  # (N,) int64, where in `imu` each window starts
    mocap: Tensor  # (N, F, 17, 3) float32
    mocap_valid: Tensor  # (N, F, 17) bool
    video: Tensor  # (N, D) float32, unit vectors, zeros where absent
    text: Tensor  # (U, D) float32, unit vectors of distinct captions
    texts: list[list[int]]  # of each window, rows of `text`
    has: dict[str, Tensor]  # modality -> (N,) bool
    window_samples: int  # T
    start_s: Tensor  # (N,) float64, in the take
    order: dict[str, Tensor] = field(default_factory=dict)  # modality -> (N,) rows to take it from
    copies: tuple[tuple[str, str], ...] | None = (
        None  # takes of one recording; None: not looked for
    )
    source: np.ndarray | None = None  # (N,) str, which data set of a mixture
    shares: dict[str, float] = field(default_factory=dict)  # source -> its share of a batch

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shape(self) -> Shape:
        """What encoders need to know of the windows and of the teacher's space."""
        return Shape(self.window_samples, self.mocap.shape[1], self.text.shape[1])

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of a split."""
        return np.flatnonzero(self.split == split)

    def to(self, device: torch.device) -> "Windows":
        """The same windows with their signals and vectors, which are large, on `device`."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _LARGE})

    def shuffled(self, seed: int) -> "Windows":
        """Control: every modality but IMU is permuted among the windows of its split."""
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
        pairs = zip(self.texts, dropped, strict=True)
        texts = [[row for row in rows if row not in drop] for rows, drop in pairs]
        has = {**self.has, "text": torch.tensor([bool(rows) for rows in texts])}
        return replace(self, texts=texts, has=has)

    def batch(self, rows: np.ndarray, rng: np.random.Generator | None = None) -> Batch:
        """Gather windows.

        Parameters
        ----------
        rows : np.ndarray
            (B,) int64 row numbers.
        rng : np.random.Generator, optional
            Picks one caption of each window; without it, a window's text is their mean.

        Returns
        -------
        Batch
            Its large tensors are on the device of the windows.
        """
        index = torch.from_numpy(rows)
        source = {m: self.order[m][index] if m in self.order else index for m in MODALITIES}
        indices = torch.stack([self.samples[source["imu"]], source["mocap"], source["video"]])
        sample, mocap, video = indices.to(self.imu.device)  # in one transfer
        text, text_id = self._text(source["text"].numpy(), rng)
        return Batch(
            imu=self.imu_from.index_select(0, sample),
            imu_valid=self.imu_valid_from.index_select(0, sample),
            imu_channels=self.imu_channels[source["imu"]],
            mocap=self.mocap.index_select(0, mocap),
            mocap_valid=self.mocap_valid.index_select(0, mocap),
            video=self.video.index_select(0, video),
            text=text,
            has={m: self.has[m][source[m]] for m in MODALITIES},
            take=self.take_code[index],
            moment=self.moment_code[index],
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
    def moment_code(self) -> Tensor:
        """(N,) int64, the same for windows of one moment."""
        return torch.from_numpy(np.unique(self.moment, return_inverse=True)[1])

    @cached_property
    def caption_code(self) -> Tensor:
        """(N,) int64, the same for windows with equal captions; -1 without one."""
        codes: dict[tuple[int, ...], int] = {}
        sets = [tuple(sorted(rows)) for rows in self.texts]
        return torch.tensor([codes.setdefault(s, len(codes)) if s else -1 for s in sets])

    @cached_property
    def _captions(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of `text` (N, max) for each window, padded with -1, and how many there are (N,)."""
        counts = np.array([len(rows) for rows in self.texts])
        table = np.full((len(self), max(1, counts.max(initial=0))), -1)
        flat = [row for rows in self.texts for row in rows]
        table[np.arange(table.shape[1]) < counts[:, None]] = flat
        return table, counts

    @cached_property
    def _first_of_caption(self) -> np.ndarray:
        """(sets,) the first row with each set of captions that `caption_code` numbers."""
        code = self.caption_code.numpy()
        _, first = np.unique(code[code >= 0], return_index=True)
        return np.flatnonzero(code >= 0)[first]

    def _mean_captions(self, code: Tensor) -> Tensor:
        """Unit vectors (B, D), the mean of each set of captions; any vector where there is none."""
        captions, counts = self._captions
        if not len(self._first_of_caption):
            return self.text.new_zeros(len(code), self.text.shape[1])
        rows = self._first_of_caption[code.numpy()]
        table = captions[rows]
        device = self.text.device
        set_index = torch.from_numpy(np.repeat(np.arange(len(rows)), counts[rows])).to(device)
        text_rows = torch.from_numpy(table[table >= 0]).to(device)
        total = self.text.new_zeros(len(rows), self.text.shape[1])
        total.index_add_(0, set_index, self.text[text_rows])
        return F.normalize(total, dim=1)

    def _text(self, rows: np.ndarray, rng: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """Vectors (B, D) and ids (B,) of a random caption of each row, or of all its captions."""
        if rng is None:
            text_id = self.caption_code[torch.from_numpy(rows)]
            vectors = self._mean_captions(text_id)
        else:
            captions, counts = self._captions
            column = (rng.random(len(rows)) * counts[rows]).astype(np.int64)
            text_id = torch.from_numpy(captions[rows, column])
            vectors = self._of_texts(text_id)
        absent = text_id < 0
        if absent.any():
            vectors.masked_fill_(absent.to(vectors.device)[:, None], 0)
        return vectors, text_id

    def _of_texts(self, text_id: Tensor) -> Tensor:
        """Vectors (B, D) of rows of `text`; any vector where it is -1."""
        if not len(self.text):
            return self.text.new_zeros(len(text_id), self.text.shape[1])
        return self.text.index_select(0, text_id.clamp(min=0).to(self.text.device))
