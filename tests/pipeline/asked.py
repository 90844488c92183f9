"""A project small enough to be asked in a second: tables, and a model of random weights."""

import yaml

from aura import config, schema
from aura.learning import model as learned
from aura.learning import training
from pipeline.engine import inputs, paths
from pipeline.engine.output import write_json, write_table
from pipeline.study import calibrated, joined, targets
from pipeline.study.vectors import Described, write_vectors
from tests import small
from tests.inference.models import write_model, write_teacher

SECONDS, SPLITS = (20, 60, 30, 20), ("train", "val", "test", "test")
CLASSES = ("Run", "Sit")


def write_project(folder, monkeypatch):
    """Write it in `folder`, which becomes the current one; its params."""
    monkeypatch.chdir(folder)
    identity = write_teacher(paths.TEACHER)
    (signals, windows, texts, videos), _ = small.tables(SECONDS, SPLITS, dim=identity.embed_dim)
    rows = windows.to_pylist()
    for number, row in enumerate(rows):
        row["label"] = CLASSES[number % 2]
    rows[-1] |= {"has_imu": False}  # the last window of the test split lacks its IMU
    windows = schema.from_rows(rows, schema.WINDOWS)
    prompts = [
        {**texts.to_pylist()[i], "text_id": f"p{i}", "text": f"a person is {name.lower()}",
         "kind": "prompt", "label": name}
        for i, name in enumerate(CLASSES)
    ]  # fmt: skip
    texts = schema.from_rows([*texts.to_pylist(), *prompts], schema.texts_schema(512))
    metadata = identity.metadata()
    for path, table in (
        (paths.SIGNALS / "tiny/part-00000.parquet", signals),
        (paths.SIGNALS / "tiny/takes-00000.parquet", takes(rows)),
        (paths.WINDOWS / "tiny/part-00000.parquet", windows),
        (paths.EMBEDDINGS / "tiny/texts-00000.parquet", texts.replace_schema_metadata(metadata)),
        (paths.EMBEDDINGS / "tiny/part-00000.parquet", videos.replace_schema_metadata(metadata)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, table, table.schema)
    small.write_manifests(folder)
    params = config.Params.model_validate(
        {
            "study": ["tiny"],
            "datasets": {"tiny": {"adapter": "none", "root": "nowhere"}},
            "synthesize": {"participants": {}}, "resample": {}, "slice": {},
            "embed": {"prompts": ["a person is {}"]},
            "train": small.settings().model_dump(mode="json"),
            "evaluate": {"bootstrap_draws": 20},
        }
    )  # fmt: skip
    (folder / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    write_model(paths.MODELS / "tiny/joint", identity, dataset="tiny")
    small.seal(paths.MODELS / "tiny", "train", inputs.tables_of(params, "tiny"))
    evaluate(params)
    return params


def takes(rows):
    """One row a take, with one camera that is not there."""
    of = {row["take_id"]: row for row in rows}
    keys = ("take_id", "participant_id", "capture_id", "split", "label", "place", "moment_id",
            "imu_channels")  # fmt: skip
    return schema.from_rows(
        [
            {**{key: row[key] for key in keys}, "take_name": take, "duration_s": 30.0,
             "frame_rate_hz": 30.0, "frames": 900,
             "videos": [{"camera": "cam01", "path": f"{take}.mp4"}],
             "texts": [{"text": "text 1", "time_s": 2.0, "source": "keystep", "end_s": 4.0}],
             "actions": [{"action": "step", "begin_s": 1.0, "end_s": 6.0}]}
            for take, row in of.items()
        ],
        schema.TAKES,
    )  # fmt: skip


def evaluate(params):
    """What `aura evaluate` leaves for a search and for a time line."""
    windows, texts, _ = joined.load(params, "tiny", check=False)
    model, _ = learned.load(paths.MODELS / "tiny/joint")
    rows = windows.rows("test")
    vectors = training.embed(model, windows, rows, ["imu", "mocap", "video", "text"])
    test = targets.test_set(windows, texts, rows)
    folder = paths.report("tiny", "evaluate")
    folder.mkdir(parents=True)
    described = Described.of(windows, texts.column("text").to_pylist(), rows)
    write_vectors(folder / "embeddings.parquet", described, vectors, test.valid)
    content = calibrated.calibrate(params, "tiny", model, windows, texts, test, vectors)
    write_json(folder / "details.json", {"calibration": content})
    return content
