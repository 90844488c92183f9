"""Falls behind what they may interrupt: the option `compositions`, and the real data sets."""

import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from aura import config
from aura.datasets import sisfall, umafall
from aura.datasets.base import open_dataset
from aura.datasets.compositions import CLAUSES, Composition, compose, wordings
from aura.signals.compose import Samples
from aura.storage import Storage
from pipeline import resample
from tests.conftest import ROOT
from tests.datasets.test_sisfall import lines_of, save
from tests.datasets.test_umafall import header
from tests.datasets.test_umafall import lines_of as umafall_lines

G = 256  # bits of the ADXL345
CHAIR = ("standing", "sitting-down", "seated", "standing-up")
IMPACT_S = 3.0


def shaken(seconds, moves, rate_hz, seed=0, impact_s=None, turned=False):
    """(N, 6) in units of g and deg/s: rest, movement between begin and end, and an impact."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    values = rng.normal(0, 0.004, (len(t), 6))
    values[:, 0 if turned else 1] -= 1
    for begin, end in moves:
        inside = (t >= begin) & (t < end)
        values[inside, :3] += 0.4 * np.sin(2 * np.pi * 2 * t[inside])[:, None]
        values[inside, 3:] += 40
    if impact_s is not None:
        values[np.abs(t - impact_s) < 0.06, 2] += 4
    return values


KINDS = {  # seconds, moves, impact and whether the sensor is on another way
    "D01": (9.0, [(0.5, 9)], None, False),
    "D03": (9.0, [(0, 8.5)], None, False),
    "D07": (10.0, [(2, 3.5), (6, 8)], None, False),
    "F01": (8.0, [(0, 1.7)], IMPACT_S, True),
}


def write_trial(root, code, person="SA01", trial=1, damage=""):
    values = shaken(*KINDS[code][:2], 200.0, trial, *KINDS[code][2:])
    bits = np.zeros((len(values), 9), int)
    bits[:, :3], bits[:, 3:6] = (values[:, :3] * G).round(), (values[:, 3:] * 16.4).round()
    save(root, f"{code}_{person}_R{trial:02d}.txt", damage or "".join(lines_of(bits)))


def write_all(root, people=("SA01",), codes=tuple(KINDS)):
    for person in people:
        for code in codes:
            write_trial(root, code, person)
    return root


def composed(adapter):
    return [t for t in adapter.inventory().takes if isinstance(t.source, Composition)]


def opened(root, **options):
    return sisfall.Adapter(Storage(root), {"val": [], "test": [], **options})


def test_a_fall_is_behind_each_thing_that_it_may_interrupt(tmp_path):
    write_all(tmp_path)
    plain, adapter = opened(tmp_path), opened(tmp_path, compositions=2)
    takes = composed(adapter)
    assert adapter.inventory().takes[:4] == plain.inventory().takes
    assert composed(plain) == []
    assert [t.take_id for t in takes] == [
        f"F01_SA01_R01.{name}.{number}" for name in CLAUSES for number in range(2)
    ]
    for take in takes:
        got = adapter.load(take)
        assert (take.label, take.place, take.split) == (None, "waist", "train")
        assert (take.participant_id, take.moment_id) == ("SA01", take.take_id)
        assert [(t.text, t.time_s, t.end_s) for t in got.texts] == [
            (f"falling forward while {CLAUSES[take.source.interrupts]}", 0.0, got.duration_s)
        ]
        assert got.skips == ()
        assert 2 < got.duration_s < 5.02
        assert got.imu_s[0] == 0
        np.testing.assert_allclose(np.diff(got.imu_s), 0.005, atol=0.003)
        assert len(got.imu_ok) == len(got.imu_saturated) == len(got.imu)
        # The prefix has y down; the sensor of the fall had x down, and goes on as the prefix.
        impact = int(np.abs(got.imu[:, 2]).argmax())
        assert got.imu[impact, 2] > 30
        assert got.duration_s - got.imu_s[impact] > 0.9
        np.testing.assert_allclose(np.median(got.imu[-100:, :3], axis=0), [0, -9.8, 0], atol=1.6)
        np.testing.assert_allclose(np.median(got.imu[:100, :3], axis=0), [0, -9.8, 0], atol=4)


def test_the_piece_is_what_the_words_say(tmp_path):
    write_all(tmp_path)
    adapter = opened(tmp_path, compositions=4)
    for take in composed(adapter):
        name = take.source.interrupts
        start = adapter.load(take).imu[:80, 3:]  # 0.4 s; who moves has a rate of 40 deg/s
        moving = float(np.abs(start).mean()) > 0.35
        if name in ("walking", "jogging"):
            assert moving, take.take_id
        if name in ("standing", "seated"):
            assert not moving, take.take_id


def test_descriptions_are_further_wordings(tmp_path):
    write_all(tmp_path)
    adapter = opened(tmp_path, compositions=1, descriptions=True)
    for take in composed(adapter):
        texts = tuple(t.text for t in adapter.load(take).texts)
        assert texts == wordings("forward", take.source.interrupts)
        assert len(set(texts)) == 4
    every = [wordings(d, n) for d in ("forward", "backward", "sideways") for n in CLAUSES]
    assert len({text for texts in every for text in texts}) == 72


def test_takes_do_not_depend_on_what_else_is_there_or_was_opened(tmp_path):
    write_all(tmp_path)
    one = opened(tmp_path, compositions=3)
    first = {t.take_id: one.load(t) for t in composed(one)}
    write_all(tmp_path, people=("SA02",))
    write_trial(tmp_path, "F01", trial=2)
    other = opened(tmp_path, compositions=3)
    found = composed(other)
    assert len(found) == 3 * len(first)
    for take in found[::-4]:
        fresh = opened(tmp_path, compositions=3).load(take)
        got = other.load(take)
        np.testing.assert_array_equal(got.imu, fresh.imu)
        if take.take_id in first:
            np.testing.assert_array_equal(got.imu, first[take.take_id].imu)
            np.testing.assert_array_equal(got.imu_s, first[take.take_id].imu_s)
    assert len({got.imu.tobytes() for got in first.values()}) == len(first)  # no two are the same


def test_another_trial_takes_some_of_the_pieces_and_leaves_the_others(tmp_path):
    write_all(tmp_path)
    before = composed(opened(tmp_path, compositions=20))
    write_trial(tmp_path, "D01", trial=2)
    after = composed(opened(tmp_path, compositions=20))
    pairs = [
        (a.source.prefix.take_id, b.source.prefix.take_id)
        for a, b in zip(before, after, strict=True)
    ]
    changed = Counter(pair for pair in pairs if pair[0] != pair[1])
    assert list(changed) == [("D01_SA01_R01", "D01_SA01_R02")]
    assert 4 < changed["D01_SA01_R01", "D01_SA01_R02"] < 16


def test_pieces_are_of_the_same_person_and_of_people_who_train(tmp_path):
    write_all(tmp_path, people=("SA01", "SA02", "SA03", "SA04"))
    for file in tmp_path.rglob("D*_SA02_*"):
        file.unlink()
    adapter = opened(tmp_path, compositions=1, val=["SA03"], test=["SA04"])
    takes = composed(adapter)
    assert {t.participant_id for t in takes} == {"SA01"}
    for take in takes:
        assert take.source.prefix.participant_id == take.source.fall.participant_id


def test_what_cannot_be_composed_says_why(tmp_path):
    write_all(tmp_path)
    write_trial(tmp_path, "D01", damage="not a trial")
    still = Samples(
        np.arange(800) / 200, np.tile([0, -9.8, 0, 0, 0, 0.0], (800, 1)), np.ones(800, bool),
        np.zeros(800, bool),
    )  # fmt: skip
    adapter = opened(tmp_path, compositions=2)

    def reasons(adapter):
        found = {}
        for take in takes:
            got = adapter.load(take)
            if not len(got.imu):
                assert (got.texts, got.duration_s) == ((), 0)
            found.setdefault(take.source.interrupts, set()).add(
                tuple((s.reason, s.modality) for s in got.skips)
            )
        return found

    takes = composed(adapter)
    next(tmp_path.rglob("D03*")).unlink()  # between listing and opening
    refused = (("prefix of a composition cannot be opened", "imu"),)
    assert reasons(adapter) == {
        "walking": {refused}, "jogging": {refused}, **{name: {()} for name in CHAIR}
    }  # fmt: skip
    write_trial(tmp_path, "F01", damage="not a trial")
    gone = (("fall of a composition cannot be opened", "imu"),)
    assert set.union(*reasons(opened(tmp_path, compositions=2)).values()) == {gone}
    rng = np.random.default_rng(0)
    assert compose(still, "walking", still, rng) == "prefix of a composition is not found"
    assert compose(still, "seated", still, rng) == "prefix of a composition is not found"
    blind = still._replace(ok=np.zeros(800, bool))
    assert compose(still, "seated", blind, rng) == "fall of a composition cannot be opened"


def write_umafall(root, person=2):
    """A fall, a walk and a chair by waist and pocket, the phone without gyroscope."""
    names = {
        "Fall_forwardFall": (8.0, [(0, 1.7)], IMPACT_S, True),
        "ADL_Walking": (8.0, [(0, 8)], None, False),
        "ADL_Sitting_GettingUpOnAChair": (10.0, [(2, 3.5), (6, 8)], None, False),
    }
    for name, (seconds, moves, impact, turned) in names.items():
        rows = []
        for sensor, rate_hz in ((0, 198.2), (2, 20.0)):
            values = shaken(seconds, moves, rate_hz, sensor, impact, turned)
            kinds = [(0, values[:, :3])] + ([(1, values[:, 3:])] if sensor else [])
            rows += [
                (int(1000 * k / rate_hz) + 1, k, *xyz, kind, sensor)
                for kind, of in kinds
                for k, xyz in enumerate(of.tolist())
            ]
        text = header({0: "RIGHTPOCKET", 2: "WAIST"}) + "\n".join(umafall_lines(rows))
        (root / f"UMAFall_Subject_{person:02d}_{name}_1.csv").write_bytes(text.encode("latin-1"))


def test_sensors_of_umafall_keep_their_place_rate_and_channels(tmp_path):
    write_umafall(tmp_path)
    adapter = umafall.Adapter(Storage(tmp_path), {"compositions": 1})
    takes = composed(adapter)
    assert Counter(t.place for t in takes) == {"waist": 5, "pocket-right": 5}
    assert {t.source.interrupts for t in takes} == set(CLAUSES) - {"jogging"}
    for take in takes:
        got = adapter.load(take)
        assert got.skips == ()
        assert take.source.prefix.place == take.place
        phone = take.place == "pocket-right"
        period = 1 / (198.2 if phone else 20.0)
        np.testing.assert_allclose(np.median(np.diff(got.imu_s)), period, rtol=0.01)
        assert np.isnan(got.imu[:, 3:]).all() == phone
        assert np.isfinite(got.imu[:, :3]).all()
        np.testing.assert_allclose(np.median(got.imu[-15:, :3], axis=0), [0, -9.8, 0], atol=1.6)


def test_the_stage_writes_them_in_any_order_of_shards(tmp_path, monkeypatch):
    """Two sizes of shards, one of them on two processes: the same takes and signals."""
    raw = write_all(tmp_path / "raw", people=("SA01", "SA02"))
    tables = []
    for size, executor in ((3, "{executor: local}"), (50, "{executor: local, workers: 2}")):
        folder = tmp_path / str(size)
        folder.mkdir()
        monkeypatch.chdir(folder)
        options = "{val: [], test: [], compositions: 2}"
        overrides = [
            f"datasets.one={{adapter: sisfall, root: {raw}, options: {options}}}",
            f"ray={executor}",
            f"resample.takes_per_shard={size}",
        ]
        resample.run(config.load(ROOT / "params.yaml", overrides), "one")
        metrics = json.loads((folder / "reports/one/resample/metrics.json").read_text())
        assert (metrics["takes"]["found"], metrics["takes"]["used"]) == (32, 32)
        adapter = open_dataset("sisfall", str(raw), {"val": [], "test": [], "compositions": 2})
        assert len(composed(adapter)) == 24
        parts = sorted((folder / "data/signals/one").glob("part-*.parquet"))
        tables.append(pq.ParquetDataset(parts).read())
    assert tables[0].equals(tables[1].cast(tables[0].schema))


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "module", "count", "least"),
    [("sisfall", sisfall, 1, 560), ("umafall", umafall, 1, 350)],
)
def test_the_real_falls(real_data, name, module, count, least):
    adapter = module.Adapter(Storage(real_data / name), {"compositions": count})
    takes = composed(adapter)
    assert {t.split for t in takes} == {"train"}
    found, seams = [], []
    for take in takes:
        got = adapter.load(take)
        if not len(got.imu):
            continue
        found.append(take.source.interrupts)
        seams.append((np.diff(got.imu_s) > 0).all() and 2.3 < got.duration_s < 5.1)
        assert np.isfinite(got.imu[:, :3]).all()
    assert all(seams)
    assert set(found) == set(CLAUSES)
    assert least <= len(found) <= len(takes)
