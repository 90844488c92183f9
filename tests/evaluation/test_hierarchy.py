"""Fine-grained figures against naive oracles, and captions as classes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.errors import AuraError
from aura.evaluation.bootstrap import cluster_bootstrap
from aura.evaluation.captions import caption_classification, caption_tree, nearest_action
from aura.evaluation.hierarchy import Tree, confusion, score

# UTD-MHAD: the first actions of four groups, and one activity with a single action.
TREE = Tree(
    ("swipe left", "swipe right", "draw x", "draw circle", "draw triangle", "lunge", "clap"),
    ("swipe", "draw", "leg", "hands"),
    np.array([0, 0, 1, 1, 1, 2, 3]),
)
SWIPE, DRAW = 7, 8  # activities alone


def members(node: int) -> set[str]:
    """A class and its ancestors, without the root."""
    if node < 0:
        return set()
    if node >= 7:
        return {TREE.activity_names[node - 7]}
    return {TREE.action_names[node], TREE.activity_names[TREE.activity_of[node]]}


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 7, n)
    predicted = np.where(rng.random(n) < 0.4, true, rng.integers(-1, 11, n))
    return true, predicted, rng.integers(0, 5, n)


def oracle(true, predicted) -> dict[str, float]:
    """Every figure window by window, from the sets of ancestors."""
    shares = {"action_right": 0, "activity_only_right": 0, "activity_wrong": 0}
    shared = predicted_size = true_size = 0
    within, chances = [], []
    for t, p in zip(true, predicted, strict=True):
        true_set, activity = members(t), TREE.activity_names[TREE.activity_of[t]]
        predicted_set = members(p)
        if p == t:
            shares["action_right"] += 1
        elif activity in predicted_set:
            shares["activity_only_right"] += 1
        else:
            shares["activity_wrong"] += 1
        shared += len(true_set & predicted_set)
        predicted_size += len(predicted_set)
        true_size += len(true_set)
        siblings = [a for a in range(7) if TREE.activity_of[a] == TREE.activity_of[t]]
        if activity in predicted_set and len(siblings) > 1:
            within.append(p == t)
            chances.append(1 / len(siblings))
    precision, recall = shared / predicted_size if predicted_size else 0, shared / true_size
    both = precision + recall
    return {
        **{name: count / len(true) for name, count in shares.items()},
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / both if both else 0,
        "within": np.mean(within) if within else None,
        "chance": np.mean(chances) if within else None,
        "windows": len(within),
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 10)), min_size=1, max_size=30))
def test_figures_are_those_of_sets_of_ancestors(rows):
    true, predicted = np.array(rows).T
    result = score(true, predicted, TREE, np.zeros(len(true)), draws=1)
    expected = oracle(true, predicted)
    for name in ("action_right", "activity_only_right", "activity_wrong"):
        assert getattr(result, name).value == pytest.approx(expected[name]), name
    for name in ("precision", "recall", "f1"):
        assert getattr(result, name).value == pytest.approx(expected[name], abs=1e-9), name
    if expected["within"] is None:
        assert result.within is None
    else:
        assert result.within.accuracy.value == pytest.approx(expected["within"])
        assert result.within.chance == pytest.approx(expected["chance"])
        assert result.within.windows == expected["windows"]
        assert result.within.gain.value == pytest.approx(expected["within"] - expected["chance"])


def test_where_every_prediction_names_an_action_the_three_are_the_mean_of_two_accuracies():
    true, predicted, groups = drawn(200, 0)
    predicted = np.clip(predicted, 0, 6)
    result = score(true, predicted, TREE, groups, draws=1)
    action = np.mean(predicted == true)
    activity = np.mean(TREE.activity_of[predicted] == TREE.activity_of[true])
    for figure in (result.precision, result.recall, result.f1):
        assert figure.value == pytest.approx((action + activity) / 2)


def test_naming_the_activity_alone_costs_recall_and_no_precision():
    result = score([0, 1, 2], [SWIPE, 1, DRAW], TREE, [0, 1, 2], draws=1)
    assert result.precision.value == 1
    assert result.recall.value == pytest.approx(4 / 6)
    assert result.activity_only_right.value == pytest.approx(2 / 3)


def test_intervals_are_those_of_whole_people_redrawn():
    """Each redraw repeats a person's windows; the figure on the repeated windows is the same."""
    true, predicted, groups = drawn(120, 1)
    result = score(true, predicted, TREE, groups, draws=60, seed=3)
    times = np.random.default_rng(3).multinomial(5, np.full(5, 0.2), size=60)
    repeated = [np.repeat(np.arange(120), row[groups]) for row in times]
    redrawn = [oracle(true[rows], predicted[rows]) for rows in repeated]
    for name in ("action_right", "activity_wrong", "precision", "recall", "f1", "within"):
        figure = result.within.accuracy if name == "within" else getattr(result, name)
        expected = np.percentile([row[name] for row in redrawn], [2.5, 97.5])
        np.testing.assert_allclose([figure.low, figure.high], expected, atol=1e-9, err_msg=name)
    assert result == score(true, predicted, TREE, groups, draws=60, seed=3)


