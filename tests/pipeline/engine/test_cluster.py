"""Preprocessing that loses a machine or its own process gives what an undisturbed run gives."""

import hashlib
import time
from pathlib import Path

import pytest

from tests import commands
from tests.conftest import FLAWED, ROOT, TINY

STAGES = ("signals", "windows", "embeddings")


@pytest.fixture
def project(flawed, tmp_path):
    """A folder with the raw data and the teacher of `flawed`, and none of its products."""
    folder, _ = flawed
    (tmp_path / "data").mkdir()
    (tmp_path / "data/raw").symlink_to(folder / "data/raw")
    (tmp_path / "models").symlink_to(folder / "models")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return tmp_path


@pytest.fixture
def preprocess():
    """Start `aura preprocess` with the settings of `flawed`; none outlives the test."""
    running: list[commands.Started] = []

    def start(folder: Path, *overrides: str, **environment: str) -> commands.Started:
        flags = [flag for value in (*TINY, *FLAWED, *overrides) for flag in ("--set", value)]
        log = folder / "said"
        running.append(
            commands.Started(["preprocess", *flags], folder, log, log, environment=environment)
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()


def said(folder: Path) -> str:
    return (folder / "said").read_text()


def hashes(folder: Path) -> dict[str, str]:
    """Of every file that the stages left, hidden ones too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for stage in STAGES
        for path in sorted((folder / "data" / stage).rglob("*"))
        if path.is_file()
    }


def wait_for_shards(folder: Path, count: int, process: commands.Started) -> None:
    """Until so many shards of the first stage are done."""
    partial = folder / "data/signals/synthetic.partial"
    deadline = time.monotonic() + 120
    while len(list(partial.glob("*.done"))) < count:
        assert process.poll() is None, said(folder)
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.ray
def test_a_node_that_dies_costs_nothing_and_changes_nothing(flawed, project, preprocess):
    """Three nodes by RAY_ADDRESS, no other change; one is killed while it works."""
    import ray
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 100_000_000}
    cluster = Cluster(True, head_node_args={"num_cpus": 1, "include_dashboard": False, **store})
    try:
        workers = [cluster.add_node(num_cpus=2, **store) for _ in range(2)]
        process = preprocess(project, "ray.executor=ray", RAY_ADDRESS=cluster.address)
        wait_for_shards(project, 1, process)
        cluster.remove_node(workers[0], allow_graceful=False)
        assert (project / "data/signals/synthetic.partial").is_dir(), "the run was over too soon"
        assert process.wait(timeout=300) == 0, said(project)
        assert "Joining the Ray cluster" in said(project)
    finally:
        cluster.shutdown()
        ray.shutdown()
    assert hashes(project) == hashes(flawed[0])


def test_a_killed_run_redoes_only_the_shard_in_flight(flawed, project, preprocess):
    killed = preprocess(project, "ray.executor=local")
    wait_for_shards(project, 3, killed)
    killed.kill()
    partial = project / "data/signals/synthetic.partial"
    done = {path.name.replace("part", "") for path in partial.glob("*.done")}
    kept = {
        path.name: path.stat().st_mtime_ns
        for path in partial.glob("*.parquet")
        if any(path.name.endswith(mark.replace(".done", ".parquet")) for mark in done)
    }
    assert len(kept) >= 6
    assert not (project / "data/signals/synthetic").exists()
    again = preprocess(project, "ray.executor=local")
    assert again.wait(timeout=300) == 0, said(project)
    assert f"resuming, {len(done)} of " in said(project)
    now = {p.name: p.stat().st_mtime_ns for p in (project / "data/signals/synthetic").iterdir()}
    assert {name: now[name] for name in kept} == kept
    assert hashes(project) == hashes(flawed[0])


def test_no_cluster_at_the_address_is_one_sentence(project, preprocess):
    process = preprocess(project, "ray.executor=ray", RAY_ADDRESS="127.0.0.1:1")
    assert process.wait(timeout=120) == 1
    assert "No Ray cluster answers at RAY_ADDRESS=127.0.0.1:1" in said(project)
    assert "Traceback" not in said(project)
