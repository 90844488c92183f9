"""clip-retrieval on a folder of pictures, which ffmpeg writes first, as its readme has it."""

import importlib.metadata
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from clip_retrieval.clip_inference.main import main

VERSION = importlib.metadata.version("clip-retrieval")


def prepare(commands: list[list[str]], model: str, weights: str) -> Callable[[], np.ndarray]:
    """Write pictures by commands that end in a pattern of file names, and embed them."""
    name = f"open_clip:{model}/{weights}"

    def run() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            pictures, out = Path(folder) / "pictures", Path(folder) / "out"
            pictures.mkdir()
            writing = [
                subprocess.Popen([*command[:-1], str(pictures / command[-1])])
                for command in commands
            ]
            if any(process.wait() for process in writing):
                raise RuntimeError("ffmpeg failed")
            main(
                str(pictures), str(out), enable_text=False, clip_model=name, batch_size=32,
                num_prepro_workers=2,
            )  # fmt: skip
            return np.concatenate([np.load(f) for f in sorted(out.glob("img_emb/*.npy"))])

    return run
