"""A user's arrays, checked, and brought to the rates of the encoders by the pipeline's own code."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Resample
from aura.errors import AuraError
from aura.schema import IMU_CHANNELS, JOINTS
from aura.signals.imu import resample_imu, resample_mocap
from aura.signals.published import decimate_imu, pick_mocap

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
RATES = {"imu": IMU_RATE_HZ, "mocap": MOCAP_RATE_HZ}
CHANNELS = len(IMU_CHANNELS)
_LAYOUTS = {"imu": "(N, 6, T) or (6, T)", "mocap": "(N, F, 17, 3) or (F, 17, 3)"}
_RECORDINGS = {"imu": "(6, T)", "mocap": "(F, 17, 3)"}
_UNIT_SAMPLE = 256  # windows that the check of units looks at


@dataclass(frozen=True)
class Signals:
    """Windows, or recordings, of one modality, with time on the second axis.

    Attributes
    ----------
    modality : str
        "imu" or "mocap".
    values : np.ndarray
        (N, T, 6) or (N, T, 17, 3) float32.
    valid : np.ndarray
        (N, T) or (N, T, 17) bool.
    channels : np.ndarray
        (N, 6) bool, channels that the IMU has.
    """

    modality: str
    values: Floats
    valid: Flags
    channels: Flags

    def __getitem__(self, rows: slice) -> "Signals":
        return Signals(self.modality, self.values[rows], self.valid[rows], self.channels[rows])

    def fit(self, length: int) -> "Signals":
        """Cut or pad time to `length`; what is added is not valid."""

        def resize(x: np.ndarray) -> np.ndarray:
            missing = max(0, length - x.shape[1])
            return np.pad(x[:, :length], [(0, 0), (0, missing)] + [(0, 0)] * (x.ndim - 2))

        return Signals(self.modality, resize(self.values), resize(self.valid), self.channels)


def rate_of(rate_hz: float | None) -> float:
    """The rate in Hz; an `AuraError` where there is none or it is not above 0."""
    if rate_hz is None:
        raise AuraError("Say how many samples a second the signal has: rate_hz=100, for example.")
    if not (isinstance(rate_hz, int | float | np.number) and 0 < float(rate_hz) < math.inf):
        raise AuraError(f"rate_hz is a number of samples a second above 0, not {rate_hz!r}.")
    return float(rate_hz)


def read(
    modality: str, signal: ArrayLike, valid: ArrayLike | None = None, recording: bool = False
) -> Signals:
    """Check arrays; warn by one sentence where their unit looks like another one.

    Parameters
    ----------
    modality : str
        "imu" or "mocap".
    signal : array_like
        IMU (N, 6, T) or (6, T) in m/s2 and rad/s, mocap (N, F, 17, 3) or (F, 17, 3) in metres; NaN
        is not measured.
    valid : array_like, optional
        (N, T) or (T,), for mocap (N, F, 17) or (F, 17), bool; None is all.
    recording : bool
        Only the form without N is right.

    Returns
    -------
    Signals
        The arrays with time on the second axis, and what of them was measured.

    Raises
    ------
    AuraError
        No numbers, another shape, or nothing measured in a window.
    """
    values = _as_float32(signal)
    ndim = 2 if modality == "imu" else 3  # of one recording
    if values.ndim == ndim:
        values = values[None]
    elif recording:
        raise AuraError(_shape_message(modality, _RECORDINGS[modality], values.shape))
    axis = 1 if modality == "imu" else 2
    sample_shape = (CHANNELS,) if modality == "imu" else (len(JOINTS), 3)
    if values.ndim != ndim + 1 or values.shape[axis : axis + len(sample_shape)] != sample_shape:
        layout = _RECORDINGS[modality] if recording else _LAYOUTS[modality]
        raise AuraError(_shape_message(modality, layout, np.shape(signal)))
    if modality == "imu":
        values = values.transpose(0, 2, 1)
    finite = np.isfinite(values)
    ok: Flags = np.ones(values.shape[:2] if modality == "imu" else values.shape[:3], bool)
    if valid is not None:
        flags = np.asarray(valid)
        if flags.shape not in (ok.shape, ok.shape[1:]) or flags.dtype != bool:
            raise AuraError(
                f"valid is of dtype bool and shape {ok.shape}, not {flags.dtype} {flags.shape}."
            )
        ok = np.broadcast_to(flags, ok.shape)
    channels: Flags = np.ones((len(values), CHANNELS), bool)
    if modality == "imu":
        channels = np.asarray((finite & ok[..., None]).any(axis=1))
        ok = ok & (finite | ~channels[:, None]).all(axis=2) & channels.any(axis=1, keepdims=True)
    else:
        ok = ok & finite.all(axis=-1)
    empty = ~ok.any(axis=tuple(range(1, ok.ndim)))
    if empty.any():
        subject = "The recording" if recording else f"Window {int(empty.argmax())}"
        raise AuraError(f"{subject} holds nothing that was measured: all is NaN or not valid.")
    signals = Signals(modality, values, ok, channels)
    for sentence in unit_warnings(signals[:: max(1, len(ok) // _UNIT_SAMPLE)]) if len(ok) else ():
        warnings.warn(sentence, stacklevel=3 if recording else 4)
    return signals


def _as_float32(signal: ArrayLike) -> Floats:
    try:
        return np.asarray(signal, np.float32)
    except (TypeError, ValueError, RuntimeError):
        raise AuraError("A signal is an array of numbers with the same length in each row.") from (
            None
        )


def _shape_message(modality: str, layout: str, shape: tuple[int, ...]) -> str:
    axes = "channels before time" if modality == "imu" else "COCO-17 joints, x y z last"
    return f"A signal of {modality} has shape {layout}, {axes}, not {shape}."


def unit_warnings(signals: Signals) -> list[str]:
    """Sentences on units that cannot be right for a body."""
    values, valid = signals.values, signals.valid
    if signals.modality == "mocap":
        heights = np.where(valid, values[..., 2], np.nan)[valid.any(axis=2)]
        height = float(np.median(np.nanmax(heights, axis=1) - np.nanmin(heights, axis=1)))
        if height <= 5:
            return []
        return [f"A median pose is {height:.0f} high; joints are expected in metres with z up."]
    sentences = []
    accel = signals.channels[:, :3].all(axis=1)
    gyro = signals.channels[:, 3:].all(axis=1)
    if accel.any():
        gravity = float(np.median(np.linalg.norm(values[accel][valid[accel]][:, :3], axis=1)))
        if 0.5 < gravity < 2:
            sentences.append(
                f"The median acceleration is {gravity:.2f}, which looks like g; "
                "m/s2 with gravity are expected (1 g is 9.80665 m/s2)."
            )
        elif not 3 < gravity < 50:
            sentences.append(
                f"The median acceleration is {gravity:.3g}, which is not that of a body in m/s2; "
                "m/s2 with gravity are expected."
            )
    if gyro.any():
        spin = float(np.percentile(np.abs(values[gyro][valid[gyro]][:, 3:]), 95))
        if spin > 35:  # 2000 degrees a second, the end of a common gyroscope's range
            sentences.append(
                f"A twentieth of the angular rates are above {spin:.0f}, which looks like degrees; "
                "rad/s are expected."
            )
    return sentences


def resample(signals: Signals, rate: float, recipe: Resample) -> Signals:
    """Uniform samples at `rate` Hz to the encoder's rate, from time 0, zeros where not valid."""
    if signals.modality == "imu":
        return _resample_imu(signals, rate, recipe)
    count, frames, joints, _ = signals.values.shape
    # All windows at once, as joints of one.
    flat = np.where(signals.valid[..., None], signals.values, np.float32(np.nan))
    flat = flat.transpose(1, 0, 2, 3).reshape(frames, -1, 3)
    duration_s = frames / rate
    if recipe.clock == "authors":
        values, valid = pick_mocap(np.arange(frames), flat, duration_s, rate)
    else:
        gap_s = recipe.mocap_gap_ms / 1000
        values, valid = resample_mocap(np.arange(frames) / rate, flat, duration_s, gap_s)
    values = values.reshape(len(values), count, joints, 3).transpose(1, 0, 2, 3)
    valid = valid.reshape(len(valid), count, joints).transpose(1, 0, 2)
    return Signals("mocap", values, valid, signals.channels)


def _resample_imu(signals: Signals, rate: float, recipe: Resample) -> Signals:
    count, samples, _ = signals.values.shape
    filled = np.where(signals.channels[:, None], signals.values, np.float32(0))
    times, duration_s = np.arange(samples) / rate, samples / rate
    length = round(duration_s * IMU_RATE_HZ)
    out, valid = np.zeros((count, length, CHANNELS), np.float32), np.zeros((count, length), bool)
    # Windows with the same samples measured go together, as more channels of one.
    groups: dict[bytes, list[int]] = {}
    for row, flags in enumerate(np.packbits(signals.valid, axis=1)):
        groups.setdefault(flags.tobytes(), []).append(row)
    for rows in groups.values():
        measured = signals.valid[rows[0]]
        flat = filled[rows].transpose(1, 0, 2).reshape(samples, -1)
        if recipe.clock == "authors":
            values, ok = decimate_imu(times, flat, duration_s)
        else:
            gap_s = recipe.gap_ms / 1000
            values, ok = resample_imu(times[measured], flat[measured], duration_s, gap_s)
        out[rows] = values.reshape(length, len(rows), CHANNELS).transpose(1, 0, 2)
        valid[rows] = ok
    return Signals("imu", out, valid, signals.channels)
