"""What a person does in each of UTD-MHAD's 27 actions, by the action's number.

Written for this project from the wording of the actions, before any model was trained on them:
sentences about the whole movement, and what each part of the body does. They say nothing of
sensors.
"""

from aura.datasets.descriptions.utd_mhad_parts import PARTS

SENTENCES: dict[int, tuple[str, ...]] = {
    1: (
        "a person stretches out the right arm and sweeps it across the body from right to left",
        "the right hand swipes to the left in front of the chest, then comes back down",
        "swiping to the left with the right arm, as if turning a page",
        "someone stands and moves the right arm horizontally to the left once",
    ),
    2: (
        "a person sweeps the right arm outward from left to right",
        "the right hand swipes to the right in front of the chest, then comes back down",
        "swiping to the right with the right arm, as if turning a page back",
        "someone stands and moves the right arm horizontally to the right once",
    ),
    3: (
        "a person raises the right hand and waves it from side to side",
        "the raised right hand waves left and right several times, as if saying hello",
        "waving with the right hand beside the head",
        "someone stands and swings the raised right forearm from side to side again and again",
    ),
    4: (
        "a person claps both hands together in front of the chest",
        "both hands come together in front of the body and part again several times",
        "clapping the hands in front",
        "someone stands and brings both palms together and apart repeatedly",
    ),
    5: (
        "a person throws something forward with the right arm",
        "the right arm is drawn back over the shoulder and swings forward and down to throw",
        "throwing a ball overhand with the right hand",
        "someone stands and hurls an object forward with one quick movement of the right arm",
    ),
    6: (
        "a person crosses both arms over the chest",
        "both arms are lifted and folded across the chest, then lowered again",
        "crossing the arms in front of the chest",
        "someone stands and folds the two forearms over each other at chest height once",
    ),
    7: (
        "a person shoots a basketball with both hands",
        (
            "both hands lift a ball from the chest up over the head and push it away, knees "
            "giving slightly"
        ),
        "a basketball shot: the arms rise and stretch upward and forward",
        (
            "someone bends a little and then extends both arms above the head to throw a "
            "ball at a hoop"
        ),
    ),
    8: (
        "a person draws the letter x in the air with the right hand",
        "the right hand moves diagonally down, goes up again and crosses with a second diagonal",
        "drawing a cross of two diagonal strokes in the air",
        "someone stands and traces an x in front of the body with the right arm",
    ),
    9: (
        "a person draws a circle in the air with the right hand, clockwise",
        "the right hand goes round in a circle in front of the body, clockwise",
        "drawing a clockwise circle in the air with a stretched right arm",
        "someone stands and traces a round shape, turning to the right at the top",
    ),
    10: (
        "a person draws a circle in the air with the right hand, counter clockwise",
        "the right hand goes round in a circle in front of the body, counter clockwise",
        "drawing a counter clockwise circle in the air with a stretched right arm",
        "someone stands and traces a round shape, turning to the left at the top",
    ),
    11: (
        "a person draws a triangle in the air with the right hand",
        (
            "the right hand traces three straight sides in front of the body and returns to "
            "where it began"
        ),
        "drawing a triangle in the air with a stretched right arm",
        "someone stands and traces a shape with three corners in front of the body",
    ),
    12: (
        "a person bowls a ball with the right hand",
        (
            "the right arm swings back and then forward close to the floor to roll a ball, "
            "with a step and a bent trunk"
        ),
        "bowling: a low underarm swing of the right arm forward",
        "someone steps forward, bends down and lets a heavy ball roll from the right hand",
    ),
    13: (
        "a person boxes, punching forward with both fists in turn",
        "left and right fist strike straight ahead alternately at shoulder height",
        "boxing to the front with quick punches",
        "someone stands in a guard and hits forward with one arm after the other",
    ),
    14: (
        "a person swings a baseball bat from the right side",
        (
            "both hands together swing from the right shoulder across the body to the left "
            "while the trunk turns"
        ),
        "a baseball swing with both arms and a twist of the body",
        (
            "someone holds a bat over the right shoulder and hits a ball with a fast swing "
            "to the left"
        ),
    ),
    15: (
        "a person hits a tennis ball with a forehand swing of the right arm",
        (
            "the right arm is drawn back to the side and swings forward and across the body "
            "to the left"
        ),
        "a tennis forehand: the right arm sweeps forward at hip height while the trunk turns",
        "someone swings a racket from the right side forward and up over the left shoulder",
    ),
    16: (
        "a person curls both arms, lifting the forearms to the shoulders",
        "both elbows bend and the hands rise to the shoulders, then go down again",
        "a biceps curl with two arms",
        "someone stands and lifts weights with both hands by bending the elbows several times",
    ),
    17: (
        "a person serves in tennis",
        (
            "the left hand tosses a ball up and the right arm swings from behind the head "
            "over the top and down"
        ),
        "a tennis serve: an overhead strike with the right arm",
        "someone reaches up and hits a ball high over the head with the right arm",
    ),
    18: (
        "a person pushes forward with both hands",
        "both hands start at the chest and push straight ahead until the arms are stretched",
        "pushing something heavy away with two hands",
        "someone stands and extends both arms forward at chest height, then takes them back",
    ),
    19: (
        "a person knocks on a door with the right hand",
        "the right fist is raised in front and taps forward several times with short movements",
        "knocking at a door",
        "someone stands and raps with small quick movements of the right forearm",
    ),
    20: (
        "a person catches something with the right hand",
        (
            "the right hand reaches out forward to grab an object in the air and is pulled "
            "back to the body"
        ),
        "catching a flying object with one hand",
        "someone stands, stretches out the right arm, grasps and draws the hand in",
    ),
    21: (
        "a person picks something up from the floor and throws it",
        (
            "the trunk bends down, the right hand picks up an object, the body rises and the "
            "right arm throws it forward"
        ),
        "picking up and throwing with the right hand",
        "someone stoops to the ground, grabs a thing, stands up and hurls it",
    ),
    22: (
        "a person jogs on the spot",
        "the knees lift quickly in turn and the arms swing bent, as in running",
        "jogging in place with fast steps",
        "someone runs slowly without moving away",
    ),
    23: (
        "a person walks on the spot",
        "the legs step in turn and the arms swing loosely, as in walking",
        "walking in place with calm steps",
        "someone marches slowly without moving away",
    ),
    24: (
        "a person gets up from a chair",
        (
            "the trunk leans forward, the hips and knees straighten and the body rises from "
            "sitting to standing"
        ),
        "standing up from a seat",
        "someone who sits on a chair stands up once",
    ),
    25: (
        "a person sits down on a chair",
        "the hips and knees bend, the body lowers and leans back from standing to sitting",
        "sitting down on a seat",
        "someone who stands sits down on a chair once",
    ),
    26: (
        "a person lunges forward with the left foot",
        (
            "the left foot takes a large step forward, both knees bend and the body sinks, "
            "then it comes back"
        ),
        "a forward lunge",
        "someone steps far ahead with the left leg, lowers the body and returns to standing",
    ),
    27: (
        "a person squats",
        "both knees and hips bend, the body sinks with the heels on the floor and rises again",
        "doing a squat, going down and up",
        "someone lowers the body by bending both legs and stands up again",
    ),
}
DESCRIPTIONS = {number: SENTENCES[number] + PARTS[number] for number in SENTENCES}
