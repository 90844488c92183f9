"""export: a trained model as a folder that stands by itself, with ONNX beside the weights.

Each graph is run against torch on random windows, short ones and ones without a sensor among them,
before the folder gets its name.
"""

import logging
import shutil
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aura import encoders
from aura.config import Params
from aura.encoders import SensorEncoder
from aura.errors import AuraError
from aura.inference import calibrated
from aura.learning import model as learned
from aura.report import card as cards
from aura.schema import IMU_CHANNELS, JOINTS
from pipeline.engine import paths
from pipeline.engine.code import code_hash
from pipeline.engine.manifest import hash_file
from pipeline.engine.output import stage_output, write_json, write_text
from pipeline.engine.progress import say
from pipeline.study import trained
from pipeline.study.counts import read_json

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4
INPUTS = {"imu": ("signal", "valid", "channels"), "mocap": ("pose", "valid")}
OUTPUT = "embedding"
FILES = ("model.safetensors", "model.json")
KNOWN = {*FILES, calibrated.FILE, "README.md", "imu.onnx", "mocap.onnx"}


def run(params: Params, dataset: str, phase: str = "joint", out: str | Path | None = None) -> Path:
    """Write weights, card, `imu.onnx` and `mocap.onnx` of a model.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        The data set that it was trained on.
    phase : str
        `imu`, `joint` or the name of a twin.
    out : str, Path or None
        The folder to write; `exports/<dataset>/<phase>` where it is None.

    Returns
    -------
    Path
        That folder.

    Raises
    ------
    AuraError
        The ONNX packages or the model are missing, `out` is a folder of something else, or a
        graph does not give what torch gives; nothing is left then.
    """
    params.entry(dataset)
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise AuraError(
            f"The export needs {', '.join(missing)}, which aura[onnx] brings: "
            "pip install 'aura[onnx]'."
        )
    source = paths.MODELS / dataset / phase
    _, card = trained.alone(dataset, phase)
    folder = Path(out) if out is not None else Path("exports") / dataset / phase
    target = folder.absolute()
    if paths.MODELS.absolute() in target.parents:
        raise AuraError(f"{folder} is in the folder of models, which DVC keeps; name another one.")
    if target.exists():
        others = {p.name for p in target.iterdir()} - KNOWN if target.is_dir() else {"no folder"}
        if others:
            raise AuraError(f"{folder} is there and is no export ({min(others)}); name another.")
    identity = {"code": code_hash("pipeline.export"), "card": card}
    with stage_output(target, identity) as partial:
        try:
            _write(partial, source, folder)
        except BaseException:
            shutil.rmtree(partial)
            raise
    say(f"export: {folder}")
    return folder


def _write(partial: Path, source: Path, folder: Path) -> None:
    """Everything of the export at `source`, into `partial`, which becomes `folder`."""
    model, card = learned.load(source)
    cost = {}
    for name in FILES:
        shutil.copyfile(source / name, partial / name)
    for modality in cards.sensors(card):
        encoder: SensorEncoder = getattr(model, modality)
        parameters, flops = encoders.cost(encoder)
        cost[modality] = {"parameters": parameters, "flops": flops}
        path = partial / f"{modality}.onnx"
        write_graph(encoder, path)
        worst = difference(encoder, path)
        if not worst <= TOLERANCE:
            raise AuraError(
                f"{path.name} differs from torch by {worst:.2g}, more than {TOLERANCE:g}."
            )
        say(f"export: {path.name}, {worst:.1e} from torch at most")
    calibration = _calibration(card["dataset"], source)
    if calibration is not None:
        write_json(partial / calibrated.FILE, calibration)
    metrics = _metrics(card["dataset"]) if card["phase"] == "joint" else None
    text = cards.markdown({**card, "cost": cost}, metrics, folder.as_posix())
    write_text(partial / "README.md", text)


def _metrics(dataset: str) -> Mapping[str, Any] | None:
    """What `aura evaluate` found of the joint model; None if it has not been evaluated."""
    path = paths.report(dataset, "evaluate") / "details.json"
    if not path.is_file():
        return None
    kept = ("low", "high", "chance", "control")
    return {
        line["name"]: {line["metric"]: line["value"], **{key: line[key] for key in kept}}
        for line in read_json(path, "evaluate")["headlines"]
    }


