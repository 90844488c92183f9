"""4-point Lagrange cubics at whole places of a grid, through samples at uneven ones.

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
    out, targets = out[:, :count], np.arange(start, start + count, dtype=np.float64)
    turned = np.ascontiguousarray(values.T)
    todo = np.ones(count, bool)
    # Points and samples of one rate keep step for long; near a slip, jitter mixes two leads.
    first, last = (np.searchsorted(places, targets[[0, -1]], side="right") - 2).tolist()
    for lead in dict.fromkeys((first, last - count + 1, first - 1, first + 1)):
        span, hit = _in_step(places, targets, lead, todo)
        if np.count_nonzero(hit) < max(len(hit) / 2, count / 64):
            continue
        of = slice(span.start + lead, span.stop + lead)
        if hit.all():
            _by_slices(places, steps, turned, targets[span], of, out[:, span])
        else:
            found = np.empty((len(out), len(hit)), np.float32)
            _by_slices(places, steps, turned, targets[span], of, found)
            np.copyto(out[:, span], found, where=hit)
        todo[span] ^= hit
        if not todo.any():
            return
    rest = slice(None) if todo.all() else todo
    out[:, rest] = _by_matrix(places, steps, values, targets, rest)


def _in_step(
    places: np.ndarray, targets: np.ndarray, lead: int, todo: np.ndarray
) -> tuple[slice, np.ndarray]:
    """From the first to the last point i whose four samples begin at `lead + i`, and which do."""
    begin, end = max(0, -lead), min(len(targets), len(places) - 3 - lead)
    between, before = targets[begin : max(begin, end)], places[begin + lead + 1 :]
    hit = todo[begin:][: len(between)] & (before[: len(between)] <= between)
    hit &= before[1:][: len(hit)] > between
    if not hit.any():
        return slice(0, 0), hit[:0]
    inside = slice(int(hit.argmax()), len(hit) - int(hit[::-1].argmax()))
    return slice(begin + inside.start, begin + inside.stop), hit[inside]


def _by_slices(
    places: np.ndarray,
    steps: np.ndarray,
    turned: np.ndarray,
    targets: np.ndarray,
    of: slice,
    out: np.ndarray,
) -> None:
    """Points (C, n), of which each has the samples one place further on than the last."""
    four = [slice(of.start + k, of.stop + k) for k in range(4)]
    x = (places[of] - targets).astype(np.float32)
    first, *weights = _weights(x, *(steps[some] for some in four[:3]))
    np.multiply(first, turned[:, of], out=out)
    for weight, some in zip(weights, four[1:], strict=True):
        out += weight * turned[:, some]


def _by_matrix(
    places: np.ndarray, steps: np.ndarray, values: np.ndarray, targets: np.ndarray, some: Any
) -> np.ndarray:
    """Some of the points (C, n), wherever the samples lie."""
    ahead = np.ceil(places - targets[0]).clip(0, len(targets)).astype(np.int64)
    passed = np.bincount(ahead, minlength=len(targets) + 1)[: len(targets)].cumsum()
    left = (passed[some] - 2).clip(0, len(places) - 4)
    # Differences to the target keep float64's precision on clocks of any origin.
    x = (places.take(left) - targets[some]).astype(np.float32)
    four = _weights(x, *(steps[k : len(steps) - 2 + k].take(left) for k in range(3)))
    weights, columns = np.empty((len(left), 4), np.float32), np.empty((len(left), 4), np.int32)
    for k, weight in enumerate(four):
        weights[:, k], columns[:, k] = weight, left + k
    ends = np.arange(0, 4 * len(left) + 1, 4, dtype=np.int32)
    matrix = csr_array((weights.ravel(), columns.ravel(), ends), shape=(len(left), len(places)))
    found: np.ndarray = (matrix @ values).T
    return found


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
