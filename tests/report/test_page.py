import re
from dataclasses import asdict, replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

from aura.evaluation.bootstrap import cluster_bootstrap, weighted_mean
from aura.evaluation.captions import caption_classification, caption_tree
from aura.evaluation.diagnosis import Headline
from aura.evaluation.layout import joint_layout
from aura.evaluation.recall import recall_curve
from aura.evaluation.retrieval import all_pairs, ranks
from aura.evaluation.zeroshot import baselines, zero_shot
from aura.report.examples import Example, Hit, JointMap, Query
from aura.report.page import render
from aura.report.study import Check, Earlier, Past, Study, Teacher
from aura.report.verdict import number

CLASSES = ["basketball", "bike repair", "cooking", "dance", "first aid", "music", "climbing", "CPR"]
PHASES = ("1: IMU with text and video", "2: mocap joins")


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _body(frames):
    """A standing figure that turns and waves, in metres."""
    flat = np.array(
        [(0, 1.65), (-.03, 1.7), (.03, 1.7), (-.08, 1.67), (.08, 1.67), (-.2, 1.45), (.2, 1.45),
         (-.3, 1.2), (.32, 1.2), (-.33, .98), (.36, 1.0), (-.12, .95), (.12, .95), (-.13, .5),
         (.15, .5), (-.13, .08), (.18, .08)]
    )  # fmt: skip
    joints = np.zeros((frames, 17, 3))
    joints[:, :, 0], joints[:, :, 2] = flat[:, 0], flat[:, 1]
    wave = np.sin(np.linspace(0, 6, frames))
    joints[:, 10, 2] += 0.5 + 0.3 * wave
    joints[:, 8, 0] += 0.1 * wave
    joints[:, :, 0] += np.linspace(0, 0.8, frames)[:, None]
    return joints


IMAGE = "data:image/jpeg;base64,/9j/4AAQ"


def _queries(imu, mocap, mask):
    """One query that finds its window, and one that fails."""
    query = Example(imu, mocap, mask, ["waves"], "dance", window="take1@5.0", image=IMAGE)
    other = replace(query, label="music", window="take2@0.0")
    no_frame = replace(query, image="", no_image="the recordings are not here")
    hits = {
        "mocap": [Hit(other, 0.61, False, False), Hit(query, 0.6, True, True)],
        "video": [Hit(no_frame, 0.5, True, True)],
        "text": [Hit(replace(other, label="dance"), 0.4, False, True)],
    }
    failed = {"mocap": [Hit(other, 0.3, False, False)]}
    return [
        Query(query, hits, {"mocap": 2, "video": 1, "text": 7.5}, dict.fromkeys(hits, 320)),
        Query(replace(query, label="cooking"), failed, {"mocap": 99}, {"mocap": 320}, failure=True),
    ]


def _few_shot():
    rows = [
        {
            "modality": modality, "head": head, "shots": shots, "start": start,
            "metric": "accuracy", "value": value, "low": value - 0.1, "high": value + 0.05,
        }
        for modality in ("imu", "mocap")
        for head, shots in (("k-shot probe", 1), ("linear probe", None), ("fine-tuned", None))
        for start, value in (("pretrained", 0.7), ("random", 0.6))
    ]  # fmt: skip
    about = {"modality": "imu", "head": "fine-tuned"}
    gains = [
        {**about, "shots": None, "value": 0.1, "low": 0.02, "high": 0.2},
        {**about, "shots": 1, "value": -0.1, "low": -0.2, "high": -0.01},
        {**about, "modality": "mocap", "shots": None, "value": 0.0, "low": -0.1, "high": 0.1},
    ]
    return {"rows": rows, "gains": gains}


