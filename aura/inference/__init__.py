"""The trained encoders on a user's own arrays, resampled and framed as in the pipeline.

    encoders = aura.load("models/synthetic/joint")
    vectors = encoders.encode_imu(signal, rate_hz=100)  # (N, 6, T) -> (N, d)

Vectors of IMU, mocap and text are of one space: the product of two is their cosine similarity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from aura.errors import AuraError
from aura.inference import teachers
from aura.inference.sensors import SensorEncoders, try_out
from aura.learning import model as learned
from aura.learning.folder import read_card
from aura.signals.inputs import Floats

if TYPE_CHECKING:  # open_clip takes longer to import than all the rest, and only texts need it
    from aura.teacher.frozen import Place
    from aura.teacher.text_tower import TextTower


@dataclass(frozen=True)
class Classes:
    """Result of `Encoders.classify`.

    Attributes
    ----------
    names : list of str
        C names.
    probabilities : ndarray
        (N, C) float32, each row sums to 1.
    """

    names: list[str]
    probabilities: Floats

    @property
    def best(self) -> list[str]:
        """The most probable name of each window."""
        return [self.names[i] for i in self.probabilities.argmax(axis=1)]


def load(path: Path | str, teacher: Path | str | None = None, device: str = "cpu") -> "Encoders":
    """Load a model folder such as `models/synthetic/joint`.

    Parameters
    ----------
    path : Path or str
        Folder of the model.
    teacher : Path, str or None
        Folder of the teacher, for texts, or `package:NAME` of a sentence model; by default what
        the model's card names, or a folder `teacher` in `path` or in one of the two folders above
        it. Its weights are read when the first text is.
    device : str
        Of torch, such as "cpu" or "cuda".

    Raises
    ------
    AuraError
        There is no model, no such device, or the teacher is not that of the model's training.
    """
    folder = Path(path)
    read_card(folder, needed=("dataset", "phase", "teacher"))
    network, card = learned.load(folder)
    try_out(network, card, folder)
    try:
        network.to(torch.device(device))
    except (RuntimeError, AssertionError):  # no such name, torch built without it, or none here
        raise AuraError(f"torch has no device '{device}' here.") from None
    if teacher is not None:
        encoders = Encoders(network, card, teachers.given(teacher, card))
        encoders.check_teacher()
        return encoders
    return Encoders(network, card, teachers.find(folder, card))


class Encoders(SensorEncoders):
    """A trained model, its card and the teacher of its texts; `load` makes one."""

    def __init__(
        self, network: learned.Model, card: Mapping[str, Any], teacher: "Place | None" = None
    ) -> None:
        super().__init__(network, card)
        self._teacher_place = teacher

    def encode_text(self, texts: Sequence[str], words_of: Sequence[str] | None = None) -> Floats:
        """Unit vectors (N, d) of texts, by the frozen teacher; warns of what it cannot read.

        Parameters
        ----------
        texts : sequence of str
            N texts.
        words_of : sequence of str or None
            Texts whose words the stand-in teacher has to know; all of them by default.

        Raises
        ------
        AuraError
            There is no teacher, or not the one that the model was trained with.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise AuraError("Texts are given as a list of strings.")
        return np.asarray(self._teacher.encode_text(list(texts), words_of=words_of), np.float32)

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
        signal : array_like
            As for `encode_imu`, or for `encode_mocap` where `modality` is "mocap".
        prompts : sequence of str, or mapping of str to sequence of str
            One text a class, or class -> several texts, whose vectors are averaged.
        rate_hz : float
            Samples or frames a second.
        modality : {"imu", "mocap"}
            What the signal is of.
        valid : array_like or None
            As for `encode_imu` and `encode_mocap`.
        """
        names, classes = self.class_vectors(prompts)
        vectors = self._windows(modality, signal, rate_hz, valid)
        logits = float(self.network.loss.scale) * torch.from_numpy(vectors @ classes.T)
        return Classes(names, logits.softmax(dim=1).numpy())

    def class_vectors(
        self, prompts: Sequence[str] | Mapping[str, Sequence[str]]
    ) -> tuple[list[str], Floats]:
        """Names of C classes, and their unit vectors (C, d): the mean of their prompts.

        Parameters
        ----------
        prompts : sequence of str, or mapping of str to sequence of str
            As for `classify`; of a mapping the words of the names have to be known.
        """
        by_class = _prompts_by_class(prompts)
        texts = [text for group in by_class.values() for text in group]
        prompt_vectors = self.encode_text(texts, list(by_class))
        ends = np.cumsum([len(group) for group in by_class.values()])[:-1]
        classes = np.stack([group.mean(axis=0) for group in np.split(prompt_vectors, ends)])
        classes /= np.linalg.norm(classes, axis=1, keepdims=True)
        return list(by_class), classes

    def check_teacher(self) -> "Place":
        """Where the teacher is, if it is the one of the training; an `AuraError` otherwise."""
        if self._teacher_place is None:
            raise AuraError(
                "Texts need the teacher of the model; give its folder: load(path, teacher=FOLDER)."
            )
        teachers.check(self._teacher_place, self.card)
        return self._teacher_place

    @cached_property
    def _teacher(self) -> "TextTower":
        return teachers.load(self.check_teacher(), self.card, str(self.device))


def _prompts_by_class(
    prompts: Sequence[str] | Mapping[str, Sequence[str]],
) -> Mapping[str, Sequence[str]]:
    if isinstance(prompts, str):
        raise AuraError("Texts are given as a list of strings.")
    by_class = prompts if isinstance(prompts, Mapping) else {text: [text] for text in prompts}
    if any(isinstance(texts, str) for texts in by_class.values()):
        raise AuraError("Each class has a list of prompts, also where it is only one.")
    if not by_class or not all(by_class.values()):
        raise AuraError("A classification needs at least one prompt of each class.")
    return by_class
