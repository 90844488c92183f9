import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.errors import AuraError
from aura.evaluation import ranking, relevance
from aura.evaluation.bootstrap import cluster_bootstrap, weighted_mean
from aura.evaluation.chance import best_rank_distribution, retrieval_chance
from aura.evaluation.retrieval import (
    all_pairs,
    balanced_pool,
    mutual_ranks,
    ranks,
    retrieval_metrics,
)


def oracle(query, gallery, query_group, gallery_group):
    """Full matrix, one sort for each query; a tied block shares the mean of its places."""
    result = []
    all_scores = query.astype(float) @ gallery.astype(float).T
    for scores, group in zip(all_scores, query_group, strict=True):
        positive = gallery_group == group
        best = scores[positive].max()
        candidates = np.append(scores[~positive], best)
        ordered = np.sort(candidates)[::-1]
        result.append(np.flatnonzero(ordered == best).mean() + 1)
    return np.array(result)


def unit(rng, n, d=16):
    x = rng.normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@st.composite
def problems(draw):
    n, m = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    cell = st.integers(-1, 1)  # few values: many ties, duplicate vectors, exact in float32
    query = np.array(draw(st.lists(st.tuples(cell, cell), min_size=n, max_size=n)), np.float32)
    gallery = np.array(draw(st.lists(st.tuples(cell, cell), min_size=m, max_size=m)), np.float32)
    gallery_group = np.array(draw(st.lists(st.integers(0, 3), min_size=m, max_size=m)))
    query_group = np.array(
        draw(st.lists(st.sampled_from(list(gallery_group)), min_size=n, max_size=n))
    )
    return query, gallery, query_group, gallery_group


@settings(deadline=None, max_examples=200)
@given(problems())
def test_ranks_equal_the_full_sort_with_ties_and_duplicates(problem):
    np.testing.assert_array_equal(ranks(*problem), oracle(*problem))


def tie_oracle(query, gallery, query_group, gallery_group):
    """The definition, one score at a time: ties are within TIE of the best positive."""
    scores, result = query @ gallery.T, []
    for row, group in zip(scores, query_group, strict=True):
        best = row[gallery_group == group].max()
        margin = row[gallery_group != group].astype(float) - float(best)
        tie = float(np.float32(ranking.TIE))
        above, tied = (margin > tie).sum(), (np.abs(margin) <= tie).sum()
        result.append(1 + above + tied / 2)
    return np.array(result)


@pytest.fixture
def small_tiles(monkeypatch):
    """Several tiles and strips in small problems, and fewer cached than there are positives in."""
    for name, value in (("TILE", 32), ("STRIP", 10), ("CACHED_TILES", 2)):
        monkeypatch.setattr(ranking, name, value)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("groups", [3, 40, 1000])
def test_ranks_equal_the_full_sort_across_tiles(groups):
    rng = np.random.default_rng(0)
    group = rng.integers(0, groups, 150)
    query, gallery = unit(rng, 150), unit(rng, 150)
    expected = oracle(query, gallery, group, group)
    np.testing.assert_array_equal(ranks(query, gallery, group, group), expected)
    np.testing.assert_array_equal(tie_oracle(query, gallery, group, group), expected)


@pytest.mark.usefixtures("small_tiles")
def test_tiles_of_any_shape_count_scores_at_the_edge_of_a_tie_as_the_definition_does():
    """Scores are multiples of 2^-24, exact in any order of summation; many lie at the margin."""
    rng = np.random.default_rng(1)
    steps = rng.integers(0, 60, (101, 1)) * 2.0**-24
    query, gallery = np.ones((70, 1), np.float32), (0.5 + steps).astype(np.float32)
    query_group = rng.integers(0, 20, 70)
    gallery_group = np.append(np.arange(20), rng.integers(0, 20, 81))
    result = ranks(query, gallery, query_group, gallery_group)
    expected = tie_oracle(query, gallery, query_group, gallery_group)
    np.testing.assert_array_equal(result, expected)
    assert len(np.unique(expected)) > 10


@pytest.mark.usefixtures("small_tiles")
def test_both_directions_and_all_groupings_from_one_product_are_those_of_each_alone():
    rng = np.random.default_rng(2)
    a, b = unit(rng, 140), unit(rng, 140)
    window, caption = np.arange(140), rng.integers(0, 30, 140)
    mutual = ranking.grouped_ranks(a, b, [(window, window), (caption, caption)], True)
    for group, (forward, backward) in zip((window, caption), mutual, strict=True):
        np.testing.assert_array_equal(forward, oracle(a, b, group, group))
        np.testing.assert_array_equal(backward, oracle(b, a, group, group))
        for single, alone in zip(mutual_ranks(a, b, group), (forward, backward), strict=True):
            np.testing.assert_array_equal(single, alone)


def test_a_gallery_item_without_a_query_has_no_rank_of_its_own():
    assert ranks([[1.0, 0]], [[1.0, 0], [0, 1.0]], [0], [0, 1]).tolist() == [1.0]
    x = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match="gallery item has no positive"):
        ranking.grouped_ranks(x[:1], x, [(np.array([0]), np.array([0, 1]))], True)


