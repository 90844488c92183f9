"""The video of windows, through the teacher: what `embed` does with a shard of takes.

For each take the first camera that decodes is read, all its windows from one decode.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from aura.config import Params
from aura.counts import Ledger
from aura.datasets.base import Skip, count_skips
from aura.errors import AuraError, CorruptFile
from aura.schema import TAKES, WINDOWS, from_numpy, videos_schema
from aura.storage import Storage
from aura.teacher import frozen
from aura.teacher.identity import Identity
from aura.teacher.video import probe, window_frames
from aura.teacher.video_check import VideoCheck
from aura.teacher.video_vectors import embed_video
from pipeline.engine import paths
from pipeline.engine.log import Told, group_skips
from pipeline.engine.output import read_table
from pipeline.engine.shards import Add
from pipeline.engine.threads import limit_threads

UNITS = ("takes_with_video", "windows_with_video", "cameras", "frames")
"""What is counted; frames are those that windows ask for."""

NO_CAMERA, SPARE = "no camera of the take can be used", "another camera is read"
_WINDOW_COLUMNS = ["window_id", "take_id", "start_s", "has_video"]
_TAKE_COLUMNS = ["take_id", "take_name", "frame_rate_hz", "frames", "videos"]


class Frozen(NamedTuple):
    """What a worker loads: where the teacher is, who it must be, and on which device."""

    place: frozen.Place
    identity: Identity
    device: str


@lru_cache(1)
def load_teacher(wanted: Frozen) -> Any:
    """One teacher a worker process, another once it is taught anew."""
    identity = wanted.identity
    teacher = frozen.load(wanted.place, wanted.device, identity.precision, identity.long_texts)
    if teacher.identity != identity:
        raise AuraError(f"{identity.model} was replaced while `aura embed` ran; run it again.")
    return teacher


def _takes_with_video(windows: Path, signals: Path) -> list[dict[str, Any]]:
    """Takes that have video: cameras, rate, and the ids and starts of their windows."""
    takes = read_table(signals / paths.sibling(windows, "takes"), TAKES, "resample", _TAKE_COLUMNS)
    by_id = {row["take_id"]: {**row, "windows": []} for row in takes.to_pylist() if row["videos"]}
    for row in read_table(windows, WINDOWS, "slice", _WINDOW_COLUMNS).to_pylist():
        if row["has_video"]:
            by_id[row["take_id"]]["windows"].append((row["window_id"], row["start_s"]))
    return [take for take in by_id.values() if take["windows"]]


@limit_threads(1)
def embed_shard(
    root: str, signals: Path, wanted: Frozen, params: Params, windows: Path, add: Add
) -> dict[str, Any]:
    """One shard: for each take the first camera that decodes, all its windows from one decode."""
    teacher, files = load_teacher(wanted), Storage(root)
    ledger, told, noted, failure = Ledger("embed", *UNITS), Told(), list[Skip](), ""
    for take in _takes_with_video(windows, signals):
        numbers = window_frames(
            [start for _, start in take["windows"]],
            params.slice.window_s,
            params.embed.frames_per_window,
            take["frame_rate_hz"],
        )
        distinct = np.unique(numbers)
        ledger.find("takes_with_video")
        ledger.find("cameras", len(take["videos"]))
        ledger.find("frames", len(distinct))
        lost, videos = list[Skip](), iter(take["videos"])
        for video in videos:
            check = VideoCheck(video["path"], take["frames"])
            try:
                with files.local(video["path"]) as path:
                    probe(path)
                    found, means, counts = embed_video(
                        teacher, path, numbers, params.embed.batch, params.embed.decoder, check
                    )
            except (CorruptFile, FileNotFoundError) as error:
                lost.append(Skip(check.reason, video["path"], "camera"))
                ledger.drop("cameras", check.reason)
                failure = failure or str(error)
                continue
            if check.reason:
                noted.append(Skip(check.reason, video["path"], "video"))
                lost.append(noted[-1])
            ids = np.array([window_id for window_id, _ in take["windows"]])
            kept = counts > 0
            past = Skip("past the end of the video", take["take_name"], "window")
            lost += [past] * int((~kept).sum())
            table = _videos_table(
                wanted.identity, ids[kept], video["camera"], counts[kept], means[kept]
            )
            add("part", table)
            ledger.use("takes_with_video")
            ledger.use("cameras")
            ledger.drop("cameras", SPARE, len(list(videos)))
            ledger.use("windows_with_video", table.num_rows)
            ledger.drop("windows_with_video", past.reason, int((~kept).sum()))
            ledger.use("frames", found)
            ledger.drop("frames", past.reason, len(distinct[found:]))
            break
        else:
            lost.append(Skip(NO_CAMERA, take["take_name"]))
            ledger.drop("takes_with_video", NO_CAMERA)
            ledger.drop("windows_with_video", NO_CAMERA, len(take["windows"]))
            ledger.drop("frames", NO_CAMERA, len(distinct))
        told += group_skips(lost, take["take_name"])
    return {
        "counts": ledger.content(), "told": told,
        "skips": count_skips(noted), "failure": failure,
    }  # fmt: skip


def _videos_table(
    identity: Identity, ids: np.ndarray, camera: str, counts: np.ndarray, means: np.ndarray
) -> pa.Table:
    schema = videos_schema(means.shape[1]).with_metadata(identity.metadata())
    columns = [
        pa.array(ids.tolist(), pa.string()),
        pa.array([camera] * len(ids), pa.string()),
        pa.array(counts, pa.int32()),
        from_numpy(means, schema.field("embedding")),
    ]
    return pa.table(columns, schema=schema)
