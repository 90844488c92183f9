"""Sections of the stages from raw recordings to embeddings."""

from typing import Literal, Self

from pydantic import Field, model_validator

from aura.config.base import Model

MOCAP_RATE_HZ = 10
IMU_RATE_HZ = 200


class Synthesize(Model):
    """Size of the synthetic data set.

    Attributes
    ----------
    participants : dict of str to int
        People of each split.
    takes_per_activity : int
        Of each person.
    take_seconds : float
        Length of a take, s.
    cameras : int
        Exo cameras of a take.
    activities : int
        How many classes.
    flaws : bool
        Whether flaws of real data are planted.
    takes : int or None
        Repeat the takes, media by hard link, to this many.
    video_height : int
        In pixels.
    withhold_test_text : bool
        Whether the test split has no texts.
    """

    participants: dict[Literal["teacher", "train", "val", "test"], int]
    takes_per_activity: int = Field(1, ge=1)
    take_seconds: float = Field(20.0, ge=5)
    cameras: int = Field(2, ge=1, le=4)
    activities: int = Field(8, ge=2, le=8)
    flaws: bool = True
    takes: int | None = Field(None, ge=1)
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

    Attributes
    ----------
    clock : {"timestamps", "authors"}
        `authors` is the published recipe instead: every n-th IMU sample, frame / 30 as the clock
        of everything else, zeros for what is missing.
    gap_ms, mocap_gap_ms : float
        Longest gap that is interpolated.
    takes_per_shard : int
        Largest number of takes in a shard.
    shard_mb : float
        Largest size of a shard's signals before compression, in 1e6 B; a shard ends at whichever
        of the two limits comes first.
    compiled : bool
        Interpolate by machine code that numba makes; the numbers are the same.
    units : {"refuse", "convert", "keep"}
        What becomes of a signal of a take that looks like g, mg, degrees, cm, mm or another axis
        up: it is left out, converted, or taken as it is. Each is counted, and one without a known
        cure is never converted.
    """

    clock: Literal["timestamps", "authors"] = "timestamps"
    gap_ms: float = Field(20.0, gt=0)
    mocap_gap_ms: float = Field(150.0, gt=0)
    takes_per_shard: int = Field(1024, ge=1)
    shard_mb: float = Field(128.0, gt=0)
    compiled: bool = False
    units: Literal["refuse", "convert", "keep"] = "refuse"


class Slice(Model):
    """Synchronised sliding windows.

    Attributes
    ----------
    window_s, stride_s : float
        Length of a window, and from one to the next.
    text_tolerance_s : float
        How far beside a window a text may lie.
    mask_class_names : bool
        Mask the words of a text that name its class.
    min_imu_valid, min_mocap_valid : float
        Least share of valid samples, or of joints and frames, of a window.
    pad_short : bool
        Whether a recording shorter than a window is one, padded.
    """

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
    """Teacher embeddings.

    Attributes
    ----------
    frames_per_window : int
        Frames of a window that are embedded, and averaged.
    texts_per_shard : int
        Texts of a shard.
    gpus : float
        What each worker takes of a GPU; 0 is the CPU.
    batch : int
        Frames that are embedded at once.
    decoder : {"ffmpeg", "gop"}
        `gop` skips what no window needs of an H.264 video; the frames are the same.
    precision : {"auto", "fp32", "bf16"}
        Of the forward pass; `auto` is bf16 on a GPU and on processors that have it.
    long_texts : {"cut", "mean"}
        Of a text longer than the teacher's context only the beginning is read, or it becomes the
        mean of windows of its tokens.
    prompts : list of str
        Texts that name a class in words, which takes the place of `{}`.
    """

    frames_per_window: int = Field(8, ge=1)
    texts_per_shard: int = Field(8192, ge=1)
    gpus: float = Field(0.0, ge=0)
    batch: int = Field(32, ge=1)
    decoder: Literal["ffmpeg", "gop"] = "ffmpeg"
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    long_texts: Literal["cut", "mean"] = "cut"
    prompts: list[str]

    @model_validator(mode="after")
    def _prompts_have_a_slot(self) -> Self:
        bad = [p for p in self.prompts if p.count("{}") != 1]
        if bad or not self.prompts:
            raise ValueError(f"each of embed.prompts needs one {{}} for the class: {bad}")
        return self
