"""Where a teacher comes from: its weights, and the activation and pixels they were trained with."""

import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import open_clip
from open_clip import factory

from aura.errors import AuraError
from aura.teacher import clues
from aura.teacher.clues import CONFIG, Clue
from aura.teacher.configs import agree, same_architecture, tokenizer_files
from aura.teacher.pixels import read_settings


@dataclass(frozen=True)
class Source:
    """Where a teacher comes from, and what goes with its weights.

    Attributes
    ----------
    model : str
        Its name, as in params.yaml.
    tag : str or None
        The tag of its weights, which open_clip downloads.
    weights : Path or None
        The file of its weights.
    config : Path or None
        The `open_clip_config.json` that it is built from; None is the one inside open_clip.
    own_files : tuple of Path
        Files that it rests on and that nobody but the user keeps.
    quick_gelu : bool
        Its activation.
    preprocess : dict
        Its `preprocess_cfg`.
    activation_by, preprocess_by : str
        Why these.
    """

    model: str
    tag: str | None
    weights: Path | None
    config: Path | None
    own_files: tuple[Path, ...]
    quick_gelu: bool
    preprocess: dict[str, Any]
    activation_by: str
    preprocess_by: str

    @property
    def name(self) -> str:
        """For the identity: of a folder its own name, not where it is."""
        schema, _, folder = self.model.partition(":")
        return f"local-dir:{Path(folder).absolute().name}" if schema == "local-dir" else self.model

    @property
    def weights_name(self) -> str:
        """For the identity: the tag, or the name of the file."""
        return self.weights.name if self.weights else str(self.tag)

    @property
    def description(self) -> str:
        """A sentence on how it is computed."""
        activation = "QuickGELU" if self.quick_gelu else "GELU"
        by = f"by {self.preprocess_by}"
        same = self.activation_by == self.preprocess_by
        return f"{activation}{'' if same else f' by {self.activation_by}'}, preprocessing {by}"


def find_source(model: str, pretrained: str | None) -> Source:
    """Find the weights of a teacher, and how they were trained.

    Of a file, what is in it is believed first, then the config that is built from or lies beside,
    then open_clip's list of its own weights. What none of them says is as its model's in open_clip.

    Parameters
    ----------
    model : str
        A name of open_clip, `local-dir:FOLDER` or `hf-hub:OWNER/NAME`.
    pretrained : str or None
        A tag, or the path of a weights file; None is the weights in the folder or on the hub.

    Returns
    -------
    Source
        With the activation and the preprocessing that go with the weights.

    Raises
    ------
    AuraError
        There is no such model, tag or file, or the file leaves open how its images are prepared;
        the sentence says what to put where.
    """
    try:
        schema, name = open_clip.factory.parse_model_name(model)
    except ValueError as error:
        raise AuraError(f"teacher.model '{model}' names nothing: {error}") from None
    file = Path(pretrained) if pretrained and Path(pretrained).is_file() else None
    if schema is None:
        return _of_built_in(name.replace("/", "-"), pretrained, file)
    if pretrained is not None and file is None:
        raise AuraError(
            f"teacher.pretrained '{pretrained}' is no file; with teacher.model={model} it is the "
            "path of a weights file, or null for the weights that are there."
        )
    if schema == "local-dir":
        config, weights = _in_folder(Path(name), file)
    else:
        config, weights = _on_hub(model, name, file)
    source = _of_file(model, None, weights, config)
    if schema == "hf-hub" and (file is None or config.parent != file.parent):  # the hub keeps them
        own = tuple(path for path in source.own_files if file and path.parent == file.parent)
        return replace(source, own_files=own)
    return source


def _of_built_in(name: str, pretrained: str | None, file: Path | None) -> Source:
    known = open_clip.list_models()
    if name not in known:
        like = difflib.get_close_matches(name, known, 3, 0.4) or ["ViT-B-32", "ViT-B-16"]
        raise AuraError(f"open_clip has no model '{name}'; for example: {', '.join(like)}.")
    if pretrained and open_clip.is_pretrained_cfg(name, pretrained):
        clue = clues.of_tag(name, pretrained)
        gelu = _gelu_of(name) if clue.quick_gelu is None else clue.quick_gelu
        activation_by = clue.source if clue.quick_gelu is not None else f"the config of {name}"
        content = {**clues.clips_own(), **(clue.preprocess or {})}
        return Source(name, pretrained, None, None, (), gelu, content, activation_by, clue.source)
    if file is None:
        folder = pretrained and Path(pretrained).is_dir()
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
        raise AuraError(
            f"teacher.pretrained '{pretrained}' is neither a file nor a tag of {name}; "
            + (f"a folder is teacher.model=local-dir:{pretrained}." if folder else f"tags: {tags}.")
        )
    return _of_file(name, name, file, None)


