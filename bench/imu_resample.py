"""imu.resample: raw IMU samples to 200 Hz, beside interpolation and filters that assume a rate.

Stamps jitter by 2 % of the period and have gaps. The gate measures tones, as decibels of the error
beside the tone itself, with the same function.
"""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from aura.config import IMU_RATE_HZ
from aura.signals.imu import resample_imu
from bench import peers
from bench.measure import Baseline, Row, Setup, require

_JITTER_S = 20e-6
_RIPPLE_DB, _ALIAS_DB, _ERROR_DB = 0.01, -84.0, -85.0
_WINDOW_S, _STRIDE_S = 5.0, 2.5
# Least ratios hoped for: np.interp, resample_poly, IMU2CLIP's; plain and compiled.
_TARGETS = {False: (0.3, 1.0, 2.5), True: (1.0, 1.0, 7.0)}


def rows(setup: Setup) -> Iterator[Row]:
    """Each rate of an Aria's two IMUs, plain, and compiled where numba is there."""
    for rate in (1000, 800):
        for compiled in (False, True):
            if compiled and not find_spec("numba"):
                continue
            yield _row(setup, rate, compiled)


def _row(setup: Setup, rate: int, compiled: bool) -> Row:
    seconds = setup.size(600, 20)
    times = stamps(rate, seconds)
    values = np.random.default_rng(1).normal(size=(len(times), 6)).astype(np.float32)
    file = setup.folder / f"imu-{rate}.npy"
    np.save(file, values)
    grid = np.arange(seconds * IMU_RATE_HZ) / IMU_RATE_HZ
    window = peers.start(
        "imu2clip_windows",
        values=str(file),
        rate_hz=rate,
        window_s=_WINDOW_S,
        stride_s=_STRIDE_S,
        threads=1,
    )
    linear, poly, per_window = _TARGETS[compiled]
    return Row(
        name=f"imu.resample {rate} Hz" + ", compiled" * compiled,
        what=f"{rate} to {IMU_RATE_HZ} Hz by true stamps, 6 channels, {seconds} s, with gaps",
        ours=partial(resample_imu, times, values, float(seconds), compiled=compiled),
        baselines=[
            Baseline(
                "np.interp, no filter",
                "peer",
                lambda: np.stack([np.interp(grid, times, values[:, c]) for c in range(6)], axis=1),
                linear,
            ),
            Baseline(
                "scipy resample_poly, by index",
                "peer",
                lambda: resample_poly(values, 1, rate // IMU_RATE_HZ, axis=0),
                poly,
            ),
            Baseline("IMU2CLIP, per window", "peer", window, per_window),
        ],
        gate=partial(quality, rate, partial(resample_imu, compiled=compiled)),
        work=float(seconds),
        unit="s of recording",
        notes=("All of them run in one thread; the peers do not know of stamps but np.interp.",),
    )


def stamps(
    rate: int, seconds: float, phase: float = 0.3, drift: float = 2e-5, gaps: bool = True
) -> np.ndarray:
    """Stamps in s of a sensor that jitters, drifts against the clock, and may pause each minute.

    It starts `phase` periods beside the clock's own grid.
    """
    rng = np.random.default_rng(0)
    times = (np.arange(int(rate * (seconds + 1))) + phase) / rate / (1 + drift) - 0.5
    times += rng.uniform(-_JITTER_S, _JITTER_S, len(times)) * np.sqrt(3)
    return times[(times + 40) % 60 > 0.1] if gaps else times


def quality(rate: int, resample: Callable[..., tuple[np.ndarray, np.ndarray]]) -> dict[str, str]:
    """Ripple, aliases, and the error of a 40 Hz tone under jitter and of a 20 Hz one under drift.

    The jittered stamps are those around the grid's points: far between two of them the cubic takes
    some of a 40 Hz tone for itself, which is another thing than jitter and is noted apart.

    Raises
    ------
    AuraError
        One of them is beyond its limit.
    """
    even = np.arange(int(rate * 13)) / rate - 0.5
    gains = [_tone_gain(even, hz, resample) for hz in (5.0, 20.0, 40.0, 60.0, 75.0, 79.0)]
    high = (120.0, 130.0, 150.0, 170.0, 190.0, 210.0, 275.0, 310.0, 0.45 * rate)
    exact, between = (stamps(rate, 30, phase, 0.0, gaps=False) for phase in (0.0, 0.5))
    measured = {
        "ripple": (max(abs(20 * np.log10(gain)) for gain in gains), _RIPPLE_DB),
        "alias": (max(_decibels(_resample_tone(even, hz, resample)[0]) for hz in high), _ALIAS_DB),
        "jitter": (_tone_error(exact, 40.0, resample), _ERROR_DB),
        "drift": (_tone_error(stamps(rate, 30, 0.3, 5e-4, gaps=False), 20.0, resample), _ERROR_DB),
    }
    for name, (decibels, limit) in measured.items():
        require(bool(decibels <= limit), f"{name} is {decibels:.3f} dB, and {limit} dB is allowed.")
    report = {name: f"{decibels:.3f} dB" for name, (decibels, _) in measured.items()}
    return report | {
        "40 Hz half way between samples": f"{_tone_error(between, 40.0, resample):.1f} dB"
    }


def _resample_tone(times: np.ndarray, hz: float, resample: Any) -> tuple[np.ndarray, np.ndarray]:
    """Valid samples of a tone that was resampled, and when they are, s."""
    tone = np.repeat(np.sin(2 * np.pi * hz * times)[:, None], 6, axis=1).astype(np.float32)
    signal, valid = resample(times, tone, np.floor(times[-1]))
    return signal[valid, 0].astype(float), np.flatnonzero(valid) / IMU_RATE_HZ


def _tone_gain(times: np.ndarray, hz: float, resample: Any) -> float:
    """Amplitude that is left of a tone, by least squares."""
    signal, at_s = _resample_tone(times, hz, resample)
    angle = 2 * np.pi * hz * at_s
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return float(np.linalg.norm(np.linalg.lstsq(basis, signal, rcond=None)[0]))


def _tone_error(times: np.ndarray, hz: float, resample: Any) -> float:
    signal, at_s = _resample_tone(times, hz, resample)
    return _decibels(signal - np.sin(2 * np.pi * hz * at_s))


def _decibels(signal: np.ndarray) -> float:
    """Root mean square beside that of a tone of amplitude 1."""
    return float(20 * np.log10(np.sqrt(2) * np.sqrt(np.mean(np.square(signal))) + 1e-12))
