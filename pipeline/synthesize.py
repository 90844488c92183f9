"""synthesize: a small data set in Ego-Exo4D's own format, so that everything runs without data."""

from concurrent.futures import as_completed
from pathlib import Path

from aura.config import Params
from aura.datasets import synthetic
from pipeline.engine.code import code_hash
from pipeline.engine.log import logged
from pipeline.engine.output import stage_output
from pipeline.engine.processes import process_pool
from pipeline.engine.progress import track


@logged(lambda params: params.dataset("synthetic").root)
def run(params: Params) -> None:
    """Write the root of the data set called `synthetic`."""
    size = size_of(params)
    plans = synthetic.plan(size)
    identity = {"code": code_hash("pipeline.synthesize"), "size": vars(size)}
    with stage_output(Path(params.dataset("synthetic").root), identity) as root:
        with process_pool(params.ray.local_workers(), None) as pool:
            jobs = [pool.submit(synthetic.write_take, root, plan, size) for plan in plans]
            for job in track(as_completed(jobs), "synthesize", total=len(jobs), unit="take"):
                job.result()
        synthetic.write_metadata(root, plans, size)
        synthetic.multiply(root, plans, size)


def size_of(params: Params) -> synthetic.SyntheticSize:
    """The generator's size from its section of params.yaml."""
    settings = params.synthesize.model_dump()
    return synthetic.SyntheticSize(**settings, seed=params.seed)
