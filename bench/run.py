"""The suite: which rows there are, one after the other, and what is written of them."""

import json
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from aura.errors import AuraError
from bench.measure import Row, Setup, measure
from pipeline.engine.output import write_text
from pipeline.engine.progress import say

# Modules of this package, each with `rows(setup)`, which yields rows and tidies up behind them.
MODULES = (
    "imu_resample",
    "vrs_read",
    "store_read",
    "feed",
    "video_sample",
    "clip",
    "embed",
    "ray_overhead",
    "train",
    "neighbour",
    "retrieval",
    "repro",
    "scaling",
)
ON_A_GPU = ("clip", "feed", "train", "retrieval")
_VERSIONS = ("torch", "numpy", "scipy", "pyarrow", "ray", "open_clip_torch", "av")


def run(names: Sequence[str], rounds: int, smoke: bool, device: str, out: Path) -> None:
    """Measure the modules named, or all; write `<out>.json`, `<out>.md` and `<out>.svg`.

    A row that was measured before and is not now stays in the files.

    Raises
    ------
    AuraError
        An unknown name, or a result that is not right.
    """
    from aura.report.bench import chart, table

    if unknown := set(names) - set(MODULES):
        raise AuraError(
            f"There is no row {', '.join(sorted(unknown))}; rows: {', '.join(MODULES)}."
        )
    chosen = [m for m in MODULES if (not names or m in names)]
    if device != "cpu":
        chosen = [m for m in chosen if m in ON_A_GPU]
    file = out.with_suffix(".json")
    results: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    for module in chosen:
        with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
            setup = Setup(Path(folder), rounds, smoke, device, os.cpu_count() or 1)
            for row in _rows(module, setup):
                say(f"{row.name} …")
                results[row.name] = measure(row, setup) | {"machine": machine(device)}
                say(_line(row.name, results[row.name]))
                if not smoke:
                    write_text(file, json.dumps(results, indent=1) + "\n")
    if smoke:
        return
    write_text(out.with_suffix(".md"), table(results, f"{out.name}.svg"))
    write_text(out.with_suffix(".svg"), chart(results))
    say(f"Wrote {out}.json, .md and .svg.")


def _rows(module: str, setup: Setup) -> Iterator[Row]:
    yield from import_module(f"bench.{module}").rows(setup)


def _line(name: str, result: dict[str, Any]) -> str:
    ratios = [
        f"{baseline}: skipped, {figures['skipped']}"
        if "skipped" in figures
        else f"{baseline}: {figures['min']:.2f} / {figures['median']:.2f} / {figures['max']:.2f}"
        + ("" if figures["target"] is None else f" (at least {figures['target']:g})")
        for baseline, figures in result["rivals"].items()
    ]
    return f"  {name}, {result['rate']:.4g} {result['unit']} a second; " + "; ".join(ratios)


def machine(device: str) -> dict[str, Any]:
    """Processor, threads and versions; for the record."""
    import torch

    record = {
        "cpu": _cpu(),
        "threads": os.cpu_count(),
        "torch threads": torch.get_num_threads(),
        "python": platform.python_version(),
    }
    if device != "cpu":
        record["gpu"] = torch.cuda.get_device_name()
    for name in _VERSIONS:
        try:
            record[name] = version(name)
        except PackageNotFoundError:
            continue
    return record


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), "unknown")
