"""Pieces of SisFall's trials whose order is documented: sit down, stay seated, stand up, and so on.

A trial of D07 is one text of three movements; cut at the two bursts of movement that it has to
hold, it is three takes of one movement each. Trials with other bursts than documented give none.
"""

from dataclasses import replace

import numpy as np

from aura.datasets.base import Recording, Skip, Text
from aura.signals.bursts import activity, around_two, bursts

TEXTS = {
    "standing": "standing still",
    "sitting-down": "sitting down on a chair",
    "seated": "sitting still on a chair",
    "standing-up": "standing up from a chair",
    "lying-down": "lying down on a bed",
    "lying": "lying still on a bed",
    "sitting-up": "sitting up from lying",
    "on-the-floor": "lying still on the floor after a fall",
}
_CHAIR = ("standing", "sitting-down", "seated", "standing-up")
_BED = ("lying-down", "lying", "sitting-up")
_OF_CODE = {
    **dict.fromkeys(("D07", "D08", "D09", "D10"), _CHAIR),
    **dict.fromkeys(("D12", "D13"), _BED),
}
_MARGIN_S, _REST_S, _SHORTEST_S = 0.24, 0.48, 0.8


def phases_of(code: str) -> tuple[str, ...]:
    """Names of the phases that a trial of this code may hold, keys of `TEXTS`."""
    return ("on-the-floor",) if code.startswith("F") else _OF_CODE.get(code, ())


def spans(code: str, imu: np.ndarray, rate_hz: float) -> dict[str, tuple[float, float]]:
    """Begin and end of each phase, s; none where the bursts are not as documented.

    Parameters
    ----------
    code : str
        Of the activity, "D07".
    imu : np.ndarray
        (N, 6) m/s2 and rad/s, of the whole trial.
    rate_hz : float
        Samples a second.
    """
    level = activity(imu, rate_hz)
    moves = bursts(level, rate_hz) / rate_hz
    end_s = len(imu) / rate_hz
    found: dict[str, tuple[float, float]] = {}
    if code.startswith("F") and len(moves):
        peaks = [level[int(a * rate_hz) : int(b * rate_hz)].max() for a, b in moves]
        if int(np.argmax(peaks)) == len(moves) - 1:  # nobody gets up again
            found["on-the-floor"] = (moves[-1, 1] + _REST_S, end_s)
    elif code in _OF_CODE and len(moves) == 2:
        names = "standing", *_OF_CODE[code][-3:]
        found = dict(zip(names, around_two(moves, end_s, _MARGIN_S), strict=True))
    known = phases_of(code)
    return {n: (a, b) for n, (a, b) in found.items() if n in known and b - a >= _SHORTEST_S}


def cut(recording: Recording, code: str, phase: str, rate_hz: float) -> Recording:
    """The recording of a phase alone, on a clock of its own; without it, one without samples."""
    span = spans(code, recording.imu, rate_hz).get(phase)
    begin, end = span or (0.0, 0.0)
    inside = (recording.imu_s >= begin) & (recording.imu_s < end)
    skips = () if span else (Skip("phase is not as documented", f"{code} {phase}", "imu"),)
    return replace(
        recording,
        duration_s=end - begin,
        imu_s=recording.imu_s[inside] - begin,
        imu=recording.imu[inside],
        imu_ok=recording.imu_ok[inside],
        imu_saturated=recording.imu_saturated[inside],
        texts=(Text(TEXTS[phase], 0.0, "phase", end - begin),) if span else (),
        skips=(*recording.skips, *skips),
    )
