"""What of a recording can be used: the checks that hold for every adapter, before resampling."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from aura.config import Resample
from aura.counts import Ledger
from aura.datasets.base import Recording, Skip, empty_imu, empty_mocap
from aura.signals.clock import overlapped, repeated
from aura.signals.imu import Cleaned, clean
from aura.signals.lost import mask_lost
from aura.signals.published import decimated_rows
from aura.signals.units import Suspicion, cured, suspect_imu, suspect_mocap

REFUSED = "units are refused"


def screen(recording: Recording, name: str, params: Resample) -> tuple[Recording, Cleaned]:
    """Mask what was not measured, and convert or refuse what is in other units.

    Parameters
    ----------
    recording : Recording
        As the adapter read it.
    name : str
        Of its take, for skips.
    params : Resample
        The section `resample` of params.yaml.

    Returns
    -------
    recording : Recording
        With what was found among its `skips` and `counts`; unchanged where nothing was.
    cleaned : Cleaned
        Its IMU samples, in order.
    """
    recording = _without_lost(recording, params.mocap_gap_ms / 1000)
    recording = _without_missing(recording, name)
    cleaned = clean(recording.imu_s, recording.imu, recording.imu_ok, params.gap_ms / 1000)
    imu, mocap = suspect_imu(cleaned.times, cleaned.values), suspect_mocap(recording.mocap)
    skips = [
        *(Skip(_told(found, imu, params), name, "imu") for found in imu),
        *(Skip(_told(found, mocap, params), name, "mocap") for found in mocap),
    ]
    if not skips:
        return recording, cleaned
    recording = replace(recording, skips=(*recording.skips, *skips))
    if _refused(imu, params):
        times, values, ok = empty_imu()
        lost = {REFUSED: len(cleaned.times)} if len(cleaned.times) else {}
        dropped = {**cleaned.dropped, **lost}
        nothing = Cleaned(times, values, dropped, np.empty(0, np.int64), cleaned.noted)
        recording = replace(
            recording, imu_s=times, imu=values, imu_ok=ok, imu_saturated=np.empty(0, bool)
        )
        cleaned = nothing
    elif imu and params.units == "convert":
        recording = replace(recording, imu=cured(recording.imu, imu))
        cleaned = replace(cleaned, values=cured(cleaned.values, imu))
    if _refused(mocap, params):
        times, joints = empty_mocap()
        recording = replace(
            recording, mocap_s=times, mocap=joints, mocap_frame=np.empty(0, np.int64)
        )
    elif mocap and params.units == "convert":
        recording = replace(recording, mocap=cured(recording.mocap, mocap))
    return recording, cleaned


def count_kept(
    ledger: Ledger,
    loaded: Recording,
    screened: Recording,
    cleaned: Cleaned,
    params: Resample,
    left_out: str = "",
) -> None:
    """Count IMU samples and poses of a take: those recorded, those to resample, and the others.

    Parameters
    ----------
    ledger : Ledger
        Of the units `imu_samples` and `poses`.
    loaded : Recording
        As the adapter read it.
    screened, cleaned : Recording, Cleaned
        As `screen` left it.
    params : Resample
        The section `resample` of params.yaml; the clock of the authors cleans no sample.
    left_out : str
        Why the whole take is left out; empty where it is not.
    """
    duration = loaded.duration_s
    ledger.find("imu_samples", len(loaded.imu_s))
    if params.clock == "authors":
        _count_decimated(ledger, loaded, screened, left_out)
    else:
        for reason, count in cleaned.dropped.items():
            ledger.drop("imu_samples", reason, count)
        times = cleaned.times
        _sift(
            ledger, "imu_samples", len(times),
            {_OUTSIDE: (times < 0) | (times >= duration), left_out: np.array(bool(left_out))},
        )  # fmt: skip
    ledger.find("poses", len(loaded.mocap_s))
    if not len(screened.mocap_s):
        ledger.drop("poses", REFUSED, len(loaded.mocap_s))
    times = screened.mocap_s
    _sift(
        ledger, "poses", len(times),
        {
            "no time": ~np.isfinite(times),
            _OUTSIDE: (times < 0) | (times >= duration),
            "no joint measured": ~np.isfinite(screened.mocap).all(axis=2).any(axis=1),
            left_out: np.array(bool(left_out)),
        },
    )  # fmt: skip


_OUTSIDE = "before or after the take"


def _count_decimated(ledger: Ledger, loaded: Recording, screened: Recording, left_out: str) -> None:
    """Count the IMU samples that the published recipe takes."""
    if not len(screened.imu_s):
        ledger.drop("imu_samples", REFUSED, len(loaded.imu_s))
    count = len(screened.imu_s)
    taken = np.zeros(count, bool)
    taken[decimated_rows(screened.imu_s, loaded.duration_s)] = True
    reasons = {"not every n-th sample": ~taken, left_out: np.array(bool(left_out))}
    _sift(ledger, "imu_samples", count, reasons)


def _sift(ledger: Ledger, unit: str, count: int, reasons: Mapping[str, np.ndarray]) -> None:
    """Drop by the first reason whose mask (count,) holds; use the others."""
    left = np.ones(count, bool)
    for reason, mask in reasons.items():
        ledger.drop(unit, reason, int((left & mask).sum()))
        left &= ~np.broadcast_to(mask, count)
    ledger.use(unit, int(left.sum()))


def _refused(found: list[Suspicion], params: Resample) -> bool:
    """Whether a modality is left out: by choice, or because one suspicion has no cure."""
    if params.units == "convert":
        return any(suspicion.matrix is None for suspicion in found)
    return bool(found) and params.units == "refuse"


def _told(suspicion: Suspicion, found: list[Suspicion], params: Resample) -> str:
    done = {"convert": "converted", "refuse": "refused", "keep": "kept as it is"}[params.units]
    return f"{suspicion.what}, {'refused' if _refused(found, params) else done}"


def _without_missing(recording: Recording, name: str) -> Recording:
    """0 in channels that are NaN throughout, which the IMU has not, where it has another."""
    has = np.isfinite(recording.imu).any(axis=0)
    if has.all() or not has.any():
        return recording
    parts = {"accelerometer": has[:3], "gyroscope": has[3:]}
    lacking = [part for part, axes in parts.items() if not axes.any()] or ["value of an axis"]
    return replace(
        recording,
        imu=np.where(has, recording.imu, np.float32(0)),
        imu_channels=has,
        skips=(*recording.skips, Skip(f"IMU has no {lacking[0]}", name, "imu")),
    )


def _without_lost(recording: Recording, gap_s: float) -> Recording:
    """NaN in place of joints that a tracker lost, and of poses whose stamp is that of others."""
    joints, counts = mask_lost(recording.mocap)
    finite = np.flatnonzero(np.isfinite(recording.mocap_s))
    times = recording.mocap_s[finite]
    if (np.diff(times) < 0).any():
        finite = finite[~repeated(times, joints[finite])]
        twice = finite[overlapped(recording.mocap_s[finite], gap_s)]
        if len(twice):
            joints = joints.copy()
            joints[twice] = np.nan
            counts["pose where the clock steps back"] = len(twice)
    if not counts:
        return recording
    total = {k: recording.counts.get(k, 0) + n for k, n in counts.items()}
    return replace(recording, mocap=joints, counts={**recording.counts, **total})