def _fine_grained(embeddings, groups):
    """Two activities of three actions, the third hard to tell."""
    rng = np.random.default_rng(5)
    names = [f"{verb} the thing" for verb in ("Lift", "Turn", "Hold", "Kick", "Pass", "Stop")]
    true, vectors = rng.integers(0, 6, len(groups)), _unit(rng.normal(size=(6, 64)))
    tree, actions_of = caption_tree([names[t] for t in true], [
        "Cooking" if t < 3 else "Soccer" for t in true])  # fmt: skip
    order = [names.index(name) for name in tree.action_names]
    seen = _unit(vectors[true] + 0.2 * rng.normal(size=(len(true), 64)))
    figures, confusions = caption_classification(
        seen, vectors[order], actions_of, tree, groups, train=actions_of, draws=20
    )
    actions = {
        name: [a for a, of in zip(tree.action_names, tree.activity_of, strict=True)
               if tree.activity_names[of] == name]
        for name in confusions
    }  # fmt: skip
    plain = {**asdict(figures), "actions": actions, "confusions": confusions}
    return {"actions": {"imu": plain}, "captions": {"imu": asdict(figures)}}


@cache
def full_study():
    rng = np.random.default_rng(0)
    n = 320
    labels = rng.choice(8, n, p=[0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.04, 0.03])
    captions = labels * 20 + rng.integers(0, 20, n)
    groups = rng.integers(0, 14, n)
    names = rng.normal(size=(8, 64))
    text = _unit(names[labels] + 0.7 * rng.normal(size=(160, 64))[captions])
    majority, uniform = (baselines(labels, labels, 8)[g] for g in ("majority", "uniform"))
    noise = {"imu": 1.1, "mocap": 0.9, "video": 0.5}
    embeddings = {
        m: _unit(_unit(text) * 4 + s * rng.normal(size=(n, 64))) for m, s in noise.items()
    }
    embeddings["text"] = text
    valid = {m: np.ones(n, bool) for m in embeddings}
    valid["mocap"][:60] = False
    zero_shots = {m: zero_shot(embeddings[m], _unit(names), labels, CLASSES) for m in noise}
    rows = all_pairs(embeddings, valid, captions, labels, groups)
    headlines = [
        Headline(
            f"{m} zero-shot",
            "macro-F1",
            "zero-shot",
            z.macro_f1,
            uniform["macro_f1"],
            n,
            z.macro_f1 - 0.06,
            min(1, z.macro_f1 + 0.05),
            majority["macro_f1"],
            0.109,
            0.081,
            0.141,
            "14 participants",
        )
        for m, z in zip(("IMU", "Mocap", "Video"), zero_shots.values(), strict=True)
    ]
    for query, gallery, metric in (("imu", "text", "MRR"), ("imu", "mocap", "R@1")):
        row = next(
            r
            for r in rows
            if (r["query"], r["gallery"], r["pool_kind"], r["matching"])
            == (query, gallery, "full", "multi-positive")
        )
        headlines.append(
            Headline(
                f"IMU → {gallery}",
                metric,
                "retrieval",
                row[metric],
                row[f"{metric}_chance"],
                int(row["pool"]),
                row[f"{metric}_low"],
                row[f"{metric}_high"],
                None,
                row[f"{metric}_chance"] * 1.1,
                row[f"{metric}_chance"] * 0.7,
                row[f"{metric}_chance"] * 1.6,
                "14 participants",
            )
        )
    time = np.arange(1000) / 200
    imu = np.stack(
        [np.sin(time * (2 + k)) * (1 + k) + 0.3 * rng.normal(size=1000) for k in range(6)], 1
    )
    mask = np.ones((50, 17), bool)
    mask[:, 3] = False
    mocap = _body(50)
    mocap[:, 3] = np.nan
    curves = [
        {
            "phase": phase,
            "step": 2000 * number + 50 * i,
            "loss": 4 * np.exp(-i / 9) + 1 + number + 0.05 * rng.random(),
            "val_mrr": 0.5 - 0.4 * np.exp(-i / 9 - number) if i % 3 == 0 else None,
        }
        for number, phase in enumerate(PHASES)
        for i in range(40)
    ]
    earlier = Earlier(
        "2026-01-31 (abc1234)",
        figures=[Past(h.name, h.metric, h.value - 0.01, h.n) for h in headlines],
    )
    rank = ranks(embeddings["imu"], embeddings["text"], captions, captions)
    curve = recall_curve(rank, captions, groups, 20, 0)
    layout = joint_layout(embeddings, valid, labels, size=24)
    return Study(
        title="Ego-Exo4D (synthetic)",
        teacher=Teacher("CLIP ViT-B/16", stand_in=True),
        headlines=headlines,
        earlier=earlier,
        recall=[{"query": "imu", "gallery": "text", "matching": "strict", **asdict(curve)}],
        few_shot=_few_shot(),
        fine_grained=_fine_grained(embeddings, groups),
        joint_map=JointMap(
            [f"take@{row}" for row in layout.rows],
            [CLASSES[labels[row]] for row in layout.rows],
            layout.points,
            n,
        ),
        queries=_queries(imu, mocap, mask),
        warnings=["Mocap: the embeddings have collapsed to about 1.3 directions for 8 classes."],
        checks=[
            Check("Participants in both train and test", "0", True),
            Check("Captures in both train and test", "0", True),
            Check("Training captions that name their class", "3.1 %", False),
            Check("Selection", "validation MRR"),
        ],
        retrieval=rows,
        zero_shot=zero_shots,
        baselines={"majority": majority, "uniform": uniform},
        curves=curves,
        funnel={"takes found": 412, "takes used": 398, "windows": 5120},
        splits={
            "train": {"participants": 30, "takes": 310, "windows": 4000},
            "val": {"participants": 4, "takes": 40, "windows": 507},
            "test": {"participants": 14, "takes": 48, "windows": 613},
        },
        counts={
            "resample": {
                "takes": {"found": 412, "used": 398, "dropped": {"no split": 5, "no <clock>": 9}},
                "imu_samples": {"found": 9000, "used": 9000, "dropped": {}},
            },
            "slice": {"windows": {"found": 5122, "used": 5120, "dropped": {"nothing valid": 2}}},
        },
        skips={
            "resample": {"no IMU stream": 9, "clock not synchronised": 5},
            "slice": {},
            "embed": {"frame not decoded": 2},
        },
        example=Example(
            imu, mocap, mask, ["The person waves with the right hand & turns."], "first aid"
        ),
        params="train:\n  batch: 256\n  note: <none>\n",
    )


