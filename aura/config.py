"""params.yaml as typed models: the only configuration, parsed once, unknown keys refused.

One section a stage, named as its module in `pipeline/`; `datasets`, `teacher` and `ray` are what
several stages share.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aura.errors import AuraError
from aura.storage import is_url

MOCAP_RATE_HZ = 10
IMU_RATE_HZ = 200


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


class Synthesize(Model):
    """Size of the synthetic data set. `participants` counts people per split."""

    participants: dict[Literal["teacher", "train", "val", "test"], int]
    takes_per_activity: int = Field(1, ge=1)
    take_seconds: float = Field(20.0, ge=5)
    cameras: int = Field(2, ge=1, le=4)
    activities: int = Field(8, ge=2, le=8)
    flaws: bool = True
    takes: int | None = Field(None, ge=1)  # repeat the takes, media by hard link, to this many
    video_height: int = Field(448, ge=64, multiple_of=2)
    withhold_test_text: bool = False


class Teach(Model):
    """The stand-in teacher: a small CLIP trained on captioned frames of the `teacher` split."""

    image_size: int = 96
    width: int = 192
    layers: int = 4
    steps: int = Field(300, ge=1)
    batch: int = Field(64, ge=2)
    learning_rate: float = 5e-4


class Resample(Model):
    """IMU to 200 Hz, mocap to 10 FPS, on the clock of the take.

    `clock: authors` is the published recipe instead: every n-th IMU sample, frame / 30 as the clock
    of everything else, zeros for what is missing. A shard ends at whichever of its two limits comes
    first; `shard_mb` counts signals before compression.
    """

    clock: Literal["timestamps", "authors"] = "timestamps"
    gap_ms: float = Field(20.0, gt=0)
    mocap_gap_ms: float = Field(150.0, gt=0)
    takes_per_shard: int = Field(1024, ge=1)
    shard_mb: float = Field(128.0, gt=0)


class Slice(Model):
    """Synchronised sliding windows; fractions are of valid samples or joints in a window."""

    window_s: float = Field(5.0, gt=0)
    stride_s: float = Field(2.5, gt=0)
    text_tolerance_s: float = Field(0.0, ge=0)
    mask_class_names: bool = False
    min_imu_valid: float = Field(0.9, ge=0, le=1)
    min_mocap_valid: float = Field(0.5, ge=0, le=1)
    pad_short: bool = True

    @model_validator(mode="after")
    def _whole_frames(self) -> Self:
        for name in ("window_s", "stride_s"):
            frames = getattr(self, name) * MOCAP_RATE_HZ
            if abs(frames - round(frames)) > 1e-9:
                raise ValueError(f"slice.{name} must be a multiple of {1 / MOCAP_RATE_HZ} s")
        return self


class Embed(Model):
    """Teacher embeddings: frames per window, and the prompts that name a class in words."""

    frames_per_window: int = Field(8, ge=1)
    texts_per_shard: int = Field(8192, ge=1)
    gpus: float = Field(0.0, ge=0)  # what each worker takes of a GPU; 0 is the CPU
    batch: int = Field(32, ge=1)
    prompts: list[str]

    @model_validator(mode="after")
    def _prompts_have_a_slot(self) -> Self:
        bad = [p for p in self.prompts if p.count("{}") != 1]
        if bad or not self.prompts:
            raise ValueError(f"each of embed.prompts needs one {{}} for the class: {bad}")
        return self


class Encoder(Model):
    """Size of a pre-norm Transformer encoder."""

    name: Literal["transformer"] = "transformer"
    width: int = 128
    layers: int = 4
    heads: int = 4
    dropout: float = Field(0.1, ge=0, lt=1)


class Phase(Model):
    """One training phase: the pairs of modalities it aligns, and for how long."""

    pairs: list[tuple[str, str]]
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class Train(Model):
    """Contrastive training against cached embeddings, in two phases (AURA-MFM, section 3)."""

    imu: Phase
    joint: Phase
    imu_encoder: Encoder = Encoder()
    mocap_encoder: Encoder = Encoder()
    batch: int = Field(128, ge=2)
    weight_decay: float = 0.05
    warmup: float = Field(0.1, ge=0, le=1)
    temperature: float = Field(0.07, gt=0)
    shuffled_control: bool = True


class Evaluate(Model):
    """Draws of the balanced retrieval pools and of the bootstrap."""

    pool_draws: int = Field(20, ge=1)
    bootstrap_draws: int = Field(1000, ge=1)


class Report(Model):
    """The page: which test window it shows as the example."""

    example: int = 0


class Params(Model):
    """The whole of params.yaml."""

    study: list[str]
    seed: int = 0
    datasets: dict[str, Dataset]
    ray: Ray = Ray()
    teacher: Teacher = Teacher()
    synthesize: Synthesize
    teach: Teach = Teach()
    resample: Resample = Resample()
    slice: Slice = Slice()
    embed: Embed
    train: Train
    evaluate: Evaluate = Evaluate()
    report: Report = Report()

    def dataset(self, name: str) -> Dataset:
        """Settings of one data set; an unknown name is an `AuraError` that lists the known ones."""
        if name not in self.datasets:
            known = ", ".join(sorted(self.datasets))
            raise AuraError(f"There is no data set '{name}' in params.yaml; known: {known}.")
        return self.datasets[name]


def load(
    path: Path | str = "params.yaml", overrides: Sequence[str] = (), dataset: str | None = None
) -> Params:
    """Read `path`, then a data set's own `params`, then `KEY=VALUE` overrides, and check it all.

    Raises
    ------
    AuraError
        The file is missing or not YAML, a key is unknown, or a value is out of range.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise AuraError(f"{path} is not here; run this from the project's folder.") from None
    except yaml.YAMLError as error:
        raise AuraError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise AuraError(f"{path} must be a mapping of sections.")
    for override in overrides:
        _override(raw, override)
    params = _check(raw, path)
    for name in params.study:
        params.dataset(name)
    if dataset is None or not params.dataset(dataset).params:
        return params
    _merge(raw, params.dataset(dataset).params)
    for override in overrides:
        _override(raw, override)
    return _check(raw, path)


def _check(raw: dict[str, Any], path: Path) -> Params:
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(_problem(dict(e)) for e in error.errors())
        raise AuraError(f"{path}: {problems}.") from None


def _merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _override(raw: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator:
        raise AuraError(f"An override has the form KEY=VALUE, not '{override}'.")
    *parents, leaf = key.split(".")
    node = raw
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise AuraError(f"'{parent}' in the override '{override}' is not a section.")
    node[leaf] = yaml.safe_load(value)


def _problem(error: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "params"
    if error["type"] == "extra_forbidden":
        return f"unknown key '{where}'"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
