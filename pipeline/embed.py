"""embed: texts and exo video of every window to frozen teacher embeddings."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aura import plugins
from aura.config import Dataset, Params, Teacher
from aura.datasets.base import Skip, count_skips, open_dataset
from aura.datasets.wording import prompts_of
from aura.errors import AuraError, CorruptFile
from aura.schema import TAKES, WINDOWS, from_numpy, texts_schema, videos_schema
from aura.storage import Storage
from aura.teacher import frozen
from aura.teacher.ffmpeg import find_ffmpeg
from aura.teacher.identity import Identity
from aura.teacher.tokens import count_long, describe_long
from aura.teacher.video import probe, window_frames
from aura.teacher.video_check import VideoCheck
from aura.teacher.video_vectors import embed_video
from pipeline.engine import checks, inputs, manifest, paths
from pipeline.engine.code import code_hash
from pipeline.engine.output import Made, list_shards, read_table, stage_output, write_json
from pipeline.engine.progress import say
from pipeline.engine.shards import (
    Add,
    Report,
    Shard,
    add_counts,
    file_shards,
    require_some,
    run_shards,
)
from pipeline.engine.threads import limit_threads

_WINDOW_COLUMNS = ["window_id", "take_id", "start_s", "has_video"]
_TAKE_COLUMNS = ["take_id", "take_name", "frame_rate_hz", "frames", "videos"]
Text = tuple[str, str, str | None]  # the text, its kind, and a prompt's class


def run(params: Params, dataset: str) -> None:
    """Embed the windows of `dataset` into `data/embeddings/<dataset>`."""
    settings = params.dataset(dataset).absolute()
    read = inputs.windows_of(params, dataset)
    shards = list_shards(paths.WINDOWS / dataset, "slice")
    place = params.own_teacher(dataset) or paths.TEACHER
    taught = [] if isinstance(place, Teacher) else [checks.check_all(place, "teach")]
    teacher = frozen.identify(place, params.embed.precision, params.embed.long_texts)
    signals = (paths.SIGNALS / dataset).absolute()
    identity = {
        "code": code_hash("pipeline.embed", plugins.find("adapter", settings.adapter).module),
        "params": [settings.model_dump(mode="json"), params.embed.model_dump()],
        "window_s": params.slice.window_s,
        "teacher": teacher.content(),
        "input": manifest.chain([*read, *taught]),
    }
    wanted = Frozen(place.absolute(), teacher, "cuda" if params.embed.gpus else "cpu")
    with_video = sum(_count_video(file) for file in shards)
    if with_video and teacher.sees_video:
        say(find_ffmpeg().note)  # here, before hours of work
    elif with_video:
        say(
            f"embed: {teacher.model} reads texts alone; "
            f"the video of {with_video} windows is left out."
        )
    dim, step = teacher.embed_dim, params.embed.texts_per_shard
    texts = list(_texts(shards, settings, params.embed.prompts))
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
            work = partial(embed_shard, settings.root, signals, wanted, params)
            schemas = {"part": videos_schema(dim).with_metadata(teacher.metadata())}
            video_shards, label = file_shards(shards, signals), f"embed {dataset}, video"
            video_reports = list(run_all(video_shards, work, schemas, label=label))
            require_some("video", "windows", dataset, folder, video_reports)
        skips = add_counts(video_reports, "skips")
        if with_video and not teacher.sees_video:
            skips["video: teacher reads texts alone"] = with_video
        long_texts = count_long(text_reports, cut=teacher.long_texts == "cut")
        if sentence := describe_long(long_texts):
            say(f"embed: {sentence}")
        with stage_output(paths.report(dataset, "embed"), None) as report:
            write_json(
                report / "metrics.json",
                {
                    "teacher": teacher.content(),
                    "texts": add_counts(text_reports, "kinds"),
                    "long_texts": long_texts,
                    "windows_with_video": sum(of["windows"] for of in video_reports),
                    "frames_embedded": sum(of["frames"] for of in video_reports),
                    "skips": skips,
                },
            )
    manifest.write_tables(dataset, inputs.tables_of(params, dataset))


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


class Frozen(NamedTuple):
    """What a worker loads: where the teacher is, who it must be, and on which device."""

    place: frozen.Place
    identity: Identity
    device: str


@lru_cache(1)
def _load_teacher(wanted: Frozen) -> Any:
    """One teacher a worker process, another once it is taught anew."""
    identity = wanted.identity
    teacher = frozen.load(wanted.place, wanted.device, identity.precision, identity.long_texts)
    if teacher.identity != identity:
        raise AuraError(f"{identity.model} was replaced while `aura embed` ran; run it again.")
    return teacher


def _count_video(windows: Path) -> int:
    has_video = read_table(windows, WINDOWS, "slice", ["has_video"])["has_video"]
    return int(pc.sum(has_video).as_py() or 0)


@limit_threads(1)
def embed_texts(wanted: Frozen, rows: Sequence[Text], add: Add) -> dict[str, Any]:
    """One shard of texts."""
    teacher, identity = _load_teacher(wanted), wanted.identity
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
    return {
        "kinds": dict(Counter(kinds)),
        "context": teacher.context.length,
        "fill_context": {ids[row]: hashes for row, hashes in tokens.digests().items()},
    }


def _takes_with_video(windows: Path, signals: Path) -> list[dict[str, Any]]:
    """Takes that have video: cameras, rate, and the ids and starts of their windows."""
    takes = read_table(signals / paths.sibling(windows, "takes"), TAKES, "resample", _TAKE_COLUMNS)
    by_id = {row["take_id"]: {**row, "windows": []} for row in takes.to_pylist() if row["videos"]}
    for row in read_table(windows, WINDOWS, "slice", _WINDOW_COLUMNS).to_pylist():
        if row["has_video"]:
            by_id[row["take_id"]]["windows"].append((row["window_id"], row["start_s"]))
    return [take for take in by_id.values() if take["windows"]]


@limit_threads(1)
def embed_shard(
    root: str, signals: Path, wanted: Frozen, params: Params, windows: Path, add: Add
) -> dict[str, Any]:
    """One shard: for each take the first camera that decodes, all its windows from one decode."""
    teacher, files = _load_teacher(wanted), Storage(root)
    skips: list[Skip] = []
    embedded = frames = 0
    failure = ""
    for take in _takes_with_video(windows, signals):
        numbers = window_frames(
            [start for _, start in take["windows"]],
            params.slice.window_s,
            params.embed.frames_per_window,
            take["frame_rate_hz"],
        )
        for video in take["videos"]:
            check = VideoCheck(video["path"], take["frames"])
            try:
                with files.local(video["path"]) as path:
                    probe(path)
                    found, means, counts = embed_video(
                        teacher, path, numbers, params.embed.batch, params.embed.decoder, check
                    )
            except (CorruptFile, FileNotFoundError) as error:
                skips.append(Skip(check.reason, video["path"], "video"))
                failure = failure or str(error)
                continue
            if check.reason:
                skips.append(Skip(check.reason, video["path"], "video"))
            ids = np.array([window_id for window_id, _ in take["windows"]])
            past_end = ids[counts == 0]
            skips += [Skip("window is past the end of the video", i, "video") for i in past_end]
            kept = counts > 0
            table = _videos_table(
                wanted.identity, ids[kept], video["camera"], counts[kept], means[kept]
            )
            add("part", table)
            embedded, frames = embedded + table.num_rows, frames + found
            break
        else:
            skips.append(Skip("no camera of the take can be used", take["take_name"], "video"))
    return {
        "skips": count_skips(skips), "windows": embedded, "frames": frames, "failure": failure,
    }  # fmt: skip


def _videos_table(
    identity: Identity, ids: np.ndarray, camera: str, counts: np.ndarray, means: np.ndarray
) -> pa.Table:
    schema = videos_schema(means.shape[1]).with_metadata(identity.metadata())
    columns = [
        pa.array(ids.tolist(), pa.string()),
        pa.array([camera] * len(ids), pa.string()),
        pa.array(counts, pa.int32()),
        from_numpy(means, schema.field("embedding")),
    ]
    return pa.table(columns, schema=schema)
