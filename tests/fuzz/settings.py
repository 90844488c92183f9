"""What the user names: params.yaml, `--set`, folders of models and teachers, tables of stages."""

import json
import random
from pathlib import Path

import numpy as np
import torch
import yaml

from aura import config
from aura.errors import AuraError
from aura.learning import checkpoint
from aura.schema import CONTENT, to_numpy
from aura.teacher import frozen
from aura.teacher.identity import Identity
from pipeline.engine.output import read_table, write_table
from tests.conftest import ROOT
from tests.fuzz.mutate import any_json, mutate_bytes, mutate_text
from tests.fuzz.target import Target

TAGS = (
    "!!python/object/apply:os.getpid []", "!!python/name:os.getpid", "&a [*a]", "!!int x",
    "2001-99-99", "*nowhere", "[", "{a: 1, a: 2}", "!!binary x", "? [1]\n: 2", "\t", "'", "%",
    "!!float .inf", ".nan", "1e400", "<<: 1", "!!set {a}", "0o9", "-", "|\n x", "@", "`",
)  # fmt: skip


def params_target(folder: Path) -> Target:
    path = folder / "params.yaml"
    bases = [(ROOT / "params.yaml").read_bytes()]
    small = {k: v for k, v in yaml.safe_load(bases[0]).items() if k not in ("mixtures", "ablate")}
    small["datasets"] = {"synthetic": small["datasets"]["synthetic"]}
    bases.append(yaml.safe_dump(small).encode())
    sections = sorted(config.Params.model_fields)

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        raw = bases[1] if rng.random() < 0.8 else raw
        if rng.random() < 0.5:
            return mutate_text(rng, raw)
        if rng.random() < 0.5:
            return mutate_bytes(rng, raw, rng.choice(bases), [])
        lines = raw.split(b"\n")
        place = rng.randrange(len(lines))
        lines[place] = lines[place].split(b":")[0] + b": " + rng.choice(TAGS).encode()
        return b"\n".join(lines)

    def make(rng: random.Random) -> bytes:
        keys = (*sections, "adapter", "root", "params", "options", "pairs", "epochs", "name")
        return json.dumps(any_json(rng, keys)).encode()

    def read(rng: random.Random, data: bytes) -> None:
        path.write_bytes(data)
        value = rng.choice((*TAGS, "1", "null", "[1", "x")) if rng.random() < 0.5 else None
        key = rng.choice((rng.choice(sections), "train.batch", "datasets.synthetic.root", "a.b"))
        overrides = [] if value is None else [f"{key}={value}"]
        params = config.load(path, overrides, rng.choice((None, "synthetic", "bodies")))
        assert isinstance(params.seed, int)

    return Target(bases, mutate, make, read, AuraError, 10.0)


def model_target(folder: Path) -> Target:
    """The card and the weights of a model folder."""
    from tests.inference.models import write_model

    identity = Identity("stand-in", "w", "0" * 64, "p", True)
    place = folder / "model"
    write_model(place, identity)
    card, weights = place / "model.json", place / "model.safetensors"
    sound = {card: card.read_bytes(), weights: weights.read_bytes()}
    bases = list(sound.values())
    import aura

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        if raw == bases[0]:
            return mutate_text(rng, raw) if rng.random() < 0.8 else mutate_bytes(rng, raw, raw, [])
        if rng.random() < 0.5:
            size = int.from_bytes(raw[:8], "little")
            header = mutate_text(rng, raw[8 : 8 + size])
            return len(header).to_bytes(8, "little") + header + raw[8 + size :]
        return mutate_bytes(rng, raw, raw, [(0, "Q")])

    def make(rng: random.Random) -> bytes:
        content = json.loads(bases[0])
        key = rng.choice(sorted(content))
        content[key] = any_json(rng, ("samples", "frames", "dim", "name", "kind", "imu", "pairs"))
        return json.dumps(content).encode()

    def read(rng: random.Random, data: bytes) -> None:
        (card if data[:1] in b"{ \n" else weights).write_bytes(data)
        try:
            encoders = aura.load(place)
            vectors = encoders.encode_imu(np.ones((1, 6, 200)), 100)
            assert vectors.shape == (1, encoders.card["shape"]["dim"])
        finally:
            card.write_bytes(sound[card])
            weights.write_bytes(sound[weights])

    return Target(bases, mutate, make, read, AuraError, 10.0, 256 << 20)


