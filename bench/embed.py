"""embed: two 448p videos to window vectors, beside decoding and the forward pass on their own."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from safetensors.torch import save_file

from aura.datasets.synthetic.plan import FPS
from aura.teacher import clip
from aura.teacher.ffmpeg import ffmpeg_program
from aura.teacher.video import decode_frames
from aura.teacher.video_vectors import embed_video
from bench import peers
from bench.clip import MODEL, make_teacher, random_network
from bench.measure import Baseline, Row, Setup, require
from bench.video_sample import (
    BATCH,
    PER_WINDOW,
    WINDOW_S,
    Decoder,
    decode,
    frame_numbers,
    write_videos,
)

_FRAME_STEP = round(WINDOW_S / PER_WINDOW * FPS)  # frames from one that peers embed to the next
_COSINE = 0.999  # to the bare loop, whose colours and resize are other programs'
_ROUNDS = 3
_SETTINGS: tuple[tuple[clip.Precision, Decoder], ...] = (("fp32", "ffmpeg"), ("bf16", "gop"))


@dataclass(frozen=True)
class Videos:
    """Videos and the frame numbers (windows, frames) that are wanted of each."""

    paths: list[Path]
    numbers: np.ndarray

    @property
    def distinct(self) -> int:
        """Frames to embed, of all videos."""
        return len(np.unique(self.numbers)) * len(self.paths)


def rows(setup: Setup) -> Iterator[Row]:
    """What is the default, and what is fastest, with peers beside it."""
    seconds = setup.size(30, 5)
    videos = Videos(write_videos(setup, seconds), frame_numbers(seconds))
    network, tokenizer = random_network(setup)
    run_bare_loop = partial(bare_loop, network, videos)
    peer_baselines = [Baseline("bare loop: PyAV, PIL, fp32 by windows", "peer", run_bare_loop)]
    peer_baselines += _peers(setup, network, videos, round(seconds * FPS))
    for precision, decoder in _SETTINGS:
        teacher = make_teacher(copy.deepcopy(network), tokenizer, precision)
        yield Row(
            name=f"embed.{precision}",
            what=f"{len(videos.paths)} videos of {seconds} s and 448p to vectors of "
            f"{len(videos.numbers)} windows each, {precision}, decoder {decoder}",
            ours=partial(ours, teacher, videos, decoder),
            baselines=[
                Baseline("decoding, then the forward pass", "limit",
                         decode_then_encode(teacher, videos, decoder), 0.95),
                *(peer_baselines if precision == "bf16" else []),
            ],
            gate=partial(gate, teacher, videos, decoder, run_bare_loop),
            work=videos.distinct,
            unit="frames",
            rounds=_ROUNDS,
        )  # fmt: skip


def ours(teacher: clip.Teacher, videos: Videos, decoder: Decoder) -> list[tuple[int, np.ndarray]]:
    """Frames found and window vectors of each video."""
    return [embed_video(teacher, path, videos.numbers, BATCH, decoder)[:2] for path in videos.paths]


def decode_then_encode(teacher: clip.Teacher, videos: Videos, decoder: Decoder) -> Any:
    """A function that decodes all, and then embeds pictures that were there before."""
    numbers = np.unique(videos.numbers)
    batches = [b for path in videos.paths for b in decode_frames(path, numbers, BATCH)]

    def run() -> None:
        for path in videos.paths:
            decode(path, videos.numbers, decoder)
        for frames in batches:
            teacher.encode_frames(frames)

    return run


@torch.inference_mode()
def bare_loop(network: Any, videos: Videos) -> np.ndarray:
    """Unit vectors (videos, windows, d), as one writes it at first."""
    transform = image_transform_v2(PreprocessCfg(**network.visual.preprocess_cfg), is_train=False)
    vectors_of_videos = []
    for path in videos.paths:
        numbers = set(videos.numbers.ravel().tolist())
        with av.open(str(path)) as video:
            frames = enumerate(video.decode(video=0))
            pictures = {n: frame.to_image() for n, frame in frames if n in numbers}
        vectors = []
        for window in videos.numbers.tolist():
            images = torch.stack([transform(pictures[number]) for number in window])
            frame_vectors = torch.nn.functional.normalize(network.encode_image(images), dim=-1)
            vectors.append(torch.nn.functional.normalize(frame_vectors.mean(dim=0), dim=-1))
        vectors_of_videos.append(torch.stack(vectors))
    return torch.stack(vectors_of_videos).numpy()


def gate(
    teacher: clip.Teacher, videos: Videos, decoder: Decoder, run_bare_loop: Any
) -> dict[str, str]:
    """Every frame is found, and the vectors are those of the bare loop."""
    results = ours(teacher, videos, decoder)
    count = sum(frames for frames, _ in results)
    require(count == videos.distinct, f"{count} of {videos.distinct} frames were embedded.")
    cosine = float(
        (np.stack([vectors for _, vectors in results]) * run_bare_loop()).sum(axis=-1).min()
    )
    require(cosine >= _COSINE, f"A cosine to the bare loop is only {cosine:.4f}.")
    return {"frames": str(count), "least cosine to the bare loop": f"{cosine:.5f}"}


def _peers(setup: Setup, network: Any, videos: Videos, frames: int) -> Sequence[Baseline]:
    """Programs that embed every nth frame; theirs are as many as ours, up to one or two."""
    if setup.smoke:
        return []
    weights = setup.folder / "weights.safetensors"
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, weights)
    model = {"model": MODEL, "weights": str(weights)}
    program = [ffmpeg_program(), "-loglevel", "error", "-nostdin", "-y", "-i"]
    options = [
        "-vf",
        f"select=not(mod(n\\,{_FRAME_STEP}))",
        "-fps_mode",
        "passthrough",
        "-q:v",
        "2",
    ]
    commands = [[*program, str(path), *options, f"{path.stem}-%05d.jpg"] for path in videos.paths]
    clip_video_encode = peers.start(
        "clip_video_encode", paths=[str(p) for p in videos.paths], nth=_FRAME_STEP, **model
    )
    clip_retrieval = peers.start("clip_retrieval", commands=commands, **model)
    share = len(range(0, frames, _FRAME_STEP)) * len(videos.paths) / videos.distinct
    return [
        Baseline("clip-video-encode", "peer", clip_video_encode, 2.8, share),
        Baseline("clip-retrieval", "peer", clip_retrieval, 3.0, share),
    ]
