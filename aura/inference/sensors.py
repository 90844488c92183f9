"""Unit vectors of sensor windows and recordings, resampled and framed as in the pipeline."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Resample, Slice
from aura.errors import AuraError
from aura.inference import recordings
from aura.learning import model as learned
from aura.learning.folder import resampling_of
from aura.report.card import sensors
from aura.schema import IMU_CHANNELS, JOINTS
from aura.signals import inputs
from aura.signals.inputs import RATES, Floats, Signals
from aura.signals.mocap import canonicalize
from aura.signals.windows import starts

BATCH = 256


class SensorEncoders:
    """The sensor encoders of a trained model, and its card."""

    def __init__(self, network: learned.Model, card: Mapping[str, Any]) -> None:
        self.network = network.eval().requires_grad_(False)
        self.card = card
        self.device = next(network.parameters()).device
        self.window_s: float = card["shape"]["samples"] / IMU_RATE_HZ
        self._length = {"imu": card["shape"]["samples"], "mocap": card["shape"]["frames"]}
        self._resample = resampling_of(card)

    @property
    def recipe(self) -> Resample:
        """How signals were resampled for its training."""
        return self._resample

    def encode_imu(
        self, signal: ArrayLike, rate_hz: float | None = None, valid: ArrayLike | None = None
    ) -> Floats:
        """Unit vectors (N, d) of windows of an accelerometer and a gyroscope.

        Parameters
        ----------
        signal : array_like
            (N, 6, T) or (6, T): acceleration x, y, z in m/s2 with gravity, then angular rate x, y,
            z in rad/s. A sample with a NaN is not measured; a channel that is NaN throughout is
            one that the sensor lacks. A shorter signal than the model's window is padded, and the
            padding is not measured.
        rate_hz : float
            Samples a second, any; brought to 200 Hz as in the pipeline. Above 200 Hz the low-pass
            filter takes up to 0.07 s from each end.
        valid : array_like or None
            (N, T) or (T,) bool, sample measured; all of them by default.

        Raises
        ------
        AuraError
            Wrong shapes, no rate, signals longer than the window, or nothing measured in one.
        """
        return self._windows("imu", signal, rate_hz, valid)

    def encode_mocap(
        self, joints: ArrayLike, rate_hz: float | None = None, valid: ArrayLike | None = None
    ) -> Floats:
        """Unit vectors (N, d) of windows of body pose.

        Parameters
        ----------
        joints : array_like
            (N, F, 17, 3) or (F, 17, 3): COCO-17 joints (`aura.schema.JOINTS`) in m, in any frame
            with z up; NaN where a joint is not measured. Place and heading are taken out.
        rate_hz : float
            Frames a second, any; brought to 10 as in the pipeline.
        valid : array_like or None
            (N, F, 17) or (F, 17) bool, joint measured; all of them by default.

        Raises
        ------
        AuraError
            As for `encode_imu`, or the model was trained without mocap.
        """
        return self._windows("mocap", joints, rate_hz, valid)

    def encode_recording(
        self,
        signal: ArrayLike,
        rate_hz: float | None = None,
        modality: str = "imu",
        valid: ArrayLike | None = None,
        stride_s: float = 2.5,
        min_valid: float | None = None,
    ) -> tuple[NDArray[np.float64], Floats]:
        """Windows of a long recording: their starts (N,) in s, and unit vectors (N, d).

        The recording is resampled whole and cut after that, as in the pipeline, so that only its
        own ends are lost. Windows of which too little was measured are left out.

        Parameters
        ----------
        signal : array_like
            (6, T) of an IMU, or (F, 17, 3) of mocap; see `encode_imu` and `encode_mocap`.
        rate_hz : float
            Samples or frames a second.
        modality : {"imu", "mocap"}
            What the recording is of.
        valid : array_like or None
            (T,) or (F, 17) bool, what was measured; all of it by default.
        stride_s : float
            From one window to the next, a multiple of 0.1 s.
        min_valid : float or None
            Share of a window's samples, or joints and frames, that must be measured; by default the
            pipeline's 0.9 of IMU and 0.5 of mocap.
        """
        self._check_trained(modality)
        rate, signals = (
            inputs.rate_of(rate_hz),
            inputs.read(modality, signal, valid, recording=True),
        )
        duration_s = signals.values.shape[1] / rate
        recording = inputs.resample(signals, rate, self._resample)
        return self.encode_resampled(recording, duration_s, stride_s, min_valid)

    def encode_resampled(
        self,
        recording: Signals,
        duration_s: float,
        stride_s: float = 2.5,
        min_valid: float | None = None,
    ) -> tuple[NDArray[np.float64], Floats]:
        """Windows of a recording that is at the encoder's rate: as `encode_recording`.

        Parameters
        ----------
        recording : Signals
            One, at 200 Hz or 10 frames a second.
        duration_s : float
            Its length, s.
        stride_s : float
            From one window to the next.
        min_valid : float or None
            Share that must be measured.
        """
        modality = recording.modality
        self._check_trained(modality)
        if not stride_s * MOCAP_RATE_HZ > 0.5:
            raise AuraError(f"Windows cannot start every {stride_s} s; the least is 0.1 s.")
        length = self._length[modality]
        start_s = starts(duration_s, self.window_s, stride_s, pad_short=True)
        first = np.rint(start_s * RATES[modality]).astype(np.int64)
        share = recordings.valid_share(recording.valid[0], first, length)
        if min_valid is None:
            min_valid = Slice().min_imu_valid if modality == "imu" else Slice().min_mocap_valid
        keep = (share > 0) & (share >= min_valid - 1e-9)
        windows = recordings.cut(recording, first[keep], length, BATCH)
        return start_s[keep], self._encode(modality, windows)

    def _check_trained(self, modality: str) -> None:
        if modality not in RATES:
            raise AuraError(f"A sensor is imu or mocap, not '{modality}'.")
        if modality not in sensors(self.card):
            raise AuraError(f"This model was trained without {modality}; see its card.")

    def _windows(
        self, modality: str, signal: ArrayLike, rate_hz: float | None, valid: ArrayLike | None
    ) -> Floats:
        self._check_trained(modality)
        rate, signals = inputs.rate_of(rate_hz), inputs.read(modality, signal, valid)
        seconds = (signals.values.shape[1] - 1) / rate
        if seconds > self.window_s + 1e-6:
            raise AuraError(
                f"Signals of {seconds:.1f} s are longer than the model's window of "
                f"{self.window_s:g} s; cut them, or give a recording to encode_recording."
            )
        length, count = self._length[modality], len(signals.values)
        batches = (signals[start : start + BATCH] for start in range(0, count, BATCH))
        return self._encode(
            modality,
            (inputs.resample(batch, rate, self._resample).fit(length) for batch in batches),
        )

    @torch.inference_mode()
    def _encode(self, modality: str, batches: Iterable[Signals]) -> Floats:
        encoder = self.network.imu if modality == "imu" else self.network.mocap
        embeddings = [np.empty((0, self.card["shape"]["dim"]), np.float32)]
        for batch in batches:
            values = batch.values
            if modality == "mocap":
                values = canonicalize(values, batch.valid)
            arrays = (values, batch.valid, batch.channels)
            tensors = [torch.from_numpy(np.ascontiguousarray(x)).to(self.device) for x in arrays]
            embeddings.append(encoder(*tensors).float().cpu().numpy())
        return np.concatenate(embeddings)


@torch.inference_mode()
def try_out(network: learned.Model, card: Mapping[str, Any], folder: Path) -> None:
    """Raise an `AuraError` where an encoder does not take a window of the card's sizes."""
    shape, channels = card["shape"], torch.ones(1, len(IMU_CHANNELS), dtype=torch.bool)
    windows = {
        "imu": torch.zeros(1, shape["samples"], len(IMU_CHANNELS)),
        "mocap": torch.zeros(1, shape["frames"], len(JOINTS), 3),
    }
    for modality in sensors(card):
        window, encoder = windows[modality], getattr(network, modality)
        try:
            vector = encoder(window, torch.ones(window.shape[:-1], dtype=torch.bool), channels)
        except Exception as error:  # of sizes that do not go together torch raises anything
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
            raise AuraError(
                f"The {modality} encoder of the model at {folder} cannot be used: {reason}."
            ) from None
        if vector.shape != (1, shape["dim"]) or not torch.isfinite(vector).all():
            raise AuraError(
                f"The {modality} encoder of the model at {folder} gives no vector of "
                f"{shape['dim']} numbers."
            )
