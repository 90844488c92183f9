"""The index files of a root as a stream of small records.

takes.json of the full data set repeats each take's cameras and capture and takes hundreds of MB as
Python objects, so it is parsed one record at a time and only what a take needs is kept.
"""

import codecs
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import IO, Any

import ijson

from aura.datasets.base import LONGEST_TAKE_S
from aura.datasets.ego_exo4d.loose import parse, place_of
from aura.errors import AuraError, CorruptFile
from aura.storage import Storage

FPS = 30.0
PSEUDO_CAMERAS = ("collage", "best_exo")
_OPENING: dict[type, bytes] = {list: b"[", dict: b"{"}
_CHUNK = 1 << 20  # bytes parsed at once; of an object store, each is a request


def stream_list(files: Storage, path: str) -> Iterator[dict[str, Any]]:
    """Records of a JSON list of objects."""

    def read(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
        items = ijson.items(file, "item", use_float=True, buf_size=_CHUNK)
        for number, record in enumerate(items):
            if not isinstance(record, dict):
                raise AuraError(
                    f"{files.root}/{path} should hold JSON objects; number {number + 1} is none."
                )
            yield number, record

    for _, record in _stream(files, path, list, read):
        yield record


def stream_annotations(files: Storage, path: str) -> Iterator[tuple[str, Any]]:
    """Pairs of take_uid and annotation under the key `annotations` of a JSON object."""

    def read(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
        yield from ijson.kvitems(file, "annotations", use_float=True, buf_size=_CHUNK)

    yield from _stream(files, path, dict, read)


def read_object(files: Storage, path: str) -> dict[str, Any]:
    """A small JSON object."""
    content: dict[str, Any] = _whole(files, path, dict)
    return content


def read_splits(files: Storage) -> dict[str, Any]:
    """What splits.json says, by take_uid.

    Raises
    ------
    AuraError
        It is no such file.
    """
    path = "annotations/splits.json"
    split_of = read_object(files, path).get("take_uid_to_split") or {}
    if not isinstance(split_of, dict):
        raise AuraError(f"{files.root}/{path} should hold a JSON object as take_uid_to_split.")
    return split_of


def require_file(files: Storage, path: str) -> None:
    """Raise an `AuraError` where an index file is missing."""
    if not files.is_file(path):
        raise AuraError(
            f"{files.root}/{path} is missing; is this the root of an Ego-Exo4D download?"
        )


def _stream(
    files: Storage, path: str, kind: type, read: Callable[[IO[bytes]], Iterator[tuple[Any, Any]]]
) -> Iterator[tuple[Any, Any]]:
    """Keys and values of a file as `read` streams them.

    A file that turns out not to be strict JSON is read whole; what came before is not given again.
    """
    require_file(files, path)
    done = set()
    try:
        with files.open(path) as file:
            head = file.read(64)
            mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
            if head[mark:].lstrip()[:1] == _OPENING[kind]:
                file.seek(mark)
                for key, value in read(file):
                    done.add(key)
                    yield key, value
                return
    except (ijson.JSONError, ValueError, RecursionError):
        pass
    except CorruptFile as error:
        raise AuraError(str(error)) from None
    content = json.dumps(_whole(files, path, kind)).encode()
    for key, value in read(io.BytesIO(content)):
        if key not in done:
            yield key, value


def _whole(files: Storage, path: str, kind: type) -> Any:
    """The content of a file, or an `AuraError` with the line and column where it is no JSON."""
    require_file(files, path)
    url = f"{files.root}/{path}"
    try:
        data = files.read(path)
    except CorruptFile as error:
        raise AuraError(str(error)) from None
    try:
        content = parse(data)
    except (ValueError, RecursionError) as error:
        raise AuraError(
            f"{url} is not valid JSON, {place_of(data, error)}. "
            "Mend it there, or download it again."
        ) from None
    if not isinstance(content, kind):
        raise AuraError(f"{url} should hold a JSON {kind.__name__}.")
    return content


def take_source(record: Mapping[str, Any], capture_name: str | None) -> dict[str, Any]:
    """What opening a take needs of its takes.json record, and nothing else."""
    cameras = record.get("frame_aligned_videos") or {}
    if not isinstance(cameras, Mapping):
        cameras = {"frame_aligned_videos": None}  # one camera without a path
    exo = [c for c in sorted(cameras) if not c.startswith("aria") and c not in PSEUDO_CAMERAS]
    vrs = record.get("vrs_relative_path")
    return {
        "folder": str(record.get("root_dir") or f"takes/{record.get('take_name')}"),
        "capture_name": capture_name,
        "aria": aria_name(record),
        "vrs": str(vrs) if vrs else None,
        "start": record.get("timesync_start_idx"),
        "end": record.get("timesync_end_idx"),
        "best_exo": record.get("best_exo"),
        "videos": [(camera, _video_path(cameras[camera])) for camera in exo],
    }


def _video_path(streams: Any) -> str | None:
    stream = streams.get("0") if isinstance(streams, Mapping) else None
    path = stream.get("relative_path") if isinstance(stream, Mapping) else None
    return str(path) if path else None


def frame_count(source: Mapping[str, Any]) -> int:
    """Frames of a take: its rows in timesync.csv; 0 where the record has no usable range.

    A range of over a day is not usable.
    """
    try:
        frames = int(source["end"]) - int(source["start"])
        usable = int(source["start"]) >= 0 and 0 < frames <= LONGEST_TAKE_S * FPS
        return frames if usable else 0
    except (TypeError, ValueError, OverflowError):
        return 0


def capture_id(record: Mapping[str, Any]) -> str:
    """Id of the capture of a takes.json record."""
    return str(record.get("capture_uid") or record.get("take_uid"))


def activity_number(record: Mapping[str, Any]) -> int:
    """Number of the activity, task_id // 1000; 0 where there is none."""
    try:
        return int(record.get("task_id") or 0) // 1000
    except (TypeError, ValueError, OverflowError):
        return 0


def aria_name(record: Mapping[str, Any]) -> str:
    """Name of the take's Aria glasses: `aria01`, `aria02` and so on."""
    name = PurePosixPath(str(record.get("vrs_relative_path") or "")).stem.split("_")[0]
    if name.startswith("aria"):
        return name
    cameras = record.get("frame_aligned_videos")
    cameras = cameras if isinstance(cameras, Mapping) else {}
    return next((camera for camera in sorted(cameras) if camera.startswith("aria")), "aria01")


def is_true(value: Any) -> bool:
    """Booleans as the annotations write them: true, "1", "true", 1."""
    return str(value).strip().lower() in ("1", "true")
