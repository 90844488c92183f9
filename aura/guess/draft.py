"""An `aura.yaml` of all guesses, and what of them needs a look."""

from aura.errors import AuraError
from aura.guess.bodies import find_body
from aura.guess.families import Family, find_families
from aura.guess.measure import Sensor, refine_gyro
from aura.guess.names import Names, find_names
from aura.guess.sensors import find_sensors
from aura.guess.streams import stream_sensors
from aura.guess.words import find_words
from aura.guess.write import Draft, write
from aura.storage import Storage


def draft(root: str) -> Draft:
    """Look at a folder.

    Raises
    ------
    AuraError
        It is none, or has no file with an IMU or motion capture.
    """
    files = Storage(root)
    if not files.exists():
        raise AuraError(f"There is no folder {root}.")
    out = Draft()
    families, loose = find_families(files, out.warnings)
    rest: list[str] = list(loose)
    for family in families:
        body = find_body(family)
        sensors = [] if body else find_sensors(family) if family.tables else stream_sensors(family)
        names = find_names(family.paths)
        if body:
            out.bodies.append((family, names, body))
        for sensor in sensors:
            out.sensors.append((family, names, sensor))
        if not body and not sensors:
            rest += family.paths if len(family.paths) <= 20 else []
            if len(family.paths) > 20:
                example = family.paths[0]
                out.warnings.append(
                    f"{len(family.paths)} files such as {example} have no acceleration"
                )
    _drop_second(out)
    usable = [b for b in out.bodies if b[2].skeleton.value]
    for family, _, body in out.bodies:
        if not body.skeleton.value:
            out.warnings.append(
                f"{family.paths[0]}: {body.skeleton.why}; give a skeleton of your own"
            )
    if not out.sensors and not usable:
        said = f": {out.warnings[0]}" if out.warnings else ""
        raise AuraError(f"{root} has no file in which an IMU or a body is to be seen{said}.")
    words = find_words(files, rest, [names for _, names, _ in (*out.sensors, *usable)], out)
    out.text = write(out, usable, words)
    return out


def _drop_second(out: Draft) -> None:
    """Of one sensor written several ways keep one; a gyroscope alone joins its accelerometer."""
    accel = [item for item in out.sensors if item[2].accel]
    for family, names, sensor in [item for item in out.sensors if not item[2].accel]:
        mates = [a for a in accel if set(a[1].parts) == set(names.parts) and not a[2].gyro
                 and len(a[0].paths) == len(family.paths)]  # fmt: skip
        if not mates:
            out.warnings.append(f"{family.paths[0]}: a gyroscope without an accelerometer")
        for mate in mates:
            mate[2].gyro, mate[2].gyro_unit = sensor.gyro, sensor.gyro_unit
            mate[2].gyro_rows = {"files": names.pattern}
            if not mate[2].gyro_unit.sure:
                refine_gyro(mate[0], mate[2], family, sensor)
    best: dict[tuple[str, ...], tuple[Family, Names, Sensor]] = {}
    for item in accel:
        key = tuple(sorted(item[1].parts)), item[2].stream, item[2].accel, item[0].kind == "accel"
        family = item[0]
        if family.kind != "accel":
            best[(family.paths[0], str(item[2].accel), str(item[2].rows), str(item[2].stream))] = (
                item
            )
            continue
        # The same sensor with and without gravity, or calibrated twice: one that feels gravity.
        again = (str(key[0]), "accel")
        old = best.get(again)
        if old is None or (item[2].accel_unit.sure, len(item[2].gyro)) > (
            old[2].accel_unit.sure,
            len(old[2].gyro),
        ):
            if old is not None:
                out.warnings.append(f"{old[0].paths[0]}: left out, {old[2].accel_unit.why}")
            best[again] = item
        else:
            out.warnings.append(f"{item[0].paths[0]}: left out, {item[2].accel_unit.why}")
    out.sensors = list(best.values())
