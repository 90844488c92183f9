"""The trained encoders on a user's own arrays, resampled and framed as in the pipeline.

    encoders = aura.load("models/synthetic/joint")
    vectors = encoders.encode_imu(signal, rate_hz=100)  # (N, 6, T) -> (N, 512)

Vectors of IMU, mocap and text are of one space: the product of two is their cosine similarity.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Resample, Slice
from aura.errors import AuraError
from aura.learning import model as learned
from aura.report.card import sensors
from aura.signals import inputs
from aura.signals.inputs import RATES, Floats, Signals
from aura.signals.mocap import canonicalize
from aura.signals.windows import starts

if TYPE_CHECKING:  # open_clip takes longer to import than all the rest, and only texts need it
    from aura.teacher.clip import Teacher

BATCH = 256


@dataclass(frozen=True)
class Classes:
    """Result of `Encoders.classify`."""

    names: list[str]
    probabilities: Floats  # (N, C), each row sums to 1

    @property
    def best(self) -> list[str]:
        """The most probable name of each window."""
        return [self.names[i] for i in self.probabilities.argmax(axis=1)]


def load(path: Path | str, teacher: Path | str | None = None, device: str = "cpu") -> "Encoders":
    """Load a model folder such as `models/synthetic/joint`.

    Parameters
    ----------
    teacher : folder of the teacher, for texts; by default a folder `teacher` in `path` or in one
        of the two folders above it. Its weights are read when the first text is.

    Raises
    ------
    AuraError
        There is no model, no such device, or the teacher is not that of the model's training.
    """
    folder = Path(path)
    network, card = learned.load(folder)
    try:
        network.to(torch.device(device))
    except (RuntimeError, AssertionError):  # no such name, torch built without it, or none here
        raise AuraError(f"torch has no device '{device}' here.") from None
    if teacher is not None:
        encoders = Encoders(network, card, Path(teacher))
        encoders.check_teacher()
        return encoders
    above = folder.absolute()
    near = [parent / "teacher" for parent in (above, above.parent, above.parent.parent)]
    found = next((place for place in near if (place / "teacher.json").is_file()), None)
    return Encoders(network, card, found)


class Encoders:
    """A trained model and its card; `load` makes one."""

    def __init__(
        self, network: learned.Model, card: Mapping[str, Any], teacher: Path | None = None
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.card = card
        self.device = next(network.parameters()).device
        self.window_s: float = card["shape"]["samples"] / IMU_RATE_HZ
        self._length = {"imu": card["shape"]["samples"], "mocap": card["shape"]["frames"]}
        self._folder = teacher
        recipe = card.get("resample", {})
        self._recipe = Resample(**{k: recipe[k] for k in recipe if k in Resample.model_fields})

    def encode_imu(
        self, signal: ArrayLike, rate_hz: float | None = None, valid: ArrayLike | None = None
    ) -> Floats:
        """Unit vectors (N, 512) of windows of an accelerometer and a gyroscope.

        Parameters
        ----------
        signal : (N, 6, T) or (6, T): acceleration x, y, z in m/s2 with gravity, then angular rate
            x, y, z in rad/s. A sample with a NaN is not measured; a channel that is NaN throughout
            is one that the sensor lacks. A shorter signal than the model's window is padded, and
            the padding is not measured.
        rate_hz : samples a second, any; brought to 200 Hz as in the pipeline. Above 200 Hz the
            low-pass filter takes up to 0.07 s from each end.
        valid : (N, T) or (T,) bool, sample measured; all of them by default.

        Raises
        ------
        AuraError
            Wrong shapes, no rate, signals longer than the window, or nothing measured in one.
        """
        return self._windows("imu", signal, rate_hz, valid)

    def encode_mocap(
        self, joints: ArrayLike, rate_hz: float | None = None, valid: ArrayLike | None = None
    ) -> Floats:
        """Unit vectors (N, 512) of windows of body pose.

        Parameters
        ----------
        joints : (N, F, 17, 3) or (F, 17, 3): COCO-17 joints (`aura.schema.JOINTS`) in m, in any
            frame with z up; NaN where a joint is not measured. Place and heading are taken out.
        rate_hz : frames a second, any; brought to 10 as in the pipeline.
        valid : (N, F, 17) or (F, 17) bool, joint measured; all of them by default.

        Raises
        ------
        AuraError
            As for `encode_imu`, or the model was trained without mocap.
        """
        return self._windows("mocap", joints, rate_hz, valid)

    def encode_recording(
        self,
        signal: ArrayLike,
        rate_hz: float | None = None,
        modality: str = "imu",
        valid: ArrayLike | None = None,
        stride_s: float = 2.5,
        min_valid: float | None = None,
    ) -> tuple[NDArray[np.float64], Floats]:
        """Windows of a long recording: their starts (N,) in s, and unit vectors (N, 512).

        The recording is resampled whole and cut after that, as in the pipeline, so that only its
        own ends are lost. Windows of which too little was measured are left out.

        Parameters
        ----------
        signal : (6, T) of an IMU, or (F, 17, 3) of mocap; see `encode_imu` and `encode_mocap`.
        stride_s : from one window to the next, a multiple of 0.1.
        min_valid : share of a window's samples, or joints and frames, that must be measured; by
            default the pipeline's 0.9 of IMU and 0.5 of mocap.
        """
        self._check_trained(modality)
        if not stride_s * MOCAP_RATE_HZ > 0.5:
            raise AuraError(f"Windows cannot start every {stride_s} s; the least is 0.1 s.")
        rate, given = inputs.rate_of(rate_hz), inputs.read(modality, signal, valid, recording=True)
        duration_s, length = given.values.shape[1] / rate, self._length[modality]
        whole = inputs.resample(given, rate, self._recipe)
        begin_s = starts(duration_s, self.window_s, stride_s, pad_short=True)
        begin = np.rint(begin_s * RATES[modality]).astype(np.int64)
        # A window that goes on beyond the end is as valid as the part of it that was recorded.
        total = whole.valid.shape[1]
        end = np.minimum(begin + length, total)
        flags = whole.valid[0].reshape(total, -1).mean(axis=1)
        before = np.concatenate([[0.0], np.cumsum(flags, dtype=np.float64)])
        share = (before[end] - before[begin]) / np.maximum(end - begin, 1)
        if min_valid is None:
            min_valid = Slice().min_imu_valid if modality == "imu" else Slice().min_mocap_valid
        keep = (share > 0) & (share >= min_valid - 1e-9)
        padded = whole.fit(max(total, int(begin.max(initial=0)) + length))
        parts = self._cut(padded, begin[keep], length)
        return begin_s[keep], self._encode(modality, parts)

    @staticmethod
    def _cut(whole: Signals, begin: NDArray[np.int64], length: int) -> Iterator[Signals]:
        for at in range(0, len(begin), BATCH):
            span = begin[at : at + BATCH, None] + np.arange(length)
            channels = np.repeat(whole.channels, len(span), axis=0)
            yield Signals(whole.modality, whole.values[0][span], whole.valid[0][span], channels)

    def encode_text(self, texts: Sequence[str]) -> Floats:
        """Unit vectors (N, 512) of texts, by the frozen teacher.

        Raises
        ------
        AuraError
            There is no teacher, or not the one that the model was trained with.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise AuraError("Texts are given as a list of strings.")
        return np.asarray(self._teacher.encode_text(list(texts)), np.float32)

    def classify(
        self,
        signal: ArrayLike,
        prompts: Sequence[str] | Mapping[str, Sequence[str]],
        rate_hz: float | None = None,
        modality: str = "imu",
        valid: ArrayLike | None = None,
    ) -> Classes:
        """Which class fits each window best, with probabilities at the temperature of the model.

        Parameters
        ----------
        signal : as for `encode_imu`, or for `encode_mocap` where `modality` is "mocap".
        prompts : one text a class, or class -> several texts, whose vectors are averaged.
        """
        if isinstance(prompts, str):
            raise AuraError("Texts are given as a list of strings.")
        named = prompts if isinstance(prompts, Mapping) else {text: [text] for text in prompts}
        if any(isinstance(texts, str) for texts in named.values()):
            raise AuraError("Each class has a list of prompts, also where it is only one.")
        if not named or not all(named.values()):
            raise AuraError("A classification needs at least one prompt of each class.")
        vectors = self._windows(modality, signal, rate_hz, valid)
        every = self.encode_text([text for texts in named.values() for text in texts])
        cuts = np.cumsum([len(texts) for texts in named.values()])[:-1]
        classes = np.stack([part.mean(axis=0) for part in np.split(every, cuts)])
        classes /= np.linalg.norm(classes, axis=1, keepdims=True)
        logits = float(self.network.loss.scale) * torch.from_numpy(vectors @ classes.T)
        return Classes(list(named), logits.softmax(dim=1).numpy())

    def check_teacher(self) -> Path:
        """Folder of the teacher, if it is the one of the training; an `AuraError` otherwise."""
        if self._folder is None:
            raise AuraError(
                "Texts need the teacher of the model; give its folder: load(path, teacher=FOLDER)."
            )
        from aura.teacher.clip import read_identity

        wanted, found = self.card["teacher"], read_identity(self._folder)
        if found.weights_sha256 != wanted["weights_sha256"]:
            raise AuraError(
                f"The teacher at {self._folder} is not the one that the model was trained with: "
                f"{wanted['model']}, weights {wanted['weights_sha256'][:12]}."
            )
        return self._folder

    @cached_property
    def _teacher(self) -> "Teacher":
        from aura.teacher import clip as teacher

        return teacher.load(self.check_teacher(), str(self.device))

    def _check_trained(self, modality: str) -> None:
        if modality not in RATES:
            raise AuraError(f"A sensor is imu or mocap, not '{modality}'.")
        if modality not in sensors(self.card):
            raise AuraError(f"This model was trained without {modality}; see its card.")

    def _windows(
        self, modality: str, signal: ArrayLike, rate_hz: float | None, valid: ArrayLike | None
    ) -> Floats:
        self._check_trained(modality)
        rate, given = inputs.rate_of(rate_hz), inputs.read(modality, signal, valid)
        seconds = (given.values.shape[1] - 1) / rate
        if seconds > self.window_s + 1e-6:
            raise AuraError(
                f"Signals of {seconds:.1f} s are longer than the model's window of "
                f"{self.window_s:g} s; cut them, or give a recording to encode_recording."
            )
        pieces = (given[at : at + BATCH] for at in range(0, len(given.values), BATCH))
        length = self._length[modality]
        return self._encode(
            modality, (inputs.resample(piece, rate, self._recipe).fit(length) for piece in pieces)
        )

    @torch.inference_mode()
    def _encode(self, modality: str, parts: Iterable[Signals]) -> Floats:
        encoder = self.network.imu if modality == "imu" else self.network.mocap
        found = [np.empty((0, self.card["shape"]["dim"]), np.float32)]
        for part in parts:
            values = part.values
            if modality == "mocap":
                values = canonicalize(values, part.valid)
            arrays = (values, part.valid, part.channels)
            tensors = [torch.from_numpy(np.ascontiguousarray(x)).to(self.device) for x in arrays]
            found.append(encoder(*tensors).float().cpu().numpy())
        return np.concatenate(found)
