import json
from dataclasses import asdict, replace

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg
from PIL import Image
from safetensors.torch import save_file

from aura import processor
from aura.errors import AuraError
from aura.teacher import clip, frozen
from aura.teacher.identity import same_teacher
from aura.teacher.video_vectors import embed_video, prefetch
from pipeline import teach
from tests.conftest import tiny_params


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small random teacher, as the `teach` stage writes one."""
    folder = tmp_path_factory.mktemp("teacher")
    config = clip.stand_in_config(48, 64, 1)
    content = {"model_cfg": config, "preprocess_cfg": asdict(PreprocessCfg(size=48))}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    torch.manual_seed(0)
    network = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    identity = clip.identify(network, "stand-in", "random", True)
    (folder / "teacher.json").write_text(json.dumps(asdict(identity)))
    return folder


@pytest.fixture(scope="module")
def teacher(folder):
    return clip.load(folder)


def smooth_frames(n=3, height=60, width=90, seed=0):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (n, 6, 9, 3), dtype=np.uint8)
    images = [Image.fromarray(f).resize((width, height), Image.Resampling.BICUBIC) for f in small]
    return np.stack([np.asarray(image) for image in images])


def test_preprocessing_is_clips_own(teacher, folder):
    frames = smooth_frames()
    _, _, official = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    expected = torch.stack([official(Image.fromarray(frame)) for frame in frames])
    result = clip.preprocess(frames, teacher.model.visual)
    assert result.shape == (3, 3, 48, 48)
    one_level = 1 / 255 / 0.26
    assert (result - expected).abs().max() <= 2.01 * one_level
    assert (result - expected).abs().mean() < 0.2 * one_level


def test_embeddings_are_unit_vectors_of_512_and_do_not_depend_on_the_batch(teacher):
    frames = smooth_frames(5)
    whole = teacher.encode_frames(frames)
    assert whole.shape == (5, clip.DIM)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-5)
    one = np.concatenate([teacher.encode_frames(frames[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(whole, one, atol=1e-5)
    texts = teacher.encode_text(["a", "a dog runs", "a"])
    np.testing.assert_allclose(texts[0], texts[2], atol=1e-6)
    assert teacher.encode_text([]).shape == (0, clip.DIM)


def test_each_frame_is_embedded_once_and_windows_are_means(teacher, tmp_path, monkeypatch):
    frames = {n: smooth_frames(1, seed=n)[0] for n in range(12)}
    decoded = []

    def decode(path, numbers, batch, decoder):
        decoded.extend(int(n) for n in numbers)
        yield np.stack([frames[int(n)] for n in numbers if int(n) in frames])

    monkeypatch.setattr("aura.teacher.video_vectors.decode_frames", decode)
    numbers = np.array([[0, 4, 8], [4, 8, 11], [8, 11, 40], [40, 41, 42]])
    frames_found, vectors, counts = embed_video(teacher, tmp_path, numbers, 4)
    assert decoded == sorted(set(numbers.ravel().tolist()))
    assert (frames_found, counts.tolist()) == (4, [3, 3, 2, 0])
    for row, used in enumerate(([0, 4, 8], [4, 8, 11], [8, 11])):
        mean = sum(teacher.encode_frames(frames[n][None])[0] for n in used)
        np.testing.assert_allclose(vectors[row], mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.parametrize("exact", [True, False])
def test_pictures_are_resized_alike_one_by_one_and_together(exact):
    frames = smooth_frames(4)
    together = clip.resize(frames, 48, exact=exact)
    one_by_one = torch.cat([clip.resize(frames[i : i + 1], 48, exact=exact) for i in range(4)])
    assert torch.equal(together, one_by_one)
    pil = [Image.fromarray(frame).resize((72, 48), Image.Resampling.BICUBIC) for frame in frames]
    official = torch.from_numpy(np.stack([np.asarray(image) for image in pil])[:, :, 12:60])
    assert (together.int() - official.permute(0, 3, 1, 2).int()).abs().max() <= 2


def test_texts_come_in_the_order_in_which_they_are_given(teacher):
    texts = ["one", "a long text of many words that goes on", "two words", "three of them", "x"] * 3
    result = teacher.encode_text(texts, batch=4)
    alone = np.concatenate([teacher.encode_text([text]) for text in texts])
    np.testing.assert_allclose(result, alone, atol=1e-6)


def test_bf16_is_near_fp32_and_says_so(folder, teacher):
    half = clip.load(folder, precision="bf16")
    assert half.identity == replace(teacher.identity, precision="bf16")
    frames, texts = smooth_frames(5), ["a", "a dog runs over a field of grass"]
    for result, expected in (
        (half.encode_frames(frames), teacher.encode_frames(frames)),
        (half.encode_text(texts), teacher.encode_text(texts)),
    ):
        assert result.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1, atol=1e-5)
        assert (result * expected).sum(axis=1).min() > 0.999
    with pytest.raises(AuraError, match="stand-in in fp32 and stand-in in bf16"):
        same_teacher([("x", teacher.identity), ("y", half.identity)])


def test_embeddings_of_before_there_was_a_precision_are_fp32(teacher):
    older = {k: v for k, v in asdict(teacher.identity).items() if k != "precision"}
    metadata = {b"teacher": json.dumps(older).encode()}
    assert clip.Identity.from_metadata(metadata, "x") == teacher.identity


def test_items_are_made_one_ahead_in_order():
    made = []

    def items(fail):
        try:
            for number in range(4):
                made.append(number)
                yield np.array([number])
            if fail:
                raise AuraError("no more")
        finally:
            made.append("closed")

    assert [int(item[0]) for item in prefetch(items(False))] == [0, 1, 2, 3]
    assert made == [0, 1, 2, 3, "closed"]
    with pytest.raises(AuraError, match="no more"):
        list(prefetch(items(True)))
    made.clear()
    ahead = prefetch(items(False))
    next(ahead)
    ahead.close()
    assert made[-1] == "closed"
    assert len(made) <= 4


def test_two_teachers_are_not_mixed(teacher):
    a = teacher.identity
    assert same_teacher([("x", a), ("y", a)]) == a
    with pytest.raises(AuraError, match="x and y were embedded by different teachers"):
        same_teacher([("x", a), ("y", replace(a, weights_sha256="other"))])
    assert clip.Identity.from_metadata(a.metadata(), "x") == a
    with pytest.raises(AuraError, match="does not say which teacher"):
        clip.Identity.from_metadata({}, "x")


def test_changed_weights_are_noticed(folder, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    clip.load(copy)
    card = json.loads((copy / "teacher.json").read_text())
    (copy / "teacher.json").write_text(json.dumps({**card, "weights_sha256": "0"}))
    with pytest.raises(AuraError, match="weights of stand-in changed"):
        clip.load(copy)
    with pytest.raises(AuraError, match="run `aura teach` first"):
        clip.load(tmp_path)


def test_a_local_weights_file_is_a_teacher_and_a_wrong_one_is_one_sentence(tmp_path):
    name = "ViT-S-32-alt"
    network = open_clip.create_model(name)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    loaded, _ = clip.load_pretrained(name, str(tmp_path / "weights.safetensors"))
    assert clip.weights_hash(loaded) == clip.weights_hash(network)
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    with pytest.raises(AuraError, match=r"bad\.safetensors does not hold weights of ViT-S-32-alt"):
        clip.load_pretrained(name, str(tmp_path / "bad.safetensors"))


def test_teach_keeps_a_local_weights_file_with_the_teacher(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "ViT-S-32-alt"
    network = open_clip.create_model(name)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    teach.run(tiny_params(f"teacher={{model: {name}, pretrained: weights.safetensors}}"))
    (tmp_path / "weights.safetensors").unlink()
    loaded = clip.load(tmp_path / "models/teacher")
    assert loaded.identity.weights_sha256 == clip.weights_hash(network)
    assert (loaded.identity.pretrained, loaded.identity.stand_in) == ("weights.safetensors", False)


def test_a_tag_that_cannot_be_downloaded_says_what_to_do(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(open_clip, "create_model", offline)
    with pytest.raises(AuraError, match=r"put open_clip's weights file .* teacher\.pretrained"):
        clip.load_pretrained("ViT-B-32", "openai")


@pytest.mark.parametrize(("fast", "on_gpu", "chosen"), [
    (False, False, "fp32"), (True, False, "bf16"), (False, True, "bf16"),
])  # fmt: skip
def test_auto_is_bf16_where_that_is_fast(monkeypatch, fast, on_gpu, chosen):
    monkeypatch.setattr(processor, "has_bf16", lambda: fast)
    assert frozen.chosen_precision("auto", on_gpu) == chosen
    for asked in ("fp32", "bf16"):
        assert frozen.chosen_precision(asked, on_gpu) == asked
