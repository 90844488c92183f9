"""The command line. Commands import their stage when called, so that help stays instant."""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from aura import ask, console
from aura.console import Dataset, Overrides, Root
from aura.errors import AuraError

app = typer.Typer(
    name="aura",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help="From wearable-sensor recordings to a model of human activity. "
    "Stages in order: synthesize, teach, resample, slice, embed, train, evaluate, finetune, "
    "report.",
)

app.callback()(console.global_options)


def command(
    example: str, name: str | None = None, hidden: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command, with an example below its help; see `aura.console` for how it ends."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        added = app.command(name, epilog=f"Example:  {example}", hidden=hidden)
        return added(console.command(function))

    return register


def _run(
    stage: str, dataset: str | None, root: str | None, overrides: list[str] | None, *args: Any
) -> Any:
    from aura import config

    overrides = list(overrides or [])
    config.load(overrides=overrides, dataset=dataset)  # an unknown name is said before all else
    if root is not None:
        overrides.append(f"datasets.{dataset}.root={json.dumps(root)}")
    params = config.load(overrides=overrides, dataset=dataset)
    module = import_module(f"pipeline.{stage}")
    return module.run(params) if dataset is None else module.run(params, dataset, *args)


@command("aura fingerprint", hidden=True)
def fingerprint(overrides: Overrides = None) -> None:
    """Hashes of the code of adapters and encoders, on which `dvc repro` decides what to run."""
    _run("fingerprint", None, None, overrides)


@command("aura synthesize --set synthesize.take_seconds=10")
def synthesize(overrides: Overrides = None) -> None:
    """Write the synthetic data set, in Ego-Exo4D's own format."""
    _run("synthesize", None, None, overrides)


@command("aura teach --set teacher.model=ViT-B-32 --set teacher.pretrained=openai")
def teach(overrides: Overrides = None) -> None:
    """Prepare the frozen teacher: a pretrained CLIP or sentence model, or the stand-in."""
    _run("teach", None, None, overrides)


@command("aura resample --dataset utd-mhad --root ~/UTD-MHAD")
def resample(
    dataset: Dataset = "synthetic", root: Root = None, overrides: Overrides = None
) -> None:
    """Raw recordings to IMU at 200 Hz and mocap at 10 FPS on one clock."""
    _run("resample", dataset, root, overrides)


@command("aura slice --dataset synthetic --set slice.stride_s=1.0", name="slice")
def slice_(dataset: Dataset = "synthetic", root: Root = None, overrides: Overrides = None) -> None:
    """Signals to synchronised sliding windows."""
    _run("slice", dataset, root, overrides)


@command("aura embed --dataset synthetic --set embed.frames_per_window=4")
def embed(dataset: Dataset = "synthetic", root: Root = None, overrides: Overrides = None) -> None:
    """Texts and video of the windows to frozen teacher embeddings."""
    _run("embed", dataset, root, overrides)


@command("aura preprocess --dataset utd-mhad --root ~/UTD-MHAD")
def preprocess(
    dataset: Dataset = "synthetic", root: Root = None, overrides: Overrides = None
) -> None:
    """Resample, slice and embed in one Ray session."""
    _run("preprocess", dataset, root, overrides)


@command("aura mix --dataset bodies")
def mix(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="A mixture of params.yaml.")],
    overrides: Overrides = None,
) -> None:
    """Check that the data sets of a mixture go together; later stages take it like a data set."""
    _run("mix", dataset, None, overrides)


@command("aura train --dataset synthetic --set train.joint.epochs=50")
def train(dataset: Dataset = "synthetic", overrides: Overrides = None) -> None:
    """Train the IMU encoder, then IMU and mocap jointly, and their twins."""
    _run("train", dataset, None, overrides)


@command("aura evaluate --dataset synthetic")
def evaluate(dataset: Dataset = "synthetic", overrides: Overrides = None) -> None:
    """Retrieval and zero-shot classification on the test split."""
    _run("evaluate", dataset, None, overrides)


@command("aura finetune --dataset synthetic --set 'finetune.shots=[1,50]'")
def finetune(dataset: Dataset = "synthetic", overrides: Overrides = None) -> None:
    """Few labels, linear probes and fine-tuning, beside random weights."""
    _run("finetune", dataset, None, overrides)


@command("aura report --dataset synthetic")
def report(dataset: Dataset = "synthetic", overrides: Overrides = None) -> None:
    """One self-contained HTML page of what was measured."""
    _run("report", dataset, None, overrides)


