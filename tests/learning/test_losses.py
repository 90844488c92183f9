import itertools
import math
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from aura.config import Loss
from aura.errors import AuraError
from aura.learning.losses import MAX_SCALE, InfoNCE, overlaps, same_text

RULES = ("negative", "ignore", "positive")
PLAIN = Loss(same_text="negative", overlap="negative")


def unit(n, dim=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, dim, generator=generator, dtype=torch.float64), dim=1)


def make_batch(n=12, seed=0, whole=False):
    """A batch whose windows share takes, time and captions, and lack modalities here and there."""
    generator = torch.Generator().manual_seed(seed)

    def draw(high):
        return torch.randint(high, (n,), generator=generator)

    has = {
        m: torch.ones(n, dtype=torch.bool) if whole else torch.rand(n, generator=generator) < 0.8
        for m in ("imu", "mocap", "video", "text")
    }
    if not whole:  # the teacher knows nothing of the first window
        for m, present in (("imu", True), ("mocap", True), ("video", False), ("text", False)):
            has[m][0] = present
    text = unit(n, seed=seed + 1) * has["text"][:, None]
    video = unit(n, seed=seed + 2) * has["video"][:, None]
    take = draw(4)  # takes 0 and 1 are one moment, 2 and 3 another
    start_s, text_id = draw(4) * 2.5, torch.where(has["text"], draw(4), -1)
    return SimpleNamespace(
        has=has, take=take, moment=take if whole else take // 2, start_s=start_s.double(),
        text_id=text_id, text=text, video=video,
    )  # fmt: skip


def vectors_of(batch, seed=5):
    n = len(batch.take)
    sensors = {m: unit(n, seed=seed + i) for i, m in enumerate(("imu", "mocap"))}
    return sensors | {"video": batch.video, "text": batch.text}


def rule_of(batch, i, j, captions, settings):
    """What window j is to window i: its partner or another positive, ignored, or a negative."""
    rules = {"negative"}
    if batch.moment[i] == batch.moment[j] and abs(batch.start_s[i] - batch.start_s[j]) < 5:
        rules.add(settings.overlap)
        if batch.take[i] != batch.take[j]:
            rules.add("ignore")
    if captions and batch.text_id[i] == batch.text_id[j] != -1:
        rules.add(settings.same_text)
    if i == j or "positive" in rules:
        return "positive"
    return "ignore" if "ignore" in rules else "negative"


def teacher_similarity(batch, i, j):
    """The teacher's similarity of two windows, None where it knows of none."""
    both = [(m, getattr(batch, m)) for m in ("text", "video") if batch.has[m][i] & batch.has[m][j]]
    return sum(float(x[i] @ x[j]) for _, x in both) / len(both) if both else None


def naive_loss(a, b, batch, keep, captions, settings, scale):
    """The loss, one probability at a time."""
    keep, total = keep.nonzero().flatten().tolist(), 0.0
    for query, gallery in ((a, b), (b, a)):
        for i in keep:
            kinds = {j: rule_of(batch, i, j, captions, settings) for j in keep}
            inside = [j for j in keep if kinds[j] != "ignore"]
            positive = [j for j in inside if kinds[j] == "positive"]
            target = {j: (j in positive) / len(positive) for j in inside}
            sims = {j: teacher_similarity(batch, i, j) for j in inside}
            if sims[i] is not None:
                weight = {j: math.exp(s / 0.1) for j, s in sims.items() if s is not None}
                share = settings.soft_targets
                for j in inside:
                    soft = weight.get(j, 0.0) / sum(weight.values())
                    target[j] = (1 - share) * target[j] + share * soft
            logit = {j: scale * float(query[i] @ gallery[j]) for j in inside}
            norm = math.log(sum(math.exp(z) for z in logit.values()))
            total -= sum(target[j] * (logit[j] - norm) for j in inside)
    return total / (2 * len(keep))


@pytest.mark.parametrize("soft", [0.0, 0.3])
@pytest.mark.parametrize(("text", "overlap"), itertools.product(RULES, RULES))
def test_every_combination_of_rules_equals_the_slow_oracle(text, overlap, soft):
    settings = Loss(same_text=text, overlap=overlap, soft_targets=soft)
    loss = InfoNCE(settings)
    for seed in range(3):
        batch = make_batch(seed=seed)
        vectors = vectors_of(batch)
        expected = []
        for a, b in (("imu", "text"), ("video", "mocap"), ("imu", "mocap")):
            both = batch.has[a] & batch.has[b]
            one = naive_loss(
                vectors[a], vectors[b], batch, both, "text" in (a, b), settings, 1 / 0.07
            )
            assert loss(vectors, batch, [(a, b)]).item() == pytest.approx(one, rel=1e-6)
            expected.append(one)
        pairs = [("imu", "text"), ("video", "mocap"), ("imu", "mocap")]
        mean = sum(expected) / 3
        assert loss(vectors, batch, pairs).item() == pytest.approx(mean, rel=1e-6)


