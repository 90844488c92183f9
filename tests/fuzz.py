"""Throw mutated, made-up and garbage files at the parsers of what others recorded.

    python -m tests.fuzz --inputs 100000 [--seed N] [--target vrs|timesync|pose]

Each target gets that many inputs. A fault is anything but `CorruptFile` or a sound result: another
exception, over 2 s, or 64 MB more peak memory than after the warm-up. The first fault ends the run
with the input saved. Input `i` of a seed is always the same. The fallback of `vrs` to
projectaria-tools is replaced by a refusal, so that no input starts a process; test_vrs.py tests it.
"""

import argparse
import json
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from aura.datasets.ego_exo4d import pose, timesync
from aura.datasets.synthetic import vrs_writer
from aura.datasets.vrs import ImuStream, container, imu
from aura.errors import CorruptFile
from aura.schema import JOINTS
from tests.datasets.test_vrs import LABELS, VERSION, assemble, compress, make_stream, walk

SECONDS, GROWTH_BYTES, WARM_UP = 2.0, 64 << 20, 300
COLUMN = "aria01_214-1_capture_timestamp_ns"
TOKEN = re.compile(rb'-?\d[\d.eE+-]*|"[^"]*"|[A-Za-z_]+|[\[\]{},:\n]')
NASTY = [
    *(b"NaN", b"nan", b"-Infinity", b"1e999", b"1e-999", b"-0", b"0", b"-1", b"1", b"0.5", b"1e30"),
    *(b"2147483648", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809"),
    *(
        b"9" * 400,
        b"9" * 5000,
        b"1" * 17 + b".5",
        b"0x10",
        b"1_000",
        b"1,5",
        b"--1",
        b"\xef\xbb\xbf",
    ),
    *(b"", b'"', b'""', b'"x"', b'"1"', b"'", b"[", b"]", b"{", b"}", b"[]", b"{}", b"[[[1]]]"),
    *(
        b"null",
        b"true",
        b"false",
        b"{}{}",
        b",",
        b":",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
    ),
    *(b'{"x": 1}', b'"\\ud800"', b"[" * 500, b"[" * 100_000, b'{"a":' * 5000, b"\n" * 50),
]


class Fault(AssertionError):
    """A parser broke its promise; the message says how and where the input is saved."""


class TooSlow(BaseException):
    """Past the parsers' own `except Exception`."""


@dataclass(frozen=True)
class Target:
    """Valid files, a file mutated past bytes, a file made from nothing, and the parser's check."""

    bases: list[bytes]
    mutate: Callable[[random.Random, bytes], bytes]
    make: Callable[[random.Random], bytes]
    read: Callable[[random.Random, bytes], None]


# Mutations


def extreme(rng: random.Random, size: int, form: str) -> bytes:
    """A whole number of `form` at or near an edge; `size` is that of the file."""
    bits = 8 * struct.calcsize(form)
    edges = (
        0,
        1,
        2,
        32,
        -1,
        1 << (bits - 1),
        1 << (bits - 2),
        size,
        size // 2,
        rng.getrandbits(bits),
    )
    number = (rng.choice(edges) + rng.choice((-1, 0, 0, 0, 1))) % (1 << bits)
    return number.to_bytes(bits // 8, "little")


def mutate_bytes(
    rng: random.Random, raw: bytes, other: bytes, sites: list[tuple[int, str]]
) -> bytes:
    """One to four changes of bytes, spans or numbers; `sites` are offsets of the file's numbers."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        size = len(data)
        if not size:
            break
        at, span = rng.randrange(size), rng.choice((1, 4, 19, 32, 95, rng.randrange(1, size + 1)))
        kind = rng.randrange(10)
        if kind < 2:
            data[at] ^= rng.randrange(1, 256)
        elif kind < 6:
            place, form = (
                rng.choice(sites) if sites and rng.random() < 0.8 else (at, rng.choice("BHIQ"))
            )
            data[place : place + struct.calcsize(form)] = extreme(rng, size, form)
        elif kind == 6:
            del data[rng.choice((at, size - 1)) :]
        elif kind == 7:
            del data[at : at + span]
        elif kind == 8:
            data[at:at] = data[at : at + span]
        else:
            start = rng.randrange(len(other))
            data[at : at + rng.choice((0, span))] = other[start : start + span]
    return bytes(data)


def mutate_text(rng: random.Random, raw: bytes) -> bytes:
    """One to four tokens of JSON or CSV replaced, dropped, doubled or swapped."""
    tokens = list(TOKEN.finditer(raw))
    if not tokens:
        return rng.choice(NASTY)
    chosen = sorted(
        rng.sample(tokens, min(len(tokens), rng.choice((1, 1, 2, 3, 4)))), key=lambda t: t.start()
    )
    out, end = [], 0
    for token in chosen:
        new = rng.choice(
            (rng.choice(NASTY), rng.choice(NASTY), rng.choice(tokens)[0], token[0] * 2)
        )
        out += [raw[end : token.start()], new]
        end = token.end()
    return b"".join([*out, raw[end:]])


def any_json(rng: random.Random, keys: tuple[str, ...], depth: int = 0) -> Any:
    """A value of the shapes and keys that a parser may look for."""
    kind = rng.randrange(10 if depth < 6 else 6)
    if kind > 7:
        return [any_json(rng, keys, depth + 1) for _ in range(rng.randrange(4))]
    if kind > 5:
        return {rng.choice(keys): any_json(rng, keys, depth + 1) for _ in range(rng.randrange(5))}
    numbers = (0, -1, 3, 1 << 63, 1 << 64, -1.5, 1e308, float("nan"), float("inf"), 10**30)
    return rng.choice((rng.choice(numbers), rng.choice(keys), None, True, rng.uniform(-9, 9), ""))


# Targets


def tags_of(description: bytes) -> tuple[dict, dict]:
    return container.parse_tags(memoryview(description))


def describe(streams: dict, tags: dict) -> bytes:
    body = struct.pack("<I", len(streams))
    for key, own in streams.items():
        body += struct.pack("<iH", *key) + vrs_writer._tags({}) + vrs_writer._tags(own)
    return body + vrs_writer._tags(tags)


def with_tag(rng: random.Random, raw: bytes, value: Callable[[str], bytes]) -> bytes:
    """A sound file of which one tag has a new value."""
    description, records, _ = walk(raw)
    streams, tags = tags_of(description)
    mine = rng.choice([tags, *streams.values()])
    name = rng.choice(sorted(mine))
    mine[name] = value(mine[name]).decode("utf-8", "replace")
    return assemble(describe(streams, tags), records, None)


def vrs_bases(folder: Path) -> list[bytes]:
    """Recordings of 10 to 20 samples: layouts, versions and codecs that the reader knows."""
    path = folder / "base.vrs"
    both = [
        make_stream(label, 10, rate) for label, rate in zip(LABELS, (1000.0, 800.0), strict=True)
    ]

    def written(streams: list[ImuStream]) -> bytes:
        vrs_writer.write_vrs(path, streams)
        return path.read_bytes()

    plain = written(both)
    description, records, _ = walk(plain)
    streams, tags = tags_of(description)
    gen2 = describe(streams, {"device_type": "Oatmeal"})
    newer = {
        key: own | {k.replace("Data:2", "Data:3"): v for k, v in own.items()}
        for key, own in streams.items()
    }
    mixed = [
        ([*h[:VERSION], 2 + (h[6] == 3 and i % 2), *h[VERSION + 1 :]], p)
        for i, (h, p) in enumerate(records)
    ]
    return [
        plain,
        written([replace(both[1], calibration=None)]),
        assemble(gen2, records, None),
        assemble(description, records, lambda raw: pa.compress(raw, "zstd", asbytes=True)),
        assemble(description, [compress(r, "lz4") if r[0][6] == 2 else r for r in records], None),
        assemble(description, [compress(r, "zstd") for r in records], None),
        assemble(describe(newer, tags), mixed, None),
    ]


def vrs_sites(raw: bytes) -> list[tuple[int, str]]:
    """Offsets and sizes of the numbers of a sound file's headers, description start and index."""

    def numbers(dtype: np.dtype, start: int) -> list[tuple[int, str]]:
        letters = {1: "B", 2: "H", 4: "I", 8: "Q"}
        found = (dtype.fields or {}).values()
        return [
            (start + at, letters[kind.itemsize])
            for kind, at, *_ in found
            if kind.itemsize in letters
        ]

    sites = numbers(container.FILE_HEADER, 0) * 4
    position = 80
    while position < len(raw):
        header = struct.unpack_from("<IIi", raw, position)
        special = header[2] in (container.INDEX_TYPE_ID, container.DESCRIPTION_TYPE_ID)
        sites += numbers(container.RECORD_HEADER, position) * (8 if special else 1)
        if header[2] == container.DESCRIPTION_TYPE_ID:
            sites += [(position + at, "I") for at in (32, 36, 42, 46)] * 8
        if header[2] == container.INDEX_TYPE_ID:
            sites += [(position + at, "I") for at in (32, 36, 42, 44, 48)] * 8
            for at in range(position + 52, len(raw) - 19, 19):
                sites += numbers(container.INDEX_ENTRY, at)
        position += header[0]
    return sites


def vrs_target(folder: Path) -> Target:
    path, bases = folder / "input.vrs", vrs_bases(folder)
    sites = {raw: vrs_sites(raw) for raw in bases}
    keys = (
        "data_layout",
        "name",
        "type",
        "offset",
        "size",
        "ImuCalibrations",
        "Label",
        "imu-right",
    )
    keys += ("Accelerometer", "Gyroscope", "Model", "RectificationMatrix", "Bias", "Offset")
    keys += ("T_Device_Imu", "Translation", "UnitQuaternion", "gyroscope", "DataPieceArray<float>")

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        if rng.random() < 0.3:
            return with_tag(rng, raw, lambda text: mutate_text(rng, text.encode()))
        return mutate_bytes(rng, raw, rng.choice(bases), sites[raw])

    def make(rng: random.Random) -> bytes:
        raw = with_tag(rng, rng.choice(bases), lambda _: json.dumps(any_json(rng, keys)).encode())
        description, records, _ = walk(raw)
        records = rng.choices(records, k=rng.randrange(1, 25))
        pack = rng.choice((None, None, lambda raw: pa.compress(raw, "zstd", asbytes=True)))
        return assemble(description, [([*h], p) for h, p in records], pack)

    def read(rng: random.Random, data: bytes) -> None:
        path.write_bytes(data)
        label = rng.choice(LABELS)
        stream = imu.read_imu(path, label)
        count = len(stream.timestamps_ns)
        assert stream.label == label
        assert count > 0
        assert stream.timestamps_ns.dtype == np.int64
        for vectors in (stream.accel, stream.gyro):
            assert (vectors.shape, vectors.dtype) == ((count, 3), np.float32)
        for mask in (stream.accel_valid, stream.gyro_valid, stream.saturated):
            assert (mask.shape, mask.dtype) == ((count,), np.bool_)
        for vectors in imu.to_device_frame(stream):
            assert (vectors.shape, vectors.dtype) == ((count, 3), np.float32)

    return Target(bases, mutate, make, read)


def timesync_target(folder: Path) -> Target:
    names = [
        COLUMN,
        "aria01_1201-1_capture_timestamp_ns",
        "cam01_frame_number",
        "cam01_global_time",
    ]

    def table(rng: random.Random, columns: list[str], cell: Callable[[int], str]) -> bytes:
        rows = [",".join(columns)]
        rows += [",".join(cell(i) for _ in columns) for i in range(rng.randrange(30))]
        return rng.choice(("\n", "\n", "\r\n")).join(rows).encode() + b"\n"

    base = random.Random(0)
    stamp = lambda i: str(10**12 + 33_333_333 * i)  # noqa: E731
    bases = [
        table(base, names, stamp),
        table(base, [COLUMN], lambda i: stamp(i) + ".0"),
        table(base, names, lambda i: base.choice(("", "NaN", f'"{stamp(i)}"', stamp(i)))),
    ]

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        if rng.random() < 0.6:
            return mutate_text(rng, raw)
        return mutate_bytes(rng, raw, rng.choice(bases), [])

    def make(rng: random.Random) -> bytes:
        columns = rng.choices(
            [*names, "", '"a,b"', "\u00e9", COLUMN.upper()], k=rng.randrange(1, 6)
        )
        nasty = [text.decode("latin-1") for text in NASTY if len(text) < 500]
        return table(rng, columns, lambda i: rng.choice((stamp(i), stamp(i), rng.choice(nasty))))

    def read(rng: random.Random, data: bytes) -> None:
        times = timesync.read_timesync(data, COLUMN)
        assert (times.ndim, times.dtype) == (1, np.float64)
        assert not np.isinf(times).any()

    return Target(bases, mutate, make, read)


def pose_target(folder: Path) -> Target:
    keys = (
        *JOINTS,
        "annotation3D",
        "annotation2D",
        "metadata",
        "x",
        "y",
        "z",
        "num_views_for_3d",
        "0",
        "12",
    )
    base = random.Random(0)

    def person(joints: int) -> dict[str, Any]:
        return {
            name: {axis: base.uniform(-3, 3) for axis in "xyz"} | {"num_views_for_3d": 3}
            for name in base.sample(JOINTS, joints)
        }

    frames = {str(3 * i): [{"metadata": {}, "annotation3D": person(i % 18)}] for i in range(5)}
    bases = [json.dumps(content).encode() for content in (frames, frames | {"7": []}, {})]

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        if rng.random() < 0.7:
            return mutate_text(rng, raw)
        return mutate_bytes(rng, raw, rng.choice(bases), [])

    def make(rng: random.Random) -> bytes:
        content = {
            str(
                rng.choice((rng.randrange(50), rng.randrange(50), -1, "x", 1 << 63, "\u0663"))
            ): rng.choice((any_json(rng, keys), [{"annotation3D": any_json(rng, keys, 2)}]))
            for _ in range(rng.randrange(6))
        }
        return json.dumps(rng.choice((content, content, content, any_json(rng, keys)))).encode()

    def read(rng: random.Random, data: bytes) -> None:
        found = pose.read_pose(data, rng.randrange(4))
        assert (found.frames.ndim, found.frames.dtype) == (1, np.int64)
        assert (np.diff(found.frames) > 0).all()
        assert found.joints.shape == (len(found.frames), 17, 3)
        assert found.joints.dtype == np.float32
        assert not np.isinf(found.joints).any()

    return Target(bases, mutate, make, read)


TARGETS = {"vrs": vrs_target, "timesync": timesync_target, "pose": pose_target}


# The run


def make_input(rng: random.Random, target: Target) -> bytes:
    kind = rng.random()
    if kind < 0.01:
        return rng.choice(target.bases)
    if kind < 0.75:
        return target.mutate(rng, rng.choice(target.bases))
    if kind < 0.95:
        return target.make(rng)
    start = rng.choice(target.bases)[: rng.choice((0, 80, 112))]
    return start + rng.randbytes(rng.randrange(400))


def peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def expire(_signal: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def refuse(*_: object) -> list[np.ndarray]:
    raise CorruptFile("projectaria-tools is not asked here")


def fuzz(name: str, inputs: int, seed: int, save: Path) -> str:
    """Throw `inputs` inputs at a target; the closing line, or a `Fault` with the input saved."""
    counts, worst, limit, started = [0, 0], 0.0, 0, time.monotonic()
    shm = Path("/dev/shm")
    where = shm if shm.is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=where) as folder,
        mock.patch.object(imu, "official_columns", refuse),
    ):
        target = TARGETS[name](Path(folder))
        for number in tqdm(range(-WARM_UP, inputs), name, disable=None):
            rng = random.Random(f"{name} {seed} {number}")
            data, problem, accepted = make_input(rng, target), "", False
            seconds = SECONDS if number >= 0 else 30.0  # the first inputs pay for late imports
            begun = time.perf_counter()
            try:
                with time_limit(seconds), np.errstate(all="ignore"):
                    target.read(rng, data)
                accepted = True
            except CorruptFile:
                pass
            except TooSlow:
                problem = f"was not done in {seconds:g} s"
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                problem = f"raised {error!r:.300}"
            spent = time.perf_counter() - begun
            if number == -1:
                limit = peak_bytes() + GROWTH_BYTES
            if spent > seconds and not problem:
                problem = f"took {spent:.1f} s"
            elif number >= 0 and peak_bytes() > limit:
                problem = f"raised peak memory to {peak_bytes() >> 20} MB, over {limit >> 20} MB"
            if problem:
                save.mkdir(parents=True, exist_ok=True)
                saved = save / f"{name}-{seed}-{number}.bin"
                saved.write_bytes(data)
                raise Fault(
                    f"{name}: input {number} of seed {seed} {problem}; it is saved in {saved}"
                )
            if number >= 0:
                counts[accepted] += 1
                worst = max(worst, spent)
    return (
        f"{name}: {inputs} inputs, {counts[1]} accepted, {counts[0]} refused, "
        f"{time.monotonic() - started:.0f} s, worst {1e3 * worst:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "aura-fuzz")
    options = parser.parse_args()
    for name in [options.target] if options.target else TARGETS:
        try:
            print(fuzz(name, options.inputs, options.seed, options.save), flush=True)
        except Fault as fault:
            sys.exit(str(fault))


if __name__ == "__main__":
    main()