@cache
def sparse_study():
    """No video, no mocap, no control, one participant."""
    study = full_study()
    one = cluster_bootstrap(
        weighted_mean(1 / ranks(np.eye(3), np.eye(3), range(3), range(3))), [0, 0, 0]
    )
    line = Headline("IMU → text", "MRR", "retrieval", one.value, 0.611, 3, one.low, one.high)
    return Study(
        title="UTD-MHAD",
        teacher=Teacher("CLIP ViT-B/16", stand_in=False, note="The published weights."),
        headlines=[line],
        absent={"video": "the data set has no egocentric video."},
        retrieval=[r for r in study.retrieval if {r["query"], r["gallery"]} == {"imu", "text"}],
        zero_shot={"imu": study.zero_shot["imu"]},
        example=Example(imu=study.example.imu, texts=["waves"]),
    )


@pytest.fixture(scope="module")
def page():
    return render(full_study())


def test_same_study_gives_the_same_bytes(page):
    assert render(full_study()) == page


def test_study_survives_json(page):
    study = Study.from_json(full_study().to_json())
    assert render(study) == page
    assert np.isnan(study.example.mocap[0, 3]).all()
    assert study.example.mask.dtype == bool


def test_page_needs_nothing_but_itself(page):
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import|url\((?!#)", page)
    references = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert references
    assert all(reference.startswith(("#", "data:image/jpeg;base64,")) for reference in references)


class _Nesting(HTMLParser):
    """Fails at the first tag that closes another than the one that is open."""

    VOID = ("meta", "img", "input", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> within <{self.open[-1]}> {self.getpos()}"
        self.open.pop()


def test_html_is_well_formed(page):
    for text in (page, render(sparse_study())):
        parser = _Nesting()
        parser.feed(text)
        assert parser.open == []


def test_every_reference_within_the_page_has_one_target(page):
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page)) != set()
    for pair in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page):
        assert "".join(pair) in ids


