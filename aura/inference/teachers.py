"""The teacher of a trained model: where it is found, and whether it is the one of the training."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aura.config import Teacher as Settings
from aura.errors import AuraError

if TYPE_CHECKING:  # open_clip takes longer to import than all the rest, and only texts need it
    from aura.teacher.frozen import Place
    from aura.teacher.text_tower import TextTower

Card = Mapping[str, Any]


def find(model: Path, card: Card) -> "Place | None":
    """Where the teacher of a model should be.

    Parameters
    ----------
    model : Path
        The model's folder.
    card : mapping
        Content of its `model.json`.

    Returns
    -------
    Path, Settings or None
        What the card names as its data set's own teacher; otherwise a folder `teacher` in the
        model's or in one of the two above it; None where there is none.
    """
    folder = model.absolute()
    if card.get("own_teacher"):
        own = Settings(**card["own_teacher"])
        beside = folder.parent.parent.parent / own.model  # as params.yaml says it, of its project
        if own.kind == "sentence" and not Path(own.model).is_dir() and beside.is_dir():
            return own.model_copy(update={"model": str(beside)})
        return own
    candidates = [parent / "teacher" for parent in (folder, folder.parent, folder.parent.parent)]
    return next((path for path in candidates if (path / "teacher.json").is_file()), None)


def given(teacher: Path | str, card: Card) -> "Place":
    """What a user means: a folder that `aura teach` wrote, a sentence model's, or package:NAME."""
    prepared = (Path(teacher) / "teacher.json").is_file()
    if card["teacher"].get("kind") != "sentence" or prepared:
        return Path(teacher)
    return Settings(kind="sentence", model=str(teacher), prompt=card["teacher"].get("prompt", ""))


def check(place: "Place", card: Card) -> None:
    """Raise `AuraError` where a teacher is not that of the training; it is not loaded for it.

    One that is named by settings of open_clip is checked when it is loaded.
    """
    expected = card["teacher"]
    if isinstance(place, Settings):
        if place.kind == "sentence":
            from aura.teacher import sentence_files

            folder = sentence_files.find_folder(place.model)
            hashes = sentence_files.weights_hash(folder), sentence_files.settings_hash(folder)
            if hashes != (expected["weights_sha256"], expected.get("settings_sha256")):
                raise _another(place.model, expected)
        return
    from aura.teacher.clip import read_identity

    compare(read_identity(place), str(place), card)


def compare(identity: Any, where: str, card: Card) -> None:
    """Raise `AuraError` where an identity is not that of the training."""
    expected = card["teacher"]
    same = ("weights_sha256", "settings_sha256", "pooling", "max_tokens")
    if any(getattr(identity, name) != expected.get(name) for name in same):
        raise _another(where, expected)
    if identity.prompt != expected.get("prompt", ""):
        raise AuraError(
            f"The teacher at {where} reads '{identity.prompt}' before each text, and the model was "
            f"trained with '{expected.get('prompt', '')}'."
        )
    if identity.activation != expected.get("activation"):
        raise AuraError(
            f"The teacher at {where} computes with {identity.activation}, and the model was "
            f"trained with {expected.get('activation') or 'an activation that it does not say'}"
            "; prepare that teacher, or embed and train again."
        )
    if identity.embed_dim != card["shape"]["dim"]:
        raise AuraError(
            f"The teacher at {where} gives vectors of {identity.embed_dim} numbers and the "
            f"model of {card['shape']['dim']}."
        )


def load(place: "Place", card: Card, device: str) -> "TextTower":
    """Load the teacher, which reads texts as the training did."""
    from aura.teacher import frozen

    check(place, card)
    teacher = frozen.load(place, device, long_texts=card["teacher"].get("long_texts", "cut"))
    compare(teacher.identity, place.model if isinstance(place, Settings) else str(place), card)
    return teacher


def _another(where: str, expected: Mapping[str, Any]) -> AuraError:
    return AuraError(
        f"The teacher at {where} is not the one that the model was trained with: "
        f"{expected['model']}, weights {expected['weights_sha256'][:12]}."
    )
