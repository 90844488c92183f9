"""report: one self-contained page from what the stages measured."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import yaml

from aura.config import Params
from aura.counts import by_count, name_of
from aura.evaluation.diagnosis import Headline, display
from aura.evaluation.zeroshot import ZeroShot
from aura.learning.batches import Windows
from aura.report.examples import Example
from aura.report.page import render
from aura.report.study import Check, Study, Teacher
from aura.report.verdict import against_last_run
from pipeline.engine import paths
from pipeline.engine.log import logged
from pipeline.engine.output import stage_output, write_text
from pipeline.engine.progress import say
from pipeline.study import joined, splits
from pipeline.study.counts import flow, preprocessing, read_json
from pipeline.study.curves import curves_of
from pipeline.study.plots import write_plots
from pipeline.study.previous import earlier_run
from pipeline.study.space import Space


@logged(str(paths.report("{dataset}", "report")))
def run(params: Params, dataset: str) -> None:
    """Write the page and the headline table: `reports/<dataset>/report/{index.html,summary.md}`."""
    folder = paths.report(dataset, "report")
    content = fill(params, dataset)
    with stage_output(folder, None) as partial:
        write_text(partial / "index.html", render(content))
        write_text(partial / "summary.md", summary(content))
        write_plots(dataset)
    say(f"report: {folder / 'index.html'}")


def summary(content: Study) -> str:
    """The headline figures as a Markdown table, which a terminal shows as well."""
    rows = [["", "figure", "value", "95 % interval", "chance", "shuffled pairs", "n"]]
    for line in [*content.headlines, *content.places, *content.sources]:
        interval = f"{line.low:.3f} to {line.high:.3f}" if line.low is not None else ""
        control = f"{line.control:.3f}" if line.control is not None else ""
        figures = [f"{line.value:.3f}", interval, f"{line.chance:.3f}", control, str(line.n)]
        rows.append([line.name, line.metric, *figures])
    lines = _table(rows)
    since = against_last_run(content.headlines, content.earlier).text
    lines += ["", *_table(_counted(content))]
    notes = [f"- {sentence}" for sentence in (_MATCHING, since, *content.warnings)]
    teacher = f"Data set {content.title}, teacher: {content.teacher.name}."
    return "\n".join([teacher, "", *lines, "", *notes]) + "\n"


def _counted(content: Study) -> list[list[str]]:
    """What became of the data, row by row; of what lost nothing, takes, windows and texts only."""
    rows = [["stage", "unit", "found", "used", "dropped", "why"]]
    for stage, units in content.counts.items():
        for unit, n in units.items():
            if not n["dropped"] and unit not in ("takes", "windows", "texts"):
                continue
            reasons = ", ".join(f"{reason} {lost:,}" for reason, lost in by_count(n["dropped"]))
            figures = (n["found"], n["used"], sum(n["dropped"].values()))
            rows.append([stage, name_of(unit), *(f"{figure:,}" for figure in figures), reasons])
    return rows


def _table(rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table."""
    widths = [min(40, max(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    rows = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]


_MATCHING = (
    "To text, any window with the same captions is right; elsewhere only the window itself is."
)


def fill(params: Params, dataset: str) -> Study:
    """Everything that the page shows of `dataset`."""
    windows, texts, teacher = joined.load(params, dataset)
    details = read_json(paths.report(dataset, "evaluate") / "details.json", "evaluate", _KEYS)
    counts = preprocessing(list(params.sources(dataset)))
    sliced = counts["slice"]
    name = "Stand-in CLIP" if teacher.stand_in else f"{teacher.model} ({teacher.pretrained})"
    used = params.model_dump(mode="json", include={"seed", "teacher", "datasets", *_USED_SECTIONS})
    few_shot = _few_shot(dataset)
    space = Space.load(params, dataset, windows, texts)
    used["datasets"] = {name: used["datasets"][name] for name in params.sources(dataset)}
    if dataset in params.mixtures:
        used["mixtures"] = {dataset: params.mixtures[dataset].model_dump(mode="json")}
    return Study(
        title=dataset,
        teacher=Teacher(name, teacher.stand_in),
        headlines=[Headline(**line) for line in details["headlines"]],
        places=[Headline(**line) for line in details.get("places", [])],
        sources=[Headline(**line) for line in details.get("sources", [])],
        earlier=earlier_run(paths.report(dataset, "evaluate") / "details.json"),
        warnings=[*details["warnings"], *(few_shot or {}).get("warnings", [])],
        checks=_checks(windows, details, sliced),
        absent=_absent(windows, counts),
        retrieval=details["retrieval"],
        zero_shot=load_zero_shot(details["zero_shot"]),
        baselines=details["baselines"],
        calibration=details.get("calibration", {}),
        held_out=details.get("held_out_class", {}),
        fine_grained=details.get("fine_grained", {}),
        recall=space.recall(),
        few_shot=few_shot,
        joint_map=space.map(),
        queries=space.queries(),
        curves=[
            {"phase": phase, **row} for phase, rows in curves_of(dataset).items() for row in rows
        ],
        funnel={
            "takes found": counts["resample"]["counts"]["takes"]["found"],
            "takes used": counts["resample"]["counts"]["takes"]["used"],
            "windows": sliced["counts"]["windows"]["used"],
        },
        splits=details["splits"],
        counts=flow(params, dataset, counts, details, few_shot),
        skips={
            "resample": counts["resample"]["skips"],
            "resample, masked or flagged": counts["resample"]["masked"],
            "embed": counts["embed"]["skips"],
        },
        example=_example(windows, texts, params),
        params=yaml.safe_dump(used, sort_keys=False),
    )


_KEYS = (
    *("headlines", "warnings", "retrieval", "zero_shot", "baselines", "splits"),
    *("effective_rank", "training_texts_naming_their_class"),
)
_USED_SECTIONS = {"resample", "slice", "embed", "train", "evaluate"}


def _checks(windows: Windows, details: dict[str, Any], sliced: dict[str, Any]) -> list[Check]:
    named = details["training_texts_naming_their_class"]
    leaks = sliced["texts_and_their_class"]
    hints = leaks["hint at their class"] / max(1, leaks["texts"])
    return [
        *(
            Check(f"{name.title()}s shared by test and training", str(len(shared)), not shared)
            for name, shared, _ in splits.overlaps(windows)
        ),
        Check("Training texts that name their class", f"{100 * named:.0f} %", None),
        Check("Texts with any word of their class", f"{100 * hints:.0f} %", None),
        *(
            Check(f"Effective rank of {display(modality)} embeddings", f"{rank:.1f}", None)
            for modality, rank in details["effective_rank"].items()
        ),
    ]


def _absent(windows: Windows, counts: dict[str, dict[str, Any]]) -> dict[str, str]:
    reasons = {}
    for modality, has in windows.has.items():
        if has.any():
            continue
        why = [name for name in counts["resample"]["skips"] if name.startswith(f"{modality}: ")]
        if modality == "video":
            why += counts["embed"]["counts"]["windows_with_video"]["dropped"]
        reasons[modality] = "; ".join(why) or "the data set has none that the pipeline reads"
    return reasons


def _example(windows: Windows, texts: pa.Table, params: Params) -> Example | None:
    rows = windows.rows("test")
    complete = [r for r in rows if all(bool(windows.has[m][r]) for m in ("imu", "mocap", "text"))]
    if not complete:
        return None
    row = complete[params.report.example % len(complete)]
    batch = windows.batch(rows[rows == row])
    return Example(
        imu=batch.imu[0].numpy(),
        mocap=batch.mocap[0].numpy(),
        mask=batch.mocap_valid[0].numpy(),
        texts=[texts.column("text")[i].as_py() for i in windows.texts[row]],
        label=str(windows.label[row] or ""),
        seconds=params.slice.window_s,
    )


def _few_shot(dataset: str) -> dict[str, Any] | None:
    """What finetune measured; None where it was not run."""
    path = paths.report(dataset, "finetune") / "details.json"
    return read_json(path, "finetune") if path.is_file() else None


def load_zero_shot(content: Mapping[str, Any]) -> dict[str, ZeroShot]:
    """Read back `zero_shot` of `details.json`."""
    return {modality: ZeroShot(**values) for modality, values in content.items()}
