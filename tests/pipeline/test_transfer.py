"""`transfer`, `finetune` and `shift` on data sets of a few seconds."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from aura.errors import AuraError
from aura.learning import training
from pipeline import shift, train, transfer
from pipeline.study import folds, joined, leftout, nested, targets, zero_shot
from tests.conftest import tiny_params
from tests.small import seal_tables

COPIES = ("synthetic", "utd-mhad", "sp-sw-har")
STUDY = (
    f"mixtures.all={{sources: [{', '.join(COPIES)}], weights: {{synthetic: 3}}}}",
    "transfer.targets=[utd-mhad, synthetic]",
    "transfer.seeds=[0, 1]",
    "transfer.folds=2",
    "transfer.recipes={plain: {}, one source: {sources: [synthetic, sp-sw-har]}, "
    "turned: {train: {augment: {rotation_deg: 180}}}, shuffled pairs: {control: true}}",
    "transfer.candidates=[turned, plain]",
    "transfer.transductive=true",
    "finetune.tuned_shots=[1]",
    "finetune.tuned_epochs=1",
    "ray.workers=1",
)
OUT = "models/transfer/all"


@pytest.fixture(scope="module")
def place(repro, tmp_path_factory):
    """The smallest study, and its data again under other names, one with IMUs at two places."""
    folder = tmp_path_factory.mktemp("transfer")
    for name in ("signals", "windows", "embeddings"):
        for other in COPIES:
            shutil.copytree(repro / f"data/{name}/synthetic", folder / f"data/{name}/{other}")
    shutil.copytree(repro / "models/synthetic", folder / "models/synthetic")
    shutil.copytree(repro / "reports", folder / "reports")
    for file in (folder / "data/windows/utd-mhad").glob("part-*.parquet"):
        table = pq.read_table(file)
        waist = [label == "Health" for label in table.column("label").to_pylist()]
        places = pa.array(["waist" if at else "wrist-left" for at in waist])
        index = table.schema.get_field_index("place")
        pq.write_table(table.set_column(index, table.schema.field("place"), places), file)
    seal_tables(folder, "utd-mhad")
    return folder


@pytest.fixture
def params(place, monkeypatch):
    monkeypatch.chdir(place)
    yield tiny_params(*STUDY)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def details(place, params):
    """What `transfer` says of all targets."""
    file = place / "reports/all/transfer/details.json"
    if not file.is_file():
        transfer.run(params, "all")
    return json.loads(file.read_text())


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_finetune_wrote_pretrained_beside_random(place):
    details = json.loads((place / "reports/synthetic/finetune/details.json").read_text())
    starts = {(r["modality"], r["head"], r["start"]) for r in details["rows"]}
    for head in ("fine-tuned", "linear probe", "k-shot"):
        assert {("imu", head, "pretrained"), ("imu", head, "random")} <= starts
    assert ("fused", "fine-tuned", "random") in starts
    assert len(details["gains"]) == len(details["rows"]) / 4  # two metrics, two starts
    metrics = json.loads((place / "reports/synthetic/finetune/metrics.json").read_text())
    assert set(metrics["imu_fine_tuned"]) >= {"accuracy"}


def test_an_interrupted_study_trains_and_tests_what_is_missing(place, params, monkeypatch):
    trained, tested = [], []
    real_train, real_fold = leftout.train, folds.predict

    def stopping(real, done, at, most):
        def one(*args):
            if len(done) == most:
                raise KeyboardInterrupt
            done.append(args[at].name)
            real(*args)

        return one

    monkeypatch.setattr(leftout, "train", stopping(real_train, trained, 3, 3))
    with pytest.raises(KeyboardInterrupt):
        transfer.run(params, "all")
    assert len(trained) == 3
    monkeypatch.setattr(leftout, "train", stopping(real_train, trained, 3, None))
    monkeypatch.setattr(folds, "predict", stopping(real_fold, tested, -1, 1))
    with pytest.raises(KeyboardInterrupt):
        transfer.run(params, "all")
    assert len(tested) == 1
    assert not (place / "reports/all/transfer").exists()
    monkeypatch.setattr(folds, "predict", stopping(real_fold, tested, -1, None))
    transfer.run(params, "all")
    # For utd-mhad, plain, one source, turned, shuffled and two sources alone, of which the first
    # two are the same; for synthetic the same number, of which one source and both alone are two.
    # One alone serves both targets; each is there with two seeds. Two targets have two folds.
    # To choose between plain and turned, both are trained without either target as well, of which
    # plain is sp-sw-har alone.
    assert len(trained) == len(set(trained)) == 2 * (5 + 5 - 1) + 1
    assert len(tested) == len(set(tested)) == 4
    there = {path.name for path in (place / OUT).iterdir()}
    assert there == {*trained, *tested, "manifest.json"}
    before = content(place / OUT) | content(place / "reports/all/transfer")
    transfer.run(params, "all")
    assert len(trained) == len(set(trained))
    assert before == content(place / OUT) | content(place / "reports/all/transfer")


def test_a_model_that_is_trained_again_has_the_same_bytes_in_another_process(
    place, params, details
):
    first = min(path for path in (place / OUT).iterdir() if path.is_dir())
    second = max(path for path in (place / OUT).iterdir() if path.is_dir())
    before = content(place / OUT)
    shutil.rmtree(first)
    shutil.rmtree(second)
    (place / OUT / ".0123.partial").mkdir()  # of a run that was killed
    (place / OUT / "0123456789ab.0123.npz").touch()  # of other settings
    transfer.run(params.changed({"ray": {"workers": 2}}, "test"), "all")
    assert content(place / OUT) == before
    assert not (place / OUT / ".0123.partial").exists()


def test_models_are_of_other_sources_by_recipe_and_seed(place, params, details):
    assert set(details) == {"utd-mhad", "synthetic"}
    names = ["plain", "one source", "turned", "shuffled pairs"]
    for target, other in (("utd-mhad", "synthetic"), ("synthetic", "utd-mhad")):
        rows = {*names, f"alone: {other}", "alone: sp-sw-har"}
        added = {transfer.AVERAGED, transfer.BALANCED}
        assert set(details[target]["zero_shot"]) == rows | added
        assert set(details[target]["takes"]) == rows | added
    assert details["synthetic"]["sources"] == ["utd-mhad", "sp-sw-har"]
    of = {}
    for target in details:
        for cell in leftout.grid(params, "all", target):
            assert target not in cell.sources
            _, card = training.load(place / OUT / leftout.key_of(params, "all", cell))
            assert set(card["sources"]) == set(cell.sources)
            assert card["dataset"] == " + ".join(cell.sources)
            assert card["settings"]["seed"] == card["seed"] == cell.seed
            turned = card["settings"]["augment"]["rotation_deg"]
            assert turned == (180 if cell.recipe == "turned" else 0)
            of[target, cell.recipe, cell.seed] = cell, card
    assert {cell.seed for cell, _ in of.values()} == {0, 1}
    assert of["synthetic", "one source", 0][0].sources == ("sp-sw-har",)
    shares = of["utd-mhad", "plain", 0][1]["sources"]
    assert {name: row["share"] for name, row in shares.items()} == {
        "synthetic": 0.75, "sp-sw-har": 0.25
    }  # fmt: skip


def test_rows_that_train_the_same_share_a_model_and_others_do_not(params):
    keys = {
        (target, cell.recipe, cell.seed): leftout.key_of(params, "all", cell)
        for target in ("utd-mhad", "synthetic")
        for cell in leftout.grid(params, "all", target)
    }
    same = [
        {("synthetic", "one source", 0), ("synthetic", "alone: sp-sw-har", 0)},
        {("utd-mhad", "one source", 0), ("utd-mhad", "plain", 0)},
        {("utd-mhad", "alone: sp-sw-har", 0), ("synthetic", "alone: sp-sw-har", 0)},
    ]
    for pair in same:
        assert len({keys[name] for name in pair}) == 1
    for seed in (0, 1):
        rows = ("plain", "turned", "shuffled pairs", "alone: synthetic", "alone: sp-sw-har")
        assert len({keys["utd-mhad", row, seed] for row in rows}) == len(rows)
    assert not {k for (_, _, s), k in keys.items() if s} & {
        k for (_, _, s), k in keys.items() if not s
    }


def test_a_share_of_each_sources_people_trains(place, params):
    windows, _, _ = joined.mix(params, {"synthetic": 0.5, "sp-sw-har": 0.5})
    train = windows.split == "train"
    sources, people = windows.source.copy(), windows.participant.copy()
    people[train] = [f"{i % 5}" for i in range(train.sum())]
    windows = replace(windows, participant=people)
    kept = {}
    for share, count in ((0.8, 4), (0.4, 2), (0.01, 1)):
        found = leftout.fewer_people(windows, share, 3)
        for source in COPIES[::2]:
            own = (found.split == "train") & (sources == source)
            kept[source, count] = set(people[own])
            assert len(kept[source, count]) == count
            rows = train & (sources == source) & np.isin(people, list(kept[source, count]))
            assert np.array_equal(own, rows)  # all of theirs
        assert np.array_equal(found.split[~train], windows.split[~train])
    for source in COPIES[::2]:
        assert kept[source, 1] < kept[source, 2] < kept[source, 4]
    recipes = {"all": {}, "half": {"people": 0.5}}
    changed = params.changed({"transfer": {"recipes": recipes, "candidates": []}}, "test")
    cells = [c for c in leftout.grid(changed, "all", "utd-mhad") if c.recipe in recipes]
    assert len({leftout.key_of(changed, "all", cell) for cell in cells}) == 4


def test_a_control_is_trained_on_shuffled_pairs(place, params, monkeypatch):
    seen, cells = [], leftout.grid(params, "all", "utd-mhad")
    monkeypatch.setattr(training, "train_phase", lambda _, windows, *a: seen.append(windows) or {})
    monkeypatch.setattr(training, "save", lambda _model, folder, _card: folder.mkdir())
    for name in ("plain", "shuffled pairs"):
        cell = next(cell for cell in cells if cell.recipe == name)
        leftout.train(params, "all", cell, place / f"{name.partition(' ')[0]}-model")
    plain, shuffled = seen[0], seen[-1]
    assert torch.equal(plain.imu, shuffled.imu)
    assert not plain.order
    row = np.arange(len(shuffled))
    assert not np.array_equal(shuffled.order["text"].numpy(), row)
    assert set(plain.source.tolist()) == {"synthetic", "sp-sw-har"}


def zero_shot_of(folder, params, target, split=None):
    """Labels, classes by a model's folder and places, window by window, and the same of takes."""
    own = params.changed(params.dataset(target).params, "test")
    windows, texts, _ = joined.load(own, target, check=False)
    names = targets.class_names(texts)
    model, _ = training.load(folder)
    model.eval()
    prompts = {name: [] for name in names}
    for row, embedded in zip(texts.to_pylist(), windows.text.numpy(), strict=True):
        if row["kind"] == "prompt":
            vector = embedded.astype(float)
            prompts[row["label"]].append(vector / np.linalg.norm(vector))
    means = [np.mean(prompts[name], axis=0) for name in names]
    answers, truth, at, takes = [], [], [], {}
    for row in range(len(windows)):
        inside = split is None or windows.split[row] == split
        if windows.label[row] in names and windows.has["imu"][row] and inside:
            vector = training.embed(model, windows, np.array([row]), ["imu"])["imu"][0]
            cosines = [vector @ mean / np.linalg.norm(mean) for mean in means]
            answers.append(int(np.argmax(cosines)))
            truth.append(names.index(windows.label[row]))
            at.append(windows.place[row])
            takes.setdefault(windows.take[row], (truth[-1], []))[1].append(cosines)
    by_take = [(label, int(np.argmax(np.sum(c, axis=0)))) for label, c in takes.values()]
    return np.array(truth), np.array(answers), np.array(at), np.array(by_take).T