def test_the_batches_of_the_oracle_hold_every_case():
    """Neither rule, one of them, or both on a cell; and windows the teacher cannot compare."""
    batch = make_batch()
    cells = list(itertools.permutations(range(len(batch.take)), 2))
    text = Loss(same_text="positive", overlap="negative")
    time = Loss(same_text="negative", overlap="positive")
    hit = {
        tuple(rule_of(batch, i, j, True, s) == "positive" for s in (text, time)) for i, j in cells
    }
    assert len(hit) == 4
    kinds = {
        (int(batch.take[i] == batch.take[j]), rule_of(batch, i, j, False, PLAIN)) for i, j in cells
    }
    assert kinds == {(1, "negative"), (0, "negative"), (0, "ignore")}  # the last: two IMUs at once
    assert any(teacher_similarity(batch, i, j) is None for i, j in cells)


def test_without_rules_it_is_cross_entropy_with_the_diagonal():
    batch = make_batch(32, whole=True)
    vectors = vectors_of(batch)
    logits = vectors["imu"] @ vectors["text"].T / 0.07
    index = torch.arange(32)
    expected = (F.cross_entropy(logits, index) + F.cross_entropy(logits.T, index)) / 2
    loss = InfoNCE(PLAIN)(vectors, batch, [("imu", "text")])
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)


def test_several_positives_are_the_supervised_contrastive_loss():
    """L_out of Khosla et al. 2020: the mean over positives stands outside of the logarithm."""
    batch = make_batch(16, whole=True)
    vectors = vectors_of(batch)
    loss = InfoNCE(Loss(same_text="positive", overlap="negative"))(
        vectors, batch, [("imu", "text")]
    )
    logits = vectors["imu"] @ vectors["text"].T / 0.07
    total = 0.0
    for direction in (logits, logits.T):
        for i in range(16):
            positive = batch.text_id == batch.text_id[i]
            total -= float((direction[i, positive] - direction[i].logsumexp(0)).mean()) / 32
    assert loss.item() == pytest.approx(total, rel=1e-6)


def test_windows_without_a_caption_have_none_in_common():
    mask = same_text(torch.tensor([4, -1, 4, -1]))
    assert mask.int().tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("views", [False, True])
def test_no_gradient_flows_between_windows_that_are_ignored(views):
    """Two windows that overlap, and one of another take: the two do not push each other."""
    batch = make_batch(3, whole=True)
    batch.take, batch.start_s = torch.tensor([7, 7, 8]), torch.tensor([0.0, 2.5, 0.0]).double()
    batch.moment = batch.take
    a, b = torch.eye(6, dtype=torch.float64)[:3], torch.eye(6, dtype=torch.float64)[3:]
    a.requires_grad_()
    loss = InfoNCE(Loss(overlap="ignore"))
    one = (
        loss.view_loss(a, b, batch)
        if views
        else loss({"imu": a, "mocap": b}, batch, [("imu", "mocap")])
    )
    one.backward()
    towards = a.grad[:, 3:]  # the basis is that of `b`: entry (i, j) is what b_j does to a_i
    assert (towards == 0).tolist() == [[False, True, False], [True, False, False], [False] * 3]


@pytest.mark.parametrize("rule", RULES)
def test_what_two_imus_recorded_at_once_is_never_a_negative(rule):
    """Rows 0 and 1 are two takes of one moment; 2 is earlier in take 0, 3 is of another moment."""
    batch = make_batch(4, whole=True)
    batch.take, batch.moment = torch.tensor([0, 1, 0, 2]), torch.tensor([0, 0, 0, 1])
    batch.start_s = torch.tensor([5.0, 7.5, 0.0, 5.0]).double()
    a, b = torch.eye(8, dtype=torch.float64)[:4], torch.eye(8, dtype=torch.float64)[4:]
    a.requires_grad_()
    loss = InfoNCE(Loss(overlap=rule))({"imu": a, "mocap": b}, batch, [("imu", "mocap")])
    loss.backward()
    push = torch.sign(a.grad[:, 4:])  # above 0: b_j pushes a_i away
    at_once = {"positive": -1, "ignore": 0, "negative": 0}[rule]
    assert push.tolist() == [
        [-1, at_once, 1, 1],
        [at_once, -1, 1, 1],
        [1, 1, -1, 1],
        [1, 1, 1, -1],
    ]
    assert torch.equal(overlaps(batch.take, batch.start_s, 5.0), torch.eye(4, dtype=torch.bool))


def test_windows_that_only_touch_do_not_overlap():
    """Times on a grid of 0.1 s are not exact in binary: 4.9 + 0.1 may be less than 5."""
    starts = torch.arange(0, 2000, dtype=torch.float64) / 10
    take = torch.zeros(2000, dtype=torch.int64)
    mask = overlaps(take, starts, 5.0)
    steps = (torch.arange(2000)[:, None] - torch.arange(2000)).abs()
    assert torch.equal(mask, steps < 50)
    assert not overlaps(torch.arange(2), torch.zeros(2), 5.0)[0, 1]