def _calibration(dataset: str, source: Path) -> Mapping[str, Any] | None:
    """What `aura evaluate` found of these weights; None where it found nothing, or of others."""
    path = paths.report(dataset, "evaluate") / "details.json"
    found = read_json(path, "evaluate").get("calibration", {}) if path.is_file() else {}
    if found.get("model_sha256") != hash_file(source / "model.safetensors"):
        return None
    return dict(found)


def windows(encoder: SensorEncoder, count: int, seed: int) -> tuple[Tensor, ...]:
    """Random inputs of an encoder in physical units, with what is hard about real ones.

    Samples and joints are missing at random; the second window is padded from its middle, the
    third lacks a sensor or a joint throughout, and nothing of the fourth was measured.

    Parameters
    ----------
    encoder : SensorEncoder
        Of IMU or mocap.
    count : int
        How many windows, N.
    seed : int
        Of the numbers.

    Returns
    -------
    tuple of Tensor
        Of IMU, signal (N, T, 6) in m/s2 and rad/s, valid (N, T) and channels (N, 6) bool; of
        mocap, pose (N, F, 17, 3) in m and valid (N, F, 17) bool.
    """
    rng, shape = torch.Generator().manual_seed(seed), encoder.shape
    imu = encoder.modality == "imu"
    size = (shape.samples, len(IMU_CHANNELS)) if imu else (shape.frames, len(JOINTS), 3)
    signal = torch.randn(count, *size, generator=rng) * (5 if imu else 1)
    valid = torch.rand(signal.shape[:2] if imu else signal.shape[:3], generator=rng) > 0.1
    channels = torch.ones(count, len(IMU_CHANNELS), dtype=torch.bool)
    valid[1:2, size[0] // 2 :] = False
    if imu:
        channels[2:3, 3:] = False
    else:
        valid[2:3, :, 0] = False
    valid[3:4] = False
    return (signal, valid, channels) if imu else (signal, valid)


def write_graph(encoder: SensorEncoder, path: Path) -> None:
    """Write an ONNX file of any batch size, without the names of files on this machine."""
    import onnx

    example = windows(encoder, 4, seed=0)
    names = INPUTS[encoder.modality]
    batch = torch.export.Dim("batch")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # Traced from its source (strict), or `len` of a tensor would fix the batch.
            traced = torch.export.export(
                encoder.cpu().eval(),
                example,
                dynamic_shapes=tuple({0: batch} for _ in names),
                strict=True,
            )
            program = torch.onnx.export(
                traced, dynamo=True, verbose=False, input_names=list(names), output_names=[OUTPUT]
            )
        except Exception as error:  # tracer and exporter raise many kinds
            raise AuraError(f"torch cannot export {path.name}: {_line(error)}") from None
    assert program is not None
    graph = program.model_proto
    for part in (graph, graph.graph, *graph.graph.node, *graph.graph.value_info, *graph.functions):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for function in graph.functions:
        for node in function.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
    onnx.checker.check_model(graph, full_check=True)
    onnx.save_model(graph, path)


def difference(encoder: SensorEncoder, path: Path) -> float:
    """Largest absolute difference between the graph and torch, over batches of several sizes."""
    import onnxruntime

    worst = 0.0
    try:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for seed, count in enumerate((1, 4, 33)):
            inputs = windows(encoder, count, seed)
            named = zip(INPUTS[encoder.modality], (x.numpy() for x in inputs), strict=True)
            (output,) = session.run([OUTPUT], dict(named))
            with torch.inference_mode():
                expected = encoder(*inputs).numpy()
            if output.shape != expected.shape:
                return float("inf")
            # NaN stays, and passes no check.
            worst = float(np.maximum(worst, np.abs(output - expected).max()))
    except Exception as error:  # onnxruntime's own kinds have no base in common
        raise AuraError(f"onnxruntime cannot run {path.name}: {_line(error)}") from None
    return worst


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
