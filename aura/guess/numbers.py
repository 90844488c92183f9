"""Rate and units by the numbers themselves: what gravity, turns and stamps allow.

- A sensor that is still feels gravity: 9.8 in m/s2, 1 in g, 1000 in mg. In counts it feels a number
  that is none of these.
- What a gyroscope turns, gravity turns in the sensor's axes: the ratio of both angles is 1 in rad/s
  and 57.3 in deg/s. Of a sensor that hardly turned nothing is told.
- Stamps since 1970 tell their unit by their size; others by a rate between 8 and 2000 Hz.
"""

import numpy as np

from aura.guess.reason import Guess

GRAVITY = 9.80665
_UNITS = (("m/s2", GRAVITY), ("g", 1.0), ("mg", 1000.0))
_NEAR = 0.15  # by which a still sensor may miss gravity
_BLOCK_S = 0.25
_TURN_RAD = 0.1  # least turn of gravity in a block
LEAST = 6  # blocks that turn
_EPOCHS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_YEARS = 946_684_800.0, 2_208_988_800.0  # 2000 to 2040
_RATES = 8.0, 2000.0
_FAST_DEG = 45.0  # rad/s, no body's; deg/s, any body's
_MOVES, _SLOW_DEG = 0.2, 15.0  # of g, and deg/s: what moves so turns faster
_UNEVEN, _CAUGHT_UP = 0.15, -0.2  # spread of steps to their median, and correlation with the next


def time_unit(stamps: list[np.ndarray]) -> Guess:
    """Unit of columns of stamps, by their size or by the rate that they would be.

    Parameters
    ----------
    stamps : list of np.ndarray
        (N,) of each file, as they stand.
    """
    stamps = [s[np.isfinite(s)] for s in stamps]
    stamps = [s for s in stamps if len(s) > 4]
    if not stamps:
        return Guess(None, "no stamps", False)
    size = float(np.median([np.median(s) for s in stamps]))
    for unit, seconds in _EPOCHS.items():
        if _YEARS[0] <= size * seconds <= _YEARS[1]:
            return Guess(unit, f"{size:.0f} is a date in {unit} since 1970")
    step = float(np.median([(s.max() - s.min()) / (len(s) - 1) for s in stamps]))
    fits = [
        u
        for u, seconds in _EPOCHS.items()
        if step > 0 and _RATES[0] <= 1 / (step * seconds) <= _RATES[1]
    ]
    if not fits:
        return Guess(None, f"a step of {step:.6g} is no rate of an IMU in any unit", False)
    return Guess(
        fits[0], f"a step of {step:.4g} is {1 / (step * _EPOCHS[fits[0]]):.4g} Hz in {fits[0]}"
    )


def rate(seconds: list[np.ndarray]) -> Guess:
    """Rate in Hz: samples by the time that they took, median over files."""
    rates = [(len(s) - 1) / np.ptp(s) for s in seconds if len(s) > 4 and np.ptp(s) > 0]
    if not rates:
        return Guess(None, "no stamps", False)
    found = float(np.median(rates))
    spread = float(np.ptp(rates)) / found
    return Guess(
        round(found, 2), f"samples by time, {len(rates)} files that differ by {spread:.1%}"
    )


def in_bursts(seconds: list[np.ndarray]) -> bool:
    """Whether stamps are when samples were delivered and not when taken: a late one is caught up.

    Then steps vary, and a long one is followed by short ones.
    """
    told = []
    for s in seconds:
        steps = np.diff(s[np.isfinite(s)])
        if len(steps) > 50 and steps.mean() > 0:
            off = np.clip(steps / np.median(steps[steps > 0]), 0, 3)
            off = off - off.mean()
            spread = float(off.std())
            next_ = float((off[1:] * off[:-1]).mean()) / max(spread**2, 1e-12)
            told.append(spread > _UNEVEN and next_ < _CAUGHT_UP)
    return bool(told) and sum(told) > len(told) / 2


