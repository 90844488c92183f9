"""What a person does in each of the activities of SP-SW-HAR, by its name.

Written for this project from the wording of the data set's documentation.
"""

DESCRIPTIONS: dict[str, tuple[str, ...]] = {
    "SEATED": (
        "A person is sitting still.",
        "Someone sits on a chair without moving.",
        "Seated at rest.",
    ),
    "STANDING_UP": (
        "A person is standing up.",
        "Someone rises from a chair to standing.",
        "Standing up from a chair.",
    ),
    "WALKING": (
        "A person is walking.",
        "Someone walks at a normal pace with regular steps.",
        "Walking step by step.",
    ),
    "TURNING": (
        "A person is turning around.",
        "Someone turns the whole body around on the spot to walk back.",
        "Turning around by 180 degrees.",
    ),
    "SITTING_DOWN": (
        "A person is sitting down.",
        "Someone lowers onto a chair from standing.",
        "Sitting down on a chair.",
    ),
}
