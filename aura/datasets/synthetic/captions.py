"""What annotators write of each atomic action, and general captions of each activity.

Atomic descriptions name no activity class. General captions do, as captions on the web would:
they are for the stand-in teacher alone.
"""

CAPTIONS: dict[str, dict[str, list[str]]] = {
    "Cooking": {
        "chop": [
            "C chops the vegetables on the cutting board with a knife.",
            "C cuts the carrot into pieces with the knife in the right hand.",
            "C slices the vegetables while holding them with the left hand.",
            "C moves the knife quickly up and down on the chopping board.",
            "C dices the onion on the cutting board.",
        ],
        "stir": [
            "C stirs the soup in the pot with a wooden spoon.",
            "C mixes the food in the pot in circles with the right hand.",
            "C turns the spoon around in the pot on the stove.",
            "C stirs the contents of the pot with a ladle.",
            "C keeps stirring the sauce in the pot on the stove.",
        ],
        "flip": [
            "C flips the pancake in the pan with the right hand.",
            "C tosses the pancake up and catches it in the frying pan.",
            "C lifts the frying pan and flips the pancake over.",
            "C jerks the pan upward to turn the pancake.",
            "C throws the pancake into the air with the frying pan.",
        ],
    },
    "Health": {
        "compress": [
            "C performs chest compressions on the mannequin with both hands.",
            "C pushes down on the chest of the mannequin repeatedly.",
            "C presses the chest of the manikin with straight arms.",
            "C pumps the mannequin's chest with both palms.",
            "C gives quick chest compressions to the manikin on the mat.",
        ],
        "breathe": [
            "C leans down and gives rescue breaths to the mannequin.",
            "C blows air into the mouth of the mannequin.",
            "C bends over the face of the manikin to give it a breath.",
            "C tilts the mannequin's head and breathes into its mouth.",
            "C lowers the face to the manikin and gives mouth-to-mouth breaths.",
        ],
        "check": [
            "C checks the breathing and pulse of the mannequin.",
            "C places two fingers on the neck of the mannequin to feel its pulse.",
            "C turns the head and looks along the mannequin's chest for breathing.",
            "C feels the neck of the manikin with the right hand.",
            "C looks over the manikin and checks for a pulse.",
        ],
    },
    "Bike Repair": {
        "crank": [
            "C turns the pedal of the bicycle with the right hand.",
            "C spins the crank of the bicycle on the stand.",
            "C rotates the pedal in circles to run the chain.",
            "C cranks the pedal by hand while holding the saddle.",
            "C spins the rear wheel by turning the pedal with the right hand.",
        ],
        "wrench": [
            "C loosens the axle nut with a wrench.",
            "C kneels and turns the nut of the wheel with the wrench.",
            "C tightens the bolt on the wheel with the wrench in the right hand.",
            "C pulls the wrench to unscrew the nut on the axle.",
            "C kneels on one knee and works on the wheel nut with a spanner.",
        ],
        "pump": [
            "C pumps air into the tire with a floor pump.",
            "C pushes the handle of the pump down with both hands.",
            "C inflates the tire by pushing the pump up and down.",
            "C bends down and up while pumping the tire.",
            "C moves the pump handle up and down to fill the inner tube.",
        ],
    },
    "Music": {
        "chords": [
            "C plays chords on the piano with both hands.",
            "C strikes the piano keys in a steady beat.",
            "C presses several keys of the keyboard together and nods along.",
            "C hits the keys with both hands in rhythm.",
            "C plays a rhythmic accompaniment on the piano.",
        ],
        "scale": [
            "C plays a scale up and down the piano keyboard.",
            "C runs the fingers across the keys from left to right.",
            "C moves both hands apart along the keyboard.",
            "C slides the hands over the piano keys while playing fast notes.",
            "C plays arpeggios across the whole keyboard.",
        ],
        "ballad": [
            "C plays a slow melody on the piano while swaying.",
            "C sways back and forth and plays soft notes on the piano.",
            "C leans back and plays a gentle tune with both hands.",
            "C rocks the upper body slowly while pressing the piano keys.",
            "C plays a calm ballad and moves the body with it.",
        ],
    },
    "Basketball": {
        "dribble": [
            "C dribbles the ball with the right hand.",
            "C bounces the ball on the floor with the right hand.",
            "C keeps dribbling the ball low while looking ahead.",
            "C pushes the ball down to the court again and again.",
            "C dribbles the ball in place with bent knees.",
        ],
        "shoot": [
            "C jumps and shoots the ball at the hoop.",
            "C takes a jump shot with both hands.",
            "C throws the ball toward the basket.",
            "C raises the ball overhead and shoots it at the rim.",
            "C bends the knees, jumps and releases the ball to the hoop.",
        ],
        "slide": [
            "C shuffles sideways in a defensive stance.",
            "C slides from side to side with the arms spread.",
            "C moves laterally with bent knees and both arms out.",
            "C steps left and right on the court in a low stance.",
            "C guards with the arms wide while shuffling to the side.",
        ],
    },
    "Rock Climbing": {
        "climb": [
            "C climbs the wall with alternating hands and feet.",
            "C moves up the wall from hold to hold.",
            "C steps on the footholds and pulls up with alternate arms.",
            "C swaps hands and feet on the holds of the wall.",
            "C ascends the wall hand over hand.",
        ],
        "reach": [
            "C reaches for a high hold with the right hand.",
            "C stretches up and grabs the upper hold.",
            "C pushes up with the right leg to reach the next hold.",
            "C looks up and extends the right arm to the hold above.",
            "C lunges for the top hold on the wall.",
        ],
        "shake": [
            "C hangs by the left hand and shakes out the right arm.",
            "C shakes the right hand to rest it while holding on with the left.",
            "C lets the right arm hang and shakes it loose.",
            "C rests on the wall and shakes the tired right arm.",
            "C leans back on the left arm and shakes the right hand.",
        ],
    },
    "Soccer": {
        "run": [
            "C runs with the ball at the feet.",
            "C dribbles the ball with quick touches of both feet.",
            "C jogs across the grass while tapping the ball forward.",
            "C pushes the ball along the pitch with the feet.",
            "C takes small steps and keeps the ball close to the feet.",
        ],
        "juggle": [
            "C juggles the ball with both knees.",
            "C keeps the ball in the air with the thighs.",
            "C bounces the ball from knee to knee.",
            "C lifts the knees in turn to juggle the ball.",
            "C looks down and juggles the ball without letting it drop.",
        ],
        "kick": [
            "C kicks the ball at the goal with the right foot.",
            "C shoots the ball toward the net.",
            "C swings the right leg and strikes the ball.",
            "C takes a shot at the goal with the right foot.",
            "C steps forward and kicks the ball hard.",
        ],
    },
    "Dance": {
        "spin": [
            "C spins around with both arms stretched out.",
            "C turns around on the spot with open arms.",
            "C makes a full turn with the arms at shoulder height.",
            "C whirls around and back again.",
            "C rotates the whole body on the floor with the arms out.",
        ],
        "sway": [
            "C sways the hips with both arms overhead.",
            "C swings the hips from side to side with raised arms.",
            "C waves the raised arms and rolls the hips.",
            "C bends the knees and sways with the hands above the head.",
            "C shifts the hips left and right with the arms up.",
        ],
        "hop": [
            "C hops from side to side while swinging the arms.",
            "C jumps left and right in rhythm with the arms swinging.",
            "C bounces sideways from one foot to the other.",
            "C makes small jumps to the left and right.",
            "C hops in place from side to side to the beat.",
        ],
    },
}  # fmt: skip

