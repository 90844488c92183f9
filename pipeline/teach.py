"""teach: the teacher, frozen. A pretrained CLIP or sentence model, or the stand-in trained here.

The stand-in is a small open_clip model trained on captioned frames of the synthetic set's `teacher`
split, whose people and captures are in no other split. It stands in where no weights can be had.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg
from safetensors.torch import save_file

from aura.config import Params, Teach
from aura.datasets.base import open_dataset
from aura.datasets.synthetic import scenario_captions
from aura.errors import AuraError, CorruptFile
from aura.teacher import clip, frozen, pretrained, sentence_files, vocabulary
from aura.teacher.ffmpeg import find_ffmpeg
from aura.teacher.source import find_source
from aura.teacher.video import decode_frames
from aura.teacher.video_check import VideoCheck
from pipeline.engine import paths
from pipeline.engine.log import logged
from pipeline.engine.output import Made, stage_output, write_json
from pipeline.engine.progress import say, track
from pipeline.engine.watched import watch

_FRAMES_PER_SECOND = 2.0


@logged(str(paths.TEACHER))
def run(params: Params) -> None:
    """Write `models/teacher`: identity, and the weights where no tag of open_clip has them."""
    settings, source, sentences = params.teacher, None, None
    if settings.kind == "sentence":
        sentence_files.require_library()
        sentences = sentence_files.find_folder(settings.model)
        files: Sequence[Path] = sentence_files.own_files(sentences)
    elif settings.model != "stand-in":
        source = find_source(settings.model, settings.pretrained)
        files = source.own_files
    else:
        files = ()
    watch(files, paths.WEIGHTS)
    used = {"teach": params.teach.model_dump(mode="json"), "seed": params.seed}
    made = Made("teach", "", used if settings.model == "stand-in" else {})
    with stage_output(paths.TEACHER, None, made) as folder:
        if sentences is not None:
            card = frozen.identify(settings, "fp32", "cut")
            say(f"teach: {card.model}, {card.pooling}, {card.max_tokens} tokens, no video.")
            sentence_files.keep(sentences, folder)
        elif source is not None:
            say(f"teach: {source.description}.")
            network, _ = pretrained.build(source)
            pretrained.keep(source, folder)  # so that its place does not matter
            card = clip.identify(network, source.name, source.weights_name, False)
        else:
            network = train_stand_in(params, folder)
            card = clip.identify(network, "stand-in", "trained by `aura teach`", True)
        write_json(folder / "teacher.json", card.content())


def train_stand_in(params: Params, folder: Path) -> open_clip.CLIP:
    """Train the small CLIP and write it as an open_clip folder; returns it."""
    settings = params.teach
    images, captions = captioned_frames(params)
    say(f"teach: {len(images)} frames of the teacher split")
    vocabulary.write(folder, (text for texts in captions for text in texts))
    torch.manual_seed(params.seed)
    config = clip.stand_in_config(settings.image_size, settings.width, settings.layers)
    preprocess = PreprocessCfg(size=settings.image_size)
    config_text = json.dumps({"model_cfg": config, "preprocess_cfg": asdict(preprocess)}, indent=1)
    (folder / "open_clip_config.json").write_text(config_text)
    network = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    _fit(network, tokenizer, images, captions, settings, params.seed)
    save_file(
        {k: v.contiguous() for k, v in network.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    return network.eval()


def _fit(
    network: open_clip.CLIP,
    tokenizer: Any,
    images: np.ndarray,
    captions: list[list[str]],
    settings: Teach,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    inputs = torch.cat(
        [clip.preprocess(images[i : i + 64], network.visual) for i in range(0, len(images), 64)]
    )
    distinct = sorted({text for texts in captions for text in texts})
    tokens = tokenizer(distinct)
    index = {text: i for i, text in enumerate(distinct)}
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )
    criterion = open_clip.ClipLoss()
    network.train()
    for _ in track(range(settings.steps), "teach", unit="step"):
        sample = rng.choice(len(images), min(settings.batch, len(images)), replace=False)
        texts = torch.tensor([index[rng.choice(captions[i])] for i in sample])
        optimizer.zero_grad()
        loss = criterion(*network(inputs[torch.from_numpy(sample)], tokens[texts]))
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            network.logit_scale.clamp_(0, np.log(100))


def captioned_frames(params: Params) -> tuple[np.ndarray, list[list[str]]]:
    """Frames of the teacher split with captions.

    A frame's captions are the atomic descriptions nearest in time and the general ones of its
    activity, which is where the stand-in meets the names of the classes.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.

    Returns
    -------
    frames : ndarray
        (n, H, W, 3) uint8.
    captions : list of list of str
        Those that fit each frame.

    Raises
    ------
    AuraError
        There is no synthetic data, or no captioned frame in it.
    """
    settings = params.dataset("synthetic")
    root = Path(settings.root)
    if not root.is_dir():
        raise AuraError("The stand-in teacher needs synthetic data; run `aura synthesize` first.")
    options = {**settings.options, "splits": ["teacher"]}
    adapter = open_dataset(settings.adapter, settings.root, options)
    frames: list[np.ndarray] = []
    captions: list[list[str]] = []
    failures: list[str] = []
    say(find_ffmpeg().note)
    for take in track(adapter.inventory().takes, "teach, frames", unit="take"):
        recording = adapter.load(take)
        texts = recording.texts
        if take.label is None or not texts:
            continue
        times = np.arange(0.25, recording.duration_s, 1 / _FRAMES_PER_SECOND)
        numbers = np.unique(np.rint(times * recording.frame_rate_hz).astype(int))
        for video in recording.videos:
            try:
                images = _frames(
                    root / video.path, numbers, len(recording.frame_s), params.teach.image_size
                )
            except CorruptFile as error:
                failures.append(str(error))
                continue
            for number, image in zip(numbers, images, strict=False):
                time = number / recording.frame_rate_hz
                nearest_s = min(abs(text.time_s - time) for text in texts)
                texts_near = [t.text for t in texts if abs(t.time_s - time) <= nearest_s + 0.5]
                frames.append(image)
                captions.append(texts_near + scenario_captions(take.label))
    if failures:
        say(f"teach: {len(failures)} videos cannot be used, e.g. {failures[0]}")
    if failures and not frames:
        raise AuraError(
            "No video of the teacher split of the synthetic data can be used, e.g. "
            f"{failures[0]} Run `aura synthesize` again."
        )
    if not frames:
        raise AuraError("The teacher split of the synthetic data holds no captioned frame.")
    return np.stack(frames), captions


def _frames(path: Path, numbers: np.ndarray, expected: int, size: int) -> list[np.ndarray]:
    """Frames of a video at the teacher's size; `CorruptFile` if it is not of its take's length."""
    decoded = VideoCheck(str(path), expected).watch(decode_frames(path, numbers, 64))
    small = (clip.resize(batch, size).permute(0, 2, 3, 1).numpy() for batch in decoded)
    return [image for batch in small for image in batch]
