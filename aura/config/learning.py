"""Sections of the stages from embeddings to reports."""

from typing import Any, Literal

from pydantic import Field

from aura.config.base import Model


class Encoder(Model):
    """A sensor encoder: a file of `aura/encoders` by name, its size, and options of its own."""

    name: str
    size: Literal["S", "B", "L"] = "S"
    dropout: float = Field(0.1, ge=0, lt=1)
    options: dict[str, Any] = Field(default_factory=dict)


class Phase(Model):
    """One training phase: the pairs of modalities it aligns, and for how long."""

    pairs: list[tuple[str, str]]
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


FalseNegatives = Literal["negative", "ignore", "positive"]


class Loss(Model):
    """InfoNCE, and what of it may be told that a batch holds more than one right answer.

    `same_text` says what another window of the batch with the same caption is to a text, and
    `overlap` what one of the same take is that shares time. `soft_targets` is the share of the
    target that the teacher's own similarity gives; `views` weighs a term between two augmented
    views of a sensor's windows.
    """

    same_text: FalseNegatives = "positive"
    overlap: FalseNegatives = "ignore"
    soft_targets: float = Field(0.0, ge=0, lt=1)
    views: float = Field(0.0, ge=0)
    temperature: float = Field(0.07, gt=0)


class Augment(Model):
    """Random changes of sensor windows in training; each is off at 0.

    Attributes
    ----------
    rotation_deg : the sensor's mounting, turned about a random axis by at most this; 180 is any.
    scale : gain of accelerometer, of gyroscope and body size, within 1 - scale and 1 + scale.
    jitter : white noise, as a share of each channel's standard deviation.
    shift_s : IMU and mocap moved together in time by at most this.
    desync_s : IMU moved against mocap by at most this, the tolerance of their clocks.
    warp : how much faster the fastest part of a window may run than its slowest, less 1; IMU and
        mocap together, and the window's ends stay.
    drop_sensor : chance that a window loses its accelerometer or its gyroscope.
    time_mask : largest share of the time that is hidden, in one piece.
    yaw_deg : the body turned about the vertical by at most this.
    drop_joints : chance of each joint to be hidden for the window.
    """

    rotation_deg: float = Field(0.0, ge=0, le=180)
    scale: float = Field(0.0, ge=0, lt=1)
    jitter: float = Field(0.0, ge=0)
    shift_s: float = Field(0.0, ge=0)
    desync_s: float = Field(0.0, ge=0)
    warp: float = Field(0.0, ge=0)
    drop_sensor: float = Field(0.0, ge=0, le=1)
    time_mask: float = Field(0.0, ge=0, lt=1)
    yaw_deg: float = Field(0.0, ge=0, le=180)
    drop_joints: float = Field(0.0, ge=0, lt=1)


class Twins(Model):
    """Encoders of the last phase, trained anew beside the model to tell what its figures mean.

    Attributes
    ----------
    shuffled : so many on shuffled pairs; what they score does not come from the pairing.
    held_out : without the windows of this class, on which they are then tested zero-shot
        (evaluation protocol, rule 5); null for none.
    unnamed : without the captions that name their window's class, where there are such and others
        are left (rule 4).
    """

    shuffled: int = Field(3, ge=0)
    held_out: str | None = None
    unnamed: bool = True


class Train(Model):
    """Contrastive training against cached embeddings (AURA-MFM, section 3).

    `schedule: progressive` trains phase `imu`, then `joint`; `simultaneous` trains `joint` alone
    for the epochs of both. `batches` deals windows at random, with at most one of a take in a
    batch where that is possible (`apart`), or with those of a take together. `patience` ends a
    phase after so many epochs without a better validation MRR; `ema` averages weights with this
    decay; `checkpoint_s` is how often a step is kept to resume from. `workers` above 1 shares each
    batch among processes of Ray Train, with the negatives of all. `compile` has torch compile the
    encoders, which pays on a GPU, where launching kernels takes longer than running them.
    """

    seed: int = 0
    schedule: Literal["progressive", "simultaneous"] = "progressive"
    imu: Phase
    joint: Phase
    imu_encoder: Encoder = Encoder(name="imu-transformer")
    mocap_encoder: Encoder = Encoder(name="mocap-transformer")
    loss: Loss = Loss()
    augment: Augment = Augment()
    batch: int = Field(128, ge=2)
    batches: Literal["random", "apart", "together"] = "random"
    weight_decay: float = 0.05
    warmup: float = Field(0.1, ge=0, le=1)
    clip: float = Field(1.0, gt=0)
    ema: float = Field(0.0, ge=0, lt=1)
    patience: int | None = Field(None, ge=1)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compile: bool = False
    workers: int = Field(1, ge=1)
    checkpoint_s: float = Field(30.0, ge=0)
    twins: Twins = Twins()

    def phases(self) -> dict[str, Phase]:
        """The phases that one model goes through, in order; the last has all modalities."""
        if self.schedule == "progressive":
            return {"imu": self.imu, "joint": self.joint}
        epochs = self.imu.epochs + self.joint.epochs
        return {"joint": self.joint.model_copy(update={"epochs": epochs})}


class Finetune(Model):
    """Downstream heads: labels of a class that k-shot gives, and the training of heads.

    `augment` is that of training where it is null.
    """

    shots: tuple[int, ...] = (1, 5, 10, 50)
    draws: int = Field(5, ge=1)  # of the labels of a k-shot head, averaged
    epochs: int = Field(40, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    encoder_rate: float = Field(0.3, ge=0)  # of the encoder's learning rate to the head's
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    mixup: float = Field(0.0, ge=0)
    augment: Augment | None = None
    views: int = Field(1, ge=1)  # time-shifted views of a test window whose votes are averaged


class Transfer(Model):
    """A model of data set `source`, phase `phase`, tested on another, its participants left out.

    `study` names the data sets that `dvc exp run -S` takes through this stage, none by default.
    """

    study: tuple[str, ...] = ()
    source: str = "synthetic"
    phase: Literal["imu", "joint"] = "joint"


class Shift(Model):
    """Data sets to compare, by the model that `transfer` names."""

    study: tuple[str, ...] = ()


class Evaluate(Model):
    """Draws of the balanced retrieval pools and of the bootstrap."""

    pool_draws: int = Field(20, ge=1)
    bootstrap_draws: int = Field(1000, ge=1)


class Variant(Model):
    """What makes a variant: keys of `train` and `finetune` that differ, as in params.yaml.

    Beside a data set's own variants those of params.yaml are not trained. `control` trains on
    shuffled pairs. `heads` also fine-tunes on labels, from the pretrained
    encoders and from random weights.
    """

    train: dict[str, Any] = Field(default_factory=dict)
    finetune: dict[str, Any] = Field(default_factory=dict)
    control: bool = False
    heads: bool = False


class Ablate(Model):
    """Variants of the training, each with every seed; the first one is what others are held to.

    `study` names the data sets that `dvc exp run -S` takes through this stage, none by default.
    `folds: given` tests on the test split, with the best epoch chosen on validation.
    `participants` leaves out one participant at a time, of all splits, and keeps the last epoch.
    """

    study: tuple[str, ...] = ()
    folds: Literal["given", "participants"] = "given"
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: dict[str, Variant] = Field(default_factory=lambda: {"default": Variant()})


class Report(Model):
    """The page: which test window it shows as the example."""

    example: int = 0
