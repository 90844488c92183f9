"""clip: the frozen teacher, ViT-B-32 with random weights, beside matrix products and open_clip."""

import copy
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch.nn import functional as F

from aura.teacher import clip
from aura.teacher.towers import image_features
from bench.measure import Baseline, Row, Setup, require
from bench.products import synchronize

MODEL = "ViT-B-32"
_TINY = (48, 64, 2)  # picture, width and layers of a smoke run's
_COSINE, _TEXT_COSINE, _MAX_TEXT_ERROR = 0.9999, 0.9995, 1e-5
_VERBS = ("picks up", "turns", "looks at", "carefully puts down", "moves", "wipes", "holds")
_OBJECTS = ("the knife", "the pedal of the bicycle", "a bowl of chopped onions", "the ball")
_PLACES = (
    "with both hands",
    "with the right hand",
    "on the table",
    "to the other side of the room",
)
_PRECISIONS: tuple[clip.Precision, ...] = ("fp32", "bf16")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# Least ratios hoped for on a CPU, by precision.
_GEMM_TARGET = {"fp32": None, "bf16": 0.90}
_EAGER_TARGET = {"fp32": None, "bf16": 2.5}
_77_TOKENS_TARGET = {"fp32": 5.0, "bf16": 11.0}


@dataclass(frozen=True)
class MatMul:
    """A matrix product (m, k) x (k, n), `batches` at once, `count` times in a forward pass."""

    m: int
    k: int
    n: int
    batches: int = 1
    count: int = 1


def rows(setup: Setup) -> Iterator[Row]:
    """Images and texts, each in fp32 and in bf16; on a GPU also the forward pass alone."""
    network, tokenizer = random_network(setup)
    images = setup.size(32 if setup.device == "cpu" else 256, 2)
    frames = smooth_frames(images)
    texts = captions(setup.size(256, 8))
    for precision in _PRECISIONS:
        teacher = make_teacher(copy.deepcopy(network), tokenizer, precision)
        yield _image_row(setup, network, teacher, frames)
        if setup.device != "cpu":
            yield _forward_row(setup, network, teacher, frames)
        yield _text_row(setup, network, teacher, texts)


def random_network(setup: Setup) -> tuple[Any, Any]:
    """A CLIP with random weights, frozen, and its tokenizer; a small one in a smoke run."""
    name = MODEL
    kwargs: dict[str, Any] = {"pretrained": None}
    if setup.smoke:
        config = {"model_cfg": clip.stand_in_config(*_TINY), "preprocess_cfg": {"size": _TINY[0]}}
        (setup.folder / "open_clip_config.json").write_text(json.dumps(config))
        name, kwargs = f"local-dir:{setup.folder}", {"load_weights": False}
    logging.disable(logging.WARNING)  # open_clip's, that the weights are random
    try:
        torch.manual_seed(0)
        network = open_clip.create_model(name, **kwargs)
    finally:
        logging.disable(logging.NOTSET)
    return network.to(setup.device).eval().requires_grad_(False), open_clip.get_tokenizer(name)


def make_teacher(network: Any, tokenizer: Any, precision: clip.Precision) -> clip.Teacher:
    """The production teacher of a network."""
    identity = clip.Identity(MODEL, "random weights", "", "", False, precision)
    return clip.Teacher(network, tokenizer, identity)


def smooth_frames(count: int) -> np.ndarray:
    """Pictures (count, 448, 796, 3) uint8 of large and small structure."""
    rng, size = np.random.default_rng(0), (796, 448)
    coarse = rng.integers(0, 200, (count, 9, 16, 3), dtype=np.uint8)
    pictures = [Image.fromarray(c).resize(size, Image.Resampling.BICUBIC) for c in coarse]
    grain = rng.integers(0, 56, (count, size[1], size[0], 3), dtype=np.uint8)
    return np.stack([np.asarray(picture) for picture in pictures]) // 5 * 4 + grain // 2


def captions(count: int) -> list[str]:
    """Sentences like those of annotators: 7 to 16 words of what somebody does."""
    sentences = [f"C {v} {o} {place}." for place in _PLACES for o in _OBJECTS for v in _VERBS]
    return [sentences[i * 5 % len(sentences)] for i in range(count)]


def vit_matmuls(tower: Any, images: int) -> list[MatMul]:
    """The matrix products of a Vision Transformer."""
    width, blocks = tower.conv1.out_channels, tower.transformer.resblocks
    heads, layers = blocks[0].attn.num_heads, len(blocks)
    patches, hidden = tower.grid_size[0] * tower.grid_size[1], blocks[0].mlp.c_fc.out_features
    tokens, attentions, head_dim = images * (patches + 1), images * heads, width // heads
    return [
        MatMul(images * patches, tower.conv1.weight[0].numel(), width),
        MatMul(tokens, width, 3 * width, count=layers),
        MatMul(patches + 1, head_dim, patches + 1, attentions, layers),
        MatMul(patches + 1, patches + 1, head_dim, attentions, layers),
        MatMul(tokens, width, width, count=layers),
        MatMul(tokens, width, hidden, count=layers),
        MatMul(tokens, hidden, width, count=layers),
        MatMul(images, width, tower.output_dim),
    ]