def rows_of(page):
    table = re.search(r'<table class="heads">.*?</table>', page, flags=re.S).group()
    return re.findall(r"<tr>.*?</tr>", table, flags=re.S)[1:]


def test_first_screen_has_each_headline_beside_what_it_must_beat(page):
    for line, row in zip(full_study().headlines, rows_of(page), strict=True):
        assert line.name in row
        for value in (line.value, line.low, line.high, line.chance, line.control, line.baseline):
            assert number(value) in row
    assert page.index("Teacher: CLIP") < page.index('class="answers"') < page.index("<h2")
    assert page.index("Look at this first") < page.index('class="heads"') < page.index("<h2")
    assert page.index("Captures in both train and test") < page.index("<h2")


def test_a_figure_worse_than_last_time_is_said_to_be_worse():
    lines = full_study().headlines
    past = [Past(h.name, h.metric, h.value, h.n) for h in lines]
    past[0] = replace(past[0], value=lines[0].high + 0.01)
    past[3] = replace(past[3], value=lines[3].low - 0.01)
    past[4] = replace(past[4], value=lines[4].low - 0.01, n=7)
    study = replace(full_study(), earlier=Earlier("2026-01-31 (abc1234)", figures=past))
    page = render(study)
    assert "Partly better, partly worse than the run of 2026-01-31 (abc1234)." in page
    assert f"1 worse: {lines[0].name} {number(lines[0].value)}, was {number(past[0].value)}" in page
    assert f"1 better: {lines[3].name} {number(lines[3].value)}" in page
    kinds = [re.search(r'class="change (\w+)"', row).group(1) for row in rows_of(page)]
    assert kinds == ["worse", "same", "same", "better", "other"]
    assert "▼" in rows_of(page)[0]
    assert "▲" in rows_of(page)[3]
    assert re.search(r"not comparable <small>.* on 7</small>", rows_of(page)[4])
    assert f"not comparable, on another number of windows: {lines[4].name}" in page
    assert "Last run: 2026-01-31 (abc1234); grey where its value lies in the new interval." in page


def test_a_run_over_other_windows_is_neither_better_nor_worse():
    study = full_study()
    past = [replace(figure, value=2.0) for figure in study.earlier.figures]
    earlier = Earlier("2026-01-31 (abc1234)", "", "other test windows (431 then, 107 now)", past)
    page = render(replace(study, earlier=earlier))
    sentence = "Not comparable with the run of 2026-01-31 (abc1234): other test windows (431 then,"
    assert sentence in page
    assert "Worse than" not in page
    assert {re.search(r'class="change (\w+)"', row).group(1) for row in rows_of(page)} == {"other"}
    assert "Last run: 2026-01-31 (abc1234)." in page
    assert "grey where" not in page


def test_a_figure_that_is_gone_is_missed():
    study = full_study()
    lost = Past("IMU → video", "MRR", 0.2, 320)
    earlier = replace(study.earlier, figures=[*study.earlier.figures, lost])
    page = render(replace(study, earlier=earlier))
    assert "no longer measured: IMU → video." in page
    assert '<section class="answer note"><b><span class="mark note">!</span>Better than' in page


def test_without_an_earlier_run_the_page_says_so():
    why = Earlier(why="a shallow clone has no history")
    page = render(replace(full_study(), earlier=why))
    assert "No earlier run on record (a shallow clone has no history)." in page


def test_neighbours_are_marked_right_near_and_wrong_and_a_failure_is_named(page):
    queries = re.findall(r'<section class="query panel">.*?</section>', page, flags=re.S)
    assert [("a failure" in q) for q in queries] == [False, True]
    hits = re.findall(r'<li class="(\w*)"><div class="said"><span class="mark[^>]*>(.)', queries[0])
    assert hits == [("", "✗"), ("right", "✓"), ("right", "✓"), ("near", "≈")]
    assert "right one at rank 7.5 of 320" in queries[0]
    assert "the recordings are not here" in queries[0]
    assert queries[0].count(f'src="{IMAGE}"') == 1
    assert queries[0].count('class="body"') == 3
    assert 'class="right"' not in queries[1]


