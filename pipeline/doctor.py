"""doctor: what of a data set is on disk, what is missing, and what a run would skip."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from aura.config import Params, Teacher
from aura.datasets.base import Skip, Take, count_skips, nothing_usable, open_dataset
from aura.errors import AuraError, CorruptFile
from aura.schema import SPLITS
from aura.storage import Storage
from aura.teacher import sentence_files
from aura.teacher.ffmpeg import find_ffmpeg
from aura.teacher.video import check_frames
from pipeline.engine.processes import process_pool
from pipeline.engine.progress import say, track
from pipeline.resample import count_masked
from pipeline.screen import screen

_COLUMNS = ("takes", "imu", "mocap", "video", "text")
_TAKES_PER_JOB = 8


def run(params: Params, dataset: str) -> str:
    """Open every take without writing anything; returns a table to print.

    Raises
    ------
    AuraError
        Nothing can be used; the table, which tells why, is printed before.
    """
    settings = params.dataset(dataset).absolute()
    inventory = open_dataset(settings.adapter, settings.root, settings.options).inventory()
    skips: list[Skip] = list(inventory.skips)
    counts: Counter[str] = Counter()
    counts_by_split: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    hours = 0.0
    for result in track(_inspect_takes(params, dataset, inventory.takes), "doctor",
                        total=len(inventory.takes), unit="take"):  # fmt: skip
        counts_by_split.setdefault(result["split"], Counter()).update(result["have"])
        skips += result["skips"]
        counts.update(result["counts"])
        hours += result["seconds"] / 3600
    if any(have["video"] for have in counts_by_split.values()):
        _check_ffmpeg()
        if params.teacher.kind == "sentence":
            say("doctor: the teacher reads texts alone; video and pairs with it are left out.")
    _check_teacher(params.teacher)
    table = _table(
        f"{dataset} at {settings.root}, {hours:.2f} hours", counts_by_split, skips, counts
    )
    if not sum(have["imu"] + have["mocap"] for have in counts_by_split.values()):
        print(table + "\n", flush=True)
        raise AuraError(nothing_usable(dataset, settings.root, count_skips(skips), "the table"))
    return table


def _check_ffmpeg() -> None:
    """Say which ffmpeg cannot be used, and that none can."""
    try:
        say(find_ffmpeg().note)
    except AuraError as error:
        say(str(error))


def _check_teacher(teacher: Teacher) -> None:
    """Say which package or folder a sentence model lacks."""
    if teacher.kind != "sentence":
        return
    try:
        sentence_files.require_library()
        sentence_files.list_files(sentence_files.find_folder(teacher.model))
    except AuraError as error:
        say(f"doctor: {error}")


def _inspect_takes(params: Params, dataset: str, takes: Sequence[Take]) -> Iterator[dict[str, Any]]:
    work = partial(inspect, params, dataset)
    groups = (list(takes[i : i + _TAKES_PER_JOB]) for i in range(0, len(takes), _TAKES_PER_JOB))
    workers = params.ray.local_workers()
    if params.ray.executor == "local" or workers == 1:
        for group in groups:
            yield from work(group)
        return
    with process_pool(workers, None) as pool:
        futures = [pool.submit(work, group) for group in islice(groups, 2 * workers)]
        while futures:
            yield from futures.pop(0).result()
            futures += [pool.submit(work, group) for group in islice(groups, 1)]


def inspect(params: Params, dataset: str, takes: Sequence[Take]) -> list[dict[str, Any]]:
    """What each take has, and what a run would skip, mask and drop of it."""
    settings = params.dataset(dataset).absolute()
    adapter = open_dataset(settings.adapter, settings.root, settings.options)
    storage = Storage(settings.root)
    return [_inspect(adapter, storage, params, take) for take in takes]


def _inspect(adapter: Any, storage: Storage, params: Params, take: Take) -> dict[str, Any]:
    have: Counter[str] = Counter(takes=1)
    try:
        loaded = adapter.load(take)
    except CorruptFile:
        skip = Skip("take cannot be opened", take.take_name)
        return {"split": take.split, "have": have, "skips": [skip], "counts": {}, "seconds": 0.0}
    recording, cleaned = screen(loaded, take.take_name, params.resample)
    skips = list(recording.skips)
    usable = 0
    for video in recording.videos:
        try:
            with (storage.open if storage.remote else storage.local)(video.path) as file:
                reason, readable = check_frames(file, len(recording.frame_s))
        except (FileNotFoundError, CorruptFile):
            reason, readable = "video cannot be opened", False
        usable += readable
        if reason:
            skips.append(Skip(reason, video.path, "video"))
    if recording.videos and not usable:
        skips.append(Skip("no camera of the take can be used", take.take_name, "video"))
    has_imu, has_mocap = bool(len(cleaned.times)), bool(np.isfinite(recording.mocap).any())
    if not has_imu and not has_mocap:
        skips.append(Skip("neither IMU nor mocap", take.take_name))
    have.update(
        imu=has_imu,
        mocap=has_mocap,
        video=bool(usable),
        text=bool(recording.texts),
    )
    counts = Counter(cleaned.dropped) + count_masked(recording, cleaned, params.resample)
    return {
        "split": take.split,
        "have": have,
        "skips": skips,
        "counts": counts,
        "seconds": recording.duration_s,
    }


def _table(
    title: str, have: dict[str, Counter[str]], skips: list[Skip], counts: Counter[str]
) -> str:
    lines = [title, "", "split   " + "".join(f"{c:>8}" for c in _COLUMNS)]
    lines += [f"{s:<8}" + "".join(f"{have[s][c]:>8}" for c in _COLUMNS) for s in have]
    counted = Counter((skip.modality, skip.reason) for skip in skips)
    if counted:
        lines += ["", "will be skipped or masked"]
        for (modality, reason), count in sorted(counted.items()):
            example = next(s.where for s in skips if (s.modality, s.reason) == (modality, reason))
            lines.append(f"{count:>8}  {modality}: {reason}, e.g. {example}")
    if counts:
        lines += ["", "samples, poses, joints and frames that will be dropped, masked or flagged"]
        lines += [f"{count:>8}  {reason}" for reason, count in sorted(counts.items())]
    missing = [c for c in _COLUMNS[1:] if not sum(have[s][c] for s in have)]
    missing += [f"{s} split" for s in SPLITS if not have[s]["takes"]]
    lines += [
        "",
        f"missing entirely: {', '.join(missing)}" if missing else "nothing is missing entirely",
    ]
    return "\n".join(lines)
