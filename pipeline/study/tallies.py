"""Ledgers of the stages after evaluation: what of the windows taught a head or was tested."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from aura.counts import Ledger
from aura.learning.batches import Windows

_NAMELESS, _NO_PROMPT = "no class", "class without a prompt"
_UNUSED, _NO_SIGNAL = "of a class that takes no part", "no signal of its sensors"


def _drop_unlabelled(
    ledger: Ledger, unit: str, windows: Windows, label: np.ndarray, rows: np.ndarray
) -> None:
    """Drop those of some rows that have no number of a class, by why."""
    nameless = np.array([name is None for name in windows.label[rows]], bool)
    ledger.drop(unit, _NAMELESS, int(nameless.sum()))
    ledger.drop(unit, _NO_PROMPT, int((~nameless & (label[rows] < 0)).sum()))


def labelled(
    windows: Windows, label: np.ndarray, sensors: Collection[str], learnt: np.ndarray,
    predicted: Iterable[np.ndarray],
) -> Ledger:  # fmt: skip
    """What the heads of `finetune` learn from, and what they answer.

    Parameters
    ----------
    windows : Windows
        All of them, N.
    label : (N,) int
        Classes, -1 of none.
    sensors : collection of str
        Modalities that have an encoder.
    learnt : (L,) int
        Rows that some head is trained on.
    predicted : iterable of (draws, T) int
        What each head says of the T windows of the test split, -1 where it has no signal.

    Returns
    -------
    Ledger
        Of the windows, of those outside the test split, and of those in it.
    """
    ledger = Ledger("finetune", "windows", "windows_to_learn_from", "windows_to_test")
    rows = {
        "windows_to_learn_from": np.flatnonzero(windows.split != "test"),
        "windows_to_test": windows.rows("test"),
    }
    ledger.find("windows", len(windows))
    ledger.use("windows", sum(map(len, rows.values())))
    has = np.any([windows.has[sensor].numpy() for sensor in sensors], axis=0)
    for unit, some in rows.items():
        ledger.find(unit, len(some))
        _drop_unlabelled(ledger, unit, windows, label, some)
        ledger.drop(unit, _NO_SIGNAL, int((~has[some] & (label[some] >= 0)).sum()))
    ledger.use("windows_to_learn_from", len(learnt))
    answered = np.any([(of >= 0).any(axis=0) for of in predicted], axis=0)
    ledger.use("windows_to_test", int((answered & (label[rows["windows_to_test"]] >= 0)).sum()))
    return ledger


def cells(
    stage: str, windows: Windows, label: np.ndarray, tested: Sequence[tuple[str, np.ndarray]],
    unused: Sequence[Collection[int]] = (), only_labelled: bool = False,
) -> Ledger:  # fmt: skip
    """What the trainings of a grid test, the sum over them.

    Parameters
    ----------
    stage : str
        Which grid.
    windows : Windows
        All of them, N, with the split of the data set.
    label : (N,) int
        Classes, -1 of none.
    tested : sequence of (str, ndarray)
        Of each training, who was left out ("test" and "val" are those splits), and the ids of the
        windows that it was tested on.
    unused : sequence of collection of int
        Classes that are not tested, of each training.
    only_labelled : bool
        Whether windows without a class are not tested.
    """
    ledger = Ledger(stage, "trainings", "tests")
    ids = np.array(windows.ids)
    for number, (who, found) in enumerate(tested):
        ledger.find("trainings")
        ledger.use("trainings", int(len(found) > 0))
        of = windows.split if who in ("test", "val") else windows.participant
        rows = np.flatnonzero(of == who)
        ledger.find("tests", len(rows))
        ledger.use("tests", len(np.intersect1d(ids[rows], found)))
        if only_labelled:
            _drop_unlabelled(ledger, "tests", windows, label, rows)
        if unused:
            ledger.drop("tests", _UNUSED, int(np.isin(label[rows], list(unused[number])).sum()))
    return ledger


def targets(found: Mapping[str, tuple[Windows, np.ndarray, int]]) -> Ledger:
    """Windows of each target of a transfer.

    Parameters
    ----------
    found : mapping of str to (Windows, ndarray, int)
        All windows of a target, their classes, and how many were tested.
    """
    ledger = Ledger("transfer", *(f"windows_of_{name}" for name in found))
    for name, (windows, label, tested) in found.items():
        unit = f"windows_of_{name}"
        ledger.find(unit, len(windows))
        ledger.use(unit, tested)
        _drop_unlabelled(ledger, unit, windows, label, np.arange(len(windows)))
    return ledger


def compared(name: str, windows: Windows, whole: np.ndarray, has_imu: np.ndarray, used: int,
             most: int) -> Ledger:  # fmt: skip
    """Windows of a data set whose shift is measured.

    Parameters
    ----------
    name : str
        The data set.
    windows : Windows
        All of them, N.
    whole, has_imu : (N,) bool
        Whose IMU has all channels, and which have an IMU.
    used : int
        How many were taken.
    most : int
        How many are taken at most, drawn at random.
    """
    unit = f"windows_of_{name}"
    ledger = Ledger("shift", unit)
    ledger.find(unit, len(windows))
    ledger.use(unit, used)
    ledger.drop(unit, "no IMU", int((~has_imu).sum()))
    ledger.drop(unit, "IMU lacks channels", int((has_imu & ~whole).sum()))
    ledger.drop(unit, "beside a random sample", max(0, int((has_imu & whole).sum()) - most))
    return ledger