@pytest.mark.parametrize("name", ["plain", "alone: sp-sw-har"])
def test_zero_shot_is_the_mean_over_seeds_of_the_nearest_prompt(place, params, details, name):
    scores, by_place, of_takes = [], [], []
    for cell in leftout.grid(params, "all", "utd-mhad"):
        if cell.recipe == name:
            folder = place / OUT / leftout.key_of(params, "all", cell)
            truth, answer, at, takes = zero_shot_of(folder, params, "utd-mhad")
            of_takes.append(accuracy_score(*takes))
            f1 = f1_score(truth, answer, average="macro", labels=np.unique(truth))
            scores.append((f1, accuracy_score(truth, answer)))
            by_place.append([
                accuracy_score(truth[at == p], answer[at == p]) for p in ("waist", "wrist-left")
            ])  # fmt: skip
    row = details["utd-mhad"]["zero_shot"][name]
    assert row["n"] == len(truth)
    found = row["macro-F1"]["value"], row["accuracy"]["value"]
    assert found == pytest.approx(np.mean(scores, axis=0), abs=1e-6)
    found = details["utd-mhad"]["takes"][name]
    assert found["n"] == takes.shape[1]
    assert found["accuracy"]["value"] == pytest.approx(np.mean(of_takes), abs=1e-6)
    places = details["utd-mhad"]["places"]
    assert list(places) == ["waist", "wrist-left"]
    found = [places[p][name]["accuracy"]["value"] for p in places]
    assert found == pytest.approx(np.mean(by_place, axis=0), abs=1e-6)
    assert details["synthetic"]["places"] == {}  # all at the head


