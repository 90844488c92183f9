"""Bidirectional InfoNCE between modalities, with more than one positive where rules say so."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aura.config import Loss
from aura.errors import AuraError

MAX_SCALE = 100.0
_MAX_LOG_SCALE = math.log(MAX_SCALE) - 1e-6  # in float32 its exponential is still below
_TEACHER_TEMPERATURE = 0.1
_TOLERANCE_S = 1e-3  # windows start on a grid of 0.1 s; less than this is rounding
_MASKED = -1e4  # a logit out of the softmax: exp gives exactly 0, and 0 times it is still a number


class LossInputs(Protocol):
    """What the loss asks of a batch; no signals, so that processes need not share theirs."""

    @property
    def has(self) -> Mapping[str, Tensor]:
        """Modality -> (B,) bool, in the host's memory."""

    @property
    def take(self) -> Tensor:
        """(B,) int64, the same for windows of one take."""

    @property
    def moment(self) -> Tensor:
        """(B,) int64, the same for windows of takes that were recorded at once, on one clock."""

    @property
    def start_s(self) -> Tensor:
        """(B,) float64, s in the take."""

    @property
    def text_id(self) -> Tensor:
        """(B,) int64, the same for equal captions; -1 without one."""

    @property
    def video(self) -> Tensor:
        """(B, D) unit vectors of the teacher."""

    @property
    def text(self) -> Tensor:
        """(B, D) unit vectors of the teacher."""