def test_the_map_has_each_window_once_with_its_modalities(page):
    drawn = re.search(r'aria-label="Map of the joint space".*?</svg>', page, flags=re.S).group()
    content = full_study().joint_map
    groups = re.findall(r"<g class=\"w k(\d+)\"><title>(.*?)</title>(.*?)</g>", drawn)
    names = sorted(set(content.labels))
    assert [(names[int(k)], t) for k, t, _ in groups] == [
        (label, f"{label}: {window}")
        for window, label in zip(content.windows, content.labels, strict=True)
    ]
    for (_, _, shapes), *places in zip(groups, *content.points.values(), strict=True):
        present = [m for m, at in zip(content.points, places, strict=True) if np.isfinite(at).all()]
        assert re.findall(r'class="(\w+)', shapes) == present
    for modality in content.points:
        assert f'id="show-{modality}" checked' in page


def test_few_labels_have_a_panel_a_modality_and_say_what_pretraining_does(page):
    panels = re.findall(r'aria-label="Labels per class, (\w+ \w+)"', page)
    assert panels == ["imu accuracy", "mocap accuracy"]
    assert "Pretraining helps in 1 of 3 comparisons and harms in 1" in page
    assert '<span class="bad-text">−0.100</span>' in page
    assert "The stage finetune was not run." not in page
    assert "The stage finetune was not run." in render(sparse_study())


@pytest.mark.parametrize(
    ("weak", "strong", "words"),
    [
        (1, 4, "4 of 5 headline figures lie above chance, the baseline and the shuffled-pairs"),
        (0, 5, "All 5 headline figures lie above"),
        (2, 0, "None of the 2 headline figures lies above"),
        (1, 0, "The headline figure does not lie above"),
    ],
)
def test_verdict_counts_what_beats_chance_baseline_and_control(weak, strong, words):
    lines = full_study().headlines
    lines = [replace(line, low=0.0) for line in lines[:weak]] + lines[weak : weak + strong]
    page = render(Study("words", Teacher("CLIP", stand_in=False), headlines=lines))
    assert words in page
    assert page.count("not above chance") == weak


def test_a_figure_below_its_baseline_does_not_pass():
    line = replace(full_study().headlines[3], baseline=1.0)
    page = render(Study("words", Teacher("CLIP", stand_in=False), headlines=[line]))
    assert "The headline figure does not lie above" in page
    assert "not above baseline" in rows_of(page)[0]


def test_a_failed_check_makes_the_page_untrusted(page):
    tile = re.search(r'<section class="answer (\w+)"><b>[^/]*</span>Can it be trusted', page)
    assert tile.group(1) == "bad"
    assert "Training captions that name their class: 3.1 %; 1 warning below." in page


def test_stand_in_is_named_and_a_published_teacher_is_not_called_one(page):
    assert "not how well AURA-MFM does" in page
    assert "stand-in" not in render(sparse_study())


def test_tables_hold_the_numbers_they_were_given(page):
    for row in full_study().retrieval:
        for name in ("R@1", "R@10", "R@50", "MRR"):
            cell = f"<td>{number(row[name])}<small>{number(row[f'{name}_chance'])}</small></td>"
            assert cell in page
    for result in full_study().zero_shot.values():
        assert f"<b>{number(result.macro_f1)}</b>" in page
    for words in ("clock not synchronised", "frame not decoded", "412", "5,120", *CLASSES, *PHASES):
        assert words in page
    assert full_study().warnings[0] in page
    assert "3.1 %" in page


def test_confusion_counts_are_drawn(page):
    drawn = re.search(r'aria-label="Confusion matrix, imu".*?</svg>', page, flags=re.S).group()
    counts = [c for row in full_study().zero_shot["imu"].confusion for c in row if c]
    assert sorted(int(t) for t in re.findall(r">(\d+)</text>", drawn)) == sorted(counts)


