"""shift: how far data sets lie apart, beside what an encoder loses between them.

Evaluation protocol, rule 7. What was lost is read from the `transfer` reports that are there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aura.config import Params
from aura.counts import Ledger
from aura.errors import AuraError
from aura.evaluation import leakage
from aura.evaluation.profile import DataSet, Profile, profile
from aura.evaluation.shift import compare
from aura.learning import training
from aura.report import shift as tables
from pipeline.engine import paths
from pipeline.engine.log import logged, tell
from pipeline.engine.output import stage_output, write_json, write_text
from pipeline.engine.progress import say, track
from pipeline.study import joined, tallies, trained
from pipeline.study.counts import read_json

MAX_WINDOWS = 4096
_PLACEMENT_OPTIONS = ("placement", "device", "imu")  # of adapters: where the sensor sits
_MOST_PLACES = 3  # that are named


@logged(str(paths.REPORTS / "shift"))
def run(params: Params) -> None:
    """Write `reports/shift/{table.md,figure.svg}` over the data sets of `shift.study`."""
    names = list(params.shift.study)
    if len(set(names)) < 2:
        raise AuraError("shift.study names the data sets to compare; at least two are needed.")
    model, _ = trained.alone(params.shift.source, params.shift.phase)
    profiles, ledgers = [], []
    for name in track(names, "shift", len(names), "data set"):
        found, counted = _profile(params, name, model)
        profiles.append(found)
        ledgers.append(counted)
    ledger = Ledger("shift", *(f"windows_of_{name}" for name in names))
    for counted in ledgers:
        ledger.add(counted.check())
    tell(ledger)
    shifts = [compare(a, b) for a in profiles for b in profiles if a is not b]
    drops = recorded_drops(names)
    with stage_output(paths.REPORTS / "shift", None) as folder:
        write_json(folder / "details.json", {"counts": ledger.content()})
        write_text(folder / "table.md", f"# Domain shift\n\n{tables.table(shifts, drops)}")
        write_text(folder / "figure.svg", tables.document(tables.figure(profiles, shifts, drops)))
    say(f"shift: {paths.REPORTS / 'shift' / 'table.md'}")


def _profile(params: Params, name: str, model: training.Model) -> tuple[Profile, Ledger]:
    own = params.changed(params.dataset(name).params, f"datasets.{name}.params")
    windows, texts, _ = joined.load(own, name, check=False)
    whole = windows.imu_channels.all(dim=1).numpy()
    rows = np.flatnonzero(windows.has["imu"].numpy() & whole)
    if not whole.all():
        say(f"shift: {(~whole).sum()} windows of {name} whose IMU lacks channels are left out")
    if len(rows) > MAX_WINDOWS:
        rows = np.sort(np.random.default_rng(params.seed).permutation(rows)[:MAX_WINDOWS])
    if windows.window_samples != model.imu.shape.samples:
        raise AuraError(f"The windows of {name} are not as long as those of the model.")
    batch = windows.batch(rows)
    has_imu = windows.has["imu"].numpy()
    ledger = tallies.compared(name, windows, whole, has_imu, len(batch.imu), MAX_WINDOWS)
    captions = texts.column("text").to_pylist()
    options = params.dataset(name).options
    found = profile(
        DataSet(
            name=name,
            imu=batch.imu.numpy(),
            valid=batch.imu_valid.numpy(),
            texts=[captions[text] for row in rows for text in windows.texts[row]],
            embeddings=training.embed(model, windows, rows, ["imu"])["imu"],
            participants=windows.participant[rows],
            placement=_placement(windows.place[rows], options),
        ),
        params.seed,
        leakage.stem,
    )
    return found, ledger


def _placement(places: np.ndarray, options: Mapping[str, Any]) -> str:
    """Where the sensors sit, by the windows; where those do not say, by the adapter's options."""
    named = sorted({place for place in places if place})
    if len(named) > _MOST_PLACES:
        return f"{len(named)} places"
    if named:
        return ", ".join(named)
    return next((str(options[key]) for key in _PLACEMENT_OPTIONS if key in options), "")


def recorded_drops(names: list[str]) -> dict[tuple[str, str], float]:
    """(source, target) -> zero-shot macro-F1 at home less that away, of models of one source.

    Those that `aura transfer` has tested, of whatever mixture.
    """
    drops = {}
    for path in sorted(paths.REPORTS.glob("*/transfer/details.json")):
        for target, content in (_json(path) or {}).items():
            for source, home in content["home"].items():
                away = content["zero_shot"].get(f"alone: {source}")
                if home is not None and away is not None and {source, target} <= set(names):
                    drops[source, target] = home - away["macro-F1"]["value"]
    return drops


def _json(path: Path) -> dict[str, Any] | None:
    content: dict[str, Any] | None = read_json(path, "transfer") if path.is_file() else None
    return content
