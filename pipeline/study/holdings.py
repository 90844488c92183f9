"""What the tables of a data set hold, held to what the stages counted."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from aura.config import Params
from aura.errors import AuraError
from aura.schema import TAKES, WINDOWS
from pipeline.engine import inputs, paths
from pipeline.engine.output import read_table
from pipeline.study.counts import preprocessing

_TAKE = ["take_id", "participant_id", "capture_id", "split", "label", "place", "duration_s",
         "videos", "texts"]  # fmt: skip
_WINDOW = ["split", "label", "action", "has_imu", "has_mocap", "has_video", "texts"]
NO_LABEL, NO_PLACE = "no class", "not known"


def holdings(params: Params, dataset: str) -> dict[str, Any]:
    """Count takes, windows and texts.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        A data set, or a mixture, whose sources are summed.

    Returns
    -------
    dict
        `hours`, `takes`, `windows`, `people` and `captures`, in all; `splits`, the same by split;
        `labels`, `actions`, `places`, `text_sources`, counts by name; `texts` and `distinct_texts`;
        `modalities`, windows with each; `rejects`, stage -> unit -> reason -> count; and `skips`,
        stage -> reason -> count, of what was left out or masked inside of takes.

    Raises
    ------
    AuraError
        A stage has not run, or its metrics are not of the tables that are there.
    """
    sources = list(params.sources(dataset))
    takes: list[dict[str, Any]] = []
    windows: list[dict[str, Any]] = []
    for name in sources:
        own = params.changed(params.dataset(name).params, f"datasets.{name}.params")
        inputs.windows_of(own, name)
        pattern = paths.SIGNALS / name / "takes-*.parquet"
        rows = read_table(pattern, TAKES, "resample", _TAKE).to_pylist()
        takes += [{**row, "source": name} for row in rows]
        windows += read_table(paths.WINDOWS / name, WINDOWS, "slice", _WINDOW).to_pylist()
    counted = preprocessing(sources)
    splits = {
        split: _totals([t for t in takes if t["split"] == split],
                       [w for w in windows if w["split"] == split])
        for split in _in_order({t["split"] for t in takes})
    }  # fmt: skip
    texts = [text for take in takes for text in take["texts"]]
    content: dict[str, Any] = {
        "dataset": dataset,
        **_totals(takes, windows),
        "splits": splits,
        "labels": _count(w["label"] or NO_LABEL for w in windows),
        "actions": _count(w["action"] for w in windows if w["action"]),
        "places": _count(t["place"] or NO_PLACE for t in takes),
        "texts": len(texts),
        "distinct_texts": len({text["text"] for text in texts}),
        "text_sources": _count(text["source"] for text in texts),
        "modalities": {
            "imu": sum(w["has_imu"] for w in windows),
            "mocap": sum(w["has_mocap"] for w in windows),
            "video": sum(w["has_video"] for w in windows),
            "text": sum(bool(w["texts"]) for w in windows),
        },
        "rejects": {
            stage: {
                unit: dict(count["dropped"])
                for unit, count in table["counts"].items()
                if count["dropped"]
            }
            for stage, table in counted.items()
        },
        "skips": {
            "resample": counted["resample"]["skips"],
            "resample, masked": counted["resample"]["masked"],
            "embed": counted["embed"]["skips"],
        },
    }
    _check(content, counted, sources[0])
    return content


def _in_order(splits: Iterable[str]) -> list[str]:
    known = ("train", "val", "test")
    return sorted(splits, key=lambda s: (known.index(s) if s in known else len(known), s))


def _totals(takes: list[dict[str, Any]], windows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "hours": sum(take["duration_s"] for take in takes) / 3600,
        "takes": len(takes),
        "windows": len(windows),
        "people": len({(take["source"], take["participant_id"]) for take in takes}),
        "captures": len({(take["source"], take["capture_id"]) for take in takes}),
    }


def _count(names: Iterable[str]) -> dict[str, int]:
    """How often each, most often first."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _check(content: dict[str, Any], counted: dict[str, Any], source: str) -> None:
    """Refuse metrics of other tables than those that are there."""
    used = {
        "takes": counted["resample"]["counts"]["takes"]["used"],
        "windows": counted["slice"]["counts"]["windows"]["used"],
    }
    for unit, count in used.items():
        if content[unit] != count:
            stage = "resample" if unit == "takes" else "slice"
            raise AuraError(
                f"The tables hold {content[unit]} {unit} and reports/{source}/{stage}/metrics.json "
                f"says {count}; run `aura {stage} --dataset {source}` again."
            )
