"""Ego-Exo4D v2 as its downloader lays it out; the bundled synthetic data set uses the same layout.

The clock of a take starts at its first video frame, whose Aria device time stands in the capture's
`timesync.csv`; IMU stamps are device time as well, so both need only the same origin.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from aura.datasets.base import (
    Inventory,
    Recording,
    Skip,
    Take,
    Text,
    Video,
    empty_imu,
    empty_mocap,
    parse_options,
)
from aura.datasets.vrs import read_imu, to_device_frame
from aura.errors import AuraError, CorruptFile
from aura.schema import JOINTS, SPLITS

FPS = 30.0
_ACTIVITIES = {1: "Cooking", 2: "Health", 4: "Bike Repair", 5: "Music"}
_ACTIVITIES |= {6: "Basketball", 7: "Rock Climbing", 8: "Soccer", 9: "Dance"}


class Options(BaseModel):
    """Choices that the format leaves open."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    splits: tuple[str, ...] = SPLITS  # which of splits.json's splits are read
    imu: Literal["imu-right", "imu-left"] = "imu-right"
    pose: tuple[Literal["automatic", "annotation"], ...] = ("automatic", "annotation")
    first_row: Literal[0, 1] = 0  # frame 0 is row timesync_start_idx + first_row
    unsure_texts: bool = False


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

    def __init__(self, root: Path, options: Mapping[str, Any]) -> None:
        self.root = root
        self.options: Options = parse_options(Options, options, "ego-exo4d")
        # One file serves all takes of a capture, which come one after another.
        self._timesync = lru_cache(maxsize=4)(read_timesync)

    def inventory(self) -> Inventory:
        """List the takes of the chosen splits; see `base.Adapter`."""
        records = self._index("takes.json", list)
        captures = {c["capture_uid"]: c for c in self._index("captures.json", list)}
        splits = self._index("annotations/splits.json", dict).get("take_uid_to_split", {})
        texts, text_skips = self._texts({str(record.get("take_uid")) for record in records})
        takes, skips = [], []
        for record in sorted(records, key=lambda r: str(r.get("take_name"))):
            name, uid = str(record.get("take_name")), str(record.get("take_uid"))
            capture = captures.get(record.get("capture_uid")) or record.get("capture") or {}
            split = splits.get(uid)
            if record.get("is_dropped"):
                skips.append(Skip("take is marked as dropped", name))
            elif split is None:
                skips.append(Skip("take is in no split", name))
            elif split not in self.options.splits:
                skips.append(Skip("take is in a split that is not read", name))
            else:
                label = _ACTIVITIES.get((record.get("task_id") or 0) // 1000)
                if label is None:
                    skips.append(Skip("task_id names no activity", name, "label"))
                person = record.get("participant_uid")
                takes.append(
                    Take(
                        take_id=uid,
                        take_name=name,
                        participant_id=str(person if person is not None else capture_id(record)),
                        capture_id=capture_id(record),
                        split=split,
                        label=label,
                        source={
                            **record,
                            "capture_name": capture.get("capture_name"),
                            "texts": tuple(texts.get(uid, ())),
                        },
                    )
                )
        return Inventory(tuple(takes), tuple(skips + text_skips))

    def load(self, take: Take) -> Recording:
        """Open one take; what is missing or damaged becomes a skip of its modality."""
        record = take.source
        skips: list[Skip] = []
        try:
            frames = int(record["timesync_end_idx"]) - int(record["timesync_start_idx"])
        except (KeyError, TypeError, ValueError):
            frames = 0
        if frames <= 0:
            raise CorruptFile(f"takes.json gives no range of frames for {take.take_name}.")
        origin_ns, frame_s, rate = self._clock(take, frames, skips)
        imu_s, imu, imu_ok = self._imu(take, origin_ns, frames / FPS, skips)
        mocap_s, mocap = self._pose(take, frame_s, rate, skips)
        videos = self._videos(take, skips)
        texts = record["texts"]
        if not texts:
            skips.append(Skip("take has no usable text", take.take_name, "text"))
        return Recording(
            duration_s=frames / FPS,
            imu_s=imu_s,
            imu=imu,
            imu_ok=imu_ok,
            mocap_s=mocap_s,
            mocap=mocap,
            frame_rate_hz=rate,
            frame_s=frame_s,
            videos=videos,
            texts=texts,
            skips=tuple(skips),
        )

    # -- one private method a modality ------------------------------------------------------------

    def _clock(
        self, take: Take, frames: int, skips: list[Skip]
    ) -> tuple[float | None, np.ndarray, float]:
        """Device time of frame 0 in ns, times (frames,) in s, NaN where unknown, and the rate."""
        nominal = np.arange(frames) / FPS
        record = take.source
        path = self.root / "captures" / str(record["capture_name"]) / "timesync.csv"
        column = f"{aria_of(record)}_214-1_capture_timestamp_ns"
        try:
            stamps = self._timesync(path, column)
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = "no timesync.csv" if isinstance(error, OSError) else "timesync.csv is corrupt"
            skips.append(Skip(reason, take.take_name, "clock"))
            return None, nominal, FPS
        start = int(record["timesync_start_idx"]) + self.options.first_row
        rows = stamps[start : start + frames]
        known = np.flatnonzero(np.isfinite(rows))
        if len(known) < 2:
            skips.append(Skip("timesync.csv has no times for the take", take.take_name, "clock"))
            return None, nominal, FPS
        if len(rows) < frames:
            skips.append(Skip("timesync.csv ends before the take", take.take_name, "clock"))
        if len(known) < len(rows):
            skips.append(Skip("timesync.csv has empty times", take.take_name, "clock"))
        # A line through the known stamps gives frame 0 even where its own cell is empty.
        slope, intercept = np.polyfit(known, rows[known] - rows[known[0]], 1)
        first = rows[0] if np.isfinite(rows[0]) else rows[known[0]] + intercept
        frame_s = np.full(frames, np.nan)
        frame_s[: len(rows)] = (rows - first) / 1e9
        return float(first), frame_s, 1e9 / slope

    def _imu(
        self, take: Take, origin_ns: float | None, duration_s: float, skips: list[Skip]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        relative = take.source.get("vrs_relative_path")
        path = self._take_file(take, str(relative)) if relative else None
        trimmed = path and path.with_name(f"{path.stem}_noimagestreams.vrs")
        found = next((p for p in (trimmed, path) if p and p.is_file()), None)
        if found is None:
            skips.append(Skip("no VRS file", take.take_name, "imu"))
            return empty_imu()
        if origin_ns is None:
            skips.append(Skip("IMU cannot be aligned without timesync", take.take_name, "imu"))
            return empty_imu()
        try:
            stream = read_imu(found, self.options.imu)
        except CorruptFile:
            skips.append(Skip("VRS file is corrupt", take.take_name, "imu"))
            return empty_imu()
        accel, gyro = to_device_frame(stream)
        offset = stream.calibration.accel_time_offset_s if stream.calibration else 0.0
        # As in T_device_imu, the offset leads from the sensor to the device.
        seconds = (stream.timestamps_ns - np.int64(origin_ns)) / 1e9 + offset
        near = (seconds > -0.5) & (seconds < duration_s + 0.5)
        ok = stream.accel_valid & stream.gyro_valid
        return seconds[near], np.hstack([accel, gyro])[near], ok[near]

    def _pose(
        self, take: Take, frame_s: np.ndarray, rate: float, skips: list[Skip]
    ) -> tuple[np.ndarray, np.ndarray]:
        body = self.root / "annotations" / "ego_pose" / take.split / "body"
        paths = [body / kind / f"{take.take_id}.json" for kind in self.options.pose]
        path = next((p for p in paths if p.is_file()), None)
        if path is None:
            skips.append(Skip("no body pose", take.take_name, "mocap"))
            return empty_mocap()
        try:
            numbers, joints = parse_pose(json.loads(path.read_bytes()))
        except (ValueError, TypeError, KeyError, AttributeError):
            skips.append(Skip("body pose is corrupt", take.take_name, "mocap"))
            return empty_mocap()
        inside = (numbers >= 0) & (numbers < len(frame_s))
        numbers, joints = numbers[inside], joints[inside]
        times = frame_s[numbers]
        return np.where(np.isfinite(times), times, numbers / rate), joints

    def _videos(self, take: Take, skips: list[Skip]) -> tuple[Video, ...]:
        cameras: Mapping[str, Any] = take.source.get("frame_aligned_videos") or {}
        videos = []
        for camera in sorted(cameras):
            if camera.startswith("aria") or camera in ("collage", "best_exo"):
                continue
            relative = ((cameras[camera] or {}).get("0") or {}).get("relative_path")
            if relative is None:
                skips.append(
                    Skip("camera has no video path", f"{take.take_name}/{camera}", "video")
                )
                continue
            full = self._take_file(take, relative)
            small = full.parent / "downscaled" / "448" / full.name
            path = next((p for p in (small, full) if p.is_file()), None)
            if path is None:
                skips.append(Skip("video file is missing", f"{take.take_name}/{camera}", "video"))
                continue
            videos.append(Video(camera, path.relative_to(self.root).as_posix()))
        best = take.source.get("best_exo")
        return tuple(sorted(videos, key=lambda video: (video.camera != best, video.camera)))

    def _texts(self, known: set[str]) -> tuple[dict[str, list[Text]], list[Skip]]:
        texts: dict[str, list[Text]] = {}
        skips: list[Skip] = []
        for split in self.options.splits:
            path = self.root / "annotations" / f"atomic_descriptions_{split}.json"
            if not path.is_file():
                skips.append(Skip("split has no atomic descriptions", split, "text"))
                continue
            content = self._index(path.relative_to(self.root).as_posix(), dict)
            for uid, annotations in sorted(content.get("annotations", {}).items()):
                if uid not in known:
                    skips.append(Skip("annotation without a take", uid, "text"))
                    continue
                found = texts.setdefault(uid, [])
                for annotation in annotations:
                    found.extend(self._annotation(annotation, uid, skips))
        for found in texts.values():
            found.sort(key=lambda text: (text.time_s, text.text))
        return texts, skips

    def _annotation(
        self, annotation: dict[str, Any], uid: str, skips: list[Skip]
    ) -> Iterator[Text]:
        if truth(annotation.get("rejected")):
            skips.append(Skip("annotation is rejected", uid, "text"))
            return
        for description in annotation.get("descriptions", []):
            text, time = description.get("text"), description.get("timestamp")
            if truth(description.get("unsure")) and not self.options.unsure_texts:
                skips.append(Skip("text is unsure", uid, "text"))
            elif not isinstance(text, str) or not text.strip() or not _is_time(time):
                skips.append(Skip("text or its time is empty", uid, "text"))
            else:
                yield Text(" ".join(text.split()), float(time), "atomic_descriptions")

    def _take_file(self, take: Take, relative: str) -> Path:
        return self.root / str(take.source.get("root_dir", f"takes/{take.take_name}")) / relative

    def _index(self, name: str, kind: type) -> Any:
        path = self.root / name
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise AuraError(
                f"{path} is missing; is this the root of an Ego-Exo4D download?"
            ) from None
        except ValueError:
            raise AuraError(f"{path} is not valid JSON.") from None
        if not isinstance(content, kind):
            raise AuraError(f"{path} should hold a JSON {kind.__name__}.")
        return content


def capture_id(record: Mapping[str, Any]) -> str:
    """Id of the capture of a takes.json record."""
    return str(record.get("capture_uid") or record.get("take_uid"))


def aria_of(record: Mapping[str, Any]) -> str:
    """Name of the take's Aria glasses: `aria01`, `aria02`, …"""
    cameras = record.get("frame_aligned_videos") or {}
    named = Path(str(record.get("vrs_relative_path") or "")).stem.split("_")[0]
    if named.startswith("aria"):
        return named
    return next((camera for camera in sorted(cameras) if camera.startswith("aria")), "aria01")


def truth(value: Any) -> bool:
    """Booleans as the annotations write them: true, "1", "true", 1."""
    return str(value).strip().lower() in ("1", "true")


def _is_time(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False


def parse_pose(content: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Body pose JSON to frame numbers (F,) and joints (F, 17, 3), NaN where a joint is absent.

    Frames come in numerical order; frames with an empty list are all NaN.
    """
    numbers = np.array(sorted(int(key) for key in content), dtype=np.int64)
    joints = np.full((len(numbers), len(JOINTS), 3), np.nan, np.float32)
    for row, number in enumerate(numbers):
        people = content[str(number)]
        points = people[0].get("annotation3D", {}) if people else {}
        for index, joint in enumerate(JOINTS):
            point = points.get(joint)
            if point is not None:
                joints[row, index] = point["x"], point["y"], point["z"]
    return numbers, joints


def read_timesync(path: Path, column: str) -> np.ndarray:
    """Device times (rows,) in ns, NaN where the cell is empty; float64 is exact for 104 days."""
    try:
        table = pl.read_csv(path, columns=[column], schema_overrides={column: pl.Float64})
    except FileNotFoundError as error:
        raise OSError(str(error)) from error
    return table[column].to_numpy().astype(np.float64)
