"""What several stages share: the strict base of all sections, data sets, Ray and the teacher."""

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aura.storage import is_url


class Model(BaseModel):
    """Base of every section: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dataset(Model):
    """Where a data set is, and which adapter reads it; `options` belong to the adapter.

    `root` is a folder or an object store's URL. `overlap` says what it means that people or
    captures of the test split are in training as well: an error, or a warning beside every result.
    `params` overrides sections of params.yaml for this data set.
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


class Ray(Model):
    """Where preprocessing runs. `local` is a plain loop, for small runs without Ray's start-up.

    `workers` is how many shards are in work at once; null is one a CPU, of the machine or, with
    RAY_ADDRESS set, of the cluster. Where no shard ends for `stall_hours`, the run ends.
    """

    executor: Literal["ray", "local"] = "ray"
    workers: int | None = Field(None, ge=1)
    stall_hours: float = Field(12.0, gt=0)

    def local_workers(self) -> int:
        """Workers on this machine."""
        return self.workers or os.cpu_count() or 1


class Teacher(Model):
    """Frozen CLIP: an open_clip name and a tag or weights file, or the stand-in of `teach`."""

    model: str = "stand-in"
    pretrained: str | None = None

    @model_validator(mode="after")
    def _weights_are_named(self) -> Self:
        if (self.model == "stand-in") != (self.pretrained is None):
            raise ValueError(
                "teacher.pretrained (a tag or a weights file) goes with an open_clip model, "
                "and with no model called stand-in"
            )
        return self
