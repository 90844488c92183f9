"""Curves of a training: a folder a phase, a TSV a figure, as `dvc plots` reads them."""

import json
from collections.abc import Mapping
from pathlib import Path

from aura.errors import AuraError
from pipeline.engine import paths

CURVES = ("loss", "val_mrr", "temperature")


class Curves:
    """Writes the figures of one phase, a line an epoch, in dvclive's layout.

    dvclive itself makes a DVC repository of any git repository that it runs in, whatever it is
    asked to log, and cannot start in one without a commit.

    Parameters
    ----------
    folder : Path
        Of the phase. What is there of an earlier start is written anew.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._step = folder, 0
        (folder / "plots/metrics").mkdir(parents=True, exist_ok=True)
        for file in (folder / "plots/metrics").glob("*.tsv"):
            file.unlink()

    def _file(self, name: str) -> Path:
        return self._folder / f"plots/metrics/{name}.tsv"

    def log(self, figures: Mapping[str, float]) -> None:
        """Add the figures of the next epoch; of a mixture, also those of its sources."""
        of_sources = sorted(name for name in figures if name.startswith("val_mrr "))
        names = (*CURVES, *of_sources)
        for name in names:
            with self._file(name).open("a") as file:
                if not self._step:
                    file.write(f"step\t{name}\n")
                file.write(f"{self._step}\t{figures[name]}\n")
        last = {**{name: figures[name] for name in names}, "step": self._step}
        (self._folder / "metrics.json").write_text(json.dumps(last, indent=4) + "\n")
        self._step += 1


def curves_of(dataset: str) -> dict[str, list[dict[str, float]]]:
    """Read back the curves: phase -> rows of step, loss, val_mrr, temperature."""
    folder = paths.report(dataset, "train") / "curves"
    curves: dict[str, list[dict[str, float]]] = {}
    for name in sorted(path.name for path in folder.glob("*") if path.is_dir()):
        rows: dict[int, dict[str, float]] = {}
        for file in sorted((folder / name).glob("plots/metrics/*.tsv")):
            try:
                for line in file.read_text().splitlines()[1:]:
                    step, value = line.split("\t")[:2]
                    rows.setdefault(int(step), {"step": int(step)})[file.stem] = float(value)
            except ValueError:
                raise AuraError(f"{file} is damaged; run `aura train` again.") from None
        if rows:
            curves[name] = [rows[step] for step in sorted(rows)]
    return curves
