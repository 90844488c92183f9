"""resample: raw recordings to signals at 200 Hz and 10 FPS on one clock, as Parquet shards."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from aura import plugins
from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Dataset, Params, Resample
from aura.counts import Ledger
from aura.datasets.base import (
    VIRTUAL,
    Inventory,
    Recording,
    Skip,
    Take,
    check_places,
    count_skips,
    nothing_usable,
    open_dataset,
)
from aura.errors import AuraError, CorruptFile
from aura.schema import CONTENT, SIGNALS, TAKES, from_numpy, from_rows
from aura.signals.content import content_of
from aura.signals.imu import Cleaned, count_gaps, resample_imu, resample_mocap
from aura.signals.published import decimate_imu, pick_mocap
from aura.signals.seconds import blocks, clock_offsets, saturation
from pipeline.engine import paths
from pipeline.engine.code import code_hash
from pipeline.engine.log import Told, group_skips, logged, tell
from pipeline.engine.output import Made, stage_output, write_json
from pipeline.engine.shards import Add, Shard, add_counts, group, run_shards
from pipeline.screen import count_kept, screen

UNITS = ("takes", "texts", "imu_samples", "poses")
OUTSIDE = "text is outside the take"
_BYTES_PER_S = sum(f.type.byte_width for f in SIGNALS if pa.types.is_fixed_size_binary(f.type))


@logged(str(paths.SIGNALS / "{dataset}"))
def run(params: Params, dataset: str) -> None:
    """Resample every take of `dataset` into `data/signals/<dataset>`."""
    settings = params.dataset(dataset).absolute()
    inventory = open_dataset(settings.adapter, settings.root, settings.options).inventory()
    if not inventory.takes:
        raise AuraError(nothing_usable(dataset, settings.root, count_skips(inventory.skips)))
    check_places(inventory.takes, settings.adapter)
    groups = group_takes(inventory.takes, params.resample)
    modules = [plugins.find("adapter", settings.adapter).module]
    modules += [VIRTUAL] if settings.options.get("virtual") else []
    identity = {
        "code": code_hash("pipeline.resample", *modules),
        "params": [settings.model_dump(mode="json"), params.resample.model_dump()],
        "takes": _digest(inventory.takes),
    }
    used = settings.model_dump(mode="json", include={"adapter", "options"})
    used["resample"] = params.resample.model_dump(mode="json")
    made = Made("resample", dataset, used)
    with stage_output(paths.SIGNALS / dataset, identity, made) as folder:
        reports = list(
            run_shards(
                [Shard(number, takes, len(takes)) for number, takes in enumerate(groups)],
                partial(resample_takes, settings, params.resample),
                {"part": SIGNALS, "takes": TAKES, "content": CONTENT},
                folder,
                params.ray,
                f"resample {dataset}",
            )
        )
        ledger = count_takes(inventory, reports)
        tell(ledger, group_skips(inventory.skips), *(r["told"] for r in reports))
        if not ledger.used("takes"):
            lost = {f"take: {why}": n for why, n in ledger.dropped("takes").items()}
            skips = summarize(inventory, reports)["skips"] | lost
            raise AuraError(nothing_usable(dataset, settings.root, skips))
        metrics = {**ledger.content(), **summarize(inventory, reports)}
        with stage_output(paths.report(dataset, "resample"), None) as counted:
            write_json(counted / "metrics.json", metrics)


def group_takes(takes: Sequence[Take], params: Resample) -> list[list[Take]]:
    """Takes in shards of even size, by the lengths that the index gives."""
    sizes = [take.duration_s * _BYTES_PER_S / 1e6 for take in takes]
    return group(takes, sizes, params.takes_per_shard, params.shard_mb)


def _digest(takes: Sequence[Take]) -> str:
    text = "".join(repr((take, take.source)) for take in takes)
    return hashlib.sha256(text.encode()).hexdigest()


def count_takes(inventory: Inventory, reports: Sequence[dict[str, Any]]) -> Ledger:
    """What became of the takes: those that the index names, and those of the shards."""
    ledger = Ledger("resample", "takes", *inventory.counts, *UNITS[1:])
    ledger.add(inventory.counts)
    ledger.find("takes", len(inventory.takes))
    for skip in inventory.skips:
        if skip.modality == "take":
            ledger.find("takes")
            ledger.drop("takes", skip.reason)
    for report in reports:
        ledger.add(report["counts"])
    return ledger


def summarize(inventory: Inventory, reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The stage's metrics beside the ledger."""
    others = [skip for skip in inventory.skips if skip.modality != "take"]
    skips = Counter(count_skips(others)) + Counter(add_counts(reports, "skips"))
    return {
        "hours": sum(report["seconds"] for report in reports) / 3600,
        "imu_valid": _share(reports, "imu"),
        "mocap_valid": _share(reports, "mocap"),
        "skips": dict(sorted(skips.items())),
        "masked": add_counts(reports, "masked"),
    }


