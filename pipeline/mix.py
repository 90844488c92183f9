"""mix: whether the data sets of a mixture go together, and what each of them holds.

Nothing is copied: the stages from `train` on read the sources' own tables.
"""

import pyarrow.parquet as pq

from aura.config import Params
from aura.errors import AuraError
from pipeline.engine import inputs, manifest, paths
from pipeline.engine.locks import hold
from pipeline.engine.log import logged, tell
from pipeline.engine.output import list_shards, stage_output, write_json
from pipeline.engine.progress import say
from pipeline.study import joined, splits
from pipeline.study.counts import mixed


@logged(str(paths.MANIFESTS / "{dataset}.json"))
def run(params: Params, dataset: str) -> None:
    """Check a mixture and write `data/manifests/<mixture>.json`; count its windows.

    Raises
    ------
    AuraError
        It is no mixture, a source is not preprocessed, sources are of several teachers or window
        lengths, or somebody or some recording of its test split is in another split.
    """
    if dataset not in params.mixtures:
        known = ", ".join(sorted(params.mixtures)) or "none"
        raise AuraError(f"There is no mixture '{dataset}' in params.yaml; known: {known}.")
    found = {
        name: sum(
            pq.read_metadata(file).num_rows for file in list_shards(paths.WINDOWS / name, "slice")
        )
        for name in params.sources(dataset)
    }
    windows, _, teacher = joined.load(params, dataset)
    ledger = mixed(windows, found)
    tell(ledger)
    made = inputs.sources_of(params, dataset)
    names = list(params.sources(dataset))
    of = {name: made[3 * i : 3 * i + 3] for i, name in enumerate(names)}
    content = {
        "mixture": dataset,
        "sources": {name: manifest.tables(tables) for name, tables in of.items()},
        "manifests": manifest.chain(made),
        "shares": windows.shares,
        "teacher": teacher.content(),
    }
    file = paths.MANIFESTS / f"{dataset}.json"
    with hold(file):
        write_json(file, content)
    with stage_output(paths.report(dataset, "mix"), None) as folder:
        write_json(folder / "metrics.json", ledger.content())
    for name, counts in splits.source_counts(windows).items():
        say(
            f"mix: {name}, {counts['windows']} training windows of {counts['participants']} "
            f"people, {100 * counts['share']:.0f} % of each batch"
        )
