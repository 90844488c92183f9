"""What of a recording can be used: the checks that hold for every adapter, before resampling."""

from dataclasses import replace

import numpy as np

from aura.config import Resample
from aura.datasets.base import Recording, Skip, empty_imu, empty_mocap
from aura.signals.clock import overlapped, repeated
from aura.signals.imu import Cleaned, clean
from aura.signals.lost import mask_lost
from aura.signals.units import Suspicion, cured, suspect_imu, suspect_mocap


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
        nothing = Cleaned(times, values, cleaned.dropped, np.empty(0, np.int64))
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
