"""SisFall (Sucerquia, López & Vargas-Bonilla, Sensors 2017): 19 activities and 15 falls, waist IMU.

A file is a trial of one person and one activity, nine integers a row at 200 Hz without stamps: an
ADXL345 accelerometer, an ITG3200 gyroscope and an MMA8451Q accelerometer, in bits. A row that is
damaged keeps its place in time. The trial is the capture; its text is the activity's wording.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from aura.config.base import parse_options
from aura.datasets.base import Inventory, Recording, Skip, Take
from aura.datasets.compositions import Composer, Composition
from aura.datasets.descriptions.sisfall import DESCRIPTIONS, FALLS, HOLDS
from aura.datasets.people import PeopleOptions
from aura.datasets.sisfall_phases import cut, phases_of
from aura.datasets.tables import read_numbers, to_float32
from aura.datasets.trials import Trial, activity_texts, of_imu, usable_trials
from aura.datasets.wording import Wording, described
from aura.errors import AuraError, CorruptFile
from aura.storage import Storage

RATE_HZ = 200.0
GRAVITY = 9.80665
ADULTS, ELDERLY = 23, 15

ACTIVITIES = {
    "D01": "walking slowly",
    "D02": "walking quickly",
    "D03": "jogging slowly",
    "D04": "jogging quickly",
    "D05": "walking upstairs and downstairs slowly",
    "D06": "walking upstairs and downstairs quickly",
    "D07": "slowly sitting down on a half-height chair, waiting a moment, and slowly getting up",
    "D08": "quickly sitting down on a half-height chair, waiting a moment, and quickly getting up",
    "D09": "slowly sitting down on a low chair, waiting a moment, and slowly getting up",
    "D10": "quickly sitting down on a low chair, waiting a moment, and quickly getting up",
    "D11": "sitting a moment, trying to get up, and collapsing into a chair",
    "D12": "sitting a moment, slowly lying down, waiting a moment, and sitting up again",
    "D13": "sitting a moment, quickly lying down, waiting a moment, and sitting up again",
    "D14": "lying on the back, turning onto one side, waiting a moment, and turning back",
    "D15": "standing, slowly bending at the knees, and getting up",
    "D16": "standing, slowly bending without bending the knees, and getting up",
    "D17": "standing, getting into a car, staying seated, and getting out of the car",
    "D18": "stumbling while walking",
    "D19": "gently jumping without falling, trying to reach a high object",
    "F01": "falling forward while walking, caused by a slip",
    "F02": "falling backward while walking, caused by a slip",
    "F03": "falling sideways while walking, caused by a slip",
    "F04": "falling forward while walking, caused by a trip",
    "F05": "falling forward while jogging, caused by a trip",
    "F06": "falling straight down while walking, caused by fainting",
    "F07": "falling while walking, caused by fainting, with hands on a table to dampen it",
    "F08": "falling forward when trying to get up",
    "F09": "falling sideways when trying to get up",
    "F10": "falling forward when trying to sit down",
    "F11": "falling backward when trying to sit down",
    "F12": "falling sideways when trying to sit down",
    "F13": "falling forward while sitting, caused by fainting or falling asleep",
    "F14": "falling backward while sitting, caused by fainting or falling asleep",
    "F15": "falling sideways while sitting, caused by fainting or falling asleep",
}
_NAME = re.compile(r"([DF]\d\d)_(S[AE]\d\d)_(R\d\d)\.txt", re.IGNORECASE)
# First column, m/s2 a bit, and the last bits of the range on either side.
_ACCELEROMETERS = {
    "ADXL345": (0, 32 * GRAVITY / 2**13, 2**12),
    "MMA8451Q": (6, 16 * GRAVITY / 2**14, 2**13),
}
_GYRO = (3, np.deg2rad(4000) / 2**16, 2**15)


def every_sixth(remainder: int) -> tuple[str, ...]:
    """Those of the 23 adults and 15 elderly whose number leaves this remainder by 6."""
    groups = ("SA", ADULTS), ("SE", ELDERLY)
    people = [f"{group}{n:02d}" for group, last in groups for n in range(1, last + 1)]
    return tuple(person for person in people if int(person[2:]) % 6 == remainder)


class Options(PeopleOptions[str]):
    """The split by person, which accelerometer, and whether texts say what the body does.

    With `phases`, trials whose order is documented are also cut into takes of one movement each
    (`sisfall_phases`), which have a text and no class. With `compositions`, each fall of those who
    train is also put behind each thing that it may interrupt, so many times. By default people 6,
    12 and 18 of the adults and of the elderly are tested on, 5, 11, 17 and 23 validate, and all
    others train.
    """

    val: tuple[str, ...] = every_sixth(5)
    test: tuple[str, ...] = every_sixth(0)
    accelerometer: Literal["ADXL345", "MMA8451Q"] = "ADXL345"
    descriptions: bool = False
    phases: bool = False
    compositions: int = Field(0, ge=0)


class Adapter:
    """Reads a folder with files such as `D01_SA01_R01.txt` in it, at any depth."""

    classes: Mapping[str, Wording] = {label: label for label in ACTIVITIES.values()}

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None:
        self.files = root
        self.options: Options = parse_options(Options, options, "adapter sisfall")
        self.splits = self.options.splits("sisfall")
        if self.options.descriptions:
            of_label = {ACTIVITIES[code]: texts for code, texts in DESCRIPTIONS.items()}
            self.classes = described({a: a for a in ACTIVITIES.values()}, of_label)
        falls = {ACTIVITIES[code]: direction for code, direction in FALLS.items()}
        holds = {ACTIVITIES[code]: names for code, names in HOLDS.items()}
        own = self.options
        self.composer = Composer(own.compositions, falls, holds, self.load, own.descriptions)

    def inventory(self) -> Inventory:
        """One take a file, by its name; see `base.Adapter`."""
        trials = []
        for path in self.files.list():
            match = _NAME.fullmatch(PurePosixPath(path).name)
            if match:
                code, person, trial = (part.upper() for part in match.groups())
                name = f"{code}_{person}_{trial}"
                trials.append(Trial(name, person, ACTIVITIES.get(code), path))
        if not trials:
            raise AuraError(f"{self.files.root} holds no files such as D01_SA01_R01.txt.")
        skips: list[Skip] = []
        takes = [
            Take(
                take_id=trial.name,
                take_name=trial.name,
                participant_id=trial.person,
                capture_id=trial.name,
                split=split,
                label=trial.label,
                source=trial.path,
                place="waist",
            )
            for trial, split in usable_trials(trials, self.options, self.splits, skips)
        ]
        composed = self.composer.takes(takes)
        if self.options.phases:
            takes += [_phase(take, name) for take in takes for name in phases_of(take.take_id[:3])]
        return Inventory((*takes, *composed), tuple(skips))

    def load(self, take: Take) -> Recording:
        """Read a file, or a phase of it; rows that are damaged are dropped and counted."""
        if isinstance(take.source, Composition):
            return self.composer.load(take)
        if isinstance(take.source, Phase):
            code, trial = take.take_id[:3], self.load(take.source.trial)
            return cut(trial, code, take.source.name, RATE_HZ)
        numbers, lines, damaged = read_rows(self.files.read(take.source), take.source)
        sensors = [_ACCELEROMETERS[self.options.accelerometer], _GYRO]
        bits = np.hstack([numbers[:, first : first + 3] for first, _, _ in sensors])
        scale = np.repeat([unit for _, unit, _ in sensors], 3)
        end = np.repeat([last for _, _, last in sensors], 3)
        duration = (int(lines[-1]) + 1) / RATE_HZ
        return of_imu(
            duration,
            lines / RATE_HZ,
            to_float32(bits * scale),
            np.asarray(~((bits >= end) | (bits < -end)).any(axis=1)),
            np.asarray(((bits >= end - 1) | (bits <= -end)).any(axis=1)),
            activity_texts(str(take.label), self.classes, duration),
            (Skip("row is damaged", take.source, "row"),) * damaged,
        )


class Phase(NamedTuple):
    """A phase of a trial."""

    trial: Take
    name: str


def _phase(trial: Take, name: str) -> Take:
    """A take of its own, of no class, and of the trial's moment: a piece of it is no copy."""
    names = f"{trial.take_id}.{name}"
    return replace(
        trial, take_id=names, take_name=names, label=None, source=Phase(trial, name),
        moment_id=trial.take_id,
    )  # fmt: skip


def read_rows(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows of a trial.

    Parameters
    ----------
    content : bytes
        Of the file, a semicolon behind each row.
    where : str
        Its path, for the error.

    Returns
    -------
    numbers : np.ndarray
        (N, 9) float64, bits, NaN where a cell is no number.
    lines : np.ndarray
        (N,) int64, the line of each row, from 0.
    damaged : int
        Lines that are not nine cells and a semicolon; the last may break off within a number.

    Raises
    ------
    CorruptFile
        There is no row.
    """
    whole, end, rest = content.rpartition(b";")
    broken = bool(end and rest.strip())  # rows without any semicolon are whole
    numbers, lines, damaged = read_numbers(
        (whole if end else content).replace(b";", b"").rstrip(), ",", 9
    )
    if not len(numbers):
        raise CorruptFile(f"{where} holds no row of nine numbers.")
    return numbers, lines, damaged + broken
