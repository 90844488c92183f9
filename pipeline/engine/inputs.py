"""What a stage reads of a data set: checked against its manifests, and against params.yaml."""

from collections.abc import Sequence
from typing import Any

from aura.config import Params
from aura.errors import AuraError
from pipeline.engine import checks, paths
from pipeline.engine.manifest import Manifest


def signals_of(dataset: str) -> Manifest:
    """Check the signals of a data set."""
    return checks.check(paths.SIGNALS / dataset, "resample")


def windows_of(params: Params, dataset: str) -> list[Manifest]:
    """Check its signals, and the windows that were cut from them.

    Raises
    ------
    AuraError
        One is not whole, the windows are of other signals, or of another length than params say.
    """
    signals = signals_of(dataset)
    windows = checks.check(paths.WINDOWS / dataset, "slice")
    checks.check_chain(windows, signals)
    length, wanted = windows.params.get("window_s"), params.slice.window_s
    if length != wanted:
        raise AuraError(
            f"{windows.folder} holds windows of {length} s, and slice.window_s is {wanted}; "
            f"{windows.again}, or set slice.window_s to theirs."
        )
    return [signals, windows]


def tables_of(params: Params, dataset: str) -> list[Manifest]:
    """Check its signals, windows and embeddings, in that order.

    Parameters
    ----------
    params : Params
        With the data set's own.
    dataset : str
        A data set, no mixture.

    Returns
    -------
    list of Manifest
        Each made of those before it.

    Raises
    ------
    AuraError
        One is not whole or not made of the others; the sentence says which stage to run again.
    """
    embeddings = checks.check(paths.EMBEDDINGS / dataset, "embed")
    before = windows_of(params, dataset)
    checks.check_chain(embeddings, *before)
    return [*before, embeddings]


def resampling(params: Params, found: Sequence[Manifest]) -> dict[str, Any]:
    """How signals were resampled, for the card of a model: what their manifests say.

    Parameters
    ----------
    params : Params
        Whose `resample` says it where the sources of a mixture differ.
    found : sequence of Manifest
        As of `sources_of`.

    Returns
    -------
    dict
        Clock, and the gaps that were masked, ms.

    Raises
    ------
    AuraError
        Sources are on different clocks.
    """
    signals = [of for of in found if of.content["stage"] == "resample"]
    made = [of.params.get("resample", {}) for of in signals]
    card = params.resample.model_dump(mode="json", include={"clock", "gap_ms", "mocap_gap_ms"})
    for name in card:
        values = {of.get(name, card[name]) for of in made}
        if name == "clock" and len(values) > 1:
            raise AuraError(
                f"{signals[0].folder} and {signals[-1].folder} were resampled on different clocks; "
                "run `aura resample` again with one resample.clock."
            )
        card[name] = values.pop() if len(values) == 1 else card[name]
    return card


def own_tables_of(params: Params, dataset: str) -> list[Manifest]:
    """The same by the data set's own params, put into those of a mixture or of another."""
    own = params.changed(params.dataset(dataset).params, f"datasets.{dataset}.params")
    return tables_of(own, dataset)


def sources_of(params: Params, dataset: str) -> list[Manifest]:
    """The same of all sources of a mixture, each by its own params; of a data set, of itself."""
    if dataset not in params.mixtures:
        return tables_of(params, dataset)
    return [of for name in params.sources(dataset) for of in own_tables_of(params, name)]
