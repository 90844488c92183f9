"""A study small enough to train on in a second: tables as the stages write them, and windows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
import yaml

from aura import config, schema
from aura.config import Encoder
from aura.learning import training
from aura.learning.join import join_tables
from aura.teacher import identity
from pipeline.engine import manifest, paths
from pipeline.engine.output import write_table

DIM = 16
SIZE = {"width": 32, "layers": 1, "heads": 2}
IMU = Encoder(name="imu-transformer", dropout=0.0, options=SIZE)
MOCAP = Encoder(name="mocap-transformer", dropout=0.0, options=SIZE)


def tables(
    seconds=(12, 9, 3), splits=("train", "val", "test"), seed=0, dim=DIM, moments=None, places=None
):
    """Signals, windows, texts and videos of some takes, and the raw blocks."""
    rng = np.random.default_rng(seed)
    takes = [f"take{i}" for i in range(len(seconds))]
    total = sum(seconds)
    blocks = {
        "imu": rng.normal(size=(total, 200, 6)).astype(np.float32),
        "imu_valid": np.ones((total, 200), bool),
        "mocap": rng.normal(size=(total, 10, 17, 3)).astype(np.float32),
        "mocap_valid": rng.random((total, 10, 17)) > 0.1,
    }
    signals = pa.table(
        [
            pa.array(np.repeat(takes, seconds)),
            pa.array(np.concatenate([np.arange(s) for s in seconds]).astype(np.int32)),
            *(schema.from_numpy(v, schema.SIGNALS.field(k)) for k, v in blocks.items()),
            *[pa.array(np.zeros(total, np.float32))] * 2,
        ],
        schema=schema.SIGNALS,
    )
    rows = []
    moment_of = dict(zip(takes, moments or takes, strict=True))
    place_of = dict(zip(takes, places or [None] * len(takes), strict=True))
    for take, length, split in zip(takes, seconds, splits, strict=True):
        for start in np.arange(0, max(length - 5, 0) + 0.1, 2.5):
            captions = [f"text {len(rows) % 4}", f"text {(len(rows) + 1) % 4}"]
            captions.append(captions[0])  # one that is there twice counts once
            texts = [{"text": t, "offset_s": 1.0, "source": "keystep"} for t in captions]
            rows.append(
                {
                    "window_id": f"{take}@{start}", "take_id": take, "participant_id": f"p {take}",
                    "capture_id": f"c {take}", "split": split, "label": "text 1", "start_s": start,
                    "imu_valid": 1.0, "mocap_valid": 1.0, "has_imu": True, "has_mocap": True,
                    "has_video": True, "action": None, "place": place_of[take],
                    "imu_channels": [True] * 6, "moment_id": moment_of[take],
                    "texts": texts if len(rows) != 1 else [],
                    "imu_saturated": 0.0, "clock_offset_ms": 0.0, "largest_gap_ms": 0.0,
                }
            )  # fmt: skip
    vectors = rng.normal(size=(len(rows) + 5, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [
        {
            "text_id": str(i),
            "text": f"text {i}",
            "kind": kind,
            "label": None,
            "embedding": vectors[i],
        }
        for i, kind in enumerate(["caption"] * 4 + ["prompt"])
    ]
    videos = [
        {"window_id": row["window_id"], "camera": "cam01", "frames": 8, "embedding": vectors[5 + i]}
        for i, row in enumerate(rows)
        if i != 2
    ]
    return (
        signals,
        schema.from_rows(rows, schema.WINDOWS),
        schema.from_rows(texts, schema.texts_schema(dim)),
        schema.from_rows(videos[::-1], schema.videos_schema(dim)),  # join by id, not by position
    ), blocks


def windows(**kwargs):
    study, blocks = tables(**kwargs)
    return join_tables(*study, window_s=5.0), study, blocks


def with_texts(joined, texts):
    """The same windows with the vectors of another text table."""
    vectors = np.array(texts.column("embedding").to_pylist(), np.float32)
    return replace(joined, text=torch.from_numpy(vectors))


def learnable(seed=0):
    """Windows whose video vector can be read off the mean of the IMU's first channels."""
    joined, _, _ = windows(seconds=(130, 60, 60), seed=seed)
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(len(joined), 6)).astype(np.float32)
    imu = joined.imu.clone()
    for i, start in enumerate(joined.samples.tolist()):
        imu[start : start + 500] += torch.from_numpy(codes[i]) * 2
    mixing = rng.normal(size=(6, DIM)).astype(np.float32)
    video = codes @ mixing
    video /= np.linalg.norm(video, axis=1, keepdims=True)
    has = {**joined.has, "video": torch.ones(len(joined), dtype=torch.bool)}
    return replace(joined, imu=imu, video=torch.from_numpy(video), has=has)