def _share(reports: Sequence[dict[str, Any]], name: str) -> float:
    valid = sum(report["valid"].get(name, 0) for report in reports)
    return valid / max(1, sum(report["valid"].get(f"{name}_all", 0) for report in reports))


def resample_takes(
    dataset: Dataset, params: Resample, takes: Sequence[Take], add: Add
) -> dict[str, Any]:
    """One shard: its SIGNALS, TAKES and CONTENT rows go to `add`; returns its counts."""
    adapter = open_dataset(dataset.adapter, dataset.root, dataset.options)
    ledger, told, skips = Ledger("resample", *UNITS), Told(), list[Skip]()
    masked, valid, seconds = Counter[str](), Counter[str](), 0.0
    for take in takes:
        try:
            loaded = adapter.load(take)
        except CorruptFile as error:
            lost = Skip("take cannot be opened", str(error))
            told += group_skips([lost], take.take_name)
            ledger.drop("takes", lost.reason)
            continue
        recording, cleaned = screen(loaded, take.take_name, params)
        skips += recording.skips
        told += group_skips(recording.skips, take.take_name)
        masked.update(count_masked(recording, cleaned, params))
        table = resample_recording(take.take_id, recording, cleaned, params, valid)
        if table is None:
            lost = Skip("neither IMU nor mocap", take.take_name)
            told += group_skips([lost], take.take_name)
            ledger.drop("takes", lost.reason)
            count_kept(ledger, loaded, recording, cleaned, params, "take is left out")
            count_texts(ledger, loaded, "take is left out")
            continue
        count_kept(ledger, loaded, recording, cleaned, params)
        count_texts(ledger, loaded)
        add("part", table)
        add("takes", from_rows([_take_row(take, recording, params)], TAKES))
        tracks = (recording.imu_s, recording.imu), (recording.mocap_s, recording.mocap)
        prints = content_of(tracks, recording.duration_s)
        ids = pa.array([take.take_id] * len(prints), pa.string())
        add("content", pa.table([ids, prints], schema=CONTENT))
        ledger.use("takes")
        seconds += recording.duration_s
    return {
        "counts": ledger.content(),
        "seconds": seconds,
        "skips": count_skips(skips),
        "told": told,
        "masked": dict(masked),
        "valid": dict(valid),
    }


def count_texts(ledger: Ledger, loaded: Recording, left_out: str = "") -> None:
    """Count the texts of a take; they are dropped if it is left out, by that reason."""
    listed = len(loaded.texts) if loaded.texts_listed is None else loaded.texts_listed
    ledger.find("texts", listed)
    ledger.drop("texts", OUTSIDE, sum(skip.reason == OUTSIDE for skip in loaded.skips))
    if left_out:
        ledger.drop("texts", left_out, len(loaded.texts))
    else:
        ledger.use("texts", len(loaded.texts))


