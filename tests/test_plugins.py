"""Adapters and encoders of other packages, found by their entry points."""

import hashlib
import importlib
import json
import os
import sys

import pytest

from aura import config, encoders, plugins
from aura.datasets.base import open_dataset
from aura.encoders import Shape
from aura.errors import AuraError
from pipeline.fingerprint import fingerprint
from tests.conftest import ROOT
from tests.packages import pip, python, write_package

GYM = {
    "tiny_gym/__init__.py": "",
    "tiny_gym/columns.py": "TIME, IMU = 0, slice(1, 7)\n",
    "tiny_gym/recordings.py": '''
import numpy as np

from aura.datasets.base import Inventory, Recording, Take, Text, empty_mocap
from tiny_gym.columns import IMU, TIME


class Adapter:
    """One CSV a take, `<participant>_<split>.csv`: a time and six channels a row."""

    classes = {"squat": "doing squats"}

    def __init__(self, root, options):
        self.files = root

    def inventory(self):
        takes = []
        for path in self.files.list():
            person, split = path.removesuffix(".csv").split("_")
            takes.append(Take(person, person, person, person, split, "squat", path))
        return Inventory(tuple(takes), ())

    def load(self, take):
        rows = np.loadtxt(self.files.read(take.source).decode().splitlines(), delimiter=",")
        mocap_s, mocap = empty_mocap()
        return Recording(
            duration_s=len(rows) / 100, imu_s=rows[:, TIME], imu=rows[:, IMU].astype(np.float32),
            imu_ok=np.ones(len(rows), bool), mocap_s=mocap_s, mocap=mocap, frame_rate_hz=30.0,
            frame_s=np.empty(0), videos=(), texts=(Text("A person is doing squats.", 1.0, "gym"),),
            skips=(),
        )
''',
    "tiny_gym/net.py": '''
from torch import nn

from aura.encoders.base import ImuEncoder


class Encoder(ImuEncoder):
    """The mean of each channel, and a layer."""

    def __init__(self, settings, shape):
        super().__init__(8, shape)
        self.layer = nn.Linear(6, 8)

    def features(self, signal, valid, channels=None):
        return self.layer(self.standardize(signal, valid, channels).mean(1))
''',
}
GYM_POINTS = {
    "aura.datasets": {"tiny-gym": "tiny_gym.recordings:Adapter"},
    "aura.encoders": {"tiny-net": "tiny_gym.net:Encoder"},
}
PARAMS = """
study: [gym]
datasets:
  gym: {adapter: tiny-gym, root: gym}
  broken: {adapter: tiny-broken, root: gym}
ray: {executor: local, workers: 1}
synthesize: {participants: {train: 1}}
embed: {prompts: ["{}"]}
train:
  imu: {pairs: [[imu, text]], epochs: 1, learning_rate: 0.001}
  joint: {pairs: [[imu, mocap]], epochs: 1, learning_rate: 0.001}
  imu_encoder: {name: tiny-net}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A package with an adapter and an encoder, and one that cannot be imported, by pip."""
    folder = tmp_path_factory.mktemp("plugins")
    gym = write_package(folder / "gym", "tiny-gym", GYM, GYM_POINTS, version="1.2.3")
    broken = write_package(
        folder / "broken",
        "tiny-broken",
        {"tiny_broken.py": "import no_such_library\n"},
        {"aura.datasets": {"tiny-broken": "tiny_broken:Adapter"}},
    )
    pip("install", "--no-build-isolation", "--target", folder / "site", gym, broken)
    return folder / "site"