def short(seed=0, **kwargs):
    """Windows of one second, to step through quickly; 41 of them to train on, of 3 takes."""
    defaults = {
        "seconds": (60, 35, 10, 20, 5),
        "splits": ("train", "train", "train", "val", "test"),
    }
    study, _ = tables(**{**defaults, "seed": seed, **kwargs})
    return join_tables(*study, window_s=1.0)


def write_study(folder: Path, train: dict, seconds=(60, 25, 20)) -> config.Params:
    """Write what `aura train --dataset tiny` reads in `folder`, its params.yaml included."""
    signals, windows, texts, videos = tables(seconds=seconds, dim=identity.DIM)[0]
    metadata = identity.Identity("tiny", "", "0", "", stand_in=True).metadata()
    for path, table in (
        (paths.SIGNALS / "tiny/part-00000.parquet", signals),
        (paths.WINDOWS / "tiny/part-00000.parquet", windows),
        (paths.EMBEDDINGS / "tiny/texts-00000.parquet", texts.replace_schema_metadata(metadata)),
        (paths.EMBEDDINGS / "tiny/part-00000.parquet", videos.replace_schema_metadata(metadata)),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_table(folder / path, table, table.schema)
    write_manifests(folder)
    params = config.Params.model_validate(
        {
            "study": ["tiny"],
            "datasets": {"tiny": {"adapter": "none", "root": "none"}},
            "synthesize": {"participants": {}},
            "resample": {},
            "slice": {},
            "embed": {"prompts": ["{}"]},
            "train": train,
        }
    )
    (folder / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    return params


def write_manifests(folder: Path, dataset: str = "tiny", window_s: float = 5.0) -> None:
    """Write the manifests of tables that no stage wrote."""
    signals = seal(folder / paths.SIGNALS / dataset, "resample")
    windows = seal(folder / paths.WINDOWS / dataset, "slice", [signals], {"window_s": window_s})
    seal(folder / paths.EMBEDDINGS / dataset, "embed", [signals, windows])


def seal(folder: Path, stage: str, inputs=(), params=None) -> manifest.Manifest:
    """Write the manifest of a folder that a test wrote, or changed: then it keeps its params.

    It comes back with the folder's name of three parts, by which a stage would read it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if params is None and (folder / manifest.NAME).is_file():
        params = manifest.read(folder, stage).params
    manifest.write(folder, manifest.Made(stage, folder.name, params or {}, inputs))
    return replace(manifest.read(folder, stage), folder=Path(*folder.parts[-3:]))


def seal_tables(folder: Path, dataset: str) -> None:
    """Write all manifests of a data set anew, after a test has planted something in its tables."""
    found: list[manifest.Manifest] = []
    for kind, stage in ((paths.SIGNALS, "resample"), (paths.WINDOWS, "slice"),
                        (paths.EMBEDDINGS, "embed")):  # fmt: skip
        found.append(seal(folder / kind / dataset, stage, tuple(found)))


def settings(pairs=(("imu", "text"), ("imu", "mocap")), epochs=3, learning_rate=1e-3, **others):
    """A section `train` with the small encoders and the same phase twice."""
    phase = config.Phase(pairs=list(pairs), epochs=epochs, learning_rate=learning_rate)
    others = {"imu_encoder": IMU, "mocap_encoder": MOCAP, "batch": 8, "device": "cpu", **others}
    return config.Train(imu=phase, joint=phase, **others)


def fresh(joined, params, seed=0):
    """A model with its first weights."""
    torch.manual_seed(seed)
    model = training.Model(joined.shape, params.imu_encoder, params.mocap_encoder, params.loss)
    training.fit_scale(model, joined, joined.rows("train"))
    return model


def train(joined, params, **kwargs):
    """Train from the first weights; returns the model, the curve and the best metrics."""
    model, curve = fresh(joined, params), []
    best = training.train_phase(model, joined, params.joint, params, 0, curve.append, **kwargs)
    return model, curve, best
