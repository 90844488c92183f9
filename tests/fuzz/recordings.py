"""Files of the data sets that are tables, matrices and poses, each in a root of its own."""

import io
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from aura.config import Resample
from aura.datasets.base import open_dataset
from aura.errors import AuraError, CorruptFile
from pipeline.resample import resample_takes
from pipeline.screen import screen
from tests.fuzz.mutate import NASTY, mutate_bytes, mutate_text
from tests.fuzz.target import Target

_LONG_S = 60.0  # what is longer is not resampled here


def table(
    rng: random.Random, row: Callable[[random.Random, int], str], rows: int, head: str = ""
) -> bytes:
    return (head + "".join(row(rng, i) for i in range(rows))).encode()


def numbers(rng: random.Random, count: int, between: str) -> str:
    return between.join(f"{rng.uniform(-9, 9):.3f}" for _ in range(count))


def pamap2_row(rng: random.Random, i: int) -> str:
    return f"{i / 100:.2f} {1 + i // 200} {numbers(rng, 52, ' ')}\n"


def sp_sw_row(rng: random.Random, i: int) -> str:
    name = ("SEATED", "WALKING")[i // 150 % 2]
    return f"{numbers(rng, 6, ',')},{1_600_000_000_000 + 10 * i},{name}\n"


def sisfall_row(rng: random.Random, i: int) -> str:
    return ", ".join(str(rng.randrange(-3000, 3000)) for _ in range(9)) + ";\n"


def umafall_row(rng: random.Random, i: int) -> str:
    return f"{50 * (i // 2)};{i // 2};{numbers(rng, 3, ';')};{i % 2};3\n"


UMAFALL = "%;3; WAIST; SensorTag\n% TimeStamp; Sample No; X; Y; Z; Sensor Type; Sensor ID\n"
SP_SW = "x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,timestamp,label\n"


def matrix(values: np.ndarray, key: str, packed: bool) -> bytes:
    out = io.BytesIO()
    savemat(out, {key: values}, do_compression=packed)
    return out.getvalue()


def bvh(frames: int, seed: int) -> bytes:
    """A body of Biovision's joints, as far as they are needed."""
    rng, lines, channels = random.Random(seed), ["HIERARCHY"], 0

    def joint(name: str, depth: int, offset: str, children: list[Any], kind: str = "JOINT") -> None:
        nonlocal channels
        pad = "  " * depth
        lines.extend((f"{pad}{kind} {name}", f"{pad}{{", f"{pad}  OFFSET {offset}"))
        moves = "6 Xposition Yposition Zposition " if kind == "ROOT" else "3 "
        lines.append(f"{pad}  CHANNELS {moves}Zrotation Xrotation Yrotation")
        channels += 6 if kind == "ROOT" else 3
        for child in children:
            joint(child[0], depth + 1, child[1], child[2])
        if not children:
            lines.extend((f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET 0 1 0", f"{pad}  }}"))
        lines.append(f"{pad}}}")

    limbs = [
        (
            f"{side}{top}",
            f"{x} {y} 0",
            [(f"{side}{middle}", "0 -4 0", [(f"{side}{end}", "0 -4 0", [])])],
        )
        for side, x in (("Left", 1), ("Right", -1))
        for top, middle, end, y in (("Shoulder", "Elbow", "Wrist", 5), ("Hip", "Knee", "Ankle", 0))
    ]
    joint("Hips", 0, "0 0 0", [*limbs, ("Head", "0 7 0", [])], "ROOT")
    lines += ["MOTION", f"Frames: {frames}", "Frame Time: 0.0333333"]
    lines += [numbers(rng, channels, " ") for _ in range(frames)]
    return "\n".join(lines).encode() + b"\n"


def read_all(
    adapter: str, root: Path, options: Mapping[str, Any], names: tuple[str, ...],
    rng: random.Random, data: bytes,
) -> None:  # fmt: skip
    """The data set of which one file holds `data`: its takes are recordings, or are refused."""
    path = root / rng.choice(names)
    sound = path.read_bytes()
    path.write_bytes(data)
    refused: Exception | None = None
    try:
        opened = open_dataset(adapter, str(root), options)
        inventory = opened.inventory()
        assert inventory.takes or inventory.skips
        for take in inventory.takes:
            assert take.duration_s >= 0
            try:
                recording = opened.load(take)
            except CorruptFile as error:
                refused = error
                continue
            assert len(recording.imu_s) == len(recording.imu) == len(recording.imu_ok)
            assert len(recording.mocap_s) == len(recording.mocap)
            assert recording.imu.dtype == recording.mocap.dtype == np.float32
            screen(recording, take.take_name, Resample())
        _resample(adapter, root, options, [t for t in inventory.takes if t.duration_s < _LONG_S])
    finally:
        path.write_bytes(sound)
    if refused:
        raise refused


def _resample(adapter: str, root: Path, options: Mapping[str, Any], takes: list[Any]) -> None:
    """Through the stage, of what is short: its memory is that of a take's length."""
    from aura.config import Dataset

    opened = open_dataset(adapter, str(root), options)
    short = []
    for take in takes:
        try:
            if opened.load(take).duration_s < _LONG_S:
                short.append(take)
        except CorruptFile:
            continue
    settings = Dataset(adapter=adapter, root=str(root), options=dict(options))
    resample_takes(settings, Resample(units="keep"), short, lambda *_: None)


def recordings_target(
    folder: Path,
    adapter: str,
    names: tuple[str, ...],
    bases: list[bytes],
    beside: Mapping[str, bytes] | None = None,
    options: Mapping[str, Any] | None = None,
    text: bool = True,
    refusal: type[Exception] = CorruptFile,
) -> Target:
    """Files that are alike, in the root of an adapter that reads them."""
    root = folder / adapter
    for name, content in {**dict.fromkeys(names, bases[0]), **(beside or {})}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        if text and rng.random() < 0.7:
            return mutate_text(rng, raw)
        return mutate_bytes(rng, raw, rng.choice(bases), [(at, "I") for at in range(0, 200, 4)])

    def make(rng: random.Random) -> bytes:
        raw = rng.choice(bases)
        if rng.random() < 0.3:
            return raw[: rng.randrange(len(raw))]
        nasty = [word for word in NASTY if len(word) < 500]
        lines = raw.split(b"\n")
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(lines))
            cells = lines[place].split(b" " if b" " in lines[place] else b",")
            cells[rng.randrange(len(cells))] = rng.choice(nasty)
            lines[place] = b" ".join(cells) if b" " in lines[place] else b",".join(cells)
        return b"\n".join(lines)

    read = partial(read_all, adapter, root, options or {}, names)
    return Target(bases, mutate, make, read, refusal, seconds=5.0, growth_bytes=128 << 20)


