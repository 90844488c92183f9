"""What several stages share: the strict base of all sections, data sets, Ray and the teacher."""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aura.errors import AuraError
from aura.storage import is_url

Options = TypeVar("Options", bound=BaseModel)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAKEN = {"teacher", "ablate", "transfer", "unseen", "shift"}  # folders beside those of data sets
_PREPROCESSING = {"teacher", "resample", "slice", "embed"}


class Model(BaseModel):
    """Base of every section: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_options(model: type[Options], options: Mapping[str, Any], owner: str) -> Options:
    """Check the `options` of an adapter or encoder with its own typed model.

    Parameters
    ----------
    model : type of BaseModel
        The typed model.
    options : mapping
        As in params.yaml.
    owner : str
        What an error names, such as "encoder imu2clip".

    Returns
    -------
    BaseModel
        The options.

    Raises
    ------
    AuraError
        Names the owner and its first fault.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AuraError(f"Options of the {owner}: {where}: {first['msg']}.") from None


def check_name(name: str) -> None:
    """Raise `ValueError` where no folder of its own can have a data set's or mixture's name."""
    if not _NAME.fullmatch(name) or name.endswith((".partial", ".old")):
        raise ValueError(
            f"'{name}' cannot name a data set or mixture, as folders are called so: letters, "
            "digits, '-', '_' and '.', a letter or digit first"
        )
    if name.lower() in _TAKEN:
        raise ValueError(f"'{name}' cannot name a data set or mixture: AURA has a folder of it")


def check_text(value: Any, where: str) -> None:
    """Refuse a NUL in any text of the parameters, which no name of a file can have."""
    if isinstance(value, str) and "\0" in value:
        raise AuraError(f"{where}: {value!r} has a NUL in it, which no name can have.")
    for part in (*value, *value.values()) if isinstance(value, dict) else ():
        check_text(part, where)
    for part in value if isinstance(value, list) else ():
        check_text(part, where)


class Dataset(Model):
    """Where a data set is, and what reads it.

    Attributes
    ----------
    adapter : str
        Name of the adapter.
    root : str
        A folder, or an object store's URL.
    overlap : {"error", "warn"}
        What it means that people or captures of the test split are in training as well: an error,
        or a warning beside every result.
    options : dict
        Those of the adapter.
    params : dict of str to dict
        Overrides sections of params.yaml for this data set.
    """

    adapter: str
    root: str
    overlap: Literal["error", "warn"] = "error"
    options: dict[str, Any] = {}
    params: dict[str, dict[str, Any]] = {}

    def absolute(self) -> "Dataset":
        """Same settings with a root that means the same in a worker process."""
        if is_url(self.root):
            return self
        return self.model_copy(update={"root": str(Path(self.root).absolute())})


class Mixture(Model):
    """Several data sets that one model is trained on, as if they were one.

    Attributes
    ----------
    sources : tuple of str
        The data sets.
    weights : dict of str to float
        What each source is of a batch, relative to the others; 1 where none is given.
    overlap : {"error", "warn"}
        As of a data set.
    params : dict of str to dict
        Overrides sections of params.yaml for this mixture, from `train` on.
    """

    sources: tuple[str, ...] = Field(min_length=2)
    weights: dict[str, float] = {}
    overlap: Literal["error", "warn"] = "error"
    params: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _sources_are_distinct(self) -> Self:
        if len(set(self.sources)) < len(self.sources):
            raise ValueError(f"a source is named twice: {', '.join(self.sources)}")
        if unknown := set(self.weights) - set(self.sources):
            raise ValueError(f"weights names {min(unknown)}, which is none of the sources")
        if wrong := [name for name, weight in self.weights.items() if not 0 < weight < math.inf]:
            raise ValueError(f"the weight of {wrong[0]} is not above 0")
        if early := set(self.params) & _PREPROCESSING:
            raise ValueError(
                f"params of a mixture begin at train, after {min(early)}, which belongs to the "
                "params of its sources"
            )
        return self

    @property
    def shares(self) -> dict[str, float]:
        """What each source is of a batch; the sum is 1."""
        weights = {name: self.weights.get(name, 1.0) for name in self.sources}
        total = sum(weights.values())
        return {name: weight / total for name, weight in weights.items()}


class Mix(Model):
    """The mixtures that `dvc repro` takes through the stages from `train` on, none by default."""

    study: tuple[str, ...] = ()


class Ray(Model):
    """Where preprocessing runs.

    Attributes
    ----------
    executor : {"ray", "local"}
        `local` needs no Ray and not its start-up: a plain loop, or as many processes as `workers`
        says.
    workers : int or None
        How many shards are in work at once; null is one a CPU, of the machine or, with RAY_ADDRESS
        set, of the cluster.
    stall_hours : float
        Where no shard ends for as long, the run ends.
    """

    executor: Literal["ray", "local"] = "ray"
    workers: int | None = Field(None, ge=1)
    stall_hours: float = Field(12.0, gt=0)

    def local_workers(self) -> int:
        """Workers on this machine."""
        return self.workers or os.cpu_count() or 1


class Teacher(Model):
    """The frozen teacher, of texts and images or of texts alone.

    Attributes
    ----------
    kind : {"clip", "sentence"}
        A CLIP of open_clip, or a sentence-transformers model, which sees no video.
    model : str
        Of a CLIP, a name of open_clip, `local-dir:FOLDER` or `hf-hub:OWNER/NAME` for one with a
        config of its own, or `stand-in` for the one that `teach` trains. Of a sentence model, its
        folder, or `package:NAME`, an installed package that has such a folder in it.
    pretrained : str or None
        A tag of open_clip or a weights file; null for the stand-in, for the weights in the folder
        or on the hub, and for a sentence model.
    prompt : str or None
        What a sentence model reads before each text, such as "query: "; null is what its folder
        says.
    """

    kind: Literal["clip", "sentence"] = "clip"
    model: str = "stand-in"
    pretrained: str | None = None
    prompt: str | None = None

    @model_validator(mode="after")
    def _weights_are_named(self) -> Self:
        if self.kind == "sentence":
            if self.model == "stand-in" or self.pretrained is not None:
                raise ValueError(
                    "teacher.model of kind sentence is a folder or package:NAME, which has its "
                    "weights, and teacher.pretrained is null"
                )
            return self
        if self.prompt is not None:
            raise ValueError("teacher.prompt goes with teacher.kind sentence")
        with_weights = self.model.startswith(("local-dir:", "hf-hub:"))
        needless = self.model == "stand-in" or (with_weights and self.pretrained is None)
        if needless != (self.pretrained is None):
            raise ValueError(
                "teacher.pretrained (a tag or a weights file) goes with an open_clip model, "
                "and with no model called stand-in"
            )
        return self

    def absolute(self) -> "Teacher":
        """Same settings with paths that mean the same in a worker process."""
        scheme, _, folder = self.model.partition(":")
        changes: dict[str, str] = {}
        if scheme == "local-dir":
            changes["model"] = f"local-dir:{Path(folder).absolute()}"
        elif self.kind == "sentence" and scheme != "package":
            changes["model"] = str(Path(self.model).absolute())
        if self.pretrained is not None and Path(self.pretrained).is_file():
            changes["pretrained"] = str(Path(self.pretrained).absolute())
        return self.model_copy(update=changes)
