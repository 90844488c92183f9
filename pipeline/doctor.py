"""doctor: what of a data set is on disk, what is missing, and what a run would skip."""

from collections import Counter

from aura.config import Params
from aura.datasets.base import Skip, open_dataset
from aura.errors import AuraError, CorruptFile
from aura.schema import SPLITS
from aura.signals import clean
from aura.video import probe
from pipeline.progress import track


def run(params: Params, dataset: str) -> str:
    """Open every take without writing anything; returns a table to print."""
    settings = params.dataset(dataset)
    adapter = open_dataset(settings.adapter, settings.root, settings.options)
    inventory = adapter.inventory()
    skips: list[Skip] = list(inventory.skips)
    samples: Counter[str] = Counter()
    have: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for take in track(inventory.takes, "doctor", unit="take"):
        have[take.split]["takes"] += 1
        try:
            recording = adapter.load(take)
        except CorruptFile:
            skips.append(Skip("take cannot be opened", take.take_name))
            continue
        skips += recording.skips
        samples.update(clean(recording.imu_s, recording.imu, recording.imu_ok).dropped)
        videos = 0
        for video in recording.videos:
            try:
                probe(settings.root / video.path)
                videos += 1
            except CorruptFile:
                skips.append(Skip("video cannot be opened", video.path, "video"))
        have[take.split].update(
            imu=bool(len(recording.imu)),
            mocap=bool(len(recording.mocap)),
            video=bool(videos),
            text=bool(recording.texts),
        )
    if not inventory.takes:
        raise AuraError(f"Data set {dataset} at {settings.root} has no take that can be used.")
    return _table(dataset, str(settings.root), have, skips, samples)


def _table(
    dataset: str,
    root: str,
    have: dict[str, Counter[str]],
    skips: list[Skip],
    samples: Counter[str],
) -> str:
    columns = ("takes", "imu", "mocap", "video", "text")
    lines = [f"{dataset} at {root}", "", "split   " + "".join(f"{c:>8}" for c in columns)]
    lines += [f"{s:<8}" + "".join(f"{have[s][c]:>8}" for c in columns) for s in SPLITS]
    counted = Counter((skip.modality, skip.reason) for skip in skips)
    if counted:
        lines += ["", "will be skipped or masked"]
        for (modality, reason), count in sorted(counted.items()):
            example = next(s.where for s in skips if (s.modality, s.reason) == (modality, reason))
            lines.append(f"{count:>8}  {modality}: {reason}, e.g. {example}")
    if samples:
        lines += ["", "IMU samples that will be dropped"]
        lines += [f"{count:>8}  {reason}" for reason, count in sorted(samples.items())]
    missing = [c for c in columns[1:] if not sum(have[s][c] for s in SPLITS)]
    missing += [f"{s} split" for s in SPLITS if not have[s]["takes"]]
    lines += [
        "",
        f"missing entirely: {', '.join(missing)}" if missing else "nothing is missing entirely",
    ]
    return "\n".join(lines)
