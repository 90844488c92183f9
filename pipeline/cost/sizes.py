"""Published sizes of data sets, with their sources; lengths are in s and h, sizes in 1e9 B."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aura.errors import AuraError


@dataclass(frozen=True)
class FullSize:
    """Published size of a data set.

    Attributes
    ----------
    takes : dict of str to int
        How many takes each official split has.
    ego_hours : float
        Length of all takes together.
    all_hours : float
        Length of the videos of all cameras together.
    video_fps : float
        Frames a second.
    imu_hz : float
        Samples a second.
    texts : int
        How many descriptions there are.
    parts_gb : dict of str to float
        The parts of the download that are in use, in 1e9 B.
    """

    takes: dict[str, int]
    ego_hours: float
    all_hours: float
    video_fps: float
    imu_hz: float
    texts: int
    parts_gb: dict[str, float]

    @property
    def take_s(self) -> float:
        """Mean length of a take."""
        return self.ego_hours * 3600 / sum(self.takes.values())

    def subset(self, splits: Sequence[str], shares: Mapping[str, float]) -> "FullSize":
        """Size of the takes of some official splits, as if each take were of the mean length.

        Neither the download nor the texts are fewer, as the counts of both are for all splits.

        Parameters
        ----------
        splits : sequence of str
            The official splits that are read.
        shares : mapping of str to float
            Share of the takes in each new split, the rest being for training; empty where the
            official splits are kept.

        Raises
        ------
        AuraError
            No take is in these splits.
        """
        takes = {split: count for split, count in self.takes.items() if split in splits}
        if not takes:
            raise AuraError(f"No take is in the splits {list(splits)}; there is nothing to do.")
        total = sum(takes.values())
        if shares:
            counts = {split: round(share * total) for split, share in shares.items()}
            takes = {"train": total - sum(counts.values()), **counts}
        part = total / sum(self.takes.values())
        hours, all_hours = self.ego_hours * part, self.all_hours * part
        return replace(self, takes=takes, ego_hours=hours, all_hours=all_hours)


# Takes and hours: README of github.com/facebookresearch/Ego4d ("1286.30 video hours (221.26
# ego-hours) across 5035 takes"); (all - ego) / ego is 4.8 exo cameras a take. Takes per split:
# the official splits.json. Texts: 432K atomic descriptions,
# arXiv 2311.18259, by summaries of it, so "about". Parts: docs.ego-exo4d-data.org/download; the
# last two by a public copy of that table. IMU: 1000 Hz nominal of imu-right, Project Aria docs.
EGO_EXO4D = FullSize(
    takes={"train": 3072, "val": 842, "test": 1121},
    ego_hours=221.26,
    all_hours=1286.30,
    video_fps=30.0,
    imu_hz=1000.0,
    texts=432_000,
    parts_gb={
        "metadata": 0.046,
        "annotations": 10.533,
        "captures": 43.618,
        "take_vrs_noimagestream": 995.592,
        "downscaled_takes/448": 438.556,
        "ego_pose_pseudo_gt": 138.629,
    },
)
FULL_SIZES = {"ego-exo4d": EGO_EXO4D}


def full_size(dataset: str) -> FullSize:
    """Published size of `dataset`; an `AuraError` where none is known."""
    if dataset not in FULL_SIZES:
        raise AuraError(
            f"The full size of data set '{dataset}' is not known; `aura estimate` knows: "
            f"{', '.join(sorted(FULL_SIZES))}."
        )
    return FULL_SIZES[dataset]
