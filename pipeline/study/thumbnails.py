"""One small frame of the video of some windows, for the page."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aura.config import Params
from aura.errors import AuraError, CorruptFile
from aura.schema import TAKES, WINDOWS, videos_schema
from aura.storage import Storage
from aura.teacher.video import decode_frames, window_frames
from pipeline.engine import paths
from pipeline.engine.output import read_table
from pipeline.study.vectors import read_embeddings

SIDE, QUALITY = 176, 72  # longer side in pixels, JPEG quality
_NO_VIDEO = "no video"
_NO_RECORDINGS = "the recordings are not here"
_NOT_DECODED = "the video cannot be decoded"


def thumbnails(params: Params, dataset: str, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The frame in the middle of each window, of the camera whose video was embedded.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        Its name.
    ids : sequence of str
        Window ids; each take of theirs is decoded once.

    Returns
    -------
    dict of str to (str, str)
        By window id, a JPEG data URI or "", and why there is none or "".
    """
    if dataset in params.mixtures:
        parts = [
            (f"{source}/", thumbnails(params, source, _without(f"{source}/", ids)))
            for source in params.sources(dataset)
        ]
        return {prefix + i: image for prefix, part in parts for i, image in part.items()}
    images = dict.fromkeys(ids, ("", _NO_VIDEO))
    folder = paths.EMBEDDINGS / dataset
    if not any(folder.glob("part-*.parquet")):
        return images
    videos, _ = read_embeddings(folder, videos_schema, ["window_id", "camera"])
    camera = dict(zip(*(videos.column(c).to_pylist() for c in videos.column_names), strict=True))
    filmed = [window for window in ids if window in camera]
    storage = Storage(params.dataset(dataset).root)
    if filmed and not _exists(storage):
        return images | dict.fromkeys(filmed, ("", _NO_RECORDINGS))
    columns = ["window_id", "take_id", "start_s"]
    windows = read_table(paths.WINDOWS / dataset, WINDOWS, "slice", columns).to_pylist()
    by_id = {row["window_id"]: row for row in windows}
    pattern = paths.SIGNALS / dataset / "takes-*.parquet"
    takes = {
        take["take_id"]: take
        for take in read_table(
            pattern, TAKES, "resample", ["take_id", "frame_rate_hz", "videos"]
        ).to_pylist()
    }
    jobs: dict[tuple[str, str], dict[str, int]] = {}
    for window in filmed:
        row = by_id[window]
        take = takes[row["take_id"]]
        middle = window_frames([row["start_s"]], params.slice.window_s, 1, take["frame_rate_hz"])
        jobs.setdefault((row["take_id"], camera[window]), {})[window] = int(middle[0, 0])
    for (take_id, name), numbers in jobs.items():
        path = next((v["path"] for v in takes[take_id]["videos"] if v["camera"] == name), None)
        frames = frames_of(storage, path, sorted(set(numbers.values()))) if path else {}
        for window, number in numbers.items():
            frame = frames.get(number)
            images[window] = ("", _NOT_DECODED) if frame is None else (_uri(frame), "")
    return images


def _without(prefix: str, ids: Sequence[str]) -> list[str]:
    """Those that begin with the prefix, without it."""
    return [i.removeprefix(prefix) for i in ids if i.startswith(prefix)]


def _exists(storage: Storage) -> bool:
    try:
        return storage.exists()
    except (AuraError, CorruptFile, OSError):
        return False


def frames_of(storage: Storage, path: str, numbers: list[int]) -> dict[int, NDArray[np.uint8]]:
    """Frames by number, those that decode."""
    try:
        with storage.local(path) as local:
            images = [image for part in decode_frames(local, numbers, 1) for image in part]
    except (AuraError, CorruptFile, OSError):
        return {}
    return dict(zip(numbers, images, strict=False))


def jpeg(frame: NDArray[np.uint8], side: int = SIDE) -> bytes:
    """A frame (H, W, 3) as a JPEG whose longer side has `side` pixels at most."""
    image = Image.fromarray(frame)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def _uri(frame: NDArray[np.uint8]) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(frame)).decode()}"
