"""Training as IMU2CLIP does it: each step decodes its videos and runs the teacher on the frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from aura import config
from aura.teacher.clip import DIM, preprocess
from aura.teacher.video import decode_frames
from bench.clip import random_network
from bench.loops import loop_of
from bench.measure import Rival, Scene
from bench.noise import random_windows
from bench.video_sample import BATCH, numbers_of, write_videos


def every_step(scene: Scene, params: config.Train, epoch: int) -> Rival:
    """One such step, of the windows of two short videos; an epoch has `epoch` windows."""
    seconds = scene.size(12, 6)
    numbers = numbers_of(seconds)
    films = [(path, window) for path in write_videos(scene, seconds) for window in numbers]
    network, _ = random_network(scene)
    windows = random_windows(len(films), DIM)
    loop = loop_of(params.model_copy(update={"batch": len(films)}), windows)

    @torch.inference_mode()
    def vector(path: Path, window: np.ndarray) -> Tensor:
        frames = np.concatenate(list(decode_frames(path, window, BATCH, "gop")))
        each = F.normalize(network.encode_image(preprocess(frames, network.visual)), dim=-1)
        return F.normalize(each.mean(dim=0), dim=0)

    def step() -> None:
        rows, views = loop.feed.rows(*loop.position), loop.feed.views(*loop.position)
        video = torch.stack([vector(*films[row]) for row in rows])
        loop.learn([replace(view, video=video) for view in views])

    name = f"decode and embed in every step, fp32, {len(films)} windows"
    return Rival(name, "peer", step, 14.0, len(films) / epoch)
