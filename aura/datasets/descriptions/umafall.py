"""What a person does in each of UMAFall's activities, by its name; written for this project.

From the wording of the data set's documentation.
"""

DESCRIPTIONS: dict[str, tuple[str, ...]] = {
    "Aplausing": (
        "A person is applauding.",
        "Someone claps both hands together in front of the body again and again.",
        "Clapping hands while standing.",
    ),
    "Bending": (
        "A person bends down and straightens up again.",
        "Someone standing bends forward to the floor and comes up again.",
        "Bending the body down, then standing upright again.",
    ),
    "GoDownstairs": (
        "A person is walking downstairs.",
        "Someone goes down the stairs step by step.",
        "Descending stairs.",
    ),
    "GoUpstairs": (
        "A person is walking upstairs.",
        "Someone climbs up the stairs step by step.",
        "Climbing stairs.",
    ),
    "HandsUp": (
        "A person raises both hands above the head.",
        "Someone standing lifts the arms up and lowers them again.",
        "Putting the hands up in the air while standing.",
    ),
    "Hopping": (
        "A person is hopping.",
        "Someone jumps up and down on the spot again and again.",
        "Repeated small jumps on the spot.",
    ),
    "Jogging": (
        "A person is jogging.",
        "Someone runs at an easy pace.",
        "Jogging with bouncing strides.",
    ),
    "LyingDown_OnABed": (
        "A person lies down on a bed and gets up again.",
        "Someone sits on a bed, lies down, rests on the back, and gets up.",
        "Lying down on a bed, lying still, then rising.",
    ),
    "MakingACall": (
        "A person makes a phone call.",
        (
            "Someone standing raises a phone to the ear with one hand, holds it there while "
            "talking, and puts it down."
        ),
        "Lifting one hand to the head with a telephone and holding it still.",
    ),
    "OpeningDoor": (
        "A person opens a door.",
        (
            "Someone standing reaches out with one hand, turns the handle, and pulls or "
            "pushes the door open."
        ),
        "Opening a door with one hand.",
    ),
    "Sitting_GettingUpOnAChair": (
        "A person sits down on a chair and gets up again.",
        "Someone sits down on a chair, sits still for a moment, and stands up.",
        "Sitting down on a chair, then standing up.",
    ),
    "Walking": (
        "A person is walking.",
        "Someone walks at a normal pace with regular steps.",
        "Walking step by step.",
    ),
    "backwardFall": (
        "A person falls backward.",
        "Someone standing falls backward to the floor and stays lying.",
        "A backward fall.",
    ),
    "forwardFall": (
        "A person falls forward.",
        "Someone standing falls forward to the floor and stays lying.",
        "A forward fall.",
    ),
    "lateralFall": (
        "A person falls sideways.",
        "Someone standing falls to the side onto the floor and stays lying.",
        "A lateral fall.",
    ),
}

FALLS = {"backwardFall": "backward", "forwardFall": "forward", "lateralFall": "sideways"}
"""Where a fall goes to."""

HOLDS: dict[str, tuple[str, ...]] = {
    "Walking": ("walking",),
    "Jogging": ("jogging",),
    "Sitting_GettingUpOnAChair": ("standing", "sitting-down", "seated", "standing-up"),
}
"""What is done in an activity that a fall may interrupt, of `compositions.CLAUSES`."""