def test_no_query_has_no_rank():
    assert ranks(np.empty((0, 4)), np.eye(4), [], range(4)).shape == (0,)


@settings(deadline=None, max_examples=200)
@given(problems())
def test_pairs_are_the_places_where_codes_are_equal(problem):
    _, _, query_codes, gallery_codes = problem
    pairs = sorted(zip(*relevance.positive_pairs(query_codes, gallery_codes), strict=True))
    assert pairs == [
        (i, j) for i, a in enumerate(query_codes) for j, b in enumerate(gallery_codes) if a == b
    ]


@pytest.mark.parametrize("dim", [384, 512, 768, 1024, 1536])
def test_a_tie_is_wider_than_a_products_rounding_at_any_width(dim):
    vectors = np.abs(unit(np.random.default_rng(2), 400, dim))  # scores near 1 round the most
    single = vectors.astype(np.float32)
    exact = single.astype(np.float64) @ single.T.astype(np.float64)
    assert np.abs(single @ single.T - exact).max() < ranking.TIE


@pytest.mark.parametrize("dim", [384, 512, 1024])
def test_equal_vectors_all_share_the_middle_rank(dim):
    vector = unit(np.random.default_rng(1), 1, dim)
    window = np.arange(1201)
    result = ranks(np.repeat(vector, 1201, 0), np.repeat(vector, 1201, 0), window, window)
    np.testing.assert_array_equal(result, np.full(1201, 601.0))


def test_scores_apart_by_rounding_only_are_tied():
    above = np.nextafter(np.float32(0.5), np.float32(1))
    assert ranks([[1.0, 0]], [[0.5, 0], [above, 0]], [0], [0, 1]).tolist() == [1.5]
    assert ranks([[1.0, 0]], [[above, 0], [0.5, 0]], [0], [0, 1]).tolist() == [1.5]
    assert ranks([[1.0, 0]], [[0.5, 0], [0.50001, 0]], [0], [0, 1]).tolist() == [2.0]


def test_one_window_ranks_first():
    assert ranks([[1.0, 0.0]], [[0.6, 0.8]], [0], [0]).tolist() == [1.0]


def test_other_positives_never_stand_in_the_way():
    gallery = np.array([[1, 0], [0.9, 0], [0.8, 0], [0.1, 0]])
    result = ranks(np.array([[1, 0], [1, 0]]), gallery, [7, 8], [7, 7, 8, 8])
    assert result.tolist() == [1.0, 3.0]


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(AuraError, match="not finite"):
        ranks([[np.nan, 0.0]], [[1.0, 0.0]], [0], [0])


def test_query_without_a_positive_is_refused():
    with pytest.raises(ValueError, match="no positive"):
        ranks([[1.0, 0.0]], [[1.0, 0.0]], [1], [0])


@pytest.mark.parametrize(("pool", "positives"), [(1, 1), (10, 1), (40, 7), (60, 60), (400, 3)])
def test_expected_best_rank_has_its_closed_form(pool, positives):
    density = best_rank_distribution(pool, positives)
    assert density.sum() == pytest.approx(1)
    mean = (density * np.arange(1, pool + 1)).sum()
    assert mean == pytest.approx((pool + 1) / (positives + 1))


def test_single_positive_chance_has_its_closed_form():
    chance = retrieval_chance(100, 1)
    harmonic = (1 / np.arange(1, 101)).sum()
    assert chance["R@1"] == pytest.approx(0.01)
    assert chance["R@10"] == pytest.approx(0.10)
    assert chance["MRR"] == pytest.approx(harmonic / 100)
    assert chance["median_rank"] == 50.5
    assert retrieval_chance(101, 1)["median_rank"] == 51
    assert retrieval_chance(20, 1)["R@50"] == 1.0


def test_chance_is_what_random_embeddings_score():
    rng = np.random.default_rng(2)
    positives = np.array([1, 2, 5, 12, 40])
    group = np.repeat(np.arange(5), positives)
    runs = [ranks(unit(rng, 60, 64), unit(rng, 60, 64), group, group) for _ in range(300)]
    expected = retrieval_chance(60, positives[group])
    result = retrieval_metrics(np.concatenate(runs), 60, np.tile(positives[group], 300))
    for name in ("R@1", "R@10", "R@50", "MRR"):
        assert result[name] == pytest.approx(expected[name], abs=0.015)
        assert result[f"{name}_chance"] == pytest.approx(expected[name])
    assert abs(result["median_rank"] - expected["median_rank"]) <= 0.5


def test_metrics_of_known_ranks():
    result = retrieval_metrics([1, 1.5, 10, 51], 200)
    assert result["R@1"] == 0.25
    assert result["R@10"] == 0.75
    assert result["R@50"] == 0.75
    assert result["MRR"] == pytest.approx((1 + 1 / 1.5 + 0.1 + 1 / 51) / 4)
    assert result["median_rank"] == 5.75
    assert result["pool"] == 200


