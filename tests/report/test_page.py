import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from aura.evaluation.bootstrap import cluster_bootstrap, weighted_mean
from aura.evaluation.diagnosis import Headline
from aura.evaluation.retrieval import all_pairs, ranks
from aura.evaluation.zeroshot import baselines, zero_shot
from aura.report.page import number, render
from aura.report.study import Check, Example, Study, Teacher

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
    found = {m: zero_shot(embeddings[m], _unit(names), labels, CLASSES) for m in noise}
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
        for m, z in zip(("IMU", "Mocap", "Video"), found.values(), strict=True)
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
    return Study(
        title="Ego-Exo4D (synthetic)",
        teacher=Teacher("CLIP ViT-B/16", stand_in=True),
        headlines=headlines,
        warnings=["Mocap: the embeddings have collapsed to about 1.3 directions for 8 classes."],
        checks=[
            Check("Participants in both train and test", "0", True),
            Check("Captures in both train and test", "0", True),
            Check("Training captions that name their class", "3.1 %", False),
            Check("Selection", "validation MRR"),
        ],
        retrieval=rows,
        zero_shot=found,
        baselines={"majority": majority, "uniform": uniform},
        curves=curves,
        funnel={"takes found": 412, "takes used": 398, "windows": 5120},
        splits={
            "train": {"participants": 30, "takes": 310, "windows": 4000},
            "val": {"participants": 4, "takes": 40, "windows": 507},
            "test": {"participants": 14, "takes": 48, "windows": 613},
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
    assert not re.search(r"https?:|<script|<link|@import|url\((?!#)", page)
    references = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert references
    assert all(reference.startswith("#") for reference in references)


def test_every_reference_within_the_page_has_one_target(page):
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page)) != set()
    for pair in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page):
        assert "".join(pair) in ids


def test_first_screen_has_each_headline_beside_what_it_must_beat(page):
    cards = re.findall(r'<section class="card">(.*?)</section>', page, flags=re.S)
    for line, card in zip(full_study().headlines, cards, strict=True):
        assert line.name in card
        for value in (line.value, line.low, line.high, line.chance, line.control):
            assert number(value) in card
    assert page.index("Teacher: CLIP") < page.index('class="card"') < page.index("<h2>")


@pytest.mark.parametrize(
    ("weak", "strong", "words"),
    [
        (1, 4, "4 of 5 headline figures lie above chance and above the shuffled-pairs control"),
        (0, 5, "All 5 headline figures lie above"),
        (2, 0, "None of the 2 headline figures lies above"),
        (1, 0, "The headline figure does not lie above"),
    ],
)
def test_verdict_counts_what_beats_chance_and_control(weak, strong, words):
    lines = full_study().headlines
    lines = [replace(line, low=0.0) for line in lines[:weak]] + lines[weak : weak + strong]
    page = render(Study("words", Teacher("CLIP", stand_in=False), headlines=lines))
    assert words in page
    assert page.count("not above chance") == weak


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
    assert len(drawings) == 6
    for drawing in drawings:
        assert "currentColor" in drawing
        assert not re.search(r"#[0-9a-f]{6}\b", drawing)


def test_missing_modalities_are_named_with_their_reason():
    page = render(sparse_study())
    assert "Video is absent: the data set has no egocentric video." in page
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
