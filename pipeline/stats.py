"""stats: what a data set holds, printed and drawn; the same numbers as the stages' own."""

import json

from aura.config import Params
from aura.report import holdings as drawn
from pipeline.engine import paths
from pipeline.engine.output import stage_output, write_json, write_text
from pipeline.engine.progress import say
from pipeline.study.holdings import holdings


def run(params: Params, dataset: str, as_json: bool = False) -> str:
    """Write `reports/<dataset>/stats/{index.html,picture.png,stats.json}`, and return the tables.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        A data set or mixture.
    as_json : bool
        Return JSON.
    """
    held = holdings(params, dataset)
    folder = paths.report(dataset, "stats")
    with stage_output(folder, None) as partial:
        write_text(partial / "index.html", drawn.page(held))
        (partial / "picture.png").write_bytes(drawn.picture(held))
        write_json(partial / "stats.json", held)
    say(f"stats: {folder / 'index.html'}")
    return json.dumps(held, indent=1, ensure_ascii=False) if as_json else drawn.text(held)
