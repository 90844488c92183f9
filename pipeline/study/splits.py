"""What the splits of a data set share, and what is in each of them."""

import numpy as np

from aura.config import IMU_RATE_HZ
from aura.errors import AuraError
from aura.learning.batches import Windows
from aura.schema import MODALITIES, SPLITS
from pipeline.study import copies

LEFT_OUT = "left out"  # the split of windows that a model may not see


def check(windows: Windows, on_overlap: str = "error") -> list[str]:
    """Refuse a test split that shares a person or a capture with the others; warn for validation.

    Evaluation protocol, rule 1. A recording that is in two splits, whole or in part and under
    whatever names, is refused in any of them, and counted where it is in one split twice.

    Parameters
    ----------
    windows : Windows
        All windows of a data set.
    on_overlap : {"error", "warn"}
        "warn" warns for the test split too, as for an official split that shares them.

    Returns
    -------
    list of str
        The warnings.

    Raises
    ------
    AuraError
        The test split shares some, or two splits hold the same recording or takes of one moment.
    """
    warnings = [*_split_moments(windows, on_overlap), *copies.check(windows, on_overlap)]
    for name, shared, overlap in overlaps(windows):
        if shared and on_overlap == "error":
            raise AuraError(
                f"The test split shares {len(shared)} {name}s with training or validation, "
                f"e.g. {min(shared)}; a result on it would mean nothing. "
                "To have it said beside every result instead, set the data set's overlap to warn."
            )
        if shared:
            warnings.append(
                f"The test split shares {len(shared)} {name}s with training or validation: "
                "its figures do not tell how the model does on new people."
            )
        if overlap:
            warnings.append(
                f"Validation shares {len(overlap)} {name}s with training: "
                "the choice of the best epoch is optimistic; the test split is not touched by it."
            )
    return warnings


def _split_moments(windows: Windows, on_overlap: str) -> list[str]:
    """Refuse takes of one moment that are in two splits; "warn" says it."""
    moments, moment = np.unique(windows.moment, return_inverse=True)
    held = np.stack([np.bincount(moment[windows.rows(s)], minlength=len(moments)) for s in SPLITS])
    torn = moments[(held > 0).sum(axis=0) > 1]
    if not len(torn):
        return []
    sentence = (
        f"{len(torn)} moments that several IMUs recorded at once have takes in two splits, e.g. "
        f"{torn[0]}"
    )
    if on_overlap == "error":
        raise AuraError(
            f"{sentence}; a result would mean nothing. Keep the takes of a moment in one split, or "
            "have it said beside every result by setting the data set's overlap to warn."
        )
    return [f"{sentence}: its figures are too good by that."]


def overlaps(windows: Windows) -> list[tuple[str, set[str], set[str]]]:
    """What splits share: kind of id, test with training or validation, validation with training."""
    table = []
    for name, ids in (("participant", windows.participant), ("capture", windows.capture)):
        train, val, test = (set(ids[windows.split == split].tolist()) for split in SPLITS)
        table.append((name, test & (train | val), val & train))
    return table


def counts(windows: Windows) -> dict[str, dict[str, float]]:
    """Participants, takes, hours and windows of each split, and windows with each modality."""
    table: dict[str, dict[str, float]] = {}
    start_s, length_s = windows.start_s.numpy(), windows.window_samples / IMU_RATE_HZ
    for split in SPLITS:
        rows = windows.rows(split)
        takes, take = np.unique(windows.take[rows], return_inverse=True)
        first, last = np.full(len(takes), np.inf), np.zeros(len(takes))
        np.minimum.at(first, take, start_s[rows])
        np.maximum.at(last, take, start_s[rows] + length_s)
        table[split] = {
            "participants": len(set(windows.participant[rows])),
            "takes": len(takes),
            "hours": round(float((last - first).sum()) / 3600, 3),
            "windows": len(rows),
            **{f"with {m}": int(windows.has[m].numpy()[rows].sum()) for m in MODALITIES},
        }
    return table


def source_counts(windows: Windows) -> dict[str, dict[str, float]]:
    """Of each source of a mixture: its share of a batch, and what it has of training."""
    table = {}
    for name, share in windows.shares.items():
        rows = windows.rows("train")
        rows = rows[windows.source[rows] == name] if windows.source is not None else rows
        table[name] = {
            "share": round(share, 4),
            "participants": len(set(windows.participant[rows])),
            "takes": len(set(windows.take[rows])),
            "windows": len(rows),
        }
    return table