def test_balanced_pool_gives_no_class_more_than_its_share():
    labels = np.repeat([0, 1, 2], [500, 90, 5])
    pool = balanced_pool(labels, 100, (0, 1))
    counts = np.bincount(labels[pool])
    assert counts[2] == 5
    assert set(counts[:2]) <= {33, 34}
    assert len(set(pool.tolist())) == len(pool)
    np.testing.assert_array_equal(pool, balanced_pool(labels, 100, (0, 1)))
    assert not np.array_equal(pool, balanced_pool(labels, 100, (0, 2)))
    assert len(balanced_pool(np.arange(300), 100, (0, 0))) == 100


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(3)
    text = unit(rng, 12, 64)[np.arange(240) % 12]
    imu = text + 0.02 * unit(rng, 240, 64)
    mocap = imu + 0.001 * unit(rng, 240, 64)
    embeddings = {"imu": imu, "mocap": mocap, "text": text}
    valid = {name: np.ones(240, bool) for name in embeddings}
    valid["mocap"][:100] = False
    embeddings["mocap"][:100] = np.nan
    return embeddings, valid, np.arange(240) % 12, np.arange(240) % 4


def test_all_pairs_has_each_ordered_pair_on_common_windows(study):
    rows = all_pairs(*study, clusters=np.arange(240) // 20)
    pairs = {(row["query"], row["gallery"]) for row in rows}
    assert pairs == {(a, b) for a in study[0] for b in study[0] if a != b}
    assert len(rows) == 6 * 3 * 2
    full = {(r["query"], r["gallery"], r["matching"]): r for r in rows if r["pool_kind"] == "full"}
    assert full["imu", "text", "strict"]["pool"] == 240
    assert full["imu", "mocap", "strict"]["pool"] == 140
    assert full["imu", "text", "multi-positive"]["positives"] == 20
    assert full["imu", "text", "multi-positive"]["R@1"] == 1
    # 20 equal captions: the right one stands between first and last of its block.
    assert full["imu", "text", "strict"]["median_rank"] == 10.5
    row = full["mocap", "imu", "strict"]
    assert row["MRR_low"] <= row["MRR"] <= row["MRR_high"]


def test_full_rows_have_the_intervals_of_their_ranks(study):
    embeddings, valid, group, label = study
    rows = all_pairs(embeddings, valid, group, label, np.arange(240) // 20, draws=1, seed=3)
    found = {(r["query"], r["matching"]): r for r in rows
             if r["gallery"] == "mocap" and r["pool_kind"] == "full"}  # fmt: skip
    use, window = np.arange(100, 240), np.arange(140)
    for (query, matching), row in found.items():
        groups = window if matching == "strict" else group[use]
        rank = ranks(embeddings[query][use], embeddings["mocap"][use], groups, groups)
        for name, scores in (("MRR", 1 / rank), ("R@1", rank <= 1)):
            interval = cluster_bootstrap(weighted_mean(scores), use // 20, seed=3)
            assert row[name] == pytest.approx(interval.value)
            assert (row[f"{name}_low"], row[f"{name}_high"]) == (interval.low, interval.high)
        assert row["queries"] == row["pool"] == 140
    assert len(found) == 4
    plain = all_pairs(embeddings, valid, group, label * 0, draws=1)  # one class, no clusters
    assert "MRR_low" not in plain[0]
    assert {row["pool_kind"] for row in plain} == {"full", "balanced 100"}


def test_class_prior_is_the_chance_of_the_within_class_pool(study):
    embeddings, valid, group, label = study
    rows = all_pairs({"imu": embeddings["imu"], "text": embeddings["text"]}, valid, group, label)
    within = next(r for r in rows if r["pool_kind"] == "within class" and r["matching"] == "strict")
    window = np.arange(240)
    prior = ranks(np.eye(4)[label], np.eye(4)[label], window, window)
    assert within["pool"] == 60
    assert within["median_rank_chance"] == np.median(prior) == 30.5


def test_balanced_rows_average_twenty_pools_and_say_their_size(study):
    embeddings, valid, group, label = study
    rows = all_pairs(embeddings, valid, group, np.where(label == 0, 0, 1))
    sizes = {
        (r["query"], r["gallery"]): (r["pool"], r["draws"])
        for r in rows
        if r["pool_kind"] == "balanced 100"
    }
    assert sizes["imu", "text"] == (100, 20)
    assert sizes["imu", "mocap"] == (85, 20)  # 35 of class 0 are all there are


def test_balanced_rows_follow_the_seed(study):
    embeddings, valid, group, label = study
    pair = {"imu": embeddings["imu"], "text": np.roll(embeddings["text"], 1, 0)}
    assert all_pairs(pair, valid, group, label) == all_pairs(pair, valid, group, label)
    assert all_pairs(pair, valid, group, label) != all_pairs(pair, valid, group, label, seed=1)
