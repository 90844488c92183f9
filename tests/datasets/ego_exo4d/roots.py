"""Small synthetic roots, and their files by modality."""

import json
import shutil
from collections import Counter

from aura.datasets import synthetic
from aura.datasets.ego_exo4d import Adapter
from aura.storage import Storage

SIZE = synthetic.SyntheticSize(
    {"train": 1}, take_seconds=6.0, cameras=2, activities=2, flaws=False, video_height=96
)


def write_takes(root, plans, size):
    for plan in plans:
        synthetic.write_take(root, plan, size)
    synthetic.write_metadata(root, plans, size)


def write(root, size):
    plans = synthetic.plan(size)
    write_takes(root, plans, size)
    return root, plans


def copy_of(clean_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(clean_root[0], root)
    return root


def load_first(root, **options):
    adapter = Adapter(Storage(root), {"splits": ["train"], **options})
    take = adapter.inventory().takes[0]
    return take, adapter.load(take)


def reasons(recording):
    return Counter(f"{skip.modality}: {skip.reason}" for skip in recording.skips)


def vrs(root, take):
    return root / "takes" / take.take_name / "aria01_noimagestreams.vrs"


def pose(root, take):
    return root / f"annotations/ego_pose/train/body/automatic/{take.take_id}.json"


def timesync(root):
    return next(root.glob("captures/*/timesync.csv"))


def edit(root, name, change):
    """Change a JSON file of the root in place."""
    path = root / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
