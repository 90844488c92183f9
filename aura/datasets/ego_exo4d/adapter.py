"""One take of an Ego-Exo4D root as a Recording.

The clock of a take starts at its first video frame, whose Aria device time stands in the capture's
timesync.csv; IMU stamps are device time as well, so both need only the same origin.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from aura.config.base import parse_options
from aura.datasets.base import Inventory, Recording, Skip, Take, Text, Video, empty_mocap
from aura.datasets.ego_exo4d import index
from aura.datasets.ego_exo4d.imu import read_take_imu
from aura.datasets.ego_exo4d.index import FPS, frame_count
from aura.datasets.ego_exo4d.options import Options
from aura.datasets.ego_exo4d.pose import pose_times, read_take_pose
from aura.datasets.ego_exo4d.splits import split_by_person
from aura.datasets.ego_exo4d.texts import ACTION, read_texts, unpack_texts
from aura.datasets.ego_exo4d.timesync import TakeClock, clock_fault, read_timesync, take_clock
from aura.errors import CorruptFile, OutsideRoot
from aura.storage import Storage

_ACTIVITIES = {1: "Cooking", 2: "Health", 4: "Bike Repair", 5: "Music"}
_ACTIVITIES |= {6: "Basketball", 7: "Rock Climbing", 8: "Soccer", 9: "Dance"}
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
        index.require_file(self.files, "takes.json")
        captures: dict[str, Any] = {}
        skips: list[Skip] = []
        for record in index.stream_list(self.files, "captures.json"):
            uid, name = str(record.get("capture_uid")), record.get("capture_name")
            if captures.setdefault(uid, name) != name:
                skips.append(Skip("capture is listed twice", f"{name}", "index"))
        split_of = index.read_splits(self.files)
        takes, seen = [], set()
        for record in index.stream_list(self.files, "takes.json"):
            name, uid = str(record.get("take_name")), str(record.get("take_uid"))
            if uid in seen:
                skips.append(Skip("take is listed twice", name, "index"))
                continue
            seen.add(uid)
            take = self._take(record, name, uid, split_of.get(uid), captures)
            if isinstance(take, str):
                skips.append(Skip(take, name))
                continue
            takes.append(take)
            if take.label is None:
                skips.append(Skip("task_id names no activity", name, "label"))
        texts, text_skips, listed = read_texts(self.files, self.options, seen)
        for take in takes:
            take.source["texts"] = texts.get(take.take_id)
        takes.sort(key=lambda take: take.take_name)
        if self.options.split == "participant":
            split = split_by_person(
                [t.participant_id for t in takes], [t.capture_id for t in takes]
            )
            takes = [replace(take, split=s) for take, s in zip(takes, split, strict=True)]
        each = [
            _at(take, n, place) for take in takes for n, place in enumerate(self.options.places)
        ]
        return Inventory(tuple(each), tuple(skips + text_skips), listed.content())

    def _take(
        self, record: Mapping[str, Any], name: str, uid: str, split: Any, captures: dict[str, Any]
    ) -> Take | str:
        """A take of the index, or the reason why it is left out."""
        if index.is_true(record.get("is_dropped")):
            return "take is marked as dropped"
        if split is None:
            return "take is in no split"
        if split not in self.options.splits:
            return "take is in a split that is not read"
        capture, person = index.capture_id(record), record.get("participant_uid")
        nested = record.get("capture")
        nested_name = nested.get("capture_name") if isinstance(nested, Mapping) else None
        source = index.take_source(record, captures.get(capture) or nested_name)
        source["official_split"] = split
        return Take(
            take_id=uid,
            take_name=name,
            participant_id=str(person if person is not None else capture),
            capture_id=capture,
            split=split,
            label=_ACTIVITIES.get(index.activity_number(record)),
            source=source,
            duration_s=frame_count(source) / FPS,
        )

    def load(self, take: Take) -> Recording:
        """Open one take; what is missing or damaged becomes a skip of its modality."""
        frames = frame_count(take.source)
        if not frames:
            raise CorruptFile(f"takes.json gives no range of frames for {take.take_name}.")
        skips: list[Skip] = []
        counts: Counter[str] = Counter()
        clock = self._clock(take, frames, skips, counts)
        imu = read_take_imu(self.files, self.options, take, clock, frames / FPS, skips)
        pose = read_take_pose(self.files, self.options, take, frames, skips, counts)
        frame_s = clock.frame_s if clock else np.arange(frames) / FPS
        rate = clock.rate_hz if clock else FPS
        position = pose.frames / pose.numbers_a_frame if pose else np.empty(0)
        texts, actions, listed = self._texts(take, frames / FPS, skips)
        return Recording(
            duration_s=frames / FPS,
            imu_s=imu.seconds,
            imu=imu.values,
            imu_ok=imu.valid,
            mocap_s=pose_times(position, frame_s, rate),
            mocap=pose.joints if pose else empty_mocap()[1],
            frame_rate_hz=rate,
            frame_s=frame_s,
            videos=self._videos(take, skips),
            texts=texts,
            texts_listed=listed,
            skips=tuple(skips),
            actions=actions,
            gyro_lag_s=imu.gyro_lag_s,
            imu_saturated=imu.saturated,
            mocap_frame=position.astype(np.int64),
            counts=+counts,
        )

    # -- one private method a modality, but for IMU and pose----------------------------------------

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
        except OutsideRoot:
            skips.append(
                Skip("path of timesync.csv leads out of the root", take.take_name, "clock")
            )
            return None
        except CorruptFile:
            skips.append(Skip("timesync.csv is corrupt", take.take_name, "clock"))
            return None
        start = int(source["start"]) + self.options.first_row
        fault, clock = clock_fault(times, start, frames), take_clock(times, start, frames)
        if fault or clock is None:
            reason = fault or "timesync.csv has no times for the take"
            skips.append(Skip(reason, take.take_name, "clock"))
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

    def _videos(self, take: Take, skips: list[Skip]) -> tuple[Video, ...]:
        videos = []
        for camera, relative in take.source["videos"]:
            where = f"{take.take_name}/{camera}"
            if relative is None:
                skips.append(Skip("camera has no video path", where, "video"))
                continue
            full = PurePosixPath(take.source["folder"]) / relative
            small = full.parent / "downscaled" / "448" / full.name
            try:
                path = next((p for p in (small, full) if self.files.is_file(str(p))), None)
            except OutsideRoot:
                skips.append(Skip("path of video leads out of the root", where, "video"))
                continue
            except CorruptFile:
                skips.append(Skip("video cannot be opened", where, "video"))
                continue
            if path is None:
                skips.append(Skip("video file is missing", where, "video"))
                continue
            videos.append(Video(camera, str(path)))
        best = take.source["best_exo"]
        return tuple(sorted(videos, key=lambda video: (video.camera != best, video.camera)))

    def _texts(
        self, take: Take, duration_s: float, skips: list[Skip]
    ) -> tuple[tuple[Text, ...], tuple[Text, ...], int]:
        """Texts, keysteps as labels, and how many texts there are with those outside the take."""
        person, listed = self.options.person, 0
        texts: list[Text] = []
        actions: list[Text] = []
        for text in unpack_texts(take.source["texts"], person):
            is_action = text.source == ACTION
            listed += not is_action
            end_s = text.time_s if text.end_s is None else text.end_s
            if end_s < -_TEXT_SLACK_S or text.time_s > duration_s + _TEXT_SLACK_S:
                reason = f"{'action' if is_action else 'text'} is outside the take"
                skips.append(Skip(reason, take.take_name, "text"))
            else:
                (actions if is_action else texts).append(text)
        if "activity" in self.options.texts and take.label is not None:
            sentence = f"{person or 'C'} is {self.classes[take.label]}."
            texts.append(Text(sentence[:1].upper() + sentence[1:], 0.0, "activity", duration_s))
            listed += 1
        if not texts:
            skips.append(Skip("take has no usable text", take.take_name, "text"))
        return tuple(texts), tuple(actions), listed


def _at(take: Take, number: int, place: str) -> Take:
    """The take with the IMU of a place; those after the first have names of their own."""
    if not number:
        return replace(take, place=place)
    name, uid = f"{take.take_name}.{place}", f"{take.take_id}.{place}"
    return replace(take, take_name=name, take_id=uid, place=place, moment_id=take.take_id)
