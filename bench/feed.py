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
from bench.measure import Rival, Row, Scene, require
from bench.products import finish

_BATCH, _DIM, _CAPTIONS = 128, 512, 200
_WINDOW_S, _STRIDE_S, _TAKE_S = 5, 2.5, 300
_LOADED = ("imu", "imu_valid", "mocap", "mocap_valid", "video", "text")
Deal = list[np.ndarray]


def rows(scene: Scene) -> Iterator[Row]:
    """Random windows of a data set in batches of 128."""
    size = scene.size(_BATCH, 4)
    windows = made_up(scene.size(40, 2), scene.size(_TAKE_S, 25))
    rng = np.random.default_rng(0)
    dealt = np.array_split(rng.permutation(len(windows)), max(1, len(windows) // size))
    few = dealt[: scene.size(4, 1)]
    device = torch.device(scene.device)
    there = windows.to(device)
    copy, copied = _copies(there, dealt, device)
    part = len(few) / len(dealt)
    others = []
    if device.type == "cpu":
        loader, table = partial(_load, _Ones(windows), few), _datasets(scene, windows, few)
        by_hand = partial(_load, _Slices(windows), few)
        others = [
            Rival("DataLoader, item by item", "peer", loader, 50.0, part),
            Rival("DataLoader, items cut by hand", "peer", by_hand, None, part),
            Rival("Hugging Face datasets", "peer", table, 2.5, part),
        ]
    yield Row(
        name="feed" + " on the GPU" * (device.type != "cpu"),
        what=f"{len(dealt)} batches of {size} windows of {_WINDOW_S} s, all modalities",
        ours=partial(_gather, there, dealt, device),
        rivals=[Rival("copy of the same bytes", "limit", copy, 0.25), *others],
        gate=partial(_check, scene, windows, there, few, device),
        work=float(len(windows)),
        unit="windows",
        notes=(
            f"A batch has {copied / 1e6:.1f} MB.",
            f"The other loaders do {len(few)} of the batches, which is counted.",
        ),
    )


def made_up(takes: int, seconds: int) -> Windows:
    """Windows of noise, with all modalities and two captions each."""
    rng, of = np.random.default_rng(0), torch.Generator().manual_seed(0)
    inside = np.arange(0, seconds - _WINDOW_S + 0.1, _STRIDE_S)
    count, samples = takes * len(inside), takes * seconds * IMU_RATE_HZ
    begin_s = (np.arange(takes)[:, None] * seconds + inside).ravel()
    take = np.repeat([f"take {i}" for i in range(takes)], len(inside))
    frames = _WINDOW_S * MOCAP_RATE_HZ
    everywhere = torch.ones(count, dtype=torch.bool)

    def vectors(number: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(number, _DIM, generator=of), dim=1)

    return Windows(
        ids=[f"window {i}" for i in range(count)],
        take=take,
        participant=take,
        capture=take,
        split=np.repeat("train", count),
        label=np.full(count, None),
        action=np.full(count, None),
        imu=torch.randn(samples, len(IMU_CHANNELS), generator=of),
        imu_valid=torch.rand(samples, generator=of) < 0.99,
        samples=torch.from_numpy(np.rint(begin_s * IMU_RATE_HZ).astype(np.int64)),
        mocap=torch.randn(count, frames, len(JOINTS), 3, generator=of),
        mocap_valid=torch.rand(count, frames, len(JOINTS), generator=of) < 0.99,
        video=vectors(count),
        text=vectors(_CAPTIONS),
        texts=rng.integers(0, _CAPTIONS, (count, 2)).tolist(),
        has=dict.fromkeys(MODALITIES, everywhere),
        window_samples=_WINDOW_S * IMU_RATE_HZ,
        start_s=torch.from_numpy(np.tile(inside, takes)),
    )


def _gather(windows: Windows, dealt: Deal, device: torch.device) -> None:
    """As training does: random captions, and all of it on the device."""
    rng = np.random.default_rng(0)
    for rows in dealt:
        windows.batch(rows, rng).to(device)
    finish(device.type)


def _copies(windows: Windows, dealt: Deal, device: torch.device) -> tuple[Callable[[], None], int]:
    """A function that copies as many bytes as each batch has; and how many those are."""
    one = windows.batch(dealt[0]).to(device)
    total = sum(t.numel() * t.element_size() for t in one.tensors().values())
    there = torch.ones(len(dealt), total, dtype=torch.uint8, device=device)

    def run() -> None:
        for batch in there:
            batch.clone()
        finish(device.type)

    return run, total


class _Ones(Dataset[dict[str, torch.Tensor]]):
    """The windows one at a time, each a batch of one."""

    def __init__(self, windows: Windows) -> None:
        self.windows, self.rng = windows, np.random.default_rng(0)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        batch = self.windows.batch(np.array([row]), self.rng)
        return {name: getattr(batch, name)[0] for name in _LOADED}


class _Slices(_Ones):
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


def _load(items: _Ones, dealt: Deal) -> list[dict[str, torch.Tensor]]:
    """The batches from torch's own loader, in this process, where it is best."""
    return list(DataLoader(items, batch_sampler=[rows.tolist() for rows in dealt]))


def _datasets(scene: Scene, windows: Windows, dealt: Deal) -> Callable[[], object] | str:
    arrays = _windows_as_arrays(windows)
    paths = {name: str(scene.folder / f"{name}.npy") for name in arrays}
    for name, values in arrays.items():
        np.save(paths[name], values)
    return peers.start("hf_datasets", paths=paths, batches=[rows.tolist() for rows in dealt])


def _windows_as_arrays(windows: Windows) -> dict[str, np.ndarray]:
    """Every window on its own, which is what a row of a table is."""
    batch = windows.batch(np.arange(len(windows)))
    return {name: getattr(batch, name).numpy() for name in _LOADED}


def _check(
    scene: Scene, windows: Windows, there: Windows, dealt: Deal, device: torch.device
) -> dict[str, str]:
    """The batches are those of the other loader; and what share of a step of training one takes."""
    slow = _load(_Slices(windows), dealt)
    for rows, theirs in zip(dealt, slow, strict=True):
        batch = there.batch(rows).to(device)
        for name in _LOADED[:-1]:
            same = torch.equal(getattr(batch, name).cpu(), theirs[name])
            require(same, f"{name} of a batch differs from the windows one by one.")
        _check_captions(windows, there.batch(rows, np.random.default_rng(0)), rows)
    share = _batch_s(there, dealt, device) / _step_s(scene, windows)
    return {"equal to": "the windows one by one", "share of a training step": f"{share:.2%}"}


def _check_captions(windows: Windows, batch: Batch, rows: np.ndarray) -> None:
    for place, row in enumerate(rows):
        said = int(batch.text_id[place])
        right = said in windows.texts[row] and torch.equal(
            batch.text[place].cpu(), windows.text[said]
        )
        require(right, "The caption of a window is none of its own.")


def _batch_s(windows: Windows, dealt: Deal, device: torch.device) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        _gather(windows, dealt, device)
        times.append((time.perf_counter() - begin) / len(dealt))
    return float(np.median(times))


def _step_s(scene: Scene, windows: Windows) -> float:
    """Seconds of a step of the joint phase, by epochs of several steps, the first left out."""
    wanted: dict[str, Any] = {"batch": scene.size(_BATCH, 4), "device": scene.device}
    settings = _settings().model_copy(update=wanted)
    steps = scene.size(4, 1)
    some = windows.split.copy()
    some[steps * settings.batch :] = "none"
    fewer = replace(windows, split=some)
    torch.manual_seed(0)
    shape = training.Shape(windows.window_samples, windows.mocap.shape[1], _DIM)
    model = training.Model(shape, settings.imu_encoder, settings.mocap_encoder, settings.loss)
    training.fit_scale(model, fewer, fewer.rows("train"))
    done: list[float] = []
    phase = settings.joint.model_copy(update={"epochs": scene.size(3, 2)})
    training.train_phase(
        model, fewer, phase, settings, 0, lambda _: done.append(time.perf_counter()), select=False
    )
    return (done[-1] - done[0]) / (len(done) - 1) / steps


def _settings() -> config.Train:
    """Those of params.yaml."""
    return config.load(Path("params.yaml")).train