SCENARIOS: dict[str, list[str]] = {
    "Cooking": [
        "a photo of a person cooking in a kitchen",
        "someone cooking a meal at the stove",
        "a cook at a kitchen counter",
        "a person preparing food, cooking",
    ],
    "Health": [
        "a photo of a person doing a health procedure",
        "someone practising CPR on a mannequin, a health procedure",
        "a person learning first aid, health training",
        "health: reviving a manikin on a mat",
    ],
    "Bike Repair": [
        "a photo of a person repairing a bike",
        "someone doing a bike repair in a workshop",
        "a mechanic repairing a bicycle on a stand",
        "bike repair in a garage",
    ],
    "Music": [
        "a photo of a person playing music",
        "someone playing music on a piano",
        "a musician at the keyboard, playing music",
        "music practice in a living room",
    ],
    "Basketball": [
        "a photo of a person playing basketball",
        "someone playing basketball in a gym",
        "a basketball player on the court",
        "basketball practice in front of a hoop",
    ],
    "Rock Climbing": [
        "a photo of a person rock climbing",
        "someone rock climbing in an indoor gym",
        "a climber on a bouldering wall",
        "rock climbing on coloured holds",
    ],
    "Soccer": [
        "a photo of a person playing soccer",
        "someone playing soccer on a grass field",
        "a soccer player in front of a goal",
        "soccer practice on the pitch",
    ],
    "Dance": [
        "a photo of a person dancing",
        "someone dancing in a dance studio",
        "a dancer in front of a mirror",
        "dance rehearsal on a wooden floor",
        "a person dancing to the beat",
    ],
}


def scenario_captions(activity: str) -> list[str]:
    """General captions of an activity, with its class name or a common phrase for it."""
    return list(SCENARIOS[activity])