def test_the_first_row_is_the_recipe_that_is_best_on_other_data_sets(place, params, details):
    for target, held in (("utd-mhad", "synthetic"), ("synthetic", "utd-mhad")):
        inner = nested.inner(params, "all", target)
        assert set(inner) == {held}
        assert {cell.sources for cell in inner[held]} == {("sp-sw-har",)}
        choice = details[target]["choice"]
        for name in ("plain", "turned"):
            cells = [cell for cell in inner[held] if cell.recipe == name]
            found = []
            for cell in cells:
                folder = place / OUT / leftout.key_of(params, "all", cell)
                truth, answer = zero_shot_of(folder, params, held)[3]
                f1 = f1_score(truth, answer, average="macro", labels=np.unique(truth))
                found.append(f1)
            assert len(found) == 1
            assert choice[name][held] == pytest.approx(np.mean(found), abs=1e-6)
        best = max(choice, key=lambda name: choice[name][held])
        content = details[target]
        assert content["chosen"] == best
        assert "gain" not in content["zero_shot"][best]  # others are compared with it
        assert set(content["zero_shot"]) - {best} == {
            name for name, row in content["zero_shot"].items() if "gain" in row
        }
        page = (place / "reports/all/transfer/table.md").read_text()
        assert f"| recipe, chosen on other data sets | {held} |" in page
        assert f"| **{best}** | {choice[best][held]:.3f} |" in page


