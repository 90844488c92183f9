"""The step of each atomic action as an imperative, and what experts say of it.

Steps and sentences on an action name no activity class. General remarks do.
"""

STEPS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "Cooking": {
        "chop": (
            "Chop the vegetables",
            (
                "They keep the knife close to the board, which is safe.",
                "The slices are even because the tip of the knife stays down.",
            ),
        ),
        "stir": (
            "Stir the soup in the pot",
            (
                "They move the spoon along the bottom so that nothing burns.",
                "A slow, even stir like this keeps the sauce smooth.",
            ),
        ),
        "flip": (
            "Flip the pancake",
            (
                "The flick comes from the wrist, and the pancake lands flat.",
                "They could tilt the pan more before they toss the pancake.",
            ),
        ),
    },
    "Health": {
        "compress": (
            "Give chest compressions",
            (
                "Their arms are straight, so the weight goes right into the chest.",
                "The compressions are deep enough and the rhythm is steady.",
            ),
        ),
        "breathe": (
            "Give rescue breaths",
            (
                "They tilt the head well before each breath.",
                "The breath should be slower, until the chest rises.",
            ),
        ),
        "check": (
            "Check the pulse and breathing",
            (
                "They look along the chest while they feel for the pulse.",
                "Two fingers on the neck is the right place to feel for a pulse.",
            ),
        ),
    },
    "Bike Repair": {
        "crank": (
            "Turn the pedal to run the chain",
            (
                "They spin the pedal backward and watch how the chain runs.",
                "Holding the saddle keeps everything steady as the crank turns.",
            ),
        ),
        "wrench": (
            "Loosen the axle nut",
            (
                "They pull the wrench toward the body, which saves the knuckles.",
                "The wrench sits fully on the nut, so it does not slip.",
            ),
        ),
        "pump": (
            "Inflate the tire",
            (
                "They use the whole stroke of the pump and their body weight.",
                "The back bends a lot here; the arms could do more of the work.",
            ),
        ),
    },
    "Music": {
        "chords": (
            "Play chords in a steady beat",
            (
                "The chords are struck together and the beat is steady.",
                "Their wrists stay loose between the chords.",
            ),
        ),
        "scale": (
            "Play a scale across the keyboard",
            (
                "The thumb passes under without a bump in the scale.",
                "Both hands move apart at the same pace, which is hard.",
            ),
        ),
        "ballad": (
            "Play a slow melody",
            (
                "They let the body follow the phrase of the melody.",
                "The soft notes are held long enough to sing.",
            ),
        ),
    },
    "Basketball": {
        "dribble": (
            "Dribble with the right hand",
            (
                "They keep their eyes up while the ball stays low.",
                "The fingers push the ball, not the palm, which gives control.",
            ),
        ),
        "shoot": (
            "Take a jump shot",
            (
                "They release the ball at the top of the jump.",
                "The elbow stays under the ball all the way through the shot.",
            ),
        ),
        "slide": (
            "Slide sideways in a defensive stance",
            (
                "They stay low and their feet never cross.",
                "The arms are wide, which takes away the passing lane.",
            ),
        ),
    },
    "Rock Climbing": {
        "climb": (
            "Move up from hold to hold",
            (
                "They push with the legs and keep the arms relaxed.",
                "The hips stay close to the wall on every step.",
            ),
        ),
        "reach": (
            "Reach for the high hold",
            (
                "They drive up from the right leg before they reach.",
                "A straight arm at the end of the reach saves strength.",
            ),
        ),
        "shake": (
            "Shake out the right arm",
            (
                "This is a good rest: they hang on a straight left arm.",
                "They shake the forearm low so that the blood returns.",
            ),
        ),
    },
    "Soccer": {
        "run": (
            "Run with the ball",
            (
                "Small touches keep the ball within a step.",
                "They look down a lot; the head should come up.",
            ),
        ),
        "juggle": (
            "Juggle the ball with the knees",
            (
                "The thigh is level when it meets the ball.",
                "They wait for the ball to drop, which keeps the rhythm.",
            ),
        ),
        "kick": (
            "Kick the ball at the goal",
            (
                "The standing foot is beside the ball when they strike.",
                "They lean back, so the shot goes high.",
            ),
        ),
    },
    "Dance": {
        "spin": (
            "Spin with open arms",
            (
                "They keep the head behind and then whip it around.",
                "The arms stay at shoulder height through the whole turn.",
            ),
        ),
        "sway": (
            "Sway the hips with raised arms",
            (
                "The movement starts in the hips and the chest stays quiet.",
                "Their knees are soft, which makes the sway flow.",
            ),
        ),
        "hop": (
            "Hop from side to side",
            (
                "They land on the ball of the foot, on the beat.",
                "The arms swing against the legs, which keeps the balance.",
            ),
        ),
    },
}

GENERAL: dict[str, tuple[str, ...]] = {
    "Cooking": ("Good cooking technique.", "They work cleanly, as one should when cooking."),
    "Health": ("A sound health procedure, done calmly.", "They know this health procedure well."),
    "Bike Repair": ("A tidy bike repair.", "That is how I would start this bike repair too."),
    "Music": ("Their music is expressive.", "They play this music with confidence."),
    "Basketball": ("Solid basketball fundamentals.", "They move like a basketball player."),
    "Rock Climbing": ("Efficient rock climbing.", "A calm style of rock climbing."),
    "Soccer": ("Good soccer basics.", "They train soccer with both feet, as they should."),
    "Dance": ("They dance with good timing.", "A lively dance with clear lines."),
}
