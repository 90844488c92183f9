"""feed: batches of windows for training, beside a copy of the same bytes and other loaders.

A call gathers many batches, one after the other, from windows far larger than the caches. On a GPU
the signals lie there, and a batch is moved there as training does.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from aura import config
from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.learning import training
from aura.learning.batches import Batch, Windows
from aura.schema import IMU_CHANNELS, JOINTS, MODALITIES
from bench import peers
from bench.measure import Baseline, Row, Setup, require
from bench.products import synchronize

_BATCH, _DIM, _CAPTIONS = 128, 512, 200
_WINDOW_S, _STRIDE_S, _TAKE_S = 5, 2.5, 300
_FIELDS = ("imu", "imu_valid", "mocap", "mocap_valid", "video", "text")
Batches = list[np.ndarray]


def rows(setup: Setup) -> Iterator[Row]:
    """Random windows of a data set in batches of 128."""
    size = setup.size(_BATCH, 4)
    windows = synthetic_windows(setup.size(40, 2), setup.size(_TAKE_S, 25))
    rng = np.random.default_rng(0)
    batches = np.array_split(rng.permutation(len(windows)), max(1, len(windows) // size))
    subset = batches[: setup.size(4, 1)]
    device = torch.device(setup.device)
    device_windows = windows.to(device)
    copy, batch_bytes = _copies(device_windows, batches, device)
    part = len(subset) / len(batches)
    loaders = []
    if device.type == "cpu":
        loader = partial(_run_loader, _WindowDataset(windows), subset)
        table = _run_datasets(setup, windows, subset)
        by_hand = partial(_run_loader, _SlicedDataset(windows), subset)
        loaders = [
            Baseline("DataLoader, item by item", "peer", loader, 50.0, part),
            Baseline("DataLoader, items cut by hand", "peer", by_hand, None, part),
            Baseline("Hugging Face datasets", "peer", table, 2.5, part),
        ]
    yield Row(
        name="feed" + " on the GPU" * (device.type != "cpu"),
        what=f"{len(batches)} batches of {size} windows of {_WINDOW_S} s, all modalities",
        ours=partial(_gather, device_windows, batches, device),
        baselines=[Baseline("copy of the same bytes", "limit", copy, 0.25), *loaders],
        gate=partial(_check, setup, windows, device_windows, subset, device),
        work=float(len(windows)),
        unit="windows",
        notes=(
            f"A batch has {batch_bytes / 1e6:.1f} MB.",
            f"The other loaders do {len(subset)} of the batches, which is counted.",
        ),
    )


def synthetic_windows(takes: int, seconds: int) -> Windows:
    """Windows of noise, with all modalities and two captions each."""
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    starts_s = np.arange(0, seconds - _WINDOW_S + 0.1, _STRIDE_S)
    count, samples = takes * len(starts_s), takes * seconds * IMU_RATE_HZ
    begin_s = (np.arange(takes)[:, None] * seconds + starts_s).ravel()
    take = np.repeat([f"take {i}" for i in range(takes)], len(starts_s))
    frames = _WINDOW_S * MOCAP_RATE_HZ
    all_valid = torch.ones(count, dtype=torch.bool)

    def vectors(number: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(number, _DIM, generator=generator), dim=1)

    return Windows(
        ids=[f"window {i}" for i in range(count)],
        take=take,
        participant=take,
        capture=take,
        split=np.repeat("train", count),
        label=np.full(count, None),
        action=np.full(count, None),
        place=np.full(count, None),
        moment=take,
        imu=torch.randn(samples, len(IMU_CHANNELS), generator=generator),
        imu_valid=torch.rand(samples, generator=generator) < 0.99,
        samples=torch.from_numpy(np.rint(begin_s * IMU_RATE_HZ).astype(np.int64)),
        mocap=torch.randn(count, frames, len(JOINTS), 3, generator=generator),
        mocap_valid=torch.rand(count, frames, len(JOINTS), generator=generator) < 0.99,
        video=vectors(count),
        text=vectors(_CAPTIONS),
        texts=rng.integers(0, _CAPTIONS, (count, 2)).tolist(),
        has=dict.fromkeys(MODALITIES, all_valid),
        window_samples=_WINDOW_S * IMU_RATE_HZ,
        start_s=torch.from_numpy(np.tile(starts_s, takes)),
    )


def _gather(windows: Windows, batches: Batches, device: torch.device) -> None:
    """As training does: random captions, and all of it on the device."""
    rng = np.random.default_rng(0)
    for rows in batches:
        windows.batch(rows, rng).to(device)
    synchronize(device.type)


def _copies(
    windows: Windows, batches: Batches, device: torch.device
) -> tuple[Callable[[], None], int]:
    """A function that copies as many bytes as each batch has; and how many those are."""
    batch = windows.batch(batches[0]).to(device)
    size = sum(t.numel() * t.element_size() for t in batch.tensors().values())
    copies = torch.ones(len(batches), size, dtype=torch.uint8, device=device)

    def run() -> None:
        for row in copies:
            row.clone()
        synchronize(device.type)

    return run, size


class _WindowDataset(Dataset[dict[str, torch.Tensor]]):
    """The windows one at a time, each a batch of one."""

    def __init__(self, windows: Windows) -> None:
        self.windows, self.rng = windows, np.random.default_rng(0)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        batch = self.windows.batch(np.array([row]), self.rng)
        return {name: getattr(batch, name)[0] for name in _FIELDS}


class _SlicedDataset(_WindowDataset):
    """The windows one at a time by the least work there is: slices, and the first caption."""

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        w = self.windows
        start = int(w.samples[row])
        span = slice(start, start + w.window_samples)
        return {
            "imu": w.imu[span],
            "imu_valid": w.imu_valid[span],
            "mocap": w.mocap[row],
            "mocap_valid": w.mocap_valid[row],
            "video": w.video[row],
            "text": w.text[w.texts[row][0]],
        }


def _run_loader(items: _WindowDataset, batches: Batches) -> list[dict[str, torch.Tensor]]:
    """The batches from torch's own loader, in this process, where it is best."""
    return list(DataLoader(items, batch_sampler=[rows.tolist() for rows in batches]))


