"""One interface to folders and object stores; the store here is a local S3-compatible server."""

import logging
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from aura import config
from aura.datasets.base import open_dataset
from aura.errors import AuraError, CorruptFile, MissingFile, OutsideRoot
from aura.storage import Storage
from pipeline import doctor, resample
from tests.conftest import tiny_params


@pytest.fixture(scope="module")
def store():
    """URL of an empty bucket and the function that puts files into it."""
    server_of = pytest.importorskip("moto.server").ThreadedMotoServer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_of(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    known = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in known.items():
            patch.setenv(name, value)
        from pyarrow import fs

        client = fs.S3FileSystem(
            endpoint_override=f"127.0.0.1:{port}", scheme="http", region="us-east-1",
            allow_bucket_creation=True,
        )  # fmt: skip
        client.create_dir("lab")
        options = f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"

        def put(folder: Path, prefix: str) -> str:
            fs.copy_files(
                str(folder), f"lab/{prefix}", source_filesystem=fs.LocalFileSystem(),
                destination_filesystem=client,
            )  # fmt: skip
            return f"s3://lab/{prefix}?{options}"

        yield put
    server.stop()


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "root"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/one.txt").write_bytes(b"one")
    (folder / "a/b/two.bin").write_bytes(bytes(range(256)) * 100)
    return folder


@pytest.mark.parametrize("where", ["folder", "store"])
def test_files_are_the_same_in_a_folder_and_in_a_store(files, where, request):
    root = str(files) if where == "folder" else request.getfixturevalue("store")(files, where)
    storage = pickle.loads(pickle.dumps(Storage(root)))
    assert storage.exists()
    assert not Storage(root.replace(files.name if where == "folder" else "lab/store", "x")).exists()
    assert storage.list() == ["a/b/two.bin", "a/one.txt"]
    assert storage.list("a/b") == ["a/b/two.bin"]
    assert storage.list("nothing") == []
    assert storage.is_file("a/one.txt")
    assert not storage.is_file("a")
    assert not storage.is_file("a/three.txt")
    assert storage.read("a/one.txt") == b"one"
    with storage.open("a/b/two.bin") as stream:
        assert stream.read(3) == b"\0\1\2"
    with storage.local("a/b/two.bin") as path:
        assert path.read_bytes() == (files / "a/b/two.bin").read_bytes()
        assert path.name == "two.bin"
    assert path.exists() == (where == "folder")  # a copy goes, the file itself stays
    for read in (storage.read, lambda p: storage.local(p).__enter__().read_bytes()):
        with pytest.raises(FileNotFoundError):
            read("a/three.txt")


def test_a_file_that_cannot_be_read_costs_itself_and_a_store_that_is_away_ends_the_run(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(CorruptFile, match="cannot be read"):
        Storage(tmp_path).read("folder")
    away = "s3://lab/x?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(AuraError, match="does not answer") as error:
            Storage(away).read("takes.json")
    assert not isinstance(error.value, CorruptFile)
    with pytest.raises(AuraError, match="not a usable URL"):
        Storage("nosuch://lab/x").exists()


def test_a_url_stays_a_url_in_the_params():
    url = "s3://bucket/a?region=eu-west-1"
    params = config.load(overrides=[f"datasets.ego-exo4d.root={url}"])
    assert params.dataset("ego-exo4d").absolute().root == url
    assert os.path.isabs(params.dataset("synthetic").absolute().root)  # noqa: PTH117


def test_a_data_set_in_a_store_is_read_as_the_same_in_a_folder(
    flawed, store, tmp_path, monkeypatch
):
    """Inventory, every take of two captures, and the table of the doctor; then the signals."""
    folder, _ = flawed
    local = folder / "data/raw/synthetic"
    url = store(local, "ego")
    in_folder, in_store = (open_dataset("ego-exo4d", root, {}) for root in (str(local), url))
    expected_inventory, inventory = in_folder.inventory(), in_store.inventory()
    assert inventory == expected_inventory
    assert expected_inventory.skips
    for a, b in list(zip(expected_inventory.takes, inventory.takes, strict=True))[::3]:
        assert a.source == b.source
        try:
            expected = in_folder.load(a)
        except CorruptFile as error:
            with pytest.raises(CorruptFile, match=str(error)):
                in_store.load(b)
            continue
        found = in_store.load(b)
        np.testing.assert_array_equal(found.imu, expected.imu)
        np.testing.assert_array_equal(found.mocap, expected.mocap)
        assert (found.skips, found.counts) == (expected.skips, expected.counts)
        assert (found.videos, found.texts) == (expected.videos, expected.texts)
    monkeypatch.chdir(tmp_path)
    shutil.copy(folder / "params.yaml", tmp_path)
    results = []
    for root in (str(local), url):
        params = tiny_params("resample.takes_per_shard=16").model_copy()
        settings = params.dataset("synthetic").model_copy(update={"root": root})
        params = params.model_copy(update={"datasets": {"synthetic": settings}})
        table = doctor.run(params, "synthetic").splitlines()[1:]
        resample.run(params, "synthetic")
        shards = {p.name: p.read_bytes() for p in Path("data/signals/synthetic").iterdir()}
        results.append((table, shards))
    assert results[0] == results[1]
    assert len(shards) > 2


OUTSIDE = [
    "../secret.txt",
    "a/../../secret.txt",
    "a/b/../../../secret.txt",
    "..",
    "a\0b",
    "a\ud800",
]


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("where", ["folder", "store"])
def test_a_path_that_leads_out_of_the_root_is_refused(files, where, path, request):
    (files.parent / "secret.txt").write_bytes(b"secret")
    root = str(files) if where == "folder" else request.getfixturevalue("store")(files, where)
    storage = Storage(root)
    reads = [storage.read, storage.is_file, lambda p: storage.local(p).__enter__()]
    for read in reads:
        with pytest.raises(OutsideRoot, match="leads out of"):
            read(path)
    with pytest.raises(OutsideRoot):
        storage.read(f"{files.parent}/secret.txt")
    assert storage.read("a/b/../one.txt") == b"one"  # it stays inside


def test_dots_are_taken_out_before_links_are_followed(files):
    """`link/..` is the root, and not what is above the folder that the link leads to."""
    elsewhere = files.parent / "elsewhere/deep"
    elsewhere.mkdir(parents=True)
    (elsewhere.parent / "secret.txt").write_bytes(b"secret")
    (elsewhere / "linked.txt").write_bytes(b"linked")
    (files / "link").symlink_to(elsewhere)
    storage = Storage(files)
    assert storage.read("link/linked.txt") == b"linked"  # links on the disk are followed
    assert not storage.is_file("link/../secret.txt")
    with storage.local("link/../a/one.txt") as path:
        assert path.read_bytes() == b"one"


def test_links_in_circles_are_listed_once(files):
    for name in ("first", "second", "third"):
        (files / name).symlink_to(files)
    (files / "a/b/up").symlink_to(files / "a")
    (files / "A").symlink_to(files / "a")  # the folder itself comes before its link
    assert Storage(files).list() == ["a/b/two.bin", "a/one.txt"]


def test_a_name_that_is_not_utf8_costs_that_file_alone(files):
    with open(os.fsencode(files) + b"/a/b\xff.txt", "wb") as odd:  # noqa: PTH123
        odd.write(b"odd")
    storage = Storage(files)
    assert storage.list() == ["a/b/two.bin", r"a/b\xff.txt", "a/one.txt"]
    with pytest.raises(MissingFile):
        storage.read(r"a/b\xff.txt")


def test_a_file_too_large_to_be_held_is_not_read(files):
    with (files / "a/huge.mat").open("wb") as file:
        file.truncate(3 << 30)  # of no block on the disk
    with pytest.raises(CorruptFile, match="3221225472 bytes"):
        Storage(files).read("a/huge.mat")
