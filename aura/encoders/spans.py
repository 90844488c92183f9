"""What of a window was measured: means of samples, and windows without gaps.

B windows hold T samples of C channels.
"""

import torch
from torch import Tensor


def decimate(imu_BTC: Tensor, valid_BT: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Mean of the valid samples of each `factor` (B, T // factor, 6), and whether there are any."""
    B, T, C = imu_BTC.shape
    steps = T // factor
    mask = valid_BT[:, : steps * factor].reshape(B, steps, factor, 1).to(imu_BTC.dtype)
    x = imu_BTC[:, : steps * factor].reshape(B, steps, factor, C)
    # What is not valid may hold anything, NaN too.
    total = torch.where(mask > 0, x, torch.zeros_like(x)).sum(2)
    count = mask.sum(2)
    return total / count.clamp(min=1), count[..., 0] > 0


def fill(x_BTC: Tensor, valid_BT: Tensor, span_BT: Tensor | None = None) -> Tensor:
    """Windows without gaps: a gap repeats what is before it, an end that is missing is mirrored.

    A window that is short and padded becomes movement of the same kind for its whole length, whose
    statistics and spectra are those of what was measured.

    Parameters
    ----------
    x_BTC : (B, T, C) float
        Signal.
    valid_BT : (B, T) bool
        What was measured.
    span_BT : (B, T) bool, optional
        What its ends are mirrored by, where that is not the same: several signals of one window
        stay together.

    Returns
    -------
    (B, T, C) float
        Zeros where nothing of a window was measured.
    """
    first, last = _ends(valid_BT if span_BT is None else span_BT)
    steps = torch.arange(valid_BT.shape[1], device=valid_BT.device)
    # Mirrored at both ends of the measured span, as often as it takes.
    span = last - first
    offset = (steps - first).remainder((2 * span).clamp(min=1))
    inside = first + torch.where(offset > span, 2 * span - offset, offset)
    return _take(x_BTC, valid_BT, _held(valid_BT).gather(1, inside))


def hold(x_BTC: Tensor, valid_BT: Tensor) -> Tensor:
    """Each sample that is missing is the one before it, or the first of all; see `fill`."""
    return _take(x_BTC, valid_BT, _held(valid_BT))


def course(x_BTC: Tensor, valid_BT: Tensor, points: int, span_BT: Tensor | None = None) -> Tensor:
    """Values at so many moments, evenly spaced over what was measured, linearly interpolated.

    However long it took: the same movement done slowly has the same course.

    Parameters
    ----------
    x_BTC : (B, T, C) float
        Signal.
    valid_BT : (B, T) bool
        What was measured.
    points : int
        Moments, P, at least 2.
    span_BT : (B, T) bool, optional
        As for `fill`.

    Returns
    -------
    (B, P, C) float
        Zeros where nothing of a window was measured.
    """
    first, last = _ends(valid_BT if span_BT is None else span_BT)
    share = torch.linspace(0, 1, points, device=valid_BT.device)
    place = first + share * (last - first)
    low = place.floor().long()
    weight = (place - low)[..., None].to(x_BTC.dtype)
    held = _held(valid_BT)
    before = _take(x_BTC, valid_BT, held.gather(1, low))
    after = _take(x_BTC, valid_BT, held.gather(1, torch.minimum(low + 1, last)))
    return torch.lerp(before, after, weight)


def _ends(valid_BT: Tensor) -> tuple[Tensor, Tensor]:
    """First and last sample that was measured, (B, 1) int64 each; 0 where none was."""
    T = valid_BT.shape[1]
    steps = torch.arange(T, device=valid_BT.device).expand_as(valid_BT)
    last = torch.where(valid_BT, steps, 0).amax(1, keepdim=True)
    return torch.minimum(torch.where(valid_BT, steps, T).amin(1, keepdim=True), last), last


def _held(valid_BT: Tensor) -> Tensor:
    """For each sample the last one that was measured, or the first of all, (B, T) int64."""
    steps = torch.arange(valid_BT.shape[1], device=valid_BT.device).expand_as(valid_BT)
    before = torch.where(valid_BT, steps, -1).cummax(1).values
    return torch.maximum(before, _ends(valid_BT)[0])


def _take(x_BTC: Tensor, valid_BT: Tensor, index_BP: Tensor) -> Tensor:
    """Samples by their index, (B, P, C); zeros where nothing of a window was measured."""
    found = x_BTC.gather(1, index_BP[..., None].expand(-1, -1, x_BTC.shape[2]))
    return torch.where(valid_BT.any(1)[:, None, None], found, torch.zeros_like(found))
