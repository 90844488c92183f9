"""Where each stage puts its output: folder name = stage's product = what DVC tracks."""

from pathlib import Path

SIGNALS, WINDOWS, EMBEDDINGS = Path("data/signals"), Path("data/windows"), Path("data/embeddings")
MODELS, REPORTS = Path("models"), Path("reports")
TEACHER = MODELS / "teacher"


def report(dataset: str, stage: str) -> Path:
    """Folder in git for what a stage reports of a data set."""
    return REPORTS / dataset / stage
