"""classify: what a recording of one's own holds, in words of one's own, over time."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aura import inference
from aura.config import Params
from aura.errors import AuraError
from aura.inference import calibrated
from aura.inference.files import read_recording
from aura.inference.timeline import NONE, Timeline, timeline
from aura.report import terminal
from aura.report.told import Stretch, Told, clock, render
from pipeline.engine import paths
from pipeline.engine.output import write_text
from pipeline.engine.progress import say
from pipeline.study.asking import check_text, find_calibration, heard, model_folder
from pipeline.study.calibrated import SMOOTHED


@dataclass(frozen=True)
class Asked:
    """What is asked of a recording.

    Attributes
    ----------
    prompts : sequence of str
        The answers that can be given, beside none of these.
    rate_hz, units, columns, imu
        As `inference.files.read_recording` takes them.
    smoothed : int
        Windows that are averaged.
    stride_s : float
        From one window to the next.
    verbatim : bool
        Prompts are whole sentences, not put into the templates of the calibration.
    model : str, Path or None
        A model folder; the data set's own where it is None.
    """

    prompts: Sequence[str]
    rate_hz: float | None = None
    units: str | None = None
    columns: Sequence[str] | None = None
    imu: str = "imu-right"
    smoothed: int = SMOOTHED
    stride_s: float = 2.5
    verbatim: bool = False
    model: str | Path | None = None


def run(
    params: Params,
    dataset: str,
    recording: str | Path,
    asked: Asked,
    out: str | Path | None = None,
    as_json: bool = False,
) -> str:
    """Write the page of a time line, and return its table or its JSON.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        Whose model is asked, where none is named.
    recording : str or Path
        A VRS, CSV or Parquet file.
    asked : Asked
        What is asked of it.
    out : str, Path or None
        The page; `reports/<dataset>/classify/<recording>.html` where it is None.
    as_json : bool
        Return JSON.

    Raises
    ------
    AuraError
        Prompts are empty, the file is not certain, or the model or its calibration is not there.
    """
    prompts = _prompts(asked.prompts)
    folder = model_folder(params, dataset, asked.model)
    found = find_calibration(folder)
    calibration = found.of("imu")
    if calibration is None:
        raise AuraError(
            f"The model at {folder} has no calibration of the IMU: "
            f"{found.reason or 'it was trained without it'}."
        )
    recorded = read_recording(recording, asked.rate_hz, asked.units, asked.columns, asked.imu)
    texts = {p: [p] if asked.verbatim else [t.format(p) for t in found.prompts] for p in prompts}
    with heard("classify") as warnings:
        encoders = inference.load(folder)
        names, classes = encoders.class_vectors(texts)
        signals = recorded.resample(encoders.recipe)
        start_s, vectors = encoders.encode_resampled(signals, recorded.duration_s, asked.stride_s)
        line = timeline(
            names, classes, start_s, vectors, calibration, encoders.window_s, asked.stride_s,
            asked.smoothed,
        )  # fmt: skip
    for note in recorded.notes:
        say(f"classify: {Path(recording).name}: {note}.", "warning")
    path = Path(out) if out is not None else _page(dataset, folder, Path(recording))
    if path.is_dir():
        raise AuraError(f"{path} is a folder; name a file for the page.")
    imu = np.where(signals.valid[0][:, None] & signals.channels[0], signals.values[0], np.nan)
    about = (
        f"{clock(recorded.duration_s)} of {Path(recording).name} by {folder}; windows of "
        f"{encoders.window_s:g} s every {asked.stride_s:g} s. {_rule(asked)}"
    )
    trust = _trust(found, asked)
    notes = [f"{note[:1].upper()}{note[1:]}." for note in recorded.notes]
    page = _told(line, Path(recording).name, about, imu, recorded.duration_s, trust)
    page.warnings.extend(warnings)
    page.notes.extend(notes)
    write_text(path, render(page))
    say(f"classify: {path}")
    if as_json:
        said = [*warnings, *notes]
        content = _content(line, folder, recording, asked, found, path, said)
        return json.dumps(content, indent=1, ensure_ascii=False)
    rows = [
        [clock(s.begin_s), clock(s.end_s), f"{s.probability:.2f}", str(s.windows), s.name]
        for s in line.segments()
    ]
    header = ["from", "to", "probability", "windows", "answer"]
    return terminal.table(header, rows, right=(0, 1, 2, 3)) + f"\n\n{trust}"


def _prompts(prompts: Sequence[str]) -> list[str]:
    """Distinct prompts, without blanks about them."""
    if not prompts:
        raise AuraError('Say what it could be: --prompts "cooking" "dancing", for example.')
    cleaned = list(dict.fromkeys(check_text(prompt, "A prompt") for prompt in prompts))
    if NONE in cleaned:
        raise AuraError(f"'{NONE}' is always among the answers; leave it out.")
    return cleaned


def _page(dataset: str, folder: Path, recording: Path) -> Path:
    model = "" if folder == paths.MODELS / dataset / "joint" else f".{folder.name}"
    return paths.report(dataset, "classify") / f"{recording.stem}{model}.html"


def _rule(asked: Asked) -> str:
    if asked.smoothed == 1:
        return "Each window answers alone."
    return f"Answers are the mean of log-probabilities over {asked.smoothed} windows."


def _trust(found: calibrated.Content, asked: Asked) -> str:
    """What was measured of the probabilities, in sentences."""
    sensor = found.modalities["imu"]
    tested = sensor.smoothed if asked.smoothed > 1 else sensor.single
    said = (
        f"Calibrated on {found.validation_windows} validation windows: temperature "
        f"{1 / sensor.scale:.3f}, none of these below a cosine of {sensor.threshold:.3f}."
    )
    if not tested:
        return said
    interval = ""
    if tested.get("low") is not None:
        interval = f" ({tested['low']:.3f} to {tested['high']:.3f})"
    said += (
        f" On unseen test windows the expected calibration error is {tested['ece']:.3f}{interval}; "
        f"{100 * tested['accepted']:.0f} % of windows whose class was asked got an answer, and "
        f"{100 * tested['refused']:.0f} % of those whose class was not asked got none."
    )
    if found.shared_participants:
        said += " Validation shares people with training, which makes it too sure of others."
    return said


def _told(line: Timeline, title: str, about: str, imu: Any, duration_s: float, trust: str) -> Told:
    begin_s, end_s = line.spans()
    return Told(
        title=title,
        about=about,
        names=line.names,
        begin_s=begin_s,
        end_s=end_s,
        probabilities=line.probabilities,
        stretches=[Stretch(**asdict(s)) for s in line.segments()],
        imu=imu,
        duration_s=max(duration_s, float(line.start_s[-1] + line.window_s)),
        trust=trust,
    )


def _content(
    line: Timeline,
    folder: Path,
    recording: str | Path,
    asked: Asked,
    found: calibrated.Content,
    page: Path,
    warnings: list[str],
) -> dict[str, Any]:
    return {
        "recording": Path(recording).name,
        "model": folder.as_posix(),
        "answers": line.names,
        "scale": found.modalities["imu"].scale,
        "threshold": found.modalities["imu"].threshold,
        "smoothed": asked.smoothed,
        "window_s": line.window_s,
        "stride_s": line.stride_s,
        "warnings": warnings,
        "page": page.as_posix(),
        "segments": [
            {**asdict(s), "probability": round(s.probability, 4)} for s in line.segments()
        ],
        "windows": [
            {
                "start_s": float(start),
                "answer": best,
                "cosines": [round(float(c), 4) for c in cosines],
                "probabilities": [round(float(p), 4) for p in row],
            }
            for start, best, cosines, row in zip(
                line.start_s, line.best, line.cosines, line.probabilities, strict=True
            )
        ],
    }