@pytest.fixture
def project(tmp_path):
    """A folder with params.yaml and the recordings of two people, 3 s at 100 Hz."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "gym").mkdir()
    rows = "".join(f"{i / 100},{i % 7},0,9.8,0,{i % 3},0\n" for i in range(300))
    for name in ("anna_train", "bela_test"):
        (tmp_path / f"gym/{name}.csv").write_text(rows)
    return tmp_path


def test_an_installed_package_adds_an_adapter_and_an_encoder(installed, project):
    path = f"{installed}{os.pathsep}{ROOT}"
    shown = python("-m", "aura", "doctor", "--dataset", "gym", path=path, cwd=project).stdout
    assert "train          1       1       0       0       1" in shown
    assert "test           1       1       0       0       1" in shown

    python("-m", "aura", "resample", "--dataset", "gym", path=path, cwd=project)
    assert (project / "data/signals/gym/part-00000.parquet").is_file()

    python("-m", "aura", "fingerprint", path=path, cwd=project)
    folder = project / "data/fingerprint/gym"
    for kind, files in (("adapter", ("columns", "recordings")), ("encoders", ("net",))):
        written = json.loads((folder / f"{kind}.json").read_text())
        assert written["versions"] == {"tiny-gym": "1.2.3"}
        theirs = {name: h for name, h in written["files"].items() if name.startswith("tiny_gym")}
        assert theirs == {
            f"tiny_gym/{name}.py": hashlib.sha256(GYM[f"tiny_gym/{name}.py"].encode()).hexdigest()
            for name in files
        }


BUILD = """
import torch
from aura import config, encoders
encoder = encoders.build("imu", config.Encoder(name="tiny-net"), encoders.Shape(100, 5, 16))
print(type(encoder).__module__, tuple(encoder(torch.ones(2, 100, 6), torch.ones(2, 100) > 0).shape))
"""


def test_the_encoder_is_built_by_its_name(installed, project):
    path = f"{installed}{os.pathsep}{ROOT}"
    done = python("-c", BUILD, path=path, cwd=project)
    assert done.stdout == "tiny_gym.net (2, 16)\n"


def test_a_package_that_cannot_be_imported_is_named_and_stops_no_other(installed, project):
    path = f"{installed}{os.pathsep}{ROOT}"
    done = python("-m", "aura", "doctor", "--dataset", "broken", path=path, cwd=project, code=1)
    assert done.stderr == (
        "aura: The adapter 'tiny-broken' of the package tiny-broken cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_library' (tiny_broken.py, line 1).\n"
    )


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """Install a package by the two files that an installed one has, in this process."""

    def install(package, objects, files=(), group="aura.datasets"):
        folder = tmp_path / package
        info = folder / f"{package.replace('-', '_')}-2.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n")
        lines = [f"{name} = {value}\n" for name, value in objects.items()]
        (info / "entry_points.txt").write_text(f"[{group}]\n{''.join(lines)}")
        for name, text in dict(files).items():
            (folder / name).write_text(text)
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()

    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        if name.startswith("offered"):
            del sys.modules[name]


ADAPTERS = ["bvh", "ego-exo4d", "folder", "pamap2", "sisfall", "sp-sw-har", "umafall", "utd-mhad"]
ENCODERS = ["imu2clip", "imu-features", "imu-transformer", "mocap-features", "mocap-transformer"]


def names(kind):
    return [plugin.name for plugin in plugins.plugins(kind)]


def test_the_project_s_own_are_the_files_with_the_class():
    assert names("adapter") == ADAPTERS
    assert names("encoder") == ENCODERS
    assert {plugin.package for plugin in plugins.plugins("adapter")} == {"aura"}
    found = plugins.find("adapter", "utd_mhad")
    assert (found.module, found.attribute) == ("aura.datasets.utd_mhad", "Adapter")


def test_those_of_other_packages_follow_in_order_and_none_is_imported(offer):
    offer("late", {"zebra": "offered_no_such:Zebra"})
    offer("early", {"my_gym": "offered_neither"})
    assert names("adapter") == [*ADAPTERS, "my-gym", "zebra"]
    assert names("encoder") == ENCODERS
    for spelling in ("my-gym", "my_gym"):
        assert plugins.find("adapter", spelling) == plugins.Plugin(
            "adapter", "my-gym", "offered_neither", "Adapter", "early"
        )


def test_an_unknown_name_lists_the_known(offer):
    offer("early", {"my-gym": "offered_no_such"})
    with pytest.raises(AuraError) as error:
        plugins.find("adapter", "mygym")
    assert str(error.value) == (
        "There is no adapter 'mygym'; known: bvh, ego-exo4d, folder, my-gym, pamap2, sisfall, "
        "sp-sw-har, umafall, utd-mhad."
    )


@pytest.mark.parametrize(("name", "first"), [("my-gym", "one"), ("utd-mhad", "aura")])
def test_a_name_of_two_packages_is_one_sentence(name, first, offer):
    for package in {first, "two"} - {"aura"}:
        offer(package, {name.replace("-", "_"): f"offered_{package}:Adapter"})
    with pytest.raises(AuraError) as error:
        plugins.find("adapter", name)
    assert str(error.value) == (
        f"The adapter '{name}' is offered by the packages {first} and two; uninstall one of them, "
        "or rename its entry point."
    )
    assert plugins.find("adapter", "pamap2").package == "aura"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "ModuleNotFoundError: No module named 'offered'."),
        ("", "AttributeError: module 'offered' has no attribute 'Adapter'."),
        ("\n1 / 0", "ZeroDivisionError: division by zero (offered.py, line 2)."),
        ("Adapter = (", "SyntaxError: '(' was never closed (offered.py, line 1)."),
        ("raise ImportError('built for\\n  another numpy')",
         "ImportError: built for another numpy (offered.py, line 1)."),
        ("raise SystemExit('no licence')", "SystemExit: no licence (offered.py, line 1)."),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_one_sentence_that_names_the_package(text, sentence, offer):
    offer("early", {"my-gym": "offered:Adapter"}, {} if text is None else {"offered.py": text})
    with pytest.raises(AuraError) as error:
        plugins.find("adapter", "my-gym").load()
    start = "The adapter 'my-gym' of the package early cannot be imported: "
    assert str(error.value) == start + sentence


def test_what_is_no_adapter_and_no_encoder_is_said_so(offer, tmp_path):
    files = {"offered.py": "class Adapter: pass\nEncoder = Adapter\n"}
    offer("early", {"my-gym": "offered"}, files)
    offer("late", {"my-net": "offered"}, group="aura.encoders")
    with pytest.raises(AuraError, match="'my-gym' has not the methods `inventory` and `load`"):
        open_dataset("my-gym", str(tmp_path), {})
    with pytest.raises(AuraError, match="'my-net' is not a SensorEncoder"):
        encoders.build("imu", config.Encoder(name="my-net"), Shape(100, 5, 16))


def test_a_fingerprint_of_what_is_not_installed_has_no_files_of_it():
    assert fingerprint("adapter", "my-gym") == {
        "names": ("my-gym",),
        "files": fingerprint("adapter")["files"],
        "versions": {},
    }


@pytest.mark.parametrize(
    "name", ["base", "bouts", "tables", "virtual", "__init__", "", "../x", "os", "a\0b", "a.b"]
)
def test_a_file_that_is_no_adapter_is_none_by_name(name, tmp_path):
    for kind in ("adapter", "encoder"):
        with pytest.raises(AuraError, match=f"There is no {kind}"):
            plugins.find(kind, name)
    with pytest.raises(AuraError, match="There is no adapter"):
        open_dataset(name, str(tmp_path), {})
