"""The flaws that real recordings have, and which of them may share a take."""

from dataclasses import dataclass
from typing import Any

SEVERE = (
    "corrupt_vrs",
    "vrs_missing",
    "corrupt_mp4",
    "frames_missing",
    "no_pose",
    "pose_corrupt",
    "timesync_blank",
    "null_task_id",
    "dropped_take",
    "no_split",
    "no_frame_range",
)
# How often each is planted in a data set of at least `LARGE` takes; in a smaller one, once.
MILD = {
    "timesync_nan": 2,
    "timesync_short": 1,
    "imu_gap": 3,
    "imu_duplicates": 2,
    "imu_invalid": 2,
    "imu_unsorted": 2,
    "imu_nan": 1,
    "imu_saturated": 2,
    "missing_joints": 3,
    "empty_pose_frames": 2,
    "few_views": 2,
    "camera_path_null": 1,
    "camera_file_missing": 1,
    "best_exo_null": 2,
    "frames_off_by_one": 2,
    "full_resolution_only": 1,
    "portrait_video": 1,
    "rejected_annotation": 1,
    "unsure_descriptions": 3,
    "other_subject": 2,
    "commentary_error": 1,
    "vrs_path_null": 1,
    "duplicate_take": 1,
}
WHOLE_CAPTURE = "participant_null"  # on every take of one capture of the train split
STRAY = "unknown_take_annotation"  # on no take: one in each text source
SOURCES = ("atomic_descriptions", "keystep", "expert_commentary")
LARGE = 48
# Flaws of one group change the same elements of a file, or the counts of each other: a take has at
# most one of each group. Severe flaws share a take with none.
GROUPS = {
    "pose": ("missing_joints", "empty_pose_frames", "few_views"),
    "imu": (
        "imu_gap",
        "imu_duplicates",
        "imu_invalid",
        "imu_unsorted",
        "imu_nan",
        "imu_saturated",
    ),
    "text": ("rejected_annotation", "unsure_descriptions", "other_subject"),
    "commentary": ("commentary_error",),
    "camera": (
        "camera_path_null",
        "camera_file_missing",
        "best_exo_null",
        "frames_off_by_one",
        "full_resolution_only",
        "portrait_video",
    ),
    "clock": ("timesync_nan", "timesync_short"),
    "record": ("vrs_path_null", "duplicate_take"),
}
GROUP_OF = {kind: group for group, kinds in GROUPS.items() for kind in kinds}
TEXT_FLAWS = {*GROUPS["text"], *GROUPS["commentary"]}
CAMERA_FLAWS = {"camera_path_null", "camera_file_missing"}  # these take a camera away
TIMESYNC_LOST_ROWS = 10  # of the last take, where timesync.csv ends too early
# In these activities jumps push imu-right beyond its range in some clean takes too.
JUMPING = {"Basketball", "Soccer", "Dance"}


@dataclass(frozen=True)
class Flaw:
    """One planted flaw. `detail` says where it is; its keys depend on `kind`.

    Frames are numbers of the take's 30 FPS video, which are keys of the automatic pose file; where
    there is an annotated pose file, it has the flaw in those of its frames that are among them.
    Samples are counted in each IMU stream, inside the take. Other kinds have no keys.

    - timesync_nan: `frames`, a list; timesync_blank: `frames`, how many; timesync_short: `rows`,
      how many at the end of the take are not in timesync.csv
    - imu_duplicates, imu_invalid, imu_nan, imu_saturated: `samples`; imu_unsorted: `pairs`
    - imu_gap: `start_s`, `duration_s`
    - missing_joints, few_views: `first_frame`, `frames` (how many), `joints`
    - empty_pose_frames: `frames`, a list
    - corrupt_mp4, camera_file_missing, camera_path_null, full_resolution_only, portrait_video:
      `camera`; frames_off_by_one, frames_missing: `camera`, `frames` (how many its file has)
    - corrupt_vrs, corrupt_mp4, pose_corrupt: `keep`, the share of the bytes that is left
    - unsure_descriptions, other_subject: `descriptions`; rejected_annotation: `annotations`;
      commentary_error: `entries`
    - unknown_take_annotation: `take_uid`, `split`, `source` (a file name without the split)
    """

    kind: str
    take_uid: str | None
    detail: dict[str, Any]
