"""Where each stage puts its output: folder name = stage's product = what DVC tracks."""

from pathlib import Path

SIGNALS, WINDOWS, EMBEDDINGS = Path("data/signals"), Path("data/windows"), Path("data/embeddings")
FINGERPRINTS, MANIFESTS = Path("data/fingerprint"), Path("data/manifests")
MODELS, REPORTS = Path("models"), Path("reports")
TEACHER = MODELS / "teacher"
WEIGHTS = Path("data/weights")  # links to the weights that `teach` was given, for DVC
OWN_WEIGHTS = Path("data/own-weights")  # and to those of data sets with a teacher of their own


def shard_number(shard: Path) -> int:
    """Number of a shard, the same for its signals, windows and embeddings."""
    return int(shard.stem.rpartition("-")[2])


def sibling(shard: Path, name: str) -> str:
    """File name of another table of a shard: takes-00007.parquet of part-00007.parquet."""
    return f"{name}-{shard_number(shard):05d}.parquet"


def tables(*datasets: str) -> list[Path]:
    """Folders of the signals, windows and embeddings of data sets."""
    return [folder / name for name in datasets for folder in (SIGNALS, WINDOWS, EMBEDDINGS)]


def report(dataset: str, stage: str) -> Path:
    """Folder in git for what a stage reports of a data set."""
    return REPORTS / dataset / stage
