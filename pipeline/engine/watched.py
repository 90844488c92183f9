"""Files that nobody but the user keeps, linked where DVC sees when one is replaced."""

import hashlib
from collections.abc import Sequence
from pathlib import Path


def watch(files: Sequence[Path], folder: Path) -> None:
    """Link files in a folder that a stage depends on in dvc.yaml, so that DVC watches them.

    Which they are stands in params.yaml, as a path, a tag or null, and a dep of DVC can be one of
    the three only. It hashes a dep after the command has run, through links: what it remembers is
    the content that the teacher was made of.

    Parameters
    ----------
    files : sequence of Path
        Files outside DVC's care; none where there are none, as of a tag.
    folder : Path
        Where the links are, and no others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_symlink():
            path.unlink()
    for file in files:
        place = hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:8]
        (folder / f"{place}-{file.name}").symlink_to(file.absolute())