def test_a_choice_is_by_the_geometric_mean_and_nothing_is_chosen_between_fewer_than_two(params):
    table = {"even": {"a": 0.2, "b": 0.2}, "one": {"a": 0.5, "b": 0.05}, "none": {"a": 0.9, "b": 0}}
    assert nested.best(table) == "even"
    changed = params.changed({"transfer": {"candidates": ["plain"]}}, "test")
    assert nested.inner(changed, "all", "utd-mhad") == {}
    # sp-sw-har is left out beside synthetic: nothing remains of "one source".
    changed = {"targets": ["synthetic", "sp-sw-har"], "candidates": ["plain", "one source"]}
    changed = params.changed({"transfer": changed}, "test")
    assert nested.inner(changed, "all", "synthetic") == {}
    with pytest.raises(AuraError, match="nothing is none of the recipes"):
        params.changed({"transfer": {"candidates": ["nothing"]}}, "test")


def test_seeds_are_averaged_before_a_class_is_taken(place, params, details):
    for target in details:
        name = details[target]["chosen"]
        cells = [c for c in leftout.grid(params, "all", target) if c.recipe == name]
        own = params.changed(params.dataset(target).params, "test")
        windows, texts, teacher = joined.load(own, target, check=False)
        test = targets.test_set(windows, texts, np.arange(len(windows)))
        rows = np.flatnonzero(test.label >= 0)
        folders = [place / OUT / leftout.key_of(params, "all", cell) for cell in cells]
        one, two = zero_shot.similarities(folders, windows, test, rows, teacher, target)
        seen = test.valid["imu"][rows]
        hit = ((one + two).argmax(1) == test.label[rows])[seen]
        row = details[target]["zero_shot"][transfer.AVERAGED]
        assert row["accuracy"]["value"] == pytest.approx(hit.mean(), abs=1e-6)
        assert details[target]["zero_shot"][name]["each"] != row["each"]


