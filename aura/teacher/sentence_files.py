"""The folder of a sentence-transformers model: where it is, what it may hold, what it consists of.

Nothing of it is imported or unpickled: its modules are a few of the library's own, its weights
safetensors. No torch is needed here, so that a fingerprint of it is quick.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from aura.errors import AuraError

LIBRARY = "sentence_transformers"
MODULES = "modules.json"
_KNOWN = ("Transformer", "Pooling", "Normalize", "Dense", "LayerNorm")
_WITH_WEIGHTS = ("Transformer", "Dense", "LayerNorm")
_WEIGHTS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
_SETTINGS = (
    "config.json", "sentence_*_config.json", "tokenizer*", "vocab*", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", "*.model", "chat_template*",
    "*processor_config.json",
)  # fmt: skip
_PACKAGE = "package:"


class Files(NamedTuple):
    """What a model consists of, as paths in its folder, sorted."""

    weights: list[str]
    settings: list[str]


def require_library() -> None:
    """Raise `AuraError` where sentence-transformers is not installed."""
    if find_spec(LIBRARY) is None:
        raise AuraError(
            "A teacher of kind sentence needs sentence-transformers: "
            "pip install -c constraints.txt -e '.[text]'"
        )


def name_of(model: str) -> str:
    """For the identity: the package, or the folder's own name and not where it is."""
    return model if model.startswith(_PACKAGE) else Path(model).absolute().name


def find_folder(model: str) -> Path:
    """Find the folder of a sentence model.

    Parameters
    ----------
    model : str
        Its path, or `package:NAME`, an installed distribution with one such folder in it.

    Returns
    -------
    Path
        A folder with a `modules.json`.

    Raises
    ------
    AuraError
        It is not there or holds no such model, or the package is not installed.
    """
    if model.startswith(_PACKAGE):
        return _in_package(model.removeprefix(_PACKAGE))
    folder = Path(model)
    if not folder.is_dir():
        raise AuraError(
            f"teacher.model names the folder {model}, which is not there; a sentence model is a "
            "folder on this machine, or package:NAME."
        )
    if not (folder / MODULES).is_file():
        raise AuraError(
            f"There is no {MODULES} in {model}: it is not a folder that sentence-transformers "
            "wrote."
        )
    return folder


def _in_package(name: str) -> Path:
    try:
        installed = distribution(name)
    except (PackageNotFoundError, ValueError):
        raise AuraError(f"teacher.model names the package {name}: pip install {name}") from None
    found = [file for file in installed.files or () if file.name == MODULES]
    if len(found) != 1:
        raise AuraError(
            f"The package {name} has {len(found)} folders of a sentence model, and one is needed."
        )
    return Path(str(found[0].locate())).parent


def list_files(folder: Path) -> Files:
    """List what a model consists of, and refuse what would have to be run or unpickled.

    Parameters
    ----------
    folder : Path
        As `find_folder` gives it.

    Returns
    -------
    Files
        Its weights, and all other files that its vectors depend on.

    Raises
    ------
    AuraError
        A module is none of those known, or has no weights as safetensors.
    """
    weights: set[Path] = set()
    settings = {folder / MODULES, folder / "config_sentence_transformers.json"}
    modules = _modules(folder)
    if not modules or modules[0][0] != "Transformer":
        raise AuraError(f"The first module of {folder} is not a Transformer.")
    for kind, place in modules:
        settings.update(_matching(place, _SETTINGS))
        if kind not in _WITH_WEIGHTS:
            continue
        own = _matching(place, _WEIGHTS)
        if not any(file.suffix == ".safetensors" for file in own):
            raise AuraError(
                f"{place} has no weights as safetensors, and pickled ones are not read; save it "
                "again where it comes from: SentenceTransformer(NAME).save_pretrained(FOLDER)."
            )
        weights.update(own)
        if (place / "adapter_config.json").is_file():
            raise AuraError(f"{place} is an adapter of another model; merge the two and save them.")
    return Files(
        *(
            sorted(file.relative_to(folder).as_posix() for file in files if file.is_file())
            for files in (weights, settings - weights)
        )
    )


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """Kind and folder of each module, in order."""
    try:
        content = json.loads((folder / MODULES).read_text(encoding="utf-8"))
        modules = [(str(module["type"]), str(module["path"])) for module in content]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AuraError(
            f"{folder / MODULES} cannot be read ({type(error).__name__}: {error})."
        ) from None
    for name, path in modules:
        kind = name.rpartition(".")[2]
        if not name.startswith(f"{LIBRARY}.") or kind not in _KNOWN:
            raise AuraError(
                f"{folder / MODULES} names the module {name}; those that are read are "
                f"{', '.join(_KNOWN)} of sentence-transformers."
            )
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise AuraError(f"{folder / MODULES} names the path {path}, outside its folder.")
    return [(name.rpartition(".")[2], folder / path) for name, path in modules]


def _matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    return [file for pattern in patterns for file in folder.glob(pattern) if file.is_file()]


def read_prompt(folder: Path) -> str:
    """What the folder says to put before each text; nothing where it says none."""
    try:
        content: Any = json.loads((folder / "config_sentence_transformers.json").read_text())
        return str(content["prompts"][content["default_prompt_name"]] or "")
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def weights_hash(folder: Path) -> str:
    """SHA-256 of the weights' bytes, file after file; of a single file its own."""
    digest = hashlib.sha256()
    for name in list_files(folder).weights:
        with (folder / name).open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def settings_hash(folder: Path) -> str:
    """SHA-256 over names and bytes of what is not weights: tokenizer, pooling, context."""
    digest = hashlib.sha256()
    for name in list_files(folder).settings:
        content = (folder / name).read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()


def own_files(folder: Path) -> list[Path]:
    """All files that the model rests on."""
    files = list_files(folder)
    return [folder / name for name in (*files.weights, *files.settings)]


def keep(folder: Path, to: Path) -> None:
    """Copy what a model consists of to another folder, as it lies."""
    for file in own_files(folder):
        target = to / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
