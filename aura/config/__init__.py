"""params.yaml as typed models: the only configuration, parsed once, unknown keys refused.

One section a stage, named as its module in `pipeline/`; `datasets`, `mixtures`, `teacher` and `ray`
are what several stages share.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from aura.config import text
from aura.config.base import Dataset, Mix, Mixture, Model, Ray, Teacher, check_name, check_text
from aura.config.evaluation import (
    Ablate,
    Evaluate,
    Finetune,
    Recipe,
    Report,
    Shift,
    Transfer,
    Unseen,
    Variant,
)
from aura.config.preprocessing import (
    IMU_RATE_HZ,
    MOCAP_RATE_HZ,
    Embed,
    Resample,
    Slice,
    Synthesize,
    Teach,
)
from aura.config.training import Augment, Encoder, Loss, Phase, Train, Twins
from aura.errors import AuraError

__all__ = [
    "IMU_RATE_HZ", "MOCAP_RATE_HZ", "Ablate", "Augment", "Dataset", "Embed", "Encoder", "Evaluate",
    "Finetune", "Loss", "Mix", "Mixture", "Params", "Phase", "Ray", "Recipe", "Report", "Resample",
    "Shift", "Slice", "Synthesize", "Teach", "Teacher", "Train", "Transfer", "Twins", "Unseen",
    "Variant", "load",
]  # fmt: skip


class Params(Model):
    """The whole of params.yaml."""

    study: list[str]
    seed: int = 0
    datasets: dict[str, Dataset]
    mixtures: dict[str, Mixture] = Field(default_factory=dict)
    mix: Mix = Mix()
    ray: Ray = Ray()
    teacher: Teacher = Teacher()
    synthesize: Synthesize
    teach: Teach = Teach()
    resample: Resample = Resample()
    slice: Slice = Slice()
    embed: Embed
    train: Train
    finetune: Finetune = Finetune()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()
    ablate: Ablate = Ablate()
    transfer: Transfer = Transfer()
    shift: Shift = Shift()
    unseen: Unseen = Unseen()

    def changed(self, changes: dict[str, Any], where: str) -> "Params":
        """Parameters with some keys changed, checked as if they were written so.

        Parameters
        ----------
        changes : dict
            Keys that differ, section by section.
        where : str
            What an error names as their place.

        Returns
        -------
        Params
            A copy.
        """
        raw = self.model_dump(mode="json")
        _merge(raw, changes)
        return _validate(raw, where)

    @model_validator(mode="after")
    def _names_are_names_of_folders(self) -> Self:
        for name in (*self.datasets, *self.mixtures):
            check_name(name)
        return self

    @model_validator(mode="after")
    def _mixtures_are_of_datasets(self) -> Self:
        for name, mixture in self.mixtures.items():
            if name in self.datasets:
                raise ValueError(f"'{name}' is both a data set and a mixture")
            for source in mixture.sources:
                if source not in self.datasets:
                    raise ValueError(f"the mixture {name} has a source '{source}', no data set")
        for section, study in (("mix", self.mix.study), ("transfer", self.transfer.study)):
            if unknown := set(study) - set(self.mixtures):
                raise ValueError(f"{section}.study names '{min(unknown)}', which is no mixture")
        return self

    def own_teacher(self, name: str) -> Teacher | None:
        """Teacher of a data set whose own `params` name one; None where it has that of all.

        That of a mixture is the one of its first source, as all are of one teacher.

        Raises
        ------
        AuraError
            It is the stand-in, which only `aura teach` can make.
        """
        if name in self.mixtures:
            source = self.mixtures[name].sources[0]
            own = self.changed(self.dataset(source).params, f"datasets.{source}.params")
            return own.own_teacher(source)
        if "teacher" not in self.dataset(name).params:
            return None
        if self.teacher.model == "stand-in":
            raise AuraError(
                f"datasets.{name}.params.teacher is the stand-in, which `aura teach` trains "
                "for all data sets; name a pretrained one there, or leave it out."
            )
        return self.teacher

    def dataset(self, name: str) -> Dataset:
        """Settings of one data set; an unknown name is an `AuraError` that lists the known ones."""
        if name in self.mixtures:
            sources = ", ".join(self.mixtures[name].sources)
            raise AuraError(f"{name} is a mixture; this stage takes its sources: {sources}.")
        if name not in self.datasets:
            known = ", ".join(sorted(self.datasets))
            raise AuraError(f"There is no data set '{name}' in params.yaml; known: {known}.")
        return self.datasets[name]

    def entry(self, name: str) -> Dataset | Mixture:
        """Settings of a data set or of a mixture, which stages from `train` on take alike."""
        return self.mixtures[name] if name in self.mixtures else self.dataset(name)

    def sources(self, name: str) -> dict[str, Dataset]:
        """The data sets that a mixture is of, by name; a data set is its own only source."""
        names = self.mixtures[name].sources if name in self.mixtures else (name,)
        return {source: self.dataset(source) for source in names}


def load(
    path: Path | str = "params.yaml", overrides: Sequence[str] = (), dataset: str | None = None
) -> Params:
    """Read the parameters and check them all.

    Parameters
    ----------
    path : Path or str
        The file.
    overrides : sequence of str
        `KEY=VALUE`, the value in YAML; they come last.
    dataset : str or None
        A data set or mixture whose own `params` come before the overrides.

    Returns
    -------
    Params
        All sections.

    Raises
    ------
    AuraError
        The file is missing or not YAML, a key is unknown, or a value is out of range.
    """
    path = Path(path)
    try:
        raw = text.parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise AuraError(f"{path} is not here; run this from the project's folder.") from None
    except OSError as error:
        raise AuraError(f"{path} cannot be read: {error.strerror}.") from None
    if not isinstance(raw, dict):
        raise AuraError(f"{path} must be a mapping of sections.")
    for override in overrides:
        _override(raw, override)
    params = _validate(raw, path)
    for name in params.study:
        params.dataset(name)
    if dataset is None or not params.entry(dataset).params:
        return params
    _merge(raw, params.entry(dataset).params)
    for override in overrides:
        _override(raw, override)
    return _validate(raw, path)


def _validate(raw: dict[str, Any], where: Path | str) -> Params:
    check_text(raw, str(where))
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(_problem(dict(e)) for e in error.errors())
        raise AuraError(f"{where}: {problems}.") from None


def _merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    """Sections are merged key by key.

    An encoder of another name takes none of the old one's options, and a data set's variants stand
    alone: with those of another data set among them, all would be trained. So does its teacher.
    """
    for key, value in changes.items():
        old = into.get(key)
        whole = key in ("variants", "teacher") or (isinstance(value, dict) and "name" in value)
        if isinstance(value, dict) and isinstance(old, dict) and not whole:
            _merge(old, value)
        else:
            into[key] = value


def _override(raw: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    override = " ".join(override.split())[:200]  # as an error shows it
    if not separator:
        raise AuraError(f"An override has the form KEY=VALUE, not '{override}'.")
    *parents, leaf = key.split(".")
    node = raw
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise AuraError(f"'{parent}' in the override '{override}' is not a section.")
    node[leaf] = text.parse(value, f"The override '{override}'")


def _problem(error: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "params"
    if error["type"] == "extra_forbidden":
        return f"unknown key '{where}'"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
