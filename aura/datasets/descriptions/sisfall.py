"""What a person does in each of SisFall's activities, by its code; written for this project.

From the wording of the data set's documentation.
"""

DESCRIPTIONS: dict[str, tuple[str, ...]] = {
    "D01": (
        "A person is walking slowly.",
        "Someone strolls at a slow pace, one calm step after another.",
        "Slow walking with regular, gentle steps.",
    ),
    "D02": (
        "A person is walking quickly.",
        "Someone walks at a brisk pace with fast, regular steps.",
        "Fast walking.",
    ),
    "D03": (
        "A person is jogging slowly.",
        "Someone runs at an easy, slow pace.",
        "Slow jogging with light bouncing strides.",
    ),
    "D04": (
        "A person is jogging quickly.",
        "Someone runs fast.",
        "Fast running with hard, quick strides.",
    ),
    "D05": (
        "A person is walking upstairs and downstairs slowly.",
        "Someone slowly climbs the stairs and comes down again.",
        "Climbing and descending stairs step by step, slowly.",
    ),
    "D06": (
        "A person is walking upstairs and downstairs quickly.",
        "Someone climbs the stairs fast and hurries down again.",
        "Climbing and descending stairs quickly.",
    ),
    "D07": (
        "A person slowly sits down in a half height chair, waits a moment, and gets up slowly.",
        "Someone sits down on a chair slowly and stands up again slowly.",
        "Slowly sitting down on a chair of normal height, sitting still, then slowly standing up.",
    ),
    "D08": (
        "A person quickly sits down in a half height chair, waits a moment, and gets up quickly.",
        "Someone sits down on a chair quickly and stands up again quickly.",
        (
            "Quickly sitting down on a chair of normal height, sitting still, then quickly "
            "standing up."
        ),
    ),
    "D09": (
        "A person slowly sits down in a low height chair, waits a moment, and gets up slowly.",
        "Someone lowers themselves slowly into a low chair and stands up again slowly.",
        "Slowly sitting down on a low seat, sitting still, then slowly standing up.",
    ),
    "D10": (
        "A person quickly sits down in a low height chair, waits a moment, and gets up quickly.",
        "Someone drops quickly into a low chair and stands up again quickly.",
        "Quickly sitting down on a low seat, sitting still, then quickly standing up.",
    ),
    "D11": (
        "A person sits a moment, tries to get up, and collapses into the chair.",
        "Someone seated tries to stand up but falls back into the chair.",
        "A failed attempt to stand up from a chair, collapsing back onto the seat.",
    ),
    "D12": (
        "A person sits a moment, lies down slowly, waits a moment, and sits up again.",
        "Someone sitting on a bed lies down slowly, rests, and sits up again.",
        "Slowly lying down on a bed from sitting, lying still, then sitting up.",
    ),
    "D13": (
        "A person sits a moment, lies down quickly, waits a moment, and sits up again.",
        "Someone sitting on a bed lies down quickly, rests, and sits up again.",
        "Quickly lying down on a bed from sitting, lying still, then sitting up.",
    ),
    "D14": (
        (
            "A person lying on the back changes to a lateral position, waits a moment, and "
            "turns to the back again."
        ),
        "Someone lying on a bed rolls over to the side and rolls back.",
        "Rolling from the back onto the side and back while lying down.",
    ),
    "D15": (
        "A person standing slowly bends at the knees and gets up.",
        "Someone squats down slowly by bending the knees and rises again.",
        "A slow squat: the knees bend, the body lowers and comes up again.",
    ),
    "D16": (
        "A person standing slowly bends without bending the knees, and gets up.",
        (
            "Someone bends the upper body forward at the hips with straight legs and "
            "straightens up again."
        ),
        "Bending forward at the waist to the floor, then standing upright again.",
    ),
    "D17": (
        "A person standing gets into a car, remains seated and gets out of the car.",
        "Someone gets into a car, sits there, and gets out again.",
        "Getting into a car seat, sitting, and getting out.",
    ),
    "D18": (
        "A person stumbles while walking.",
        "Someone walking trips with a foot but recovers without falling.",
        "A stumble during walking, with a sudden step to catch the balance.",
    ),
    "D19": (
        "A person gently jumps without falling, trying to reach a high object.",
        "Someone jumps up on the spot, reaching for a high object.",
        "Small jumps upward with an arm stretched up.",
    ),
    "F01": (
        "A person falls forward while walking, caused by a slip.",
        "Someone walking slips and falls forward to the floor.",
        "A forward fall after slipping while walking.",
    ),
    "F02": (
        "A person falls backward while walking, caused by a slip.",
        "Someone walking slips and falls backward to the floor.",
        "A backward fall after slipping while walking.",
    ),
    "F03": (
        "A person falls sideways while walking, caused by a slip.",
        "Someone walking slips and falls to the side onto the floor.",
        "A lateral fall after slipping while walking.",
    ),
    "F04": (
        "A person falls forward while walking, caused by a trip.",
        "Someone walking trips and falls forward to the floor.",
        "A forward fall after tripping while walking.",
    ),
    "F05": (
        "A person falls forward while jogging, caused by a trip.",
        "Someone running trips and falls forward to the floor.",
        "A forward fall after tripping while jogging.",
    ),
    "F06": (
        "A person falls vertically while walking, caused by fainting.",
        "Someone walking faints and collapses straight down to the floor.",
        "A vertical collapse after fainting while walking.",
    ),
    "F07": (
        (
            "A person falls while walking, using the hands on a table to dampen the fall, "
            "caused by fainting."
        ),
        "Someone walking faints and falls, holding on to a table to slow the fall.",
        "A fall from fainting, softened with the hands on a table.",
    ),
    "F08": (
        "A person falls forward when trying to get up.",
        "Someone rising from a chair falls forward to the floor.",
        "A forward fall while getting up from a seat.",
    ),
    "F09": (
        "A person falls sideways when trying to get up.",
        "Someone rising from a chair falls to the side onto the floor.",
        "A lateral fall while getting up from a seat.",
    ),
    "F10": (
        "A person falls forward when trying to sit down.",
        "Someone about to sit down falls forward to the floor.",
        "A forward fall while sitting down.",
    ),
    "F11": (
        "A person falls backward when trying to sit down.",
        "Someone about to sit down falls backward to the floor.",
        "A backward fall while sitting down.",
    ),
    "F12": (
        "A person falls sideways when trying to sit down.",
        "Someone about to sit down falls to the side onto the floor.",
        "A lateral fall while sitting down.",
    ),
    "F13": (
        "A person falls forward while sitting, caused by fainting or falling asleep.",
        "Someone seated faints and falls forward off the chair to the floor.",
        "A forward fall from a chair after fainting.",
    ),
    "F14": (
        "A person falls backward while sitting, caused by fainting or falling asleep.",
        "Someone seated faints and falls backward off the chair to the floor.",
        "A backward fall from a chair after fainting.",
    ),
    "F15": (
        "A person falls sideways while sitting, caused by fainting or falling asleep.",
        "Someone seated faints and falls sideways off the chair to the floor.",
        "A lateral fall from a chair after fainting.",
    ),
}

FALLS: dict[str, str] = {
    **dict.fromkeys(("F01", "F04", "F05", "F08", "F10", "F13"), "forward"),
    **dict.fromkeys(("F02", "F11", "F14"), "backward"),
    **dict.fromkeys(("F03", "F09", "F12", "F15"), "sideways"),
}
"""Where a fall goes to; F06 goes straight down and of F07 it is not said."""

HOLDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("D01", "D02"), ("walking",)),
    **dict.fromkeys(("D03", "D04"), ("jogging",)),
    **dict.fromkeys(
        ("D07", "D08", "D09", "D10"), ("standing", "sitting-down", "seated", "standing-up")
    ),
}
"""What is done in an activity that a fall may interrupt, of `compositions.CLAUSES`."""
