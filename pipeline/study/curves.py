"""Curves of a training, as dvclive wrote them."""

from pipeline.engine import paths


def curves_of(dataset: str) -> dict[str, list[dict[str, float]]]:
    """Read back the curves: phase -> rows of step, loss, val_mrr, temperature."""
    folder = paths.report(dataset, "train") / "curves"
    curves: dict[str, list[dict[str, float]]] = {}
    for name in sorted(path.name for path in folder.glob("*") if path.is_dir()):
        rows: dict[int, dict[str, float]] = {}
        for file in sorted((folder / name).glob("plots/metrics/*.tsv")):
            _, *lines = file.read_text().splitlines()
            for line in lines:
                step, value = line.split("\t")[:2]
                rows.setdefault(int(step), {"step": int(step)})[file.stem] = float(value)
        if rows:
            curves[name] = [rows[step] for step in sorted(rows)]
    return curves
