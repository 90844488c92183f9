"""Takes that hold the same recording, whole or in part, under two names."""

from collections import Counter
from collections.abc import Collection

import numpy as np

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.errors import AuraError
from aura.learning.batches import Windows
from aura.schema import CONTENT
from aura.signals.content import fingerprints, same_recordings
from pipeline.engine import paths
from pipeline.engine.output import read_table

Pairs = tuple[tuple[str, str], ...]


def of_dataset(sources: Collection[str], windows: Windows) -> Pairs:
    """Pairs of takes of one recording, by what `resample` noted of it as recorded.

    Parameters
    ----------
    sources : collection of str
        The data set, or those of a mixture.
    windows : Windows
        All of them; signals of before that note was taken are compared as these have them.
    """
    folders = {source: paths.SIGNALS / source for source in sources}
    if not all(any(folder.glob("content-*.parquet")) for folder in folders.values()):
        return of_windows(windows)
    takes, prints = [], []
    names: list[str] = []
    for source, folder in folders.items():
        table = read_table(folder / "content-*.parquet", CONTENT, "resample")
        column = table.column("take_id").dictionary_encode().combine_chunks()
        takes.append(column.indices.to_numpy() + len(names))
        prints.append(table.column("fingerprint").to_numpy())
        prefix = f"{source}/" if windows.source is not None else ""
        names += [f"{prefix}{take}" for take in column.dictionary.to_pylist()]
    take = np.concatenate(takes)
    inside = np.isin(names, np.unique(windows.take))[take]
    pairs = same_recordings(take[inside], np.concatenate(prints)[inside])
    return tuple((names[a], names[b]) for a, b in pairs)


def between(source: str, dataset: str) -> list[str]:
    """Warn of recordings of a data set that the model of another has seen.

    Parameters
    ----------
    source, dataset : str
        What the model was trained on, and what it meets.

    Returns
    -------
    list of str
        One warning or none; none where the notes of one of them are not here.
    """
    tables = []
    for name in (source, dataset):
        if not any((paths.SIGNALS / name).glob("content-*.parquet")):
            return []
        tables.append(read_table(paths.SIGNALS / name / "content-*.parquet", CONTENT, "resample"))
    takes = [table.column("take_id").dictionary_encode().combine_chunks() for table in tables]
    own = len(takes[0].dictionary)  # the first of the other's numbers
    numbers = [takes[0].indices.to_numpy(), takes[1].indices.to_numpy() + own]
    prints = [table.column("fingerprint").to_numpy() for table in tables]
    pairs = same_recordings(np.concatenate(numbers), np.concatenate(prints))
    across = [(a, b - own) for a, b in pairs if a < own <= b]
    if not across or source == dataset:
        return []
    first, second = (of.dictionary[i].as_py() for of, i in zip(takes, across[0], strict=True))
    count = len({b for _, b in across})
    return [
        f"{count} takes of {dataset} hold a recording, or a piece of one, that {source} holds too, "
        f"e.g. {second} and there {first}: what its model scores on them is no transfer."
    ]


def of_windows(windows: Windows) -> Pairs:
    """The same by the resampled signals: copies, and pieces that begin at a whole sample."""
    names, take = np.unique(windows.take, return_inverse=True)
    numbers, prints = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    samples, imu = windows.samples.numpy(), windows.imu.cpu().numpy()
    has_imu, has_mocap = (windows.has[name].numpy() for name in ("imu", "mocap"))
    order = np.argsort(take, kind="stable")
    for number, rows in enumerate(np.split(order, np.flatnonzero(np.diff(take[order])) + 1)):
        if has_imu[rows].any():
            first, last = samples[rows].min(), samples[rows].max() + windows.window_samples
            found = [fingerprints(imu[first:last], IMU_RATE_HZ)]
        else:
            poses = (windows.mocap[row].cpu().numpy() for row in rows[has_mocap[rows]])
            found = [fingerprints(window, MOCAP_RATE_HZ) for window in poses]
        of_take = np.unique(np.concatenate([*found, prints[0]]))
        numbers.append(np.full(len(of_take), number))
        prints.append(of_take)
    pairs = same_recordings(np.concatenate(numbers), np.concatenate(prints))
    return tuple((str(names[a]), str(names[b])) for a, b in pairs)


def check(windows: Windows, on_overlap: str) -> list[str]:
    """Refuse a recording that is in two splits, and count those that are in one split twice.

    Takes of one moment share what its IMUs have in common, such as mocap, and are no copies. Where
    takes have classes, those without one are in no class twice: pieces that an adapter makes of
    others, such as composed falls.

    Parameters
    ----------
    windows : Windows
        All windows of a data set.
    on_overlap : {"error", "warn"}
        "warn" warns of two splits too.

    Returns
    -------
    list of str
        The warnings.

    Raises
    ------
    AuraError
        Two splits share a recording.
    """
    pairs = of_windows(windows) if windows.copies is None else windows.copies
    moment_of = dict(zip(windows.take.tolist(), windows.moment.tolist(), strict=True))
    pairs = tuple((a, b) for a, b in pairs if moment_of[a] != moment_of[b])
    split_of = dict(zip(windows.take.tolist(), windows.split.tolist(), strict=True))
    across = [pair for pair in pairs if split_of[pair[0]] != split_of[pair[1]]]
    inside = [(a, b) for a, b in pairs if split_of[a] == split_of[b]]
    labels = dict(zip(windows.take.tolist(), windows.label.tolist(), strict=True))
    if any(label is not None for label in labels.values()):
        inside = [(a, b) for a, b in inside if labels[a] is not None and labels[b] is not None]
    within = Counter(split_of[b] for b in {b for _, b in inside})
    warnings = [
        f"{count} takes of the {split} split hold a recording, or a piece of one, that another "
        "take of it holds too: it counts more than once."
        for split, count in sorted(within.items())
    ]
    if not across:
        return warnings
    first, second = min(across)
    sentence = (
        f"{len(across)} recordings, or pieces of them, are in two splits under two names, e.g. "
        f"{first} ({split_of[first]}) and {second} ({split_of[second]})"
    )
    if on_overlap == "error":
        raise AuraError(
            f"{sentence}; a result would mean nothing. Keep one take of each, or have it said "
            "beside every result by setting the data set's overlap to warn."
        )
    return [f"{sentence}: its figures are too good by that.", *warnings]