def matmul_runner(shapes: Sequence[MatMul], dtype: torch.dtype, device: str) -> Callable[[], None]:
    """A function that does these products and nothing else; weights are (n, k), as of a layer."""
    operands = [
        (
            torch.randn(shape.batches, shape.m, shape.k, device=device, dtype=dtype).squeeze(0),
            torch.randn(shape.batches, shape.n, shape.k, device=device, dtype=dtype).squeeze(0),
            shape.count,
        )
        for shape in shapes
    ]

    @torch.inference_mode()
    def run() -> None:
        for left, right, count in operands:
            for _ in range(count):
                left @ right.mT
        synchronize(device)

    return run


def _image_row(setup: Setup, network: Any, teacher: clip.Teacher, frames: np.ndarray) -> Row:
    precision, on_cpu = teacher.identity.precision, setup.device == "cpu"
    transform = image_transform_v2(PreprocessCfg(**network.visual.preprocess_cfg), is_train=False)
    preprocessed = clip.preprocess(frames, network.visual, setup.device)

    @torch.inference_mode()
    def eager() -> np.ndarray:
        return network.encode_image(preprocessed).cpu().numpy()

    @torch.inference_mode()
    def official() -> np.ndarray:
        images = torch.stack([transform(Image.fromarray(frame)) for frame in frames])
        return network.encode_image(images.to(setup.device)).cpu().numpy()

    shapes = vit_matmuls(network.visual, len(frames))
    limit = matmul_runner(shapes, _DTYPES[precision], setup.device)
    return Row(
        name=f"clip.image.{precision}",
        what=f"{len(frames)} frames of 448p to vectors, {MODEL}, {precision}",
        ours=lambda: teacher.encode_frames(frames),
        baselines=[
            Baseline(f"matrix products of the same shapes, {precision}", "limit", limit,
                     _GEMM_TARGET[precision] if on_cpu else None),
            Baseline("open_clip fp32 eager, preprocessed before", "peer", eager,
                     _EAGER_TARGET[precision] if on_cpu else None),
            Baseline("open_clip fp32 eager with its transform", "peer", official),
        ],
        gate=partial(_check_cosines, lambda: teacher.encode_frames(frames), eager, _COSINE),
        work=len(frames),
        unit="frames",
    )  # fmt: skip


def _forward_row(setup: Setup, network: Any, teacher: clip.Teacher, frames: np.ndarray) -> Row:
    precision = teacher.identity.precision
    preprocessed = clip.preprocess(frames, network.visual, setup.device)
    images = preprocessed.to(_DTYPES[precision])

    @torch.inference_mode()
    def ours() -> np.ndarray:
        return image_features(teacher.model, images).float().cpu().numpy()

    @torch.inference_mode()
    def eager() -> np.ndarray:
        return network.encode_image(preprocessed).cpu().numpy()

    limit = matmul_runner(
        vit_matmuls(network.visual, len(frames)), _DTYPES[precision], setup.device
    )
    return Row(
        name=f"clip.forward.{precision}",
        what=f"{len(frames)} images on the GPU to vectors, {MODEL}, {precision}",
        ours=ours,
        baselines=[
            Baseline(f"matrix products of the same shapes, {precision}", "limit", limit),
            Baseline("open_clip fp32 eager", "peer", eager),
        ],
        gate=partial(_check_cosines, ours, eager, _COSINE),
        work=len(frames),
        unit="images",
    )


def _text_row(setup: Setup, network: Any, teacher: clip.Teacher, texts: list[str]) -> Row:
    precision, on_cpu = teacher.identity.precision, setup.device == "cpu"

    @torch.inference_mode()
    def eager() -> np.ndarray:
        tokens = teacher.tokenizer(texts).to(setup.device)
        return F.normalize(network.encode_text(tokens), dim=-1).cpu().numpy()

    def gate() -> dict[str, str]:
        result = _check_cosines(lambda: teacher.encode_text(texts), eager, _TEXT_COSINE)
        error = float(np.abs(teacher.encode_text(texts) - eager()).max())
        require(precision != "fp32" or error <= _MAX_TEXT_ERROR, f"A text is {error:.1e} off.")
        return {**result, "largest difference": f"{error:.1e}"}

    return Row(
        name=f"clip.text.{precision}",
        what=f"{len(texts)} captions to vectors, {MODEL}, {precision}",
        ours=lambda: teacher.encode_text(texts),
        baselines=[
            Baseline("open_clip fp32 at 77 tokens", "peer", eager,
                     _77_TOKENS_TARGET[precision] if on_cpu else None),
        ],
        gate=gate,
        work=len(texts),
        unit="texts",
    )  # fmt: skip


def _check_cosines(
    ours: Callable[[], np.ndarray], theirs: Callable[[], np.ndarray], least: float
) -> dict[str, str]:
    vectors, expected = ours(), theirs()
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(expected, axis=1)
    cosine = float(((vectors * expected).sum(axis=1) / norms).min())
    require(cosine >= least, f"A cosine to open_clip in fp32 is only {cosine:.5f}.")
    return {"least cosine to open_clip in fp32": f"{cosine:.6f}"}