def test_a_take_is_given_the_class_of_the_largest_sum_of_those_windows_that_have_an_imu():
    scores = np.array([[[0.9, 0.1], [0.2, 0.3], [0.2, 0.5], [0.0, 9.0], [0.5, 0.4]]])
    takes = np.array(["b", "a", "a", "b", "c"])
    votes = zero_shot.vote(scores, takes, np.array([True, True, True, False, False]))
    assert votes.tolist() == [[1, 0, -1]]  # in the order of names


def test_heads_are_tested_on_people_of_other_folds(place, params, details):
    windows, _, _ = joined.load(params, "utd-mhad", check=False)
    labelled = [i for i, label in enumerate(windows.label) if label is not None]
    cell = leftout.grid(params, "all", "utd-mhad")[0]
    key, people = leftout.key_of(params, "all", cell), set(windows.participant[labelled].tolist())
    found, rows = [], []
    for file in (place / OUT).glob(f"{key}.*.npz"):
        with np.load(file) as saved:
            rows += saved["rows"].tolist()
            found.append(set(windows.participant[saved["rows"]].tolist()))
    assert sorted(rows) == labelled  # each once
    assert len(found) == 2
    assert found[0] | found[1] == people
    assert not found[0] & found[1]
    content = details["utd-mhad"]
    assert (content["participants"], content["windows"]) == (len(people), len(labelled))
    assert {(r["head"], r["shots"], r["start"]) for r in content["rows"]} == {
        ("length alone", None, "no encoder"),
        *(
            (head, shots, start)
            for head, shots in (
                ("fine-tuned", None), ("fine-tuned", 1), ("linear probe", None), ("k-shot", 1)
            )
            for start in ("pretrained", "random")
        ),
    }  # fmt: skip
    assert {(g["head"], g["shots"]) for g in content["gains"]} == {
        ("fine-tuned", None), ("fine-tuned", 1), ("linear probe", None), ("k-shot", 1)
    }  # fmt: skip


def test_folds_are_of_all_people_and_each_in_one(params):
    people = [f"p{i}" for i in range(7)]
    for count, sizes in ((None, [1] * 7), (3, [2, 2, 3]), (20, [1] * 7)):
        changed = params.changed({"transfer": {"folds": count}}, "test")
        found = folds.of(changed, people)
        assert sorted(np.concatenate(found).tolist()) == people
        assert sorted(map(len, found)) == sizes


def test_heads_of_another_target_or_other_labels_are_not_taken_for_these(place, params, details):
    files = {path.name for path in (place / OUT).glob("*.npz")}
    assert len(files) == 4  # both targets have people of the same names
    changed = params.changed({"finetune": {"epochs": 2}}, "test")
    windows, texts, _ = joined.load(params, "synthetic", check=False)
    test = targets.test_set(windows, texts, np.arange(len(windows)))
    people = sorted(set(windows.participant.tolist()))
    cell = leftout.grid(params, "all", "synthetic")[0]
    folder = place / OUT / leftout.key_of(params, "all", cell)
    _, kept = folds.heads(changed, windows, test, people, folder, "synthetic")
    assert not {path.name for path in kept} & files
    for path in kept:
        path.unlink()


def test_copies_of_a_source_are_said_and_the_page_has_all_rows(place, details):
    assert any("holds too" in line for line in details["utd-mhad"]["warnings"])
    folder = place / "reports/all/transfer"
    page = (folder / "table.md").read_text()
    for content in details.values():
        for row in content["errors"]:
            assert f"\n| {row['label']} | {row['n']} | {row['recall']:.2f} | " in page
    assert page.startswith("# all, one data set left out at a time\n")
    for target in details.values():
        for name in target["zero_shot"]:
            assert f"\n| {name} | " in page
    assert "| waist | wrist-left |" in page
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) == {"utd-mhad", "synthetic"}
    assert set(metrics["synthetic"]) == {
        "zero_shot", "takes", "gain_fine_tuned", "gain_fine_tuned_1"
    }  # fmt: skip
    assert (folder / "figure.svg").read_text().startswith("<svg")


