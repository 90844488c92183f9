"""Windows of any split, embedded by any model."""

from pathlib import Path

import numpy as np

from aura.config import Params
from aura.errors import AuraError
from aura.learning import model as learned
from aura.learning import training
from aura.report.card import sensors
from aura.schema import MODALITIES
from pipeline.study import joined
from pipeline.study.vectors import Described, Valid, Vectors


def embed(
    params: Params, dataset: str, modality: str, split: str, folder: Path
) -> tuple[Described, Vectors, Valid]:
    """Embed one modality of the windows of a split.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        A data set or mixture.
    modality : {"imu", "mocap", "video"}
        Of video the teacher's own vectors are taken.
    split : str
        A split, or all.
    folder : Path
        Of the model.

    Returns
    -------
    described : Described
        The windows.
    vectors, valid : dict of str to ndarray
        Of that modality, (N, d) float32 and (N,) bool.

    Raises
    ------
    AuraError
        The model is not there, was trained without the modality or with another teacher, or takes
        windows of another length.
    """
    model, card = learned.load(folder)
    if modality in ("imu", "mocap") and modality not in sensors(card):
        raise AuraError(f"The model at {folder} was trained without {modality}; ask by another.")
    windows, texts, teacher = joined.load(params, dataset, check=False)
    joined.check_model(card, teacher, str(card.get("dataset") or folder), dataset)
    if windows.window_samples != model.imu.shape.samples:
        raise AuraError(f"The windows of {dataset} are not as long as those of {folder}.")
    rows = np.arange(len(windows)) if split == "all" else windows.rows(split)
    if not len(rows):
        raise AuraError(f"The {split} split of {dataset} has no windows; ask another by --split.")
    vectors = training.embed(model, windows, rows, [modality])
    valid = {m: windows.has[m].numpy()[rows] for m in MODALITIES if m in vectors}
    return Described.of(windows, texts.column("text").to_pylist(), rows), vectors, valid