def count_masked(recording: Recording, cleaned: Cleaned, params: Resample) -> Counter[str]:
    """How much of which was masked or flagged, in samples, joints, poses, frames and gaps."""
    masked = Counter(recording.counts) + Counter(cleaned.noted)
    inside = (recording.imu_s >= 0) & (recording.imu_s < recording.duration_s)
    if len(recording.imu_saturated):
        masked["IMU sample at the end of its range"] += int(recording.imu_saturated[inside].sum())
    masked["IMU gap"] += count_gaps(cleaned.times, recording.duration_s, params.gap_ms / 1000)
    return +masked


def resample_recording(
    take_id: str, recording: Recording, cleaned: Cleaned, params: Resample, valid: Counter[str]
) -> pa.Table | None:
    """Resample one take.

    Parameters
    ----------
    take_id : str
        Of the rows.
    recording : Recording
        As the adapter read it.
    cleaned : Cleaned
        Its IMU samples, in order.
    params : Resample
        The section `resample` of params.yaml.
    valid : Counter of str
        Valid samples and joints, and all of them; those of this take are added.

    Returns
    -------
    pa.Table or None
        SIGNALS rows; None where nothing is left.
    """
    duration = recording.duration_s
    if params.clock == "authors":
        imu, imu_ok = decimate_imu(recording.imu_s, recording.imu, duration)
        mocap, mocap_ok = pick_mocap(_frames(recording), recording.mocap, duration)
    else:
        imu, imu_ok = resample_imu(
            cleaned.times, cleaned.values, duration, params.gap_ms / 1000, recording.gyro_lag_s,
            params.compiled,
        )  # fmt: skip
        mocap, mocap_ok = resample_mocap(
            recording.mocap_s, recording.mocap, duration, params.mocap_gap_ms / 1000
        )
    if not imu_ok.any() and not mocap_ok.any():
        return None
    valid.update(imu=int(imu_ok.sum()), imu_all=imu_ok.size)
    valid.update(mocap=int(mocap_ok.sum()), mocap_all=mocap_ok.size)
    seconds = -(-len(imu) // IMU_RATE_HZ)
    flagged = len(recording.imu_saturated) > 0
    saturated = recording.imu_saturated if flagged else np.zeros(len(recording.imu_s), bool)
    columns = {
        "imu": blocks(imu, seconds, IMU_RATE_HZ),
        "imu_valid": blocks(imu_ok, seconds, IMU_RATE_HZ),
        "mocap": blocks(mocap, seconds, MOCAP_RATE_HZ),
        "mocap_valid": blocks(mocap_ok, seconds, MOCAP_RATE_HZ),
    }
    return pa.table(
        [
            pa.array([take_id] * seconds),
            pa.array(np.arange(seconds, dtype=np.int32)),
            *(from_numpy(values, SIGNALS.field(name)) for name, values in columns.items()),
            pa.array(saturation(cleaned.times, saturated[cleaned.kept], seconds)),
            pa.array(clock_offsets(recording.frame_s, seconds)),
        ],
        schema=SIGNALS,
    )


def _frames(recording: Recording) -> np.ndarray:
    """Video frame of each pose; by its time where the data set does not number them."""
    if len(recording.mocap_frame) == len(recording.mocap_s):
        return recording.mocap_frame
    return np.rint(recording.mocap_s * recording.frame_rate_hz).astype(np.int64)


def _take_row(take: Take, recording: Recording, params: Resample) -> dict[str, Any]:
    return {
        "take_id": take.take_id,
        "participant_id": take.participant_id,
        "capture_id": take.capture_id,
        "split": take.split,
        "label": take.label,
        "place": take.place,
        "moment_id": take.moment_id or take.take_id,
        "imu_channels": recording.imu_channels.tolist(),
        "take_name": take.take_name,
        "duration_s": recording.duration_s,
        "frame_rate_hz": 30.0 if params.clock == "authors" else recording.frame_rate_hz,
        "frames": len(recording.frame_s),
        "videos": [vars(video) for video in recording.videos],
        "texts": [vars(text) for text in recording.texts],
        "actions": [
            {"action": step.text, "begin_s": step.time_s, "end_s": step.end_s}
            for step in recording.actions
        ],
    }
