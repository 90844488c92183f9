"""The model card: what a model is and what is known of it, as Markdown made from its `model.json`.

A line stands there only if the card or the metrics hold what it says; nothing is filled in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.report.card.example import example
from aura.report.card.metadata import Result, front_matter, results
from aura.report.card.teacher import reads_texts_alone, teacher_section, what_it_aligns
from aura.schema import IMU_CHANNELS, JOINTS, MODALITIES, SPLITS

Card = Mapping[str, Any]
_SENSORS = {"imu": "IMU", "mocap": "mocap"}
_COUNTS = ("participants", "takes", "windows", "hours", *(f"with {m}" for m in MODALITIES))


def sensors(card: Card) -> list[str]:
    """The sensors whose encoders the training of this model reached: of `imu` and `mocap`."""
    settings, phase = card.get("settings", {}), card.get("phase", "joint")
    phases = [phase] if phase == "imu" else ["joint"]
    if phase == "joint" and settings.get("schedule", "progressive") == "progressive":
        phases = ["imu", "joint"]
    pairs = [pair for name in phases for pair in settings.get(name, {}).get("pairs", [])]
    paired = {modality for pair in pairs for modality in pair} or set(_SENSORS)
    counts = card.get("data", {}).get("train", {})
    return [m for m in _SENSORS if m in paired and counts.get(f"with {m}", 1)]


def markdown(
    card: Card, metrics: Mapping[str, Any] | None = None, folder: str | None = None
) -> str:
    """README.md of a model folder.

    Parameters
    ----------
    card : mapping
        Content of `model.json`. `dataset`, `phase`, `shape`, `settings` and `teacher` are always
        there; of the others each that is there adds its lines: `adapter`; `data`, split -> counts
        (`participants`, `takes`, `windows`, `hours`, `with imu` and so on); `resample`, the stage's
        params; `cost`, sensor -> `parameters` and `flops`; `seed`; `best`; `code`.
    metrics : mapping or None
        Content of `reports/<dataset>/evaluate/metrics.json`, if this model was evaluated.
    folder : str or None
        Where the model is, for the example; by default where `aura train` puts it.
    """
    folder = folder or f"models/{card['dataset']}/{card['phase']}"
    title = f"AURA encoders, {card['dataset']}, phase {card['phase']}"
    kind = "sentence-transformers" if reads_texts_alone(card) else "clip"
    tags = [*(_SENSORS[m].lower() for m in sensors(card)), kind, "contrastive-learning"]
    measured = results(metrics or {})
    sections = {
        "What it is": _what(card),
        "Input": _input(card),
        "Training data": _data(card),
        "Teacher": teacher_section(card),
        "Training": _training(card),
        "Evaluation": _evaluation(measured),
        "Size": _size(card),
        "Use": example(
            folder,
            sensors(card),
            _seconds(card),
            card["shape"]["dim"],
            bool(card.get("own_teacher")),
        ),
        "Limits": _limits(card),
        "Sources": _sources(card),
    }
    head = [front_matter(title, card["dataset"], tags, measured), f"# {title}"]
    if card["teacher"].get("stand_in"):
        head += ["", f"> **Warning.** {_STAND_IN}"]
    body = [
        line for name, text in sections.items() if text for line in ("", f"## {name}", "", text)
    ]
    return "\n".join([*head, *body]) + "\n"


_STAND_IN = (
    "The teacher is the stand-in that `aura teach` trains on synthetic frames, not a published "
    "CLIP: figures of this model say that the pipeline works, not how well the method does."
)


_TWINS = {
    "shuffled": "on shuffled pairs, to show what is scored without learning from the pairing",
    "held-out": "without one class, to be tested on it",
    "unnamed": "without the texts that name their class",
}


def _what(card: Card) -> str:
    shape, settings = card["shape"], card["settings"]
    names = [
        f"{_SENSORS[m]}: `{settings[f'{m}_encoder']['name']}`, size "
        f"{settings[f'{m}_encoder'].get('size', 'S')}"
        for m in sensors(card)
    ]
    text = (
        f"Encoders of wearable-sensor windows of {_seconds(card):g} s into the {shape['dim']} "
        f"dimensions of a frozen {what_it_aligns(card)}. {'; '.join(names)}."
    )
    for twin, purpose in _TWINS.items():
        if card["phase"].startswith(twin):
            text += f" This is a twin of the model, trained {purpose}. It is of no other use."
    return text


def _seconds(card: Card) -> float:
    return float(card["shape"]["samples"]) / IMU_RATE_HZ


def _input(card: Card) -> str:
    shape, lines = card["shape"], []
    if "imu" in sensors(card):
        lines.append(
            f"- **IMU**: {', '.join(f'`{name}`' for name in IMU_CHANNELS)}, in m/s2 with gravity "
            f"and rad/s; {shape['samples']} samples at {IMU_RATE_HZ} Hz, with a flag for each "
            "sample that says whether it was measured and one for each channel that the sensor "
            "has. `aura.load` takes any rate."
        )
    if "mocap" in sensors(card):
        lines.append(
            f"- **Mocap**: {len(JOINTS)} joints in m, {shape['frames']} frames at {MOCAP_RATE_HZ} "
            "FPS, z up, with a flag for each joint and frame. `aura.load` takes any rate and frame "
            "of reference. The encoder itself takes poses whose origin is the mean mid-hip of the "
            "window and whose mean left-to-right axis of hips and shoulders is turned onto y "
            f"(`aura.signals.mocap.canonicalize`). Order: {', '.join(JOINTS)}."
        )
    clock = card.get("resample", {}).get("clock")
    if clock == "authors":
        lines.append("- Resampled by index, as published, without a low-pass filter.")
    elif clock:
        lines.append("- Resampled by timestamp, with a low-pass filter.")
    return "\n".join(lines)


def _data(card: Card) -> str:
    adapter = f", read by the adapter `{card['adapter']}`" if card.get("adapter") else ""
    kind = "Mixture" if card.get("sources") else "Data set"
    text = f"{kind} `{card['dataset']}`{adapter}."
    if card["dataset"] == "synthetic":
        text += " It is generated: no person was recorded."
    data = card.get("data", {})
    columns = [name for name in _COUNTS if any(name in data.get(split, {}) for split in SPLITS)]
    rows = [
        [split, *(_count(data[split].get(name)) for name in columns)]
        for split in SPLITS
        if split in data
    ]
    if columns:
        text += "\n\n" + _table(["split", *columns], rows)
    if sources := card.get("sources"):
        names = list(next(iter(sources.values())))
        rows = [[f"`{name}`", *(_count(n[key]) for key in names)] for name, n in sources.items()]
        text += "\n\nWhat its sources have of training:\n\n" + _table(["source", *names], rows)
    return text


def _count(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


def _training(card: Card) -> str:
    best, settings, lines = card.get("best", {}), card["settings"], []
    if "schedule" in settings:
        lines.append(f"- Schedule: {settings['schedule']}, phase {card['phase']}.")
    if "seed" in card:
        lines.append(f"- Seed: {card['seed']}.")
    if "val_mrr" in best and "epoch" in best:
        lines.append(
            f"- Kept: epoch {int(best['epoch']) + 1}, with a validation MRR of "
            f"{best['val_mrr']:.3f}, which chose the epoch and is no result."
        )
    if "temperature" in best:
        lines.append(f"- Learned temperature: {best['temperature']:.4f}.")
    if card.get("code"):
        lines.append(f"- SHA-256 of the code: `{card['code']}`.")
    return "\n".join(lines)


def _evaluation(measured: Sequence[Result]) -> str:
    if not measured:
        return ""
    header = ["", "figure", "value", "95 % interval", "chance", "shuffled pairs"]
    rows = []
    for result in measured:
        low, high, chance, control = map(result.levels.get, ("low", "high", "chance", "control"))
        interval = "" if low is None or high is None else f"{_figure(low)} to {_figure(high)}"
        levels = [interval, _figure(chance), _figure(control)]
        rows.append([result.name, result.metric, _figure(result.value), *levels])
    return (
        "On the test split, by `aura evaluate`. Chance is that of a guess; shuffled pairs is the "
        "same network trained on pairs that do not belong together.\n\n" + _table(header, rows)
    )


def _figure(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _size(card: Card) -> str:
    cost = card.get("cost", {})
    rows = [
        [_SENSORS[m], f"{cost[m]['parameters']:,}", f"{cost[m]['flops'] / 1e6:,.1f} M"]
        for m in sensors(card)
        if m in cost
    ]
    header = ["encoder", "parameters", "floating-point operations a window"]
    return _table(header, rows) if rows else ""


def _limits(card: Card) -> str:
    lines = [
        "Probabilities are those of the contrastive softmax over the prompts given. They are not "
        "calibrated, and one of the prompts always wins.",
        f"A window is {_seconds(card):g} s long; what takes longer is not seen as a whole.",
    ]
    missing = [_SENSORS[m] for m in _SENSORS if m not in sensors(card)]
    if missing:
        lines.append(f"The {missing[0]} encoder of this phase was not trained, and is not offered.")
    if card["teacher"].get("stand_in"):
        lines.append("The stand-in teacher knows only the words and scenes that it was trained on.")
    if card["dataset"] == "synthetic":
        lines.append("Trained on generated signals; nothing is known of it on real ones.")
    return "\n".join(f"- {line}" for line in lines)


def _sources(card: Card) -> str:
    teacher = "Sentence-BERT, arXiv 1908.10084" if reads_texts_alone(card) else None
    lines = ["AURA-MFM, arXiv 2506.03174", teacher or "CLIP, arXiv 2103.00020"]
    if any(card["settings"].get(f"{m}_encoder", {}).get("name") == "imu2clip" for m in _SENSORS):
        lines.append("IMU2CLIP, arXiv 2210.14395")
    if "ego-exo4d" in (card["dataset"], card.get("adapter")):
        lines.append("Ego-Exo4D, arXiv 2311.18259")
    if "utd-mhad" in (card["dataset"], card.get("adapter")):
        lines.append("UTD-MHAD, Chen et al., ICIP 2015")
    return "\n".join(f"- {line}" for line in lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
