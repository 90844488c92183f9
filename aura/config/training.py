"""The section `train`: encoders, phases, loss, augmentation and twins."""

from typing import Any, Literal

from pydantic import Field

from aura.config.base import Model
from aura.config.preprocessing import IMU_RATE_HZ


class Encoder(Model):
    """A sensor encoder.

    Attributes
    ----------
    name : str
        A file of `aura/encoders`, or an encoder of another package, with `-`.
    size : {"S", "B", "L"}
        Width and depth, as each encoder defines them.
    dropout : float
        Share of features that is dropped in training.
    options : dict
        What else this encoder has to be set.
    """

    name: str
    size: Literal["S", "B", "L"] = "S"
    dropout: float = Field(0.1, ge=0, lt=1)
    options: dict[str, Any] = Field(default_factory=dict)


class Phase(Model):
    """One training phase.

    Attributes
    ----------
    pairs : list of (str, str)
        The pairs of modalities that it aligns.
    epochs : int
        For how long.
    learning_rate : float
        Its peak.
    """

    pairs: list[tuple[str, str]]
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


FalseNegatives = Literal["negative", "ignore", "positive"]


class Loss(Model):
    """InfoNCE, and how it treats a batch that holds more than one right answer.

    Attributes
    ----------
    same_text : {"negative", "ignore", "positive"}
        What another window of the batch with the same caption is to a text.
    overlap : {"negative", "ignore", "positive"}
        What a window of the same moment is that shares time: one of its take, or of another IMU
        that recorded along with it, which is ignored where this says negative.
    soft_targets : float
        Share of the target that the teacher's own similarity gives.
    views : float
        Weight of a term between two augmented views of a sensor's windows.
    temperature : float
        Its start; it is learned.
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
    rotation_deg : float
        The sensor's mounting, turned about a random axis by at most this; 180 is any.
    scale : float
        Gain of accelerometer, of gyroscope and body size, within 1 - scale and 1 + scale.
    jitter : float
        White noise, as a share of each channel's standard deviation.
    shift_s : float
        IMU and mocap moved together in time by at most this.
    desync_s : float
        IMU moved against mocap by at most this, the tolerance of their clocks.
    warp : float
        How much faster the fastest part of a window may run than its slowest, less 1; IMU and
        mocap together, and the window's ends stay.
    drop_sensor : float
        Chance that a window loses its accelerometer or its gyroscope.
    time_mask : float
        Largest share of the time that is masked, in one piece.
    yaw_deg : float
        The body turned about the vertical by at most this.
    drop_joints : float
        Chance of each joint to be masked for the window.
    bandwidth_hz : float
        Half of the windows lose what is above a frequency between this and half of the common
        rate, as of a sensor of twice that rate.
    crop : float
        All but one piece of a window's valid time is masked, IMU and mocap alike; the piece is
        between 1 - crop and all of it.
    drop_gyro : float
        Chance that a window loses its gyroscope.
    turn_deg : float
        The sensor turned about the vertical, as the mean acceleration shows it, by at most this.
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
    bandwidth_hz: float = Field(0.0, ge=0, lt=IMU_RATE_HZ / 2)
    crop: float = Field(0.0, ge=0, lt=1)
    drop_gyro: float = Field(0.0, ge=0, le=1)
    turn_deg: float = Field(0.0, ge=0, le=180)


class Twins(Model):
    """Encoders of the last phase, trained anew beside the model to tell what its figures mean.

    Attributes
    ----------
    shuffled : int
        How many are trained on shuffled pairs; what they score does not come from the pairing.
    held_out : str or None
        One is trained without the windows of this class, on which it is then tested zero-shot
        (evaluation protocol, rule 5); null for none.
    unnamed : bool
        One is trained without the captions that name their window's class, where there are such
        and others are left (rule 4).
    """

    shuffled: int = Field(3, ge=0)
    held_out: str | None = None
    unnamed: bool = True


class Train(Model):
    """Contrastive training against cached embeddings (AURA-MFM, section 3).

    Attributes
    ----------
    seed : int
        Of the first weights, the order of the windows and the augmentation.
    schedule : {"progressive", "simultaneous"}
        `progressive` trains phase `imu`, then `joint`; `simultaneous` trains `joint` alone for the
        epochs of both.
    imu, joint : Phase
        The phases.
    imu_encoder, mocap_encoder : Encoder
        What is trained.
    loss : Loss
        The criterion.
    augment : Augment
        Random changes of the windows.
    batch : int
        Windows of a step.
    batches : {"random", "apart", "together", "balanced"}
        How batches are sampled: at random, with at most one window of a take in a batch where that
        is possible, with those of a take together, or so that each caption comes equally often,
        and of a caption each take, and of a take rather the windows in which the sensor moves.
    unlabelled : float
        Of `balanced` batches, what windows without a class are at most of a data set's windows,
        where others of it have one: phases of trials and composed takes.
    weight_decay : float
        Of AdamW.
    warmup : float
        Share of the steps in which the learning rate rises.
    clip : float
        Largest norm of the gradient.
    ema : float
        Decay of a moving average of the weights; 0 for none.
    patience : int or None
        Ends a phase after so many epochs without a better validation MRR.
    precision : {"auto", "fp32", "bf16"}
        Of the forward pass.
    device : {"auto", "cpu", "cuda"}
        Where it is trained.
    compile : bool
        Have torch compile the encoders, which pays on a GPU, where launching kernels takes longer
        than running them.
    workers : int
        Above 1, each batch is shared among processes of Ray Train, with the negatives of all.
    checkpoint_s : float
        How often a step is kept to resume from.
    twins : Twins
        Further encoders that are trained beside the model.
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
    batches: Literal["random", "apart", "together", "balanced"] = "random"
    unlabelled: float = Field(1.0, gt=0, le=1)
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