def test_text_is_escaped(page):
    assert "&lt;none&gt;" in page
    assert "right hand &amp; turns" in page
    assert "<script>" not in render(Study("<script>", Teacher("CLIP", stand_in=True)))


def test_figures_take_their_colours_from_the_page(page):
    drawings = re.findall(r'<svg role="img".*?</svg>', page, flags=re.S)
    assert len(drawings) == 9
    assert all("currentColor" in d or "var(--c1)" in d for d in drawings)
    for drawing in drawings:
        assert not re.search(r"#[0-9a-f]{6}\b", drawing)


def test_missing_modalities_are_named_with_their_reason():
    page = render(sparse_study())
    assert "<b>Video is absent:</b> the data set has no egocentric video." in page
    assert "This window has no mocap." in page
    assert "not run" in page
    assert "one group only" in page
    assert "No training curves." in page


def test_empty_study_renders():
    page = render(Study("nothing yet", Teacher("CLIP", stand_in=False)))
    assert "No figures were computed." in page


def test_window_in_which_no_joint_was_seen_has_no_skeleton():
    example = Example(mocap=np.full((50, 17, 3), np.nan), mask=np.zeros((50, 17), bool))
    assert "This window has no mocap." in render(replace(sparse_study(), example=example))


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0.000"), (0.5, "0.500"), (0.00123, "0.0012"), (0.00002, "2e-05")],
)
def test_small_numbers_keep_their_digits(value, text):
    assert number(value) == text


def test_actions_are_shown_with_what_is_taken_for_what():
    page = render(full_study())
    assert "Actions within an activity" in page
    assert "Captions within an activity" in page
    table = page[page.index("which action is taken for which") :]
    of = full_study().fine_grained["actions"]["imu"]
    for activity, names in of["actions"].items():
        own = table[table.index(f"<caption>{activity}</caption>") :]
        own = own[: own.index("</table>")]
        shown = [int(n) if n != "·" else 0 for n in re.findall(r"%?>(\d+|·)</td>", own)]
        assert shown == [n for row in of["confusions"][activity] for n in row]
        assert all(name in own for name in names)


def test_figures_by_place_are_shown_where_there_are_several():
    study = full_study()
    assert "By place of the IMU" not in render(study)
    lines = [
        replace(study.headlines[0], name=f"IMU zero-shot, {place}", value=value)
        for place, value in (("chest", 0.8123), ("wrist-left", 0.4321))
    ]
    page = render(replace(study, places=lines))
    table = page[page.index("By place of the IMU") :]
    table = table[: table.index("</table>")]
    for line in lines:
        row = next(r for r in table.split("<tr>") if line.name in r)
        for shown in (line.value, line.low, line.high, line.chance):
            assert number(shown) in row


def assessed(ece):
    bins = [{"low": 0.9, "high": 1.0, "n": 40, "confidence": 0.97, "accuracy": 0.95}]
    return {"answers": 40, "ece": ece, "low": 0.01, "high": 0.06, "log_loss": 0.2,
            "accuracy": 0.95, "accepted": 0.9, "refused": 0.85, "bins": bins}  # fmt: skip


def test_calibration_is_shown_with_its_interval_and_its_bins_or_its_reason():
    imu = {"scale": 20.0, "threshold": 0.25, "single": assessed(0.031), "smoothed": assessed(0.022)}
    content = {"validation_windows": 75, "shared_participants": 0, "modalities": {"imu": imu}}
    page = render(Study("sure", Teacher("CLIP", stand_in=False), calibration=content))
    for shown in ("75 validation windows", "0.031", "0.022", "0.010 to 0.060", "0.850", "0.970"):
        assert shown in page
    assert "shares people" not in page
    none = {"modalities": {}, "reason": "the data set has no validation split"}
    page = render(Study("unsure", Teacher("CLIP", stand_in=False), calibration=none))
    assert "No calibration of confidence: the data set has no validation split." in page
