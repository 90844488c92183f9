"""A model folder from anywhere: what its card may say, and how large a network it may ask for."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import aura
from aura.errors import AuraError
from aura.learning import checkpoint
from aura.learning import model as learned
from aura.schema.weights import no_larger_than, read_checkpoint
from aura.teacher.identity import Identity
from tests.inference.models import write_model


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    write_model(folder, Identity("stand-in", "w", "0" * 64, "p", True), resample={"gap_ms": 20.0})
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "model")


def edit(folder, *path, value):
    """Set a value of the card; `del_` takes it out."""
    file = folder / "model.json"
    card = json.loads(file.read_text())
    part = card
    for key in path[:-1]:
        part = part[key]
    if value is del_:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    file.write_text(json.dumps(card))


del_ = object()
WRONG = [
    ("resample", "gap_ms", "x"),
    ("resample", "clock", "sundial"),
    ("resample", 1),
    ("shape", "samples", del_),
    ("shape", "samples", "1000"),
    ("shape", "samples", 10**12),
    ("shape", "samples", True),
    ("shape", "dim", 10**9),
    ("shape", "frames", float("nan")),
    ("shape", "more", 1),
    ("shape", [1000, 50, 512]),
    ("settings", None),
    ("settings", "imu_encoder", "name", "../../evil"),
    ("settings", "imu_encoder", "options", {"width": 1 << 20}),
    ("settings", "imu_encoder", "options", {"layers": 10**9}),
    ("settings", "imu_encoder", "options", {"heads": 0}),
    ("settings", "imu_encoder", "options", {"patch": 2000}),
    ("settings", "joint", {"pairs": [["imu"]]}),
    ("settings", "joint", 3),
    ("settings", "schedule", ["joint"]),
    ("data", {"train": {"with imu": "many"}}),
    ("phase", 7),
    ("teacher", del_),
    ("teacher", "weights_sha256", None),
    ("teacher", "kind", "oracle"),
    ("dataset", []),
    ("own_teacher", {"kind": "clip", "run": "me"}),
    ("own_teacher", "x"),
]


@pytest.mark.parametrize(
    "change",
    WRONG,
    ids=lambda c: ".".join("gone" if part is del_ else str(part) for part in c)[:40],
)
def test_a_card_of_other_values_is_one_sentence(folder, change):
    edit(folder, *change[:-1], value=change[-1])
    with pytest.raises(AuraError) as error:
        aura.load(folder).encode_imu(np.ones((1, 6, 200)), 100)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "[" * 10**5, '{"shape": NaN}', "\xff"])
def test_a_card_that_is_none_is_one_sentence(folder, text):
    (folder / "model.json").write_text(text, encoding="latin-1")
    with pytest.raises(AuraError, match=r"cannot be loaded: model\.json"):
        learned.load(folder)


def test_a_card_keeps_what_this_version_does_not_know(folder):
    edit(folder, "resample", "of_later", value=1)
    edit(folder, "settings", "of_later", value=1)
    edit(folder, "of_later", value={"x": []})
    assert aura.load(folder).card["of_later"] == {"x": []}


def test_weights_that_are_not_finite_are_refused(folder):
    file = folder / "model.safetensors"
    state = load_file(file)
    state["imu.project.bias"][3] = float("nan")
    save_file(state, file)
    with pytest.raises(AuraError, match=r"imu\.project\.bias holds numbers that are not finite"):
        learned.load(folder)


def test_a_network_stops_growing_before_its_memory_is_used():
    made = []
    with pytest.raises(ValueError, match="larger than these weights"), no_larger_than(1000):
        for _ in range(10**9):
            made.append(torch.nn.Linear(10, 10))
    assert len(made) == 9  # of 110 numbers each
    torch.nn.Linear(100, 100)  # and no longer than that
    with no_larger_than(110):
        torch.nn.Linear(10, 10)


NOTED: list[str] = []


class Noted:
    """Unpickled by Python itself it leaves a note, which is all that it does."""

    def __reduce__(self):
        return NOTED.append, ("unpickled",)


@pytest.mark.parametrize("kind", ["pickle", "torch", "legacy"])
def test_a_pickle_in_place_of_weights_is_not_unpickled(tmp_path, kind):
    path = tmp_path / "checkpoint.pt"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Noted()))
    else:
        new = kind == "torch"
        torch.save({"a": Noted()}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(AuraError, match="cannot be read; delete it"):
        checkpoint.read_state(path)
    with pytest.raises(pickle.UnpicklingError):
        read_checkpoint(path)
    assert NOTED == []


@pytest.mark.parametrize("data", [b"", b"x", b"PK\3\4" + bytes(40), pickle.dumps([1])])
def test_a_checkpoint_that_is_none_is_one_sentence(tmp_path, data):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(data)
    with pytest.raises(AuraError, match="cannot be read; delete it"):
        checkpoint.read_state(path)
