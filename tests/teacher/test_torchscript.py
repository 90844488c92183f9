"""Archives of TorchScript are read as torch reads them, and nothing of them is run."""

import io
import pickle
import zipfile

import pytest
import torch
from torch import nn

from aura.schema.weights import require_stored
from aura.teacher import clues, state
from aura.teacher.torchscript import code_of, is_torchscript, read_torchscript

NOTED: list[str] = []


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.register_buffer("mask", torch.tril(torch.ones(3, 3)).bool())
        self.short = nn.Parameter(torch.randn(2, 2).half())
        self.names = ["a", "b"]

    def forward(self, x):
        return self.linear(x).relu()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.turned = nn.Parameter(torch.randn(4, 6).t())
        self.register_buffer("input_resolution", torch.tensor(224))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)[:, :3]
        return x


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    torch.jit.save(torch.jit.script(Net()), tmp_path / "net.pt")
    return tmp_path / "net.pt"


def test_names_and_numbers_are_those_that_torch_reads(file):
    expected = torch.jit.load(file, "cpu").state_dict()
    found = read_torchscript(file)
    assert is_torchscript(file)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert state.count_numbers(file) == sum(tensor.numel() for tensor in expected.values())
    assert "relu" in code_of(file)


def rewritten(file, change):
    """A copy whose entries are as `change` makes them of name and content; None drops one."""
    out = file.with_name("changed.pt")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return out


class Noted:
    def __reduce__(self):
        return NOTED.append, ("unpickled",)


def test_a_pickle_that_would_call_something_calls_nothing(file):
    for content in (pickle.dumps(Noted()), pickle.dumps({"a": Noted()}), b"cposix\ngetpid\n(tR."):
        evil = rewritten(file, lambda n, c, b=content: b if n.endswith("/data.pkl") else c)
        with pytest.raises(pickle.UnpicklingError, match="which is not read"):
            read_torchscript(evil)
        assert clues.of_content(evil) == clues.Clue()
    assert NOTED == []


def test_an_archive_that_only_looks_like_torchscript_is_not_unpickled_either(tmp_path):
    """Its name of a constants.pkl is not where torch looks for one."""
    path = tmp_path / "w.pt"
    torch.save({"a": Noted()}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("w/deeper/constants.pkl", b"")
    assert is_torchscript(path)
    with pytest.raises(Exception, match="which is not read"):
        state.load_weights(nn.Linear(1, 1), path)
    assert NOTED == []


def test_numbers_that_are_not_there_are_an_error(file):
    cut = rewritten(file, lambda name, c: c[:-4] if name.endswith("/data/0") else c)
    with pytest.raises(ValueError, match="numbers"):
        read_torchscript(cut)
    gone = rewritten(file, lambda name, c: None if name.endswith("/data/0") else c)
    with pytest.raises(KeyError):
        read_torchscript(gone)


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data/0", bytes(10**6))
    path = tmp_path / "packed.pt"
    path.write_bytes(content.getvalue())
    assert path.stat().st_size < 10**4
    with pytest.raises(ValueError, match="is packed"):
        require_stored(path)
