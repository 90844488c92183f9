"""Trained models from disk, as `train` left them and of the tables that are there."""

from typing import Any

from aura.config import Params
from aura.learning import model as learned
from aura.teacher.identity import Identity
from pipeline.engine import checks, inputs, paths
from pipeline.engine.manifest import Manifest
from pipeline.study import joined


def check(params: Params, dataset: str) -> Manifest:
    """Check the models of a data set or mixture, by their manifest and against their tables.

    Raises
    ------
    AuraError
        There are none, a file of theirs is damaged, or they were trained on other tables.
    """
    models = checks.check_all(paths.MODELS / dataset, "train")
    checks.check_chain(models, *inputs.sources_of(params, dataset))
    return models


def alone(dataset: str, phase: str) -> tuple[learned.Model, dict[str, Any]]:
    """Load a model by its manifest alone, for use without the tables that it was trained on."""
    checks.check_all(paths.MODELS / dataset, "train")
    return learned.load(paths.MODELS / dataset / phase)


def load(params: Params, dataset: str, teacher: Identity) -> tuple[learned.Model, dict[str, Any]]:
    """Load the joint model and its card; it must be of that teacher, and of the tables at hand."""
    model, card = alone(dataset, "joint")
    joined.check_model(card, teacher, dataset, dataset)
    check(params, dataset)
    return model, card


def twins(params: Params, dataset: str) -> dict[str, learned.Model]:
    """The twins that were trained beside the model of `dataset`, by name; see `config.Twins`."""
    found = check(params, dataset)
    names = sorted(name.split("/")[0] for name in found.files if name.endswith("/model.json"))
    return {
        name: learned.load(found.folder / name)[0]
        for name in names
        if name.partition("-")[0] in ("shuffled", "held", "unnamed")
    }
