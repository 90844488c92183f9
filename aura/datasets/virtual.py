"""Virtual IMUs for every data set with mocap: the option `virtual`, of all adapters alike.

    options: {virtual: [wrist-left, waist]}
    options: {virtual: {places: [wrist-left, waist], measured: true, mount: 7}}

A take becomes as many takes as there are places, of one moment, each with what an IMU would
measure there (`aura.signals.virtual`) and with the take's own mocap, texts and video. The takes as
they were recorded stay beside them only where `measured` says so. Feet are not among COCO's joints.

How near this comes to a sensor is a matter of the mocap. On UTD-MHAD, whose Kinect gives some 19
poses a second by clocks that are only known to start and stop together, the median correlation over
sequences of the magnitude of the acceleration, up to 3 Hz, is 0.66 on the wrist and 0.25 on the
thigh, which hardly moves; 0.81 and 0.52 where each sequence may be shifted by up to 0.4 s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from aura.config import IMU_RATE_HZ
from aura.config.base import parse_options
from aura.datasets import base
from aura.datasets.base import Inventory, Recording, Skip, Take, empty_imu
from aura.errors import AuraError
from aura.signals.lost import mask_lost
from aura.signals.units import suspect_mocap
from aura.signals.virtual import VirtualImu, mount, parse_place, virtual_imu


class Options(BaseModel):
    """Which sensors.

    `measured` keeps the takes as recorded beside the virtual ones. `mount` is a seed: each take's
    sensor is turned in a random way; null leaves it in the axes of its body segment. `cutoff_hz` is
    how far the mocap is believed; null is a sixth of its rate and 12 Hz at most.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    places: tuple[str, ...] = Field(min_length=1)
    measured: bool = False
    mount: int | None = Field(None, ge=0)
    cutoff_hz: float | None = Field(None, gt=0)

    @field_validator("places")
    @classmethod
    def _known(cls, places: tuple[str, ...]) -> tuple[str, ...]:
        for place in places:
            try:
                parse_place(place)
            except AuraError as error:
                raise ValueError(str(error)) from None
        if len(set(places)) < len(places):
            raise ValueError("a place is there twice")
        return places


class Source(NamedTuple):
    """What a virtual take is made of: a take of the data set, and the number of the place."""

    take: Take
    source: Any  # of that take; its own repr leaves it out, and it tells whether it has changed
    row: int


class VirtualAdapter:
    """Another adapter's takes as virtual IMUs see them.

    Parameters
    ----------
    adapter : base.Adapter
        Reads the data set.
    options : Options
        Which sensors.
    """

    def __init__(self, adapter: base.Adapter, options: Options) -> None:
        self.adapter = adapter
        self.options = options
        self.classes = adapter.classes
        self._opened: tuple[Take, Recording, VirtualImu | None] | None = None

    def inventory(self) -> Inventory:
        """List a take for each place, once a moment; see `base.Adapter`."""
        found = self.adapter.inventory()
        takes = []
        done = set()
        for take in found.takes:
            moment = take.moment_id or take.take_id
            if self.options.measured:
                takes.append(replace(take, moment_id=moment))
            if moment in done:
                continue
            done.add(moment)
            takes += [
                replace(
                    take,
                    take_id=f"{take.take_id}.{place}",
                    take_name=f"{take.take_name}.{place}",
                    place=place,
                    moment_id=moment,
                    source=Source(take, take.source, row),
                )
                for row, place in enumerate(self.options.places)
            ]
        return Inventory(tuple(takes), found.skips, found.counts)

    def load(self, take: Take) -> Recording:
        """Open the take, and put the sensor in place of the one that it was recorded with."""
        if not isinstance(take.source, Source):
            return self.adapter.load(take)
        recording, sensors = self._open(take.source.take)
        row = take.source.row
        skips = [skip for skip in recording.skips if skip.modality != "imu"]
        imu_s, imu, imu_ok = empty_imu()
        if sensors is None:
            why = "mocap is not in metres with z up" if len(recording.mocap) else "no mocap"
            skips.append(Skip(f"{why}, so no virtual IMU", take.take_name, "imu"))
        elif not len(sensors.time_s):
            skips.append(Skip("too few poses, so no virtual IMU", take.take_name, "imu"))
        elif not sensors.ok[row].any():
            skips.append(Skip("joints are not seen, so no virtual IMU", take.take_name, "imu"))
        else:
            imu_s, imu, imu_ok = sensors.time_s, sensors.imu[row], sensors.ok[row]
            if self.options.mount is not None:
                imu = mount(imu, self.options.mount, take.take_id)
        imu = imu / np.array([1, 1, 1, *[recording.rate_stretch] * 3], np.float32)
        return replace(
            recording,
            imu_s=imu_s * recording.stretch,
            imu=imu,
            imu_ok=imu_ok,
            imu_saturated=np.empty(0, bool),
            gyro_lag_s=0.0,
            skips=tuple(skips),
        )

    def _open(self, take: Take) -> tuple[Recording, VirtualImu | None]:
        """The recording and all its sensors; places of one take come one after another."""
        if self._opened is None or self._opened[0] != take:
            self._opened = None  # not two takes at once
            recording = self.adapter.load(take)
            sensors = None
            if len(recording.mocap) and not suspect_mocap(recording.mocap):
                joints, _ = mask_lost(recording.mocap)
                sensors = virtual_imu(
                    recording.mocap_s / recording.stretch,
                    joints,
                    self.options.places,
                    cutoff_hz=self.options.cutoff_hz,
                    rate_hz=IMU_RATE_HZ * recording.stretch,
                )
            self._opened = take, recording, sensors
        return self._opened[1:]


def with_virtual(adapter: base.Adapter, virtual: Mapping[str, Any] | Sequence[str]) -> base.Adapter:
    """An adapter with virtual IMUs, by what the option `virtual` says.

    Raises
    ------
    AuraError
        A place is not known, or an option is.
    """
    given = virtual if isinstance(virtual, Mapping) else {"places": virtual}
    return VirtualAdapter(adapter, parse_options(Options, given, "virtual IMUs"))
