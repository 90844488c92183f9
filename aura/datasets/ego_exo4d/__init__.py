"""Ego-Exo4D v2 as its downloader lays it out; the bundled synthetic data set uses the same layout.

options.py   the choices that the format leaves open
index.py     takes.json, captures.json, splits.json as a stream of small records
loose.py     JSON that is not quite, and where it is not
splits.py    a split by person beside the official one
texts.py     the four text sources, packed by take
timesync.py  the clock of a take
pose.py      body pose
imu.py       samples of an IMU on that clock
adapter.py   one take of it all as a Recording
"""

from aura.datasets.ego_exo4d.adapter import Adapter
from aura.datasets.ego_exo4d.options import Options

__all__ = ["Adapter", "Options"]
