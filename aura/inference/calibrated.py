"""The calibration of a model, from beside its card: what a folder may say, by type."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aura.errors import AuraError
from aura.evaluation.calibration import Calibration

FILE = "calibration.json"


class _Sensor(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    scale: float = Field(gt=0, le=1e4)
    threshold: float = Field(ge=-1e4, le=1e4)
    single: dict[str, Any] = {}
    smoothed: dict[str, Any] = {}


class Content(BaseModel):
    """What `aura evaluate` found, and `aura export` lays beside the weights."""

    model_config = ConfigDict(extra="allow", strict=True)
    prompts: list[str] = Field(min_length=1)
    model_sha256: str
    modalities: dict[str, _Sensor] = {}
    validation_windows: int = 0
    shared_participants: int = 0
    reason: str = ""

    def of(self, modality: str) -> Calibration | None:
        """That of a sensor; None where there is none."""
        found = self.modalities.get(modality)
        return None if found is None else Calibration(found.scale, found.threshold)


def parse(content: Any, where: str) -> Content:
    """Check what a file says.

    Raises
    ------
    AuraError
        It is no calibration.
    """
    try:
        found = Content.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise AuraError(
            f"{where} is no calibration: {place}: {first['msg']}; run `aura evaluate` again."
        ) from None
    if any(prompt.count("{}") != 1 for prompt in found.prompts):
        raise AuraError(f"{where} is no calibration: a prompt has not one {{}}.")
    return found


def read(folder: Path) -> Content | None:
    """The calibration in a model folder; None where there is none."""
    file = folder / FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AuraError(f"{file} cannot be read: {reason}; export the model again.") from None
    return parse(content, str(file))
