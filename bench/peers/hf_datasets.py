"""Hugging Face datasets: windows as the rows of a table, in torch's format, taken by lists."""

from collections.abc import Callable

import datasets
import numpy as np
from datasets import Dataset, Features, Sequence, Value

VERSION = datasets.__version__


def prepare(paths: dict[str, str], batches: list[list[int]]) -> Callable[[], list]:
    """Windows from .npy files, one a column; a call takes all `batches`.

    Flat lists of fixed length, which it reads ten times as fast as its arrays of two dimensions.
    """
    arrays = {name: np.load(path) for name, path in paths.items()}
    flat = {name: values.reshape(len(values), -1) for name, values in arrays.items()}
    features = {
        name: Sequence(Value(str(values.dtype)), length=values.shape[1])
        for name, values in flat.items()
    }
    table = Dataset.from_dict(flat, features=Features(features)).with_format("torch")
    return lambda: [table[rows] for rows in batches]
