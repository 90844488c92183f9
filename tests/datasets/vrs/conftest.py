import os
from pathlib import Path
from unittest import mock

import pytest

from aura.datasets.synthetic.vrs_writer import write_vrs
from aura.datasets.vrs import ImuStream, imu
from aura.errors import CorruptFile
from tests.datasets.vrs.streams import LABELS, make_stream


@pytest.fixture(scope="package")
def pair() -> dict[str, ImuStream]:
    counts = zip(LABELS, (40, 31), (1000.0, 800.0), strict=True)
    return {label: make_stream(label, count, rate) for label, count, rate in counts}


@pytest.fixture
def path(tmp_path: Path, pair: dict[str, ImuStream]) -> Path:
    write_vrs(tmp_path / "pair.vrs", list(pair.values()))
    return tmp_path / "pair.vrs"


@pytest.fixture(scope="package")
def recording() -> Path:
    if "AURA_REAL_DATA" not in os.environ:
        pytest.skip("AURA_REAL_DATA is not set")
    folder = Path(os.environ["AURA_REAL_DATA"]) / "aria-samples"
    found = folder / "aria_everyday_activities_test_data" / "recording.vrs"
    if not found.is_file():
        pytest.skip(f"{found} is absent")
    return found


@pytest.fixture
def fallback(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """Stands in for the fallback, and tells whether it was asked."""
    stub = mock.Mock(side_effect=CorruptFile("the official reader was asked"))
    monkeypatch.setattr(imu, "official_columns", stub)
    return stub


@pytest.fixture(scope="package")
def raw(tmp_path_factory: pytest.TempPathFactory, pair: dict[str, ImuStream]) -> bytes:
    path = tmp_path_factory.mktemp("raw") / "x.vrs"
    write_vrs(path, list(pair.values()))
    return path.read_bytes()
