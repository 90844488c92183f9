"""One take of an Ego-Exo4D root as a Recording.

The clock of a take starts at its first video frame, whose Aria device time stands in the capture's
timesync.csv; IMU stamps are device time as well, so both need only the same origin.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aura.config.base import parse_options
from aura.datasets.base import (
    Inventory,
    Recording,
    Skip,
    Take,
    Text,
    Video,
    empty_imu,
    empty_mocap,
)
from aura.datasets.ego_exo4d import index
from aura.datasets.ego_exo4d.index import FPS, frames_of
from aura.datasets.ego_exo4d.options import Options
from aura.datasets.ego_exo4d.pose import Pose, read_pose
from aura.datasets.ego_exo4d.splits import split_by_person
from aura.datasets.ego_exo4d.texts import ACTION, read_texts, unpack_texts
from aura.datasets.ego_exo4d.timesync import TakeClock, read_timesync, take_clock
from aura.datasets.vrs import read_imu, to_device_frame
from aura.errors import CorruptFile
from aura.storage import Storage

_ACTIVITIES = {1: "Cooking", 2: "Health", 4: "Bike Repair", 5: "Music"}
_ACTIVITIES |= {6: "Basketball", 7: "Rock Climbing", 8: "Soccer", 9: "Dance"}
_NEAR_S = 0.5  # IMU samples before and after the take that the resampling filter can use
_TEXT_SLACK_S = 2.0  # a text may be 1 to 2 s off; one further outside the take is an error


class Adapter:
    """Reads an Ego-Exo4D v2 root."""

    classes: Mapping[str, str] = {
        "Cooking": "cooking",
        "Health": "doing a health procedure",
        "Bike Repair": "repairing a bike",
        "Music": "playing music",
        "Basketball": "playing basketball",
        "Rock Climbing": "rock climbing",
        "Soccer": "playing soccer",
        "Dance": "dancing",
    }

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None:
        self.files = root
        self.options: Options = parse_options(Options, options, "adapter ego-exo4d")
        # One file serves all takes of a capture, which come one after another.
        self._timesync = lru_cache(maxsize=4)(self._read_timesync)

    def inventory(self) -> Inventory:
        """List the takes of the chosen splits; see `base.Adapter`."""
        index.require(self.files, "takes.json")
        captures = {
            str(capture.get("capture_uid")): capture.get("capture_name")
            for capture in index.stream_list(self.files, "captures.json")
        }
        splits = index.read_object(self.files, "annotations/splits.json")
        split_of = splits.get("take_uid_to_split") or {}
        takes, skips, seen = [], [], set()
        for record in index.stream_list(self.files, "takes.json"):
            name, uid = str(record.get("take_name")), str(record.get("take_uid"))
            if uid in seen:
                skips.append(Skip("take is listed twice", name, "index"))
                continue
            seen.add(uid)
            found = self._take(record, name, uid, split_of.get(uid), captures)
            if isinstance(found, str):
                skips.append(Skip(found, name))
                continue
            takes.append(found)
            if found.label is None:
                skips.append(Skip("task_id names no activity", name, "label"))
        texts, text_skips = read_texts(self.files, self.options, seen)
        for take in takes:
            take.source["texts"] = texts.get(take.take_id)
        takes.sort(key=lambda take: take.take_name)
        if self.options.split == "participant":
            split = split_by_person(
                [t.participant_id for t in takes], [t.capture_id for t in takes]
            )
            takes = [replace(take, split=s) for take, s in zip(takes, split, strict=True)]
        return Inventory(tuple(takes), tuple(skips + text_skips))

    def _take(
        self, record: Mapping[str, Any], name: str, uid: str, split: Any, captures: dict[str, Any]
    ) -> Take | str:
        """A take of the index, or the reason why it is left out."""
        if index.truth(record.get("is_dropped")):
            return "take is marked as dropped"
        if split is None:
            return "take is in no split"
        if split not in self.options.splits:
            return "take is in a split that is not read"
        capture, person = index.capture_id(record), record.get("participant_uid")
        own = record.get("capture")
        own_name = own.get("capture_name") if isinstance(own, Mapping) else None
        source = index.source_of(record, captures.get(capture) or own_name)
        source["official_split"] = split
        return Take(
            take_id=uid,
            take_name=name,
            participant_id=str(person if person is not None else capture),
            capture_id=capture,
            split=split,
            label=_ACTIVITIES.get(index.task_of(record)),
            source=source,
            duration_s=frames_of(source) / FPS,
        )

    def load(self, take: Take) -> Recording:
        """Open one take; what is missing or damaged becomes a skip of its modality."""
        frames = frames_of(take.source)
        if not frames:
            raise CorruptFile(f"takes.json gives no range of frames for {take.take_name}.")
        skips: list[Skip] = []
        counts: Counter[str] = Counter()
        clock = self._clock(take, frames, skips, counts)
        imu_s, imu, imu_ok, saturated, lag = self._imu(take, clock, frames / FPS, skips)
        pose = self._pose(take, frames, skips, counts)
        frame_s = clock.frame_s if clock else np.arange(frames) / FPS
        rate = clock.rate_hz if clock else FPS
        times = frame_s[pose.frames] if pose else np.empty(0)
        texts, actions = self._texts(take, frames / FPS, skips)
        return Recording(
            duration_s=frames / FPS,
            imu_s=imu_s,
            imu=imu,
            imu_ok=imu_ok,
            mocap_s=np.where(np.isfinite(times), times, pose.frames / rate) if pose else times,
            mocap=pose.joints if pose else empty_mocap()[1],
            frame_rate_hz=rate,
            frame_s=frame_s,
            videos=self._videos(take, skips),
            texts=texts,
            skips=tuple(skips),
            actions=actions,
            gyro_lag_s=lag,
            imu_saturated=saturated,
            mocap_frame=pose.frames if pose else np.empty(0, np.int64),
            counts=+counts,
        )

    # -- one private method a modality ------------------------------------------------------------

    def _read_timesync(self, path: str, column: str) -> np.ndarray:
        return read_timesync(self.files.read(path), column)

    def _clock(
        self, take: Take, frames: int, skips: list[Skip], counts: Counter[str]
    ) -> TakeClock | None:
        source = take.source
        path = f"captures/{source['capture_name']}/timesync.csv"
        column = f"{source['aria']}_214-1_capture_timestamp_ns"
        try:
            times = self._timesync(path, column)
        except FileNotFoundError:
            skips.append(Skip("no timesync.csv", take.take_name, "clock"))
            return None
        except CorruptFile:
            skips.append(Skip("timesync.csv is corrupt", take.take_name, "clock"))
            return None
        clock = take_clock(times, int(source["start"]) + self.options.first_row, frames)
        if clock is None:
            skips.append(Skip("timesync.csv has no times for the take", take.take_name, "clock"))
            return None
        for reason, count in (
            ("timesync.csv ends before the take", clock.missing),
            ("timesync.csv has empty times", clock.empty),
            ("timesync.csv has times out of line", clock.stray),
        ):
            if count:
                skips.append(Skip(reason, take.take_name, "clock"))
        counts["video frame without a time"] = clock.missing + clock.empty + clock.stray
        return clock

    @contextmanager
    def _vrs(self, take: Take) -> Iterator[Path | None]:
        named, aria = take.source["vrs"], take.source["aria"]
        path = PurePosixPath(named or f"{aria}.vrs")
        small = path.with_name(f"{path.stem}_noimagestreams.vrs")
        places = [f"{take.source['folder']}/{place}" for place in (small, path)]
        found = next((place for place in places if self.files.is_file(place)), None)
        if found is None:
            yield None
            return
        with self.files.local(found) as local:
            yield local

    def _imu(
        self, take: Take, clock: TakeClock | None, duration_s: float, skips: list[Skip]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
        """Times, samples, validity, saturation, and by how much the gyroscope is late."""
        options, nothing = self.options, (*empty_imu(), np.empty(0, bool), 0.0)
        with self._vrs(take) as path:
            if path is None:
                skips.append(Skip("no VRS file", take.take_name, "imu"))
                return nothing
            if clock is None:
                skips.append(Skip("IMU cannot be aligned without timesync", take.take_name, "imu"))
                return nothing
            try:
                stream = read_imu(path, options.imu)
            except CorruptFile:
                skips.append(Skip("VRS file is corrupt", take.take_name, "imu"))
                return nothing
        if stream.calibration is None and (options.rectify or options.frame == "device"):
            skips.append(Skip("IMU has no calibration, read as it is", take.take_name, "imu"))
        accel, gyro = to_device_frame(stream, options.rectify, options.frame == "device")
        offset = lag = 0.0
        if options.time_offsets and stream.calibration:
            # As in T_device_imu, the offset leads from the sensor to the device.
            offset = stream.calibration.accel_time_offset_s
            lag = stream.calibration.gyro_time_offset_s - offset
        seconds = (stream.timestamps_ns - np.int64(round(clock.origin_ns))) / 1e9 + offset
        near = (seconds > -_NEAR_S) & (seconds < duration_s + _NEAR_S)
        ok = stream.accel_valid & stream.gyro_valid
        samples = np.hstack([accel, gyro])[near]
        return seconds[near], samples, ok[near], stream.saturated[near], lag

    def _pose(
        self, take: Take, frames: int, skips: list[Skip], counts: Counter[str]
    ) -> Pose | None:
        body = f"annotations/ego_pose/{take.source['official_split']}/body"
        paths = [f"{body}/{kind}/{take.take_id}.json" for kind in self.options.pose]
        broken = False
        for path in paths:
            try:
                pose = read_pose(self.files.read(path), self.options.min_views)
            except FileNotFoundError:
                continue
            except CorruptFile:
                broken = True
                continue
            if broken:
                reason = "body pose is corrupt, the other kind is read"
                skips.append(Skip(reason, take.take_name, "mocap"))
            inside = int(np.searchsorted(pose.frames, frames))
            counts["pose after the take's last frame"] = len(pose.frames) - inside
            counts["pose without a person"] = pose.empty
            counts["joint absent"] = pose.absent
            counts["joint seen by too few cameras"] = pose.few_views
            return Pose(pose.frames[:inside], pose.joints[:inside], 0, 0, 0)
        reason = "body pose is corrupt" if broken else "no body pose"
        skips.append(Skip(reason, take.take_name, "mocap"))
        return None

    def _videos(self, take: Take, skips: list[Skip]) -> tuple[Video, ...]:
        videos = []
        for camera, relative in take.source["videos"]:
            where = f"{take.take_name}/{camera}"
            if relative is None:
                skips.append(Skip("camera has no video path", where, "video"))
                continue
            full = PurePosixPath(take.source["folder"]) / relative
            small = full.parent / "downscaled" / "448" / full.name
            path = next((p for p in (small, full) if self.files.is_file(str(p))), None)
            if path is None:
                skips.append(Skip("video file is missing", where, "video"))
                continue
            videos.append(Video(camera, str(path)))
        best = take.source["best_exo"]
        return tuple(sorted(videos, key=lambda video: (video.camera != best, video.camera)))

    def _texts(
        self, take: Take, duration_s: float, skips: list[Skip]
    ) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
        """Texts, and keysteps as labels."""
        person = self.options.person
        texts: list[Text] = []
        actions: list[Text] = []
        for text in unpack_texts(take.source["texts"], person):
            label = text.source == ACTION
            last = text.time_s if text.end_s is None else text.end_s
            if last < -_TEXT_SLACK_S or text.time_s > duration_s + _TEXT_SLACK_S:
                reason = f"{'action' if label else 'text'} is outside the take"
                skips.append(Skip(reason, take.take_name, "text"))
            else:
                (actions if label else texts).append(text)
        if "activity" in self.options.texts and take.label is not None:
            sentence = f"{person or 'C'} is {self.classes[take.label]}."
            texts.append(Text(sentence[:1].upper() + sentence[1:], 0.0, "activity", duration_s))
        if not texts:
            skips.append(Skip("take has no usable text", take.take_name, "text"))
        return tuple(texts), tuple(actions)
