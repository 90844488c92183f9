"""A teacher and models with random weights, as the stages write them, and signals to encode."""

import json
import re
from dataclasses import asdict

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg
from safetensors.torch import save_file

from aura import config
from aura.encoders import Shape
from aura.learning import model as learned
from aura.teacher import clip

SMALL = {"width": 32, "layers": 2, "heads": 2}


def write_teacher(folder, seed=0):
    """The smallest open_clip model, as `aura teach` lays it."""
    folder.mkdir(parents=True)
    settings = {"model_cfg": clip.stand_in_config(32, 64, 1),
                "preprocess_cfg": asdict(PreprocessCfg(size=32))}  # fmt: skip
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    torch.manual_seed(seed)
    network = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    identity = clip.identify(network, "stand-in", "trained by `aura teach`", True)
    (folder / "teacher.json").write_text(json.dumps(asdict(identity)))
    return identity


def write_model(folder, identity, phase="joint", **more):
    """A model with random weights, and the card that `aura train` gives it."""
    torch.manual_seed(1)
    settings = config.Train(
        imu=config.Phase(pairs=[("imu", "text")], epochs=1, learning_rate=1e-3),
        joint=config.Phase(
            pairs=[("imu", "text"), ("mocap", "text")], epochs=1, learning_rate=1e-3
        ),
        imu_encoder=config.Encoder(name="imu-transformer", options=SMALL),
        mocap_encoder=config.Encoder(name="mocap-transformer", options=SMALL),
    )
    shape = Shape(1000, 50, clip.DIM)
    network = learned.Model(shape, settings.imu_encoder, settings.mocap_encoder, settings.loss)
    network.imu.scale.copy_(torch.tensor([[0, 0, 9.8, 0, 0, 0], [3.0, 3, 3, 1, 1, 1]]))
    learned.save(
        network,
        folder,
        {
            "dataset": "toy", "phase": phase, "shape": asdict(shape), "teacher": asdict(identity),
            "settings": settings.model_dump(mode="json"), "seed": 7, **more,
        },
    )  # fmt: skip


def motion(rate, seconds=5.0, begin=0.0):
    """A smooth motion, the same at any rate: (6, T), m/s2 and rad/s."""
    t = begin + np.arange(round(seconds * rate)) / rate
    phases = np.arange(6)[:, None]
    signal = 2 * np.sin(2 * np.pi * (0.7 + 0.6 * phases) * t + phases)
    signal[2] += 9.81
    return signal.astype(np.float32)


def pose(rate, seconds=5.0):
    """A person of 1.7 m who walks and swings: (F, 17, 3)."""
    t = np.arange(round(seconds * rate))[:, None, None] / rate
    body = np.random.default_rng(3).uniform([-0.3, -0.3, 0], [0.3, 0.3, 1.7], size=(17, 3))
    swing = 0.2 * np.sin(2 * np.pi * t + np.arange(17)[:, None])
    return (body + swing + np.array([1.2, 0.3, 0]) * t + [4, -2, 0]).astype(np.float32)


def snippets(text):
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
