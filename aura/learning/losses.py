"""Bidirectional InfoNCE between modalities that may know of more than one right answer."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aura.config import Loss
from aura.errors import AuraError

MAX_SCALE = 100.0
LIMIT = math.log(MAX_SCALE) - 1e-6  # in float32 its exponential is still below
TEACHER_TEMPERATURE = 0.1
SAME_TIME_S = 1e-3  # windows start on a grid of 0.1 s; less than this is rounding
OUT = -1e4  # a logit out of the softmax: exp gives exactly 0, and 0 * OUT is still a number


class Rows(Protocol):
    """What the loss asks of a batch; no signals, so that processes need not share theirs."""

    @property
    def has(self) -> Mapping[str, Tensor]:
        """Modality -> (B,) bool, in the host's memory."""

    @property
    def take(self) -> Tensor:
        """(B,) int64, the same for windows of one take."""

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
    `limit` after each of its steps.

    Parameters
    ----------
    settings : the temperature to start from and the rules; see `aura.config.Loss`.
    window_s : length of a window in s; two of one take overlap if they start closer than this.
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
    def limit(self) -> None:
        """After a step: a parameter beyond the limit would have no gradient to come back by."""
        self.log_scale.clamp_(max=LIMIT)

    def forward(
        self, vectors: Mapping[str, Tensor], batch: Rows, pairs: Sequence[tuple[str, str]]
    ) -> Tensor:
        """Mean loss over pairs of modalities, each over the rows that have both.

        Pairs with fewer than two such rows have no negatives and are left out; none left gives 0.

        Parameters
        ----------
        vectors : modality -> (B, D) unit vectors of all rows of the batch; what stands in a row
            without the modality does not matter.
        batch : the B rows, which may be those of several processes.

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
                rows = _those(both, batch.take.device)
                target, out = self._target(batch, rows, "text" in (a, b), self.settings)
                losses.append(self._symmetric(vectors[a][rows], vectors[b][rows], target, out))
        nothing = self._nothing(vectors.values())
        return torch.stack(losses).mean() + nothing if losses else nothing

    def views(self, a: Tensor, b: Tensor, batch: Rows, has: Tensor | None = None) -> Tensor:
        """Loss between two augmented views (B, D), unit vectors of the same windows.

        As in SimCLR (Chen et al. 2020), but a view is compared with the other one only. The rule
        for overlapping windows applies; captions and the teacher are not asked.

        Parameters
        ----------
        has : (B,) bool, the rows that have the sensor; all of them if not given.
        """
        has = torch.ones(len(a), dtype=torch.bool) if has is None else has
        if has.sum() < 2:
            return self._nothing((a, b))
        rows = _those(has, batch.take.device)
        plain = self.settings.model_copy(update={"soft_targets": 0.0})
        target, out = self._target(batch, rows, False, plain)
        return self._symmetric(a[rows], b[rows], target, out)

    def _nothing(self, vectors: Iterable[Tensor]) -> Tensor:
        """Zero that depends on all weights, so that each gets a gradient in every step."""
        return self.log_scale * 0 + sum(v[:0].sum() for v in vectors)

    def _symmetric(self, a: Tensor, b: Tensor, target: Tensor, out: Tensor | None) -> Tensor:
        """Both directions from one matrix of logits (n, n), in float32 also under autocast.

        The rules and the teacher's similarity are symmetric, so that one target serves both.
        """
        with torch.autocast(a.device.type, enabled=False):
            precise = torch.promote_types(a.dtype, torch.float32)
            logits = self.scale * (a.to(precise) @ b.to(precise).T)
            if out is not None:
                logits = logits.masked_fill(out, OUT)
            target = target.to(precise)
            return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    def _target(
        self, batch: Rows, rows: Tensor | slice, captions: bool, settings: Loss
    ) -> tuple[Tensor, Tensor | None]:
        """Target distribution of each row (n, n), and which logits are out of the softmax.

        Where rules disagree, "positive" wins over "ignore", and that over "negative".
        """
        take, start_s, text_id = batch.take[rows], batch.start_s[rows], batch.text_id[rows]
        hits: dict[str, list[Tensor]] = {"negative": [], "ignore": [], "positive": []}
        if settings.overlap != "negative":
            hits[settings.overlap].append(overlaps(take, start_s, self.window_s))
        if captions and settings.same_text != "negative":
            hits[settings.same_text].append(same_text(text_id))
        positive = torch.eye(len(take), dtype=torch.bool, device=take.device)
        for hit in hits["positive"]:
            positive |= hit
        out = None
        for hit in hits["ignore"]:
            out = hit if out is None else out | hit
        if out is not None:
            out = out & ~positive
        target = positive / positive.sum(1, keepdim=True)
        if settings.soft_targets > 0:
            soft = self._teacher(batch, rows, out, target)
            target = torch.lerp(target, soft, settings.soft_targets)
        return target, out

    @staticmethod
    def _teacher(
        batch: Rows, rows: Tensor | slice, out: Tensor | None, otherwise: Tensor
    ) -> Tensor:
        """Softmax over the teacher's similarity (n, n) of windows, whatever the pair.

        The similarity of two windows is the mean of text to text and of video to video, of those
        that both have; without any, the teacher gives the cell nothing. Cells that are out get
        nothing either. A row of which the teacher knows nothing is taken from `otherwise`.
        """
        total, count = torch.zeros_like(otherwise), torch.zeros_like(otherwise)
        for name, vectors in (("text", batch.text), ("video", batch.video)):
            x, has = vectors[rows].to(total.dtype), batch.has[name].to(total)[rows]
            both = torch.outer(has, has)
            total += (x @ x.T) * both
            count += both
        known = count > 0
        allowed = known if out is None else known & ~out
        logits = total / count.clamp(min=1) / TEACHER_TEMPERATURE
        soft = logits.masked_fill(~allowed, OUT).softmax(dim=1)
        return torch.where(known.diagonal()[:, None], soft, otherwise)


def _those(has: Tensor, device: torch.device) -> Tensor | slice:
    """An index of the rows that are True, (n,) on the device, made without waiting for it."""
    if has.all():
        return slice(None)
    return has.nonzero()[:, 0].to(device, non_blocking=True)


def overlaps(take: Tensor, start_s: Tensor, window_s: float) -> Tensor:
    """(n, n) bool: windows of one take that share time, a window with itself included."""
    apart_s = (start_s[:, None] - start_s).abs()
    return (take[:, None] == take) & (apart_s < window_s - SAME_TIME_S)


def same_text(text_id: Tensor) -> Tensor:
    """(n, n) bool: equal captions; a window without one equals none."""
    return (text_id[:, None] == text_id) & (text_id >= 0)
