"""train: a step beside its own matrix products, and an epoch beside its steps."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from aura import config
from aura.learning import training
from aura.learning.batches import Windows
from aura.teacher.identity import DIM
from bench.loops import loop_of, model_of
from bench.measure import Rival, Row, Scene, require
from bench.noise import random_windows
from bench.products import finish, products_of, repeated

_HEADS, _STEPS, _OFF = 8, 3, 1e-3
_PAIRS = [("imu", "text"), ("imu", "video")]
_TURNED = config.Augment(rotation_deg=45, scale=0.2, jitter=0.05)
# Width and layers, windows a step on a CPU, least share of the matrix products' speed.
_SIZES = ((256, 4, 128, 0.65), (512, 8, 64, 0.75))
_ON_A_GPU = 1024  # windows a step


def rows(scene: Scene) -> Iterator[Row]:
    """A step of two sizes, and an epoch of the smaller one."""
    for width, layers, batch, share in _SIZES:
        yield _step_row(scene, width, layers, batch, share)
    yield _epoch_row(scene)


def params_of(scene: Scene, width: int, layers: int, batch: int, **more: Any) -> config.Train:
    """Training of an IMU Transformer alone, its patches those of the default."""
    small = {"width": scene.size(width, 32), "layers": scene.size(layers, 2)}
    options = small | {"heads": scene.size(_HEADS, 2)}
    phase = config.Phase(pairs=_PAIRS, epochs=1, learning_rate=1e-3)
    return config.Train(
        imu=phase,
        joint=phase,
        imu_encoder=config.Encoder(name="imu-transformer", options=options),
        mocap_encoder=config.Encoder(name="mocap-transformer", options={"layers": 1}),
        batch=batch,
        precision="bf16",
        device="cpu" if scene.device == "cpu" else "cuda",
    ).model_copy(update=more)


def _step_row(scene: Scene, width: int, layers: int, batch: int, share: float) -> Row:
    on_cpu = scene.device == "cpu"
    batch = scene.size(batch if on_cpu else _ON_A_GPU, 64)
    windows = random_windows(2 * batch, DIM)
    params = params_of(scene, width, layers, batch)
    loop = loop_of(params, windows)
    tokens = loop.model.imu.trunk.positions.numel() + 1

    def step(of: Any) -> Callable[[], None]:
        def run() -> None:
            of.step()
            finish(scene.device)

        return run

    return Row(
        name=f"train.step.d{width}x{layers}",
        what=f"A step of {batch} windows, IMU Transformer of {layers} layers, {width} wide, "
        f"{tokens} tokens, bf16",
        ours=step(loop),
        rivals=[
            Rival("its matrix products, bf16", "limit",
                  repeated(products_of(loop.step), scene.device), share if on_cpu else None),
            Rival("nn.TransformerEncoder, bf16", "peer",
                  step(loop_of(params, windows, standard=True)), 1.8 if on_cpu else None),
            Rival("the same in fp32", "peer",
                  step(loop_of(params.model_copy(update={"precision": "fp32"}), windows))),
            *([] if on_cpu else [_compiled(params, windows, step)]),
        ],
        gate=partial(_near_fp32, params, windows),
        work=batch,
        unit="windows",
        notes=["feed and augmentation included; dropout 0.1"],
    )  # fmt: skip


def _compiled(
    params: config.Train, windows: Windows, step: Callable[[Any], Callable[[], None]]
) -> Rival:
    """The same step with `train.compile`."""
    loop = loop_of(params.model_copy(update={"compile": True}), windows)
    return Rival("the same with train.compile", "peer", step(loop))


def _near_fp32(params: config.Train, windows: Windows) -> dict[str, str]:
    """The losses of some steps, without dropout, whose masks bf16 draws otherwise."""
    found = {}
    for precision in ("fp32", "bf16"):
        encoder = params.imu_encoder.model_copy(update={"dropout": 0.0})
        changed = params.model_copy(update={"precision": precision, "imu_encoder": encoder})
        loop = loop_of(changed, windows)
        for _ in range(_STEPS):
            loop.step()
        found[precision] = np.array(loop.losses)
    off = float(np.abs(found["fp32"] - found["bf16"]).max())
    require(off <= _OFF, f"A loss in bf16 is {off:.1e} from that in fp32.")
    return {f"loss off fp32 in {_STEPS} steps, at most": f"{off:.1e}"}


def _epoch_row(scene: Scene) -> Row:
    width, layers, batch, _ = _SIZES[0]
    on_cpu = scene.device == "cpu"
    batch = scene.size(batch if on_cpu else _ON_A_GPU, 8)
    steps, alone = scene.size(20 if on_cpu else 60, 2), scene.size(4, 1)
    windows = random_windows(steps * batch, DIM)
    params = params_of(scene, width, layers, batch, augment=_TURNED)
    files = training.Files(scene.folder / "checkpoint.pt", scene.folder / "bad.safetensors")
    model, told = model_of(params, windows), []

    def log(figures: training.Figures) -> None:
        told.append(figures)
        with (scene.folder / "curve.jsonl").open("a") as curve:
            curve.write(json.dumps(figures) + "\n")

    def epoch() -> None:
        files.checkpoint.unlink(missing_ok=True)
        training.train_phase(model, windows, params.imu, params, 0, log, select=False, files=files)

    def gate() -> dict[str, str]:
        epoch()
        require(files.checkpoint.is_file(), "The epoch left no checkpoint.")
        require(np.isfinite(told[-1]["loss"]), f"The loss is {told[-1]['loss']}.")
        return {"loss": f"{told[-1]['loss']:.3f}", "checkpoint": "written"}

    loop = loop_of(params, windows)
    fed = loop.feed()

    def learn() -> None:
        for _ in range(alone):
            loop.learn(*fed)

    least = 0.98 if on_cpu else None
    rivals = [Rival("its steps alone, on one batch", "limit", learn, least, alone / steps)]
    if on_cpu:
        # Imported here: it needs PyAV and ffmpeg, which a machine with a GPU may lack.
        from bench.decoding import every_step

        rivals.append(every_step(scene, params, len(windows)))
    return Row(
        name="train.epoch",
        what=f"{steps} steps of {batch} windows through the loop: feed, rotation, gain and jitter, "
        "step, curve, checkpoint",
        ours=epoch,
        rivals=rivals,
        gate=gate,
        work=len(windows),
        unit="windows",
        rounds=3,
    )
