"""Entries of takes.json and captures.json, with the fields of the real ones."""

from typing import Any

from aura.datasets.synthetic.actions import TASK_NAMES
from aura.datasets.synthetic.plan import TakePlan, derive_uid

VIDEOS = "frame_aligned_videos"
ARIA_STREAMS = {"rgb": "214-1", "slam-left": "1201-1", "slam-right": "1201-2"}


def vrs_name(take: TakePlan) -> str:
    """File name of the take's IMU recording."""
    return f"{take.capture.aria}_noimagestreams.vrs"


def take_record(take: TakePlan) -> dict[str, Any]:
    """The take's entry in takes.json."""
    known = take.flaw("null_task_id") is None
    ranged = take.flaw("no_frame_range") is None
    return {
        "root_dir": f"takes/{take.take_name}",
        "take_name": take.take_name,
        "take_uid": take.take_uid,
        "capture_uid": take.capture.uid,
        "participant_uid": (
            take.participant_uid if take.flaw("participant_null") is None else None
        ),
        "is_dropped": take.flaw("dropped_take") is not None,
        "task_id": take.task_id if known else None,
        "task_name": TASK_NAMES[take.activity] if known else None,
        "parent_task_id": take.task_id // 1000 * 1000 if known else None,
        "parent_task_name": take.activity if known else None,
        "take_idx": take.take_idx,
        "duration_sec": round(take.seconds, 6),
        "best_exo": None if take.flaw("best_exo_null") is not None else take.best_exo,
        "task_start_sec": 0.0,
        "task_end_sec": round(take.seconds, 6),
        "is_narrated": True,
        "timesync_start_idx": take.start_idx,
        "timesync_end_idx": take.end_idx if ranged else None,
        "validated": True,
        "university_name": "synthetic",
        "capture": capture_record(take),
        "frame_aligned_videos": _videos(take),
        "has_trimmed_vrs": True,
        "vrs_relative_path": vrs_name(take) if take.flaw("vrs_path_null") is None else None,
    }


def capture_record(take: TakePlan) -> dict[str, Any]:
    """The entry in captures.json of the take's capture."""
    capture = take.capture
    kinds = [(name, name == capture.aria, "aria") for name in sorted({"aria01", capture.aria})]
    kinds += [(name, False, "hero10") for name in capture.cameras]
    return {
        "capture_name": capture.name,
        "capture_uid": capture.uid,
        "cameras": [
            {"cam_id": name, "is_ego": ego, "device_type": device, "has_walkaround": False}
            for name, ego, device in kinds
        ],
        "timesync_validated": True,
        "university_name": "synthetic",
    }


def _videos(take: TakePlan) -> dict[str, Any]:
    """The videos of a take by camera and stream: exo cameras, the Aria, pseudo cameras."""

    def stream(camera: str, number: str, name: str, file: str | None) -> dict[str, Any]:
        return {
            "cam_id": camera,
            "stream_id": number,
            "readable_stream_id": name,
            "clip_uid": derive_uid(take.take_uid, camera, number),
            "relative_path": file and f"{VIDEOS}/{file}.mp4",
        }

    missing = (take.flaw("camera_path_null") or {"camera": None})["camera"]
    aria = take.capture.aria
    videos = {
        aria: {
            name: stream(aria, number, name, f"{aria}_{number}")
            for name, number in ARIA_STREAMS.items()
        }
    }
    for camera in take.capture.cameras:
        videos[camera] = {"0": stream(camera, "0", "0", camera if camera != missing else None)}
    for pseudo in ("collage", "best_exo"):
        videos[pseudo] = {"0": stream(pseudo, "0", "0", None)}
    return videos
