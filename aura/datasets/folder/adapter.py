"""The adapter of folders: takes by name, each opened as `aura.yaml` says."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from aura.config.base import parse_options
from aura.datasets.base import Inventory, Recording, Skip, Take, empty_imu, empty_mocap
from aura.datasets.bouts import split_bouts
from aura.datasets.folder.bodies import Poses, load_mocap
from aura.datasets.folder.patterns import fill
from aura.datasets.folder.schema import NAME, Folder
from aura.datasets.folder.settings import parse
from aura.datasets.folder.signals import Samples, load_imu, table_times
from aura.datasets.folder.takes import Device, Source, inventory, list_sources
from aura.datasets.folder.texts import read_rows, texts_of
from aura.datasets.trials import activity_texts
from aura.datasets.wording import Wording
from aura.errors import AuraError, CorruptFile
from aura.formats.table import Table, read_table
from aura.storage import Storage

_HOLE_S, _LEAST_S = 1.0, 1.0  # between two rows of a bout, and of a bout


class Options(BaseModel):
    """Where the YAML is: `aura.yaml` in the folder, or elsewhere if it is read-only."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    settings: str | None = None


class Adapter:
    """Reads a folder as its `aura.yaml` says."""

    classes: Mapping[str, Wording]

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None:
        self.files = root
        own: Options = parse_options(Options, options, "adapter folder")
        self.settings = read_settings(root, own.settings)
        self.sources, self._skips = list_sources(root, self.settings)
        self._open_now: tuple[Any, dict[str, Table], dict[Device, Samples]] = (None, {}, {})
        self.bouts = self._find_bouts()
        self.labels = self._labels()
        self.classes = {label: label for label in sorted(set(self.labels.values()))}
        self.tables = {
            number: read_rows(root, texts)
            for number, texts in enumerate(self.settings.texts) if texts.files is None
        }  # fmt: skip

    def inventory(self) -> Inventory:
        """One take for each IMU of a recording, or for its mocap; see `base.Adapter`."""
        if not self.sources:
            raise AuraError(
                f"{self.files.root} has no file that a pattern of its {NAME} names; they are "
                f"{', '.join(s.files for s in (*self.settings.imu, *self.settings.mocap))}."
            )
        return inventory(self.settings, self.sources, list(self._skips), self.labels, self.bouts)

    def load(self, take: Take) -> Recording:
        """Open a take without what is damaged of it; `CorruptFile` if all is."""
        source: Source = take.source
        skips: list[Skip] = []
        counts: Counter[str] = Counter()
        imu, poses = self._open(take, skips, counts)
        if imu is None and poses is None:
            raise CorruptFile(f"{take.take_name}: {skips[-1].reason if skips else 'no file'}.")
        imu_s, imu_values, imu_ok = empty_imu()
        mocap_s, joints = empty_mocap()
        zero = self._zero(source, poses)
        if imu is not None:
            entry = self.settings.imu[source.device[0] if source.device else 0]
            imu_s = _on_clock(imu.time_s, imu.origin_ns, entry.clock, entry.offset_s, zero)
            imu_values, imu_ok = imu.values.astype(np.float32), imu.ok
        if poses is not None:
            number = min(source.mocap)
            body = self.settings.mocap[number]
            mocap_s = _on_clock(poses.time_s, poses.origin_ns, body.clock, body.offset_s, zero)
            joints = poses.joints
        if source.span is not None:
            inside = (imu_s >= source.span[0]) & (imu_s <= source.span[1])
            imu_s, imu_values = imu_s[inside] - source.span[0], imu_values[inside]
            imu_ok = imu_ok[inside]
        duration = max(_end(imu_s), _end(mocap_s))
        texts = texts_of(
            self.files,
            self.settings.texts,
            self.tables,
            source.texts,
            source.parts,
            duration,
            skips,
        )
        if take.label is not None:
            texts = (*activity_texts(take.label, self.classes, duration), *texts)
        return Recording(
            duration_s=duration, imu_s=imu_s, imu=imu_values, imu_ok=imu_ok, mocap_s=mocap_s,
            mocap=joints, frame_rate_hz=30.0, frame_s=np.empty(0), videos=(), texts=texts,
            skips=tuple(skips), counts=dict(counts),
        )  # fmt: skip

    def _open(
        self, take: Take, skips: list[Skip], counts: Counter[str]
    ) -> tuple[Samples | None, Poses | None]:
        source: Source = take.source
        imu, poses = None, None
        if source.device is not None:
            try:
                imu = self._imu(source, source.device)
                counts.update(imu.counts)
            except CorruptFile as error:
                path = source.imu[source.device][0]
                skips.append(Skip(_reason(error), f"{path}: {error}", "imu"))
        if source.mocap and source.span is None:
            number = min(source.mocap)
            try:
                poses = load_mocap(self.files, self.settings.mocap[number], source.mocap[number])
                counts.update(poses.counts)
            except CorruptFile as error:
                skips.append(Skip(_reason(error), f"{source.mocap[number]}: {error}", "mocap"))
        return imu, poses

    def _imu(self, source: Source, device: Device) -> Samples:
        """Of one device; those of the recording that was asked for last stay open."""
        key = tuple(source.imu.items())
        if self._open_now[0] != key:
            self._open_now = key, {}, {}
        _, tables, samples = self._open_now
        if device not in samples:
            entry = self.settings.imu[device[0]]
            samples[device] = load_imu(self.files, entry, source.imu[device], tables)
        return samples[device]

    def _zero(self, source: Source, poses: Poses | None) -> int:
        """The first stamp of all that share a clock, in its ns."""
        first = []
        for device in source.imu:
            if self.settings.imu[device[0]].clock == "shared":
                try:
                    first.append(_first(self._imu(source, device)))
                except CorruptFile:
                    continue
        if poses is not None and self.settings.mocap[min(source.mocap)].clock == "shared":
            first.append(_first(poses))
        return min(first, default=0)

    def _labels(self) -> dict[str, str]:
        """What files call an activity -> its label."""
        if self.settings.labels is not None:
            return self.settings.labels
        codes = {code for bouts in self.bouts.values() for code, _, _ in bouts}
        if self.settings.label:
            found = (fill(self.settings.label, source.parts) for source in self.sources.values())
            codes |= {code for code in found if code}
        return {code: code.replace("_", " ") for code in sorted(codes)}

    def _find_bouts(self) -> dict[str, list[tuple[str, float, float]]]:
        """Of each file whose IMU has them: activity, first and last time of its bouts."""
        wanted: dict[str, Device] = {
            paths[0]: device
            for source in self.sources.values() for device, paths in source.imu.items()
            if self.settings.imu[device[0]].bouts
        }  # fmt: skip
        return {path: self._bouts_of(path, device) for path, device in wanted.items()}

    def _bouts_of(self, path: str, device: Device) -> list[tuple[str, float, float]]:
        entry = self.settings.imu[device[0]]
        try:
            table = read_table(self.files, path)
            if entry.bouts not in table.columns:
                raise CorruptFile(f"{path} has no column {entry.bouts}.")
            keep = np.ones(table.rows, bool)
            times, _, _ = table_times(table, path, entry.time, entry.rate_hz, keep, {})
            activity = table.texts(str(entry.bouts))
        except CorruptFile as error:
            self._skips.append(Skip(_reason(error), f"{path}: {error}", "file"))
            return []
        whole = np.isfinite(times) & (activity != "")
        order = np.argsort(times[whole], kind="stable")
        times, activity = times[whole][order], activity[whole][order]
        begin = times[0] if len(times) else 0.0
        found = []
        for first, end in split_bouts(times, activity, _HOLE_S):
            span = float(times[first] - begin), float(times[end - 1] - begin)
            if span[1] - span[0] < _LEAST_S:
                self._skips.append(Skip("bout shorter than 1 s", f"{path}, row {first + 1}"))
            else:
                found.append((str(activity[first]), *span))
        return found


