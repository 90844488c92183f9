"""The front matter of a model card: metadata of the Hugging Face Hub, with the figures measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

_LEVELS = ("low", "high", "chance", "control")  # what stands beside a figure, and is none itself


@dataclass(frozen=True)
class Result:
    """One figure of an evaluation.

    Attributes
    ----------
    name : str
        What was measured, such as "IMU → text".
    metric : str
        Such as "MRR"; empty where the figure has no other name.
    value : Any
        The figure.
    levels : mapping of str to Any
        ``low`` and ``high`` of its 95 % interval, ``chance`` and ``control``, as far as known.
    """

    name: str
    metric: str
    value: Any
    levels: Mapping[str, Any]


def results(metrics: Mapping[str, Any]) -> list[Result]:
    """Every figure of `metrics.json`; one that is nested goes by the names on the way to it."""
    return [result for name, content in metrics.items() for result in _flatten(name, content)]


def _flatten(name: str, content: Any) -> Iterator[Result]:
    if not isinstance(content, Mapping):
        yield Result(readable(name), "", content, {})
        return
    levels = {key: content[key] for key in _LEVELS if content.get(key) is not None}
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(f"{name}, {key}", value)
        elif key not in _LEVELS and value is not None:
            yield Result(readable(name), key, value, levels)


def readable(name: str) -> str:
    """`imu_to_text` as `IMU → text`."""
    return name.replace("_to_", " → ").replace("_", " ").replace("imu", "IMU")


def front_matter(
    name: str, dataset: str, tags: Sequence[str], measured: Sequence[Result] = ()
) -> str:
    """YAML between dashes, at the beginning of a model card.

    Parameters
    ----------
    name : str
        Of the model.
    dataset : str
        On which it was trained and tested.
    tags : sequence of str
        By which it is found.
    measured : sequence of Result
        Figures of the test split; those that are numbers become the model's index of results.
    """
    data = ModelCardData(
        library_name="aura",
        tags=list(tags),
        datasets=[dataset],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type=_task(result.name),
                dataset_type=dataset,
                dataset_name=dataset,
                dataset_split="test",
                metric_type=_metric_id(result.metric or result.name),
                metric_name=", ".join(filter(None, [result.name, result.metric])),
                metric_value=round(result.value, 4),
            )
            for result in measured
            if isinstance(result.value, int | float)
        ]
        or None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _task(name: str) -> str:
    if "zero-shot" in name:
        return "zero-shot-classification"
    return "retrieval" if "→" in name else "other"


def _metric_id(metric: str) -> str:
    """The Hub's name of a metric."""
    return metric.lower().replace("macro-f1", "f1").replace("r@", "recall@")
