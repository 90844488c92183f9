"""Video of a take: the person over a still background, drawn in YUV and piped to ffmpeg."""

from pathlib import Path

import ffmpeg
import numpy as np
from PIL import Image, ImageDraw

from aura.datasets.synthetic.camera import Camera
from aura.datasets.synthetic.figure import Figure, Point, Shape
from aura.datasets.synthetic.motion import Person
from aura.datasets.synthetic.palette import to_yuv
from aura.datasets.synthetic.plan import FPS, TakePlan, derive_seed
from aura.datasets.synthetic.scenes import paint_scene
from aura.errors import AuraError
from aura.teacher.ffmpeg import encoder_program

OUTLINE = 0.6  # luma of a shape's edge over that of its inside


def write_video(path: Path, take: TakePlan, person: Person, camera: Camera, frames: int) -> None:
    """Render what a camera sees of a take's first frames and encode it: H.264, yuv420p, 30 FPS."""
    scene_rng = np.random.default_rng(derive_seed(take.capture.seed, "scene", take.activity))
    background = _planes(paint_scene(take.activity, camera, scene_rng))
    figure = Figure(person, np.arange(frames) / FPS, camera)
    encoder = (
        ffmpeg.input(
            "pipe:",
            format="rawvideo",
            pix_fmt="yuv420p",
            video_size=(camera.width, camera.height),
            framerate=FPS,
        )
        .output(
            str(path),
            format="mp4",
            vcodec="libx264",
            preset="ultrafast",
            crf=32,
            pix_fmt="yuv420p",
            threads=1,
            g=2 * FPS,
            map_metadata=-1,
            **{"fflags": "+bitexact", "flags:v": "+bitexact"},
        )
        .global_args("-loglevel", "error", "-nostats", "-y")
        .run_async(cmd=encoder_program(), pipe_stdin=True, pipe_stderr=True)
    )
    try:
        for frame in range(frames):
            encoder.stdin.writelines(_draw(background, figure, frame))
        encoder.stdin.close()
    except BrokenPipeError:
        pass
    complaint = encoder.stderr.read().decode(errors="replace").strip()
    encoder.stderr.close()
    if encoder.wait() != 0:
        raise AuraError(f"ffmpeg could not encode {path.name}: {complaint}")


def _planes(picture: Image.Image) -> list[Image.Image]:
    yuv = np.clip(np.rint(to_yuv(np.asarray(picture))), 0, 255).astype(np.uint8)
    luma, *chroma = (Image.fromarray(np.ascontiguousarray(yuv[..., i])) for i in range(3))
    return [luma, *(plane.reduce(2) for plane in chroma)]


def _draw(background: list[Image.Image], figure: Figure, frame: int) -> list[bytes]:
    """Planes of one frame as bytes: Y at full size, U and V at half."""
    shapes = figure.shapes(frame)
    luma = background[0].copy()
    luma.paste(16, figure.shadow_at(frame), figure.shadow)
    draw = ImageDraw.Draw(luma)
    for shape in shapes:
        tone = round(16 + (shape.yuv[0] - 16) * shape.shade)
        if shape.outlined:
            _stroke(draw, shape, shape.points, shape.width + 3.0, round(16 + (tone - 16) * OUTLINE))
        _stroke(draw, shape, shape.points, shape.width, tone)
    planes = [luma, background[1].copy(), background[2].copy()]
    half = [[(x / 2, y / 2) for x, y in shape.points] for shape in shapes]
    for index in (1, 2):
        draw = ImageDraw.Draw(planes[index])
        for shape, points in zip(shapes, half, strict=True):
            _stroke(draw, shape, points, shape.width / 2, shape.yuv[index])
    return [plane.tobytes() for plane in planes]


def _stroke(
    draw: ImageDraw.ImageDraw, shape: Shape, points: list[Point], width: float, fill: int
) -> None:
    """A thick line through the points with discs at its round ends, or a disc at a lone point."""
    if len(points) > 1:
        draw.line(points, fill=fill, width=max(1, round(width)))
    if shape.filled:
        draw.polygon(points, fill=fill)
    half = width / 2
    for x, y in points[shape.square :]:
        draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)
