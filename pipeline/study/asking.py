"""What the commands that ask a model share: its folder, and warnings as sentences."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aura.config import Params
from aura.errors import AuraError
from pipeline.engine import checks, paths
from pipeline.engine.progress import say


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