def _run_datasets(setup: Setup, windows: Windows, batches: Batches) -> Callable[[], object] | str:
    arrays = _window_arrays(windows)
    paths = {name: str(setup.folder / f"{name}.npy") for name in arrays}
    for name, values in arrays.items():
        np.save(paths[name], values)
    return peers.start("hf_datasets", paths=paths, batches=[rows.tolist() for rows in batches])


def _window_arrays(windows: Windows) -> dict[str, np.ndarray]:
    """Every window on its own, which is what a row of a table is."""
    batch = windows.batch(np.arange(len(windows)))
    return {name: getattr(batch, name).numpy() for name in _FIELDS}


def _check(
    setup: Setup, windows: Windows, device_windows: Windows, batches: Batches, device: torch.device
) -> dict[str, str]:
    """The batches are those of the other loader; and what share of a step of training one takes."""
    expected = _run_loader(_SlicedDataset(windows), batches)
    for rows, theirs in zip(batches, expected, strict=True):
        batch = device_windows.batch(rows).to(device)
        for name in _FIELDS[:-1]:
            same = torch.equal(getattr(batch, name).cpu(), theirs[name])
            require(same, f"{name} of a batch differs from the windows one by one.")
        _check_captions(windows, device_windows.batch(rows, np.random.default_rng(0)), rows)
    share = _batch_s(device_windows, batches, device) / _step_s(setup, windows)
    return {"equal to": "the windows one by one", "share of a training step": f"{share:.2%}"}


def _check_captions(windows: Windows, batch: Batch, rows: np.ndarray) -> None:
    for index, row in enumerate(rows):
        caption = int(batch.text_id[index])
        correct = caption in windows.texts[row] and torch.equal(
            batch.text[index].cpu(), windows.text[caption]
        )
        require(correct, "The caption of a window is none of its own.")


def _batch_s(windows: Windows, batches: Batches, device: torch.device) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        _gather(windows, batches, device)
        times.append((time.perf_counter() - begin) / len(batches))
    return float(np.median(times))


def _step_s(setup: Setup, windows: Windows) -> float:
    """Seconds of a step of the joint phase, by epochs of several steps, the first left out."""
    changes: dict[str, Any] = {"batch": setup.size(_BATCH, 4), "device": setup.device}
    settings = _settings().model_copy(update=changes)
    steps = setup.size(4, 1)
    split = windows.split.copy()
    split[steps * settings.batch :] = "none"
    subset = replace(windows, split=split)
    torch.manual_seed(0)
    shape = windows.shape
    model = training.Model(shape, settings.imu_encoder, settings.mocap_encoder, settings.loss)
    training.fit_scale(model, subset, subset.rows("train"))
    epoch_ends: list[float] = []
    phase = settings.joint.model_copy(update={"epochs": setup.size(3, 2)})
    training.train_phase(
        model,
        subset,
        phase,
        settings,
        0,
        lambda _: epoch_ends.append(time.perf_counter()),
        select=False,
    )
    return (epoch_ends[-1] - epoch_ends[0]) / (len(epoch_ends) - 1) / steps


def _settings() -> config.Train:
    """Those of params.yaml."""
    return config.load(Path("params.yaml")).train
