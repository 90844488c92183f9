"""What the commands that ask a model share: its folder, its calibration, and sentences."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aura.config import Params
from aura.errors import AuraError
from aura.inference import calibrated
from pipeline.engine import checks, paths
from pipeline.engine.manifest import hash_file
from pipeline.engine.progress import say
from pipeline.study.counts import read_json


def model_folder(params: Params, dataset: str, model: str | Path | None) -> Path:
    """The folder that is asked: the one given, or the joint model of a data set.

    Raises
    ------
    AuraError
        The data set is not known, its models are not there, or one is damaged.
    """
    if model is not None:
        return Path(model)
    params.entry(dataset)
    checks.check_all(paths.MODELS / dataset, "train")
    return paths.MODELS / dataset / "joint"


@contextmanager
def heard(command: str) -> Iterator[list[str]]:
    """Gather the warnings of the block as sentences, and say them at its end.

    Parameters
    ----------
    command : str
        Who says them.

    Yields
    ------
    list of str
        Empty inside of the block, and filled behind it.
    """
    sentences: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        yield sentences
    sentences += dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning)
    for sentence in sentences:
        say(f"{command}: {sentence}", "warning")


def check_text(text: str, name: str) -> str:
    """A text without blanks about it.

    Raises
    ------
    AuraError
        Nothing is left of it.
    """
    if not text.strip():
        raise AuraError(f"{name} is empty; say in words what to look for.")
    return " ".join(text.split())


def find_calibration(folder: Path) -> calibrated.Content:
    """The calibration of a model: beside its card, or in the report of its data set.

    Raises
    ------
    AuraError
        There is none, it could not be made, or it is of other weights.
    """
    found, where = calibrated.read(folder), str(folder / calibrated.FILE)
    dataset = folder.absolute().parent.name
    remedy = f"run `aura evaluate --dataset {dataset}`"
    if found is None:
        report = paths.report(dataset, "evaluate") / "details.json"
        ours = folder.absolute() == (paths.MODELS / dataset / "joint").absolute()
        content = read_json(report, "evaluate") if ours and report.is_file() else {}
        if "calibration" not in content:
            step = remedy if ours else (
                "run `aura evaluate` where it was trained and export it again by `aura export`"
            )  # fmt: skip
            raise AuraError(f"The model at {folder} has no calibration yet; {step}.")
        found, where = calibrated.parse(content["calibration"], str(report)), str(report)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise AuraError(f"There is no model at {folder} yet; run `aura train` first.")
    if hash_file(weights) != found.model_sha256:
        raise AuraError(f"{where} is of other weights than those of {folder}; {remedy}.")
    return found
