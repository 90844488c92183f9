"""embed: texts and exo video of every window to frozen teacher embeddings."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aura import plugins
from aura.config import Dataset, Params, Teacher
from aura.counts import Ledger
from aura.datasets.base import open_dataset
from aura.datasets.wording import prompts_of
from aura.errors import AuraError
from aura.schema import WINDOWS, from_numpy, texts_schema, videos_schema
from aura.teacher import frozen
from aura.teacher.ffmpeg import find_ffmpeg
from aura.teacher.tokens import count_long, describe_long
from pipeline import footage
from pipeline.engine import checks, inputs, manifest, paths
from pipeline.engine.code import code_hash
from pipeline.engine.log import logged, tell
from pipeline.engine.output import Made, list_shards, read_table, stage_output, write_json
from pipeline.engine.progress import say
from pipeline.engine.shards import (
    Add,
    Report,
    Shard,
    add_counts,
    file_shards,
    forget_done,
    run_shards,
)
from pipeline.engine.threads import limit_threads

Text = tuple[str, str, str | None]  # the text, its kind, and a prompt's class


@logged(str(paths.EMBEDDINGS / "{dataset}"))
def run(params: Params, dataset: str) -> None:
    """Embed the windows of `dataset` into `data/embeddings/<dataset>`."""
    settings = params.dataset(dataset).absolute()
    read = inputs.windows_of(params, dataset)
    shards = list_shards(paths.WINDOWS / dataset, "slice")
    place = params.own_teacher(dataset) or paths.TEACHER
    taught = [] if isinstance(place, Teacher) else [checks.check_all(place, "teach")]
    precision = frozen.chosen_precision(params.embed.precision, params.embed.gpus > 0)
    teacher = frozen.identify(place, precision, params.embed.long_texts)
    signals = (paths.SIGNALS / dataset).absolute()
    identity = {
        "code": code_hash("pipeline.embed", plugins.find("adapter", settings.adapter).module),
        "params": [settings.model_dump(mode="json"), params.embed.model_dump()],
        "window_s": params.slice.window_s,
        "teacher": teacher.content(),
        "input": manifest.chain([*read, *taught]),
    }
    wanted = footage.Frozen(place.absolute(), teacher, "cuda" if params.embed.gpus else "cpu")
    ledger = Ledger("embed", "texts", *footage.UNITS)
    for file in shards:
        ledger.find("windows_with_video", _count_video(file))
    with_video = ledger.found("windows_with_video")
    if with_video and teacher.sees_video:
        say(find_ffmpeg().note)  # here, before hours of work
    elif with_video:
        say(
            f"embed: {teacher.model} reads texts alone; "
            f"the video of {with_video} windows is left out."
        )
    dim, step = teacher.embed_dim, params.embed.texts_per_shard
    texts = list(_texts(shards, settings, params.embed.prompts))
    ledger.find("texts", len(texts))
    chunks = [texts[i : i + step] for i in range(0, len(texts), step)]
    used = settings.model_dump(mode="json", include={"adapter", "options"})
    used["embed"] = params.embed.model_dump(mode="json", exclude={"gpus"})
    made = Made("embed", dataset, used, [*read, *taught], teacher.content())
    with stage_output(paths.EMBEDDINGS / dataset, identity, made) as folder:
        run_all = partial(run_shards, folder=folder, settings=params.ray, gpus=params.embed.gpus)
        text_shards = [Shard(i, chunk, len(chunk)) for i, chunk in enumerate(chunks)]
        schemas = {"texts": texts_schema(dim).with_metadata(teacher.metadata())}
        work, label = partial(embed_texts, wanted), f"embed {dataset}, texts"
        text_reports = list(run_all(text_shards, work, schemas, label=label, unit="text"))
        video_reports: list[Report] = []
        if teacher.sees_video:
            work = partial(footage.embed_shard, settings.root, signals, wanted, params)
            schemas = {"part": videos_schema(dim).with_metadata(teacher.metadata())}
            video_shards, label = file_shards(shards, signals), f"embed {dataset}, video"
            video_reports = list(run_all(video_shards, work, schemas, label=label))
        else:
            ledger.drop("windows_with_video", "teacher reads texts alone", with_video)
        for report in (*text_reports, *video_reports):
            ledger.add(report["counts"])
        tell(ledger, *(report["told"] for report in video_reports))
        if with_video and teacher.sees_video and not ledger.used("windows_with_video"):
            forget_done(folder)
            raise AuraError(_nothing_seen(dataset, ledger, video_reports))
        long_texts = count_long(text_reports, cut=teacher.long_texts == "cut")
        if sentence := describe_long(long_texts):
            say(f"embed: {sentence}", "warning")
        with stage_output(paths.report(dataset, "embed"), None) as counted:
            write_json(
                counted / "metrics.json",
                {
                    **ledger.content(),
                    "teacher": teacher.content(),
                    "texts_by_kind": add_counts(text_reports, "kinds"),
                    "long_texts": long_texts,
                    "skips": add_counts(video_reports, "skips"),
                },
            )
    manifest.write_tables(dataset, inputs.tables_of(params, dataset))


def _nothing_seen(dataset: str, ledger: Ledger, reports: Sequence[Report]) -> str:
    """Say that a data set has video and none can be used, why, and what to do."""
    reasons = ledger.dropped("windows_with_video") | ledger.dropped("cameras")
    hidden = (footage.NO_CAMERA, footage.SPARE)
    told = ", ".join(f"{reason} ({n})" for reason, n in reasons.items() if reason not in hidden)
    failure = next((f" {report['failure']}" for report in reports if report["failure"]), "")
    return (
        f"No video of data set {dataset} can be used: {told}.{failure} "
        f"Mend or remove them; `aura doctor --dataset {dataset}` names each."
    )


def text_id(text: str) -> str:
    """Stable id of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _texts(shards: Sequence[Path], settings: Dataset, prompts: Sequence[str]) -> Iterator[Text]:
    """The distinct captions and actions of all windows, sorted, then the prompts of each class."""
    captions: set[str] = set()
    actions: set[str] = set()
    for file in shards:
        windows = read_table(file, WINDOWS, "slice", ["texts", "action"])
        texts = pc.struct_field(pc.list_flatten(windows["texts"]), "text")
        captions.update(pc.unique(texts).to_pylist())
        actions.update(pc.unique(windows["action"]).drop_null().to_pylist())
    for caption in sorted(captions):
        yield caption, "caption", None
    for action in sorted(actions):
        yield action, "action", None
    classes = open_dataset(settings.adapter, settings.root, settings.options).classes
    for label, wording in classes.items():
        for prompt in prompts_of(wording, prompts):
            yield prompt, "prompt", label


def _count_video(windows: Path) -> int:
    has_video = read_table(windows, WINDOWS, "slice", ["has_video"])["has_video"]
    return int(pc.sum(has_video).as_py() or 0)


@limit_threads(1)
def embed_texts(wanted: footage.Frozen, rows: Sequence[Text], add: Add) -> dict[str, Any]:
    """One shard of texts."""
    teacher, identity = footage.load_teacher(wanted), wanted.identity
    schema = texts_schema(identity.embed_dim).with_metadata(identity.metadata())
    texts, kinds, labels = zip(*rows, strict=True)
    tokens, ids = teacher.context.read(texts), [text_id(text) for text in texts]
    columns = [
        pa.array(ids),
        pa.array(texts),
        pa.array(kinds),
        pa.array(labels, pa.string()),
        from_numpy(teacher.encode_tokens(tokens), schema.field("embedding")),
    ]
    add("texts", pa.table(columns, schema=schema))
    ledger = Ledger("embed", "texts")
    ledger.use("texts", len(ids))
    return {
        "counts": ledger.content(),
        "kinds": dict(Counter(kinds)),
        "context": teacher.context.length,
        "fill_context": {ids[row]: hashes for row, hashes in tokens.digests().items()},
    }
