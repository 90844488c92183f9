"""preprocess: resample, slice and embed one data set in one Ray session."""

from pathlib import Path

from aura.config import Params
from pipeline import embed, resample, synthesize, teach
from pipeline import slice as slice_stage
from pipeline.engine import paths
from pipeline.engine.log import logged
from pipeline.engine.progress import say
from pipeline.engine.session import ray_session


@logged(str(paths.EMBEDDINGS / "{dataset}"))
def run(params: Params, dataset: str) -> None:
    """From raw recordings to embeddings; makes the synthetic data and the teacher if missing."""
    settings = params.dataset(dataset)
    own = params.own_teacher(dataset)
    needs_teacher = own is None and not (paths.TEACHER / "teacher.json").is_file()
    stand_in = needs_teacher and params.teacher.model == "stand-in"
    synthetic = Path(params.dataset("synthetic").root)
    if (stand_in or settings.root == str(synthetic)) and not synthetic.is_dir():
        say(f"There is no synthetic data at {synthetic} yet: making it.")
        synthesize.run(params)
    if needs_teacher:
        say("There is no teacher yet: preparing it.")
        teach.run(params)
    with ray_session(params.ray):
        resample.run(params, dataset)
        slice_stage.run(params, dataset)
        embed.run(params, dataset)
