"""4-point Lagrange cubics at the points of a grid, through samples at uneven ones.

As sums of slices where samples and points keep step, and elsewhere as a product of a sparse matrix,
four weights a row, with the samples; or as a loop that numba compiles. All of them do the same
operations in float32 in the same order.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from aura.errors import AuraError

Interpolator = Callable[[np.ndarray, float, np.ndarray, int, int, np.ndarray], None]
_CHUNK = 64  # points that the compiled loop takes at once where samples and grid keep step


def cubic(
    times: np.ndarray, rate: float, values: np.ndarray, start: int, count: int, out: np.ndarray
) -> None:
    """Interpolate at `start / rate` and the `count - 1` points after it, inside the samples' span.

    Parameters
    ----------
    times : np.ndarray
        (N,) s, strictly increasing, N >= 4.
    rate : float
        Points a second.
    values : np.ndarray
        (N, C) float32.
    start : int
        Number of the first point on the grid.
    count : int
        How many points.
    out : np.ndarray
        (C, count or more) float32, of which the first `count` columns are written.
    """
    positions, steps, values = _support(times, rate, values, start, count)
    out, points = out[:, :count], np.arange(start, start + count, dtype=np.float64)
    channels = np.ascontiguousarray(values.T)
    pending = np.ones(count, bool)
    # Points and samples of one rate keep step for long; near a slip, jitter mixes two lags.
    first, last = (np.searchsorted(positions, points[[0, -1]], side="right") - 2).tolist()
    for lag in dict.fromkeys((first, last - count + 1, first - 1, first + 1)):
        span, aligned = _aligned(positions, points, lag, pending)
        if np.count_nonzero(aligned) < max(len(aligned) / 2, count / 64):
            continue
        samples = slice(span.start + lag, span.stop + lag)
        if aligned.all():
            _by_slices(positions, steps, channels, points[span], samples, out[:, span])
        else:
            result = np.empty((len(out), len(aligned)), np.float32)
            _by_slices(positions, steps, channels, points[span], samples, result)
            np.copyto(out[:, span], result, where=aligned)
        pending[span] ^= aligned
        if not pending.any():
            return
    rest = slice(None) if pending.all() else pending
    out[:, rest] = _by_matrix(positions, steps, values, points, rest)


def _aligned(
    positions: np.ndarray, points: np.ndarray, lag: int, pending: np.ndarray
) -> tuple[slice, np.ndarray]:
    """From the first to the last point i whose four samples begin at `lag + i`, and which do."""
    begin, end = max(0, -lag), min(len(points), len(positions) - 3 - lag)
    candidates, before = points[begin : max(begin, end)], positions[begin + lag + 1 :]
    aligned = pending[begin:][: len(candidates)] & (before[: len(candidates)] <= candidates)
    aligned &= before[1:][: len(aligned)] > candidates
    if not aligned.any():
        return slice(0, 0), aligned[:0]
    inside = slice(int(aligned.argmax()), len(aligned) - int(aligned[::-1].argmax()))
    return slice(begin + inside.start, begin + inside.stop), aligned[inside]


def _by_slices(
    positions: np.ndarray,
    steps: np.ndarray,
    channels: np.ndarray,
    points: np.ndarray,
    samples: slice,
    out: np.ndarray,
) -> None:
    """Points (C, n), of which each has the samples one place further on than the last."""
    four = [slice(samples.start + k, samples.stop + k) for k in range(4)]
    x = (positions[samples] - points).astype(np.float32)
    first, *weights = _weights(x, *(steps[span] for span in four[:3]))
    np.multiply(first, channels[:, samples], out=out)
    for weight, span in zip(weights, four[1:], strict=True):
        out += weight * channels[:, span]


def _by_matrix(
    positions: np.ndarray, steps: np.ndarray, values: np.ndarray, points: np.ndarray, rows: Any
) -> np.ndarray:
    """The points (C, n) of `rows`, wherever the samples lie."""
    ahead = np.ceil(positions - points[0]).clip(0, len(points)).astype(np.int64)
    passed = np.bincount(ahead, minlength=len(points) + 1)[: len(points)].cumsum()
    left = (passed[rows] - 2).clip(0, len(positions) - 4)
    # Differences to the point keep float64's precision on clocks of any origin.
    x = (positions.take(left) - points[rows]).astype(np.float32)
    four = _weights(x, *(steps[k : len(steps) - 2 + k].take(left) for k in range(3)))
    weights, columns = np.empty((len(left), 4), np.float32), np.empty((len(left), 4), np.int32)
    for k, weight in enumerate(four):
        weights[:, k], columns[:, k] = weight, left + k
    indptr = np.arange(0, 4 * len(left) + 1, 4, dtype=np.int32)
    shape = (len(left), len(positions))
    matrix = csr_array((weights.ravel(), columns.ravel(), indptr), shape=shape)
    result: np.ndarray = (matrix @ values).T
    return result


def _weights(x0: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any, Any, Any]:
    """Lagrange's weights at 0 of four samples, the first at `x0`, and then `a`, `b`, `c` apart."""
    ab, bc = a + b, b + c
    abc = ab + c
    x1, x2, x3 = x0 + a, x0 + ab, x0 + abc
    low, high = x0 * x1, x2 * x3
    return (
        x1 * high / (a * ab * abc),
        x0 * high / (-a * b * bc),
        low * x3 / (ab * b * c),
        low * x2 / (-abc * bc * c),
    )