def _of_file(model: str, built_in: str | None, weights: Path, config: Path | None) -> Source:
    beside = weights.parent / CONFIG
    found = [clues.of_content(weights)]
    files = [weights, *tokenizer_files(config)]
    if config is not None:
        found.append(clues.of_config(config)[1])
        files.append(config)
    if beside.is_file() and not (config and beside.samefile(config)):
        architecture, clue = clues.of_config(beside)
        same_architecture(architecture, built_in, config, beside)
        if config is not None and found[0].quick_gelu is None:
            agree(found[1], clue)
        found.append(clue)
        files.append(beside)
    if any(_first(found, key) is None for key in ("quick_gelu", "preprocess")):
        found.append(clues.of_known_files(weights, built_in))
    gelu, preprocess = _first(found, "quick_gelu"), _first(found, "preprocess")
    gelu_by, preprocess_by = (_first(found, key, "source") for key in ("quick_gelu", "preprocess"))
    if gelu is None and built_in is not None:
        gelu, gelu_by = _gelu_of(built_in), f"the config of {built_in}, for {weights} does not say"
        if f"{built_in}-quickgelu" in open_clip.list_models():
            gelu_by += f" (name {built_in}-quickgelu if it was trained with QuickGELU)"
    if preprocess is None:
        preprocess, preprocess_by = _default_preprocess(built_in, weights, config)
    settings = {**clues.clips_own(), **{k: v for k, v in preprocess.items() if v is not None}}
    read_settings(settings)  # an `AuraError` before anything is loaded
    return Source(
        model, None, weights, config, tuple(files), bool(gelu), settings, gelu_by, preprocess_by
    )


def _first(found: list[Clue], key: str, value: str | None = None) -> Any:
    """Of the first clue that says `key`, that or another value."""
    return next(
        (getattr(clue, value or key) for clue in found if getattr(clue, key) is not None), None
    )


def _default_preprocess(
    built_in: str | None, weights: Path, config: Path | None
) -> tuple[dict[str, Any], str]:
    """CLIP's own, where all that open_clip knows of the model has it."""
    if built_in is None:
        raise AuraError(f"{config} has no preprocess_cfg; add it: size, mean, std, interpolation.")
    own = clues.clips_own()
    for tag in open_clip.list_pretrained_tags_by_model(built_in):
        other = clues.of_tag(built_in, tag).preprocess or {}
        if {**own, **other} != own:
            raise AuraError(
                f"{weights} does not say how its images are prepared, and {built_in} (tag {tag}) "
                f"is not as OpenAI's CLIP; put the {CONFIG} of the weights beside them, as "
                f"{weights.parent / CONFIG}."
            )
    return own, f"the usual one of {built_in}, as OpenAI's"


def _in_folder(folder: Path, file: Path | None) -> tuple[Path, Path]:
    if not folder.is_dir():
        raise AuraError(f"teacher.model names the folder {folder}, which is not there.")
    if not (folder / CONFIG).is_file():
        raise AuraError(f"There is no {CONFIG} in {folder}; put the one of the model there.")
    clues.of_config(folder / CONFIG)
    found = file or factory._find_checkpoint_in_dir(folder)
    if found is None:
        raise AuraError(
            f"There are no weights in {folder} (.safetensors, .bin, .pth); put them there, or set "
            "teacher.pretrained to their path."
        )
    return folder / CONFIG, Path(found)


def _on_hub(model: str, name: str, file: Path | None) -> tuple[Path, Path]:
    if file is not None and (file.parent / CONFIG).is_file():  # so that no hub is needed
        return file.parent / CONFIG, file
    try:
        config = Path(factory.download_pretrained_from_hf(name, filename=CONFIG))
        weights = file or Path(factory.download_pretrained_from_hf(name))
    except Exception:  # the hub's client has many
        raise AuraError(
            f"{model} could not be downloaded; put its {CONFIG} and its weights into a folder of "
            "this machine and set teacher.model=local-dir:FOLDER and teacher.pretrained=null."
        ) from None
    return config, weights


def _gelu_of(name: str) -> bool:
    return bool((open_clip.get_model_config(name) or {}).get("quick_gelu", False))