def test_drops_are_of_single_sources_at_home_less_away(place, params, details):
    names = ["synthetic", "utd-mhad", "sp-sw-har"]
    drops = shift.recorded_drops(names)
    assert set(drops) == {
        ("synthetic", "utd-mhad"), ("sp-sw-har", "utd-mhad"),
        ("utd-mhad", "synthetic"), ("sp-sw-har", "synthetic"),
    }  # fmt: skip
    home = []
    for cell in leftout.grid(params, "all", "utd-mhad"):
        if cell.recipe == "alone: synthetic":
            folder = place / OUT / leftout.key_of(params, "all", cell)
            truth, answer, _, _ = zero_shot_of(folder, params, "synthetic", "test")
            home.append(f1_score(truth, answer, average="macro", labels=np.unique(truth)))
    away = details["utd-mhad"]["zero_shot"]["alone: synthetic"]["macro-F1"]["value"]
    assert drops["synthetic", "utd-mhad"] == pytest.approx(np.mean(home) - away, abs=1e-6)
    assert set(shift.recorded_drops(["synthetic", "utd-mhad"])) == {
        ("synthetic", "utd-mhad"), ("utd-mhad", "synthetic")
    }  # fmt: skip
    shift.run(params.changed({"shift": {"study": ["synthetic", "utd-mhad"]}}, "test"))
    table = (place / "reports/shift/table.md").read_text()
    assert f"{drops['synthetic', 'utd-mhad']:+.3f}" in table
    assert (place / "reports/shift/figure.svg").read_text().startswith("<svg")


def test_a_source_of_the_targets_own_files_is_left_out(params):
    same = {"datasets": {"sp-sw-har": params.datasets["utd-mhad"].model_dump(
        mode="json", include={"adapter", "root"})}}  # fmt: skip
    changed = params.changed(same, "test")
    for cell in leftout.grid(changed, "all", "utd-mhad"):
        assert cell.sources == ("synthetic",)
    assert not any(cell.alone for cell in leftout.grid(changed, "all", "utd-mhad"))
    two = {"mixtures": {"two": {"sources": ["utd-mhad", "sp-sw-har"]}}}
    with pytest.raises(AuraError, match="All sources of the mixture two are of the files of utd"):
        leftout.grid(changed.changed(two, "test"), "two", "utd-mhad")


def test_what_cannot_be_studied_is_one_sentence_before_any_training(place, params, monkeypatch):
    monkeypatch.setattr(leftout, "train", lambda *_: pytest.fail("trained"))
    with pytest.raises(AuraError, match=r"no mixture 'synthetic' in params.yaml; known: all, "):
        transfer.run(params, "synthetic")

    def refused(sentence, **changes):
        with pytest.raises(AuraError, match=sentence):
            transfer.run(params.changed({"transfer": changes}, "test"), "all")

    refused("There is no data set .nobody. in params.yaml", targets=["nobody"])
    recipe = {"sources": ["synthetic", "pamap2"]}
    refused(
        r"recipes\.other\.sources: pamap2 is no source of the mixture", recipes={"other": recipe}
    )
    own = {name: {"sources": ["utd-mhad"]} for name in params.transfer.recipes}
    refused("No row of the table is left for utd-mhad", singles=False, recipes=own)
    real = joined.load

    def one_person(own, name, check=True):
        windows, *rest = real(own, name, check)
        windows.participant[:] = "p"
        return windows, *rest

    monkeypatch.setattr(joined, "load", one_person)
    refused("utd-mhad has labels of 1 participants; two are needed", seeds=[5])

    def without_imu(own, name, check=True):
        windows, *rest = real(own, name, check)
        windows.has["imu"][:] = False
        return windows, *rest

    monkeypatch.setattr(joined, "load", without_imu)
    refused("No window of utd-mhad has both a label and an IMU", seeds=[5])


def test_what_shift_and_train_cannot_do_is_one_sentence(place, params):
    with pytest.raises(AuraError, match="at least two"):
        shift.run(params)
    with pytest.raises(AuraError, match="run `aura train` first"):
        changed = {"shift": {"study": ["synthetic", "utd-mhad"], "source": "pamap2"}}
        shift.run(params.changed(changed, "test"))
    with pytest.raises(AuraError, match=r"held_out: no training window is of class 'Juggling'"):
        train.run(
            params.changed({"train": {"twins": {"held_out": "Juggling"}}}, "test"), "synthetic"
        )
