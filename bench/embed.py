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
from bench import peers
from bench.clip import MODEL, random_network, teacher_of
from bench.measure import Rival, Row, Scene, require
from bench.video_sample import (
    BATCH,
    PER_WINDOW,
    WINDOW_S,
    Decoder,
    decode,
    numbers_of,
    write_videos,
)
from pipeline.embed import embed_video

_NTH = round(WINDOW_S / PER_WINDOW * FPS)  # frames from one that peers embed to the next
_COSINE = 0.999  # to the bare loop, whose colours and resize are other programs'
_ROUNDS = 3
_KINDS: tuple[tuple[clip.Precision, Decoder], ...] = (("fp32", "ffmpeg"), ("bf16", "gop"))


@dataclass(frozen=True)
class Films:
    """Videos and the frame numbers (windows, frames) that are wanted of each."""

    paths: list[Path]
    numbers: np.ndarray

    @property
    def distinct(self) -> int:
        """Frames to embed, of all videos."""
        return len(np.unique(self.numbers)) * len(self.paths)


def rows(scene: Scene) -> Iterator[Row]:
    """What is the default, and what is fastest, with peers beside it."""
    seconds = scene.size(30, 5)
    films = Films(write_videos(scene, seconds), numbers_of(seconds))
    network, tokenizer = random_network(scene)
    loop = partial(bare_loop, network, films)
    others = [Rival("bare loop: PyAV, PIL, fp32 by windows", "peer", loop)]
    others += _peers(scene, network, films, round(seconds * FPS))
    for precision, decoder in _KINDS:
        teacher = teacher_of(copy.deepcopy(network), tokenizer, precision)
        yield Row(
            name=f"embed.{precision}",
            what=f"{len(films.paths)} videos of {seconds} s and 448p to vectors of "
            f"{len(films.numbers)} windows each, {precision}, decoder {decoder}",
            ours=partial(ours, teacher, films, decoder),
            rivals=[
                Rival("decoding, then the forward pass", "limit",
                      apart(teacher, films, decoder), 0.95),
                *(others if precision == "bf16" else []),
            ],
            gate=partial(gate, teacher, films, decoder, loop),
            work=films.distinct,
            unit="frames",
            rounds=_ROUNDS,
        )  # fmt: skip


def ours(teacher: clip.Teacher, films: Films, decoder: Decoder) -> list[tuple[int, np.ndarray]]:
    """Frames found and window vectors of each video."""
    return [embed_video(teacher, path, films.numbers, BATCH, decoder)[:2] for path in films.paths]


def apart(teacher: clip.Teacher, films: Films, decoder: Decoder) -> Any:
    """A function that decodes all, and then embeds pictures that were there before."""
    wanted = np.unique(films.numbers)
    batches = [b for path in films.paths for b in decode_frames(path, wanted, BATCH)]

    def run() -> None:
        for path in films.paths:
            decode(path, films.numbers, decoder)
        for frames in batches:
            teacher.encode_frames(frames)

    return run


@torch.inference_mode()
def bare_loop(network: Any, films: Films) -> np.ndarray:
    """Unit vectors (videos, windows, d), as one writes it at first."""
    transform = image_transform_v2(PreprocessCfg(**network.visual.preprocess_cfg), is_train=False)
    found = []
    for path in films.paths:
        wanted = set(films.numbers.ravel().tolist())
        with av.open(str(path)) as video:
            frames = enumerate(video.decode(video=0))
            pictures = {n: frame.to_image() for n, frame in frames if n in wanted}
        vectors = []
        for window in films.numbers.tolist():
            images = torch.stack([transform(pictures[number]) for number in window])
            each = torch.nn.functional.normalize(network.encode_image(images), dim=-1)
            vectors.append(torch.nn.functional.normalize(each.mean(dim=0), dim=-1))
        found.append(torch.stack(vectors))
    return torch.stack(found).numpy()


def gate(teacher: clip.Teacher, films: Films, decoder: Decoder, loop: Any) -> dict[str, str]:
    """Every frame is found, and the vectors are those of the bare loop."""
    found = ours(teacher, films, decoder)
    count = sum(frames for frames, _ in found)
    require(count == films.distinct, f"{count} of {films.distinct} frames were embedded.")
    cosine = float((np.stack([vectors for _, vectors in found]) * loop()).sum(axis=-1).min())
    require(cosine >= _COSINE, f"A cosine to the bare loop is only {cosine:.4f}.")
    return {"frames": str(count), "least cosine to the bare loop": f"{cosine:.5f}"}


def _peers(scene: Scene, network: Any, films: Films, frames: int) -> Sequence[Rival]:
    """Programs that embed every nth frame; theirs are as many as ours, up to one or two."""
    if scene.smoke:
        return []
    weights = scene.folder / "weights.safetensors"
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, weights)
    model = {"model": MODEL, "weights": str(weights)}
    program = [ffmpeg_program(), "-loglevel", "error", "-nostdin", "-y", "-i"]
    chosen = ["-vf", f"select=not(mod(n\\,{_NTH}))", "-fps_mode", "passthrough", "-q:v", "2"]
    commands = [[*program, str(path), *chosen, f"{path.stem}-%05d.jpg"] for path in films.paths]
    each = peers.start("clip_video_encode", paths=[str(p) for p in films.paths], nth=_NTH, **model)
    folder = peers.start("clip_retrieval", commands=commands, **model)
    share = len(range(0, frames, _NTH)) * len(films.paths) / films.distinct
    return [
        Rival("clip-video-encode", "peer", each, 2.8, share),
        Rival("clip-retrieval", "peer", folder, 3.0, share),
    ]