def checkpoint_target(folder: Path) -> Target:
    """What a training resumes from; also with a pickle in its place."""
    path = folder / "checkpoint.pt"
    bases = []
    for legacy in (False, True):
        state = {"a": torch.arange(40.0), "b": {"c": [1, 2.5, "x"]}, "epoch": 3}
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
        bases.append(path.read_bytes())

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        return mutate_bytes(rng, raw, rng.choice(bases), [])

    def make(rng: random.Random) -> bytes:
        return b"cposix\ngetpid\n(tR." if rng.random() < 0.5 else rng.randbytes(200)

    def read(rng: random.Random, data: bytes) -> None:
        path.write_bytes(data)
        assert isinstance(checkpoint.read_state(path), dict)

    return Target(bases, mutate, make, read, AuraError, 5.0, 256 << 20)


def teacher_target(folder: Path) -> Target:
    """The identity, the config and the weights of a teacher's folder, in each of their forms."""
    from tests.inference.models import write_teacher

    place = folder / "teacher"
    write_teacher(place)
    weights = place / "open_clip_model.safetensors"
    names = [place / "teacher.json", place / "open_clip_config.json", weights]
    sound = {path: path.read_bytes() for path in names}
    bases = list(sound.values())
    keys = ("model_cfg", "vision_cfg", "text_cfg", "layers", "width", "image_size", "size", "mean")

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        if raw != bases[2]:
            return mutate_text(rng, raw) if rng.random() < 0.8 else mutate_bytes(rng, raw, raw, [])
        return mutate_bytes(rng, raw[:4000], raw[:4000], [(0, "Q")]) + raw[4000:]

    def make(rng: random.Random) -> bytes:
        content = json.loads(bases[rng.randrange(2)])
        section = content.get(rng.choice(("model_cfg", "preprocess_cfg")), content)
        section[rng.choice(sorted(section))] = any_json(rng, keys)
        return json.dumps(content).encode()

    def read(rng: random.Random, data: bytes) -> None:
        is_json = data[:1] in b"{[ \n"
        path = rng.choice(names[:2]) if is_json else weights
        if data in bases:
            path = names[bases.index(data)]
        elif b"weights_sha256" in data:
            path = names[0]
        elif b"model_cfg" in data:
            path = names[1]
        path.write_bytes(data)
        settings = config.Teacher(model=f"local-dir:{place}")
        try:
            teacher = frozen.load(settings if rng.random() < 0.5 else place)
            assert teacher.encode_text(["a person"]).shape[0] == 1
        finally:
            for name, content in sound.items():
                name.write_bytes(content)

    return Target(bases, mutate, make, read, AuraError, 20.0, 512 << 20)


def shard_target(folder: Path) -> Target:
    """A shard of Parquet."""
    import pyarrow as pa

    path = folder / "content-00000.parquet"
    table = pa.table([["a", "b"], pa.array([1, 2], pa.uint64())], schema=CONTENT)
    write_table(path, table, CONTENT)
    vectors = folder / "part-00000.parquet"
    identity = Identity("stand-in", "w", "0" * 64, "p", True)
    from aura.schema import texts_schema

    schema = texts_schema(4).with_metadata(identity.metadata())
    column = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(8, "f4")), 4)
    write_table(vectors, pa.table([["1", "2"], ["a", "b"], ["caption"] * 2, [None, "x"], column],
                                  schema=schema), schema)  # fmt: skip
    bases = [path.read_bytes(), vectors.read_bytes()]

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        return mutate_bytes(rng, raw, rng.choice(bases), [(len(raw) - 8, "I")])

    def make(rng: random.Random) -> bytes:
        raw = rng.choice(bases)
        return raw[: rng.randrange(len(raw))]

    def read(rng: random.Random, data: bytes) -> None:
        path.write_bytes(data)
        expected = schema if b"embedding" in data else CONTENT
        found = read_table(path, expected, "embed")
        if "embedding" in found.column_names:
            to_numpy(found, "embedding")
            Identity.from_metadata(found.schema.metadata, str(path))

    return Target(bases, mutate, make, read, AuraError, 5.0, 256 << 20)
