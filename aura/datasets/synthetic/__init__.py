"""The bundled synthetic data set: moving people, recorded in Ego-Exo4D v2's on-disk format."""

from aura.datasets.synthetic.actions import ACTIVITIES
from aura.datasets.synthetic.captions import scenario_captions
from aura.datasets.synthetic.flaws import Flaw
from aura.datasets.synthetic.layout import write_metadata, write_take
from aura.datasets.synthetic.plan import CapturePlan, SyntheticSize, TakePlan, plan, planted
from aura.datasets.synthetic.scale import count_planted, expand, multiply

__all__ = [
    "ACTIVITIES",
    "CapturePlan",
    "Flaw",
    "SyntheticSize",
    "TakePlan",
    "count_planted",
    "expand",
    "multiply",
    "plan",
    "planted",
    "scenario_captions",
    "write_metadata",
    "write_take",
]
