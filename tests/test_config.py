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