def _support(
    times: np.ndarray, rate: float, values: np.ndarray, start: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The samples that the points need: positions in points, steps between them, and values."""
    ends = (start / rate, (start + count - 1) / rate)
    first, last = np.searchsorted(times, ends).tolist()
    # Two on each side of a point, and one more as time and position may round apart.
    span = slice(max(0, min(first - 3, len(times) - 4)), max(4, last + 3))
    positions, steps = times[span] * rate, np.diff(times[span]) * rate
    return positions, steps.astype(np.float32), np.ascontiguousarray(values[span], np.float32)


@cache
def compiled_cubic() -> Interpolator:
    """`cubic` as machine code, which takes a second or two to make.

    Raises
    ------
    AuraError
        numba is not installed.
    """
    try:
        from numba import njit
    except ImportError:
        raise AuraError(
            "resample.compiled needs numba, which is not installed: pip install 'aura[fast]'."
        ) from None
    jit = njit(error_model="numpy")
    lagrange = jit(_weights)

    @jit
    def fill(positions, steps, values, start, end, out):  # type: ignore[no-untyped-def]
        last, left, channels = len(positions) - 4, 0, values.shape[1]
        weights = np.empty((4, _CHUNK), np.float32)
        samples = np.empty((channels, _CHUNK + 3), np.float32)
        for point in range(start, end, _CHUNK):
            begin, count = point - start, min(_CHUNK, end - point)
            while left < last and positions[left + 2] <= point:
                left += 1
            misaligned = max(0, left + count - 1 - last)
            if not misaligned:  # point i is between samples left + i + 1 and left + i + 2
                before, after = positions[left + 1 : left + 1 + count], positions[left + 2 :]
                for i in range(count):
                    misaligned += (before[i] > point + i) | (after[i] <= point + i)
            if not misaligned:  # then these loops have no branch, and become vector instructions
                t, a, b, c = positions[left:], steps[left:], steps[left + 1 :], steps[left + 2 :]
                for i in range(count):
                    x = np.float32(t[i] - (point + i))
                    four = lagrange(x, a[i], b[i], c[i])
                    weights[0, i], weights[1, i], weights[2, i], weights[3, i] = four
                for channel in range(channels):
                    y, row = samples[channel], out[channel, begin : begin + count]
                    for i in range(count + 3):
                        y[i] = values[left + i, channel]
                    for i in range(count):
                        row[i] = (
                            weights[0, i] * y[i]
                            + weights[1, i] * y[i + 1]
                            + weights[2, i] * y[i + 2]
                            + weights[3, i] * y[i + 3]
                        )
                continue
            for i in range(count):
                while left < last and positions[left + 2] <= point + i:
                    left += 1
                x = np.float32(positions[left] - (point + i))
                w0, w1, w2, w3 = lagrange(x, steps[left], steps[left + 1], steps[left + 2])
                y = values[left : left + 4]
                for channel in range(channels):
                    out[channel, begin + i] = (
                        w0 * y[0, channel]
                        + w1 * y[1, channel]
                        + w2 * y[2, channel]
                        + w3 * y[3, channel]
                    )

    def call(
        times: np.ndarray, rate: float, values: np.ndarray, start: int, count: int, out: np.ndarray
    ) -> None:
        fill(*_support(times, rate, values, start, count), start, start + count, out)

    return call
