"""Small files of formats of motion capture, written here by the descriptions of their layouts."""

import struct

import numpy as np


def c3d_parameters(groups, order="<"):
    """The section: groups is {name: {parameter: value}}; texts, floats, ints or lists of them."""
    out = bytearray()
    for number, (group, parameters) in enumerate(groups.items(), 1):
        name = group.encode()
        out += struct.pack("bb", len(name), -number) + name + struct.pack(f"{order}hb", 3, 0)
        for label, value in parameters.items():
            name = label.encode()
            kind, dims, data = _c3d_value(value, order)
            rest = struct.pack("bB", kind, len(dims)) + bytes(dims) + data + b"\0"
            out += struct.pack("bb", len(name), number) + name
            out += struct.pack(f"{order}h", len(rest) + 2) + rest
    out += b"\0\0"
    blocks = -(-(len(out) + 4) // 512)
    head = bytes([1, 80, blocks, 84 if order == "<" else 86])
    return (head + bytes(out)).ljust(blocks * 512, b"\0"), blocks


def _c3d_value(value, order):
    values = value if isinstance(value, list) else [value]
    dims = [len(values)] if isinstance(value, list) else []
    if isinstance(values[0], str):
        width = max(1, *map(len, values))
        return -1, [width, *dims], "".join(v.ljust(width) for v in values).encode()
    if isinstance(values[0], float):
        return 4, dims, struct.pack(f"{order}{len(values)}f", *values)
    return 2, dims, struct.pack(f"{order}{len(values)}h", *values)


def c3d(points, residual=None, labels=None, units="mm", rate=100.0, real=True, order="<",
        analog=None, unsigned=False, first=1):  # fmt: skip
    """A file; points (F, M, 3), residual (F, M) with -1 for unseen, analog (F, k, C) raw ints."""
    frames, count = points.shape[:2]
    residual = np.zeros((frames, count)) if residual is None else residual
    labels = labels or [f"M{i}" for i in range(count)]
    scale = -0.1 if real else 0.1
    group = {"USED": count, "SCALE": scale, "RATE": rate, "DATA_START": 0, "FRAMES": frames,
             "LABELS": labels}  # fmt: skip
    if units:
        group["UNITS"] = units
    per, channels = analog.shape[1:] if analog is not None else (0, 0)
    groups = {"POINT": group, "ANALOG": {"USED": channels}}
    if channels:
        groups["ANALOG"] |= {
            "LABELS": [f"A{i}" for i in range(channels)], "GEN_SCALE": 1.0, "RATE": rate * per,
            "SCALE": [1.0] * channels, "OFFSET": [0] * channels,
        }  # fmt: skip
        if unsigned:
            groups["ANALOG"]["FORMAT"] = "UNSIGNED"
    _, blocks = c3d_parameters(groups, order)
    group["DATA_START"] = 2 + blocks
    section, blocks = c3d_parameters(groups, order)
    head = struct.pack(
        f"{order}HHHHHf", count, per * channels, first, first + frames - 1, 10, scale
    )
    head = bytes([2, 80]) + head + struct.pack(f"{order}HHf", 2 + blocks, per, rate)
    kind = "f4" if real else "i2"
    fourth = np.where(residual < 0, -1, residual + 256 * 3)  # cameras 1 and 2 in the upper byte
    rows = np.concatenate([points / (1 if real else 0.1), fourth[..., None]], axis=2)
    rows = rows.reshape(frames, -1)
    if channels:
        raw = analog.reshape(frames, -1)
        rows = np.hstack([rows, raw if real else np.where(raw > 32767, raw - 65536, raw)])
    return head.ljust(512, b"\0") + section + rows.astype(f"{order}{kind}").tobytes()


def trc(points, names, units="mm", rate=100.0, blank=True, start=0.0):
    """A file; NaN is an empty cell."""
    frames = len(points)
    lines = ["PathFileType\t4\t(X/Y/Z)\tfile.trc"]
    lines.append("DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate")
    lines.append(f"{rate}\t{rate}\t{frames}\t{len(names)}\t{units}\t{rate}")
    lines.append("Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t")
    axes = "\t".join(f"{axis}{i}" for i in range(1, len(names) + 1) for axis in "XYZ")
    lines.append("\t\t" + axes)
    if blank:
        lines.append("")
    for number, row in enumerate(points):
        cells = ["" if np.isnan(v) else f"{v:.4f}" for v in row.ravel()]
        lines.append("\t".join([str(number + 1), f"{start + number / rate:.4f}", *cells]))
    return ("\n".join(lines) + "\n").encode()


_NAMES = (
    "Pelvis L5 L3 T12 T8 Neck Head RightShoulder RightUpperArm RightForeArm RightHand LeftShoulder "
    "LeftUpperArm LeftForeArm LeftHand RightUpperLeg RightLowerLeg RightFoot RightToe LeftUpperLeg "
    "LeftLowerLeg LeftFoot LeftToe"
)
SEGMENTS = _NAMES.split()


def mvnx(places, turns, names=SEGMENTS, rate=60, poses=3, order=None):
    """A file; places (F, J, 3), turns (F, J, 4) w first; `order` is that of ids in the file."""
    head = "".join(
        f'<segment label="{names[i]}" id="{i + 1}"/>' for i in (order or range(len(names)))
    )
    frames = []
    for kind, place, turn, ms in [
        *((p, places[0] * 0 + 9, turns[0], 0) for p in ("identity", "tpose", "tpose-isb")[:poses]),
        *(
            ("normal", p, t, i * 1000 / rate)
            for i, (p, t) in enumerate(zip(places, turns, strict=True))
        ),
    ]:
        text = [" ".join(f"{v:.6f}" for v in block.ravel()) for block in (turn, place)]
        frames.append(
            f'<frame time="{ms:.3f}" index="0" type="{kind}"><orientation>{text[0]}</orientation>'
            f"<position>{text[1]}</position></frame>"
        )
    return (
        '<?xml version="1.0"?><mvnx version="4" xmlns="http://www.xsens.com/mvn/mvnx">'
        f'<subject label="S" frameRate="{rate}" segmentCount="{len(names)}" '
        'recDateMSecSinceEpoch="1700000000000">'
        f"<segments>{head}</segments><frames>{''.join(frames)}</frames></subject></mvnx>"
    ).encode()


def bvh(lines, motion, period=1 / 60):
    rows = [" ".join(f"{v:.6f}" for v in row) for row in motion]
    head = f"MOTION\nFrames: {len(motion)}\nFrame Time: {period:.8f}\n"
    return ("HIERARCHY\n" + lines + "\n" + head + "\n".join(rows) + "\n").encode()