class InfoNCE(nn.Module):
    """Symmetric InfoNCE (CLIP, Radford et al. 2021, figure 3), the mean over modality pairs.

    Each direction is the cross-entropy of a softmax over the other modality's rows. Its target is
    uniform over a row's positives, which is L_out of SupCon (Khosla et al. 2020, equation 2) with
    the other modality as the contrast set; a row's own partner alone is plain InfoNCE. A share of
    the target may follow the teacher's similarity (as in SoftCLIP, Gao et al. 2023).

    The inverse temperature is a parameter in log space: give this module to the optimiser, and call
    `clamp_scale` after each of its steps.

    Parameters
    ----------
    settings : Loss
        The temperature to start from, and the rules; see `aura.config.Loss`.
    window_s : float, default 5.0
        Length of a window, s; two of one moment overlap if they start closer than this.
    """

    def __init__(self, settings: Loss, window_s: float = 5.0) -> None:
        super().__init__()
        self.settings = settings
        self.window_s = window_s
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))

    @property
    def scale(self) -> Tensor:
        """Inverse temperature, at most 100."""
        return self.log_scale.exp().clamp(max=MAX_SCALE)

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """After a step: a parameter beyond the limit would have no gradient to come back by."""
        self.log_scale.clamp_(max=_MAX_LOG_SCALE)

    def forward(
        self, vectors: Mapping[str, Tensor], batch: LossInputs, pairs: Sequence[tuple[str, str]]
    ) -> Tensor:
        """Mean loss over pairs of modalities, each over the rows that have both.

        Pairs with fewer than two such rows have no negatives and are left out; none left gives 0.

        Parameters
        ----------
        vectors : mapping of str to Tensor
            Modality -> (B, D) unit vectors of all rows of the batch; what stands in a row without
            the modality does not matter.
        batch : LossInputs
            The B rows, which may be those of several processes.
        pairs : sequence of (str, str)
            Modalities to align.

        Returns
        -------
        Tensor
            A scalar.

        Raises
        ------
        AuraError
            A pair names a modality without vectors.
        """
        missing = {m for pair in pairs for m in pair} - set(vectors)
        if missing:
            raise AuraError(f"The loss got no vectors of {', '.join(sorted(missing))}.")
        losses = []
        for a, b in pairs:
            both = batch.has[a] & batch.has[b]
            if both.sum() >= 2:
                rows = _index(both, batch.take.device)
                target, ignored = self._target(batch, rows, "text" in (a, b), self.settings)
                losses.append(self._symmetric(vectors[a][rows], vectors[b][rows], target, ignored))
        zero = self._zero(vectors.values())
        return torch.stack(losses).mean() + zero if losses else zero

    def view_loss(
        self, a: Tensor, b: Tensor, batch: LossInputs, has: Tensor | None = None
    ) -> Tensor:
        """Loss between two augmented views of the same windows.

        As in SimCLR (Chen et al. 2020), but a view is compared with the other one only. The rule
        for overlapping windows applies; captions and the teacher are not asked.

        Parameters
        ----------
        a, b : Tensor
            (B, D) unit vectors of the two views.
        batch : LossInputs
            The B windows.
        has : Tensor, optional
            (B,) bool, the rows that have the sensor; all of them if not given.

        Returns
        -------
        Tensor
            A scalar.
        """
        has = torch.ones(len(a), dtype=torch.bool) if has is None else has
        if has.sum() < 2:
            return self._zero((a, b))
        rows = _index(has, batch.take.device)
        hard = self.settings.model_copy(update={"soft_targets": 0.0})
        target, ignored = self._target(batch, rows, False, hard)
        return self._symmetric(a[rows], b[rows], target, ignored)

    def _zero(self, vectors: Iterable[Tensor]) -> Tensor:
        """Zero that depends on all weights, so that each gets a gradient in every step."""
        return self.log_scale * 0 + sum(v[:0].sum() for v in vectors)

    def _symmetric(self, a: Tensor, b: Tensor, target: Tensor, ignored: Tensor | None) -> Tensor:
        """Both directions from one matrix of logits (n, n), in float32 also under autocast.

        The rules and the teacher's similarity are symmetric, so that one target serves both.
        """
        with torch.autocast(a.device.type, enabled=False):
            dtype = torch.promote_types(a.dtype, torch.float32)
            logits = self.scale * (a.to(dtype) @ b.to(dtype).T)
            if ignored is not None:
                logits = logits.masked_fill(ignored, _MASKED)
            target = target.to(dtype)
            return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    def _target(
        self, batch: LossInputs, rows: Tensor | slice, captions: bool, settings: Loss
    ) -> tuple[Tensor, Tensor | None]:
        """Target distribution of each row (n, n), and a mask of the logits out of the softmax.

        Where rules disagree, "positive" wins over "ignore", and that over "negative". What two
        IMUs recorded at once is never a negative.
        """
        take, start_s, text_id = batch.take[rows], batch.start_s[rows], batch.text_id[rows]
        at_once = overlaps(batch.moment[rows], start_s, self.window_s)
        masks: dict[str, list[Tensor]] = {"negative": [], "ignore": [], "positive": []}
        if settings.overlap != "negative":
            masks[settings.overlap].append(at_once)
        else:
            masks["ignore"].append(at_once & (take[:, None] != take))
        if captions and settings.same_text != "negative":
            masks[settings.same_text].append(same_text(text_id))
        positive = torch.eye(len(take), dtype=torch.bool, device=take.device)
        for mask in masks["positive"]:
            positive |= mask
        ignored = None
        for mask in masks["ignore"]:
            ignored = mask if ignored is None else ignored | mask
        if ignored is not None:
            ignored = ignored & ~positive
        target = positive / positive.sum(1, keepdim=True)
        if settings.soft_targets > 0:
            soft = self._teacher_target(batch, rows, ignored, target)
            target = torch.lerp(target, soft, settings.soft_targets)
        return target, ignored

    @staticmethod
    def _teacher_target(
        batch: LossInputs, rows: Tensor | slice, ignored: Tensor | None, fallback: Tensor
    ) -> Tensor:
        """Softmax over the teacher's similarity (n, n) of windows, whatever the pair.

        The similarity of two windows is the mean of text to text and of video to video, of those
        that both have; without any, the teacher gives the cell nothing. Ignored cells get nothing
        either. A row of which the teacher knows nothing is that of `fallback`.
        """
        total, count = torch.zeros_like(fallback), torch.zeros_like(fallback)
        for name, vectors in (("text", batch.text), ("video", batch.video)):
            x, has = vectors[rows].to(total.dtype), batch.has[name].to(total)[rows]
            both = torch.outer(has, has)
            total += (x @ x.T) * both
            count += both
        known = count > 0
        allowed = known if ignored is None else known & ~ignored
        logits = total / count.clamp(min=1) / _TEACHER_TEMPERATURE
        soft = logits.masked_fill(~allowed, _MASKED).softmax(dim=1)
        return torch.where(known.diagonal()[:, None], soft, fallback)


def _index(mask: Tensor, device: torch.device) -> Tensor | slice:
    """Index of the rows that are True, (n,) on the device, made without waiting for it."""
    if mask.all():
        return slice(None)
    return mask.nonzero()[:, 0].to(device, non_blocking=True)


def overlaps(moment: Tensor, start_s: Tensor, window_s: float) -> Tensor:
    """(n, n) bool: windows of one moment that share time, a window with itself included."""
    distance_s = (start_s[:, None] - start_s).abs()
    return (moment[:, None] == moment) & (distance_s < window_s - _TOLERANCE_S)


def same_text(text_id: Tensor) -> Tensor:
    """(n, n) bool: equal captions; a window without one equals none."""
    return (text_id[:, None] == text_id) & (text_id >= 0)
