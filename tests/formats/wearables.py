"""Small files of formats of wearables, written here by the descriptions of their layouts."""

import io
import struct
import zipfile

import numpy as np


def cwa_stamp(seconds):
    """Seconds of a day in 2024-03-05 as the format packs them."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return 24 << 26 | 3 << 22 | 5 << 17 | hour << 12 | minute << 6 | second


def cwa_block(values, at_s, sequence, rate_hz=100, axes=3, session=7, fraction=True):
    """One block; values (n, axes) are counts, gyroscope first where there is one."""
    whole, part = int(at_s), at_s - int(at_s)
    offset, fractional = 0, 0
    if fraction:
        fractional = 0x8000 | int(part * 32768)
        offset = -(((int(part * 32768) << 1) * rate_hz) >> 16)
    else:  # the first sample on or after a whole second has number `offset`
        whole, offset = int(np.ceil(at_s)), round((np.ceil(at_s) - at_s) * rate_hz)
    code = 15 - int(np.log2(3200 / rate_hz))
    light = (4 << 13 | 2 << 10) if axes == 6 else 0  # 4096 counts a g, 2000 deg/s; 256 counts
    head = struct.pack(
        "<2sHHIIIHHBBBBhH", b"AX", 508, fractional, session, sequence, cwa_stamp(whole), light,
        0, 0, 0, 0x40 | code, axes << 4 | 2, offset, len(values),
    )  # fmt: skip
    block = head + np.asarray(values, "<i2").tobytes().ljust(480, b"\0")
    return block + struct.pack("<H", -sum(struct.unpack("<255H", block)) & 0xFFFF)


def cwa_header(axes=3, rate_hz=100):
    code = 0x40 | 15 - int(np.log2(3200 / rate_hz))
    kind = 0x64 if axes == 6 else 0x17
    head = struct.pack("<2sHBHIH", b"MD", 1020, kind, 1, 7, 0xFFFF)
    return head.ljust(36, b"\0") + bytes([code]) + bytes(1024 - 37)


def cwa(blocks, **kwargs):
    return cwa_header(**kwargs) + b"".join(blocks)


def gt3x_record(kind, stamp, payload):
    body = struct.pack("<BBLH", 0x1E, kind, stamp, len(payload)) + payload
    check = 0
    for byte in body:
        check ^= byte
    return body + bytes([~check & 0xFF])


def gt3x_second(stamp, counts):
    """A second of int16 samples (n, 3)."""
    return gt3x_record(26, stamp, np.asarray(counts, "<i2").tobytes())


def gt3x_packed(counts):
    """Samples (n, 3) x, y, z as 12 bits each, y first, as the older kind has them."""
    flat = np.asarray(counts)[:, [1, 0, 2]].ravel() & 0xFFF
    bits = "".join(f"{value:012b}" for value in flat)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def gt3x(records, rate_hz=30, scale="256.0", **info):
    lines = {
        "Serial Number": "TAS1D48140206", "Sample Rate": str(rate_hz), "Acceleration Scale": scale,
        "Limb": "Wrist", "Side": "Left", "TimeZone": "-05:00:00", "Device Type": "wGT3XBT",
        "Start Date": "638000000000000000", "Stop Date": "638000000000000000",
        "Last Sample Time": "638000000000000000", **info,
    }  # fmt: skip
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        text = "\n".join(f"{name}: {value}" for name, value in lines.items() if value is not None)
        archive.writestr("info.txt", text)
        archive.writestr("log.bin", b"".join(records))
    return file.getvalue()


def _chunk(tag, content):
    size = len(content) + 2
    return b"\x04" + struct.pack("<IH", size, tag) + content


def xdf(streams):
    """A file; streams are (name, rate, stamps, values (N, C), units, clock offsets)."""
    data = b"XDF:" + _chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    for number, (name, rate, stamps, values, units, offsets) in enumerate(streams, 1):
        ident = struct.pack("<I", number)
        channels = "".join(
            f"<channel><label>{label}</label><unit>{unit}</unit></channel>" for label, unit in units
        )
        head = (
            f'<?xml version="1.0"?><info><name>{name}</name><type>IMU</type>'
            f"<channel_count>{values.shape[1]}</channel_count><nominal_srate>{rate}</nominal_srate>"
            f"<channel_format>double64</channel_format><desc><channels>{channels}</channels></desc></info>"
        )
        data += _chunk(2, ident + head.encode())
        for at, offset in offsets:
            data += _chunk(4, ident + struct.pack("<dd", at, offset))
        samples = b"".join(
            b"\x08" + struct.pack("<d", stamp) + np.asarray(row, "<f8").tobytes()
            for stamp, row in zip(stamps, values, strict=True)
        )
        data += _chunk(3, ident + b"\x04" + struct.pack("<I", len(stamps)) + samples)
        foot = f'<?xml version="1.0"?><info><sample_count>{len(stamps)}</sample_count></info>'
        data += _chunk(6, ident + foot.encode())
    return data