def read_settings(root: Storage, path: str | None) -> Folder:
    """The folder's YAML.

    Raises
    ------
    AuraError
        There is none, or it is wrong.
    """
    where = path or f"{root.root}/{NAME}"
    try:
        text = Path(path).read_bytes() if path else root.read(NAME)
    except FileNotFoundError:
        raise AuraError(f"There is no {where}; `aura init {root.root}` writes one.") from None
    except (OSError, CorruptFile) as error:
        raise AuraError(f"{where} cannot be read: {error}.") from None
    return parse(text, where)


def _reason(error: CorruptFile) -> str:
    """A fixed phrase for what an error says."""
    said = str(error)
    phrases = {
        "neither stamps nor a rate": "file has neither stamps nor a rate",
        "has no column": "file has not the columns of aura.yaml",
        " states ": "file states another unit than aura.yaml",
        "for left-": "file has not all limbs of the skeleton",
        "for right-": "file has not all limbs of the skeleton",
        "time zone": "there is no such time zone",
    }
    return next((p for part, p in phrases.items() if part in said), "file cannot be read")


def _first(samples: Samples | Poses) -> int:
    known = samples.time_s[np.isfinite(samples.time_s)]
    return samples.origin_ns + (round(float(known.min()) * 1e9) if len(known) else 0)


def _on_clock(
    time_s: np.ndarray, origin_ns: int, clock: str, offset_s: float, zero_ns: int
) -> np.ndarray:
    """Times on the clock of the take: from its first sample, or from the first of all."""
    known = time_s[np.isfinite(time_s)]
    if clock == "shared":
        return time_s + (origin_ns - zero_ns) / 1e9 + offset_s
    return time_s - (float(known.min()) if len(known) else 0.0) + offset_s


def _end(times: np.ndarray) -> float:
    known = times[np.isfinite(times)]
    if len(known) < 2:
        return 0.0
    ordered = np.sort(known)
    return max(0.0, float(ordered[-1] + np.median(np.diff(ordered))))