def mat_target(folder: Path) -> Target:
    rng = np.random.default_rng(0)
    imu, pose = rng.normal(size=(60, 6)) + 1, rng.normal(size=(20, 3, 40))
    bases = [
        matrix(values, key, packed)
        for values, key in ((imu, "d_iner"), (pose, "d_skel"), (imu.astype("f4"), "d_iner"))
        for packed in (False, True)
    ]
    names = ("Inertial/a1_s1_t1_inertial.mat", "Skeleton/a1_s1_t1_skeleton.mat")
    beside = {"actions.csv": b"id,action\n1,wave\n2,clap\n", names[1]: bases[2]}
    return recordings_target(folder / "mat", "utd-mhad", names, bases, beside, text=False)


def actions_target(folder: Path) -> Target:
    rng = np.random.default_rng(0)
    files = {"Inertial/a1_s1_t1_inertial.mat": matrix(rng.normal(size=(60, 6)), "d_iner", False)}
    bases = [b"id,action\n1,wave\n2,clap\n", 'id;action\r\n"1";"caf\u00e9"\r\n'.encode()]
    return recordings_target(
        folder / "actions", "utd-mhad", ("actions.csv",), bases, files, refusal=AuraError
    )


def pamap2_target(folder: Path) -> Target:
    bases = [table(random.Random(n), pamap2_row, 420) for n in range(2)]
    return recordings_target(folder, "pamap2", ("Protocol/subject101.dat",), bases)


def sp_sw_har_target(folder: Path) -> Target:
    bases = [table(random.Random(n), sp_sw_row, 320, SP_SW) for n in range(2)]
    return recordings_target(folder, "sp-sw-har", ("s01_01_sw.csv",), bases)


def sisfall_target(folder: Path) -> Target:
    bases = [table(random.Random(n), sisfall_row, 240) for n in range(2)]
    options = {"phases": True}
    return recordings_target(folder, "sisfall", ("SA01/D07_SA01_R01.txt",), bases, {}, options)


def umafall_target(folder: Path) -> Target:
    bases = [table(random.Random(n), umafall_row, 240, UMAFALL) for n in range(2)]
    return recordings_target(folder, "umafall", ("UMAFall_Subject_01_ADL_Walking_1.csv",), bases)


def bvh_target(folder: Path) -> Target:
    bases = [bvh(12, 0), bvh(30, 1)]
    beside = {"texts.csv": b"id,text,label\n01_01,a person walks,walk\n"}
    return recordings_target(folder, "bvh", ("01_01.bvh",), bases, beside, {"turns": True})


def texts_target(folder: Path) -> Target:
    bases = [b"id,text,label\n01_01,a person walks,walk\n", b"id;text\n01_01;walks\n"]
    return recordings_target(
        folder / "texts", "bvh", ("texts.csv",), bases, {"01_01.bvh": bvh(12, 0)}, refusal=AuraError
    )
