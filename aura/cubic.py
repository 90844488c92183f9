"""4-point Lagrange cubics at whole places of a grid, through samples at uneven ones.

As a product of a sparse matrix, four weights a row, with the samples; or as a loop that numba
compiles. Both do the same operations in float32 in the same order.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from aura.errors import AuraError

Cubic = Callable[[np.ndarray, float, np.ndarray, int, int, np.ndarray], None]
_RUN = 64  # points that the compiled loop takes at once where samples and grid keep step


def cubic(
    times: np.ndarray, rate: float, values: np.ndarray, start: int, count: int, out: np.ndarray
) -> None:
    """Interpolate at `start / rate` and the `count - 1` points after it, inside the samples' span.

    Parameters
    ----------
    times : (N,) s, strictly increasing, N >= 4; rate : points a second; values : (N, C) float32;
        out : (C, count or more) float32, of which the first `count` columns are written.
    """
    places, steps, values = _around(times, rate, values, start, count)
    ahead = np.ceil(places - start).clip(0, count).astype(np.int64)
    passed = np.bincount(ahead, minlength=count + 1)[:count].cumsum()
    left = (passed - 2).clip(0, len(places) - 4)
    # Differences to the target keep float64's precision on clocks of any origin.
    x = (places.take(left) - np.arange(start, start + count)).astype(np.float32)
    four = _weights(x, *(steps[k : len(steps) - 2 + k].take(left) for k in range(3)))
    weights, columns = np.empty((count, 4), np.float32), np.empty((count, 4), np.int32)
    columns[:, 0] = left
    for k, weight in enumerate(four):
        weights[:, k], columns[:, k] = weight, columns[:, 0] + np.int32(k)
    ends = np.arange(0, 4 * count + 1, 4, dtype=np.int32)
    matrix = csr_array((weights.ravel(), columns.ravel(), ends), shape=(count, len(places)))
    out[:, :count] = (matrix @ values).T


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


def _around(
    times: np.ndarray, rate: float, values: np.ndarray, start: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The samples that the points need: places in points, steps between them, and values."""
    ends = (start / rate, (start + count - 1) / rate)
    first, last = np.searchsorted(times, ends).tolist()
    # Two on each side of a point, and one more as time and place may round apart.
    used = slice(max(0, min(first - 3, len(times) - 4)), max(4, last + 3))
    places, steps = times[used] * rate, np.diff(times[used]) * rate
    return places, steps.astype(np.float32), np.ascontiguousarray(values[used], np.float32)


@cache
def compiled() -> Cubic:
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
    weights_of = jit(_weights)

    @jit
    def fill(places, steps, values, start, end, out):  # type: ignore[no-untyped-def]
        last, left, channels = len(places) - 4, 0, values.shape[1]
        weights = np.empty((4, _RUN), np.float32)
        turned = np.empty((channels, _RUN + 3), np.float32)
        for target in range(start, end, _RUN):
            begin, count = target - start, min(_RUN, end - target)
            while left < last and places[left + 2] <= target:
                left += 1
            astray = max(0, left + count - 1 - last)
            if not astray:  # point i is between samples left + i + 1 and left + i + 2
                before, after = places[left + 1 : left + 1 + count], places[left + 2 :]
                for i in range(count):
                    astray += (before[i] > target + i) | (after[i] <= target + i)
            if not astray:  # then these loops have no branch, and become vector instructions
                place, a, b, c = places[left:], steps[left:], steps[left + 1 :], steps[left + 2 :]
                for i in range(count):
                    x = np.float32(place[i] - (target + i))
                    four = weights_of(x, a[i], b[i], c[i])
                    weights[0, i], weights[1, i], weights[2, i], weights[3, i] = four
                for channel in range(channels):
                    y, to = turned[channel], out[channel, begin : begin + count]
                    for i in range(count + 3):
                        y[i] = values[left + i, channel]
                    for i in range(count):
                        to[i] = (
                            weights[0, i] * y[i]
                            + weights[1, i] * y[i + 1]
                            + weights[2, i] * y[i + 2]
                            + weights[3, i] * y[i + 3]
                        )
                continue
            for i in range(count):
                while left < last and places[left + 2] <= target + i:
                    left += 1
                x = np.float32(places[left] - (target + i))
                w0, w1, w2, w3 = weights_of(x, steps[left], steps[left + 1], steps[left + 2])
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
        fill(*_around(times, rate, values, start, count), start, start + count, out)

    return call
