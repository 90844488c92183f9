"""Several processes that share a batch do what one does with the whole of it."""

import pytest
import torch
import torch.multiprocessing as mp

from aura import config
from aura.errors import AuraError
from aura.learning import training
from aura.learning.distributed import Group
from pipeline import train
from pipeline.engine import workers
from pipeline.study.curves import curves_of
from tests.pipeline.engine.ranks import ALL_PAIRS, rank, record, refuse
from tests.small import fresh, settings, short, write_study


def same_weights(found, expected):
    """To 1e-5, but for the key biases of attention.

    A softmax over keys does not change when all keys move, so that the gradient of their bias is
    rounding alone, which Adam scales to full steps; they have no influence.
    """
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        ours, whole = found[name], weight
        if name.endswith("qkv.bias"):
            ours, whole = (torch.cat([t.chunk(3)[0], t.chunk(3)[2]]) for t in (ours, whole))
        torch.testing.assert_close(ours, whole, atol=1e-5, rtol=0, msg=name)


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_do_what_one_process_does(tmp_path, world):
    mp.start_processes(rank, (world, tmp_path, ALL_PAIRS), world, start_method="forkserver")
    alone = record(Group(), ALL_PAIRS)
    assert len(alone["losses"]) == 2 * 5
    for number in range(world):
        found = torch.load(tmp_path / f"{number}.pt", weights_only=True)
        torch.testing.assert_close(found["losses"], alone["losses"], atol=1e-6, rtol=1e-6)
        for ours, whole in zip(found["grads"], alone["grads"], strict=True):
            torch.testing.assert_close(ours, whole, atol=5e-6, rtol=0)
        same_weights(found["weights"], alone["weights"])
        first = torch.load(tmp_path / "0.pt", weights_only=True)
        assert found["curve"] == first["curve"]
        assert all(torch.equal(w, first["weights"][k]) for k, w in found["weights"].items())


def test_parts_cover_a_batch_evenly():
    for world in (1, 2, 3, 5):
        for count in range(world, 12):
            group = Group()
            group.world_size, rows = world, []
            for group.rank in range(world):
                rows.append(list(range(count))[group.local_rows(count)])
            assert [row for part in rows for row in part] == list(range(count))
            assert max(map(len, rows)) - min(map(len, rows)) <= 1
            assert max(map(len, rows)) == -(-count // world)


def test_a_batch_too_small_for_the_workers_is_one_sentence():
    group = Group()
    group.world_size = 8
    with pytest.raises(AuraError, match="A batch of 8 is too small for 8 workers"):
        training.train_phase(
            fresh(short(), ALL_PAIRS), short(), ALL_PAIRS.joint, ALL_PAIRS, 0, print, group=group
        )


@pytest.mark.ray
def test_aura_train_with_two_workers_gives_what_one_gives(tmp_path, monkeypatch, ray_cluster):
    """Through Ray Train, from tables to saved models, with what it leaves on disk."""
    found = {}
    for count in (1, 2):
        folder = tmp_path / str(count)
        # A small rate, as Adam makes full steps of the rounding in a gradient that is near zero.
        chosen = settings(
            epochs=1, learning_rate=1e-4, schedule="simultaneous", workers=count,
            twins=config.Twins(shuffled=0),
        )  # fmt: skip
        params = write_study(folder, chosen.model_dump(mode="json"))
        monkeypatch.chdir(folder)
        train.run(params, "tiny")
        left = sorted(str(p.relative_to(folder)) for p in (folder / "models").rglob("*"))
        found[count] = training.load(folder / "models/tiny/joint"), curves_of("tiny"), left
    (alone, card), curves, files = found[1]
    (shared, other_card), other_curves, other_files = found[2]
    assert files == other_files
    assert card["best"] == pytest.approx(other_card["best"], abs=1e-5)
    for phase, rows in curves.items():
        assert len(rows) == 2
        for row, other in zip(rows, other_curves[phase], strict=True):
            assert row == pytest.approx(other, abs=1e-5)
    same_weights(shared.state_dict(), alone.state_dict())


@pytest.mark.ray
def test_a_sentence_of_a_rank_reaches_the_caller(tmp_path, ray_cluster):
    figures, settings_of_ray = [], config.Ray(workers=2)
    with pytest.raises(AuraError, match=r"rank \d of 2 on cpu gives up"):
        workers.run_ranks(refuse, 2, "auto", settings_of_ray, tmp_path, figures.append)
    assert figures in ([], [{"epoch": 0.0}])
    assert list(tmp_path.iterdir()) == []
    for workers_asked, device, sentence in (
        (64, "cpu", "train.workers is 64, and Ray has only 3 CPUs"),
        (2, "cuda", "train.workers is 2, and Ray has only 0 GPUs"),
    ):
        with pytest.raises(AuraError, match=sentence):
            workers.run_ranks(
                refuse, workers_asked, device, settings_of_ray, tmp_path, figures.append
            )
    with pytest.raises(AuraError, match=r"needs ray\.executor: ray"):
        workers.run_ranks(refuse, 2, "cpu", config.Ray(executor="local"), tmp_path, figures.append)
