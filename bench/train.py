"""train: a step beside its own matrix products, and an epoch beside its steps."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from aura import config
from aura.learning import training
from aura.learning.batches import Windows
from bench.loops import make_loop, make_model
from bench.measure import Baseline, Row, Setup, require
from bench.noise import DIM, random_windows
from bench.products import record_matmuls, replay, synchronize

_HEADS, _STEPS, _MAX_DIFFERENCE = 8, 3, 1e-3
_PAIRS = [("imu", "text"), ("imu", "video")]
_AUGMENT = config.Augment(rotation_deg=45, scale=0.2, jitter=0.05)
# Width and layers, windows a step on a CPU, least share of the matrix products' speed.
_SIZES = ((256, 4, 128, 0.65), (512, 8, 64, 0.75))
_GPU_BATCH = 1024  # windows a step


def rows(setup: Setup) -> Iterator[Row]:
    """A step of two sizes, and an epoch of the smaller one."""
    for width, layers, batch, target in _SIZES:
        yield _step_row(setup, width, layers, batch, target)
    yield _epoch_row(setup)


def make_params(setup: Setup, width: int, layers: int, batch: int, **changes: Any) -> config.Train:
    """Training of an IMU Transformer alone, its patches those of the default."""
    size = {"width": setup.size(width, 32), "layers": setup.size(layers, 2)}
    options = size | {"heads": setup.size(_HEADS, 2)}
    phase = config.Phase(pairs=_PAIRS, epochs=1, learning_rate=1e-3)
    return config.Train(
        imu=phase,
        joint=phase,
        imu_encoder=config.Encoder(name="imu-transformer", options=options),
        mocap_encoder=config.Encoder(name="mocap-transformer", options={"layers": 1}),
        batch=batch,
        precision="bf16",
        device="cpu" if setup.device == "cpu" else "cuda",
    ).model_copy(update=changes)


def _step_row(setup: Setup, width: int, layers: int, batch: int, target: float) -> Row:
    on_cpu = setup.device == "cpu"
    batch = setup.size(batch if on_cpu else _GPU_BATCH, 64)
    windows = random_windows(2 * batch, DIM)
    params = make_params(setup, width, layers, batch)
    loop = make_loop(params, windows)
    tokens = loop.model.imu.trunk.positions.numel() + 1

    def step(training_loop: Any) -> Callable[[], None]:
        def run() -> None:
            training_loop.step()
            synchronize(setup.device)

        return run

    return Row(
        name=f"train.step.d{width}x{layers}",
        what=f"A step of {batch} windows, IMU Transformer of {layers} layers, {width} wide, "
        f"{tokens} tokens, bf16",
        ours=step(loop),
        baselines=[
            Baseline("its matrix products, bf16", "limit",
                     replay(record_matmuls(loop.step), setup.device), target if on_cpu else None),
            Baseline("nn.TransformerEncoder, bf16", "peer",
                     step(make_loop(params, windows, standard=True)), 1.8 if on_cpu else None),
            Baseline("the same in fp32", "peer",
                     step(make_loop(params.model_copy(update={"precision": "fp32"}), windows))),
            *([] if on_cpu else [_compiled(params, windows, step)]),
        ],
        gate=partial(_near_fp32, params, windows),
        work=batch,
        unit="windows",
        notes=["feed and augmentation included; dropout 0.1"],
    )  # fmt: skip


def _compiled(
    params: config.Train, windows: Windows, step: Callable[[Any], Callable[[], None]]
) -> Baseline:
    """The same step with `train.compile`."""
    loop = make_loop(params.model_copy(update={"compile": True}), windows)
    return Baseline("the same with train.compile", "peer", step(loop))


def _near_fp32(params: config.Train, windows: Windows) -> dict[str, str]:
    """The losses of some steps, without dropout, whose masks bf16 draws otherwise."""
    losses = {}
    for precision in ("fp32", "bf16"):
        encoder = params.imu_encoder.model_copy(update={"dropout": 0.0})
        changed = params.model_copy(update={"precision": precision, "imu_encoder": encoder})
        loop = make_loop(changed, windows)
        for _ in range(_STEPS):
            loop.step()
        losses[precision] = np.array(loop.losses)
    difference = float(np.abs(losses["fp32"] - losses["bf16"]).max())
    require(difference <= _MAX_DIFFERENCE, f"A loss in bf16 is {difference:.1e} from that in fp32.")
    return {f"loss off fp32 in {_STEPS} steps, at most": f"{difference:.1e}"}


def _epoch_row(setup: Setup) -> Row:
    width, layers, batch, _ = _SIZES[0]
    on_cpu = setup.device == "cpu"
    batch = setup.size(batch if on_cpu else _GPU_BATCH, 8)
    steps, steps_alone = setup.size(20 if on_cpu else 60, 2), setup.size(4, 1)
    windows = random_windows(steps * batch, DIM)
    params = make_params(setup, width, layers, batch, augment=_AUGMENT)
    files = training.Files(setup.folder / "checkpoint.pt", setup.folder / "bad.safetensors")
    model, curve = make_model(params, windows), []

    def log(figures: training.Metrics) -> None:
        curve.append(figures)
        with (setup.folder / "curve.jsonl").open("a") as file:
            file.write(json.dumps(figures) + "\n")

    def epoch() -> None:
        files.checkpoint.unlink(missing_ok=True)
        training.train_phase(model, windows, params.imu, params, 0, log, select=False, files=files)

    def gate() -> dict[str, str]:
        epoch()
        require(files.checkpoint.is_file(), "The epoch left no checkpoint.")
        require(np.isfinite(curve[-1]["loss"]), f"The loss is {curve[-1]['loss']}.")
        return {"loss": f"{curve[-1]['loss']:.3f}", "checkpoint": "written"}

    loop = make_loop(params, windows)
    views = loop.feed.views(0, 0)

    def learn() -> None:
        for _ in range(steps_alone):
            loop.learn(views)

    target = 0.98 if on_cpu else None
    baselines = [
        Baseline("its steps alone, on one batch", "limit", learn, target, steps_alone / steps)
    ]
    if on_cpu:
        # Imported here: it needs PyAV and ffmpeg, which a machine with a GPU may lack.
        from bench.decoding import decode_every_step

        baselines.append(decode_every_step(setup, params, len(windows)))
    return Row(
        name="train.epoch",
        what=f"{steps} steps of {batch} windows through the loop: feed, rotation, gain and jitter, "
        "step, curve, checkpoint",
        ours=epoch,
        baselines=baselines,
        gate=gate,
        work=len(windows),
        unit="windows",
        rounds=3,
    )