@command("aura ablate --dataset synthetic --set 'ablate.seeds=[0,1,2,3,4]'")
def ablate(dataset: Dataset = "synthetic", overrides: Overrides = None) -> None:
    """Variants of the training over seeds and folds, side by side with paired intervals."""
    _run("ablate", dataset, None, overrides)


@command("aura unseen --dataset utd-mhad-words --set unseen.people=participants")
def unseen(dataset: Dataset = "synthetic", overrides: Overrides = None) -> None:
    """Classes left out of training in turn, and told from their words alone."""
    _run("unseen", dataset, None, overrides)


@command("aura transfer --dataset bodies --set 'transfer.seeds=[0,1,2]'")
def transfer(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="A mixture of params.yaml.")],
    overrides: Overrides = None,
) -> None:
    """Each data set of a mixture left out once, and tested by models of the others."""
    _run("transfer", dataset, None, overrides)


@command("aura shift --set 'shift.study=[synthetic,sp-sw-har]'")
def shift(overrides: Overrides = None) -> None:
    """How far data sets lie apart, in one table and one figure."""
    _run("shift", None, None, overrides)


@command("aura init ~/recordings --write")
def init(
    folder: Annotated[Path, typer.Argument(help="A folder of recordings.")],
    out: Annotated[
        Path | None, typer.Option(help="File of the settings, instead of aura.yaml in the folder.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the data set.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Add it to params.yaml here.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace settings that are there.")
    ] = False,
) -> None:
    """Look at a folder of recordings and write the YAML that reads it, with reasons."""
    typer.echo(import_module("pipeline.init").run(folder, out, name, write, force))


ask.add(command, _run)


@command("aura doctor --dataset ego-exo4d --root /data/ego-exo4d")
def doctor(dataset: Dataset = "synthetic", root: Root = None, overrides: Overrides = None) -> None:
    """What is on disk, what is missing, and what a run would skip. Writes nothing."""
    typer.echo(_run("doctor", dataset, root, overrides))


@command("aura verify --against /mnt/other-machine/aura")
def verify(
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="One data set; all if none is named.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Another project's folder to compare with instead.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Whether the outputs are whole and go together, or as another machine's. Writes nothing."""
    from aura import config

    params = config.load(overrides=list(overrides or []))
    typer.echo(import_module("pipeline.verify").run(params, dataset, against))


@command("aura estimate --dataset ego-exo4d --gpu-tflops 300")
def estimate(
    dataset: Dataset = "ego-exo4d",
    gpu_tflops: Annotated[
        float, typer.Option(help="Peak of the GPU that the column for CLIP assumes.")
    ] = 100.0,
    overrides: Overrides = None,
) -> None:
    """What the full data set costs, by rates measured here in two minutes. Needs no data."""
    typer.echo(_run("estimate", dataset, None, overrides, gpu_tflops))


@command("aura export --dataset synthetic --out my-model")
def export(
    dataset: Dataset = "synthetic",
    phase: Annotated[str, typer.Option(help="imu, joint or the name of a twin.")] = "joint",
    out: Annotated[
        str | None, typer.Option(help="Folder to write; exports/<dataset>/<phase> if not given.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """A trained model as a folder by itself: weights, ONNX checked against torch, and its card."""
    _run("export", dataset, None, overrides, phase, out)


@command("aura review --base main --out review")
def review(
    base: Annotated[str, typer.Option(help="Commit or branch to compare with.")] = "main",
    out: Annotated[str, typer.Option(help="Folder to write.")] = "review",
) -> None:
    """What a change did to figures and plots, as a comment for its pull request. Needs no data."""
    import_module("pipeline.review").run(base, out)


@command("aura bench imu_resample train --rounds 9")
def bench(
    rows: Annotated[
        list[str] | None, typer.Argument(help="Modules of bench; all if none is named.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds of each row.")] = 5,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Tiny sizes, one round, nothing written: does it run?")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, or cuda for the rows of a GPU.")] = "cpu",
    out: Annotated[str, typer.Option(help="Where the results go, without an ending.")] = (
        "docs/bench"
    ),
) -> None:
    """Hot paths beside their limits and their peers, as ratios. Needs no data."""
    if not Path("bench/run.py").is_file():
        raise AuraError("The benchmarks are not installed; run this in a checkout of the project.")
    sys.path.insert(0, str(Path.cwd()))
    import_module("bench.run").run(rows or [], rounds, smoke, device, Path(out))


def main() -> None:
    """Entry point of `aura` and `python -m aura`."""
    app(prog_name="aura")


if os.path.basename(sys.argv[0]).startswith("typer"):  # noqa: PTH119
    console.add_to_typer_group(app)
