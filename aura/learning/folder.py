"""The card of a model folder, which may come from anywhere: what it may say, by type.

It names sizes, and encoders by the names of installed ones; nothing of a folder is run. Its weights
are read by `aura.schema.weights`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from aura.config import IMU_RATE_HZ, Encoder, Loss, Resample, Teacher
from aura.errors import AuraError

_LONGEST_S, _WIDEST = 600, 1 << 16  # of a window, and of a teacher's space
_Number = int | float | None


class _Part(BaseModel):
    """A part of a card: what is not named here may be there as well."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    samples: int = Field(ge=1, le=_LONGEST_S * IMU_RATE_HZ)
    frames: int = Field(ge=1, le=_LONGEST_S * IMU_RATE_HZ)
    dim: int = Field(ge=1, le=_WIDEST)


class _Phase(_Part):
    pairs: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = []


class _Settings(_Part):
    schedule: Literal["progressive", "simultaneous"] = "progressive"
    imu: _Phase = _Phase()
    joint: _Phase = _Phase()
    imu_encoder: Encoder
    mocap_encoder: Encoder
    loss: Loss


class _Teacher(_Part):
    model: str
    weights_sha256: str
    pretrained: str = ""
    kind: Literal["clip", "sentence"] = "clip"
    stand_in: bool = False
    prompt: str = ""
    long_texts: Literal["cut", "mean"] = "cut"
    activation: str | None = None
    pooling: str | None = None
    settings_sha256: str | None = None
    max_tokens: int | None = None


class Card(_Part):
    """Content of a `model.json`, as far as code of this project reads it."""

    shape: _Shape
    settings: _Settings
    dataset: str = ""
    phase: str = "joint"
    teacher: _Teacher | None = None
    resample: dict[str, Any] = {}
    own_teacher: dict[str, Any] | None = None
    data: dict[str, dict[str, _Number]] = {}
    best: dict[str, _Number] = {}
    cost: dict[str, dict[str, _Number]] = {}
    sources: dict[str, dict[str, _Number | str]] | None = None

    @field_validator("resample")
    @classmethod
    def _of_the_stage(cls, resample: dict[str, Any]) -> dict[str, Any]:
        resampling_of({"resample": resample})
        return resample

    @field_validator("own_teacher")
    @classmethod
    def _of_params(cls, teacher: dict[str, Any] | None) -> dict[str, Any] | None:
        if teacher is not None:
            Teacher.model_validate(teacher)
        return teacher


def resampling_of(card: Mapping[str, Any]) -> Resample:
    """The stage's params that a card keeps; those that this version has not are left out."""
    content = card.get("resample", {})
    known = {key: value for key, value in content.items() if key in Resample.model_fields}
    return Resample.model_validate(known)


def read_card(folder: Path, needed: Sequence[str] = ()) -> dict[str, Any]:
    """Read `model.json`.

    Parameters
    ----------
    folder : Path
        Of the model.
    needed : sequence of str
        Keys that have to be there, beside `shape` and `settings`.

    Returns
    -------
    dict
        What is there, as it is there.

    Raises
    ------
    AuraError
        It is not there, or has other values than this project reads.
    """
    file = folder / "model.json"
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
        Card.model_validate(card)
        if missing := [key for key in needed if key not in card]:
            raise ValueError(f"it has no {missing[0]}")
    except FileNotFoundError:
        raise AuraError(f"There is no model at {folder} yet; run `aura train` first.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        message = " ".join(first["msg"].split())
        raise AuraError(
            f"The model at {folder} cannot be loaded: model.json: {where}: {message}."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AuraError(f"The model at {folder} cannot be loaded: model.json: {reason}.") from None
    return dict(card)
