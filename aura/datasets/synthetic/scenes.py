"""The place of each activity: a room, and the props that tell what is done in it."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from aura.datasets.synthetic import places_indoor, places_sport
from aura.datasets.synthetic.background import Painter, Room, cast_room
from aura.datasets.synthetic.camera import Camera
from aura.datasets.synthetic.palette import Paint, draw_paint

Scene = Callable[[Painter, Paint, np.random.Generator], Room]
SCENES: dict[str, Scene] = {
    "Cooking": places_indoor.kitchen,
    "Health": places_indoor.first_aid,
    "Bike Repair": places_indoor.workshop,
    "Music": places_indoor.music_room,
    "Basketball": places_sport.court,
    "Rock Climbing": places_sport.climbing_gym,
    "Soccer": places_sport.pitch,
    "Dance": places_sport.studio,
}


def paint_scene(activity: str, camera: Camera, rng: np.random.Generator) -> Image.Image:
    """Picture of the empty place of an activity; `rng` decides its colours."""
    painter = Painter(camera)
    room = SCENES[activity](painter, draw_paint(rng), rng)
    return painter.paint(cast_room(room, camera))
