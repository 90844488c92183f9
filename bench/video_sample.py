"""video.sample: the frames of the windows of two 448p videos, beside a decode of all of them."""

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from aura.datasets import synthetic
from aura.datasets.synthetic.camera import cameras
from aura.datasets.synthetic.motion import Person
from aura.datasets.synthetic.plan import FPS
from aura.datasets.synthetic.render import write_video
from aura.signals.windows import starts
from aura.teacher.ffmpeg import ffmpeg_program
from aura.teacher.video import decode_frames, probe, window_frames
from bench import peers
from bench.measure import Baseline, Row, Setup, require

WINDOW_S, STRIDE_S, PER_WINDOW, BATCH = 5.0, 2.5, 8, 32
# x264's defaults; and the grain of a sensor, which a drawing lacks: 640 kbit/s, where videos of
# Ego-Exo4D have up to 760.
_ENCODER = ["-vf", "noise=alls=6:allf=t", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
_GRID = 32  # as in peers/*_windows.py
_MAX_LEVELS = 4.0  # mean difference between converters to RGB; another frame is further off
_PEERS = (
    ("torchcodec per window", "torchcodec_windows", 2.7),
    ("OpenCV seek per window", "opencv_windows", 4.3),
)
_SMOKE = "left out of a smoke run"
Decoder = Literal["ffmpeg", "gop"]
_DECODERS: tuple[tuple[Decoder, float], ...] = (("ffmpeg", 0.95), ("gop", 1.45))


def rows(setup: Setup) -> Iterator[Row]:
    """One row for each decoder."""
    seconds = setup.size(60, 6)
    paths = write_videos(setup, seconds)
    numbers = frame_numbers(seconds)
    arguments = {"paths": [str(path) for path in paths], "numbers": numbers.tolist()}
    peer_runs = {
        name: (_SMOKE if setup.smoke else peers.start(file, **arguments), target)
        for name, file, target in _PEERS
    }
    with ThreadPoolExecutor(len(paths)) as pool:
        limit = partial(in_parallel, pool, decode_all, paths)
        for decoder, limit_target in _DECODERS:
            ours = partial(
                in_parallel, pool, partial(decode, numbers=numbers, decoder=decoder), paths
            )
            yield Row(
                name=f"video.sample.{decoder}",
                what=f"{len(paths)} videos of {seconds} s and 448p at once, one thread each, "
                f"{PER_WINDOW} frames a window of {WINDOW_S:g} s, decoder {decoder}",
                ours=ours,
                baselines=[
                    Baseline("ffmpeg -threads 1 -f null", "limit", limit, limit_target),
                    *(
                        Baseline(name, "peer", peer, target if decoder == "gop" else None)
                        for name, (peer, target) in peer_runs.items()
                    ),
                ],
                gate=partial(gate, setup, paths, numbers, decoder, peer_runs),
                work=seconds * len(paths),
                unit="s of video",
                notes=[
                    f"{name} {peer.version}"
                    for name, (peer, _) in peer_runs.items()
                    if not isinstance(peer, str)
                ],
            )


def write_videos(setup: Setup, seconds: float, height: int = 448) -> list[Path]:
    """Two synthetic takes, encoded as real videos are."""
    size = synthetic.SyntheticSize(
        participants={"train": 1}, take_seconds=max(seconds, WINDOW_S), cameras=1, activities=2,
        flaws=False,
    )  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        return list(
            pool.map(partial(_write, setup, round(seconds * FPS), height), synthetic.plan(size))
        )


def _write(setup: Setup, frames: int, height: int, take: synthetic.TakePlan) -> Path:
    (camera,) = cameras(take, setup.size(height, 128)).values()
    drawn, path = (setup.folder / f"{take.take_name}-{kind}.mp4" for kind in ("drawn", "video"))
    write_video(drawn, take, Person(take), camera, frames)
    command = [ffmpeg_program(), "-loglevel", "error", "-nostdin", "-y", "-i", str(drawn)]
    subprocess.run([*command, *_ENCODER, str(path)], check=True)
    drawn.unlink()
    return path


def frame_numbers(seconds: float) -> np.ndarray:
    """Frame numbers (windows, PER_WINDOW) of the windows of a video."""
    begin = starts(seconds, WINDOW_S, STRIDE_S, True)
    return window_frames(begin.tolist(), WINDOW_S, PER_WINDOW, FPS)


def in_parallel(
    pool: ThreadPoolExecutor, work: Callable[[Path], object], paths: list[Path]
) -> list:
    """The work for each of the videos, at the same time."""
    return list(pool.map(work, paths))


def decode(path: Path, numbers: np.ndarray, decoder: Decoder) -> int:
    """What `pipeline.embed` does of decoding; frames are handed over and let go."""
    return sum(len(b) for b in decode_frames(path, np.unique(numbers), BATCH, decoder))


def decode_all(path: Path) -> None:
    """Decode all of a video on one thread and let go."""
    command = [ffmpeg_program(), "-loglevel", "error", "-nostdin", "-threads", "1", "-i", str(path)]
    subprocess.run([*command, "-f", "null", "-"], check=True)


def gate(
    setup: Setup,
    paths: list[Path],
    numbers: np.ndarray,
    decoder: Decoder,
    peer_runs: dict[str, tuple[peers.Peer | str, float]],
) -> dict[str, str]:
    """Each frame equals that of a decode of the whole, bit for bit; peers give the same frames."""
    distinct, index = np.unique(numbers, return_inverse=True)
    pictures = []
    for path in paths:
        frames = np.concatenate(list(decode_frames(path, distinct, BATCH, decoder)))
        require(len(frames) == len(distinct), f"{len(frames)} of {len(distinct)} frames came.")
        for number, expected in all_frames(path):
            position = int(np.searchsorted(distinct, number))
            if position < len(distinct) and distinct[position] == number:
                require((frames[position] == expected).all(), f"Frame {number} is another picture.")
        pictures.append(frames[:, ::_GRID, ::_GRID][index.reshape(numbers.shape)])
    report = {"frames": f"{len(distinct)} of each video, bit for bit those of a full decode"}
    for name, (peer, _) in peer_runs.items():
        if not isinstance(peer, str):
            file = setup.folder / "peer.npy"
            peer.save(file)
            levels = float(np.abs(np.load(file).astype(int) - np.stack(pictures)).mean())
            require(levels < _MAX_LEVELS, f"{name} gives other frames, {levels:.1f} levels off.")
            report[name] = f"the same frames, {levels:.2f} levels off in its colours"
    return report


def all_frames(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Number and picture (H, W, 3) of every frame."""
    width, height, _ = probe(path)
    command = [ffmpeg_program(), "-loglevel", "error", "-nostdin", "-i", str(path)]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        number = 0
        while picture := process.stdout.read(width * height * 3):
            yield number, np.frombuffer(picture, np.uint8).reshape(height, width, 3)
            number += 1
