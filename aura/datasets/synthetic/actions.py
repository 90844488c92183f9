"""The table of activities and atomic actions: motion as harmonics on degrees of freedom.

A motion maps a degree of freedom to (rest, wave, wave, ...). A wave is (amplitude, harmonic,
phase) for a sine, or (amplitude, harmonic, phase, sharpness) for a train of smooth pulses that
peak at `phase`, which kicks, jumps and landings need; phases are in cycles. Angles are in degrees,
x, y and z in metres. "l_*" and "r_*" are the sides of the body and "b_*" sets both.
"""

from dataclasses import dataclass

Wave = tuple[float, ...]
Motion = dict[str, tuple[float | Wave, ...]]

ACTIVITY_NUMBER = {
    "Cooking": 1,
    "Health": 2,
    "Bike Repair": 4,
    "Music": 5,
    "Basketball": 6,
    "Rock Climbing": 7,
    "Soccer": 8,
    "Dance": 9,
}
ACTIVITIES = list(ACTIVITY_NUMBER)
TASK_NAMES = {
    "Cooking": "Making Pancakes",
    "Health": "First Aid - CPR",
    "Bike Repair": "Tune a Bike",
    "Music": "Playing the Piano",
    "Basketball": "Basketball Drills",
    "Rock Climbing": "Bouldering",
    "Soccer": "Soccer Drills",
    "Dance": "Dance Choreography",
}


@dataclass(frozen=True)
class Action:
    """One atomic action: its name, repetitions per second, motion, and what moves with it."""

    name: str
    hz: float
    motion: Motion
    prop: str = ""


REST: Motion = {
    "b_flex": (8.0,),
    "b_abd": (9.0,),
    "b_elbow": (16.0,),
    "b_hip": (4.0,),
    "b_splay": (5.0,),
    "b_knee": (8.0,),
}
KNEEL: Motion = {"b_hip": (2.0,), "b_knee": (92.0,), "b_splay": (9.0,)}
SIT: Motion = {"b_hip": (86.0,), "b_knee": (88.0,), "b_splay": (8.0,), "z": (0.0,), "x": (-0.12,)}
LANDING: Wave = (-0.03, 1, 0.15, 180)