def test_single_actions_say_nothing_about_which_action():
    result = score([5, 6, 0], [5, 6, 1], TREE, [0, 1, 2], draws=1)
    assert result.within.windows == 1
    assert result.within.accuracy.value == 0
    assert set(result.activities) == {"swipe"}
    assert score([5, 6], [5, 6], TREE, [0, 1], draws=1).within is None


def test_activities_are_scored_apart():
    true, predicted, groups = drawn(300, 2)
    result = score(true, predicted, TREE, groups, draws=50)
    assert list(result.activities) == ["swipe", "draw"]
    for number, (name, one) in enumerate(result.activities.items()):
        near = TREE.activities(predicted) == number
        rows = near & (TREE.activity_of[true] == number)
        hit = (predicted == true)[rows]
        assert one.accuracy.value == pytest.approx(hit.mean()), name
        assert one.windows == rows.sum()
        assert one.accuracy == cluster_bootstrap(
            lambda w, hit=hit: float(w @ hit / w.sum()), groups[rows], 50
        )
    assert result.activities["draw"].chance == pytest.approx(1 / 3)


def test_a_guesser_within_the_activity_is_at_chance_and_a_knower_is_above():
    rng = np.random.default_rng(4)
    true, people = rng.integers(0, 5, 2000), np.arange(2000) % 20
    guess = np.where(true < 2, rng.integers(0, 2, 2000), rng.integers(2, 5, 2000))
    result = score(true, guess, TREE, people, draws=300).within
    assert result.gain.low < 0 < result.gain.high
    knows = np.where(rng.random(2000) < 0.3, true, guess)
    assert score(true, knows, TREE, people, draws=300).within.gain.low > 0


def test_majority_is_the_commonest_training_action_of_the_activity():
    train = np.array([0, 0, 1, 4, 4, 3, -1])
    result = score([0, 1, 4, 2, 4], [0, 0, 4, 4, 3], TREE, np.arange(5), train=train, draws=1)
    assert result.within.majority == pytest.approx(3 / 5)
    # An activity that training never had has no majority, which is wrong.
    lacking = score([2, 0], [2, 0], TREE, [0, 1], train=np.array([0]), draws=1)
    assert lacking.within.majority == 0.5


def test_windows_without_an_action_are_left_out_and_counted():
    true, predicted, groups = drawn(60, 5)
    some = true.copy()
    some[::3] = -1
    kept = some >= 0
    result = score(some, predicted, TREE, groups, np.zeros(60, int), draws=20)
    alone = score(true[kept], predicted[kept], TREE, groups[kept], np.zeros(40, int), draws=20)
    assert (result.windows, result.left_out) == (40, 20)
    assert result.f1 == alone.f1
    assert result.given == alone.given
    with pytest.raises(AuraError, match="nothing to score"):
        score([-1, -1], [0, 0], TREE, [0, 1])


@pytest.mark.parametrize(
    ("true", "predicted", "sentence"),
    [([0, 1], [0], "1 predictions"), ([7], [0], "not in the tree"), ([0], [11], "not in the tree")],
)
def test_what_is_not_in_the_tree_is_refused(true, predicted, sentence):
    with pytest.raises(AuraError, match=sentence):
        score(true, predicted, TREE, np.zeros(len(true)))