def still_size(accel: list[np.ndarray]) -> float:
    """Size of the acceleration in the calmest tenth of windows, over all files.

    Parameters
    ----------
    accel : list of np.ndarray
        (N, 3) of each file.
    """
    sizes, spreads = [], []
    for values in accel:
        values = values[np.isfinite(values).all(axis=1)]
        width = max(8, len(values) // 60)
        whole = len(values) // width * width
        if not whole:
            continue
        blocks = values[:whole].reshape(-1, width, 3)
        sizes.append(np.linalg.norm(blocks.mean(axis=1), axis=1))
        spreads.append(blocks.std(axis=1).sum(axis=1))
    if not sizes:
        return float("nan")
    size, spread = np.concatenate(sizes), np.concatenate(spreads)
    calm = spread <= np.quantile(spread, 0.1)
    return float(np.median(size[calm]))


def accel_unit(accel: list[np.ndarray]) -> Guess:
    """Unit of an accelerometer, by gravity; a number is m/s2 of one count."""
    size = still_size(accel)
    for unit, gravity in _UNITS:
        if abs(size / gravity - 1) <= _NEAR:
            return Guess(unit, f"it is {size:.4g} when still, which is gravity in {unit}")
    whole = all(bool((values == np.round(values)).all()) for values in accel if len(values))
    if whole and size > 20:
        power = 2 ** round(np.log2(size))
        counts = float(power) if abs(size / power - 1) <= 0.1 else size
        why = (
            f"whole numbers that are {size:.4g} when still: {counts:.4g} counts to 1 g, by gravity"
        )
        return Guess(round(GRAVITY / counts, 8), why, False)
    if size < 0.3:
        return Guess(
            None, f"it is {size:.3g} when still: gravity is taken away or not there", False
        )
    return Guess(None, f"it is {size:.4g} when still, which is gravity in no usual unit", False)


def _turns(
    time_s: np.ndarray, accel: np.ndarray, gyro: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each pair of blocks: how gravity moved in the sensor's axes, and turn and gravity.

    Parameters
    ----------
    time_s : np.ndarray
        (N,) s, increasing.
    accel, gyro : np.ndarray
        (N, 3).
    """
    block = np.floor((time_s - time_s[0]) / _BLOCK_S).astype(np.int64)
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    sizes = np.diff(starts, append=len(time_s))[:, None]
    down = np.add.reduceat(accel, starts, axis=0) / sizes
    rates = np.add.reduceat(gyro, starts, axis=0) / sizes
    down /= np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-9)
    step = np.diff(block[starts])
    moved = down[1:] - down[:-1]
    use = (step == 1) & (np.linalg.norm(moved, axis=1) > _TURN_RAD)
    use &= np.linalg.norm(moved, axis=1) < 1.0
    turn = (rates[1:] + rates[:-1]) / 2 * _BLOCK_S
    return moved[use], np.stack([turn[use], (down[1:] + down[:-1])[use] / 2], axis=1)


def turn_ratio(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[float, float, int]:
    """How far the gyroscope turns for each radian that gravity turns.

    Parameters
    ----------
    parts : list of tuple
        Times (N,), acceleration and angular rates (N, 3) of each file.

    Returns
    -------
    ratio : float
        1 in rad/s, 57.3 in deg/s; negative where axes are the other way round.
    agreement : float
        Correlation of both, 1 where the axes go together.
    blocks : int
        How many turned.
    """
    moved, both = all_turns(parts)
    if len(moved) < LEAST:
        return float("nan"), 0.0, len(moved)
    seen = -np.cross(both[:, 0], both[:, 1])
    dot = float((seen * moved).sum())
    norms = float(np.linalg.norm(seen) * np.linalg.norm(moved))
    return float((seen**2).sum()) / dot if dot else np.inf, dot / max(norms, 1e-12), len(moved)


def all_turns(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """The same of all files, one behind the other."""
    found = [_turns(*part) for part in parts if len(part[0]) > 20]
    if not found:
        return np.empty((0, 3)), np.empty((0, 2, 3))
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def gyro_unit(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Guess:
    """Unit of a gyroscope: by how gravity turns, then by range; a number is rad/s a count."""
    values = np.concatenate([gyro for _, _, gyro in parts]) if parts else np.empty((0, 3))
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values) or not values.any():
        return Guess(None, "it is 0 throughout", False)
    ratio, agreement, blocks = turn_ratio(parts)
    whole = bool((values == np.round(values)).all())
    top = float(np.percentile(np.abs(values), 99.9))
    if agreement > 0.5 and np.isfinite(ratio):
        why = f"it turns {ratio:.3g} for each radian that gravity turns"
        why += f" ({blocks} times, {agreement:.2f})"
        if whole and ratio > 150:
            return Guess(
                round(1 / ratio, 8), f"counts: {why}; its data sheet has the true number", False
            )
        if 0.6 < ratio < 1.7:
            return Guess("rad/s", why)
        if 34 < ratio < 97:
            return Guess("deg/s", why)
        return Guess(None, f"{why}, which is neither rad/s nor deg/s", False)
    if whole:
        return Guess(None, "whole numbers, and no clock or turn that tells what one is", False)
    if top > _FAST_DEG:
        return Guess("deg/s", f"it reaches {top:.4g}, which no body does in rad/s")
    swing = np.concatenate([np.ptp(np.percentile(np.linalg.norm(a, axis=1), [5, 95]), keepdims=True)
                            / max(float(np.median(np.linalg.norm(a, axis=1))), 1e-9)
                            for _, a, _ in parts if len(a)])  # fmt: skip
    if float(np.median(swing)) > _MOVES and top < _SLOW_DEG:
        moves = float(np.median(swing))
        why = f"it moves by {moves:.1f} g and turns by {top:.3g} at most: no body in deg/s"
        return Guess("rad/s", why)
    return Guess(
        "rad/s", f"it reaches {top:.3g} and gravity hardly turns with it: it may be deg/s", False
    )
