"""What `aura.yaml` says of a folder of recordings: its keys, all of them; another is an error.

version: 1
person: "{person}"                  # parts of names, as `files` below calls them
take: "{person}_{activity}_{trial}" # files of one take have this in common
label: "{activity}"                 # null where there is none
labels: {walk: walking, run: running}
imu:
- files: "{person}/{activity}_{trial}_wrist.csv"
  place: wrist-left
  time: {column: t, unit: ms}       # or rate_hz: 100
  accel: {columns: [ax, ay, az], unit: g}       # -ay is the other way round
  gyro: {columns: [gx, gy, gz], unit: deg/s}    # null where there is none
mocap:
- {files: "{person}/{activity}_{trial}.c3d", skeleton: opensim, unit: mm, up: z}
tables:
- {file: trials.csv, key: file, value: "{person}_{trial}", parts: {activity: task}}
texts:
- {files: "{person}/{activity}_{trial}.vtt"}
split: {val: [p03], test: [p04]}    # null: by the rule in `splits.py`
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from aura.datasets.folder.patterns import Pattern
from aura.datasets.people import PeopleOptions

NAME = "aura.yaml"
AccelUnit = Literal["m/s2", "g", "mg"] | Annotated[float, Field(gt=0)]
GyroUnit = Literal["rad/s", "deg/s", "mdeg/s"] | Annotated[float, Field(gt=0)]
LengthUnit = Literal["m", "cm", "mm", "inch", "legs"] | Annotated[float, Field(gt=0)]
AXES = ("x", "y", "z", "-x", "-y", "-z")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Header(_Model):
    """A value that the comments above a table tell: of the line with this text, the number."""

    header: str


class Axes(_Model):
    """Three columns of one sensor.

    Attributes
    ----------
    columns : tuple of str
        Those of x, y and z; with `-` before it one is turned round.
    unit : str or float
        A number is what one count is, in m/s2 or rad/s.
    files : str or None
        Where they are in another file than `files` of the IMU.
    rows : dict
        The rows that are this sensor's: column -> value.
    time : Time or None
        Of that file, where it is another than that of the IMU.
    stream : str or None
        Of a file with several.
    """

    columns: tuple[str, str, str]
    files: str | None = None
    rows: dict[str, str | float] = Field(default_factory=dict)
    stream: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, without signs."""
        return tuple(name.removeprefix("-") for name in self.columns)

    @property
    def signs(self) -> tuple[int, ...]:
        """1, or -1 for a column that is turned round."""
        return tuple(-1 if name.startswith("-") else 1 for name in self.columns)


class Accel(Axes):
    """An accelerometer, which feels gravity."""

    unit: AccelUnit


class Gyro(Axes):
    """A gyroscope."""

    unit: GyroUnit


class Time(_Model):
    """A column of stamps.

    Attributes
    ----------
    column : str
        Its name.
    unit : {"s", "ms", "us", "ns", "date"}
        Of its numbers; `date` is text such as 2024-03-05T10:00:00.
    zone : str or None
        Of dates and clocks in local time, such as Europe/Vienna; they are brought to UTC by it.
    wraps : float
        The counter begins again at 0 after so many of its unit.
    stamps : {"recorded", "even"}
        `even` are stamps of delivery, in bursts, of a sensor with a steady clock of `rate_hz`:
        samples are laid on it by their order. What is recorded stays otherwise as it is.
    number : str or None
        With `even`, the column that counts samples; the order of rows where there is none.
    """

    column: str
    unit: Literal["s", "ms", "us", "ns", "date"]
    zone: str | None = None
    wraps: float = Field(0.0, ge=0)
    stamps: Literal["recorded", "even"] = "recorded"
    number: str | None = None


class _Source(_Model):
    files: str
    stream: str | None = None
    time: Time | None = None
    rate_hz: float | None = Field(None, gt=0, le=100_000)
    clock: Literal["own", "shared"] = "own"
    offset_s: float = 0.0

    @field_validator("files")
    @classmethod
    def _is_a_pattern(cls, files: str) -> str:
        Pattern(files)
        return files


class Imu(_Source):
    """The IMU of one place.

    Attributes
    ----------
    files : str
        Pattern of its files, with parts such as `{person}`.
    stream : str or None
        Of a file with several.
    time, rate_hz : Time or None, float or None
        One of the two, unless the format has its own time.
    clock : {"own", "shared"}
        `own` begins with its first sample; those that share one keep their stamps.
    offset_s : float
        Added to its time.
    rows : dict
        The rows that are this IMU's: column -> value.
    place : str or None
        One of `schema.PLACES` with or without its side, or a part of the name: `{place}`.
    places : dict
        What the files call a place -> ours.
    accel : Accel
        The accelerometer.
    gyro : Gyro or None
        The gyroscope.
    bouts : str or None
        Column of the activity, where each run of rows with the same one is a take.
    """

    rows: dict[str, str | float | Header] = Field(default_factory=dict)
    place: str | None = None
    places: dict[str, str] = Field(default_factory=dict)
    accel: Accel
    gyro: Gyro | None = None
    bouts: str | None = None


class Mocap(_Source):
    """Motion capture of one person.

    Attributes
    ----------
    skeleton : str or dict
        One of `skeletons.SKELETONS`, or COCO-17 joint -> name or names, whose mean it is.
    unit : str or float
        Of positions; a number is metres of one, `legs` finds it from their length.
    up : {"x", "y", "z", "-x", "-y", "-z"}
        The axis that is up.
    rest_frames : int
        Left out at the beginning: poses for calibration.
    """

    skeleton: str | dict[str, str | tuple[str, ...]]
    unit: LengthUnit
    up: Literal["x", "y", "z", "-x", "-y", "-z"]
    rest_frames: int = Field(0, ge=0)


class Lookup(_Model):
    """A table that says more of takes: where column `key` is `value`, `parts` are its columns."""

    file: str
    key: str
    value: str
    parts: dict[str, str]


class Texts(_Model):
    """Captions: VTT or SRT by pattern, or a table in which column `key` is `value`.

    Without `start` and `end` a text is of the whole take.
    """

    files: str | None = None
    file: str | None = None
    key: str | None = None
    value: str | None = None
    text: str | None = None
    start: str | None = None
    end: str | None = None
    unit: Literal["s", "ms"] = "s"
    offset_s: float = 0.0


class Split(PeopleOptions[str]):
    """Who trains, validates and tests, by person; `train: null` is everybody else."""

    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


class Folder(_Model):
    """The whole file; see the module for an example."""

    version: Literal[1]
    person: str = "{person}"
    take: str
    label: str | None = None
    labels: dict[str, str] | None = None
    imu: tuple[Imu, ...] = ()
    mocap: tuple[Mocap, ...] = ()
    tables: tuple[Lookup, ...] = ()
    texts: tuple[Texts, ...] = ()
    split: Split | None = None