def test_confusion_among_the_actions_of_an_activity():
    true, predicted, _ = drawn(200, 6)
    for number, (name, first, last) in enumerate([("swipe", 0, 2), ("draw", 2, 5)]):
        counts = confusion(true, predicted, TREE, name)
        expected = np.zeros((last - first, last - first + 2), int)
        for t, p in zip(true, predicted, strict=True):
            if first <= t < last:
                place = p - first if first <= p < last else last - first + (p != 7 + number)
                expected[t - first, place] += 1
        np.testing.assert_array_equal(counts, expected)
    assert confusion(true, predicted, TREE, "draw").sum() == np.isin(true, [2, 3, 4]).sum()


# Captions as classes.


def test_captions_of_an_activity_are_its_actions():
    tree, actions = caption_tree(
        ["C stirs.", "c  stirs", "C runs", "C stirs.", None, "C hops", " . "],
        ["Cooking", "Cooking", "Soccer", "Soccer", "Soccer", None, "Soccer"],
    )
    assert tree.action_names == ("C stirs.", "C runs", "C stirs.")
    assert tree.activity_names == ("Cooking", "Soccer")
    np.testing.assert_array_equal(tree.activity_of, [0, 1, 1])
    np.testing.assert_array_equal(actions, [0, 0, 1, 2, -1, -1, -1])
    empty, none = caption_tree([None], ["Soccer"])
    assert (len(empty.action_names), none.tolist()) == (0, [-1])


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(0, 1, (rows, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_nearest_is_by_cosine_among_all_or_those_of_the_activity():
    queries, vectors, activity_of = unit(37, 0), unit(7, 1), TREE.activity_of
    activity = np.random.default_rng(2).integers(0, 5, 37)  # activity 4 has no vector
    for batch in (1024, 5):
        nearest = nearest_action(queries, vectors, batch=batch)
        within = nearest_action(queries, vectors, activity_of, activity, batch=batch)
        for row in range(37):
            similarity = [float(queries[row].astype(float) @ v) for v in vectors]
            assert nearest[row] == np.argmax(similarity)
            candidates = [a for a in range(7) if activity_of[a] == activity[row]]
            expected = max(candidates, key=lambda a: similarity[a]) if candidates else -1
            assert within[row] == expected
    assert (nearest_action(queries, vectors[:0]) == -1).all()
    with pytest.raises(AuraError, match="not finite"):
        nearest_action(np.full((1, 16), np.nan), vectors)


def test_caption_classification_grows_with_what_the_embeddings_know():
    """Knowing the activity alone gives the activity and chance within; the action gives both."""
    vectors, rng = unit(7, 3), np.random.default_rng(4)
    true = rng.integers(0, 5, 600)
    people = np.arange(600) % 12
    centre = np.stack([vectors[TREE.activity_of == a].mean(axis=0) for a in range(4)])
    noise = 0.3 * unit(600, 5)
    all_figures = []
    for share in (0.0, 0.1, 1.0):
        known = share * vectors[true] + (1 - share) * centre[TREE.activity_of[true]]
        rows = known + noise
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        figures, counts = caption_classification(
            rows, vectors, true, TREE, people, train=true, draws=100
        )
        for name, cells in counts.items():
            members = np.flatnonzero(TREE.activity_of == TREE.activity_names.index(name))
            nearest = (rows.astype(float) @ vectors.T).argmax(1)
            for row, action in enumerate(members):
                expected = [((true == action) & (nearest == other)).sum() for other in members]
                assert cells[row] == [*expected, (true == action).sum() - sum(expected)]
        all_figures.append(figures)
    assert all_figures[0].activity_wrong.value < 0.1
    assert all_figures[0].given.accuracy.value < 0.6
    assert set(counts) == {TREE.activity_names[a] for a in TREE.activity_of[[0, 2]]}
    for less, more in pairwise(all_figures):
        assert more.given.accuracy.value > less.given.accuracy.value + 0.1
        assert more.f1.value > less.f1.value
    assert all(one.given.windows == 600 for one in all_figures)
    with pytest.raises(AuraError, match="6 caption vectors for 7"):
        caption_classification(rows, vectors[:6], true, TREE, people)
