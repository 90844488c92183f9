"""Which files of a folder belong together: takes, by the parts of their names.

Files whose `take` is the same are one take; each IMU of it is a row of its own, of one moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from aura.datasets.base import Inventory, Skip, Take, by_depth
from aura.datasets.folder.patterns import Pattern, fill
from aura.datasets.folder.schema import NAME, Folder, Lookup
from aura.datasets.folder.splits import by_rule
from aura.datasets.headers import read_small_table
from aura.errors import AuraError, CorruptFile
from aura.formats import is_readable
from aura.schema import is_place
from aura.storage import Storage

Device = tuple[int, str]  # number of the IMU in aura.yaml, and its place as the files call it


@dataclass(frozen=True)
class Source:
    """Files of one take.

    Attributes
    ----------
    parts : dict of str to str
        Of their names and of tables.
    imu : dict
        Device -> path of its accelerometer and of its gyroscope, None where there is none.
    mocap : dict of int to str
        Number of the mocap in aura.yaml -> path.
    texts : dict of int to str
        Number of the texts in aura.yaml -> path.
    device : Device or None
        The one whose row this is.
    span : tuple of float or None
        Of a bout, s after the device's first sample.
    """

    parts: dict[str, str]
    imu: dict[Device, tuple[str, str | None]] = field(default_factory=dict)
    mocap: dict[int, str] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    device: Device | None = None
    span: tuple[float, float] | None = None


class _Found(NamedTuple):
    path: str
    parts: dict[str, str]
    take: str


def list_sources(files: Storage, settings: Folder) -> tuple[dict[str, Source], list[Skip]]:
    """All takes by their names, and the files that are in none.

    Raises
    ------
    AuraError
        A table that `aura.yaml` names cannot be read.
    """
    paths = sorted((p for p in files.list() if p.rpartition("/")[2] != NAME), key=by_depth)
    tables = [_read_lookup(files, table) for table in settings.tables]
    skips: list[Skip] = []
    used = {table.file for table in settings.tables}
    used |= {texts.file for texts in settings.texts if texts.file}
    sources: dict[str, Source] = {}

    def find(pattern: str) -> list[_Found]:
        found = []
        for path in paths:
            parts = compiled[pattern].match(path)
            if parts is None:
                continue
            used.add(path)
            parts = _with_tables(parts, settings.tables, tables)
            take = fill(settings.take, parts)
            if take is None:
                skips.append(Skip("file whose name does not tell its take", path, "file"))
            else:
                found.append(_Found(path, parts, take))
        return found

    names = [i.files for i in settings.imu] + [m.files for m in settings.mocap]
    names += [g.files for i in settings.imu for g in (i.accel, i.gyro) if g and g.files]
    names += [t.files for t in settings.texts if t.files]
    compiled = {name: Pattern(name) for name in names}
    for number, imu in enumerate(settings.imu):
        own = find(imu.accel.files or imu.files)
        other = find(imu.gyro.files) if imu.gyro and imu.gyro.files else []
        gyro = {(f.take, fill(imu.place or "", f.parts) or ""): f.path for f in reversed(other)}
        for item in own:
            place = fill(imu.place or "", item.parts) or ""
            source = sources.setdefault(item.take, Source(item.parts))
            if (number, place) in source.imu:
                skips.append(Skip("file is there twice", item.path, "file"))
                continue
            second = gyro.get((item.take, place)) if other else item.path if imu.gyro else None
            if imu.gyro and second is None:
                skips.append(Skip("gyroscope has no file", item.path, "imu"))
            source.imu[number, place] = item.path, second
    for number, mocap in enumerate(settings.mocap):
        for item in find(mocap.files):
            source = sources.setdefault(item.take, Source(item.parts))
            if source.mocap.setdefault(number, item.path) != item.path:
                skips.append(Skip("file is there twice", item.path, "file"))
    for number, text in enumerate(settings.texts):
        for item in find(text.files) if text.files else []:
            if item.take in sources:
                sources[item.take].texts[number] = item.path
            else:
                skips.append(Skip("captions of no take", item.path, "text"))
    skips += [
        Skip("file is named by no pattern of aura.yaml", path, "file")
        for path in is_readable(paths) if path not in used
    ]  # fmt: skip
    return sources, skips


def _read_lookup(files: Storage, table: Lookup) -> dict[str, dict[str, str]]:
    columns = [table.key, *table.parts.values()]
    try:
        rows = read_small_table(files.read(table.file), columns)
    except (OSError, CorruptFile) as error:
        said = str(error).rstrip(".")
        raise AuraError(f"{files.root}/{table.file}, of tables in aura.yaml: {said}.") from None
    return {cells[0]: dict(zip(table.parts, cells[1:], strict=True)) for _, cells in rows}


def _with_tables(
    parts: dict[str, str], settings: tuple[Lookup, ...], tables: list[dict[str, dict[str, str]]]
) -> dict[str, str]:
    for table, rows in zip(settings, tables, strict=True):
        key = fill(table.value, parts)
        parts = {**parts, **rows.get(key, {})} if key is not None else parts
    return parts


def inventory(
    settings: Folder, sources: Mapping[str, Source], skips: list[Skip],
    labels: Mapping[str, str], bouts: Mapping[str, list[tuple[str, float, float]]],
) -> Inventory:  # fmt: skip
    """One row for each IMU of each take, or one for its mocap alone.

    Parameters
    ----------
    settings : Folder
        Of `aura.yaml`.
    sources : mapping of str to Source
        Takes by name.
    skips : list of Skip
        Grows.
    labels : mapping of str to str
        What names call an activity -> its label.
    bouts : mapping of str to list
        Path -> activity, start and end of each bout, of IMUs that have them.
    """
    people = {n: fill(settings.person, s.parts) for n, s in sources.items()}
    splits = settings.split.splits("folder") if settings.split else by_rule(
        person for person in people.values() if person
    )  # fmt: skip
    rest = settings.split.rest() if settings.split else None
    takes: list[Take] = []
    for name in sorted(sources):
        source, person = sources[name], people[name]
        split = splits.get(person or "", rest)
        code = fill(settings.label, source.parts) if settings.label else None
        label = labels.get(code) if code is not None else None
        if person is None:
            skips.append(Skip("name does not tell the person", name))
            continue
        if split is None:
            skips.append(Skip("person is in no split", name))
            continue
        if settings.label and label is None:
            skips.append(Skip("label is not among those of aura.yaml", f"{name}: {code}"))
            continue
        take = Take(name, name, person, name, split, label, source)
        devices = sorted(source.imu)
        if not devices:
            takes.append(take)
        for device in devices:
            place = _place(settings, device)
            if not is_place(place):
                skips.append(Skip("place is not known", f"{name}: {place}", "imu"))
                continue
            suffix = f"_{place or device[1] or device[0] + 1}" if len(devices) > 1 else ""
            row = replace(
                take, take_id=name + suffix, take_name=name + suffix, place=place,
                source=replace(source, device=device), moment_id=name if suffix else "",
            )  # fmt: skip
            if settings.imu[device[0]].bouts is None:
                takes.append(row)
                continue
            for number, (code, begin, end) in enumerate(bouts[source.imu[device][0]]):
                bout = f"{row.take_id}_{number:03d}"
                if code not in labels:
                    skips.append(Skip("label is not among those of aura.yaml", f"{bout}: {code}"))
                    continue
                takes.append(
                    replace(
                        row, take_id=bout, take_name=bout, label=labels[code], moment_id="",
                        duration_s=end - begin,
                        source=replace(source, device=device, span=(begin, end)),
                    )
                )  # fmt: skip
    absent = sorted(set(splits) - {take.participant_id for take in takes})
    skips += [Skip("person has no take", person, "file") for person in absent]
    return Inventory(tuple(takes), tuple(skips))


def _place(settings: Folder, device: Device) -> str | None:
    imu = settings.imu[device[0]]
    return imu.places.get(device[1], device[1]) or None