# fmt: off
ACTIONS: dict[str, tuple[Action, ...]] = {
    "Cooking": (
        Action("chop", 2.6, {"y": (0.22,), "pitch": (14.0,), "head_pitch": (36.0, (1.6, 1, 0.1)),
            "z": (0.0, (0.003, 1, 0.0)), "r_flex": (34.0, (5, 1, 0.0)), "r_rot": (24.0,),
            "r_elbow": (72.0, (15, 1, 0.1)), "l_flex": (38.0,), "l_elbow": (58.0,),
            "l_rot": (28.0, (4, 0.125, 0.0))}, "knife"),
        Action("stir", 0.85, {"y": (-0.25,), "pitch": (12.0, (3, 1, 0.0)),
            "roll": (0.0, (3, 1, 0.2)), "head_pitch": (27.0, (3.5, 1, 0.3)),
            "yaw": (-6.0, (4, 1, 0.1)), "r_flex": (46.0, (12, 1, 0.0)),
            "r_abd": (14.0, (12, 1, 0.25)), "r_rot": (18.0, (22, 1, 0.25)),
            "r_elbow": (58.0, (12, 1, 0.5)), "l_flex": (20.0,), "l_elbow": (70.0,)}, "spoon"),
        Action("flip", 0.55, {"pitch": (8.0, (-9, 1, 0.0, 8)), "z": (0.0, (0.03, 1, 0.03, 10)),
            "head_pitch": (26.0, (-42, 1, 0.07, 5)), "r_flex": (34.0, (26, 1, 0.0, 14)),
            "r_elbow": (52.0, (45, 1, 0.02, 14)), "r_rot": (12.0,),
            "b_knee": (10.0, (12, 1, -0.06, 10)), "l_flex": (12.0,), "l_elbow": (50.0,)}, "pan"),
    ),
    "Health": (
        Action("compress", 1.85, KNEEL | {"pitch": (46.0, (8, 1, 0.0)),
            "head_pitch": (14.0, (-3, 1, 0.1)), "b_flex": (52.0, (-5, 1, 0.0)), "b_abd": (-9.0,),
            "b_elbow": (5.0,), "b_rot": (10.0,), "z": (0.0, (-0.012, 1, 0.0))}),
        Action("breathe", 0.28, KNEEL | {"y": (0.34,), "x": (0.05,),
            "pitch": (58.0, (26, 1, 0.0, 3)), "head_pitch": (12.0, (26, 1, 0.02, 3)),
            "head_roll": (6.0,), "b_flex": (66.0, (-12, 1, 0.0, 3)),
            "b_elbow": (22.0, (46, 1, 0.0, 3)), "b_abd": (2.0,), "b_hip": (-4.0,)}),
        Action("check", 0.42, KNEEL | {"y": (0.22,), "pitch": (36.0, (4, 0.5, 0.2)),
            "head_yaw": (-34.0, (20, 1, 0.0)), "head_pitch": (18.0, (5, 1, 0.25)),
            "head_roll": (16.0, (4, 0.5, 0.0)), "r_flex": (72.0, (4, 1, 0.3)), "r_elbow": (18.0,),
            "l_flex": (52.0,), "l_elbow": (62.0, (10, 1, 0.0))}),
    ),
    "Bike Repair": (
        Action("crank", 1.35, {"pitch": (30.0, (2.5, 1, 0.5)), "roll": (0.0, (3.5, 1, 0.25)),
            "b_hip": (22.0,), "b_knee": (38.0,), "y": (-0.05,), "head_pitch": (16.0, (3, 1, 0.0)),
            "r_flex": (52.0, (17, 1, 0.0)), "r_abd": (6.0, (9, 1, 0.25)),
            "r_elbow": (52.0, (24, 1, 0.25)), "l_flex": (62.0,), "l_elbow": (20.0,),
            "l_abd": (24.0,)}),
        Action("wrench", 0.62, {"l_hip": (84.0,), "l_knee": (92.0,), "r_hip": (0.0,),
            "r_knee": (90.0,), "y": (0.3,), "pitch": (14.0, (5, 1, 0.0, 6)),
            "twist": (8.0, (11, 1, 0.0)), "head_roll": (20.0, (3, 1, 0.1)), "head_pitch": (4.0,),
            "head_yaw": (-8.0,), "r_flex": (76.0, (26, 1, 0.0)), "r_elbow": (48.0, (-22, 1, 0.0)),
            "l_flex": (68.0,), "l_elbow": (40.0,)}, "wrench"),
        Action("pump", 1.0, {"x": (-0.1,), "pitch": (40.0, (17, 1, 0.0)),
            "b_hip": (20.0, (8, 1, 0.0)), "b_knee": (24.0, (12, 1, 0.0)),
            "head_pitch": (-4.0, (-6, 1, 0.05)), "b_flex": (44.0, (10, 1, 0.0)),
            "b_elbow": (42.0, (-30, 1, 0.0)), "b_abd": (-2.0,), "b_splay": (12.0,)}, "pump"),
    ),
    "Music": (
        Action("chords", 1.6, SIT | {"b_flex": (24.0, (5, 1, 0.0, 5)),
            "b_elbow": (66.0, (9, 1, 0.5, 5)), "b_abd": (16.0,), "pitch": (6.0, (2.5, 0.5, 0.0)),
            "head_pitch": (12.0, (8, 0.5, 0.1), (3, 1, 0.0)), "r_knee": (88.0, (3, 1, 0.0, 5))}),
        Action("scale", 0.45, SIT | {"roll": (0.0, (9, 1, 0.0)), "yaw": (0.0, (7, 1, 0.5)),
            "head_yaw": (0.0, (18, 1, 0.5)), "head_pitch": (22.0, (2, 2, 0.0)),
            "r_abd": (16.0, (22, 1, 0.0)), "r_flex": (28.0,), "r_rot": (4.0, (-14, 1, 0.0)),
            "r_elbow": (64.0, (5, 7, 0.0)), "l_flex": (22.0,), "l_abd": (16.0, (-20, 1, 0.0)),
            "l_rot": (4.0, (14, 1, 0.0)), "l_elbow": (64.0, (5, 7, 0.3)),
            "y": (0.0, (-0.05, 1, 0.0))}),
        Action("ballad", 0.3, SIT | {"pitch": (2.0, (11, 1, 0.0)), "roll": (0.0, (6, 0.5, 0.25)),
            "head_pitch": (-10.0, (11, 1, 0.1)), "head_roll": (0.0, (9, 0.5, 0.3)),
            "b_flex": (24.0, (-8, 1, 0.0)), "b_elbow": (66.0, (8, 2, 0.0)), "b_abd": (20.0,)}),
    ),
    "Basketball": (
        Action("dribble", 1.9, {"pitch": (24.0, (2.5, 1, 0.1)), "b_hip": (36.0,),
            "b_knee": (46.0, (6, 1, 0.5)), "b_splay": (12.0,), "head_pitch": (-16.0, (3, 1, 0.2)),
            "head_yaw": (4.0, (14, 0.25, 0.0)), "x": (0.0, (0.14, 0.25, 0.0)),
            "z": (0.0, (0.014, 1, 0.3)), "r_flex": (20.0, (15, 1, 0.0)),
            "r_elbow": (54.0, (26, 1, 0.0)), "r_abd": (18.0,), "l_flex": (34.0,), "l_abd": (28.0,),
            "l_elbow": (58.0,)}, "bounced ball"),
        Action("shoot", 0.48, {"b_flex": (62.0, (92, 1, 0.0, 5)),
            "b_elbow": (92.0, (-72, 1, 0.05, 6)), "b_abd": (4.0,), "b_rot": (12.0,),
            "b_hip": (40.0, (-36, 1, 0.0, 6)), "b_knee": (58.0, (-52, 1, 0.0, 6)),
            "z": (0.0, (0.26, 1, 0.04, 12), LANDING), "pitch": (16.0, (-14, 1, 0.0, 5)),
            "head_pitch": (-20.0, (-8, 1, 0.1, 4))}, "shot ball"),
        Action("slide", 1.1, {"y": (0.0, (0.34, 0.5, 0.0)), "b_hip": (58.0,),
            "b_knee": (66.0, (12, 1, 0.0)), "b_splay": (18.0, (8, 1, 0.25)), "pitch": (32.0,),
            "roll": (0.0, (5, 0.5, 0.25)), "head_pitch": (-24.0,), "yaw": (0.0, (10, 0.5, 0.2)),
            "z": (0.0, (0.03, 1, 0.1)), "b_abd": (66.0, (6, 1, 0.0)), "b_flex": (20.0,),
            "b_elbow": (38.0,)}),
    ),
    "Rock Climbing": (
        Action("climb", 0.5, {"z": (0.62, (0.06, 2, 0.0)), "x": (0.02,),
            "y": (0.0, (0.14, 0.5, 0.0)), "r_flex": (138.0, (30, 1, 0.0)),
            "l_flex": (138.0, (-30, 1, 0.0)), "r_elbow": (58.0, (-38, 1, 0.0)),
            "l_elbow": (58.0, (38, 1, 0.0)), "b_abd": (22.0,), "r_hip": (52.0, (-34, 1, 0.0)),
            "l_hip": (52.0, (34, 1, 0.0)), "r_knee": (76.0, (-40, 1, 0.0)),
            "l_knee": (76.0, (40, 1, 0.0)), "b_splay": (28.0,), "roll": (0.0, (8, 1, 0.0)),
            "head_pitch": (-32.0, (7, 2, 0.0)), "head_yaw": (0.0, (14, 1, 0.3))}),
        Action("reach", 0.26, {"z": (0.58, (0.2, 1, 0.0, 3)), "r_flex": (112.0, (62, 1, 0.02, 3)),
            "r_elbow": (82.0, (-74, 1, 0.02, 3)), "b_abd": (16.0,),
            "l_flex": (132.0, (-34, 1, 0.0, 3)), "l_elbow": (62.0, (20, 1, 0.0, 3)),
            "r_hip": (58.0, (-46, 1, 0.0, 3)), "r_knee": (86.0, (-70, 1, 0.0, 3)),
            "l_hip": (72.0, (-12, 1, 0.0, 3)), "l_knee": (88.0, (-18, 1, 0.0, 3)),
            "b_splay": (26.0,), "roll": (0.0, (-9, 1, 0.0, 3)),
            "head_pitch": (-38.0, (-14, 1, -0.05, 3)), "head_yaw": (-14.0,)}),
        Action("shake", 3.2, {"z": (0.6,), "x": (-0.16,), "l_flex": (164.0,), "l_elbow": (8.0,),
            "r_flex": (-6.0, (9, 1, 0.0)), "r_abd": (24.0, (12, 1, 0.25)),
            "r_elbow": (20.0, (18, 1, 0.0)), "pitch": (-10.0,), "roll": (11.0, (1.1, 1, 0.2)),
            "b_hip": (66.0,), "b_knee": (84.0,), "b_splay": (26.0,),
            "head_pitch": (20.0, (0.8, 1, 0.0)), "head_yaw": (-32.0,),
            "head_roll": (-6.0, (1.2, 1, 0.4))}),
    ),
    "Soccer": (
        Action("run", 2.5, {"r_hip": (20.0, (28, 0.5, 0.0)), "l_hip": (20.0, (-28, 0.5, 0.0)),
            "r_knee": (42.0, (34, 0.5, 0.1)), "l_knee": (42.0, (-34, 0.5, 0.1)),
            "z": (0.0, (0.026, 1, 0.0)), "pitch": (14.0, (1.5, 1, 0.2)),
            "head_pitch": (24.0, (2.5, 1, 0.4)), "r_flex": (4.0, (-32, 0.5, 0.0)),
            "l_flex": (4.0, (32, 0.5, 0.0)), "b_elbow": (74.0,), "b_abd": (16.0,),
            "twist": (0.0, (8, 0.5, 0.5)), "x": (0.0, (0.22, 0.07, 0.0))}, "ground ball"),
        Action("juggle", 1.25, {"r_hip": (12.0, (66, 0.5, 0.0, 6)),
            "l_hip": (12.0, (66, 0.5, 0.5, 6)), "r_knee": (14.0, (74, 0.5, 0.0, 6)),
            "l_knee": (14.0, (74, 0.5, 0.5, 6)), "head_pitch": (32.0, (-7, 1, 0.2)),
            "pitch": (6.0, (-3, 1, 0.0)), "b_abd": (40.0, (6, 1, 0.0)), "b_elbow": (36.0,),
            "roll": (0.0, (-5, 0.5, 0.25)), "z": (0.0, (0.02, 1, 0.0, 6))}, "juggled ball"),
        Action("kick", 0.42, {"r_hip": (4.0, (72, 1, 0.0, 14), (-42, 1, -0.14, 10)),
            "r_knee": (12.0, (74, 1, -0.11, 12)), "l_knee": (14.0, (22, 1, -0.04, 8)),
            "twist": (0.0, (26, 1, 0.02, 8), (-22, 1, -0.13, 8)), "yaw": (0.0, (14, 1, 0.02, 6)),
            "x": (0.0, (0.3, 1, 0.03, 3), (-0.012, 1, 0.0, 300)), "pitch": (6.0, (13, 1, 0.0, 8)),
            "head_pitch": (20.0, (-30, 1, 0.16, 4)), "l_flex": (6.0, (56, 1, 0.0, 8)),
            "l_abd": (32.0,), "r_flex": (0.0, (-42, 1, 0.0, 8)), "r_abd": (20.0,)}, "kicked ball"),
    ),
    "Dance": (
        Action("spin", 0.3, {"yaw": (0.0, (165, 1, 0.0)), "b_abd": (82.0, (6, 2, 0.0)),
            "b_flex": (4.0,), "b_elbow": (14.0, (8, 4, 0.0)), "head_yaw": (0.0, (-26, 1, 0.05)),
            "head_pitch": (-6.0,), "b_knee": (14.0, (8, 4, 0.0)), "b_hip": (8.0, (4, 4, 0.0)),
            "b_splay": (3.0,), "roll": (0.0, (4, 1, 0.25))}),
        Action("sway", 0.9, {"b_flex": (164.0,), "b_abd": (16.0, (10, 1, 0.25)),
            "b_elbow": (24.0, (14, 1, 0.25)), "roll": (0.0, (15, 1, 0.0)),
            "y": (0.0, (0.1, 1, 0.5)), "head_roll": (0.0, (-9, 1, 0.05)),
            "twist": (0.0, (9, 1, 0.25)), "b_knee": (24.0, (11, 2, 0.0)),
            "b_hip": (12.0, (5, 2, 0.0)), "head_pitch": (-8.0, (3, 2, 0.0))}),
        Action("hop", 1.15, {"y": (0.0, (0.26, 1, 0.0)), "z": (0.0, (0.13, 2, 0.0, 3)),
            "b_knee": (40.0, (20, 2, 0.25)), "b_hip": (24.0, (10, 2, 0.25)),
            "l_flex": (30.0, (58, 1, 0.0)), "r_flex": (30.0, (-58, 1, 0.0)),
            "b_elbow": (62.0, (16, 2, 0.0)), "b_abd": (30.0,), "roll": (0.0, (9, 1, 0.3)),
            "pitch": (8.0,), "head_pitch": (2.0, (5, 2, 0.2)), "yaw": (0.0, (14, 1, 0.2))}),
    ),
}
# fmt: on