def test_the_teacher_pulls_towards_what_it_finds_alike():
    """Of two negatives, soft targets push less against the one whose video is the same."""
    batch = make_batch(3, whole=True)
    batch.has["text"] = torch.zeros(3, dtype=torch.bool)
    batch.take = batch.moment = torch.arange(3)
    batch.video = torch.eye(8, dtype=torch.float64)[[0, 0, 1]]
    a, b = torch.eye(6, dtype=torch.float64)[:3], torch.eye(6, dtype=torch.float64)[3:]
    for soft, order in ((0.0, 0), (0.4, -1)):
        x = a.clone().requires_grad_()
        InfoNCE(Loss(soft_targets=soft))(
            {"imu": x, "mocap": b}, batch, [("imu", "mocap")]
        ).backward()
        assert torch.sign(x.grad[0, 4] - x.grad[0, 5]) == order


def test_views_follow_overlap_and_neither_captions_nor_teacher():
    batch, a, b = make_batch(whole=True), unit(12, seed=8), unit(12, seed=9)
    has = make_batch(seed=3).has["imu"]
    settings = Loss(overlap="ignore", same_text="positive", soft_targets=0.5)
    plain = settings.model_copy(update={"soft_targets": 0.0})
    loss = InfoNCE(settings)
    everything = torch.ones_like(has)
    for value, keep in (
        (loss.view_loss(a, b, batch), everything),
        (loss.view_loss(a, b, batch, has), has),
    ):
        expected = naive_loss(a, b, batch, keep, False, plain, 1 / 0.07)
        assert value.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("left", [0, 1])
def test_pairs_without_negatives_are_left_out_and_still_differentiable(left):
    batch = make_batch(whole=True)
    batch.has["mocap"] = torch.arange(12) < left
    vectors = {m: v.clone().requires_grad_() for m, v in vectors_of(batch).items()}
    loss = InfoNCE(Loss())
    nothing = loss(vectors, batch, [("mocap", "video")])
    assert nothing.item() == 0
    nothing.backward()
    assert loss.log_scale.grad == 0
    assert torch.equal(vectors["mocap"].grad, torch.zeros_like(vectors["mocap"]))
    both = loss(vectors, batch, [("mocap", "video"), ("imu", "video")])
    assert both == loss(vectors, batch, [("imu", "video")])
    assert loss.view_loss(vectors["mocap"], vectors["mocap"], batch, batch.has["mocap"]) == 0


def test_the_temperature_is_learned_and_clamped():
    batch, same = make_batch(4, whole=True), torch.eye(4)
    loss = InfoNCE(PLAIN.model_copy(update={"temperature": 0.2}))
    assert loss.scale.item() == pytest.approx(5)
    loss({"imu": same, "video": same}, batch, [("imu", "video")]).backward()
    assert loss.log_scale.grad.item() < 0  # perfect pairs ask for a colder softmax
    with torch.no_grad():
        loss.log_scale.fill_(50.0)
    assert loss.scale.item() == MAX_SCALE


def test_logits_are_precise_under_autocast():
    batch = make_batch(32, whole=True)
    vectors = {m: v.float() for m, v in vectors_of(batch).items()}
    loss = InfoNCE(Loss())
    plain = loss(vectors, batch, [("imu", "text")])
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(vectors, batch, [("imu", "text")]) == plain


def test_a_pair_without_vectors_is_one_sentence():
    batch = make_batch()
    with pytest.raises(AuraError, match="no vectors of mocap"):
        InfoNCE(Loss())({"imu": unit(12)}, batch, [("imu", "mocap")])


def test_a_parameter_beyond_the_limit_comes_back_by_its_gradient():
    batch, same = make_batch(4, whole=True), torch.eye(4)
    loss = InfoNCE(PLAIN)
    with torch.no_grad():
        loss.log_scale.fill_(50.0)
    loss.clamp_scale()
    assert 99.9 < loss.scale.item() < MAX_SCALE
    wrong = {"imu": same, "video": same.roll(1, 0)}
    loss(wrong, batch, [("imu", "video")]).backward()
    assert loss.log_scale.grad.item() > 0


def test_two_rows_are_enough():
    batch = make_batch(whole=True)
    batch.has["mocap"] = torch.arange(12) < 2
    batch.take = batch.moment = torch.arange(12)
    vectors = vectors_of(batch)
    keep = batch.has["mocap"]
    expected = naive_loss(vectors["imu"], vectors["mocap"], batch, keep, False, PLAIN, 1 / 0.07)
    loss = InfoNCE(PLAIN)
    assert loss(vectors, batch, [("imu", "mocap")]).item() == pytest.approx(expected, rel=1e-6)
    views = loss.view_loss(vectors["imu"], vectors["mocap"], batch, keep)
    assert views.item() == pytest.approx(expected, rel=1e-6)
    with pytest.raises(AuraError, match=r"no vectors of mocap, video\.$"):
        loss({"imu": unit(12)}, batch, [("imu", "video"), ("imu", "mocap")])
