"""Training as IMU2CLIP does it: each step decodes its videos and runs the teacher on the frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from aura import config
from aura.teacher.clip import preprocess
from aura.teacher.video import decode_frames
from bench.clip import random_network
from bench.loops import make_loop
from bench.measure import Baseline, Setup
from bench.noise import DIM, random_windows
from bench.video_sample import BATCH, frame_numbers, write_videos


def decode_every_step(setup: Setup, params: config.Train, epoch: int) -> Baseline:
    """One such step, of the windows of two short videos; an epoch has `epoch` windows."""
    seconds = setup.size(12, 6)
    numbers = frame_numbers(seconds)
    videos = [(path, window) for path in write_videos(setup, seconds) for window in numbers]
    network, _ = random_network(setup)
    windows = random_windows(len(videos), DIM)
    loop = make_loop(params.model_copy(update={"batch": len(videos)}), windows)

    @torch.inference_mode()
    def vector(path: Path, window: np.ndarray) -> Tensor:
        frames = np.concatenate(list(decode_frames(path, window, BATCH, "gop")))
        vectors = F.normalize(network.encode_image(preprocess(frames, network.visual)), dim=-1)
        return F.normalize(vectors.mean(dim=0), dim=0)

    def step() -> None:
        rows, views = loop.feed.rows(*loop.position), loop.feed.views(*loop.position)
        video = torch.stack([vector(*videos[row]) for row in rows])
        loop.learn([replace(view, video=video) for view in views])

    name = f"decode and embed in every step, fp32, {len(videos)} windows"
    return Baseline(name, "peer", step, 14.0, len(videos) / epoch)
