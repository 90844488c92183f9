import pytest
import yaml

from aura import config
from aura.errors import AuraError
from tests.conftest import ROOT


def test_the_shipped_params_load_for_every_data_set():
    params = config.load(ROOT / "params.yaml")
    assert params.study == ["synthetic"]
    for name in params.datasets:
        config.load(ROOT / "params.yaml", dataset=name)


def test_every_stage_has_its_section():
    sections = set(config.Params.model_fields)
    names = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    stages = {name.removesuffix("_mixture") for name in names}  # the same over mixtures
    assert stages - {"fingerprint"} <= sections  # it has no settings


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.imu.epocs=3", "unknown key 'train.imu.epocs'"),
        ("nonsense=1", "unknown key 'nonsense'"),
        ("slice.window_s=-1", "slice.window_s"),
        ("slice.stride_s=0.33", "multiple of 0.1 s"),
        ("train.batch=x", "train.batch"),
        ("embed.prompts=[no slot]", "one {} for the class"),
        ("teacher.model=ViT-B-32", "goes with an open_clip model"),
        ("study=[nowhere]", "no data set 'nowhere'"),
        ("seed", "form KEY=VALUE"),
        ("seed.x=1", "is not a section"),
    ],
)
def test_bad_params_are_one_sentence(override, sentence):
    with pytest.raises(AuraError) as error:
        config.load(ROOT / "params.yaml", [override])
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_data_sets_own_params_come_before_the_overrides():
    load = config.load
    assert load(ROOT / "params.yaml", dataset="utd-mhad").train.batch == 64
    assert load(ROOT / "params.yaml", dataset="synthetic").train.batch == 128
    assert load(ROOT / "params.yaml", ["train.batch=7"], dataset="utd-mhad").train.batch == 7
    with pytest.raises(AuraError, match=r"unknown key 'train\.bach'"):
        load(
            ROOT / "params.yaml",
            ["datasets.utd-mhad.params={train: {bach: 1}}"],
            dataset="utd-mhad",
        )


def test_files_that_are_no_params(tmp_path):
    with pytest.raises(AuraError, match="is not here"):
        config.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(AuraError, match="not valid YAML"):
        config.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("- a")
    with pytest.raises(AuraError, match="mapping of sections"):
        config.load(tmp_path / "params.yaml")


HARMLESS = "tests.test_config.NOTED.append"
NOTED: list[str] = []
LAUGHS = "a0: &a0 [1, 2]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
BAD_YAML = {
    "a: [": "not valid YAML",
    "a: 1\n\tb: 2": "not valid YAML",
    f"a: !!python/object/apply:{HARMLESS} [run]": "not valid YAML: could not determine",
    f"a: !!python/name:{HARMLESS}": "not valid YAML: could not determine",
    "a: !include other.yaml": "not valid YAML: could not determine",
    "a: 2001-99-99": "not valid YAML",
    "a: !!int x": "not valid YAML",
    "? [1, 2]\n: x": "not valid YAML",
    "a: &a [*a]": "nested too deeply",
    "[" * 1500: "nested too deeply",
    "a: *nowhere": "not valid YAML",
    "seed: 1\nseed: 2": "the key 'seed' is there twice",
    "a: {x: 1, x: 2}": "the key 'x' is there twice",
    LAUGHS: "more than 100000 values",
    "a: \x00": "not valid YAML",
}


@pytest.mark.parametrize("text", BAD_YAML, ids=lambda text: text[:20])
def test_yaml_that_is_no_plain_values_is_one_sentence(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    for read in (
        lambda: config.load(path),
        lambda: config.load(ROOT / "params.yaml", [f"ablate.variants={text}"]),
    ):
        with pytest.raises(AuraError) as error:
            read()
        assert BAD_YAML[text] in str(error.value)
        assert "\n" not in str(error.value)
    assert NOTED == []


def test_params_of_other_encodings(tmp_path):
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text().replace("\u2026", "") + "# \u00e9\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_text(text, encoding=encoding)
        assert config.load(path).seed == 7
    path.write_text(text, encoding="latin-1")
    with pytest.raises(AuraError, match=r"not in UTF-8, by its byte \d+; save it"):
        config.load(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(AuraError, match="cannot be read: Is a directory"):
        config.load(path)


def test_an_override_of_one_use_of_an_alias_is_none_of_the_others():
    override = "mixtures.bodies.params.train.batch=13"
    params = config.load(ROOT / "params.yaml", [override])
    assert params.mixtures["bodies"].params["train"]["batch"] == 13
    assert params.mixtures["bodies-ablated"].params["train"]["batch"] == 256


def test_a_merge_key_is_no_key_twice(tmp_path):
    text = (ROOT / "params.yaml").read_text()
    extra = "  more:\n    <<: *merged\n    root: here\n"
    text = text.replace("  pamap2:\n", "  pamap2: &merged\n", 1)
    text = text.replace("  sp-sw-har:\n", f"{extra}  sp-sw-har:\n", 1)
    (tmp_path / "params.yaml").write_text(text)
    more = config.load(tmp_path / "params.yaml").datasets["more"]
    assert (more.adapter, more.root) == ("pamap2", "here")
