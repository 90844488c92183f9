"""Choices that the format leaves open; `datasets.<name>.options` in params.yaml."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from aura.schema import SPLITS

Imu = Literal["imu-right", "imu-left"]
Source = Literal["atomic_descriptions", "expert_commentary", "keystep", "activity"]


class Options(BaseModel):
    """What of a download is read, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    splits: tuple[str, ...] = SPLITS  # which of splits.json's splits are read
    split: Literal["official", "participant"] = (
        "official"  # or a new one, by person, of these takes
    )

    imu: Imu | Annotated[tuple[Imu, ...], Field(min_length=1)] = "imu-right"  # each is a take
    rectify: bool = True  # bias, scale and misalignment by the factory calibration
    frame: Literal["device", "sensor"] = "device"  # the axes that the IMU is given in
    time_offsets: bool = True  # factory offsets of 1 to 4 ms between the sensors' stamps
    first_row: Literal[0, 1] = 0  # frame 0 is row timesync_start_idx + first_row

    pose: tuple[Literal["automatic", "annotation"], ...] = ("automatic", "annotation")
    min_views: int = Field(2, ge=0)  # a joint seen by fewer cameras is masked

    texts: tuple[Source, ...] = ("atomic_descriptions",)
    subjects: tuple[str, ...] = ("C",)  # whom a text may be about; the wearer is C
    person: str | None = "a person"  # what C is called; null keeps the C
    unsure_texts: bool = False

    @property
    def places(self) -> tuple[str, ...]:
        """Where the IMUs that are read sit, the first one first."""
        imus = (self.imu,) if isinstance(self.imu, str) else self.imu
        return tuple(dict.fromkeys(imu.replace("imu", "head") for imu in imus))
